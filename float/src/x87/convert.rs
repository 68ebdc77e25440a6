//! Loads and stores that convert: FLD, FST, FILD, FIST and FISTTP.

use super::f80::{Class, F80, INTEGER_BIT, QUIET_BIT, SIGN, SPECIAL};
use super::round::round_pack;
use crate::exact::{Wide, to_integer};
use crate::sse::{self, Double, Layout, Single};
use crate::{Env, Flags, Precision, Rounding};

impl F80 {
    /// FLD m32fp.  Exact, but for IE and DE.
    #[inline]
    pub fn from_single(bits: u32, env: &mut Env) -> F80 {
        load::<Single>(u64::from(bits), env)
    }

    /// FLD m64fp.  Exact, but for IE and DE.
    #[inline]
    pub fn from_double(bits: u64, env: &mut Env) -> F80 {
        load::<Double>(bits, env)
    }

    /// FST m32fp.
    #[inline]
    pub fn to_single(self, env: &mut Env) -> u32 {
        store::<Single>(self, env) as u32
    }

    /// FST m64fp.
    #[inline]
    pub fn to_double(self, env: &mut Env) -> u64 {
        store::<Double>(self, env)
    }

    /// FILD m64int; the shorter integers widen to it.  Always exact.
    #[inline]
    pub fn from_i64(value: i64) -> F80 {
        if value == 0 {
            return F80::ZERO;
        }
        let magnitude = value.unsigned_abs();
        let zeros = magnitude.leading_zeros();
        let sign = if value < 0 { SIGN } else { 0 };
        F80::new(sign | (0x3fff + 63 - zeros as u16), magnitude << zeros)
    }

    /// FILD m32int.
    #[inline]
    pub fn from_i32(value: i32) -> F80 {
        F80::from_i64(i64::from(value))
    }

    /// FILD m16int.
    #[inline]
    pub fn from_i16(value: i16) -> F80 {
        F80::from_i64(i64::from(value))
    }

    /// FIST m16int.
    #[inline]
    pub fn to_i16(self, env: &mut Env) -> i16 {
        integer(self, 1 << 15, env.rounding, env) as i16
    }

    /// FIST m32int.
    #[inline]
    pub fn to_i32(self, env: &mut Env) -> i32 {
        integer(self, 1 << 31, env.rounding, env) as i32
    }

    /// FISTP m64int.
    #[inline]
    pub fn to_i64(self, env: &mut Env) -> i64 {
        integer(self, 1 << 63, env.rounding, env)
    }

    /// FISTTP m16int.
    #[inline]
    pub fn truncate_to_i16(self, env: &mut Env) -> i16 {
        integer(self, 1 << 15, Rounding::Zero, env) as i16
    }

    /// FISTTP m32int.
    #[inline]
    pub fn truncate_to_i32(self, env: &mut Env) -> i32 {
        integer(self, 1 << 31, Rounding::Zero, env) as i32
    }

    /// FISTTP m64int.
    #[inline]
    pub fn truncate_to_i64(self, env: &mut Env) -> i64 {
        integer(self, 1 << 63, Rounding::Zero, env)
    }
}

/// The magnitude of a value rounded to an integer, if it is at most `limit`,
/// and whether it is inexact; sets C1.
pub(super) fn magnitude(a: F80, limit: u64, rounding: Rounding, env: &mut Env) -> Option<(u64, bool)> {
    env.rounded_up = false;
    match a.class() {
        Class::Zero => return Some((0, false)),
        Class::Normal | Class::Denormal | Class::PseudoDenormal => {}
        _ => return None,
    }
    let (whole, inexact, up) = to_integer(a.unpack(), rounding)?;
    if whole > limit {
        return None;
    }
    env.rounded_up = up;
    Some((whole, inexact))
}

/// Rounds to an integer of `-limit..limit`, or raises IE and gives the integer
/// indefinite `-limit`.
#[inline]
fn integer(a: F80, limit: u64, rounding: Rounding, env: &mut Env) -> i64 {
    let negative = a.is_negative();
    match magnitude(a, limit - u64::from(!negative), rounding, env) {
        Some((whole, inexact)) => {
            if inexact {
                env.raise(Flags::PE);
            }
            if negative { (whole as i64).wrapping_neg() } else { whole as i64 }
        }
        None => {
            env.raise(Flags::IE);
            (limit as i64).wrapping_neg()
        }
    }
}

#[inline]
fn load<L: Layout>(bits: u64, env: &mut Env) -> F80 {
    env.rounded_up = false;
    let negative = bits & L::SIGN != 0;
    let magnitude = bits & !L::SIGN;
    let field = (magnitude >> L::FRACTION) as i32;
    let fraction = magnitude << (63 - L::FRACTION) & !INTEGER_BIT;
    let sign = if negative { SIGN } else { 0 };
    if magnitude == 0 {
        return F80::new(sign, 0);
    }
    if magnitude >= L::INFINITY {
        let mut significand = fraction | INTEGER_BIT;
        if sse::is_signaling::<L>(bits) {
            env.raise(Flags::IE);
            significand |= QUIET_BIT;
        }
        return F80::new(sign | SPECIAL, significand);
    }
    if field == 0 {
        env.raise(Flags::DE);
        let num = sse::unpack::<L>(bits);
        return F80::new(sign | (num.exponent + 16383) as u16, num.significand);
    }
    F80::new(sign | (field - L::BIAS + 16383) as u16, fraction | INTEGER_BIT)
}

#[inline]
fn store<L: Layout>(a: F80, env: &mut Env) -> u64 {
    env.rounded_up = false;
    let sign = if a.is_negative() { L::SIGN } else { 0 };
    match a.class() {
        Class::Zero => sign,
        Class::Infinity => sign | L::INFINITY,
        Class::Unsupported => {
            env.raise(Flags::IE);
            L::INDEFINITE
        }
        class @ (Class::QuietNan | Class::SignalingNan) => {
            if class == Class::SignalingNan {
                env.raise(Flags::IE);
            }
            let fraction = (a.significand & !INTEGER_BIT) >> (63 - L::FRACTION);
            sign | L::INFINITY | L::QUIET | fraction
        }
        Class::Normal | Class::Denormal | Class::PseudoDenormal => store_finite::<L>(a, env),
    }
}

#[inline]
fn store_finite<L: Layout>(a: F80, env: &mut Env) -> u64 {
    let value = a.unpack().widen();
    let stopping = Flags::OE | Flags::UE;
    if env.masked(stopping) {
        return sse::round_pack::<L>(env, value);
    }
    let mut local = Env { flags: Flags::NONE, ..*env };
    let bits = sse::round_pack::<L>(&mut local, value);
    if local.unmasked().intersects(stopping) {
        // Nothing is stored, so nothing was inexact.
        local.flags = local.flags & !Flags::PE;
    }
    env.raise(local.flags);
    env.rounded_up = local.rounded_up;
    bits
}

/// An integer magnitude as a value; exact.
pub(super) fn from_magnitude(negative: bool, value: u64) -> F80 {
    if value == 0 {
        return F80::zero(negative);
    }
    let wide = Wide::normalized(negative, 127, u128::from(value));
    round_pack(&mut Env::default(), wide, Precision::Extended)
}
