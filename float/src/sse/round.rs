//! Rounding a result to a format, with the overflow and underflow responses
//! (Intel SDM vol. 1, 4.9.1.4 to 4.9.1.6 and 10.2.3.3).

use super::format::Layout;
use crate::exact::{Wide, shift_right_sticky64};
use crate::{Env, Flags};

/// Rounds a non-zero result and packs it.  Also says in `env.rounded_up`
/// whether the magnitude grew, for the x87 stores.
#[inline]
pub(crate) fn round_pack<L: Layout>(env: &mut Env, value: Wide) -> u64 {
    let drop = 63 - L::FRACTION;
    let half = 1u64 << (drop - 1);
    let significand = value.sticky64();
    let sign = if value.negative { L::SIGN } else { 0 };
    if value.exponent < L::MIN_EXPONENT {
        return round_tiny::<L>(env, value.negative, value.exponent, significand);
    }
    let rest = significand & (half * 2 - 1);
    let kept = significand >> drop;
    let up = env.rounding.increments(value.negative, kept & 1 != 0, rest, half);
    let rounded = kept + u64::from(up);
    // A carry out of the significand lands in the exponent field and leaves
    // a zero fraction, which is what is wanted; the integer bit counts as
    // one unit of exponent, so the field starts one lower.
    let field = (value.exponent + L::BIAS - 1) as u64;
    let magnitude = (field << L::FRACTION).wrapping_add(rounded);
    if value.exponent > L::BIAS || magnitude >= L::INFINITY {
        return sign | overflow::<L>(env, value.negative, rest != 0);
    }
    env.rounded_up = up;
    if rest != 0 {
        env.raise(Flags::PE);
    }
    sign | magnitude
}

/// The magnitude an overflow delivers.
#[cold]
fn overflow<L: Layout>(env: &mut Env, negative: bool, inexact: bool) -> u64 {
    env.raise(Flags::OE);
    if env.masked(Flags::OE) || inexact {
        env.raise(Flags::PE);
    }
    env.rounded_up = env.rounding.overflows_to_infinity(negative);
    if env.rounded_up { L::INFINITY } else { L::INFINITY - 1 }
}

/// The result when the exponent is below the smallest normal one.
#[cold]
fn round_tiny<L: Layout>(env: &mut Env, negative: bool, exponent: i32, significand: u64) -> u64 {
    let drop = 63 - L::FRACTION;
    let half = 1u64 << (drop - 1);
    let mask = half * 2 - 1;
    let sign = if negative { L::SIGN } else { 0 };

    // Tininess is detected after rounding as if the exponent had no bounds:
    // only a carry up to the smallest normal number escapes it.
    let kept = significand >> drop;
    let rest = significand & mask;
    let carries = env.rounding.increments(negative, kept & 1 != 0, rest, half) && kept == (L::MIN_NORMAL << 1) - 1;
    let tiny = !(carries && exponent == L::MIN_EXPONENT - 1);

    if tiny && env.masked(Flags::UE) && env.ftz {
        env.raise(Flags::UE | Flags::PE);
        env.rounded_up = false;
        return sign;
    }
    let shift = (L::MIN_EXPONENT - exponent) as u32;
    let shifted = shift_right_sticky64(significand, shift);
    let lost = shifted & mask;
    let kept = shifted >> drop;
    let up = env.rounding.increments(negative, kept & 1 != 0, lost, half);
    if tiny && !env.masked(Flags::UE) {
        // Nothing is delivered, and exactness is judged on the unbounded
        // result.
        env.raise(Flags::UE);
        if rest != 0 {
            env.raise(Flags::PE);
        }
    } else if lost != 0 {
        env.raise(if tiny { Flags::UE | Flags::PE } else { Flags::PE });
    }
    env.rounded_up = up;
    sign | (kept + u64::from(up))
}
