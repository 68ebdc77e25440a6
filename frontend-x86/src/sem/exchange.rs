//! XCHG, CMPXCHG, XADD.

use super::operand::{get, place, put, read, update};
use crate::algebra::{Access, Algebra, Cmp, Outcome, Place};
use crate::flags::{FlagKind, Flags};
use crate::op::{Ins, Kind, Width, bits, reg};

/// XCHG. The decoder has put a memory operand first, and marked it as locked.
#[inline(always)]
pub fn xchg<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let dst = place(a, i, 0, w, Access::Update)?;
    let other = place(a, i, 1, w, Access::Update)?;
    let new = get(a, w, other);
    let old = update(a, i.has(bits::LOCK), w, dst, |_, old| (new, old));
    put(a, w, other, old);
    Ok(a.next())
}

/// CMPXCHG. Memory is written whatever the comparison says; a register only if it is equal (so the upper half of a 32-bit
/// destination is cleared only then, and that of RAX only otherwise).
#[inline(always)]
pub fn cmpxchg<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let dst = place(a, i, 0, w, Access::Update)?;
    let new = read(a, i, 1, w)?;
    let expected = a.reg(reg::RAX, w);
    let choose = move |a: &mut A, old: A::V| {
        let equal = a.cmp(Cmp::Eq, w, old, expected);
        (a.select(w, equal, new, old), (old, equal))
    };
    let (old, equal) = match dst {
        Place::Mem(p) => a.update(i.has(bits::LOCK), w, p, choose),
        _ => {
            let old = get(a, w, dst);
            let equal = a.cmp(Cmp::Eq, w, old, expected);
            a.when(equal, move |a| put(a, w, dst, new));
            (old, equal)
        }
    };
    let differs = a.not(equal);
    a.when(differs, move |a| a.set_reg(reg::RAX, w, old));
    let res = a.sub(w, expected, old);
    let zero = a.k(w, 0);
    a.set_flags(Flags { kind: FlagKind::Sub, w, res, src: old, aux: zero });
    Ok(a.next())
}

/// XADD.
#[inline(always)]
pub fn xadd<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let dst = place(a, i, 0, w, Access::Update)?;
    let other = place(a, Ins { k1: register_kind(i), ..i }, 1, w, Access::Update)?;
    let r = get(a, w, other);
    if i.k0 == Kind::Mem {
        let old = update(a, i.has(bits::LOCK), w, dst, move |a, old| (a.add(w, old, r), old));
        put(a, w, other, old);
        finish(a, w, old, r);
    } else {
        // With the same register twice the sum is what stays.
        let old = get(a, w, dst);
        let sum = a.add(w, old, r);
        put(a, w, other, old);
        put(a, w, dst, sum);
        finish(a, w, old, r);
    }
    Ok(a.next())
}

#[inline(always)]
fn register_kind(i: Ins) -> Kind {
    i.k1
}

#[inline(always)]
fn finish<A: Algebra>(a: &mut A, w: Width, l: A::V, r: A::V) {
    let res = a.add(w, l, r);
    let zero = a.k(w, 0);
    a.set_flags(Flags { kind: FlagKind::Add, w, res, src: r, aux: zero });
}
