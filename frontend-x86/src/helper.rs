//! Instructions whose meaning is a plain function: the rare and the hairy. Every engine calls the same functions.

use crate::ctx::{Ctx, Done};
use crate::op::Op;

/// The type of such a function. On entry `cpu.rip` is the instruction's address and `cpu.next_rip` the next one's.
pub type HelperFn = fn(&mut Ctx, &Op) -> Done;

macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident => $function:path),+ $(,)?) => {
        /// Which function: the value of `op.helper` for [`crate::op::Func::Helper`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "the manual's mnemonics")]
        pub enum Helper { $($(#[$doc])* $name),+ }

        /// The functions, by number.
        pub static HELPERS: &[HelperFn] = &[$($function),+];

        /// Their names, by number, for traces.
        pub static NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

helpers! {
    /// Not an instruction, or one that the model lacks.
    Undefined => crate::system::misc::undefined,
    /// More than 15 bytes.
    TooLong => crate::system::misc::too_long,

    // MMX and SSE.
    Emms => crate::sse::mmx::emms,
    Maskmov => crate::sse::rare::maskmov,
    Ldmxcsr => crate::sse::rare::ldmxcsr,
    Stmxcsr => crate::sse::rare::stmxcsr,
    Pcmpstr => crate::sse::string::pcmpstr,

    // x87.
    NoFpu => crate::x87::control::legacy,
    FaddSt0 => crate::x87::arith::to_top::<crate::x87::arith::Add>,
    FaddSti => crate::x87::arith::from_top::<crate::x87::arith::Add>,
    Faddp => crate::x87::arith::popping::<crate::x87::arith::Add>,
    FaddM32 => crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::M32>,
    FaddM64 => crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::M64>,
    Fiadd16 => crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::I16>,
    Fiadd32 => crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::I32>,
    FsubSt0 => crate::x87::arith::to_top::<crate::x87::arith::Sub>,
    FsubSti => crate::x87::arith::from_top::<crate::x87::arith::Sub>,
    Fsubp => crate::x87::arith::popping::<crate::x87::arith::Sub>,
    FsubM32 => crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::M32>,
    FsubM64 => crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::M64>,
    Fisub16 => crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::I16>,
    Fisub32 => crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::I32>,
    FsubrSt0 => crate::x87::arith::to_top::<crate::x87::arith::Subr>,
    FsubrSti => crate::x87::arith::from_top::<crate::x87::arith::Subr>,
    Fsubrp => crate::x87::arith::popping::<crate::x87::arith::Subr>,
    FsubrM32 => crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::M32>,
    FsubrM64 => crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::M64>,
    Fisubr16 => crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::I16>,
    Fisubr32 => crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::I32>,
    FmulSt0 => crate::x87::arith::to_top::<crate::x87::arith::Mul>,
    FmulSti => crate::x87::arith::from_top::<crate::x87::arith::Mul>,
    Fmulp => crate::x87::arith::popping::<crate::x87::arith::Mul>,
    FmulM32 => crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::M32>,
    FmulM64 => crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::M64>,
    Fimul16 => crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::I16>,
    Fimul32 => crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::I32>,
    FdivSt0 => crate::x87::arith::to_top::<crate::x87::arith::Div>,
    FdivSti => crate::x87::arith::from_top::<crate::x87::arith::Div>,
    Fdivp => crate::x87::arith::popping::<crate::x87::arith::Div>,
    FdivM32 => crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::M32>,
    FdivM64 => crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::M64>,
    Fidiv16 => crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::I16>,
    Fidiv32 => crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::I32>,
    FdivrSt0 => crate::x87::arith::to_top::<crate::x87::arith::Divr>,
    FdivrSti => crate::x87::arith::from_top::<crate::x87::arith::Divr>,
    Fdivrp => crate::x87::arith::popping::<crate::x87::arith::Divr>,
    FdivrM32 => crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::M32>,
    FdivrM64 => crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::M64>,
    Fidivr16 => crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::I16>,
    Fidivr32 => crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::I32>,
    Fsqrt => crate::x87::arith::fsqrt,
    Frndint => crate::x87::arith::frndint,
    F2xm1 => crate::x87::arith::f2xm1,
    Fabs => crate::x87::arith::fabs,
    Fchs => crate::x87::arith::fchs,
    Fcom => crate::x87::compare::register::<false, 0>,
    Fcomp => crate::x87::compare::register::<false, 1>,
    Fcompp => crate::x87::compare::register::<false, 2>,
    Fucom => crate::x87::compare::register::<true, 0>,
    Fucomp => crate::x87::compare::register::<true, 1>,
    Fucompp => crate::x87::compare::register::<true, 2>,
    FcomM32 => crate::x87::compare::memory::<crate::x87::memory::M32, 0>,
    FcompM32 => crate::x87::compare::memory::<crate::x87::memory::M32, 1>,
    FcomM64 => crate::x87::compare::memory::<crate::x87::memory::M64, 0>,
    FcompM64 => crate::x87::compare::memory::<crate::x87::memory::M64, 1>,
    Ficom16 => crate::x87::compare::memory::<crate::x87::memory::I16, 0>,
    Ficomp16 => crate::x87::compare::memory::<crate::x87::memory::I16, 1>,
    Ficom32 => crate::x87::compare::memory::<crate::x87::memory::I32, 0>,
    Ficomp32 => crate::x87::compare::memory::<crate::x87::memory::I32, 1>,
    Fcomi => crate::x87::compare::to_eflags::<false, 0>,
    Fcomip => crate::x87::compare::to_eflags::<false, 1>,
    Fucomi => crate::x87::compare::to_eflags::<true, 0>,
    Fucomip => crate::x87::compare::to_eflags::<true, 1>,
    Ftst => crate::x87::compare::ftst,
    Fxam => crate::x87::compare::fxam,
    FldM32 => crate::x87::load::fld_m32,
    FldM64 => crate::x87::load::fld_m64,
    FldM80 => crate::x87::load::fld_m80,
    FldSt => crate::x87::load::fld_st,
    Fild16 => crate::x87::load::fild_m16,
    Fild32 => crate::x87::load::fild_m32,
    Fild64 => crate::x87::load::fild_m64,
    Fbld => crate::x87::load::fbld,
    Fxch => crate::x87::load::fxch,
    FldConstant => crate::x87::load::fld_constant,
    Fcmov => crate::x87::load::fcmov,
    FstM32 => crate::x87::store::fst_m32::<false>,
    FstpM32 => crate::x87::store::fst_m32::<true>,
    FstM64 => crate::x87::store::fst_m64::<false>,
    FstpM64 => crate::x87::store::fst_m64::<true>,
    FstpM80 => crate::x87::store::fstp_m80,
    FstSt => crate::x87::store::fst_st::<false>,
    FstpSt => crate::x87::store::fst_st::<true>,
    Fstpnce => crate::x87::store::fstpnce,
    Fist16 => crate::x87::store::fist_m16::<false>,
    Fistp16 => crate::x87::store::fist_m16::<true>,
    Fist32 => crate::x87::store::fist_m32::<false>,
    Fistp32 => crate::x87::store::fist_m32::<true>,
    Fistp64 => crate::x87::store::fistp_m64,
    Fisttp16 => crate::x87::store::fisttp_m16,
    Fisttp32 => crate::x87::store::fisttp_m32,
    Fisttp64 => crate::x87::store::fisttp_m64,
    Fbstp => crate::x87::store::fbstp,
    Fsin => crate::x87::function::fsin,
    Fcos => crate::x87::function::fcos,
    Fsincos => crate::x87::function::fsincos,
    Fptan => crate::x87::function::fptan,
    Fpatan => crate::x87::function::fpatan,
    Fyl2x => crate::x87::function::fyl2x,
    Fyl2xp1 => crate::x87::function::fyl2xp1,
    Fscale => crate::x87::function::fscale,
    Fxtract => crate::x87::function::fxtract,
    Fprem => crate::x87::function::fprem,
    Fprem1 => crate::x87::function::fprem1,
    Fninit => crate::x87::control::fninit,
    Fnclex => crate::x87::control::fnclex,
    Fldcw => crate::x87::control::fldcw,
    Fnstcw => crate::x87::control::fnstcw,
    FnstswM16 => crate::x87::control::fnstsw_m16,
    FnstswAx => crate::x87::control::fnstsw_ax,
    Fwait => crate::x87::control::fwait,
    Fnop => crate::x87::control::fnop,
    FpuLegacy => crate::x87::control::legacy,
    Fincstp => crate::x87::control::fincstp,
    Fdecstp => crate::x87::control::fdecstp,
    Ffree => crate::x87::control::ffree::<false>,
    Ffreep => crate::x87::control::ffree::<true>,
    Fnstenv16 => crate::x87::environment::fnstenv::<false>,
    Fnstenv32 => crate::x87::environment::fnstenv::<true>,
    Fldenv16 => crate::x87::environment::fldenv::<false>,
    Fldenv32 => crate::x87::environment::fldenv::<true>,
    Fnsave16 => crate::x87::environment::fnsave::<false>,
    Fnsave32 => crate::x87::environment::fnsave::<true>,
    Frstor16 => crate::x87::environment::frstor::<false>,
    Frstor32 => crate::x87::environment::frstor::<true>,
}

/// Whether the function never goes on with the next instruction in memory, so that decoding ahead is in vain.
pub fn ends_block(helper: u16) -> bool {
    helper == Helper::Undefined as u16 || helper == Helper::TooLong as u16
}
