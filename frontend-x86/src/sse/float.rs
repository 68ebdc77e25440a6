//! What the floating-point vector operations compute, lane by lane, on the arithmetic of `lyrebird-float`.
//!
//! The lanes of an instruction share one [`Env`]: it gathers what all of them raised, and the caller decides from that,
//! once, whether the instruction completes.

use super::ops::{FloatOp, Format};
use super::{V128, approx, convert};
use crate::flags::rflags;
use crate::op::Width;
use lyrebird_float::sse::{self, Double, Single};
use lyrebird_float::{Env, Flags, Relation, fast};

/// PE in MXCSR and its mask.
const INEXACT: u32 = 1 << 5 | 1 << 12;
/// Rounding control in MXCSR.
const ROUNDING: u32 = 3 << 13;

/// Whether MXCSR is as it mostly is: rounds to nearest, and inexact results are neither news nor trouble.
#[inline(always)]
pub fn quick_rules(mxcsr: u32) -> bool {
    mxcsr & (INEXACT | ROUNDING) == INEXACT
}

/// The low single of a quadword.
#[inline(always)]
fn single(x: u64) -> u32 {
    x as u32
}

/// A quadword whose low single is replaced.
#[inline(always)]
fn with_single(x: u64, low: u32) -> u64 {
    x & !0xffff_ffff | u64::from(low)
}

#[inline(always)]
fn quick_pair(f: Quick<u32>, x: u64, y: u64) -> Option<u64> {
    let (low, _) = f(x as u32, y as u32)?;
    let (high, _) = f((x >> 32) as u32, (y >> 32) as u32)?;
    Some(u64::from(high) << 32 | u64::from(low))
}

/// An operation of [`fast`].
type Quick<Bits> = fn(Bits, Bits) -> Option<(Bits, bool)>;

/// The result of a hot operation if host arithmetic gives it exactly and, under [`quick_rules`], MXCSR will not change.
#[inline(always)]
pub fn quick(op: FloatOp, format: Format, x: V128, y: V128) -> Option<V128> {
    let (f64, f32): (Quick<u64>, Quick<u32>) = match op {
        FloatOp::Add => (fast::add64, fast::add32),
        FloatOp::Sub => (fast::sub64, fast::sub32),
        FloatOp::Mul => (fast::mul64, fast::mul32),
        FloatOp::Div => (fast::div64, fast::div32),
        FloatOp::Sqrt => (|_, y| fast::sqrt64(y), |_, y| fast::sqrt32(y)),
        FloatOp::Cvtss2sd => {
            let low = f32::from_bits(single(y[0]));
            return low.is_normal().then(|| [f64::from(low).to_bits(), x[1]]);
        }
        FloatOp::Cvtsd2ss => return Some([with_single(x[0], fast::double_to_single(y[0])?.0), x[1]]),
        _ => return None,
    };
    Some(match format {
        Format::Sd => [f64(x[0], y[0])?.0, x[1]],
        Format::Pd => [f64(x[0], y[0])?.0, f64(x[1], y[1])?.0],
        Format::Ss => [with_single(x[0], f32(single(x[0]), single(y[0]))?.0), x[1]],
        Format::Ps => [quick_pair(f32, x[0], y[0])?, quick_pair(f32, x[1], y[1])?],
    })
}

/// The same on two singles.
#[inline(always)]
pub(super) fn pair(x: u64, y: u64, mut f: impl FnMut(u32, u32) -> u32) -> u64 {
    let low = f(x as u32, y as u32);
    let high = f((x >> 32) as u32, (y >> 32) as u32);
    u64::from(high) << 32 | u64::from(low)
}

/// Runs an operation in its format.
#[inline(always)]
fn lanes(
    format: Format,
    env: &mut Env,
    x: V128,
    y: V128,
    f32: impl Fn(&mut Env, u32, u32) -> u32,
    f64: impl Fn(&mut Env, u64, u64) -> u64,
) -> V128 {
    match format {
        Format::Ps => {
            let low = pair(x[0], y[0], |a, b| f32(env, a, b));
            [low, pair(x[1], y[1], |a, b| f32(env, a, b))]
        }
        Format::Pd => [f64(env, x[0], y[0]), f64(env, x[1], y[1])],
        Format::Ss => [with_single(x[0], f32(env, single(x[0]), single(y[0]))), x[1]],
        Format::Sd => [f64(env, x[0], y[0]), x[1]],
    }
}

