//! String instructions. Single ones are compiled as they are written; of those with REP only STOS and MOVS are, as far as
//! everything lies in one page: more than that, or a copy onto itself, the interpreter does.

use super::{C, Emit, V};
use crate::clif::{Area, Value};
use crate::code::Function;
use frontend_x86::algebra::Access;
use frontend_x86::op::{Form, Func, Ins, Op, Width, bits};
use frontend_x86::sem::block::{self, Blocks};
use std::convert::Infallible;

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
        let Ok(()) = block::block(self, i);
    }
}

impl Blocks for Emit<'_, '_> {
    fn stop_if(&mut self, c: C) -> Result<(), Infallible> {
        self.exit_if(c);
        Ok(())
    }

    /// All, or the interpreter does it.
    fn fitting(&mut self, n: V, room: V) -> Result<V, Infallible> {
        self.exit_if_below(room, n);
        Ok(n)
    }

    fn left_over(&mut self, _w: Width, _count: V, _n: V) -> V {
        V::Const(0)
    }

    fn room_in_segment(&mut self, _i: Ins, _seg: u8, _offset: V, _access: Access) -> Option<V> {
        // In the forms that are compiled: addresses wrap, and segments end, where a page does.
        None
    }

    fn host_address(&mut self, p: Value) -> V {
        V::Value(p)
    }

    fn copy(&mut self, to: Value, from: Value, bytes: V) {
        let bytes = self.value_of(bytes);
        self.asm.order(Area::Guest);
        self.asm.call(Function::Copy, &[to, from, bytes]);
        self.asm.order(Area::Guest);
    }

    fn fill(&mut self, w: Width, to: Value, bytes: V, item: V) {
        let [item, bytes, w] = [item, bytes, V::Const(w as u64)].map(|v| self.value_of(v));
        self.asm.order(Area::Guest);
        self.asm.call(Function::Fill, &[to, item, bytes, w]);
    }
}
