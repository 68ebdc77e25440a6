//! The second half of a translation, when all traces of the region are there: which slots each wants handed over, and with
//! that the edges and the side exits.

use super::slots::{SLOTS, Slot};
use super::{Emit, State};
use crate::clif::{Block, Value};

/// The block that a trace begins in, and what it is handed over there.
pub struct Head {
    /// The block.
    pub block: Block,
    /// Whether it is handed anything over: otherwise it loads what it wants.
    pub carries: bool,
    /// There is one way to it, from a trace before it, whose state holds here.
    pub inherits: bool,
    /// That state, and the trace whose beginning its fresh slots mean.
    pub inherited: Option<(State, usize)>,
    /// Its parameters by slot.
    pub params: [Option<Value>; SLOTS],
    /// The slots that have parameters, in the parameters' order.
    pub order: Vec<usize>,
}

impl Head {
    /// Nothing handed over.
    pub fn new(block: Block) -> Self {
        Head { block, carries: false, inherits: false, inherited: None, params: [None; SLOTS], order: Vec::new() }
    }
}

impl Emit<'_, '_> {
    /// Fills in whatever was only noted.
    pub(super) fn finish(&mut self) {
        self.propagate_demand();
        self.begin();
        self.build_edges();
        for exit in std::mem::take(&mut self.exits) {
            self.asm.at(exit.block);
            self.state = State { flags: exit.flags, slots: [Slot::Memory; SLOTS], ..State::new() };
            self.flags_to_slots();
            self.flush();
            if exit.apart {
                self.count_apart();
            }
            let op = self.op_address(exit.member, exit.at);
            self.asm.leave(op);
        }
    }

    /// Whoever goes on to a trace that wants a slot, and has not got it from elsewhere, wants it too.
    fn propagate_demand(&mut self) {
        loop {
            let mut changed = false;
            for n in 0..self.edges.len() {
                let (from, to) = (self.edges[n].from, self.edges[n].to);
                if !self.heads[from].carries {
                    continue;
                }
                for k in 0..self.heads[to].order.len() {
                    let slot = self.heads[to].order[k];
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

    /// The function's first block: loads what the first trace wants.
    fn begin(&mut self) {
        let entry = self.asm.entry();
        self.asm.at(entry);
        let order = std::mem::take(&mut self.heads[0].order);
        let values: Vec<Value> = order.iter().map(|slot| self.load_slot(*slot)).collect();
        self.asm.jump(self.heads[0].block, &values);
        self.heads[0].order = order;
    }

    fn build_edges(&mut self) {
        for edge in std::mem::take(&mut self.edges) {
            self.asm.at(edge.block);
            let mut values = Vec::with_capacity(self.heads[edge.to].order.len());
            for k in 0..self.heads[edge.to].order.len() {
                let slot = self.heads[edge.to].order[k];
                values.push(match edge.state.slots[slot] {
                    Slot::Dirty(v) | Slot::Loaded(v) => self.value_of(v),
                    Slot::Clean(v) => v,
                    Slot::Fresh if self.heads[edge.from].carries => self.header_slot(edge.from, slot),
                    Slot::Fresh | Slot::Memory => self.load_slot(slot),
                });
            }
            self.asm.jump(self.heads[edge.to].block, &values);
        }
    }
}
