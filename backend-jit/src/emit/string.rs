//! String instructions. Single ones are compiled as they are written; of those with REP only STOS and MOVS are, page by page.
//! What is unusual, a copy onto itself say, the interpreter does, and what is long, so that nobody waits for the end.

use super::out::Why;
use super::{C, Emit, V};
use crate::clif::{Area, Value};
use crate::code::Function;
use frontend_x86::algebra::{Access, Algebra, Arith, Cmp};
use frontend_x86::op::{Form, Func, Ins, Op, Width, bits, reg};
use frontend_x86::sem::block::{self, Blocks};
use std::convert::Infallible;

/// So many pages are done at once.
const ROUNDS: u64 = 64;

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
        let registers: &[u8] = match i.func {
            Func::Movs => &[reg::RCX, reg::RDI, reg::RSI],
            _ => &[reg::RCX, reg::RDI],
        };
        self.flush();
        let again = self.asm.block();
        let first = self.registers(registers, V::Const(ROUNDS));
        self.asm.jump(again, &first);
        for r in registers {
            let v = self.asm.parameter(again);
            self.write(usize::from(*r), V::Value(v));
        }
        let rounds = self.asm.parameter(again);
        self.asm.at(again);
        // What an exit goes back to.
        self.before = self.state;
        let Ok(()) = block::block(self, i);

        let count = self.reg(reg::RCX, i.w2);
        let more = self.is_nonzero(i.w2, count);
        let (on, rest) = (self.asm.block(), self.asm.cold_block());
        self.branch(more, rest, on);
        let state = self.state;
        self.asm.at(rest);
        let fewer = self.sub(Width::Q, V::Value(rounds), V::Const(1));
        let enough = self.is_zero(Width::Q, fewer);
        let (out, next) = (self.asm.cold_block(), self.asm.cold_block());
        self.branch(enough, out, next);
        self.asm.at(next);
        let then = self.registers(registers, fewer);
        self.asm.jump(again, &then);
        self.asm.at(out);
        self.flags_to_slots();
        self.flush();
        self.leave_at(Why::Interpret, self.member, self.at);
        self.state = state;
        self.asm.at(on);
    }

    fn registers(&mut self, registers: &[u8], last: V) -> Vec<Value> {
        let mut values: Vec<V> = registers.iter().map(|r| self.read(usize::from(*r))).collect();
        values.push(last);
        values.into_iter().map(|v| self.value_of(v)).collect()
    }
}

impl Blocks for Emit<'_, '_> {
    /// What counts down is seldom, and the interpreter's.
    fn counts_down(&mut self) -> Result<bool, Infallible> {
        let down = self.direction();
        self.exit_if(down);
        Ok(false)
    }

    fn stop_if(&mut self, c: C) -> Result<(), Infallible> {
        self.exit_if(c);
        Ok(())
    }

    /// None at all, of an item that lies across pages, is the end of the rounds.
    fn fitting(&mut self, n: V, room: V) -> Result<V, Infallible> {
        let less = self.cmp(Cmp::Ult, Width::Q, room, n);
        Ok(self.select(Width::Q, less, room, n))
    }

    fn left_over(&mut self, w: Width, count: V, n: V) -> V {
        self.sub(w, count, n)
    }

    fn room_in_segment(&mut self, _i: Ins, _seg: u8, _offset: V, _access: Access, _down: bool) -> Option<V> {
        // In the forms that are compiled: addresses wrap, and segments end, where a page does.
        None
    }

    fn host_address(&mut self, p: Value) -> V {
        V::Value(p)
    }

    fn below(&mut self, p: Value, bytes: V) -> Value {
        let below = self.sub(Width::Q, V::Value(p), bytes);
        self.value_of(below)
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
