//! Page 2: mode 13h, 320 by 200 in 256 colours, redrawn at every vertical retrace.

use super::data::{PALETTE, SINE};
use super::{PAGE, PHASE, Result, TABLES, Tour};
use iced_x86::code_asm::*;

/// The sum of two sines for each column.
const COLUMNS: u16 = PAGE;

pub fn write(t: &mut Tour) -> Result {
    t.video_mode(0x13)?;
    t.push(fs)?;
    t.mov(ax, u32::from(TABLES))?;
    t.mov(fs, ax)?;
    palette(t)?;
    let frame = t.here()?;
    t.inc(word_ptr(PHASE))?;
    // Each column's part.
    t.mov(di, u32::from(COLUMNS))?;
    t.mov(bx, word_ptr(PHASE))?;
    t.mov(dx, bx)?;
    t.add(dx, dx)?;
    t.mov(cx, 320)?;
    let column = t.here()?;
    t.movzx(si, bl)?;
    t.mov(al, byte_ptr(si + u32::from(SINE)).fs())?;
    t.movzx(si, dl)?;
    t.add(al, byte_ptr(si + u32::from(SINE)).fs())?;
    t.mov(byte_ptr(di), al)?;
    t.inc(di)?;
    t.inc(bx)?;
    t.sub(dx, 2)?;
    t.loop_(column)?;
    t.retrace()?;
    // Each row's part is DL, and BL runs along the diagonals.
    t.es_is(0xa000)?;
    t.xor(di, di)?;
    t.xor(cx, cx)?;
    let row = t.here()?;
    t.mov(bx, cx)?;
    t.add(bx, bx)?;
    t.sub(bx, word_ptr(PHASE))?;
    t.xor(bh, bh)?;
    t.mov(dl, byte_ptr(bx + u32::from(SINE)).fs())?;
    t.add(dl, byte_ptr(PHASE))?;
    t.mov(bx, word_ptr(PHASE))?;
    t.add(bl, cl)?;
    t.xor(bh, bh)?;
    t.mov(si, u32::from(COLUMNS))?;
    let pixel = t.here()?;
    t.lodsb()?;
    t.add(al, dl)?;
    t.add(al, byte_ptr(bx + u32::from(SINE)).fs())?;
    t.stosb()?;
    t.inc(bl)?;
    t.cmp(si, u32::from(COLUMNS) + 320)?;
    t.jb(pixel)?;
    t.inc(cx)?;
    t.cmp(cx, 200)?;
    t.jb(row)?;
    t.caption(24, 6, 150, "mode 13h · any key goes back")?;
    t.mov(ah, 1)?;
    t.int(0x16)?;
    t.jz(frame)?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.pop(fs)?;
    t.ret()
}

/// The circle of colours, by the DAC's ports. FS is on the tables.
fn palette(t: &mut Tour) -> Result {
    t.outb(0x3c8, 0)?;
    t.mov(dx, 0x3c9)?;
    t.mov(si, u32::from(PALETTE))?;
    t.mov(cx, 768)?;
    let next = t.here()?;
    t.mov(al, byte_ptr(si).fs())?;
    t.out(dx, al)?;
    t.inc(si)?;
    t.loop_(next)
}
