//! The host instructions that strips are made of, as bytes (Intel SDM vol. 2). Registers have their numbers there; widths are those of
//! the guest's values.

use frontend_x86::op::Width;

/// A general register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg(pub u8);

#[allow(missing_docs, reason = "the manual's names")]
impl Reg {
    pub const RAX: Reg = Reg(0);
    pub const RCX: Reg = Reg(1);
    pub const RDX: Reg = Reg(2);
    pub const RSP: Reg = Reg(4);
    pub const RSI: Reg = Reg(6);
    pub const RDI: Reg = Reg(7);
    pub const R8: Reg = Reg(8);
    pub const R9: Reg = Reg(9);
    pub const R10: Reg = Reg(10);
    pub const R11: Reg = Reg(11);

    fn low(self) -> u8 {
        self.0 & 7
    }
}

/// An operand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mem {
    /// Base.
    pub base: Reg,
    /// Index, with a scale of one. Not RSP.
    pub index: Option<Reg>,
    /// Displacement.
    pub disp: i32,
}

impl Mem {
    /// So far from where a register points.
    pub fn at(base: Reg, disp: i32) -> Mem {
        Mem { base, index: None, disp }
    }
}

/// The two-operand operations, by their place in the opcode map (SDM vol. 2, table A-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Alu {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// The shifts and rotates, by the number in the REG field of their ModRM byte (SDM vol. 2, table A-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// A condition, as in the opcode of Jcc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cond(pub u8);

#[allow(missing_docs, reason = "the manual's names")]
impl Cond {
    pub const B: Cond = Cond(2);
    pub const E: Cond = Cond(4);
    pub const NE: Cond = Cond(5);
    pub const BE: Cond = Cond(6);
    pub const A: Cond = Cond(7);
    pub const S: Cond = Cond(8);
    pub const L: Cond = Cond(12);
    pub const LE: Cond = Cond(14);

    /// The opposite one.
    pub fn not(self) -> Cond {
        Cond(self.0 ^ 1)
    }
}

/// A place in the code to jump to, perhaps not there yet.
#[derive(Clone, Copy, Debug)]
pub struct Label(usize);

/// Code in the making. Distances have 32 bits.
#[derive(Default)]
pub struct X64 {
    bytes: Vec<u8>,
    /// Where labels are.
    labels: Vec<Option<usize>>,
    /// Distances to labels, by the places behind them.
    jumps: Vec<(usize, Label)>,
    /// The same, of 8 bits.
    short: Vec<(usize, Label)>,
    /// Distances to addresses outside of the code.
    outside: Vec<(usize, u64)>,
}

impl X64 {
    /// The length so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The code as it is to lie at an address, or nothing if something is too far from there.
    pub fn finish(&mut self, address: u64) -> Option<&[u8]> {
        let X64 { bytes, labels, jumps, short, outside } = self;
        let inside = |Label(label): Label, behind: usize| Some(labels[label]? as i64 - behind as i64);
        for (behind, label) in jumps.drain(..) {
            let distance = i32::try_from(inside(label, behind)?).ok()?;
            bytes[behind - 4..behind].copy_from_slice(&distance.to_le_bytes());
        }
        for (behind, label) in short.drain(..) {
            bytes[behind - 1] = i8::try_from(inside(label, behind)?).ok()? as u8;
        }
        for (behind, target) in outside.drain(..) {
            let distance = target.wrapping_sub(address.wrapping_add(behind as u64)) as i64;
            bytes[behind - 4..behind].copy_from_slice(&i32::try_from(distance).ok()?.to_le_bytes());
        }
        Some(bytes)
    }

    /// Nothing again.
    pub fn clear(&mut self) {
        let X64 { bytes, labels, jumps, short, outside } = self;
        bytes.clear();
        labels.clear();
        jumps.clear();
        short.clear();
        outside.clear();
    }

    /// A place that is still to come.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// It is here.
    pub fn here(&mut self, Label(label): Label) {
        self.labels[label] = Some(self.bytes.len());
    }

    fn dword(&mut self, v: i32) {
        self.bytes.extend_from_slice(&v.to_le_bytes());
    }

    /// Prefixes: operand size, REX.
    fn prefixes(&mut self, w: Width, reg: Reg, index: Reg, base: Reg) {
        if w == Width::W {
            self.bytes.push(0x66);
        }
        let rex = u8::from(w == Width::Q) << 3 | reg.0 >> 3 << 2 | index.0 >> 3 << 1 | base.0 >> 3;
        // Without REX, numbers 4 to 7 are AH to BH in byte operations.
        if rex != 0 || w == Width::B {
            self.bytes.push(0x40 | rex);
        }
    }

