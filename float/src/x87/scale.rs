//! FSCALE and FXTRACT.

use super::f80::{F80, INTEGER_BIT};
use super::round::round_pack;
use super::special::{check, check2, denormals, invalid};
use crate::exact::to_integer;
use crate::{Env, Flags, Precision, Rounding};

/// More than any exponent difference that matters.
const FAR: i32 = 1 << 17;

impl F80 {
    /// FSCALE: `self * 2^truncated(scale)`.
    pub fn scale(self, scale: F80, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if let Some(nan) = check2(env, self, scale) {
            return nan;
        }
        if scale.is_infinite() {
            let down = scale.is_negative();
            if (down && self.is_infinite()) || (!down && self.is_zero()) {
                return invalid(env);
            }
            if denormals(env, self, scale) {
                return self;
            }
            return if down { F80::zero(self.is_negative()) } else { F80::infinity(self.is_negative()) };
        }
        if denormals(env, self, scale) || self.is_zero() || self.is_infinite() {
            return self;
        }
        if scale.is_zero() {
            return self.settled();
        }
        let num = scale.unpack();
        let whole = match to_integer(num, Rounding::Zero) {
            Some((whole, _, _)) => whole.min(FAR as u64) as i32,
            None => FAR,
        };
        let by = if num.negative { -whole } else { whole };
        let mut wide = self.unpack().widen();
        wide.exponent += by;
        round_pack(env, wide, Precision::Extended)
    }

    /// FXTRACT: the unbiased exponent (which replaces the operand) and the
    /// significand (which is pushed).
    pub fn extract(self, env: &mut Env) -> (F80, F80) {
        env.rounded_up = false;
        if let Some(nan) = check(env, self) {
            return (nan, nan);
        }
        if self.is_zero() {
            env.raise(Flags::ZE);
            return (F80::infinity(true), self);
        }
        if self.is_infinite() {
            return (F80::INFINITY, self);
        }
        if self.is_denormal() && env.denormal_stops() {
            return (self, self);
        }
        let num = self.unpack();
        debug_assert!(num.significand & INTEGER_BIT != 0);
        (F80::from_i32(num.exponent), F80::new(0x3fff, num.significand).with_sign(num.negative))
    }
}
