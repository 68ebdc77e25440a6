//! Vectors of 128 bits as Cranelift values, of type `I8X16` outside of this module; and scalars in floating point.

use super::{Area, Asm};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use frontend_x86::op::Width;
use frontend_x86::sse::ops::{Format, VecOp, VecUnaryOp};

/// An operation of Cranelift on lanes.
#[derive(Clone, Copy)]
enum Lanes {
    Add,
    Sub,
    AddSaturated(bool),
    SubSaturated(bool),
    And,
    AndNot,
    Or,
    Xor,
    Equal,
    Greater,
    Min(bool),
    Max(bool),
    Average,
    Multiply,
    MultiplyUnsignedWide,
    MultiplyAdd,
    MultiplyAddBytes,
    MultiplyRounded,
    Pack(bool),
    ByteShuffle,
}

/// How an operation on two vectors is made.
#[derive(Clone, Copy)]
enum Recipe {
    Lanes(Lanes, Width),
    /// Bytes of the first operand (0 to 15) and the second (16 to 31).
    Shuffle([u8; 16]),
}

/// Elements of so many bytes in turns, from byte `from` of both operands on.
const fn interleave(bytes: u8, from: u8) -> [u8; 16] {
    let mut mask = [0; 16];
    let mut i = 0u8;
    while i < 16 {
        let (element, within) = (i / bytes, i % bytes);
        mask[i as usize] = from + (element / 2) * bytes + within + if element % 2 == 1 { 16 } else { 0 };
        i += 1;
    }
    mask
}

/// Each half of the result: a quadword of the four in both operands.
const fn quads(low: u8, high: u8) -> [u8; 16] {
    let mut mask = [0; 16];
    let mut i = 0u8;
    while i < 8 {
        mask[i as usize] = 8 * low + i;
        mask[i as usize + 8] = 8 * high + i;
        i += 1;
    }
    mask
}

fn recipe(op: VecOp) -> Option<Recipe> {
    use Lanes as L;
    use VecOp as V;
    use Width::{B, D, Q, W};
    let (lanes, w) = match op {
        V::Paddb => (L::Add, B),
        V::Paddw => (L::Add, W),
        V::Paddd => (L::Add, D),
        V::Paddq => (L::Add, Q),
        V::Psubb => (L::Sub, B),
        V::Psubw => (L::Sub, W),
        V::Psubd => (L::Sub, D),
        V::Psubq => (L::Sub, Q),
        V::Paddsb => (L::AddSaturated(true), B),
        V::Paddsw => (L::AddSaturated(true), W),
        V::Paddusb => (L::AddSaturated(false), B),
        V::Paddusw => (L::AddSaturated(false), W),
        V::Psubsb => (L::SubSaturated(true), B),
        V::Psubsw => (L::SubSaturated(true), W),
        V::Psubusb => (L::SubSaturated(false), B),
        V::Psubusw => (L::SubSaturated(false), W),
        V::Pand => (L::And, Q),
        V::Pandn => (L::AndNot, Q),
        V::Por => (L::Or, Q),
        V::Pxor => (L::Xor, Q),
        V::Pcmpeqb => (L::Equal, B),
        V::Pcmpeqw => (L::Equal, W),
        V::Pcmpeqd => (L::Equal, D),
        V::Pcmpeqq => (L::Equal, Q),
        V::Pcmpgtb => (L::Greater, B),
        V::Pcmpgtw => (L::Greater, W),
        V::Pcmpgtd => (L::Greater, D),
        V::Pcmpgtq => (L::Greater, Q),
        V::Pminub => (L::Min(false), B),
        V::Pminuw => (L::Min(false), W),
        V::Pminud => (L::Min(false), D),
        V::Pminsb => (L::Min(true), B),
        V::Pminsw => (L::Min(true), W),
        V::Pminsd => (L::Min(true), D),
        V::Pmaxub => (L::Max(false), B),
        V::Pmaxuw => (L::Max(false), W),
        V::Pmaxud => (L::Max(false), D),
        V::Pmaxsb => (L::Max(true), B),
        V::Pmaxsw => (L::Max(true), W),
        V::Pmaxsd => (L::Max(true), D),
        V::Pavgb => (L::Average, B),
        V::Pavgw => (L::Average, W),
        V::Pmullw => (L::Multiply, W),
        V::Pmulld => (L::Multiply, D),
        V::Pmuludq => (L::MultiplyUnsignedWide, Q),
        V::Pmaddwd => (L::MultiplyAdd, W),
        V::Pmaddubsw if cfg!(target_arch = "x86_64") => (L::MultiplyAddBytes, B),
        V::Pmulhrsw if cfg!(target_arch = "x86_64") => (L::MultiplyRounded, W),
        V::Packsswb => (L::Pack(true), W),
        V::Packuswb => (L::Pack(false), W),
        V::Packssdw => (L::Pack(true), D),
        V::Packusdw => (L::Pack(false), D),
        V::Pshufb if cfg!(target_arch = "x86_64") => (L::ByteShuffle, B),
        _ => {
            return Some(Recipe::Shuffle(match op {
                V::Punpcklbw => interleave(1, 0),
                V::Punpcklwd => interleave(2, 0),
                V::Punpckldq => interleave(4, 0),
                V::Punpcklqdq => interleave(8, 0),
                V::Punpckhbw => interleave(1, 8),
                V::Punpckhwd => interleave(2, 8),
                V::Punpckhdq => interleave(4, 8),
                V::Punpckhqdq => interleave(8, 8),
                V::Movss => [16, 17, 18, 19, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
                V::Movsd => quads(2, 1),
                V::Movhlps => quads(3, 1),
                _ => return None,
            }));
        }
    };
    Some(Recipe::Lanes(lanes, w))
}

/// Whether [`Asm::vector_bin`] knows the operation.
pub fn knows_bin(op: VecOp) -> bool {
    recipe(op).is_some()
}

/// Shifts of all lanes by one count: the lanes' width, and whether left, right or right with the sign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// With zeros from below.
    Left,
    /// With zeros from above.
    Right,
    /// With the sign from above.
    Signed,
}

