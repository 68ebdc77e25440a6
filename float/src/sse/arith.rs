//! ADD, SUB, MUL, DIV and SQRT.

use super::format::{Format, invalid, is_denormal, is_infinite, is_negative, is_zero, operand, propagate, unpack};
use super::round::round_pack;
use crate::exact;
use crate::{Env, Flags, Rounding};

/// Delivers a fast answer.
#[inline]
pub(super) fn take<T>(env: &mut Env, (bits, inexact): (T, bool)) -> T {
    if inexact {
        env.raise(Flags::PE);
    }
    bits
}

/// Raises DE if either operand is denormal; true when that stops the
/// operation.
#[inline]
fn denormals<F: Format>(env: &mut Env, a: u64, b: u64) -> bool {
    (is_denormal::<F>(a) || is_denormal::<F>(b)) && env.denormal_stops()
}

/// The sum.
#[inline]
pub fn add<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> F::Bits {
    if env.rounding == Rounding::Nearest
        && let Some(answer) = F::fast_add(a, b)
    {
        return take(env, answer);
    }
    F::narrow(add_signed::<F>(env, F::widen(a), F::widen(b), 0))
}

/// The difference.
#[inline]
pub fn sub<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> F::Bits {
    if env.rounding == Rounding::Nearest
        && let Some(answer) = F::fast_sub(a, b)
    {
        return take(env, answer);
    }
    F::narrow(add_signed::<F>(env, F::widen(a), F::widen(b), F::SIGN))
}

/// The product.
#[inline]
pub fn mul<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> F::Bits {
    if env.rounding == Rounding::Nearest
        && let Some(answer) = F::fast_mul(a, b)
    {
        return take(env, answer);
    }
    F::narrow(mul_slow::<F>(env, F::widen(a), F::widen(b)))
}

/// The quotient.
#[inline]
pub fn div<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits) -> F::Bits {
    if env.rounding == Rounding::Nearest
        && let Some(answer) = F::fast_div(a, b)
    {
        return take(env, answer);
    }
    F::narrow(div_slow::<F>(env, F::widen(a), F::widen(b)))
}

/// The square root.
#[inline]
pub fn sqrt<F: Format>(env: &mut Env, a: F::Bits) -> F::Bits {
    if env.rounding == Rounding::Nearest
        && let Some(answer) = F::fast_sqrt(a)
    {
        return take(env, answer);
    }
    F::narrow(sqrt_slow::<F>(env, F::widen(a)))
}

/// The sum after the second operand's sign is flipped by `flip`.
fn add_signed<F: Format>(env: &mut Env, a: u64, b: u64, flip: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, b) {
        return nan;
    }
    let (a, b) = (operand::<F>(env, a), operand::<F>(env, b) ^ flip);
    if is_infinite::<F>(a) && is_infinite::<F>(b) && a != b {
        return invalid::<F>(env);
    }
    if denormals::<F>(env, a, b) || is_infinite::<F>(a) {
        return a;
    }
    if is_infinite::<F>(b) {
        return b;
    }
    let sum = match (is_zero::<F>(a), is_zero::<F>(b)) {
        (true, true) if a == b => return a,
        (true, true) => return zero_sum::<F>(env),
        (true, false) => unpack::<F>(b).widen(),
        (false, true) => unpack::<F>(a).widen(),
        (false, false) => exact::add_wide(unpack::<F>(a).widen(), unpack::<F>(b).widen()),
    };
    if sum.significand == 0 {
        return zero_sum::<F>(env);
    }
    round_pack::<F>(env, sum)
}

/// The zero that opposite numbers add to.
#[inline]
pub(super) fn zero_sum<F: Format>(env: &Env) -> u64 {
    if env.rounding == Rounding::Down { F::SIGN } else { 0 }
}

fn mul_slow<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, b) {
        return nan;
    }
    let (a, b) = (operand::<F>(env, a), operand::<F>(env, b));
    let sign = (a ^ b) & F::SIGN;
    let infinite = is_infinite::<F>(a) || is_infinite::<F>(b);
    let zero = is_zero::<F>(a) || is_zero::<F>(b);
    if infinite && zero {
        return invalid::<F>(env);
    }
    if denormals::<F>(env, a, b) {
        return a;
    }
    if infinite {
        return sign | F::INFINITY;
    }
    if zero {
        return sign;
    }
    round_pack::<F>(env, exact::mul(unpack::<F>(a), unpack::<F>(b)))
}

