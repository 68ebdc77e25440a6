//! The algebra of steps.

use super::record::{Flow, Page, Record};
use super::step::{AUX, C, CS_LIMIT, FLAGS, Place, RES, SRC, SYSTEM_FLAGS, Step, V, slot};
use frontend_x86::algebra::{Access, Algebra, Arith, Bin, Cmp};
use frontend_x86::concrete::Concrete;
use frontend_x86::cpu::CodeSize;
use frontend_x86::exception::Exception;
use frontend_x86::flags::{FlagKind, Flags, LazyFlags, condition, word};
use frontend_x86::op::{Form, Ins, Op, RIP_BASE, Width, ZERO, bits};
use std::convert::Infallible;
use std::mem::offset_of;

const Q: Width = Width::Q;
impl Arith for Record {
    type V = V;
    type C = C;

    fn k(&mut self, w: Width, value: u64) -> V {
        V::Const(value & w.mask())
    }

    fn bin(&mut self, op: Bin, w: Width, l: V, r: V) -> V {
        let (l, r) = match op {
            // Their results are cut.
            Bin::Add | Bin::Sub | Bin::Mul => (self.low(w, l), self.low(w, r)),
            // So is what the host does with 32 bits.
            Bin::And | Bin::Or | Bin::Xor if w >= Width::D => (self.low(w, l), self.low(w, r)),
            Bin::Shl | Bin::Shr | Bin::Sar | Bin::Rol | Bin::Ror if w >= Width::D => (self.low(w, l), r),
            _ => (l, r),
        };
        let (l, r) = match (op, l) {
            (Bin::Add | Bin::And | Bin::Or | Bin::Xor | Bin::Mul, V::Const(_)) => (r, l),
            _ => (l, r),
        };
        if let (V::Const(l), V::Const(r)) = (l, r) {
            return V::Const(Concrete.bin(op, w, l, r));
        }
        match (op, r) {
            (Bin::Add | Bin::Sub | Bin::Or | Bin::Xor, V::Const(0)) => return self.truncate(w, l),
            (Bin::Shl | Bin::Shr | Bin::Sar | Bin::Rol | Bin::Ror, V::Const(0)) => return self.truncate(w, l),
            (Bin::And | Bin::Mul, V::Const(0)) => return r,
            (Bin::And, V::Const(mask)) if self.width(l).mask() & !mask == 0 => return l,
            _ => {}
        }
        // What was subtracted is added again, to know the left operand of a comparison; or the other way round.
        match (op, self.of(l)) {
            (Bin::Add, Some(Step::Bin { op: Bin::Sub, w: same, l, r: again })) if same == w && again == r => {
                return self.truncate(w, l);
            }
            (Bin::Sub, Some(Step::Bin { op: Bin::Add, w: same, l, r: again })) if same == w && again == r => {
                return self.truncate(w, l);
            }
            _ => {}
        }
        let shifts = matches!(op, Bin::Shl | Bin::Shr | Bin::Sar | Bin::Rol | Bin::Ror);
        if shifts && !matches!(r, V::Const(_)) && (w < Width::D || matches!(op, Bin::Rol | Bin::Ror)) {
            return self.refuse(V::Const(0));
        }
        self.step(Step::Bin { op, w, l, r })
    }

    fn cmp(&mut self, cmp: Cmp, w: Width, l: V, r: V) -> C {
        let (l, r) = (self.low(w, l), self.low(w, r));
        match (l, r) {
            (V::Const(l), V::Const(r)) => C::Const(Concrete.cmp(cmp, w, l, r)),
            _ => C::Cmp { cmp, w, l, r, not: false },
        }
    }

    fn bit(&mut self, v: V, bit: u32) -> C {
        match v {
            V::Const(v) => C::Const(v >> bit & 1 != 0),
            v => C::Bit { v, bit: bit as u8, not: false },
        }
    }