/// The type of a vector with lanes of this width.
fn lanes(w: Width) -> Type {
    match w {
        Width::B => types::I8X16,
        Width::W => types::I16X8,
        Width::D => types::I32X4,
        _ => types::I64X2,
    }
}

fn floats(format: Format) -> Type {
    match format {
        Format::Ps | Format::Ss => types::F32X4,
        _ => types::F64X2,
    }
}

/// Operations in floating point.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Float {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Min,
    Max,
    /// CMPPS's predicates 0 to 7.
    Compare(u8),
}

impl Asm<'_> {
    fn cast(&mut self, to: Type, v: Value) -> Value {
        if self.b.func.dfg.value_type(v) == to {
            return v;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.b.ins().bitcast(to, flags, v)
    }

    fn bytes(&mut self, v: Value) -> Value {
        self.cast(types::I8X16, v)
    }

    /// Loads 128 bits; nothing is known of their alignment.
    pub fn load_vector(&mut self, at: Value, offset: i32) -> Value {
        let v = self.b.ins().load(types::I8X16, Self::flags(Area::Guest), at, offset);
        self.order(Area::Guest);
        v
    }

    /// Stores them.
    pub fn store_vector(&mut self, at: Value, offset: i32, v: Value) {
        self.order(Area::Guest);
        self.b.ins().store(Self::flags(Area::Guest), v, at, offset);
    }

    /// All bits alike in each byte.
    pub fn vector_constant(&mut self, bytes: [u8; 16]) -> Value {
        let constant = self.b.func.dfg.constants.insert(ConstantData::from(&bytes[..]));
        self.b.ins().vconst(types::I8X16, constant)
    }

    /// A number of 64 bits, zero above.
    pub fn vector_of(&mut self, v: Value) -> Value {
        let v = self.b.ins().scalar_to_vector(types::I64X2, v);
        self.bytes(v)
    }

    /// A lane as a number.
    pub fn extract(&mut self, w: Width, v: Value, lane: u8) -> Value {
        let v = self.cast(lanes(w), v);
        let v = self.b.ins().extractlane(v, lane);
        self.widen(v)
    }

    /// A lane replaced.
    pub fn insert(&mut self, w: Width, x: Value, lane: u8, v: Value) -> Value {
        let v = self.narrow(w, v);
        let x = self.cast(lanes(w), x);
        let x = self.b.ins().insertlane(x, v, lane);
        self.bytes(x)
    }

    /// Bytes of two vectors.
    pub fn shuffle(&mut self, x: Value, y: Value, mask: [u8; 16]) -> Value {
        let mask = self.b.func.dfg.immediates.push(ConstantData::from(&mask[..]));
        self.b.ins().shuffle(x, y, mask)
    }

    /// The low lane everywhere.
    pub fn splat(&mut self, w: Width, v: Value) -> Value {
        let v = self.cast(lanes(w), v);
        let low = self.b.ins().extractlane(v, 0);
        let v = self.b.ins().splat(lanes(w), low);
        self.bytes(v)
    }

    /// An operation that [`knows_bin`] knows.
    pub fn vector_bin(&mut self, op: VecOp, x: Value, y: Value) -> Value {
        let (lane_op, w) = match recipe(op) {
            Some(Recipe::Lanes(lane_op, w)) => (lane_op, w),
            Some(Recipe::Shuffle(mask)) => return self.shuffle(x, y, mask),
            None => return x,
        };
        let (a, b) = (self.cast(lanes(w), x), self.cast(lanes(w), y));
        let ins = self.b.ins();
        let v = match lane_op {
            Lanes::Add => ins.iadd(a, b),
            Lanes::Sub => ins.isub(a, b),
            Lanes::AddSaturated(true) => ins.sadd_sat(a, b),
            Lanes::AddSaturated(false) => ins.uadd_sat(a, b),
            Lanes::SubSaturated(true) => ins.ssub_sat(a, b),
            Lanes::SubSaturated(false) => ins.usub_sat(a, b),
            Lanes::And => ins.band(a, b),
            Lanes::AndNot => ins.band_not(b, a),
            Lanes::Or => ins.bor(a, b),
            Lanes::Xor => ins.bxor(a, b),
            Lanes::Equal => ins.icmp(IntCC::Equal, a, b),
            Lanes::Greater => ins.icmp(IntCC::SignedGreaterThan, a, b),
            Lanes::Min(true) => ins.smin(a, b),
            Lanes::Min(false) => ins.umin(a, b),
            Lanes::Max(true) => ins.smax(a, b),
            Lanes::Max(false) => ins.umax(a, b),
            Lanes::Average => ins.avg_round(a, b),
            Lanes::Multiply => ins.imul(a, b),
            Lanes::MultiplyUnsignedWide => {
                let low = std::array::from_fn(|i| if i % 8 < 4 { 0xff } else { 0 });
                let mask = self.vector_constant(low);
                let mask = self.cast(types::I64X2, mask);
                let (a, b) = (self.b.ins().band(a, mask), self.b.ins().band(b, mask));
                self.b.ins().imul(a, b)
            }
            Lanes::MultiplyAdd => {
                let (a0, b0) = (self.b.ins().swiden_low(a), self.b.ins().swiden_low(b));
                let (a1, b1) = (self.b.ins().swiden_high(a), self.b.ins().swiden_high(b));
                let (low, high) = (self.b.ins().imul(a0, b0), self.b.ins().imul(a1, b1));
                self.b.ins().iadd_pairwise(low, high)
            }
            // Cranelift's first operand is the signed one.
            Lanes::MultiplyAddBytes => ins.x86_pmaddubsw(b, a),
            Lanes::MultiplyRounded => ins.x86_pmulhrsw(a, b),
            Lanes::Pack(true) => ins.snarrow(a, b),
            Lanes::Pack(false) => ins.unarrow(a, b),
            Lanes::ByteShuffle => ins.x86_pshufb(a, b),
        };
        self.bytes(v)
    }

    /// A shift by a constant below the lanes' number of bits.
    pub fn shift_by(&mut self, shift: Shift, w: Width, x: Value, count: u32) -> Value {
        let n = self.b.ins().iconst(types::I32, i64::from(count));
        self.shift(shift, w, x, n)
    }

    /// A shift by a number of 64 bits, which may be anything.
    pub fn shift_by_number(&mut self, shift: Shift, w: Width, x: Value, count: Value) -> Value {
        let limit = self.constant(u64::from(w.bits()));
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, count, limit);
        if shift == Shift::Signed {
            let most = self.constant(u64::from(w.bits()) - 1);
            let count = self.b.ins().select(inside, count, most);
            return self.shift(shift, w, x, count);
        }
        let shifted = self.shift(shift, w, x, count);
        let none = self.vector_constant([0; 16]);
        self.b.ins().select(inside, shifted, none)
    }

    fn shift(&mut self, shift: Shift, w: Width, x: Value, n: Value) -> Value {
        let x = self.cast(lanes(w), x);
        let v = match shift {
            Shift::Left => self.b.ins().ishl(x, n),
            Shift::Right => self.b.ins().ushr(x, n),
            Shift::Signed => self.b.ins().sshr(x, n),
        };
        self.bytes(v)
    }

    /// The magnitude of each lane.
    pub fn absolute(&mut self, w: Width, x: Value) -> Value {
        let x = self.cast(lanes(w), x);
        let v = self.b.ins().iabs(x);
        self.bytes(v)
    }

    /// The low half's lanes of `from` bits, twice as wide.
    pub fn widen_lanes(&mut self, from: Width, signed: bool, x: Value) -> Value {
        let x = self.cast(lanes(from), x);
        let v = if signed { self.b.ins().swiden_low(x) } else { self.b.ins().uwiden_low(x) };
        self.bytes(v)
    }

    /// Bits of `y` where the mask's are set, else of `x`.
    pub fn choose_bits(&mut self, mask: Value, x: Value, y: Value) -> Value {
        self.b.ins().bitselect(mask, y, x)
    }

    /// The highest bit of each lane, as a number.
    pub fn signs(&mut self, w: Width, x: Value) -> Value {
        let x = self.cast(lanes(w), x);
        let v = self.b.ins().vhigh_bits(types::I32, x);
        self.widen(v)
    }

    /// Whether any bit is set.
    pub fn any(&mut self, x: Value) -> Value {
        self.b.ins().vany_true(x)
    }

    /// An operation in the host's floating point; of scalar formats the rest comes from `x`.
    pub fn float(&mut self, op: Float, format: Format, x: Value, y: Value) -> Value {
        let ty = floats(format);
        let (a, b) = (self.cast(ty, x), self.cast(ty, y));
        if !matches!(format, Format::Ss | Format::Sd) {
            let v = self.float_lanes(op, a, b);
            return self.bytes(v);
        }
        let (l, r) = (self.b.ins().extractlane(a, 0), self.b.ins().extractlane(b, 0));
        let v = match op {
            Float::Min | Float::Max | Float::Compare(_) => {
                // As vectors whose lanes are all alike, so that the others raise nothing of their own.
                let (l, r) = (self.b.ins().splat(ty, l), self.b.ins().splat(ty, r));
                let v = self.float_lanes(op, l, r);
                let v = self.cast(ty, v);
                self.b.ins().extractlane(v, 0)
            }
            _ => self.float_lanes(op, l, r),
        };
        let v = self.b.ins().insertlane(a, v, 0);
        self.bytes(v)
    }

    fn float_lanes(&mut self, op: Float, l: Value, r: Value) -> Value {
        let ins = self.b.ins();
        match op {
            Float::Add => ins.fadd(l, r),
            Float::Sub => ins.fsub(l, r),
            Float::Mul => ins.fmul(l, r),
            Float::Div => ins.fdiv(l, r),
            Float::Sqrt => ins.sqrt(r),
            Float::Compare(predicate) => ins.fcmp(
                match predicate & 7 {
                    0 => FloatCC::Equal,
                    1 => FloatCC::LessThan,
                    2 => FloatCC::LessThanOrEqual,
                    3 => FloatCC::Unordered,
                    4 => FloatCC::NotEqual,
                    5 => FloatCC::UnorderedOrGreaterThanOrEqual,
                    6 => FloatCC::UnorderedOrGreaterThan,
                    _ => FloatCC::Ordered,
                },
                l,
                r,
            ),
            // The second operand unless the first is less, or greater: so for zeros and NaNs too.
            Float::Min | Float::Max => {
                let ty = self.b.func.dfg.value_type(l);
                let (a, b) = if op == Float::Min { (l, r) } else { (r, l) };
                let first = self.b.ins().fcmp(FloatCC::LessThan, a, b);
                let (mask, l, r) = (self.bytes(first), self.bytes(l), self.bytes(r));
                let v = self.b.ins().bitselect(mask, l, r);
                self.cast(ty, v)
            }
        }
    }

    fn low_float(&mut self, single: bool, x: Value) -> Value {
        let x = self.cast(if single { types::F32X4 } else { types::F64X2 }, x);
        self.b.ins().extractlane(x, 0)
    }

    /// Whether the low elements are: equal or unordered, unordered, less or unordered. Raises what a quiet comparison does.
    pub fn compare_floats(&mut self, single: bool, x: Value, y: Value) -> [Value; 3] {
        let (l, r) = (self.low_float(single, x), self.low_float(single, y));
        [FloatCC::UnorderedOrEqual, FloatCC::Unordered, FloatCC::UnorderedOrLessThan]
            .map(|cc| self.b.ins().fcmp(cc, l, r))
    }

    /// Whether the low element is too large for an integer of `w`, or nearly, or a NaN. Raises nothing.
    pub fn exceeds_integer(&mut self, single: bool, w: Width, x: Value) -> Value {
        let bound = if w == Width::Q { 1u64 << 63 } else { (1 << 31) - 1 };
        let (lane, bound) =
            if single { (Width::D, u64::from((bound as f32).to_bits())) } else { (Width::Q, (bound as f64).to_bits()) };
        // Without their signs numbers are in the order of their bits.
        let magnitude = self.extract(lane, x, 0);
        let one = self.constant(1);
        let magnitude = self.b.ins().ishl(magnitude, one);
        let bound = self.constant(bound << 1);
        self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, magnitude, bound)
    }

    /// The low element as an integer of `w`, rounded to nearest or cut off. It does not exceed it.
    pub fn float_to_integer(&mut self, single: bool, cut: bool, w: Width, x: Value) -> Value {
        let v = self.low_float(single, x);
        let v = if cut { v } else { self.b.ins().nearest(v) };
        let to = if w == Width::Q { types::I64 } else { types::I32 };
        let v = self.b.ins().fcvt_to_sint_sat(to, v);
        self.widen(v)
    }

    /// An integer of `w` as the bits of a float.
    pub fn integer_to_float(&mut self, single: bool, w: Width, v: Value) -> Value {
        let v = self.narrow(w, v);
        let (float, bits) = if single { (types::F32, types::I32) } else { (types::F64, types::I64) };
        let v = self.b.ins().fcvt_from_sint(float, v);
        let v = self.b.ins().bitcast(bits, MemFlagsData::new(), v);
        self.widen(v)
    }

    /// CVTSS2SD and CVTSD2SS: the low element of `y` in the other format, the rest from `x`.
    pub fn convert_low(&mut self, to_double: bool, x: Value, y: Value) -> Value {
        let v = self.low_float(to_double, y);
        let (v, ty) = if to_double {
            (self.b.ins().fpromote(types::F64, v), types::F64X2)
        } else {
            (self.b.ins().fdemote(types::F32, v), types::F32X4)
        };
        let x = self.cast(ty, x);
        let v = self.b.ins().insertlane(x, v, 0);
        self.bytes(v)
    }

    /// CVTDQ2PS, CVTDQ2PD, CVTPS2PD and CVTPD2PS.
    pub fn convert_lanes(&mut self, op: frontend_x86::sse::ops::FloatOp, y: Value) -> Value {
        use frontend_x86::sse::ops::FloatOp as F;
        let v = match op {
            F::Cvtdq2ps => {
                let y = self.cast(types::I32X4, y);
                self.b.ins().fcvt_from_sint(types::F32X4, y)
            }
            F::Cvtdq2pd => {
                let y = self.cast(types::I32X4, y);
                let y = self.b.ins().swiden_low(y);
                self.b.ins().fcvt_from_sint(types::F64X2, y)
            }
            F::Cvtps2pd => {
                let y = self.cast(types::F32X4, y);
                self.b.ins().fvpromote_low(y)
            }
            _ => {
                let y = self.cast(types::F64X2, y);
                self.b.ins().fvdemote(y)
            }
        };
        self.bytes(v)
    }
}

/// How a widening move is made: the lanes' width and how often they are doubled, and whether with the sign.
pub fn widening(op: VecUnaryOp) -> Option<(Width, u32, bool)> {
    use VecUnaryOp as U;
    use Width::{B, D, W};
    Some(match op {
        U::Pmovsxbw => (B, 1, true),
        U::Pmovsxbd => (B, 2, true),
        U::Pmovsxbq => (B, 3, true),
        U::Pmovsxwd => (W, 1, true),
        U::Pmovsxwq => (W, 2, true),
        U::Pmovsxdq => (D, 1, true),
        U::Pmovzxbw => (B, 1, false),
        U::Pmovzxbd => (B, 2, false),
        U::Pmovzxbq => (B, 3, false),
        U::Pmovzxwd => (W, 1, false),
        U::Pmovzxwq => (W, 2, false),
        U::Pmovzxdq => (D, 1, false),
        _ => return None,
    })
}
