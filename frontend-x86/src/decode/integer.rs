//! Integer instructions: which semantic function and which of its operations.

use super::{is_string, stack_form, string_address};
use crate::cpu::Mode;
use crate::model::{Feature, Model};
use crate::op::{Form, Func, Kind, Op, Width, bits};
use crate::sem::{alu, bit, bmi, shift, unary};
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind};

/// Fills the op in if the instruction is one of this family.
pub fn decode(instr: &Instruction, mode: Mode, model: &Model, op: &mut Op) -> bool {
    let string = (0..instr.op_count()).any(|i| is_string(instr.op_kind(i)));
    let m = instr.mnemonic();
    if instr.op_count() == 3 && instr.op_kind(2) == OpKind::Memory {
        op.helper = bmi::THIRD_IS_MEMORY;
    }
    let mut to = |func: Func, sub: u8| {
        op.ins.func = func;
        op.ins.sub = sub;
        true
    };
    if string {
        return decode_string(instr, op);
    }
    match m {
        M::Add => to(Func::Alu, alu::ADD),
        M::Or => to(Func::Alu, alu::OR),
        M::Adc => to(Func::Alu, alu::ADC),
        M::Sbb => to(Func::Alu, alu::SBB),
        M::And => to(Func::Alu, alu::AND),
        M::Sub => to(Func::Alu, alu::SUB),
        M::Xor => to(Func::Alu, alu::XOR),
        M::Cmp => to(Func::Alu, alu::CMP),
        M::Test => to(Func::Alu, alu::TEST),
        M::Inc => to(Func::Unary, unary::INC),
        M::Dec => to(Func::Unary, unary::DEC),
        M::Neg => to(Func::Unary, unary::NEG),
        M::Not => to(Func::Unary, unary::NOT),
        M::Mov if op.ins.k0 != Kind::None && op.ins.k1 != Kind::None => to(Func::Mov, 0),
        M::Movzx => extend(instr, op, Func::Movzx),
        M::Movsx | M::Movsxd => extend(instr, op, Func::Movsx),
        M::Lea => lea(op),
        M::Xchg => {
            if op.ins.k1 == Kind::Mem {
                (op.ins.k0, op.ins.k1) = (op.ins.k1, op.ins.k0);
                (op.r0, op.r1) = (op.r1, op.r0);
            }
            if op.ins.k0 == Kind::Mem {
                op.ins.bits |= bits::LOCK; // XCHG with memory is always locked
            }
            op.ins.func = Func::Xchg;
            true
        }
        M::Rol => to(Func::Shift, shift::ROL),
        M::Ror => to(Func::Shift, shift::ROR),
        M::Rcl => to(Func::Shift, shift::RCL),
        M::Rcr => to(Func::Shift, shift::RCR),
        M::Shl | M::Sal => to(Func::Shift, shift::SHL),
        M::Shr => to(Func::Shift, shift::SHR),
        M::Sar => to(Func::Shift, shift::SAR),
        M::Shld | M::Shrd => {
            let by_cl = instr.op_kind(2) == OpKind::Register;
            to(Func::DoubleShift, u8::from(m == M::Shrd) | u8::from(by_cl) << 1)
        }
        M::Bt => to(Func::BitTest, bit::BT),
        M::Bts => to(Func::BitTest, bit::BTS),
        M::Btr => to(Func::BitTest, bit::BTR),
        M::Btc => to(Func::BitTest, bit::BTC),
        M::Bsf => to(Func::BitScan, bit::BSF),
        M::Bsr => to(Func::BitScan, bit::BSR),
        // Before BMI1 and LZCNT the prefix of these is ignored.
        M::Tzcnt => to(Func::BitScan, if model.has(Feature::Bmi1) { bit::TZCNT } else { bit::BSF }),
        M::Lzcnt => to(Func::BitScan, if model.has(Feature::Lzcnt) { bit::LZCNT } else { bit::BSR }),
        M::Popcnt => model.has(Feature::Popcnt) && to(Func::BitScan, bit::POPCNT),
        M::Mul => to(Func::MulWide, 0),
        M::Imul => match instr.op_count() {
            1 => to(Func::MulWide, 1),
            2 => to(Func::Imul, 0),
            _ => to(Func::Imul, 1),
        },
        M::Div => to(Func::Div, 0),
        M::Idiv => to(Func::Div, 1),
        M::Cbw | M::Cwde | M::Cdqe => {
            op.ins.w = [(M::Cbw, Width::W), (M::Cwde, Width::D)]
                .into_iter()
                .find(|(x, _)| *x == m)
                .map_or(Width::Q, |(_, w)| w);
            op.ins.func = Func::ExtendA;
            true
        }
        M::Cwd | M::Cdq | M::Cqo => {
            op.ins.w = [(M::Cwd, Width::W), (M::Cdq, Width::D)]
                .into_iter()
                .find(|(x, _)| *x == m)
                .map_or(Width::Q, |(_, w)| w);
            op.ins.func = Func::ExtendD;
            true
        }
        M::Cmpxchg => model.has(Feature::I486) && to(Func::Cmpxchg, 0),
        M::Xadd => model.has(Feature::I486) && to(Func::Xadd, 0),
        M::Bswap => model.has(Feature::I486) && to(Func::Bswap, 0),
        M::Clc => to(Func::Carry, 0),
        M::Stc => to(Func::Carry, 1),
        M::Cmc => to(Func::Carry, 2),
        M::Cld => to(Func::Direction, 0),
        M::Std => to(Func::Direction, 1),
        M::Lahf | M::Sahf => {
            let there = mode.code != crate::cpu::CodeSize::Bits64 || model.has(Feature::Lahf64);
            there && to(Func::FlagsByte, u8::from(m == M::Sahf))
        }
        M::Xlatb => {
            // The operand is [rbx + al]: keep the base, and add AL in the semantics.
            op.index = crate::op::ZERO;
            op.ins.k0 = Kind::None;
            op.ins.k1 = Kind::Mem;
            op.ins.w = Width::B;
            op.ins.func = Func::Xlat;
            true
        }
        M::Movbe => model.has(Feature::Movbe) && to(Func::Movbe, 0),
        M::Crc32 => {
            // w is the destination's width (32 or 64), w2 the source's.
            if !model.has(Feature::Sse42) {
                return false;
            }
            op.ins.w2 = source_width(instr);
            op.ins.func = Func::Crc32;
            true
        }
        M::Andn => model.has(Feature::Bmi1) && to(Func::Bmi, bmi::ANDN),
        M::Blsi => model.has(Feature::Bmi1) && to(Func::Bmi, bmi::BLSI),
        M::Blsmsk => model.has(Feature::Bmi1) && to(Func::Bmi, bmi::BLSMSK),
        M::Blsr => model.has(Feature::Bmi1) && to(Func::Bmi, bmi::BLSR),
        M::Bextr => model.has(Feature::Bmi1) && to(Func::Bmi, bmi::BEXTR),
        M::Bzhi => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::BZHI),
        M::Rorx => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::RORX),
        M::Sarx => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::SARX),
        M::Shlx => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::SHLX),
        M::Shrx => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::SHRX),
        M::Mulx => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::MULX),
        M::Pdep => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::PDEP),
        M::Pext => model.has(Feature::Bmi2) && to(Func::Bmi, bmi::PEXT),
        M::Adcx => model.has(Feature::Adx) && to(Func::Adx, 0),
        M::Adox => model.has(Feature::Adx) && to(Func::Adx, 1),
        M::Mfence | M::Lfence => model.has(Feature::Sse2) && to(Func::Fence, 0),
        M::Sfence => model.has(Feature::Sse) && to(Func::Fence, 0),
        // Hints. ENDBR is a reserved NOP without CET.
        M::Nop | M::Endbr32 | M::Endbr64 | M::Reservednop => to(Func::Nop, 0),
        M::Prefetchnta
        | M::Prefetcht0
        | M::Prefetcht1
        | M::Prefetcht2
        | M::Prefetch
        | M::Prefetchw
        | M::Prefetchwt1
        | M::Prefetchit0
        | M::Prefetchit1
        | M::Cldemote => to(Func::Nop, 0),
        M::Push | M::Pop => stack(instr, mode, op),
        M::Leave => {
            op.ins.w = Width::of_bytes(match instr.code() {
                Code::Leavew => 2,
                Code::Leaved => 4,
                _ => 8,
            });
            op.ins.form = stack_form(mode);
            op.ins.func = Func::Leave;
            true
        }
        _ => conditional(instr, model, op) || flow(instr, mode, op),
    }
}

