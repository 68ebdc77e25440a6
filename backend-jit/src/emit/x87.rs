//! x87 instructions as code: their memory operands are moved here, and for the rest their own function is called with the
//! unit alone ([`frontend_x86::x87::bare`]). It touches nothing else, so what is in host registers stays there. The commonest do without it
//! mostly ([`quick`]).
//!
//! Where the unit may not be used, an exception waits, or one is not masked, the interpreter goes on.

mod quick;
mod stack;

use super::{Emit, FlagState, V};
use crate::clif::Area;
use crate::code::Symbol;
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Access, Algebra, Arith};
use frontend_x86::flags::{FlagKind, Flags};
use frontend_x86::helper::{Helper, LEAVES};
use frontend_x86::op::{Func, Op, RIP_BASE, Width, reg};
use frontend_x86::x87::bare::{Leaf, Operand, told};
use frontend_x86::x87::unit::{EXCEPTIONS, UNAVAILABLE, fsw};
use lyrebird_core::CpuState;
use lyrebird_core::cpu::segment::{SegReg, Segment};
use lyrebird_core::cpu::x87::X87;
use std::mem::{offset_of, size_of};

const STATE: usize = offset_of!(Run, cpu) + offset_of!(Cpu, state);
const X: usize = STATE + offset_of!(CpuState, x87);
const CR0: i32 = (STATE + offset_of!(CpuState, cr0)) as i32;
const CONTROL: i32 = (X + offset_of!(X87, control)) as i32;
const STATUS: i32 = (X + offset_of!(X87, status)) as i32;

/// What is known of the unit at a place in the code.
#[derive(Clone, Copy, Default)]
pub struct Known {
    /// It may be used, every exception is masked, and none waits.
    ready: bool,
    /// FCS is the code segment's selector.
    cs: bool,
    /// FDS is this segment's.
    ds: Option<u8>,
    stack: stack::Stack,
}

/// The leaf that an op calls, if it is one of these.
pub fn leaf(op: &Op) -> Option<&'static Leaf> {
    if op.ins.func != Func::Helper {
        return None;
    }
    LEAVES.get(usize::from(op.helper))?.as_ref()
}

/// Whether an op is compiled here.
pub fn compiles(op: &Op) -> bool {
    is_wait(op) || leaf(op).is_some()
}

fn is_wait(op: &Op) -> bool {
    op.ins.func == Func::Helper && op.helper == Helper::Fwait as u16
}

impl Emit<'_, '_> {
    /// The current op, of which [`compiles`] has said that it is one of these.
    pub(super) fn x87(&mut self) {
        self.ready_or_exit();
        if is_wait(&self.op) {
            return;
        }
        if self.quick() {
            return;
        }
        let Some(leaf) = leaf(&self.op) else { return };
        let (access, w) = match leaf.operand {
            Operand::Load16 | Operand::Control16 => (Access::Read, Width::W),
            Operand::Load32 => (Access::Read, Width::D),
            Operand::Load64 => (Access::Read, Width::Q),
            // A few bytes too many are looked for: in the same page they mostly are, or else the interpreter knows better.
            Operand::Load80 => (Access::Read, Width::X),
            Operand::Store16 | Operand::StoreWord => (Access::Write, Width::W),
            Operand::Store32 => (Access::Write, Width::D),
            Operand::Store64 => (Access::Write, Width::Q),
            Operand::Store80 => (Access::Write, Width::X),
            Operand::Nothing | Operand::Condition | Operand::Flags | Operand::Ax => return self.in_registers(leaf),
        };
        let i = self.op.ins;
        let offset = self.address(i);
        let Ok(place) = self.probe(i.form, self.op.seg, offset, w, access);
        match leaf.operand {
            Operand::Load80 => {
                let ten = self.asm.room(2);
                let low = self.asm.load(Area::Guest, Width::Q, place, 0);
                let high = self.asm.load(Area::Guest, Width::W, place, 8);
                self.asm.store(Area::Own, Width::Q, ten, 0, low);
                self.asm.store(Area::Own, Width::Q, ten, 8, high);
                self.call_leaf(V::Value(ten));
            }
            Operand::Store80 => {
                let ten = self.asm.room(2);
                self.call_leaf(V::Value(ten));
                let low = self.asm.load(Area::Own, Width::Q, ten, 0);
                let high = self.asm.load(Area::Own, Width::Q, ten, 8);
                self.asm.store(Area::Guest, Width::Q, place, 0, low);
                self.asm.store(Area::Guest, Width::W, place, 8, high);
            }
            _ if access == Access::Read => {
                let raw = self.asm.load(Area::Guest, w, place, 0);
                self.call_leaf(V::Value(raw));
            }
            _ => {
                let result = self.call_leaf(V::Const(0));
                self.store(w, place, result);
            }
        }
        match leaf.operand {
            Operand::StoreWord => {}
            Operand::Control16 => self.state.unit.ready = false,
            _ => {
                self.note();
                self.note_memory(offset);
            }
        }
    }

