//! The binary interchange formats and how their bits come apart
//! (Intel SDM vol. 1, 4.2.2 and 4.8).

use crate::exact::Num;
use crate::{Env, Flags, fast};
use core::fmt::Debug;

/// The layout of a format.  Internally every pattern travels in a `u64`.
pub trait Layout {
    /// Bits of the fraction (without the implied integer bit).
    const FRACTION: u32;
    /// Bits of the exponent field.
    const EXPONENT: u32;

    /// The sign bit.
    const SIGN: u64 = 1 << (Self::FRACTION + Self::EXPONENT);
    /// The pattern of plus infinity.
    const INFINITY: u64 = ((1 << Self::EXPONENT) - 1) << Self::FRACTION;
    /// The bit that tells quiet NaNs from signaling ones.
    const QUIET: u64 = 1 << (Self::FRACTION - 1);
    /// The smallest positive normal number.
    const MIN_NORMAL: u64 = 1 << Self::FRACTION;
    /// The default NaN ("QNaN floating-point indefinite").
    const INDEFINITE: u64 = Self::SIGN | Self::INFINITY | Self::QUIET;
    /// The exponent bias, which is also the largest exponent.
    const BIAS: i32 = (1 << (Self::EXPONENT - 1)) - 1;
    /// The exponent of the smallest normal number.
    const MIN_EXPONENT: i32 = 1 - Self::BIAS;
}

/// A format SSE computes in: [`Single`] or [`Double`].
pub trait Format: Layout {
    /// The pattern type: `u32` or `u64`.
    type Bits: Copy + Eq + Debug;

