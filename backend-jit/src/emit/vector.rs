//! Vectors as code. Registers stay in memory: a write goes there at once, and what is known of a register saves loads, so
//! there is nothing to write back where the code is left. What [`compiles`] does not name is left to the interpreter by a
//! call.
//!
//! Floating point runs on the host's own arithmetic, where the host is x86 too, and MXCSR is as it mostly is: everything
//! masked, rounding to nearest, denormals as they are. Then results are the guest's by definition, and so are the flags that
//! gather in the host's MXCSR until [`crate::mxcsr`] fetches them.

use super::segments::BOUNDS;
use super::{C, Emit, V};
use crate::clif::vector::{Float, Shift, knows_bin, widening};
use crate::clif::{Area, Value};
use crate::code::Function;
use crate::{host, mxcsr};
use backend_interp::run::Run;
use frontend_x86::Cpu;
use frontend_x86::algebra::{Arith, Bin, Cmp};
use frontend_x86::cpu::Bounds;
use frontend_x86::op::{Form, Func, Ins, Kind, Op, Width, bits};
use frontend_x86::sse::algebra::{AVX, Control, SSE, VectorAlgebra};
use frontend_x86::sse::avx::upper_imm;
use frontend_x86::sse::ops::{BLEND, BlendOp, FloatOp, Format, GprOp, MovOp, VecImmOp, VecOp, VecUnaryOp};
use lyrebird_core::CpuState;
use std::convert::Infallible;
use std::mem::{offset_of, size_of};

const STATE: usize = offset_of!(Run, cpu) + offset_of!(Cpu, state);
const VECTORS: usize = STATE + offset_of!(CpuState, vector);

/// A vector: its low and its high half. Of one of 128 bits the high half is anything.
#[derive(Clone, Copy)]
pub struct X {
    low: Value,
    high: Value,
}

/// What is known of the vector unit at a place in the code.
#[derive(Clone, Copy, Default)]
pub struct Simd {
    /// SSE, AVX may be used.
    available: [bool; 2],
    /// MXCSR is ordinary, and armed.
    ordinary: bool,
    /// The halves of registers that have been read or written.
    halves: [[Option<Value>; 2]; 16],
}

/// Whether an op of the vector families is compiled.
pub fn compiles(op: &Op) -> bool {
    let i = op.ins;
    if i.k0 == Kind::Mmx || i.k1 == Kind::Mmx {
        return false;
    }
    let number = if i.sub >= BLEND { op.helper as u8 } else { i.sub };
    match i.func {
        Func::VecMov => true,
        Func::VecBin if i.sub == BLEND => BlendOp::from_number(number) != BlendOp::Sha256rnds2,
        Func::VecBin => {
            let operation = VecOp::from_number(number);
            knows_bin(operation) || shift(operation).is_some() && is_shiftable(operation, i)
        }
        Func::VecUnary => {
            use VecUnaryOp as U;
            !matches!(VecUnaryOp::from_number(number), U::Phminposuw | U::Aesimc)
        }
        Func::VecImm => {
            use VecImmOp as I;
            !matches!(
                VecImmOp::from_number(number),
                I::Mpsadbw | I::Insertps | I::Pclmulqdq | I::Aeskeygenassist | I::Sha1rnds4 | I::Pshufw
            )
        }
        Func::VecGpr => {
            use GprOp as G;
            match GprOp::from_number(i.sub) {
                G::Cvtps2ph => false,
                G::Ucomiss | G::Ucomisd | G::Comiss | G::Comisd => HOST_FLOATS,
                G::Cvtsi2ss | G::Cvtsi2sd | G::Cvtss2si | G::Cvtsd2si | G::Cvttss2si | G::Cvttsd2si => HOST_FLOATS,
                _ => true,
            }
        }
        Func::VecFloat => {
            let (operation, _) = FloatOp::of_number(number);
            HOST_FLOATS && is_native(operation, op.imm)
        }
        _ => false,
    }
}

/// Whether the host's floating point is the guest's.
const HOST_FLOATS: bool = cfg!(target_arch = "x86_64");

fn is_native(op: FloatOp, imm: u64) -> bool {
    use FloatOp as F;
    match op {
        F::Cmp => imm < 8,
        _ => arithmetic(op, imm).is_some() || converts_low(op) || converts_lanes(op),
    }
}

