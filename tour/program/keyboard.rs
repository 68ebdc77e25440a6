//! Page 5: the bytes of the keyboard as interrupt 1 brings them, on a picture of one.

use super::library::place;
use super::{ATTRIBUTE, PAGE, PHASE, Result, Tour};
use iced_x86::code_asm::*;

/// How many bytes came, and the last 32 of them.
const CAME: u16 = PAGE;
const RING: u16 = PAGE + 2;
/// How many were shown; where the next one is shown.
const SHOWN: u16 = PAGE + 34;
const AT: u16 = PAGE + 36;
/// 80h after the prefix E0h.
const PREFIX: u16 = PAGE + 38;
/// The BIOS's own handler of the interrupt.
const BEFORE: u16 = PAGE + 40;

/// Where a row of keys begins, and each key's scan code (set 1; with 80h after E0h) and text.
type Row = (u16, u16, &'static [(u8, &'static str)]);

const ROWS: [Row; 6] = [
    (
        4,
        1,
        &[
            (0x01, "Esc"),
            (0x3b, "F1"),
            (0x3c, "F2"),
            (0x3d, "F3"),
            (0x3e, "F4"),
            (0x3f, "F5"),
            (0x40, "F6"),
            (0x41, "F7"),
            (0x42, "F8"),
            (0x43, "F9"),
            (0x44, "F10"),
            (0x57, "F11"),
            (0x58, "F12"),
            (0xb7, "Prt"),
        ],
    ),
    (
        6,
        1,
        &[
            (0x29, "`"),
            (0x02, "1"),
            (0x03, "2"),
            (0x04, "3"),
            (0x05, "4"),
            (0x06, "5"),
            (0x07, "6"),
            (0x08, "7"),
            (0x09, "8"),
            (0x0a, "9"),
            (0x0b, "0"),
            (0x0c, "-"),
            (0x0d, "="),
            (0x0e, "Bksp"),
            (0xd2, "Ins"),
            (0xc7, "Home"),
            (0xc9, "PgUp"),
        ],
    ),
    (
        8,
        1,
        &[
            (0x0f, "Tab"),
            (0x10, "Q"),
            (0x11, "W"),
            (0x12, "E"),
            (0x13, "R"),
            (0x14, "T"),
            (0x15, "Y"),
            (0x16, "U"),
            (0x17, "I"),
            (0x18, "O"),
            (0x19, "P"),
            (0x1a, "["),
            (0x1b, "]"),
            (0x2b, "\\"),
            (0xd3, "Del"),
            (0xcf, "End"),
            (0xd1, "PgDn"),
        ],
    ),
    (
        10,
        1,
        &[
            (0x3a, "Caps"),
            (0x1e, "A"),
            (0x1f, "S"),
            (0x20, "D"),
            (0x21, "F"),
            (0x22, "G"),
            (0x23, "H"),
            (0x24, "J"),
            (0x25, "K"),
            (0x26, "L"),
            (0x27, ";"),
            (0x28, "'"),
            (0x1c, "Enter"),
        ],
    ),
    (
        12,
        1,
        &[
            (0x2a, "Shift"),
            (0x56, "<"),
            (0x2c, "Z"),
            (0x2d, "X"),
            (0x2e, "C"),
            (0x2f, "V"),
            (0x30, "B"),
            (0x31, "N"),
            (0x32, "M"),
            (0x33, ","),
            (0x34, "."),
            (0x35, "/"),
            (0x36, "Shift"),
            (0xc8, "↑"),
        ],
    ),
    (
        14,
        1,
        &[
            (0x1d, "Ctrl"),
            (0xdb, "Win"),
            (0x38, "Alt"),
            (0x39, "     Space     "),
            (0xb8, "AltGr"),
            (0xdd, "Menu"),
            (0x9d, "Ctrl"),
            (0xcb, "←"),
            (0xd0, "↓"),
            (0xcd, "→"),
        ],
    ),
];

