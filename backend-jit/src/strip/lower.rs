//! Steps as host code, one after the other. What is seldom stands behind everything else.

use super::registers::{OWNERS, TooMany, Where, find_needed, owner};
use super::step::{C, LEFT, NEXT_RIP, Place, Step, V, slot};
use super::x64::{Alu, Cond, Label, Mem, Reg, Shift, X64};
use backend_interp::hint;
use backend_interp::hot::{self, Ways};
use backend_interp::jumps::{FACTOR, Jump, PLACE_MASK, PLACE_SHIFT};
use backend_interp::profile;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::algebra::{Bin, Cmp};
use frontend_x86::op::{RIP_BASE, Width};
use frontend_x86::tlb::{ENTRIES, Entry};
use std::mem::offset_of;

const Q: Width = Width::Q;
/// The vCPU: the first argument of a handler.
pub const RUN: Reg = Reg::RDI;
/// The op: the second one. It stays the first one of the strip, until another handler goes on.
const OP: Reg = Reg::RSI;
const TLB: i32 = offset_of!(Run, tlb) as i32;
/// Bits of a linear address below its entry's offset in the bank.
const ENTRY: u32 = 12 - size_of::<Entry>().trailing_zeros();

/// What is emitted behind everything else.
#[derive(Clone, Copy)]
enum Rest {
    /// The op is executed by the interpreter.
    Slow(u16),
    /// The budget is used up at the target of its jump.
    Stop(u16),
    /// The conditional jump is taken.
    Taken(u16),
    /// The trace has been entered as often as the engine is to be told.
    Notice(Label),
}

/// Room for what is needed while steps are emitted, kept for the next time.
#[derive(Default)]
pub struct Room {
    /// The code.
    pub asm: X64,
    at: Vec<Where>,
    needed: Vec<bool>,
    rest: Vec<(Label, Rest)>,
}

/// Emits steps.
pub struct Lower<'a> {
    pub(super) asm: &'a mut X64,
    steps: &'a [Step],
    ops: &'a [TracedOp],
    ways: &'a Ways,
    /// The op that [`OP`] points to.
    first: u16,
    pub(super) at: &'a mut [Where],
    /// The values in the host's registers.
    pub(super) holds: [Option<u32>; 16],
    /// Whose values are in the vCPU's registers and flags.
    pub(super) owners: [Option<u32>; OWNERS],
    /// Registers that the current step works with.
    pub(super) busy: u16,
    /// Places below the stack pointer that are taken.
    pub(super) spilled: u32,
    op: u16,
    leave: Option<Label>,
    rest: &'a mut Vec<(Label, Rest)>,
}

/// The constant, if the host's instructions can have it in 32 bits that are sign-extended, where only these bits matter.
fn short(w: Width, v: V) -> Option<i32> {
    match (v, w) {
        (V::Step(_), _) => None,
        (V::Const(v), Width::B) => Some((v as i8).into()),
        (V::Const(v), Width::W) => Some((v as i16).into()),
        (V::Const(v), Width::D) => Some(v as i32),
        (V::Const(v), _) => i32::try_from(v as i64).ok(),
    }
}

/// Makes the code of some steps, which belong to ops of this trace from the first one on. If the last step is no jump, the op `next`
/// follows.
pub fn lower(
    room: &mut Room,
    steps: &[Step],
    ops: &[TracedOp],
    ways: &Ways,
    first: u16,
    next: u16,
) -> Result<(), TooMany> {
    let Room { asm, at, needed, rest } = room;
    asm.clear();
    rest.clear();
    find_needed(steps, at, needed);
    let (holds, owners) = ([None; 16], [None; OWNERS]);
    let mut lower =
        Lower { asm, steps, ops, ways, first, at, holds, owners, busy: 0, spilled: 0, op: first, leave: None, rest };
    lower.look_ahead(next);
    for n in (0..steps.len()).filter(|n| needed[*n]) {
        lower.step(n as u32)?;
        lower.busy = 0;
    }
    lower.end(next);
    Ok(())
}