fn arithmetic(op: FloatOp, imm: u64) -> Option<Float> {
    Some(match op {
        FloatOp::Add => Float::Add,
        FloatOp::Sub => Float::Sub,
        FloatOp::Mul => Float::Mul,
        FloatOp::Div => Float::Div,
        FloatOp::Sqrt => Float::Sqrt,
        FloatOp::Min => Float::Min,
        FloatOp::Max => Float::Max,
        FloatOp::Cmp => Float::Compare(imm as u8),
        _ => return None,
    })
}

fn converts_low(op: FloatOp) -> bool {
    matches!(op, FloatOp::Cvtss2sd | FloatOp::Cvtsd2ss)
}

fn converts_lanes(op: FloatOp) -> bool {
    matches!(op, FloatOp::Cvtdq2ps | FloatOp::Cvtdq2pd | FloatOp::Cvtps2pd | FloatOp::Cvtpd2ps)
}

/// Shifts of all lanes by one count.
fn shift(op: VecOp) -> Option<(Shift, Width)> {
    Some(match op {
        VecOp::Psllw => (Shift::Left, Width::W),
        VecOp::Pslld => (Shift::Left, Width::D),
        VecOp::Psllq => (Shift::Left, Width::Q),
        VecOp::Psrlw => (Shift::Right, Width::W),
        VecOp::Psrld => (Shift::Right, Width::D),
        VecOp::Psrlq => (Shift::Right, Width::Q),
        VecOp::Psraw => (Shift::Signed, Width::W),
        VecOp::Psrad => (Shift::Signed, Width::D),
        // Of whole bytes: the width says so.
        VecOp::Pslldq => (Shift::Left, Width::X),
        VecOp::Psrldq => (Shift::Right, Width::X),
        _ => return None,
    })
}

fn is_shiftable(op: VecOp, i: Ins) -> bool {
    i.k1 == Kind::Imm || !matches!(op, VecOp::Pslldq | VecOp::Psrldq)
}

/// A mask for `shuffle` of doublewords or quadwords: `pick(i)` says which of the eight or four.
fn picked(bytes: u8, pick: impl Fn(u8) -> u8) -> [u8; 16] {
    std::array::from_fn(|i| pick(i as u8 / bytes) * bytes + i as u8 % bytes)
}

impl Emit<'_, '_> {
    /// Where a half of a vector register lies.
    fn half_place(r: u8, half: usize) -> i32 {
        (VECTORS + 32 * usize::from(r & 15) + 16 * half) as i32
    }

    fn half(&mut self, r: u8, half: usize) -> Value {
        if let Some(v) = self.state.simd.halves[usize::from(r & 15)][half] {
            return v;
        }
        let v = self.asm.load_vector(self.run, Self::half_place(r, half));
        self.state.simd.halves[usize::from(r & 15)][half] = Some(v);
        v
    }

    fn set_half(&mut self, r: u8, half: usize, v: Value) {
        self.asm.store_vector(self.run, Self::half_place(r, half), v);
        self.state.simd.halves[usize::from(r & 15)][half] = Some(v);
    }

    /// An operation on each half that counts.
    fn each(&mut self, w: Width, x: X, y: X, f: impl Fn(&mut Self, Value, Value) -> Value) -> X {
        let low = f(self, x.low, y.low);
        let high = if w == Width::Y { f(self, x.high, y.high) } else { low };
        X { low, high }
    }

    fn zero(&mut self) -> Value {
        self.asm.vector_constant([0; 16])
    }

    /// Leaves unless these bits of a number of the CPU's are as they should be.
    pub(super) fn demand(&mut self, w: Width, offset: i32, mask: u64, wanted: u64) {
        let v = self.load_own(w, offset);
        let v = self.bin(Bin::And, Width::Q, v, V::Const(mask));
        let crooked = self.cmp(Cmp::Ne, w, v, V::Const(wanted));
        self.exit_if(crooked);
    }

