//! Vectors in the algebra: what the vector semantics need beyond [`Algebra`].
//!
//! Vectors travel as `A::X`. Of a vector of width `w` (Q for MMX, X, Y) only the low `w` bits mean anything. Engines that
//! compute now get the whole trait by implementing [`ConcreteCpu`].

use super::ops::{BlendOp, FloatOp, Format, VecImmOp, VecOp, VecUnaryOp};
use super::{V128, avx, float, lanes, mmx, shuffle, string};
use crate::algebra::Algebra;
use crate::concrete::ConcreteCpu;
use crate::cpu::Cpu;
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::{Form, Ins, Kind, Width, bits};
use crate::system::control::{cr0, cr4};
use lyrebird_float::{Env, Flags};

/// What MMX and SSE instructions do to a CPU. As in [`Algebra`], only what is named `..._or_stop` may stop.
pub trait VectorAlgebra: Algebra {
    /// Stops with #UD, #NM or, if an operand is an MMX register, #MF, where the registers may not be used: CR0.EM and TS,
    /// CR4.OSFXSR, a pending x87 exception.
    fn simd_available_or_stop(&mut self, i: Ins) -> Result<(), Self::Stop>;
    /// Stops with #GP(0) if a memory operand's linear address is not a multiple of `w`.
    fn aligned_or_stop(&mut self, form: Form, seg: u8, offset: Self::V, w: Width) -> Result<(), Self::Stop>;

    /// An MMX register.
    fn mmx(&mut self, r: u8) -> Self::V;
    /// Writes an MMX register.
    fn set_mmx(&mut self, r: u8, v: Self::V);
    /// Makes the x87 registers those of MMX: TOP is zero and all are valid.
    fn enter_mmx(&mut self);

    /// Writes a vector register's low 128 bits, or with `w` of 256 all, and clears what is above.
    fn set_vector_whole(&mut self, r: u8, w: Width, x: Self::X);

    /// A vector of a quadword, zero above.
    fn vec_from_low(&mut self, v: Self::V) -> Self::X;
    /// A lane of up to 64 bits.
    fn vec_extract(&mut self, w: Width, x: Self::X, lane: u32) -> Self::V;
    /// A vector with a lane of up to 64 bits replaced.
    fn vec_insert(&mut self, w: Width, x: Self::X, lane: u32, v: Self::V) -> Self::X;
    /// An operation on two vectors.
    fn vec_bin(&mut self, op: VecOp, w: Width, x: Self::X, y: Self::X) -> Self::X;
    /// An operation on one vector.
    fn vec_unary(&mut self, op: VecUnaryOp, w: Width, x: Self::X) -> Self::X;
    /// An operation on two vectors and an immediate.
    fn vec_imm(&mut self, op: VecImmOp, w: Width, x: Self::X, y: Self::X, imm: u8) -> Self::X;
    /// y where the mask's lanes are negative, else x.
    fn vec_blend(&mut self, op: BlendOp, w: Width, x: Self::X, y: Self::X, mask: Self::X) -> Self::X;
    /// The highest bit of each lane (B: MOVMSKB, D: MOVMSKPS, Q: MOVMSKPD), the lowest lane's first.
    fn vec_signs(&mut self, lane: Width, w: Width, x: Self::X) -> Self::V;
    /// PTEST: whether `x & y` is zero, and whether `!x & y` is.
    fn vec_test(&mut self, w: Width, x: Self::X, y: Self::X) -> (Self::C, Self::C);
    /// PCMPESTRx, with lengths of up to 16, and PCMPISTRx: what [`string::Found::packed`] makes.
    fn vec_strings(&mut self, imm: u8, x: Self::X, y: Self::X, lengths: Option<(Self::V, Self::V)>) -> Self::V;

    /// A floating-point operation under MXCSR: `x` is the destination, or the first operand, and `y` the other.
    #[allow(clippy::too_many_arguments)]
    fn float_or_stop(
        &mut self,
        op: FloatOp,
        format: Format,
        w: Width,
        imm: u8,
        x: Self::X,
        y: Self::X,
    ) -> Result<Self::X, Self::Stop>;
    /// A fused multiplication and addition, `a * b + c` with the signs of the operation. Of scalar formats only the low
    /// lane of the result counts.
    #[allow(clippy::too_many_arguments)]
    fn fused_or_stop(
        &mut self,
        op: FloatOp,
        format: Format,
        w: Width,
        a: Self::X,
        b: Self::X,
        c: Self::X,
    ) -> Result<Self::X, Self::Stop>;
    /// COMISx, or UCOMISx if `quiet`: ZF, PF and CF at their RFLAGS places.
    fn float_compare_or_stop(
        &mut self,
        format: Format,
        quiet: bool,
        x: Self::X,
        y: Self::X,
    ) -> Result<Self::V, Self::Stop>;
    /// CVTSx2SI, or CVTTSx2SI if `truncate`, to an integer of `w`.
    fn float_to_int_or_stop(
        &mut self,
        format: Format,
        truncate: bool,
        w: Width,
        x: Self::X,
    ) -> Result<Self::V, Self::Stop>;
    /// CVTSI2Sx from an integer of `w`: the number's bits.
    fn float_from_int_or_stop(&mut self, format: Format, w: Width, v: Self::V) -> Result<Self::V, Self::Stop>;
}

