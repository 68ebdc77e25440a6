//! RCPPS and RSQRTPS. The manual bounds their relative error by 1.5 * 2^-12 and leaves the rest to the processor; here the
//! exact answer is rounded to nearest at 12 bits of fraction, the same on every host. They heed no rounding mode, treat
//! denormals as zeros, flush tiny results to zero, and raise nothing.

use lyrebird_float::Env;
use lyrebird_float::sse::{self, Double};

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0xff << 23;
const QUIET: u32 = 1 << 22;
const INDEFINITE: u32 = SIGN | INFINITY | QUIET;
/// Bits of a double's fraction below the 12 that are kept.
const DROPPED: u32 = 52 - 12;

/// NaN, zero (denormals, too) and infinity, and how the reciprocal of each looks.
fn special(x: u32) -> Option<u32> {
    let magnitude = x & !SIGN;
    match magnitude {
        _ if magnitude > INFINITY => Some(x | QUIET),
        INFINITY => Some(x & SIGN),
        _ if magnitude < 1 << 23 => Some(x & SIGN | INFINITY),
        _ => None,
    }
}

/// The double's value as a single with 12 bits of fraction; zero if it is too small to be normal.
fn shorten(bits: u64) -> u32 {
    let half = 1u64 << (DROPPED - 1);
    let rounded = bits + half >> DROPPED << DROPPED;
    let exponent = (rounded >> 52 & 0x7ff) as i32 - 1023;
    let sign = (rounded >> 32) as u32 & SIGN;
    if exponent < -126 {
        return sign;
    }
    sign | ((exponent + 127) as u32) << 23 | (rounded >> 29) as u32 & 0x007f_ffff
}

/// A normal single as a double.
fn widen(x: u32) -> u64 {
    sse::single_to_double(&mut Env::default(), x)
}

/// RCPPS of one lane.
pub fn reciprocal(x: u32) -> u32 {
    special(x).unwrap_or_else(|| {
        let one = 1023 << 52;
        shorten(sse::div::<Double>(&mut Env::default(), one, widen(x)))
    })
}

/// RSQRTPS of one lane.
pub fn reciprocal_root(x: u32) -> u32 {
    match special(x) {
        // Minus zero gives minus infinity; minus infinity is a negative number like any other.
        Some(r) if x != SIGN | INFINITY => r,
        _ if x & SIGN != 0 => INDEFINITE,
        _ => {
            let mut env = Env::default();
            let root = sse::sqrt::<Double>(&mut env, widen(x));
            shorten(sse::div::<Double>(&mut env, 1023 << 52, root))
        }
    }
}
