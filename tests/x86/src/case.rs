//! A test case: code, the state that it starts in, and how it ended.

/// Linear address of the two code pages, on the host and in the guest.
pub const CODE: u64 = 0x2000_0000;
/// Linear address of the data: two pages to read and write, one to read only. What surrounds them is not mapped.
pub const DATA: u64 = 0x3000_0000;
/// Bytes of code and of data that may be written.
pub const CODE_BYTES: usize = 0x2000;
/// See [`CODE_BYTES`].
pub const DATA_BYTES: usize = 0x2000;
/// Bytes of data, with the page that can only be read.
pub const DATA_MAPPED: usize = 0x3000;

/// Base of GS in 64-bit code.
pub const GS_BASE: u64 = 0x1000;

/// How wide the code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// 32-bit flat code.
    B32,
    /// 64-bit code.
    B64,
}

impl Bits {
    /// 32 or 64.
    pub fn number(self) -> u32 {
        if self == Bits::B64 { 64 } else { 32 }
    }
}

/// General registers and flags at one moment; the floating-point state as XSAVE writes it.
#[derive(Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Registers {
    /// RAX to R15.
    pub gpr: [u64; 16],
    /// RFLAGS.
    pub rflags: u64,
    /// RIP.
    pub rip: u64,
    /// x87, MMX, SSE and AVX.
    pub fx: Fx,
}

/// An XSAVE image of x87, SSE and AVX state in the standard format (Intel SDM vol. 1, section 13.4); its first 512 bytes
/// are FXSAVE's.
#[derive(Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Fx(pub [u8; FX_BYTES]);

/// The size of an [`Fx`].
pub const FX_BYTES: usize = 832;
/// Where the upper halves of the YMM registers lie in it.
pub const FX_UPPER: usize = 576;

impl Fx {
    /// After FNINIT, with MXCSR as after reset.
    pub fn reset() -> Self {
        let mut fx = [0; FX_BYTES];
        fx[..2].copy_from_slice(&0x37fu16.to_le_bytes());
        fx[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        fx[28..32].copy_from_slice(&0xffffu32.to_le_bytes());
        fx[512] = 7; // XSTATE_BV: all three are there
        Fx(fx)
    }
}

impl Registers {
    /// All zero.
    pub fn new() -> Self {
        Registers { gpr: [0; 16], rflags: 2, rip: 0, fx: Fx::reset() }
    }
}

impl Default for Registers {
    fn default() -> Self {
        Self::new()
    }
}

/// What is run.
#[derive(Clone)]
pub struct Case {
    /// The mode.
    pub bits: Bits,
    /// The code; behind it stands an INT3.
    pub code: Vec<u8>,
    /// Where it stands, counted from [`CODE`].
    pub offset: usize,
    /// The state before.
    pub before: Registers,
    /// The data before.
    pub data: Vec<u8>,
    /// RFLAGS bits that are undefined before the instruction at an offset of the code, or after the last one.
    pub undefined: Vec<(usize, u64)>,
    /// Whether the floating-point state matters.
    pub floating: bool,
}

impl Case {
    /// The flags that are undefined where an exception left RIP.
    pub fn undefined_at(&self, rip: u64, vector: u8) -> u64 {
        let at = (rip.wrapping_sub(CODE) as usize).wrapping_sub(self.offset).wrapping_sub(usize::from(vector == 3));
        let known = self.undefined.iter().find(|(offset, _)| *offset == at);
        // Somewhere else: whatever was undefined anywhere.
        known.map_or_else(|| self.undefined.iter().fold(0, |all, (_, flags)| all | flags), |(_, flags)| *flags)
    }
}

/// How it ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The state when the exception came.
    pub after: Registers,
    /// The exception; 3 at the end of the code.
    pub vector: u8,
    /// Its error code.
    pub error: u32,
    /// CR2, for a page fault.
    pub cr2: u64,
    /// The data after.
    pub data: Vec<u8>,
}
