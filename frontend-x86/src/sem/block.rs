//! REP MOVS and REP STOS as block operations on plain RAM: as many iterations at once as lie in one page on each side. Whatever is
//! unusual (a copy onto itself, a page that is not there) stops, with nothing changed, and is done one by one.

use crate::algebra::{Access, Algebra, Bin, Cmp};
use crate::op::{Form, Func, Ins, Width, reg};

const Q: Width = Width::Q;
const ES: u8 = 0;
const PAGE: u64 = 4096;

/// What blocks need of an algebra.
pub trait Blocks: Algebra {
    /// Whether addresses count down. May stop if they do, and then says that they do not.
    fn counts_down(&mut self) -> Result<bool, Self::Stop>;
    /// Stops if `c` holds.
    fn stop_if(&mut self, c: Self::C) -> Result<(), Self::Stop>;
    /// How many of `n` items, more than none, are done at once, where there is room for `room`: all or some. Stops if that is none.
    fn fitting(&mut self, n: Self::V, room: Self::V) -> Result<Self::V, Self::Stop>;
    /// What is left of `count` after `n` of [`Blocks::fitting`].
    fn left_over(&mut self, w: Width, count: Self::V, n: Self::V) -> Self::V;
    /// How many bytes of items from that at an offset on, upwards or downwards, lie inside the segment and do not wrap. `None`: at
    /// least as many as in the page.
    fn room_in_segment(&mut self, i: Ins, seg: u8, offset: Self::V, access: Access, down: bool) -> Option<Self::V>;
    /// Where probed memory lies on the host.
    fn host_address(&mut self, p: Self::P) -> Self::V;
    /// The place so many bytes below one, in the same page.
    fn below(&mut self, p: Self::P, bytes: Self::V) -> Self::P;
    /// Copies, as if all was read before anything is written.
    fn copy(&mut self, to: Self::P, from: Self::P, bytes: Self::V);
    /// Fills with items of width `w`.
    fn fill(&mut self, w: Width, to: Self::P, bytes: Self::V, item: Self::V);
}

/// Does some iterations, of a count that is not zero, or all. Stops if it has done none.
#[inline(always)]
pub fn block<A: Blocks>(a: &mut A, i: Ins) -> Result<(), A::Stop> {
    let down = a.counts_down()?;
    let count = a.reg(reg::RCX, i.w2);
    let di = a.reg(reg::RDI, i.w2);
    let (to, mut n) = side(a, i, (ES, di), count, Access::Write, down)?;
    if i.func == Func::Movs {
        let si = a.reg(reg::RSI, i.w2);
        let seg = a.op().seg;
        let from;
        (from, n) = side(a, i, (seg, si), n, Access::Read, down)?;
        let bytes = bytes_of(a, i, n);
        let (t, f) = (a.host_address(to), a.host_address(from));
        let distance = if down { a.sub(Q, f, t) } else { a.sub(Q, t, f) };
        // A copy onto itself repeats a pattern.
        let onto_itself = a.cmp(Cmp::Ult, Q, distance, bytes);
        a.stop_if(onto_itself)?;
        let (to, from) = (lowest(a, i, to, bytes, down), lowest(a, i, from, bytes, down));
        a.copy(to, from, bytes);
        let si = moved(a, i, si, bytes, down);
        a.set_reg(reg::RSI, i.w2, si);
    } else {
        let item = a.reg(reg::RAX, i.w);
        let bytes = bytes_of(a, i, n);
        let to = lowest(a, i, to, bytes, down);
        a.fill(i.w, to, bytes, item);
    }
    let bytes = bytes_of(a, i, n);
    let di = moved(a, i, di, bytes, down);
    a.set_reg(reg::RDI, i.w2, di);
    let left = a.left_over(i.w2, count, n);
    a.set_reg(reg::RCX, i.w2, left);
    Ok(())
}

/// Finds one side's memory, that of the first item, and how many of `n` items of it are done.
#[inline(always)]
fn side<A: Blocks>(
    a: &mut A,
    i: Ins,
    (seg, at): (u8, A::V),
    n: A::V,
    access: Access,
    down: bool,
) -> Result<(A::P, A::V), A::Stop> {
    let shift = a.k(Q, u64::from(i.w.bytes().trailing_zeros()));
    let mut n = n;
    if let Some(room) = a.room_in_segment(i, seg, at, access, down) {
        let room = a.bin(Bin::Shr, Q, room, shift);
        n = a.fitting(n, room)?;
    }
    let place = a.probe(i.form, seg, at, i.w, access)?;
    let host = a.host_address(place);
    let inside = a.k(Q, PAGE - 1);
    let offset = a.bin(Bin::And, Q, host, inside);
    let room = if down {
        let (last, item) = (a.k(Q, PAGE - i.w.bytes()), a.k(Q, i.w.bytes()));
        let across = a.cmp(Cmp::Ult, Q, last, offset);
        a.stop_if(across)?;
        a.add(Q, offset, item)
    } else {
        let page = a.k(Q, PAGE);
        a.sub(Q, page, offset)
    };
    let room = a.bin(Bin::Shr, Q, room, shift);
    Ok((place, a.fitting(n, room)?))
}

/// Where the lowest of some items lies, by the place of the first.
#[inline(always)]
fn lowest<A: Blocks>(a: &mut A, i: Ins, first: A::P, bytes: A::V, down: bool) -> A::P {
    if !down {
        return first;
    }
    let item = a.k(Q, i.w.bytes());
    let others = a.sub(Q, bytes, item);
    a.below(first, others)
}

/// An index register behind some bytes.
#[inline(always)]
fn moved<A: Blocks>(a: &mut A, i: Ins, index: A::V, bytes: A::V, down: bool) -> A::V {
    if down { a.sub(i.w2, index, bytes) } else { a.add(i.w2, index, bytes) }
}

#[inline(always)]
fn bytes_of<A: Blocks>(a: &mut A, i: Ins, n: A::V) -> A::V {
    let shift = a.k(Q, u64::from(i.w.bytes().trailing_zeros()));
    a.bin(Bin::Shl, Q, n, shift)
}

/// How many bytes of items from that at an offset on addresses of this width and form reach, in a segment with these bounds.
pub fn reach(i: Ins, offset: u64, low: u64, high: u64, down: bool) -> u64 {
    let (mut begin, mut end) = match i.w2 {
        Width::W => (0, 1 << 16),
        Width::D => (0, 1 << 32),
        _ => (0, u64::MAX),
    };
    if matches!(i.form, Form::Seg16 | Form::Seg32) {
        (begin, end) = (low, end.min(high));
    }
    match (offset.checked_sub(begin), end.checked_sub(offset)) {
        (Some(below), Some(above)) if down && above >= i.w.bytes() => below.saturating_add(i.w.bytes()),
        (Some(_), Some(above)) if !down => above,
        _ => 0,
    }
}
