//! From a region to a function: its traces one after the other. Side exits and the edges between traces are only noted
//! here; [`super::finish`] builds them when it is known which slots each trace wants handed over.

use super::cells::Cells;
use super::out::Why;
use super::share::Shares;
use super::slots::{LEFT, Slot, TLB};
use super::stubs::{self, Jumping};
use super::sums::Sums;
use super::vector::Simd;
use super::ways::Pages;
use super::x87::Known;
use super::{Edge, Emit, FlagState, Flow, Head, SEGMENTS, State, Target, V};
use crate::clif::{Area, Asm, Value};
use crate::code::{Function, Symbol};
use backend_interp::profile::{self, Rare};
use backend_interp::run::TracedOp;
use backend_interp::{hot, jumps};
use frontend_x86::algebra::{Arith, Cmp};
use frontend_x86::cpu::{CodeSize, Mode};
use frontend_x86::op::{Func, Kind, Op, RIP_BASE, Width};
use frontend_x86::sem;
use std::collections::{BTreeMap, HashMap};

/// A trace in a region.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// Where its entry op lies.
    pub entry: *const TracedOp,
    /// The ops behind it.
    pub ops: &'a [Op],
    /// How many pages it lies behind the region's first trace.
    pub page: i64,
    /// How often it has been entered, as far as that is known.
    pub count: u32,
    /// Which of its ops, by bits, shall check each of their accesses alone: see [`super::share`].
    pub apart: u128,
}

/// What is to be compiled: traces that go on into one another. The first is the one entered from outside.
#[derive(Clone, Copy)]
pub struct Region<'a> {
    /// The traces.
    pub members: &'a [Member<'a>],
    /// The mode that they were decoded for.
    pub mode: Mode,
    /// It is entered by its first trace only, and has copies of what is compiled elsewhere: see [`crate::gather::wide`].
    pub closed: bool,
}

/// Ops that the interpreter executes, by a call from the compiled code: plain functions, strings, rare vector operations.
fn is_called(op: &Op, mode: Mode) -> bool {
    match op.ins.func {
        Func::Helper => !super::x87::compiles(op),
        _ if super::system::is_called(op, mode) => true,
        Func::Movs | Func::Stos | Func::Lods | Func::Cmps | Func::Scas => !super::string::compiles(op),
        func => func as u8 >= Func::VecMov as u8 && !super::vector::compiles(op),
    }
}

/// Builds the function of a region. False: it holds what cannot be translated.
pub fn translate(asm: &mut Asm, region: Region) -> bool {
    let Some(first) = region.members.first().and_then(|member| member.ops.first()) else { return false };
    let ways = region.ways();
    let head = |n: usize| Head::new(asm.block(), ways[n], region.strides(n, &ways));
    let heads = (0..ways.len()).map(head).collect();
    let state = State::new();
    let mut emit = Emit {
        mode: region.mode,
        region,
        member: 0,
        root: 0,
        op: *first,
        at: 0,
        run: asm.argument(0),
        state,
        before: state,
        exit: None,
        apart: None,
        tails: BTreeMap::new(),
        keeps_carry: false,
        origins: HashMap::new(),
        truths: HashMap::new(),
        made: HashMap::new(),
        heads,
        returns: region.returns(),
        cells: Cells::of(&region),
        exits: Vec::new(),
        written: Vec::new(),
        edges: Vec::new(),
        refused: false,
        asm,
    };
    for member in 0..region.members.len() {
        emit.member(member);
    }
    emit.finish();
    !emit.refused
}

impl Emit<'_, '_> {
    /// All ops of a trace up to the first that never goes on to the next.
    fn member(&mut self, member: usize) {
        self.member = member;
        (self.state, self.root) = match self.heads[member].inherited {
            Some(inherited) => inherited,
            // Nothing goes there after all.
            None if self.heads[member].ways.inherits => return,
            None => {
                let pending = self.heads[member].strides.is_some();
                (State { pending, ..State::new() }, member)
            }
        };
        self.asm.at(self.heads[member].block);
        let Region { members, .. } = self.region;
        let Member { ops, page, .. } = members[member];
        self.state.pages.add(&self.region, page);
        for (at, op) in ops.iter().enumerate() {
            self.at = at;
            self.op = *op;
            if self.state.pending && at == self.heads[member].ways.round {
                // The loop is over.
                self.flush();
            }
            self.before = self.state;
            (self.exit, self.apart) = (None, None);
            if self.op.len > 0 && u64::from(self.op.offset) != members[member].offset() && self.continues(page) {
                return;
            }
            if self.op.ins.func == Func::Across {
                self.look_behind();
                continue;
            }
            let i = hot::plain(self.op.ins);
            if is_called(&self.op, self.mode) {
                self.call_interpreter();
                continue;
            }
            if i.func == Func::Helper {
                self.x87();
                continue;
            }
            if i.func == Func::Loop {
                // It changes its counter before its jump, which may still be unknown, is looked at.
                self.flush();
                self.before = self.state;
            }
            let Ok(flow) = sem::exec(self, i);
            match flow {
                Flow::Next => {}
                Flow::JumpIf(c) => {
                    let rare = profile::rare(op);
                    let side = |asm: &mut Asm, rare| if rare { asm.cold_block() } else { asm.block() };
                    let taken = side(self.asm, rare == Rare::Taken);
                    let on = side(self.asm, rare == Rare::Next);
                    self.branch(c, taken, on);
                    let state = self.state;
                    self.asm.at(taken);
                    if rare == Rare::Taken && self.inside().is_none() {
                        self.leave_unexpected(at);
                        self.state = state;
                        self.asm.at(on);
                        continue;
                    }
                    if i.func == Func::Loop {
                        self.state.slots = self.before.slots;
                    }
                    let target = self.target_or_exit(i.w);
                    if i.func == Func::Loop {
                        self.state.slots = state.slots;
                    }
                    self.take(target);
                    self.state = state;
                    self.asm.at(on);
                    if rare == Rare::Next {
                        return self.leave_unexpected(at + 1);
                    }
                }
                Flow::Jump(target) => return self.take(target),
                Flow::JumpTo(target) => return self.take_computed(i.func, target),
            }
        }
        // Every trace ends in a jump; should one not, there is no next op to go on with.
        self.refused = true;
        let op = self.op_address(self.member, self.at);
        self.asm.leave(op);
    }

