//! The arithmetic flags, kept lazily: which operation, its result and operands. What each flag is, is written once here
//! over [`Arith`], for engines that compute now and engines that emit code.

use crate::algebra::{Arith, Bin, Cmp};
use crate::concrete::Concrete;
use crate::op::Width;

/// RFLAGS bits (Intel SDM vol. 1, section 3.4.3).
#[allow(missing_docs, reason = "the manual's names")]
pub mod rflags {
    pub const CF: u64 = 1 << 0;
    pub const FIXED: u64 = 1 << 1;
    pub const PF: u64 = 1 << 2;
    pub const AF: u64 = 1 << 4;
    pub const ZF: u64 = 1 << 6;
    pub const SF: u64 = 1 << 7;
    pub const TF: u64 = 1 << 8;
    pub const IF: u64 = 1 << 9;
    pub const DF: u64 = 1 << 10;
    pub const OF: u64 = 1 << 11;
    pub const IOPL: u64 = 3 << 12;
    pub const NT: u64 = 1 << 14;
    pub const RF: u64 = 1 << 16;
    pub const VM: u64 = 1 << 17;
    pub const AC: u64 = 1 << 18;
    pub const VIF: u64 = 1 << 19;
    pub const VIP: u64 = 1 << 20;
    pub const ID: u64 = 1 << 21;
    /// The six arithmetic flags.
    pub const ARITHMETIC: u64 = CF | PF | AF | ZF | SF | OF;
}
use rflags::*;

/// Which operation set the flags, and so what the record's fields mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FlagKind {
    /// `aux` holds all six flags at their RFLAGS places.
    Word = 0,
    /// `res = l + src`.
    Add,
    /// `res = l + src + aux` (aux 0 or 1).
    Adc,
    /// `res = l - src`.
    Sub,
    /// `res = l - src - aux`.
    Sbb,
    /// AND, OR, XOR, TEST.
    Logic,
    /// `res = l + 1`; CF is `aux`.
    Inc,
    /// `res = l - 1`; CF is `aux`.
    Dec,
    /// ZF, SF and PF by the result; CF, AF and OF from `aux` at their RFLAGS places.
    Result,
}

/// What the flags are, unevaluated. Values are zero-extended from the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Flags<V> {
    /// Which operation.
    pub kind: FlagKind,
    /// Its width.
    pub w: Width,
    /// Its result.
    pub res: V,
    /// Its right operand.
    pub src: V,
    /// See [`FlagKind`].
    pub aux: V,
}

impl<V> Flags<V> {
    /// Whether `src` matters.
    pub fn wants_src(&self) -> bool {
        matches!(self.kind, FlagKind::Add | FlagKind::Adc | FlagKind::Sub | FlagKind::Sbb)
    }

    /// Whether `aux` matters.
    pub fn wants_aux(&self) -> bool {
        !matches!(self.kind, FlagKind::Add | FlagKind::Sub | FlagKind::Logic)
    }
}

/// The flags of a concrete CPU.
pub type LazyFlags = Flags<u64>;

impl LazyFlags {
    /// Flags given as RFLAGS bits.
    #[inline(always)]
    pub fn word(rflags: u64) -> Self {
        Flags { kind: FlagKind::Word, w: Width::Q, res: 0, src: 0, aux: rflags & ARITHMETIC }
    }

    /// All six flags as RFLAGS bits.
    #[inline]
    pub fn to_rflags(&self) -> u64 {
        match self.kind {
            FlagKind::Word => self.aux,
            // The commonest ones: where the compiler knows the kind, nothing is decided flag by flag.
            FlagKind::Sub if self.w == Width::D => {
                word(&mut Concrete, &Flags { kind: FlagKind::Sub, w: Width::D, ..*self })
            }
            FlagKind::Add if self.w == Width::D => {
                word(&mut Concrete, &Flags { kind: FlagKind::Add, w: Width::D, ..*self })
            }
            FlagKind::Sub => word(&mut Concrete, &Flags { kind: FlagKind::Sub, ..*self }),
            FlagKind::Add => word(&mut Concrete, &Flags { kind: FlagKind::Add, ..*self }),
            _ => word(&mut Concrete, self),
        }
    }

    /// Whether a condition code (0 to 15, as in Jcc) holds.
    #[inline]
    pub fn condition(&self, cc: u8) -> bool {
        condition(&mut Concrete, cc, self)
    }
}

/// The left operand, rebuilt from the result.
#[inline(always)]
fn left<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::V {
    match f.kind {
        FlagKind::Add => a.bin(Bin::Sub, f.w, f.res, f.src),
        FlagKind::Sub => a.bin(Bin::Add, f.w, f.res, f.src),
        FlagKind::Adc => {
            let l = a.bin(Bin::Sub, f.w, f.res, f.src);
            a.bin(Bin::Sub, f.w, l, f.aux)
        }
        FlagKind::Sbb => {
            let l = a.bin(Bin::Add, f.w, f.res, f.src);
            a.bin(Bin::Add, f.w, l, f.aux)
        }
        _ => f.res,
    }
}

