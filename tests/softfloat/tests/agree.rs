//! Values, NaNs and flags agree with Berkeley SoftFloat 3 at every rounding and precision, with everything masked. What
//! it lacks is left to the comparison with the host's CPU: DE, C1, unnormals, unmasked responses, DAZ and FTZ.
//!
//! `SOFTFLOAT_CASES` says how many cases each function gets.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod oracle;
#[path = "../../../float/tests/support/mod.rs"]
mod support;

use lyrebird_float::sse::{self, Double, Single};
use lyrebird_float::{Env, F80, Flags, Relation};
use oracle::{from80, is_supported, rounding, to80, under};
use softfloat_sys::*;
use support::Rng;

fn cases() -> u64 {
    std::env::var("SOFTFLOAT_CASES").ok().and_then(|v| v.parse().ok()).unwrap_or(300_000)
}

/// Everything masked, any rounding and precision.
fn x87_rules(rng: &mut Rng) -> Env {
    Env::x87(0x3f | (rng.below(4) << 10 | [0, 2, 3][rng.below(3) as usize] << 8) as u16)
}

fn sse_rules(rng: &mut Rng) -> Env {
    Env::sse(0x1f80 | (rng.below(4) << 13) as u32)
}

/// Compares one operation on random operands; what one of them makes incomparable is passed over.
fn agree<A: Copy + std::fmt::Debug, T: PartialEq + std::fmt::Debug>(
    seed: u64,
    rules: impl Fn(&mut Rng) -> Env,
    operands: impl Fn(&mut Rng) -> Option<A>,
    ours: impl Fn(A, &mut Env) -> T,
    theirs: impl Fn(A, &Env) -> T,
) {
    let mut rng = Rng(seed);
    for _ in 0..cases() {
        let mut env = rules(&mut rng);
        let Some(a) = operands(&mut rng) else { continue };
        let before = env;
        let value = ours(a, &mut env);
        let (wanted, raised) = under(&before, || theirs(a, &before));
        assert_eq!(value, wanted, "{a:x?} under {before:?}: ours {value:x?}, theirs {wanted:x?}");
        assert_eq!(env.flags & !Flags::DE, raised, "flags of {a:x?} under {before:?} ({value:x?})");
    }
}

fn pair80(rng: &mut Rng) -> Option<(F80, F80)> {
    let a = rng.f80();
    let b = rng.f80_near(a);
    (is_supported(a) && is_supported(b)).then_some((a, b))
}

fn one80(rng: &mut Rng) -> Option<F80> {
    Some(rng.f80()).filter(|a| is_supported(*a))
}

#[test]
fn x87_arithmetic() {
    type Theirs = unsafe extern "C" fn(extFloat80_t, extFloat80_t) -> extFloat80_t;
    let table: [(fn(F80, F80, &mut Env) -> F80, Theirs); 4] =
        [(F80::add, extF80_add), (F80::sub, extF80_sub), (F80::mul, extF80_mul), (F80::div, extF80_div)];
    for (seed, (ours, theirs)) in table.into_iter().enumerate() {
        // SAFETY: these, and all of SoftFloat below, compute on their arguments alone.
        let theirs = |(a, b): (F80, F80), _: &Env| from80(unsafe { theirs(to80(a), to80(b)) });
        agree(seed as u64, x87_rules, pair80, |(a, b), env| ours(a, b, env), theirs);
    }
    // SAFETY: as above.
    agree(5, x87_rules, one80, F80::sqrt, |a, _| from80(unsafe { extF80_sqrt(to80(a)) }));
}

#[test]
fn x87_round_to_integer() {
    // SAFETY: as above.
    let theirs = |a: F80, env: &Env| from80(unsafe { extF80_roundToInt(to80(a), rounding(env.rounding).into(), true) });
    agree(6, x87_rules, one80, F80::round_to_integer, theirs);
}

#[test]
fn x87_compare() {
    let theirs = |quiet: bool| {
        move |(a, b): (F80, F80), _: &Env| {
            let (a, b) = (to80(a), to80(b));
            // SAFETY: as above.
            unsafe {
                let (equal, less) = if quiet {
                    (extF80_eq(a, b), extF80_lt_quiet(a, b))
                } else {
                    (extF80_eq_signaling(a, b), extF80_lt(a, b))
                };
                let not_more = if quiet { extF80_le_quiet(a, b) } else { extF80_le(a, b) };
                let not_less = if quiet { extF80_le_quiet(b, a) } else { extF80_le(b, a) };
                match (equal, less, not_more || not_less) {
                    (true, ..) => Relation::Equal,
                    (_, true, _) => Relation::Less,
                    (_, _, true) => Relation::Greater,
                    _ => Relation::Unordered,
                }
            }
        }
    };
    agree(7, x87_rules, pair80, |(a, b), env| a.compare(b, env), theirs(false));
    agree(8, x87_rules, pair80, |(a, b), env| a.compare_unordered(b, env), theirs(true));
}

