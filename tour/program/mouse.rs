//! Page 6: the mouse at the keyboard controller's second port, by interrupt 12, on a canvas to paint on.

use super::{CANVAS, ESCAPE, PAGE, Result, Tour};
use iced_x86::code_asm::*;

/// The packet that comes, and how many of its bytes are there.
const PACKET: u16 = PAGE;
const COUNT: u16 = PAGE + 4;
/// Where the pointer is, as words, and the buttons.
const X: u16 = PAGE + 6;
const Y: u16 = PAGE + 8;
const BUTTONS: u16 = PAGE + 10;
/// Something has changed.
const NEWS: u16 = PAGE + 11;

/// An arrow: `#` is its edge, `.` its inside.
const ARROW: [&str; 12] = [
    "#         ",
    "##        ",
    "#.#       ",
    "#..#      ",
    "#...#     ",
    "#....#    ",
    "#.....#   ",
    "#......#  ",
    "#...####  ",
    "#.##..#   ",
    "##  #..#  ",
    "    ###   ",
];

pub fn write(t: &mut Tour) -> Result {
    t.video_mode(0x13)?;
    background(t)?;
    t.mov(word_ptr(X), 160)?;
    t.mov(word_ptr(Y), 100)?;
    t.mov(byte_ptr(COUNT), 0)?;
    t.mov(word_ptr(BUTTONS), 0x0100)?;
    t.cli()?;
    t.address_of(handler)?;
    t.mov(word_ptr(0x74 * 4), ax)?;
    t.mov(word_ptr(0x74 * 4 + 2), 0)?;
    // The keyboard is silent meanwhile (ADh), so that each answer is the one that is waited for.
    command(t, 0xad)?;
    let (flush, mut empty) = (t.here()?, t.label());
    t.in_(al, 0x64)?;
    t.test(al, 1)?;
    t.jz(empty)?;
    t.in_(al, 0x60)?;
    t.jmp(flush)?;
    t.bind(&mut empty)?;
    // The second port and its interrupt on (8042 commands A8h, 20h, 60h), then the mouse itself (F4h).
    command(t, 0xa8)?;
    command(t, 0x20)?;
    wait_for(t, 1, true)?;
    t.in_(al, 0x60)?;
    t.or(al, 2)?;
    t.and(al, 0xdf)?;
    t.mov(bl, al)?;
    command(t, 0x60)?;
    wait_for(t, 2, false)?;
    t.mov(al, bl)?;
    t.out(0x60, al)?;
    to_mouse(t, 0xf4)?;
    command(t, 0xae)?;
    for port in [0xa1, 0x21] {
        t.in_(al, port)?;
        t.and(al, if port == 0xa1 { 0xef } else { 0xfb })?;
        t.out(port, al)?;
    }
    t.sti()?;

    let frame = t.here()?;
    let (mut quiet, mut leave) = (t.label(), t.label());
    t.cmp(byte_ptr(NEWS), 0)?;
    t.je(quiet)?;
    t.mov(byte_ptr(NEWS), 0)?;
    paint(t)?;
    show(t)?;
    t.bind(&mut quiet)?;
    t.mov(ah, 1)?;
    t.int(0x16)?;
    t.jnz(leave)?;
    t.hlt()?;
    t.jmp(frame)?;
    t.bind(&mut leave)?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.cmp(ax, ESCAPE)?;
    t.jne(frame)?;
    t.cli()?;
    t.in_(al, 0xa1)?;
    t.or(al, 0x10)?;
    t.out(0xa1, al)?;
    command(t, 0xad)?;
    to_mouse(t, 0xf5)?;
    command(t, 0xae)?;
    t.sti()?;
    t.ret()
}

/// Waits until the controller's status has a bit set or clear, but not for ever.
fn wait_for(t: &mut Tour, bit: u32, set: bool) -> Result {
    t.xor(cx, cx)?;
    let (again, mut done) = (t.here()?, t.label());
    t.in_(al, 0x64)?;
    t.test(al, bit)?;
    if set {
        t.jnz(done)?;
    } else {
        t.jz(done)?;
    }
    t.loop_(again)?;
    t.bind(&mut done)
}

fn command(t: &mut Tour, command: u8) -> Result {
    wait_for(t, 2, false)?;
    t.outb(0x64, command)
}

/// Sends a byte to the mouse; its answer is in AL.
fn to_mouse(t: &mut Tour, byte: u8) -> Result {
    command(t, 0xd4)?;
    wait_for(t, 2, false)?;
    t.outb(0x60, byte)?;
    wait_for(t, 1, true)?;
    t.in_(al, 0x60)
}

