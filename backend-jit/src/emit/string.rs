//! String instructions. Single ones are compiled as they are written; of those with REP only STOS and MOVS are, as far as
//! everything lies in one page: more than that, or a copy onto itself, the interpreter does.

use super::{Emit, V};
use crate::code::Function;
use frontend_x86::algebra::{Access, Algebra, Arith, Bin, Cmp};
use frontend_x86::op::{Form, Func, Ins, Op, Width, bits, reg};

const Q: Width = Width::Q;
const PAGE: u64 = 4096;

/// Whether an op is one of those.
pub fn compiles(op: &Op) -> bool {
    let i = op.ins;
    if !matches!(i.func, Func::Movs | Func::Stos | Func::Lods | Func::Cmps | Func::Scas) {
        return false;
    }
    let repeats = i.has(bits::REP) || i.has(bits::REPNE);
    !repeats || matches!(i.func, Func::Movs | Func::Stos) && matches!(i.form, Form::A64 | Form::Flat32)
}

impl Emit<'_, '_> {
    /// REP MOVS or REP STOS to its end.
    pub(super) fn whole_block(&mut self, i: Ins) {
        let down = self.direction();
        self.exit_if(down);
        let count = self.reg(reg::RCX, i.w2);
        self.exit_if_below(V::Const(PAGE / i.w.bytes()), count);
        let bytes = self.bin(Bin::Shl, Q, count, V::Const(u64::from(i.w.bytes().trailing_zeros())));
        let di = self.reg(reg::RDI, i.w2);
        let Ok(to) = self.probe(i.form, 0, di, i.w, Access::Write);
        self.in_page_or_exit(V::Value(to), bytes);
        if i.func == Func::Movs {
            let si = self.reg(reg::RSI, i.w2);
            let Ok(from) = self.probe(i.form, self.op.seg, si, i.w, Access::Read);
            self.in_page_or_exit(V::Value(from), bytes);
            let distance = self.sub(Q, V::Value(to), V::Value(from));
            self.exit_if_below(distance, bytes);
            let bytes = self.value_of(bytes);
            self.asm.call(Function::Copy, &[to, from, bytes]);
            let si = self.add(i.w2, si, V::Value(bytes));
            self.set_reg(reg::RSI, i.w2, si);
        } else {
            let value = self.reg(reg::RAX, i.w);
            let [value, bytes, w] = [value, bytes, V::Const(i.w as u64)].map(|v| self.value_of(v));
            self.asm.call(Function::Fill, &[to, value, bytes, w]);
        }
        let di = self.add(i.w2, di, bytes);
        self.set_reg(reg::RDI, i.w2, di);
        self.set_reg(reg::RCX, i.w2, V::Const(0));
    }

    fn in_page_or_exit(&mut self, host: V, bytes: V) {
        let offset = self.bin(Bin::And, Q, host, V::Const(PAGE - 1));
        let end = self.add(Q, offset, bytes);
        let beyond = self.cmp(Cmp::Ult, Q, V::Const(PAGE), end);
        self.exit_if(beyond);
    }
}
