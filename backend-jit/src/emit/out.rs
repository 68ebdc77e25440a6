//! Ways out: blocks that write what memory does not have yet and leave in front of an op. They are most of the code, so those that write the
//! same do it in one block, and those that leave alike end in one; what only one way out needs stands in its own block.

use super::pending::Unwritten;
use super::slots::{LATE, Late, SLOTS, Slot};
use super::{Emit, Exit, FlagState, State, V};
use crate::clif::{Area, Asm, Block, Value};
use crate::code::Symbol;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::algebra::{Arith, Bin};
use frontend_x86::op::Width;
use std::mem::{offset_of, size_of};

/// Why code is left in front of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The interpreter is to execute it.
    Interpret,
    /// It is a conditional jump that is taken: see [`super::stubs::linked`].
    Linked,
    /// Nobody expected to come here: see [`backend_interp::profile`].
    Unexpected,
    /// Its access is not in the page that it was expected in: see [`super::share`].
    Apart,
    /// Its access is in a page that the TLB does not have, or is not in the page that was expected: a [`Range`] tells.
    Missed,
}

/// Which of the slots that are written late a way out writes.
pub type Told = [bool; LATE.len()];

/// What ways out have in common that end in the same block: why code is left, in front of an op of which trace, and what is written late.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    why: Why,
    member: usize,
    late: Told,
}

/// The end of ways out: a block, and its parameters, as [`Emit::told`] gives them.
pub struct Tail {
    block: Block,
    told: Vec<Value>,
}

impl Tail {
    /// For ways out that tell as much as this one.
    fn like(asm: &mut Asm, told: &[Value]) -> Self {
        let block = asm.cold_block();
        Tail { block, told: told.iter().map(|_| asm.parameter(block)).collect() }
    }
}

/// What an access checks: that a byte and one `more` behind it are in the page that the TLB has for the first.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The address of the first.
    pub first: V,
    /// How far behind it the last one is.
    pub more: u64,
}

/// Ways out that write the same, and then end alike.
struct Group {
    exits: Vec<Exit>,
    flags: FlagState,
    ending: Ending,
    unwritten: Unwritten,
}

impl Group {
    /// Whether they write nothing before they end.
    fn only_ends(&self) -> bool {
        self.flags == FlagState::Slots && self.unwritten.is_empty()
    }

    /// How many ways lead to the end that they have.
    fn ends(&self) -> usize {
        if self.only_ends() { self.exits.len() } else { 1 }
    }
}

impl Emit<'_, '_> {
    /// Fills the blocks of all ways out.
    pub(super) fn build_exits(&mut self) {
        let mut groups: Vec<Group> = Vec::new();
        for exit in std::mem::take(&mut self.exits) {
            let Exit { flags, why, member, late, .. } = exit;
            let ending = Ending { why, member, late: late.map(|v| v.is_some()) };
            let unwritten = exit.pending.map(|pending| self.unwritten(&pending, flags)).unwrap_or_default();
            let like =
                |group: &&mut Group| (group.flags, group.ending) == (flags, ending) && group.unwritten == unwritten;
            match groups.iter_mut().rev().find(like) {
                Some(group) => group.exits.push(exit),
                None => groups.push(Group { exits: vec![exit], flags, ending, unwritten }),
            }
        }
        let ends = |ending: Ending| -> usize { groups.iter().filter(|g| g.ending == ending).map(Group::ends).sum() };
        let alone: Vec<bool> =
            groups.iter().map(|g| !self.tails.contains_key(&g.ending) && ends(g.ending) == 1).collect();
        for (group, alone) in groups.iter().zip(alone) {
            self.build_group(group, alone);
        }
        for (ending, Tail { block, told }) in std::mem::take(&mut self.tails) {
            self.asm.at(block);
            self.end(ending, &told);
        }
    }