    /// Leaves in front of an op of this trace that was not expected to be reached.
    fn leave_unexpected(&mut self, at: usize) {
        self.flags_to_slots();
        self.flush();
        self.leave_at(Why::Unexpected, self.member, at);
    }

    /// Where another trace of the region begins in the middle of this one, this one ends.
    fn continues(&mut self, page: i64) -> bool {
        let Some(to) = self.region.beginning(page, u64::from(self.op.offset)) else { return false };
        let before = self.op.count - 1;
        if to <= self.member {
            let none = self.used_up(before);
            self.exit_if(none);
        }
        let left = self.charged(before);
        self.write(LEFT, left);
        self.edge(to);
        true
    }

    /// Leaves unless the next instruction's rest is what it was decoded from.
    fn look_behind(&mut self) {
        let base = self.read(usize::from(RIP_BASE));
        let next = self.add(Width::Q, base, V::Const(4096));
        let next = self.truncate(self.mode.ip_width(), next);
        let moved = self.exit_block();
        self.check_mapped(next, Symbol::Behind { member: self.member as u8 }, moved);
    }

    /// The address of an op.
    pub(super) fn op_address(&mut self, member: usize, at: usize) -> Value {
        self.asm.symbol(Symbol::Op { member: member as u8, op: at as u16 + 1 })
    }

    /// Which trace of the region the current op's direct jump leads to.
    pub(super) fn inside(&self) -> Option<usize> {
        self.region.inside(self.member, self.at)
    }

    /// Has the interpreter execute the op, and leaves if it does not go on with the next one.
    pub(super) fn call_interpreter(&mut self) {
        self.flags_to_slots();
        self.flush();
        let op = self.op_address(self.member, self.at);
        let next = self.op_address(self.member, self.at + 1);
        let function = if self.op.ins.func == Func::Helper { Function::Helper } else { Function::One };
        let then = self.asm.call(function, &[self.run, op]);
        let (out, on) = (self.asm.cold_block(), self.asm.block());
        let goes_on = self.cmp(Cmp::Eq, Width::Q, V::Value(then), V::Value(next));
        self.branch(goes_on, on, out);
        self.asm.at(out);
        self.asm.leave(then);
        self.asm.at(on);
        self.state.slots.fill(Slot::Memory);
        self.state.pages = Pages::default();
        self.state.shares = Shares::default();
        self.state.bases = [None; SEGMENTS];
        self.state.limits = [None; SEGMENTS];
        self.state.carried = Default::default();
        self.state.simd = Simd::default();
        self.state.unit = Known::default();
    }

    /// Takes a direct jump; the block ends.
    fn take(&mut self, target: Target) {
        match target {
            Target::Far(target) => self.leave_charged(target, false),
            Target::ByStub => {
                self.flags_to_slots();
                self.flush();
                self.leave_at(Why::Linked, self.member, self.at);
            }
            Target::Linked(target, left) => {
                self.write(LEFT, left);
                self.flags_to_slots();
                self.flush();
                let code = self.asm.load(Area::Own, Width::Q, target, TracedOp::WORD as i32);
                self.asm.tail_call(code, self.run, target);
            }
            Target::Inside(to, left) => {
                let page = self.region.members[to].page;
                let delta = page - self.region.members[self.member].page;
                if delta != 0 {
                    let base = self.read(usize::from(RIP_BASE));
                    let base = self.add(Width::Q, base, V::Const((delta << 12) as u64));
                    let base = self.truncate(self.mode.ip_width(), base);
                    if self.state.pages.has(&self.region, page) {
                        self.write(usize::from(RIP_BASE), base);
                        self.write(LEFT, left);
                        return self.edge(to);
                    }
                    let moved = self.asm.cold_block();
                    self.check_page(base, to as u8, moved);
                    let (state, here) = (self.state, self.asm.block());
                    self.asm.jump(here, &[]);
                    self.asm.at(moved);
                    let target = self.add(Width::Q, base, V::Const(self.region.members[to].offset()));
                    self.leave_charged(target, true);
                    self.state = state;
                    self.asm.at(here);
                    self.state.pages.add(&self.region, page);
                    self.write(usize::from(RIP_BASE), base);
                }
                self.write(LEFT, left);
                self.edge(to);
            }
        }
    }

