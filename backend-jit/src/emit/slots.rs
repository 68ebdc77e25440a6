//! Slots: the parts of a running CPU that a trace keeps in host registers.

use super::finish::Handed;
use super::out::{Range, Why};
use super::{C, Emit, Exit, FlagState, State, V};
use crate::clif::{Area, Block, Value};
use crate::code::Function;
use crate::host;
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Arith, Bin, Cmp};
use frontend_x86::flags::{FlagKind, Flags, LazyFlags, rflags};
use frontend_x86::op::{Width, ZERO, reg};
use std::mem::offset_of;

/// The instruction budget.
pub const LEFT: usize = 18;
/// The address of the current TLB bank.
pub const TLB: usize = 19;
/// Kind and width of the lazy flags.
pub const SHAPE: usize = 20;
/// Their result.
pub const RES: usize = 21;
/// Their right operand.
pub const SRC: usize = 22;
/// Their third number.
pub const AUX: usize = 23;
/// How many slots there are; the first 18 are the general and pseudo registers.
pub const SLOTS: usize = 24;

/// Slots that ways out write by themselves, since they change so often: the budget at every jump, the stack pointer at every PUSH and POP.
pub const LATE: [usize; 2] = [LEFT, reg::RSP as usize];

/// What memory does not have of them.
pub type Late = [Option<V>; LATE.len()];

/// What a slot is while code is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// As it was at the trace's beginning.
    Fresh,
    /// The same, and read.
    Clean(Value),
    /// As memory has it.
    Memory,
    /// The same, and known here.
    Loaded(V),
    /// Changed; memory does not have it yet.
    Dirty(V),
}

impl Slot {
    /// What is in it, if that is known.
    pub fn known(self) -> Option<V> {
        match self {
            Slot::Clean(v) => Some(V::Value(v)),
            Slot::Loaded(v) | Slot::Dirty(v) => Some(v),
            Slot::Fresh | Slot::Memory => None,
        }
    }
}

/// All of them.
pub type Slots = [Slot; SLOTS];

/// Where a slot lies in `Run`, and its width there.
pub fn place(slot: usize) -> (i32, Width) {
    const CPU: usize = offset_of!(Run, cpu);
    const FLAGS: usize = CPU + offset_of!(Cpu, flags);
    let offset = match slot {
        LEFT => CPU + offset_of!(Cpu, left),
        TLB => offset_of!(Run, tlb),
        SHAPE => FLAGS + offset_of!(LazyFlags, kind),
        RES => FLAGS + offset_of!(LazyFlags, res),
        SRC => FLAGS + offset_of!(LazyFlags, src),
        AUX => FLAGS + offset_of!(LazyFlags, aux),
        register => CPU + offset_of!(Cpu, regs) + 8 * register,
    };
    (offset as i32, if slot == SHAPE { Width::W } else { Width::Q })
}

// Kind and width are one 16-bit slot.
const _: () = assert!(offset_of!(LazyFlags, w) == offset_of!(LazyFlags, kind) + 1);

impl Emit<'_, '_> {
    /// A number as a Cranelift value.
    pub fn value_of(&mut self, v: V) -> Value {
        match v {
            V::Const(v) => self.asm.constant(v),
            V::Value(v) => v,
        }
    }

    /// Loads a slot from memory.
    pub fn load_slot(&mut self, slot: usize) -> Value {
        let (offset, w) = place(slot);
        self.asm.load(Area::Own, w, self.run, offset)
    }

    /// Stores a slot to memory.
    pub fn store_slot(&mut self, slot: usize, v: Value) {
        let (offset, w) = place(slot);
        self.asm.store(Area::Own, w, self.run, offset, v);
    }

    /// What a slot had at a trace's beginning: a parameter of its first block.
    pub fn header_slot(&mut self, member: usize, slot: usize) -> Value {
        if let Some(v) = self.heads[member].params[slot] {
            return v;
        }
        let v = self.asm.parameter(self.heads[member].block);
        let head = &mut self.heads[member];
        head.params[slot] = Some(v);
        head.order.push(Handed::Slot(slot));
        v
    }

    /// What a slot holds.
    pub fn read(&mut self, slot: usize) -> V {
        if slot == usize::from(ZERO) {
            return V::Const(0);
        }
        if let Some(v) = self.state.slots[slot].known() {
            return v;
        }
        if self.state.slots[slot] == Slot::Fresh && self.heads[self.root].ways.carries {
            let v = self.header_slot(self.root, slot);
            self.state.slots[slot] = Slot::Clean(v);
            return V::Value(v);
        }
        let v = V::Value(self.load_slot(slot));
        self.state.slots[slot] = Slot::Loaded(v);
        v
    }

