//! Slots: the parts of a running CPU that a trace keeps in host registers.

use super::vector::Simd;
use super::{C, Emit, Exit, FlagState, Loop, State, V, Way};
use crate::clif::{Area, Block, Value};
use crate::host;
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Arith, Cmp};
use frontend_x86::flags::{FlagKind, Flags, LazyFlags};
use frontend_x86::op::{Width, ZERO};
use std::mem::offset_of;

/// The instruction budget.
pub const LEFT: usize = 18;
/// The address of the current TLB bank.
pub const TLB: usize = 19;
/// Its generation.
pub const GENERATION: usize = 20;
/// Kind and width of the lazy flags.
pub const SHAPE: usize = 21;
/// Their result.
pub const RES: usize = 22;
/// Their right operand.
pub const SRC: usize = 23;
/// Their third number.
pub const AUX: usize = 24;
/// How many slots there are; the first 18 are the general and pseudo registers.
pub const SLOTS: usize = 25;

/// What a slot is while code is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// As it was at the beginning of the loop, or as memory has it.
    Fresh,
    /// Read, not changed.
    Clean(Value),
    /// Changed.
    Dirty(V),
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
        GENERATION => offset_of!(Run, tlb_generation),
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

    fn store_slot(&mut self, slot: usize, v: V) {
        let (offset, w) = place(slot);
        let v = self.value_of(v);
        self.asm.store(Area::Own, w, self.run, offset, v);
    }

    /// What a slot had at the beginning of the loop: a parameter of its first block.
    pub fn header_slot(&mut self, slot: usize) -> Value {
        match self.header_slots[slot] {
            Some(v) => v,
            None => {
                let v = self.asm.parameter(self.header);
                self.header_slots[slot] = Some(v);
                v
            }
        }
    }

    /// What a slot holds.
    pub fn read(&mut self, slot: usize) -> V {
        if slot == usize::from(ZERO) {
            return V::Const(0);
        }
        match self.state.slots[slot] {
            Slot::Clean(v) => V::Value(v),
            Slot::Dirty(v) => v,
            Slot::Fresh => {
                let v = if self.repeat == Loop::Registers { self.header_slot(slot) } else { self.load_slot(slot) };
                self.state.slots[slot] = Slot::Clean(v);
                V::Value(v)
            }
        }
    }

    /// Replaces it.
    pub fn write(&mut self, slot: usize, v: V) {
        self.state.slots[slot] = Slot::Dirty(v);
    }

    /// Moves known flags into their slots.
    pub fn flags_to_slots(&mut self) {
        let FlagState::Known(f) = self.state.flags else { return };
        self.state.flags = FlagState::Slots;
        self.write(SHAPE, V::Const(host::shape_of(f.kind, f.w)));
        // Each kind needs some of the numbers only; what it ignores may hold anything.
        if f.kind != FlagKind::Word {
            self.write(RES, f.res);
        }
        if matches!(f.kind, FlagKind::Add | FlagKind::Adc | FlagKind::Sub | FlagKind::Sbb) {
            self.write(SRC, f.src);
        }
        if !matches!(f.kind, FlagKind::Add | FlagKind::Sub | FlagKind::Logic) {
            self.write(AUX, f.aux);
        }
    }

    /// The flags as a record of a known kind.
    pub fn flags(&mut self) -> Flags<V> {
        if let FlagState::Known(f) = self.state.flags {
            return f;
        }
        let arguments = [SHAPE, RES, SRC, AUX].map(|slot| {
            let v = self.read(slot);
            self.value_of(v)
        });
        let function = host::flags_word as extern "C" fn(u64, u64, u64, u64) -> u64;
        let word = self.asm.call(function as usize, &arguments);
        let zero = V::Const(0);
        let f = Flags { kind: FlagKind::Word, w: Width::Q, res: zero, src: zero, aux: V::Value(word) };
        self.state.flags = FlagState::Known(f);
        f
    }

    /// Writes back whatever memory does not have. `always` are slots that are stored unless they are known to be as in
    /// memory: those that a loop changes.
    pub fn write_back(&mut self, always: &[bool; SLOTS]) {
        self.flags_to_slots();
        for (slot, always) in always.iter().enumerate() {
            match self.state.slots[slot] {
                Slot::Dirty(v) => self.store_slot(slot, v),
                _ if *always => {
                    let v = self.header_slot(slot);
                    self.store_slot(slot, V::Value(v));
                }
                _ => {}
            }
        }
    }

    /// Writes everything back and forgets it: somebody else may change it now.
    pub fn surrender(&mut self) {
        self.write_back(&[false; SLOTS]);
        self.state.slots = [Slot::Fresh; SLOTS];
        self.state.simd = Simd::default();
    }

    /// Does `f` where `c` holds: two blocks, with a parameter behind them for each slot that `f` changes.
    pub fn conditionally(&mut self, c: C, f: impl FnOnce(&mut Self)) {
        let c = match c {
            C::Const(false) => return,
            C::Const(true) => return f(self),
            c => c,
        };
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
            self.flags_to_slots();
        }
        let after = self.state;
        // What must agree on both sides is found on this side's end before it is left.
        let mut without = before;
        if changed {
            self.state = without;
            self.flags_to_slots();
            without = self.state;
        }
        let merged: Vec<usize> = (0..SLOTS)
            .filter(|slot| matches!(after.slots[*slot], Slot::Dirty(_)) && after.slots[*slot] != without.slots[*slot])
            .chain((0..SLOTS).filter(|slot| {
                !matches!(after.slots[*slot], Slot::Dirty(_)) && matches!(without.slots[*slot], Slot::Dirty(_))
            }))
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
        let block = self.asm.cold_block();
        self.exit = Some(block);
        self.exits.push(Exit { block, state: self.before, at: self.at, way: Way::Op });
        block
    }

    /// Leaves in front of the current op where `l < r`, unsigned.
    pub fn exit_if_below(&mut self, l: V, r: V) {
        let c = self.cmp(Cmp::Ult, Width::Q, l, r);
        self.exit_if(c);
    }
}
