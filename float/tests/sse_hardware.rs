//! SSE operations against the processor the tests run on: values and exceptions
//! under every rounding, DAZ and FTZ.
#![cfg(target_arch = "x86_64")]

mod support;

use core::arch::asm;
use lyrebird_float::sse::{self, Double, Single};
use lyrebird_float::{Env, Flags, Relation};
use support::{Rng, cases};

/// Defines a function that runs an instruction on the low elements of `xmm0`
/// (`a`) and `xmm1` (`b`), with `c` in `xmm2` and `eax`/`rax` cleared, and
/// gives `xmm0`, `rax`, the arithmetic flags and the exceptions.
macro_rules! native {
    ($($name:ident = $code:expr;)*) => {$(
        fn $name(mxcsr: u32, a: u64, b: u64, c: u64) -> Outcome {
            let mut control = mxcsr;
            let (xmm, integer, flags): (u64, u64, u64);
            // SAFETY: only named registers change, and MXCSR is restored.
            unsafe {
                asm!(
                    "sub rsp, 136", // past the red zone
                    "stmxcsr [rsp]",
                    "ldmxcsr [{control}]",
                    "movq xmm0, {a}",
                    "movq xmm1, {b}",
                    "movq xmm2, {c}",
                    "mov rcx, {c}",
                    "xor eax, eax",
                    $code,
                    "pushfq",
                    "pop rdx",
                    "stmxcsr [{control}]",
                    "ldmxcsr [rsp]",
                    "add rsp, 136",
                    "movq rsi, xmm0",
                    control = in(reg) &mut control,
                    a = in(reg) a,
                    b = in(reg) b,
                    c = in(reg) c,
                    out("rax") integer,
                    out("rcx") _,
                    out("rdx") flags,
                    out("rsi") xmm,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _,
                );
            }
            Outcome { xmm, integer, flags, raised: Flags(control as u8 & 63) }
        }
    )*};
}

#[derive(Clone, Copy, Debug)]
struct Outcome {
    xmm: u64,
    integer: u64,
    flags: u64,
    raised: Flags,
}

type Native = fn(u32, u64, u64, u64) -> Outcome;

native! {
    addss = "addss xmm0, xmm1"; addsd = "addsd xmm0, xmm1";
    subss = "subss xmm0, xmm1"; subsd = "subsd xmm0, xmm1";
    mulss = "mulss xmm0, xmm1"; mulsd = "mulsd xmm0, xmm1";
    divss = "divss xmm0, xmm1"; divsd = "divsd xmm0, xmm1";
    sqrtss = "sqrtss xmm0, xmm0"; sqrtsd = "sqrtsd xmm0, xmm0";
    minss = "minss xmm0, xmm1"; minsd = "minsd xmm0, xmm1";
    maxss = "maxss xmm0, xmm1"; maxsd = "maxsd xmm0, xmm1";
    comiss = "comiss xmm0, xmm1"; comisd = "comisd xmm0, xmm1";
    ucomiss = "ucomiss xmm0, xmm1"; ucomisd = "ucomisd xmm0, xmm1";
    cvtss2sd = "cvtss2sd xmm0, xmm0"; cvtsd2ss = "cvtsd2ss xmm0, xmm0";
    cvtss2si = "cvtss2si eax, xmm0"; cvtsd2si = "cvtsd2si eax, xmm0";
    cvttss2si = "cvttss2si eax, xmm0"; cvttsd2si = "cvttsd2si eax, xmm0";
    cvtss2si64 = "cvtss2si rax, xmm0"; cvtsd2si64 = "cvtsd2si rax, xmm0";
    cvttss2si64 = "cvttss2si rax, xmm0"; cvttsd2si64 = "cvttsd2si rax, xmm0";
    cvtsi2ss = "cvtsi2ss xmm0, ecx"; cvtsi2sd = "cvtsi2sd xmm0, ecx";
    cvtsi2ss64 = "cvtsi2ss xmm0, rcx"; cvtsi2sd64 = "cvtsi2sd xmm0, rcx";
}

