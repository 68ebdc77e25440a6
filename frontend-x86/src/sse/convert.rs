//! The packed conversions, and those between the two formats.

use super::V128;
use super::float::pair;
use super::ops::FloatOp;
use lyrebird_float::sse::{self, Double, Single};
use lyrebird_float::{Env, fast};

fn low_high(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// A conversion of `y`. `x` is the destination, which keeps what the conversion does not write.
pub fn run(op: FloatOp, env: &mut Env, x: V128, y: V128) -> V128 {
    match op {
        FloatOp::Cvtdq2ps => y.map(|two| singles(env, two)),
        FloatOp::Cvtps2dq => y.map(|two| integers(env, two, false)),
        FloatOp::Cvttps2dq => y.map(|two| integers(env, two, true)),
        FloatOp::Cvtdq2pd | FloatOp::Cvtpi2pd => [fast::i32_to_64(y[0] as i32), fast::i32_to_64((y[0] >> 32) as i32)],
        FloatOp::Cvtpd2dq | FloatOp::Cvtpd2pi => [doubles_to_integers(env, y, false), 0],
        FloatOp::Cvttpd2dq | FloatOp::Cvttpd2pi => [doubles_to_integers(env, y, true), 0],
        FloatOp::Cvtps2pd => {
            let low = sse::single_to_double(env, y[0] as u32);
            [low, sse::single_to_double(env, (y[0] >> 32) as u32)]
        }
        FloatOp::Cvtpd2ps => {
            let low = sse::double_to_single(env, y[0]);
            [low_high(low, sse::double_to_single(env, y[1])), 0]
        }
        FloatOp::Cvtph2ps => [half_pair(env, y[0]), half_pair(env, y[0] >> 32)],
        FloatOp::Cvtss2sd => [sse::single_to_double(env, y[0] as u32), x[1]],
        FloatOp::Cvtsd2ss => [x[0] & !0xffff_ffff | u64::from(sse::double_to_single(env, y[0])), x[1]],
        FloatOp::Cvtpi2ps => [singles(env, y[0]), x[1]],
        FloatOp::Cvtps2pi => [integers(env, y[0], false), 0],
        FloatOp::Cvttps2pi => [integers(env, y[0], true), 0],
        // The others are no conversions.
        _ => x,
    }
}

fn half_pair(env: &mut Env, two: u64) -> u64 {
    let low = sse::half_to_single(env, two as u16);
    low_high(low, sse::half_to_single(env, (two >> 16) as u16))
}

/// VCVTPS2PH: four halves, rounded as the immediate says.
pub fn to_halves(env: &mut Env, y: V128, imm: u8) -> V128 {
    let mut half = |i: usize| {
        let single = (y[i / 2] >> (32 * (i % 2))) as u32;
        u64::from(sse::single_to_half(env, single, imm)) << (16 * i)
    };
    [half(0) | half(1) | half(2) | half(3), 0]
}

fn singles(env: &mut Env, two: u64) -> u64 {
    pair(two, 0, |v, _| sse::from_i32::<Single>(env, v as i32))
}

fn integers(env: &mut Env, two: u64, truncate: bool) -> u64 {
    pair(two, 0, |v, _| sse::to_i32::<Single>(env, v, truncate) as u32)
}

fn doubles_to_integers(env: &mut Env, y: V128, truncate: bool) -> u64 {
    let low = sse::to_i32::<Double>(env, y[0], truncate) as u32;
    low_high(low, sse::to_i32::<Double>(env, y[1], truncate) as u32)
}
