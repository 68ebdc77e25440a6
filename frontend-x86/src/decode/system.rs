//! The instructions of [`crate::system`] and [`crate::sem::system`]: which function, and what its operands need beyond the general rules.

use super::{set_helper, stack_form, string_address};
use crate::cpu::{CodeSize, Mode};
use crate::helper::Helper;
use crate::op::{Func, Op, Width};
use iced_x86::{Code, Instruction, Mnemonic};
use lyrebird_core::cpu::segment::SegReg;

/// Fills in the op if it is a system instruction.
pub fn decode(instr: &Instruction, mode: Mode, op: &mut Op) -> bool {
    stated(instr, mode, op)
        || simple(instr, op)
        || numbered(instr, op)
        || sized(instr, op)
        || segments(instr, op)
        || transfers(instr, op)
        || ports(instr, op)
        || saved(instr, mode, op)
}

/// Those of [`crate::sem::system`].
fn stated(instr: &Instruction, mode: Mode, op: &mut Op) -> bool {
    use Mnemonic as M;
    let (func, sub) = match instr.mnemonic() {
        M::Pushf | M::Pushfd | M::Pushfq => (Func::Pushf, 0),
        M::Popf | M::Popfd | M::Popfq => (Func::Popf, 0),
        M::Cli => (Func::Interrupts, 0),
        M::Sti => (Func::Interrupts, 1),
        M::Swapgs => (Func::Swapgs, 0),
        M::Push if instr.op0_register().is_segment_register() => (Func::PushSegment, 0),
        M::Mov if instr.op1_register().is_segment_register() => (Func::MovSegment, 0),
        _ => return false,
    };
    (op.ins.func, op.ins.sub) = (func, sub);
    let moved = instr.stack_pointer_increment().unsigned_abs() as usize;
    if moved > 0 {
        op.ins.w = Width::of_bytes(moved);
        op.ins.form = stack_form(mode);
    }
    true
}

/// Those that need nothing special.
fn simple(instr: &Instruction, op: &mut Op) -> bool {
    use Helper as H;
    use Mnemonic as M;
    let helper = match instr.mnemonic() {
        M::Lldt => H::Lldt,
        M::Ltr => H::Ltr,
        M::Arpl => H::Arpl,
        M::Int => H::Int,
        M::Int3 => H::Int3,
        M::Into => H::Into,
        M::Int1 => H::Icebp,
        M::Syscall => H::Syscall,
        M::Sysenter => H::Sysenter,
        M::Clts => H::Clts,
        M::Smsw => H::Smsw,
        M::Lmsw => H::Lmsw,
        M::Invlpg => H::Invlpg,
        M::Invpcid => H::Invpcid,
        M::Rdmsr => H::Rdmsr,
        M::Wrmsr => H::Wrmsr,
        M::Rdtsc => H::Rdtsc,
        M::Rdtscp => H::Rdtscp,
        M::Rdpid => H::Rdpid,
        M::Rdpmc => H::Rdpmc,
        M::Rdrand | M::Rdseed => H::Random,
        M::Cpuid => H::Cpuid,
        M::Hlt => H::Hlt,
        M::Pause => H::Pause,
        M::Invd | M::Wbinvd | M::Wbnoinvd => H::Cache,
        M::Clflush | M::Clflushopt | M::Clwb => H::CacheLine,
        M::Salc => H::Salc,
        M::Xgetbv => H::Xgetbv,
        M::Xsetbv => H::Xsetbv,
        M::Bound => H::Bound,
        M::Aam => H::Aam,
        M::Aad => H::Aad,
        M::Cmpxchg8b => H::Cmpxchg8b,
        M::Cmpxchg16b => H::Cmpxchg16b,
        _ => return false,
    };
    set_helper(op, helper);
    true
}

