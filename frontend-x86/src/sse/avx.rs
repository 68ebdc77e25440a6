//! What AVX and AVX2 add to the integer vector operations: permutations, shifts of each lane by its own count, broadcasts,
//! and the operations that cross the middle of 256 bits.

use super::V128;
use super::ops::{VecImmOp, VecOp, VecUnaryOp};

/// A vector of 256 bits, the low quadword first.
pub type V256 = [u64; 4];

/// Doublewords of a half, by a function of their lanes.
fn doublewords(f: impl Fn(usize) -> u32) -> V128 {
    std::array::from_fn(|i| u64::from(f(2 * i)) | u64::from(f(2 * i + 1)) << 32)
}

fn doubleword(x: &[u64], i: usize) -> u32 {
    (x[i / 2] >> (32 * (i % 2))) as u32
}

/// An operation on each half: VPSLLVD and its like, VPERMILPS and VPERMILPD by a register.
#[inline(never)]
pub fn bin(op: VecOp, x: V128, y: V128) -> V128 {
    let each32 = |f: fn(u32, u32) -> u32| doublewords(|i| f(doubleword(&x, i), doubleword(&y, i)));
    match op {
        VecOp::Vpsllvd => each32(|x, n| if n < 32 { x << n } else { 0 }),
        VecOp::Vpsrlvd => each32(|x, n| if n < 32 { x >> n } else { 0 }),
        VecOp::Vpsravd => each32(|x, n| ((x as i32) >> n.min(31)) as u32),
        VecOp::Vpsllvq => std::array::from_fn(|i| if y[i] < 64 { x[i] << y[i] } else { 0 }),
        VecOp::Vpsrlvq => std::array::from_fn(|i| if y[i] < 64 { x[i] >> y[i] } else { 0 }),
        VecOp::Vpermilps => doublewords(|i| doubleword(&x, doubleword(&y, i) as usize & 3)),
        VecOp::Vpermilpd => y.map(|control| x[(control >> 1 & 1) as usize]),
        _ => x,
    }
}

/// VPERMD and VPERMPS: `x` has the indices.
pub fn permute_doublewords(x: V256, y: V256) -> V256 {
    let pick = |i: usize| u64::from(doubleword(&y, doubleword(&x, i) as usize & 7));
    std::array::from_fn(|i| pick(2 * i) | pick(2 * i + 1) << 32)
}

/// The low element everywhere, or (VBROADCASTF128) the low half twice.
#[inline]
pub fn broadcast(op: VecUnaryOp, y: V256) -> V256 {
    let (low, mask) = match op {
        VecUnaryOp::Pbroadcastb => (y[0] & 0xff, 0x0101_0101_0101_0101),
        VecUnaryOp::Pbroadcastw => (y[0] & 0xffff, 0x0001_0001_0001_0001),
        VecUnaryOp::Pbroadcastd => (y[0] & 0xffff_ffff, 0x0000_0001_0000_0001),
        VecUnaryOp::Pbroadcastq => (y[0], 1),
        _ => return [y[0], y[1], y[0], y[1]],
    };
    [low.wrapping_mul(mask); 4]
}

/// VPERMQ and VPERMPD, VPERM2F128 and VPERM2I128, VINSERTF128 and VINSERTI128.
#[inline]
pub fn imm(op: VecImmOp, x: V256, y: V256, imm: u8) -> V256 {
    let halves = [[x[0], x[1]], [x[2], x[3]], [y[0], y[1]], [y[2], y[3]]];
    match op {
        VecImmOp::Vpermq => std::array::from_fn(|i| y[usize::from(imm >> (2 * i) & 3)]),
        VecImmOp::Vinsert128 if imm & 1 == 0 => [y[0], y[1], x[2], x[3]],
        VecImmOp::Vinsert128 => [x[0], x[1], y[0], y[1]],
        _ => {
            let pick = |control: u8| if control & 8 != 0 { [0, 0] } else { halves[usize::from(control & 3)] };
            let (low, high) = (pick(imm), pick(imm >> 4));
            [low[0], low[1], high[0], high[1]]
        }
    }
}

/// The immediate as the upper half of a 256-bit operation sees it.
#[inline(always)]
pub fn upper_imm(op: VecImmOp, imm: u8) -> u8 {
    match op {
        VecImmOp::Blendps | VecImmOp::Vpblendd => imm >> 4,
        VecImmOp::Blendpd | VecImmOp::Shufpd | VecImmOp::Vpermilpd => imm >> 2,
        VecImmOp::Mpsadbw => imm >> 3,
        _ => imm,
    }
}

/// How many bits further up in the source the upper half of a widening 256-bit move begins.
#[inline(always)]
pub fn widening_step(op: VecUnaryOp) -> Option<u32> {
    use VecUnaryOp as U;
    Some(match op {
        U::Pmovsxbw | U::Pmovzxbw | U::Pmovsxwd | U::Pmovzxwd | U::Pmovsxdq | U::Pmovzxdq => 64,
        U::Pmovsxbd | U::Pmovzxbd | U::Pmovsxwq | U::Pmovzxwq => 32,
        U::Pmovsxbq | U::Pmovzxbq => 16,
        _ => return None,
    })
}
