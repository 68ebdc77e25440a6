//! FYL2X and FYL2XP1.

use super::f80::F80;
use super::series::{deliver, deliver_short, divide, fraction_squared, from_fixed, horner, multiply};
use super::special::{check2, denormals, invalid};
use super::tables::{ODD, ONE, SQRT_2, TWO_LOG2_E};
use crate::exact::{self, Num, Wide, add_wide};
use crate::{Env, Flags};

impl F80 {
    /// FYL2X: `y * log2(self)`, with `self` the ST(0) operand and `y` the ST(1)
    /// one.
    pub fn log2_times(self, y: F80, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if let Some(nan) = check2(env, self, y) {
            return nan;
        }
        let negative = y.is_negative();
        if self.is_zero() {
            if y.is_zero() {
                return invalid(env);
            }
            if !y.is_infinite() {
                env.raise(Flags::ZE);
            }
            return F80::infinity(!negative);
        }
        if self.is_negative() {
            return invalid(env);
        }
        let one = self == F80::ONE;
        let below_one = self.exponent_field() < 0x3fff;
        if (y.is_infinite() && one) || (y.is_zero() && self.is_infinite()) {
            return invalid(env);
        }
        if denormals(env, self, y) {
            return self;
        }
        if y.is_infinite() || self.is_infinite() {
            return F80::infinity(negative != below_one);
        }
        if y.is_zero() || one {
            return F80::zero(negative != below_one);
        }
        product(log2(self.unpack().widen()), y.unpack(), env)
    }

    /// FYL2XP1: `y * log2(self + 1)`, with `self` the ST(0) operand and `y` the
    /// ST(1) one.
    pub fn log2_plus_1_times(self, y: F80, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if let Some(nan) = check2(env, self, y) {
            return nan;
        }
        let minus = self.is_negative();
        let negative = minus != y.is_negative();
        if (self.is_zero() && y.is_infinite()) || (self.is_infinite() && (y.is_zero() || minus)) {
            return invalid(env);
        }
        if denormals(env, self, y) {
            return self;
        }
        if self.is_zero() || y.is_zero() {
            return F80::zero(negative);
        }
        if self.is_infinite() || y.is_infinite() {
            return F80::infinity(negative);
        }
        // No logarithm at all.  The manual leaves the result undefined, and
        // processors deliver the operand.
        if minus && self.exponent_field() >= 0x3fff {
            env.raise(Flags::PE);
            return self;
        }
        let x = self.unpack();
        let log = if x.exponent <= -3 {
            let two = Wide { negative: false, exponent: 1, significand: ONE };
            Log::Inexact(series(x.widen(), add_wide(two, x.widen())))
        } else {
            let one = Wide { negative: false, exponent: 0, significand: ONE };
            log2(add_wide(one, x.widen()))
        };
        product(log, y.unpack(), env)
    }
}

/// A logarithm: of a power of two, or not.
enum Log {
    Whole(i32),
    Inexact(Wide),
}

fn product(log: Log, y: Num, env: &mut Env) -> F80 {
    match log {
        Log::Whole(0) => F80::zero(y.negative),
        Log::Whole(n) => deliver_short(env, exact::mul(F80::from_i32(n).unpack(), y)),
        Log::Inexact(value) => deliver(env, multiply(value, y.widen())),
    }
}

/// The base 2 logarithm.  The significand is brought between the root of a
/// half and the root of 2, so that nothing cancels against the exponent.
fn log2(x: Wide) -> Log {
    let mut exponent = x.exponent;
    let (above_one, plus_one) = if x.significand > SQRT_2 {
        exponent += 1;
        (
            Wide::normalized(true, -1, x.significand.wrapping_neg()),
            Wide { negative: false, exponent: 0, significand: (x.significand >> 1) + ONE },
        )
    } else {
        (
            Wide::normalized(false, 0, x.significand - ONE),
            Wide { negative: false, exponent: 1, significand: (x.significand >> 1) + (ONE >> 1) },
        )
    };
    if above_one.significand == 0 {
        return Log::Whole(exponent);
    }
    let fraction = series(above_one, plus_one);
    if exponent == 0 {
        return Log::Inexact(fraction);
    }
    let whole = F80::from_i32(exponent).unpack().widen();
    Log::Inexact(add_wide(whole, fraction))
}

/// `log2(1 + f)` of `f` and `2 + f`, by `ln(1 + f) = 2 atanh(f / (2 + f))`.
fn series(f: Wide, two_plus_f: Wide) -> Wide {
    let s = divide(f, two_plus_f);
    let sum = from_fixed(horner(&ODD, fraction_squared(s)));
    multiply(multiply(s, sum), TWO_LOG2_E)
}
