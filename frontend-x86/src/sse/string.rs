//! PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (Intel SDM vol. 2, section 4.1).

use super::swar::{self, Lane};
use super::{V128, shuffle};
use crate::flags::rflags;

/// What a comparison found: a bit for each element of the second operand, and whether the operands end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// IntRes2.
    pub bits: u32,
    /// How many elements an operand can have: 16 or 8.
    pub elements: u32,
    /// The first operand is shorter than that: SF.
    pub first_ends: bool,
    /// The second operand is: ZF.
    pub second_ends: bool,
}

/// The comparison of two operands; `lengths` are given, or found by looking for zeros.
pub fn compare(x: V128, y: V128, lengths: Option<(u64, u64)>, imm: u8) -> Found {
    // Each with its lanes known, so that the compiler makes plain shifts of them.
    if imm & WORDS == 0 {
        compare_lanes(swar::B, x, y, lengths, imm)
    } else {
        compare_lanes(swar::W, x, y, lengths, imm)
    }
}

#[inline(always)]
fn compare_lanes(l: Lane, x: V128, y: V128, lengths: Option<(u64, u64)>, imm: u8) -> Found {
    let elements = 128 / l.bits;
    let up_to = |length: u32| (1u32 << length) - 1;
    let whole = up_to(elements);
    let marks = |[low, high]: V128| (l.marks(low) | l.marks(high) << (64 / l.bits)) as u32;
    let length = |x: V128| (!marks(x.map(|x| swar::differ(l, x, 0))) | 1 << elements).trailing_zeros();
    let (n, m) = match lengths {
        Some((n, m)) => (n.min(elements.into()) as u32, m.min(elements.into()) as u32),
        None => (length(x), length(y)),
    };
    // An element of the first operand beside every one of the second.
    let all = |i: u32| l.splat(x[(i * l.bits / 64) as usize & 1] >> (i * l.bits % 64));
    let found = match imm >> 2 & 3 {
        // Equal any: is this character in the set?
        0 => {
            let none = (0..n).fold([u64::MAX; 2], |none, i| {
                let c = all(i);
                [0, 1].map(|h| none[h] & swar::differ(l, y[h], c))
            });
            !marks(none) & up_to(m)
        }
        // Ranges: is it in one of them?
        1 => {
            // Signed numbers with their highest bits turned over are in the order of unsigned ones.
            let flip = if imm & SIGNED == 0 { 0 } else { l.high };
            let none = (0..n / 2).fold([u64::MAX; 2], |none, i| {
                let (least, most) = (all(2 * i) ^ flip, all(2 * i + 1) ^ flip);
                [0, 1].map(|h| none[h] & (swar::borrow(l, y[h] ^ flip, least) | swar::borrow(l, most, y[h] ^ flip)))
            });
            !marks(none) & up_to(m)
        }
        // Equal each: beyond both ends they are equal.
        2 => {
            let (first, second) = (up_to(n), up_to(m));
            let equal = !marks([0, 1].map(|h| swar::differ(l, x[h], y[h])));
            equal & first & second | whole & !(first | second)
        }
        // Equal ordered: does the first operand begin here? What reaches beyond the register may yet.
        _ => {
            let ends = u128::MAX.checked_shl(m * l.bits).unwrap_or(0);
            let differ = (0..n).rev().fold(0, |differ, i| {
                let c = all(i);
                let here = shuffle::whole([0, 1].map(|h| swar::differ(l, y[h], c)));
                differ >> l.bits | here | ends
            });
            whole & !marks(shuffle::halves(differ))
        }
    };
    let bits = match imm >> 4 & 3 {
        1 => found ^ whole,
        // Only the valid elements of the second operand.
        3 => found ^ up_to(m),
        _ => found,
    };
    Found { bits, elements, first_ends: n < elements, second_ends: m < elements }
}

impl Found {
    /// The index of the lowest or highest bit, or the number of elements.
    fn index(&self, highest: bool) -> u32 {
        match self.bits {
            0 => self.elements,
            bits if highest => 31 - bits.leading_zeros(),
            bits => bits.trailing_zeros(),
        }
    }

    /// CF, ZF, SF and OF; AF and PF are clear.
    fn rflags(&self) -> u64 {
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        flag(self.bits != 0, rflags::CF)
            | flag(self.second_ends, rflags::ZF)
            | flag(self.first_ends, rflags::SF)
            | flag(self.bits & 1 != 0, rflags::OF)
    }

