//! Stack frames that lie across two pages. Where the stack begins is chosen at random, so in some starts of a program the frames of its hottest
//! functions do, and all that they access would have to look for its page: here both pages are looked for at once, for all that is
//! certain to follow, and an access only chooses one of two places in the host's memory. See [`super::Member::apart`] for how it is
//! known which frames these are.

use super::share::{Origin, REACH, is_short};
use super::{C, Emit, V};
use crate::clif::Value;
use frontend_x86::algebra::{Access, Arith, Bin, Cmp};
use frontend_x86::op::{Form, Width, reg};

const Q: Width = Width::Q;
/// Where the second page begins if there is only one: farther back than any frame reaches.
const NOWHERE: i64 = -1 << 30;

/// Bytes of a stack frame that lie in one page or in two next to one another.
#[derive(Clone, Copy)]
pub struct Frame {
    /// From where to where, counted from the root.
    lo: i64,
    hi: i64,
    short: bool,
    writes: bool,
    /// The address that lies `at` from the root.
    linear: V,
    at: i64,
    /// How far behind that the second page begins; and where the host has that address if it is in the first one, and in the second.
    pages: [Value; 3],
}

/// The alignment of a stack that a frame's root is seen to have.
const fn alignment(short: bool) -> u64 {
    if short { 4 } else { 8 }
}

impl Frame {
    /// The same range, counted from [`Frame::linear`].
    fn range(&self) -> [i64; 2] {
        [self.lo, self.hi].map(|end| end.wrapping_sub(self.at))
    }

    /// Whether no access of `w` that lies so far from the root can be in both pages.
    fn is_whole(&self, from: i64, w: Width) -> bool {
        w.bytes() <= alignment(self.short) && from as u64 & (w.bytes() - 1) == 0
    }

    /// Whether an access may be a part of it, or of one that is a little larger.
    fn takes(&self, form: Form, o: Origin, to: i64) -> bool {
        (is_short(form) || !self.short && !o.short)
            && to.saturating_sub(self.lo) <= REACH
            && self.hi.saturating_sub(o.add) <= REACH
    }
}

impl Emit<'_, '_> {
    /// The host address of an access to a stack frame of which it is known that it lies in two pages at times.
    pub(super) fn framed(&mut self, form: Form, linear: V, w: Width, access: Access) -> Option<Value> {
        let o = self.sharing(form, linear).filter(|o| self.is_of(reg::RSP, o.root))?;
        let known = *self.state.shares.frame(o.root)?;
        let to = o.add.checked_add(w.bytes() as i64)?;
        let frame = match known.filter(|f| f.takes(form, o, to)) {
            Some(f) if f.lo <= o.add && to <= f.hi && (f.writes || !access.writes()) => f,
            known => self.frame(form, linear, o, to, access, known),
        };
        if let Some(known) = self.state.shares.frame(o.root) {
            *known = Some(frame);
        }
        let [second, low, high] = frame.pages.map(V::Value);
        let on = o.add.wrapping_sub(frame.at);
        if !frame.is_whole(o.add, w) {
            let first = self.sub(Q, second, V::Const(on.wrapping_add(1) as u64));
            let in_both = self.cmp(Cmp::Ult, Q, first, V::Const(w.bytes() - 1));
            self.exit_if(in_both);
        }
        let in_second = self.cmp(Cmp::Sle, Q, second, V::Const(on as u64));
        let host = self.select(Q, in_second, high, low);
        let host = self.add(Q, host, V::Const(on as u64));
        Some(self.value_of(host))
    }

    /// The frame of an access and of all that is certain to follow around its root, with what is known of it already.
    fn frame(&mut self, form: Form, linear: V, o: Origin, to: i64, access: Access, known: Option<Frame>) -> Frame {
        let range = known.map_or((o.add, to), |f| (f.lo.min(o.add), f.hi.max(to)));
        let look = self.ahead(form, o, range, true);
        let access = if look.writes { Access::Write } else { access };
        let (lo, hi) = look.range;
        // What follows leaves if the TLB does not know a page.
        self.flush_for_exit();
        if let Some(known) = known.filter(|f| f.writes || !access.writes()) {
            let wider = Frame { lo, hi, ..known };
            let [was, is] = [known, wider].map(|f| self.ends(f.linear, f.range()));
            let [first, last] = [0, 1].map(|end| self.bin(Bin::Xor, Q, was[end], is[end]));
            let differ = self.bin(Bin::Or, Q, first, last);
            let same = self.cmp(Cmp::Ult, Q, differ, V::Const(4096));
            let same = self.truth_of(same);
            let pages = self.seldom(same, known.pages, |emit| emit.pages(wider.linear, wider.range(), access));
            return Frame { pages, ..wider };
        }
        let (short, at) = (o.short || is_short(form), o.add);
        let crooked = self.bin(Bin::Sub, Q, linear, V::Const(at as u64));
        let crooked = self.bin(Bin::And, Q, crooked, V::Const(alignment(short) - 1));
        let crooked = self.is_nonzero(Q, crooked);
        self.exit_if(crooked);
        let pages = self.pages(linear, [lo, hi].map(|end| end.wrapping_sub(at)), access);
        Frame { lo, hi, short, writes: access.writes(), linear, at, pages }
    }

    /// The addresses of the first and the last byte of a range that is counted from `linear`.
    fn ends(&mut self, linear: V, [from, to]: [i64; 2]) -> [V; 2] {
        [from, to - 1].map(|end| self.plus(Q, linear, end as u64))
    }

    /// Asks the TLB where a range lies that is counted from `linear`: see [`Frame::pages`]. Leaves if it does not know.
    fn pages(&mut self, linear: V, range: [i64; 2], access: Access) -> [Value; 3] {
        let [first, last] = self.ends(linear, range);
        let (entry, page) = self.tlb_page(first, access);
        let addend = self.tlb_addend(entry);
        let low = self.add(Q, linear, V::Value(addend));
        let low = self.value_of(low);
        let one = self.in_page(first, page, (range[1] - 1 - range[0]) as u64);
        let nowhere = self.asm.constant(NOWHERE as u64);
        self.seldom(one, [nowhere, low, low], |emit| {
            let there = emit.in_page(first, page, 0);
            emit.exit_if(C::Value(there, true));
            let (page, addend) = emit.look_up(last, access, None, 0);
            let [second, high] = [emit.sub(Q, V::Value(page), linear), emit.add(Q, linear, V::Value(addend))];
            [emit.value_of(second), low, emit.value_of(high)]
        })
    }
}