/// A control register that says whether vector registers may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Control {
    Cr0,
    Cr4,
    Xcr0,
}

/// What is demanded of one: these bits, as the last number has them.
pub type Demand = (Control, u64, u64);

/// What instructions on XMM registers demand (SDM vol. 3, section 2.5).
pub const SSE: &[Demand] = &[(Control::Cr0, cr0::EM | cr0::TS, 0), (Control::Cr4, cr4::OSFXSR, cr4::OSFXSR)];
/// Those on MMX registers alone.
const MMX: &[Demand] = &[(Control::Cr0, cr0::EM | cr0::TS, 0)];
/// VEX-encoded ones: YMM state enabled (SDM vol. 2, table 2-22).
pub const AVX: &[Demand] =
    &[(Control::Cr0, cr0::TS, 0), (Control::Cr4, cr4::OSXSAVE, cr4::OSXSAVE), (Control::Xcr0, 6, 6)];

/// The exception, if any, for using vector registers of these kinds now.
#[inline(always)]
pub fn unavailable(cpu: &Cpu, i: Ins) -> Option<Exception> {
    if !meets(cpu, i, 0) {
        return Some(disabled(cpu, i));
    }
    let mmx = i.k0 == Kind::Mmx || i.k1 == Kind::Mmx;
    (!i.has(bits::VEX) && mmx && mmx::exception_pending(cpu)).then(Exception::x87)
}

/// Whether the demands are met, or would be with these bits of CR0 clear.
#[inline(always)]
fn meets(cpu: &Cpu, i: Ins, clear: u64) -> bool {
    let met = |(control, mask, wanted): &Demand| {
        let value = match control {
            Control::Cr0 => cpu.state.cr0 & !clear,
            Control::Cr4 => cpu.state.cr4,
            Control::Xcr0 => cpu.state.xcr0,
        };
        value & mask == *wanted
    };
    let is = |kind| i.k0 == kind || i.k1 == kind;
    // Each by itself, so that the compiler knows the list.
    if i.has(bits::VEX) {
        AVX.iter().all(met)
    } else if is(Kind::Mmx) && !is(Kind::Vec) {
        MMX.iter().all(met)
    } else {
        SSE.iter().all(met)
    }
}

/// #NM if nothing but CR0.TS is in the way.
#[cold]
fn disabled(cpu: &Cpu, i: Ins) -> Exception {
    if meets(cpu, i, cr0::TS) { Exception::device_not_available() } else { Exception::undefined() }
}

/// Takes the exceptions that an instruction found into MXCSR; gives what it raises if one of them is not masked.
#[inline(always)]
pub fn settle(cpu: &mut Cpu, flags: Flags) -> Option<Exception> {
    let old = cpu.state.mxcsr;
    let new = old | u32::from(flags.bits());
    if new != old {
        cpu.state.mxcsr = new;
    }
    if u32::from(flags.bits()) & !(old >> 7) & 0x3f == 0 {
        return None;
    }
    Some(unmasked(cpu))
}

#[cold]
fn unmasked(cpu: &Cpu) -> Exception {
    if cpu.state.cr4 & cr4::OSXMMEXCPT != 0 { Exception::simd() } else { Exception::undefined() }
}

#[inline(always)]
fn low(x: [u64; 4]) -> V128 {
    [x[0], x[1]]
}

#[inline(always)]
fn high(x: [u64; 4]) -> V128 {
    [x[2], x[3]]
}

/// Whether a conversion's result is twice as wide as its source, which lies in the low half.
#[inline(always)]
const fn widens(op: FloatOp) -> bool {
    matches!(op, FloatOp::Cvtdq2pd | FloatOp::Cvtps2pd | FloatOp::Cvtph2ps)
}

/// Whether it is half as wide.
#[inline(always)]
const fn narrows(op: FloatOp) -> bool {
    matches!(op, FloatOp::Cvtpd2dq | FloatOp::Cvttpd2dq | FloatOp::Cvtpd2ps | FloatOp::Cvtps2ph)
}

