//! Segment registers with their hidden parts (Intel SDM vol. 3, sections 3.4.3 and 3.4.5), and the table registers.

use serde::{Deserialize, Serialize};

/// A segment register: the selector, and the descriptor that was loaded with it. The hidden part outlives the
/// descriptor ("unreal mode"), so it is state of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The visible part.
    pub selector: u16,
    /// Linear address of the segment's first byte.
    pub base: u64,
    /// The last valid offset in bytes (for expand-down segments, the last invalid one): granularity is applied already.
    pub limit: u32,
    /// The descriptor's bits 40 to 55 and their kin: see the constants of [`Segment`].
    pub attributes: u32,
}

impl Segment {
    /// Type bit: accessed.
    pub const ACCESSED: u32 = 1 << 0;
    /// Type bit of a data segment: writable. Of a code segment: readable.
    pub const READ_WRITE: u32 = 1 << 1;
    /// Type bit of a data segment: expand-down. Of a code segment: conforming.
    pub const EXPAND_CONFORM: u32 = 1 << 2;
    /// Type bit: code.
    pub const CODE: u32 = 1 << 3;
    /// S: a code or data segment, not a system segment.
    pub const S: u32 = 1 << 4;
    /// P.
    pub const PRESENT: u32 = 1 << 7;
    /// AVL.
    pub const AVAILABLE: u32 = 1 << 12;
    /// L: 64-bit code.
    pub const LONG: u32 = 1 << 13;
    /// D/B: 32-bit code, or 32-bit stack pointer and upper bound.
    pub const DEFAULT_BIG: u32 = 1 << 14;
    /// G: the descriptor's limit counts pages.
    pub const GRANULARITY: u32 = 1 << 15;
    /// A null selector was loaded: the segment may not be used (outside 64-bit mode).
    pub const UNUSABLE: u32 = 1 << 16;

    /// The descriptor privilege level.
    pub fn dpl(&self) -> u8 {
        (self.attributes >> 5 & 3) as u8
    }

    /// The type field, bits 0 to 3.
    pub fn kind(&self) -> u8 {
        (self.attributes & 15) as u8
    }

    /// Whether all the given attribute bits are set.
    pub fn has(&self, bits: u32) -> bool {
        self.attributes & bits == bits
    }

    /// A segment as real mode and reset leave it: base is 16 times the selector, 64 KiB, writable data.
    pub fn real(selector: u16) -> Self {
        Segment {
            selector,
            base: u64::from(selector) << 4,
            limit: 0xffff,
            attributes: Self::PRESENT | Self::S | Self::READ_WRITE | Self::ACCESSED,
        }
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRegister {
    /// Linear address of the table.
    pub base: u64,
    /// Its last valid byte.
    pub limit: u16,
}

/// The order of the segment registers in [`crate::CpuState::seg`]: the encoding of the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum SegReg {
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
    Fs = 4,
    Gs = 5,
}

impl SegReg {
    /// All six, in encoding order.
    pub const ALL: [SegReg; 6] = [SegReg::Es, SegReg::Cs, SegReg::Ss, SegReg::Ds, SegReg::Fs, SegReg::Gs];
}
