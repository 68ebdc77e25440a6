//! TLB checks that a loop carries from round to round. What walks through memory in small steps, or stays where it is, is in the
//! same page as in the round before, mostly: so the page that it was in then, and how far from it the host has it, are handed on
//! in host registers, and an access subtracts that page instead of looking for the TLB's entry. If it is another one, the TLB is
//! asked, and what it says is carried on.
//!
//! A TLB's entry holds until somebody flushes it, which no code of a region does by itself: what calls the interpreter ends all
//! that is known of it.

use super::finish::Handed;
use super::share::Expected;
use super::{Edge, Emit, V};
use crate::clif::Value;
use frontend_x86::algebra::{Access, Arith, Bin};
use frontend_x86::op::{Form, Width};

const Q: Width = Width::Q;
/// How many checks a loop carries: each takes two host registers.
const SITES: usize = 4;
/// By how much an address may move in a round.
const STRIDE: i64 = 256;
/// No constants in an address are larger: see [`Emit::nowhere`].
const FARTHEST: i64 = 1 << 40;
/// An address that 32 bits do not reach.
const BEYOND: u64 = 1 << 40;

/// What is carried of a check: the linear page, and how far from it the host has it.
pub type Page = (Value, Value);

/// What is known of them at some place in the round.
pub type Pages = [Option<Page>; SITES];

/// A check that is carried: what its address is made of.
#[derive(Clone, Copy)]
pub struct Site {
    /// Slots, as they are at the beginning of a round.
    base: usize,
    /// The same, and a shift.
    index: Option<(usize, u8)>,
    /// In 32 bits.
    short: bool,
}

impl Emit<'_, '_> {
    /// How far the host's memory is from an access whose first byte is at `first`, and `more` behind it the last one, if its check
    /// is one that a loop carries. Whatever a way out wants has been written.
    pub(super) fn carried(
        &mut self,
        form: Form,
        first: V,
        access: Access,
        e: &Expected,
        range: Option<&Expected>,
    ) -> Option<Value> {
        let site = self.site(form, e)?;
        let head = &mut self.heads[self.root];
        let n = head.sites.len();
        if n == SITES {
            return None;
        }
        head.sites.push(site);
        head.order.push(Handed::Check(n));
        let (page, addend) = (self.asm.parameter(head.block), self.asm.parameter(head.block));
        let same = self.in_page(first, page, e.more());
        let [page, addend] = self.seldom(same, [page, addend], |emit| {
            let (page, addend) = emit.look_up(first, access, range, e.more());
            [page, addend]
        });
        self.state.carried[n] = Some((page, addend));
        Some(addend)
    }

    /// What an address is made of, if it moves little in a round of the current loop.
    fn site(&self, form: Form, e: &Expected) -> Option<Site> {
        let head = &self.heads[self.root];
        let strides = head.strides.as_ref().filter(|_| self.at < self.heads[self.member].ways.round)?;
        let short = form == Form::Flat32;
        let w = if short { Width::D } else { Q };
        let register = |v: V| -> Option<(usize, i64)> {
            let from = self.origin(v);
            let V::Value(root) = from.root else { return None };
            let slot = head.params.iter().position(|p| *p == Some(root))?;
            (short || !from.short).then_some((slot, from.add))
        };
        let root = e.origin.root;
        let (base, index, add) = match register(root) {
            Some((base, _)) => (base, None, 0),
            None => {
                let (l, r) = self.made_of(Bin::Add, w, root)?;
                let (r, scale) = match self.made_of(Bin::Shl, w, r) {
                    Some((r, V::Const(scale @ 0..=3))) => (r, scale as u8),
                    _ => (r, 0),
                };
                let ((base, add), (index, more)) = (register(l)?, register(r)?);
                (base, Some((index, scale)), add.checked_add(more.checked_mul(1 << scale)?)?)
            }
        };
        let by = |slot: usize, scale: u8| strides.of(slot)?.checked_mul(1 << scale);
        let stride = by(base, 0)?.checked_add(index.map_or(Some(0), |(slot, scale)| by(slot, scale))?)?;
        let near = [add, e.lo].iter().all(|add| (-FARTHEST..FARTHEST).contains(add));
        (stride.abs() <= STRIDE && near && (short || !e.origin.short)).then_some(Site { base, index, short })
    }

    /// What is handed on of a check on a way to a loop's beginning, behind what has been handed on there already.
    pub(super) fn hand_on(&mut self, to: usize, n: usize, way: Option<&Edge>, handed: &[Value]) -> Page {
        let known = way.filter(|way| way.from == to).and_then(|way| way.state.carried[n]);
        known.unwrap_or_else(|| (self.nowhere(to, n, handed), self.asm.constant(0)))
    }

    /// A page in which no access of the coming round is. With addresses of 32 bits there is one for all; those of 64 bits are not
    /// far from the sum of their registers, so the other half of all numbers will do.
    fn nowhere(&mut self, to: usize, n: usize, handed: &[Value]) -> Value {
        let head = &self.heads[to];
        let slot = |slot: usize| {
            let number = head.params[slot].and_then(|v| self.asm.parameter_number(head.block, v));
            V::Value(handed[number.expect("the registers come before the check")])
        };
        let Site { base, index, short } = head.sites[n];
        if short {
            return self.asm.constant(BEYOND);
        }
        let (base, index) = (slot(base), index.map(|(index, scale)| (slot(index), scale)));
        let mut sum = self.bin(Bin::Add, Q, base, V::Const(1 << 63));
        if let Some((index, scale)) = index {
            let index = self.bin(Bin::Shl, Q, index, V::Const(scale.into()));
            sum = self.bin(Bin::Add, Q, sum, index);
        }
        self.value_of(sum)
    }
}
