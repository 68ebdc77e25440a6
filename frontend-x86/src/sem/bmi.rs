//! BMI1, BMI2 and ADX: ANDN, BLSI, BLSMSK, BLSR, BEXTR, BZHI, RORX, SARX, SHLX, SHRX, MULX, PDEP, PEXT, ADCX, ADOX.

use super::operand::read;
use crate::algebra::{Algebra, Bin, Cmp, Outcome};
use crate::flags::{FlagKind, Flags, rflags};
use crate::op::{Ins, Kind, Width, reg};

#[allow(missing_docs, reason = "the manual's mnemonics")]
mod ops {
    pub const ANDN: u8 = 0;
    pub const BLSI: u8 = 1;
    pub const BLSMSK: u8 = 2;
    pub const BLSR: u8 = 3;
    pub const BEXTR: u8 = 4;
    pub const BZHI: u8 = 5;
    pub const RORX: u8 = 6;
    pub const SARX: u8 = 7;
    pub const SHLX: u8 = 8;
    pub const SHRX: u8 = 9;
    pub const MULX: u8 = 10;
    pub const PDEP: u8 = 11;
    pub const PEXT: u8 = 12;
}
pub use ops::*;

/// SF and ZF by the result, CF as given, OF and AF clear. PF is undefined and follows the result.
#[inline(always)]
fn set_flags<A: Algebra>(a: &mut A, w: Width, res: A::V, cf: A::C) {
    let aux = a.value(cf);
    let zero = a.k(w, 0);
    a.set_flags(Flags { kind: FlagKind::Result, w, res, src: zero, aux });
}

/// The VEX-encoded bit instructions. Operand order is the manual's: slot 0 the destination, then the sources; the
/// third operand's register is slot 2.
#[inline(always)]
pub fn bmi<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let (w, q) = (i.w, Width::Q);
    let (r0, r1, r2) = (a.op().r0, a.op().r1, a.op().r2);
    let one = a.k(w, 1);
    match i.sub {
        ANDN | PDEP | PEXT | MULX => {
            // dst, register, r/m
            let src = third(a, i)?;
            let first = a.reg(r1, w);
            match i.sub {
                ANDN => {
                    let ones = a.k(w, w.mask());
                    let not = a.bin(Bin::Xor, w, first, ones);
                    let res = a.bin(Bin::And, w, not, src);
                    a.set_reg(r0, w, res);
                    let no = a.truth(false);
                    set_flags(a, w, res, no);
                }
                MULX => {
                    let l = a.reg(reg::RDX, w);
                    let (low, high) = a.mul_wide(false, w, l, src);
                    a.set_reg(r1, w, low);
                    a.set_reg(r0, w, high); // wins if both are the same register
                }
                _ => {
                    let res = if i.sub == PDEP { deposit(a, w, first, src) } else { extract(a, w, first, src) };
                    a.set_reg(r0, w, res);
                }
            }
        }
        BLSI | BLSMSK | BLSR => {
            let src = read(a, i, 1, w)?;
            let less = a.sub(w, src, one);
            let none = a.is_zero(w, src);
            let (res, cf) = match i.sub {
                BLSI => {
                    let zero = a.k(w, 0);
                    let neg = a.sub(w, zero, src);
                    (a.bin(Bin::And, w, src, neg), a.not(none))
                }
                BLSMSK => (a.bin(Bin::Xor, w, src, less), none),
                _ => (a.bin(Bin::And, w, src, less), none),
            };
            a.set_reg(r0, w, res);
            set_flags(a, w, res, cf);
        }
        BEXTR | BZHI => {
            let src = read(a, i, 1, w)?;
            let control = a.reg(r2, w);
            let start = a.truncate(Width::B, control);
            let limit = a.k(q, u64::from(w.bits()));
            let (res, cf) = if i.sub == BZHI {
                let inside = a.cmp(Cmp::Ult, q, start, limit);
                let kept = low_bits(a, w, src, start);
                (kept, a.not(inside))
            } else {
                let eight = a.k(q, 8);
                let length = a.bin(Bin::Shr, q, control, eight);
                let length = a.truncate(Width::B, length);
                let inside = a.cmp(Cmp::Ult, q, start, limit);
                let within = a.k(q, u64::from(w.bits()) - 1);
                let n = a.bin(Bin::And, q, start, within);
                let moved = a.bin(Bin::Shr, w, src, n);
                let zero = a.k(w, 0);
                let moved = a.select(w, inside, moved, zero);
                (low_bits(a, w, moved, length), a.truth(false))
            };
            a.set_reg(r0, w, res);
            set_flags(a, w, res, cf);
        }
        RORX => {
            let src = read(a, i, 1, w)?;
            let n = a.imm(Width::B);
            let within = a.k(w, u64::from(w.bits()) - 1);
            let n = a.bin(Bin::And, w, n, within);
            let res = a.bin(Bin::Ror, w, src, n);
            a.set_reg(r0, w, res);
        }
        _ => {
            let src = read(a, i, 1, w)?;
            let n = a.reg(r2, w);
            let within = a.k(w, u64::from(w.bits()) - 1);
            let n = a.bin(Bin::And, w, n, within);
            let op = match i.sub {
                SARX => Bin::Sar,
                SHLX => Bin::Shl,
                _ => Bin::Shr,
            };
            let res = a.bin(op, w, src, n);
            a.set_reg(r0, w, res);
        }
    }
    Ok(a.next())
}

