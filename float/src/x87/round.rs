//! Rounding a result to 80 bits under precision control, with the x87
//! overflow and underflow responses (Intel SDM vol. 1, 4.8.4, 8.5.4, 8.5.5).

use super::f80::{BIAS, F80, MIN_EXPONENT, SIGN, SPECIAL};
use crate::exact::{Wide, shift_right_sticky};
use crate::{Env, Flags, Precision};

/// What an unmasked overflow or underflow takes from or adds to the exponent.
const WRAP: i32 = 24576;

/// A significand cut at the precision: the kept bits (low bits zero), whether
/// it carried out, and what was lost.
struct Cut {
    kept: u64,
    carry: bool,
    inexact: bool,
    up: bool,
}

/// Rounds 128 bits to the top 64, 53 or 24.
#[inline]
fn cut(env: &Env, negative: bool, significand: u128, precision: Precision) -> Cut {
    let high = (significand >> 64) as u64;
    let low = significand as u64;
    let (kept, unit, rest, half) = match precision {
        Precision::Extended => (high, 1, low, 1 << 63),
        narrow => {
            let drop = if narrow == Precision::Double { 11 } else { 40 };
            let unit = 1u64 << drop;
            let rest = (high & (unit - 1)) << 1 | u64::from(low != 0);
            (high & !(unit - 1), unit, rest, unit)
        }
    };
    let up = env.rounding.increments(negative, kept & unit != 0, rest, half);
    let (kept, carry) = kept.overflowing_add(if up { unit } else { 0 });
    Cut { kept, carry, inexact: rest != 0, up }
}

/// Packs a significand and exponent that are known to be in range.
#[inline]
fn pack(negative: bool, exponent: i32, significand: u64) -> F80 {
    let sign = if negative { SIGN } else { 0 };
    F80::new(sign | (exponent + BIAS) as u16, significand)
}

/// Rounds a non-zero result.
#[inline]
pub(crate) fn round_pack(env: &mut Env, value: Wide, precision: Precision) -> F80 {
    let mut cut = cut(env, value.negative, value.significand, precision);
    let mut exponent = value.exponent;
    if cut.carry {
        exponent += 1;
        cut.kept |= 1 << 63;
    }
    if exponent < MIN_EXPONENT {
        return round_tiny(env, value, &cut, exponent, precision);
    }
    if exponent > BIAS {
        return overflow(env, value.negative, &cut, exponent, precision);
    }
    env.rounded_up = cut.up;
    if value.exponent < MIN_EXPONENT {
        return just_normal(env, value, &cut, exponent, precision);
    }
    if cut.inexact {
        env.raise(Flags::PE);
    }
    pack(value.negative, exponent, cut.kept)
}

/// A result that rounded up to the smallest normal number, so that it is not
/// tiny.  With the range bounded it rounds at a higher position, and may
/// not reach the normal number after all.
#[cold]
fn just_normal(env: &mut Env, value: Wide, cut: &Cut, exponent: i32, precision: Precision) -> F80 {
    let denormal = denormalized(env, value, precision);
    if cut.inexact || denormal.inexact {
        env.raise(Flags::PE);
    }
    env.rounded_up = denormal.up;
    if denormal.kept >> 63 != 0 {
        pack(value.negative, exponent, denormal.kept)
    } else {
        F80::new(if value.negative { SIGN } else { 0 }, denormal.kept)
    }
}

/// The result cut at the fixed position of the denormal numbers.
fn denormalized(env: &Env, value: Wide, precision: Precision) -> Cut {
    let shift = (MIN_EXPONENT - value.exponent) as u32;
    let shifted = shift_right_sticky(value.significand, shift);
    cut(env, value.negative, shifted, precision)
}

#[cold]
fn overflow(env: &mut Env, negative: bool, cut: &Cut, exponent: i32, precision: Precision) -> F80 {
    env.raise(Flags::OE);
    if !env.masked(Flags::OE) {
        env.rounded_up = cut.up;
        if cut.inexact {
            env.raise(Flags::PE);
        }
        let wrapped = exponent - WRAP;
        if wrapped <= BIAS {
            return pack(negative, wrapped, cut.kept);
        }
        // Only FSCALE gets this far: an infinity stands in.
        env.raise(Flags::PE);
        env.rounded_up = true;
        return F80::infinity(negative);
    }
    env.raise(Flags::PE);
    env.rounded_up = env.rounding.overflows_to_infinity(negative);
    if env.rounded_up {
        F80::infinity(negative)
    } else {
        let ones = match precision {
            Precision::Single => !0 << 40,
            Precision::Double => !0 << 11,
            Precision::Extended => !0,
        };
        F80::new(SPECIAL - 1, ones).with_sign(negative)
    }
}

#[cold]
fn round_tiny(env: &mut Env, value: Wide, unbounded: &Cut, exponent: i32, precision: Precision) -> F80 {
    if !env.masked(Flags::UE) {
        env.raise(Flags::UE);
        env.rounded_up = unbounded.up;
        if unbounded.inexact {
            env.raise(Flags::PE);
        }
        let wrapped = exponent + WRAP;
        if wrapped >= MIN_EXPONENT {
            return pack(value.negative, wrapped, unbounded.kept);
        }
        // Likewise FSCALE: a zero.
        env.raise(Flags::PE);
        env.rounded_up = false;
        return F80::zero(value.negative);
    }
    let denormal = denormalized(env, value, precision);
    if denormal.inexact {
        env.raise(Flags::UE | Flags::PE);
    }
    env.rounded_up = denormal.up;
    // A carry up to the integer bit makes it the smallest normal number.
    let field = u16::from(denormal.kept >> 63 != 0);
    F80::new(field, denormal.kept).with_sign(value.negative)
}
