//! The opcodes of the integer instructions that user code may execute: what stands behind each, and where it exists.
//! Privileged ones, those that load segments, enter the kernel or differ from run to run (RDTSC) are left out.

/// What stands behind the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Nothing.
    None,
    /// A ModRM byte with any register field.
    Any,
    /// A ModRM byte whose register field is this.
    Digit(u8),
    /// The low three bits of the opcode are a register.
    Plus,
}

/// What stands behind that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imm {
    /// Nothing.
    None,
    /// A byte.
    B,
    /// A word, whatever the sizes.
    W,
    /// A word and a byte (ENTER).
    Wb,
    /// A word or doubleword by the operand size.
    Z,
    /// As long as the operand.
    V,
    /// An absolute address.
    Offset,
    /// A byte, relative to the next instruction.
    Rel8,
    /// A doubleword (or word), relative to the next instruction.
    RelZ,
}

/// One opcode.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Mandatory prefix, or 0.
    pub prefix: u8,
    /// The opcode's bytes.
    pub opcode: &'static [u8],
    /// What stands behind it.
    pub operand: Operand,
    /// And behind that.
    pub imm: Imm,
    /// See the constants.
    pub bits: u16,
}

/// Only outside 64-bit mode.
pub const ONLY32: u16 = 1;
/// Only in 64-bit mode.
pub const ONLY64: u16 = 2;
/// Takes LOCK with a memory destination.
pub const LOCKS: u16 = 4;
/// The operand must be memory.
pub const MEMORY: u16 = 8;
/// The operand must be a register.
pub const REGISTER: u16 = 16;
/// A string instruction: RSI and RDI point to data, RCX counts.
pub const STRING: u16 = 32;
/// The register operand is a bit offset, which reaches beyond memory.
pub const BITS: u16 = 64;
/// Jumps to its operand.
pub const JUMPS: u16 = 128;
/// Reads memory at RBX (XLAT) or RBP (LEAVE).
pub const FRAME: u16 = 256;
/// VEX-encoded: `prefix` is what VEX.pp stands for, the opcode begins with its map.
pub const VEX: u16 = 512;
/// Of a VEX-encoded form: VEX.L and VEX.W are as the other bits say, and VEX.vvvv is a register only with [`FIRST`].
pub const FIXED: u16 = 2048;
/// VEX.vvvv is a register.
pub const FIRST: u16 = 1 << 12;
/// VEX.L is set.
pub const LONG: u16 = 1 << 13;
/// VEX.W is set.
pub const WIDE: u16 = 1 << 14;
/// The memory operand has a vector of indices.
pub const GATHERS: u16 = 1 << 15;
/// A return: the stack holds an address of code.
pub const RETURNS: u16 = 1024;

const fn f(opcode: &'static [u8], operand: Operand, imm: Imm, bits: u16) -> Form {
    Form { prefix: 0, opcode, operand, imm, bits }
}
const fn p(prefix: u8, opcode: &'static [u8], operand: Operand, imm: Imm, bits: u16) -> Form {
    Form { prefix, opcode, operand, imm, bits }
}

macro_rules! bytes {
    ($($b:literal)*) => { &[$(&[$b]),*] };
}
macro_rules! extended {
    ($($b:literal)*) => { &[$(&[0x0f, $b]),*] };
}

