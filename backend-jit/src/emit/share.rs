//! TLB checks shared between accesses near one another: stack frames, structures, pushes. A value remembers which other
//! value it is a constant away from ([`Origin`]); when an access lies a few bytes from one that has been checked, it is
//! enough to see that both are in the same page; and the first looks ahead and checks for those that follow, too: the TLB's
//! entry for the first byte has the page of the last one.
//!
//! If they are not, the interpreter goes on from there. Where this happens often (a stack frame lies across two pages), the region is
//! compiled again, and from that op on all that lies a constant away looks for itself whether it is in the page of an earlier check, or, if it is
//! the stack, which of two pages it is in ([`super::frames`]): see [`super::Member::apart`].

use super::frames::Frame;
use super::out::{Range, Why};
use super::slots::{Slot, TLB};
use super::{Emit, V};
use crate::clif::{Block, Value};
use frontend_x86::algebra::{Access, Arith, Bin};
use frontend_x86::op::{Form, RIP_BASE, Width};

const Q: Width = Width::Q;
/// How many checks are remembered.
const SHARES: usize = 4;
/// How many roots are remembered around which accesses are in two pages at times.
const ALONE: usize = 2;
/// How far apart accesses may be that share a check.
pub const REACH: i64 = 512;
/// What a value is: `root + add`, modulo 2^32 if `short`. The root of constants is zero.
#[derive(Clone, Copy)]
pub struct Origin {
    pub root: V,
    pub add: i64,
    pub short: bool,
}

/// A check that has been made: the bytes from `lo` to `hi`, counted from `root`, are in one page.
#[derive(Clone, Copy)]
struct Share {
    root: V,
    short: bool,
    writes: bool,
    lo: i64,
    hi: i64,
    /// The address that lies `at` from the root, and how far from it the host has it.
    linear: V,
    at: i64,
    addend: Value,
}

/// A range that one check is to serve.
pub struct Expected {
    linear: V,
    pub origin: Origin,
    /// Counted from its root.
    pub lo: i64,
    hi: i64,
    writes: bool,
}

impl Expected {
    /// What the check is to be for.
    pub fn access(&self, first: Access) -> Access {
        if self.writes { Access::Write } else { first }
    }

    /// How far the last byte is behind the first one.
    pub fn more(&self) -> u64 {
        (self.hi - 1 - self.lo) as u64
    }

    /// Nothing but the access itself.
    pub fn is_single(&self, w: Width) -> bool {
        self.hi - self.lo == w.bytes() as i64
    }
}

/// The checks that hold here.
#[derive(Clone, Copy, Default)]
pub struct Shares {
    known: [Option<Share>; SHARES],
    next: usize,
    /// Roots around which each access looks which page it is in.
    alone: [Option<Alone>; ALONE],
}

/// A root around which accesses are in two pages at times.
#[derive(Clone, Copy)]
struct Alone {
    root: V,
    /// If it is the stack's: which pages these are, as far as that has been found out.
    frame: Option<Frame>,
}

impl Shares {
    /// See [`Alone::frame`]; nothing, if accesses around this root are expected in one page.
    pub fn frame(&mut self, root: V) -> Option<&mut Option<Frame>> {
        self.alone.iter_mut().flatten().find(|alone| alone.root == root).map(|alone| &mut alone.frame)
    }
}

/// Whether linear addresses are sums of 32 bits.
pub const fn is_short(form: Form) -> bool {
    matches!(form, Form::Flat32 | Form::Seg32)
}

/// Whether they are counted from a segment's base.
pub const fn has_base(form: Form) -> bool {
    matches!(form, Form::A64Seg | Form::Seg32)
}

impl Emit<'_, '_> {
    /// What a value is.
    pub(super) fn origin(&self, v: V) -> Origin {
        match v {
            V::Const(add) => Origin { root: V::Const(0), add: add as i64, short: false },
            V::Value(value) => self.origins.get(&value).copied().unwrap_or(Origin { root: v, add: 0, short: false }),
        }
    }

    /// An address a few bytes on: counted from what it was itself counted from, which saves an addition.
    pub(super) fn plus(&mut self, w: Width, v: V, more: u64) -> V {
        if more != 0
            && let Origin { root, add, short } = self.origin(v)
            && (w == Width::D || !short)
        {
            let sum = (add as u64).wrapping_add(more) & w.mask();
            return self.bin_once(Bin::Add, w, root, V::Const(sum));
        }
        self.bin_once(Bin::Add, w, v, V::Const(more))
    }