    /// Leaves unless MXCSR is ordinary, and arms it.
    fn ordinary_or_exit(&mut self) {
        if !self.state.simd.ordinary {
            let armed = self.load_own(Width::D, offset_of!(Run, armed) as i32);
            let not = self.cmp(Cmp::Ne, Width::D, armed, V::Const(u64::from(mxcsr::ORDINARY)));
            let out = self.exit_block();
            let (arm, on) = (self.asm.cold_block(), self.asm.block());
            self.branch(not, arm, on);
            self.asm.at(arm);
            let entry = self.op_address(self.member, self.at);
            let done = V::Value(self.asm.call(Function::Arm, &[self.run, entry]));
            let done = self.is_nonzero(Width::Q, done);
            self.branch(done, on, out);
            self.asm.at(on);
            self.state.simd.ordinary = true;
        }
    }

    fn shifted(&mut self, op: VecOp, w: Width, x: X, y: X) -> Option<X> {
        let (kind, lanes) = shift(op)?;
        if lanes == Width::X {
            // By bytes: of the vector beside one of zeros.
            let n = self.op.imm.min(16) as u8;
            let mask = std::array::from_fn(|i| {
                let i = i as u8;
                let from = if kind == Shift::Left { i.checked_sub(n) } else { Some(i + n).filter(|i| *i < 16) };
                from.unwrap_or(16)
            });
            let zero = self.zero();
            return Some(self.each(w, x, x, |e, x, _| e.asm.shuffle(x, zero, mask)));
        }
        if self.op.ins.k1 == Kind::Imm {
            let most = u64::from(lanes.bits()) - 1;
            if self.op.imm > most && kind != Shift::Signed {
                let zero = self.zero();
                return Some(X { low: zero, high: zero });
            }
            let n = self.op.imm.min(most) as u32;
            return Some(self.each(w, x, x, |e, x, _| e.asm.shift_by(kind, lanes, x, n)));
        }
        let n = self.asm.extract(Width::Q, y.low, 0);
        Some(self.each(w, x, x, |e, x, _| e.asm.shift_by_number(kind, lanes, x, n)))
    }

    /// An operation with an immediate on a half.
    fn half_imm(&mut self, op: VecImmOp, x: Value, y: Value, imm: u8) -> Value {
        use VecImmOp as I;
        let two = |i: u8| imm >> (2 * (i & 3)) & 3;
        let bit = |i: u8| imm >> i & 1;
        let (x, y, mask) = match op {
            I::Pshufd | I::Vpermilps => (y, y, picked(4, two)),
            I::Pshuflw => (y, y, picked(2, |i| if i < 4 { two(i) } else { i })),
            I::Pshufhw => (y, y, picked(2, |i| if i < 4 { i } else { 4 + two(i) })),
            I::Shufps => (x, y, picked(4, |i| two(i) + if i < 2 { 0 } else { 4 })),
            I::Shufpd => (x, y, picked(8, |i| bit(i) + 2 * i)),
            I::Vpermilpd => (y, y, picked(8, bit)),
            I::Pblendw => (x, y, picked(2, |i| i + 8 * bit(i))),
            I::Blendps | I::Vpblendd => (x, y, picked(4, |i| i + 4 * bit(i))),
            I::Blendpd => (x, y, picked(8, |i| i + 2 * bit(i))),
            // PALIGNR: from byte `imm` on of y, then x, then zeros.
            _ if imm < 16 => (y, x, std::array::from_fn(|i| i as u8 + imm)),
            _ => {
                let zero = self.zero();
                (x, zero, std::array::from_fn(|i| (i as u8 + imm.min(32) - 16).min(16)))
            }
        };
        self.asm.shuffle(x, y, mask)
    }

    /// An operation that crosses the middle.
    fn across(&mut self, op: VecImmOp, x: X, y: X, imm: u8) -> X {
        match op {
            VecImmOp::Vinsert128 if imm & 1 == 0 => X { low: y.low, high: x.high },
            VecImmOp::Vinsert128 => X { low: x.low, high: y.low },
            VecImmOp::Vperm2x128 => {
                let mut pick = |control: u8| match control & 15 {
                    8.. => self.zero(),
                    n => [x.low, x.high, y.low, y.high][usize::from(n & 3)],
                };
                X { low: pick(imm), high: pick(imm >> 4) }
            }
            _ => {
                let mut pick = |control: u8| {
                    let mask = picked(8, |i| control >> (2 * i) & 3);
                    self.asm.shuffle(y.low, y.high, mask)
                };
                X { low: pick(imm & 15), high: pick(imm >> 4) }
            }
        }
    }
}

