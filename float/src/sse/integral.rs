//! ROUNDSS and ROUNDSD.

use super::format::{Format, is_infinite, is_zero, operand, propagate, unpack};
use super::round::round_pack;
use crate::exact::{Wide, to_integer};
use crate::{Env, Flags, Rounding};

/// Rounds to an integral value under the ROUNDSS immediate: bit 2 takes the
/// rounding of MXCSR instead of bits 1:0, bit 3 keeps PE from being raised.
/// Never raises DE.
pub fn round_to_integral<F: Format>(env: &mut Env, a: F::Bits, immediate: u8) -> F::Bits {
    let rounding = if immediate & 4 != 0 { env.rounding } else { Rounding::from_bits(immediate) };
    let bits = F::widen(a);
    if let Some(nan) = propagate::<F>(env, bits, 0) {
        return F::narrow(nan);
    }
    let bits = operand::<F>(env, bits);
    if is_zero::<F>(bits) || is_infinite::<F>(bits) {
        return F::narrow(bits);
    }
    let num = unpack::<F>(bits);
    if num.exponent >= F::FRACTION as i32 {
        return F::narrow(bits);
    }
    // The exponent is below 52, so there always is an answer.
    let (whole, inexact, _) = to_integer(num, rounding).unwrap_or_default();
    if inexact && immediate & 8 == 0 {
        env.raise(Flags::PE);
    }
    if whole == 0 {
        return F::narrow(bits & F::SIGN);
    }
    // Exact: the magnitude has at most FRACTION + 1 bits.
    F::narrow(round_pack::<F>(env, Wide::normalized(num.negative, 127, u128::from(whole))))
}
