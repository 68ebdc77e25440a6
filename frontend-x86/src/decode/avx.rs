//! VEX-encoded vector instructions. Most are their namesakes without the V, with a destination of their own and the rest of
//! the register cleared: [`arrange`] puts the operands where the semantics look for them, and [`namesake`] gives the
//! mnemonic whose tables in [`super::vector`] apply. Here is what has no namesake.
//!
//! In an op of this family `r0` is the destination, `r2` the first source (of a legacy instruction they are the same), and
//! operand 1 the second source.

use super::{is_immediate, operand, set_helper};
use crate::helper::Helper;
use crate::op::{Func, Kind, Op, Width, bits};
use crate::sse::masked::WIDE_INDEX;
use crate::sse::ops::{DYNAMIC, FloatOp as F, Format, GprOp as G, MovOp, VecImmOp as I, VecOp as V, VecUnaryOp as U};
use iced_x86::{Code, EncodingKind, Instruction, Mnemonic as M, OpKind};
use std::sync::OnceLock;

/// Whether the instruction has a VEX prefix.
pub fn is_vex(instr: &Instruction) -> bool {
    instr.code().encoding() == EncodingKind::VEX
}

/// The mnemonic without its V, if there is one; else the same.
pub fn namesake(m: M) -> M {
    static TABLE: OnceLock<Vec<M>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let names: std::collections::HashMap<String, M> = M::values().map(|m| (format!("{m:?}"), m)).collect();
        let without = |m: M| names.get(&rest_of(&format!("{m:?}"))?).copied();
        M::values().map(|m| without(m).unwrap_or(m)).collect()
    });
    table.get(m as usize).copied().unwrap_or(m)
}

/// "Vaddps" without its V is "Addps".
fn rest_of(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix('V')?.chars();
    let first = rest.next()?;
    Some(first.to_uppercase().chain(rest).collect())
}

/// How wide the vectors of an instruction are.
pub fn vector_width(instr: &Instruction) -> Width {
    let wide = (0..instr.op_count()).any(|i| instr.op_register(i).is_ymm()) || instr.memory_size().size() == 32;
    if wide { Width::Y } else { Width::X }
}

/// Puts the operands of a VEX-encoded instruction in their places.
pub fn arrange(instr: &Instruction, op: &mut Op) {
    op.ins.bits |= bits::VEX;
    let count = instr.op_count();
    if (0..count).any(|i| is_immediate(instr.op_kind(i))) {
        op.imm = instr.immediate8().into();
    }
    if count == 4 && instr.op_kind(3) == OpKind::Register {
        op.imm2 = instr.op_register(3).number() as u8;
    }
    let first = instr.op_register(1);
    let third = count >= 3 && matches!(instr.op_kind(2), OpKind::Register | OpKind::Memory);
    if instr.mnemonic() == M::Vmaskmovdqu || instr.op_kind(1) == OpKind::Memory && third {
        // The mask is operand 2, and stays there.
    } else if third && (first.is_xmm() || first.is_ymm()) {
        op.r2 = op.r1;
        (op.ins.k1, op.r1, _) = operand(instr, 2);
    } else if is_shift_by_immediate(instr) {
        op.r2 = op.r1;
        op.ins.k1 = Kind::Imm;
    } else {
        op.r2 = op.r0;
    }
}

fn is_shift_by_immediate(instr: &Instruction) -> bool {
    matches!(
        instr.mnemonic(),
        M::Vpsllw
            | M::Vpslld
            | M::Vpsllq
            | M::Vpsrlw
            | M::Vpsrld
            | M::Vpsrlq
            | M::Vpsraw
            | M::Vpsrad
            | M::Vpslldq
            | M::Vpsrldq
    )
}

fn set(op: &mut Op, func: Func, number: u8, w: Width, w2: Width) -> bool {
    op.ins.func = func;
    op.ins.sub = DYNAMIC;
    op.helper = number.into();
    op.ins.w = w;
    op.ins.w2 = w2;
    true
}

