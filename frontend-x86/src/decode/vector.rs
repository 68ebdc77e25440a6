//! MMX, SSE and AVX instructions: which semantic function, which operation, and how wide memory operands are.

use super::avx;
use crate::cpu::{CodeSize, Mode};
use crate::helper::Helper;
use crate::op::{Func, Kind, Op, Width, reg};
use crate::sse::ops::{
    BLEND, BlendOp, DYNAMIC, FloatOp as F, Format, GprOp as G, MovOp, VecImmOp as I, VecOp as V, VecUnaryOp as U,
};
use iced_x86::{Code, Instruction, Mnemonic as M};

/// Fills the op in if the instruction is one of this family. Operands are there already.
pub fn decode(instr: &Instruction, mode: Mode, op: &mut Op) -> bool {
    let mut m = instr.mnemonic();
    // What most have: the memory operand is as wide as the register.
    let mut whole = if op.ins.k0 == Kind::Mmx { Width::Q } else { Width::X };
    let vex = avx::is_vex(instr);
    if vex {
        if mode.real {
            return false;
        }
        avx::arrange(instr, op);
        if avx::decode(instr, op, mode.code == CodeSize::Bits64) {
            return true;
        }
        m = avx::namesake(m);
        whole = avx::vector_width(instr);
    } else if !matches!(m, M::Maskmovdqu | M::Maskmovq) {
        op.r2 = op.r0;
    }
    if moves(m, whole, op) {
        return true;
    }
    let scaled = |w2: Width| if whole == Width::Y { Width::of_bytes(2 * w2.bytes() as usize) } else { w2 };
    if let Some(operation) = bin(m, op.ins.k1) {
        let w2 = match m {
            M::Movlps | M::Movlpd | M::Movhps | M::Movhpd => Width::Q,
            // Only the low half of an MMX operand is read.
            M::Punpcklbw | M::Punpcklwd | M::Punpckldq if whole == Width::Q => Width::D,
            // One count for all lanes never has more than 128 bits.
            _ if operation.takes_count() => whole.min(Width::X),
            _ => whole,
        };
        return set(op, Func::VecBin, operation as u8, V::HOT.contains(&operation), whole, w2);
    }
    if let Some((operation, w2)) = unary(m) {
        // VMOVDDUP of 256 bits reads them all.
        let w2 = if operation == U::Movddup && whole == Width::Y { None } else { w2 };
        return set(op, Func::VecUnary, operation as u8, false, whole, w2.map_or(whole, scaled));
    }
    if let Some(operation) = imm(m) {
        let mut w2 = whole;
        if operation == I::Insertps && op.ins.k1 == Kind::Mem {
            // Memory holds the one single that is inserted.
            op.imm &= 0x3f;
            w2 = Width::D;
        }
        return set(op, Func::VecImm, operation as u8, operation == I::Pshufd, whole, w2);
    }
    if let Some((operation, format, w2)) = float(m) {
        if operation == F::Cmp {
            // Only AVX has more than eight predicates.
            op.imm &= if vex { 31 } else { 7 };
        }
        let w2 = if matches!(format, Format::Ss | Format::Sd) { w2 } else { scaled(w2) };
        let w = if whole == Width::Y { Width::Y } else { Width::X };
        return set(op, Func::VecFloat, operation.number(format), operation.is_hot(format), w, w2);
    }
    if let Some(operation) = blend(m) {
        set(op, Func::VecBin, operation as u8, false, whole, whole);
        op.ins.sub = BLEND;
        return true;
    }
    general(instr, m, whole, op) || strings(m, op) || rare(m, op)
}

fn set(op: &mut Op, func: Func, number: u8, hot: bool, w: Width, w2: Width) -> bool {
    op.ins.func = func;
    op.ins.sub = if hot { number } else { DYNAMIC };
    op.helper = number.into();
    op.ins.w = w;
    op.ins.w2 = w2;
    true
}

