//! FPATAN.

use super::f80::F80;
use super::series::{
    below_one, deliver, deliver_short, divide, fraction_squared, from_fixed, horner_alternating, multiply,
};
use super::special::{check2, denormals};
use super::tables::{ARCTANGENTS, ATAN_TERMS, HALF_PI, ODD, PI};
use crate::Env;
use crate::exact::{Num, Wide, add_wide};

/// From this distance of exponents on, processors take the angle to be the
/// quotient.
const SHORT: i32 = 41;

impl F80 {
    /// FPATAN: the angle of the point (`x`, `self`), with `self` the ST(1)
    /// operand and `x` the ST(0) one.
    pub fn atan2(self, x: F80, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if let Some(nan) = check2(env, self, x) {
            return nan;
        }
        if denormals(env, self, x) {
            return self;
        }
        let (negative, left) = (self.is_negative(), x.is_negative());
        let mut angle = if self.is_infinite() && x.is_infinite() {
            from_fixed(ARCTANGENTS[16])
        } else if x.is_infinite() || self.is_zero() {
            // On the x axis, or as good as.
            if !left {
                return F80::zero(negative);
            }
            Wide { negative, ..PI }
        } else if self.is_infinite() || x.is_zero() {
            Wide { negative, ..HALF_PI }
        } else {
            let (y, x) = (self.unpack(), x.unpack());
            if !left && x.exponent - y.exponent >= SHORT {
                return deliver_short(env, divide(y.widen(), x.widen()));
            }
            quadrant_angle(y, x)
        };
        let on_axis = self.is_infinite() != x.is_infinite() || self.is_zero() || x.is_zero();
        if left && !on_axis {
            angle = subtract_from(PI, angle);
        }
        angle.negative = negative;
        deliver(env, angle)
    }
}

/// `a - b` of positive numbers.
fn subtract_from(a: Wide, b: Wide) -> Wide {
    add_wide(a, Wide { negative: !b.negative, ..b })
}

/// The angle of the magnitudes, in the first quadrant.
fn quadrant_angle(y: Num, x: Num) -> Wide {
    let steep = (y.exponent, y.significand) > (x.exponent, x.significand);
    let (small, large) = if steep { (x, y) } else { (y, x) };
    let angle = octant_angle(small, large);
    if steep { subtract_from(HALF_PI, angle) } else { angle }
}

/// The arctangent of `small / large`, at most 1.
///
/// The nearest sixteenth `c` is taken out by
/// `atan t = atan c + atan((t - c) / (1 + c t))`, both sides of the division
/// being exact.
fn octant_angle(small: Num, large: Num) -> Wide {
    let apart = large.exponent - small.exponent;
    if apart >= 6 {
        let positive = |num: Num| Wide { negative: false, ..num.widen() };
        return series(divide(positive(small), positive(large)));
    }
    let small = u128::from(small.significand);
    let large = u128::from(large.significand) << (apart & 7);
    let sixteenth = (16 * small + large / 2) / large;
    let base = from_fixed(ARCTANGENTS[(sixteenth as usize).min(16)]);
    let (above, below) = (16 * small, sixteenth * large);
    if above == below {
        return base;
    }
    let difference = Wide::normalized(above < below, 127, above.abs_diff(below));
    let scale = Wide::normalized(false, 127, 16 * large + sixteenth * small);
    let rest = series(divide(difference, scale));
    if sixteenth == 0 { rest } else { add_wide(base, rest) }
}

/// The arctangent of a magnitude up to 1/32.
fn series(t: Wide) -> Wide {
    multiply(t, below_one(horner_alternating(&ODD[..ATAN_TERMS], fraction_squared(t))))
}
