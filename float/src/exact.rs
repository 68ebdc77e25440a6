//! The arithmetic on unpacked finite numbers that every format shares.
//!
//! A [`Num`] is an operand taken apart, a [`Wide`] is a result not yet rounded:
//! 128 significand bits of which the lowest is sticky, so that rounding it
//! to 64 bits or fewer gives what rounding the infinitely precise result
//! would (Intel SDM vol. 1, 4.8.4: results are as if computed with infinite
//! precision and then rounded).

use core::cmp::Ordering;

/// A finite non-zero number: `significand / 2^63 * 2^exponent`, with the top
/// bit of the significand set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Num {
    pub negative: bool,
    pub exponent: i32,
    pub significand: u64,
}

/// A result to be rounded: `significand / 2^127 * 2^exponent`, with the top
/// bit set unless the result is an exact zero.  The lowest bit is sticky.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wide {
    pub negative: bool,
    pub exponent: i32,
    pub significand: u128,
}

impl Num {
    /// The same number as an unrounded result.
    #[inline]
    pub fn widen(self) -> Wide {
        Wide { negative: self.negative, exponent: self.exponent, significand: u128::from(self.significand) << 64 }
    }
}

impl Wide {
    /// Builds a result of any significand by moving its top bit up.
    #[inline]
    pub fn normalized(negative: bool, exponent: i32, significand: u128) -> Wide {
        let shift = significand.leading_zeros() & 127;
        Wide { negative, exponent: exponent - shift as i32, significand: significand << shift }
    }

    /// The top 64 bits, the lowest of them made sticky: enough to round to
    /// 62 bits or fewer.
    #[inline]
    pub fn sticky64(self) -> u64 {
        (self.significand >> 64) as u64 | u64::from(self.significand as u64 != 0)
    }
}

/// Shifts right by any amount, keeping the lowest bit sticky.
#[inline]
pub(crate) fn shift_right_sticky(value: u128, shift: u32) -> u128 {
    if shift == 0 {
        value
    } else if shift < 128 {
        (value >> shift) | u128::from(value << (128 - shift) != 0)
    } else {
        u128::from(value != 0)
    }
}

/// The 64-bit counterpart of [`shift_right_sticky`].
#[inline]
pub(crate) fn shift_right_sticky64(value: u64, shift: u32) -> u64 {
    if shift == 0 {
        value
    } else if shift < 64 {
        (value >> shift) | u64::from(value << (64 - shift) != 0)
    } else {
        u64::from(value != 0)
    }
}

/// The sum of two unrounded results.  An exact zero has significand 0 and
/// a sign that means nothing.
///
/// Both operands must have a spare low bit or be far enough apart: with 64
/// significant bits each (add, subtract) or with 106 and 53 (fused
/// multiply-add) no bit is lost where cancellation could bring it into view.
#[inline]
pub(crate) fn add_wide(a: Wide, b: Wide) -> Wide {
    let (big, small) = match a.exponent.cmp(&b.exponent) {
        Ordering::Greater => (a, b),
        Ordering::Less => (b, a),
        Ordering::Equal if a.significand >= b.significand => (a, b),
        Ordering::Equal => (b, a),
    };
    let shift = big.exponent.wrapping_sub(small.exponent) as u32;
    let aligned = shift_right_sticky(small.significand, shift);
    if big.negative == small.negative {
        let (sum, carry) = big.significand.overflowing_add(aligned);
        if carry {
            Wide {
                negative: big.negative,
                exponent: big.exponent + 1,
                significand: (sum >> 1) | (sum & 1) | (1 << 127),
            }
        } else {
            Wide { negative: big.negative, exponent: big.exponent, significand: sum }
        }
    } else {
        Wide::normalized(big.negative, big.exponent, big.significand - aligned)
    }
}

/// The exact product.
#[inline]
pub(crate) fn mul(a: Num, b: Num) -> Wide {
    let product = u128::from(a.significand) * u128::from(b.significand);
    let negative = a.negative != b.negative;
    if product >> 127 != 0 {
        Wide { negative, exponent: a.exponent + b.exponent + 1, significand: product }
    } else {
        Wide { negative, exponent: a.exponent + b.exponent, significand: product << 1 }
    }
}

