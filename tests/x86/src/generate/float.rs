//! The opcodes of MMX, SSE to SSE4.2 and x87, and states for them: every opcode of their maps with every mandatory prefix.
//! What is no instruction, or none of the CPU models', is sorted out when a case is decoded again.

use super::table::{Form, Imm, Operand, REGISTER, STRING};
use crate::case::{FX_BYTES, FX_UPPER, Fx};
use crate::rng::Rng;
use iced_x86::{Decoder, DecoderOptions, Mnemonic as M};

const PREFIXES: [u8; 4] = [0, 0x66, 0xf3, 0xf2];

fn form(prefix: u8, opcode: &[u8], operand: Operand, imm: Imm, bits: u16) -> Form {
    Form { prefix, opcode: Box::leak(opcode.to_vec().into_boxed_slice()), operand, imm, bits }
}

/// Whether the form is an instruction with a memory operand, with a register operand: neither is not worth trying.
fn exists(prefix: u8, opcode: &[u8], digit: u8) -> (bool, bool) {
    let valid = |modrm: u8| {
        let mut bytes = if prefix == 0 { Vec::new() } else { vec![prefix] };
        bytes.extend_from_slice(opcode);
        bytes.extend_from_slice(&[modrm | digit << 3, 0, 0, 0, 0, 0]);
        let instr = Decoder::new(64, &bytes, DecoderOptions::NONE).decode();
        !instr.is_invalid() && !crate::oracle::max_model().lacks(&instr) && !excluded(instr.mnemonic())
    };
    (valid(0), valid(0xc0))
}

/// Instructions that show what differs between processors: where pointers to the last instruction are kept or
/// approximations are made.
pub(super) fn excluded(m: M) -> bool {
    matches!(
        m,
        M::Fxsave | M::Fxsave64 | M::Fxrstor | M::Fxrstor64 | M::Xsave | M::Xsave64 | M::Xrstor | M::Xrstor64
            | M::Xsaveopt | M::Xsaveopt64 | M::Xsavec | M::Xsavec64 | M::Clflush | M::Clflushopt | M::Clwb
            | M::Fnsave | M::Fnstenv | M::Fldenv | M::Frstor | M::Rcpps | M::Rcpss | M::Rsqrtps | M::Rsqrtss
            | M::Vrcpps | M::Vrcpss | M::Vrsqrtps | M::Vrsqrtss | M::Rdfsbase | M::Rdgsbase | M::Wrfsbase | M::Wrgsbase | M::Sysenter | M::Syscall | M::Emms
            // Right to the last place or two, not bit by bit: `float` has its own tests of them.
            | M::F2xm1 | M::Fyl2x | M::Fyl2xp1 | M::Fptan | M::Fpatan | M::Fsin | M::Fcos | M::Fsincos
    )
}

fn add(all: &mut Vec<Form>, prefix: u8, opcode: &[u8], digit: Option<u8>, imm: Imm) {
    let (memory, register) = exists(prefix, opcode, digit.unwrap_or(0));
    if memory || register {
        let operand = digit.map_or(Operand::Any, Operand::Digit);
        all.push(form(prefix, opcode, operand, imm, if memory { 0 } else { REGISTER }));
    }
}

/// MMX and SSE.
pub fn vector_forms() -> Vec<Form> {
    let mut all = Vec::new();
    for prefix in PREFIXES {
        for op in (0x10..0x18).chain(0x28..0x30).chain(0x50..0x80).chain(0xc2..0xc7).chain(0xd0..=0xff) {
            if matches!(op, 0x71..=0x73) {
                (0..8).for_each(|digit| add(&mut all, prefix, &[0x0f, op], Some(digit), Imm::B));
                continue;
            }
            let imm = if matches!(op, 0x70 | 0xc2 | 0xc4 | 0xc5 | 0xc6) { Imm::B } else { Imm::None };
            let first = all.len();
            add(&mut all, prefix, &[0x0f, op], None, imm);
            if op == 0xf7 {
                // MASKMOVQ, MASKMOVDQU store at RDI.
                all[first..].iter_mut().for_each(|f| f.bits |= STRING);
            }
        }
        for op in 0..=0xff {
            add(&mut all, prefix, &[0x0f, 0x38, op], None, Imm::None);
            add(&mut all, prefix, &[0x0f, 0x3a, op], None, Imm::B);
        }
    }
    (2..4).for_each(|digit| add(&mut all, 0, &[0x0f, 0xae], Some(digit), Imm::None));
    all
}

/// x87.
pub fn x87_forms() -> Vec<Form> {
    let mut all = Vec::new();
    for op in 0xd8..=0xdf {
        for digit in 0..8 {
            let (memory, register) = exists(0, &[op], digit);
            if memory {
                all.push(form(0, &[op], Operand::Digit(digit), Imm::None, super::table::MEMORY));
            }
            if register {
                all.push(form(0, &[op], Operand::Digit(digit), Imm::None, REGISTER));
            }
        }
    }
    all.push(form(0, &[0x9b], Operand::None, Imm::None, 0));
    all
}

/// Whether an instruction of these families is to be kept.
pub fn kept(m: M) -> bool {
    !excluded(m)
}