    /// Notes that `sum` is `v` plus a constant, in `w`.
    pub(super) fn note_sum(&mut self, w: Width, sum: V, v: V, add: u64) {
        let add = match w {
            Width::D => i64::from(add as i32),
            Width::Q => add as i64,
            _ => return,
        };
        if let V::Value(sum) = sum
            && V::Value(sum) != v
        {
            let from = self.origin(v);
            let origin = Origin { add: from.add.wrapping_add(add), short: from.short || w == Width::D, ..from };
            self.origins.insert(sum, origin);
        }
    }

    /// What an address is, if others near it may share its check.
    pub(super) fn sharing(&self, form: Form, linear: V) -> Option<Origin> {
        (form != Form::Seg16).then(|| self.origin(linear))
    }

    /// Whether accesses around this root are in two pages at times.
    fn is_alone(&self, root: V) -> bool {
        self.state.shares.alone.iter().flatten().any(|alone| alone.root == root)
    }

    /// If accesses of the current op are in two pages at times, then what follows a constant away is, too.
    pub(super) fn note_alone(&mut self, linear: V) {
        if self.region.members[self.member].checks_apart(self.at) {
            let root = self.origin(linear).root;
            if !self.is_alone(root) {
                let alone = &mut self.state.shares.alone;
                alone.rotate_right(1);
                alone[0] = Some(Alone { root, frame: None });
            }
        }
    }

    /// The page of an access, counted from its root, if the code says where in its page it is: constants, and addresses relative to RIP, which
    /// are counted from a page's beginning.
    fn page_of(&self, form: Form, o: Origin, bytes: u64) -> Option<i64> {
        let inside = (o.add as u64 & 0xfff) + bytes <= 4096;
        let constant = o.root == V::Const(0) && !has_base(form);
        let of_rip = form == Form::A64 && self.is_of(RIP_BASE, o.root);
        (inside && !o.short && (constant || of_rip)).then_some(o.add & !0xfff)
    }

    /// Whether what a slot holds is known to be a constant away from a root.
    pub(super) fn is_of(&self, slot: u8, root: V) -> bool {
        self.state.slots[usize::from(slot)].known().is_some_and(|v| self.origin(v).root == root)
    }

    /// The host address of an access that shares an earlier check, if there is one to share. Leaves if the access is in
    /// another page after all.
    pub(super) fn shared(&mut self, form: Form, linear: V, w: Width, access: Access) -> Option<Value> {
        let o = self.sharing(form, linear)?;
        if self.is_alone(o.root) {
            return self.beside(o.root, linear, w, access);
        }
        let (from, to) = (o.add, o.add.checked_add(w.bytes() as i64)?);
        let fits = |s: &Share| {
            s.root == o.root
                && (is_short(form) || !s.short && !o.short)
                && (s.writes || !access.writes())
                && (s.lo <= from && to <= s.hi
                    || to.saturating_sub(s.lo) <= REACH && s.hi.saturating_sub(from) <= REACH)
        };
        let n = (0..SHARES).find(|n| self.state.shares.known[*n].as_ref().is_some_and(fits))?;
        let mut s = self.state.shares.known[n]?;
        if from < s.lo || to > s.hi {
            let (lo, hi) = self.ahead(form, o, (from.min(s.lo), to.max(s.hi)), false).range;
            self.widen(&mut s, linear, from, (lo, hi));
            self.state.shares.known[n] = Some(s);
        }
        // In 32 bits an address is an instruction of its own; in one page distances are the same in the host's memory.
        let (near, on) = if is_short(form) { (s.linear, from.wrapping_sub(s.at)) } else { (linear, 0) };
        let host = self.add(Q, near, V::Value(s.addend));
        let host = self.add(Q, host, V::Const(on as u64));
        Some(self.value_of(host))
    }

    /// The host address of an access that is mostly in the page of an earlier check around its root, if there was one. If it is not, the TLB
    /// is asked.
    fn beside(&mut self, root: V, linear: V, w: Width, access: Access) -> Option<Value> {
        let fits = |s: &&Share| s.root == root && (s.writes || !access.writes());
        let Share { linear: near, addend, .. } = *self.state.shares.known.iter().flatten().find(fits)?;
        self.flush_for_exit();
        let page = self.bin_once(Bin::And, Q, near, V::Const(!0xfff));
        let (page, more) = (self.value_of(page), w.bytes() - 1);
        let same = self.in_page(linear, page, more);
        let addend = self.seldom(same, [addend], |emit| [emit.look_up(linear, access, None, more).1]);
        let host = self.add(Q, linear, V::Value(addend[0]));
        Some(self.value_of(host))
    }

