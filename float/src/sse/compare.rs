//! COMISS, UCOMISS, CMPSS, MINSS, MAXSS and their packed forms.

use super::format::{Format, is_denormal, is_nan, is_negative, is_signaling, is_zero, magnitude, operand};
use crate::{Env, Flags, Relation};

/// How two numbers that are not NaNs compare.
#[inline]
fn order<F: Format>(a: u64, b: u64) -> Relation {
    if a == b || (is_zero::<F>(a) && is_zero::<F>(b)) {
        return Relation::Equal;
    }
    let (negative_a, negative_b) = (is_negative::<F>(a), is_negative::<F>(b));
    let less =
        if negative_a != negative_b { negative_a } else { (magnitude::<F>(a) < magnitude::<F>(b)) != negative_a };
    if less { Relation::Less } else { Relation::Greater }
}

#[inline]
fn relation<F: Format>(env: &mut Env, a: u64, b: u64, signaling: bool) -> Relation {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        if signaling || is_signaling::<F>(a) || is_signaling::<F>(b) {
            env.raise(Flags::IE);
        }
        return Relation::Unordered;
    }
    let (a, b) = (operand::<F>(env, a), operand::<F>(env, b));
    if is_denormal::<F>(a) || is_denormal::<F>(b) {
        env.raise(Flags::DE);
    }
    order::<F>(a, b)
}

/// The quiet comparison, of UCOMISS and the quiet CMPSS predicates: only
/// signaling NaNs raise IE.
#[inline]
pub fn compare<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> Relation {
    relation::<F>(env, F::widen(a), F::widen(b), false)
}

/// The signaling comparison, of COMISS and the signaling CMPSS predicates:
/// any NaN raises IE.
#[inline]
pub fn compare_signaling<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> Relation {
    relation::<F>(env, F::widen(a), F::widen(b), true)
}

/// MINSS: the second operand unless the first is less.  A NaN or a pair of
/// zeros therefore gives the second operand as it is.
#[inline]
pub fn min<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> F::Bits {
    pick::<F>(env, a, b, Relation::Less)
}

/// MAXSS: the second operand unless the first is greater.
#[inline]
pub fn max<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> F::Bits {
    pick::<F>(env, a, b, Relation::Greater)
}

#[inline]
fn pick<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits, wanted: Relation) -> F::Bits {
    let (a, b) = (F::widen(a), F::widen(b));
    let first = relation::<F>(env, a, b, true) == wanted;
    // DAZ shows in the value handed on, too.
    F::narrow(operand::<F>(env, if first { a } else { b }))
}