    /// Takes a computed jump; the block ends. A return is compared with where the region's calls return to.
    fn take_computed(&mut self, func: Func, target: V) {
        if func == Func::Ret && (self.mode.flat || self.mode.code == CodeSize::Bits64) {
            let page = self.region.members[self.member].page;
            for to in self.returns[self.member].clone() {
                let base = self.read(usize::from(RIP_BASE));
                let delta = self.region.members[to].page - page;
                let offset = (delta << 12) as u64 + self.region.members[to].offset();
                let expected = self.add(Width::Q, base, V::Const(offset));
                let expected = self.truncate(self.mode.ip_width(), expected);
                let same = self.cmp(Cmp::Eq, Width::Q, target, expected);
                let (taken, on) = (self.asm.block(), self.asm.block());
                self.branch(same, taken, on);
                let state = self.state;
                self.asm.at(taken);
                if to <= self.member {
                    // The way by the dispatcher looks at the budget.
                    let (none, some) = (self.asm.cold_block(), self.asm.block());
                    let used = self.used_up(self.op.count);
                    self.branch(used, none, some);
                    let taken = self.state;
                    self.asm.at(none);
                    self.leave_charged(target, true);
                    self.state = taken;
                    self.asm.at(some);
                }
                let left = self.charged(self.op.count);
                self.take(Target::Inside(to, left));
                self.state = state;
                self.asm.at(on);
            }
        }
        self.leave_charged(target, false);
    }

    /// Goes on in another trace of the region, with the budget charged.
    fn edge(&mut self, to: usize) {
        if self.heads[to].ways.inherits {
            self.heads[to].inherited = Some((self.state, self.root));
            return self.asm.jump(self.heads[to].block, &[]);
        }
        let back = to == self.root && self.state.pending;
        // Those that are known may be left to be made on ways out.
        let made_later = back && matches!(self.state.flags, FlagState::Known(_));
        if !made_later && !self.sets_flags_first(to) {
            self.flags_to_slots();
        }
        if !back {
            self.flush();
        }
        let block = self.asm.block();
        self.asm.jump(block, &[]);
        self.edges.push(Edge { block, state: self.state, from: self.root, to });
    }

    /// Whether a trace sets all flags before anybody can look at them. Only the commonest beginnings are recognised.
    pub(super) fn sets_flags_first(&self, member: usize) -> bool {
        for op in self.region.members[member].ops {
            let i = hot::plain(op.ins);
            if i.k0 == Kind::Mem || i.k1 == Kind::Mem {
                return false;
            }
            match i.func {
                Func::Mov | Func::Movzx | Func::Movsx | Func::Lea | Func::Nop => {}
                Func::Alu => return !matches!(i.sub, 2 | 3) && i.has(frontend_x86::op::bits::FLAGS),
                _ => return false,
            }
        }
        false
    }

    /// Whether the op's jump out of the region looks for its target before anything has changed: if the cache of jumps does not know it, the
    /// interpreter executes the op, and finds out whether the target is an address at all. (What a CALL pushes may be pushed twice; but not
    /// where the target is read from memory, which the first one may have changed.)
    pub(super) fn steps(&self) -> bool {
        let ins = hot::plain(self.op.ins);
        jumps::has(self.mode) && ins.func.never_goes_on() && (ins.func != Func::CallIndirect || ins.k0 == Kind::Reg)
    }

    /// Leaves for a computed target, and charges the budget. `rare`: less code is worth more than that the host learns where each
    /// jump of the guest leads.
    fn leave_charged(&mut self, target: V, rare: bool) {
        if rare || !self.steps() {
            let left = self.charged(self.op.count);
            self.write(LEFT, left);
            self.flags_to_slots();
            self.flush();
            let target = self.value_of(target);
            let code = self.asm.symbol(Symbol::Dispatch);
            return self.asm.tail_call(code, self.run, target);
        }
        // There is one: see `check_target_or_stop`.
        let slow = self.exit_block();
        let left = self.charge_or_exit();
        let [target, tlb] = [target, self.read(TLB)].map(|v| self.value_of(v));
        let step = stubs::find(self.asm, &Jumping { run: self.run, target, tlb }, slow);
        self.write(LEFT, left);
        self.flags_to_slots();
        self.flush();
        step.take(self.asm, self.run);
    }
}

impl State {
    /// At a trace's beginning.
    pub(super) fn new() -> Self {
        State {
            slots: [Slot::Fresh; super::slots::SLOTS],
            flags: FlagState::Slots,
            pages: Pages::default(),
            shares: Shares::default(),
            bases: [None; SEGMENTS],
            limits: [None; SEGMENTS],
            carried: Default::default(),
            pending: false,
            sums: Sums::default(),
            simd: Simd::default(),
            unit: Known::default(),
        }
    }
}
