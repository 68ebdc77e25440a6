//! BT, BTS, BTR, BTC, BSF, BSR, TZCNT, LZCNT, POPCNT.

use super::operand::{get, place, put, read};
use crate::algebra::{Access, Algebra, Bin, Outcome, Place};
use crate::flags::{FlagKind, Flags, rflags};
use crate::op::{Form, Ins, Kind, Width, bits};

#[allow(missing_docs, reason = "the manual's mnemonics")]
mod ops {
    pub const BT: u8 = 0;
    pub const BTS: u8 = 1;
    pub const BTR: u8 = 2;
    pub const BTC: u8 = 3;
    pub const BSF: u8 = 0;
    pub const BSR: u8 = 1;
    pub const TZCNT: u8 = 2;
    pub const LZCNT: u8 = 3;
    pub const POPCNT: u8 = 4;
}
pub use ops::*;

/// BT, BTS, BTR, BTC. A register offset reaches beyond a memory operand, in both directions.
#[inline(always)]
pub fn bit_test<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let (w, q) = (i.w, Width::Q);
    let access = if i.sub == BT { Access::Read } else { Access::Update };
    let index = read(a, i, 1, w)?;
    let dst = if i.k0 == Kind::Mem && i.k1 == Kind::Reg {
        let offset = a.address(i);
        let wide = a.sign_extend(w, q, index);
        let log = a.k(q, u64::from(w.bits().trailing_zeros()));
        let words = a.bin(Bin::Sar, q, wide, log);
        let scale = a.k(q, u64::from((w.bits() / 8).trailing_zeros()));
        let bytes = a.bin(Bin::Shl, q, words, scale);
        let offset = a.add(q, offset, bytes);
        let offset = a.truncate(address_width(i), offset);
        let seg = a.op().seg;
        Place::Mem(a.probe(i.form, seg, offset, w, access)?)
    } else {
        place(a, i, 0, w, access)?
    };
    let within = a.k(w, u64::from(w.bits()) - 1);
    let n = a.bin(Bin::And, w, index, within);
    let change = move |a: &mut A, old: A::V| {
        let one = a.k(w, 1);
        let mask = a.bin(Bin::Shl, w, one, n);
        let new = match i.sub {
            BTS => a.bin(Bin::Or, w, old, mask),
            BTR => {
                let ones = a.k(w, w.mask());
                let keep = a.bin(Bin::Xor, w, mask, ones);
                a.bin(Bin::And, w, old, keep)
            }
            _ => a.bin(Bin::Xor, w, old, mask),
        };
        (new, old)
    };
    let old = if i.sub == BT { get(a, w, dst) } else { super::operand::update(a, i.has(bits::LOCK), w, dst, change) };
    if i.has(bits::FLAGS) {
        let moved = a.bin(Bin::Shr, w, old, n);
        let cf = a.bit(moved, 0);
        // ZF stays as it was. The others are undefined, so they need not be found out.
        let zf = a.condition(4);
        let some = a.not(zf);
        let (res, aux) = (a.value(some), a.value(cf));
        let src = a.k(q, 0);
        a.set_flags(Flags { kind: FlagKind::Result, w: q, res, src, aux });
    }
    Ok(a.next())
}

/// The width of the addresses that a form makes.
#[inline(always)]
pub fn address_width(i: Ins) -> Width {
    match i.form {
        Form::A64 => Width::Q,
        Form::A64Seg if i.has(bits::ADDR32) => Width::D,
        Form::A64Seg => Width::Q,
        Form::Flat32 | Form::Seg32 => Width::D,
        Form::Seg16 => Width::W,
    }
}

/// The flags with CF replaced.
#[inline(always)]
pub fn replace_carry<A: Algebra>(a: &mut A, cf: A::C) -> Flags<A::V> {
    let old = a.flags_word();
    let others = a.k(Width::Q, rflags::ARITHMETIC & !rflags::CF);
    let kept = a.bin(Bin::And, Width::Q, old, others);
    let c = a.value(cf);
    let aux = a.bin(Bin::Or, Width::Q, kept, c);
    let zero = a.k(Width::Q, 0);
    Flags { kind: FlagKind::Word, w: Width::Q, res: zero, src: zero, aux }
}

/// BSF, BSR, TZCNT, LZCNT, POPCNT. For a source of zero BSF and BSR leave the destination alone, as all processors do.
#[inline(always)]
pub fn bit_scan<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let src = read(a, i, 1, w)?;
    let none = a.is_zero(w, src);
    let dst = Place::Reg(a.op().r0);
    let zero = a.k(w, 0);
    let flag = |a: &mut A, c: A::C, bit: u64| {
        let v = a.value(c);
        let n = a.k(Width::Q, bit);
        a.bin(Bin::Shl, Width::Q, v, n)
    };
    let aux = match i.sub {
        BSF | BSR => {
            let found = if i.sub == BSF {
                a.trailing_zeros(w, src)
            } else {
                let above = a.leading_zeros(w, src);
                let top = a.k(w, u64::from(w.bits()) - 1);
                a.sub(w, top, above)
            };
            // Alone means all of it: of a 32-bit operation, the upper half too.
            let whole = if w == Width::D { Width::Q } else { w };
            let old = get(a, whole, dst);
            let res = a.select(whole, none, old, found);
            put(a, whole, dst, res);
            // Only ZF is defined. The others are cleared, but PF, which is the source's on no processor alike.
            flag(a, none, 6)
        }
        TZCNT | LZCNT => {
            let res = if i.sub == TZCNT { a.trailing_zeros(w, src) } else { a.leading_zeros(w, src) };
            let is_zero = a.is_zero(w, res);
            put(a, w, dst, res);
            let (zf, cf) = (flag(a, is_zero, 6), flag(a, none, 0));
            a.bin(Bin::Or, Width::Q, zf, cf)
        }
        _ => {
            let res = a.popcount(w, src);
            put(a, w, dst, res);
            flag(a, none, 6)
        }
    };
    if i.has(bits::FLAGS) {
        a.set_flags(Flags { kind: FlagKind::Word, w, res: zero, src: zero, aux });
    }
    Ok(a.next())
}
