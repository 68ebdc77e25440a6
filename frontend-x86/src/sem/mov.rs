//! Moves: MOV, MOVZX, MOVSX, LEA, CBW and its kin, SETcc, CMOVcc.

use super::operand::{get, place, put, read};
use crate::algebra::{Access, Algebra, Bin, Outcome};
use crate::op::{Ins, Kind, Width, reg};

/// MOV. The source is read before the destination is probed only if it is memory; both never are.
#[inline(always)]
pub fn mov<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let dst = place(a, i, 0, i.w, Access::Write)?;
    let v = read(a, i, 1, i.w)?;
    put(a, i.w, dst, v);
    Ok(a.next())
}

/// MOVZX: a value is zero-extended as it stands.
#[inline(always)]
pub fn movzx<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let v = read(a, i, 1, i.w2)?;
    let r = a.op().r0;
    a.set_reg(r, i.w, v);
    Ok(a.next())
}

/// MOVSX, MOVSXD.
#[inline(always)]
pub fn movsx<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let v = read(a, i, 1, i.w2)?;
    let v = a.sign_extend(i.w2, i.w, v);
    let r = a.op().r0;
    a.set_reg(r, i.w, v);
    Ok(a.next())
}

/// LEA.
#[inline(always)]
pub fn lea<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let v = a.address(i);
    let v = a.truncate(i.w, v);
    let r = a.op().r0;
    a.set_reg(r, i.w, v);
    Ok(a.next())
}

/// CBW, CWDE, CDQE: `w` is the destination's width.
#[inline(always)]
pub fn extend_a<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let half = half(i.w);
    let v = a.reg(reg::RAX, half);
    let v = a.sign_extend(half, i.w, v);
    a.set_reg(reg::RAX, i.w, v);
    Ok(a.next())
}

/// CWD, CDQ, CQO.
#[inline(always)]
pub fn extend_d<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let v = a.reg(reg::RAX, i.w);
    let most = a.k(i.w, u64::from(i.w.bits()) - 1);
    let v = a.bin(Bin::Sar, i.w, v, most);
    a.set_reg(reg::RDX, i.w, v);
    Ok(a.next())
}

fn half(w: Width) -> Width {
    match w {
        Width::W => Width::B,
        Width::D => Width::W,
        _ => Width::D,
    }
}

/// SETcc.
#[inline(always)]
pub fn setcc<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let dst = place(a, i, 0, Width::B, Access::Write)?;
    let c = a.condition(i.sub);
    let v = a.value(c);
    put(a, Width::B, dst, v);
    Ok(a.next())
}

/// CMOVcc: the source is read, and the upper half of a 32-bit destination cleared, whatever the condition.
#[inline(always)]
pub fn cmovcc<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let yes = read(a, i, 1, i.w)?;
    let dst = place(a, Ins { k0: Kind::Reg, ..i }, 0, i.w, Access::Update)?;
    let no = get(a, i.w, dst);
    let c = a.condition(i.sub);
    let v = a.select(i.w, c, yes, no);
    put(a, i.w, dst, v);
    Ok(a.next())
}
