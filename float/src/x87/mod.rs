//! x87: 80-bit extended arithmetic.
//!
//! Source: Intel SDM vol. 1, chapter 8, and the instruction pages of vol. 2.

mod arith;
mod atan;
mod bcd;
mod compare;
mod constants;
mod convert;
mod expo;
mod f80;
mod integral;
mod log;
mod rem;
mod round;
mod scale;
mod series;
mod special;
mod tables;
mod trig;

pub use bcd::BcdBytes;
pub use constants::Constant;
pub use f80::{Class, F80};
pub use rem::Remainder;
