//! x87 instructions: which plain function and which of its operations.

use super::set_helper;
use crate::helper::Helper as H;
use crate::model::{Feature, Model};
use crate::op::Op;
use iced_x86::{Code as C, Instruction};

/// Fills the op in if the instruction is one of this family. The number of the register that is not implied goes to `r1`;
/// `sub` tells the constants and conditions apart.
pub fn decode(instr: &Instruction, bytes: &[u8], op: &mut Op) -> bool {
    let Some(helper) = helper(instr.code(), &mut op.ins.sub) else {
        return false;
    };
    op.r1 = if matches!(helper, H::Fcompp | H::Fucompp) { 1 } else { op.r1 | op.r0 };
    op.fop = fop(bytes);
    set_helper(op, helper);
    true
}

/// Fills the op in if the instruction is one of this family and the model has no x87 unit: #NM lets software emulate it,
/// or nothing happens.
pub fn without_unit(instr: &Instruction, model: &Model, op: &mut Op) -> bool {
    if model.has(Feature::Fpu) || helper(instr.code(), &mut op.ins.sub).is_none() {
        return false;
    }
    set_helper(op, H::NoFpu);
    true
}

/// FOP's form of an instruction's opcode: the low three bits of the byte D8 to DF, then the next byte. No prefix has such
/// a value.
fn fop(bytes: &[u8]) -> u16 {
    match bytes.iter().position(|b| b & 0xf8 == 0xd8) {
        Some(at) => u16::from(bytes[at] & 7) << 8 | bytes.get(at + 1).copied().map_or(0, u16::from),
        None => 0,
    }
}

