//! FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2 and FLDZ.

use super::f80::F80;
use crate::Rounding;

/// The constants with a load instruction, in opcode order (D9 E8 to D9 EE).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Constant {
    /// +1.
    One,
    /// log2 10.
    Log2Ten,
    /// log2 e.
    Log2E,
    /// π.
    Pi,
    /// log10 2.
    Log10Two,
    /// ln 2.
    LnTwo,
    /// +0.
    Zero,
}

impl F80 {
    /// A constant, rounded from its internal 66 bits under the rounding
    /// control (Intel SDM vol. 1, 8.3.8).  No exception, not even PE.
    pub const fn constant(constant: Constant, rounding: Rounding) -> F80 {
        // The 64 bits cut off, and whether the nearest is one above.
        let (field, cut, nearest_is_up) = match constant {
            Constant::One => return F80::ONE,
            Constant::Zero => return F80::ZERO,
            Constant::Log2Ten => (0x4000, 0xd49a_784b_cd1b_8afe, false),
            Constant::Log2E => (0x3fff, 0xb8aa_3b29_5c17_f0bb, true),
            Constant::Pi => (0x4000, 0xc90f_daa2_2168_c234, true),
            Constant::Log10Two => (0x3ffd, 0x9a20_9a84_fbcf_f798, true),
            Constant::LnTwo => (0x3ffe, 0xb172_17f7_d1cf_79ab, true),
        };
        let up = match rounding {
            Rounding::Nearest => nearest_is_up,
            Rounding::Up => true,
            Rounding::Down | Rounding::Zero => false,
        };
        F80::new(field, cut + up as u64)
    }
}