    /// All that the instructions tell, as one number.
    pub fn packed(&self, imm: u8) -> u64 {
        self.rflags() | u64::from(self.bits) << BITS | u64::from(self.index(imm & HIGHEST != 0)) << INDEX
    }
}

/// Where [`Found::packed`] has IntRes2. Below are the flags, at their RFLAGS places.
pub const BITS: u32 = 16;
/// Where it has the index.
pub const INDEX: u32 = 32;

/// The immediate's bit that asks for the highest index, not the lowest.
const HIGHEST: u8 = 0x40;
/// The same bit, where the result is a mask: each bit of it fills an element.
pub const EXPANDED: u8 = 0x40;
/// The one that says that elements are words.
pub const WORDS: u8 = 1;
/// The one that says that they are signed.
const SIGNED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual's words, element by element.
    fn told(x: V128, y: V128, lengths: Option<(u64, u64)>, imm: u8) -> Found {
        let elements = |x: V128| -> Vec<i32> {
            let bytes = shuffle::bytes(x);
            let words = bytes.chunks(2).map(|w| u16::from_le_bytes([w[0], w[1]]));
            match imm & 3 {
                0 => bytes.map(i32::from).to_vec(),
                1 => words.map(i32::from).collect(),
                2 => bytes.map(|b| i32::from(b as i8)).to_vec(),
                _ => words.map(|w| i32::from(w as i16)).collect(),
            }
        };
        let (first, second) = (elements(x), elements(y));
        let limit = first.len();
        let zero = |elements: &[i32]| elements.iter().position(|e| *e == 0).unwrap_or(limit);
        let (n, m) =
            lengths.map_or((zero(&first), zero(&second)), |(n, m)| (limit.min(n as usize), limit.min(m as usize)));
        let hit = |j: usize| match imm >> 2 & 3 {
            0 => j < m && first[..n].contains(&second[j]),
            1 => j < m && first[..n].chunks_exact(2).any(|r| r[0] <= second[j] && second[j] <= r[1]),
            2 if j < n && j < m => first[j] == second[j],
            2 => j >= n && j >= m,
            _ => (0..n.min(limit - j)).all(|i| j + i < m && first[i] == second[j + i]),
        };
        let turned = |j: usize| match imm >> 4 & 3 {
            1 => true,
            3 => j < m,
            _ => false,
        };
        let bits = (0..limit).fold(0, |bits, j| bits | u32::from(hit(j) != turned(j)) << j);
        Found { bits, elements: limit as u32, first_ends: n < limit, second_ends: m < limit }
    }

    #[test]
    fn all_immediates_agree_with_the_manuals_words() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for round in 0..4000 {
            // Of few values, or words like them, elements are often equal, and some are zero.
            let keep = [0x0303_0303_0303_0303, 0x8181_8181_8181_8181, 0x8003_8003_8003_8003, u64::MAX][round & 3];
            let mut operand = || [random() & keep, random() & keep];
            let (mut x, y) = (operand(), operand());
            if round & 4 != 0 {
                // A first operand that is often found in the second.
                let from = random() % 16;
                let end = random() % 16;
                x = shuffle::halves(shuffle::whole(y) >> (8 * from) & !(u128::MAX << (8 * end)));
            }
            let given = (round & 8 != 0).then(|| (random() % 20, random() % 20));
            for imm in 0..=255 {
                let (found, expected) = (compare(x, y, given, imm), told(x, y, given, imm));
                assert_eq!(found, expected, "{x:x?} {y:x?} {given:?} {imm:#x}");
            }
        }
    }

    #[test]
    fn what_is_told_is_packed() {
        let found = Found { bits: 0b10100, elements: 8, first_ends: true, second_ends: false };
        assert_eq!(found.packed(0), 2 << INDEX | 0b10100 << BITS | rflags::CF | rflags::SF);
        assert_eq!(found.packed(HIGHEST) >> INDEX, 4);
        let nothing = Found { bits: 0, elements: 16, first_ends: false, second_ends: true };
        assert_eq!(nothing.packed(HIGHEST), 16 << INDEX | rflags::ZF);
        let lowest = Found { bits: 1, ..nothing };
        assert_eq!(lowest.packed(0), 1 << BITS | rflags::CF | rflags::ZF | rflags::OF);
    }
}
