//! The commonest instructions on ordinary numbers, as code: what they do is stated in [`frontend_x86::x87::ordinary`]. With others, and with
//! rounding that is not to nearest, the instruction's function is called, as it is for all of the rest of the unit.

use super::CONTROL;
use crate::clif::{Area, Block};
use crate::emit::{C, Emit, V};
use frontend_x86::algebra::{Access, Algebra, Arith, Bin};
use frontend_x86::helper::Helper;
use frontend_x86::op::Width;
use frontend_x86::x87::ordinary::{self, DOUBLE, Format, SINGLE};
use frontend_x86::x87::unit::fsw;

const Q: Width = Width::Q;

pub type Ten = ordinary::Ten<V>;

/// The ways of an instruction: over its function, and where it meets the quick one.
struct Ways {
    slow: Block,
    done: Block,
}

/// What is compared with.
#[derive(Clone, Copy)]
enum Other {
    Register,
    Memory(Format),
    Zero,
}

impl Emit<'_, '_> {
    /// Compiles the op if it is one of these.
    pub(super) fn quick(&mut self) -> bool {
        use Helper::*;
        let is = |helpers: &[Helper]| helpers.iter().any(|helper| *helper as u16 == self.op.helper);
        if is(&[FldM64]) {
            self.load_float(DOUBLE);
        } else if is(&[FldM32]) {
            self.load_float(SINGLE);
        } else if is(&[FstM64, FstpM64]) {
            self.store_float(DOUBLE, is(&[FstpM64]));
        } else if is(&[FstM32, FstpM32]) {
            self.store_float(SINGLE, is(&[FstpM32]));
        } else if is(&[FldM80]) {
            self.load_ten();
        } else if is(&[FstpM80]) {
            self.store_ten();
        } else if is(&[Fild16]) {
            self.load_integer(Width::W);
        } else if is(&[Fild32]) {
            self.load_integer(Width::D);
        } else if is(&[Fild64]) {
            self.load_integer(Q);
        } else if is(&[FldSt]) {
            let ten = self.number(self.op.r1);
            self.push_number(ten);
        } else if is(&[FldConstant]) && matches!(self.op.ins.sub, 0 | 6) {
            let ten = ordinary::constant(self, self.op.ins.sub == 0);
            self.push_number(ten);
        } else if is(&[Fxch]) {
            self.exchange(self.op.r1);
        } else if is(&[FstSt, FstpSt]) {
            self.copy(self.op.r1, is(&[FstpSt]));
        } else if is(&[Fchs]) {
            self.change_sign(Bin::Xor, ordinary::SIGN);
        } else if is(&[Fabs]) {
            self.change_sign(Bin::And, 0xffff & !ordinary::SIGN);
        } else if is(&[Fcom, Fucom]) {
            self.compare(Other::Register, 0);
        } else if is(&[Fcomp, Fucomp]) {
            self.compare(Other::Register, 1);
        } else if is(&[Fcompp, Fucompp]) {
            self.compare(Other::Register, 2);
        } else if is(&[Ftst]) {
            self.compare(Other::Zero, 0);
        } else if is(&[FcomM64, FcompM64]) {
            self.compare(Other::Memory(DOUBLE), is(&[FcompM64]).into());
        } else if is(&[FcomM32, FcompM32]) {
            self.compare(Other::Memory(SINGLE), is(&[FcompM32]).into());
        } else if is(&[Fcomi, Fucomi, Fcomip, Fucomip]) {
            self.compare_to_flags(is(&[Fcomip, Fucomip]));
        } else if is(&[Fnstcw]) {
            let (place, _) = self.operand(Width::W, Access::Write);
            let word = self.load_own(Width::W, CONTROL);
            self.store(Width::W, place, word);
        } else if is(&[FnstswM16]) {
            let (place, _) = self.operand(Width::W, Access::Write);
            let word = self.status();
            self.store(Width::W, place, word);
        } else {
            return false;
        }
        true
    }

    /// The memory operand's place in the host, and its offset.
    fn operand(&mut self, w: Width, access: Access) -> (crate::clif::Value, V) {
        let i = self.op.ins;
        let offset = self.address(i);
        let Ok(place) = self.probe(i.form, self.op.seg, offset, w, access);
        (place, offset)
    }

    fn note_with_memory(&mut self, offset: V) {
        self.note();
        self.note_memory(offset);
    }

    // ---- two ways

    fn two_ways(&mut self) -> Ways {
        Ways { slow: self.asm.cold_block(), done: self.asm.block() }
    }

    /// Goes over the function unless `c` holds.
    fn slow_unless(&mut self, ways: &Ways, c: C) {
        let on = self.asm.block();
        self.branch(c, on, ways.slow);
        self.asm.at(on);
    }

    /// Ends the quick way with results that both ways give, and begins the other one.
    fn end_quick<const N: usize>(&mut self, ways: &Ways, results: [V; N]) -> [V; N] {
        let values = results.map(|v| self.value_of(v));
        self.asm.jump(ways.done, &values);
        let params = [(); N].map(|()| V::Value(self.asm.parameter(ways.done)));
        self.asm.at(ways.slow);
        params
    }

