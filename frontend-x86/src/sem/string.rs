//! MOVS, STOS, LODS, CMPS, SCAS with and without REP: `w` is the item's width, `w2` the addresses'. One run of the function
//! is one iteration, which is restartable; an engine may do many at once by [`Algebra::string_block`].

use crate::algebra::{Access, Algebra, Outcome};
use crate::flags::{FlagKind, Flags};
use crate::op::{Form, Ins, bits, reg};

const ES: u8 = 0;

#[inline(always)]
fn repeats(i: Ins) -> bool {
    i.has(bits::REP) || i.has(bits::REPNE)
}

/// What an index register moves by: the item's size, negative if DF is set.
#[inline(always)]
fn step<A: Algebra>(a: &mut A, i: Ins) -> A::V {
    let down = a.direction();
    let (plus, minus) = (a.k(i.w2, i.w.bytes()), a.k(i.w2, i.w.bytes().wrapping_neg()));
    a.select(i.w2, down, minus, plus)
}

/// The form of the ES side. In 64-bit mode it has no base, whatever the source's segment is.
#[inline(always)]
fn destination_form(i: Ins) -> Form {
    i.form
}

#[inline(always)]
fn advance<A: Algebra>(a: &mut A, i: Ins, r: u8, at: A::V, step: A::V) {
    let next = a.add(i.w2, at, step);
    a.set_reg(r, i.w2, next);
}

/// Counts down. True: there is more to do.
#[inline(always)]
fn count_down<A: Algebra>(a: &mut A, i: Ins) -> A::C {
    let count = a.reg(reg::RCX, i.w2);
    let one = a.k(i.w2, 1);
    let count = a.sub(i.w2, count, one);
    a.set_reg(reg::RCX, i.w2, count);
    a.is_nonzero(i.w2, count)
}

/// Whether there is nothing to do. With 32-bit addresses in 64-bit mode even that clears RCX's upper half.
#[inline(always)]
fn count_is_zero<A: Algebra>(a: &mut A, i: Ins) -> A::C {
    let count = a.reg(reg::RCX, i.w2);
    if i.has(bits::ADDR32) {
        a.set_reg(reg::RCX, i.w2, count);
    }
    a.is_zero(i.w2, count)
}

macro_rules! begin {
    ($a:ident, $i:ident) => {
        if repeats($i) {
            let none = count_is_zero($a, $i);
            if let Some(flow) = $a.skip_if(none) {
                return Ok(flow);
            }
            if $a.string_block($i) {
                let count = $a.reg(reg::RCX, $i.w2);
                let more = $a.is_nonzero($i.w2, count);
                return Ok($a.again_if(more));
            }
        }
    };
}

macro_rules! end {
    ($a:ident, $i:ident) => {
        if repeats($i) {
            let more = count_down($a, $i);
            return Ok($a.again_if(more));
        }
        return Ok($a.next())
    };
}

/// MOVS.
#[inline(always)]
pub fn movs<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    begin!(a, i);
    let (si, di) = (a.reg(reg::RSI, i.w2), a.reg(reg::RDI, i.w2));
    let seg = a.op().seg;
    let from = a.probe(i.form, seg, si, i.w, Access::Read)?;
    let to = a.probe(destination_form(i), ES, di, i.w, Access::Write)?;
    let v = a.load(i.w, from);
    a.store(i.w, to, v);
    let step = step(a, i);
    advance(a, i, reg::RSI, si, step);
    advance(a, i, reg::RDI, di, step);
    end!(a, i);
}

/// STOS.
#[inline(always)]
pub fn stos<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    begin!(a, i);
    let di = a.reg(reg::RDI, i.w2);
    let to = a.probe(destination_form(i), ES, di, i.w, Access::Write)?;
    let v = a.reg(reg::RAX, i.w);
    a.store(i.w, to, v);
    let step = step(a, i);
    advance(a, i, reg::RDI, di, step);
    end!(a, i);
}

/// LODS.
#[inline(always)]
pub fn lods<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    begin!(a, i);
    let si = a.reg(reg::RSI, i.w2);
    let seg = a.op().seg;
    let from = a.probe(i.form, seg, si, i.w, Access::Read)?;
    let v = a.load(i.w, from);
    a.set_reg(reg::RAX, i.w, v);
    let step = step(a, i);
    advance(a, i, reg::RSI, si, step);
    end!(a, i);
}

/// The end of a comparison: REPE goes on while equal, REPNE while not. Only the last one sets the flags: if a later one
/// faults, they are as they were before the instruction (SDM vol. 2, REP).
#[inline(always)]
fn compared<A: Algebra>(a: &mut A, i: Ins, l: A::V, r: A::V) -> Outcome<A> {
    let w = i.w;
    let res = a.sub(w, l, r);
    let zero = a.k(w, 0);
    let flags = Flags { kind: FlagKind::Sub, w, res, src: r, aux: zero };
    if !repeats(i) {
        a.set_flags(flags);
        return Ok(a.next());
    }
    let more = count_down(a, i);
    let equal = a.is_zero(w, res);
    let wanted = if i.has(bits::REPNE) { a.not(equal) } else { equal };
    let again = a.and(more, wanted);
    let last = a.not(again);
    a.when(last, move |a| a.set_flags(flags));
    Ok(a.again_if(again))
}

/// CMPS. Processors look at the ES side first.
#[inline(always)]
pub fn cmps<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    if repeats(i) {
        let none = count_is_zero(a, i);
        if let Some(flow) = a.skip_if(none) {
            return Ok(flow);
        }
    }
    let (si, di) = (a.reg(reg::RSI, i.w2), a.reg(reg::RDI, i.w2));
    let seg = a.op().seg;
    let right = a.probe(destination_form(i), ES, di, i.w, Access::Read)?;
    let left = a.probe(i.form, seg, si, i.w, Access::Read)?;
    let (l, r) = (a.load(i.w, left), a.load(i.w, right));
    let step = step(a, i);
    advance(a, i, reg::RSI, si, step);
    advance(a, i, reg::RDI, di, step);
    compared(a, i, l, r)
}

/// SCAS.
#[inline(always)]
pub fn scas<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    if repeats(i) {
        let none = count_is_zero(a, i);
        if let Some(flow) = a.skip_if(none) {
            return Ok(flow);
        }
    }
    let di = a.reg(reg::RDI, i.w2);
    let right = a.probe(destination_form(i), ES, di, i.w, Access::Read)?;
    let (l, r) = (a.reg(reg::RAX, i.w), a.load(i.w, right));
    let step = step(a, i);
    advance(a, i, reg::RDI, di, step);
    compared(a, i, l, r)
}
