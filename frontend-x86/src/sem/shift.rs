//! Shifts and rotates: ROL, ROR, RCL, RCR, SHL, SHR, SAR, SHLD, SHRD.
//!
//! A count of zero changes no flag. OF is defined for a count of one only; for others it is what Intel's processors do:
//! the same formula.

use super::operand::{get, place, put, read};
use crate::algebra::{Access, Algebra, Bin, Cmp, Outcome};
use crate::flags::{FlagKind, Flags, rflags};
use crate::op::{Ins, Kind, Width, bits, reg};

#[allow(missing_docs, reason = "the manual's mnemonics")]
mod ops {
    pub const ROL: u8 = 0;
    pub const ROR: u8 = 1;
    pub const RCL: u8 = 2;
    pub const RCR: u8 = 3;
    pub const SHL: u8 = 4;
    pub const SHR: u8 = 5;
    pub const SAR: u8 = 7;
}
pub use ops::*;

/// Puts a truth at a place of a flags word.
#[inline(always)]
fn flag_at<A: Algebra>(a: &mut A, c: A::C, place: u64) -> A::V {
    let v = a.value(c);
    let n = a.k(Width::Q, place);
    a.bin(Bin::Shl, Width::Q, v, n)
}

/// CF and OF as a flags word.
#[inline(always)]
fn carry_and_overflow<A: Algebra>(a: &mut A, cf: A::C, of: A::C) -> A::V {
    let c = a.value(cf);
    let o = flag_at(a, of, 11);
    a.bin(Bin::Or, Width::Q, c, o)
}

/// The flags with CF and OF replaced (rotates leave the others).
#[inline(always)]
fn replace_carry_and_overflow<A: Algebra>(a: &mut A, old: A::V, cf: A::C, of: A::C) -> Flags<A::V> {
    let others = a.k(Width::Q, rflags::ARITHMETIC & !(rflags::CF | rflags::OF));
    let kept = a.bin(Bin::And, Width::Q, old, others);
    let new = carry_and_overflow(a, cf, of);
    let aux = a.bin(Bin::Or, Width::Q, kept, new);
    let zero = a.k(Width::Q, 0);
    Flags { kind: FlagKind::Word, w: Width::Q, res: zero, src: zero, aux }
}

/// The rotates and shifts by an immediate or CL.
#[inline(always)]
pub fn shift<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let dst = place(a, i, 0, w, Access::Update)?;
    let count = if i.k1 == Kind::Imm { a.imm(Width::B) } else { a.reg(reg::RCX, Width::B) };
    let mask = a.k(w_of_count(), if w == Width::Q { 63 } else { 31 });
    let count = a.bin(Bin::And, w_of_count(), count, mask);
    let old = get(a, w, dst);
    match i.sub {
        ROL | ROR => rotate(a, i, dst, old, count),
        RCL | RCR => rotate_through_carry(a, i, dst, old, count),
        _ => plain(a, i, dst, old, count),
    }
    Ok(a.next())
}

#[inline(always)]
fn w_of_count() -> Width {
    Width::Q
}

/// SHL, SHR, SAR. A count up to 31 may be beyond the width of 8 and 16 bits, so these work on 64 bits.
#[inline(always)]
fn plain<A: Algebra>(a: &mut A, i: Ins, dst: crate::algebra::Place<A::P>, old: A::V, count: A::V) {
    let (w, q) = (i.w, Width::Q);
    let one = a.k(q, 1);
    let before = a.sub(q, count, one); // the count that leaves the bit for CF at the edge
    let (res, cf) = match i.sub {
        SHL => {
            // In 64 bits the bit that leaves last is at `bits`; for Q itself it is the top bit one step earlier.
            let last = a.bin(Bin::Shl, q, old, before);
            let cf = a.bit(last, w.bits() - 1);
            let res = a.bin(Bin::Shl, q, old, count);
            (a.truncate(w, res), cf)
        }
        SHR => {
            let last = a.bin(Bin::Shr, q, old, before);
            let cf = a.bit(last, 0);
            (a.bin(Bin::Shr, q, old, count), cf)
        }
        _ => {
            let wide = a.sign_extend(w, q, old);
            let last = a.bin(Bin::Sar, q, wide, before);
            let cf = a.bit(last, 0);
            let res = a.bin(Bin::Sar, q, wide, count);
            (a.truncate(w, res), cf)
        }
    };
    put(a, w, dst, res);
    if i.has(bits::FLAGS) {
        let shifted = a.is_nonzero(q, count);
        a.when(shifted, move |a| {
            let of = match i.sub {
                SHL => {
                    let top = a.bit(res, w.bits() - 1);
                    a.xor(top, cf)
                }
                SHR => a.bit(old, w.bits() - 1),
                _ => a.truth(false),
            };
            let aux = carry_and_overflow(a, cf, of);
            let zero = a.k(w, 0);
            a.set_flags(Flags { kind: FlagKind::Result, w, res, src: zero, aux });
        });
    }
}

