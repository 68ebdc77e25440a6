//! F2XM1.

use super::f80::F80;
use super::series::{deliver, fraction, from_fixed, horner, horner_alternating, multiply};
use super::special::check;
use super::tables::{EXP, LN_2, ONE, POWERS};
use crate::exact::{Num, Wide, add_wide};
use crate::{Env, Flags};

impl F80 {
    /// F2XM1: `2^self - 1`, for magnitudes up to 1.
    pub fn exp2_minus_1(self, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if let Some(nan) = check(env, self) {
            return nan;
        }
        if self.is_infinite() {
            return if self.is_negative() { F80::one(true) } else { self };
        }
        if (self.is_denormal() && env.denormal_stops()) || self.is_zero() {
            return self;
        }
        let num = self.unpack();
        if num.exponent >= 0 {
            // Only -1 has a result other than itself; beyond the range the
            // manual leaves it undefined and processors keep the operand.
            let minus_one = self == F80::one(true);
            env.raise(Flags::PE);
            return if minus_one { F80::new(0xbffe, 1 << 63) } else { self };
        }
        deliver(env, exp2_minus_1(num))
    }
}

/// The nearest 32nd `n/32` of the argument is taken out:
/// `2^x - 1 = 2^(n/32) (2^r - 1) + (2^(n/32) - 1)`.
fn exp2_minus_1(x: Num) -> Wide {
    if x.exponent < -6 {
        return e_to_x_minus_1(multiply(x.widen(), LN_2));
    }
    // In units of 2^-70 the argument is whole.
    let units = u128::from(x.significand) << ((x.exponent + 7) & 127);
    let steps = (units + (1 << 64)) >> 65;
    let taken = steps << 65;
    let steps = if x.negative { -(steps as i32) } else { steps as i32 };
    let mut power = from_fixed(POWERS[(steps & 31) as usize]);
    power.exponent += steps >> 5;
    let minus_one = Wide { negative: true, exponent: 0, significand: ONE };
    let base = add_wide(power, minus_one);
    if units == taken {
        return base;
    }
    let rest = Wide::normalized(x.negative != (units < taken), 127 - 70, units.abs_diff(taken));
    let growth = multiply(e_to_x_minus_1(multiply(rest, LN_2)), power);
    if base.significand == 0 { growth } else { add_wide(base, growth) }
}

/// `e^x - 1` for magnitudes up to ln 2 / 64.
fn e_to_x_minus_1(x: Wide) -> Wide {
    let sum = if x.negative { horner_alternating(&EXP, fraction(x)) } else { horner(&EXP, fraction(x)) };
    multiply(x, from_fixed(sum))
}
