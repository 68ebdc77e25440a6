//! MMX, SSE and AVX: moves and integer operations. What each computes is the algebra's affair; here is where operands come from
//! and go to, and what is checked in which order.

mod float;
mod gpr;

use crate::algebra::{Access, Outcome};
use crate::op::{Func, Ins, Kind, Width, bits};
use crate::sse::algebra::VectorAlgebra;
use crate::sse::ops::{BLEND, BlendOp, DYNAMIC, MovOp, VecImmOp, VecOp, VecUnaryOp};

pub use float::vec_float;
pub use gpr::vec_gpr;

/// The operation's number: in the shape, or beside it.
#[inline(always)]
pub(super) fn number<A: VectorAlgebra>(a: &mut A, i: Ins) -> u8 {
    if i.sub >= BLEND { a.op().helper as u8 } else { i.sub }
}

/// Finds the memory operand. Whole vectors must be aligned.
#[inline(always)]
pub(super) fn memory<A: VectorAlgebra>(
    a: &mut A,
    i: Ins,
    w: Width,
    access: Access,
    aligned: bool,
) -> Result<A::P, A::Stop> {
    let seg = a.op().seg;
    let offset = a.address(i);
    if aligned && w >= Width::X && must_align(i) {
        a.aligned_or_stop(i.form, seg, offset, w)?;
    }
    a.probe(i.form, seg, offset, w, access)
}

/// VEX-encoded instructions do not ask for alignment, but for the moves that are named after it.
#[inline(always)]
fn must_align(i: Ins) -> bool {
    !i.has(bits::VEX) || i.func == Func::VecMov
}

/// Loads `w`, zero-extended.
#[inline(always)]
fn load<A: VectorAlgebra>(a: &mut A, i: Ins, w: Width, aligned: bool) -> Result<A::X, A::Stop> {
    let p = memory(a, i, w, Access::Read, aligned)?;
    if w >= Width::X {
        return Ok(a.load_vector(w, p));
    }
    let v = a.load(w, p);
    Ok(a.vec_from_low(v))
}

/// Operand 1: a register, memory of `w2`, or an immediate count.
#[inline(always)]
pub(super) fn source<A: VectorAlgebra>(a: &mut A, i: Ins) -> Result<A::X, A::Stop> {
    let r = a.op().r1;
    match i.k1 {
        Kind::Mem => load(a, i, i.w2, true),
        Kind::Mmx => {
            let v = a.mmx(r);
            Ok(a.vec_from_low(v))
        }
        Kind::Imm => {
            let v = a.imm(Width::Q);
            Ok(a.vec_from_low(v))
        }
        _ => Ok(a.vector(r, register_width(i))),
    }
}

/// The width at which vector registers are read: an MMX instruction's XMM operand has 128 bits all the same.
#[inline(always)]
fn register_width(i: Ins) -> Width {
    if i.w == Width::Y { Width::Y } else { Width::X }
}

/// What the first source holds: of legacy instructions the destination.
#[inline(always)]
pub(super) fn destination<A: VectorAlgebra>(a: &mut A, i: Ins) -> A::X {
    let r = a.op().r2;
    if i.k0 == Kind::Mmx {
        let v = a.mmx(r);
        return a.vec_from_low(v);
    }
    a.vector(r, register_width(i))
}

/// Writes register operand 0, and takes the x87 registers over if an operand is one of MMX.
#[inline(always)]
pub(super) fn write<A: VectorAlgebra>(a: &mut A, i: Ins, x: A::X) {
    let r = a.op().r0;
    enter_mmx(a, i);
    if i.k0 == Kind::Mmx {
        let v = a.vec_extract(Width::Q, x, 0);
        a.set_mmx(r, v);
    } else if i.has(bits::VEX) {
        a.set_vector_whole(r, register_width(i), x);
    } else {
        a.set_vector(r, register_width(i), x);
    }
}

#[inline(always)]
pub(super) fn enter_mmx<A: VectorAlgebra>(a: &mut A, i: Ins) {
    if i.k0 == Kind::Mmx || i.k1 == Kind::Mmx {
        a.enter_mmx();
    }
}

/// Moves: to memory, from memory, between registers. `sub` is a [`MovOp`], `w2` the width in memory.
#[inline(always)]
pub fn vec_mov<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.simd_available_or_stop(i)?;
    if i.sub >= MovOp::ZeroUpper as u8 {
        return zero(a, i);
    }
    let aligned = i.sub == MovOp::Aligned as u8;
    if i.k0 == Kind::Mem {
        let p = memory(a, i, i.w2, Access::Write, aligned)?;
        let x = if i.k1 == Kind::Mmx {
            let r = a.op().r1;
            let v = a.mmx(r);
            a.vec_from_low(v)
        } else {
            let r = a.op().r1;
            a.vector(r, register_width(i))
        };
        if i.w2 >= Width::X {
            a.store_vector(i.w2, p, x);
        } else {
            let lane = if i.sub == MovOp::High as u8 { 1 } else { 0 };
            let v = a.vec_extract(i.w2, x, lane);
            a.store(i.w2, p, v);
        }
        enter_mmx(a, i);
        return Ok(a.next());
    }
    let x = if i.k1 == Kind::Mem { load(a, i, i.w2, aligned)? } else { source(a, i)? };
    let x = if i.sub == MovOp::Low as u8 && i.k1 == Kind::Vec { a.vec_unary(VecUnaryOp::Movq, i.w, x) } else { x };
    write(a, i, x);
    Ok(a.next())
}

/// VZEROUPPER and VZEROALL.
#[inline(always)]
fn zero<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    for r in 0..a.op().imm2 {
        let x = if i.sub == MovOp::ZeroAll as u8 {
            let none = a.k(Width::Q, 0);
            a.vec_from_low(none)
        } else {
            a.vector(r, Width::X)
        };
        a.set_vector_whole(r, Width::X, x);
    }
    Ok(a.next())
}

/// Operations on the destination and a source, shifts by an immediate count among them, and blends under a register (XMM0, unless VEX names
/// another).
#[inline(always)]
pub fn vec_bin<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.simd_available_or_stop(i)?;
    let y = source(a, i)?;
    let x = destination(a, i);
    let number = number(a, i);
    let x = if i.sub == BLEND {
        let r = a.op().imm2;
        let mask = a.vector(r, i.w);
        a.vec_blend(BlendOp::from_number(number), i.w, x, y, mask)
    } else {
        a.vec_bin(VecOp::from_number(number), i.w, x, y)
    };
    write(a, i, x);
    Ok(a.next())
}

/// Operations on a source alone.
#[inline(always)]
pub fn vec_unary<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.simd_available_or_stop(i)?;
    let x = source(a, i)?;
    let number = number(a, i);
    let x = a.vec_unary(VecUnaryOp::from_number(number), i.w, x);
    write(a, i, x);
    Ok(a.next())
}

/// Operations on the destination, a source and an immediate.
#[inline(always)]
pub fn vec_imm<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.simd_available_or_stop(i)?;
    let y = source(a, i)?;
    let x = destination(a, i);
    let number = number(a, i);
    let imm = a.op().imm as u8;
    let x = a.vec_imm(VecImmOp::from_number(number), i.w, x, y, imm);
    write(a, i, x);
    Ok(a.next())
}

const _: () = assert!(VecOp::ALL.len() < BLEND as usize && DYNAMIC > BLEND);