/// Runs a function on one half or both.
#[inline(always)]
fn halves(w: Width, mut f: impl FnMut(fn([u64; 4]) -> V128) -> V128) -> [u64; 4] {
    let a = f(low);
    let b = if w == Width::Y { f(high) } else { [0, 0] };
    [a[0], a[1], b[0], b[1]]
}

impl<T: ConcreteCpu<X = [u64; 4]>> VectorAlgebra for T {
    #[inline(always)]
    fn simd_available_or_stop(&mut self, i: Ins) -> Result<(), Self::Stop> {
        match unavailable(self.cpu(), i) {
            None => Ok(()),
            Some(exception) => Err(self.stop(exception)),
        }
    }

    #[inline(always)]
    fn aligned_or_stop(&mut self, form: Form, seg: u8, offset: u64, w: Width) -> Result<(), Self::Stop> {
        let base = match form {
            Form::A64 | Form::Flat32 => 0,
            _ => self.cpu().bounds[usize::from(seg)].base,
        };
        if base.wrapping_add(offset) & (w.bytes() - 1) == 0 {
            return Ok(());
        }
        Err(self.stop(Exception::protection(0)))
    }

    #[inline(always)]
    fn mmx(&mut self, r: u8) -> u64 {
        self.cpu().state.x87.r[usize::from(r & 7)].significand
    }

    #[inline(always)]
    fn set_mmx(&mut self, r: u8, v: u64) {
        mmx::set(self.cpu(), r, v);
    }

    #[inline(always)]
    fn enter_mmx(&mut self) {
        mmx::enter(self.cpu());
    }

    #[inline(always)]
    fn set_vector_whole(&mut self, r: u8, w: Width, x: [u64; 4]) {
        let x = if w == Width::Y { x } else { [x[0], x[1], 0, 0] };
        self.set_vector(r, Width::Y, x);
    }

    #[inline(always)]
    fn vec_from_low(&mut self, v: u64) -> [u64; 4] {
        [v, 0, 0, 0]
    }

    #[inline(always)]
    fn vec_extract(&mut self, w: Width, x: [u64; 4], lane: u32) -> u64 {
        let at = lane * w.bits();
        x[((at / 64) & 3) as usize] >> (at % 64) & w.mask()
    }

    #[inline(always)]
    fn vec_insert(&mut self, w: Width, mut x: [u64; 4], lane: u32, v: u64) -> [u64; 4] {
        let at = lane * w.bits();
        let quad = &mut x[((at / 64) & 3) as usize];
        *quad = *quad & !(w.mask() << (at % 64)) | (v & w.mask()) << (at % 64);
        x
    }

    #[inline(always)]
    fn vec_bin(&mut self, op: VecOp, w: Width, x: [u64; 4], y: [u64; 4]) -> [u64; 4] {
        if w == Width::Q {
            return [lanes::bin64(op, x[0], y[0]), 0, 0, 0];
        }
        if op == VecOp::Vpermd {
            return avx::permute_doublewords(x, y);
        }
        let y = if w == Width::Y && op.takes_count() { [y[0], y[1], y[0], y[1]] } else { y };
        halves(w, |half| lanes::bin(op, half(x), half(y)))
    }

    #[inline(always)]
    fn vec_unary(&mut self, op: VecUnaryOp, w: Width, x: [u64; 4]) -> [u64; 4] {
        if op as u8 >= VecUnaryOp::Pbroadcastb as u8 {
            return avx::broadcast(op, x);
        }
        let x = match avx::widening_step(op) {
            Some(step) if w == Width::Y => [x[0], x[1], if step == 64 { x[1] } else { x[0] >> step }, 0],
            _ => x,
        };
        halves(w, |half| lanes::unary(op, half(x)))
    }

    #[inline(always)]
    fn vec_imm(&mut self, op: VecImmOp, w: Width, x: [u64; 4], y: [u64; 4], imm: u8) -> [u64; 4] {
        if w == Width::Q {
            return [shuffle::imm64(op, x[0], y[0], imm), 0, 0, 0];
        }
        if op as u8 >= VecImmOp::Vpermq as u8 {
            return avx::imm(op, x, y, imm);
        }
        let low = shuffle::imm(op, low(x), low(y), imm);
        let high = if w == Width::Y { shuffle::imm(op, high(x), high(y), avx::upper_imm(op, imm)) } else { [0, 0] };
        [low[0], low[1], high[0], high[1]]
    }

    #[inline(always)]
    fn vec_blend(&mut self, op: BlendOp, w: Width, x: [u64; 4], y: [u64; 4], mask: [u64; 4]) -> [u64; 4] {
        halves(w, |half| lanes::blend(op, half(x), half(y), half(mask)))
    }

