//! From a trace to a function: its ops one after the other, then the ways out of it.

use super::slots::{LEFT, SLOTS, Slot};
use super::vector::Simd;
use super::{Back, Emit, Exit, FlagState, Flow, Loop, State, Target, V, Way};
use crate::clif::{Area, Asm, Value};
use crate::mxcsr;
use backend_interp::hot;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::Cpu;
use frontend_x86::algebra::{Arith, Cmp};
use frontend_x86::cpu::Mode;
use frontend_x86::op::{Func, Op, Width};
use frontend_x86::sem;
use std::mem::{offset_of, size_of};

/// What is to be compiled.
#[derive(Clone, Copy)]
pub struct Trace<'a> {
    /// Where the trace's entry op lies; jumps that lead there are the trace's own loop.
    pub entry: *const TracedOp,
    /// The ops behind it.
    pub ops: &'a [TracedOp],
    /// The mode that they were decoded for.
    pub mode: Mode,
}

/// Ops that the interpreter executes, by a call from the compiled trace: plain functions, strings, rare vector operations.
fn is_called(op: &Op) -> bool {
    match op.ins.func {
        Func::Helper | Func::Movs | Func::Stos | Func::Lods | Func::Cmps | Func::Scas => true,
        func => func as u8 >= Func::VecMov as u8 && !super::vector::compiles(op),
    }
}

/// Builds the function of a trace. False: it holds what cannot be translated.
pub fn translate(asm: &mut Asm, trace: Trace) -> bool {
    let Some(first) = trace.ops.first() else { return false };
    let repeat = if !trace.ops.iter().any(|op| op.link == trace.entry) {
        Loop::None
    } else if trace.ops.iter().any(|op| is_called(&op.op)) {
        Loop::Memory
    } else {
        Loop::Registers
    };
    let state = State { slots: [Slot::Fresh; SLOTS], flags: FlagState::Slots, simd: Simd::default() };
    let entry = asm.entry();
    let header = if repeat == Loop::None { entry } else { asm.block() };
    let mut emit = Emit {
        mode: trace.mode,
        trace,
        op: first.op,
        at: 0,
        run: asm.argument(0),
        first: asm.argument(1),
        state,
        before: state,
        exit: None,
        exits: Vec::new(),
        repeat,
        header,
        header_slots: [None; SLOTS],
        backs: Vec::new(),
        refused: false,
        asm,
    };
    if repeat == Loop::Memory {
        emit.asm.jump(header, &[]);
    }
    emit.asm.at(header);
    emit.ops();
    let changed = emit.close_loop();
    emit.leave_all(&changed);
    !emit.refused
}

impl Emit<'_, '_> {
    /// All ops up to the first that never goes on to the next.
    fn ops(&mut self) {
        for at in 0..self.trace.ops.len() {
            self.at = at;
            self.op = self.trace.ops[at].op;
            self.before = self.state;
            self.exit = None;
            let i = hot::plain(self.op.ins);
            if is_called(&self.op) {
                self.call_interpreter();
                continue;
            }
            let Ok(flow) = sem::exec(self, i);
            match flow {
                Flow::Next => {}
                Flow::JumpIf(c) => {
                    let (taken, on) = (self.asm.block(), self.asm.block());
                    self.branch(c, taken, on);
                    let state = self.state;
                    self.asm.at(taken);
                    let target = self.target_or_exit(i.w);
                    self.take(target);
                    self.state = state;
                    self.asm.at(on);
                }
                Flow::Jump(target) => return self.take(target),
                Flow::JumpTo(target) => return self.leave_by(Way::Indirect(target)),
            }
        }
        // Every trace ends in a jump; should one not, there is no next op to go on with.
        self.refused = true;
        let op = self.op_address(self.at);
        self.asm.leave(op);
    }

    /// Whether the current op's jump leads to the trace's own beginning.
    pub(super) fn is_back_edge(&self) -> bool {
        self.repeat != Loop::None && self.trace.ops[self.at].link == self.trace.entry
    }

    fn op_address(&mut self, at: usize) -> Value {
        let offset = V::Const((size_of::<TracedOp>() * (at + 1)) as u64);
        let address = self.add(Width::Q, V::Value(self.first), offset);
        self.value_of(address)
    }

    /// Has the interpreter execute the op, and leaves if it does not go on with the next one.
    fn call_interpreter(&mut self) {
        self.surrender();
        let op = self.op_address(self.at);
        let next = self.op_address(self.at + 1);
        let one = mxcsr::one as unsafe extern "C" fn(*mut Run, *const TracedOp) -> *const TracedOp;
        let then = self.asm.call(one as usize, &[self.run, op]);
        let (out, on) = (self.asm.cold_block(), self.asm.block());
        let goes_on = self.cmp(Cmp::Eq, Width::Q, V::Value(then), V::Value(next));
        self.branch(goes_on, on, out);
        self.asm.at(out);
        self.asm.leave(then);
        self.asm.at(on);
    }