/// Pairs that share a function and are told apart by `sub`.
fn numbered(instr: &Instruction, op: &mut Op) -> bool {
    use Helper as H;
    use Mnemonic as M;
    let (helper, sub) = match instr.mnemonic() {
        M::Sgdt => (H::StoreTable, 0),
        M::Sidt => (H::StoreTable, 1),
        M::Sldt => (H::StoreSelector, 0),
        M::Str => (H::StoreSelector, 1),
        M::Lar => (H::LookUpSelector, 0),
        M::Lsl => (H::LookUpSelector, 1),
        M::Verr => (H::VerifySelector, 0),
        M::Verw => (H::VerifySelector, 1),
        M::Rdfsbase => (H::ReadSegBase, 0),
        M::Rdgsbase => (H::ReadSegBase, 1),
        M::Wrfsbase => (H::WriteSegBase, 0),
        M::Wrgsbase => (H::WriteSegBase, 1),
        M::Clac => (H::AccessFlag, 0),
        M::Stac => (H::AccessFlag, 1),
        M::Aaa => (H::AsciiAdjust, 0),
        M::Aas => (H::AsciiAdjust, 1),
        M::Daa => (H::DecimalAdjust, 0),
        M::Das => (H::DecimalAdjust, 1),
        _ => return false,
    };
    set_helper(op, helper);
    op.ins.sub = sub;
    true
}

/// Those whose width only the mnemonic tells.
fn sized(instr: &Instruction, op: &mut Op) -> bool {
    use Helper as H;
    use Mnemonic as M;
    let (helper, w) = match instr.mnemonic() {
        M::Iret => (H::Iret, Width::W),
        M::Iretd => (H::Iret, Width::D),
        M::Iretq => (H::Iret, Width::Q),
        M::Pusha => (H::Pusha, Width::W),
        M::Pushad => (H::Pusha, Width::D),
        M::Popa => (H::Popa, Width::W),
        M::Popad => (H::Popa, Width::D),
        M::Sysret => (H::Sysret, Width::D),
        M::Sysretq => (H::Sysret, Width::Q),
        M::Sysexit => (H::Sysexit, Width::D),
        M::Sysexitq => (H::Sysexit, Width::Q),
        _ => match instr.code() {
            Code::Enterw_imm16_imm8 => (H::Enter, Width::W),
            Code::Enterd_imm16_imm8 => (H::Enter, Width::D),
            Code::Enterq_imm16_imm8 => (H::Enter, Width::Q),
            Code::Lgdt_m1632_16 | Code::Lidt_m1632_16 => (H::LoadTable, Width::W),
            Code::Lgdt_m1632 | Code::Lidt_m1632 => (H::LoadTable, Width::D),
            Code::Lgdt_m1664 | Code::Lidt_m1664 => (H::LoadTable, Width::Q),
            _ => return false,
        },
    };
    set_helper(op, helper);
    op.ins.w = w;
    op.ins.sub = u8::from(instr.mnemonic() == M::Lidt);
    true
}

/// Moves to and from segment, control and debug registers.
fn segments(instr: &Instruction, op: &mut Op) -> bool {
    use Helper as H;
    use Mnemonic as M;
    match instr.mnemonic() {
        M::Mov => {
            let (to, from) = (instr.op0_register(), instr.op1_register());
            let helper = if to.is_segment_register() {
                // Nobody can move to CS.
                if to == iced_x86::Register::CS {
                    return false;
                }
                H::MovToSreg
            } else if to.is_cr() {
                H::MovToCr
            } else if from.is_cr() {
                H::MovFromCr
            } else if to.is_dr() {
                H::MovToDr
            } else if from.is_dr() {
                H::MovFromDr
            } else {
                return false;
            };
            set_helper(op, helper);
        }
        M::Pop if instr.op0_register().is_segment_register() => {
            if instr.code() == Code::Popw_CS {
                return false; // only the 8086 had it
            }
            set_helper(op, H::PopSreg);
            op.ins.w = Width::of_bytes(instr.stack_pointer_increment().unsigned_abs() as usize);
        }
        M::Les | M::Lds | M::Lss | M::Lfs | M::Lgs => {
            let seg = match instr.mnemonic() {
                M::Les => SegReg::Es,
                M::Lds => SegReg::Ds,
                M::Lss => SegReg::Ss,
                M::Lfs => SegReg::Fs,
                _ => SegReg::Gs,
            };
            set_helper(op, H::LoadFarPointer);
            op.ins.sub = seg as u8;
        }
        _ => return false,
    }
    true
}