native! {
    roundss0 = "roundss xmm0, xmm0, 0"; roundsd0 = "roundsd xmm0, xmm0, 0";
    roundss1 = "roundss xmm0, xmm0, 1"; roundsd1 = "roundsd xmm0, xmm0, 1";
    roundss2 = "roundss xmm0, xmm0, 2"; roundsd2 = "roundsd xmm0, xmm0, 2";
    roundss3 = "roundss xmm0, xmm0, 3"; roundsd3 = "roundsd xmm0, xmm0, 3";
    roundss4 = "roundss xmm0, xmm0, 4"; roundsd4 = "roundsd xmm0, xmm0, 4";
    roundss8 = "roundss xmm0, xmm0, 8"; roundsd8 = "roundsd xmm0, xmm0, 8";
    roundss12 = "roundss xmm0, xmm0, 12"; roundsd12 = "roundsd xmm0, xmm0, 12";
}

native! {
    vfmadd213ss = "vfmadd213ss xmm0, xmm1, xmm2"; vfmadd213sd = "vfmadd213sd xmm0, xmm1, xmm2";
    vfmsub213ss = "vfmsub213ss xmm0, xmm1, xmm2"; vfmsub213sd = "vfmsub213sd xmm0, xmm1, xmm2";
    vfnmadd213ss = "vfnmadd213ss xmm0, xmm1, xmm2"; vfnmadd213sd = "vfnmadd213sd xmm0, xmm1, xmm2";
    vfnmsub213ss = "vfnmsub213ss xmm0, xmm1, xmm2"; vfnmsub213sd = "vfnmsub213sd xmm0, xmm1, xmm2";
    vcvtph2ps = "vcvtph2ps xmm0, xmm0";
    vcvtps2ph0 = "vcvtps2ph xmm0, xmm0, 0"; vcvtps2ph1 = "vcvtps2ph xmm0, xmm0, 1";
    vcvtps2ph2 = "vcvtps2ph xmm0, xmm0, 2"; vcvtps2ph3 = "vcvtps2ph xmm0, xmm0, 3";
    vcvtps2ph4 = "vcvtps2ph xmm0, xmm0, 4";
}

native! {
    vcvtss2usi = "vcvtss2usi eax, xmm0"; vcvtsd2usi = "vcvtsd2usi eax, xmm0";
    vcvttss2usi64 = "vcvttss2usi rax, xmm0"; vcvttsd2usi64 = "vcvttsd2usi rax, xmm0";
    vcvtusi2ss = "vcvtusi2ss xmm0, xmm0, rcx"; vcvtusi2sd = "vcvtusi2sd xmm0, xmm0, rcx";
}

/// Everything masked, with any rounding, DAZ and FTZ.
fn control(rng: &mut Rng) -> u32 {
    0x1f80 | (rng.below(4) << 13 | rng.below(2) << 15 | rng.below(2) << 6) as u32
}

/// Runs operations of one format on the same operands.
fn check<T: Copy + core::fmt::Debug>(
    seed: u64,
    count: u64,
    operands: impl Fn(&mut Rng) -> [T; 3],
    widen: impl Fn(T) -> u64,
    operations: &[Operation<T>],
) {
    let mut rng = Rng(seed);
    for _ in 0..cases(count) {
        let mxcsr = control(&mut rng);
        let [a, b, c] = operands(&mut rng);
        for (name, native, pick, ours) in operations {
            let theirs = native(mxcsr, widen(a), widen(b), widen(c));
            let mut env = Env::sse(mxcsr);
            let value = ours(&mut env, [a, b, c]);
            let context =
                format!("{name} mxcsr {mxcsr:x} {a:x?} {b:x?} {c:x?} hardware {theirs:x?} ours {value:x} {env:?}");
            assert_eq!(pick(&theirs), value, "{context}");
            assert_eq!(theirs.raised, env.flags, "{context}");
        }
    }
}