    /// Takes a direct jump; the block ends.
    fn take(&mut self, target: Target) {
        match target {
            Target::Far(target) => self.leave_by(Way::Indirect(target)),
            Target::Linked(target, left) => {
                self.write(LEFT, left);
                self.leave_by(Way::Link(target));
            }
            Target::Own(left) => {
                self.write(LEFT, left);
                if self.repeat == Loop::Registers {
                    self.flags_to_slots();
                    let block = self.asm.block();
                    self.asm.jump(block, &[]);
                    self.backs.push(Back { block, state: self.state });
                } else {
                    self.surrender();
                    self.asm.jump(self.header, &[]);
                }
            }
        }
    }

    fn leave_by(&mut self, way: Way) {
        let block = self.asm.block();
        self.asm.jump(block, &[]);
        self.exits.push(Exit { block, state: self.state, at: self.at, way });
    }

    /// Fills in the loop's first and last blocks. Gives the slots that an iteration may have changed.
    fn close_loop(&mut self) -> [bool; SLOTS] {
        let mut changed = [false; SLOTS];
        for back in &self.backs {
            for (slot, changed) in changed.iter_mut().enumerate() {
                *changed |= matches!(back.state.slots[slot], Slot::Dirty(_));
            }
        }
        if self.repeat != Loop::Registers {
            return changed;
        }
        for slot in (0..SLOTS).filter(|slot| changed[*slot]) {
            self.header_slot(slot);
        }
        let used: Vec<(usize, Value)> =
            (0..SLOTS).filter_map(|slot| self.header_slots[slot].map(|v| (slot, v))).collect();
        // Parameters were added in the order of their first use.
        let mut order = used;
        order.sort_by_key(|(_, v)| self.asm.parameter_number(self.header, *v));
        let entry = self.asm.entry();
        self.asm.at(entry);
        let values: Vec<Value> = order.iter().map(|(slot, _)| self.load_slot(*slot)).collect();
        self.asm.jump(self.header, &values);
        for back in std::mem::take(&mut self.backs) {
            self.asm.at(back.block);
            let values: Vec<Value> = order
                .iter()
                .map(|(slot, v)| match back.state.slots[*slot] {
                    Slot::Dirty(new) => self.value_of(new),
                    _ => *v,
                })
                .collect();
            self.asm.jump(self.header, &values);
        }
        changed
    }

    /// Builds the ways out.
    fn leave_all(&mut self, changed: &[bool; SLOTS]) {
        for exit in std::mem::take(&mut self.exits) {
            self.asm.at(exit.block);
            self.state = exit.state;
            self.write_back(changed);
            match exit.way {
                Way::Op => {
                    let op = self.op_address(exit.at);
                    self.asm.leave(op);
                }
                Way::Link(target) => self.enter(target),
                Way::Indirect(target) => {
                    let target = self.value_of(target);
                    let next_rip = (offset_of!(Run, cpu) + offset_of!(Cpu, next_rip)) as i32;
                    self.asm.store(Area::Own, Width::Q, self.run, next_rip, target);
                    let op = self.op_address(exit.at);
                    let function = hot::find_jump as unsafe extern "C" fn(*mut Run, *const TracedOp) -> *const TracedOp;
                    let found = self.asm.call(function as usize, &[self.run, op]);
                    let (on, out) = (self.asm.block(), self.asm.cold_block());
                    let known = self.is_nonzero(Width::Q, V::Value(found));
                    self.branch(known, on, out);
                    self.asm.at(out);
                    self.asm.leave(found);
                    self.asm.at(on);
                    self.enter(found);
                }
            }
        }
    }

    /// Goes on with another trace: its entry op holds the address of its code.
    fn enter(&mut self, entry: Value) {
        let code = offset_of!(TracedOp, op) + offset_of!(Op, imm);
        let code = self.asm.load(Area::Own, Width::Q, entry, code as i32);
        self.asm.tail_call(code, self.run, entry);
    }
}

/// Builds the code of an entry op whose trace is not compiled: it gives the op back.
pub fn cold_code(asm: &mut Asm) {
    let (entry, op) = (asm.entry(), asm.argument(1));
    asm.at(entry);
    asm.leave(op);
}

/// Builds the entrance: `(run, op, code)`.
pub fn entrance(asm: &mut Asm) {
    let (entry, run, op, code) = (asm.entry(), asm.argument(0), asm.argument(1), asm.argument(2));
    asm.at(entry);
    let next = asm.call_trace(code, run, op);
    asm.leave(next);
}
