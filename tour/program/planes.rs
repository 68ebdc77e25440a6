//! Page 3: mode 12h, 640 by 480 in four planes. Lines are drawn pixel by pixel through the bit mask in write mode 2.

use super::{PAGE, PHASE, Result, Tour};
use iced_x86::code_asm::*;

/// The line from (X0, Y0) to (X1, Y1), as signed words.
const X0: u16 = PAGE;
const Y0: u16 = PAGE + 2;
const X1: u16 = PAGE + 4;
const Y1: u16 = PAGE + 6;
const DX: u16 = PAGE + 8;
const DY: u16 = PAGE + 10;
const STEP_X: u16 = PAGE + 12;
const STEP_Y: u16 = PAGE + 14;
const ERROR: u16 = PAGE + 16;
const COLOUR: u16 = PAGE + 18;
/// Lines along each edge.
const LINES: u32 = 40;

pub fn write(t: &mut Tour) -> Result {
    let mut line = t.label();
    t.video_mode(0x12)?;
    t.es_is(0xa000)?;
    t.mov(dx, 0x3ce)?;
    t.mov(ax, 0x0205)?; // write mode 2: the colour comes from the processor
    t.out(dx, ax)?;
    // Four corners, whose edges the ends of the lines walk along.
    for (corner, (x0, y0, x1, y1)) in
        [(0, 0, 16, 479), (639, 0, -16, 479), (0, 479, 16, 0), (639, 479, -16, 0)].into_iter().enumerate()
    {
        t.mov(word_ptr(PHASE), 0)?;
        let next = t.here()?;
        t.mov(cx, word_ptr(PHASE))?;
        // From the upright edge, going away from the corner...
        t.mov(word_ptr(X0), x0)?;
        t.imul_3(ax, cx, if y0 == 0 { 12 } else { -12 })?;
        t.add(ax, y0)?;
        t.mov(word_ptr(Y0), ax)?;
        // ...to the other level edge, going towards the middle.
        t.imul_3(ax, cx, x1)?;
        t.add(ax, x0)?;
        t.mov(word_ptr(X1), ax)?;
        t.mov(word_ptr(Y1), y1)?;
        t.mov(ax, cx)?;
        t.shr(ax, 2)?;
        t.add(ax, 1 + 3 * corner as i32)?;
        t.and(ax, 15)?;
        t.or(al, 1)?;
        t.mov(byte_ptr(COLOUR), al)?;
        t.call(line)?;
        t.inc(word_ptr(PHASE))?;
        t.cmp(word_ptr(PHASE), LINES)?;
        t.jb(next)?;
    }
    t.mov(dx, 0x3ce)?;
    t.mov(ax, 0x0005)?;
    t.out(dx, ax)?;
    t.mov(ax, 0xff08)?;
    t.out(dx, ax)?;
    t.caption(14, 30, 14, " 640 by 480 by 16 ")?;
    t.caption(15, 30, 7, " any key goes back ")?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.ret()?;

    // Bresenham's line.
    t.bind(&mut line)?;
    for (from, to, distance, step) in [(X0, X1, DX, STEP_X), (Y0, Y1, DY, STEP_Y)] {
        let mut right = t.label();
        t.mov(ax, word_ptr(to))?;
        t.mov(bx, 1)?;
        t.sub(ax, word_ptr(from))?;
        t.jge(right)?;
        t.neg(ax)?;
        t.neg(bx)?;
        t.bind(&mut right)?;
        t.mov(word_ptr(distance), ax)?;
        t.mov(word_ptr(step), bx)?;
    }
    t.neg(word_ptr(DY))?;
    t.mov(ax, word_ptr(DX))?;
    t.add(ax, word_ptr(DY))?;
    t.mov(word_ptr(ERROR), ax)?;
    let (pixel, mut end, mut outside) = (t.here()?, t.label(), t.label());
    t.cmp(word_ptr(Y0), 479)?;
    t.ja(outside)?;
    t.cmp(word_ptr(X0), 639)?;
    t.ja(outside)?;
    t.mov(di, word_ptr(Y0))?;
    t.imul_3(di, di, 80)?;
    t.mov(cx, word_ptr(X0))?;
    t.mov(ax, cx)?;
    t.shr(ax, 3)?;
    t.add(di, ax)?;
    t.and(cl, 7)?;
    t.mov(ah, 0x80)?;
    t.shr(ah, cl)?;
    t.mov(al, 8)?; // the bit mask
    t.mov(dx, 0x3ce)?;
    t.out(dx, ax)?;
    t.mov(al, byte_ptr(di).es())?; // fills the latches
    t.mov(al, byte_ptr(COLOUR))?;
    t.stosb()?;
    t.bind(&mut outside)?;
    t.mov(ax, word_ptr(X0))?;
    t.mov(bx, word_ptr(Y0))?;
    let mut on = t.label();
    t.cmp(ax, word_ptr(X1))?;
    t.jne(on)?;
    t.cmp(bx, word_ptr(Y1))?;
    t.je(end)?;
    t.bind(&mut on)?;
    t.mov(cx, word_ptr(ERROR))?;
    t.add(cx, cx)?;
    let (mut no_x, mut no_y) = (t.label(), t.label());
    t.cmp(cx, word_ptr(DY))?;
    t.jl(no_x)?;
    t.mov(dx, word_ptr(DY))?;
    t.add(word_ptr(ERROR), dx)?;
    t.mov(dx, word_ptr(STEP_X))?;
    t.add(word_ptr(X0), dx)?;
    t.bind(&mut no_x)?;
    t.cmp(cx, word_ptr(DX))?;
    t.jg(no_y)?;
    t.mov(dx, word_ptr(DX))?;
    t.add(word_ptr(ERROR), dx)?;
    t.mov(dx, word_ptr(STEP_Y))?;
    t.add(word_ptr(Y0), dx)?;
    t.bind(&mut no_y)?;
    t.jmp(pixel)?;
    t.bind(&mut end)?;
    t.ret()
}