/// An operation under the rules of `env`, which gathers what it raised. `x` is the destination or the first operand. Dot products, which
/// have several stages, are [`dot_product`]'s.
#[inline(never)]
pub fn run(op: FloatOp, format: Format, imm: u8, env: &mut Env, x: V128, y: V128) -> V128 {
    match op {
        FloatOp::Add => lanes(format, env, x, y, sse::add::<Single>, sse::add::<Double>),
        FloatOp::Sub => lanes(format, env, x, y, sse::sub::<Single>, sse::sub::<Double>),
        FloatOp::Mul => lanes(format, env, x, y, sse::mul::<Single>, sse::mul::<Double>),
        FloatOp::Div => lanes(format, env, x, y, sse::div::<Single>, sse::div::<Double>),
        FloatOp::Min => lanes(format, env, x, y, sse::min::<Single>, sse::min::<Double>),
        FloatOp::Max => lanes(format, env, x, y, sse::max::<Single>, sse::max::<Double>),
        FloatOp::Sqrt => {
            lanes(format, env, x, y, |env, _, y| sse::sqrt::<Single>(env, y), |env, _, y| sse::sqrt::<Double>(env, y))
        }
        FloatOp::Round => lanes(
            format,
            env,
            x,
            y,
            |env, _, y| sse::round_to_integral::<Single>(env, y, imm),
            |env, _, y| sse::round_to_integral::<Double>(env, y, imm),
        ),
        FloatOp::Cmp => lanes(
            format,
            env,
            x,
            y,
            |env, x, y| if compare::<Single>(imm, env, x, y) { u32::MAX } else { 0 },
            |env, x, y| if compare::<Double>(imm, env, x, y) { u64::MAX } else { 0 },
        ),
        FloatOp::Rcp => lanes(format, env, x, y, |_, _, y| approx::reciprocal(y), |_, _, y| y),
        FloatOp::Rsqrt => lanes(format, env, x, y, |_, _, y| approx::reciprocal_root(y), |_, _, y| y),
        FloatOp::Hadd => horizontal(format, env, x, y, sse::add::<Single>, sse::add::<Double>),
        FloatOp::Hsub => horizontal(format, env, x, y, sse::sub::<Single>, sse::sub::<Double>),
        FloatOp::Addsub => add_sub(format, env, x, y),
        FloatOp::Cvtps2ph => convert::to_halves(env, y, imm),
        _ => convert::run(op, env, x, y),
    }
}

/// A fused operation: `a * b + c` lane by lane, with the signs that it says. Only the low lane of scalar formats counts.
#[inline(never)]
pub fn fused(op: FloatOp, format: Format, env: &mut Env, a: V128, b: V128, c: V128) -> V128 {
    let signs = |odd: bool| match op {
        FloatOp::Fmadd => (false, false),
        FloatOp::Fmsub => (false, true),
        FloatOp::Fnmadd => (true, false),
        FloatOp::Fnmsub => (true, true),
        FloatOp::Fmaddsub => (false, !odd),
        _ => (false, odd),
    };
    let doubles = |env: &mut Env, i: usize| {
        let (product, addend) = signs(i == 1);
        sse::fma_signs::<Double>(env, a[i], b[i], c[i], product, addend)
    };
    let singles = |env: &mut Env, i: usize, shift: u32| {
        let (product, addend) = signs(shift != 0);
        let at = |v: V128| (v[i] >> shift) as u32;
        u64::from(sse::fma_signs::<Single>(env, at(a), at(b), at(c), product, addend)) << shift
    };
    match format {
        Format::Sd => [doubles(env, 0), 0],
        Format::Pd => [doubles(env, 0), doubles(env, 1)],
        Format::Ss => [singles(env, 0, 0), 0],
        Format::Ps => {
            let low = singles(env, 0, 0) | singles(env, 0, 32);
            [low, singles(env, 1, 0) | singles(env, 1, 32)]
        }
    }
}

