//! One instruction's bytes: prefixes, opcode, ModRM, SIB, displacement, immediate; and the registers that it needs.

use super::table::{
    BITS, FIRST, FIXED, FRAME, Form, GATHERS, Imm, JUMPS, LOCKS, LONG, MEMORY, Operand, REGISTER, RETURNS, STRING, VEX,
    WIDE,
};
use super::{Builder, Fix};
use crate::case::{Bits, CODE, DATA, DATA_MAPPED, GS_BASE};

/// Sizes and registers that the prefixes of an instruction select.
struct Prefixes {
    bytes: Vec<u8>,
    operand16: bool,
    address_small: bool,
    rex: u8,
    gs: bool,
}

impl Builder<'_> {
    fn wide(&self) -> bool {
        self.bits == Bits::B64
    }

    /// Appends an instruction of this form.
    pub fn instruction(&mut self, form: Form) {
        let start = self.code.len();
        self.prepare(form);
        let mut p = self.prefixes(form);
        let modrm = match form.operand {
            Operand::Any => Some(self.rng.below(8) as u8),
            Operand::Digit(digit) => Some(digit),
            _ => None,
        };
        let memory = modrm.is_some()
            && form.bits & REGISTER == 0
            && (form.bits & MEMORY != 0 && !self.rng.chance(3) || self.rng.chance(45));
        if form.bits & LOCKS != 0 && self.rng.chance(if memory { 30 } else { 2 }) {
            p.bytes.insert(0, 0xf0);
        }
        let imm_bytes = self.imm_bytes(form, &p);
        let mut tail = Vec::new();
        if let Some(reg) = modrm {
            if form.bits & GATHERS != 0 {
                self.gather(reg, &p, form, &mut tail);
            } else if memory {
                self.memory(reg, &mut p, form, imm_bytes, &mut tail);
            } else {
                tail.push(0xc0 | reg << 3 | self.rng.below(8) as u8);
            }
        }
        self.code.extend_from_slice(&p.bytes);
        if form.bits & VEX != 0 {
            self.vex(form, p.rex);
        } else {
            if self.wide() && p.rex != 0 {
                self.code.push(p.rex);
                if self.rng.chance(1) {
                    self.code.push(0x3e); // REX is not the last prefix, and so has no effect
                }
            }
            let (last, head) = form.opcode.split_last().expect("an opcode");
            self.code.extend_from_slice(head);
            let plus = if form.operand == Operand::Plus { self.rng.below(8) as u8 } else { 0 };
            self.code.push(last | plus);
        }
        if form.bits & JUMPS != 0 && !memory && tail[0] & 7 != 4 {
            let r = tail[0] & 7 | if self.wide() { p.rex << 3 & 8 } else { 0 };
            if self.pinned & 1 << r == 0 && !self.rng.chance(10) {
                self.pinned |= 1 << r;
                self.fixes.push((start, Fix::Register(r)));
            }
        }
        self.code.extend_from_slice(&tail);
        self.immediate(form, imm_bytes, start);
    }

    /// Registers that the instruction uses by itself.
    fn prepare(&mut self, form: Form) {
        if form.bits & STRING != 0 {
            for r in [6, 7] {
                if !self.rng.chance(4) {
                    self.pin(r, |b| b.target());
                }
            }
            self.pin(1, |b| if b.rng.chance(90) { b.rng.below(40) } else { b.rng.number() });
        }
        if form.bits & FRAME != 0 && !self.rng.chance(4) {
            for r in [3, 5] {
                self.pin(r, |b| b.target());
            }
        }
        if form.bits & RETURNS != 0 && self.rng.chance(80) {
            let at = self.gpr[4].wrapping_sub(DATA) as usize;
            let bytes = if self.wide() { 8 } else { 4 };
            if at + bytes <= self.data.len() {
                self.fixes.push((self.code.len(), Fix::Data(at, bytes)));
            }
        }
    }

    /// Gives a register a value, unless something depends on it.
    fn pin(&mut self, r: u8, value: impl FnOnce(&mut Self) -> u64) {
        if self.pinned & 1 << r == 0 {
            self.pinned |= 1 << r;
            let value = value(self);
            self.gpr[usize::from(r)] = if self.wide() { value } else { value & 0xffff_ffff };
        }
    }

    /// An address in the data: seldom where it ends or in the page that cannot be written.
    fn target(&mut self) -> u64 {
        let offset = match self.rng.below(20) {
            0 => 0x1000 - self.rng.below(16),
            1 => 0x2000 - self.rng.below(16),
            2 => DATA_MAPPED as u64 - self.rng.below(16),
            3 => self.rng.below(16).wrapping_sub(8),
            4 => 0x2000 + self.rng.below(0x1000),
            5..=10 => self.rng.below(0x400) * 8,
            _ => self.rng.below(0x1ff0),
        };
        DATA.wrapping_add(offset)
    }

    fn prefixes(&mut self, form: Form) -> Prefixes {
        let mut bytes = Vec::new();
        let rng = &mut *self.rng;
        if form.prefix != 0 && form.bits & VEX == 0 {
            bytes.push(form.prefix);
        }
        let branch = matches!(form.imm, Imm::Rel8 | Imm::RelZ) || form.bits & (RETURNS | JUMPS) != 0;
        let operand16 = form.bits & VEX == 0 && rng.chance(if branch || self.floating { 2 } else { 22 });
        if operand16 {
            bytes.push(0x66);
        }
        let address_small = rng.chance(4);
        if address_small {
            bytes.push(0x67);
        }
        let string = form.bits & STRING != 0 && rng.chance(60);
        if string || form.bits & VEX == 0 && !self.floating && rng.chance(2) {
            bytes.push(rng.pick(&[0xf2, 0xf3]));
        }
        let gs = self.bits == Bits::B64 && rng.chance(3);
        if gs {
            bytes.push(0x65);
        } else if rng.chance(3) {
            bytes.push(rng.pick(&[0x26, 0x2e, 0x36, 0x3e]));
        }
        let n = bytes.len();
        if n > 1 && rng.chance(50) {
            bytes.swap(0, n - 1);
        }
        let rex = if self.bits == Bits::B64 && rng.chance(60) { 0x40 | rng.below(16) as u8 } else { 0 };
        let operand16 = operand16 || form.prefix == 0x66 && form.bits & VEX == 0;
        Prefixes { bytes, operand16, address_small, rex, gs }
    }

    /// Emits the ModRM byte of a memory operand and what follows it, and sets its registers.
    fn memory(&mut self, reg: u8, p: &mut Prefixes, form: Form, imm_bytes: usize, tail: &mut Vec<u8>) {
        let small16 = !self.wide() && p.address_small;
        let aligned = if self.floating && self.rng.chance(80) { !15 } else { !0 };
        let target = (self.target() & aligned).wrapping_sub(if p.gs { GS_BASE } else { 0 });
        let mask = if self.wide() && !p.address_small { u64::MAX } else { 0xffff_ffff };
        if small16 || self.rng.chance(3) {
            // 16-bit addresses reach no data, and some others should miss it too.
            let (mode, rm) = (self.rng.below(3) as u8, self.rng.below(8) as u8);
            tail.push(mode << 6 | reg << 3 | rm);
            let sib = !small16 && rm == 4;
            if sib {
                tail.push(self.rng.bits() as u8);
            }
            let base_is_disp = mode == 0 && (if small16 { rm == 6 } else { rm == 5 || sib && tail[1] & 7 == 5 });
            let bytes = match mode {
                1 => 1,
                2 => {
                    if small16 {
                        2
                    } else {
                        4
                    }
                }
                _ if base_is_disp => {
                    if small16 {
                        2
                    } else {
                        4
                    }
                }
                _ => 0,
            };
            tail.extend_from_slice(&self.rng.number().to_le_bytes()[..bytes]);
            return;
        }
        let rex = |bit: u8| if self.bits == Bits::B64 && p.rex & bit != 0 { 8 } else { 0 };
        let (rex_b, rex_x) = (rex(1), rex(2));
        let pick = self.rng.below(10);
        if pick == 0 {
            // No base: relative to RIP, or absolute.
            tail.push(reg << 3 | 5);
            if self.wide() {
                let len = self.code.len() + p.bytes.len() + usize::from(p.rex != 0) + form.opcode.len() + 5 + imm_bytes;
                let len =
                    if form.bits & VEX != 0 { len + 3 - form.opcode.len() + 1 - usize::from(p.rex != 0) } else { len };
                let next = CODE + (self.offset + len) as u64;
                tail.extend_from_slice(&(target.wrapping_sub(next) as u32).to_le_bytes());
            } else {
                tail.extend_from_slice(&(target as u32).to_le_bytes());
            }
            return;
        }
        let (base_low, index_low, scale) = (self.rng.below(8) as u8, self.rng.below(8) as u8, self.rng.below(4) as u8);
        let with_sib = pick < 5 || base_low == 4;
        let base = base_low | rex_b;
        let index = if with_sib && (index_low | rex_x) != 4 { Some(index_low | rex_x) } else { None };
        if let Some(index) = index
            && index != base
        {
            self.pin(index, |b| if b.rng.chance(80) { b.rng.below(0x100) } else { b.rng.number() });
        }
        let register = form.bits & BITS != 0;
        let bit_register = reg | if self.wide() && p.rex & 4 != 0 { 8 } else { 0 };
        if register && bit_register != base && Some(bit_register) != index {
            self.pin(bit_register, |b| b.rng.below(0x2000).wrapping_sub(0x1000));
        }
        let mode = if base_low == 5 { 1 + self.rng.below(2) as u8 } else { self.rng.below(3) as u8 };
        let mut disp = match mode {
            0 => 0,
            1 => self.rng.bits() as i8 as i64,
            _ => (self.rng.bits() as i64 >> self.rng.below(28)) as i32 as i64 >> 2,
        };
        let offset = index.map_or(0, |i| self.gpr[usize::from(i)] << scale);
        if self.pinned & 1 << base == 0 && index != Some(base) {
            let value = target.wrapping_sub(offset).wrapping_sub(disp as u64) & mask;
            let above = self.rng.number() << 32;
            self.pin(base, |b| if mask == u64::MAX || !b.wide() { value } else { value | above });
        } else if mode == 2 {
            disp = i64::from(target.wrapping_sub(offset).wrapping_sub(self.gpr[usize::from(base)]) as i32);
        }
        if with_sib {
            tail.push(mode << 6 | reg << 3 | 4);
            tail.push(scale << 6 | index_low << 3 | base_low);
        } else {
            tail.push(mode << 6 | reg << 3 | base_low);
        }
        tail.extend_from_slice(&disp.to_le_bytes()[..[0, 1, 4][usize::from(mode)]]);
    }

    fn vex(&mut self, form: Form, rex: u8) {
        let pp = match form.prefix {
            0x66 => 1,
            0xf3 => 2,
            0xf2 => 3,
            _ => 0,
        };
        let wide = self.wide();
        if form.bits & FIXED != 0 {
            return self.vex_fixed(form, rex, pp);
        }
        let third = match form.opcode {
            [3, 0xf0] if !self.rng.chance(2) => 0, // RORX has two operands only
            _ => self.rng.below(if wide { 16 } else { 8 }) as u8,
        };
        // REX has WRXB from bit 3 down, VEX has RXB inverted from bit 7 down.
        let rxb = if wide { !(rex << 5) & 0xe0 } else { 0xe0 };
        let w = if wide { rex << 4 & 0x80 } else { 0 };
        self.code.extend_from_slice(&[0xc4, rxb | form.opcode[0], w | (!third & 15) << 3 | pp, form.opcode[1]]);
    }

    /// A form whose VEX fields are known, but for the registers.
    fn vex_fixed(&mut self, form: Form, rex: u8, pp: u8) {
        let has = |bit: u16| u8::from(form.bits & bit != 0);
        let first = if has(FIRST) == 0 { 0 } else { self.rng.below(if self.wide() { 16 } else { 8 }) as u8 };
        let rest = (!first & 15) << 3 | has(LONG) << 2 | pp;
        let rxb = if self.wide() { !(rex << 5) & 0xe0 } else { 0xe0 };
        // With two bytes there is no room for the map, W, X and B.
        if form.opcode[0] == 1 && has(WIDE) == 0 && rxb & 0x60 == 0x60 && self.rng.chance(60) {
            self.code.extend_from_slice(&[0xc5, rxb & 0x80 | rest, form.opcode[1]]);
        } else {
            self.code.extend_from_slice(&[0xc4, rxb | form.opcode[0], has(WIDE) << 7 | rest, form.opcode[1]]);
        }
    }

    /// Emits ModRM and SIB of a gather, and gives the register of indices small ones.
    fn gather(&mut self, reg: u8, p: &Prefixes, form: Form, tail: &mut Vec<u8>) {
        let rex = |bit: u8| if self.bits == Bits::B64 && p.rex & bit != 0 { 8 } else { 0 };
        let (rex_b, rex_x) = (rex(1), rex(2));
        let (index, scale) = (self.rng.below(8) as u8, self.rng.below(4) as u8);
        let base = loop {
            let base = self.rng.below(8) as u8;
            if base != 5 {
                break base;
            }
        };
        tail.extend_from_slice(&[reg << 3 | 4, scale << 6 | index << 3 | base]);
        self.pin(base | rex_b, |b| b.target());
        let wide = form.opcode[1] & 1 != 0;
        let indices = std::array::from_fn(|_| {
            let mut small = || self.rng.below(0x80).wrapping_sub(if self.rng.chance(30) { 0x40 } else { 0 });
            if wide { small() } else { small() & 0xffff_ffff | small() << 32 }
        });
        self.vectors.push((index | rex_x, indices));
    }

    fn imm_bytes(&self, form: Form, p: &Prefixes) -> usize {
        let w = self.wide() && p.rex & 8 != 0;
        match form.imm {
            Imm::None => 0,
            Imm::B | Imm::Rel8 => 1,
            Imm::W => 2,
            Imm::Wb => 3,
            Imm::Z if p.operand16 && !w => 2,
            Imm::Z => 4,
            Imm::V if w => 8,
            Imm::V if p.operand16 => 2,
            Imm::V => 4,
            Imm::Offset => match (self.wide(), p.address_small) {
                (true, false) => 8,
                (false, true) => 2,
                _ => 4,
            },
            Imm::RelZ if p.operand16 && !self.wide() => 2,
            Imm::RelZ => 4,
        }
    }

    fn immediate(&mut self, form: Form, bytes: usize, start: usize) {
        let at = self.code.len();
        let value = match form.imm {
            Imm::Offset => self.target(),
            Imm::W if self.rng.chance(80) => self.rng.below(64),
            Imm::Wb => self.rng.below(64) | if self.rng.chance(50) { self.rng.bits() << 16 } else { 0 },
            Imm::Rel8 | Imm::RelZ => {
                self.fixes.push((start, Fix::Relative(at, bytes)));
                0
            }
            _ => self.rng.number(),
        };
        self.code.extend_from_slice(&value.to_le_bytes()[..bytes]);
    }
}
