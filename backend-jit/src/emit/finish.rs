//! The second half of a translation, when all traces of the region are there: which slots each wants handed over, and with
//! that the edges and the side exits.

use super::carried::Site;
use super::pending::{LeftFlags, Unwritten};
use super::slots::{LATE, Late, SLOTS, Slot};
use super::strides::Strides;
use super::ways::Ways;
use super::{Edge, Emit, Exit, FlagState, State, V};
use crate::clif::{Area, Block, Value};
use crate::code::Symbol;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::algebra::{Arith, Bin, Cmp};
use frontend_x86::op::Width;
use std::cmp::Reverse;
use std::mem::{offset_of, size_of};

/// The block that a trace begins in, and what it is handed over there.
pub struct Head {
    /// The block.
    pub block: Block,
    /// How it is come to.
    pub ways: Ways,
    /// The state that it inherits, and the trace whose beginning its fresh slots mean.
    pub inherited: Option<(State, usize)>,
    /// Its parameters by slot.
    pub params: [Option<Value>; SLOTS],
    /// What it is handed, in the parameters' order.
    pub order: Vec<Handed>,
    /// By how much registers move in a round of the loop that it is the beginning of, if it is one.
    pub strides: Option<Strides>,
    /// The checks that this loop carries.
    pub sites: Vec<Site>,
    /// The slots that memory may not have as they are at the beginning of a round.
    pub pending: Vec<usize>,
    /// The flags that all ways back leave, if they are not written there.
    pub flags: Option<LeftFlags>,
}

/// What a trace is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// A slot.
    Slot(usize),
    /// A check, which takes two parameters.
    Check(usize),
}

/// The end of ways out that have the same reason: a block, and its parameters, as [`Emit::told`] gives them.
pub struct Tail {
    block: Block,
    told: Vec<Value>,
}

/// Which of the slots that are written late a way out writes.
pub type Told = [bool; LATE.len()];

/// What an access checks: that a byte and one `more` behind it are in the page that the TLB has for the first.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The address of the first.
    pub first: V,
    /// How far behind it the last one is.
    pub more: u64,
}

/// Ways out that write the same.
struct Group {
    block: Block,
    /// Its parameters.
    told: Vec<Value>,
    flags: FlagState,
    why: Why,
    member: usize,
    late: Told,
    unwritten: Unwritten,
}

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

impl Head {
    /// Nothing handed over yet.
    pub fn new(block: Block, ways: Ways, strides: Option<Strides>) -> Self {
        let (params, order, sites, pending) = ([None; SLOTS], Vec::new(), Vec::new(), Vec::new());
        Head { block, ways, inherited: None, params, order, strides, sites, pending, flags: None }
    }
}