/// CMPPS's predicates 0 to 7, and AVX's up to 31.
pub fn compare<F: sse::Format>(predicate: u8, env: &mut Env, x: F::Bits, y: F::Bits) -> bool {
    // The signaling ones: LT, LE, NLT, NLE, and with bit 3 set NGE, NGT, GE, GT; bit 4 turns each into its opposite.
    let signaling = matches!(predicate & 7, 1 | 2 | 5 | 6) != (predicate & 0x10 != 0);
    let relation = if signaling { sse::compare_signaling::<F>(env, x, y) } else { sse::compare::<F>(env, x, y) };
    match predicate & 15 {
        0 => relation == Relation::Equal,
        1 => relation == Relation::Less,
        2 => matches!(relation, Relation::Less | Relation::Equal),
        3 => relation == Relation::Unordered,
        4 => relation != Relation::Equal,
        5 => relation != Relation::Less,
        6 => matches!(relation, Relation::Greater | Relation::Unordered),
        7 => relation != Relation::Unordered,
        8 => matches!(relation, Relation::Equal | Relation::Unordered),
        9 => matches!(relation, Relation::Less | Relation::Unordered),
        10 => relation != Relation::Greater,
        11 => false,
        12 => matches!(relation, Relation::Less | Relation::Greater),
        13 => matches!(relation, Relation::Greater | Relation::Equal),
        14 => relation == Relation::Greater,
        _ => true,
    }
}

/// HADDPS and its like: neighbours of x, then neighbours of y.
fn horizontal(
    format: Format,
    env: &mut Env,
    x: V128,
    y: V128,
    f32: impl Fn(&mut Env, u32, u32) -> u32,
    f64: impl Fn(&mut Env, u64, u64) -> u64,
) -> V128 {
    if format == Format::Pd {
        return [f64(env, x[0], x[1]), f64(env, y[0], y[1])];
    }
    [x, y].map(|v| {
        let [low, high] = v.map(|pair| f32(env, pair as u32, (pair >> 32) as u32));
        u64::from(high) << 32 | u64::from(low)
    })
}

/// ADDSUBPS and ADDSUBPD: even lanes are subtracted, odd ones added.
fn add_sub(format: Format, env: &mut Env, x: V128, y: V128) -> V128 {
    if format == Format::Pd {
        return [sse::sub::<Double>(env, x[0], y[0]), sse::add::<Double>(env, x[1], y[1])];
    }
    std::array::from_fn(|i| {
        let low = sse::sub::<Single>(env, x[i] as u32, y[i] as u32);
        let high = sse::add::<Single>(env, (x[i] >> 32) as u32, (y[i] >> 32) as u32);
        u64::from(high) << 32 | u64::from(low)
    })
}

