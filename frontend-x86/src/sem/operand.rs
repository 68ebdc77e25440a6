//! Operands: places that may be read and written. Finding a place is the only thing that may stop an instruction.

use crate::algebra::{Access, Algebra, Place};
use crate::op::{Ins, Kind, Width};

/// The place of operand `slot` (0 or 1), checked for an access of `w`.
#[inline(always)]
pub fn place<A: Algebra>(a: &mut A, i: Ins, slot: usize, w: Width, access: Access) -> Result<Place<A::P>, A::Stop> {
    let kind = if slot == 0 { i.k0 } else { i.k1 };
    let r = a.op().slot(slot);
    match kind {
        Kind::Mem => {
            let seg = a.op().seg;
            let offset = a.address(i);
            Ok(Place::Mem(a.probe(i.form, seg, offset, w, access)?))
        }
        Kind::High => Ok(Place::High(r)),
        _ => Ok(Place::Reg(r)),
    }
}

/// What a place holds.
#[inline(always)]
pub fn get<A: Algebra>(a: &mut A, w: Width, place: Place<A::P>) -> A::V {
    match place {
        Place::Reg(r) => a.reg(r, w),
        Place::High(r) => a.reg_high(r),
        Place::Mem(p) => a.load(w, p),
    }
}

/// Replaces it.
#[inline(always)]
pub fn put<A: Algebra>(a: &mut A, w: Width, place: Place<A::P>, v: A::V) {
    match place {
        Place::Reg(r) => a.set_reg(r, w, v),
        Place::High(r) => a.set_reg_high(r, v),
        Place::Mem(p) => a.store(w, p, v),
    }
}

/// Replaces it by a function of it: atomically if it is memory and the instruction is locked.
#[inline(always)]
pub fn update<A: Algebra, E>(
    a: &mut A,
    locked: bool,
    w: Width,
    place: Place<A::P>,
    f: impl Fn(&mut A, A::V) -> (A::V, E),
) -> E {
    match place {
        Place::Mem(p) => a.update(locked, w, p, f),
        _ => {
            let old = get(a, w, place);
            let (new, extra) = f(a, old);
            put(a, w, place, new);
            extra
        }
    }
}

/// Reads operand `slot`, which may be an immediate.
#[inline(always)]
pub fn read<A: Algebra>(a: &mut A, i: Ins, slot: usize, w: Width) -> Result<A::V, A::Stop> {
    let kind = if slot == 0 { i.k0 } else { i.k1 };
    if kind == Kind::Imm {
        return Ok(a.imm(w));
    }
    let place = place(a, i, slot, w, Access::Read)?;
    Ok(get(a, w, place))
}