    /// What is `known` where something holds, as it mostly does, or what is found out instead.
    pub(super) fn seldom<const N: usize>(
        &mut self,
        mostly: Value,
        known: [Value; N],
        instead: impl FnOnce(&mut Self) -> [Value; N],
    ) -> [Value; N] {
        let (other, on) = (self.asm.cold_block(), self.asm.block());
        let params = known.map(|_| self.asm.parameter(on));
        self.asm.branch_with(mostly, (on, &known), (other, &[]));
        self.asm.at(other);
        // What is loaded here is not known on the way that goes past.
        let state = self.state;
        if self.state.slots[TLB] == Slot::Fresh {
            self.state.slots[TLB] = Slot::Memory;
        }
        let found = instead(self);
        self.asm.jump(on, &found);
        self.state = state;
        self.asm.at(on);
        params
    }

    /// What an access is the first of, if its check may be shared: the bytes from its root that are expected to be accessed.
    pub(super) fn expected(&self, form: Form, linear: V, w: Width) -> Option<Expected> {
        let o = self.sharing(form, linear)?;
        let itself = (o.add, o.add.checked_add(w.bytes() as i64)?);
        let (range, writes) = if self.is_alone(o.root) {
            (itself, false)
        } else {
            let look = self.ahead(form, o, itself, false);
            (look.range, look.writes)
        };
        let (lo, hi) = match self.page_of(form, o, w.bytes()) {
            Some(page) => (page, page + 4096),
            None => range,
        };
        Some(Expected { linear, origin: o, lo, hi, writes })
    }

    /// Its first byte's address.
    pub(super) fn first(&mut self, linear: V, e: &Expected) -> V {
        self.plus(Q, linear, e.lo.wrapping_sub(e.origin.add) as u64)
    }

    /// Leaves in front of the current op: because of the range if it is in two pages, else for the interpreter.
    pub(super) fn exit_block_of_range(&mut self, first: V, more: u64) -> Block {
        self.flush_for_exit();
        let block = self.asm.cold_block();
        self.note_exit(block, Why::Missed, Some(Range { first, more }));
        block
    }

    /// Remembers a check that has just been made.
    pub(super) fn note_share(&mut self, access: Access, addend: Value, e: Expected) {
        let Expected { linear, origin: Origin { root, short, add: at }, lo, hi, .. } = e;
        let share = Share { root, short, writes: access.writes(), lo, hi, linear, at, addend };
        let shares = &mut self.state.shares;
        let place = (0..SHARES)
            .find(|n| shares.known[*n].is_some_and(|s| s.root == root && !s.writes && share.writes))
            .unwrap_or(shares.next);
        if place == shares.next {
            shares.next = (shares.next + 1) % SHARES;
        }
        shares.known[place] = Some(share);
    }

    /// Leaves unless the bytes of a range are in the page of a check, and notes them there. `linear` is the address that lies
    /// `add` from the root.
    fn widen(&mut self, s: &mut Share, linear: V, add: i64, (lo, hi): (i64, i64)) {
        for (beyond, at) in [(lo < s.lo, lo), (hi > s.hi, hi - 1)] {
            if !beyond {
                continue;
            }
            let end = self.add(Q, linear, V::Const(at.wrapping_sub(add) as u64));
            let differ = self.bin(Bin::Xor, Q, end, s.linear);
            let pages = self.bin(Bin::And, Q, differ, V::Const(!0xfff));
            let elsewhere = self.is_nonzero(Q, pages);
            let (out, on) = (self.apart_block(), self.asm.block());
            self.branch(elsewhere, out, on);
            self.asm.at(on);
        }
        (s.lo, s.hi) = (s.lo.min(lo), s.hi.max(hi));
    }

    /// The current op's exit for accesses that are not in the page that they were expected in.
    fn apart_block(&mut self) -> Block {
        if let Some(block) = self.apart {
            return block;
        }
        // Nothing has changed since the op began: all that may stop comes first.
        self.flush_for_exit();
        let block = self.asm.cold_block();
        self.apart = Some(block);
        self.note_exit(block, Why::Apart, None);
        block
    }
}