/// The third operand, a register or memory: slot 1 is a register in these, so the kind of slot 1 says nothing about it.
#[inline(always)]
fn third<A: Algebra>(a: &mut A, i: Ins) -> Result<A::V, A::Stop> {
    let (r2, memory) = (a.op().r2, a.op().helper == THIRD_IS_MEMORY);
    if memory { read(a, Ins { k1: Kind::Mem, ..i }, 1, i.w) } else { Ok(a.reg(r2, i.w)) }
}

/// `op.helper` of a three-operand instruction whose last operand is memory.
pub const THIRD_IS_MEMORY: u16 = 1;

/// The low `count` bits of a value; all of them if `count` is its width or more.
#[inline(always)]
fn low_bits<A: Algebra>(a: &mut A, w: Width, v: A::V, count: A::V) -> A::V {
    let q = Width::Q;
    let limit = a.k(q, u64::from(w.bits()));
    let inside = a.cmp(Cmp::Ult, q, count, limit);
    let within = a.k(q, 63);
    let n = a.bin(Bin::And, q, count, within);
    let one = a.k(q, 1);
    let bit = a.bin(Bin::Shl, q, one, n);
    let mask = a.sub(q, bit, one);
    let kept = a.bin(Bin::And, q, v, mask);
    a.select(w, inside, kept, v)
}

/// PDEP, one mask bit after the other: without loops in the algebra the steps are written out.
#[inline(always)]
fn deposit<A: Algebra>(a: &mut A, w: Width, src: A::V, mask: A::V) -> A::V {
    let q = Width::Q;
    let (mut res, mut src) = (a.k(q, 0), src);
    let one = a.k(q, 1);
    for bit in 0..w.bits() {
        let wanted = a.bit(mask, bit);
        let low = a.bin(Bin::And, q, src, one);
        let n = a.k(q, u64::from(bit));
        let placed = a.bin(Bin::Shl, q, low, n);
        let with = a.bin(Bin::Or, q, res, placed);
        let rest = a.bin(Bin::Shr, q, src, one);
        res = a.select(q, wanted, with, res);
        src = a.select(q, wanted, rest, src);
    }
    res
}

/// PEXT.
#[inline(always)]
fn extract<A: Algebra>(a: &mut A, w: Width, src: A::V, mask: A::V) -> A::V {
    let q = Width::Q;
    let (mut res, one) = (a.k(q, 0), a.k(q, 1));
    for bit in (0..w.bits()).rev() {
        let wanted = a.bit(mask, bit);
        let c = a.bit(src, bit);
        let v = a.value(c);
        let moved = a.bin(Bin::Shl, q, res, one);
        let with = a.bin(Bin::Or, q, moved, v);
        res = a.select(q, wanted, with, res);
    }
    res
}

/// ADCX (CF) and ADOX (OF): the other flags stay.
#[inline(always)]
pub fn adx<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let (w, q) = (i.w, Width::Q);
    let src = read(a, i, 1, w)?;
    let r0 = a.op().r0;
    let l = a.reg(r0, w);
    let place = if i.sub == 0 { 0 } else { 11 };
    let flags = a.flags_word();
    let carry = a.bit(flags, place);
    let c = a.value(carry);
    let sum = a.add(w, l, src);
    let res = a.add(w, sum, c);
    let below = a.cmp(Cmp::Ult, w, res, src);
    let equal = a.cmp(Cmp::Eq, w, res, src);
    let wrapped = a.and(equal, carry);
    let out = a.or(below, wrapped);
    a.set_reg(r0, w, res);
    let others = a.k(q, rflags::ARITHMETIC & !(1 << place));
    let kept = a.bin(Bin::And, q, flags, others);
    let v = a.value(out);
    let n = a.k(q, u64::from(place));
    let v = a.bin(Bin::Shl, q, v, n);
    let aux = a.bin(Bin::Or, q, kept, v);
    let zero = a.k(q, 0);
    a.set_flags(Flags { kind: FlagKind::Word, w: q, res: zero, src: zero, aux });
    Ok(a.next())
}