    fn end_slow<const N: usize>(&mut self, ways: &Ways, results: [V; N]) {
        let values = results.map(|v| self.value_of(v));
        self.asm.jump(ways.done, &values);
        self.asm.at(ways.done);
    }

    /// `f` where `c` holds, or else `g`: two numbers, which are what it gives.
    fn either(&mut self, c: C, f: impl FnOnce(&mut Self) -> (V, V), g: impl FnOnce(&mut Self) -> (V, V)) -> (V, V) {
        let (yes, no, done) = (self.asm.block(), self.asm.block(), self.asm.block());
        let params = [(); 2].map(|()| V::Value(self.asm.parameter(done)));
        self.branch(c, yes, no);
        self.asm.at(yes);
        let (l, r) = f(self);
        let both = [l, r].map(|v| self.value_of(v));
        self.asm.jump(done, &both);
        self.asm.at(no);
        let (l, r) = g(self);
        let both = [l, r].map(|v| self.value_of(v));
        self.asm.jump(done, &both);
        self.asm.at(done);
        (params[0], params[1])
    }

    /// The status word at an instruction's end, but for what it sets, of which C1 is one that it clears otherwise.
    fn end_with(&mut self, clear: u16, set: V) {
        self.change_status(clear, set);
        self.write_words();
    }

    // ---- loads and stores

    /// Pushes a number that needs no conversion.
    fn push_number(&mut self, ten: Ten) {
        self.room();
        self.push();
        self.write_number(0, ten);
        self.end_with(fsw::C1, V::Const(0));
        self.note();
    }

    /// A number of a shorter format.
    fn widened(&mut self, f: Format, raw: V, ways: &Ways) -> Ten {
        let normal = ordinary::is_normal_in(self, f, raw);
        let pair = |ten: Ten| (ten.significand, ten.top);
        let (significand, top) = self.either(
            normal,
            |emit| pair(ordinary::widen(emit, f, raw)),
            |emit| {
                let zero = ordinary::is_zero_in(emit, f, raw);
                emit.slow_unless(ways, zero);
                pair(ordinary::widen_zero(emit, f, raw))
            },
        );
        Ten { significand, top }
    }

    /// FLD m32fp, m64fp.
    fn load_float(&mut self, f: Format) {
        let (place, offset) = self.operand(f.w, Access::Read);
        let raw = self.load(f.w, place);
        self.room();
        self.push();
        let pushed = self.state.unit.stack;
        let ways = self.two_ways();
        let ten = self.widened(f, raw, &ways);
        self.write_number(0, ten);
        self.end_with(fsw::C1, V::Const(0));
        let status = self.status();
        let [status, significand, top] = self.end_quick(&ways, [status, ten.significand, ten.top]);
        self.call_leaf(raw);
        self.state.unit.stack = pushed;
        let ten = self.load_number(0);
        let reloaded = self.load_status();
        self.end_slow(&ways, [reloaded, ten.significand, ten.top]);
        self.settle(pushed, status);
        self.note_number(0, Ten { significand, top });
        self.note_with_memory(offset);
    }

    /// FST, FSTP m32fp, m64fp.
    fn store_float(&mut self, f: Format, pops: bool) {
        let (place, offset) = self.operand(f.w, Access::Write);
        let ten = self.number(0);
        self.status();
        if pops {
            self.pop();
        }
        let stored = self.state.unit.stack;
        let ways = self.two_ways();
        let (result, set) = self.narrowed(f, ten, &ways);
        self.end_with(fsw::C1, set);
        let status = self.status();
        let [status, result] = self.end_quick(&ways, [status, result]);
        let called = self.call_leaf(V::Const(0));
        let reloaded = self.load_status();
        self.end_slow(&ways, [reloaded, called]);
        self.settle(stored, status);
        self.store(f.w, place, result);
        self.note_with_memory(offset);
    }

    /// A number in a shorter format, and what is set in the status word.
    fn narrowed(&mut self, f: Format, ten: Ten, ways: &Ways) -> (V, V) {
        let fits = ordinary::fits(self, f, ten);
        self.either(
            fits,
            |emit| {
                let normal = ordinary::has_integer_bit(emit, ten);
                emit.slow_unless(ways, normal);
                let (cut, lost) = ordinary::narrow(emit, f, ten);
                let exact = emit.is_zero(Q, lost);
                emit.either(
                    exact,
                    |_| (cut, V::Const(0)),
                    |emit| {
                        let control = emit.load_own(Width::W, CONTROL);
                        let rounding = emit.bin(Bin::And, Q, control, V::Const(ordinary::ROUNDING));
                        let nearest = emit.is_zero(Q, rounding);
                        emit.slow_unless(ways, nearest);
                        ordinary::round(emit, f, cut, lost)
                    },
                )
            },
            |emit| {
                let zero = ordinary::is_zero(emit, ten);
                emit.slow_unless(ways, zero);
                (ordinary::narrow_zero(emit, f, ten), V::Const(0))
            },
        )
    }

