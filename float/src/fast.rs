//! Host floats where they are provably identical to the slow path.
//!
//! Under round-to-nearest, with normal (or zero) operands and a normal result
//! away from the overflow and underflow limits, IEEE 754 leaves one answer
//! and the only exception possible is PE.  Each function gives the result
//! and whether PE is raised, or `None` when it cannot be sure.  The caller
//! checks that the rounding is to nearest; DAZ, FTZ and the masks do not
//! matter here.
//!
//! Inexactness is found without fused operations: Knuth's two-sum gives the
//! exact error of an addition, and the other operations are checked by the
//! exact integer (or, for singles, double-precision) product.  A caller whose
//! PE flag is already set can ignore the second part; after inlining, its
//! computation disappears.

const EXPONENT64: u64 = 0x7ff << 52;
const EXPONENT32: u32 = 0xff << 23;
/// Exponent fields well inside the normal range.  The margin keeps rounding
/// at either limit out, and the two-sum error finite.
const SAFE64: core::ops::Range<u64> = 2..0x7fd;
const SAFE32: core::ops::Range<u32> = 2..0xfd;

/// Zero, or a normal number with a comfortable exponent.
#[inline]
fn plain64(bits: u64) -> bool {
    SAFE64.contains(&((bits & EXPONENT64) >> 52)) || bits << 1 == 0
}

/// A normal number with a comfortable exponent.
#[inline]
fn normal64(bits: u64) -> bool {
    SAFE64.contains(&((bits & EXPONENT64) >> 52))
}

#[inline]
fn plain32(bits: u32) -> bool {
    SAFE32.contains(&((bits & EXPONENT32) >> 23)) || bits << 1 == 0
}

#[inline]
fn normal32(bits: u32) -> bool {
    SAFE32.contains(&((bits & EXPONENT32) >> 23))
}

/// The integer significand of a normal double.
#[inline]
fn significand64(bits: u64) -> u64 {
    (bits & ((1 << 52) - 1)) | (1 << 52)
}

/// Whether the product of two integer significands equals a third one up to
/// a power of two.  All are 53 bits long, so the third is compared with
/// the product's top 53 or 54 bits.
#[inline]
fn product_is(a: u64, b: u64, c: u64) -> bool {
    let product = u128::from(a) * u128::from(b);
    product << product.leading_zeros() == u128::from(c) << (127 - 52)
}

/// The sum of two doubles.
#[inline]
pub fn add64(a: u64, b: u64) -> Option<(u64, bool)> {
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    let sum = x + y;
    if !(plain64(a) && plain64(b) && plain64(sum.to_bits())) {
        return None;
    }
    let y_part = sum - x;
    let x_part = sum - y_part;
    let error = (x - x_part) + (y - y_part);
    Some((sum.to_bits(), error != 0.0))
}

/// The difference of two doubles.
#[inline]
pub fn sub64(a: u64, b: u64) -> Option<(u64, bool)> {
    add64(a, b ^ (1 << 63))
}

/// The product of two doubles.
#[inline]
pub fn mul64(a: u64, b: u64) -> Option<(u64, bool)> {
    let product = (f64::from_bits(a) * f64::from_bits(b)).to_bits();
    if !(normal64(a) && normal64(b) && normal64(product)) {
        return None;
    }
    let exact = product_is(significand64(a), significand64(b), significand64(product));
    Some((product, !exact))
}

/// The quotient of two doubles.
#[inline]
pub fn div64(a: u64, b: u64) -> Option<(u64, bool)> {
    let quotient = (f64::from_bits(a) / f64::from_bits(b)).to_bits();
    if !(normal64(a) && normal64(b) && normal64(quotient)) {
        return None;
    }
    let exact = product_is(significand64(quotient), significand64(b), significand64(a));
    Some((quotient, !exact))
}

/// The square root of a double.
#[inline]
pub fn sqrt64(a: u64) -> Option<(u64, bool)> {
    if !normal64(a) || a >> 63 != 0 {
        return None;
    }
    let root = f64::from_bits(a).sqrt().to_bits();
    let exact = product_is(significand64(root), significand64(root), significand64(a));
    Some((root, !exact))
}