/// CF.
#[inline(always)]
pub fn carry<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::C {
    match f.kind {
        FlagKind::Word | FlagKind::Result => a.bit(f.aux, 0),
        FlagKind::Inc | FlagKind::Dec => a.bit(f.aux, 0),
        FlagKind::Logic => a.truth(false),
        FlagKind::Add => a.cmp(Cmp::Ult, f.w, f.res, f.src),
        FlagKind::Sub => {
            let l = left(a, f);
            a.cmp(Cmp::Ult, f.w, l, f.src)
        }
        FlagKind::Adc | FlagKind::Sbb => {
            // With a carry in, equality means that the carry has come all the way round.
            let x = if f.kind == FlagKind::Adc { f.res } else { left(a, f) };
            let below = a.cmp(Cmp::Ult, f.w, x, f.src);
            let equal = a.cmp(Cmp::Eq, f.w, x, f.src);
            let with = a.bit(f.aux, 0);
            let wrapped = a.and(equal, with);
            a.or(below, wrapped)
        }
    }
}

/// OF.
#[inline(always)]
pub fn overflow<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::C {
    match f.kind {
        FlagKind::Word | FlagKind::Result => a.bit(f.aux, 11),
        FlagKind::Logic => a.truth(false),
        FlagKind::Inc => {
            let most = a.k(f.w, f.w.sign());
            a.cmp(Cmp::Eq, f.w, f.res, most)
        }
        FlagKind::Dec => {
            let most = a.k(f.w, f.w.sign() - 1);
            a.cmp(Cmp::Eq, f.w, f.res, most)
        }
        FlagKind::Add | FlagKind::Adc => {
            let l = left(a, f);
            let x = a.bin(Bin::Xor, f.w, l, f.res);
            let y = a.bin(Bin::Xor, f.w, f.src, f.res);
            let both = a.bin(Bin::And, f.w, x, y);
            a.bit(both, f.w.bits() - 1)
        }
        FlagKind::Sub | FlagKind::Sbb => {
            let l = left(a, f);
            let x = a.bin(Bin::Xor, f.w, l, f.src);
            let y = a.bin(Bin::Xor, f.w, l, f.res);
            let both = a.bin(Bin::And, f.w, x, y);
            a.bit(both, f.w.bits() - 1)
        }
    }
}

/// ZF.
#[inline(always)]
pub fn zero<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::C {
    if f.kind == FlagKind::Word {
        return a.bit(f.aux, 6);
    }
    let nothing = a.k(f.w, 0);
    a.cmp(Cmp::Eq, f.w, f.res, nothing)
}

/// SF.
#[inline(always)]
pub fn sign<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::C {
    match f.kind {
        FlagKind::Word => a.bit(f.aux, 7),
        _ => a.bit(f.res, f.w.bits() - 1),
    }
}

/// PF: even parity of the result's low byte.
#[inline(always)]
pub fn parity<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::C {
    if f.kind == FlagKind::Word {
        return a.bit(f.aux, 2);
    }
    let low = a.truncate(Width::B, f.res);
    let ones = a.popcount(Width::D, low);
    let odd = a.bit(ones, 0);
    a.not(odd)
}

/// AF: carry out of bit 3.
#[inline(always)]
pub fn adjust<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::C {
    match f.kind {
        FlagKind::Word | FlagKind::Result => a.bit(f.aux, 4),
        FlagKind::Logic => a.truth(false),
        FlagKind::Inc | FlagKind::Dec => {
            let nibble = a.k(f.w, 15);
            let low = a.bin(Bin::And, f.w, f.res, nibble);
            let full = a.k(f.w, if f.kind == FlagKind::Inc { 0 } else { 15 });
            a.cmp(Cmp::Eq, f.w, low, full)
        }
        _ => {
            let l = left(a, f);
            let x = a.bin(Bin::Xor, f.w, l, f.src);
            let x = a.bin(Bin::Xor, f.w, x, f.res);
            a.bit(x, 4)
        }
    }
}

/// All six flags at their RFLAGS places.
#[inline(always)]
pub fn word<A: Arith>(a: &mut A, f: &Flags<A::V>) -> A::V {
    if f.kind == FlagKind::Word {
        return f.aux;
    }
    let flags = [
        (carry(a, f), 0),
        (parity(a, f), 2),
        (adjust(a, f), 4),
        (zero(a, f), 6),
        (sign(a, f), 7),
        (overflow(a, f), 11),
    ];
    let mut all = a.k(Width::Q, 0);
    for (flag, place) in flags {
        let value = a.value(flag);
        let amount = a.k(Width::Q, place);
        let bit = a.bin(Bin::Shl, Width::Q, value, amount);
        all = a.bin(Bin::Or, Width::Q, all, bit);
    }
    all
}

