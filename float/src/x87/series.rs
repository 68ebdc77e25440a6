//! Arithmetic to 128 bits for the transcendental functions.
//!
//! Two shapes are in use: [`Wide`], a float with a 128-bit significand cut off
//! (each operation is off by at most one or two in the last place), and
//! fixed point with 127 or 128 fraction bits, where the series are summed.
//! Sixty extra bits leave the final rounding right but for about one case
//! in 2^55.

use super::f80::F80;
use super::round;
use super::tables::ONE;
use crate::exact::{Wide, divide_limbs};
use crate::{Env, Flags, Precision};

/// The high half of a product.
#[inline]
pub(super) fn high_product(a: u128, b: u128) -> u128 {
    let (a1, a0) = (a >> 64, a & u128::from(u64::MAX));
    let (b1, b0) = (b >> 64, b & u128::from(u64::MAX));
    let low = (a0 * b0) >> 64;
    let middle = a1 * b0 + low;
    let (middle, carry) = middle.overflowing_add(a0 * b1);
    a1 * b1 + (middle >> 64) + (u128::from(carry) << 64)
}

/// The product, cut off.
#[inline]
pub(super) fn multiply(a: Wide, b: Wide) -> Wide {
    let product = high_product(a.significand, b.significand);
    let wide = product >> 127 != 0;
    Wide {
        negative: a.negative != b.negative,
        exponent: a.exponent + b.exponent + i32::from(wide),
        significand: if wide { product } else { product << 1 },
    }
}

/// The quotient of two non-zero numbers, cut off.
pub(super) fn divide(a: Wide, b: Wide) -> Wide {
    let mut exponent = a.exponent - b.exponent;
    let mut dividend = a.significand;
    if dividend >= b.significand {
        dividend >>= 1;
    } else {
        exponent -= 1;
    }
    let (high, rest) = quotient_limb(dividend, b.significand);
    let (low, _) = quotient_limb(rest, b.significand);
    let quotient = u128::from(high) << 64 | u128::from(low);
    // A dividend that lost its lowest bit can leave the quotient just under
    // a half.
    Wide::normalized(a.negative != b.negative, exponent, quotient)
}

/// One 64-bit digit of `dividend * 2^64 / divisor` and the remainder, for a
/// dividend below the divisor and a divisor with its top bit set.
#[inline]
fn quotient_limb(dividend: u128, divisor: u128) -> (u64, u128) {
    let (d1, d0) = (divisor >> 64, divisor & u128::from(u64::MAX));
    // At most two too large.
    let (high, low) = ((dividend >> 64) as u64, dividend as u64);
    let mut digit =
        if u128::from(high) < d1 { u128::from(divide_limbs(high, low, d1 as u64).0) } else { u128::from(u64::MAX) };
    let mut rest = dividend - digit * d1;
    let mut low = digit * d0;
    while rest >> 64 == 0 && rest << 64 < low {
        digit -= 1;
        rest += d1;
        low -= d0;
    }
    (digit as u64, (rest << 64).wrapping_sub(low))
}

/// A sum of terms with 127 fraction bits in powers of `x`, which has 128.
#[inline]
pub(super) fn horner(terms: &[u128], x: u128) -> u128 {
    terms.iter().rev().fold(0, |sum, term| term + high_product(sum, x))
}

/// The same with alternating signs, from plus.  The terms must fall.
#[inline]
pub(super) fn horner_alternating(terms: &[u128], x: u128) -> u128 {
    terms.iter().rev().fold(0, |sum, term| term - high_product(sum, x))
}

/// A magnitude below 1 with 128 fraction bits, cut off.
#[inline]
pub(super) fn fraction(a: Wide) -> u128 {
    match a.exponent {
        -128..0 => a.significand >> (-1 - a.exponent),
        _ => 0,
    }
}

/// The square of a magnitude below 1 with 128 fraction bits, cut off.
#[inline]
pub(super) fn fraction_squared(a: Wide) -> u128 {
    match a.exponent {
        -64..0 => high_product(a.significand, a.significand) >> (-2 - 2 * a.exponent),
        _ => 0,
    }
}

/// A positive fixed-point number with 127 fraction bits.
#[inline]
pub(super) fn from_fixed(value: u128) -> Wide {
    Wide::normalized(false, 0, value)
}

/// A series of value at most 1 that is never quite 1.  Where the terms after
/// the first vanish it would come out as 1 and the result as exact, so that
/// directed rounding would go wrong.
#[inline]
pub(super) fn below_one(value: u128) -> Wide {
    from_fixed(value.min(ONE - 1))
}

/// Rounds a result whose last terms the processor does not look at: it counts
/// as inexact, and as tiny, even when rounding takes nothing away.
pub(super) fn deliver_short(env: &mut Env, value: Wide) -> F80 {
    let result = round::round_pack(env, value, Precision::Extended);
    env.raise(Flags::PE);
    if result.exponent_field() == 0 {
        env.raise(Flags::UE);
    }
    result
}

/// Rounds a result that is known to be inexact.
#[inline]
pub(super) fn deliver(env: &mut Env, mut value: Wide) -> F80 {
    value.significand |= 1;
    round::round_pack(env, value, Precision::Extended)
}
