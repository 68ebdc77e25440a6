//! FADD, FSUB, FMUL, FDIV and FSQRT.

use super::f80::F80;
use super::round::round_pack;
use super::special::{check, check2, denormals, invalid};
use crate::exact;
use crate::{Env, Flags, Rounding};

impl F80 {
    /// `self + other`.
    #[inline]
    pub fn add(self, other: F80, env: &mut Env) -> F80 {
        add_signed(self, other, false, env)
    }

    /// `self - other`.
    #[inline]
    pub fn sub(self, other: F80, env: &mut Env) -> F80 {
        add_signed(self, other, true, env)
    }

    /// `self * other`.
    pub fn mul(self, other: F80, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if !(self.is_normal() && other.is_normal())
            && let Some(answer) = mul_special(self, other, env)
        {
            return answer;
        }
        let product = exact::mul(self.unpack(), other.unpack());
        round_pack(env, product, env.precision)
    }

    /// `self / other`.
    pub fn div(self, other: F80, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if !(self.is_normal() && other.is_normal())
            && let Some(answer) = div_special(self, other, env)
        {
            return answer;
        }
        let quotient = exact::div(self.unpack(), other.unpack());
        round_pack(env, quotient, env.precision)
    }

    /// The square root.
    pub fn sqrt(self, env: &mut Env) -> F80 {
        env.rounded_up = false;
        if let Some(nan) = check(env, self) {
            return nan;
        }
        if self.is_zero() {
            return self;
        }
        if self.is_negative() {
            return invalid(env);
        }
        if (self.is_denormal() && env.denormal_stops()) || self.is_infinite() {
            return self;
        }
        round_pack(env, exact::sqrt(self.unpack()), env.precision)
    }
}

fn add_signed(a: F80, b: F80, subtract: bool, env: &mut Env) -> F80 {
    env.rounded_up = false;
    let negative_b = b.is_negative() != subtract;
    if !(a.is_normal() && b.is_normal())
        && let Some(answer) = add_special(a, b, negative_b, env)
    {
        return answer;
    }
    let mut addend = b.unpack();
    addend.negative = negative_b;
    let sum = exact::add_wide(a.unpack().widen(), addend.widen());
    if sum.significand == 0 {
        return F80::zero(env.rounding == Rounding::Down);
    }
    round_pack(env, sum, env.precision)
}

/// The sum unless both operands are finite and not zero.
#[cold]
fn add_special(a: F80, b: F80, negative_b: bool, env: &mut Env) -> Option<F80> {
    if let Some(nan) = check2(env, a, b) {
        return Some(nan);
    }
    let negative_a = a.is_negative();
    let (infinite_a, infinite_b) = (a.is_infinite(), b.is_infinite());
    if infinite_a && infinite_b && negative_a != negative_b {
        return Some(invalid(env));
    }
    if denormals(env, a, b) || infinite_a {
        return Some(a);
    }
    if infinite_b {
        return Some(F80::infinity(negative_b));
    }
    let rest = match (a.is_zero(), b.is_zero()) {
        (false, false) => return None,
        (true, true) => {
            let negative = if negative_a == negative_b { negative_a } else { env.rounding == Rounding::Down };
            return Some(F80::zero(negative));
        }
        (true, false) => b.with_sign(negative_b),
        (false, true) => a,
    };
    // Precision control rounds what is left.
    Some(round_pack(env, rest.unpack().widen(), env.precision))
}

#[cold]
fn mul_special(a: F80, b: F80, env: &mut Env) -> Option<F80> {
    if let Some(nan) = check2(env, a, b) {
        return Some(nan);
    }
    let negative = a.is_negative() != b.is_negative();
    let infinite = a.is_infinite() || b.is_infinite();
    let zero = a.is_zero() || b.is_zero();
    if infinite && zero {
        return Some(invalid(env));
    }
    if denormals(env, a, b) {
        return Some(a);
    }
    if infinite {
        Some(F80::infinity(negative))
    } else if zero {
        Some(F80::zero(negative))
    } else {
        None
    }
}

#[cold]
fn div_special(a: F80, b: F80, env: &mut Env) -> Option<F80> {
    if let Some(nan) = check2(env, a, b) {
        return Some(nan);
    }
    let negative = a.is_negative() != b.is_negative();
    if (a.is_infinite() && b.is_infinite()) || (a.is_zero() && b.is_zero()) {
        return Some(invalid(env));
    }
    if b.is_zero() && !a.is_infinite() {
        env.raise(Flags::ZE);
        return Some(F80::infinity(negative));
    }
    if denormals(env, a, b) {
        return Some(a);
    }
    if a.is_infinite() {
        Some(F80::infinity(negative))
    } else if a.is_zero() || b.is_infinite() {
        Some(F80::zero(negative))
    } else {
        None
    }
}