/// A condition code as in Jcc, SETcc and CMOVcc: O NO B NB Z NZ BE A S NS P NP L GE LE G.
#[inline(always)]
pub fn condition<A: Arith>(a: &mut A, cc: u8, f: &Flags<A::V>) -> A::C {
    let positive = match cc >> 1 {
        0 => overflow(a, f),
        1 => carry(a, f),
        2 => zero(a, f),
        3 => match f.kind {
            FlagKind::Sub => {
                let l = left(a, f);
                a.cmp(Cmp::Ule, f.w, l, f.src)
            }
            _ => {
                let (c, z) = (carry(a, f), zero(a, f));
                a.or(c, z)
            }
        },
        4 => sign(a, f),
        5 => parity(a, f),
        6 => match f.kind {
            FlagKind::Sub => {
                let l = left(a, f);
                a.cmp(Cmp::Slt, f.w, l, f.src)
            }
            FlagKind::Logic => sign(a, f),
            _ => {
                let (s, o) = (sign(a, f), overflow(a, f));
                a.xor(s, o)
            }
        },
        _ => match f.kind {
            FlagKind::Sub => {
                let l = left(a, f);
                a.cmp(Cmp::Sle, f.w, l, f.src)
            }
            _ => {
                let (s, o, z) = (sign(a, f), overflow(a, f), zero(a, f));
                let less = a.xor(s, o);
                a.or(less, z)
            }
        },
    };
    if cc & 1 == 0 { positive } else { a.not(positive) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(kind: FlagKind, res: u64, src: u64, aux: u64) -> u64 {
        Flags { kind, w: Width::B, res, src, aux }.to_rflags()
    }

    #[test]
    fn every_byte_sum_and_difference() {
        for l in 0..256u64 {
            for r in 0..256u64 {
                for c in 0..2u64 {
                    let (sum, difference) = (l + r + c, l.wrapping_sub(r + c));
                    let result = |v: u64| {
                        let v = v & 0xff;
                        (if v == 0 { ZF } else { 0 })
                            | (if v & 0x80 != 0 { SF } else { 0 })
                            | (if v.count_ones().is_multiple_of(2) { PF } else { 0 })
                    };
                    let signed = |v: i64| if (-128..128).contains(&v) { 0 } else { OF };
                    let (sl, sr) = (i64::from(l as i8), i64::from(r as i8));
                    let add = result(sum) | (sum >> 8) | ((l ^ r ^ sum) & AF) | signed(sl + sr + c as i64);
                    let sub = result(difference)
                        | (difference >> 63)
                        | ((l ^ r ^ difference) & AF)
                        | signed(sl - sr - c as i64);
                    assert_eq!(flags(FlagKind::Adc, sum & 0xff, r, c), add, "{l}+{r}+{c}");
                    assert_eq!(flags(FlagKind::Sbb, difference & 0xff, r, c), sub, "{l}-{r}-{c}");
                    if c == 0 {
                        assert_eq!(flags(FlagKind::Add, sum & 0xff, r, 0), add);
                        assert_eq!(flags(FlagKind::Sub, difference & 0xff, r, 0), sub);
                    }
                }
            }
        }
    }

    #[test]
    fn the_quick_word_is_the_one_flag_by_flag() {
        let edges = [
            0,
            1,
            0x10,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0x7fff_ffff,
            0x8000_0000,
            i64::MAX as u64,
            1 << 63,
            u64::MAX,
        ];
        for w in [Width::B, Width::W, Width::D, Width::Q] {
            for (res, src) in edges.iter().flat_map(|res| edges.map(|src| (res & w.mask(), src & w.mask()))) {
                for kind in [FlagKind::Sub, FlagKind::Add] {
                    let flags = Flags { kind, w, res, src, aux: 0 };
                    assert_eq!(flags.to_rflags(), word(&mut Concrete, &flags), "{flags:?}");
                }
            }
        }
    }

    #[test]
    fn conditions_agree_with_the_flags_that_they_are_made_of() {
        for kind in [FlagKind::Sub, FlagKind::Add, FlagKind::Logic, FlagKind::Inc, FlagKind::Dec, FlagKind::Result] {
            for res in 0..256u64 {
                for src in (0..256u64).step_by(7) {
                    let lazy = Flags { kind, w: Width::B, res, src, aux: src & (CF | AF | OF) };
                    let now = LazyFlags::word(lazy.to_rflags());
                    for cc in 0..16 {
                        assert_eq!(lazy.condition(cc), now.condition(cc), "{kind:?} {res} {src} {cc}");
                    }
                }
            }
        }
    }
}
