//! Vector operations whose result or source is a general register or the flags.

use super::super::operand::{place, put, read};
use super::{destination, enter_mmx, load, memory, source, write};
use crate::algebra::{Access, Bin, Cmp, Outcome};
use crate::flags::{FlagKind, Flags, rflags};
use crate::op::{Ins, Kind, Width, bits, reg};
use crate::sse::algebra::VectorAlgebra;
use crate::sse::ops::{FloatOp, Format, GprOp, VecImmOp, VecOp, VecUnaryOp};
use crate::sse::string;

/// `sub` is a [`GprOp`]. `w` is the width of the vector, or of the general register where there is one; `w2` that of the
/// lane, or of the source in memory.
#[inline(always)]
pub fn vec_gpr<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    a.simd_available_or_stop(i)?;
    match GprOp::from_number(i.sub) {
        GprOp::MovTo => {
            let v = read(a, i, 1, i.w2)?;
            let x = a.vec_from_low(v);
            write(a, i, x);
            Ok(a.next())
        }
        GprOp::MovFrom | GprOp::Pextr => extract(a, i),
        GprOp::Pinsr => {
            let v = read(a, i, 1, i.w2)?;
            let v = a.truncate(i.w2, v);
            let lane = lane(a, i);
            let x = destination(a, i);
            let x = a.vec_insert(i.w2, x, lane, v);
            write(a, i, x);
            Ok(a.next())
        }
        GprOp::Pmovmskb => signs(a, i, Width::B),
        GprOp::Movmskps => signs(a, i, Width::D),
        GprOp::Movmskpd => signs(a, i, Width::Q),
        GprOp::Ptest | GprOp::Testps | GprOp::Testpd => {
            let y = source(a, i)?;
            let y = signs_only(a, i, y);
            let x = destination(a, i);
            let (zf, cf) = a.vec_test(i.w, x, y);
            if i.has(bits::FLAGS) {
                let (q, none) = (Width::Q, a.k(Width::Q, 0));
                let (z, c) = (a.k(q, rflags::ZF), a.k(q, rflags::CF));
                let (z, c) = (a.select(q, zf, z, none), a.select(q, cf, c, none));
                let word = a.add(q, z, c);
                set_word(a, word);
            }
            Ok(a.next())
        }
        GprOp::Ucomiss => compare(a, i, Format::Ss, true),
        GprOp::Ucomisd => compare(a, i, Format::Sd, true),
        GprOp::Comiss => compare(a, i, Format::Ss, false),
        GprOp::Comisd => compare(a, i, Format::Sd, false),
        GprOp::Cvtsi2ss => from_int(a, i, Format::Ss),
        GprOp::Cvtsi2sd => from_int(a, i, Format::Sd),
        GprOp::Cvtss2si => to_int(a, i, Format::Ss, false),
        GprOp::Cvtsd2si => to_int(a, i, Format::Sd, false),
        GprOp::Cvttss2si => to_int(a, i, Format::Ss, true),
        GprOp::Cvttsd2si => to_int(a, i, Format::Sd, true),
        GprOp::Extract128 | GprOp::Cvtps2ph => narrow(a, i),
        GprOp::Pcmpestr | GprOp::Pcmpistr => strings(a, i),
    }
}

/// VTESTPS and VTESTPD look at the signs alone.
#[inline(always)]
fn signs_only<A: VectorAlgebra>(a: &mut A, i: Ins, y: A::X) -> A::X {
    let signs = match GprOp::from_number(i.sub) {
        GprOp::Testps => 0x8000_0000_8000_0000,
        GprOp::Testpd => 1 << 63,
        _ => return y,
    };
    let signs = a.k(Width::Q, signs);
    let signs = a.vec_from_low(signs);
    let signs = a.vec_unary(VecUnaryOp::Pbroadcastq, i.w, signs);
    a.vec_bin(VecOp::Pand, i.w, y, signs)
}

/// VEXTRACTF128, VEXTRACTI128 and VCVTPS2PH: a result of `w2`, to a register or to memory. What the conversion finds is in MXCSR, or
/// raised, before anybody looks at the memory, as on Intel's processors.
#[inline(always)]
fn narrow<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let (r0, r1, imm) = (a.op().r0, a.op().r1, a.op().imm as u8);
    let x = a.vector(r1, i.w);
    let x = if i.sub == GprOp::Cvtps2ph as u8 {
        a.float_or_stop(FloatOp::Cvtps2ph, Format::Ps, i.w, imm, x, x)?
    } else {
        a.vec_imm(VecImmOp::Vperm2x128, Width::Y, x, x, imm & 1)
    };
    if i.k0 != Kind::Mem {
        a.set_vector_whole(r0, Width::X, x);
        return Ok(a.next());
    }
    let p = memory(a, i, i.w2, Access::Write, false)?;
    if i.w2 == Width::X {
        a.store_vector(Width::X, p, x);
    } else {
        let v = a.vec_extract(Width::Q, x, 0);
        a.store(Width::Q, p, v);
    }
    Ok(a.next())
}

/// PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM: `w` is the lengths' width.
#[inline(always)]
fn strings<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let y = if i.k1 == Kind::Mem { load(a, i, Width::X, false)? } else { source(a, i)? };
    let x = destination(a, i);
    let imm = a.op().imm as u8;
    let lengths = (i.sub == GprOp::Pcmpestr as u8).then(|| (length(a, i, reg::RAX), length(a, i, reg::RDX)));
    let found = a.vec_strings(imm, x, y, lengths);
    if i.k0 == Kind::Reg {
        let at = a.k(Width::Q, string::INDEX.into());
        let index = a.bin(Bin::Shr, Width::Q, found, at);
        let r = a.op().r0;
        a.set_reg(r, Width::D, index);
    } else {
        let at = a.k(Width::Q, string::BITS.into());
        let bits = a.bin(Bin::Shr, Width::Q, found, at);
        let bits = a.truncate(Width::W, bits);
        let mask = if imm & string::EXPANDED == 0 { a.vec_from_low(bits) } else { expanded(a, imm, bits) };
        write(a, i, mask);
    }
    if i.has(bits::FLAGS) {
        let word = a.truncate(Width::W, found);
        set_word(a, word);
    }
    Ok(a.next())
}

/// The magnitude of a length, where it is no more than a vector has elements.
#[inline(always)]
fn length<A: VectorAlgebra>(a: &mut A, i: Ins, r: u8) -> A::V {
    let (v, zero, most) = (a.reg(r, i.w), a.k(i.w, 0), a.k(i.w, 16));
    let minus = a.sub(i.w, zero, v);
    let negative = a.cmp(Cmp::Slt, i.w, v, zero);
    let v = a.select(i.w, negative, minus, v);
    let few = a.cmp(Cmp::Ule, i.w, v, most);
    a.select(i.w, few, v, most)
}

/// Elements that are all ones where a bit is set: each half is compared with bits of which every element has its own.
#[inline(always)]
fn expanded<A: VectorAlgebra>(a: &mut A, imm: u8, bits: A::V) -> A::X {
    let words = imm & string::WORDS != 0;
    let (every, own, equal) = match words {
        true => (0x0001_0001_0001_0001, [0x0008_0004_0002_0001, 0x0080_0040_0020_0010], VecOp::Pcmpeqw),
        false => (0x0101_0101_0101_0101, [0x8040_2010_0804_0201; 2], VecOp::Pcmpeqb),
    };
    let every = a.k(Width::Q, every);
    let eight = a.k(Width::Q, 8);
    let low = a.truncate(Width::B, bits);
    let high = if words { low } else { a.bin(Bin::Shr, Width::Q, bits, eight) };
    let [low, high] = [low, high].map(|bits| a.bin(Bin::Mul, Width::Q, bits, every));
    let [own_low, own_high] = own.map(|own| a.k(Width::Q, own));
    let mut pair = |low, high| {
        let x = a.vec_from_low(low);
        a.vec_insert(Width::Q, x, 1, high)
    };
    let (x, own) = (pair(low, high), pair(own_low, own_high));
    let x = a.vec_bin(VecOp::Pand, Width::X, x, own);
    a.vec_bin(equal, Width::X, x, own)
}

/// The lane that the immediate names: its upper bits do not count.
#[inline(always)]
fn lane<A: VectorAlgebra>(a: &mut A, i: Ins) -> u32 {
    let whole = if i.k0 == Kind::Mmx || i.k1 == Kind::Mmx { 64 } else { 128 };
    a.op().imm as u32 & (whole / i.w2.bits() - 1)
}

#[inline(always)]
fn set_word<A: VectorAlgebra>(a: &mut A, aux: A::V) {
    let zero = a.k(Width::Q, 0);
    a.set_flags(Flags { kind: FlagKind::Word, w: Width::Q, res: zero, src: zero, aux });
}

/// MOVD and MOVQ from a vector, PEXTRx, EXTRACTPS: memory gets the lane, a register the lane zero-extended.
#[inline(always)]
fn extract<A: VectorAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let lane = if i.sub == GprOp::Pextr as u8 { lane(a, i) } else { 0 };
    let w = if i.k0 == Kind::Mem { i.w2 } else { i.w };
    let dst = place(a, i, 0, w, Access::Write)?;
    let x = source(a, i)?;
    let v = a.vec_extract(i.w2, x, lane);
    put(a, w, dst, v);
    enter_mmx(a, i);
    Ok(a.next())
}

#[inline(always)]
fn signs<A: VectorAlgebra>(a: &mut A, i: Ins, lane: Width) -> Outcome<A> {
    let x = source(a, i)?;
    let w = if i.k1 == Kind::Mmx { Width::Q } else { i.w };
    let v = a.vec_signs(lane, w, x);
    let r = a.op().r0;
    a.set_reg(r, Width::D, v);
    enter_mmx(a, i);
    Ok(a.next())
}

#[inline(always)]
fn compare<A: VectorAlgebra>(a: &mut A, i: Ins, format: Format, quiet: bool) -> Outcome<A> {
    let y = source(a, i)?;
    let x = destination(a, i);
    let word = a.float_compare_or_stop(format, quiet, x, y)?;
    if i.has(bits::FLAGS) {
        set_word(a, word);
    }
    Ok(a.next())
}

#[inline(always)]
fn from_int<A: VectorAlgebra>(a: &mut A, i: Ins, format: Format) -> Outcome<A> {
    let v = read(a, i, 1, i.w2)?;
    let bits = a.float_from_int_or_stop(format, i.w2, v)?;
    let x = destination(a, i);
    let w = if format == Format::Ss { Width::D } else { Width::Q };
    let x = a.vec_insert(w, x, 0, bits);
    write(a, i, x);
    Ok(a.next())
}

#[inline(always)]
fn to_int<A: VectorAlgebra>(a: &mut A, i: Ins, format: Format, truncate: bool) -> Outcome<A> {
    let x = source(a, i)?;
    let v = a.float_to_int_or_stop(format, truncate, i.w, x)?;
    let r = a.op().r0;
    a.set_reg(r, i.w, v);
    Ok(a.next())
}
