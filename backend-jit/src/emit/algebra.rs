//! What an instruction does to a CPU, as code.

use super::share::Expected;
use super::slots::{LEFT, TLB};
use super::vector::X;
use super::{C, Emit, FlagState, Flow, Target, V};
use crate::clif::{Area, Block, Value};
use crate::code::{Function, Symbol};
use crate::moved;
use backend_interp::hot;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::Cpu;
use frontend_x86::algebra::{Access, Algebra, Arith, Bin, Cmp};
use frontend_x86::cpu::CodeSize;
use frontend_x86::exception::Exception;
use frontend_x86::flags::{Flags, condition, word};
use frontend_x86::op::{Form, Func, Ins, Op, RIP_BASE, Width, bits};
use frontend_x86::tlb::{ENTRIES, Entry, HOST_BITS, PLACED};
use lyrebird_core::CpuState;
use lyrebird_core::cpu::segment::Segment;
use std::convert::Infallible;
use std::mem::{offset_of, size_of};

const CPU: usize = offset_of!(Run, cpu);
/// RFLAGS without the arithmetic flags, in a [`Run`].
pub const SYSTEM_FLAGS: i32 = (CPU + offset_of!(Cpu, system_flags)) as i32;
/// The limit of CS.
pub const CS_LIMIT: i32 =
    (CPU + offset_of!(Cpu, state) + offset_of!(CpuState, seg) + size_of::<Segment>() + offset_of!(Segment, limit))
        as i32;
const Q: Width = Width::Q;

impl Emit<'_, '_> {
    pub(super) fn load_own(&mut self, w: Width, offset: i32) -> V {
        V::Value(self.asm.load(Area::Own, w, self.run, offset))
    }

    pub(super) fn store_own(&mut self, offset: i32, v: V) {
        let v = self.value_of(v);
        self.asm.store(Area::Own, Q, self.run, offset, v);
    }

    /// What the budget is after so many instructions.
    pub(super) fn charged(&mut self, instructions: u8) -> V {
        let left = self.read(LEFT);
        self.plus(Q, left, u64::from(instructions).wrapping_neg())
    }

    /// Whether it does not last for them.
    pub(super) fn used_up(&mut self, instructions: u8) -> C {
        let left = self.read(LEFT);
        self.cmp(Cmp::Slt, Q, left, V::Const(instructions.into()))
    }

    /// Leaves unless the budget lasts for the jump; gives what it is then.
    pub(super) fn charge_or_exit(&mut self) -> V {
        let none = self.used_up(self.op.count);
        self.exit_if(none);
        self.charged(self.op.count)
    }

    /// Where the op's direct jump leads. Leaves if the cache does not know that yet, or the target is outside the code
    /// segment.
    pub(super) fn target_or_exit(&mut self, w: Width) -> Target {
        if let Some(to) = self.inside() {
            // Every loop has an edge back, and only there the budget is looked at.
            if to <= self.member {
                return Target::Inside(to, self.charge_or_exit());
            }
            return Target::Inside(to, self.charged(self.op.count));
        }
        if self.op.imm >= 4096 {
            let base = self.read(usize::from(RIP_BASE));
            let target = self.add(Q, base, V::Const(self.op.imm));
            let target = self.truncate(w.min(self.mode.ip_width()), target);
            let Ok(()) = self.check_target_or_stop(w, target);
            return Target::Far(target);
        }
        if self.op.ins.func == Func::Jcc {
            return Target::ByStub;
        }
        let left = self.charge_or_exit();
        let op = self.op_address(self.member, self.at);
        let target = self.asm.load(Area::Own, Q, op, TracedOp::WORD as i32);
        let unknown = self.cmp(Cmp::Eq, Q, V::Value(target), V::Const(0));
        self.exit_if(unknown);
        Target::Linked(target, left)
    }

    /// Goes to `moved` unless the page whose first byte has the RIP `base` is mapped for execution to this host page. In modes
    /// in which RIP is the linear address.
    pub(super) fn check_mapped(&mut self, base: V, host: Symbol, moved: Block) {
        let entry = self.tlb_entry(base);
        // `frontend_x86::tlb::fetch_tag`.
        let high = self.bin(Bin::Shr, Q, base, V::Const(PLACED.into()));
        let high = self.bin(Bin::Shl, Q, high, V::Const(HOST_BITS.into()));
        let host = self.asm.symbol(host);
        let wanted = self.bin(Bin::Or, Q, high, V::Value(host));
        let tag = self.asm.load(Area::Own, Q, entry, offset_of!(Entry, execute) as i32);
        let same = self.cmp(Cmp::Eq, Q, wanted, V::Value(tag));
        let on = self.asm.block();
        self.branch(same, on, moved);
        self.asm.at(on);
    }