/// All forms.
pub fn forms() -> Vec<Form> {
    use Imm::{B, Offset, Rel8, RelZ, V, W, Wb, Z};
    use Operand::{Any, Digit, Plus};
    let no = Imm::None;
    let mut all = Vec::new();
    let mut group = |opcodes: &[&'static [u8]], operand, imm, bits| {
        all.extend(opcodes.iter().map(|o| f(o, operand, imm, bits)));
    };
    let none = Operand::None;
    group(bytes!(0x00 0x01 0x08 0x09 0x10 0x11 0x18 0x19 0x20 0x21 0x28 0x29 0x30 0x31), Any, no, LOCKS);
    group(
        bytes!(0x02 0x03 0x0a 0x0b 0x12 0x13 0x1a 0x1b 0x22 0x23 0x2a 0x2b 0x32 0x33 0x38 0x39 0x3a 0x3b),
        Any,
        no,
        0,
    );
    group(bytes!(0x04 0x0c 0x14 0x1c 0x24 0x2c 0x34 0x3c 0xa8), none, B, 0);
    group(bytes!(0x05 0x0d 0x15 0x1d 0x25 0x2d 0x35 0x3d 0xa9), none, Z, 0);
    for digit in 0..8 {
        let locks = if digit < 7 { LOCKS } else { 0 };
        group(bytes!(0x80 0x83), Digit(digit), B, locks);
        group(bytes!(0x81), Digit(digit), Z, locks);
        group(bytes!(0x82), Digit(digit), B, locks | ONLY32);
        group(bytes!(0xc0 0xc1), Digit(digit), B, 0);
        group(bytes!(0xd0 0xd1 0xd2 0xd3), Digit(digit), no, 0);
        match digit {
            0 | 1 => group(bytes!(0xf6), Digit(digit), B, 0),
            2 | 3 => group(bytes!(0xf6 0xf7), Digit(digit), no, LOCKS),
            _ => group(bytes!(0xf6 0xf7), Digit(digit), no, 0),
        }
    }
    group(bytes!(0xf7), Digit(0), Z, 0);
    group(bytes!(0xf7), Digit(1), Z, 0);
    group(bytes!(0xfe 0xff), Digit(0), no, LOCKS);
    group(bytes!(0xfe 0xff), Digit(1), no, LOCKS);
    group(bytes!(0xff), Digit(2), no, JUMPS);
    group(bytes!(0xff), Digit(4), no, JUMPS);
    group(bytes!(0xff), Digit(6), no, 0);
    group(bytes!(0x84 0x85 0x88 0x89 0x8a 0x8b), Any, no, 0);
    group(bytes!(0x86 0x87), Any, no, LOCKS);
    group(bytes!(0x8d), Any, no, MEMORY);
    group(bytes!(0x8f), Digit(0), no, 0);
    group(bytes!(0x90 0x91 0x92 0x93 0x94 0x95 0x96 0x97), none, no, 0);
    group(bytes!(0x98 0x99 0x9c 0x9d 0x9e 0x9f 0xf5 0xf8 0xf9 0xfc 0xfd), none, no, 0);
    group(bytes!(0xa0 0xa1 0xa2 0xa3), none, Offset, 0);
    group(bytes!(0xa4 0xa5 0xa6 0xa7 0xaa 0xab 0xac 0xad 0xae 0xaf), none, no, STRING);
    group(bytes!(0xb0), Plus, B, 0);
    group(bytes!(0xb8), Plus, V, 0);
    group(bytes!(0x50 0x58), Plus, no, 0);
    group(bytes!(0x68), none, Z, 0);
    group(bytes!(0x6a), none, B, 0);
    group(bytes!(0x69), Any, Z, 0);
    group(bytes!(0x6b), Any, B, 0);
    group(bytes!(0x63), Any, no, ONLY64);
    group(bytes!(0xc6), Digit(0), B, 0);
    group(bytes!(0xc7), Digit(0), Z, 0);
    group(bytes!(0xc8), none, Wb, 0);
    group(bytes!(0xc9 0xd7), none, no, FRAME);
    group(bytes!(0xc2), none, W, RETURNS);
    group(bytes!(0xc3), none, no, RETURNS);
    group(bytes!(0x70 0x71 0x72 0x73 0x74 0x75 0x76 0x77 0x78 0x79 0x7a 0x7b 0x7c 0x7d 0x7e 0x7f), none, Rel8, 0);
    group(bytes!(0xe0 0xe1 0xe2 0xe3 0xeb), none, Rel8, 0);
    group(bytes!(0xe8 0xe9), none, RelZ, 0);
    // Only outside 64-bit mode: BCD, INC and DEC, segments, PUSHA, BOUND, ARPL, SALC, INTO.
    group(bytes!(0x27 0x2f 0x37 0x3f 0x60 0x61 0xd6 0xce 0x06 0x0e 0x16 0x1e), none, no, ONLY32);
    group(bytes!(0xd4 0xd5), none, B, ONLY32);
    group(bytes!(0x40 0x48), Plus, no, ONLY32);
    group(bytes!(0x62), Any, no, ONLY32 | MEMORY);
    group(bytes!(0x63), Any, no, ONLY32);
    // The two-byte opcodes.
    group(
        extended!(0x40 0x41 0x42 0x43 0x44 0x45 0x46 0x47 0x48 0x49 0x4a 0x4b 0x4c 0x4d 0x4e 0x4f 0xaf 0xbc 0xbd),
        Any,
        no,
        0,
    );
    group(
        extended!(0x90 0x91 0x92 0x93 0x94 0x95 0x96 0x97 0x98 0x99 0x9a 0x9b 0x9c 0x9d 0x9e 0x9f 0xb6 0xb7 0xbe 0xbf),
        Any,
        no,
        0,
    );
    group(extended!(0x80 0x81 0x82 0x83 0x84 0x85 0x86 0x87 0x88 0x89 0x8a 0x8b 0x8c 0x8d 0x8e 0x8f), none, RelZ, 0);
    group(extended!(0xa3), Any, no, BITS);
    group(extended!(0xab 0xb3 0xbb), Any, no, BITS | LOCKS);
    group(extended!(0xba), Digit(4), B, 0);
    for digit in 5..8 {
        group(extended!(0xba), Digit(digit), B, LOCKS);
    }
    group(extended!(0xa4 0xac), Any, B, 0);
    group(extended!(0xa5 0xad), Any, no, 0);
    group(extended!(0xb0 0xb1 0xc0 0xc1), Any, no, LOCKS);
    group(extended!(0xc7), Digit(1), no, LOCKS | MEMORY);
    group(extended!(0xc3), Any, no, MEMORY);
    group(extended!(0xc8), Plus, no, 0);
    group(extended!(0xa0 0xa8), none, no, 0);
    group(extended!(0x0d 0x18 0x1f), Any, no, 0);
    group(extended!(0x0b), none, no, 0);
    group(extended!(0xb9 0xff), Any, no, 0);
    group(&[&[0x0f, 0xae, 0xe8], &[0x0f, 0xae, 0xf0], &[0x0f, 0xae, 0xf8]], none, no, 0);
    all.extend([
        p(0xf3, &[0x0f, 0xb8], Any, no, 0),
        p(0xf3, &[0x0f, 0xbc], Any, no, 0),
        p(0xf3, &[0x0f, 0xbd], Any, no, 0),
        p(0, &[0x0f, 0x38, 0xf0], Any, no, MEMORY),
        p(0, &[0x0f, 0x38, 0xf1], Any, no, MEMORY),
        p(0xf2, &[0x0f, 0x38, 0xf0], Any, no, 0),
        p(0xf2, &[0x0f, 0x38, 0xf1], Any, no, 0),
        p(0x66, &[0x0f, 0x38, 0xf6], Any, no, 0),
        p(0xf3, &[0x0f, 0x38, 0xf6], Any, no, 0),
        // ANDN, BLSR, BLSMSK, BLSI, BZHI, BEXTR, SHLX, SARX, SHRX, MULX, PDEP, PEXT, RORX.
        p(0, &[2, 0xf2], Any, no, VEX),
        p(0, &[2, 0xf3], Digit(1), no, VEX),
        p(0, &[2, 0xf3], Digit(2), no, VEX),
        p(0, &[2, 0xf3], Digit(3), no, VEX),
        p(0, &[2, 0xf5], Any, no, VEX),
        p(0, &[2, 0xf7], Any, no, VEX),
        p(0x66, &[2, 0xf7], Any, no, VEX),
        p(0xf3, &[2, 0xf7], Any, no, VEX),
        p(0xf2, &[2, 0xf7], Any, no, VEX),
        p(0xf2, &[2, 0xf6], Any, no, VEX),
        p(0xf2, &[2, 0xf5], Any, no, VEX),
        p(0xf3, &[2, 0xf5], Any, no, VEX),
        p(0xf2, &[3, 0xf0], Any, B, VEX),
    ]);
    all
}
