//! From bytes to ops: iced-x86 decodes, this module makes the compact form. What every instruction has in common (operands,
//! address forms, prefixes) is filled in here; the families then say which function they are.

pub mod avx;
pub mod integer;
pub mod system;
pub mod vector;
pub mod x87;

use crate::cpu::{CodeSize, Mode};
use crate::helper::Helper;
use crate::model::Model;
use crate::op::{Form, Func, Kind, Op, RIP_BASE, Width, ZERO, bits, reg};
use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction, OpKind, Register};

/// Longest instruction, in bytes.
pub const MAX_LEN: usize = 15;

/// A decoded instruction and what the decoder knows about its flags.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    /// The op.
    pub op: Op,
    /// Which arithmetic flags it may read, as RFLAGS bits.
    pub flags_read: u64,
    /// Which arithmetic flags it always replaces, whatever its operands are.
    pub flags_written: u64,
    /// Which arithmetic flags it may change.
    pub flags_touched: u64,
    /// It may stop (fault) or look at the whole state.
    pub may_stop: bool,
    /// Nothing after it in memory is executed next without a jump.
    pub ends_block: bool,
}

/// Why there is no op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The instruction goes on beyond the bytes given.
    NeedMore,
}

/// Decodes the instruction whose bytes begin `bytes`, at this offset of its page. Fewer than 15 bytes may be given where a
/// page ends. What is no instruction of the model becomes an op that raises #UD (or #GP, if it is too long).
pub fn decode(bytes: &[u8], offset: u16, mode: Mode, model: &Model) -> Result<Decoded, DecodeError> {
    Code::new(bytes, offset, mode).next(model)
}

/// Instructions one behind the other. Each is decoded as [`decode`] does.
pub struct Code<'a> {
    bytes: &'a [u8],
    /// Where in the bytes the next one begins.
    at: usize,
    /// The offset of the first byte in its page.
    offset: u16,
    mode: Mode,
    decoder: Decoder<'a>,
    instr: Instruction,
}

impl<'a> Code<'a> {
    /// Those that begin with `bytes`, at this offset of a page.
    pub fn new(bytes: &'a [u8], offset: u16, mode: Mode) -> Self {
        let bitness = bitness(mode);
        let decoder = Decoder::with_ip(bitness, bytes, u64::from(offset), DecoderOptions::NONE);
        Code { bytes, at: 0, offset, mode, decoder, instr: Instruction::default() }
    }

    /// The next one.
    pub fn next(&mut self, model: &Model) -> Result<Decoded, DecodeError> {
        let Code { bytes, at, offset, mode, decoder, instr } = self;
        let window = &bytes[*at..bytes.len().min(*at + MAX_LEN)];
        decoder.decode_out(instr);
        let mut op = Op::blank(*offset + *at as u16, instr.len() as u8);
        if instr.is_invalid() {
            if decoder.last_error() == DecoderError::NoMoreBytes && window.len() < MAX_LEN {
                return Err(DecodeError::NeedMore);
            }
            if window.len() == MAX_LEN && too_long(window, bitness(*mode)) {
                set_helper(&mut op, Helper::TooLong);
            }
            op.len = op.len.max(1);
            *at += usize::from(op.len);
            *decoder =
                Decoder::with_ip(bitness(*mode), &bytes[*at..], u64::from(*offset) + *at as u64, DecoderOptions::NONE);
            return Ok(finish(op, None));
        }
        *at += instr.len();
        operands(instr, *mode, &mut op);
        let known = integer::decode(instr, *mode, model, &mut op)
            || !model.lacks(instr)
                && (vector::decode(instr, *mode, &mut op)
                    || x87::decode(instr, window, &mut op)
                    || system::decode(instr, *mode, &mut op))
            || x87::without_unit(instr, model, &mut op);
        if !known || mode.real && op.ins.func == Func::Bmi {
            set_helper(&mut op, Helper::Undefined);
        }
        Ok(finish(op, Some(instr)))
    }
}

fn bitness(mode: Mode) -> u32 {
    match mode.code {
        CodeSize::Bits16 => 16,
        CodeSize::Bits32 => 32,
        CodeSize::Bits64 => 64,
    }
}

