//! AES, PCLMULQDQ and SHA: what the operations compute, on 128 bits (FIPS 197 and FIPS 180-4, by way of the Intel SDM vol. 2).

use super::V128;
use super::shuffle::{bytes, from_bytes};

/// Multiplication by x in AES's field.
const fn double(b: u8) -> u8 {
    b << 1 ^ if b & 0x80 != 0 { 0x1b } else { 0 }
}

const fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut result, mut bit) = (a, 0, 0);
    while bit < 8 {
        if b >> bit & 1 != 0 {
            result ^= a;
        }
        a = double(a);
        bit += 1;
    }
    result
}

/// The S-box: the inverse in the field, then the affine map.
const SBOX: [u8; 256] = {
    let mut table = [0u8; 256];
    // 3 generates the field, and F6h is its inverse: their powers go through all pairs of inverses.
    let (mut p, mut q) = (1u8, 1u8);
    loop {
        p = multiply(p, 3);
        q = multiply(q, 0xf6);
        table[p as usize] = q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ 0x63;
        if p == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
};

const INVERSE_SBOX: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        table[SBOX[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// ShiftRows: byte `i` of the result comes from here.
fn shift_rows(x: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|i| x[(i + 4 * (i % 4)) % 16])
}

fn inverse_shift_rows(x: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|i| x[(i + 16 - 4 * (i % 4)) % 16])
}

/// MixColumns, or its inverse, by the first row of its matrix.
fn mix(x: [u8; 16], row: [u8; 4]) -> [u8; 16] {
    std::array::from_fn(|i| {
        let column = 4 * (i / 4);
        (0..4).fold(0, |sum, k| sum ^ multiply(x[column + k], row[(k + 4 - i % 4) % 4]))
    })
}

fn mix_columns(x: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|i| {
        let at = |k: usize| x[4 * (i / 4) + (i + k) % 4];
        double(at(0)) ^ double(at(1)) ^ at(1) ^ at(2) ^ at(3)
    })
}

const INVERSE_ROW: [u8; 4] = [14, 11, 13, 9];

fn add_key(x: [u8; 16], key: V128) -> V128 {
    let x = from_bytes(x);
    [x[0] ^ key[0], x[1] ^ key[1]]
}

/// AESENC, and AESENCLAST if `last`.
pub fn aes_encrypt(x: V128, key: V128, last: bool) -> V128 {
    let x = shift_rows(bytes(x).map(|b| SBOX[usize::from(b)]));
    add_key(if last { x } else { mix_columns(x) }, key)
}

/// AESDEC, and AESDECLAST if `last`.
pub fn aes_decrypt(x: V128, key: V128, last: bool) -> V128 {
    let x = inverse_shift_rows(bytes(x).map(|b| INVERSE_SBOX[usize::from(b)]));
    add_key(if last { x } else { mix(x, INVERSE_ROW) }, key)
}

/// AESIMC.
pub fn aes_inverse_mix(x: V128) -> V128 {
    from_bytes(mix(bytes(x), INVERSE_ROW))
}

/// AESKEYGENASSIST.
pub fn aes_key_assist(x: V128, round: u8) -> V128 {
    x.map(|quad| {
        let word = ((quad >> 32) as u32).to_le_bytes().map(|b| SBOX[usize::from(b)]);
        let word = u32::from_le_bytes(word);
        u64::from(word) | u64::from(word.rotate_right(8) ^ u32::from(round)) << 32
    })
}

/// PCLMULQDQ: the product without carries of one quadword of each operand.
pub fn carryless_product(x: V128, y: V128, imm: u8) -> V128 {
    let (a, b) = (u128::from(x[usize::from(imm & 1)]), y[usize::from(imm >> 4 & 1)]);
    let product = (0..64).fold(0, |sum: u128, bit| sum ^ ((a << bit) & ((b >> bit & 1) as u128 * u128::MAX)));
    [product as u64, (product >> 64) as u64]
}

/// The doublewords of a vector, the highest first, as the manual numbers a message's.
fn words(x: V128) -> [u32; 4] {
    [(x[1] >> 32) as u32, x[1] as u32, (x[0] >> 32) as u32, x[0] as u32]
}

fn from_words(w: [u32; 4]) -> V128 {
    [u64::from(w[2]) << 32 | u64::from(w[3]), u64::from(w[0]) << 32 | u64::from(w[1])]
}

/// SHA1RNDS4: four rounds with the function and constant that the immediate chooses.
pub fn sha1_rounds(x: V128, y: V128, imm: u8) -> V128 {
    let [mut a, mut b, mut c, mut d] = words(x);
    let mut e = 0u32;
    let k: u32 = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6][usize::from(imm & 3)];
    for w in words(y) {
        let f = match imm & 3 {
            0 => b & c ^ !b & d,
            2 => b & c ^ b & d ^ c & d,
            _ => b ^ c ^ d,
        };
        let next = f.wrapping_add(a.rotate_left(5)).wrapping_add(w).wrapping_add(e).wrapping_add(k);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    from_words([a, b, c, d])
}

