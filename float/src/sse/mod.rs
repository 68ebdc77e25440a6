//! SSE, AVX, FMA and F16C arithmetic on one element.
//!
//! Values are bit patterns, and operations are generic over the format:
//! `sse::add::<Double>(&mut env, a, b)` is one lane of ADDPD.  MXCSR rules
//! apply: DAZ, FTZ, rounding, masks, and the first operand's NaN wins (Intel
//! SDM vol. 1, 4.8.3.5 and table 4-7, 10.2.3, 11.5).
//!
//! Packed instructions run the lanes one after another on one [`Env`] and, if
//! any lane raised an unmasked pre-computation exception, report only
//! `IE`, `DE` and `ZE` (SDM vol. 1, 11.5.3): see [`packed_flags`].
//!
//! [`Env`]: crate::Env

mod arith;
mod compare;
mod convert;
mod fma;
mod format;
mod half;
mod integral;
mod round;

pub use arith::{add, div, mul, sqrt, sub};
pub use compare::{compare, compare_signaling, max, min};
pub use convert::{
    double_to_single, from_i32, from_i64, from_u32, from_u64, single_to_double, to_i32, to_i64, to_u32, to_u64,
};
pub use fma::{fma, fma_signs};
pub use format::{Double, Format, Half, Layout, Single};
pub use half::{half_to_single, single_to_half};
pub use integral::round_to_integral;

pub(crate) use format::{is_signaling, unpack};
pub(crate) use round::round_pack;

use crate::{Env, Flags};

/// The flags a whole packed instruction reports after its lanes ran on `env`:
/// an unmasked pre-computation exception in any lane keeps every lane from
/// being computed, so nothing that comes from a result is seen.
#[inline]
pub fn packed_flags(env: &Env) -> Flags {
    if env.suspended() { env.flags & Flags::PRE_COMPUTATION } else { env.flags }
}
