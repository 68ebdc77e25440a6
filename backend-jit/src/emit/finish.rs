//! The second half of a translation, when all traces of the region are there: which slots each wants handed over, and with
//! that the edges and the side exits.

use super::carried::Site;
use super::pending::LeftFlags;
use super::slots::{SLOTS, Slot};
use super::strides::Strides;
use super::ways::Ways;
use super::{Edge, Emit, State, V};
use crate::clif::{Area, Block, Value};
use crate::code::Symbol;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::algebra::{Arith, Cmp};
use frontend_x86::op::Width;
use std::cmp::Reverse;
use std::mem::offset_of;

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
        self.build_exits();
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
