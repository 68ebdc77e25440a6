//! FPREM and FPREM1: partial remainders.

use super::f80::F80;
use super::round::round_pack;
use super::special::{check2, denormals, invalid};
use crate::exact::Wide;
use crate::{Env, Precision};

/// What FPREM and FPREM1 give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remainder {
    /// The remainder, or the dividend reduced so far.
    pub value: F80,
    /// Whether the reduction is complete (C2 clear).
    pub complete: bool,
    /// The low three bits of the quotient of a complete reduction: bit 2 goes
    /// to C0, bit 1 to C3 and bit 0 to C1.  Zero when not complete.
    pub quotient: u8,
}

impl F80 {
    /// FPREM: the remainder of the truncated quotient.
    pub fn rem_truncated(self, divisor: F80, env: &mut Env) -> Remainder {
        rem(self, divisor, false, env)
    }

    /// FPREM1: the IEEE remainder, of the quotient rounded to nearest.
    pub fn rem_nearest(self, divisor: F80, env: &mut Env) -> Remainder {
        rem(self, divisor, true, env)
    }
}

fn done(value: F80) -> Remainder {
    Remainder { value, complete: true, quotient: 0 }
}

fn rem(a: F80, b: F80, nearest: bool, env: &mut Env) -> Remainder {
    env.rounded_up = false;
    if let Some(nan) = check2(env, a, b) {
        return done(nan);
    }
    if a.is_infinite() || b.is_zero() {
        return done(invalid(env));
    }
    if denormals(env, a, b) || a.is_zero() {
        return done(a);
    }
    if b.is_infinite() {
        return done(a.settled());
    }
    let (x, y) = (a.unpack(), b.unpack());
    let difference = x.exponent - y.exponent;
    if difference < -1 || (difference < 0 && !nearest) {
        return done(round_pack(env, x.widen(), Precision::Extended));
    }
    if difference >= 64 {
        return reduce(x, y, difference, env);
    }
    let divisor = u128::from(y.significand);
    // Everything in units of half the divisor's last place, so that a
    // dividend one binade below the divisor fits too.
    let dividend = u128::from(x.significand) << difference.max(0);
    let (mut quotient, mut remainder, divisor, unit) = if difference < 0 {
        (0, dividend, divisor << 1, y.exponent - 1)
    } else {
        (dividend / divisor, dividend % divisor, divisor, y.exponent)
    };
    let mut negative = x.negative;
    if nearest {
        let twice = remainder << 1;
        if twice > divisor || (twice == divisor && quotient & 1 != 0) {
            quotient += 1;
            remainder = divisor - remainder;
            negative = !negative;
        }
    }
    Remainder {
        value: deliver(env, x.negative, negative, unit, remainder),
        complete: true,
        quotient: (quotient & 7) as u8,
    }
}

/// One step of a reduction that does not complete: a truncated quotient with
/// 32 to 63 bits.
fn reduce(x: crate::exact::Num, y: crate::exact::Num, difference: i32, env: &mut Env) -> Remainder {
    let bits = (difference & 0x1f) | 0x20;
    let dividend = u128::from(x.significand) << bits;
    let remainder = dividend % u128::from(y.significand);
    let unit = y.exponent + difference - bits;
    Remainder { value: deliver(env, x.negative, x.negative, unit, remainder), complete: false, quotient: 0 }
}

/// A remainder in units of `2^(unit - 63)`; a zero has the dividend's sign.
fn deliver(env: &mut Env, dividend: bool, negative: bool, unit: i32, remainder: u128) -> F80 {
    if remainder == 0 {
        return F80::zero(dividend);
    }
    let wide = Wide::normalized(negative, unit + 64, remainder);
    round_pack(env, wide, Precision::Extended)
}