fn moves(m: M, whole: Width, op: &mut Op) -> bool {
    let (k0, k1) = (op.ins.k0, op.ins.k1);
    let has = |kind| k0 == kind || k1 == kind;
    let (operation, w2) = match m {
        M::Movaps | M::Movapd | M::Movdqa | M::Movntps | M::Movntpd | M::Movntdq | M::Movntdqa => {
            (MovOp::Aligned, whole.max(Width::X))
        }
        M::Movups | M::Movupd | M::Movdqu | M::Lddqu => (MovOp::Unaligned, whole.max(Width::X)),
        M::Movss if has(Kind::Mem) => (MovOp::Low, Width::D),
        M::Movsd if has(Kind::Mem) => (MovOp::Low, Width::Q),
        M::Movlps | M::Movlpd if k0 == Kind::Mem => (MovOp::Low, Width::Q),
        M::Movhps | M::Movhpd if k0 == Kind::Mem => (MovOp::High, Width::Q),
        M::Movd if !has(Kind::Reg) => (MovOp::Low, Width::D),
        M::Movq if !has(Kind::Reg) => (MovOp::Low, Width::Q),
        M::Movntq | M::Movq2dq | M::Movdq2q => (MovOp::Low, Width::Q),
        M::Movnti => {
            op.ins.func = Func::Mov;
            op.ins.sub = 0;
            return true;
        }
        _ => return false,
    };
    let w = if k0 == Kind::Mmx || k1 == Kind::Mmx { Width::Q } else { whole.max(Width::X) };
    set(op, Func::VecMov, operation as u8, true, w, w2)
}

fn bin(m: M, source: Kind) -> Option<V> {
    let register = source == Kind::Vec;
    Some(match m {
        M::Movss if register => V::Movss,
        M::Movsd if register => V::Movsd,
        M::Movlps | M::Movlpd => V::Movsd,
        M::Movhps | M::Movhpd | M::Movlhps => V::Punpcklqdq,
        M::Movhlps => V::Movhlps,
        M::Andps | M::Andpd | M::Pand => V::Pand,
        M::Andnps | M::Andnpd | M::Pandn => V::Pandn,
        M::Orps | M::Orpd | M::Por => V::Por,
        M::Xorps | M::Xorpd | M::Pxor => V::Pxor,
        M::Unpcklps | M::Punpckldq => V::Punpckldq,
        M::Unpckhps | M::Punpckhdq => V::Punpckhdq,
        M::Unpcklpd | M::Punpcklqdq => V::Punpcklqdq,
        M::Unpckhpd | M::Punpckhqdq => V::Punpckhqdq,
        M::Punpcklbw => V::Punpcklbw,
        M::Punpcklwd => V::Punpcklwd,
        M::Punpckhbw => V::Punpckhbw,
        M::Punpckhwd => V::Punpckhwd,
        M::Paddb => V::Paddb,
        M::Paddw => V::Paddw,
        M::Paddd => V::Paddd,
        M::Paddq => V::Paddq,
        M::Psubb => V::Psubb,
        M::Psubw => V::Psubw,
        M::Psubd => V::Psubd,
        M::Psubq => V::Psubq,
        M::Paddsb => V::Paddsb,
        M::Paddsw => V::Paddsw,
        M::Paddusb => V::Paddusb,
        M::Paddusw => V::Paddusw,
        M::Psubsb => V::Psubsb,
        M::Psubsw => V::Psubsw,
        M::Psubusb => V::Psubusb,
        M::Psubusw => V::Psubusw,
        M::Pcmpeqb => V::Pcmpeqb,
        M::Pcmpeqw => V::Pcmpeqw,
        M::Pcmpeqd => V::Pcmpeqd,
        M::Pcmpeqq => V::Pcmpeqq,
        M::Pcmpgtb => V::Pcmpgtb,
        M::Pcmpgtw => V::Pcmpgtw,
        M::Pcmpgtd => V::Pcmpgtd,
        M::Pcmpgtq => V::Pcmpgtq,
        M::Pminub => V::Pminub,
        M::Pminuw => V::Pminuw,
        M::Pminud => V::Pminud,
        M::Pminsb => V::Pminsb,
        M::Pminsw => V::Pminsw,
        M::Pminsd => V::Pminsd,
        M::Pmaxub => V::Pmaxub,
        M::Pmaxuw => V::Pmaxuw,
        M::Pmaxud => V::Pmaxud,
        M::Pmaxsb => V::Pmaxsb,
        M::Pmaxsw => V::Pmaxsw,
        M::Pmaxsd => V::Pmaxsd,
        M::Pavgb => V::Pavgb,
        M::Pavgw => V::Pavgw,
        M::Psignb => V::Psignb,
        M::Psignw => V::Psignw,
        M::Psignd => V::Psignd,
        M::Psllw => V::Psllw,
        M::Pslld => V::Pslld,
        M::Psllq => V::Psllq,
        M::Psrlw => V::Psrlw,
        M::Psrld => V::Psrld,
        M::Psrlq => V::Psrlq,
        M::Psraw => V::Psraw,
        M::Psrad => V::Psrad,
        M::Pslldq => V::Pslldq,
        M::Psrldq => V::Psrldq,
        M::Pmullw => V::Pmullw,
        M::Pmulhw => V::Pmulhw,
        M::Pmulhuw => V::Pmulhuw,
        M::Pmulhrsw => V::Pmulhrsw,
        M::Pmulld => V::Pmulld,
        M::Pmuludq => V::Pmuludq,
        M::Pmuldq => V::Pmuldq,
        M::Pmaddwd => V::Pmaddwd,
        M::Pmaddubsw => V::Pmaddubsw,
        M::Psadbw => V::Psadbw,
        M::Phaddw => V::Phaddw,
        M::Phaddd => V::Phaddd,
        M::Phaddsw => V::Phaddsw,
        M::Phsubw => V::Phsubw,
        M::Phsubd => V::Phsubd,
        M::Phsubsw => V::Phsubsw,
        M::Packsswb => V::Packsswb,
        M::Packssdw => V::Packssdw,
        M::Packuswb => V::Packuswb,
        M::Packusdw => V::Packusdw,
        M::Pshufb => V::Pshufb,
        M::Aesenc => V::Aesenc,
        M::Aesenclast => V::Aesenclast,
        M::Aesdec => V::Aesdec,
        M::Aesdeclast => V::Aesdeclast,
        M::Sha1nexte => V::Sha1nexte,
        M::Sha1msg1 => V::Sha1msg1,
        M::Sha1msg2 => V::Sha1msg2,
        M::Sha256msg1 => V::Sha256msg1,
        M::Sha256msg2 => V::Sha256msg2,
        _ => return None,
    })
}

