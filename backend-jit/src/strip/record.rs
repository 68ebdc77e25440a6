//! What ops do to a CPU, as a list of steps: a third algebra over the one statement of each instruction ([`algebra`](super::algebra)).
//! Nothing is decided here but what is known without running anything: constants, values that registers still have, the flags that an op
//! before has set, pages that were looked up.
//!
//! Each op writes to the CPU's state what it changes, after all that may stop it; so its steps may end in front of any op.

use super::step::{BOUNDS, C, Step, V};
use backend_interp::hot;
use backend_interp::run::TracedOp;
use frontend_x86::algebra::{Access, Algebra, Arith, Bin, Cmp};
use frontend_x86::cpu::{Bounds, CodeSize, Mode};
use frontend_x86::flags::{FlagKind, Flags};
use frontend_x86::op::{Form, Func, Ins, Op, Width, bits};
use frontend_x86::sem;
use std::mem::offset_of;

const Q: Width = Width::Q;
/// A page that is known to be in the TLB.
#[derive(Clone, Copy)]
pub struct Page {
    /// The address that was looked up: so much more than a value, modulo a width.
    pub modulo: Width,
    pub root: V,
    pub add: i64,
    /// For stores, too.
    pub write: bool,
    /// Where in the page it lies.
    pub offset: V,
    pub addend: V,
}
/// How an op ends.
pub enum Flow {
    Next,
    Jump(V),
    JumpIf(C),
    JumpTo(V),
}

/// What is known while steps are recorded.
pub struct Record {
    pub(super) mode: Mode,
    pub(super) op: Op,
    /// The steps so far.
    pub steps: Vec<Step>,
    /// What general registers hold.
    pub(super) regs: [Option<V>; 17],
    /// The flags, if the last op that set them is among the steps.
    pub(super) flags: Option<Flags<V>>,
    /// The pages that were looked up last.
    pub(super) pages: Vec<Page>,
    /// The op wants something that there is no step for.
    refused: bool,
}

/// What is known, without the steps.
struct Known {
    steps: usize,
    regs: [Option<V>; 17],
    flags: Option<Flags<V>>,
    pages: usize,
}

impl Default for Record {
    fn default() -> Self {
        let mode = Mode { code: CodeSize::Bits16, stack: Width::W, flat: false, real: true };
        Record {
            mode,
            op: Op::blank(0, 0),
            steps: Vec::new(),
            regs: [None; 17],
            flags: None,
            pages: Vec::new(),
            refused: false,
        }
    }
}

impl Record {
    /// Nothing yet, of code in this mode.
    pub fn begin(&mut self, mode: Mode) {
        self.mode = mode;
        self.clear();
    }