#[inline(always)]
fn rotate<A: Algebra>(a: &mut A, i: Ins, dst: crate::algebra::Place<A::P>, old: A::V, count: A::V) {
    let (w, q) = (i.w, Width::Q);
    let within = a.k(q, u64::from(w.bits()) - 1);
    let n = a.bin(Bin::And, q, count, within);
    let res = a.bin(if i.sub == ROL { Bin::Rol } else { Bin::Ror }, w, old, n);
    put(a, w, dst, res);
    if i.has(bits::FLAGS) {
        // The masked count decides, not the count modulo the width: a rotate by 16 of 16 bits sets CF.
        let shifted = a.is_nonzero(q, count);
        a.when(shifted, move |a| {
            let (low, high) = (a.bit(res, 0), a.bit(res, w.bits() - 1));
            let (cf, of) = if i.sub == ROL {
                (low, a.xor(high, low))
            } else {
                let next = a.bit(res, w.bits() - 2);
                (high, a.xor(high, next))
            };
            let flags = a.flags_word();
            let flags = replace_carry_and_overflow(a, flags, cf, of);
            a.set_flags(flags);
        });
    }
}

/// RCL, RCR: a rotate of one bit more than the width, with CF on top.
#[inline(always)]
fn rotate_through_carry<A: Algebra>(a: &mut A, i: Ins, dst: crate::algebra::Place<A::P>, old: A::V, count: A::V) {
    let (w, q) = (i.w, Width::Q);
    let n = u64::from(w.bits());
    let mut count = count;
    if w < Width::D {
        // The count modulo 9 or 17; it is below 32, so a few subtractions do.
        for _ in 0..(if w == Width::B { 3 } else { 1 }) {
            let wrap = a.k(q, n + 1);
            let below = a.cmp(Cmp::Ult, q, count, wrap);
            let less = a.sub(q, count, wrap);
            count = a.select(q, below, count, less);
        }
    }
    let carry = a.carry();
    let c = a.value(carry);
    let zero = a.k(q, 0);
    let none = a.is_zero(q, count);
    // left = bits that move up by `up`, right = bits that come round; the carry sits between them.
    let bits_k = a.k(q, n);
    let other = a.sub(q, bits_k, count); // n - count
    let one = a.k(q, 1);
    let before = a.sub(q, count, one); // count - 1
    let (res, out) = if i.sub == RCL {
        // res = old << count | carry << (count-1) | old >> (n + 1 - count)
        let up = shl(a, old, count);
        let mid = shl(a, c, before);
        let round = a.add(q, other, one);
        let down = shr(a, old, round);
        let out = shr(a, old, other);
        let v = a.bin(Bin::Or, q, up, mid);
        (a.bin(Bin::Or, q, v, down), out)
    } else {
        // res = old >> count | carry << (n - count) | old << (n + 1 - count)
        let down = shr(a, old, count);
        let mid = shl(a, c, other);
        let round = a.add(q, other, one);
        let up = shl(a, old, round);
        let out = shr(a, old, before);
        let v = a.bin(Bin::Or, q, down, mid);
        (a.bin(Bin::Or, q, v, up), out)
    };
    let res = a.truncate(w, res);
    let res = a.select(w, none, old, res);
    put(a, w, dst, res);
    if i.has(bits::FLAGS) {
        let _ = zero;
        let rotated = a.not(none);
        a.when(rotated, move |a| {
            let cf = a.bit(out, 0);
            let high = a.bit(res, w.bits() - 1);
            let of = if i.sub == RCL {
                a.xor(high, cf)
            } else {
                let next = a.bit(res, w.bits() - 2);
                a.xor(high, next)
            };
            let flags = a.flags_word();
            let flags = replace_carry_and_overflow(a, flags, cf, of);
            a.set_flags(flags);
        });
    }
}