    fn truncate(&mut self, w: Width, v: V) -> V {
        let v = self.low(w, v);
        match v {
            V::Step(_) if w < Q && self.width(v) > w => self.step(Step::Truncate { w, v }),
            v => v,
        }
    }

    fn sign_extend(&mut self, from: Width, to: Width, v: V) -> V {
        let v = self.low(from, v);
        match v {
            V::Const(v) => V::Const(Concrete.sign_extend(from, to, v)),
            v if from == to => self.truncate(to, v),
            v if to < Width::D => {
                let v = self.step(Step::Extend { from, to: Width::D, v });
                self.truncate(to, v)
            }
            v => self.step(Step::Extend { from, to, v }),
        }
    }

    fn popcount(&mut self, w: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(Concrete.popcount(w, v)),
            v => self.refuse(v),
        }
    }

    fn leading_zeros(&mut self, _: Width, v: V) -> V {
        self.refuse(v)
    }

    fn trailing_zeros(&mut self, _: Width, v: V) -> V {
        self.refuse(v)
    }

    fn swap_bytes(&mut self, w: Width, v: V) -> V {
        match v {
            V::Const(v) => V::Const(Concrete.swap_bytes(w, v)),
            v if w >= Width::D => self.step(Step::Swap { w, v }),
            v => self.refuse(v),
        }
    }

    fn mul_wide(&mut self, signed: bool, w: Width, l: V, r: V) -> (V, V) {
        if w == Q {
            return (self.bin(Bin::Mul, Q, l, r), self.step(Step::High { signed, l, r }));
        }
        let [l, r] = [l, r].map(|v| if signed { self.sign_extend(w, Q, v) } else { v });
        let all = self.bin(Bin::Mul, Q, l, r);
        let high = self.bin(Bin::Shr, Q, all, V::Const(w.bits().into()));
        (self.truncate(w, all), self.truncate(w, high))
    }

    fn crc32c(&mut self, _: Width, crc: V, _: V) -> V {
        self.refuse(crc)
    }

    fn select(&mut self, w: Width, c: C, yes: V, no: V) -> V {
        match c {
            C::Const(true) => yes,
            C::Const(false) => no,
            c => {
                let (yes, no) = (self.truncate(w, yes), self.truncate(w, no));
                self.step(Step::Select { w, c, yes, no })
            }
        }
    }

    fn truth(&mut self, c: bool) -> C {
        C::Const(c)
    }

    fn value(&mut self, c: C) -> V {
        match c {
            C::Const(c) => V::Const(c.into()),
            c => self.step(Step::Truth(c)),
        }
    }

    fn and(&mut self, l: C, r: C) -> C {
        match (l, r) {
            (C::Const(false), _) | (_, C::Const(true)) => l,
            (C::Const(true), _) | (_, C::Const(false)) => r,
            _ => self.both(Bin::And, l, r),
        }
    }

    fn or(&mut self, l: C, r: C) -> C {
        match (l, r) {
            (C::Const(true), _) | (_, C::Const(false)) => l,
            (C::Const(false), _) | (_, C::Const(true)) => r,
            _ => self.both(Bin::Or, l, r),
        }
    }

    fn xor(&mut self, l: C, r: C) -> C {
        match (l, r) {
            (c, C::Const(false)) | (C::Const(false), c) => c,
            (c, C::Const(true)) | (C::Const(true), c) => self.not(c),
            _ => self.both(Bin::Xor, l, r),
        }
    }

    fn not(&mut self, c: C) -> C {
        match c {
            C::Const(c) => C::Const(!c),
            C::Cmp { cmp, w, l, r, not } => C::Cmp { cmp, w, l, r, not: !not },
            C::Bit { v, bit, not } => C::Bit { v, bit, not: !not },
        }
    }
}

impl Record {
    fn both(&mut self, op: Bin, l: C, r: C) -> C {
        let (l, r) = (self.value(l), self.value(r));
        let v = self.bin(op, Width::D, l, r);
        self.bit(v, 0)
    }
}

