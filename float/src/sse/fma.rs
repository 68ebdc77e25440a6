//! Fused multiply-add (Intel SDM vol. 1, 14.5.2 and tables there).

use super::arith::zero_sum;
use super::format::{
    Format, invalid, is_denormal, is_infinite, is_nan, is_negative, is_signaling, is_zero, operand, quiet, unpack,
};
use super::round::round_pack;
use crate::exact;
use crate::{Env, Flags};

/// `a * b + c` rounded once.
#[inline]
pub fn fma<F: Format>(env: &mut Env, a: F::Bits, b: F::Bits, c: F::Bits) -> F::Bits {
    fma_signs::<F>(env, a, b, c, false, false)
}

/// `±(a * b) ± c` rounded once: the four forms VFMADD, VFMSUB, VFNMADD and
/// VFNMSUB.  The sign changes do not touch a NaN.
pub fn fma_signs<F: Format>(
    env: &mut Env,
    a: F::Bits,
    b: F::Bits,
    c: F::Bits,
    negate_product: bool,
    negate_addend: bool,
) -> F::Bits {
    let (a, b, c) = (F::widen(a), F::widen(b), F::widen(c));
    let flip = |on: bool| if on { F::SIGN } else { 0 };
    F::narrow(fma_slow::<F>(env, [a, b, c], flip(negate_product), flip(negate_addend)))
}

fn fma_slow<F: Format>(env: &mut Env, values: [u64; 3], flip: u64, flip_addend: u64) -> u64 {
    if let Some(nan) = values.into_iter().find(|&v| is_nan::<F>(v)) {
        if values.into_iter().any(is_signaling::<F>) {
            env.raise(Flags::IE);
        }
        return quiet::<F>(nan);
    }
    let [a, b, c] = values.map(|v| operand::<F>(env, v));
    let (a, c) = (a ^ flip, c ^ flip_addend);
    let sign = (a ^ b) & F::SIGN;
    let infinite = is_infinite::<F>(a) || is_infinite::<F>(b);
    let zero = is_zero::<F>(a) || is_zero::<F>(b);
    if infinite && zero {
        return invalid::<F>(env);
    }
    if infinite && is_infinite::<F>(c) && (c & F::SIGN) != sign {
        return invalid::<F>(env);
    }
    let denormal = is_denormal::<F>(a) || is_denormal::<F>(b) || is_denormal::<F>(c);
    if denormal && env.denormal_stops() {
        return a;
    }
    if infinite {
        return sign | F::INFINITY;
    }
    if is_infinite::<F>(c) {
        return c;
    }
    let sum = match (zero, is_zero::<F>(c)) {
        (true, true) if is_negative::<F>(c) == (sign != 0) => return c,
        (true, true) => return zero_sum::<F>(env),
        (true, false) => unpack::<F>(c).widen(),
        (false, true) => exact::mul(unpack::<F>(a), unpack::<F>(b)),
        (false, false) => exact::add_wide(exact::mul(unpack::<F>(a), unpack::<F>(b)), unpack::<F>(c).widen()),
    };
    if sum.significand == 0 {
        return zero_sum::<F>(env);
    }
    round_pack::<F>(env, sum)
}
