//! The title and the menu, and the way out.

use super::library::place;
use super::{CHOICE, DRIVE, ESCAPE, PHASE, Result, Tour};
use super::{about, disk, keyboard, mouse, planes, plasma, selftest, text, timers, true_colour};
use iced_x86::code_asm::*;

/// "LYREBIRD", each letter seven wide.
const TITLE: [&str; 5] = [
    "██      ██   ██ ██████  ███████ ██████  ███████ ██████  ██████ ",
    "██       ██ ██  ██   ██ ██      ██   ██   ███   ██   ██ ██   ██",
    "██        ███   ██████  █████   ██████    ███   ██████  ██   ██",
    "██        ███   ██  ██  ██      ██   ██   ███   ██  ██  ██   ██",
    "███████   ███   ██   ██ ███████ ██████  ███████ ██   ██ ██████ ",
];
/// Where the title begins.
const TITLE_AT: (u16, u16) = (2, 8);
/// Its rows' colours, which wander.
const COLOURS: [u8; 8] = [0x1b, 0x1b, 0x13, 0x19, 0x19, 0x13, 0x1b, 0x1f];

type Page = fn(&mut Tour) -> Result;

/// The menu's lines: the key, the text, the page.
const LINES: [(char, &str, Page); 10] = [
    ('1', "Colours and characters", text::write),
    ('2', "256 colours in motion", plasma::write),
    ('3', "Four planes, sixteen colours", planes::write),
    ('4', "A picture in true colour", true_colour::write),
    ('5', "The keyboard", keyboard::write),
    ('6', "The mouse", mouse::write),
    ('7', "The timers", timers::write),
    ('8', "The disk", disk::write),
    ('9', "About this machine", about::write),
    ('0', "Self-test: a verdict on everything", selftest::write),
];
/// Where the lines are.
const LINES_AT: (u16, u16) = (11, 20);
/// How wide a line is.
const LINE: usize = 38;
/// The menu's colours, and those of the chosen line.
const PLAIN: u8 = 0x1f;
const CHOSEN: u8 = 0x30;

/// Writes the program's beginning and the menu; gives the pages' labels.
pub fn write(t: &mut Tour) -> Result<Vec<CodeLabel>> {
    let pages: Vec<CodeLabel> = LINES.iter().map(|_| t.label()).collect();
    t.mov(byte_ptr(CHOICE), 0)?;
    let draw = t.here()?;
    let clear = t.library.clear;
    t.mov(bh, 0x17)?;
    t.call(clear)?;
    for (row, text) in TITLE.iter().enumerate() {
        t.say(TITLE_AT.0 + row as u16, TITLE_AT.1, COLOURS[0], text)?;
    }
    t.say(8, 14, 0x1e, "a whole PC in software · a tour of it, and a self-test")?;
    let (top, left) = LINES_AT;
    let edge = "═".repeat(LINE + 2);
    t.say(top - 1, left - 2, 0x17, &format!("╔{edge}╗"))?;
    t.say(top + LINES.len() as u16, left - 2, 0x17, &format!("╚{edge}╝"))?;
    for (row, (key, text, _)) in LINES.iter().enumerate() {
        let text = format!(" {key}  {text}");
        t.say(top + row as u16, left - 2, 0x17, "║")?;
        t.say(top + row as u16, left, PLAIN, &format!("{text:<LINE$}"))?;
        t.say(top + row as u16, left + 1 + LINE as u16, 0x17, "║")?;
    }
    t.say(23, 16, 0x17, "↑ ↓ and Enter, or a number; Esc switches this PC off")?;

    let wait = t.here()?;
    frame(t)?;
    let tick = t.library.tick;
    t.call(tick)?;
    keys(t, &pages, draw, wait)?;
    Ok(pages)
}

