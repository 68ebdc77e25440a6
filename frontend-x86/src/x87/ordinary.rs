//! What the commonest instructions do with ordinary numbers, normal ones and zero, over an algebra: for engines that state them in place of a call.
//! The rest of all numbers, and rounding that is not to nearest, are left to [`lyrebird_float`].

use super::unit::fsw;
use crate::algebra::{Arith, Bin, Cmp};
use crate::op::Width;

const Q: Width = Width::Q;
const INTEGER: u64 = 1 << 63;
const FIELD: u64 = 0x7fff;
const BIAS: u64 = 16383;
/// PE in the status word.
const PE: u64 = 1 << 5;
/// The sign of a number, in its upper 16 bits.
pub const SIGN: u64 = 1 << 15;
/// RC in the control word; zero is to nearest.
pub const ROUNDING: u64 = 3 << 10;

/// A number of 80 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ten<V> {
    /// The lower 64 bits.
    pub significand: V,
    /// Sign and exponent.
    pub top: V,
}

/// One, and zero.
pub fn constant<A: Arith>(a: &mut A, one: bool) -> Ten<A::V> {
    let (significand, top) = if one { (INTEGER, BIAS) } else { (0, 0) };
    Ten { significand: a.k(Q, significand), top: a.k(Q, top) }
}

/// A shorter format in memory.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// All of its bits.
    pub w: Width,
    fraction: u32,
    bias: u64,
}

/// Single precision.
pub const SINGLE: Format = Format { w: Width::D, fraction: 23, bias: 127 };
/// Double precision.
pub const DOUBLE: Format = Format { w: Width::Q, fraction: 52, bias: 1023 };

impl Format {
    /// The exponent field of infinities.
    fn most(self) -> u64 {
        (1 << (self.w.bits() - 1 - self.fraction)) - 1
    }

    /// Bits of a significand that it does not have.
    fn lost(self) -> u32 {
        63 - self.fraction
    }
}

fn shl<A: Arith>(a: &mut A, v: A::V, by: u32) -> A::V {
    let by = a.k(Q, by.into());
    a.bin(Bin::Shl, Q, v, by)
}

fn shr<A: Arith>(a: &mut A, v: A::V, by: u32) -> A::V {
    let by = a.k(Q, by.into());
    a.bin(Bin::Shr, Q, v, by)
}

fn mask<A: Arith>(a: &mut A, v: A::V, mask: u64) -> A::V {
    let mask = a.k(Q, mask);
    a.bin(Bin::And, Q, v, mask)
}

fn or<A: Arith>(a: &mut A, l: A::V, r: A::V) -> A::V {
    a.bin(Bin::Or, Q, l, r)
}

/// A number plus a constant.
fn plus<A: Arith>(a: &mut A, v: A::V, more: u64) -> A::V {
    let more = a.k(Q, more);
    a.add(Q, v, more)
}

/// Whether `v` is one of so many numbers from `least` on.
fn within<A: Arith>(a: &mut A, v: A::V, least: u64, many: u64) -> A::C {
    let above = plus(a, v, least.wrapping_neg());
    let many = a.k(Q, many);
    a.cmp(Cmp::Ult, Q, above, many)
}

/// Whether a number in memory is normal.
pub fn is_normal_in<A: Arith>(a: &mut A, f: Format, raw: A::V) -> A::C {
    let field = shr(a, raw, f.fraction);
    let field = mask(a, field, f.most());
    within(a, field, 1, f.most() - 1)
}

/// Whether it is zero.
pub fn is_zero_in<A: Arith>(a: &mut A, f: Format, raw: A::V) -> A::C {
    let magnitude = shl(a, raw, 65 - f.w.bits());
    a.is_zero(Q, magnitude)
}

/// A zero of a shorter format in 80 bits.
pub fn widen_zero<A: Arith>(a: &mut A, f: Format, raw: A::V) -> Ten<A::V> {
    let sign = shr(a, raw, f.w.bits() - 16);
    Ten { significand: a.k(Q, 0), top: mask(a, sign, SIGN) }
}

/// A normal number of a shorter format in 80 bits.
pub fn widen<A: Arith>(a: &mut A, f: Format, raw: A::V) -> Ten<A::V> {
    let Ten { top: sign, .. } = widen_zero(a, f, raw);
    let fraction = shl(a, raw, f.lost());
    let integer = a.k(Q, INTEGER);
    let field = shr(a, raw, f.fraction);
    let field = mask(a, field, f.most());
    let field = plus(a, field, BIAS - f.bias);
    Ten { significand: or(a, fraction, integer), top: or(a, field, sign) }
}

/// An integer, which has its sign in the highest bit.
pub fn integer<A: Arith>(a: &mut A, v: A::V) -> Ten<A::V> {
    let highest = a.k(Q, 63);
    let ones = a.bin(Bin::Sar, Q, v, highest);
    let flipped = a.bin(Bin::Xor, Q, v, ones);
    let magnitude = a.sub(Q, flipped, ones);
    let zeros = a.leading_zeros(Q, magnitude);
    let shift = mask(a, zeros, 63);
    let significand = a.bin(Bin::Shl, Q, magnitude, shift);
    let sign = mask(a, ones, SIGN);
    let whole = a.k(Q, BIAS + 63);
    let top = or(a, sign, whole);
    let top = a.sub(Q, top, zeros);
    let (is_zero, zero) = (a.is_zero(Q, magnitude), a.k(Q, 0));
    Ten { significand, top: a.select(Q, is_zero, zero, top) }
}