/// The sum of two singles.
#[inline]
pub fn add32(a: u32, b: u32) -> Option<(u32, bool)> {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let sum = x + y;
    if !(plain32(a) && plain32(b) && plain32(sum.to_bits())) {
        return None;
    }
    let y_part = sum - x;
    let x_part = sum - y_part;
    let error = (x - x_part) + (y - y_part);
    Some((sum.to_bits(), error != 0.0))
}

/// The difference of two singles.
#[inline]
pub fn sub32(a: u32, b: u32) -> Option<(u32, bool)> {
    add32(a, b ^ (1 << 31))
}

/// The product of two singles.
#[inline]
pub fn mul32(a: u32, b: u32) -> Option<(u32, bool)> {
    // 48 bits fit a double, so this product is exact and rounds once.
    let wide = f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b));
    let product = wide as f32;
    if !(normal32(a) && normal32(b) && normal32(product.to_bits())) {
        return None;
    }
    Some((product.to_bits(), f64::from(product) != wide))
}

/// The quotient of two singles.
#[inline]
pub fn div32(a: u32, b: u32) -> Option<(u32, bool)> {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let quotient = x / y;
    if !(normal32(a) && normal32(b) && normal32(quotient.to_bits())) {
        return None;
    }
    let back = f64::from(quotient) * f64::from(y);
    Some((quotient.to_bits(), back != f64::from(x)))
}

/// The square root of a single.
#[inline]
pub fn sqrt32(a: u32) -> Option<(u32, bool)> {
    if !normal32(a) || a >> 31 != 0 {
        return None;
    }
    let x = f32::from_bits(a);
    let root = x.sqrt();
    let back = f64::from(root) * f64::from(root);
    Some((root.to_bits(), back != f64::from(x)))
}

/// A double rounded to a single.
#[inline]
pub fn double_to_single(a: u64) -> Option<(u32, bool)> {
    let x = f64::from_bits(a);
    let narrow = x as f32;
    if !normal32(narrow.to_bits()) {
        return None;
    }
    Some((narrow.to_bits(), f64::from(narrow) != x))
}

/// A 32-bit integer as a double, which is always exact.
#[inline]
pub fn i32_to_64(value: i32) -> u64 {
    f64::from(value).to_bits()
}

/// A 64-bit integer as a double.
#[inline]
pub fn i64_to_64(value: i64) -> (u64, bool) {
    let bits = (value as f64).to_bits();
    (bits, inexact_integer(value.unsigned_abs(), 53))
}

/// A 64-bit (or 32-bit) integer as a single.
#[inline]
pub fn i64_to_32(value: i64) -> (u32, bool) {
    let bits = (value as f32).to_bits();
    (bits, inexact_integer(value.unsigned_abs(), 24))
}

/// Whether an integer has more significant bits than a format holds.
#[inline]
fn inexact_integer(magnitude: u64, bits: u32) -> bool {
    64 - magnitude.leading_zeros() > bits + magnitude.trailing_zeros()
}

/// A double truncated to a 32-bit integer (CVTTSD2SI), whatever the rounding.
#[inline]
pub fn truncate64_to_i32(a: u64) -> Option<(i32, bool)> {
    let x = f64::from_bits(a);
    // The comparison is false for NaN, and denormals (where DAZ would
    // matter) are left out.
    if !(x.abs() < 2147483648.0 && plain64(a)) {
        return None;
    }
    let whole = x as i32;
    Some((whole, f64::from(whole) != x))
}

/// A single truncated to a 32-bit integer (CVTTSS2SI), whatever the rounding.
#[inline]
pub fn truncate32_to_i32(a: u32) -> Option<(i32, bool)> {
    let x = f32::from_bits(a);
    if !(x.abs() < 2147483648.0 && plain32(a)) {
        return None;
    }
    let whole = x as i32;
    Some((whole, f64::from(whole) != f64::from(x)))
}