fn helper(code: C, sub: &mut u8) -> Option<H> {
    let mut with = |helper, number| {
        *sub = number;
        helper
    };
    Some(match code {
        C::Fadd_st0_sti => H::FaddSt0,
        C::Fadd_sti_st0 => H::FaddSti,
        C::Faddp_sti_st0 => H::Faddp,
        C::Fadd_m32fp => H::FaddM32,
        C::Fadd_m64fp => H::FaddM64,
        C::Fiadd_m16int => H::Fiadd16,
        C::Fiadd_m32int => H::Fiadd32,
        C::Fsub_st0_sti => H::FsubSt0,
        C::Fsub_sti_st0 => H::FsubSti,
        C::Fsubp_sti_st0 => H::Fsubp,
        C::Fsub_m32fp => H::FsubM32,
        C::Fsub_m64fp => H::FsubM64,
        C::Fisub_m16int => H::Fisub16,
        C::Fisub_m32int => H::Fisub32,
        C::Fsubr_st0_sti => H::FsubrSt0,
        C::Fsubr_sti_st0 => H::FsubrSti,
        C::Fsubrp_sti_st0 => H::Fsubrp,
        C::Fsubr_m32fp => H::FsubrM32,
        C::Fsubr_m64fp => H::FsubrM64,
        C::Fisubr_m16int => H::Fisubr16,
        C::Fisubr_m32int => H::Fisubr32,
        C::Fmul_st0_sti => H::FmulSt0,
        C::Fmul_sti_st0 => H::FmulSti,
        C::Fmulp_sti_st0 => H::Fmulp,
        C::Fmul_m32fp => H::FmulM32,
        C::Fmul_m64fp => H::FmulM64,
        C::Fimul_m16int => H::Fimul16,
        C::Fimul_m32int => H::Fimul32,
        C::Fdiv_st0_sti => H::FdivSt0,
        C::Fdiv_sti_st0 => H::FdivSti,
        C::Fdivp_sti_st0 => H::Fdivp,
        C::Fdiv_m32fp => H::FdivM32,
        C::Fdiv_m64fp => H::FdivM64,
        C::Fidiv_m16int => H::Fidiv16,
        C::Fidiv_m32int => H::Fidiv32,
        C::Fdivr_st0_sti => H::FdivrSt0,
        C::Fdivr_sti_st0 => H::FdivrSti,
        C::Fdivrp_sti_st0 => H::Fdivrp,
        C::Fdivr_m32fp => H::FdivrM32,
        C::Fdivr_m64fp => H::FdivrM64,
        C::Fidivr_m16int => H::Fidivr16,
        C::Fidivr_m32int => H::Fidivr32,
        C::Fsqrt => H::Fsqrt,
        C::Frndint => H::Frndint,
        C::F2xm1 => H::F2xm1,
        C::Fabs => H::Fabs,
        C::Fchs => H::Fchs,
        C::Fcom_st0_sti | C::Fcom_st0_sti_DCD0 => H::Fcom,
        C::Fcomp_st0_sti | C::Fcomp_st0_sti_DCD8 | C::Fcomp_st0_sti_DED0 => H::Fcomp,
        C::Fcompp => H::Fcompp,
        C::Fucom_st0_sti => H::Fucom,
        C::Fucomp_st0_sti => H::Fucomp,
        C::Fucompp => H::Fucompp,
        C::Fcom_m32fp => H::FcomM32,
        C::Fcomp_m32fp => H::FcompM32,
        C::Fcom_m64fp => H::FcomM64,
        C::Fcomp_m64fp => H::FcompM64,
        C::Ficom_m16int => H::Ficom16,
        C::Ficomp_m16int => H::Ficomp16,
        C::Ficom_m32int => H::Ficom32,
        C::Ficomp_m32int => H::Ficomp32,
        C::Fcomi_st0_sti => H::Fcomi,
        C::Fcomip_st0_sti => H::Fcomip,
        C::Fucomi_st0_sti => H::Fucomi,
        C::Fucomip_st0_sti => H::Fucomip,
        C::Ftst => H::Ftst,
        C::Fxam => H::Fxam,
        C::Fld_m32fp => H::FldM32,
        C::Fld_m64fp => H::FldM64,
        C::Fld_m80fp => H::FldM80,
        C::Fld_sti => H::FldSt,
        C::Fild_m16int => H::Fild16,
        C::Fild_m32int => H::Fild32,
        C::Fild_m64int => H::Fild64,
        C::Fbld_m80bcd => H::Fbld,
        C::Fxch_st0_sti | C::Fxch_st0_sti_DDC8 | C::Fxch_st0_sti_DFC8 => H::Fxch,
        C::Fld1 => with(H::FldConstant, 0),
        C::Fldl2t => with(H::FldConstant, 1),
        C::Fldl2e => with(H::FldConstant, 2),
        C::Fldpi => with(H::FldConstant, 3),
        C::Fldlg2 => with(H::FldConstant, 4),
        C::Fldln2 => with(H::FldConstant, 5),
        C::Fldz => with(H::FldConstant, 6),
        C::Fcmovb_st0_sti => with(H::Fcmov, 2),
        C::Fcmove_st0_sti => with(H::Fcmov, 4),
        C::Fcmovbe_st0_sti => with(H::Fcmov, 6),
        C::Fcmovu_st0_sti => with(H::Fcmov, 10),
        C::Fcmovnb_st0_sti => with(H::Fcmov, 3),
        C::Fcmovne_st0_sti => with(H::Fcmov, 5),
        C::Fcmovnbe_st0_sti => with(H::Fcmov, 7),
        C::Fcmovnu_st0_sti => with(H::Fcmov, 11),
        C::Fst_m32fp => H::FstM32,
        C::Fstp_m32fp => H::FstpM32,
        C::Fst_m64fp => H::FstM64,
        C::Fstp_m64fp => H::FstpM64,
        C::Fstp_m80fp => H::FstpM80,
        C::Fst_sti => H::FstSt,
        C::Fstp_sti | C::Fstp_sti_DFD0 | C::Fstp_sti_DFD8 => H::FstpSt,
        C::Fstpnce_sti => H::Fstpnce,
        C::Fist_m16int => H::Fist16,
        C::Fistp_m16int => H::Fistp16,
        C::Fist_m32int => H::Fist32,
        C::Fistp_m32int => H::Fistp32,
        C::Fistp_m64int => H::Fistp64,
        C::Fisttp_m16int => H::Fisttp16,
        C::Fisttp_m32int => H::Fisttp32,
        C::Fisttp_m64int => H::Fisttp64,
        C::Fbstp_m80bcd => H::Fbstp,
        C::Fsin => H::Fsin,
        C::Fcos => H::Fcos,
        C::Fsincos => H::Fsincos,
        C::Fptan => H::Fptan,
        C::Fpatan => H::Fpatan,
        C::Fyl2x => H::Fyl2x,
        C::Fyl2xp1 => H::Fyl2xp1,
        C::Fscale => H::Fscale,
        C::Fxtract => H::Fxtract,
        C::Fprem => H::Fprem,
        C::Fprem1 => H::Fprem1,
        C::Fninit => H::Fninit,
        C::Fnclex => H::Fnclex,
        C::Fldcw_m2byte => H::Fldcw,
        C::Fnstcw_m2byte => H::Fnstcw,
        C::Fnstsw_m2byte => H::FnstswM16,
        C::Fnstsw_AX => H::FnstswAx,
        C::Wait => H::Fwait,
        C::Fnop => H::Fnop,
        C::Fneni | C::Fndisi | C::Fnsetpm => H::FpuLegacy,
        C::Fincstp => H::Fincstp,
        C::Fdecstp => H::Fdecstp,
        C::Ffree_sti => H::Ffree,
        C::Ffreep_sti => H::Ffreep,
        C::Fnstenv_m14byte => H::Fnstenv16,
        C::Fnstenv_m28byte => H::Fnstenv32,
        C::Fldenv_m14byte => H::Fldenv16,
        C::Fldenv_m28byte => H::Fldenv32,
        C::Fnsave_m94byte => H::Fnsave16,
        C::Fnsave_m108byte => H::Fnsave32,
        C::Frstor_m94byte => H::Frstor16,
        C::Frstor_m108byte => H::Frstor32,
        _ => return None,
    })
}
