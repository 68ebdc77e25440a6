//! The rules an operation runs under and the exceptions it raises.
//!
//! One [`Env`] serves both units: the x87 control word and MXCSR give the
//! same six exceptions in the same bit order (Intel SDM vol. 1, 8.1.3, 8.1.5
//! and 10.2.3).

use core::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// A set of the six floating-point exceptions, in the bit order shared by the
/// x87 status word, the x87 control word and MXCSR (flags part).
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub struct Flags(pub u8);

impl Flags {
    /// No exception.
    pub const NONE: Flags = Flags(0);
    /// Invalid operation.
    pub const IE: Flags = Flags(1);
    /// Denormal operand.
    pub const DE: Flags = Flags(2);
    /// Division by zero.
    pub const ZE: Flags = Flags(4);
    /// Numeric overflow.
    pub const OE: Flags = Flags(8);
    /// Numeric underflow.
    pub const UE: Flags = Flags(16);
    /// Inexact result (precision).
    pub const PE: Flags = Flags(32);
    /// All six.
    pub const ALL: Flags = Flags(63);
    /// The exceptions found before a result is computed.  One of these
    /// unmasked leaves the destination as it was.
    pub const PRE_COMPUTATION: Flags = Flags(7);

    /// The set as the low six bits of a status word, control word or MXCSR.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every exception of `other` is in this set.
    #[inline]
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether some exception of `other` is in this set.
    #[inline]
    pub const fn intersects(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Flags {
    type Output = Flags;
    #[inline]
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Flags;
    #[inline]
    fn bitand(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }
}

impl BitOrAssign for Flags {
    #[inline]
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

impl Not for Flags {
    type Output = Flags;
    #[inline]
    fn not(self) -> Flags {
        Flags(!self.0 & Flags::ALL.0)
    }
}

/// The rounding control (RC), with the encoding of the control registers and
/// of the ROUNDSS immediate.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub enum Rounding {
    /// To nearest, ties to even.
    #[default]
    Nearest = 0,
    /// Toward minus infinity.
    Down = 1,
    /// Toward plus infinity.
    Up = 2,
    /// Toward zero.
    Zero = 3,
}

impl Rounding {
    /// The rounding of a two-bit RC field; higher bits are ignored.
    #[inline]
    pub const fn from_bits(bits: u8) -> Rounding {
        match bits & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Down,
            2 => Rounding::Up,
            _ => Rounding::Zero,
        }
    }

    /// Whether a magnitude is to be increased by one unit, given whether the
    /// kept part is odd and how the dropped part compares with a half unit.
    #[inline]
    pub(crate) fn increments(self, negative: bool, odd: bool, rest: u64, half: u64) -> bool {
        match self {
            // No short circuits: which way it goes cannot be predicted.
            Rounding::Nearest => (rest > half) | ((rest == half) & odd),
            Rounding::Down => negative && rest != 0,
            Rounding::Up => !negative && rest != 0,
            Rounding::Zero => false,
        }
    }

    /// Whether an overflowing magnitude becomes infinity rather than the
    /// largest finite number.
    #[inline]
    pub(crate) fn overflows_to_infinity(self, negative: bool) -> bool {
        match self {
            Rounding::Nearest => true,
            Rounding::Down => negative,
            Rounding::Up => !negative,
            Rounding::Zero => false,
        }
    }
}

/// The x87 precision control (PC): the width results of the basic operations
/// are rounded to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub enum Precision {
    /// A 24-bit significand.
    Single,
    /// A 53-bit significand.
    Double,
    /// A 64-bit significand.
    #[default]
    Extended,
}

impl Precision {
    /// The precision of a two-bit PC field.  The reserved encoding 1 acts as
    /// extended precision.
    #[inline]
    pub const fn from_bits(bits: u8) -> Precision {
        match bits & 3 {
            0 => Precision::Single,
            2 => Precision::Double,
            _ => Precision::Extended,
        }
    }
}

/// How two operands compare.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Relation {
    /// The first is less.
    Less,
    /// They are equal.
    Equal,
    /// The first is greater.
    Greater,
    /// At least one is a NaN (or, on x87, an unsupported encoding).
    Unordered,
}

/// The control settings of an operation and the exceptions it raised.
///
/// `flags` is sticky: operations only add to it.  A front end that must know
/// what one instruction raised starts it with `flags` empty and merges the
/// result into its own status register.
///
/// When an operation raises an unmasked exception the manual's
/// unmasked response is followed here too: see [`Env::suspended`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Env {
    /// Rounding control.
    pub rounding: Rounding,
    /// Precision control; x87 add, subtract, multiply, divide and square root
    /// heed it, nothing else does.
    pub precision: Precision,
    /// The masked exceptions (a set bit masks, as in the control registers).
    pub masks: Flags,
    /// The exceptions raised so far.
    pub flags: Flags,
    /// Whether the last x87 result was inexact and rounded up in magnitude
    /// (the C1 of inexact results).
    pub rounded_up: bool,
    /// Denormals-are-zero, SSE only.
    pub daz: bool,
    /// Flush-to-zero, SSE only.
    pub ftz: bool,
}

impl Default for Env {
    /// Round to nearest, extended precision, everything masked.
    fn default() -> Env {
        Env::x87(0x37f)
    }
}

impl Env {
    /// The rules of an x87 control word, with no flags raised.
    #[inline]
    pub const fn x87(control_word: u16) -> Env {
        Env {
            rounding: Rounding::from_bits((control_word >> 10) as u8),
            precision: Precision::from_bits((control_word >> 8) as u8),
            masks: Flags(control_word as u8 & 63),
            flags: Flags::NONE,
            rounded_up: false,
            daz: false,
            ftz: false,
        }
    }

    /// The rules of an MXCSR value, with no flags raised.
    #[inline]
    pub const fn sse(mxcsr: u32) -> Env {
        Env {
            rounding: Rounding::from_bits((mxcsr >> 13) as u8),
            precision: Precision::Extended,
            masks: Flags((mxcsr >> 7) as u8 & 63),
            flags: Flags::NONE,
            rounded_up: false,
            daz: mxcsr & 0x40 != 0,
            ftz: mxcsr & 0x8000 != 0,
        }
    }

    /// Adds exceptions to the sticky flags.
    #[inline]
    pub fn raise(&mut self, flags: Flags) {
        self.flags |= flags;
    }

    /// Whether an exception is masked.
    #[inline]
    pub const fn masked(&self, flag: Flags) -> bool {
        self.masks.contains(flag)
    }

    /// The raised exceptions that are not masked.
    #[inline]
    pub fn unmasked(&self) -> Flags {
        self.flags & !self.masks
    }

    /// Whether an unmasked invalid-operation, denormal or zero-divide
    /// exception was raised: the operation did not happen, and the value it
    /// returned must not be stored.  (Unmasked overflow and underflow do
    /// store an x87 register result, with the exponent wrapped, but no
    /// memory or SSE result.)
    #[inline]
    pub fn suspended(&self) -> bool {
        self.unmasked().intersects(Flags::PRE_COMPUTATION)
    }

    /// Raises the denormal-operand exception; true when it is unmasked, so
    /// that the operation must stop.
    #[inline]
    pub(crate) fn denormal_stops(&mut self) -> bool {
        self.flags |= Flags::DE;
        !self.masked(Flags::DE)
    }
}
