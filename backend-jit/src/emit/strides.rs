//! By how much registers move, as far as an op shows that by itself. It is a guess that decides how code is made, not what it does.

use super::x87;
use backend_interp::hot;
use frontend_x86::op::{Func, Kind, Op, Width, ZERO, bits, reg};
use frontend_x86::sem::unary::{DEC, INC};

/// General and pseudo registers.
pub const REGISTERS: usize = 18;

/// By how much each register moves in a number of ops. None: it is not moved, but gets another value.
pub struct Strides([Option<i64>; REGISTERS]);

/// What an op adds to its first operand, a register.
pub fn added(op: &Op) -> Option<i64> {
    let i = hot::plain(op.ins);
    let constant = if i.w == Width::D { i64::from(op.imm as i32) } else { op.imm as i64 };
    match (i.func, i.sub) {
        (Func::Alu, 7 | 8) => Some(0),
        _ if i.w < Width::D => None,
        (Func::Alu, 0) if i.k1 == Kind::Imm => Some(constant),
        (Func::Alu, 5) if i.k1 == Kind::Imm => constant.checked_neg(),
        (Func::Unary, INC) => Some(1),
        (Func::Unary, DEC) => Some(-1),
        (Func::Lea, _) if op.base == op.r0 && op.index == ZERO => Some(op.disp),
        _ => None,
    }
}

/// What an op adds to the stack pointer: less than nothing if it pushes.
pub fn popped(op: &Op) -> i64 {
    let i = hot::plain(op.ins);
    let bytes = i.w.bytes() as i64;
    match i.func {
        Func::Push | Func::Pushf | Func::PushSegment | Func::Call | Func::CallIndirect => -bytes,
        Func::Pop | Func::Popf | Func::Ret => bytes,
        _ => 0,
    }
}

impl Strides {
    /// None has moved.
    pub fn new() -> Self {
        Strides([Some(0); REGISTERS])
    }

    /// By how much a register has moved.
    pub fn of(&self, r: usize) -> Option<i64> {
        self.0.get(r).copied().flatten()
    }

    fn add(&mut self, r: u8, by: Option<i64>) {
        if let Some(stride) = self.0.get_mut(usize::from(r)) {
            *stride = stride.zip(by).and_then(|(stride, by)| stride.checked_add(by));
        }
    }

    /// Takes an op in.
    pub fn op(&mut self, op: &Op) {
        let i = hot::plain(op.ins);
        let item = (!i.has(bits::REP) && !i.has(bits::REPNE)).then_some(i.w.bytes() as i64);
        self.add(reg::RSP, Some(popped(op)));
        match i.func {
            Func::Push | Func::Call | Func::CallIndirect | Func::Ret => {}
            Func::Leave => [reg::RSP, reg::RBP].into_iter().for_each(|r| self.add(r, None)),
            Func::Movs | Func::Cmps => [reg::RSI, reg::RDI].into_iter().for_each(|r| self.add(r, item)),
            Func::Stos | Func::Scas => self.add(reg::RDI, item),
            Func::Lods => {
                self.add(reg::RSI, item);
                self.add(reg::RAX, None);
            }
            Func::MulWide | Func::Div | Func::ExtendA | Func::ExtendD | Func::Cmpxchg => {
                [reg::RAX, reg::RDX].into_iter().for_each(|r| self.add(r, None));
            }
            Func::Xchg | Func::Xadd => [op.r0, op.r1].into_iter().for_each(|r| self.add(r, None)),
            // The interpreter may change anything.
            Func::Helper if !x87::compiles(op) => self.0 = [None; REGISTERS],
            _ if i.k0 == Kind::Reg => self.add(op.r0, added(op)),
            _ => {}
        }
    }
}
