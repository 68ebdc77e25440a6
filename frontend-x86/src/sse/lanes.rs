//! What the integer vector operations compute, as pure functions on 128 bits. MMX runs them on the low quadword: see
//! [`bin64`] for the operations whose lanes depend on where the vector ends.

use super::ops::{BlendOp, VecOp, VecUnaryOp};
use super::swar::{self, B, D, Q, W};
use super::{V128, arith, avx, crypto, shuffle};

/// The same on both quadwords.
#[inline(always)]
fn each(x: V128, y: V128, f: impl Fn(u64, u64) -> u64) -> V128 {
    [f(x[0], y[0]), f(x[1], y[1])]
}

/// An operation on two vectors.
#[inline(always)]
pub fn bin(op: VecOp, x: V128, y: V128) -> V128 {
    // The hot ones are spelled out here, to be inlined where the operation is known.
    match op {
        VecOp::Paddb => each(x, y, |x, y| swar::add(B, x, y)),
        VecOp::Paddw => each(x, y, |x, y| swar::add(W, x, y)),
        VecOp::Paddd => each(x, y, |x, y| swar::add(D, x, y)),
        VecOp::Paddq => each(x, y, u64::wrapping_add),
        VecOp::Psubb => each(x, y, |x, y| swar::sub(B, x, y)),
        VecOp::Psubd => each(x, y, |x, y| swar::sub(D, x, y)),
        VecOp::Psubq => each(x, y, u64::wrapping_sub),
        VecOp::Pand => each(x, y, |x, y| x & y),
        VecOp::Pandn => each(x, y, |x, y| !x & y),
        VecOp::Por => each(x, y, |x, y| x | y),
        VecOp::Pxor => each(x, y, |x, y| x ^ y),
        VecOp::Pcmpeqb => each(x, y, |x, y| swar::equal(B, x, y)),
        VecOp::Pcmpeqw => each(x, y, |x, y| swar::equal(W, x, y)),
        VecOp::Pcmpeqd => each(x, y, |x, y| swar::equal(D, x, y)),
        VecOp::Pcmpgtb => each(x, y, |x, y| swar::less(B, y, x)),
        VecOp::Pminub => each(x, y, |x, y| swar::min_unsigned(B, x, y)),
        VecOp::Pmaxub => each(x, y, |x, y| swar::max_unsigned(B, x, y)),
        VecOp::Psubusb => each(x, y, |x, y| swar::sub_unsigned_saturated(B, x, y)),
        VecOp::Punpcklbw => shuffle::unpack_bytes(x[0], y[0]),
        VecOp::Punpcklwd => shuffle::unpack_words(x[0], y[0]),
        VecOp::Punpckldq => shuffle::unpack_doublewords(x[0], y[0]),
        VecOp::Punpcklqdq => [x[0], y[0]],
        VecOp::Punpckhqdq => [x[1], y[1]],
        VecOp::Psllq => each(x, [y[0]; 2], |x, n| swar::shift_left(Q, x, n)),
        VecOp::Psrlq => each(x, [y[0]; 2], |x, n| swar::shift_right(Q, x, n)),
        VecOp::Psrldq => shuffle::shift_bytes_right(x, y[0]),
        VecOp::Pslldq => shuffle::shift_bytes_left(x, y[0]),
        VecOp::Movss => [x[0] & !0xffff_ffff | y[0] & 0xffff_ffff, x[1]],
        VecOp::Movsd => [y[0], x[1]],
        _ => bin_rare(op, x, y),
    }
}

