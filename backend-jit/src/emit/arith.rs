//! Arithmetic: folded where all operands are known, else emitted.

use super::share::Origin;
use super::{C, Emit, V};
use crate::code::Function;
use frontend_x86::algebra::{Arith, Bin, Cmp};
use frontend_x86::concrete::Concrete;
use frontend_x86::op::{Func, Width};

/// A difference, what was left of a number, or a part of an address, and the operands that it was made of.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    op: Bin,
    w: Width,
    l: V,
    r: V,
    /// Only flags are made of it: it is cheaper to look at the operands, and to make it again where it is stored.
    tested: bool,
}

impl Emit<'_, '_> {
    fn made(&self, v: V) -> Option<Made> {
        let V::Value(v) = v else { return None };
        self.made.get(&v).copied()
    }

    /// What a value was made of by this operation.
    pub(super) fn made_of(&self, op: Bin, w: Width, v: V) -> Option<(V, V)> {
        self.made(v).filter(|made| (made.op, made.w) == (op, w)).map(|made| (made.l, made.r))
    }

    /// How the result of CMP or TEST is made.
    pub(super) fn tested(&self, v: V) -> Option<(Bin, Width, V, V)> {
        self.made(v).filter(|made| made.tested).map(|made| (made.op, made.w, made.l, made.r))
    }

    /// Notes that a value is the result of CMP or TEST.
    pub(super) fn note_tested(&mut self, v: V) {
        if let V::Value(v) = v
            && let Some(made) = self.made.get_mut(&v)
        {
            made.tested = true;
        }
    }

    /// A value in a block that is seldom executed: made there, if it is not of use on the way.
    pub(super) fn again(&mut self, v: V) -> V {
        match self.tested(v) {
            Some((op, w, l, r)) => {
                let (l, r) = (self.value_of(l), self.value_of(r));
                V::Value(self.asm.bin(op, w, l, r))
            }
            _ => v,
        }
    }

    /// Results that are known from one operand alone. Cranelift is run without its optimiser, so this is done here.
    fn shortcut(op: Bin, w: Width, l: V, r: V) -> Option<V> {
        use V::Const;
        Some(match (op, l, r) {
            (Bin::Add | Bin::Or | Bin::Xor, Const(0), v)
            | (
                Bin::Add | Bin::Sub | Bin::Or | Bin::Xor | Bin::Shl | Bin::Shr | Bin::Sar | Bin::Rol | Bin::Ror,
                v,
                Const(0),
            ) => v,
            (Bin::And | Bin::Mul, Const(0), _) | (Bin::And | Bin::Mul, _, Const(0)) => Const(0),
            (Bin::Mul, Const(1), v) | (Bin::Mul, v, Const(1)) => v,
            (Bin::And, v, Const(m)) | (Bin::And, Const(m), v) if m == w.mask() => v,
            (Bin::Sub | Bin::Xor, l, r) if l == r => Const(0),
            (Bin::And | Bin::Or, l, r) if l == r => l,
            _ => return None,
        })
    }

    /// What a constant is added to or taken from, as a sum of what that was itself counted from: hosts add into another register, and
    /// nobody waits for sums in between.
    fn counted(&self, op: Bin, w: Width, l: V, r: V) -> Option<(V, u64)> {
        let (v, add) = match (op, l, r) {
            (Bin::Add, v @ V::Value(_), V::Const(add)) | (Bin::Add, V::Const(add), v @ V::Value(_)) => (v, add),
            (Bin::Sub, v @ V::Value(_), V::Const(less)) => (v, less.wrapping_neg()),
            _ => return None,
        };
        let Origin { root, add: from, short } = self.origin(v);
        match w {
            Width::Q if short => Some((v, add)),
            Width::D | Width::Q => Some((root, add.wrapping_add(from as u64) & w.mask())),
            _ => None,
        }
    }

    /// A truth as a value of its own, not negated.
    pub(super) fn truth_of(&mut self, c: C) -> crate::clif::Value {
        match c {
            C::Const(c) => self.asm.truth(c),
            C::Value(c, false) => c,
            C::Value(c, true) => self.asm.not(c),
        }
    }
}

impl Arith for Emit<'_, '_> {
    type V = V;
    type C = C;

    fn k(&mut self, w: Width, value: u64) -> V {
        V::Const(value & w.mask())
    }