    /// Fills the blocks of ways out that write the same. `alone`: nobody else ends like them.
    fn build_group(&mut self, group: &Group, alone: bool) {
        if group.only_ends() || group.exits.len() == 1 {
            for exit in &group.exits {
                self.asm.at(exit.block);
                let told = self.told(exit.at, exit.range, exit.late);
                self.build_end(group, alone, &told);
            }
            return;
        }
        let mut tail = None;
        for exit in &group.exits {
            self.asm.at(exit.block);
            let told = self.told(exit.at, exit.range, exit.late);
            let Tail { block, .. } = tail.get_or_insert_with(|| Tail::like(self.asm, &told));
            self.asm.jump(*block, &told);
        }
        if let Some(Tail { block, told }) = tail {
            self.asm.at(block);
            self.build_end(group, alone, &told);
        }
    }

    /// Writes what a group of ways out writes, and ends it.
    fn build_end(&mut self, group: &Group, alone: bool, told: &[Value]) {
        if !group.only_ends() {
            self.write_out(&group.unwritten);
            self.state = State { flags: group.flags, slots: [Slot::Memory; SLOTS], ..State::new() };
            self.flags_to_slots();
            self.flush();
        }
        if alone { self.end(group.ending, told) } else { self.leave(group.ending, told) }
    }

    /// The end of a way out. Memory has everything but what is told.
    fn end(&mut self, Ending { why, member, late }: Ending, told: &[Value]) {
        let late = LATE.iter().zip(late).rev().filter(|(_, is_told)| *is_told);
        for ((slot, _), v) in late.zip(told.iter().rev()) {
            self.store_slot(*slot, *v);
        }
        self.tell_unexpected(why, told);
        let first = V::Value(self.op_address(member, 0));
        let op = self.add(Width::Q, first, V::Value(told[0]));
        let op = self.value_of(op);
        if why == Why::Linked {
            let code = self.asm.symbol(Symbol::Linked);
            self.asm.tail_call(code, self.run, op);
        } else {
            self.asm.leave(op);
        }
    }

    /// Has the engine know of a way out that was not expected.
    fn tell_unexpected(&mut self, why: Why, told: &[Value]) {
        let first = |emit: &mut Self| V::Value(emit.asm.symbol(Symbol::Op { member: 0, op: 0 }));
        let apart = |emit: &mut Self| {
            let first = first(emit);
            emit.add(Width::Q, first, V::Const(Run::APART))
        };
        let unexpected = match (why, told) {
            (Why::Unexpected, _) => first(self),
            (Why::Apart, _) => apart(self),
            (Why::Missed, [_, first, last, ..]) => {
                let differ = self.bin(Bin::Xor, Width::Q, V::Value(*first), V::Value(*last));
                let pages = self.bin(Bin::And, Width::Q, differ, V::Const(!0xfff));
                let (elsewhere, apart) = (self.is_nonzero(Width::Q, pages), apart(self));
                self.select(Width::Q, elsewhere, apart, V::Const(0))
            }
            _ => return,
        };
        let unexpected = self.value_of(unexpected);
        self.asm.store(Area::Own, Width::Q, self.run, offset_of!(Run, unexpected) as i32, unexpected);
    }

    /// What a way out tells: the op's place in its trace, in bytes, the addresses of its range's first and last byte, and what is
    /// written late.
    fn told(&mut self, at: usize, range: Option<Range>, late: Late) -> Vec<Value> {
        let mut told = vec![self.asm.constant((at * size_of::<TracedOp>()) as u64)];
        if let Some(Range { first, more }) = range {
            let last = self.add(Width::Q, first, V::Const(more));
            told.extend([self.value_of(first), self.value_of(last)]);
        }
        told.extend(late.into_iter().flatten().map(|v| self.value_of(v)));
        told
    }

    /// Leaves in front of an op. Memory has everything.
    pub(super) fn leave_at(&mut self, why: Why, member: usize, at: usize) {
        let told = self.told(at, None, Late::default());
        self.leave(Ending { why, member, late: Told::default() }, &told);
    }

    /// Goes to the block in which all ways out end that do so alike.
    fn leave(&mut self, ending: Ending, told: &[Value]) {
        let asm = &mut *self.asm;
        let tail = self.tails.entry(ending).or_insert_with(|| Tail::like(asm, told)).block;
        self.asm.jump(tail, told);
    }
}
