//! MMX, SSE, AVX, AVX2, FMA, AES and SHA: the values and operations that the vector semantics in [`crate::sem::vector`] are made of.
//!
//! - [`ops`]: the operations by name; [`algebra`]: the part of the algebra that deals in vectors.
//! - [`swar`], [`lanes`], [`arith`], [`shuffle`]: what the integer operations compute, on 128 bits at a time.
//! - [`avx`], [`crypto`]: what AVX and AVX2 add to them; AES, SHA and products without carries.
//! - [`float`], [`convert`], [`approx`]: the floating-point operations, under the rules of MXCSR.
//! - [`mmx`], [`string`], [`rare`], [`masked`]: MMX state, PCMPxSTRx, loads and stores of chosen lanes, and what else is a
//!   plain function.
//!
//! A 256-bit operation is the 128-bit one on each half, but for the few that cross the middle.

pub mod algebra;
pub mod approx;
pub mod arith;
pub mod avx;
pub mod convert;
pub mod crypto;
pub mod float;
pub mod lanes;
pub mod masked;
pub mod mmx;
pub mod ops;
pub mod rare;
pub mod shuffle;
pub mod string;
pub mod swar;

/// 128 bits, the low quadword first.
pub type V128 = [u64; 2];