    #[inline(always)]
    fn vec_signs(&mut self, lane: Width, w: Width, x: [u64; 4]) -> u64 {
        let signs = |x: V128| match lane {
            Width::B => lanes::byte_signs(x),
            Width::D => lanes::single_signs(x),
            _ => lanes::double_signs(x),
        };
        match w {
            Width::Q => signs([x[0], 0]),
            Width::X => signs(low(x)),
            _ => signs(low(x)) | signs(high(x)) << (128 / lane.bits()),
        }
    }

    #[inline(always)]
    fn vec_test(&mut self, w: Width, x: [u64; 4], y: [u64; 4]) -> (bool, bool) {
        let quads = if w == Width::Y { 4 } else { 2 };
        ((0..quads).fold(0, |any, i| any | x[i] & y[i]) == 0, (0..quads).fold(0, |any, i| any | !x[i] & y[i]) == 0)
    }

    #[inline(always)]
    fn vec_strings(&mut self, imm: u8, x: [u64; 4], y: [u64; 4], lengths: Option<(u64, u64)>) -> u64 {
        string::compare(low(x), low(y), lengths, imm).packed(imm)
    }

    #[inline(always)]
    fn float_or_stop(
        &mut self,
        op: FloatOp,
        format: Format,
        w: Width,
        imm: u8,
        x: [u64; 4],
        y: [u64; 4],
    ) -> Result<[u64; 4], Self::Stop> {
        let mxcsr = self.cpu().state.mxcsr;
        if w == Width::X
            && float::quick_rules(mxcsr)
            && let Some(r) = float::quick(op, format, low(x), low(y))
        {
            return Ok([r[0], r[1], 0, 0]);
        }
        let mut env = Env::sse(mxcsr);
        let y = if w == Width::Y && widens(op) { [y[0], 0, y[1], 0] } else { y };
        let result = match op {
            FloatOp::Dp => float::dot_product(format, imm, w, &mut env, x, y),
            _ => halves(w, |half| float::run(op, format, imm, &mut env, half(x), half(y))),
        };
        let result = if w == Width::Y && narrows(op) { [result[0], result[2], 0, 0] } else { result };
        match settle(self.cpu(), float::raised(op, &env)) {
            None => Ok(result),
            Some(exception) => Err(self.stop(exception)),
        }
    }

    #[inline(always)]
    fn fused_or_stop(
        &mut self,
        op: FloatOp,
        format: Format,
        w: Width,
        a: [u64; 4],
        b: [u64; 4],
        c: [u64; 4],
    ) -> Result<[u64; 4], Self::Stop> {
        let mut env = Env::sse(self.cpu().state.mxcsr);
        let result = halves(w, |half| float::fused(op, format, &mut env, half(a), half(b), half(c)));
        match settle(self.cpu(), float::raised(op, &env)) {
            None => Ok(result),
            Some(exception) => Err(self.stop(exception)),
        }
    }

    #[inline(always)]
    fn float_compare_or_stop(
        &mut self,
        format: Format,
        quiet: bool,
        x: [u64; 4],
        y: [u64; 4],
    ) -> Result<u64, Self::Stop> {
        let mut env = Env::sse(self.cpu().state.mxcsr);
        let word = float::compare_to_flags(format, quiet, &mut env, x[0], y[0]);
        match settle(self.cpu(), env.flags) {
            None => Ok(word),
            Some(exception) => Err(self.stop(exception)),
        }
    }

    #[inline(always)]
    fn float_to_int_or_stop(
        &mut self,
        format: Format,
        truncate: bool,
        w: Width,
        x: [u64; 4],
    ) -> Result<u64, Self::Stop> {
        let mut env = Env::sse(self.cpu().state.mxcsr);
        let v = float::to_int(format, truncate, w, &mut env, x[0]);
        match settle(self.cpu(), env.flags) {
            None => Ok(v),
            Some(exception) => Err(self.stop(exception)),
        }
    }

    #[inline(always)]
    fn float_from_int_or_stop(&mut self, format: Format, w: Width, v: u64) -> Result<u64, Self::Stop> {
        let mut env = Env::sse(self.cpu().state.mxcsr);
        let bits = float::from_int(format, w, &mut env, v);
        match settle(self.cpu(), env.flags) {
            None => Ok(bits),
            Some(exception) => Err(self.stop(exception)),
        }
    }
}

/// ZF, PF and CF as COMISx sets them.
pub(super) const UNORDERED: u64 = rflags::ZF | rflags::PF | rflags::CF;