impl Algebra for Record {
    /// No op with vectors is recorded.
    type X = ();
    type P = Place;
    type Flow = Flow;
    /// An op is left in front of it.
    type Stop = Infallible;

    fn op(&self) -> Op {
        self.op
    }

    fn reg(&mut self, r: u8, w: Width) -> V {
        if r == ZERO {
            return V::Const(0);
        }
        let v = match self.regs[usize::from(r)] {
            Some(v) => v,
            None => {
                let v = self.step(Step::Own { w: Q, at: slot(r) });
                self.regs[usize::from(r)] = Some(v);
                v
            }
        };
        self.truncate(w, v)
    }

    fn set_reg(&mut self, r: u8, w: Width, v: V) {
        let v = if w < Width::D {
            let old = self.reg(r, Q);
            let kept = self.bin(Bin::And, Q, old, V::Const(!w.mask()));
            self.bin(Bin::Or, Q, kept, v)
        } else {
            v
        };
        self.set_own(slot(r), v);
        self.regs[usize::from(r)] = Some(v);
    }

    fn imm(&mut self, w: Width) -> V {
        V::Const(self.op.imm & w.mask())
    }

    fn next_rip(&mut self, w: Width) -> V {
        let base = self.reg(RIP_BASE, Q);
        let rip = self.add(Q, base, V::Const(self.op.next_offset()));
        let rip = self.truncate(w, rip);
        // It is a call's.
        self.step(Step::Expect(rip));
        rip
    }

    fn vector(&mut self, _: u8, _: Width) {
        self.refuse(());
    }

    fn set_vector(&mut self, _: u8, _: Width, (): ()) {
        self.refuse(());
    }

    fn address(&mut self, i: Ins) -> V {
        let Op { base, index, scale, disp, .. } = self.op;
        let w = match i.form {
            Form::Flat32 | Form::Seg32 => Width::D,
            Form::A64Seg if i.has(bits::ADDR32) => Width::D,
            Form::A64 | Form::A64Seg | Form::Seg16 => Q,
        };
        let [base, index] = [base, index].map(|r| self.reg(r, Q));
        let index = self.bin(Bin::Shl, w, index, V::Const(u64::from(scale & 3)));
        let sum = self.bin(Bin::Add, w, base, index);
        let sum = self.bin(Bin::Add, w, sum, V::Const(disp as u64 & w.mask()));
        match i.form {
            Form::Seg16 => self.truncate(Width::W, sum),
            _ => sum,
        }
    }

    fn probe(&mut self, form: Form, seg: u8, offset: V, w: Width, access: Access) -> Result<Place, Infallible> {
        let linear = self.linear(form, seg, offset, w.bytes(), access);
        let write = access.writes();
        let (modulo, root, add) = self.origin(linear);
        let fits = |page: &&Page| page.root == root && page.modulo == modulo && (page.write || !write);
        let known = self.pages.iter().rev().find(fits).copied();
        if let Some(Page { add: other, offset, addend, .. }) = known
            && let Ok(distance) = i32::try_from(add.wrapping_sub(other))
            && distance.unsigned_abs() < 4096
        {
            self.step(Step::Near { offset, distance, w });
            return Ok(Place { linear, addend });
        }
        let offset = self.step(Step::Page { linear, w, write });
        let addend = self.step(Step::Addend);
        self.pages.push(Page { modulo, root, add, write, offset, addend });
        Ok(Place { linear, addend })
    }

    fn load(&mut self, w: Width, from: Place) -> V {
        self.step(Step::Load { w, from })
    }

    fn store(&mut self, w: Width, to: Place, v: V) {
        let v = self.low(w, v);
        self.step(Step::Store { w, to, v });
    }

    fn load_vector(&mut self, _: Width, _: Place) {
        self.refuse(());
    }

    fn store_vector(&mut self, _: Width, _: Place, (): ()) {
        self.refuse(());
    }

