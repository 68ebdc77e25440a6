//! The 80-bit format and its encodings (Intel SDM vol. 1, 4.2.2, 8.2.2 and
//! table 8-3).

use crate::exact::Num;

pub(crate) const INTEGER_BIT: u64 = 1 << 63;
pub(crate) const QUIET_BIT: u64 = 1 << 62;
pub(crate) const SIGN: u16 = 0x8000;
pub(crate) const SPECIAL: u16 = 0x7fff;
pub(crate) const BIAS: i32 = 16383;
/// The exponent of the smallest normal number.
pub(crate) const MIN_EXPONENT: i32 = 1 - BIAS;

/// An 80-bit extended value: sign and biased exponent, then the significand
/// with its explicit integer bit.  Equality is of the encodings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct F80 {
    /// Sign (bit 15) and biased exponent.
    pub sign_exponent: u16,
    /// Significand; bit 63 is the integer bit.
    pub significand: u64,
}

/// What an encoding stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// ±0.
    Zero,
    /// Exponent field 0, integer bit clear.
    Denormal,
    /// Exponent field 0, integer bit set: read as exponent field 1, with DE.
    PseudoDenormal,
    /// A normal number.
    Normal,
    /// ±∞.
    Infinity,
    /// A quiet NaN.
    QuietNan,
    /// A signaling NaN.
    SignalingNan,
    /// An unnormal, pseudo-NaN or pseudo-infinity: any use is invalid.
    Unsupported,
}

impl F80 {
    /// +0.
    pub const ZERO: F80 = F80::new(0, 0);
    /// +1.
    pub const ONE: F80 = F80::new(0x3fff, INTEGER_BIT);
    /// +∞.
    pub const INFINITY: F80 = F80::new(SPECIAL, INTEGER_BIT);
    /// The default NaN, which masked invalid operations deliver.
    pub const INDEFINITE: F80 = F80::new(0xffff, INTEGER_BIT | QUIET_BIT);

    /// A value of its two fields.
    #[inline]
    pub const fn new(sign_exponent: u16, significand: u64) -> F80 {
        F80 { sign_exponent, significand }
    }

    /// The value of ten little-endian bytes, as in memory.
    #[inline]
    pub const fn from_bytes(bytes: [u8; 10]) -> F80 {
        let [a, b, c, d, e, f, g, h, i, j] = bytes;
        F80::new(u16::from_le_bytes([i, j]), u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The ten little-endian bytes, as in memory.
    #[inline]
    pub const fn to_bytes(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = self.significand.to_le_bytes();
        let [i, j] = self.sign_exponent.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j]
    }

    /// The exponent field.
    #[inline]
    pub const fn exponent_field(self) -> u16 {
        self.sign_exponent & SPECIAL
    }

    /// The sign bit (what FXAM puts in C1).
    #[inline]
    pub const fn is_negative(self) -> bool {
        self.sign_exponent & SIGN != 0
    }

    /// What the encoding stands for.
    #[inline]
    pub const fn class(self) -> Class {
        let integer = self.significand & INTEGER_BIT != 0;
        match self.exponent_field() {
            0 if self.significand == 0 => Class::Zero,
            0 if integer => Class::PseudoDenormal,
            0 => Class::Denormal,
            _ if !integer => Class::Unsupported,
            SPECIAL if self.significand == INTEGER_BIT => Class::Infinity,
            SPECIAL if self.significand & QUIET_BIT != 0 => Class::QuietNan,
            SPECIAL => Class::SignalingNan,
            _ => Class::Normal,
        }
    }

    /// FCHS.
    #[inline]
    pub const fn negate(self) -> F80 {
        F80::new(self.sign_exponent ^ SIGN, self.significand)
    }

    /// FABS.
    #[inline]
    pub const fn abs(self) -> F80 {
        F80::new(self.sign_exponent & SPECIAL, self.significand)
    }

    /// Whether this is a quiet or signaling NaN.
    #[inline]
    pub const fn is_nan(self) -> bool {
        matches!(self.class(), Class::QuietNan | Class::SignalingNan)
    }

    #[inline]
    pub(crate) const fn is_zero(self) -> bool {
        self.exponent_field() == 0 && self.significand == 0
    }

    /// Infinity, given that the encoding is no NaN and is supported.
    #[inline]
    pub(crate) const fn is_infinite(self) -> bool {
        self.exponent_field() == SPECIAL && self.significand == INTEGER_BIT
    }

    /// Denormal or pseudo-denormal: what raises DE.
    #[inline]
    pub(crate) const fn is_denormal(self) -> bool {
        self.exponent_field() == 0 && self.significand != 0
    }

    /// A normal number, by the quickest test.
    #[inline]
    pub(crate) const fn is_normal(self) -> bool {
        let field = self.exponent_field();
        field.wrapping_sub(1) < SPECIAL - 1 && self.significand >> 63 != 0
    }

    #[inline]
    pub(crate) const fn zero(negative: bool) -> F80 {
        F80::new(if negative { SIGN } else { 0 }, 0)
    }

    #[inline]
    pub(crate) const fn one(negative: bool) -> F80 {
        F80::ONE.with_sign(negative)
    }

    #[inline]
    pub(crate) const fn infinity(negative: bool) -> F80 {
        F80::INFINITY.with_sign(negative)
    }

    #[inline]
    pub(crate) const fn with_sign(self, negative: bool) -> F80 {
        let sign = if negative { SIGN } else { 0 };
        F80::new((self.sign_exponent & SPECIAL) | sign, self.significand)
    }

    /// An operand handed on unchanged: a pseudo-denormal still becomes the
    /// normal number of the same value.
    #[inline]
    pub(crate) const fn settled(self) -> F80 {
        let pseudo = self.exponent_field() == 0 && self.significand & INTEGER_BIT != 0;
        F80::new(self.sign_exponent | pseudo as u16, self.significand)
    }

    /// Takes a finite non-zero value apart.
    #[inline]
    pub(crate) const fn unpack(self) -> Num {
        let field = self.exponent_field() as i32;
        let field = if field == 0 { 1 } else { field };
        let zeros = self.significand.leading_zeros() & 63;
        Num {
            negative: self.is_negative(),
            exponent: field - BIAS - zeros as i32,
            significand: self.significand << zeros,
        }
    }
}
