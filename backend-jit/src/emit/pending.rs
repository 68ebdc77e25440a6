//! Slots that a short loop keeps in host registers only, and does not write to memory round by round: they are written on its ways out.
//! Elsewhere slots are written before whatever may leave, which keeps ways out short; in a loop of a few instructions half of
//! the host's would be such stores.
//!
//! Flags that a comparison at a round's end has made are not made at all: its operands are there, in the next round's registers. Whether there was
//! a round before, the budget tells: memory has the one that the loop was entered with.
//!
//! What is pending at the beginning of a round is known when the whole region is there: whatever a way back to it has changed. So ways out,
//! and the places where all is written after all, are only noted, and built at the end.

use super::slots::{AUX, LEFT, RES, SHAPE, SLOTS, SRC, Slot, Slots};
use super::{Edge, Emit, FlagState, State, V};
use crate::clif::Block;
use frontend_x86::algebra::{Arith, Bin, Cmp};
use frontend_x86::flags::{FlagKind, Flags};
use frontend_x86::op::Width;

/// What was known of the slots at a place in a round, and the trace that the round begins with.
#[derive(Clone, Copy)]
pub struct Pending {
    slots: Slots,
    root: usize,
}

/// A place where memory gets all that it has not got: a block to be built, and the one behind it.
pub struct Written {
    block: Block,
    next: Block,
    pending: Pending,
    flags: FlagState,
}

/// The flags that the ways back to a loop leave, over what its rounds begin with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LeftFlags {
    flags: Flags<V>,
    /// How the result is to be made, if it has not been.
    result: Option<(Bin, Width, V, V)>,
}

/// What a way out has to write.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Unwritten {
    slots: Vec<(usize, V)>,
    /// The flags of the round before, whose beginning this is.
    flags_of: Option<usize>,
}

impl Unwritten {
    /// Whether that is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Unwritten::default()
    }
}

impl Emit<'_, '_> {
    /// What a way out from the current op has to write.
    pub(super) fn pending(&self) -> Option<Pending> {
        debug_assert!(self.state.pending || !self.before.pending, "written, and then left with what was before");
        self.before.pending.then_some(Pending { slots: self.before.slots, root: self.root })
    }

    /// Memory gets what earlier rounds have changed, and this one.
    pub(super) fn write_pending(&mut self) {
        let (block, next) = (self.asm.block(), self.asm.block());
        self.asm.jump(block, &[]);
        self.asm.at(next);
        let State { slots, flags, .. } = self.state;
        self.written.push(Written { block, next, pending: Pending { slots, root: self.root }, flags });
        self.state.pending = false;
        for slot in &mut self.state.slots {
            if let Slot::Dirty(v) = *slot {
                *slot = Slot::Loaded(v);
            }
        }
        // The round may have begun with flags that nobody has made.
        for slot in [SHAPE, RES, SRC, AUX] {
            if self.state.slots[slot] == Slot::Fresh {
                self.state.slots[slot] = Slot::Memory;
            }
        }
    }

    /// Finds out what the ways back to loops leave pending: what they have changed and hand on in registers anyway. The rest is not worth a
    /// register from round to round.
    pub(super) fn find_pending(&mut self) {
        for Edge { state, to, .. } in self.edges.iter().filter(|edge| edge.state.pending) {
            let head = &mut self.heads[*to];
            let changed = |slot: &usize| matches!(state.slots[*slot], Slot::Dirty(_)) && head.params[*slot].is_some();
            let changed: Vec<usize> = (0..SLOTS).filter(changed).filter(|slot| !head.pending.contains(slot)).collect();
            head.pending.extend(changed);
        }
    }

    /// Finds the flags that all ways back to a loop leave, if they need not be written: nobody but ways out looks at them.
    pub(super) fn find_left_flags(&mut self) {
        for to in 0..self.heads.len() {
            let head = &self.heads[to];
            let looked_at = [SHAPE, RES, SRC, AUX].iter().any(|slot| head.params[*slot].is_some());
            if looked_at || !head.pending.contains(&LEFT) {
                continue;
            }
            let ways = self.edges.iter().filter(|way| way.to == to && way.state.pending);
            let flags: Vec<Option<LeftFlags>> = ways.map(|way| self.left_flags(way)).collect();
            self.heads[to].flags =
                flags.first().copied().flatten().filter(|first| flags.iter().all(|f| *f == Some(*first)));
        }
    }

