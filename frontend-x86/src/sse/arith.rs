//! Multiplications, horizontal sums, packing and sums of differences: the integer operations whose lanes have to be taken
//! apart.

use super::{V128, shuffle};

#[inline(always)]
fn word(x: u64, i: u32) -> i16 {
    (x >> (16 * i)) as i16
}

#[inline(always)]
fn product(x: u64, y: u64, i: u32) -> i32 {
    i32::from(word(x, i)) * i32::from(word(y, i))
}

/// Puts four words together.
#[inline(always)]
fn words(f: impl Fn(u32) -> u16) -> u64 {
    (0..4).fold(0, |all, i| all | u64::from(f(i)) << (16 * i))
}

/// Puts two doublewords together.
#[inline(always)]
fn doublewords(f: impl Fn(u32) -> u32) -> u64 {
    u64::from(f(0)) | u64::from(f(1)) << 32
}

/// PMULLW.
#[inline]
pub fn multiply_words_low(x: u64, y: u64) -> u64 {
    words(|i| word(x, i).wrapping_mul(word(y, i)) as u16)
}

/// PMULHW.
#[inline]
pub fn multiply_words_high(x: u64, y: u64) -> u64 {
    words(|i| (product(x, y, i) >> 16) as u16)
}

/// PMULHUW.
#[inline]
pub fn multiply_words_high_unsigned(x: u64, y: u64) -> u64 {
    words(|i| ((u32::from(word(x, i) as u16) * u32::from(word(y, i) as u16)) >> 16) as u16)
}

/// PMULHRSW.
#[inline]
pub fn multiply_words_rounded(x: u64, y: u64) -> u64 {
    words(|i| (((product(x, y, i) >> 14) + 1) >> 1) as u16)
}

/// PMULLD.
#[inline]
pub fn multiply_doublewords_low(x: u64, y: u64) -> u64 {
    u64::from((x as u32).wrapping_mul(y as u32)) | (x >> 32).wrapping_mul(y >> 32) << 32
}

/// PMADDWD.
#[inline]
pub fn multiply_add_words(x: u64, y: u64) -> u64 {
    // The sum overflows only for four times -32768, and then wraps.
    doublewords(|i| product(x, y, 2 * i).wrapping_add(product(x, y, 2 * i + 1)) as u32)
}

/// PMADDUBSW: unsigned bytes of x by signed bytes of y.
#[inline]
pub fn multiply_add_bytes(x: u64, y: u64) -> u64 {
    let product = |i: u32| i32::from((x >> (8 * i)) as u8) * i32::from((y >> (8 * i)) as i8);
    words(|i| (product(2 * i) + product(2 * i + 1)).clamp(i16::MIN.into(), i16::MAX.into()) as u16)
}

/// PSADBW.
#[inline]
pub fn sum_of_differences(x: u64, y: u64) -> u64 {
    (0..8).map(|i| u64::from(((x >> (8 * i)) as u8).abs_diff((y >> (8 * i)) as u8))).sum()
}

/// PHADDW and its like: neighbours of x, then neighbours of y.
#[inline]
pub fn horizontal_words(x: V128, y: V128, f: impl Fn(i16, i16) -> i16) -> V128 {
    let pairs = |v: V128| {
        words(|i| {
            let (quad, at) = (v[i as usize / 2], 2 * (i % 2));
            f(word(quad, at), word(quad, at + 1)) as u16
        })
    };
    [pairs(x), pairs(y)]
}

/// PHADDD and PHSUBD.
#[inline]
pub fn horizontal_doublewords(x: V128, y: V128, f: impl Fn(u32, u32) -> u32) -> V128 {
    [x, y].map(|v| doublewords(|i| f(v[i as usize] as u32, (v[i as usize] >> 32) as u32)))
}

/// PACKSSWB and PACKUSWB: words of x, then of y, clamped to bytes.
#[inline]
pub fn pack_words(x: V128, y: V128, least: i16, greatest: i16) -> V128 {
    [x, y].map(|v| {
        (0..8).fold(0, |all, i| {
            let clamped = word(v[i as usize / 4], i % 4).clamp(least, greatest);
            all | u64::from(clamped as u8) << (8 * i)
        })
    })
}

/// PACKSSDW and PACKUSDW: doublewords of x, then of y, clamped to words.
#[inline]
pub fn pack_doublewords(x: V128, y: V128, least: i32, greatest: i32) -> V128 {
    [x, y].map(|v| words(|i| ((v[i as usize / 2] >> (32 * (i % 2))) as i32).clamp(least, greatest) as u16))
}

/// PHMINPOSUW: the least word, then its place.
#[inline]
pub fn least_word(x: V128) -> V128 {
    let (value, place) = (0..8u32).map(|i| (word(x[i as usize / 4], i % 4) as u16, i)).min().unwrap_or_default();
    [u64::from(value) | u64::from(place) << 16, 0]
}

/// MPSADBW: four bytes of y against eight places of x.
pub fn block_differences(x: V128, y: V128, imm: u8) -> V128 {
    let (a, b) = (shuffle::bytes(x), shuffle::bytes(y));
    let (from, block) = (4 * usize::from(imm >> 2 & 1), 4 * usize::from(imm & 3));
    let sum = |i: usize| (0..4).map(|k| u16::from(a[from + i + k].abs_diff(b[block + k]))).sum::<u16>();
    [words(|i| sum(i as usize)), words(|i| sum(i as usize + 4))]
}
