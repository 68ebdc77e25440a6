//! Floating-point operations on vectors under MXCSR.

use super::{destination, enter_mmx, number, source, write};
use crate::algebra::Outcome;
use crate::op::Ins;
use crate::sse::algebra::VectorAlgebra;
use crate::sse::ops::FloatOp;

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
    let x = a.float_or_stop(op, format, i.w, imm, x, y)?;
    write(a, i, x);
    Ok(a.next())
}