impl VectorAlgebra for Emit<'_, '_> {
    fn simd_available_or_stop(&mut self, i: Ins) -> Result<(), Infallible> {
        let avx = usize::from(i.has(bits::VEX));
        if self.state.simd.available[avx] {
            return Ok(());
        }
        for (control, mask, wanted) in [SSE, AVX][avx] {
            let control = match control {
                Control::Cr0 => offset_of!(CpuState, cr0),
                Control::Cr4 => offset_of!(CpuState, cr4),
                Control::Xcr0 => offset_of!(CpuState, xcr0),
            };
            self.demand(Width::Q, (STATE + control) as i32, *mask, *wanted);
        }
        self.state.simd.available[avx] = true;
        Ok(())
    }

    fn aligned_or_stop(&mut self, form: Form, seg: u8, offset: V, w: Width) -> Result<(), Infallible> {
        let linear = match form {
            Form::A64 | Form::Flat32 => offset,
            _ => {
                let base = BOUNDS + usize::from(seg) * size_of::<Bounds>() + offset_of!(Bounds, base);
                let base = self.load_own(Width::Q, base as i32);
                self.add(Width::Q, base, offset)
            }
        };
        let within = self.bin(Bin::And, Width::Q, linear, V::Const(w.bytes() - 1));
        let crooked = self.is_nonzero(Width::Q, within);
        self.exit_if(crooked);
        Ok(())
    }

    // MMX registers are left to the interpreter.
    fn mmx(&mut self, _: u8) -> V {
        self.refused = true;
        V::Const(0)
    }
    fn set_mmx(&mut self, _: u8, _: V) {
        self.refused = true;
    }
    fn enter_mmx(&mut self) {
        self.refused = true;
    }

    fn set_vector_whole(&mut self, r: u8, w: Width, x: X) {
        self.set_half(r, 0, x.low);
        let high = if w == Width::Y { x.high } else { self.zero() };
        self.set_half(r, 1, high);
    }

    fn vec_from_low(&mut self, v: V) -> X {
        let low = match v {
            V::Const(0) => self.zero(),
            v => {
                let v = self.value_of(v);
                self.asm.vector_of(v)
            }
        };
        X { low, high: low }
    }

    fn vec_extract(&mut self, w: Width, x: X, lane: u32) -> V {
        let lanes = 128 / w.bits();
        let half = if lane < lanes { x.low } else { x.high };
        V::Value(self.asm.extract(w, half, (lane % lanes) as u8))
    }

    fn vec_insert(&mut self, w: Width, x: X, lane: u32, v: V) -> X {
        let v = self.value_of(v);
        X { low: self.asm.insert(w, x.low, lane as u8, v), high: x.high }
    }

    fn vec_bin(&mut self, op: VecOp, w: Width, x: X, y: X) -> X {
        if let Some(x) = self.shifted(op, w, x, y) {
            return x;
        }
        self.each(w, x, y, |e, x, y| e.asm.vector_bin(op, x, y))
    }

