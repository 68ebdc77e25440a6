//! FBLD and FBSTP: 18-digit packed decimal (Intel SDM vol. 1, 4.7).

use super::convert::{from_magnitude, magnitude};
use super::f80::F80;
use crate::{Env, Flags};

/// A packed decimal in memory: nine bytes of two digits each, lowest first,
/// then a byte whose top bit is the sign.
pub type BcdBytes = [u8; 10];

/// What a masked invalid store writes.
const INDEFINITE: BcdBytes = [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff];

const LARGEST: u64 = 999_999_999_999_999_999;

impl F80 {
    /// FBLD.  Exact, no exceptions; digits above nine, which the manual leaves
    /// undefined, count as their value.
    pub fn from_bcd(bytes: BcdBytes) -> F80 {
        let mut value = 0u64;
        for byte in bytes[..9].iter().rev() {
            value = value * 100 + u64::from(byte >> 4) * 10 + u64::from(byte & 15);
        }
        from_magnitude(bytes[9] & 0x80 != 0, value)
    }

    /// FBSTP: rounds to an integer under the rounding control.
    pub fn to_bcd(self, env: &mut Env) -> BcdBytes {
        let Some((mut rest, inexact)) = magnitude(self, LARGEST, env.rounding, env) else {
            env.raise(Flags::IE);
            return INDEFINITE;
        };
        if inexact {
            env.raise(Flags::PE);
        }
        let mut bytes = [0; 10];
        for byte in &mut bytes[..9] {
            let pair = rest % 100;
            rest /= 100;
            *byte = (pair / 10 * 16 + pair % 10) as u8;
        }
        bytes[9] = if self.is_negative() { 0x80 } else { 0 };
        bytes
    }
}