/// SHA1NEXTE.
pub fn sha1_next_e(x: V128, y: V128) -> V128 {
    let w = words(y);
    from_words([w[0].wrapping_add(words(x)[0].rotate_left(30)), w[1], w[2], w[3]])
}

/// SHA1MSG1.
pub fn sha1_message_1(x: V128, y: V128) -> V128 {
    let ([w0, w1, w2, w3], [w4, w5, ..]) = (words(x), words(y));
    from_words([w2 ^ w0, w3 ^ w1, w4 ^ w2, w5 ^ w3])
}

/// SHA1MSG2.
pub fn sha1_message_2(x: V128, y: V128) -> V128 {
    let (w, [_, w13, w14, w15]) = (words(x), words(y));
    let w16 = (w[0] ^ w13).rotate_left(1);
    let w19 = (w[3] ^ w16).rotate_left(1);
    from_words([w16, (w[1] ^ w14).rotate_left(1), (w[2] ^ w15).rotate_left(1), w19])
}

/// SHA256RNDS2: two rounds; `wk` has the two sums of message and constant in its low quadword.
pub fn sha256_rounds(x: V128, y: V128, wk: V128) -> V128 {
    let ([mut a, mut b, mut e, mut f], [mut c, mut d, mut g, mut h]) = (words(y), words(x));
    for wk in [wk[0] as u32, (wk[0] >> 32) as u32] {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t = h.wrapping_add(s1).wrapping_add(e & f ^ !e & g).wrapping_add(wk);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let next = t.wrapping_add(s0).wrapping_add(a & b ^ a & c ^ b & c);
        (a, b, c, d, e, f, g, h) = (next, a, b, c, d.wrapping_add(t), e, f, g);
    }
    from_words([a, b, e, f])
}

/// SHA256MSG1.
pub fn sha256_message_1(x: V128, y: V128) -> V128 {
    let ([w3, w2, w1, w0], [.., w4]) = (words(x), words(y));
    let s = |w: u32| w.rotate_right(7) ^ w.rotate_right(18) ^ w >> 3;
    let sum = |a: u32, b: u32| a.wrapping_add(s(b));
    from_words([sum(w3, w4), sum(w2, w3), sum(w1, w2), sum(w0, w1)])
}

/// SHA256MSG2.
pub fn sha256_message_2(x: V128, y: V128) -> V128 {
    let ([x3, x2, x1, x0], [w15, w14, ..]) = (words(x), words(y));
    let s = |w: u32| w.rotate_right(17) ^ w.rotate_right(19) ^ w >> 10;
    let (w16, w17) = (x0.wrapping_add(s(w14)), x1.wrapping_add(s(w15)));
    from_words([x3.wrapping_add(s(w17)), x2.wrapping_add(s(w16)), w17, w16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boxes_are_those_of_the_standard() {
        assert_eq!((SBOX[0], SBOX[1], SBOX[0x53], SBOX[0xff]), (0x63, 0x7c, 0xed, 0x16));
        assert!((0..=255u8).all(|b| INVERSE_SBOX[usize::from(SBOX[usize::from(b)])] == b));
    }

    /// FIPS 197, appendix B: the first round of its example.
    #[test]
    fn a_round_of_the_standards_example() {
        let x = from_bytes(*b"\x19\x3d\xe3\xbe\xa0\xf4\xe2\x2b\x9a\xc6\x8d\x2a\xe9\xf8\x48\x08");
        let key = from_bytes(*b"\xa0\xfa\xfe\x17\x88\x54\x2c\xb1\x23\xa3\x39\x39\x2a\x6c\x76\x05");
        let after = from_bytes(*b"\xa4\x9c\x7f\xf2\x68\x9f\x35\x2b\x6b\x5b\xea\x43\x02\x6a\x50\x49");
        assert_eq!(aes_encrypt(x, key, false), after);
        // The other way: the equivalent inverse cipher undoes a last round.
        let last = aes_encrypt(x, key, true);
        assert_eq!(aes_decrypt([last[0] ^ key[0], last[1] ^ key[1]], [0, 0], true), x);
        assert_eq!(mix(mix_columns(bytes(x)), INVERSE_ROW), bytes(x));
    }

    #[test]
    fn products_without_carries() {
        assert_eq!(carryless_product([3, 0], [0, 3], 0x10), [5, 0]);
        assert_eq!(carryless_product([0, u64::MAX], [1 << 63, 0], 0x01), [1 << 63, u64::MAX >> 1]);
    }
}
