//! The transcendental functions against their true values, computed with far
//! more digits: the result must be the nearest, but for the rarest of ties.

mod support;

use astro_float_num::{BigFloat, Consts, RoundingMode, Sign};
use lyrebird_float::{Env, F80};
use support::{Rng, cases};

const BITS: usize = 256;
const MODE: RoundingMode = RoundingMode::ToEven;

fn big(value: F80) -> BigFloat {
    // The significand as a 64-bit integer in [1/2, 1) of the exponent.
    let sign = if value.is_negative() { Sign::Neg } else { Sign::Pos };
    let mut number = BigFloat::from_u64(value.significand, BITS);
    number.set_exponent(i32::from(value.exponent_field()) - 16382);
    number.set_sign(sign);
    number
}

/// Whether `value` is `truth` rounded to nearest.
fn nearest(value: F80, truth: &BigFloat) -> bool {
    let mut rounded = truth.clone();
    rounded.set_precision(64, MODE).unwrap();
    rounded.cmp(&big(value)) == Some(0)
}

fn check(
    seed: u64,
    operands: impl Fn(&mut Rng) -> (F80, F80),
    ours: impl Fn(F80, F80, &mut Env) -> F80,
    truth: impl Fn(&BigFloat, &BigFloat, &mut Consts) -> BigFloat,
) {
    let mut rng = Rng(seed);
    let mut constants = Consts::new().unwrap();
    for _ in 0..cases(4000) {
        let (a, b) = operands(&mut rng);
        let value = ours(a, b, &mut Env::default());
        let truth = truth(&big(a), &big(b), &mut constants);
        assert!(nearest(value, &truth), "{a:x?} {b:x?} gives {value:x?} for {truth}");
    }
}

/// A value with an exponent in a range.
fn between(rng: &mut Rng, low: i32, high: i32) -> F80 {
    let field = (0x3fff + low) as u16 + rng.below((high - low + 1) as u64) as u16;
    F80::new((rng.next() as u16 & 0x8000) | field, rng.pattern() | 1 << 63)
}

/// Below pi/4, where no reduction comes in.
fn angle(rng: &mut Rng) -> (F80, F80) {
    (between(rng, -40, -2), F80::ZERO)
}

#[test]
fn sine() {
    check(1, angle, |a, _, e| a.sin(e).unwrap(), |a, _, c| a.sin(BITS, MODE, c));
}

#[test]
fn cosine() {
    check(2, angle, |a, _, e| a.cos(e).unwrap(), |a, _, c| a.cos(BITS, MODE, c));
}

#[test]
fn tangent() {
    check(3, angle, |a, _, e| a.tan(e).unwrap().0, |a, _, c| a.tan(BITS, MODE, c));
}

#[test]
fn arctangent() {
    let operands = |rng: &mut Rng| (between(rng, -8, 8), between(rng, -8, 8).abs());
    check(4, operands, |y, x, e| y.atan2(x, e), |y, x, c| y.div(x, BITS, MODE).atan(BITS, MODE, c));
}

#[test]
fn power() {
    let truth = |a: &BigFloat, _: &BigFloat, c: &mut Consts| {
        let two = BigFloat::from_u8(2, BITS);
        let one = BigFloat::from_u8(1, BITS);
        two.pow(a, BITS, MODE, c).sub(&one, BITS, MODE)
    };
    check(5, |r| (between(r, -40, -1), F80::ZERO), |a, _, e| a.exp2_minus_1(e), truth);
}

#[test]
fn logarithm() {
    let operands = |rng: &mut Rng| {
        let x = between(rng, -8, 8).abs();
        // The neighbours of 1 are where digits are lost.
        let x = if rng.bool() { x } else { F80::new(0x3fff, 1 << 63 | x.significand >> rng.below(60)) };
        (x, between(rng, -2, 2))
    };
    let truth = |a: &BigFloat, b: &BigFloat, c: &mut Consts| a.log2(BITS, MODE, c).mul(b, BITS, MODE);
    check(6, operands, |a, b, e| a.log2_times(b, e), truth);
}

#[test]
fn logarithm_near_one() {
    let truth = |a: &BigFloat, b: &BigFloat, c: &mut Consts| {
        let one = BigFloat::from_u8(1, BITS);
        a.add(&one, BITS, MODE).log2(BITS, MODE, c).mul(b, BITS, MODE)
    };
    let operands = |r: &mut Rng| (between(r, -40, -3), between(r, -2, 2));
    check(7, operands, |a, b, e| a.log2_plus_1_times(b, e), truth);
}
