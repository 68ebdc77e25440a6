//! ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST (Intel SDM vol. 2).

use super::operand::{get, place, put, read, update};
use crate::algebra::{Access, Algebra, Bin, Outcome};
use crate::flags::{FlagKind, Flags};
use crate::op::{Ins, bits};

/// `sub` of [`crate::op::Func::Alu`]: the low four bits; an engine may use the rest.
#[allow(missing_docs, reason = "the manual's mnemonics")]
mod ops {
    pub const ADD: u8 = 0;
    pub const OR: u8 = 1;
    pub const ADC: u8 = 2;
    pub const SBB: u8 = 3;
    pub const AND: u8 = 4;
    pub const SUB: u8 = 5;
    pub const XOR: u8 = 6;
    pub const CMP: u8 = 7;
    pub const TEST: u8 = 8;
}
pub use ops::*;

/// The flags of an operation; its result is in them.
#[inline(always)]
fn compute<A: Algebra>(a: &mut A, i: Ins, l: A::V, r: A::V, carry: A::V) -> Flags<A::V> {
    let w = i.w;
    let (kind, res) = match i.sub & 15 {
        ADD => (FlagKind::Add, a.add(w, l, r)),
        ADC => {
            let sum = a.add(w, l, r);
            (FlagKind::Adc, a.add(w, sum, carry))
        }
        SUB | CMP => (FlagKind::Sub, a.sub(w, l, r)),
        SBB => {
            let difference = a.sub(w, l, r);
            (FlagKind::Sbb, a.sub(w, difference, carry))
        }
        OR => (FlagKind::Logic, a.bin(Bin::Or, w, l, r)),
        XOR => (FlagKind::Logic, a.bin(Bin::Xor, w, l, r)),
        _ => (FlagKind::Logic, a.bin(Bin::And, w, l, r)),
    };
    Flags { kind, w, res, src: r, aux: carry }
}

/// The two-operand arithmetic and logic instructions.
#[inline(always)]
pub fn alu<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let sub = i.sub & 15;
    let stores = sub != CMP && sub != TEST;
    let dst = place(a, i, 0, w, if stores { Access::Update } else { Access::Read })?;
    let r = read(a, i, 1, w)?;
    let carry = if sub == ADC || sub == SBB {
        let c = a.carry();
        a.value(c)
    } else {
        a.k(w, 0)
    };
    let flags = if stores && i.has(bits::LOCK) {
        update(a, true, w, dst, move |a, l| {
            let flags = compute(a, i, l, r, carry);
            (flags.res, flags)
        })
    } else {
        let l = get(a, w, dst);
        let flags = compute(a, i, l, r, carry);
        if stores {
            put(a, w, dst, flags.res);
        }
        flags
    };
    if i.has(bits::FLAGS) {
        a.set_flags(flags);
    }
    Ok(a.next())
}
