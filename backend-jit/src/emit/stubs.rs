//! Code that exists once: the way in, the code of traces that have none, and the dispatcher of jumps.

use super::slots::{LEFT, TLB, place};
use crate::clif::{Area, Asm, Block, Value};
use crate::code::Function;
use backend_interp::jumps::{FACTOR, Jump, PLACE_MASK, PLACE_SHIFT, Set};
use backend_interp::run::{Run, TracedOp};
use frontend_x86::algebra::{Bin, Cmp};
use frontend_x86::op::{RIP_BASE, Width};
use frontend_x86::tlb::{ENTRIES, Entry};
use std::mem::{offset_of, size_of};

const Q: Width = Width::Q;

/// Builds the code of an entry op whose trace is not compiled: it gives the op back.
pub fn cold_code(asm: &mut Asm) {
    let (entry, op) = (asm.entry(), asm.argument(1));
    asm.at(entry);
    asm.leave(op);
}

/// Builds the entrance: `(run, op, code)`.
pub fn entrance(asm: &mut Asm) {
    let (entry, run, op, code) = (asm.entry(), asm.argument(0), asm.argument(1), asm.argument(2));
    asm.at(entry);
    let next = asm.call_trace(code, run, op);
    asm.leave(next);
}

/// Builds the dispatcher: `(run, target)`. Goes on in the trace at the RIP `target` if the cache of jumps knows it and
/// the budget, which has been charged, is not used up; else leaves.
pub fn dispatch(asm: &mut Asm) {
    let (entry, run, target) = (asm.entry(), asm.argument(0), asm.argument(1));
    asm.at(entry);
    let slow = asm.cold_block();
    let own = |asm: &mut Asm, slot: usize| asm.load(Area::Own, Q, run, place(slot).0);
    let (left, zero, on) = (own(asm, LEFT), asm.constant(0), asm.block());
    let some = asm.compare(Cmp::Sle, Q, zero, left);
    asm.branch(some, on, slow);
    asm.at(on);
    let jumping = Jumping { run, target, tlb: own(asm, TLB) };
    let step = find(asm, &jumping, slow);
    step.take(asm, run);
    asm.at(slow);
    let next = asm.call(Function::LeaveFor, &[run, target]);
    asm.leave(next);
}

/// Builds the code that takes a conditional jump inside a page: `(run, op)`. If the cache has not linked it, or the budget is
/// used up, the interpreter is to take it.
pub fn linked(asm: &mut Asm) {
    let (entry, run, op) = (asm.entry(), asm.argument(0), asm.argument(1));
    asm.at(entry);
    let (out, on, go) = (asm.cold_block(), asm.block(), asm.block());
    let target = asm.load(Area::Own, Q, op, TracedOp::WORD as i32);
    let zero = asm.constant(0);
    let known = asm.compare(Cmp::Ne, Q, target, zero);
    asm.branch(known, on, out);
    asm.at(on);
    let count = asm.load(Area::Own, Width::B, op, TracedOp::COUNT as i32);
    let left = asm.load(Area::Own, Q, run, place(LEFT).0);
    let left = asm.bin(Bin::Sub, Q, left, count);
    let some = asm.compare(Cmp::Sle, Q, zero, left);
    asm.branch(some, go, out);
    asm.at(go);
    asm.store(Area::Own, Q, run, place(LEFT).0, left);
    let code = asm.load(Area::Own, Q, target, TracedOp::WORD as i32);
    asm.tail_call(code, run, target);
    asm.at(out);
    asm.leave(op);
}

/// What a jump needs to know.
pub struct Jumping {
    /// The run.
    pub run: Value,
    /// The target's RIP.
    pub target: Value,
    /// The TLB's bank.
    pub tlb: Value,
}

/// The trace that a jump leads to.
pub struct Step {
    page: Value,
    op: Value,
    code: Value,
}

impl Step {
    /// Goes on there.
    pub fn take(self, asm: &mut Asm, run: Value) {
        asm.store(Area::Own, Q, run, place(usize::from(RIP_BASE)).0, self.page);
        asm.tail_call(self.code, run, self.op);
    }
}

/// The trace at a RIP, or on at `slow`, with nothing changed, if the cache of jumps does not know it. See
/// [`backend_interp::jumps::JumpCache::find`].
pub fn find(asm: &mut Asm, j: &Jumping, slow: Block) -> Step {
    let Jumping { run, target, tlb } = *j;
    let with = |asm: &mut Asm, op: Bin, v: Value, by: u64| {
        let by = asm.constant(by);
        asm.bin(op, Q, v, by)
    };
    let unless = |asm: &mut Asm, c: Value, out| {
        let on = asm.block();
        asm.branch(c, on, out);
        asm.at(on);
    };
    let own = |asm: &mut Asm, at: Value, offset: usize| asm.load(Area::Own, Q, at, offset as i32);

    let spread = with(asm, Bin::Mul, target, FACTOR as u64);
    let place = with(asm, Bin::Shr, spread, u64::from(PLACE_SHIFT));
    let offset = with(asm, Bin::And, place, PLACE_MASK);
    let jumps = own(asm, run, offset_of!(Run, jumps));
    let jump = asm.bin(Bin::Add, Q, jumps, offset);
    let tag = own(asm, jump, offset_of!(Jump, tag));
    let known = asm.compare(Cmp::Eq, Q, target, tag);
    unless(asm, known, slow);

    let size = size_of::<Entry>() as u64;
    let rotated = with(asm, Bin::Ror, target, 12 - u64::from(size.trailing_zeros()));
    let offset = with(asm, Bin::And, rotated, (ENTRIES as u64 - 1) * size);
    let mapping = asm.bin(Bin::Add, Q, tlb, offset);
    let there = own(asm, mapping, offset_of!(Entry, execute));
    let then = own(asm, jump, offset_of!(Jump, page));
    let same = asm.compare(Cmp::Eq, Q, there, then);
    unless(asm, same, slow);

    let page = with(asm, Bin::And, target, !0xfff);
    let op = own(asm, jump, offset_of!(Jump, op));
    let code = own(asm, jump, offset_of!(Jump, code));
    Step { page, op, code }
}

const _: () = assert!(
    size_of::<Set>() == 2 * size_of::<Jump>()
        && size_of::<Jump>().is_power_of_two()
        && size_of::<Entry>().is_power_of_two()
);