/// Whether an instruction of which 15 bytes are given goes on. Only prefixes make one so long: without those that come
/// again later, the rest is decoded.
fn too_long(window: &[u8], bitness: u32) -> bool {
    let prefix = |b: u8| {
        matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3) || bitness == 64 && b & 0xf0 == 0x40
    };
    let prefixes = window.iter().take_while(|b| prefix(**b)).count();
    if prefixes == window.len() {
        return true;
    }
    let kept = (0..prefixes).filter(|i| !window[i + 1..prefixes].contains(&window[*i])).map(|i| window[i]);
    let mut short: Vec<u8> = kept.chain(window[prefixes..].iter().copied()).collect();
    let removed = window.len() - short.len();
    short.resize(short.len() + MAX_LEN, 0);
    let instr = Decoder::new(bitness, &short, DecoderOptions::NONE).decode();
    instr.len() + removed > MAX_LEN
}

/// Makes the op a call of a plain function.
pub fn set_helper(op: &mut Op, helper: Helper) {
    op.ins.func = Func::Helper;
    op.helper = helper as u16;
}

/// The RFLAGS bits of the arithmetic flags, by iced's bits, of which they are the first six.
static ARITHMETIC: [u16; 64] = {
    use iced_x86::RflagsBits as R;
    let places = [(R::CF, 0), (R::PF, 2), (R::AF, 4), (R::ZF, 6), (R::SF, 7), (R::OF, 11)];
    let mut table = [0; 64];
    let mut flags = 0;
    while flags < 64 {
        let mut n = 0;
        while n < places.len() {
            assert!(places[n].0 < 64);
            if flags as u32 & places[n].0 != 0 {
                table[flags] |= 1 << places[n].1;
            }
            n += 1;
        }
        flags += 1;
    }
    table
};

fn arithmetic(flags: u32) -> u64 {
    ARITHMETIC[flags as usize % 64].into()
}

fn finish(op: Op, instr: Option<&Instruction>) -> Decoded {
    let helper = op.ins.func == Func::Helper;
    let stack = matches!(
        op.ins.func,
        Func::Push | Func::Pop | Func::Call | Func::CallIndirect | Func::Ret | Func::Leave | Func::Div
    );
    let system = matches!(op.ins.func, Func::Pushf | Func::Popf | Func::Interrupts | Func::Swapgs | Func::PushSegment);
    let string = matches!(op.ins.func, Func::Movs | Func::Stos | Func::Lods | Func::Cmps | Func::Scas | Func::Xlat);
    let third = op.ins.func == Func::Bmi && op.helper == crate::sem::bmi::THIRD_IS_MEMORY;
    let memory =
        third || (op.ins.k0 == Kind::Mem || op.ins.k1 == Kind::Mem) && !matches!(op.ins.func, Func::Lea | Func::Nop);
    let vector = op.ins.func as u8 >= Func::VecMov as u8;
    let jump = matches!(
        op.ins.func,
        Func::Jmp | Func::JmpIndirect | Func::Call | Func::CallIndirect | Func::Ret | Func::Jcc | Func::Loop
    );
    let (read, modified) = instr.map_or((0, 0), |i| (arithmetic(i.rflags_read()), arithmetic(i.rflags_modified())));
    // A shift or rotate by CL, or a repeated string instruction, may do nothing at all.
    let by_register = matches!(op.ins.func, Func::Shift | Func::DoubleShift) && op.ins.k1 != Kind::Imm;
    Decoded {
        op,
        flags_read: if string { read | modified } else { read },
        flags_touched: if helper { 0 } else { modified },
        flags_written: if helper || string || by_register { 0 } else { modified },
        may_stop: helper || stack || system || string || memory || vector || jump,
        ends_block: matches!(op.ins.func, Func::Jmp | Func::JmpIndirect | Func::Call | Func::CallIndirect | Func::Ret)
            || helper && crate::helper::ends_block(op.helper),
    }
}

