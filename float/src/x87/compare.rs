//! FCOM, FUCOM, FCOMI, FUCOMI and FTST.

use super::f80::{Class, F80};
use crate::{Env, Flags, Relation};

impl F80 {
    /// The ordinary comparison (FCOM, FCOMI, FTST): any NaN raises IE.
    #[inline]
    pub fn compare(self, other: F80, env: &mut Env) -> Relation {
        relation(self, other, true, env)
    }

    /// The unordered comparison (FUCOM, FUCOMI): quiet NaNs raise nothing.
    #[inline]
    pub fn compare_unordered(self, other: F80, env: &mut Env) -> Relation {
        relation(self, other, false, env)
    }
}

fn relation(a: F80, b: F80, signaling: bool, env: &mut Env) -> Relation {
    env.rounded_up = false;
    if !(a.is_normal() && b.is_normal()) {
        let (mut unordered, mut invalid) = (false, false);
        for class in [a.class(), b.class()] {
            match class {
                Class::QuietNan => {
                    unordered = true;
                    invalid |= signaling;
                }
                Class::SignalingNan | Class::Unsupported => {
                    unordered = true;
                    invalid = true;
                }
                _ => {}
            }
        }
        if invalid {
            env.raise(Flags::IE);
        }
        if unordered {
            return Relation::Unordered;
        }
        if a.is_denormal() || b.is_denormal() {
            env.raise(Flags::DE);
        }
        if a.is_zero() && b.is_zero() {
            return Relation::Equal;
        }
    }
    let less = match (a.is_negative(), b.is_negative()) {
        (true, false) => true,
        (false, true) => false,
        (negative, _) => {
            let (a, b) = (magnitude(a), magnitude(b));
            if a == b {
                return Relation::Equal;
            }
            (a < b) != negative
        }
    };
    if less { Relation::Less } else { Relation::Greater }
}

/// A key in the order of magnitudes.  A pseudo-denormal has the value of the
/// normal number with exponent field 1.
#[inline]
fn magnitude(a: F80) -> (u16, u64) {
    let field = a.exponent_field();
    (field.max((a.significand >> 63) as u16), a.significand)
}