/// A 64-bit shift left whose count may be 64 or more, which gives zero.
#[inline(always)]
fn shl<A: Algebra>(a: &mut A, v: A::V, count: A::V) -> A::V {
    let q = Width::Q;
    let limit = a.k(q, 64);
    let inside = a.cmp(Cmp::Ult, q, count, limit);
    let within = a.k(q, 63);
    let n = a.bin(Bin::And, q, count, within);
    let shifted = a.bin(Bin::Shl, q, v, n);
    let zero = a.k(q, 0);
    a.select(q, inside, shifted, zero)
}

/// The same to the right.
#[inline(always)]
fn shr<A: Algebra>(a: &mut A, v: A::V, count: A::V) -> A::V {
    let q = Width::Q;
    let limit = a.k(q, 64);
    let inside = a.cmp(Cmp::Ult, q, count, limit);
    let within = a.k(q, 63);
    let n = a.bin(Bin::And, q, count, within);
    let shifted = a.bin(Bin::Shr, q, v, n);
    let zero = a.k(q, 0);
    a.select(q, inside, shifted, zero)
}

/// SHLD (sub bit 0 clear), SHRD (set); by an immediate (bit 1 clear) or CL (set).
///
/// With 16 bits and a count above 16 the result is undefined; Intel's processors shift the 48 bits
/// `dst:src:dst`, which is done here.
#[inline(always)]
pub fn double_shift<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let (w, q) = (i.w, Width::Q);
    let right = i.sub & 1 != 0;
    let dst = place(a, i, 0, w, Access::Update)?;
    let src = read(a, i, 1, w)?;
    let count = if i.sub & 2 == 0 { a.imm(Width::B) } else { a.reg(reg::RCX, Width::B) };
    let mask = a.k(q, if w == Width::Q { 63 } else { 31 });
    let count = a.bin(Bin::And, q, count, mask);
    let old = get(a, w, dst);
    let one = a.k(q, 1);
    let before = a.sub(q, count, one);
    let n = a.k(q, u64::from(w.bits()));
    let (res, cf) = if w == Width::Q {
        let other = a.sub(q, n, count);
        if right {
            let down = a.bin(Bin::Shr, q, old, count);
            let up = shl(a, src, other);
            let out = a.bin(Bin::Shr, q, old, before);
            (a.bin(Bin::Or, q, down, up), a.bit(out, 0))
        } else {
            let up = a.bin(Bin::Shl, q, old, count);
            let down = shr(a, src, other);
            let out = shr(a, old, other);
            (a.bin(Bin::Or, q, up, down), a.bit(out, 0))
        }
    } else {
        // Everything fits 64 bits side by side: 32 bits as dst:src, 16 bits as dst:src:dst.
        let high = a.bin(Bin::Shl, q, if right { src } else { old }, n);
        let mut all = a.bin(Bin::Or, q, high, if right { old } else { src });
        let mut top = u64::from(w.bits());
        if w == Width::W {
            if right {
                let twice = a.k(q, 32);
                let again = a.bin(Bin::Shl, q, old, twice);
                all = a.bin(Bin::Or, q, all, again);
            } else {
                all = a.bin(Bin::Shl, q, all, n);
                all = a.bin(Bin::Or, q, all, old);
                top = 32;
            }
        }
        if right {
            let res = a.bin(Bin::Shr, q, all, count);
            let out = a.bin(Bin::Shr, q, all, before);
            (a.truncate(w, res), a.bit(out, 0))
        } else {
            let shifted = a.bin(Bin::Shl, q, all, count);
            let place = a.k(q, top);
            let res = a.bin(Bin::Shr, q, shifted, place);
            let last = a.bin(Bin::Shl, q, all, before);
            (a.truncate(w, res), a.bit(last, (top + u64::from(w.bits())) as u32 - 1))
        }
    };
    let none = a.is_zero(q, count);
    let res = a.select(w, none, old, res);
    put(a, w, dst, res);
    if i.has(bits::FLAGS) {
        let shifted = a.not(none);
        a.when(shifted, move |a| {
            let (was, is) = (a.bit(old, w.bits() - 1), a.bit(res, w.bits() - 1));
            let of = a.xor(was, is);
            let aux = carry_and_overflow(a, cf, of);
            let zero = a.k(w, 0);
            a.set_flags(Flags { kind: FlagKind::Result, w, res, src: zero, aux });
        });
    }
    Ok(a.next())
}
