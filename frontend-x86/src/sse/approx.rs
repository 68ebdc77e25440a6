//! RCPPS and RSQRTPS. The manual bounds their relative error by 1.5 * 2^-12 and leaves the rest to the processor. Intel's
//! look the top bits of the fraction up in a table, and each entry is the exact answer for the middle of its interval,
//! rounded to 12 bits of fraction: computed here, with integers, the same on every host. They heed no rounding mode, treat
//! denormals as zeros, flush tiny results to zero, and raise nothing.

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0xff << 23;
const QUIET: u32 = 1 << 22;
const INDEFINITE: u32 = SIGN | INFINITY | QUIET;

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

/// A single of this sign and exponent field whose significand is `thirteen` / 2^12.
fn single(sign: u32, field: u32, thirteen: u32) -> u32 {
    sign | field << 23 | (thirteen & 0xfff) << 11
}

/// RCPPS of one lane.
pub fn reciprocal(x: u32) -> u32 {
    special(x).unwrap_or_else(|| {
        let field = x >> 23 & 0xff;
        if field >= 253 {
            return x & SIGN;
        }
        // The middle of the interval is middle / 2^12; 2^13 times its reciprocal has 13 bits.
        let middle = 2 * (x >> 12 & 0x7ff) + 4097;
        single(x & SIGN, 253 - field, ((1 << 25) + middle / 2) / middle)
    })
}

/// RSQRTPS of one lane.
pub fn reciprocal_root(x: u32) -> u32 {
    match special(x) {
        // Minus zero gives minus infinity; minus infinity is a negative number like any other.
        Some(r) if x != SIGN | INFINITY => r,
        _ if x & SIGN != 0 => INDEFINITE,
        _ => {
            // x is 2^(2k) times the middle / 2^11, which lies in 1..4.
            let exponent = (x >> 23) as i32 - 127;
            let middle = u64::from(2 * (x >> 13 & 0x3ff) + 2049) << (exponent & 1);
            // Twice 2^13 times the answer, whose lowest bit then rounds.
            let twice = ((1u64 << 39) / middle).isqrt();
            single(0, (126 - (exponent >> 1)) as u32, twice.div_ceil(2) as u32)
        }
    }
}
