//! MUL, IMUL, DIV, IDIV.

use super::operand::read;
use crate::algebra::{Algebra, Bin, Cmp, Outcome};
use crate::flags::{FlagKind, Flags};
use crate::op::{Ins, Width, bits, reg};

/// Sets CF and OF to "the product did not fit"; SF, ZF and PF, which are undefined, follow the low half.
#[inline(always)]
fn set_product_flags<A: Algebra>(a: &mut A, i: Ins, low: A::V, lost: A::C) {
    if i.has(bits::FLAGS) {
        let c = a.value(lost);
        let n = a.k(Width::Q, 11);
        let o = a.bin(Bin::Shl, Width::Q, c, n);
        let aux = a.bin(Bin::Or, Width::Q, c, o);
        let zero = a.k(i.w, 0);
        a.set_flags(Flags { kind: FlagKind::Result, w: i.w, res: low, src: zero, aux });
    }
}

/// Whether the high half of a product is not just the extension of the low one.
#[inline(always)]
fn lost<A: Algebra>(a: &mut A, signed: bool, w: Width, low: A::V, high: A::V) -> A::C {
    if signed {
        let n = a.k(w, u64::from(w.bits()) - 1);
        let extension = a.bin(Bin::Sar, w, low, n);
        a.cmp(Cmp::Ne, w, high, extension)
    } else {
        a.is_nonzero(w, high)
    }
}

/// MUL (sub 0) and IMUL (sub 1) of RAX into RDX:RAX.
#[inline(always)]
pub fn mul_wide<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let (w, signed) = (i.w, i.sub == 1);
    let r = read(a, i, 0, w)?;
    let l = a.reg(reg::RAX, w);
    let (low, high) = a.mul_wide(signed, w, l, r);
    if w == Width::B {
        let n = a.k(Width::W, 8);
        let up = a.bin(Bin::Shl, Width::W, high, n);
        let ax = a.bin(Bin::Or, Width::W, up, low);
        a.set_reg(reg::RAX, Width::W, ax);
    } else {
        a.set_reg(reg::RAX, w, low);
        a.set_reg(reg::RDX, w, high);
    }
    let lost = lost(a, signed, w, low, high);
    set_product_flags(a, i, low, lost);
    Ok(a.next())
}

/// IMUL with two operands (sub 0) and with an immediate (sub 1).
#[inline(always)]
pub fn imul<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let r = read(a, i, 1, w)?;
    let r0 = a.op().r0;
    let l = if i.sub == 0 { a.reg(r0, w) } else { a.imm(w) };
    let (low, high) = a.mul_wide(true, w, l, r);
    a.set_reg(r0, w, low);
    let lost = lost(a, true, w, low, high);
    set_product_flags(a, i, low, lost);
    Ok(a.next())
}

/// DIV (sub 0) and IDIV (sub 1) of RDX:RAX. The flags are undefined and left alone.
#[inline(always)]
pub fn div<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let (w, signed) = (i.w, i.sub == 1);
    let d = read(a, i, 0, w)?;
    let (hi, lo) = if w == Width::B {
        (a.reg_high(reg::RAX), a.reg(reg::RAX, Width::B))
    } else {
        (a.reg(reg::RDX, w), a.reg(reg::RAX, w))
    };
    let (q, r) = a.divide_or_stop(signed, w, hi, lo, d)?;
    if w == Width::B {
        a.set_reg(reg::RAX, Width::B, q);
        a.set_reg_high(reg::RAX, r);
    } else {
        a.set_reg(reg::RAX, w, q);
        a.set_reg(reg::RDX, w, r);
    }
    Ok(a.next())
}