    /// The page of an access in the TLB, and how far from it the host has it. Leaves if the TLB does not have it, or the last byte,
    /// `more` behind the first one, is in another one: because of the range, if it is one.
    pub(super) fn look_up(&mut self, first: V, access: Access, range: Option<&Expected>, more: u64) -> (Value, Value) {
        let (entry, page) = self.tlb_page(first, access);
        let out = match range {
            Some(_) => self.exit_block_of_range(first, more),
            None => self.exit_block(),
        };
        let on = self.asm.block();
        let there = self.in_page(first, page, more);
        self.asm.branch(there, on, out);
        self.asm.at(on);
        (page, self.tlb_addend(entry))
    }

    /// The TLB's entry for a linear address, and the page that it is for.
    pub(super) fn tlb_page(&mut self, linear: V, access: Access) -> (Value, Value) {
        let entry = self.tlb_entry(linear);
        let page = if access.writes() { offset_of!(Entry, write) } else { offset_of!(Entry, read) };
        (entry, self.asm.load(Area::Own, Q, entry, page as i32))
    }

    /// How far the host has what is in an entry's page from its linear address.
    pub(super) fn tlb_addend(&mut self, entry: Value) -> Value {
        self.asm.load(Area::Own, Q, entry, offset_of!(Entry, addend) as i32)
    }

    /// Whether all bytes of an access are in this page: see `frontend_x86::tlb`.
    pub(super) fn in_page(&mut self, first: V, page: Value, more: u64) -> Value {
        if more == 4095 {
            let first = self.value_of(first);
            return self.asm.compare(Cmp::Eq, Q, first, page);
        }
        let inside = self.sub(Q, first, V::Value(page));
        let (inside, most) = (self.value_of(inside), self.asm.constant(4095 - more));
        self.asm.compare(Cmp::Ule, Q, inside, most)
    }

    /// The address of the TLB's entry for a linear address.
    fn tlb_entry(&mut self, linear: V) -> Value {
        // Its offset in the bank: the page number's low bits times the entry's size. Hosts rotate into another register; what
        // comes round is masked away.
        let size = size_of::<Entry>() as u64;
        let number = self.bin(Bin::Ror, Q, linear, V::Const(12 - u64::from(size.trailing_zeros())));
        let place = self.bin(Bin::And, Q, number, V::Const((ENTRIES as u64 - 1) * size));
        let bank = self.read(TLB);
        let entry = self.add(Q, bank, place);
        self.value_of(entry)
    }

    /// Replaces a value in memory atomically: tries until nobody came in between.
    fn update_locked<E>(&mut self, w: Width, p: Value, f: impl Fn(&mut Self, V) -> (V, E)) -> E {
        // The interpreter knows what to do where the host has no atomic access.
        let inside = self.bin(Bin::And, Q, V::Value(p), V::Const(w.bytes() - 1));
        let crooked = self.is_nonzero(Q, inside);
        self.exit_if(crooked);
        let first = self.asm.load(Area::Guest, w, p, 0);
        let (again, done) = (self.asm.block(), self.asm.block());
        let old = self.asm.parameter(again);
        self.asm.jump(again, &[first]);
        self.asm.at(again);
        let (new, extra) = f(self, V::Value(old));
        let new = self.value_of(new);
        let seen = self.asm.exchange_if(w, p, old, new);
        let alone = self.cmp(Cmp::Eq, Q, V::Value(seen), V::Value(old));
        let retry = self.asm.cold_block();
        self.branch(alone, done, retry);
        self.asm.at(retry);
        self.asm.jump(again, &[seen]);
        self.asm.at(done);
        extra
    }
}

impl Algebra for Emit<'_, '_> {
    type X = X;
    type P = Value;
    type Flow = Flow;
    type Stop = Infallible;

    fn op(&self) -> Op {
        self.op
    }

    fn reg(&mut self, r: u8, w: Width) -> V {
        let v = self.read(usize::from(r));
        if w >= Q { v } else { self.truncate(w, v) }
    }

    fn set_reg(&mut self, r: u8, w: Width, v: V) {
        let v = if w < Width::D {
            let old = self.read(usize::from(r));
            let kept = self.bin(Bin::And, Q, old, V::Const(!w.mask()));
            self.bin(Bin::Or, Q, kept, v)
        } else {
            v
        };
        self.write(usize::from(r), v);
    }

