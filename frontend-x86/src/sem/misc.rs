//! BSWAP, MOVBE, CRC32, XLAT, CLC/STC/CMC, CLD/STD, LAHF/SAHF, fences.

use super::bit::{address_width, replace_carry};
use super::operand::{get, place, put, read};
use crate::algebra::{Access, Algebra, Bin, Outcome, Place};
use crate::flags::{FlagKind, Flags, rflags};
use crate::op::{Ins, Width, reg};

/// BSWAP. With a 16-bit register the result is undefined; processors clear it.
#[inline(always)]
pub fn bswap<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let dst = Place::Reg(a.op().r0);
    let v = get(a, i.w, dst);
    let v = if i.w == Width::W { a.k(i.w, 0) } else { a.swap_bytes(i.w, v) };
    put(a, i.w, dst, v);
    Ok(a.next())
}

/// MOVBE.
#[inline(always)]
pub fn movbe<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let dst = place(a, i, 0, i.w, Access::Write)?;
    let v = read(a, i, 1, i.w)?;
    let v = a.swap_bytes(i.w, v);
    put(a, i.w, dst, v);
    Ok(a.next())
}

/// CRC32: `w` is the destination's width, `w2` the source's. The upper half of a 64-bit destination is cleared.
#[inline(always)]
pub fn crc32<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let v = read(a, i, 1, i.w2)?;
    let r = a.op().r0;
    let crc = a.reg(r, Width::D);
    let crc = a.crc32c(i.w2, crc, v);
    a.set_reg(r, Width::D, crc);
    Ok(a.next())
}

/// XLAT.
#[inline(always)]
pub fn xlat<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let table = a.address(i);
    let al = a.reg(reg::RAX, Width::B);
    let w = address_width(i);
    let offset = a.add(w, table, al);
    let seg = a.op().seg;
    let p = a.probe(i.form, seg, offset, Width::B, Access::Read)?;
    let v = a.load(Width::B, p);
    a.set_reg(reg::RAX, Width::B, v);
    Ok(a.next())
}

/// CLC, STC, CMC.
#[inline(always)]
pub fn carry<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let c = match i.sub {
        0 => a.truth(false),
        1 => a.truth(true),
        _ => {
            let c = a.carry();
            a.not(c)
        }
    };
    let flags = replace_carry(a, c);
    a.set_flags(flags);
    Ok(a.next())
}

/// CLD, STD.
#[inline(always)]
pub fn direction<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.set_direction(i.sub == 1);
    Ok(a.next())
}

const LOW: u64 = rflags::CF | rflags::PF | rflags::AF | rflags::ZF | rflags::SF;

/// LAHF (sub 0), SAHF (sub 1).
#[inline(always)]
pub fn flags_byte<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let q = Width::Q;
    let flags = a.flags_word();
    let low = a.k(q, LOW);
    if i.sub == 0 {
        let v = a.bin(Bin::And, q, flags, low);
        let fixed = a.k(q, rflags::FIXED);
        let v = a.bin(Bin::Or, q, v, fixed);
        a.set_reg_high(reg::RAX, v);
    } else {
        let v = a.reg_high(reg::RAX);
        let v = a.bin(Bin::And, q, v, low);
        let of = a.k(q, rflags::OF);
        let kept = a.bin(Bin::And, q, flags, of);
        let aux = a.bin(Bin::Or, q, v, kept);
        let zero = a.k(q, 0);
        a.set_flags(Flags { kind: FlagKind::Word, w: q, res: zero, src: zero, aux });
    }
    Ok(a.next())
}

/// MFENCE, LFENCE, SFENCE.
#[inline(always)]
pub fn fence<A: Algebra>(a: &mut A, _i: Ins) -> Outcome<A> {
    a.fence();
    Ok(a.next())
}
