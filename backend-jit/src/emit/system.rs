//! System instructions that kernels execute at every turn, as code: PUSHF, POPF, CLI, STI, SWAPGS, and what reads segment registers.
//! Where one asks for something unusual (a privilege level that may not, flags that are seldom changed, an interrupt that could
//! come from now on), the interpreter executes it. It also does all of them in real and in V86 mode, which have rules of their own.

use super::{Emit, FlagState, V};
use crate::clif::Area;
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Access, Algebra, Arith, Bin};
use frontend_x86::cpu::{Bounds, CodeSize, Mode};
use frontend_x86::flags::{FlagKind, Flags, rflags};
use frontend_x86::helper::Helper;
use frontend_x86::op::{Form, Func, Ins, Kind, Op, Width, reg};
use frontend_x86::sem::stack::{probe_push, push_value, stack_form};
use lyrebird_core::cpu::segment::{SegReg, Segment};
use lyrebird_core::{CpuState, Signals};
use std::mem::{offset_of, size_of};

const Q: Width = Width::Q;
const CPU: usize = offset_of!(Run, cpu);
const STATE: usize = CPU + offset_of!(Cpu, state);
const SYSTEM_FLAGS: i32 = (CPU + offset_of!(Cpu, system_flags)) as i32;
const SIGNALS: i32 = offset_of!(Run, signals) as i32;
const KERNEL_GS_BASE: i32 = (STATE + offset_of!(CpuState, kernel_gs_base)) as i32;
const GS_BOUNDS_BASE: i32 =
    (CPU + offset_of!(Cpu, bounds) + SegReg::Gs as usize * size_of::<Bounds>() + offset_of!(Bounds, base)) as i32;
/// The bits of a segment's attributes that hold its DPL; SS's is the privilege level.
const DPL: u64 = 3 << 5;

/// Where a part of a segment register lies.
fn place(seg: usize, part: usize) -> i32 {
    (STATE + offset_of!(CpuState, seg) + seg * size_of::<Segment>() + part) as i32
}

/// Whether an op is compiled here.
pub fn compiles(op: &Op, mode: Mode) -> bool {
    if op.ins.func != Func::Helper || mode.real {
        return false;
    }
    match op.helper {
        h if h == Helper::Swapgs as u16 => mode.code == CodeSize::Bits64,
        h if h == Helper::MovFromSreg as u16 => op.ins.k0 == Kind::Reg,
        h => [Helper::Pushf, Helper::Popf, Helper::Cli, Helper::Sti, Helper::PushSreg].iter().any(|c| h == *c as u16),
    }
}

impl Emit<'_, '_> {
    /// The current op, of which [`compiles`] has said that it is one of these.
    pub(super) fn system(&mut self) {
        match self.op.helper {
            h if h == Helper::Pushf as u16 => self.pushf(),
            h if h == Helper::Popf as u16 => self.popf(),
            h if h == Helper::Cli as u16 => self.cli(),
            h if h == Helper::Sti as u16 => self.sti(),
            h if h == Helper::Swapgs as u16 => self.swapgs(),
            h if h == Helper::PushSreg as u16 => self.push_segment(),
            _ => {
                let selector = self.load_own(Width::W, place(usize::from(self.op.r1), offset_of!(Segment, selector)));
                self.set_reg(self.op.r0, self.op.ins.w, selector);
            }
        }
    }

    fn store_own(&mut self, offset: i32, v: V) {
        let v = self.value_of(v);
        self.asm.store(Area::Own, Q, self.run, offset, v);
    }

    /// How the op uses the stack, which it does not say itself.
    fn on_stack(&self) -> Ins {
        let form = if self.mode.flat { Form::Flat32 } else { Form::Seg32 };
        Ins { w2: self.mode.stack, form, ..self.op.ins }
    }

    /// Not zero outside level 0.
    fn level(&mut self) -> V {
        let attributes = self.load_own(Width::D, place(SegReg::Ss as usize, offset_of!(Segment, attributes)));
        self.bin(Bin::And, Q, attributes, V::Const(DPL))
    }

    /// Not zero if some controller has an interrupt.
    fn interrupt(&mut self) -> V {
        let signals = self.load_own(Q, SIGNALS);
        let signals = self.value_of(signals);
        let bits = self.asm.load(Area::Own, Width::D, signals, 0);
        self.bin(Bin::And, Q, V::Value(bits), V::Const(Signals::INTR.into()))
    }

