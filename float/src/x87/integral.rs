//! FRNDINT.

use super::f80::F80;
use super::round::round_pack;
use super::special::check;
use crate::exact::{Wide, to_integer};
use crate::{Env, Flags, Precision};

impl F80 {
    /// Rounds to an integer under the rounding control.
    pub fn round_to_integer(self, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if let Some(nan) = check(env, self) {
            return nan;
        }
        if self.is_denormal() && env.denormal_stops() {
            return self;
        }
        if self.is_zero() || self.is_infinite() {
            return self;
        }
        let num = self.unpack();
        if num.exponent >= 63 {
            return self;
        }
        let (whole, inexact, up) = to_integer(num, env.rounding).unwrap_or_default();
        let value = if whole == 0 {
            F80::zero(num.negative)
        } else {
            let wide = Wide::normalized(num.negative, 127, u128::from(whole));
            round_pack(env, wide, Precision::Extended)
        };
        env.rounded_up = up;
        if inexact {
            env.raise(Flags::PE);
        }
        value
    }
}
