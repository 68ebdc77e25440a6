//! The x87 transcendental instructions against the processor the tests run on:
//! values within one unit in the last place, exceptions the same.
#![cfg(target_arch = "x86_64")]

mod support;
mod x87_native;

use lyrebird_float::{Env, F80};
use support::{Rng, cases};
use x87_native::*;

/// The distance of two values in units in the last place; huge when one is
/// special and they differ.
fn distance(a: F80, b: F80) -> u64 {
    if a == b {
        return 0;
    }
    let finite = |v: F80| v.exponent_field() != 0x7fff;
    if !finite(a) || !finite(b) || a.is_negative() != b.is_negative() {
        return u64::MAX;
    }
    let key = |v: F80| i128::from(v.exponent_field()) << 63 | i128::from(v.significand & !(1 << 63));
    (key(a) - key(b)).unsigned_abs().min(u64::MAX.into()) as u64
}

type Ours = fn(F80, F80, &mut Env) -> Vec<F80>;

struct Check {
    name: &'static str,
    native: Native,
    /// The results, ST(0) first.  None at all stands for C2.
    ours: Ours,
}

impl Check {
    fn run(&self, control: u16, a: F80, b: F80, worst: &mut [u64; 4]) {
        let theirs = (self.native)(control, a, b, [0; 16]);
        let mut env = Env::x87(control);
        let values = (self.ours)(a, b, &mut env);
        let context =
            format!("{} cw {control:x} a {a:x?} b {b:x?} hardware {theirs:x?} ours {values:x?} {env:x?}", self.name);
        assert_eq!(theirs.flags(), env.flags, "{context}");
        if env.suspended() {
            assert_eq!(theirs.st, [a, b], "{context}");
            return;
        }
        assert_eq!(theirs.status & 0x400 != 0, values.is_empty(), "C2: {context}");
        for (value, theirs) in values.iter().zip(theirs.st) {
            let distance = distance(*value, theirs);
            worst[distance.min(3) as usize] += 1;
            assert!(distance <= 1, "{distance} ulp: {context}");
        }
    }

    fn many(&self, seed: u64, operands: impl Fn(&mut Rng) -> (F80, F80)) {
        let mut rng = Rng(seed);
        let mut worst = [0; 4];
        for i in 0..cases(60_000) {
            let control = 0x300 | (rng.below(4) << 10) as u16;
            let masks = if i % 4 == 0 { rng.next() as u16 & 63 } else { 63 };
            let (a, b) = operands(&mut rng);
            self.run(control | masks, a, b, &mut worst);
        }
        println!(": {} exact {} off by one {}", self.name, worst[0], worst[1]);
    }
}

/// A value with an exponent in a range.
fn between(rng: &mut Rng, low: i32, high: i32) -> F80 {
    let field = (0x3fff + low) as u16 + rng.below((high - low + 1) as u64) as u16;
    F80::new((rng.next() as u16 & 0x8000) | field, rng.pattern() | 1 << 63)
}

fn any(rng: &mut Rng) -> (F80, F80) {
    let a = rng.f80();
    (a, rng.f80_near(a))
}

fn pair(value: Option<(F80, F80)>) -> Vec<F80> {
    value.map_or_else(Vec::new, |(below, top)| vec![top, below])
}

const SIN: Check = Check { name: "sin", native: fsin, ours: |a, _, e| a.sin(e).into_iter().collect() };
const COS: Check = Check { name: "cos", native: fcos, ours: |a, _, e| a.cos(e).into_iter().collect() };
const SIN_COS: Check = Check { name: "sincos", native: fsincos, ours: |a, _, e| pair(a.sin_cos(e)) };
const TAN: Check = Check { name: "tan", native: fptan, ours: |a, _, e| pair(a.tan(e)) };
const ATAN: Check = Check { name: "atan", native: fpatan, ours: |a, b, e| vec![b.atan2(a, e)] };
const EXP: Check = Check { name: "f2xm1", native: f2xm1, ours: |a, _, e| vec![a.exp2_minus_1(e)] };
const LOG: Check = Check { name: "fyl2x", native: fyl2x, ours: |a, b, e| vec![a.log2_times(b, e)] };
const LOG1: Check = Check { name: "fyl2xp1", native: fyl2xp1, ours: |a, b, e| vec![a.log2_plus_1_times(b, e)] };

#[test]
fn sine() {
    if is_amd() {
        eprintln!("skipped: results that are denormal raise other flags on AMD's processors");
        return;
    }
    SIN.many(1, |r| (between(r, -70, 62), F80::ZERO));
    SIN.many(2, any);
}

#[test]
fn cosine() {
    COS.many(3, |r| (between(r, -70, 62), F80::ZERO));
    COS.many(4, any);
}

#[test]
fn sine_and_cosine() {
    if is_amd() {
        eprintln!("skipped: results that are denormal raise other flags on AMD's processors");
        return;
    }
    SIN_COS.many(5, |r| (between(r, -70, 62), F80::ZERO));
    SIN_COS.many(6, any);
}

#[test]
fn tangent() {
    TAN.many(7, |r| (between(r, -70, 62), F80::ZERO));
    TAN.many(8, any);
}

#[test]
fn arctangent() {
    ATAN.many(9, |r| (between(r, -8, 8), between(r, -8, 8)));
    ATAN.many(10, any);
}

#[test]
fn power() {
    EXP.many(11, |r| (between(r, -70, -1), F80::ZERO));
    EXP.many(12, any);
}

#[test]
fn logarithm() {
    LOG.many(13, |r| (between(r, -5, 5).abs(), between(r, -5, 5)));
    LOG.many(14, any);
}

#[test]
fn logarithm_near_one() {
    LOG1.many(15, |r| (between(r, -70, -3), between(r, -5, 5)));
    LOG1.many(16, any);
}