/// Fills in what the operands say.
fn operands(instr: &Instruction, mode: Mode, op: &mut Op) {
    let mut width = None;
    for i in 0..instr.op_count().min(3) {
        let (kind, number, w) = operand(instr, i);
        match i {
            0 => (op.ins.k0, op.r0) = (kind, number),
            1 => (op.ins.k1, op.r1) = (kind, number),
            _ => op.r2 = number,
        }
        width = width.or(w);
        match instr.op_kind(i) {
            OpKind::Memory => memory(instr, mode, op),
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => op.imm = instr.near_branch_target(),
            // Of an operation of 32 bits.
            OpKind::Immediate32 => op.imm = instr.immediate32() as i32 as u64,
            k if is_immediate(k) && k != OpKind::Immediate8_2nd => op.imm = instr.immediate(i),
            OpKind::Immediate8_2nd => op.imm2 = instr.immediate8_2nd(),
            k if is_string(k) => string_memory(instr, k, mode, op),
            _ => {}
        }
    }
    op.ins.w = width.unwrap_or(Width::D);
    op.ins.w2 = mode.stack;
    if instr.has_lock_prefix() {
        op.ins.bits |= bits::LOCK;
    }
    if instr.has_rep_prefix() {
        op.ins.bits |= bits::REP;
    }
    if instr.has_repne_prefix() {
        op.ins.bits |= bits::REPNE;
    }
}

fn is_immediate(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Immediate8
            | OpKind::Immediate8_2nd
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64
    )
}

/// Whether an operand is one of the implied ones of string instructions.
pub fn is_string(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::MemorySegSI
            | OpKind::MemorySegESI
            | OpKind::MemorySegRSI
            | OpKind::MemorySegDI
            | OpKind::MemorySegEDI
            | OpKind::MemorySegRDI
            | OpKind::MemoryESDI
            | OpKind::MemoryESEDI
            | OpKind::MemoryESRDI
    )
}

/// Kind, register number and width of an operand. Segment, control, debug and x87 registers have a number but no kind.
fn operand(instr: &Instruction, i: u32) -> (Kind, u8, Option<Width>) {
    match instr.op_kind(i) {
        OpKind::Register => {
            let r = instr.op_register(i);
            register(r)
        }
        OpKind::Memory => (Kind::Mem, 0, size(instr)),
        kind if is_string(kind) => (Kind::Mem, 0, size(instr)),
        kind if is_immediate(kind) => (Kind::Imm, 0, None),
        OpKind::NearBranch16 => (Kind::Imm, 0, Some(Width::W)),
        OpKind::NearBranch32 => (Kind::Imm, 0, Some(Width::D)),
        OpKind::NearBranch64 => (Kind::Imm, 0, Some(Width::Q)),
        _ => (Kind::None, 0, None),
    }
}

fn size(instr: &Instruction) -> Option<Width> {
    let bytes = instr.memory_size().size();
    (bytes.is_power_of_two() && bytes <= 32).then(|| Width::of_bytes(bytes))
}

fn register(r: Register) -> (Kind, u8, Option<Width>) {
    let number = r.number() as u8;
    if r.is_gpr8() {
        return match r {
            Register::AH | Register::CH | Register::DH | Register::BH => {
                (Kind::High, (r as u8).wrapping_sub(Register::AH as u8), Some(Width::B))
            }
            _ => (Kind::Reg, r.full_register().number() as u8, Some(Width::B)),
        };
    }
    if r.is_gpr() {
        return (Kind::Reg, number, Some(Width::of_bytes(r.size())));
    }
    if r.is_xmm() || r.is_ymm() {
        return (Kind::Vec, number, Some(Width::of_bytes(r.size())));
    }
    if r.is_mm() {
        return (Kind::Mmx, number, Some(Width::Q));
    }
    (Kind::None, number, None)
}

/// The segment register's encoding number.
fn segment(r: Register) -> u8 {
    r.number() as u8 & 7
}

/// The form of an access with these address bits through this segment.
pub fn form(mode: Mode, address: Width, seg: u8) -> (Form, u8) {
    match (mode.code, address) {
        (CodeSize::Bits64, Width::Q) if seg >= 4 => (Form::A64Seg, 0),
        (CodeSize::Bits64, Width::Q) => (Form::A64, 0),
        (CodeSize::Bits64, _) => (Form::A64Seg, bits::ADDR32),
        // Code segments are not writable, so CS is never taken as flat.
        (_, Width::D) if mode.flat && matches!(seg, 0 | 2 | 3) => (Form::Flat32, 0),
        (_, Width::D) => (Form::Seg32, 0),
        _ => (Form::Seg16, 0),
    }
}