#[test]
fn x87_conversions() {
    // SAFETY: as above, for all of these.
    unsafe {
        agree(9, x87_rules, one80, F80::to_single, |a, _| extF80_to_f32(to80(a)).v);
        agree(10, x87_rules, one80, F80::to_double, |a, _| extF80_to_f64(to80(a)).v);
        let rc = |env: &Env| rounding(env.rounding).into();
        agree(11, x87_rules, one80, F80::to_i32, |a, env| extF80_to_i32(to80(a), rc(env), true) as i32);
        agree(12, x87_rules, one80, F80::to_i64, |a, env| extF80_to_i64(to80(a), rc(env), true) as i64);
        agree(13, x87_rules, one80, F80::truncate_to_i32, |a, _| extF80_to_i32_r_minMag(to80(a), true) as i32);
        agree(14, x87_rules, one80, F80::truncate_to_i64, |a, _| extF80_to_i64_r_minMag(to80(a), true) as i64);
        let singles = |rng: &mut Rng| Some(rng.bits32());
        let doubles = |rng: &mut Rng| Some(rng.bits64());
        agree(15, x87_rules, singles, F80::from_single, |a, _| from80(f32_to_extF80(float32_t { v: a })));
        agree(16, x87_rules, doubles, F80::from_double, |a, _| from80(f64_to_extF80(float64_t { v: a })));
        let integers = |rng: &mut Rng| Some(rng.pattern() as i64);
        agree(17, x87_rules, integers, |a, _| F80::from_i64(a), |a, _| from80(i64_to_extF80(a)));
    }
}

fn f32(v: u32) -> float32_t {
    float32_t { v }
}

fn f64(v: u64) -> float64_t {
    float64_t { v }
}

fn pair32(rng: &mut Rng) -> Option<(u32, u32)> {
    let a = rng.bits32();
    Some((a, rng.near32(a)))
}

fn pair64(rng: &mut Rng) -> Option<(u64, u64)> {
    let a = rng.bits64();
    Some((a, rng.near64(a)))
}

#[test]
fn sse_arithmetic() {
    type Ours<T> = fn(&mut Env, T, T) -> T;
    type Single32 = unsafe extern "C" fn(float32_t, float32_t) -> float32_t;
    type Double64 = unsafe extern "C" fn(float64_t, float64_t) -> float64_t;
    let singles: [(Ours<u32>, Single32); 4] = [
        (sse::add::<Single>, f32_add),
        (sse::sub::<Single>, f32_sub),
        (sse::mul::<Single>, f32_mul),
        (sse::div::<Single>, f32_div),
    ];
    let doubles: [(Ours<u64>, Double64); 4] = [
        (sse::add::<Double>, f64_add),
        (sse::sub::<Double>, f64_sub),
        (sse::mul::<Double>, f64_mul),
        (sse::div::<Double>, f64_div),
    ];
    // SAFETY: as above, for all of these.
    unsafe {
        for (seed, (ours, theirs)) in singles.into_iter().enumerate() {
            let theirs = |(a, b), _: &Env| theirs(f32(a), f32(b)).v;
            agree(20 + seed as u64, sse_rules, pair32, |(a, b), env| ours(env, a, b), theirs);
        }
        for (seed, (ours, theirs)) in doubles.into_iter().enumerate() {
            let theirs = |(a, b), _: &Env| theirs(f64(a), f64(b)).v;
            agree(30 + seed as u64, sse_rules, pair64, |(a, b), env| ours(env, a, b), theirs);
        }
        let (single, double) = (|rng: &mut Rng| Some(rng.bits32()), |rng: &mut Rng| Some(rng.bits64()));
        agree(40, sse_rules, single, |a, env| sse::sqrt::<Single>(env, a), |a, _| f32_sqrt(f32(a)).v);
        agree(41, sse_rules, double, |a, env| sse::sqrt::<Double>(env, a), |a, _| f64_sqrt(f64(a)).v);
    }
}

