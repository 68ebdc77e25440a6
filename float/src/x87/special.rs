//! NaNs and unsupported encodings as operands (Intel SDM vol. 1, 4.8.3.5,
//! table 4-7, and 8.2.2).

use super::f80::{Class, F80, QUIET_BIT};
use crate::{Env, Flags};

impl F80 {
    /// A NaN made quiet.
    #[inline]
    pub(crate) const fn quiet(self) -> F80 {
        F80::new(self.sign_exponent, self.significand | QUIET_BIT)
    }
}

/// Raises IE and gives the default NaN.
#[cold]
pub(crate) fn invalid(env: &mut Env) -> F80 {
    env.raise(Flags::IE);
    F80::INDEFINITE
}

/// The answer when the operand is a NaN or unsupported.
#[inline]
pub(crate) fn check(env: &mut Env, a: F80) -> Option<F80> {
    if a.is_normal() {
        return None;
    }
    match a.class() {
        Class::Unsupported => Some(invalid(env)),
        Class::SignalingNan => {
            env.raise(Flags::IE);
            Some(a.quiet())
        }
        Class::QuietNan => Some(a),
        _ => None,
    }
}

/// The answer when one of two operands is a NaN or unsupported.
#[inline]
pub(crate) fn check2(env: &mut Env, a: F80, b: F80) -> Option<F80> {
    if a.is_normal() && b.is_normal() {
        return None;
    }
    propagate(env, a, b)
}

#[cold]
fn propagate(env: &mut Env, a: F80, b: F80) -> Option<F80> {
    let (class_a, class_b) = (a.class(), b.class());
    if class_a == Class::Unsupported || class_b == Class::Unsupported {
        return Some(invalid(env));
    }
    let (nan_a, nan_b) = (a.is_nan(), b.is_nan());
    if !nan_a && !nan_b {
        return None;
    }
    let signaling_a = class_a == Class::SignalingNan;
    let signaling_b = class_b == Class::SignalingNan;
    if signaling_a || signaling_b {
        env.raise(Flags::IE);
    }
    let chosen = if !nan_b {
        a
    } else if !nan_a {
        b
    } else if signaling_a != signaling_b {
        // One of each: the quiet one.
        if signaling_a { b } else { a }
    } else {
        larger(a, b)
    };
    Some(chosen.quiet())
}

/// The NaN with the larger significand; of equal ones, the positive.
fn larger(a: F80, b: F80) -> F80 {
    let first = match a.significand.cmp(&b.significand) {
        core::cmp::Ordering::Greater => true,
        core::cmp::Ordering::Less => false,
        core::cmp::Ordering::Equal => !a.is_negative(),
    };
    if first { a } else { b }
}

/// Raises DE if either operand is denormal; true when that stops the
/// operation.
#[inline]
pub(crate) fn denormals(env: &mut Env, a: F80, b: F80) -> bool {
    (a.is_denormal() || b.is_denormal()) && env.denormal_stops()
}