fn extend(instr: &Instruction, op: &mut Op, func: Func) -> bool {
    op.ins.func = func;
    op.ins.w2 = source_width(instr);
    true
}

/// The width of operand 1.
fn source_width(instr: &Instruction) -> Width {
    match instr.op_kind(1) {
        OpKind::Register => Width::of_bytes(instr.op1_register().size()),
        _ => Width::of_bytes(instr.memory_size().size()),
    }
}

fn lea(op: &mut Op) -> bool {
    op.ins.func = Func::Lea;
    true
}

fn decode_string(instr: &Instruction, op: &mut Op) -> bool {
    let func = match instr.mnemonic() {
        M::Movsb | M::Movsw | M::Movsd | M::Movsq => Func::Movs,
        M::Stosb | M::Stosw | M::Stosd | M::Stosq => Func::Stos,
        M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq => Func::Lods,
        M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq => Func::Cmps,
        M::Scasb | M::Scasw | M::Scasd | M::Scasq => Func::Scas,
        _ => return false,
    };
    op.ins.func = func;
    op.ins.w = Width::of_bytes(instr.memory_size().size());
    op.ins.w2 = string_address(instr);
    op.ins.k0 = Kind::None;
    op.ins.k1 = Kind::None;
    if !matches!(func, Func::Cmps | Func::Scas) && op.ins.has(bits::REPNE) {
        // REPNE before these repeats as REP does.
        op.ins.bits = op.ins.bits & !bits::REPNE | bits::REP;
    }
    true
}