/// Fills the op in if the instruction is one without a namesake.
pub fn decode(instr: &Instruction, op: &mut Op, mode64: bool) -> bool {
    let m = instr.mnemonic();
    let w = vector_width(instr);
    match m {
        M::Vzeroupper | M::Vzeroall => {
            let number = if m == M::Vzeroall { MovOp::ZeroAll } else { MovOp::ZeroUpper };
            op.imm2 = if mode64 { 16 } else { 8 };
            set(op, Func::VecMov, number as u8, w, w);
            op.ins.sub = number as u8;
            true
        }
        M::Vextractf128 | M::Vextracti128 => general(op, G::Extract128, Width::Y, Width::X),
        M::Vcvtps2ph => general(op, G::Cvtps2ph, w, if w == Width::Y { Width::X } else { Width::Q }),
        M::Vtestps => general(op, G::Testps, w, w),
        M::Vtestpd => general(op, G::Testpd, w, w),
        M::Vcvtph2ps => {
            let w2 = if w == Width::Y { Width::X } else { Width::Q };
            set(op, Func::VecFloat, F::Cvtph2ps.number(Format::Ps), w, w2)
        }
        M::Vmaskmovps | M::Vpmaskmovd => masked(op, w, Width::D),
        M::Vmaskmovpd | M::Vpmaskmovq => masked(op, w, Width::Q),
        _ => bin(instr, op, w) || unary(m, op, w) || imm(m, op, w) || fma(m, op, w) || gathers(instr, op),
    }
}

fn general(op: &mut Op, number: G, w: Width, w2: Width) -> bool {
    set(op, Func::VecGpr, number as u8, w, w2);
    op.ins.sub = number as u8;
    true
}

fn masked(op: &mut Op, w: Width, lane: Width) -> bool {
    set_helper(op, Helper::MoveChosen);
    (op.ins.w, op.ins.w2) = (w, lane);
    true
}

fn bin(instr: &Instruction, op: &mut Op, w: Width) -> bool {
    if is_immediate(instr.op_kind(2)) {
        return false;
    }
    let number = match instr.mnemonic() {
        M::Vpsllvd => V::Vpsllvd,
        M::Vpsllvq => V::Vpsllvq,
        M::Vpsrlvd => V::Vpsrlvd,
        M::Vpsrlvq => V::Vpsrlvq,
        M::Vpsravd => V::Vpsravd,
        M::Vpermilps => V::Vpermilps,
        M::Vpermilpd => V::Vpermilpd,
        M::Vpermd | M::Vpermps => V::Vpermd,
        _ => return false,
    };
    set(op, Func::VecBin, number as u8, w, w)
}

fn unary(m: M, op: &mut Op, w: Width) -> bool {
    let (number, w2) = match m {
        M::Vpbroadcastb => (U::Pbroadcastb, Width::B),
        M::Vpbroadcastw => (U::Pbroadcastw, Width::W),
        M::Vpbroadcastd | M::Vbroadcastss => (U::Pbroadcastd, Width::D),
        M::Vpbroadcastq | M::Vbroadcastsd => (U::Pbroadcastq, Width::Q),
        M::Vbroadcastf128 | M::Vbroadcasti128 => (U::Broadcast128, Width::X),
        _ => return false,
    };
    set(op, Func::VecUnary, number as u8, w, w2)
}

fn imm(m: M, op: &mut Op, w: Width) -> bool {
    let (number, w2) = match m {
        M::Vpblendd => (I::Vpblendd, w),
        M::Vpermilps => (I::Vpermilps, w),
        M::Vpermilpd => (I::Vpermilpd, w),
        M::Vpermq | M::Vpermpd => (I::Vpermq, w),
        M::Vperm2f128 | M::Vperm2i128 => (I::Vperm2x128, w),
        M::Vinsertf128 | M::Vinserti128 => (I::Vinsert128, Width::X),
        _ => return false,
    };
    set(op, Func::VecImm, number as u8, w, w2)
}

