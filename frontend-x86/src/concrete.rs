//! Plain numbers: the arithmetic of engines that compute now, and what they need of a CPU.

use crate::algebra::{Algebra, Arith, Bin, Cmp};
use crate::cpu::Cpu;
use crate::exception::Exception;
use crate::op::Width;

/// Numbers as they are.
pub struct Concrete;

/// An engine that computes now: with these functions it has [`crate::sse::algebra::VectorAlgebra`] and
/// [`crate::system::algebra::SystemAlgebra`]. One that only does what is usual stops where it cannot go on.
pub trait ConcreteCpu: Algebra + Arith<V = u64, C = bool> {
    /// The CPU.
    fn cpu(&mut self) -> &mut Cpu;
    /// What stops an instruction that raises this exception. An engine that only wants to know *that* it stops, and runs
    /// the instruction again elsewhere, drops the exception. Sticky flags in MXCSR may have been set by then, the same that
    /// will be set again; nothing else has changed.
    fn stop(&mut self, exception: Exception) -> Self::Stop;
    /// The engine has to look around before the next instruction.
    fn look_or_stop(&mut self) -> Result<(), Self::Stop>;
    /// Interrupts have to wait for one more instruction.
    fn shield_or_stop(&mut self) -> Result<(), Self::Stop>;
}

#[inline(always)]
fn signed(w: Width, v: u64) -> i64 {
    match w {
        Width::B => i64::from(v as i8),
        Width::W => i64::from(v as i16),
        Width::D => i64::from(v as i32),
        _ => v as i64,
    }
}

/// [`Arith::bin`] on numbers.
#[inline(always)]
pub fn bin(op: Bin, w: Width, l: u64, r: u64) -> u64 {
    let n = r as u32 & (w.bits() - 1);
    let v = match op {
        Bin::Add => l.wrapping_add(r),
        Bin::Sub => l.wrapping_sub(r),
        Bin::And => l & r,
        Bin::Or => l | r,
        Bin::Xor => l ^ r,
        Bin::Mul => l.wrapping_mul(r),
        Bin::Shl => l << n,
        Bin::Shr => l >> n,
        Bin::Sar => (signed(w, l) >> n) as u64,
        Bin::Rol => match w {
            Width::B => u64::from((l as u8).rotate_left(n)),
            Width::W => u64::from((l as u16).rotate_left(n)),
            Width::D => u64::from((l as u32).rotate_left(n)),
            _ => l.rotate_left(n),
        },
        Bin::Ror => match w {
            Width::B => u64::from((l as u8).rotate_right(n)),
            Width::W => u64::from((l as u16).rotate_right(n)),
            Width::D => u64::from((l as u32).rotate_right(n)),
            _ => l.rotate_right(n),
        },
    };
    v & w.mask()
}

/// [`Arith::cmp`] on numbers.
#[inline(always)]
pub fn cmp(cmp: Cmp, w: Width, l: u64, r: u64) -> bool {
    match cmp {
        Cmp::Eq => l == r,
        Cmp::Ne => l != r,
        Cmp::Ult => l < r,
        Cmp::Ule => l <= r,
        Cmp::Slt => signed(w, l) < signed(w, r),
        Cmp::Sle => signed(w, l) <= signed(w, r),
    }
}

/// [`Arith::sign_extend`] on numbers.
#[inline(always)]
pub fn sign_extend(from: Width, to: Width, v: u64) -> u64 {
    signed(from, v) as u64 & to.mask()
}

/// [`Arith::mul_wide`] on numbers.
#[inline(always)]
pub fn mul_wide(is_signed: bool, w: Width, l: u64, r: u64) -> (u64, u64) {
    let product = if is_signed {
        (i128::from(signed(w, l)) * i128::from(signed(w, r))) as u128
    } else {
        u128::from(l) * u128::from(r)
    };
    (product as u64 & w.mask(), (product >> w.bits()) as u64 & w.mask())
}

/// Quotient and remainder of `hi:lo / d`, or `None` where the hardware raises #DE.
#[inline(always)]
pub fn divide(is_signed: bool, w: Width, hi: u64, lo: u64, d: u64) -> Option<(u64, u64)> {
    if d == 0 {
        return None;
    }
    let dividend = u128::from(hi) << w.bits() | u128::from(lo);
    if !is_signed {
        if hi == 0 {
            return Some((lo / d, lo % d));
        }
        let (q, r) = (dividend / u128::from(d), dividend % u128::from(d));
        return (q <= u128::from(w.mask())).then_some((q as u64, r as u64));
    }
    let unused = 128 - 2 * w.bits();
    let dividend = (dividend << unused) as i128 >> unused;
    let divisor = i128::from(signed(w, d));
    let q = dividend.checked_div(divisor)?;
    let r = dividend.wrapping_rem(divisor);
    let fits = q >= -i128::from(w.sign()) && q < i128::from(w.sign());
    fits.then_some((q as u64 & w.mask(), r as u64 & w.mask()))
}