    fn left_flags(&self, way: &Edge) -> Option<LeftFlags> {
        let FlagState::Known(f) = way.state.flags else { return None };
        if f.kind == FlagKind::Word {
            return None;
        }
        // The register that hands it on.
        let handed = |v: V| match v {
            V::Const(_) => Some(v),
            V::Value(value) => (0..LEFT).find_map(|slot| {
                let here = way.state.slots[slot].known()?;
                self.heads[way.to].params[slot].filter(|_| here == V::Value(value)).map(V::Value)
            }),
        };
        let part = |wanted: bool, v: V| if wanted { handed(v) } else { Some(V::Const(0)) };
        let src = part(f.wants_src(), f.src)?;
        let aux = part(f.wants_aux(), f.aux)?;
        let (res, result) = match self.tested(f.res) {
            Some((op, w, l, r)) => (V::Const(0), Some((op, w, handed(l)?, handed(r)?))),
            None => (handed(f.res)?, None),
        };
        Some(LeftFlags { flags: Flags { res, src, aux, ..f }, result })
    }

    /// What memory has not got at such a place.
    pub(super) fn unwritten(&self, Pending { slots, root }: &Pending, flags: FlagState) -> Unwritten {
        let head = &self.heads[*root];
        let unwritten = |slot: usize| match slots[slot] {
            Slot::Dirty(v) => Some((slot, v)),
            Slot::Fresh | Slot::Clean(_) if head.pending.contains(&slot) => {
                head.params[slot].map(|v| (slot, V::Value(v)))
            }
            _ => None,
        };
        // Those of before still count, all of them or some.
        let as_before = slots[SHAPE] == Slot::Fresh && !matches!(flags, FlagState::Known(_));
        let flags_of = Some(*root).filter(|_| as_before && head.flags.is_some());
        Unwritten { slots: (0..SLOTS).filter_map(unwritten).collect(), flags_of }
    }

    /// Writes that.
    pub(super) fn write_out(&mut self, unwritten: &Unwritten) {
        let Some((root, LeftFlags { mut flags, result })) =
            unwritten.flags_of.and_then(|root| Some((root, self.heads[root].flags?)))
        else {
            return self.write_slots(&unwritten.slots);
        };
        let entered_with = self.load_slot(LEFT);
        self.write_slots(&unwritten.slots);
        let left = self.header_slot(root, LEFT);
        let first = self.cmp(Cmp::Eq, Width::Q, V::Value(entered_with), V::Value(left));
        let (later, done) = (self.asm.cold_block(), self.asm.block());
        self.branch(first, done, later);
        self.asm.at(later);
        if let Some((op, w, l, r)) = result {
            flags.res = self.bin(op, w, l, r);
        }
        let state = std::mem::replace(
            &mut self.state,
            State { flags: FlagState::Known(flags), slots: [Slot::Memory; SLOTS], ..State::new() },
        );
        self.flags_to_slots();
        self.flush();
        self.state = state;
        self.asm.jump(done, &[]);
        self.asm.at(done);
    }

    /// Writes what a way back has changed and is not pending.
    pub(super) fn write_back(&mut self, way: &mut Edge) {
        if way.state.pending && self.heads[way.to].flags.is_none() && !self.sets_flags_first(way.to) {
            self.state = way.state;
            self.flags_to_slots();
            way.state = self.state;
        }
        let unwritten = |slot: usize| match way.state.slots[slot] {
            Slot::Dirty(v) if !self.heads[way.to].pending.contains(&slot) => Some((slot, v)),
            _ => None,
        };
        let unwritten: Vec<(usize, V)> = (0..SLOTS).filter_map(unwritten).collect();
        self.write_slots(&unwritten);
    }

    /// Writes slots.
    fn write_slots(&mut self, slots: &[(usize, V)]) {
        for (slot, v) in slots {
            let v = self.value_of(*v);
            self.store_slot(*slot, v);
        }
    }

    /// Builds the places where all is written.
    pub(super) fn build_written(&mut self) {
        for Written { block, next, pending, flags } in std::mem::take(&mut self.written) {
            self.asm.at(block);
            let unwritten = self.unwritten(&pending, flags);
            self.write_out(&unwritten);
            self.asm.jump(next, &[]);
        }
    }
}