/// The fused operations: `imm` says which order of the operands, 132, 213 or 231.
fn fma(m: M, op: &mut Op, w: Width) -> bool {
    use Format::{Pd, Ps, Sd, Ss};
    macro_rules! orders {
        ($($operation:ident: $($order:literal $ps:ident $pd:ident $ss:ident $sd:ident),+;)+) => {
            match m {
                $($(M::$ps => (F::$operation, $order, Ps),
                M::$pd => (F::$operation, $order, Pd),
                M::$ss => (F::$operation, $order, Ss),
                M::$sd => (F::$operation, $order, Sd),)+)+
                M::Vfmaddsub132ps => (F::Fmaddsub, 132, Ps),
                M::Vfmaddsub213ps => (F::Fmaddsub, 213, Ps),
                M::Vfmaddsub231ps => (F::Fmaddsub, 231, Ps),
                M::Vfmaddsub132pd => (F::Fmaddsub, 132, Pd),
                M::Vfmaddsub213pd => (F::Fmaddsub, 213, Pd),
                M::Vfmaddsub231pd => (F::Fmaddsub, 231, Pd),
                M::Vfmsubadd132ps => (F::Fmsubadd, 132, Ps),
                M::Vfmsubadd213ps => (F::Fmsubadd, 213, Ps),
                M::Vfmsubadd231ps => (F::Fmsubadd, 231, Ps),
                M::Vfmsubadd132pd => (F::Fmsubadd, 132, Pd),
                M::Vfmsubadd213pd => (F::Fmsubadd, 213, Pd),
                M::Vfmsubadd231pd => (F::Fmsubadd, 231, Pd),
                _ => return false,
            }
        };
    }
    let (operation, order, format) = orders! {
        Fmadd: 132 Vfmadd132ps Vfmadd132pd Vfmadd132ss Vfmadd132sd, 213 Vfmadd213ps Vfmadd213pd Vfmadd213ss Vfmadd213sd,
            231 Vfmadd231ps Vfmadd231pd Vfmadd231ss Vfmadd231sd;
        Fmsub: 132 Vfmsub132ps Vfmsub132pd Vfmsub132ss Vfmsub132sd, 213 Vfmsub213ps Vfmsub213pd Vfmsub213ss Vfmsub213sd,
            231 Vfmsub231ps Vfmsub231pd Vfmsub231ss Vfmsub231sd;
        Fnmadd: 132 Vfnmadd132ps Vfnmadd132pd Vfnmadd132ss Vfnmadd132sd,
            213 Vfnmadd213ps Vfnmadd213pd Vfnmadd213ss Vfnmadd213sd,
            231 Vfnmadd231ps Vfnmadd231pd Vfnmadd231ss Vfnmadd231sd;
        Fnmsub: 132 Vfnmsub132ps Vfnmsub132pd Vfnmsub132ss Vfnmsub132sd,
            213 Vfnmsub213ps Vfnmsub213pd Vfnmsub213ss Vfnmsub213sd,
            231 Vfnmsub231ps Vfnmsub231pd Vfnmsub231ss Vfnmsub231sd;
    };
    op.imm = order;
    let w2 = match format {
        Ss => Width::D,
        Sd => Width::Q,
        _ => w,
    };
    set(op, Func::VecFloat, operation.number(format), w, w2)
}

/// VPGATHER and VGATHER: `w2` is the element, `imm2` how many there are.
fn gathers(instr: &Instruction, op: &mut Op) -> bool {
    let (wide_index, lane) = match instr.mnemonic() {
        M::Vpgatherdd | M::Vgatherdps => (false, Width::D),
        M::Vpgatherdq | M::Vgatherdpd => (false, Width::Q),
        M::Vpgatherqd | M::Vgatherqps => (true, Width::D),
        M::Vpgatherqq | M::Vgatherqpd => (true, Width::Q),
        _ => return false,
    };
    let bits = if instr.op0_register().is_ymm() { 256 } else { 128 };
    let index_bits = if instr.memory_index().is_ymm() { 256 } else { 128 };
    let by_index = index_bits / if wide_index { 64 } else { 32 };
    op.imm2 = (bits / lane.bits()).min(by_index) as u8;
    set_helper(op, Helper::Gather);
    op.ins.sub = if wide_index { WIDE_INDEX } else { 0 };
    op.ins.w2 = lane;
    true
}

/// Whether CVTSI2Sx converts 64 bits.
pub fn converts_64_bits(instr: &Instruction) -> bool {
    matches!(instr.code(), Code::VEX_Vcvtsi2ss_xmm_xmm_rm64 | Code::VEX_Vcvtsi2sd_xmm_xmm_rm64)
}