/// Whether a number has the exponent of a normal one. It is normal if it has the integer bit, too.
pub fn may_be_normal<A: Arith>(a: &mut A, ten: Ten<A::V>) -> A::C {
    let field = mask(a, ten.top, FIELD);
    within(a, field, 1, FIELD - 1)
}

/// See [`may_be_normal`].
pub fn has_integer_bit<A: Arith>(a: &mut A, ten: Ten<A::V>) -> A::C {
    a.bit(ten.significand, 63)
}

/// Whether a number is zero.
pub fn is_zero<A: Arith>(a: &mut A, ten: Ten<A::V>) -> A::C {
    let field = mask(a, ten.top, FIELD);
    let any = or(a, ten.significand, field);
    a.is_zero(Q, any)
}

/// Whether a normal number is one in a shorter format, too, however it is rounded.
pub fn fits<A: Arith>(a: &mut A, f: Format, ten: Ten<A::V>) -> A::C {
    let field = mask(a, ten.top, FIELD);
    within(a, field, BIAS - f.bias + 1, f.most() - 2)
}

/// A zero in a shorter format.
pub fn narrow_zero<A: Arith>(a: &mut A, f: Format, ten: Ten<A::V>) -> A::V {
    let sign = mask(a, ten.top, SIGN);
    shl(a, sign, f.w.bits() - 16)
}

/// A number that [`fits`], cut off, and the bits that it loses.
pub fn narrow<A: Arith>(a: &mut A, f: Format, ten: Ten<A::V>) -> (A::V, A::V) {
    let sign = narrow_zero(a, f, ten);
    let field = mask(a, ten.top, FIELD);
    // The integer bit counts the exponent up by one.
    let field = plus(a, field, (BIAS - f.bias + 1).wrapping_neg());
    let field = shl(a, field, f.fraction);
    let kept = shr(a, ten.significand, f.lost());
    let cut = a.add(Q, field, kept);
    (or(a, cut, sign), mask(a, ten.significand, (1 << f.lost()) - 1))
}

/// What is made of that by rounding to nearest, if it has lost something; and what is set in the status word.
pub fn round<A: Arith>(a: &mut A, f: Format, cut: A::V, lost: A::V) -> (A::V, A::V) {
    let odd = mask(a, cut, 1);
    let lost = a.add(Q, lost, odd);
    let half = a.k(Q, 1 << (f.lost() - 1));
    let up = a.cmp(Cmp::Ult, Q, half, lost);
    let up = a.value(up);
    let c1 = shl(a, up, fsw::C1.trailing_zeros());
    let pe = a.k(Q, PE);
    (a.add(Q, cut, up), or(a, c1, pe))
}

/// Whether a number is less than another one, and whether they are equal.
pub fn relation<A: Arith>(a: &mut A, l: Ten<A::V>, r: Ten<A::V>) -> (A::C, A::C) {
    let [lf, rf] = [l, r].map(|ten| mask(a, ten.top, FIELD));
    let same_field = a.cmp(Cmp::Eq, Q, lf, rf);
    let smaller = a.cmp(Cmp::Ult, Q, l.significand, r.significand);
    let smaller = a.and(same_field, smaller);
    let lower = a.cmp(Cmp::Ult, Q, lf, rf);
    let smaller = a.or(lower, smaller);
    let signs = a.bin(Bin::Xor, Q, l.top, r.top);
    let (differ, negative) = (a.bit(signs, 15), a.bit(l.top, 15));
    let alike = a.not(differ);
    let same = a.cmp(Cmp::Eq, Q, l.significand, r.significand);
    let same = a.and(same_field, same);
    let same = a.and(same, alike);
    let any = or(a, l.significand, r.significand);
    let zeros = a.is_zero(Q, any);
    let equal = a.or(same, zeros);
    // Of different signs the negative one is less; of two negative ones that of the greater magnitude.
    let smaller = a.and(smaller, alike);
    let less = a.xor(smaller, negative);
    let unlike = a.not(equal);
    (a.and(less, unlike), equal)
}

/// The same as C3 and C0.
pub fn codes<A: Arith>(a: &mut A, (less, equal): (A::C, A::C)) -> A::V {
    let [c0, c3] = [(less, fsw::C0), (equal, fsw::C3)].map(|(c, bit)| {
        let v = a.value(c);
        shl(a, v, bit.trailing_zeros())
    });
    or(a, c0, c3)
}

/// The same as CF and ZF.
pub fn eflags<A: Arith>(a: &mut A, (less, equal): (A::C, A::C)) -> A::V {
    let [cf, zf] = [(less, crate::flags::rflags::CF), (equal, crate::flags::rflags::ZF)].map(|(c, bit)| {
        let v = a.value(c);
        shl(a, v, bit.trailing_zeros())
    });
    or(a, cf, zf)
}
