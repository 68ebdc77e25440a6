//! CVT instructions: integers to and from floats, and between the formats.

use super::arith::take;
use super::format::{
    Double, Format, Layout, Single, is_denormal, is_infinite, is_nan, is_negative, is_zero, magnitude, operand,
    propagate, unpack,
};
use super::round::round_pack;
use crate::exact::{Wide, to_integer};
use crate::{Env, Flags, Rounding, fast};

/// The magnitude and sign of an operand rounded to an integer, or `None` for
/// NaN, infinity and what exceeds 64 bits.
#[inline]
fn integer<F: Format>(env: &Env, a: F::Bits, truncate: bool) -> Option<(u64, bool, bool)> {
    let bits = operand::<F>(env, F::widen(a));
    if magnitude::<F>(bits) >= F::INFINITY {
        return None;
    }
    if is_zero::<F>(bits) {
        return Some((0, false, false));
    }
    let rounding = if truncate { Rounding::Zero } else { env.rounding };
    let (whole, inexact, _) = to_integer(unpack::<F>(bits), rounding)?;
    Some((whole, is_negative::<F>(bits), inexact))
}

/// Converts to a signed integer in `-limit..limit`; out of range is IE and
/// the integer indefinite, which is `-limit`.
#[inline]
fn signed<F: Format>(env: &mut Env, a: F::Bits, truncate: bool, limit: u64) -> i64 {
    match integer::<F>(env, a, truncate) {
        Some((whole, negative, inexact)) if whole < limit + u64::from(negative) => {
            if inexact {
                env.raise(Flags::PE);
            }
            if negative { (whole as i64).wrapping_neg() } else { whole as i64 }
        }
        _ => {
            env.raise(Flags::IE);
            (limit as i64).wrapping_neg()
        }
    }
}

/// Converts to an unsigned integer up to `limit`; out of range is IE and all
/// ones.
#[inline]
fn unsigned<F: Format>(env: &mut Env, a: F::Bits, truncate: bool, limit: u64) -> u64 {
    match integer::<F>(env, a, truncate) {
        Some((whole, negative, inexact)) if whole <= limit && (whole == 0 || !negative) => {
            if inexact {
                env.raise(Flags::PE);
            }
            whole
        }
        _ => {
            env.raise(Flags::IE);
            limit
        }
    }
}

/// CVTSS2SI/CVTSD2SI to 32 bits, or the truncating CVTTSS2SI/CVTTSD2SI.
#[inline]
pub fn to_i32<F: Format>(env: &mut Env, a: F::Bits, truncate: bool) -> i32 {
    if truncate && let Some(answer) = F::fast_truncate(a) {
        return take(env, answer);
    }
    signed::<F>(env, a, truncate, 1 << 31) as i32
}

/// CVTSS2SI/CVTSD2SI to 64 bits, or the truncating forms.
#[inline]
pub fn to_i64<F: Format>(env: &mut Env, a: F::Bits, truncate: bool) -> i64 {
    signed::<F>(env, a, truncate, 1 << 63)
}

/// VCVTSS2USI/VCVTSD2USI to 32 bits, or the truncating forms.
#[inline]
pub fn to_u32<F: Format>(env: &mut Env, a: F::Bits, truncate: bool) -> u32 {
    unsigned::<F>(env, a, truncate, u64::from(u32::MAX)) as u32
}

/// VCVTSS2USI/VCVTSD2USI to 64 bits, or the truncating forms.
#[inline]
pub fn to_u64<F: Format>(env: &mut Env, a: F::Bits, truncate: bool) -> u64 {
    unsigned::<F>(env, a, truncate, u64::MAX)
}

#[inline]
fn from_magnitude<F: Format>(env: &mut Env, negative: bool, magnitude: u64) -> F::Bits {
    if magnitude == 0 {
        return F::narrow(0);
    }
    let value = Wide::normalized(negative, 127, u128::from(magnitude));
    F::narrow(round_pack::<F>(env, value))
}

/// CVTSI2SS/CVTSI2SD from 32 bits.
#[inline]
pub fn from_i32<F: Format>(env: &mut Env, value: i32) -> F::Bits {
    if env.rounding == Rounding::Nearest {
        return take(env, F::fast_integer(i64::from(value)));
    }
    from_magnitude::<F>(env, value < 0, u64::from(value.unsigned_abs()))
}

/// CVTSI2SS/CVTSI2SD from 64 bits.
#[inline]
pub fn from_i64<F: Format>(env: &mut Env, value: i64) -> F::Bits {
    if env.rounding == Rounding::Nearest {
        return take(env, F::fast_integer(value));
    }
    from_magnitude::<F>(env, value < 0, value.unsigned_abs())
}

/// VCVTUSI2SS/VCVTUSI2SD from 32 bits.
#[inline]
pub fn from_u32<F: Format>(env: &mut Env, value: u32) -> F::Bits {
    from_magnitude::<F>(env, false, u64::from(value))
}

/// VCVTUSI2SS/VCVTUSI2SD from 64 bits.
#[inline]
pub fn from_u64<F: Format>(env: &mut Env, value: u64) -> F::Bits {
    from_magnitude::<F>(env, false, value)
}

/// Moves a NaN or infinity to another format, keeping the top of the
/// fraction.
#[inline]
pub(super) fn move_special<From: Layout, To: Layout>(bits: u64) -> u64 {
    let sign = if is_negative::<From>(bits) { To::SIGN } else { 0 };
    let fraction = bits & (From::MIN_NORMAL - 1);
    let fraction = if From::FRACTION > To::FRACTION {
        fraction >> (From::FRACTION - To::FRACTION)
    } else {
        fraction << (To::FRACTION - From::FRACTION)
    };
    sign | To::INFINITY | fraction
}

#[inline]
pub(super) fn convert<From: Layout, To: Layout>(env: &mut Env, bits: u64) -> u64 {
    if let Some(nan) = propagate::<From>(env, bits, 0) {
        return move_special::<From, To>(nan);
    }
    let bits = operand::<From>(env, bits);
    if is_infinite::<From>(bits) {
        return move_special::<From, To>(bits);
    }
    if is_zero::<From>(bits) || (is_denormal::<From>(bits) && env.denormal_stops()) {
        return if is_negative::<From>(bits) { To::SIGN } else { 0 };
    }
    round_pack::<To>(env, unpack::<From>(bits).widen())
}

/// CVTSS2SD.
#[inline]
pub fn single_to_double(env: &mut Env, a: u32) -> u64 {
    let bits = u64::from(a);
    // Normal numbers only move: rebias the exponent, no exception.
    let field = (a >> 23) & 0xff;
    if field != 0 && field != 0xff {
        debug_assert!(!is_nan::<Single>(bits));
        let sign = (bits & Single::SIGN) << 32;
        return sign | ((magnitude::<Single>(bits) << 29) + ((1023 - 127) << 52));
    }
    convert::<Single, Double>(env, bits)
}

/// CVTSD2SS.
#[inline]
pub fn double_to_single(env: &mut Env, a: u64) -> u32 {
    if env.rounding == Rounding::Nearest
        && let Some(answer) = fast::double_to_single(a)
    {
        return take(env, answer);
    }
    convert::<Double, Single>(env, a) as u32
}