fn div_slow<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, b) {
        return nan;
    }
    let (a, b) = (operand::<F>(env, a), operand::<F>(env, b));
    let sign = (a ^ b) & F::SIGN;
    let both_infinite = is_infinite::<F>(a) && is_infinite::<F>(b);
    if both_infinite || (is_zero::<F>(a) && is_zero::<F>(b)) {
        return invalid::<F>(env);
    }
    if is_zero::<F>(b) && !is_infinite::<F>(a) {
        // Zero-divide outranks a denormal dividend.
        env.raise(Flags::ZE);
        return sign | F::INFINITY;
    }
    if denormals::<F>(env, a, b) {
        return a;
    }
    if is_infinite::<F>(a) {
        return sign | F::INFINITY;
    }
    if is_zero::<F>(a) || is_infinite::<F>(b) {
        return sign;
    }
    round_pack::<F>(env, exact::div(unpack::<F>(a), unpack::<F>(b)))
}

fn sqrt_slow<F: Format>(env: &mut Env, a: u64) -> u64 {
    if let Some(nan) = propagate::<F>(env, a, 0) {
        return nan;
    }
    let a = operand::<F>(env, a);
    if is_zero::<F>(a) {
        return a;
    }
    if is_negative::<F>(a) {
        return invalid::<F>(env);
    }
    if (is_denormal::<F>(a) && env.denormal_stops()) || is_infinite::<F>(a) {
        return a;
    }
    round_pack::<F>(env, exact::sqrt(unpack::<F>(a)))
}

#[cfg(test)]
mod tests {
    use super::super::format::{Double, Layout, Single};
    use super::*;

    /// Patterns with few different exponents, short and long fractions.
    fn operand(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = *state ^ (*state >> 29);
        let fraction = if bits & 1 == 0 { bits } else { bits & (!0 << (bits >> 3 & 63)) };
        let field = [0, 1, 1020, 1023, 1024, 1060, 1076, 2046, 2047, bits >> 52][(bits >> 9) as usize % 10];
        (bits & Double::SIGN) | (field & 0x7ff) << 52 | (fraction & (Double::MIN_NORMAL - 1))
    }

    fn same<F: Format>(
        fast: Option<(F::Bits, bool)>,
        slow: impl Fn(&mut Env) -> u64,
        operands: (F::Bits, F::Bits),
    ) -> bool {
        let Some((bits, inexact)) = fast else {
            return false;
        };
        let mut env = Env::default();
        assert_eq!(F::narrow(slow(&mut env)), bits, "{operands:x?}");
        assert_eq!(env.flags, if inexact { Flags::PE } else { Flags::NONE }, "{operands:x?}");
        true
    }

    fn check<F: Format>(convert: impl Fn(u64) -> F::Bits) {
        let mut state = 7;
        let mut taken = [0; 5];
        for _ in 0..200_000 {
            let (a, b) = (convert(operand(&mut state)), convert(operand(&mut state)));
            let (x, y, both) = (F::widen(a), F::widen(b), (a, b));
            taken[0] += usize::from(same::<F>(F::fast_add(a, b), |e| add_signed::<F>(e, x, y, 0), both));
            taken[1] += usize::from(same::<F>(F::fast_sub(a, b), |e| add_signed::<F>(e, x, y, F::SIGN), both));
            taken[2] += usize::from(same::<F>(F::fast_mul(a, b), |e| mul_slow::<F>(e, x, y), both));
            taken[3] += usize::from(same::<F>(F::fast_div(a, b), |e| div_slow::<F>(e, x, y), both));
            taken[4] += usize::from(same::<F>(F::fast_sqrt(a), |e| sqrt_slow::<F>(e, x), both));
        }
        assert!(taken.iter().all(|&count| count > 20_000), "{taken:?}");
    }

    #[test]
    fn host_floats_agree() {
        check::<Double>(|bits| bits);
        check::<Single>(|bits| {
            let field = ((bits >> 52) & 0x7ff).saturating_sub(896).min(255);
            ((bits >> 32) & Single::SIGN | field << 23 | (bits >> 29) & (Single::MIN_NORMAL - 1)) as u32
        });
    }
}
