//! Lane arithmetic inside a quadword: "SIMD within a register". The same few operations serve lanes of 8, 16, 32 and 64
//! bits, MMX, SSE and AVX, on any host, and a compiler turns two of them side by side into vector code.
//!
//! The trick throughout: the highest bit of each lane is kept out of sums, so that nothing is carried into the next lane,
//! and is put back by exclusive or. A *mask* has all bits of a lane set or none; a *mark* has just the highest.

/// How a quadword is divided.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    /// Bits of a lane.
    pub bits: u32,
    /// The highest bit of each lane.
    pub high: u64,
}

/// Eight bytes.
pub const B: Lane = Lane { bits: 8, high: 0x8080_8080_8080_8080 };
/// Four words.
pub const W: Lane = Lane { bits: 16, high: 0x8000_8000_8000_8000 };
/// Two doublewords.
pub const D: Lane = Lane { bits: 32, high: 0x8000_0000_8000_0000 };
/// One quadword.
pub const Q: Lane = Lane { bits: 64, high: 1 << 63 };

impl Lane {
    /// The lowest bit of each lane.
    #[inline(always)]
    const fn low(self) -> u64 {
        self.high >> (self.bits - 1)
    }
    /// All bits of each lane whose mark is set.
    #[inline(always)]
    const fn mask(self, mark: u64) -> u64 {
        (mark << 1).wrapping_sub(mark >> (self.bits - 1))
    }
    /// The lowest lane in every one.
    #[inline(always)]
    pub const fn splat(self, x: u64) -> u64 {
        (x & (u64::MAX >> (64 - self.bits))).wrapping_mul(self.low())
    }
    /// The highest bits of the lanes, of bytes or words, as a number.
    #[inline(always)]
    pub const fn marks(self, x: u64) -> u64 {
        if self.bits == 8 { byte_marks(x) } else { (x & W.high).wrapping_mul(0x0000_2000_4000_8001) >> 60 }
    }
}

/// Sums.
#[inline(always)]
pub const fn add(l: Lane, x: u64, y: u64) -> u64 {
    (x & !l.high).wrapping_add(y & !l.high) ^ ((x ^ y) & l.high)
}

/// Differences.
#[inline(always)]
pub const fn sub(l: Lane, x: u64, y: u64) -> u64 {
    (x | l.high).wrapping_sub(y & !l.high) ^ ((x ^ !y) & l.high)
}

/// The highest bit of each lane is set where they differ; what the others are does not matter.
#[inline(always)]
pub const fn differ(l: Lane, x: u64, y: u64) -> u64 {
    let t = x ^ y;
    (t & !l.high).wrapping_add(!l.high) | t
}

/// A mask of the lanes that are equal.
#[inline(always)]
pub const fn equal(l: Lane, x: u64, y: u64) -> u64 {
    l.mask(!differ(l, x, y) & l.high)
}

/// The highest bit of each lane is set where x is below y, unsigned; what the others are does not matter.
#[inline(always)]
pub const fn borrow(l: Lane, x: u64, y: u64) -> u64 {
    !x & y | (!x | y) & sub(l, x, y)
}

/// A mask of the lanes where x is below y, unsigned.
#[inline(always)]
pub const fn below(l: Lane, x: u64, y: u64) -> u64 {
    l.mask(borrow(l, x, y) & l.high)
}

/// A mask of the lanes where x is less than y, signed.
#[inline(always)]
pub const fn less(l: Lane, x: u64, y: u64) -> u64 {
    below(l, x ^ l.high, y ^ l.high)
}

/// A mask of the lanes that are negative.
#[inline(always)]
pub const fn negative(l: Lane, x: u64) -> u64 {
    l.mask(x & l.high)
}

/// x where the mask is set, else y.
#[inline(always)]
pub const fn choose(mask: u64, x: u64, y: u64) -> u64 {
    y ^ ((x ^ y) & mask)
}

/// The lesser, unsigned.
#[inline(always)]
pub const fn min_unsigned(l: Lane, x: u64, y: u64) -> u64 {
    choose(below(l, x, y), x, y)
}

/// The greater, unsigned.
#[inline(always)]
pub const fn max_unsigned(l: Lane, x: u64, y: u64) -> u64 {
    choose(below(l, x, y), y, x)
}

/// The lesser, signed.
#[inline(always)]
pub const fn min_signed(l: Lane, x: u64, y: u64) -> u64 {
    choose(less(l, x, y), x, y)
}

/// The greater, signed.
#[inline(always)]
pub const fn max_signed(l: Lane, x: u64, y: u64) -> u64 {
    choose(less(l, x, y), y, x)
}

/// Sums, all ones where they do not fit.
#[inline(always)]
pub const fn add_unsigned_saturated(l: Lane, x: u64, y: u64) -> u64 {
    let sum = add(l, x, y);
    let carry = x & y | (x | y) & !sum;
    sum | l.mask(carry & l.high)
}

/// Differences, zero where they are negative.
#[inline(always)]
pub const fn sub_unsigned_saturated(l: Lane, x: u64, y: u64) -> u64 {
    sub(l, x, y) & !below(l, x, y)
}