fn single(rng: &mut Rng) -> u32 {
    const SPECIAL: [u32; 14] = [
        0,
        0x8000_0000,
        0x3f80_0000,
        0xbf80_0000,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0000,
        0x7f80_0001,
        0xffa0_0000,
        1,
        0x807f_ffff,
        0x0080_0000,
        0x7f7f_ffff,
        0x4f00_0000,
    ];
    match rng.below(6) {
        0 | 1 => rng.pick(&SPECIAL),
        2 => (rng.below(64) as i32 - 32) as f32 as i32 as u32,
        3 => ((rng.below(2000) as f32 - 1000.0) / 8.0).to_bits(),
        4 => rng.bits() as u32 & 0x87ff_ffff | 0x3800_0000,
        _ => rng.bits() as u32,
    }
}

fn double(rng: &mut Rng) -> u64 {
    const SPECIAL: [u64; 14] = [
        0,
        1 << 63,
        0x3ff0 << 48,
        0xbff0 << 48,
        0x7ff0 << 48,
        0xfff0 << 48,
        0x7ff8 << 48,
        0x7ff0_0000_0000_0001,
        0xfff4 << 48,
        1,
        0x800f_ffff_ffff_ffff,
        0x0010 << 48,
        0x7fef_ffff_ffff_ffff,
        0x41e0 << 48,
    ];
    match rng.below(6) {
        0 | 1 => rng.pick(&SPECIAL),
        2 => u64::from(single(rng)) << 32 | u64::from(single(rng)),
        3 => ((rng.below(2000) as f64 - 1000.0) / 8.0).to_bits(),
        4 => rng.bits() & 0x80ff_ffff_ffff_ffff | 0x3f00 << 48,
        _ => rng.bits(),
    }
}

/// An 80-bit number: significand, then sign and exponent.
fn extended(rng: &mut Rng) -> (u64, u16) {
    let sign = (rng.bits() & 0x8000) as u16;
    match rng.below(10) {
        0 => (0, sign),
        1 => (1 << 63, sign | 0x7fff),
        2 => (rng.bits() | 1 << 63, sign | 0x7fff),
        3 => (rng.bits() >> 1 >> rng.below(63), sign),      // a denormal
        4 => (rng.bits(), sign | rng.below(0x8000) as u16), // perhaps an unnormal
        5 => (1 << 63 | rng.bits() << rng.below(63), sign | 0x3fff + rng.below(70) as u16),
        6 => (1 << 63 | rng.bits(), sign | rng.pick(&[1, 2, 0x7ffe, 0x7ffd, 0x3c01, 0x43fe, 0x3f81, 0x407e])),
        _ => (1 << 63 | rng.bits() & !0 << rng.below(64), sign | 0x3fe0 + rng.below(0x40) as u16),
    }
}

/// A random floating-point state. No exception is left pending.
pub fn state(rng: &mut Rng, fx: &mut Fx) {
    let mut put = |at: usize, bytes: &[u8]| fx.0[at..at + bytes.len()].copy_from_slice(bytes);
    let masks = if rng.chance(80) { 0x3f } else { rng.below(64) as u16 };
    put(0, &(masks | 0x40 | rng.below(16) as u16 * 0x100 & 0xf00).to_le_bytes());
    // Sticky flags only where they are masked; the condition codes and TOP as they like.
    let status = rng.bits() as u16 & (0x7f00 | masks);
    put(2, &status.to_le_bytes());
    put(4, &[if rng.chance(60) { 0xff } else { rng.bits() as u8 }]);
    let masks = if rng.chance(80) { 0x1f80 } else { rng.bits() as u32 & 0x1f80 };
    let sticky = rng.bits() as u32 & (masks >> 7);
    let modes = if rng.chance(60) { 0 } else { rng.bits() as u32 & 0xe040 };
    put(24, &(masks | sticky | modes).to_le_bytes());
    for i in 0..8 {
        let (significand, top) = if rng.chance(30) { (double(rng), 0xffff) } else { extended(rng) };
        put(32 + 16 * i, &significand.to_le_bytes());
        put(40 + 16 * i, &top.to_le_bytes());
    }
    for at in (160..416).chain(FX_UPPER..FX_BYTES).step_by(8) {
        let bits = match rng.below(4) {
            0 => rng.number(),
            1 => double(rng),
            _ => u64::from(single(rng)) << 32 | u64::from(single(rng)),
        };
        put(at, &bits.to_le_bytes());
    }
}

/// Fills data with what such instructions load.
pub fn fill(rng: &mut Rng, data: &mut [u8]) {
    for chunk in data.chunks_mut(16) {
        let (low, high) = match rng.below(4) {
            0 => (rng.number(), rng.number()),
            1 => (double(rng), double(rng)),
            2 => {
                let (significand, top) = extended(rng);
                (significand, top.into())
            }
            _ => (u64::from(single(rng)) << 32 | u64::from(single(rng)), double(rng)),
        };
        chunk[..8].copy_from_slice(&low.to_le_bytes());
        chunk[8..].copy_from_slice(&high.to_le_bytes());
    }
}