    /// Locked ops are not recorded.
    fn update<E>(&mut self, _: bool, w: Width, p: Place, f: impl Fn(&mut Self, V) -> (V, E)) -> E {
        let old = self.load(w, p);
        let (new, extra) = f(self, old);
        self.store(w, p, new);
        extra
    }

    fn set_flags(&mut self, f: Flags<V>) {
        let (kind, w) = (f.kind as u64, f.w as u64);
        const { assert!(offset_of!(LazyFlags, kind) == 0 && offset_of!(LazyFlags, w) == 1) };
        self.step(Step::SetOwn { w: Width::W, at: FLAGS, v: V::Const(u64::from_le(kind | w << 8)) });
        if f.kind != FlagKind::Word {
            self.set_own(RES, f.res);
        }
        if f.wants_src() {
            self.set_own(SRC, f.src);
        }
        if f.wants_aux() {
            self.set_own(AUX, f.aux);
        }
        self.flags = Some(f);
    }

    fn condition(&mut self, cc: u8) -> C {
        let f = self.known_flags();
        condition(self, cc, &f)
    }

    fn carry(&mut self) -> C {
        self.condition(2)
    }

    fn flags_word(&mut self) -> V {
        let f = self.known_flags();
        word(self, &f)
    }

    fn system_flags(&mut self) -> V {
        self.own(Q, SYSTEM_FLAGS as usize)
    }

    fn set_system_flags(&mut self, flags: V) {
        self.set_own(SYSTEM_FLAGS, flags);
    }

    fn when(&mut self, c: C, f: impl FnOnce(&mut Self)) {
        match c {
            C::Const(true) => f(self),
            C::Const(false) => {}
            _ => self.refuse(()),
        }
    }

    fn raise_if_or_stop(&mut self, c: C, _: Exception) -> Result<(), Infallible> {
        self.leave_if(c);
        Ok(())
    }

    fn divide_or_stop(&mut self, _: bool, _: Width, hi: V, lo: V, _: V) -> Result<(V, V), Infallible> {
        Ok(self.refuse((hi, lo)))
    }

    fn next(&mut self) -> Flow {
        Flow::Next
    }

    fn jump_or_stop(&mut self, w: Width) -> Result<Flow, Infallible> {
        if self.op.imm < 4096 {
            return Ok(Flow::Jump(self.step(Step::Link)));
        }
        let base = self.reg(RIP_BASE, Q);
        let target = self.add(Q, base, V::Const(self.op.imm));
        let target = self.truncate(w.min(self.mode.ip_width()), target);
        self.check_target_or_stop(w, target)?;
        Ok(Flow::JumpTo(target))
    }

    fn jump_if_or_stop(&mut self, w: Width, c: C) -> Result<Flow, Infallible> {
        match c {
            C::Const(true) => self.jump_or_stop(w),
            C::Const(false) => Ok(Flow::Next),
            // Where it leads is looked at on the way.
            c => Ok(Flow::JumpIf(c)),
        }
    }

    fn check_target_or_stop(&mut self, _: Width, target: V) -> Result<(), Infallible> {
        if self.mode.code == CodeSize::Bits64 {
            let up = self.bin(Bin::Shl, Q, target, V::Const(16));
            let canonical = self.bin(Bin::Sar, Q, up, V::Const(16));
            let crooked = self.cmp(Cmp::Ne, Q, canonical, target);
            self.leave_if(crooked);
        } else {
            let limit = self.own(Width::D, CS_LIMIT as usize);
            self.leave_if_below(limit, target);
        }
        Ok(())
    }

    fn jump_to(&mut self, w: Width, target: V) -> Flow {
        Flow::JumpTo(self.truncate(w, target))
    }

    fn skip_if(&mut self, _: C) -> Option<Flow> {
        self.refuse(None)
    }

    fn again_if(&mut self, _: C) -> Flow {
        self.refuse(Flow::Next)
    }

    fn fence(&mut self) {
        self.refuse(());
    }

    fn string_block(&mut self, _: Ins) -> bool {
        self.refuse(false)
    }
}