    fn imm(&mut self, w: Width) -> V {
        if moved::immediate(&self.op) {
            let v = self.asm.symbol(Symbol::Immediate { member: self.member as u8, op: self.at as u16 + 1 });
            return self.truncate(w, V::Value(v));
        }
        V::Const(self.op.imm & w.mask())
    }

    fn next_rip(&mut self, w: Width) -> V {
        let base = self.read(usize::from(RIP_BASE));
        let rip = self.add(Q, base, V::Const(self.op.next_offset()));
        self.truncate(w, rip)
    }

    fn vector(&mut self, r: u8, w: Width) -> X {
        self.read_vector(r, w)
    }

    fn set_vector(&mut self, r: u8, w: Width, x: X) {
        self.write_vector(r, w, x);
    }

    fn address(&mut self, i: Ins) -> V {
        let Op { base, index, scale, disp, .. } = self.op;
        let w = match i.form {
            Form::Flat32 | Form::Seg32 => Width::D,
            Form::A64Seg if i.has(bits::ADDR32) => Width::D,
            Form::A64 | Form::A64Seg | Form::Seg16 => Q,
        };
        let [base, index] = [base, index].map(|r| self.read(usize::from(r)));
        let index = self.bin_once(Bin::Shl, w, index, V::Const(u64::from(scale & 3)));
        let sum = self.bin_once(Bin::Add, w, base, index);
        let disp = match moved::displacement(&self.op) {
            true => {
                let symbol = Symbol::Displacement { member: self.member as u8, op: self.at as u16 + 1 };
                V::Value(self.asm.symbol(symbol))
            }
            false => V::Const(disp as u64 & w.mask()),
        };
        let sum = match (w, disp) {
            (Width::D | Q, V::Const(disp)) => self.plus(w, sum, disp),
            _ => self.bin_once(Bin::Add, w, sum, disp),
        };
        match i.form {
            Form::Seg16 => self.truncate(Width::W, sum),
            // Where nothing was added, it may still be too long.
            _ => self.truncate(w, sum),
        }
    }

    fn probe(&mut self, form: Form, seg: u8, offset: V, w: Width, access: Access) -> Result<Value, Infallible> {
        let linear = self.linear(form, seg, offset, w.bytes(), access);
        self.note_alone(linear);
        if let Some(host) = self.framed(form, linear, w, access) {
            return Ok(host);
        }
        if let Some(host) = self.shared(form, linear, w, access) {
            return Ok(host);
        }
        let expected = self.expected(form, linear, w);
        // What is written right after it was read is checked for that at once.
        let access = expected.as_ref().map_or(access, |e| e.access(access));
        let (first, more) = match &expected {
            Some(expected) => (self.first(linear, expected), expected.more()),
            None => (linear, w.bytes() - 1),
        };
        // First what a way out wants done: the subtraction can have the tag from memory so.
        self.flush_for_exit();
        let range = expected.as_ref().filter(|e| !e.is_single(w) && more < 4095);
        let carried = expected.as_ref().and_then(|e| self.carried(form, first, access, e, range));
        let kept = if more == 4095 && carried.is_none() { self.kept_in_cell(first, access) } else { carried };
        let addend = kept.unwrap_or_else(|| self.look_up(first, access, range, more).1);
        if let Some(expected) = expected {
            self.note_share(access, addend, expected);
        }
        let host = self.add(Q, linear, V::Value(addend));
        Ok(self.value_of(host))
    }

    fn load(&mut self, w: Width, p: Value) -> V {
        V::Value(self.asm.load(Area::Guest, w, p, 0))
    }

    fn store(&mut self, w: Width, p: Value, v: V) {
        let v = self.value_of(v);
        self.asm.store(Area::Guest, w, p, 0, v);
    }

    fn load_vector(&mut self, w: Width, p: Value) -> X {
        self.fetch_vector(w, p)
    }

    fn store_vector(&mut self, w: Width, p: Value, x: X) {
        self.put_vector(w, p, x);
    }

    fn update<E>(&mut self, locked: bool, w: Width, p: Value, f: impl Fn(&mut Self, V) -> (V, E)) -> E {
        if locked {
            return self.update_locked(w, p, f);
        }
        let old = self.load(w, p);
        let (new, extra) = f(self, old);
        self.store(w, p, new);
        extra
    }

    fn set_flags(&mut self, f: Flags<V>) {
        let i = hot::plain(self.op.ins);
        if i.func == Func::Alu && matches!(i.sub, 7 | 8) {
            self.note_tested(f.res);
        }
        let keeps_carry = std::mem::take(&mut self.keeps_carry);
        self.state.flags = if keeps_carry { FlagState::Stepped(f) } else { FlagState::Known(f) };
    }