    #[doc(hidden)]
    fn widen(bits: Self::Bits) -> u64;
    #[doc(hidden)]
    fn narrow(bits: u64) -> Self::Bits;
    #[doc(hidden)]
    fn fast_add(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    #[doc(hidden)]
    fn fast_sub(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    #[doc(hidden)]
    fn fast_mul(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    #[doc(hidden)]
    fn fast_div(a: Self::Bits, b: Self::Bits) -> Option<(Self::Bits, bool)>;
    #[doc(hidden)]
    fn fast_sqrt(a: Self::Bits) -> Option<(Self::Bits, bool)>;
    #[doc(hidden)]
    fn fast_truncate(a: Self::Bits) -> Option<(i32, bool)>;
    #[doc(hidden)]
    fn fast_integer(value: i64) -> (Self::Bits, bool);
}

/// Half precision, a storage format only.
#[derive(Clone, Copy, Debug)]
pub struct Half;

/// Single precision.
#[derive(Clone, Copy, Debug)]
pub struct Single;

/// Double precision.
#[derive(Clone, Copy, Debug)]
pub struct Double;

impl Layout for Half {
    const FRACTION: u32 = 10;
    const EXPONENT: u32 = 5;
}

impl Layout for Single {
    const FRACTION: u32 = 23;
    const EXPONENT: u32 = 8;
}

impl Layout for Double {
    const FRACTION: u32 = 52;
    const EXPONENT: u32 = 11;
}

impl Format for Single {
    type Bits = u32;

    #[inline]
    fn widen(bits: u32) -> u64 {
        u64::from(bits)
    }
    #[inline]
    fn narrow(bits: u64) -> u32 {
        bits as u32
    }
    #[inline]
    fn fast_add(a: u32, b: u32) -> Option<(u32, bool)> {
        fast::add32(a, b)
    }
    #[inline]
    fn fast_sub(a: u32, b: u32) -> Option<(u32, bool)> {
        fast::sub32(a, b)
    }
    #[inline]
    fn fast_mul(a: u32, b: u32) -> Option<(u32, bool)> {
        fast::mul32(a, b)
    }
    #[inline]
    fn fast_div(a: u32, b: u32) -> Option<(u32, bool)> {
        fast::div32(a, b)
    }
    #[inline]
    fn fast_sqrt(a: u32) -> Option<(u32, bool)> {
        fast::sqrt32(a)
    }
    #[inline]
    fn fast_truncate(a: u32) -> Option<(i32, bool)> {
        fast::truncate32_to_i32(a)
    }
    #[inline]
    fn fast_integer(value: i64) -> (u32, bool) {
        fast::i64_to_32(value)
    }
}

impl Format for Double {
    type Bits = u64;

    #[inline]
    fn widen(bits: u64) -> u64 {
        bits
    }
    #[inline]
    fn narrow(bits: u64) -> u64 {
        bits
    }
    #[inline]
    fn fast_add(a: u64, b: u64) -> Option<(u64, bool)> {
        fast::add64(a, b)
    }
    #[inline]
    fn fast_sub(a: u64, b: u64) -> Option<(u64, bool)> {
        fast::sub64(a, b)
    }
    #[inline]
    fn fast_mul(a: u64, b: u64) -> Option<(u64, bool)> {
        fast::mul64(a, b)
    }
    #[inline]
    fn fast_div(a: u64, b: u64) -> Option<(u64, bool)> {
        fast::div64(a, b)
    }
    #[inline]
    fn fast_sqrt(a: u64) -> Option<(u64, bool)> {
        fast::sqrt64(a)
    }
    #[inline]
    fn fast_truncate(a: u64) -> Option<(i32, bool)> {
        fast::truncate64_to_i32(a)
    }
    #[inline]
    fn fast_integer(value: i64) -> (u64, bool) {
        fast::i64_to_64(value)
    }
}

/// The pattern without its sign.
#[inline]
pub(crate) fn magnitude<L: Layout>(bits: u64) -> u64 {
    bits & !L::SIGN
}

#[inline]
pub(crate) fn is_nan<L: Layout>(bits: u64) -> bool {
    magnitude::<L>(bits) > L::INFINITY
}

#[inline]
pub(crate) fn is_infinite<L: Layout>(bits: u64) -> bool {
    magnitude::<L>(bits) == L::INFINITY
}

#[inline]
pub(crate) fn is_signaling<L: Layout>(bits: u64) -> bool {
    is_nan::<L>(bits) && bits & L::QUIET == 0
}

#[inline]
pub(crate) fn is_denormal<L: Layout>(bits: u64) -> bool {
    // Zero wraps round to the top.
    magnitude::<L>(bits).wrapping_sub(1) < L::MIN_NORMAL - 1
}

#[inline]
pub(crate) fn is_zero<L: Layout>(bits: u64) -> bool {
    magnitude::<L>(bits) == 0
}

#[inline]
pub(crate) fn is_negative<L: Layout>(bits: u64) -> bool {
    bits & L::SIGN != 0
}

/// A NaN made quiet.
#[inline]
pub(crate) fn quiet<L: Layout>(bits: u64) -> u64 {
    bits | L::QUIET
}

/// An operand as the operation sees it: DAZ turns denormals into zeros of the
/// same sign, without an exception.
#[inline]
pub(crate) fn operand<L: Layout>(env: &Env, bits: u64) -> u64 {
    if env.daz && is_denormal::<L>(bits) { bits & L::SIGN } else { bits }
}

/// Takes a finite non-zero pattern apart.
#[inline]
pub(crate) fn unpack<L: Layout>(bits: u64) -> Num {
    let negative = is_negative::<L>(bits);
    let magnitude = magnitude::<L>(bits);
    let field = (magnitude >> L::FRACTION) as i32;
    if field != 0 {
        let up = 63 - L::FRACTION;
        Num { negative, exponent: field - L::BIAS, significand: (magnitude << up) | (1 << 63) }
    } else {
        let zeros = magnitude.leading_zeros() & 63;
        Num {
            negative,
            exponent: L::MIN_EXPONENT + (63 - L::FRACTION as i32) - zeros as i32,
            significand: magnitude << zeros,
        }
    }
}

/// The answer when an operand is a NaN: the first operand unless only the
/// second is one, made quiet; signaling NaNs raise IE.
#[inline]
pub(crate) fn propagate<L: Layout>(env: &mut Env, a: u64, b: u64) -> Option<u64> {
    if !is_nan::<L>(a) && !is_nan::<L>(b) {
        return None;
    }
    if is_signaling::<L>(a) || is_signaling::<L>(b) {
        env.raise(Flags::IE);
    }
    Some(quiet::<L>(if is_nan::<L>(a) { a } else { b }))
}

/// Raises IE and gives the default NaN.
#[inline]
pub(crate) fn invalid<L: Layout>(env: &mut Env) -> u64 {
    env.raise(Flags::IE);
    L::INDEFINITE
}
