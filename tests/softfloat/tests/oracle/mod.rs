//! SoftFloat's functions, with its rules and flags in x86's terms.

use lyrebird_float::{Env, F80, Flags, Precision, Rounding};
use softfloat_sys::*;

/// Runs SoftFloat under the rules of an [`Env`]; gives the value and what it raised.
pub fn under<T>(env: &Env, f: impl FnOnce() -> T) -> (T, Flags) {
    // SAFETY: SoftFloat's rules and flags are variables of this thread.
    unsafe {
        softfloat_detectTininess_write_helper(softfloat_tininess_afterRounding.into());
        softfloat_roundingMode_write_helper(rounding(env.rounding).into());
        extF80_roundingPrecision_write_helper(match env.precision {
            Precision::Single => 32,
            Precision::Double => 64,
            Precision::Extended => 80,
        });
        softfloat_exceptionFlags_write_helper(0);
        let value = f();
        (value, flags(softfloat_exceptionFlags_read_helper() as u8))
    }
}

pub fn rounding(rounding: Rounding) -> u8 {
    match rounding {
        Rounding::Nearest => softfloat_round_near_even,
        Rounding::Down => softfloat_round_min,
        Rounding::Up => softfloat_round_max,
        Rounding::Zero => softfloat_round_minMag,
    }
}

fn flags(raised: u8) -> Flags {
    [
        (softfloat_flag_inexact, Flags::PE),
        (softfloat_flag_underflow, Flags::UE),
        (softfloat_flag_overflow, Flags::OE),
        (softfloat_flag_infinite, Flags::ZE),
        (softfloat_flag_invalid, Flags::IE),
    ]
    .into_iter()
    .filter(|(theirs, _)| raised & theirs != 0)
    .fold(Flags::NONE, |all, (_, ours)| all | ours)
}

pub fn to80(a: F80) -> extFloat80_t {
    extFloat80M { signif: a.significand, signExp: a.sign_exponent }
}

pub fn from80(a: extFloat80_t) -> F80 {
    F80::new(a.signExp, a.signif)
}

/// What SoftFloat does not know are numbers whose integer bit contradicts their exponent: unnormals, and pseudo-denormals,
/// which it compares and adds as if their exponent were lower. (It has no DE and no C1 either.)
pub fn is_supported(a: F80) -> bool {
    (a.significand >> 63 != 0) == (a.sign_exponent & 0x7fff != 0)
}