/// What changes from tick to tick: the title's colours, the clock, the chosen line.
fn frame(t: &mut Tour) -> Result {
    t.inc(word_ptr(PHASE))?;
    let colours = t.data.add(&[COLOURS, COLOURS].concat());
    t.es_is(0xb800)?;
    t.mov(bx, word_ptr(PHASE))?;
    t.shr(bx, 1)?;
    t.and(bx, 7)?;
    for row in 0..TITLE.len() as u16 {
        t.mov(al, byte_ptr(bx + u32::from(colours + row)))?;
        t.mov(di, place(TITLE_AT.0 + row, TITLE_AT.1) + 1)?;
        t.mov(cx, 63)?;
        paint(t)?;
    }
    // The real-time clock's hours, minutes and seconds; it keeps them in BCD.
    for (column, index) in [(70, 4), (73, 2), (76, 0)] {
        t.outb(0x70, index)?;
        t.in_(al, 0x71)?;
        t.mov(byte_ptr(super::ATTRIBUTE), 0x13)?;
        t.mov(di, place(0, column))?;
        let hex = t.library.hex;
        t.call(hex)?;
        if index != 0 {
            t.mov(ax, 0x1300 + u32::from(b':'))?;
            t.stosw()?;
        }
    }
    for row in 0..LINES.len() as u16 {
        t.mov(al, u32::from(PLAIN))?;
        let mut plain = t.label();
        t.cmp(byte_ptr(CHOICE), u32::from(row))?;
        t.jne(plain)?;
        t.mov(al, u32::from(CHOSEN))?;
        t.bind(&mut plain)?;
        t.mov(di, place(LINES_AT.0 + row, LINES_AT.1) + 1)?;
        t.mov(cx, LINE as u32)?;
        paint(t)?;
    }
    Ok(())
}

/// Gives CX places from ES:DI on, which is an attribute, the attribute AL.
fn paint(t: &mut Tour) -> Result {
    let next = t.here()?;
    t.stosb()?;
    t.inc(di)?;
    t.loop_(next)
}

/// What the key in AX does.
fn keys(t: &mut Tour, pages: &[CodeLabel], draw: CodeLabel, wait: CodeLabel) -> Result {
    let last = LINES.len() as u32 - 1;
    t.test(ax, ax)?;
    t.jz(wait)?;
    let (mut not_up, mut not_down, mut go, mut no_number) = (t.label(), t.label(), t.label(), t.label());
    let mut not_escape = t.label();
    t.cmp(ax, ESCAPE)?;
    t.jne(not_escape)?;
    power_off(t)?;
    t.bind(&mut not_escape)?;
    t.cmp(ah, 0x48)?;
    t.jne(not_up)?;
    t.dec(byte_ptr(CHOICE))?;
    t.jns(wait)?;
    t.mov(byte_ptr(CHOICE), last)?;
    t.jmp(wait)?;
    t.bind(&mut not_up)?;
    t.cmp(ah, 0x50)?;
    t.jne(not_down)?;
    t.inc(byte_ptr(CHOICE))?;
    t.cmp(byte_ptr(CHOICE), last)?;
    t.jbe(wait)?;
    t.mov(byte_ptr(CHOICE), 0)?;
    t.jmp(wait)?;
    t.bind(&mut not_down)?;
    t.cmp(al, 0x0d)?;
    t.je(go)?;
    t.cmp(al, u32::from(b' '))?;
    t.je(go)?;
    t.sub(al, u32::from(b'0'))?;
    t.cmp(al, 9)?;
    t.ja(wait)?;
    t.dec(al)?; // the line of 0 is the last
    t.jns(no_number)?;
    t.mov(al, last)?;
    t.bind(&mut no_number)?;
    t.mov(byte_ptr(CHOICE), al)?;
    t.bind(&mut go)?;
    for (line, page) in pages.iter().enumerate() {
        let mut other = t.label();
        t.cmp(byte_ptr(CHOICE), line as u32)?;
        t.jne(other)?;
        t.mov(word_ptr(PHASE), 0)?;
        t.call(*page)?;
        t.jmp(draw)?;
        t.bind(&mut other)?;
    }
    t.jmp(wait)
}

/// By APM (INT 15h AH=53h), or else by ACPI's control register where this board has it; or else not.
fn power_off(t: &mut Tour) -> Result {
    t.xor(bx, bx)?;
    t.mov(ax, 0x5301)?; // connect to the real-mode interface
    t.int(0x15)?;
    t.mov(ax, 0x530e)?; // we speak version 1.2
    t.xor(bx, bx)?;
    t.mov(cx, 0x0102)?;
    t.int(0x15)?;
    t.mov(ax, 0x5307)?; // all devices off
    t.mov(bx, 1)?;
    t.mov(cx, 3)?;
    t.int(0x15)?;
    t.mov(ax, 0x2000)?;
    t.mov(dx, 0x604)?;
    t.out(dx, ax)?;
    t.page("Lyrebird", "")?;
    t.say(12, 24, 0x1e, "This PC may be switched off now.")?;
    t.mov(dl, byte_ptr(DRIVE))?;
    t.cli()?;
    let end = t.here()?;
    t.hlt()?;
    t.jmp(end)
}

/// Writes the pages.
pub fn write_pages(t: &mut Tour, pages: Vec<CodeLabel>) -> Result {
    for ((_, _, page), mut label) in LINES.iter().zip(pages) {
        t.bind(&mut label)?;
        page(t)?;
    }
    Ok(())
}