    /// Nothing again.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.pages.clear();
        (self.regs, self.flags) = ([None; 17], None);
    }

    /// Begins with the entry op.
    pub fn count(&mut self) {
        self.steps.push(Step::Count);
    }

    /// Whether nothing comes after the last step.
    pub fn is_over(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Jump(_) | Step::JumpTo(_)))
    }

    /// Adds an op, the `n`th of its trace; false if that cannot be done, and nothing was added.
    pub fn take(&mut self, n: u16, traced: &TracedOp) -> bool {
        let op = traced.op();
        let i = hot::plain(op.ins);
        let before = Known { steps: self.steps.len(), regs: self.regs, flags: self.flags, pages: self.pages.len() };
        self.op = Op { ins: i, ..op };
        self.refused = false;
        self.steps.push(Step::Op(n));
        let flow = exec(self, i).filter(|_| !self.refused);
        let Some(flow) = flow else {
            self.steps.truncate(before.steps);
            self.pages.truncate(before.pages);
            (self.regs, self.flags) = (before.regs, before.flags);
            return false;
        };
        match flow {
            Flow::Next => {}
            Flow::Jump(link) => self.steps.push(Step::Jump(link)),
            Flow::JumpIf(c) => self.steps.push(Step::JumpIf(c)),
            Flow::JumpTo(target) => self.steps.push(Step::JumpTo(target)),
        }
        true
    }

    pub(super) fn step(&mut self, step: Step) -> V {
        self.steps.push(step);
        V::Step(self.steps.len() as u32 - 1)
    }

    /// There is no step for this.
    pub(super) fn refuse<T>(&mut self, instead: T) -> T {
        self.refused = true;
        instead
    }

    pub(super) fn of(&self, v: V) -> Option<Step> {
        match v {
            V::Step(n) => Some(self.steps[n as usize]),
            V::Const(_) => None,
        }
    }

    /// A width above which a value is zero.
    pub(super) fn width(&self, v: V) -> Width {
        match self.of(v) {
            Some(Step::Own { w, .. } | Step::Bin { w, .. } | Step::Truncate { w, .. } | Step::Load { w, .. }) => w,
            Some(Step::Swap { w, .. } | Step::Extend { to: w, .. } | Step::Select { w, .. }) => w,
            Some(Step::Truth(_)) => Width::B,
            _ => Q,
        }
    }

    /// For who looks at the low bits only: the value, or one that has the same.
    pub(super) fn low(&self, w: Width, v: V) -> V {
        match (v, self.of(v)) {
            (V::Const(v), _) => V::Const(v & w.mask()),
            (_, Some(Step::Truncate { w: cut, v })) if cut >= w => v,
            _ => v,
        }
    }

    /// A value as a sum of another one and a number, modulo a width.
    pub(super) fn origin(&self, mut v: V) -> (Width, V, i64) {
        let mut add = 0i64;
        let width = match self.of(v) {
            Some(Step::Bin { op: Bin::Add | Bin::Sub, w, r: V::Const(_), .. }) if w >= Width::D => w,
            Some(Step::Truncate { w: Width::D, .. }) => Width::D,
            _ => Q,
        };
        loop {
            v = match self.of(v) {
                Some(Step::Bin { op: op @ (Bin::Add | Bin::Sub), w, l, r: V::Const(r) }) if w == width => {
                    let r = if w == Q { r as i64 } else { (r as i32).into() };
                    add = if op == Bin::Add { add.wrapping_add(r) } else { add.wrapping_sub(r) };
                    l
                }
                Some(Step::Truncate { w, v }) if w == width => v,
                _ => return (width, v, add),
            };
        }
    }

    pub(super) fn own(&mut self, w: Width, at: usize) -> V {
        self.step(Step::Own { w, at: at as i32 })
    }

    pub(super) fn set_own(&mut self, at: i32, v: V) {
        self.step(Step::SetOwn { w: Q, at, v });
    }

    pub(super) fn leave_if(&mut self, c: C) {
        if c != C::Const(false) {
            self.step(Step::LeaveIf(c));
        }
    }

    pub(super) fn leave_if_below(&mut self, l: V, r: V) {
        let c = self.cmp(Cmp::Ult, Q, l, r);
        self.leave_if(c);
    }

    /// The linear address of an access; leaves where the segment forbids it.
    pub(super) fn linear(&mut self, form: Form, seg: u8, offset: V, bytes: u64, access: Access) -> V {
        if matches!(form, Form::A64 | Form::Flat32) {
            return offset;
        }
        let bounds = BOUNDS + usize::from(seg) * size_of::<Bounds>();
        let base = self.own(Q, bounds + offset_of!(Bounds, base));
        if form == Form::A64Seg {
            return self.add(Q, base, offset);
        }
        let high = if access.writes() { offset_of!(Bounds, high_write) } else { offset_of!(Bounds, high_read) };
        let low = self.own(Q, bounds + offset_of!(Bounds, low));
        self.leave_if_below(offset, low);
        let end = self.add(Q, offset, V::Const(bytes));
        let high = self.own(Q, bounds + high);
        self.leave_if_below(high, end);
        let sum = self.add(Q, base, offset);
        self.truncate(Width::D, sum)
    }

    pub(super) fn known_flags(&mut self) -> Flags<V> {
        let none = Flags { kind: FlagKind::Word, w: Q, res: V::Const(0), src: V::Const(0), aux: V::Const(0) };
        self.flags.unwrap_or_else(|| self.refuse(none))
    }
}

/// The statement of a shape, if it may be recorded at all. What is left out takes long anyway, or is rare.
fn exec(a: &mut Record, i: Ins) -> Option<Flow> {
    let Ok(flow) = match i.func {
        _ if i.has(bits::LOCK) => return None,
        Func::Nop => Ok(a.next()),
        Func::Alu => sem::alu::alu(a, i),
        Func::Unary => sem::unary::unary(a, i),
        Func::Mov => sem::mov::mov(a, i),
        Func::Movzx => sem::mov::movzx(a, i),
        Func::Movsx => sem::mov::movsx(a, i),
        Func::Lea => sem::mov::lea(a, i),
        Func::Shift => sem::shift::shift(a, i),
        Func::BitTest => sem::bit::bit_test(a, i),
        Func::Imul => sem::mul::imul(a, i),
        Func::MulWide => sem::mul::mul_wide(a, i),
        Func::ExtendA => sem::mov::extend_a(a, i),
        Func::ExtendD => sem::mov::extend_d(a, i),
        Func::Setcc => sem::mov::setcc(a, i),
        Func::Cmovcc => sem::mov::cmovcc(a, i),
        Func::Jcc => sem::flow::jcc(a, i),
        Func::Jmp => sem::flow::jmp(a, i),
        Func::JmpIndirect => sem::flow::jmp_indirect(a, i),
        Func::Call => sem::flow::call(a, i),
        Func::CallIndirect => sem::flow::call_indirect(a, i),
        Func::Ret => sem::flow::ret(a, i),
        Func::Push => sem::stack::push(a, i),
        Func::Pop => sem::stack::pop(a, i),
        Func::Leave => sem::stack::leave(a, i),
        Func::Bswap => sem::misc::bswap(a, i),
        Func::Goto => sem::flow::goto(a),
        _ => return None,
    };
    Some(flow)
}
