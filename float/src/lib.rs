//! Floating-point arithmetic exactly as x86 hardware does it.
//!
//! This is the arithmetic under the x87 and SSE instructions and nothing
//! else: no register stack, no decoding, no CPU state.  Values are bit
//! patterns ([`F80`] for x87, `u32`/`u64` for SSE), the rules in force and
//! the exceptions raised are in an [`Env`], and every answer is the same on
//! every host, because host floats are used only where they are provably
//! identical in value and in flags ([`fast`]).
//!
//! Source: Intel SDM volume 1, chapters 4 (data types, NaNs, exceptions),
//! 8 (x87) and 11 (SSE), and the instruction pages of volume 2.  Where the
//! manual leaves a choice, the choice is that of Intel processors, and the
//! tests compare with the processor they run on.
//!
//! * [`F80`] has the x87 operations as methods.
//! * [`sse`] has the SSE operations, generic over [`sse::Single`] and
//!   [`sse::Double`].
#![forbid(unsafe_code)]

mod env;
mod exact;
pub mod fast;
pub mod sse;
mod x87;

pub use env::{Env, Flags, Precision, Relation, Rounding};
pub use x87::{BcdBytes, Class, Constant, F80, Remainder};