/// DPPS and DPPD: products chosen by the immediate's upper bits, summed pair by pair, put where its lower bits say, in each 16 bytes.
///
/// Each stage decides for itself, for all of the vector, what it raises, and an unmasked exception keeps the next one from happening.
/// Each lane of the result has sums of its own, alike but for which of several NaNs comes through.
#[inline(never)]
pub fn dot_product(format: Format, imm: u8, w: Width, env: &mut Env, x: [u64; 4], y: [u64; 4]) -> [u64; 4] {
    if format == Format::Pd {
        let wanted = |i: usize| imm >> (4 + i) & 1 != 0;
        let product = |env: &mut Env, i| if wanted(i) { sse::mul::<Double>(env, x[i], y[i]) } else { 0 };
        let Some(products) = stage::<u64, 2>(env, product) else { return x };
        let sums = stage::<u64, 2>(env, |env, i| sse::add::<Double>(env, products[i], products[i ^ 1]));
        let put = |sum: u64, i: usize| if imm >> i & 1 != 0 { sum } else { 0 };
        return sums.map_or(x, |[low, high]| [put(low, 0), put(high, 1), 0, 0]);
    }
    // Lanes that are not there add zeros, which raises nothing.
    let lanes = w.bytes() as usize / 4;
    let wanted = |i: usize| i < lanes && imm >> (4 + i % 4) & 1 != 0;
    let lane = |v: [u64; 4], i: usize| (v[i / 2] >> (32 * (i % 2))) as u32;
    let product = |env: &mut Env, i| if wanted(i) { sse::mul::<Single>(env, lane(x, i), lane(y, i)) } else { 0 };
    let Some(products) = stage::<u32, 8>(env, product) else { return x };
    let pair = |env: &mut Env, i: usize| sse::add::<Single>(env, products[i ^ 1], products[i]);
    let Some(pairs) = stage::<u32, 8>(env, pair) else { return x };
    let sum = |env: &mut Env, i: usize| sse::add::<Single>(env, pairs[i], pairs[i ^ 2]);
    let Some(sums) = stage::<u32, 8>(env, sum) else { return x };
    let put = |i: usize| if i < lanes && imm >> (i % 4) & 1 != 0 { u64::from(sums[i]) } else { 0 };
    std::array::from_fn(|quad| put(2 * quad) | put(2 * quad + 1) << 32)
}

/// One step of several on all lanes; nothing if it, or one before, raised an unmasked exception.
fn stage<T, const LANES: usize>(env: &mut Env, mut f: impl FnMut(&mut Env, usize) -> T) -> Option<[T; LANES]> {
    let mut own = Env { flags: Flags::NONE, ..*env };
    let result = std::array::from_fn(|i| f(&mut own, i));
    env.raise(sse::packed_flags(&own));
    env.unmasked().is_empty().then_some(result)
}

/// What an operation raised, after [`run`] for all lanes.
#[inline(always)]
pub fn raised(op: FloatOp, env: &Env) -> Flags {
    if matches!(op, FloatOp::Dp) { env.flags } else { sse::packed_flags(env) }
}

/// COMISx and UCOMISx: ZF, PF and CF at their RFLAGS places.
#[inline]
pub fn compare_to_flags(format: Format, quiet: bool, env: &mut Env, x: u64, y: u64) -> u64 {
    let relation = match (format, quiet) {
        (Format::Ss, true) => sse::compare::<Single>(env, x as u32, y as u32),
        (Format::Ss, false) => sse::compare_signaling::<Single>(env, x as u32, y as u32),
        (_, true) => sse::compare::<Double>(env, x, y),
        (_, false) => sse::compare_signaling::<Double>(env, x, y),
    };
    match relation {
        Relation::Greater => 0,
        Relation::Less => rflags::CF,
        Relation::Equal => rflags::ZF,
        Relation::Unordered => super::algebra::UNORDERED,
    }
}

/// CVTSx2SI and CVTTSx2SI to 32 or 64 bits.
#[inline]
pub fn to_int(format: Format, truncate: bool, w: Width, env: &mut Env, x: u64) -> u64 {
    match (format, w) {
        (Format::Ss, Width::D) => u64::from(sse::to_i32::<Single>(env, x as u32, truncate) as u32),
        (Format::Ss, _) => sse::to_i64::<Single>(env, x as u32, truncate) as u64,
        (_, Width::D) => u64::from(sse::to_i32::<Double>(env, x, truncate) as u32),
        _ => sse::to_i64::<Double>(env, x, truncate) as u64,
    }
}

/// CVTSI2Sx from 32 or 64 bits: the number's bits.
#[inline]
pub fn from_int(format: Format, w: Width, env: &mut Env, v: u64) -> u64 {
    match (format, w) {
        (Format::Sd, Width::D) => fast::i32_to_64(v as i32),
        (Format::Sd, _) => sse::from_i64::<Double>(env, v as i64),
        (_, Width::D) => u64::from(sse::from_i32::<Single>(env, v as i32)),
        _ => u64::from(sse::from_i64::<Single>(env, v as i64)),
    }
}