    fn register(&mut self, w: Width, opcode: &[u8], reg: Reg, rm: Reg) {
        self.prefixes(w, reg, Reg(0), rm);
        self.bytes.extend_from_slice(opcode);
        self.bytes.push(0xc0 | reg.low() << 3 | rm.low());
    }

    fn memory(&mut self, w: Width, opcode: &[u8], reg: Reg, Mem { base, index, disp }: Mem) {
        self.prefixes(w, reg, index.unwrap_or(Reg(0)), base);
        self.bytes.extend_from_slice(opcode);
        let size = match disp {
            // RBP and R13 have no form without displacement.
            0 if base.low() != 5 => 0,
            _ if i8::try_from(disp).is_ok() => 1,
            _ => 2,
        };
        let modrm = size << 6 | reg.low() << 3;
        match index {
            Some(index) => self.bytes.extend_from_slice(&[modrm | 4, index.low() << 3 | base.low()]),
            // RSP and R12 want a SIB byte.
            None if base.low() == 4 => self.bytes.extend_from_slice(&[modrm | 4, 0x24]),
            None => self.bytes.push(modrm | base.low()),
        }
        match size {
            0 => {}
            1 => self.bytes.push(disp as u8),
            _ => self.dword(disp),
        }
    }

    /// MOV between registers; of 32 bits, it clears the upper half.
    pub fn mov(&mut self, w: Width, to: Reg, from: Reg) {
        self.register(w.max(Width::D), &[0x8b], to, from);
    }

    /// A constant.
    pub fn constant(&mut self, to: Reg, v: u64) {
        if v == 0 {
            // It changes the flags: no constant is made between a comparison and what looks at it.
            self.register(Width::D, &[0x33], to, to);
        } else if u32::try_from(v).is_ok() {
            self.prefixes(Width::D, Reg(0), Reg(0), to);
            self.bytes.push(0xb8 | to.low());
            self.dword(v as i32);
        } else if v as i64 == i64::from(v as i32) {
            self.register(Width::Q, &[0xc7], Reg(0), to);
            self.dword(v as i32);
        } else {
            self.prefixes(Width::Q, Reg(0), Reg(0), to);
            self.bytes.push(0xb8 | to.low());
            self.bytes.extend_from_slice(&v.to_le_bytes());
        }
    }

    /// A load, zero-extended.
    pub fn load(&mut self, w: Width, to: Reg, from: Mem) {
        match w {
            Width::B => self.memory(Width::D, &[0x0f, 0xb6], to, from),
            Width::W => self.memory(Width::D, &[0x0f, 0xb7], to, from),
            _ => self.memory(w, &[0x8b], to, from),
        }
    }

    /// A load of 32 bits, sign-extended to 64.
    pub fn load_signed(&mut self, to: Reg, from: Mem) {
        self.memory(Width::Q, &[0x63], to, from);
    }

    /// A store.
    pub fn store(&mut self, w: Width, to: Mem, from: Reg) {
        self.memory(w, if w == Width::B { &[0x88] } else { &[0x89] }, from, to);
    }

    /// A store of a constant, which is sign-extended from 32 bits.
    pub fn store_constant(&mut self, w: Width, to: Mem, v: i32) {
        self.memory(w, if w == Width::B { &[0xc6] } else { &[0xc7] }, Reg(0), to);
        self.immediate(w, v);
    }

    /// PREFETCHT0: what lies there will be wanted.
    pub fn prefetch(&mut self, at: Mem) {
        self.memory(Width::D, &[0x0f, 0x18], Reg(1), at);
    }

    /// An operation on two registers.
    pub fn alu(&mut self, op: Alu, w: Width, to: Reg, from: Reg) {
        self.register(w, &[(op as u8) << 3 | if w == Width::B { 2 } else { 3 }], to, from);
    }

    /// An operation with a constant, which is sign-extended from 32 bits.
    pub fn alu_constant(&mut self, op: Alu, w: Width, to: Reg, v: i32) {
        let (opcode, short) = Self::group_1(w, v);
        self.register(w, &[opcode], Reg(op as u8), to);
        self.immediate(short, v);
    }