    fn bin(&mut self, op: Bin, w: Width, l: V, r: V) -> V {
        if let (V::Const(l), V::Const(r)) = (l, r) {
            return V::Const(Concrete.bin(op, w, l, r));
        }
        if let Some(v) = Self::shortcut(op, w, l, r) {
            return v;
        }
        // A difference's left operand, which flags are made of.
        if op == Bin::Add
            && let Some(Made { op: Bin::Sub, w: of, l, r: less, .. }) = self.made(l)
            && (of, less) == (w, r)
        {
            return l;
        }
        let known = (l, r);
        let (emitted, l, r) = match self.counted(op, w, l, r) {
            Some((root, 0)) if w == Width::Q => return root,
            Some((root, add)) => (Bin::Add, root, V::Const(add)),
            None => (op, l, r),
        };
        let (l, r) = (self.value_of(l), self.value_of(r));
        let value = self.asm.bin(emitted, w, l, r);
        let v = V::Value(value);
        let address = matches!((op, known), (Bin::Add, (V::Value(_), V::Value(_))) | (Bin::Shl, (_, V::Const(_))));
        if address || matches!(op, Bin::Sub | Bin::And) {
            self.made.insert(value, Made { op, w, l: known.0, r: known.1, tested: false });
        }
        match (op, known) {
            (Bin::Add, (from @ V::Value(_), V::Const(add)) | (V::Const(add), from @ V::Value(_))) => {
                self.note_sum(w, v, from, add);
            }
            (Bin::Sub, (from @ V::Value(_), V::Const(less))) => self.note_sum(w, v, from, less.wrapping_neg()),
            _ => {}
        }
        v
    }

    fn cmp(&mut self, cmp: Cmp, w: Width, l: V, r: V) -> C {
        if let (V::Const(l), V::Const(r)) = (l, r) {
            return C::Const(Concrete.cmp(cmp, w, l, r));
        }
        if l == r {
            return C::Const(matches!(cmp, Cmp::Eq | Cmp::Ule | Cmp::Sle));
        }
        let cmp = if (cmp, r) == (Cmp::Ule, V::Const(0)) { Cmp::Eq } else { cmp };
        if let (V::Value(l), V::Const(0)) = (l, r)
            && let Some(c) = self.truths.get(&l).copied()
        {
            match cmp {
                Cmp::Ne => return c,
                Cmp::Eq => return self.not(c),
                _ => {}
            }
        }
        if matches!(cmp, Cmp::Eq | Cmp::Ne)
            && r == V::Const(0)
            && let Some(Made { op: Bin::Sub, w: of, l, r, tested: true }) = self.made(l)
            && of == w
        {
            return self.cmp(cmp, w, l, r);
        }
        let (l, r) = (self.value_of(l), self.value_of(r));
        C::Value(self.asm.compare(cmp, w, l, r), false)
    }

    fn bit(&mut self, v: V, bit: u32) -> C {
        match v {
            V::Const(v) => C::Const(v >> bit & 1 != 0),
            V::Value(value) => {
                if let Some(c) = self.truths.get(&value) {
                    return if bit == 0 { *c } else { C::Const(false) };
                }
                // The sign of a width, which hosts test at once.
                if let Some(w) = [Width::B, Width::W, Width::D, Width::Q].into_iter().find(|w| w.bits() == bit + 1) {
                    let zero = self.asm.constant(0);
                    return C::Value(self.asm.compare(Cmp::Slt, w, value, zero), false);
                }
                let v = match self.made(v) {
                    Some(Made { op: Bin::And, l: V::Value(l), r: V::Const(mask), .. }) if mask >> bit & 1 != 0 => l,
                    _ => value,
                };
                let mask = self.asm.constant(1 << bit);
                let alone = self.asm.bin(Bin::And, Width::Q, v, mask);
                let zero = self.asm.constant(0);
                C::Value(self.asm.compare(Cmp::Ne, Width::Q, alone, zero), false)
            }
        }
    }

