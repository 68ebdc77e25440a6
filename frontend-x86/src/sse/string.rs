//! PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (Intel SDM vol. 2, section 4.1).

use super::algebra::unavailable;
use super::{V128, shuffle};
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::{LazyFlags, rflags};
use crate::op::{Kind, Op, Width, bits, reg};

/// What a comparison found: a bit for each element of the second operand, and whether the operands end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// IntRes2.
    pub bits: u32,
    /// How many elements an operand can have: 16 or 8.
    pub elements: u32,
    /// The first operand is shorter than that: SF.
    pub first_ends: bool,
    /// The second operand is: ZF.
    pub second_ends: bool,
}

/// The elements of a vector, as numbers that compare as the immediate says.
fn elements(x: V128, imm: u8) -> [i32; 16] {
    let bytes = shuffle::bytes(x);
    std::array::from_fn(|i| {
        let word = |i: usize| u16::from_le_bytes([bytes[(2 * i) & 15], bytes[(2 * i + 1) & 15]]);
        match imm & 3 {
            0 => i32::from(bytes[i]),
            1 => i32::from(word(i)),
            2 => i32::from(bytes[i] as i8),
            _ => i32::from(word(i) as i16),
        }
    })
}

/// Where the first zero is.
fn implicit_length(elements: &[i32; 16], limit: usize) -> usize {
    elements[..limit].iter().position(|e| *e == 0).unwrap_or(limit)
}

/// The comparison of two operands; `lengths` are given, or found by looking for zeros.
pub fn compare(x: V128, y: V128, lengths: Option<(usize, usize)>, imm: u8) -> Found {
    let limit = if imm & 1 == 0 { 16 } else { 8 };
    let (first, second) = (elements(x, imm), elements(y, imm));
    let (n, m) = match lengths {
        Some((n, m)) => (n.min(limit), m.min(limit)),
        None => (implicit_length(&first, limit), implicit_length(&second, limit)),
    };
    let mut found = 0u32;
    for j in 0..limit {
        let hit = match imm >> 2 & 3 {
            // Equal any: is this character in the set?
            0 => j < m && first[..n].contains(&second[j]),
            // Ranges: is it in one of them?
            1 => {
                let within = |r: &[i32]| r.len() == 2 && r[0] <= second[j] && second[j] <= r[1];
                j < m && first[..n].chunks(2).any(within)
            }
            // Equal each: beyond both ends they are equal.
            2 => {
                if j < n && j < m {
                    first[j] == second[j]
                } else {
                    j >= n && j >= m
                }
            }
            // Equal ordered: does the first operand begin here? What reaches beyond the register may yet.
            _ => (0..n.min(limit - j)).all(|i| j + i < m && first[i] == second[j + i]),
        };
        found |= u32::from(hit) << j;
    }
    let whole = (1u32 << limit) - 1;
    let bits = match imm >> 4 & 3 {
        1 => found ^ whole,
        // Only the valid elements of the second operand.
        3 => found ^ ((1u32 << m) - 1),
        _ => found,
    };
    Found { bits, elements: limit as u32, first_ends: n < limit, second_ends: m < limit }
}

impl Found {
    /// The index of the lowest or highest bit, or the number of elements.
    pub fn index(&self, highest: bool) -> u32 {
        match self.bits {
            0 => self.elements,
            bits if highest => 31 - bits.leading_zeros(),
            bits => bits.trailing_zeros(),
        }
    }

    /// The bits as they are, or each as wide as an element.
    pub fn mask(&self, expanded: bool) -> V128 {
        if !expanded {
            return [self.bits.into(), 0];
        }
        let width = 128 / self.elements;
        let all = (0..self.elements)
            .filter(|i| self.bits >> i & 1 != 0)
            .fold(0u128, |all, i| all | ((1 << width) - 1) << (i * width));
        [all as u64, (all >> 64) as u64]
    }

    /// CF, ZF, SF and OF; AF and PF are clear.
    pub fn rflags(&self) -> u64 {
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        flag(self.bits != 0, rflags::CF)
            | flag(self.second_ends, rflags::ZF)
            | flag(self.first_ends, rflags::SF)
            | flag(self.bits & 1 != 0, rflags::OF)
    }
}

/// The second operand: a register, or memory of any alignment.
fn source(ctx: &mut Ctx, op: &Op) -> Result<V128, Exception> {
    if op.ins.k1 != Kind::Mem {
        let v = ctx.cpu.state.vector[usize::from(op.r1 & 15)];
        return Ok([v[0], v[1]]);
    }
    let offset = ctx.address(op);
    let mut bytes = [0; 16];
    ctx.read_bytes(op.seg, offset, &mut bytes)?;
    Ok(shuffle::from_bytes(bytes))
}

/// An explicit length: the magnitude of EAX or EDX, or of RAX or RDX under REX.W.
fn explicit_length(ctx: &Ctx, op: &Op, r: u8) -> usize {
    let v = ctx.cpu.reg(r);
    let magnitude =
        if op.ins.w2 == Width::Q { (v as i64).unsigned_abs() } else { u64::from((v as i32).unsigned_abs()) };
    magnitude.min(16) as usize
}

/// All four: `sub` bit 0 tells the mask forms from the index forms, bit 1 the implicit lengths from the explicit.
pub fn pcmpstr(ctx: &mut Ctx, op: &Op) -> Done {
    unavailable(ctx.cpu, op.ins).map_or(Ok(()), Err)?;
    let y = source(ctx, op)?;
    let v = ctx.cpu.state.vector[usize::from(op.r0 & 15)];
    let imm = op.imm as u8;
    let lengths =
        (op.ins.sub & IMPLICIT == 0).then(|| (explicit_length(ctx, op, reg::RAX), explicit_length(ctx, op, reg::RDX)));
    let found = compare([v[0], v[1]], y, lengths, imm);
    if op.ins.sub & MASK != 0 {
        let [low, high] = found.mask(imm & 0x40 != 0);
        ctx.cpu.state.vector[0][0] = low;
        ctx.cpu.state.vector[0][1] = high;
        if op.ins.has(bits::VEX) {
            ctx.cpu.state.vector[0][2..].fill(0);
        }
    } else {
        ctx.cpu.set_reg(reg::RCX, Width::D, found.index(imm & 0x40 != 0).into());
    }
    if op.ins.has(bits::FLAGS) {
        ctx.cpu.flags = LazyFlags::word(found.rflags());
    }
    Ok(Then::Next)
}

/// In `sub`: the result is a mask in XMM0, not an index in ECX.
pub const MASK: u8 = 1;
/// In `sub`: strings end at a zero, not after EAX and EDX elements.
pub const IMPLICIT: u8 = 2;