pub fn write(t: &mut Tour) -> Result {
    t.page("The keyboard: what the chip sends, one byte after the other", "Esc goes back")?;
    // Scan code, attribute's offset, length.
    let mut table = Vec::new();
    for (row, first, keys) in ROWS {
        let mut column = first;
        for (code, text) in keys {
            let text = format!(" {text} ");
            let length = text.chars().count() as u16;
            t.say(row, column, 0x70, &text)?;
            let [low, high] = (place(row, column) as u16 + 1).to_le_bytes();
            table.extend([*code, low, high, length as u8]);
            column += length + 1;
        }
    }
    table.extend([0; 4]);
    let table = t.data.add(&table);
    t.say(17, 3, 0x1e, "Bytes of scan code set 1 (80h is added when a key comes up):")?;

    for word in [CAME, SHOWN, PREFIX, PHASE] {
        t.mov(word_ptr(word), 0)?;
    }
    t.mov(word_ptr(AT), place(19, 3))?;
    t.cli()?;
    t.mov(eax, dword_ptr(9 * 4))?;
    t.mov(dword_ptr(BEFORE), eax)?;
    t.address_of(handler)?;
    t.mov(word_ptr(9 * 4), ax)?;
    t.mov(word_ptr(9 * 4 + 2), 0)?;
    t.sti()?;

    let (wait, mut leave) = (t.here()?, t.label());
    t.hlt()?;
    let (next, mut none) = (t.here()?, t.label());
    t.mov(bx, word_ptr(SHOWN))?;
    t.cmp(bx, word_ptr(CAME))?;
    t.je(wait)?;
    t.inc(word_ptr(SHOWN))?;
    t.and(bx, 31)?;
    t.mov(al, byte_ptr(bx + u32::from(RING)))?;
    show_byte(t)?;
    // Its key: AL with the prefix, and bit 7 of the byte aside.
    let mut no_prefix = t.label();
    t.cmp(al, 0xe0)?;
    t.jne(no_prefix)?;
    t.mov(byte_ptr(PREFIX), 0x80)?;
    t.jmp(next)?;
    t.bind(&mut no_prefix)?;
    t.mov(dl, 0x4f)?;
    let mut down = t.label();
    t.test(al, 0x80)?;
    t.jz(down)?;
    t.mov(dl, 0x2f)?; // it was tried
    t.bind(&mut down)?;
    t.mov(dh, al)?;
    t.and(al, 0x7f)?;
    t.or(al, byte_ptr(PREFIX))?;
    t.mov(byte_ptr(PREFIX), 0)?;
    t.mov(si, u32::from(table))?;
    let (search, mut found) = (t.here()?, t.label());
    t.mov(ah, byte_ptr(si))?;
    t.test(ah, ah)?;
    t.jz(none)?;
    t.cmp(ah, al)?;
    t.je(found)?;
    t.add(si, 4)?;
    t.jmp(search)?;
    t.bind(&mut found)?;
    t.mov(di, word_ptr(si + 1))?;
    t.movzx(cx, byte_ptr(si + 3))?;
    t.mov(al, dl)?;
    let paint = t.here()?;
    t.stosb()?;
    t.inc(di)?;
    t.loop_(paint)?;
    t.bind(&mut none)?;
    t.cmp(dh, 0x81)?; // Esc came up
    t.je(leave)?;
    t.jmp(next)?;

    t.bind(&mut leave)?;
    t.cli()?;
    t.mov(eax, dword_ptr(BEFORE))?;
    t.mov(dword_ptr(9 * 4), eax)?;
    t.sti()?;
    t.ret()
}

/// Shows AL, which stays; the line begins anew when it is full.
fn show_byte(t: &mut Tour) -> Result {
    let (mut room, hex) = (t.label(), t.library.hex);
    t.push(ax)?;
    t.es_is(0xb800)?;
    t.mov(di, word_ptr(AT))?;
    t.cmp(di, place(22, 75))?;
    t.jb(room)?;
    t.mov(di, place(19, 3))?;
    t.mov(cx, 4 * 80)?;
    t.push(di)?;
    t.mov(ax, 0x1720)?;
    t.rep().stosw()?;
    t.pop(di)?;
    t.bind(&mut room)?;
    t.mov(byte_ptr(ATTRIBUTE), 0x1f)?;
    t.pop(ax)?;
    t.push(ax)?;
    t.call(hex)?;
    t.add(di, 2)?;
    t.mov(word_ptr(AT), di)?;
    t.pop(ax)
}

/// Interrupt 1: takes the byte, and is done.
fn handler(t: &mut Tour) -> Result {
    t.push(ax)?;
    t.push(bx)?;
    t.push(ds)?;
    t.xor(ax, ax)?;
    t.mov(ds, ax)?;
    t.in_(al, 0x60)?;
    t.mov(bx, word_ptr(CAME))?;
    t.and(bx, 31)?;
    t.mov(byte_ptr(bx + u32::from(RING)), al)?;
    t.inc(word_ptr(CAME))?;
    t.outb(0x20, 0x20)?;
    t.pop(ds)?;
    t.pop(bx)?;
    t.pop(ax)?;
    t.iret()
}