/// Far jumps, calls and returns.
fn transfers(instr: &Instruction, op: &mut Op) -> bool {
    use Helper as H;
    let (helper, w) = match instr.code() {
        Code::Jmp_ptr1616 | Code::Jmp_m1616 => (H::JmpFar, Width::W),
        Code::Jmp_ptr1632 | Code::Jmp_m1632 => (H::JmpFar, Width::D),
        Code::Jmp_m1664 => (H::JmpFar, Width::Q),
        Code::Call_ptr1616 | Code::Call_m1616 => (H::CallFar, Width::W),
        Code::Call_ptr1632 | Code::Call_m1632 => (H::CallFar, Width::D),
        Code::Call_m1664 => (H::CallFar, Width::Q),
        Code::Retfw | Code::Retfw_imm16 => (H::Retf, Width::W),
        Code::Retfd | Code::Retfd_imm16 => (H::Retf, Width::D),
        Code::Retfq | Code::Retfq_imm16 => (H::Retf, Width::Q),
        _ => return false,
    };
    let offset = match instr.code() {
        Code::Jmp_ptr1616 | Code::Call_ptr1616 => Some(u64::from(instr.far_branch16())),
        Code::Jmp_ptr1632 | Code::Call_ptr1632 => Some(u64::from(instr.far_branch32())),
        _ => None,
    };
    set_helper(op, helper);
    op.ins.w = w;
    if let Some(offset) = offset {
        op.imm = offset | u64::from(instr.far_branch_selector()) << 32;
    }
    true
}

fn ports(instr: &Instruction, op: &mut Op) -> bool {
    use Helper as H;
    let (helper, w) = match instr.code() {
        Code::In_AL_imm8 | Code::In_AL_DX => (H::In, Width::B),
        Code::In_AX_imm8 | Code::In_AX_DX => (H::In, Width::W),
        Code::In_EAX_imm8 | Code::In_EAX_DX => (H::In, Width::D),
        Code::Out_imm8_AL | Code::Out_DX_AL => (H::Out, Width::B),
        Code::Out_imm8_AX | Code::Out_DX_AX => (H::Out, Width::W),
        Code::Out_imm8_EAX | Code::Out_DX_EAX => (H::Out, Width::D),
        Code::Insb_m8_DX => (H::Ins, Width::B),
        Code::Insw_m16_DX => (H::Ins, Width::W),
        Code::Insd_m32_DX => (H::Ins, Width::D),
        Code::Outsb_DX_m8 => (H::Outs, Width::B),
        Code::Outsw_DX_m16 => (H::Outs, Width::W),
        Code::Outsd_DX_m32 => (H::Outs, Width::D),
        _ => return false,
    };
    set_helper(op, helper);
    op.ins.w = w;
    if matches!(helper, H::Ins | H::Outs) {
        op.ins.w2 = string_address(instr);
    }
    true
}

/// FXSAVE and the XSAVE family: the width says whether pointers have 64 bits.
fn saved(instr: &Instruction, mode: Mode, op: &mut Op) -> bool {
    use Helper as H;
    use Mnemonic as M;
    let (helper, sub, wide) = match instr.mnemonic() {
        M::Fxsave => (H::Fxsave, 0, false),
        M::Fxsave64 => (H::Fxsave, 0, true),
        M::Fxrstor => (H::Fxrstor, 0, false),
        M::Fxrstor64 => (H::Fxrstor, 0, true),
        M::Xsave => (H::Xsave, 0, false),
        M::Xsave64 => (H::Xsave, 0, true),
        M::Xsaveopt => (H::Xsave, 1, false),
        M::Xsaveopt64 => (H::Xsave, 1, true),
        M::Xsavec => (H::Xsave, 2, false),
        M::Xsavec64 => (H::Xsave, 2, true),
        M::Xrstor => (H::Xrstor, 0, false),
        M::Xrstor64 => (H::Xrstor, 0, true),
        _ => return false,
    };
    set_helper(op, helper);
    op.ins.sub = sub;
    op.ins.w = if wide && mode.code == CodeSize::Bits64 { Width::Q } else { Width::D };
    true
}