/// Interrupt 12: the next byte of a packet; with the third the pointer moves.
fn handler(t: &mut Tour) -> Result {
    let mut done = t.label();
    t.push(ax)?;
    t.push(bx)?;
    t.push(ds)?;
    t.xor(ax, ax)?;
    t.mov(ds, ax)?;
    // The answers to commands have left interrupts behind, and there is no byte of the mouse's with those.
    t.in_(al, 0x64)?;
    t.and(al, 0x21)?;
    t.cmp(al, 0x21)?;
    t.jne(done)?;
    t.in_(al, 0x60)?;
    t.movzx(bx, byte_ptr(COUNT))?;
    // The first byte has bit 3 set: so we get back into step.
    let mut in_step = t.label();
    t.test(bx, bx)?;
    t.jnz(in_step)?;
    t.test(al, 8)?;
    t.jz(done)?;
    t.bind(&mut in_step)?;
    t.mov(byte_ptr(bx + u32::from(PACKET)), al)?;
    t.inc(bx)?;
    t.mov(byte_ptr(COUNT), bl)?;
    t.cmp(bl, 3)?;
    t.jb(done)?;
    t.mov(byte_ptr(COUNT), 0)?;
    t.mov(byte_ptr(NEWS), 1)?;
    t.mov(al, byte_ptr(PACKET))?;
    t.and(al, 7)?;
    t.mov(byte_ptr(BUTTONS), al)?;
    for (place, byte, sign, last) in [(X, PACKET + 1, 0x10, 319), (Y, PACKET + 2, 0x20, 199)] {
        let (mut positive, mut not_low, mut not_high) = (t.label(), t.label(), t.label());
        t.movzx(ax, byte_ptr(byte))?;
        t.test(byte_ptr(PACKET), sign)?;
        t.jz(positive)?;
        t.mov(ah, 0xff)?;
        t.bind(&mut positive)?;
        if place == Y {
            t.neg(ax)?; // upwards is positive
        }
        t.add(ax, word_ptr(place))?;
        t.jns(not_low)?;
        t.xor(ax, ax)?;
        t.bind(&mut not_low)?;
        t.cmp(ax, last)?;
        t.jle(not_high)?;
        t.mov(ax, last)?;
        t.bind(&mut not_high)?;
        t.mov(word_ptr(place), ax)?;
    }
    t.bind(&mut done)?;
    t.outb(0xa0, 0x20)?;
    t.outb(0x20, 0x20)?;
    t.pop(ds)?;
    t.pop(bx)?;
    t.pop(ax)?;
    t.iret()
}

/// The canvas: a pattern in the greys of the BIOS's palette, with what to do.
fn background(t: &mut Tour) -> Result {
    t.es_is(0xa000)?;
    t.xor(di, di)?;
    t.xor(dx, dx)?;
    let row = t.here()?;
    t.xor(cx, cx)?;
    let column = t.here()?;
    t.mov(al, cl)?;
    t.xor(al, dl)?;
    t.and(al, 8)?;
    t.shr(al, 3)?;
    t.add(al, 18)?;
    t.stosb()?;
    t.inc(cx)?;
    t.cmp(cx, 320)?;
    t.jb(column)?;
    t.inc(dx)?;
    t.cmp(dx, 200)?;
    t.jb(row)?;
    t.caption(1, 2, 14, "The mouse: its buttons paint")?;
    t.caption(23, 2, 7, "Esc goes back")?;
    // From the screen to the canvas.
    t.push(ds)?;
    t.es_is(CANVAS)?;
    t.mov(ax, 0xa000)?;
    t.mov(ds, ax)?;
    copy(t)?;
    t.pop(ds)
}

/// 64,000 bytes from DS:0 to ES:0.
fn copy(t: &mut Tour) -> Result {
    t.xor(si, si)?;
    t.xor(di, di)?;
    t.mov(cx, 16_000)?;
    t.rep().movsd()
}

/// With a button down, a blot on the canvas: yellow, red or green.
fn paint(t: &mut Tour) -> Result {
    let mut up = t.label();
    let colours = t.data.add(&[0, 14, 12, 13, 10, 11, 9, 15]);
    t.movzx(bx, byte_ptr(BUTTONS))?;
    t.test(bx, bx)?;
    t.jz(up)?;
    t.mov(dl, byte_ptr(bx + u32::from(colours)))?;
    t.es_is(CANVAS)?;
    offset(t)?;
    t.mov(al, dl)?;
    t.mov(dx, 3)?;
    let mut row_end = t.label();
    let row = t.here()?;
    t.cmp(di, 64_000 - 4)?;
    t.jae(row_end)?;
    t.mov(cx, 3)?;
    t.rep().stosb()?;
    t.add(di, 317)?;
    t.dec(dx)?;
    t.jnz(row)?;
    t.bind(&mut row_end)?;
    t.bind(&mut up)
}

/// DI becomes the pointer's offset.
fn offset(t: &mut Tour) -> Result {
    t.mov(di, word_ptr(Y))?;
    t.imul_3(di, di, 320)?;
    t.add(di, word_ptr(X))
}

/// The canvas on the screen, and the pointer on it.
fn show(t: &mut Tour) -> Result {
    let pixels: Vec<u8> = ARROW
        .iter()
        .flat_map(|row| row.bytes())
        .map(|letter| match letter {
            b'#' => 1, // one more than its colour, which is black
            b'.' => 16,
            _ => 0,
        })
        .collect();
    let arrow = t.data.add(&pixels);
    t.push(ds)?;
    t.es_is(0xa000)?;
    t.mov(ax, u32::from(CANVAS))?;
    t.mov(ds, ax)?;
    copy(t)?;
    t.pop(ds)?;
    offset(t)?;
    t.mov(si, u32::from(arrow))?;
    t.mov(dx, word_ptr(Y))?;
    t.mov(ch, ARROW.len() as u32)?;
    let (row, mut end) = (t.here()?, t.label());
    t.cmp(dx, 200)?;
    t.jae(end)?;
    t.mov(bx, word_ptr(X))?;
    t.mov(cl, 10)?;
    t.push(di)?;
    let (pixel, mut clear) = (t.here()?, t.label());
    t.lodsb()?;
    t.cmp(bx, 320)?;
    t.jae(clear)?;
    t.test(al, al)?;
    t.jz(clear)?;
    t.dec(al)?;
    t.mov(byte_ptr(di).es(), al)?;
    t.bind(&mut clear)?;
    t.inc(di)?;
    t.inc(bx)?;
    t.dec(cl)?;
    t.jnz(pixel)?;
    t.pop(di)?;
    t.add(di, 320)?;
    t.inc(dx)?;
    t.dec(ch)?;
    t.jnz(row)?;
    t.bind(&mut end)
}