    fn exit_if_any(&mut self, bits: &[V]) {
        let Some(all) = bits.iter().copied().reduce(|l, r| self.bin(Bin::Or, Q, l, r)) else { return };
        let some = self.is_nonzero(Q, all);
        self.exit_if(some);
    }

    fn pushf(&mut self) {
        let i = self.on_stack();
        let Ok((place, sp)) = probe_push(self, i, i.w);
        let system = self.load_own(Q, SYSTEM_FLAGS);
        let system = self.bin(Bin::And, Q, system, V::Const(!(rflags::VM | rflags::RF)));
        let word = self.flags_word();
        let flags = self.bin(Bin::Or, Q, system, word);
        push_value(self, i, i.w, place, sp, flags);
    }

    /// The arithmetic flags and IF: others mostly stay as they are.
    fn popf(&mut self) {
        let i = self.on_stack();
        let sp = self.reg(reg::RSP, i.w2);
        let Ok(place) = self.probe(stack_form(i), SegReg::Ss as u8, sp, i.w, Access::Read);
        let new = self.load(i.w, place);
        let system = self.load_own(Q, SYSTEM_FLAGS);
        let differ = self.bin(Bin::Xor, Q, system, new);
        let others = i.w.mask() & !(rflags::ARITHMETIC | rflags::VM | rflags::RF | rflags::IF);
        let others = self.bin(Bin::And, Q, differ, V::Const(others));
        let resume = self.bin(Bin::And, Q, system, V::Const(rflags::RF));
        let level = self.level();
        self.exit_if_any(&[others, resume, level]);
        let interrupt = self.interrupt();
        let enabled = self.bin(Bin::Shr, Q, new, V::Const(rflags::IF.trailing_zeros().into()));
        let now = self.bin(Bin::And, Q, enabled, interrupt);
        self.exit_if_any(&[now]);
        let differ = self.bin(Bin::And, Q, differ, V::Const(rflags::IF));
        let system = self.bin(Bin::Xor, Q, system, differ);
        self.store_own(SYSTEM_FLAGS, system);
        let aux = self.bin(Bin::And, Q, new, V::Const(rflags::ARITHMETIC));
        let zero = V::Const(0);
        self.state.flags = FlagState::Known(Flags { kind: FlagKind::Word, w: Q, res: zero, src: zero, aux });
        let sp = self.add(i.w2, sp, V::Const(i.w.bytes()));
        self.set_reg(reg::RSP, i.w2, sp);
    }

    fn cli(&mut self) {
        let level = self.level();
        self.exit_if_any(&[level]);
        let system = self.load_own(Q, SYSTEM_FLAGS);
        let system = self.bin(Bin::And, Q, system, V::Const(!rflags::IF));
        self.store_own(SYSTEM_FLAGS, system);
    }

    /// While there is no interrupt, nobody sees that it would have to wait for one more instruction, if that is known.
    fn sti(&mut self) {
        let ops = self.region.members[self.member].ops;
        if ops.get(self.at + 1).is_none_or(|next| next.len == 0) {
            return self.call_interpreter();
        }
        let (level, interrupt) = (self.level(), self.interrupt());
        self.exit_if_any(&[level, interrupt]);
        let system = self.load_own(Q, SYSTEM_FLAGS);
        let system = self.bin(Bin::Or, Q, system, V::Const(rflags::IF));
        self.store_own(SYSTEM_FLAGS, system);
    }

    fn swapgs(&mut self) {
        let level = self.level();
        self.exit_if_any(&[level]);
        let base = place(SegReg::Gs as usize, offset_of!(Segment, base));
        let (old, new) = (self.load_own(Q, base), self.load_own(Q, KERNEL_GS_BASE));
        self.store_own(KERNEL_GS_BASE, old);
        self.store_own(base, new);
        self.store_own(GS_BOUNDS_BASE, new);
    }

    /// Of 32 bits only the lower half is written.
    fn push_segment(&mut self) {
        let i = self.on_stack();
        let part = if i.w == Width::D { Width::W } else { i.w };
        let sp = self.reg(reg::RSP, i.w2);
        let sp = self.sub(i.w2, sp, V::Const(i.w.bytes()));
        let Ok(at) = self.probe(stack_form(i), SegReg::Ss as u8, sp, part, Access::Write);
        let selector = self.load_own(Width::W, place(usize::from(self.op.r0), offset_of!(Segment, selector)));
        self.store(part, at, selector);
        self.set_reg(reg::RSP, i.w2, sp);
    }
}