/// Divides two words by one with its top bit set, where the quotient fits a
/// word (`high < divisor`): schoolbook division by 32-bit digits, quicker
/// than the general 128-bit division.
#[inline]
pub(crate) fn divide_limbs(high: u64, low: u64, divisor: u64) -> (u64, u64) {
    const HALF: u64 = 1 << 32;
    let (d1, d0) = (divisor >> 32, divisor & (HALF - 1));
    let digit = |high: u64, next: u64| {
        let mut digit = high / d1;
        let mut rest = high - digit * d1;
        // At most two too large.
        while digit >= HALF || digit * d0 > (rest << 32 | next) {
            digit -= 1;
            rest += d1;
            if rest >= HALF {
                break;
            }
        }
        // Exact modulo 2^64, and the true remainder is below the divisor.
        let rest = (high << 32 | next).wrapping_sub(digit.wrapping_mul(divisor));
        (digit, rest)
    };
    let (first, rest) = digit(high, low >> 32);
    let (second, rest) = digit(rest, low & (HALF - 1));
    (first << 32 | second, rest)
}

/// The quotient: 64 bits, then where the remainder lies.
#[inline]
pub(crate) fn div(a: Num, b: Num) -> Wide {
    let mut exponent = a.exponent - b.exponent;
    // With the dividend's top word below the divisor the quotient has 64 bits,
    // the highest of them set.
    let smaller = a.significand < b.significand;
    let shift = 63 + u32::from(smaller);
    exponent -= i32::from(smaller);
    let dividend = u128::from(a.significand) << shift;
    let (quotient, remainder) = divide_limbs((dividend >> 64) as u64, dividend as u64, b.significand);
    let (quotient, remainder, divisor) = (u128::from(quotient), u128::from(remainder), u128::from(b.significand));
    let rest = match (remainder << 1).cmp(&divisor) {
        Ordering::Greater => 3 << 62,
        Ordering::Equal => 1 << 63,
        Ordering::Less => u128::from(remainder != 0),
    };
    Wide { negative: a.negative != b.negative, exponent, significand: (quotient << 64) | rest }
}

/// The square root of the magnitude: 64 bits, then where the rest lies.
#[inline]
pub(crate) fn sqrt(a: Num) -> Wide {
    // An even exponent is needed, and a radicand of 127 or 128 bits gives a
    // root of exactly 64.
    let odd = a.exponent & 1;
    let radicand = u128::from(a.significand) << (63 + odd);
    let root = radicand.isqrt();
    let remainder = radicand - root * root;
    // (root + 1/2)^2 = root^2 + root + 1/4, so a half is never met exactly.
    let rest = if remainder > root { 3 << 62 } else { u128::from(remainder != 0) };
    Wide { negative: false, exponent: (a.exponent - odd) / 2, significand: (root << 64) | rest }
}

/// Rounds `significand / 2^63 * 2^exponent` to an integer magnitude.  `None`
/// when it does not fit 64 bits; otherwise the magnitude, whether it is
/// inexact and whether it was rounded up.
#[inline]
pub(crate) fn to_integer(num: Num, rounding: crate::Rounding) -> Option<(u64, bool, bool)> {
    if num.exponent >= 64 {
        return None;
    }
    if num.exponent == 63 {
        return Some((num.significand, false, false));
    }
    // The fraction goes to the low word: shift is at least 1.
    let shift = (63 - num.exponent).min(66) as u32;
    let parts = shift_right_sticky(u128::from(num.significand) << 64, shift);
    let (whole, rest) = ((parts >> 64) as u64, parts as u64);
    let up = rounding.increments(num.negative, whole & 1 != 0, rest, 1 << 63);
    // No overflow: the whole part has at most 63 bits here.
    Some((whole + u64::from(up), rest != 0, up))
}

#[cfg(test)]
mod tests {
    use super::divide_limbs;

    #[test]
    fn two_words_by_one() {
        let edges =
            [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 63, (1 << 63) - 1, !0, !0 - 1, !0 << 32];
        let mut state = 1u64;
        let mut next = |i: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if state >> 63 == 0 { edges[i % edges.len()] } else { state ^ (state >> 31) }
        };
        for i in 0..200_000 {
            let divisor = next(i) | 1 << 63;
            let (high, low) = (next(i / 12) % divisor, next(i / 144));
            let dividend = u128::from(high) << 64 | u128::from(low);
            let expected = (dividend / u128::from(divisor), dividend % u128::from(divisor));
            let (quotient, rest) = divide_limbs(high, low, divisor);
            assert_eq!((u128::from(quotient), u128::from(rest)), expected, "{high:x} {low:x} {divisor:x}");
        }
    }
}