type Operation<T> = (&'static str, Native, fn(&Outcome) -> u64, fn(&mut Env, [T; 3]) -> u64);

fn xmm(o: &Outcome) -> u64 {
    o.xmm
}

fn xmm32(o: &Outcome) -> u64 {
    o.xmm & 0xffff_ffff
}

fn xmm16(o: &Outcome) -> u64 {
    o.xmm & 0xffff
}

fn integer(o: &Outcome) -> u64 {
    o.integer
}

/// ZF, PF and CF.
fn status(o: &Outcome) -> u64 {
    o.flags & 0x45
}

fn relation(relation: Relation) -> u64 {
    match relation {
        Relation::Greater => 0,
        Relation::Less => 1,
        Relation::Equal => 0x40,
        Relation::Unordered => 0x45,
    }
}

fn triple32(rng: &mut Rng) -> [u32; 3] {
    let a = rng.bits32();
    [a, rng.near32(a), rng.bits32()]
}

fn triple64(rng: &mut Rng) -> [u64; 3] {
    let a = rng.bits64();
    [a, rng.near64(a), rng.bits64()]
}

#[test]
fn single() {
    let operations: &[Operation<u32>] = &[
        ("add", addss, xmm32, |e, [a, b, _]| sse::add::<Single>(e, a, b).into()),
        ("sub", subss, xmm32, |e, [a, b, _]| sse::sub::<Single>(e, a, b).into()),
        ("mul", mulss, xmm32, |e, [a, b, _]| sse::mul::<Single>(e, a, b).into()),
        ("div", divss, xmm32, |e, [a, b, _]| sse::div::<Single>(e, a, b).into()),
        ("sqrt", sqrtss, xmm32, |e, [a, ..]| sse::sqrt::<Single>(e, a).into()),
        ("min", minss, xmm32, |e, [a, b, _]| sse::min::<Single>(e, a, b).into()),
        ("max", maxss, xmm32, |e, [a, b, _]| sse::max::<Single>(e, a, b).into()),
        ("comi", comiss, status, |e, [a, b, _]| relation(sse::compare_signaling::<Single>(e, a, b))),
        ("ucomi", ucomiss, status, |e, [a, b, _]| relation(sse::compare::<Single>(e, a, b))),
    ];
    check(1, 400_000, triple32, u64::from, operations);
}

#[test]
fn double() {
    let operations: &[Operation<u64>] = &[
        ("add", addsd, xmm, |e, [a, b, _]| sse::add::<Double>(e, a, b)),
        ("sub", subsd, xmm, |e, [a, b, _]| sse::sub::<Double>(e, a, b)),
        ("mul", mulsd, xmm, |e, [a, b, _]| sse::mul::<Double>(e, a, b)),
        ("div", divsd, xmm, |e, [a, b, _]| sse::div::<Double>(e, a, b)),
        ("sqrt", sqrtsd, xmm, |e, [a, ..]| sse::sqrt::<Double>(e, a)),
        ("min", minsd, xmm, |e, [a, b, _]| sse::min::<Double>(e, a, b)),
        ("max", maxsd, xmm, |e, [a, b, _]| sse::max::<Double>(e, a, b)),
        ("comi", comisd, status, |e, [a, b, _]| relation(sse::compare_signaling::<Double>(e, a, b))),
        ("ucomi", ucomisd, status, |e, [a, b, _]| relation(sse::compare::<Double>(e, a, b))),
    ];
    check(2, 400_000, triple64, |v| v, operations);
}

#[test]
fn single_conversions() {
    let operations: &[Operation<u32>] = &[
        ("to double", cvtss2sd, xmm, |e, [a, ..]| sse::single_to_double(e, a)),
        ("to i32", cvtss2si, integer, |e, [a, ..]| sse::to_i32::<Single>(e, a, false) as u32 as u64),
        ("trunc i32", cvttss2si, integer, |e, [a, ..]| sse::to_i32::<Single>(e, a, true) as u32 as u64),
        ("to i64", cvtss2si64, integer, |e, [a, ..]| sse::to_i64::<Single>(e, a, false) as u64),
        ("trunc i64", cvttss2si64, integer, |e, [a, ..]| sse::to_i64::<Single>(e, a, true) as u64),
        ("round 0", roundss0, xmm32, |e, [a, ..]| sse::round_to_integral::<Single>(e, a, 0).into()),
        ("round 1", roundss1, xmm32, |e, [a, ..]| sse::round_to_integral::<Single>(e, a, 1).into()),
        ("round 2", roundss2, xmm32, |e, [a, ..]| sse::round_to_integral::<Single>(e, a, 2).into()),
        ("round 3", roundss3, xmm32, |e, [a, ..]| sse::round_to_integral::<Single>(e, a, 3).into()),
        ("round 4", roundss4, xmm32, |e, [a, ..]| sse::round_to_integral::<Single>(e, a, 4).into()),
        ("round 8", roundss8, xmm32, |e, [a, ..]| sse::round_to_integral::<Single>(e, a, 8).into()),
        ("round 12", roundss12, xmm32, |e, [a, ..]| sse::round_to_integral::<Single>(e, a, 12).into()),
        ("from i32", cvtsi2ss, xmm32, |e, [.., c]| sse::from_i32::<Single>(e, c as i32).into()),
    ];
    check(3, 200_000, triple32, u64::from, operations);
}

#[test]
fn double_conversions() {
    let operations: &[Operation<u64>] = &[
        ("to single", cvtsd2ss, xmm32, |e, [a, ..]| sse::double_to_single(e, a).into()),
        ("to i32", cvtsd2si, integer, |e, [a, ..]| sse::to_i32::<Double>(e, a, false) as u32 as u64),
        ("trunc i32", cvttsd2si, integer, |e, [a, ..]| sse::to_i32::<Double>(e, a, true) as u32 as u64),
        ("to i64", cvtsd2si64, integer, |e, [a, ..]| sse::to_i64::<Double>(e, a, false) as u64),
        ("trunc i64", cvttsd2si64, integer, |e, [a, ..]| sse::to_i64::<Double>(e, a, true) as u64),
        ("round 0", roundsd0, xmm, |e, [a, ..]| sse::round_to_integral::<Double>(e, a, 0)),
        ("round 1", roundsd1, xmm, |e, [a, ..]| sse::round_to_integral::<Double>(e, a, 1)),
        ("round 2", roundsd2, xmm, |e, [a, ..]| sse::round_to_integral::<Double>(e, a, 2)),
        ("round 3", roundsd3, xmm, |e, [a, ..]| sse::round_to_integral::<Double>(e, a, 3)),
        ("round 4", roundsd4, xmm, |e, [a, ..]| sse::round_to_integral::<Double>(e, a, 4)),
        ("round 8", roundsd8, xmm, |e, [a, ..]| sse::round_to_integral::<Double>(e, a, 8)),
        ("round 12", roundsd12, xmm, |e, [a, ..]| sse::round_to_integral::<Double>(e, a, 12)),
        ("from i32", cvtsi2sd, xmm, |e, [.., c]| sse::from_i32::<Double>(e, c as i32)),
        ("from i64", cvtsi2sd64, xmm, |e, [.., c]| sse::from_i64::<Double>(e, c as i64)),
        ("from i64", cvtsi2ss64, xmm32, |e, [.., c]| sse::from_i64::<Single>(e, c as i64).into()),
    ];
    let operands = |rng: &mut Rng| {
        let shift = rng.below(64);
        [rng.bits64(), 0, ((rng.pattern() as i64) >> shift) as u64]
    };
    check(4, 200_000, operands, |v| v, operations);
}

#[test]
fn fused() {
    if !std::is_x86_feature_detected!("fma") {
        return;
    }
    let single: &[Operation<u32>] = &[
        ("madd", vfmadd213ss, xmm32, |e, [a, b, c]| sse::fma::<Single>(e, b, a, c).into()),
        ("msub", vfmsub213ss, xmm32, |e, [a, b, c]| sse::fma_signs::<Single>(e, b, a, c, false, true).into()),
        ("nmadd", vfnmadd213ss, xmm32, |e, [a, b, c]| sse::fma_signs::<Single>(e, b, a, c, true, false).into()),
        ("nmsub", vfnmsub213ss, xmm32, |e, [a, b, c]| sse::fma_signs::<Single>(e, b, a, c, true, true).into()),
    ];
    let double: &[Operation<u64>] = &[
        ("madd", vfmadd213sd, xmm, |e, [a, b, c]| sse::fma::<Double>(e, b, a, c)),
        ("msub", vfmsub213sd, xmm, |e, [a, b, c]| sse::fma_signs::<Double>(e, b, a, c, false, true)),
        ("nmadd", vfnmadd213sd, xmm, |e, [a, b, c]| sse::fma_signs::<Double>(e, b, a, c, true, false)),
        ("nmsub", vfnmsub213sd, xmm, |e, [a, b, c]| sse::fma_signs::<Double>(e, b, a, c, true, true)),
    ];
    // An addend near the product brings cancellation out.
    let triple = |rng: &mut Rng| {
        let [a, b, c] = triple32(rng);
        let product = sse::mul::<Single>(&mut Env::default(), a, b);
        [a, b, if rng.bool() { c } else { rng.near32(product) }]
    };
    check(5, 200_000, triple, u64::from, single);
    let triple = |rng: &mut Rng| {
        let [a, b, c] = triple64(rng);
        let product = sse::mul::<Double>(&mut Env::default(), a, b);
        [a, b, if rng.bool() { c } else { rng.near64(product) }]
    };
    check(6, 200_000, triple, |v| v, double);
}

#[test]
fn half() {
    if !std::is_x86_feature_detected!("f16c") {
        return;
    }
    for bits in 0..=u16::MAX {
        for mxcsr in [0x1f80, 0x9fc0] {
            let theirs = vcvtph2ps(mxcsr, bits.into(), 0, 0);
            let mut env = Env::sse(mxcsr);
            assert_eq!(sse::half_to_single(&mut env, bits), theirs.xmm as u32, "{bits:x}");
            assert_eq!(env.flags, theirs.raised, "{bits:x}");
        }
    }
    let operations: &[Operation<u32>] = &[
        ("half 0", vcvtps2ph0, xmm16, |e, [a, ..]| sse::single_to_half(e, a, 0).into()),
        ("half 1", vcvtps2ph1, xmm16, |e, [a, ..]| sse::single_to_half(e, a, 1).into()),
        ("half 2", vcvtps2ph2, xmm16, |e, [a, ..]| sse::single_to_half(e, a, 2).into()),
        ("half 3", vcvtps2ph3, xmm16, |e, [a, ..]| sse::single_to_half(e, a, 3).into()),
        ("half 4", vcvtps2ph4, xmm16, |e, [a, ..]| sse::single_to_half(e, a, 4).into()),
    ];
    check(7, 200_000, triple32, u64::from, operations);
}

#[test]
fn unsigned() {
    if !std::is_x86_feature_detected!("avx512f") {
        return;
    }
    let single: &[Operation<u32>] = &[
        ("to u32", vcvtss2usi, integer, |e, [a, ..]| sse::to_u32::<Single>(e, a, false).into()),
        ("trunc u64", vcvttss2usi64, integer, |e, [a, ..]| sse::to_u64::<Single>(e, a, true)),
    ];
    let double: &[Operation<u64>] = &[
        ("to u32", vcvtsd2usi, integer, |e, [a, ..]| sse::to_u32::<Double>(e, a, false).into()),
        ("trunc u64", vcvttsd2usi64, integer, |e, [a, ..]| sse::to_u64::<Double>(e, a, true)),
        ("from u64", vcvtusi2ss, xmm32, |e, [.., c]| sse::from_u64::<Single>(e, c).into()),
        ("from u64", vcvtusi2sd, xmm, |e, [.., c]| sse::from_u64::<Double>(e, c)),
    ];
    check(8, 200_000, triple32, u64::from, single);
    check(9, 200_000, triple64, |v| v, double);
}
