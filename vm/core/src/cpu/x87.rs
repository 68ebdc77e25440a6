//! The x87 register file as FXSAVE sees it (Intel SDM vol. 1, chapter 8).

use serde::{Deserialize, Serialize};

/// One 80-bit register R0 to R7. The MMX register of the same number is the significand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct X87Register {
    /// Bits 63 to 0: integer bit and fraction.
    pub significand: u64,
    /// Bits 79 to 64: sign and biased exponent.
    pub sign_exponent: u16,
}

/// The x87 state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct X87 {
    /// R0 to R7, by physical number: ST(i) is `r[(top + i) % 8]`.
    pub r: [X87Register; 8],
    /// FCW, the control word.
    pub control: u16,
    /// FSW, the status word, with TOP in bits 13 to 11.
    pub status: u16,
    /// One bit a physical register: set when it is not empty (FXSAVE's abridged tag).
    pub valid: u8,
    /// FOP: the low 11 bits of the last non-control instruction's opcode.
    pub opcode: u16,
    /// FIP: offset of the last non-control instruction.
    pub ip: u64,
    /// FCS: its code segment selector.
    pub cs: u16,
    /// FDP: offset of its memory operand.
    pub dp: u64,
    /// FDS: the operand's segment selector.
    pub ds: u16,
}

impl X87 {
    /// The state after power-on or reset (SDM vol. 3, table 9-1): as FNINIT, but FCW is 0040h and registers are +0.
    pub const RESET: X87 = X87 {
        r: [X87Register { significand: 0, sign_exponent: 0 }; 8],
        control: 0x0040,
        status: 0,
        valid: 0xff,
        opcode: 0,
        ip: 0,
        cs: 0,
        dp: 0,
        ds: 0,
    };

    /// TOP: the physical number of ST(0).
    pub fn top(&self) -> usize {
        usize::from(self.status >> 11 & 7)
    }
}

impl Default for X87 {
    fn default() -> Self {
        Self::RESET
    }
}