/// The largest number of x's sign in each lane.
#[inline(always)]
const fn extreme(l: Lane, x: u64) -> u64 {
    ((x & l.high) >> (l.bits - 1)).wrapping_add(!l.high)
}

/// Signed sums, the extreme where they do not fit.
#[inline(always)]
pub const fn add_signed_saturated(l: Lane, x: u64, y: u64) -> u64 {
    let sum = add(l, x, y);
    let overflow = !(x ^ y) & (x ^ sum) & l.high;
    choose(l.mask(overflow), extreme(l, x), sum)
}

/// Signed differences, the extreme where they do not fit.
#[inline(always)]
pub const fn sub_signed_saturated(l: Lane, x: u64, y: u64) -> u64 {
    let difference = sub(l, x, y);
    let overflow = (x ^ y) & (x ^ difference) & l.high;
    choose(l.mask(overflow), extreme(l, x), difference)
}

/// Averages, rounded up.
#[inline(always)]
pub const fn average(l: Lane, x: u64, y: u64) -> u64 {
    (x | y).wrapping_sub(((x ^ y) & !l.low()) >> 1)
}

/// x negated where the mask is set.
#[inline(always)]
const fn negate_where(l: Lane, mask: u64, x: u64) -> u64 {
    sub(l, x ^ mask, mask)
}

/// Magnitudes.
#[inline(always)]
pub const fn absolute(l: Lane, x: u64) -> u64 {
    negate_where(l, negative(l, x), x)
}

/// x with the sign of y applied: negated, cleared or as it is.
#[inline(always)]
pub const fn sign(l: Lane, x: u64, y: u64) -> u64 {
    negate_where(l, negative(l, y), x) & !equal(l, y, 0)
}

/// Shifted left; zero if the count reaches the lane's bits.
#[inline(always)]
pub const fn shift_left(l: Lane, x: u64, count: u64) -> u64 {
    if count >= l.bits as u64 {
        return 0;
    }
    let n = count as u32;
    let lane = u64::MAX >> (64 - l.bits);
    (x << n) & l.low().wrapping_mul((lane << n) & lane)
}

/// Shifted right; zero if the count reaches the lane's bits.
#[inline(always)]
pub const fn shift_right(l: Lane, x: u64, count: u64) -> u64 {
    if count >= l.bits as u64 {
        return 0;
    }
    let n = count as u32;
    let lane = u64::MAX >> (64 - l.bits);
    (x >> n) & l.low().wrapping_mul(lane >> n)
}

/// Shifted right arithmetically; all sign if the count reaches the lane's bits.
#[inline(always)]
pub const fn shift_right_signed(l: Lane, x: u64, count: u64) -> u64 {
    let sign = negative(l, x);
    shift_right(l, x ^ sign, count) ^ sign
}

/// The highest bits of the eight bytes as a number.
#[inline(always)]
pub const fn byte_marks(x: u64) -> u64 {
    (x & B.high).wrapping_mul(0x0002_0408_1020_4081) >> 56
}

/// The low four bytes, each with a zero byte above it.
#[inline(always)]
pub const fn spread_bytes(x: u64) -> u64 {
    let x = spread_words(x & 0xffff_ffff);
    (x | x << 8) & 0x00ff_00ff_00ff_00ff
}

/// The low two words, each with a zero word above it.
#[inline(always)]
pub const fn spread_words(x: u64) -> u64 {
    let x = x & 0xffff_ffff;
    (x | x << 16) & 0x0000_ffff_0000_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreading_keeps_order() {
        assert_eq!(spread_bytes(0xffff_ffff_4433_2211), 0x0044_0033_0022_0011);
        assert_eq!(spread_words(0xffff_ffff_4433_2211), 0x0000_4433_0000_2211);
    }

    #[test]
    fn marks_come_out_in_order() {
        for i in 0..8 {
            assert_eq!(byte_marks(0x80 << (8 * i)), 1 << i);
        }
        assert_eq!(byte_marks(u64::MAX), 0xff);
    }

    #[test]
    fn byte_lanes_agree_with_bytes() {
        for x in 0..=255u64 {
            for y in 0..=255u64 {
                let (a, b) = (x << 24 | 0xff, y << 24 | 0x01);
                let lane = |v: u64| (v >> 24) as u8;
                let (p, q) = (x as u8, y as u8);
                assert_eq!(lane(add(B, a, b)), p.wrapping_add(q));
                assert_eq!(lane(sub(B, a, b)), p.wrapping_sub(q));
                assert_eq!(lane(below(B, a, b)) != 0, p < q);
                assert_eq!(lane(less(B, a, b)) != 0, (p as i8) < q as i8);
                assert_eq!(lane(add_signed_saturated(B, a, b)), (p as i8).saturating_add(q as i8) as u8);
                assert_eq!(lane(sub_signed_saturated(B, a, b)), (p as i8).saturating_sub(q as i8) as u8);
                assert_eq!(lane(add_unsigned_saturated(B, a, b)), p.saturating_add(q));
                assert_eq!(lane(average(B, a, b)), (x + y).div_ceil(2) as u8);
            }
        }
    }
}