/// The form of stack accesses.
pub fn stack_form(mode: Mode) -> Form {
    match mode.stack {
        Width::Q => Form::A64,
        Width::D if mode.flat => Form::Flat32,
        Width::D => Form::Seg32,
        _ => Form::Seg16,
    }
}

fn memory(instr: &Instruction, mode: Mode, op: &mut Op) {
    let (base, index) = (instr.memory_base(), instr.memory_index());
    let is_vector = index.is_xmm() || index.is_ymm();
    let index_size = if is_vector { 0 } else { index.size() };
    let address = match (base.size().max(index_size), instr.memory_displ_size()) {
        (2, _) => Width::W,
        (4, _) => Width::D,
        (8, _) => Width::Q,
        (_, 2) => Width::W,
        (_, 4) => Width::D,
        _ => Width::Q,
    };
    let number = |r: Register| match r {
        Register::None => ZERO,
        Register::RIP | Register::EIP => RIP_BASE,
        r => r.number() as u8,
    };
    op.base = number(base);
    op.index = number(index);
    op.scale = instr.memory_index_scale().trailing_zeros() as u8;
    op.disp = match address {
        Width::W => i64::from(instr.memory_displacement64() as i16),
        Width::D => i64::from(instr.memory_displacement64() as i32),
        _ => instr.memory_displacement64() as i64,
    };
    op.seg = segment(instr.memory_segment());
    if mode.code == CodeSize::Bits64 && op.seg < 4 {
        // Prefixes other than FS and GS are ignored there, even where they would choose between #SS and #GP.
        op.seg = if base == Register::None || !matches!(op.base, reg::RSP | reg::RBP) { 3 } else { 2 };
    }
    let (form, extra) = form(mode, address, op.seg);
    op.ins.form = form;
    op.ins.bits |= extra;
}

fn string_memory(instr: &Instruction, kind: OpKind, mode: Mode, op: &mut Op) {
    let address = match kind {
        OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => Width::W,
        OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => Width::D,
        _ => Width::Q,
    };
    let source = !matches!(kind, OpKind::MemoryESDI | OpKind::MemoryESEDI | OpKind::MemoryESRDI);
    if source {
        op.seg = segment(instr.memory_segment());
        if mode.code == CodeSize::Bits64 && op.seg < 4 {
            op.seg = 3;
        }
    }
    let (form, extra) = form(mode, address, if source { op.seg } else { 0 });
    // One form serves both sides: the more careful of the two.
    if op.ins.form == Form::A64 || op.ins.form == Form::Flat32 {
        op.ins.form = form;
    }
    op.ins.bits |= extra;
}

/// The width of the addresses of an op's string operands.
pub fn string_address(instr: &Instruction) -> Width {
    for i in 0..instr.op_count() {
        match instr.op_kind(i) {
            OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => return Width::W,
            OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => return Width::D,
            kind if is_string(kind) => return Width::Q,
            _ => {}
        }
    }
    Width::Q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_behind_the_other_they_are_what_each_is_by_itself() {
        let model = Model::by_name("max").unwrap();
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for code in [CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64] {
            let mode = Mode { code, stack: Width::D, flat: true, real: false };
            for round in 0..400 {
                // Some with so many prefixes that instructions are too long.
                let prefixes = round % 4 == 0;
                let byte = |n: u64| {
                    if prefixes && n & 0xf00 != 0 { [0x66, 0x67, 0x2e, 0xf3][n as usize & 3] } else { n as u8 }
                };
                let bytes: Vec<u8> = (0..64).map(|_| byte(random())).collect();
                let from = random() as u16 % 4000;
                let mut all = Code::new(&bytes, from, mode);
                let mut at = 0;
                while at < bytes.len() {
                    let alone = decode(&bytes[at..], from + at as u16, mode, &model);
                    let next = all.next(&model);
                    assert_eq!(format!("{next:?}"), format!("{alone:?}"), "{code:?} {bytes:x?} at {at}");
                    let Ok(decoded) = next else { break };
                    at += usize::from(decoded.op.len);
                }
            }
        }
    }
}