    /// Replaces it.
    pub fn write(&mut self, slot: usize, v: V) {
        self.state.slots[slot] = Slot::Dirty(v);
    }

    /// Writes to memory what it does not have, of slots, before something that may leave by a way out of its own, but for what that writes by
    /// itself.
    pub fn flush_for_exit(&mut self) {
        if !self.state.pending {
            self.flush_all_but(&LATE);
        }
    }

    /// Writes to memory what it does not have, of slots.
    pub fn flush(&mut self) {
        if self.state.pending {
            return self.write_pending();
        }
        self.flush_all_but(&[]);
    }

    fn flush_all_but(&mut self, but: &[usize]) {
        for slot in (0..SLOTS).filter(|slot| !but.contains(slot)) {
            if let Slot::Dirty(v) = self.state.slots[slot] {
                let stored = self.value_of(v);
                self.store_slot(slot, stored);
                self.state.slots[slot] = Slot::Loaded(v);
            }
        }
    }

    /// Moves known flags into their slots, in a block in which nobody looks at them any more.
    pub fn flags_to_slots(&mut self) {
        if let FlagState::Known(f) | FlagState::Stepped(f) = &self.state.flags {
            let res = f.res;
            let res = self.again(res);
            if let FlagState::Known(f) | FlagState::Stepped(f) = &mut self.state.flags {
                f.res = res;
            }
        }
        self.flags_as_they_are();
    }

    /// Moves known flags into their slots.
    fn flags_as_they_are(&mut self) {
        if let FlagState::Slots = self.state.flags {
            return;
        }
        let f = self.flags();
        self.state.flags = FlagState::Slots;
        self.write(SHAPE, V::Const(host::shape_of(f.kind, f.w)));
        // Each kind needs some of the numbers only; what it ignores may hold anything.
        if f.kind != FlagKind::Word {
            self.write(RES, f.res);
        }
        if f.wants_src() {
            self.write(SRC, f.src);
        }
        if f.wants_aux() {
            self.write(AUX, f.aux);
        }
    }

    /// The flags as a record of a known kind.
    pub fn flags(&mut self) -> Flags<V> {
        let zero = V::Const(0);
        let f = match self.state.flags {
            FlagState::Known(f) => return f,
            FlagState::Slots => {
                let aux = self.flags_of_slots();
                Flags { kind: FlagKind::Word, w: Width::Q, res: zero, src: zero, aux }
            }
            FlagState::Stepped(f) => {
                let word = self.carry_of_slots();
                let aux = self.bin(Bin::And, Width::Q, word, V::Const(1));
                Flags { aux, ..f }
            }
        };
        self.state.flags = FlagState::Known(f);
        f
    }

    /// ZF as the slots have it: of all kinds but words it is the result's.
    pub fn zero_of_slots(&mut self) -> C {
        let [shape, res, aux] = [SHAPE, RES, AUX].map(|slot| self.read(slot));
        let kind = self.bin(Bin::And, Width::Q, shape, V::Const(0xff));
        let word = self.is_zero(Width::Q, kind);
        let bit = self.bin(Bin::And, Width::Q, aux, V::Const(rflags::ZF));
        let flipped = self.bin(Bin::Xor, Width::Q, bit, V::Const(rflags::ZF));
        let v = self.select(Width::Q, word, flipped, res);
        self.is_zero(Width::Q, v)
    }

    /// What the slots say: at once if it is a word (an instruction that the interpreter executed), else by a call.
    fn flags_of_slots(&mut self) -> V {
        let kind = self.kind_of_slots();
        let word = self.is_zero(Width::Q, kind);
        self.word_of_slots(word)
    }

    /// A word whose lowest bit is CF: of all kinds that are no sum, difference or logic it is the third number's.
    fn carry_of_slots(&mut self) -> V {
        const _: () = assert!(FlagKind::Logic as u8 == 5 && FlagKind::Inc as u8 == 6 && FlagKind::Word as u8 == 0);
        let kind = self.kind_of_slots();
        // Zero comes last so.
        let order = self.sub(Width::D, kind, V::Const(1));
        let ready = self.cmp(Cmp::Ule, Width::D, V::Const(FlagKind::Logic as u64), order);
        self.word_of_slots(ready)
    }

    fn kind_of_slots(&mut self) -> V {
        let shape = self.read(SHAPE);
        self.bin(Bin::And, Width::Q, shape, V::Const(0xff))
    }

