//! PUSH, POP, LEAVE: `w` is the operand's width, `w2` the stack pointer's.

use super::operand::{place, put, read};
use crate::algebra::{Access, Algebra, Outcome};
use crate::op::{Form, Ins, Kind, Width, reg};

/// The form of stack accesses, from the stack pointer's width and the form of a memory operand beside it.
#[inline(always)]
pub fn stack_form(i: Ins) -> Form {
    match i.w2 {
        Width::Q => Form::A64,
        Width::D if matches!(i.form, Form::Flat32) => Form::Flat32,
        Width::D => Form::Seg32,
        _ => Form::Seg16,
    }
}

/// The stack pointer.
#[inline(always)]
pub fn stack_top<A: Algebra>(a: &mut A, i: Ins) -> A::V {
    a.reg(reg::RSP, i.w2)
}

/// Checks the place of a push, of which the lower `part` is written: where it goes, and the stack pointer after it.
#[inline(always)]
pub fn probe_push<A: Algebra>(a: &mut A, i: Ins, part: Width) -> Result<(A::P, A::V), A::Stop> {
    let sp = stack_top(a, i);
    let size = a.k(i.w2, i.w.bytes());
    let sp = a.sub(i.w2, sp, size);
    let p = a.probe(stack_form(i), 2, sp, part, Access::Write)?;
    Ok((p, sp))
}

/// Pushes to a checked place.
#[inline(always)]
pub fn push_value<A: Algebra>(a: &mut A, i: Ins, w: Width, p: A::P, sp: A::V, v: A::V) {
    a.store(w, p, v);
    a.set_reg(reg::RSP, i.w2, sp);
}

/// PUSH. PUSH of the stack pointer pushes its old value (since the 80286).
#[inline(always)]
pub fn push<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let v = read(a, i, 0, i.w)?;
    let (p, sp) = probe_push(a, i, i.w)?;
    push_value(a, i, i.w, p, sp, v);
    Ok(a.next())
}

/// POP. POP of the stack pointer leaves the popped value in it. A memory destination that is addressed by the stack pointer
/// counts from its new value: the decoder has added the size to the displacement.
#[inline(always)]
pub fn pop<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let sp = stack_top(a, i);
    let p = a.probe(stack_form(i), 2, sp, i.w, Access::Read)?;
    let dst = place(a, i, 0, i.w, Access::Write)?;
    let v = a.load(i.w, p);
    let size = a.k(i.w2, i.w.bytes());
    let sp = a.add(i.w2, sp, size);
    if i.k0 == Kind::Mem {
        put(a, i.w, dst, v);
        a.set_reg(reg::RSP, i.w2, sp);
    } else {
        a.set_reg(reg::RSP, i.w2, sp);
        put(a, i.w, dst, v);
    }
    Ok(a.next())
}

/// LEAVE.
#[inline(always)]
pub fn leave<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let frame = a.reg(reg::RBP, i.w2);
    let p = a.probe(stack_form(i), 2, frame, i.w, Access::Read)?;
    let v = a.load(i.w, p);
    let size = a.k(i.w2, i.w.bytes());
    let sp = a.add(i.w2, frame, size);
    a.set_reg(reg::RSP, i.w2, sp);
    a.set_reg(reg::RBP, i.w, v);
    Ok(a.next())
}