#[inline(never)]
fn bin_rare(op: VecOp, x: V128, y: V128) -> V128 {
    let n = [y[0]; 2];
    match op {
        VecOp::Psubw => each(x, y, |x, y| swar::sub(W, x, y)),
        VecOp::Paddsb => each(x, y, |x, y| swar::add_signed_saturated(B, x, y)),
        VecOp::Paddsw => each(x, y, |x, y| swar::add_signed_saturated(W, x, y)),
        VecOp::Paddusb => each(x, y, |x, y| swar::add_unsigned_saturated(B, x, y)),
        VecOp::Paddusw => each(x, y, |x, y| swar::add_unsigned_saturated(W, x, y)),
        VecOp::Psubsb => each(x, y, |x, y| swar::sub_signed_saturated(B, x, y)),
        VecOp::Psubsw => each(x, y, |x, y| swar::sub_signed_saturated(W, x, y)),
        VecOp::Psubusw => each(x, y, |x, y| swar::sub_unsigned_saturated(W, x, y)),
        VecOp::Pcmpeqq => each(x, y, |x, y| swar::equal(Q, x, y)),
        VecOp::Pcmpgtw => each(x, y, |x, y| swar::less(W, y, x)),
        VecOp::Pcmpgtd => each(x, y, |x, y| swar::less(D, y, x)),
        VecOp::Pcmpgtq => each(x, y, |x, y| swar::less(Q, y, x)),
        VecOp::Pminuw => each(x, y, |x, y| swar::min_unsigned(W, x, y)),
        VecOp::Pminud => each(x, y, |x, y| swar::min_unsigned(D, x, y)),
        VecOp::Pminsb => each(x, y, |x, y| swar::min_signed(B, x, y)),
        VecOp::Pminsw => each(x, y, |x, y| swar::min_signed(W, x, y)),
        VecOp::Pminsd => each(x, y, |x, y| swar::min_signed(D, x, y)),
        VecOp::Pmaxuw => each(x, y, |x, y| swar::max_unsigned(W, x, y)),
        VecOp::Pmaxud => each(x, y, |x, y| swar::max_unsigned(D, x, y)),
        VecOp::Pmaxsb => each(x, y, |x, y| swar::max_signed(B, x, y)),
        VecOp::Pmaxsw => each(x, y, |x, y| swar::max_signed(W, x, y)),
        VecOp::Pmaxsd => each(x, y, |x, y| swar::max_signed(D, x, y)),
        VecOp::Pavgb => each(x, y, |x, y| swar::average(B, x, y)),
        VecOp::Pavgw => each(x, y, |x, y| swar::average(W, x, y)),
        VecOp::Psignb => each(x, y, |x, y| swar::sign(B, x, y)),
        VecOp::Psignw => each(x, y, |x, y| swar::sign(W, x, y)),
        VecOp::Psignd => each(x, y, |x, y| swar::sign(D, x, y)),
        VecOp::Psllw => each(x, n, |x, n| swar::shift_left(W, x, n)),
        VecOp::Pslld => each(x, n, |x, n| swar::shift_left(D, x, n)),
        VecOp::Psrlw => each(x, n, |x, n| swar::shift_right(W, x, n)),
        VecOp::Psrld => each(x, n, |x, n| swar::shift_right(D, x, n)),
        VecOp::Psraw => each(x, n, |x, n| swar::shift_right_signed(W, x, n)),
        VecOp::Psrad => each(x, n, |x, n| swar::shift_right_signed(D, x, n)),
        VecOp::Pmullw => each(x, y, arith::multiply_words_low),
        VecOp::Pmulhw => each(x, y, arith::multiply_words_high),
        VecOp::Pmulhuw => each(x, y, arith::multiply_words_high_unsigned),
        VecOp::Pmulhrsw => each(x, y, arith::multiply_words_rounded),
        VecOp::Pmulld => each(x, y, arith::multiply_doublewords_low),
        VecOp::Pmuludq => each(x, y, |x, y| (x & 0xffff_ffff) * (y & 0xffff_ffff)),
        VecOp::Pmuldq => each(x, y, |x, y| (i64::from(x as i32) * i64::from(y as i32)) as u64),
        VecOp::Pmaddwd => each(x, y, arith::multiply_add_words),
        VecOp::Pmaddubsw => each(x, y, arith::multiply_add_bytes),
        VecOp::Psadbw => each(x, y, arith::sum_of_differences),
        VecOp::Phaddw => arith::horizontal_words(x, y, i16::wrapping_add),
        VecOp::Phaddsw => arith::horizontal_words(x, y, i16::saturating_add),
        VecOp::Phsubw => arith::horizontal_words(x, y, i16::wrapping_sub),
        VecOp::Phsubsw => arith::horizontal_words(x, y, i16::saturating_sub),
        VecOp::Phaddd => arith::horizontal_doublewords(x, y, u32::wrapping_add),
        VecOp::Phsubd => arith::horizontal_doublewords(x, y, u32::wrapping_sub),
        VecOp::Packsswb => arith::pack_words(x, y, i8::MIN.into(), i8::MAX.into()),
        VecOp::Packuswb => arith::pack_words(x, y, 0, u8::MAX.into()),
        VecOp::Packssdw => arith::pack_doublewords(x, y, i16::MIN.into(), i16::MAX.into()),
        VecOp::Packusdw => arith::pack_doublewords(x, y, 0, u16::MAX.into()),
        VecOp::Punpckhbw => shuffle::unpack_bytes(x[1], y[1]),
        VecOp::Punpckhwd => shuffle::unpack_words(x[1], y[1]),
        VecOp::Punpckhdq => shuffle::unpack_doublewords(x[1], y[1]),
        VecOp::Pshufb => shuffle::bytes_by(x, y),
        VecOp::Movhlps => [y[1], x[1]],
        VecOp::Aesenc => crypto::aes_encrypt(x, y, false),
        VecOp::Aesenclast => crypto::aes_encrypt(x, y, true),
        VecOp::Aesdec => crypto::aes_decrypt(x, y, false),
        VecOp::Aesdeclast => crypto::aes_decrypt(x, y, true),
        VecOp::Sha1nexte => crypto::sha1_next_e(x, y),
        VecOp::Sha1msg1 => crypto::sha1_message_1(x, y),
        VecOp::Sha1msg2 => crypto::sha1_message_2(x, y),
        VecOp::Sha256msg1 => crypto::sha256_message_1(x, y),
        VecOp::Sha256msg2 => crypto::sha256_message_2(x, y),
        // All others are hot, or AVX's own.
        _ => avx::bin(op, x, y),
    }
}