fn stack(instr: &Instruction, mode: Mode, op: &mut Op) -> bool {
    let push = instr.mnemonic() == M::Push;
    if op.ins.k0 == Kind::None {
        return false; // segment registers
    }
    op.ins.w = Width::of_bytes(instr.stack_pointer_increment().unsigned_abs() as usize);
    op.ins.func = if push { Func::Push } else { Func::Pop };
    if op.ins.k0 != Kind::Mem {
        op.ins.form = stack_form(mode);
    } else if !push && op.base == crate::op::reg::RSP {
        // POP computes its operand's address after it has moved the stack pointer.
        op.disp += op.ins.w.bytes() as i64;
    }
    true
}

fn conditional(instr: &Instruction, model: &Model, op: &mut Op) -> bool {
    let cc = instr.condition_code() as u8;
    if cc == 0 {
        return false;
    }
    let func = match instr.mnemonic() {
        M::Seto
        | M::Setno
        | M::Setb
        | M::Setae
        | M::Sete
        | M::Setne
        | M::Setbe
        | M::Seta
        | M::Sets
        | M::Setns
        | M::Setp
        | M::Setnp
        | M::Setl
        | M::Setge
        | M::Setle
        | M::Setg => Func::Setcc,
        M::Cmovo
        | M::Cmovno
        | M::Cmovb
        | M::Cmovae
        | M::Cmove
        | M::Cmovne
        | M::Cmovbe
        | M::Cmova
        | M::Cmovs
        | M::Cmovns
        | M::Cmovp
        | M::Cmovnp
        | M::Cmovl
        | M::Cmovge
        | M::Cmovle
        | M::Cmovg
            if model.has(Feature::Cmov) =>
        {
            Func::Cmovcc
        }
        _ if instr.is_jcc_short_or_near() => Func::Jcc,
        _ => return false,
    };
    op.ins.func = func;
    op.ins.sub = cc - 1;
    true
}

fn flow(instr: &Instruction, mode: Mode, op: &mut Op) -> bool {
    let increment = instr.stack_pointer_increment();
    if instr.is_jmp_short_or_near() {
        op.ins.func = Func::Jmp;
    } else if instr.is_jmp_near_indirect() {
        op.ins.func = Func::JmpIndirect;
    } else if instr.is_call_near() {
        op.ins.func = Func::Call;
        op.ins.form = stack_form(mode);
    } else if instr.is_call_near_indirect() {
        op.ins.func = Func::CallIndirect;
        if op.ins.k0 != Kind::Mem {
            op.ins.form = stack_form(mode);
        }
    } else if instr.mnemonic() == M::Ret {
        op.ins.func = Func::Ret;
        op.ins.form = stack_form(mode);
        op.ins.w = Width::of_bytes((increment - (op.imm & 0xffff) as i32) as usize);
        op.imm &= 0xffff;
    } else {
        return loops(instr, op);
    }
    true
}

fn loops(instr: &Instruction, op: &mut Op) -> bool {
    use Code as C;
    op.ins.sub = match instr.mnemonic() {
        M::Loopne => 0,
        M::Loope => 1,
        M::Loop => 2,
        M::Jcxz | M::Jecxz | M::Jrcxz => 3,
        _ => return false,
    };
    op.ins.w2 = match instr.code() {
        C::Loopne_rel8_16_CX
        | C::Loopne_rel8_32_CX
        | C::Loope_rel8_16_CX
        | C::Loope_rel8_32_CX
        | C::Loop_rel8_16_CX
        | C::Loop_rel8_32_CX
        | C::Jcxz_rel8_16
        | C::Jcxz_rel8_32 => Width::W,
        C::Loopne_rel8_16_RCX
        | C::Loopne_rel8_64_RCX
        | C::Loope_rel8_16_RCX
        | C::Loope_rel8_64_RCX
        | C::Loop_rel8_16_RCX
        | C::Loop_rel8_64_RCX
        | C::Jrcxz_rel8_16
        | C::Jrcxz_rel8_64 => Width::Q,
        _ => Width::D,
    };
    op.ins.func = Func::Loop;
    op.ins.form = Form::A64;
    true
}