/// The operation, and the width of its source in memory where that is not the register's.
fn unary(m: M) -> Option<(U, Option<Width>)> {
    Some(match m {
        M::Pabsb => (U::Pabsb, None),
        M::Pabsw => (U::Pabsw, None),
        M::Pabsd => (U::Pabsd, None),
        M::Pmovsxbw => (U::Pmovsxbw, Some(Width::Q)),
        M::Pmovsxbd => (U::Pmovsxbd, Some(Width::D)),
        M::Pmovsxbq => (U::Pmovsxbq, Some(Width::W)),
        M::Pmovsxwd => (U::Pmovsxwd, Some(Width::Q)),
        M::Pmovsxwq => (U::Pmovsxwq, Some(Width::D)),
        M::Pmovsxdq => (U::Pmovsxdq, Some(Width::Q)),
        M::Pmovzxbw => (U::Pmovzxbw, Some(Width::Q)),
        M::Pmovzxbd => (U::Pmovzxbd, Some(Width::D)),
        M::Pmovzxbq => (U::Pmovzxbq, Some(Width::W)),
        M::Pmovzxwd => (U::Pmovzxwd, Some(Width::Q)),
        M::Pmovzxwq => (U::Pmovzxwq, Some(Width::D)),
        M::Pmovzxdq => (U::Pmovzxdq, Some(Width::Q)),
        M::Phminposuw => (U::Phminposuw, None),
        M::Movddup => (U::Movddup, Some(Width::Q)),
        M::Aesimc => (U::Aesimc, None),
        M::Movshdup => (U::Movshdup, None),
        M::Movsldup => (U::Movsldup, None),
        _ => return None,
    })
}

fn imm(m: M) -> Option<I> {
    Some(match m {
        M::Pshufd => I::Pshufd,
        M::Pshuflw => I::Pshuflw,
        M::Pshufhw => I::Pshufhw,
        M::Pshufw => I::Pshufw,
        M::Shufps => I::Shufps,
        M::Shufpd => I::Shufpd,
        M::Palignr => I::Palignr,
        M::Pblendw => I::Pblendw,
        M::Blendps => I::Blendps,
        M::Blendpd => I::Blendpd,
        M::Mpsadbw => I::Mpsadbw,
        M::Insertps => I::Insertps,
        M::Pclmulqdq => I::Pclmulqdq,
        M::Aeskeygenassist => I::Aeskeygenassist,
        M::Sha1rnds4 => I::Sha1rnds4,
        _ => return None,
    })
}

fn blend(m: M) -> Option<BlendOp> {
    Some(match m {
        M::Pblendvb => BlendOp::Pblendvb,
        M::Blendvps => BlendOp::Blendvps,
        M::Blendvpd => BlendOp::Blendvpd,
        M::Sha256rnds2 => BlendOp::Sha256rnds2,
        _ => return None,
    })
}