impl Lower<'_> {
    /// Has the host load what is known of a jump's target: see [`JumpCache::expect`](backend_interp::jumps::JumpCache::expect).
    fn expect(&mut self, work: Reg, rip: Reg) {
        self.asm.multiply_constant(Q, work, rip, FACTOR);
        self.asm.shift(Shift::Shr, Q, work, PLACE_SHIFT as u8);
        self.asm.alu_constant(Alu::And, Width::D, work, PLACE_MASK as i32);
        self.asm.alu_load(Alu::Add, Q, work, Mem::at(RUN, offset_of!(Run, jumps) as i32));
        self.asm.load(Q, work, Mem::at(work, offset_of!(Jump, op) as i32));
        self.asm.prefetch(Mem::at(work, 0));
    }

    /// Where the last op's direct jump out of its page leads is known at the beginning.
    fn look_ahead(&mut self, next: u16) {
        let Some(Step::JumpTo(_)) = self.steps.last() else { return };
        let op = self.ops[usize::from(next) - 1].op();
        if op.ins.func.jumps_directly() && op.ins.func.never_goes_on() {
            self.asm.load(Q, Reg::RAX, Mem::at(RUN, slot(RIP_BASE)));
            self.asm.alu_constant(Alu::Add, Q, Reg::RAX, op.imm as i32);
            self.expect(Reg::RAX, Reg::RAX);
        }
    }

    fn end(&mut self, next: u16) {
        if !matches!(self.steps.last(), Some(Step::Jump(_) | Step::JumpTo(_))) {
            self.go_to(next);
            self.asm.jump_outside(self.ops[usize::from(next)].handler() as usize as u64);
        }
        for n in 0..self.rest.len() {
            let (label, rest) = self.rest[n];
            self.rest(label, rest);
        }
    }

    /// How far an op lies behind the one that [`OP`] points to.
    fn distance(&self, op: u16) -> i32 {
        i32::from(op - self.first) * size_of::<TracedOp>() as i32
    }

    /// Has [`OP`] point to an op, for who goes on there.
    fn go_to(&mut self, op: u16) {
        match self.distance(op) {
            0 => {}
            distance => self.asm.lea(Q, OP, Mem::at(OP, distance)),
        }
    }

    fn leave(&mut self) -> Label {
        match self.leave {
            Some(label) => label,
            None => {
                let label = self.later(Rest::Slow(self.op));
                self.leave = Some(label);
                label
            }
        }
    }

    fn later(&mut self, rest: Rest) -> Label {
        let label = self.asm.label();
        self.rest.push((label, rest));
        label
    }

    fn step(&mut self, n: u32) -> Result<(), TooMany> {
        match self.steps[n as usize] {
            Step::Op(op) => (self.op, self.leave) = (op, None),
            Step::Count => {
                let on = self.asm.label();
                let notice = self.later(Rest::Notice(on));
                self.asm.alu_memory(Alu::Sub, Width::D, Mem::at(OP, TracedOp::LEFT as i32), 1);
                self.asm.jump_if(Cond::LE, notice);
                self.asm.here(on);
            }
            Step::Own { w, at } => {
                let to = self.any()?;
                self.asm.load(w, to, Mem::at(RUN, at));
                self.give(n, to);
                self.lies(n, w, at);
            }
            Step::Bin { op, w, l, r } => self.bin(n, op, w, l, r)?,
            Step::High { signed, l, r } => {
                self.clear(Reg::RAX)?;
                self.clear(Reg::RDX)?;
                let (left, right) = (self.get(l)?, self.get(r)?);
                self.asm.mov(Q, Reg::RAX, left);
                self.asm.multiply_wide(signed, Q, right);
                self.used(l);
                self.used(r);
                self.give(n, Reg::RDX);
            }
            Step::Truncate { w, v } => {
                let from = self.get(v)?;
                self.used(v);
                let to = self.result(n, from)?;
                self.asm.zero_extend(w, to, from);
            }
            Step::Extend { from: w, to: wide, v } => {
                let from = self.get(v)?;
                self.used(v);
                let to = self.result(n, from)?;
                self.asm.sign_extend(w, wide, to, from);
            }
            Step::Swap { w, v } => {
                let from = self.get(v)?;
                let to = self.take(v, from)?;
                self.asm.swap_bytes(w, to);
                self.give(n, to);
            }
            Step::Truth(c) => {
                let to = self.any()?;
                let cond = self.test(c)?;
                self.asm.set(cond, to);
                self.asm.zero_extend(Width::B, to, to);
                self.give(n, to);
            }
            Step::Select { c, yes, no, .. } => {
                let (one, other) = (self.get(yes)?, self.get(no)?);
                let to = self.any()?;
                self.asm.mov(Q, to, other);
                let cond = self.test(c)?;
                self.asm.select(cond, to, one);
                self.used(yes);
                self.used(no);
                self.give(n, to);
            }
            Step::Page { linear, w, write } => self.page(n, linear, w, write)?,
            // It was given a register with the page.
            Step::Addend => {}
            Step::Near { offset, distance, w } => {
                let from = self.get(offset)?;
                let leave = self.leave();
                let at = match distance {
                    0 => from,
                    _ => {
                        let to = self.any()?;
                        self.asm.lea(Q, to, Mem::at(from, distance));
                        to
                    }
                };
                self.asm.alu_constant(Alu::Cmp, Q, at, 4096 - w.bytes() as i32);
                self.asm.jump_if(Cond::A, leave);
                self.used(offset);
            }
            Step::Load { w, from: Place { linear, addend } } => {
                let from = Mem { base: self.get(addend)?, index: Some(self.get(linear)?), disp: 0 };
                self.used(addend);
                self.used(linear);
                let to = self.result(n, from.base)?;
                self.asm.load(w, to, from);
            }
            Step::Store { w, to: Place { linear, addend }, v } => {
                let to = Mem { base: self.get(addend)?, index: Some(self.get(linear)?), disp: 0 };
                match short(w, v) {
                    Some(v) => self.asm.store_constant(w, to, v),
                    None => {
                        let from = self.get(v)?;
                        self.asm.store(w, to, from);
                    }
                }
                [addend, linear, v].into_iter().for_each(|v| self.used(v));
            }
            Step::Expect(rip) => {
                let (from, to) = (self.get(rip)?, self.any()?);
                self.expect(to, from);
                self.used(rip);
            }
            Step::Link => {
                let to = self.any()?;
                let leave = self.leave();
                self.asm.load(Q, to, Mem::at(OP, self.distance(self.op) + TracedOp::WORD as i32));
                self.asm.test(Q, to, to);
                self.asm.jump_if(Cond::E, leave);
                self.give(n, to);
            }
            Step::LeaveIf(c) => {
                let leave = self.leave();
                match c {
                    C::Const(false) => {}
                    C::Const(true) => self.asm.jump(leave),
                    c => {
                        let cond = self.test(c)?;
                        self.asm.jump_if(cond, leave);
                    }
                }
            }
            Step::SetOwn { w, at, v } => self.set_own(w, at, v)?,
            Step::JumpIf(c) => self.jump_if(c)?,
            Step::Jump(link) => {
                let from = self.get(link)?;
                let stop = self.later(Rest::Stop(self.op));
                self.charge(self.op);
                self.asm.jump_if(Cond::S, stop);
                self.used(link);
                self.dispatch(from);
            }
            Step::JumpTo(target) => {
                let from = self.get(target)?;
                self.asm.store(Q, Mem::at(RUN, NEXT_RIP), from);
                self.used(target);
                self.charge(self.op);
                self.asm.jump_outside(self.ways.jump as usize as u64);
            }
        }
        // What nobody uses (the link of a jump that leaves) needs no register.
        if self.at[n as usize].uses == 0
            && let Some(reg) = self.at[n as usize].reg.take()
        {
            self.holds[usize::from(reg.0)] = None;
        }
        Ok(())
    }

    /// A register for a step's value: this one if it is free by now.
    fn result(&mut self, n: u32, perhaps: Reg) -> Result<Reg, TooMany> {
        let to = match self.holds[usize::from(perhaps.0)] {
            None => perhaps,
            Some(_) => self.any()?,
        };
        self.give(n, to);
        Ok(to)
    }

    fn set_own(&mut self, w: Width, at: i32, v: V) -> Result<(), TooMany> {
        let to = Mem::at(RUN, at);
        let owner = owner(at);
        let other = owner.and_then(|owner| self.owners[owner].take());
        if let Some(other) = other
            && self.at[other as usize].home == Some(at)
        {
            // What is there may have no other place.
            if self.at[other as usize].uses > 0 {
                self.get(V::Step(other))?;
            }
            self.at[other as usize].home = None;
        }
        match short(w, v) {
            Some(v) => self.asm.store_constant(w, to, v),
            None => {
                let from = self.get(v)?;
                self.asm.store(w, to, from);
            }
        }
        if let V::Step(n) = v {
            self.lies(n, w, at);
        }
        self.used(v);
        Ok(())
    }

    /// The value of a step is in the vCPU's state, too.
    fn lies(&mut self, n: u32, w: Width, at: i32) {
        if let Some(owner) = owner(at).filter(|_| w == Q) {
            self.owners[owner] = Some(n);
            self.at[n as usize].home = Some(at);
        }
    }

    fn bin(&mut self, n: u32, op: Bin, w: Width, l: V, r: V) -> Result<(), TooMany> {
        let host = w.max(Width::D);
        let shift = match op {
            Bin::Shl => Some(Shift::Shl),
            Bin::Shr => Some(Shift::Shr),
            Bin::Sar => Some(Shift::Sar),
            Bin::Rol => Some(Shift::Rol),
            Bin::Ror => Some(Shift::Ror),
            _ => None,
        };
        let left = self.get(l)?;
        if let Some(shift) = shift {
            let V::Const(by) = r else {
                let by = self.get(r)?;
                self.used(l);
                self.used(r);
                let to = self.result(n, left)?;
                self.asm.shift_by(shift, host, to, left, by);
                return Ok(());
            };
            let to = self.take(l, left)?;
            self.asm.shift(shift, w, to, (by & u64::from(w.bits() - 1)) as u8);
            self.give(n, to);
            return Ok(());
        }
        let constant = short(host, r);
        let right = match constant {
            Some(_) => None,
            None => Some(self.get(r)?),
        };
        let is_last = |v: V, lower: &Self| matches!(v, V::Step(v) if lower.at[v as usize].uses == 1);
        let to = match (op, right, constant) {
            (Bin::Add, _, Some(by)) if w >= Width::D && !is_last(l, self) => {
                self.used(l);
                let to = self.any()?;
                self.asm.lea(host, to, Mem::at(left, by));
                to
            }
            (Bin::Add, Some(right), _) if w >= Width::D && !is_last(l, self) => {
                self.used(l);
                self.used(r);
                let to = self.any()?;
                self.asm.lea(host, to, Mem { base: left, index: Some(right), disp: 0 });
                to
            }
            (Bin::Mul, _, Some(by)) => {
                self.used(l);
                let to = self.any()?;
                self.asm.multiply_constant(host, to, left, by);
                to
            }
            _ => {
                // The operand that is not wanted any more makes room for the result.
                let swap = right.filter(|_| op != Bin::Sub && !is_last(l, self) && is_last(r, self));
                let (to, other) = match (swap, right) {
                    (Some(right), _) => {
                        let to = self.take(r, right)?;
                        self.used(l);
                        (to, Some(left))
                    }
                    (None, right) => (self.take(l, left)?, right),
                };
                let alu = match op {
                    Bin::Add => Alu::Add,
                    Bin::Sub => Alu::Sub,
                    Bin::And => Alu::And,
                    Bin::Or => Alu::Or,
                    _ => Alu::Xor,
                };
                match (other, constant) {
                    (Some(other), _) if op == Bin::Mul => self.asm.multiply(host, to, other),
                    (Some(other), _) => self.asm.alu(alu, host, to, other),
                    (None, constant) => self.asm.alu_constant(alu, host, to, constant.unwrap_or(0)),
                }
                if swap.is_none() {
                    self.used(r);
                }
                to
            }
        };
        if w < Width::D && matches!(op, Bin::Add | Bin::Sub | Bin::Mul) {
            self.asm.zero_extend(w, to, to);
        }
        self.give(n, to);
        Ok(())
    }

    fn page(&mut self, n: u32, linear: V, w: Width, write: bool) -> Result<(), TooMany> {
        let first = self.get(linear)?;
        let (entry, page) = (self.any()?, self.any()?);
        let leave = self.leave();
        self.asm.rotate(Q, entry, first, ENTRY as u8);
        self.asm.alu_constant(Alu::And, Width::D, entry, ((ENTRIES - 1) * size_of::<Entry>()) as i32);
        self.asm.alu_load(Alu::Add, Q, entry, Mem::at(RUN, TLB));
        let tag = if write { offset_of!(Entry, write) } else { offset_of!(Entry, read) };
        self.asm.mov(Q, page, first);
        self.asm.alu_load(Alu::Sub, Q, page, Mem::at(entry, tag as i32));
        self.asm.alu_constant(Alu::Cmp, Q, page, 4096 - w.bytes() as i32);
        self.asm.jump_if(Cond::A, leave);
        self.asm.load(Q, entry, Mem::at(entry, offset_of!(Entry, addend) as i32));
        self.used(linear);
        for (n, reg) in [(n, page), (n + 1, entry)] {
            if self.at[n as usize].uses > 0 {
                self.give(n, reg);
            }
        }
        Ok(())
    }

    /// Has the host's flags say whether something holds, and says by which condition.
    fn test(&mut self, c: C) -> Result<Cond, TooMany> {
        let (cond, not) = match c {
            // Nobody asks about it.
            C::Const(_) => return Err(TooMany),
            C::Cmp { cmp, w, l, r, not } => {
                let left = self.get(l)?;
                match short(w, r) {
                    Some(0) if matches!(cmp, Cmp::Eq | Cmp::Ne) => self.asm.test(w, left, left),
                    Some(v) => self.asm.alu_constant(Alu::Cmp, w, left, v),
                    None => {
                        let right = self.get(r)?;
                        self.asm.alu(Alu::Cmp, w, left, right);
                    }
                }
                self.used(l);
                self.used(r);
                let cond = match cmp {
                    Cmp::Eq => Cond::E,
                    Cmp::Ne => Cond::NE,
                    Cmp::Ult => Cond::B,
                    Cmp::Ule => Cond::BE,
                    Cmp::Slt => Cond::L,
                    Cmp::Sle => Cond::LE,
                };
                (cond, not)
            }
            C::Bit { v, bit, not } => {
                let from = self.get(v)?;
                self.asm.bit_test(from, bit);
                self.used(v);
                (Cond::B, not)
            }
        };
        Ok(if not { cond.not() } else { cond })
    }

    // ---- jumps

    fn jump_if(&mut self, c: C) -> Result<(), TooMany> {
        let cond = self.test(c)?;
        let taken = self.later(Rest::Taken(self.op));
        self.asm.jump_if(cond, taken);
        self.watch(self.op, profile::NOT_TAKEN);
        Ok(())
    }

    /// Counts which way a conditional jump goes.
    fn watch(&mut self, op: u16, one: u32) {
        let counts = Mem::at(OP, self.distance(op) + TracedOp::COUNTS as i32);
        let enough = self.asm.label();
        self.asm.test_memory(counts, profile::HIGHEST as i32);
        self.asm.skip_if(Cond::NE, enough);
        self.asm.alu_memory(Alu::Add, Width::D, counts, one as i32);
        self.asm.here(enough);
    }

    /// Charges the budget for a jump: less than zero if it is used up.
    fn charge(&mut self, op: u16) {
        let count = self.ops[usize::from(op)].count();
        self.asm.alu_memory(Alu::Sub, Q, Mem::at(RUN, LEFT), count.into());
    }

    /// Goes on with the op in a register, by its handler; all values end.
    fn dispatch(&mut self, op: Reg) {
        self.asm.mov(Q, OP, op);
        self.asm.prefetch(Mem::at(OP, hint::LINE as i32));
        self.asm.load_signed(Reg::RAX, Mem::at(OP, TracedOp::HANDLER as i32));
        self.asm.lea_outside(Reg::RCX, self.ways.origin);
        self.asm.alu(Alu::Add, Q, Reg::RAX, Reg::RCX);
        self.asm.jump_register(Reg::RAX);
    }

    fn rest(&mut self, label: Label, rest: Rest) {
        self.asm.here(label);
        match rest {
            Rest::Slow(op) => {
                self.go_to(op);
                self.asm.jump_outside(self.ways.slow as usize as u64);
            }
            Rest::Stop(op) => {
                self.go_to(op);
                self.asm.jump_outside(self.ways.stop as usize as u64);
            }
            Rest::Taken(op) => {
                self.watch(op, profile::TAKEN);
                self.go_to(op);
                let unlinked = self.ways.unlinked as usize as u64;
                let traced = &self.ops[usize::from(op)];
                if traced.op().imm >= 4096 {
                    return self.asm.jump_outside(unlinked);
                }
                let (linked, on) = (self.asm.label(), self.asm.label());
                self.asm.load(Q, Reg::RDX, Mem::at(OP, TracedOp::WORD as i32));
                self.asm.test(Q, Reg::RDX, Reg::RDX);
                self.asm.skip_if(Cond::NE, linked);
                self.asm.jump_outside(unlinked);
                self.asm.here(linked);
                self.charge(op);
                self.asm.skip_if(Cond::S.not(), on);
                self.asm.jump_outside(self.ways.stop as usize as u64);
                self.asm.here(on);
                self.dispatch(Reg::RDX);
            }
            Rest::Notice(on) => {
                self.asm.test_memory(Mem::at(OP, TracedOp::LEFT as i32), hot::AGAIN as i32 - 1);
                self.asm.jump_if(Cond::NE, on);
                self.asm.jump_outside(self.ways.notice as usize as u64);
            }
        }
    }
}