/// One step of CRC-32C over a value of width `w`, bit by bit in eight-entry steps.
pub fn crc32c(w: Width, crc: u64, v: u64) -> u64 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let (mut c, mut bit) = (i as u32, 0);
            while bit < 8 {
                c = if c & 1 != 0 { c >> 1 ^ 0x82f6_3b78 } else { c >> 1 };
                bit += 1;
            }
            table[i] = c;
            i += 1;
        }
        table
    };
    let step = |crc: u32, byte: u8| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)];
    let bytes = v.to_le_bytes();
    u64::from(bytes[..w.bytes() as usize].iter().fold(crc as u32, |crc, byte| step(crc, *byte)))
}

/// Implements [`Arith`] on plain numbers for a type: engines that compute now share it.
#[macro_export]
macro_rules! concrete_arith {
    () => {
        type V = u64;
        type C = bool;
        #[inline(always)]
        fn k(&mut self, w: $crate::op::Width, value: u64) -> u64 {
            value & w.mask()
        }
        #[inline(always)]
        fn bin(&mut self, op: $crate::algebra::Bin, w: $crate::op::Width, l: u64, r: u64) -> u64 {
            $crate::concrete::bin(op, w, l, r)
        }
        #[inline(always)]
        fn cmp(&mut self, cmp: $crate::algebra::Cmp, w: $crate::op::Width, l: u64, r: u64) -> bool {
            $crate::concrete::cmp(cmp, w, l, r)
        }
        #[inline(always)]
        fn bit(&mut self, v: u64, bit: u32) -> bool {
            v >> bit & 1 != 0
        }
        #[inline(always)]
        fn truncate(&mut self, w: $crate::op::Width, v: u64) -> u64 {
            v & w.mask()
        }
        #[inline(always)]
        fn sign_extend(&mut self, from: $crate::op::Width, to: $crate::op::Width, v: u64) -> u64 {
            $crate::concrete::sign_extend(from, to, v)
        }
        #[inline(always)]
        fn popcount(&mut self, _w: $crate::op::Width, v: u64) -> u64 {
            u64::from(v.count_ones())
        }
        #[inline(always)]
        fn leading_zeros(&mut self, w: $crate::op::Width, v: u64) -> u64 {
            u64::from(v.leading_zeros()).wrapping_sub(u64::from(64 - w.bits()))
        }
        #[inline(always)]
        fn trailing_zeros(&mut self, w: $crate::op::Width, v: u64) -> u64 {
            u64::from(v.trailing_zeros().min(w.bits()))
        }
        #[inline(always)]
        fn swap_bytes(&mut self, w: $crate::op::Width, v: u64) -> u64 {
            v.swap_bytes() >> (64 - w.bits())
        }
        #[inline(always)]
        fn mul_wide(&mut self, signed: bool, w: $crate::op::Width, l: u64, r: u64) -> (u64, u64) {
            $crate::concrete::mul_wide(signed, w, l, r)
        }
        #[inline(always)]
        fn crc32c(&mut self, w: $crate::op::Width, crc: u64, v: u64) -> u64 {
            $crate::concrete::crc32c(w, crc, v)
        }
        #[inline(always)]
        fn select(&mut self, _w: $crate::op::Width, c: bool, yes: u64, no: u64) -> u64 {
            if c { yes } else { no }
        }
        #[inline(always)]
        fn truth(&mut self, c: bool) -> bool {
            c
        }
        #[inline(always)]
        fn value(&mut self, c: bool) -> u64 {
            u64::from(c)
        }
        #[inline(always)]
        fn and(&mut self, l: bool, r: bool) -> bool {
            l & r
        }
        #[inline(always)]
        fn or(&mut self, l: bool, r: bool) -> bool {
            l | r
        }
        #[inline(always)]
        fn xor(&mut self, l: bool, r: bool) -> bool {
            l ^ r
        }
        #[inline(always)]
        fn not(&mut self, c: bool) -> bool {
            !c
        }
    };
}

impl Arith for Concrete {
    concrete_arith!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_of_the_standard_check_string() {
        let crc = b"123456789".iter().fold(0xffff_ffff, |crc, byte| crc32c(Width::B, crc, u64::from(*byte)));
        assert_eq!(crc ^ 0xffff_ffff, 0xe306_9283);
    }

    #[test]
    fn division_stops_where_the_hardware_does() {
        assert_eq!(divide(true, Width::B, 0xff, 0x80, 0xff), None, "-128 / -1");
        assert_eq!(divide(true, Width::B, 0xff, 0x80, 1), Some((0x80, 0)));
        assert_eq!(divide(true, Width::Q, u64::MAX, 1 << 63, u64::MAX), None);
        assert_eq!(divide(true, Width::Q, 1 << 63, 0, u64::MAX), None);
        assert_eq!(divide(false, Width::Q, 1, 0, 1), None);
        assert_eq!(divide(false, Width::Q, 1, 0, 2), Some((1 << 63, 0)));
        assert_eq!(divide(true, Width::W, 0xffff, 0xfff9, 2), Some((0xfffd, 0xffff)), "-7 / 2");
    }
}