    /// FLD m80fp.
    fn load_ten(&mut self) {
        let (place, offset) = self.operand(Width::X, Access::Read);
        let significand = V::Value(self.asm.load(Area::Guest, Q, place, 0));
        let top = V::Value(self.asm.load(Area::Guest, Width::W, place, 8));
        self.push_number(Ten { significand, top });
        self.note_memory(offset);
    }

    /// FSTP m80fp.
    fn store_ten(&mut self) {
        let (place, offset) = self.operand(Width::X, Access::Write);
        let ten = self.number(0);
        let [significand, top] = [ten.significand, ten.top].map(|v| self.value_of(v));
        self.asm.store(Area::Guest, Q, place, 0, significand);
        self.asm.store(Area::Guest, Width::W, place, 8, top);
        self.pop();
        self.end_with(fsw::C1, V::Const(0));
        self.note_with_memory(offset);
    }

    /// FILD.
    fn load_integer(&mut self, w: Width) {
        let (place, offset) = self.operand(w, Access::Read);
        let raw = self.load(w, place);
        let v = self.sign_extend(w, Q, raw);
        let ten = ordinary::integer(self, v);
        self.push_number(ten);
        self.note_memory(offset);
    }

    // ---- between registers

    /// FXCH.
    fn exchange(&mut self, i: u8) {
        let (first, other) = (self.number(0), self.number(i));
        self.write_number(0, other);
        self.write_number(i, first);
        self.end_with(fsw::C1, V::Const(0));
        self.note();
    }

    /// FST, FSTP ST(i).
    fn copy(&mut self, i: u8, pops: bool) {
        let ten = self.number(0);
        if i != 0 {
            self.occupy(i);
            self.write_number(i, ten);
        }
        if pops {
            self.pop();
        }
        self.end_with(fsw::C1, V::Const(0));
        self.note();
    }

    /// FCHS, FABS.
    fn change_sign(&mut self, op: Bin, mask: u64) {
        let Ten { significand, top } = self.number(0);
        let top = self.bin(op, Q, top, V::Const(mask));
        self.write_number(0, Ten { significand, top });
        self.end_with(fsw::C1, V::Const(0));
        self.note();
    }

    // ---- comparisons

    /// Goes over the function if a number is not ordinary.
    fn ordinary(&mut self, ten: Ten, ways: &Ways) {
        let (is, is_not, known) = (self.asm.block(), self.asm.block(), self.asm.block());
        let normal = ordinary::may_be_normal(self, ten);
        self.branch(normal, is, is_not);
        self.asm.at(is);
        let normal = ordinary::has_integer_bit(self, ten);
        self.branch(normal, known, ways.slow);
        self.asm.at(is_not);
        let zero = ordinary::is_zero(self, ten);
        self.branch(zero, known, ways.slow);
        self.asm.at(known);
    }

    /// FCOM, FUCOM and FTST, with so many pops.
    fn compare(&mut self, other: Other, pops: u8) {
        let operand = match other {
            Other::Memory(f) => {
                let (place, offset) = self.operand(f.w, Access::Read);
                Some((self.load(f.w, place), offset))
            }
            _ => None,
        };
        let first = self.number(0);
        let second = matches!(other, Other::Register).then(|| self.number(self.op.r1));
        self.status();
        for _ in 0..pops {
            self.pop();
        }
        let popped = self.state.unit.stack;
        let ways = self.two_ways();
        self.ordinary(first, &ways);
        let second = match (other, second, operand) {
            (Other::Memory(f), _, Some((raw, _))) => self.widened(f, raw, &ways),
            (_, Some(second), _) => {
                self.ordinary(second, &ways);
                second
            }
            _ => ordinary::constant(self, false),
        };
        let relation = ordinary::relation(self, first, second);
        let codes = ordinary::codes(self, relation);
        self.end_with(fsw::CODES, codes);
        let status = self.status();
        let [status] = self.end_quick(&ways, [status]);
        self.call_leaf(operand.map_or(V::Const(0), |(raw, _)| raw));
        let reloaded = self.load_status();
        self.end_slow(&ways, [reloaded]);
        self.settle(popped, status);
        self.note();
        if let Some((_, offset)) = operand {
            self.note_memory(offset);
        }
    }

    /// FCOMI and its like: C1 stays.
    fn compare_to_flags(&mut self, pops: bool) {
        let (first, second) = (self.number(0), self.number(self.op.r1));
        self.status();
        if pops {
            self.pop();
        }
        let popped = self.state.unit.stack;
        let ways = self.two_ways();
        self.ordinary(first, &ways);
        self.ordinary(second, &ways);
        let relation = ordinary::relation(self, first, second);
        let flags = ordinary::eflags(self, relation);
        self.write_words();
        let status = self.status();
        let [status, flags] = self.end_quick(&ways, [status, flags]);
        let called = self.call_leaf(V::Const(0));
        let reloaded = self.load_status();
        self.end_slow(&ways, [reloaded, called]);
        self.settle(popped, status);
        self.note_flags(flags);
        self.note();
    }
}