    fn in_registers(&mut self, leaf: &Leaf) {
        match leaf.operand {
            Operand::Ax => {
                let word = self.status();
                return self.set_reg(reg::RAX, Width::W, word);
            }
            Operand::Condition => {
                let holds = self.condition(self.op.ins.sub);
                let holds = self.value(holds);
                self.call_leaf(holds);
            }
            Operand::Flags => {
                let flags = self.call_leaf(V::Const(0));
                self.note_flags(flags);
            }
            _ => {
                self.call_leaf(V::Const(0));
            }
        }
        self.note();
    }

    /// These are the arithmetic flags now.
    fn note_flags(&mut self, aux: V) {
        let zero = V::Const(0);
        let word = Flags { kind: FlagKind::Word, w: Width::Q, res: zero, src: zero, aux };
        self.state.flags = FlagState::Known(word);
    }

    fn call_leaf(&mut self, last: V) -> V {
        self.state.unit.stack = Default::default();
        let unit = self.add(Width::Q, V::Value(self.run), V::Const(X as u64));
        let [unit, told, last] = [unit, V::Const(told(&self.op)), last].map(|v| self.value_of(v));
        V::Value(self.asm.call_symbol(Symbol::Leaf(self.op.helper), &[unit, told, last]))
    }

    fn ready_or_exit(&mut self) {
        if self.state.unit.ready {
            return;
        }
        let exceptions = u64::from(EXCEPTIONS);
        self.demand(Width::Q, CR0, UNAVAILABLE, 0);
        self.demand(Width::W, CONTROL, exceptions, exceptions);
        self.demand(Width::W, STATUS, u64::from(fsw::ES), 0);
        self.state.unit.ready = true;
    }

    /// FOP, FIP and FCS.
    fn note(&mut self) {
        let fop = self.asm.constant(u64::from(self.op.fop));
        self.asm.store(Area::Own, Width::W, self.run, (X + offset_of!(X87, opcode)) as i32, fop);
        let base = self.read(usize::from(RIP_BASE));
        let rip = self.add(Width::Q, base, V::Const(u64::from(self.op.offset)));
        let rip = self.truncate(self.mode.ip_width(), rip);
        let rip = self.value_of(rip);
        self.asm.store(Area::Own, Width::Q, self.run, (X + offset_of!(X87, ip)) as i32, rip);
        if !self.state.unit.cs {
            self.note_selector(SegReg::Cs as u8, offset_of!(X87, cs));
            self.state.unit.cs = true;
        }
    }

    /// FDP and FDS.
    fn note_memory(&mut self, offset: V) {
        let offset = self.value_of(offset);
        self.asm.store(Area::Own, Width::Q, self.run, (X + offset_of!(X87, dp)) as i32, offset);
        if self.state.unit.ds != Some(self.op.seg) {
            self.note_selector(self.op.seg, offset_of!(X87, ds));
            self.state.unit.ds = Some(self.op.seg);
        }
    }

    fn note_selector(&mut self, seg: u8, to: usize) {
        let from = STATE + offset_of!(CpuState, seg) + usize::from(seg) * size_of::<Segment>();
        let selector = from + offset_of!(Segment, selector);
        let selector = self.asm.load(Area::Own, Width::W, self.run, selector as i32);
        self.asm.store(Area::Own, Width::W, self.run, (X + to) as i32, selector);
    }
}
