//! FSIN, FCOS, FSINCOS and FPTAN.
//!
//! Arguments are reduced by a pi of 66 bits, as Intel processors do (SDM
//! vol. 1, 8.3.8), and exactly: near multiples of pi/2 the results differ
//! from the true functions by what that pi differs from the true one.

use super::f80::F80;
use super::series::{below_one, deliver, deliver_short, divide, fraction_squared, horner_alternating, multiply};
use super::special::{check, invalid};
use super::tables::{COS, SIN};
use crate::exact::Wide;
use crate::{Env, Flags};

/// Half of the 66-bit pi, in units of 2^-65.
const HALF_PI_66: u128 = 0x3_243f_6a88_85a3_08d3;

/// An argument as a multiple of pi/2 and a rest of at most pi/4.
struct Reduced {
    quadrant: u8,
    rest: Wide,
}

fn reduce(a: F80) -> Reduced {
    let num = a.unpack();
    if num.exponent < -1 {
        return Reduced { quadrant: 0, rest: num.widen() };
    }
    // Below 2^63, so all of it fits 128 bits in units of 2^-65.
    let units = u128::from(num.significand) << ((num.exponent + 2) & 127);
    let mut quadrant = units / HALF_PI_66;
    let mut rest = units - quadrant * HALF_PI_66;
    let mut negative = num.negative;
    if rest > HALF_PI_66 / 2 {
        quadrant += 1;
        rest = HALF_PI_66 - rest;
        negative = !negative;
    }
    let quadrant = quadrant as u8 & 3;
    // The rest is never 0: the divisor is odd and longer than a significand.
    Reduced {
        quadrant: if num.negative { quadrant.wrapping_neg() & 3 } else { quadrant },
        rest: Wide::normalized(negative, 127 - 65, rest),
    }
}

impl Reduced {
    fn sin_of_rest(&self) -> Wide {
        multiply(self.rest, below_one(horner_alternating(&SIN, fraction_squared(self.rest))))
    }

    fn cos_of_rest(&self) -> Wide {
        below_one(horner_alternating(&COS, fraction_squared(self.rest)))
    }

    fn sin(&self) -> Wide {
        let mut value = if self.quadrant & 1 == 0 { self.sin_of_rest() } else { self.cos_of_rest() };
        value.negative ^= self.quadrant & 2 != 0;
        value
    }

    fn cos(&self) -> Wide {
        let mut value = if self.quadrant & 1 == 0 { self.cos_of_rest() } else { self.sin_of_rest() };
        value.negative ^= (self.quadrant + 1) & 2 != 0;
        value
    }
}

/// What an operand of these functions is.
enum Argument {
    /// The answer for everything, a NaN (or, stopped by DE, the operand).
    Answered(F80),
    /// Zero.
    Zero,
    /// Magnitude 2^63 or more.
    TooLarge,
    /// So small that processors take the sine and tangent to be the operand
    /// and the cosine 1, whatever the rounding.
    Tiny,
    Finite,
}

fn argument(a: F80, env: &mut Env) -> Argument {
    env.rounded_up = false;
    if let Some(nan) = check(env, a) {
        return Argument::Answered(nan);
    }
    if a.is_infinite() {
        return Argument::Answered(invalid(env));
    }
    if a.is_zero() {
        return Argument::Zero;
    }
    if a.exponent_field() >= 0x3fff + 63 {
        return Argument::TooLarge;
    }
    if a.is_denormal() && env.denormal_stops() {
        return Argument::Answered(a);
    }
    if a.exponent_field() < 0x3fff - 68 {
        return Argument::Tiny;
    }
    Argument::Finite
}

/// The cosine of next to nothing.
fn one(env: &mut Env) -> F80 {
    env.raise(Flags::PE);
    F80::ONE
}

impl F80 {
    /// FSIN.  `None` (C2) when the magnitude is 2^63 or more.
    pub fn sin(self, env: &mut Env) -> Option<F80> {
        Some(match argument(self, env) {
            Argument::Answered(answer) => answer,
            Argument::Zero => self,
            Argument::TooLarge => return None,
            Argument::Tiny => deliver_short(env, self.unpack().widen()),
            Argument::Finite => deliver(env, reduce(self).sin()),
        })
    }

    /// FCOS.  `None` (C2) when the magnitude is 2^63 or more.
    pub fn cos(self, env: &mut Env) -> Option<F80> {
        Some(match argument(self, env) {
            Argument::Answered(answer) => answer,
            Argument::Zero => F80::ONE,
            Argument::TooLarge => return None,
            Argument::Tiny => one(env),
            Argument::Finite => deliver(env, reduce(self).cos()),
        })
    }

    /// FSINCOS: the sine (which replaces the operand) and the cosine (which
    /// is pushed).  `None` (C2) when the magnitude is 2^63 or more.
    pub fn sin_cos(self, env: &mut Env) -> Option<(F80, F80)> {
        Some(match argument(self, env) {
            Argument::Answered(answer) => (answer, answer),
            Argument::Zero => (self, F80::ONE),
            Argument::TooLarge => return None,
            Argument::Tiny => (deliver_short(env, self.unpack().widen()), one(env)),
            Argument::Finite => {
                let reduced = reduce(self);
                let sin = deliver(env, reduced.sin());
                (sin, deliver(env, reduced.cos()))
            }
        })
    }

    /// FPTAN: the tangent (which replaces the operand) and what is pushed: 1,
    /// or the NaN again.  `None` (C2) when the magnitude is 2^63 or more.
    pub fn tan(self, env: &mut Env) -> Option<(F80, F80)> {
        Some(match argument(self, env) {
            Argument::Answered(answer) => (answer, answer),
            Argument::Zero => (self, F80::ONE),
            Argument::TooLarge => return None,
            Argument::Tiny => (deliver_short(env, self.unpack().widen()), F80::ONE),
            Argument::Finite => {
                let reduced = reduce(self);
                (deliver(env, divide(reduced.sin(), reduced.cos())), F80::ONE)
            }
        })
    }
}
