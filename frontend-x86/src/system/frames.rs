//! PUSHA, POPA, ENTER and BOUND (Intel SDM vol. 2).

use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::{Op, Width, reg};

/// PUSHA, PUSHAD: all eight, with the old stack pointer among them.
pub fn pusha(ctx: &mut Ctx, op: &Op) -> Done {
    let mut stack = ctx.stack();
    for r in 0..8 {
        let value = ctx.cpu.reg(r);
        stack.push(ctx, op.ins.w, value)?;
    }
    stack.commit(ctx);
    Ok(Then::Next)
}

/// POPA, POPAD: the stack pointer's image is skipped.
pub fn popa(ctx: &mut Ctx, op: &Op) -> Done {
    let mut stack = ctx.stack();
    let mut values = [0; 8];
    for r in (0..8).rev() {
        values[r] = stack.pop(ctx, op.ins.w)?;
    }
    for (r, value) in values.into_iter().enumerate().filter(|(r, _)| *r != usize::from(reg::RSP)) {
        ctx.cpu.set_reg(r as u8, op.ins.w, value);
    }
    stack.commit(ctx);
    Ok(Then::Next)
}

/// ENTER: the frame's size is the immediate, the nesting level the second one.
pub fn enter(ctx: &mut Ctx, op: &Op) -> Done {
    let w = op.ins.w;
    let level = op.imm2 & 31;
    let mut stack = ctx.stack();
    let aw = stack.width;
    let old = ctx.cpu.reg(reg::RBP);
    stack.push(ctx, w, old)?;
    let frame = stack.sp;
    if level > 0 {
        let mut display = stack;
        display.sp = old;
        for _ in 1..level {
            display.add(w.bytes().wrapping_neg());
            let mut reader = display;
            let pointer = reader.pop(ctx, w)?;
            stack.push(ctx, w, pointer)?;
        }
        stack.push(ctx, w, frame)?;
    }
    stack.add((op.imm & 0xffff).wrapping_neg());
    // The new top must be writable, or the whole instruction faults (SDM vol. 2, ENTER).
    let mut top = stack;
    top.add(w.bytes());
    top.probe(ctx, w.bytes())?;
    ctx.cpu.set_reg(reg::RBP, w, frame & aw.mask());
    stack.commit(ctx);
    Ok(Then::Next)
}

/// BOUND: the index in slot 0, two signed bounds in memory.
pub fn bound(ctx: &mut Ctx, op: &Op) -> Done {
    let w = op.ins.w;
    let signed = |v: u64| if w == Width::W { i64::from(v as i16) } else { i64::from(v as i32) };
    let at = ctx.address(op);
    let index = signed(ctx.cpu.reg(op.r0));
    let low = signed(ctx.read(op.seg, at, w.bytes())?);
    if index < low {
        return Err(Exception::bound()); // the upper bound is not even read
    }
    let at = at.wrapping_add(w.bytes()) & ctx.address_width(op).mask();
    let high = signed(ctx.read(op.seg, at, w.bytes())?);
    if index > high { Err(Exception::bound()) } else { Ok(Then::Next) }
}