    fn vec_unary(&mut self, op: VecUnaryOp, w: Width, x: X) -> X {
        use VecUnaryOp as U;
        if let Some((from, times, signed)) = widening(op) {
            // The upper half widens what lies further up.
            let step = 16 >> times;
            let high = if w == Width::Y {
                let mask = std::array::from_fn(|i| (i as u8 + step) & 15);
                self.asm.shuffle(x.low, x.low, mask)
            } else {
                x.low
            };
            return self.each(w, X { low: x.low, high }, x, |e, mut x, _| {
                let mut from = from;
                for _ in 0..times {
                    x = e.asm.widen_lanes(from, signed, x);
                    from = Width::of_bytes(2 * from.bytes() as usize);
                }
                x
            });
        }
        let splat = match op {
            U::Pbroadcastb => Some(Width::B),
            U::Pbroadcastw => Some(Width::W),
            U::Pbroadcastd => Some(Width::D),
            U::Pbroadcastq => Some(Width::Q),
            _ => None,
        };
        if let Some(lanes) = splat {
            let low = self.asm.splat(lanes, x.low);
            return X { low, high: low };
        }
        let zero = if op == U::Movq { self.zero() } else { x.low };
        let absolute = match op {
            U::Pabsb => Some(Width::B),
            U::Pabsw => Some(Width::W),
            U::Pabsd => Some(Width::D),
            U::Broadcast128 => return X { low: x.low, high: x.low },
            _ => None,
        };
        let mask = match op {
            U::Movddup => picked(8, |_| 0),
            U::Movshdup => picked(4, |i| i | 1),
            U::Movsldup => picked(4, |i| i & 2),
            // MOVQ: zeros above.
            _ => std::array::from_fn(|i| if i < 8 { i as u8 } else { 16 }),
        };
        self.each(w, x, x, |e, x, _| match absolute {
            Some(lanes) => e.asm.absolute(lanes, x),
            None if op == U::Movq => e.asm.shuffle(x, zero, mask),
            None => e.asm.shuffle(x, x, mask),
        })
    }

    fn vec_imm(&mut self, op: VecImmOp, w: Width, x: X, y: X, imm: u8) -> X {
        if op as u8 >= VecImmOp::Vpermq as u8 {
            return self.across(op, x, y, imm);
        }
        let low = self.half_imm(op, x.low, y.low, imm);
        let high = if w == Width::Y { self.half_imm(op, x.high, y.high, upper_imm(op, imm)) } else { low };
        X { low, high }
    }

    fn vec_blend(&mut self, op: BlendOp, w: Width, x: X, y: X, mask: X) -> X {
        let lanes = match op {
            BlendOp::Pblendvb => Width::B,
            BlendOp::Blendvps => Width::D,
            _ => Width::Q,
        };
        let mask = self.each(w, mask, mask, |e, m, _| e.asm.shift_by(Shift::Signed, lanes, m, lanes.bits() - 1));
        let low = self.asm.choose_bits(mask.low, x.low, y.low);
        let high = if w == Width::Y { self.asm.choose_bits(mask.high, x.high, y.high) } else { low };
        X { low, high }
    }

    fn vec_signs(&mut self, lane: Width, w: Width, x: X) -> V {
        let low = V::Value(self.asm.signs(lane, x.low));
        if w != Width::Y {
            return low;
        }
        let high = V::Value(self.asm.signs(lane, x.high));
        let high = self.bin(Bin::Shl, Width::Q, high, V::Const(u64::from(128 / lane.bits())));
        self.bin(Bin::Or, Width::Q, low, high)
    }

    fn vec_test(&mut self, w: Width, x: X, y: X) -> (C, C) {
        let [zf, cf] = [VecOp::Pand, VecOp::Pandn].map(|op| {
            let found = self.vec_bin(op, w, x, y);
            let low = C::Value(self.asm.any(found.low), false);
            let any = if w == Width::Y {
                let high = C::Value(self.asm.any(found.high), false);
                self.or(low, high)
            } else {
                low
            };
            self.not(any)
        });
        (zf, cf)
    }

    fn vec_strings(&mut self, imm: u8, x: X, y: X, lengths: Option<(V, V)>) -> V {
        let how = match lengths {
            None => V::Const(host::how_strings(imm, None)),
            Some((n, m)) => {
                let n = self.bin(Bin::Shl, Width::Q, n, V::Const(u64::from(host::FIRST_LENGTH)));
                let m = self.bin(Bin::Shl, Width::Q, m, V::Const(u64::from(host::SECOND_LENGTH)));
                let lengths = self.bin(Bin::Or, Width::Q, n, m);
                self.bin(Bin::Or, Width::Q, lengths, V::Const(host::how_strings(imm, Some((0, 0)))))
            }
        };
        let how = self.value_of(how);
        let [a, b] = [0, 1].map(|lane| self.asm.extract(Width::Q, x.low, lane));
        let [c, d] = [0, 1].map(|lane| self.asm.extract(Width::Q, y.low, lane));
        V::Value(self.asm.call(Function::Strings, &[how, a, b, c, d]))
    }