impl Emit<'_, '_> {
    /// Fills in whatever was only noted.
    pub(super) fn finish(&mut self) {
        self.find_pending();
        self.find_left_flags();
        self.propagate_demand();
        self.begin();
        self.build_edges();
        self.build_written();
        let mut groups: Vec<Group> = Vec::new();
        for exit in std::mem::take(&mut self.exits) {
            self.asm.at(exit.block);
            let Exit { flags, why, range, late, member, at, .. } = exit;
            let is_told = late.map(|v| v.is_some());
            let unwritten = exit.pending.map(|pending| self.unwritten(&pending, flags)).unwrap_or_default();
            let told = self.told(at, range, late);
            if flags == FlagState::Slots && unwritten.is_empty() {
                self.leave(why, member, is_told, &told);
                continue;
            }
            let like = |group: &&Group| {
                (group.flags, group.why, group.member, group.late) == (flags, why, member, is_told)
                    && group.unwritten == unwritten
            };
            let block = match groups.iter().rev().find(like) {
                Some(group) => group.block,
                None => {
                    let block = self.asm.cold_block();
                    let params = told.iter().map(|_| self.asm.parameter(block)).collect();
                    let late = is_told;
                    groups.push(Group { block, told: params, flags, why, member, late, unwritten });
                    block
                }
            };
            self.asm.jump(block, &told);
        }
        for Group { block, told, flags, why, member, late, unwritten } in groups {
            self.asm.at(block);
            self.write_out(&unwritten);
            self.state = State { flags, slots: [Slot::Memory; SLOTS], ..State::new() };
            self.flags_to_slots();
            self.flush();
            self.leave(why, member, late, &told);
        }
        let tails = std::mem::take(&mut self.tails);
        for ((why, member, late), Tail { block, told }) in tails {
            self.asm.at(block);
            let late = LATE.iter().zip(late).rev().filter(|(_, is_told)| *is_told);
            for ((slot, _), v) in late.zip(told.iter().rev()) {
                self.store_slot(*slot, *v);
            }
            self.tell_unexpected(why, &told);
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
        self.leave(why, member, Told::default(), &told);
    }

    fn leave(&mut self, why: Why, member: usize, late: Told, told: &[Value]) {
        let asm = &mut *self.asm;
        let new = || {
            let block = asm.cold_block();
            Tail { block, told: told.iter().map(|_| asm.parameter(block)).collect() }
        };
        let tail = self.tails.entry((why, member, late)).or_insert_with(new).block;
        self.asm.jump(tail, told);
    }

    /// Whoever goes on to a trace that wants a slot, and has not got it from elsewhere, wants it too.
    fn propagate_demand(&mut self) {
        loop {
            let mut changed = false;
            for n in 0..self.edges.len() {
                let (from, to) = (self.edges[n].from, self.edges[n].to);
                if !self.heads[from].ways.carries {
                    continue;
                }
                for k in 0..self.heads[to].order.len() {
                    let Handed::Slot(slot) = self.heads[to].order[k] else { continue };
                    if self.edges[n].state.slots[slot] == Slot::Fresh && self.heads[from].params[slot].is_none() {
                        self.header_slot(from, slot);
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// The function's first block goes to the trace that is entered; blocks before those load what they want.
    fn begin(&mut self) {
        let entry = self.asm.entry();
        self.asm.at(entry);
        if !self.region.closed {
            self.count();
        }
        // Those that are entered most are compared with first.
        let mut entries = self.region.entries();
        entries.sort_by_key(|member| Reverse(self.region.members[usize::from(*member)].count));
        let Some((last, others)) = entries.split_last() else { return };
        let op = V::Value(self.asm.argument(1));
        for member in others {
            let entry = V::Value(self.asm.symbol(Symbol::Op { member: *member, op: 0 }));
            let same = self.cmp(Cmp::Eq, Width::Q, op, entry);
            let (here, on) = (self.asm.block(), self.asm.block());
            self.branch(same, here, on);
            self.asm.at(here);
            self.go_on(usize::from(*member), None);
            self.asm.at(on);
        }
        self.go_on(usize::from(*last), None);
    }

    /// Counts that the region is entered, and leaves again when that was often.
    fn count(&mut self) {
        let op = self.asm.argument(1);
        let left = TracedOp::LEFT as i32;
        let count = V::Value(self.asm.load(Area::Own, Width::D, op, left));
        let last = self.cmp(Cmp::Eq, Width::D, V::Const(1), count);
        let (often, on) = (self.asm.cold_block(), self.asm.block());
        self.branch(last, often, on);
        self.asm.at(often);
        let none = self.asm.constant(0);
        self.asm.store(Area::Own, Width::D, op, left, none);
        let told = self.add(Width::Q, V::Value(op), V::Const(Run::OFTEN));
        let told = self.value_of(told);
        self.asm.store(Area::Own, Width::Q, self.run, offset_of!(Run, unexpected) as i32, told);
        self.asm.leave(op);
        self.asm.at(on);
        self.asm.count_down(op, left);
    }

    fn build_edges(&mut self) {
        for mut edge in std::mem::take(&mut self.edges) {
            self.asm.at(edge.block);
            self.write_back(&mut edge);
            self.go_on(edge.to, Some(&edge));
        }
    }

    /// Jumps to a trace with what it is handed, on this way or from outside.
    fn go_on(&mut self, to: usize, way: Option<&Edge>) {
        let mut values = Vec::new();
        for k in 0..self.heads[to].order.len() {
            match self.heads[to].order[k] {
                Handed::Slot(slot) => values.push(match way.map(|way| (way.state.slots[slot], way.from)) {
                    Some((Slot::Dirty(v) | Slot::Loaded(v), _)) => self.value_of(v),
                    Some((Slot::Clean(v), _)) => v,
                    Some((Slot::Fresh, from)) if self.heads[from].ways.carries => self.header_slot(from, slot),
                    _ => self.load_slot(slot),
                }),
                Handed::Check(n) => {
                    let (page, addend) = self.hand_on(to, n, way, &values);
                    values.extend([page, addend]);
                }
            }
        }
        self.asm.jump(self.heads[to].block, &values);
    }
}
