//! INC, DEC, NEG, NOT.

use super::operand::{place, update};
use crate::algebra::{Access, Algebra, Bin, Outcome};
use crate::flags::{FlagKind, Flags};
use crate::op::{Ins, bits};

#[allow(missing_docs, reason = "the manual's mnemonics")]
mod ops {
    pub const INC: u8 = 0;
    pub const DEC: u8 = 1;
    pub const NEG: u8 = 2;
    pub const NOT: u8 = 3;
}
pub use ops::*;

/// The one-operand arithmetic instructions. INC and DEC leave CF, NOT leaves all flags.
#[inline(always)]
pub fn unary<A: Algebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = i.w;
    let dst = place(a, i, 0, w, Access::Update)?;
    let carry = if i.has(bits::FLAGS) && (i.sub & 15 == INC || i.sub & 15 == DEC) {
        let c = a.carry();
        a.value(c)
    } else {
        a.k(w, 0)
    };
    let flags = update(a, i.has(bits::LOCK), w, dst, move |a, old| {
        let flags = match i.sub & 15 {
            INC => {
                let one = a.k(w, 1);
                let res = a.add(w, old, one);
                Flags { kind: FlagKind::Inc, w, res, src: one, aux: carry }
            }
            DEC => {
                let one = a.k(w, 1);
                let res = a.sub(w, old, one);
                Flags { kind: FlagKind::Dec, w, res, src: one, aux: carry }
            }
            NEG => {
                let zero = a.k(w, 0);
                let res = a.sub(w, zero, old);
                Flags { kind: FlagKind::Sub, w, res, src: old, aux: zero }
            }
            _ => {
                let ones = a.k(w, w.mask());
                let res = a.bin(Bin::Xor, w, old, ones);
                Flags { kind: FlagKind::Logic, w, res, src: ones, aux: carry }
            }
        };
        (flags.res, flags)
    });
    if i.has(bits::FLAGS) && i.sub & 15 != NOT {
        a.set_flags(flags);
    }
    Ok(a.next())
}