    fn truncate(&mut self, w: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(v & w.mask()),
            V::Value(value) => {
                let short = V::Value(self.asm.truncate(w, value));
                self.note_sum(w, short, v, 0);
                short
            }
        }
    }

    fn sign_extend(&mut self, from: Width, to: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(Concrete.sign_extend(from, to, v)),
            V::Value(v) => {
                let wide = self.asm.sign_extend(from, v);
                V::Value(self.asm.truncate(to, wide))
            }
        }
    }

    fn popcount(&mut self, w: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(Concrete.popcount(w, v)),
            V::Value(v) => V::Value(self.asm.popcount(v)),
        }
    }

    fn leading_zeros(&mut self, w: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(Concrete.leading_zeros(w, v)),
            V::Value(v) => {
                let zeros = V::Value(self.asm.leading_zeros(v));
                self.bin(Bin::Sub, Width::Q, zeros, V::Const(u64::from(64 - w.bits())))
            }
        }
    }

    fn trailing_zeros(&mut self, w: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(Concrete.trailing_zeros(w, v)),
            V::Value(_) => {
                // A bit above the width ends the count there.
                let stop = if w == Width::Q { 0 } else { 1 << w.bits() };
                let v = self.bin(Bin::Or, Width::Q, v, V::Const(stop));
                let v = self.value_of(v);
                V::Value(self.asm.trailing_zeros(v))
            }
        }
    }

    fn swap_bytes(&mut self, w: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(Concrete.swap_bytes(w, v)),
            V::Value(v) => V::Value(self.asm.swap_bytes(w, v)),
        }
    }

    fn mul_wide(&mut self, signed: bool, w: Width, l: V, r: V) -> (V, V) {
        if let (V::Const(l), V::Const(r)) = (l, r) {
            let (low, high) = Concrete.mul_wide(signed, w, l, r);
            return (V::Const(low), V::Const(high));
        }
        if w == Width::Q {
            let (l, r) = (self.value_of(l), self.value_of(r));
            let low = self.asm.bin(Bin::Mul, w, l, r);
            return (V::Value(low), V::Value(self.asm.mul_high(signed, l, r)));
        }
        if self.op.ins.func == Func::Imul && w == Width::D {
            // The high half makes flags only, which mostly nobody looks at: the host's multiplication is of this width.
            let (sl, sr) = (self.sign_extend(w, Width::Q, l), self.sign_extend(w, Width::Q, r));
            let product = self.bin(Bin::Mul, Width::Q, sl, sr);
            let high = self.bin(Bin::Shr, Width::Q, product, V::Const(u64::from(w.bits())));
            return (self.bin(Bin::Mul, w, l, r), self.truncate(w, high));
        }
        let (l, r) = if signed { (self.sign_extend(w, Width::Q, l), self.sign_extend(w, Width::Q, r)) } else { (l, r) };
        let product = self.bin(Bin::Mul, Width::Q, l, r);
        let low = self.truncate(w, product);
        let high = self.bin(Bin::Shr, Width::Q, product, V::Const(u64::from(w.bits())));
        (low, self.truncate(w, high))
    }

    fn crc32c(&mut self, w: Width, crc: V, v: V) -> V {
        if let (V::Const(crc), V::Const(v)) = (crc, v) {
            return V::Const(Concrete.crc32c(w, crc, v));
        }
        let arguments = [V::Const(w as u64), crc, v].map(|v| self.value_of(v));
        V::Value(self.asm.call(Function::Crc32c, &arguments))
    }

    fn select(&mut self, _w: Width, c: C, yes: V, no: V) -> V {
        let (c, yes, no) = match c {
            C::Const(true) => return yes,
            C::Const(false) => return no,
            _ if yes == no => return yes,
            C::Value(c, false) => (c, yes, no),
            C::Value(c, true) => (c, no, yes),
        };
        let (yes, no) = (self.value_of(yes), self.value_of(no));
        V::Value(self.asm.select(c, yes, no))
    }

    fn truth(&mut self, c: bool) -> C {
        C::Const(c)
    }

    fn value(&mut self, c: C) -> V {
        match c {
            C::Const(c) => V::Const(u64::from(c)),
            c => {
                let truth = self.truth_of(c);
                let v = self.asm.number(truth);
                self.truths.insert(v, c);
                V::Value(v)
            }
        }
    }

    fn and(&mut self, l: C, r: C) -> C {
        match (l, r) {
            (C::Const(false), _) | (_, C::Const(false)) => C::Const(false),
            (C::Const(true), c) | (c, C::Const(true)) => c,
            // Neither, nor: one negation less.
            (C::Value(l, true), C::Value(r, true)) => C::Value(self.asm.logic(Bin::Or, l, r), true),
            _ => {
                let (l, r) = (self.truth_of(l), self.truth_of(r));
                C::Value(self.asm.logic(Bin::And, l, r), false)
            }
        }
    }

    fn or(&mut self, l: C, r: C) -> C {
        let (l, r) = (self.not(l), self.not(r));
        let neither = self.and(l, r);
        self.not(neither)
    }

    fn xor(&mut self, l: C, r: C) -> C {
        match (l, r) {
            (C::Const(false), c) | (c, C::Const(false)) => c,
            (C::Const(true), c) | (c, C::Const(true)) => self.not(c),
            (C::Value(l, ln), C::Value(r, rn)) => C::Value(self.asm.logic(Bin::Xor, l, r), ln != rn),
        }
    }

    fn not(&mut self, c: C) -> C {
        match c {
            C::Const(c) => C::Const(!c),
            C::Value(c, negated) => C::Value(c, !negated),
        }
    }
}