    fn condition(&mut self, cc: u8) -> C {
        let f = match self.state.flags {
            // B and BE look at CF.
            FlagState::Stepped(f) if !matches!(cc >> 1, 1 | 3) => f,
            FlagState::Slots if cc >> 1 == 2 => {
                let zero = self.zero_of_slots();
                return if cc & 1 == 0 { zero } else { self.not(zero) };
            }
            _ => self.flags(),
        };
        condition(self, cc, &f)
    }

    fn carry(&mut self) -> C {
        if self.op.ins.func == Func::Unary && !matches!(self.state.flags, FlagState::Known(_)) {
            // INC and DEC, which mostly nobody asks for it afterwards: it is found out when somebody does.
            self.keeps_carry = true;
            return C::Const(false);
        }
        self.condition(2)
    }

    fn flags_word(&mut self) -> V {
        let f = self.flags();
        word(self, &f)
    }

    fn system_flags(&mut self) -> V {
        self.load_own(Q, SYSTEM_FLAGS)
    }

    fn set_system_flags(&mut self, flags: V) {
        self.store_own(SYSTEM_FLAGS, flags);
    }

    fn when(&mut self, c: C, f: impl FnOnce(&mut Self)) {
        self.conditionally(c, f);
    }

    fn raise_if_or_stop(&mut self, c: C, _: Exception) -> Result<(), Infallible> {
        self.exit_if(c);
        Ok(())
    }

    fn divide_or_stop(&mut self, signed: bool, w: Width, hi: V, lo: V, d: V) -> Result<(V, V), Infallible> {
        // The commonest form, an unsigned division of what fits one register, is an instruction of the host.
        if !signed && (hi == V::Const(0) || w <= Width::D) {
            let zero = self.is_zero(w, d);
            self.exit_if(zero);
            let up = self.bin(Bin::Shl, Q, hi, V::Const(if w <= Width::D { w.bits().into() } else { 0 }));
            let l = self.bin(Bin::Or, Q, up, lo);
            let (l, d) = (self.value_of(l), self.value_of(d));
            let (q, r) = self.asm.divide(l, d);
            if w <= Width::D {
                let fits = V::Const(w.mask());
                self.exit_if_below(fits, V::Value(q));
            }
            return Ok((V::Value(q), V::Value(r)));
        }
        let out = self.asm.room(2);
        let how = V::Const(w as u64 | if signed { 16 } else { 0 });
        let [how, hi, lo, d] = [how, hi, lo, d].map(|v| self.value_of(v));
        let fine = self.asm.call(Function::Divide, &[how, hi, lo, d, out]);
        let error = self.is_zero(Q, V::Value(fine));
        self.exit_if(error);
        let q = self.asm.load(Area::Own, Q, out, 0);
        let r = self.asm.load(Area::Own, Q, out, 8);
        Ok((V::Value(q), V::Value(r)))
    }

    fn next(&mut self) -> Flow {
        Flow::Next
    }

    fn jump_or_stop(&mut self, w: Width) -> Result<Flow, Infallible> {
        Ok(Flow::Jump(self.target_or_exit(w)))
    }

    fn jump_if_or_stop(&mut self, _: Width, c: C) -> Result<Flow, Infallible> {
        // The link is looked at on the taken side only: an exit from there restores the state before the op.
        Ok(Flow::JumpIf(c))
    }

    fn check_target_or_stop(&mut self, _: Width, target: V) -> Result<(), Infallible> {
        if self.steps() {
            // The way out of the step, made while nothing has changed.
            self.exit_block();
        } else if self.mode.code == CodeSize::Bits64 {
            let up = self.bin(Bin::Shl, Q, target, V::Const(16));
            let canonical = self.bin(Bin::Sar, Q, up, V::Const(16));
            let crooked = self.cmp(Cmp::Ne, Q, canonical, target);
            self.exit_if(crooked);
        } else {
            let limit = self.load_own(Width::D, CS_LIMIT);
            self.exit_if_below(limit, target);
        }
        Ok(())
    }

    fn jump_to(&mut self, w: Width, target: V) -> Flow {
        Flow::JumpTo(self.truncate(w, target))
    }

    // REP is for STOS and MOVS only, see `string`.
    fn skip_if(&mut self, _: C) -> Option<Flow> {
        None
    }

    fn again_if(&mut self, _: C) -> Flow {
        Flow::Next
    }

    fn fence(&mut self) {
        self.asm.fence();
    }

    fn string_block(&mut self, i: Ins) -> bool {
        self.whole_block(i);
        true
    }
}
