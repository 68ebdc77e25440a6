//! Near jumps, calls and returns. Far ones are plain functions in [`crate::system`].

use super::operand::read;
use super::stack::{push_value, stack_form, stack_top};
use crate::algebra::{Access, Algebra, Outcome};
use crate::op::{Ins, Kind, Width, reg};

/// The end of a run of ops that no jump ends. The target was checked when the op was made.
#[inline(always)]
pub fn goto<A: Algebra>(a: &mut A) -> Outcome<A> {
    a.jump_or_stop(Width::Q)
}

/// Jcc.
#[inline(always)]
pub fn jcc<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let c = a.condition(i.sub);
    a.jump_if_or_stop(i.w, c)
}

/// JMP to an immediate.
#[inline(always)]
pub fn jmp<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.jump_or_stop(i.w)
}

/// JMP through a register or memory.
#[inline(always)]
pub fn jmp_indirect<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let target = read(a, i, 0, i.w)?;
    a.check_target_or_stop(i.w, target)?;
    Ok(a.jump_to(i.w, target))
}

/// CALL of an immediate.
#[inline(always)]
pub fn call<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let back = a.next_rip(i.w);
    let (p, sp) = super::stack::probe_push(a, i, i.w)?;
    // The jump checks its target before the stack changes.
    let flow = a.jump_or_stop(i.w)?;
    push_value(a, i, i.w, p, sp, back);
    Ok(flow)
}

/// CALL through a register or memory.
#[inline(always)]
pub fn call_indirect<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let target = read(a, i, 0, i.w)?;
    let back = a.next_rip(i.w);
    let (p, sp) = super::stack::probe_push(a, i, i.w)?;
    // Processors find fault with the stack before they do with the target.
    a.check_target_or_stop(i.w, target)?;
    push_value(a, i, i.w, p, sp, back);
    Ok(a.jump_to(i.w, target))
}

/// RET, with the immediate's number of bytes released.
#[inline(always)]
pub fn ret<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let sp = stack_top(a, i);
    let p = a.probe(stack_form(i), 2, sp, i.w, Access::Read)?;
    let target = a.load(i.w, p);
    a.check_target_or_stop(i.w, target)?;
    let size = a.k(i.w2, i.w.bytes());
    let sp = a.add(i.w2, sp, size);
    let sp = if i.k0 == Kind::Imm {
        let release = a.imm(Width::W);
        a.add(i.w2, sp, release)
    } else {
        sp
    };
    a.set_reg(reg::RSP, i.w2, sp);
    Ok(a.jump_to(i.w, target))
}

/// LOOPNE, LOOPE, LOOP, JRCXZ: `w2` is the counter's width.
#[inline(always)]
pub fn loop_<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let count = a.reg(reg::RCX, i.w2);
    if i.sub == 3 {
        let c = a.is_zero(i.w2, count);
        return a.jump_if_or_stop(i.w, c);
    }
    let one = a.k(i.w2, 1);
    let count = a.sub(i.w2, count, one);
    let mut c = a.is_nonzero(i.w2, count);
    if i.sub < 2 {
        let zf = a.condition(if i.sub == 0 { 5 } else { 4 });
        c = a.and(c, zf);
    }
    let flow = a.jump_if_or_stop(i.w, c)?;
    a.set_reg(reg::RCX, i.w2, count);
    Ok(flow)
}