/// Operation, format, and the width of the source in memory.
fn float(m: M) -> Option<(F, Format, Width)> {
    use Format::{Pd, Ps, Sd, Ss};
    let plain = |operation, format| {
        let w2 = match format {
            Ss => Width::D,
            Sd => Width::Q,
            _ => Width::X,
        };
        (operation, format, w2)
    };
    Some(match m {
        M::Addps => plain(F::Add, Ps),
        M::Addpd => plain(F::Add, Pd),
        M::Addss => plain(F::Add, Ss),
        M::Addsd => plain(F::Add, Sd),
        M::Subps => plain(F::Sub, Ps),
        M::Subpd => plain(F::Sub, Pd),
        M::Subss => plain(F::Sub, Ss),
        M::Subsd => plain(F::Sub, Sd),
        M::Mulps => plain(F::Mul, Ps),
        M::Mulpd => plain(F::Mul, Pd),
        M::Mulss => plain(F::Mul, Ss),
        M::Mulsd => plain(F::Mul, Sd),
        M::Divps => plain(F::Div, Ps),
        M::Divpd => plain(F::Div, Pd),
        M::Divss => plain(F::Div, Ss),
        M::Divsd => plain(F::Div, Sd),
        M::Minps => plain(F::Min, Ps),
        M::Minpd => plain(F::Min, Pd),
        M::Minss => plain(F::Min, Ss),
        M::Minsd => plain(F::Min, Sd),
        M::Maxps => plain(F::Max, Ps),
        M::Maxpd => plain(F::Max, Pd),
        M::Maxss => plain(F::Max, Ss),
        M::Maxsd => plain(F::Max, Sd),
        M::Sqrtps => plain(F::Sqrt, Ps),
        M::Sqrtpd => plain(F::Sqrt, Pd),
        M::Sqrtss => plain(F::Sqrt, Ss),
        M::Sqrtsd => plain(F::Sqrt, Sd),
        M::Cmpps => plain(F::Cmp, Ps),
        M::Cmppd => plain(F::Cmp, Pd),
        M::Cmpss => plain(F::Cmp, Ss),
        M::Cmpsd => plain(F::Cmp, Sd),
        M::Roundps => plain(F::Round, Ps),
        M::Roundpd => plain(F::Round, Pd),
        M::Roundss => plain(F::Round, Ss),
        M::Roundsd => plain(F::Round, Sd),
        M::Dpps => plain(F::Dp, Ps),
        M::Dppd => plain(F::Dp, Pd),
        M::Haddps => plain(F::Hadd, Ps),
        M::Haddpd => plain(F::Hadd, Pd),
        M::Hsubps => plain(F::Hsub, Ps),
        M::Hsubpd => plain(F::Hsub, Pd),
        M::Addsubps => plain(F::Addsub, Ps),
        M::Addsubpd => plain(F::Addsub, Pd),
        M::Rcpps => plain(F::Rcp, Ps),
        M::Rcpss => plain(F::Rcp, Ss),
        M::Rsqrtps => plain(F::Rsqrt, Ps),
        M::Rsqrtss => plain(F::Rsqrt, Ss),
        M::Cvtdq2ps => (F::Cvtdq2ps, Ps, Width::X),
        M::Cvtps2dq => (F::Cvtps2dq, Ps, Width::X),
        M::Cvttps2dq => (F::Cvttps2dq, Ps, Width::X),
        M::Cvtdq2pd => (F::Cvtdq2pd, Ps, Width::Q),
        M::Cvtpd2dq => (F::Cvtpd2dq, Ps, Width::X),
        M::Cvttpd2dq => (F::Cvttpd2dq, Ps, Width::X),
        M::Cvtps2pd => (F::Cvtps2pd, Ps, Width::Q),
        M::Cvtpd2ps => (F::Cvtpd2ps, Ps, Width::X),
        M::Cvtss2sd => (F::Cvtss2sd, Ps, Width::D),
        M::Cvtsd2ss => (F::Cvtsd2ss, Ps, Width::Q),
        M::Cvtpi2ps => (F::Cvtpi2ps, Ps, Width::Q),
        M::Cvtpi2pd => (F::Cvtpi2pd, Ps, Width::Q),
        M::Cvtps2pi => (F::Cvtps2pi, Ps, Width::Q),
        M::Cvttps2pi => (F::Cvttps2pi, Ps, Width::Q),
        M::Cvtpd2pi => (F::Cvtpd2pi, Ps, Width::X),
        M::Cvttpd2pi => (F::Cvttpd2pi, Ps, Width::X),
        _ => return None,
    })
}