/// The MMX form of an operation on two vectors.
#[inline(always)]
pub fn bin64(op: VecOp, x: u64, y: u64) -> u64 {
    match op {
        // These work their way along the first operand, then along the second.
        VecOp::Packsswb
        | VecOp::Packssdw
        | VecOp::Packuswb
        | VecOp::Phaddw
        | VecOp::Phaddd
        | VecOp::Phaddsw
        | VecOp::Phsubw
        | VecOp::Phsubd
        | VecOp::Phsubsw => bin(op, [x, y], [0, 0])[0],
        // The upper half of 64 bits is the second half of what the low form makes.
        VecOp::Punpckhbw => shuffle::unpack_bytes(x, y)[1],
        VecOp::Punpckhwd => shuffle::unpack_words(x, y)[1],
        VecOp::Punpckhdq => shuffle::unpack_doublewords(x, y)[1],
        // Indices have three bits instead of four.
        VecOp::Pshufb => bin(op, [x, 0], [y & !0x0808_0808_0808_0808, 0])[0],
        _ => bin(op, [x, 0], [y, 0])[0],
    }
}

/// An operation on one vector.
#[inline]
pub fn unary(op: VecUnaryOp, x: V128) -> V128 {
    match op {
        VecUnaryOp::Movq => [x[0], 0],
        VecUnaryOp::Pabsb => x.map(|x| swar::absolute(B, x)),
        VecUnaryOp::Pabsw => x.map(|x| swar::absolute(W, x)),
        VecUnaryOp::Pabsd => x.map(|x| swar::absolute(D, x)),
        VecUnaryOp::Pmovsxbw => shuffle::widen(x[0], 8, 16, true),
        VecUnaryOp::Pmovsxbd => shuffle::widen(x[0], 8, 32, true),
        VecUnaryOp::Pmovsxbq => shuffle::widen(x[0], 8, 64, true),
        VecUnaryOp::Pmovsxwd => shuffle::widen(x[0], 16, 32, true),
        VecUnaryOp::Pmovsxwq => shuffle::widen(x[0], 16, 64, true),
        VecUnaryOp::Pmovsxdq => shuffle::widen(x[0], 32, 64, true),
        VecUnaryOp::Pmovzxbw => shuffle::widen(x[0], 8, 16, false),
        VecUnaryOp::Pmovzxbd => shuffle::widen(x[0], 8, 32, false),
        VecUnaryOp::Pmovzxbq => shuffle::widen(x[0], 8, 64, false),
        VecUnaryOp::Pmovzxwd => shuffle::widen(x[0], 16, 32, false),
        VecUnaryOp::Pmovzxwq => shuffle::widen(x[0], 16, 64, false),
        VecUnaryOp::Pmovzxdq => shuffle::widen(x[0], 32, 64, false),
        VecUnaryOp::Phminposuw => arith::least_word(x),
        VecUnaryOp::Movddup => [x[0], x[0]],
        VecUnaryOp::Movshdup => x.map(|x| x >> 32 | x >> 32 << 32),
        VecUnaryOp::Movsldup => x.map(|x| x & 0xffff_ffff | x << 32),
        VecUnaryOp::Aesimc => crypto::aes_inverse_mix(x),
        // Broadcasts are made of 256 bits at once.
        _ => x,
    }
}

/// A blend: y where the mask's lane is negative, else x.
#[inline]
pub fn blend(op: BlendOp, x: V128, y: V128, mask: V128) -> V128 {
    let lane = match op {
        BlendOp::Sha256rnds2 => return crypto::sha256_rounds(x, y, mask),
        BlendOp::Pblendvb => B,
        BlendOp::Blendvps => D,
        BlendOp::Blendvpd => Q,
    };
    std::array::from_fn(|i| swar::choose(swar::negative(lane, mask[i]), y[i], x[i]))
}

/// PMOVMSKB.
#[inline(always)]
pub fn byte_signs(x: V128) -> u64 {
    swar::byte_marks(x[0]) | swar::byte_marks(x[1]) << 8
}

/// MOVMSKPS.
#[inline(always)]
pub fn single_signs(x: V128) -> u64 {
    let two = |x: u64| x >> 31 & 1 | x >> 62 & 2;
    two(x[0]) | two(x[1]) << 2
}

/// MOVMSKPD.
#[inline(always)]
pub fn double_signs(x: V128) -> u64 {
    x[0] >> 63 | x[1] >> 62 & 2
}