    /// The third number if it is `ready` to be used, or all flags.
    fn word_of_slots(&mut self, ready: C) -> V {
        let [shape, res, src, aux] = [SHAPE, RES, SRC, AUX].map(|slot| {
            let v = self.read(slot);
            self.value_of(v)
        });
        let (at_once, call, done) = (self.asm.block(), self.asm.block(), self.asm.block());
        let result = self.asm.parameter(done);
        self.branch(ready, at_once, call);
        self.asm.at(at_once);
        self.asm.jump(done, &[aux]);
        self.asm.at(call);
        let called = self.asm.call(Function::FlagsWord, &[shape, res, src, aux]);
        self.asm.jump(done, &[called]);
        self.asm.at(done);
        V::Value(result)
    }

    /// Does `f` where `c` holds: two blocks, with a parameter behind them for each slot that `f` changes.
    pub fn conditionally(&mut self, c: C, f: impl FnOnce(&mut Self)) {
        let c = match c {
            C::Const(false) => return,
            C::Const(true) => return f(self),
            c => c,
        };
        if let FlagState::Stepped(_) = self.state.flags {
            // Both sides may need the CF that was before.
            self.flags();
        }
        let old_flags = self.state.flags;
        let (yes, no, join) = (self.asm.block(), self.asm.block(), self.asm.block());
        self.branch(c, yes, no);
        let before = self.state;

        self.asm.at(yes);
        f(self);
        let changed = match (old_flags, self.state.flags) {
            (FlagState::Slots, FlagState::Slots) => false,
            (FlagState::Known(old), FlagState::Known(new)) => old != new,
            _ => true,
        };
        if changed {
            self.flags_as_they_are();
        }
        let after = self.state;
        // What must agree on both sides is found on this side's end before it is left.
        let mut without = before;
        if changed {
            self.state = without;
            self.flags_as_they_are();
            without = self.state;
        }
        let dirty = |slot: Slot| matches!(slot, Slot::Dirty(_));
        let merged: Vec<usize> = (0..SLOTS)
            .filter(|n| after.slots[*n] != without.slots[*n] && (dirty(after.slots[*n]) || dirty(without.slots[*n])))
            .collect();
        self.end_side(after, &merged, join);
        self.asm.at(no);
        self.end_side(without, &merged, join);
        self.asm.at(join);
        // What was only read on one side is not known here, unless it was known before.
        self.state = without;
        for slot in merged {
            let v = self.asm.parameter(join);
            self.state.slots[slot] = Slot::Dirty(V::Value(v));
        }
    }

    fn end_side(&mut self, state: State, merged: &[usize], join: Block) {
        self.state = state;
        let arguments: Vec<Value> = merged
            .iter()
            .map(|slot| {
                let v = self.read(*slot);
                self.value_of(v)
            })
            .collect();
        self.asm.jump(join, &arguments);
    }

    /// Branches on a truth.
    pub fn branch(&mut self, c: C, yes: Block, no: Block) {
        match c {
            C::Const(true) => self.asm.jump(yes, &[]),
            C::Const(false) => self.asm.jump(no, &[]),
            C::Value(c, false) => self.asm.branch(c, yes, no),
            C::Value(c, true) => self.asm.branch(c, no, yes),
        }
    }

    /// Leaves in front of the current op where `c` holds.
    pub fn exit_if(&mut self, c: C) {
        if c == C::Const(false) {
            return;
        }
        let out = self.exit_block();
        let on = self.asm.block();
        self.branch(c, out, on);
        self.asm.at(on);
    }

    /// The current op's side exit.
    pub fn exit_block(&mut self) -> Block {
        if let Some(block) = self.exit {
            return block;
        }
        // Nothing has changed since the op began: all that may stop comes first.
        self.flush_for_exit();
        let block = self.asm.cold_block();
        self.exit = Some(block);
        self.note_exit(block, Why::Interpret, None);
        block
    }

    /// Has a block leave in front of the current op.
    pub fn note_exit(&mut self, block: Block, why: Why, range: Option<Range>) {
        let (pending, flags) = (self.pending(), self.before.flags);
        let late = LATE.map(|slot| match self.before.slots[slot] {
            Slot::Dirty(v) if pending.is_none() => Some(v),
            _ => None,
        });
        self.exits.push(Exit { block, flags, member: self.member, at: self.at, why, range, late, pending });
    }

    /// Leaves in front of the current op where `l < r`, unsigned.
    pub fn exit_if_below(&mut self, l: V, r: V) {
        let c = self.cmp(Cmp::Ult, Width::Q, l, r);
        self.exit_if(c);
    }
}