/// Instructions with a general register or the flags at one end.
fn general(instr: &Instruction, m: M, whole: Width, op: &mut Op) -> bool {
    // The general register's width; what it is without one does not matter.
    let w = op.ins.w;
    let vector = if op.ins.k0 == Kind::Mmx { Width::Q } else { Width::X };
    let (operation, w, w2) = match m {
        M::Movd | M::Movq => {
            let w = if m == M::Movd { Width::D } else { Width::Q };
            if op.ins.k0 == Kind::Reg { (G::MovFrom, w, w) } else { (G::MovTo, vector, w) }
        }
        M::Pmovmskb => (G::Pmovmskb, whole.max(Width::X), Width::X),
        M::Movmskps => (G::Movmskps, whole, Width::X),
        M::Movmskpd => (G::Movmskpd, whole, Width::X),
        M::Pextrb => (G::Pextr, w, Width::B),
        M::Pextrw => (G::Pextr, w, Width::W),
        M::Pextrd | M::Extractps => (G::Pextr, w, Width::D),
        M::Pextrq => (G::Pextr, w, Width::Q),
        M::Pinsrb => (G::Pinsr, vector, Width::B),
        M::Pinsrw => (G::Pinsr, vector, Width::W),
        M::Pinsrd => (G::Pinsr, vector, Width::D),
        M::Pinsrq => (G::Pinsr, vector, Width::Q),
        M::Ptest => (G::Ptest, whole, whole),
        M::Ucomiss => (G::Ucomiss, Width::X, Width::D),
        M::Ucomisd => (G::Ucomisd, Width::X, Width::Q),
        M::Comiss => (G::Comiss, Width::X, Width::D),
        M::Comisd => (G::Comisd, Width::X, Width::Q),
        M::Cvtss2si => (G::Cvtss2si, w, Width::D),
        M::Cvtsd2si => (G::Cvtsd2si, w, Width::Q),
        M::Cvttss2si => (G::Cvttss2si, w, Width::D),
        M::Cvttsd2si => (G::Cvttsd2si, w, Width::Q),
        M::Cvtsi2ss => (G::Cvtsi2ss, Width::X, integer_source(instr)),
        M::Cvtsi2sd => (G::Cvtsi2sd, Width::X, integer_source(instr)),
        _ => return false,
    };
    set(op, Func::VecGpr, operation as u8, true, w, w2)
}

/// Whether CVTSI2Sx converts 32 or 64 bits.
fn integer_source(instr: &Instruction) -> Width {
    use Code::{Cvtsi2sd_xmm_rm64, Cvtsi2ss_xmm_rm64};
    let wide = matches!(instr.code(), Cvtsi2ss_xmm_rm64 | Cvtsi2sd_xmm_rm64) || avx::converts_64_bits(instr);
    if wide { Width::Q } else { Width::D }
}

/// PCMPxSTRx. Operand 0 becomes what the manual leaves unsaid in the operands: ECX or XMM0.
fn strings(m: M, op: &mut Op) -> bool {
    let (operation, result, w) = match m {
        M::Pcmpestri => (G::Pcmpestr, Kind::Reg, Width::D),
        M::Pcmpestri64 => (G::Pcmpestr, Kind::Reg, Width::Q),
        M::Pcmpestrm => (G::Pcmpestr, Kind::Vec, Width::D),
        M::Pcmpestrm64 => (G::Pcmpestr, Kind::Vec, Width::Q),
        M::Pcmpistri => (G::Pcmpistr, Kind::Reg, Width::D),
        M::Pcmpistrm => (G::Pcmpistr, Kind::Vec, Width::D),
        _ => return false,
    };
    (op.ins.k0, op.r0) = (result, if result == Kind::Reg { reg::RCX } else { 0 });
    set(op, Func::VecGpr, operation as u8, true, w, Width::X)
}

/// Instructions that are plain functions.
fn rare(m: M, op: &mut Op) -> bool {
    let helper = match m {
        M::Maskmovdqu | M::Maskmovq => Helper::Maskmov,
        M::Emms => Helper::Emms,
        M::Ldmxcsr => Helper::Ldmxcsr,
        M::Stmxcsr => Helper::Stmxcsr,
        _ => return false,
    };
    super::set_helper(op, helper);
    true
}