    /// The opcode of an operation with a constant (SDM vol. 2, table A-6, group 1), and the width of the constant in it.
    fn group_1(w: Width, v: i32) -> (u8, Width) {
        match w {
            Width::B => (0x80, Width::B),
            _ if i8::try_from(v).is_ok() => (0x83, Width::B),
            _ => (0x81, w),
        }
    }

    /// At most 32 bits.
    fn immediate(&mut self, w: Width, v: i32) {
        match w {
            Width::B => self.bytes.push(v as u8),
            Width::W => self.bytes.extend_from_slice(&(v as u16).to_le_bytes()),
            _ => self.dword(v),
        }
    }

    /// An operation of a register with memory.
    pub fn alu_load(&mut self, op: Alu, w: Width, to: Reg, from: Mem) {
        self.memory(w, &[(op as u8) << 3 | if w == Width::B { 2 } else { 3 }], to, from);
    }

    /// An operation of memory with a constant.
    pub fn alu_memory(&mut self, op: Alu, w: Width, to: Mem, v: i32) {
        let (opcode, short) = Self::group_1(w, v);
        self.memory(w, &[opcode], Reg(op as u8), to);
        self.immediate(short, v);
    }

    /// TEST of two registers.
    pub fn test(&mut self, w: Width, l: Reg, r: Reg) {
        self.register(w, if w == Width::B { &[0x84] } else { &[0x85] }, r, l);
    }

    /// TEST of 32 bits in memory with a constant.
    pub fn test_memory(&mut self, l: Mem, v: i32) {
        self.memory(Width::D, &[0xf7], Reg(0), l);
        self.dword(v);
    }

    /// BT of 64 bits.
    pub fn bit_test(&mut self, l: Reg, bit: u8) {
        self.register(Width::Q, &[0x0f, 0xba], Reg(4), l);
        self.bytes.push(bit);
    }

    /// A shift or rotate by a constant.
    pub fn shift(&mut self, op: Shift, w: Width, to: Reg, by: u8) {
        self.register(w, if w == Width::B { &[0xc0] } else { &[0xc1] }, Reg(op as u8), to);
        self.bytes.push(by);
    }

    /// SHLX, SHRX, SARX of 32 or 64 bits, from BMI2.
    pub fn shift_by(&mut self, op: Shift, w: Width, to: Reg, from: Reg, by: Reg) {
        let pp = match op {
            Shift::Shl => 1,
            Shift::Sar => 2,
            _ => 3,
        };
        self.vex(w, (2, pp, 0xf7), to, by.0, from);
    }

    /// RORX of 32 or 64 bits, from BMI2.
    pub fn rotate(&mut self, w: Width, to: Reg, from: Reg, by: u8) {
        self.vex(w, (3, 3, 0xf0), to, 0, from);
        self.bytes.push(by);
    }

    /// A VEX-encoded operation by opcode map, prefix and opcode (SDM vol. 2, section 2.3).
    fn vex(&mut self, w: Width, (map, pp, opcode): (u8, u8, u8), reg: Reg, vvvv: u8, rm: Reg) {
        let first = (!reg.0 >> 3 & 1) << 7 | 1 << 6 | (!rm.0 >> 3 & 1) << 5 | map;
        let second = u8::from(w == Width::Q) << 7 | (!vvvv & 15) << 3 | pp;
        self.bytes.extend_from_slice(&[0xc4, first, second, opcode, 0xc0 | reg.low() << 3 | rm.low()]);
    }

    /// MUL or IMUL of RAX by a register: the product of twice the width is in RDX and RAX.
    pub fn multiply_wide(&mut self, signed: bool, w: Width, by: Reg) {
        self.register(w, &[0xf7], Reg(if signed { 5 } else { 4 }), by);
    }

    /// The low half of a product.
    pub fn multiply(&mut self, w: Width, to: Reg, by: Reg) {
        self.register(w, &[0x0f, 0xaf], to, by);
    }

    /// The same, of a register and a constant.
    pub fn multiply_constant(&mut self, w: Width, to: Reg, from: Reg, by: i32) {
        self.register(w, &[0x69], to, from);
        self.dword(by);
    }

    /// Zero extension to 64 bits.
    pub fn zero_extend(&mut self, from: Width, to: Reg, v: Reg) {
        match from {
            // For the REX prefix that byte registers want.
            Width::B => self.extend(false, &[0x0f, 0xb6], to, v),
            Width::W => self.register(Width::D, &[0x0f, 0xb7], to, v),
            _ => self.mov(from, to, v),
        }
    }