#[test]
fn sse_conversions() {
    let (single, double) = (|rng: &mut Rng| Some(rng.bits32()), |rng: &mut Rng| Some(rng.bits64()));
    let integer = |rng: &mut Rng| Some(rng.pattern() as i64);
    let rc = |env: &Env| rounding(env.rounding).into();
    // ROUNDPS with the rounding of MXCSR.
    const BY_MXCSR: u8 = 4;
    // SAFETY: as above, for all of these.
    unsafe {
        agree(50, sse_rules, single, |a, env| sse::single_to_double(env, a), |a, _| f32_to_f64(f32(a)).v);
        agree(51, sse_rules, double, |a, env| sse::double_to_single(env, a), |a, _| f64_to_f32(f64(a)).v);
        let to_i32 = |a, env: &mut Env| sse::to_i32::<Single>(env, a, false);
        agree(52, sse_rules, single, to_i32, |a, env| f32_to_i32(f32(a), rc(env), true) as i32);
        let to_i64 = |a, env: &mut Env| sse::to_i64::<Single>(env, a, false);
        agree(53, sse_rules, single, to_i64, |a, env| f32_to_i64(f32(a), rc(env), true) as i64);
        let to_i32 = |a, env: &mut Env| sse::to_i32::<Double>(env, a, true);
        agree(54, sse_rules, double, to_i32, |a, _| f64_to_i32_r_minMag(f64(a), true) as i32);
        let to_i64 = |a, env: &mut Env| sse::to_i64::<Double>(env, a, false);
        agree(55, sse_rules, double, to_i64, |a, env| f64_to_i64(f64(a), rc(env), true) as i64);
        let from = |a, env: &mut Env| sse::from_i64::<Single>(env, a);
        agree(56, sse_rules, integer, from, |a, _| i64_to_f32(a).v);
        let from = |a, env: &mut Env| sse::from_i64::<Double>(env, a);
        agree(57, sse_rules, integer, from, |a, _| i64_to_f64(a).v);
        let from = |a, env: &mut Env| sse::from_i32::<Single>(env, a as i32);
        agree(58, sse_rules, integer, from, |a, _| i32_to_f32(a as i32).v);
        let round = |a, env: &mut Env| sse::round_to_integral::<Single>(env, a, BY_MXCSR);
        agree(59, sse_rules, single, round, |a, env| f32_roundToInt(f32(a), rc(env), true).v);
        let round = |a, env: &mut Env| sse::round_to_integral::<Double>(env, a, BY_MXCSR);
        agree(60, sse_rules, double, round, |a, env| f64_roundToInt(f64(a), rc(env), true).v);
    }
}

#[test]
fn half_precision() {
    let single = |rng: &mut Rng| Some(rng.bits32());
    let half = |rng: &mut Rng| Some(rng.next() as u16);
    // SAFETY: as above.
    unsafe {
        agree(70, sse_rules, half, |a, env| sse::half_to_single(env, a), |a, _| f16_to_f32(float16_t { v: a }).v);
        let narrow = |a, env: &mut Env| sse::single_to_half(env, a, 4);
        agree(71, sse_rules, single, narrow, |a, _| f32_to_f16(f32(a)).v);
    }
}

/// Three operands; NaNs are left out: which of them comes through is x86's own rule.
#[test]
fn fused_multiply_add() {
    let is_nan32 = |a: u32| f32::from_bits(a).is_nan();
    let is_nan64 = |a: u64| f64::from_bits(a).is_nan();
    let singles = |rng: &mut Rng| {
        let (a, b) = pair32(rng)?;
        let c = if rng.bool() { rng.bits32() } else { (f32::from_bits(a) * f32::from_bits(b)).to_bits() ^ 1 << 31 };
        (!is_nan32(a) && !is_nan32(b) && !is_nan32(c)).then_some((a, b, c))
    };
    let doubles = |rng: &mut Rng| {
        let (a, b) = pair64(rng)?;
        let c = if rng.bool() { rng.bits64() } else { (f64::from_bits(a) * f64::from_bits(b)).to_bits() ^ 1 << 63 };
        (!is_nan64(a) && !is_nan64(b) && !is_nan64(c)).then_some((a, b, c))
    };
    // SAFETY: as above.
    unsafe {
        let ours = |(a, b, c), env: &mut Env| sse::fma::<Single>(env, a, b, c);
        agree(80, sse_rules, singles, ours, |(a, b, c), _| f32_mulAdd(f32(a), f32(b), f32(c)).v);
        let ours = |(a, b, c), env: &mut Env| sse::fma::<Double>(env, a, b, c);
        agree(81, sse_rules, doubles, ours, |(a, b, c), _| f64_mulAdd(f64(a), f64(b), f64(c)).v);
    }
}
