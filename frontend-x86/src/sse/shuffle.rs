//! Operations that move lanes about: shuffles, unpacking, blends by immediate, byte shifts, widening.

use super::ops::VecImmOp;
use super::{V128, arith, crypto, swar};

/// Bytes of two quadwords in turns.
#[inline(always)]
pub fn unpack_bytes(x: u64, y: u64) -> V128 {
    let low = swar::spread_bytes(x) | swar::spread_bytes(y) << 8;
    [low, swar::spread_bytes(x >> 32) | swar::spread_bytes(y >> 32) << 8]
}

/// Words of two quadwords in turns.
#[inline(always)]
pub fn unpack_words(x: u64, y: u64) -> V128 {
    let low = swar::spread_words(x) | swar::spread_words(y) << 16;
    [low, swar::spread_words(x >> 32) | swar::spread_words(y >> 32) << 16]
}

/// Doublewords of two quadwords in turns.
#[inline(always)]
pub fn unpack_doublewords(x: u64, y: u64) -> V128 {
    [x & 0xffff_ffff | y << 32, x >> 32 | y >> 32 << 32]
}

#[inline(always)]
pub(super) fn whole(x: V128) -> u128 {
    u128::from(x[1]) << 64 | u128::from(x[0])
}

#[inline(always)]
pub(super) fn halves(x: u128) -> V128 {
    [x as u64, (x >> 64) as u64]
}

/// PSLLDQ.
#[inline(always)]
pub fn shift_bytes_left(x: V128, bytes: u64) -> V128 {
    if bytes > 15 { [0, 0] } else { halves(whole(x) << (8 * bytes)) }
}

/// PSRLDQ.
#[inline(always)]
pub fn shift_bytes_right(x: V128, bytes: u64) -> V128 {
    if bytes > 15 { [0, 0] } else { halves(whole(x) >> (8 * bytes)) }
}

/// The bytes of a vector.
#[inline(always)]
pub fn bytes(x: V128) -> [u8; 16] {
    whole(x).to_le_bytes()
}

/// A vector of bytes.
#[inline(always)]
pub fn from_bytes(x: [u8; 16]) -> V128 {
    halves(u128::from_le_bytes(x))
}

/// PSHUFB: zero where the index is negative.
#[inline]
pub fn bytes_by(x: V128, indices: V128) -> V128 {
    let from = bytes(x);
    from_bytes(bytes(indices).map(|i| if i & 0x80 != 0 { 0 } else { from[usize::from(i & 15)] }))
}

#[inline(always)]
fn doubleword(x: V128, i: u8) -> u64 {
    x[usize::from(i >> 1 & 1)] >> (32 * (i & 1)) & 0xffff_ffff
}

#[inline(always)]
fn shuffle_words(x: u64, imm: u8) -> u64 {
    (0..4).fold(0, |all, i| all | (x >> (16 * (imm >> (2 * i) & 3)) & 0xffff) << (16 * i))
}

/// An operation on two vectors and an immediate.
#[inline]
pub fn imm(op: VecImmOp, x: V128, y: V128, imm: u8) -> V128 {
    match op {
        VecImmOp::Pshufd => [
            doubleword(y, imm) | doubleword(y, imm >> 2) << 32,
            doubleword(y, imm >> 4) | doubleword(y, imm >> 6) << 32,
        ],
        VecImmOp::Pshuflw => [shuffle_words(y[0], imm), y[1]],
        VecImmOp::Pshufhw => [y[0], shuffle_words(y[1], imm)],
        VecImmOp::Pshufw => [shuffle_words(y[0], imm), 0],
        VecImmOp::Shufps => [
            doubleword(x, imm) | doubleword(x, imm >> 2) << 32,
            doubleword(y, imm >> 4) | doubleword(y, imm >> 6) << 32,
        ],
        VecImmOp::Shufpd => [x[usize::from(imm & 1)], y[usize::from(imm >> 1 & 1)]],
        VecImmOp::Palignr => align_right(x, y, imm),
        VecImmOp::Pblendw => blend(x, y, imm, 16),
        VecImmOp::Blendps => blend(x, y, imm, 32),
        VecImmOp::Blendpd => blend(x, y, imm, 64),
        VecImmOp::Mpsadbw => arith::block_differences(x, y, imm),
        VecImmOp::Insertps => insert_single(x, y, imm),
        VecImmOp::Pclmulqdq => crypto::carryless_product(x, y, imm),
        VecImmOp::Aeskeygenassist => crypto::aes_key_assist(y, imm),
        VecImmOp::Sha1rnds4 => crypto::sha1_rounds(x, y, imm),
        VecImmOp::Vpblendd => blend(x, y, imm, 32),
        VecImmOp::Vpermilps => [
            doubleword(y, imm) | doubleword(y, imm >> 2) << 32,
            doubleword(y, imm >> 4) | doubleword(y, imm >> 6) << 32,
        ],
        VecImmOp::Vpermilpd => [y[usize::from(imm & 1)], y[usize::from(imm >> 1 & 1)]],
        // These cross the middle of 256 bits.
        VecImmOp::Vpermq | VecImmOp::Vperm2x128 | VecImmOp::Vinsert128 => x,
    }
}

/// The MMX form of an operation with an immediate.
#[inline]
pub fn imm64(op: VecImmOp, x: u64, y: u64, number: u8) -> u64 {
    match op {
        // The 16 bytes that are shifted are both operands.
        VecImmOp::Palignr => shift_bytes_right([y, x], number.into())[0],
        _ => imm(op, [x, 0], [y, 0], number)[0],
    }
}

/// PALIGNR: 16 of the 32 bytes of both operands.
fn align_right(x: V128, y: V128, bytes: u8) -> V128 {
    if bytes < 16 {
        if bytes == 0 {
            return y;
        }
        return halves(whole(y) >> (8 * u32::from(bytes)) | whole(x) << (128 - 8 * u32::from(bytes)));
    }
    shift_bytes_right(x, u64::from(bytes) - 16)
}

fn blend(x: V128, y: V128, imm: u8, bits: u32) -> V128 {
    let lane = u128::MAX >> (128 - bits);
    let chosen = (0..128 / bits).filter(|i| imm >> i & 1 != 0).fold(0, |all, i| all | lane << (i * bits));
    halves(whole(y) & chosen | whole(x) & !chosen)
}

fn insert_single(x: V128, y: V128, imm: u8) -> V128 {
    let value = doubleword(y, imm >> 6);
    std::array::from_fn(|half| {
        (0..2).fold(0, |all, part| {
            let lane = (2 * half + part) as u8;
            let kept = if lane == imm >> 4 & 3 { value } else { doubleword(x, lane) };
            if imm >> lane & 1 != 0 { all } else { all | kept << (32 * part) }
        })
    })
}

/// PMOVSX and PMOVZX: lanes of `from` bits made `to` bits wide.
#[inline(always)]
pub fn widen(x: u64, from: u32, to: u32, signed: bool) -> V128 {
    let per_half = 64 / to;
    std::array::from_fn(|half| {
        (0..per_half).fold(0, |all, i| {
            let up = x >> (from * (half as u32 * per_half + i)) << (64 - from);
            let lane = if signed { ((up as i64) >> (64 - from)) as u64 } else { up >> (64 - from) };
            all | (lane & (u64::MAX >> (64 - to))) << (to * i)
        })
    })
}