    /// Sign extension to 32 or 64 bits.
    pub fn sign_extend(&mut self, from: Width, to_width: Width, to: Reg, v: Reg) {
        let q = to_width == Width::Q;
        match from {
            Width::B => self.extend(q, &[0x0f, 0xbe], to, v),
            Width::W => self.extend(q, &[0x0f, 0xbf], to, v),
            _ => self.extend(q, &[0x63], to, v),
        }
    }

    fn extend(&mut self, q: bool, opcode: &[u8], to: Reg, v: Reg) {
        self.bytes.push(0x40 | u8::from(q) << 3 | to.0 >> 3 << 2 | v.0 >> 3);
        self.bytes.extend_from_slice(opcode);
        self.bytes.push(0xc0 | to.low() << 3 | v.low());
    }

    /// BSWAP of 32 or 64 bits.
    pub fn swap_bytes(&mut self, w: Width, v: Reg) {
        self.prefixes(w, Reg(0), Reg(0), v);
        self.bytes.extend_from_slice(&[0x0f, 0xc8 | v.low()]);
    }

    /// LEA.
    pub fn lea(&mut self, w: Width, to: Reg, from: Mem) {
        self.memory(w, &[0x8d], to, from);
    }

    /// The address of something outside of the code.
    pub fn lea_outside(&mut self, to: Reg, target: u64) {
        self.prefixes(Width::Q, to, Reg(0), Reg(0));
        self.bytes.extend_from_slice(&[0x8d, to.low() << 3 | 5]);
        self.outside(target);
    }

    /// SETcc of a byte; the rest of the register stays.
    pub fn set(&mut self, c: Cond, to: Reg) {
        self.register(Width::B, &[0x0f, 0x90 | c.0], Reg(0), to);
    }

    /// CMOVcc of 64 bits.
    pub fn select(&mut self, c: Cond, to: Reg, from: Reg) {
        self.register(Width::Q, &[0x0f, 0x40 | c.0], to, from);
    }

    /// Jcc.
    pub fn jump_if(&mut self, c: Cond, to: Label) {
        self.bytes.extend_from_slice(&[0x0f, 0x80 | c.0]);
        self.distance(to);
    }

    /// Jcc over at most 127 bytes.
    pub fn skip_if(&mut self, c: Cond, to: Label) {
        self.bytes.extend_from_slice(&[0x70 | c.0, 0]);
        self.short.push((self.bytes.len(), to));
    }

    /// JMP.
    pub fn jump(&mut self, to: Label) {
        self.bytes.push(0xe9);
        self.distance(to);
    }

    /// JMP to code elsewhere.
    pub fn jump_outside(&mut self, target: u64) {
        self.bytes.push(0xe9);
        self.outside(target);
    }

    /// JMP through a register.
    pub fn jump_register(&mut self, to: Reg) {
        self.register(Width::D, &[0xff], Reg(4), to);
    }

    fn distance(&mut self, to: Label) {
        self.dword(0);
        self.jumps.push((self.bytes.len(), to));
    }

