//! Floating-point operations on vectors under MXCSR.

use super::{destination, enter_mmx, number, source, write};
use crate::algebra::Outcome;
use crate::op::Ins;
use crate::sse::algebra::VectorAlgebra;
use crate::sse::ops::{FloatOp, Format, VecOp};

/// Operation and format are in `sub` or `helper` as [`FloatOp::number`] makes them; `w2` is the source's width in memory.
/// An unmasked exception leaves the destination as it was.
#[inline(always)]
pub fn vec_float<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.simd_available_or_stop(i)?;
    let y = source(a, i)?;
    let x = destination(a, i);
    let number = number(a, i);
    let (op, format) = FloatOp::of_number(number);
    let imm = a.op().imm as u8;
    // The MMX forms take the x87 registers over even if they then raise an exception; doing so twice is no harm.
    enter_mmx(a, i);
    if op.is_fused() {
        return fused(a, i, op, format, x, y);
    }
    let x = a.float_or_stop(op, format, i.w, imm, x, y)?;
    write(a, i, x);
    Ok(a.next())
}

/// FMA. The order of the operands, in the immediate, says which two of the three are multiplied; `x` and `y` are the
/// second and the third.
#[inline(always)]
fn fused<A: VectorAlgebra>(a: &mut A, i: Ins, op: FloatOp, format: Format, x: A::X, y: A::X) -> Outcome<A> {
    let r = a.op().r0;
    let first = a.vector(r, i.w);
    let (l, r, addend) = match a.op().imm {
        132 => (first, y, x),
        213 => (x, first, y),
        _ => (x, y, first),
    };
    let result = a.fused_or_stop(op, format, i.w, l, r, addend)?;
    let result = match format {
        Format::Ss => a.vec_bin(VecOp::Movss, i.w, first, result),
        Format::Sd => a.vec_bin(VecOp::Movsd, i.w, first, result),
        _ => result,
    };
    write(a, i, result);
    Ok(a.next())
}
