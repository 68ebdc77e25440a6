//! F16C: VCVTPH2PS and VCVTPS2PH (Intel SDM vol. 1, 14.4.1).

use super::convert::{convert, move_special};
use super::format::{Half, Layout, Single, is_denormal, propagate, unpack};
use super::round::round_pack;
use crate::{Env, Flags, Rounding};

/// VCVTPH2PS.  Always exact; DAZ does not apply, and denormals raise nothing.
#[inline]
pub fn half_to_single(env: &mut Env, a: u16) -> u32 {
    let bits = u64::from(a);
    if let Some(nan) = propagate::<Half>(env, bits, 0) {
        return move_special::<Half, Single>(nan) as u32;
    }
    if is_denormal::<Half>(bits) {
        return round_pack::<Single>(env, unpack::<Half>(bits).widen()) as u32;
    }
    convert::<Half, Single>(env, bits) as u32
}

/// VCVTPS2PH under its immediate: bit 2 takes the rounding of MXCSR instead
/// of bits 1:0.  FTZ does not apply.
#[inline]
pub fn single_to_half(env: &mut Env, a: u32, immediate: u8) -> u16 {
    let mut local = *env;
    local.ftz = false;
    if immediate & 4 == 0 {
        local.rounding = Rounding::from_bits(immediate);
    }
    let bits = convert::<Single, Half>(&mut local, u64::from(a));
    if is_denormal::<Single>(u64::from(a)) && !env.daz {
        // Far too small for a half: so Intel's processors say even where underflow is not masked and the number has few digits.
        local.raise(Flags::PE);
    }
    env.flags = local.flags;
    (bits & (Half::SIGN * 2 - 1)) as u16
}