    fn outside(&mut self, target: u64) {
        self.dword(0);
        self.outside.push((self.bytes.len(), target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Formatter, NasmFormatter};

    fn text(build: impl FnOnce(&mut X64)) -> String {
        let mut asm = X64::default();
        build(&mut asm);
        let code = asm.finish(0x1000).unwrap();
        let mut lines = Vec::new();
        for instruction in Decoder::with_ip(64, code, 0x1000, DecoderOptions::NONE) {
            let mut line = String::new();
            NasmFormatter::new().format(&instruction, &mut line);
            lines.push(line);
        }
        lines.join("; ")
    }

    #[test]
    fn instructions_are_what_they_are_called() {
        use Width::{B, D, Q, W};
        let mem = Mem { base: Reg::R9, index: Some(Reg::R10), disp: 0 };
        let odd = Mem::at(Reg(13), 0);
        assert_eq!(
            text(|asm| {
                asm.mov(Q, Reg::RAX, Reg::R8);
                asm.mov(D, Reg::R8, Reg::RAX);
                asm.constant(Reg::RCX, 0);
                asm.constant(Reg::R9, 0xffff_ffff);
                asm.constant(Reg::R9, u64::MAX - 1);
                asm.constant(Reg::R9, 1 << 40);
                asm.load(B, Reg::RSI, mem);
                asm.load(Q, Reg::RSI, odd);
                asm.load_signed(Reg::RAX, Mem::at(Reg(12), 300));
                asm.store(B, mem, Reg::RSI);
                asm.store(W, mem, Reg::R11);
                asm.store_constant(W, Mem::at(Reg::RDI, 8), 0x102);
                asm.store_constant(Q, Mem::at(Reg::RSP, -16), -1);
            }),
            "mov rax,r8; mov r8d,eax; xor ecx,ecx; mov r9d,0FFFFFFFFh; mov r9,0FFFFFFFFFFFFFFFEh; \
             mov r9,10000000000h; movzx esi,byte [r9+r10]; mov rsi,[r13]; movsxd rax,[r12+12Ch]; \
             mov [r9+r10],sil; mov [r9+r10],r11w; mov word [rdi+8],102h; mov qword [rsp-10h],0FFFFFFFFFFFFFFFFh"
        );
        assert_eq!(
            text(|asm| {
                asm.alu(Alu::Cmp, B, Reg::RSI, Reg::RAX);
                asm.alu(Alu::Sub, Q, Reg::RAX, Reg::R11);
                asm.alu_constant(Alu::And, Q, Reg::R8, -4096);
                asm.alu_constant(Alu::Cmp, W, Reg::RAX, 0x1234);
                asm.alu_constant(Alu::Cmp, B, Reg::RAX, -1);
                asm.alu_load(Alu::Add, Q, Reg::RDX, Mem::at(Reg::RDI, 256));
                asm.alu_memory(Alu::Sub, Q, Mem::at(Reg::RDI, 16), 12);
                asm.test(B, Reg::RSI, Reg::RSI);
                asm.test_memory(Mem::at(Reg::RAX, 8), 0x80_0800);
                asm.bit_test(Reg::R8, 63);
                asm.shift(Shift::Sar, Q, Reg::R8, 12);
                asm.shift(Shift::Rol, W, Reg::RAX, 3);
                asm.shift_by(Shift::Shl, Q, Reg::R8, Reg::R9, Reg::RCX);
                asm.shift_by(Shift::Sar, D, Reg::RAX, Reg::RDX, Reg::R11);
                asm.shift_by(Shift::Shr, D, Reg::RAX, Reg::RDX, Reg::R11);
                asm.rotate(Q, Reg::R8, Reg::RDX, 7);
            }),
            "cmp sil,al; sub rax,r11; and r8,0FFFFFFFFFFFFF000h; cmp ax,1234h; cmp al,0FFh; add rdx,[rdi+100h]; \
             sub qword [rdi+10h],0Ch; test sil,sil; test dword [rax+8],800800h; bt r8,3Fh; sar r8,0Ch; rol ax,3; \
             shlx r8,r9,rcx; sarx eax,edx,r11d; shrx eax,edx,r11d; rorx r8,rdx,7"
        );
        assert_eq!(
            text(|asm| {
                asm.multiply(D, Reg::R8, Reg::RAX);
                asm.multiply_constant(Q, Reg::R8, Reg::RAX, 10);
                asm.zero_extend(B, Reg::RAX, Reg::RSI);
                asm.zero_extend(W, Reg::R8, Reg::RSI);
                asm.sign_extend(B, Q, Reg::RAX, Reg::RSI);
                asm.sign_extend(W, D, Reg::R8, Reg::RAX);
                asm.sign_extend(D, Q, Reg::R8, Reg::R9);
                asm.swap_bytes(Q, Reg::R9);
                asm.lea(D, Reg::RAX, mem);
                asm.lea_outside(Reg::R8, 0x2000);
                asm.set(Cond::B, Reg::RSI);
                asm.select(Cond::LE.not(), Reg::RAX, Reg::R9);
                let label = asm.label();
                asm.jump_if(Cond::A, label);
                asm.skip_if(Cond::S, label);
                asm.multiply_wide(false, Q, Reg::R8);
                asm.multiply_wide(true, D, Reg::RCX);
                asm.jump_outside(0x3000);
                asm.here(label);
                asm.jump_register(Reg::R11);
                asm.jump(label);
            }),
            "imul r8d,eax; imul r8,rax,0Ah; movzx eax,sil; movzx r8d,si; movsx rax,sil; movsx r8d,ax; movsxd r8,r9d; bswap r9; \
             lea eax,[r9+r10]; lea r8,[rel 2000h]; setb sil; cmovg rax,r9; ja near 0000000000001046h; js short 0000000000001046h; mul r8; imul ecx; jmp 0000000000003000h; jmp r11; jmp 0000000000001046h"
        );
    }
}