    fn float_or_stop(&mut self, op: FloatOp, format: Format, w: Width, _: u8, x: X, y: X) -> Result<X, Infallible> {
        self.ordinary_or_exit();
        if converts_low(op) {
            let low = self.asm.convert_low(op == FloatOp::Cvtss2sd, x.low, y.low);
            return Ok(X { low, high: low });
        }
        if converts_lanes(op) {
            let low = self.asm.convert_lanes(op, y.low);
            if w != Width::Y {
                return Ok(X { low, high: low });
            }
            let mut swapped = |v| self.asm.shuffle(v, v, picked(8, |i| 1 - i));
            return Ok(match op {
                FloatOp::Cvtdq2ps => X { low, high: self.asm.convert_lanes(op, y.high) },
                FloatOp::Cvtpd2ps => {
                    let high = self.asm.convert_lanes(op, y.high);
                    let low = self.asm.vector_bin(VecOp::Punpcklqdq, low, high);
                    X { low, high: self.zero() }
                }
                _ => {
                    let upper = swapped(y.low);
                    X { low, high: self.asm.convert_lanes(op, upper) }
                }
            });
        }
        let Some(op) = arithmetic(op, self.op.imm) else {
            self.refused = true;
            return Ok(x);
        };
        Ok(self.each(w, x, y, |e, x, y| e.asm.float(op, format, x, y)))
    }

    fn fused_or_stop(&mut self, _: FloatOp, _: Format, _: Width, a: X, _: X, _: X) -> Result<X, Infallible> {
        self.refused = true;
        Ok(a)
    }

    fn float_compare_or_stop(&mut self, format: Format, _: bool, x: X, y: X) -> Result<V, Infallible> {
        self.ordinary_or_exit();
        let [equal, unordered, less] = self.asm.compare_floats(format == Format::Ss, x.low, y.low);
        // What NaNs raise is the interpreter's affair; behind this nothing is unordered.
        self.exit_if(C::Value(unordered, false));
        let (equal, less) = (self.asm.number(equal), self.asm.number(less));
        let equal = self.bin(Bin::Shl, Width::Q, V::Value(equal), V::Const(6));
        Ok(self.bin(Bin::Or, Width::Q, equal, V::Value(less)))
    }

    fn float_to_int_or_stop(&mut self, format: Format, truncate: bool, w: Width, x: X) -> Result<V, Infallible> {
        self.ordinary_or_exit();
        let single = format == Format::Ss;
        let outside = self.asm.exceeds_integer(single, w, x.low);
        self.exit_if(C::Value(outside, false));
        let v = self.asm.float_to_integer(single, truncate, w, x.low);
        // Even if nobody looks at the number, the conversion raises what it raises: it must not be dropped.
        let room = self.asm.room(1);
        self.asm.store(Area::Own, Width::Q, room, 0, v);
        Ok(V::Value(v))
    }

    fn float_from_int_or_stop(&mut self, format: Format, w: Width, v: V) -> Result<V, Infallible> {
        self.ordinary_or_exit();
        let v = self.value_of(v);
        Ok(V::Value(self.asm.integer_to_float(format == Format::Ss, w, v)))
    }
}

impl Emit<'_, '_> {
    /// A vector register's low half, or both.
    pub(super) fn read_vector(&mut self, r: u8, w: Width) -> X {
        let low = self.half(r, 0);
        let high = if w == Width::Y { self.half(r, 1) } else { low };
        X { low, high }
    }

    /// Replaces its low half, or both.
    pub(super) fn write_vector(&mut self, r: u8, w: Width, x: X) {
        self.set_half(r, 0, x.low);
        if w == Width::Y {
            self.set_half(r, 1, x.high);
        }
    }

    /// Loads a vector from the guest's memory.
    pub(super) fn fetch_vector(&mut self, w: Width, p: Value) -> X {
        let low = self.asm.load_vector(p, 0);
        let high = if w == Width::Y { self.asm.load_vector(p, 16) } else { low };
        X { low, high }
    }

    /// Stores one there.
    pub(super) fn put_vector(&mut self, w: Width, p: Value, x: X) {
        self.asm.store_vector(p, 0, x.low);
        if w == Width::Y {
            self.asm.store_vector(p, 16, x.high);
        }
    }
}

const _: () = assert!(MovOp::ALL.len() == 6);
