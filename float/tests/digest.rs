//! The same answers on every host: digests of results and flags over fixed
//! operands.  They were taken on a machine where the hardware tests passed; a
//! change that is meant has to pass those first.

mod support;

use lyrebird_float::sse::{self, Double, Single};
use lyrebird_float::{Env, F80};
use support::Rng;

/// FNV-1a over everything an operation gives.
struct Digest(u64);

impl Digest {
    fn new() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, value: u64) {
        for byte in value.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn f80(&mut self, value: F80) {
        self.add(value.sign_exponent.into());
        self.add(value.significand);
    }

    fn env(&mut self, env: &Env) {
        self.add(env.flags.bits().into());
    }
}

#[test]
fn x87() {
    let mut rng = Rng(1);
    let mut digest = Digest::new();
    for _ in 0..20_000 {
        let a = rng.f80();
        let b = rng.f80_near(a);
        let mut env = Env::x87((rng.next() as u16 & 0xf3f) | 0x200);
        for operation in [F80::add, F80::sub, F80::mul, F80::div, F80::scale, F80::atan2] {
            digest.f80(operation(a, b, &mut env));
            digest.add(env.rounded_up.into());
        }
        for operation in [F80::log2_times, F80::log2_plus_1_times] {
            digest.f80(operation(a, b, &mut env));
        }
        for operation in [F80::sqrt, F80::round_to_integer, F80::exp2_minus_1] {
            digest.f80(operation(a, &mut env));
        }
        for operation in [F80::tan, F80::sin_cos] {
            if let Some((first, second)) = operation(a, &mut env) {
                digest.f80(first);
                digest.f80(second);
            }
        }
        for operation in [F80::rem_truncated, F80::rem_nearest] {
            let rem = operation(a, b, &mut env);
            digest.f80(rem.value);
            digest.add(rem.quotient.into());
        }
        digest.add(a.to_single(&mut env).into());
        digest.add(a.to_double(&mut env));
        digest.add(a.to_i64(&mut env) as u64);
        digest.f80(F80::from_bcd(a.to_bcd(&mut env)));
        digest.env(&env);
    }
    assert_eq!(digest.0, X87, "{:#x}", digest.0);
}

#[test]
fn sse() {
    let mut rng = Rng(2);
    let mut digest = Digest::new();
    for _ in 0..20_000 {
        let (a, c) = (rng.bits64(), rng.bits64());
        let b = rng.near64(a);
        let (x, z) = (rng.bits32(), rng.bits32());
        let y = rng.near32(x);
        let mut env = Env::sse(rng.next() as u32 & 0xffc0);
        for operation in [sse::add::<Double>, sse::sub::<Double>, sse::mul::<Double>, sse::div::<Double>] {
            digest.add(operation(&mut env, a, b));
        }
        for operation in [sse::add::<Single>, sse::sub::<Single>, sse::mul::<Single>, sse::div::<Single>] {
            digest.add(operation(&mut env, x, y).into());
        }
        digest.add(sse::sqrt::<Double>(&mut env, a));
        digest.add(sse::sqrt::<Single>(&mut env, x).into());
        digest.add(sse::fma::<Double>(&mut env, a, b, c));
        digest.add(sse::fma::<Single>(&mut env, x, y, z).into());
        digest.add(sse::double_to_single(&mut env, a).into());
        digest.add(sse::single_to_double(&mut env, x));
        digest.add(sse::to_i64::<Double>(&mut env, a, false) as u64);
        digest.add(sse::to_i32::<Single>(&mut env, x, true) as u64);
        digest.add(sse::from_i64::<Double>(&mut env, a as i64));
        digest.add(sse::from_i32::<Single>(&mut env, x as i32).into());
        digest.add(sse::single_to_half(&mut env, x, 4).into());
        digest.env(&env);
    }
    assert_eq!(digest.0, SSE, "{:#x}", digest.0);
}

const X87: u64 = 0xe749_3454_ad08_6558;
const SSE: u64 = 0xe6f1_d26d_91b1_b6a4;
