//! Instructions whose meaning is a plain function: the rare and the hairy. Every engine calls the same functions.

use crate::ctx::{Ctx, Done};
use crate::op::Op;
use crate::x87::bare::{Leaf, leaf};

/// The type of such a function. On entry `cpu.rip` is the instruction's address and `cpu.next_rip` the next one's.
pub type HelperFn = fn(&mut Ctx, &Op) -> Done;

macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident $([$operand:tt])? => $function:expr),+ $(,)?) => {
        /// Which function: the value of `op.helper` for [`crate::op::Func::Helper`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "the manual's mnemonics")]
        pub enum Helper { $($(#[$doc])* $name),+ }

        /// The functions, by number.
        pub static HELPERS: &[HelperFn] = &[$($function),+];

        /// Those of them that code can call with nothing but the x87 unit, by number.
        pub static LEAVES: &[Option<Leaf>] = &[$(leaf!([$($operand)?] $function)),+];

        /// Their names, by number, for traces.
        pub static NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

helpers! {
    /// Not an instruction, or one that the model lacks.
    Undefined => crate::system::misc::undefined,
    /// More than 15 bytes.
    TooLong => crate::system::misc::too_long,

    // Segments, descriptor tables, far transfers.
    MovToSreg => crate::system::segment::mov_to,
    PopSreg => crate::system::segment::pop,
    LoadFarPointer => crate::system::segment::load_far_pointer,
    StoreTable => crate::system::tables::store_table,
    LoadTable => crate::system::tables::load_table,
    StoreSelector => crate::system::tables::store_selector,
    Lldt => crate::system::tables::lldt,
    Ltr => crate::system::tables::ltr,
    LookUpSelector => crate::system::tables::look_up,
    VerifySelector => crate::system::tables::verify,
    Arpl => crate::system::tables::arpl,
    JmpFar => crate::system::far::jump,
    CallFar => crate::system::far::call,
    Retf => crate::system::far::ret,

    // Interrupts and fast system calls.
    Int => crate::system::interrupt::int,
    Int3 => crate::system::interrupt::int3,
    Into => crate::system::interrupt::into,
    Icebp => crate::system::interrupt::icebp,
    Iret => crate::system::iret::iret,
    Syscall => crate::system::syscall::syscall,
    Sysret => crate::system::syscall::sysret,
    Sysenter => crate::system::syscall::sysenter,
    Sysexit => crate::system::syscall::sysexit,
    ReadSegBase => crate::system::syscall::read_base,
    WriteSegBase => crate::system::syscall::write_base,

    // Control, debug and model-specific registers.
    MovFromCr => crate::system::control::mov_from,
    MovToCr => crate::system::control::mov_to,
    Clts => crate::system::control::clts,
    Smsw => crate::system::control::smsw,
    Lmsw => crate::system::control::lmsw,
    Invlpg => crate::system::control::invlpg,
    Invpcid => crate::system::control::invpcid,
    MovFromDr => crate::system::debug::mov_from,
    MovToDr => crate::system::debug::mov_to,
    Rdmsr => crate::system::msr::rdmsr,
    Wrmsr => crate::system::msr::wrmsr,
    Rdtsc => crate::system::misc::rdtsc,
    Rdtscp => crate::system::misc::rdtscp,
    Rdpid => crate::system::misc::rdpid,
    Rdpmc => crate::system::misc::rdpmc,
    Random => crate::system::misc::random,
    Cpuid => crate::system::misc::cpuid,
    Hlt => crate::system::misc::hlt,
    Pause => crate::system::misc::pause,
    Cache => crate::system::misc::cache,
    CacheLine => crate::system::misc::cache_line,
    Salc => crate::system::misc::salc,

    // Flags, ports, saved state.
    AccessFlag => crate::system::misc::access_flag,
    In => crate::system::io::input,
    Out => crate::system::io::output,
    Ins => crate::system::io::input_string,
    Outs => crate::system::io::output_string,
    Fxsave => crate::system::xsave::fxsave,
    Fxrstor => crate::system::xsave::fxrstor,
    Xsave => crate::system::xsave::xsave,
    Xrstor => crate::system::xsave::xrstor,
    Xgetbv => crate::system::xsave::xgetbv,
    Xsetbv => crate::system::xsave::xsetbv,

    // Rare integer instructions.
    Pusha => crate::system::frames::pusha,
    Popa => crate::system::frames::popa,
    Enter => crate::system::frames::enter,
    Bound => crate::system::frames::bound,
    AsciiAdjust => crate::system::bcd::ascii_adjust,
    DecimalAdjust => crate::system::bcd::decimal_adjust,
    Aam => crate::system::bcd::aam,
    Aad => crate::system::bcd::aad,
    Cmpxchg8b => crate::system::cmpxchg::cmpxchg8b,
    Cmpxchg16b => crate::system::cmpxchg::cmpxchg16b,

    // MMX and SSE.
    Emms => crate::sse::mmx::emms,
    Maskmov => crate::sse::rare::maskmov,
    Ldmxcsr => crate::sse::rare::ldmxcsr,
    Stmxcsr => crate::sse::rare::stmxcsr,
    MoveChosen => crate::sse::masked::move_chosen,
    Gather => crate::sse::masked::gather,

    // x87.
    NoFpu => crate::x87::control::legacy,
    FaddSt0 [Nothing] => |u, op| crate::x87::arith::to_top::<crate::x87::arith::Add>(u, op),
    FaddSti [Nothing] => |u, op| crate::x87::arith::from_top::<crate::x87::arith::Add>(u, op),
    Faddp [Nothing] => |u, op| crate::x87::arith::popping::<crate::x87::arith::Add>(u, op),
    FaddM32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::M32>(u, op),
    FaddM64 [Load64] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::M64>(u, op),
    Fiadd16 [Load16] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::I16>(u, op),
    Fiadd32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Add, crate::x87::memory::I32>(u, op),
    FsubSt0 [Nothing] => |u, op| crate::x87::arith::to_top::<crate::x87::arith::Sub>(u, op),
    FsubSti [Nothing] => |u, op| crate::x87::arith::from_top::<crate::x87::arith::Sub>(u, op),
    Fsubp [Nothing] => |u, op| crate::x87::arith::popping::<crate::x87::arith::Sub>(u, op),
    FsubM32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::M32>(u, op),
    FsubM64 [Load64] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::M64>(u, op),
    Fisub16 [Load16] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::I16>(u, op),
    Fisub32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Sub, crate::x87::memory::I32>(u, op),
    FsubrSt0 [Nothing] => |u, op| crate::x87::arith::to_top::<crate::x87::arith::Subr>(u, op),
    FsubrSti [Nothing] => |u, op| crate::x87::arith::from_top::<crate::x87::arith::Subr>(u, op),
    Fsubrp [Nothing] => |u, op| crate::x87::arith::popping::<crate::x87::arith::Subr>(u, op),
    FsubrM32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::M32>(u, op),
    FsubrM64 [Load64] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::M64>(u, op),
    Fisubr16 [Load16] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::I16>(u, op),
    Fisubr32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Subr, crate::x87::memory::I32>(u, op),
    FmulSt0 [Nothing] => |u, op| crate::x87::arith::to_top::<crate::x87::arith::Mul>(u, op),
    FmulSti [Nothing] => |u, op| crate::x87::arith::from_top::<crate::x87::arith::Mul>(u, op),
    Fmulp [Nothing] => |u, op| crate::x87::arith::popping::<crate::x87::arith::Mul>(u, op),
    FmulM32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::M32>(u, op),
    FmulM64 [Load64] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::M64>(u, op),
    Fimul16 [Load16] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::I16>(u, op),
    Fimul32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Mul, crate::x87::memory::I32>(u, op),
    FdivSt0 [Nothing] => |u, op| crate::x87::arith::to_top::<crate::x87::arith::Div>(u, op),
    FdivSti [Nothing] => |u, op| crate::x87::arith::from_top::<crate::x87::arith::Div>(u, op),
    Fdivp [Nothing] => |u, op| crate::x87::arith::popping::<crate::x87::arith::Div>(u, op),
    FdivM32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::M32>(u, op),
    FdivM64 [Load64] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::M64>(u, op),
    Fidiv16 [Load16] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::I16>(u, op),
    Fidiv32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Div, crate::x87::memory::I32>(u, op),
    FdivrSt0 [Nothing] => |u, op| crate::x87::arith::to_top::<crate::x87::arith::Divr>(u, op),
    FdivrSti [Nothing] => |u, op| crate::x87::arith::from_top::<crate::x87::arith::Divr>(u, op),
    Fdivrp [Nothing] => |u, op| crate::x87::arith::popping::<crate::x87::arith::Divr>(u, op),
    FdivrM32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::M32>(u, op),
    FdivrM64 [Load64] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::M64>(u, op),
    Fidivr16 [Load16] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::I16>(u, op),
    Fidivr32 [Load32] => |u, op| crate::x87::arith::memory::<crate::x87::arith::Divr, crate::x87::memory::I32>(u, op),
    Fsqrt [Nothing] => |u, op| crate::x87::arith::fsqrt(u, op),
    Frndint [Nothing] => |u, op| crate::x87::arith::frndint(u, op),
    F2xm1 [Nothing] => |u, op| crate::x87::arith::f2xm1(u, op),
    Fabs [Nothing] => |u, op| crate::x87::arith::fabs(u, op),
    Fchs [Nothing] => |u, op| crate::x87::arith::fchs(u, op),
    Fcom [Nothing] => |u, op| crate::x87::compare::register::<false, 0>(u, op),
    Fcomp [Nothing] => |u, op| crate::x87::compare::register::<false, 1>(u, op),
    Fcompp [Nothing] => |u, op| crate::x87::compare::register::<false, 2>(u, op),
    Fucom [Nothing] => |u, op| crate::x87::compare::register::<true, 0>(u, op),
    Fucomp [Nothing] => |u, op| crate::x87::compare::register::<true, 1>(u, op),
    Fucompp [Nothing] => |u, op| crate::x87::compare::register::<true, 2>(u, op),
    FcomM32 [Load32] => |u, op| crate::x87::compare::memory::<crate::x87::memory::M32, 0>(u, op),
    FcompM32 [Load32] => |u, op| crate::x87::compare::memory::<crate::x87::memory::M32, 1>(u, op),
    FcomM64 [Load64] => |u, op| crate::x87::compare::memory::<crate::x87::memory::M64, 0>(u, op),
    FcompM64 [Load64] => |u, op| crate::x87::compare::memory::<crate::x87::memory::M64, 1>(u, op),
    Ficom16 [Load16] => |u, op| crate::x87::compare::memory::<crate::x87::memory::I16, 0>(u, op),
    Ficomp16 [Load16] => |u, op| crate::x87::compare::memory::<crate::x87::memory::I16, 1>(u, op),
    Ficom32 [Load32] => |u, op| crate::x87::compare::memory::<crate::x87::memory::I32, 0>(u, op),
    Ficomp32 [Load32] => |u, op| crate::x87::compare::memory::<crate::x87::memory::I32, 1>(u, op),
    Fcomi [Flags] => |u, op| crate::x87::compare::to_eflags::<false, 0>(u, op),
    Fcomip [Flags] => |u, op| crate::x87::compare::to_eflags::<false, 1>(u, op),
    Fucomi [Flags] => |u, op| crate::x87::compare::to_eflags::<true, 0>(u, op),
    Fucomip [Flags] => |u, op| crate::x87::compare::to_eflags::<true, 1>(u, op),
    Ftst [Nothing] => |u, op| crate::x87::compare::ftst(u, op),
    Fxam [Nothing] => |u, op| crate::x87::compare::fxam(u, op),
    FldM32 [Load32] => |u, op| crate::x87::load::fld_m32(u, op),
    FldM64 [Load64] => |u, op| crate::x87::load::fld_m64(u, op),
    FldM80 [Load80] => |u, op| crate::x87::load::fld_m80(u, op),
    FldSt [Nothing] => |u, op| crate::x87::load::fld_st(u, op),
    Fild16 [Load16] => |u, op| crate::x87::load::fild_m16(u, op),
    Fild32 [Load32] => |u, op| crate::x87::load::fild_m32(u, op),
    Fild64 [Load64] => |u, op| crate::x87::load::fild_m64(u, op),
    Fbld => |u, op| crate::x87::load::fbld(u, op),
    Fxch [Nothing] => |u, op| crate::x87::load::fxch(u, op),
    FldConstant [Nothing] => |u, op| crate::x87::load::fld_constant(u, op),
    Fcmov [Condition] => |u, op| crate::x87::load::fcmov(u, op),
    FstM32 [Store32] => |u, op| crate::x87::store::fst_m32::<false>(u, op),
    FstpM32 [Store32] => |u, op| crate::x87::store::fst_m32::<true>(u, op),
    FstM64 [Store64] => |u, op| crate::x87::store::fst_m64::<false>(u, op),
    FstpM64 [Store64] => |u, op| crate::x87::store::fst_m64::<true>(u, op),
    FstpM80 [Store80] => |u, op| crate::x87::store::fstp_m80(u, op),
    FstSt [Nothing] => |u, op| crate::x87::store::fst_st::<false>(u, op),
    FstpSt [Nothing] => |u, op| crate::x87::store::fst_st::<true>(u, op),
    Fstpnce => |u, op| crate::x87::store::fstpnce(u, op),
    Fist16 [Store16] => |u, op| crate::x87::store::fist_m16::<false>(u, op),
    Fistp16 [Store16] => |u, op| crate::x87::store::fist_m16::<true>(u, op),
    Fist32 [Store32] => |u, op| crate::x87::store::fist_m32::<false>(u, op),
    Fistp32 [Store32] => |u, op| crate::x87::store::fist_m32::<true>(u, op),
    Fistp64 [Store64] => |u, op| crate::x87::store::fistp_m64(u, op),
    Fisttp16 [Store16] => |u, op| crate::x87::store::fisttp_m16(u, op),
    Fisttp32 [Store32] => |u, op| crate::x87::store::fisttp_m32(u, op),
    Fisttp64 [Store64] => |u, op| crate::x87::store::fisttp_m64(u, op),
    Fbstp => |u, op| crate::x87::store::fbstp(u, op),
    Fsin [Nothing] => |u, op| crate::x87::function::fsin(u, op),
    Fcos [Nothing] => |u, op| crate::x87::function::fcos(u, op),
    Fsincos [Nothing] => |u, op| crate::x87::function::fsincos(u, op),
    Fptan [Nothing] => |u, op| crate::x87::function::fptan(u, op),
    Fpatan [Nothing] => |u, op| crate::x87::function::fpatan(u, op),
    Fyl2x [Nothing] => |u, op| crate::x87::function::fyl2x(u, op),
    Fyl2xp1 [Nothing] => |u, op| crate::x87::function::fyl2xp1(u, op),
    Fscale [Nothing] => |u, op| crate::x87::function::fscale(u, op),
    Fxtract [Nothing] => |u, op| crate::x87::function::fxtract(u, op),
    Fprem [Nothing] => |u, op| crate::x87::function::fprem(u, op),
    Fprem1 [Nothing] => |u, op| crate::x87::function::fprem1(u, op),
    Fninit => crate::x87::control::fninit,
    Fnclex => crate::x87::control::fnclex,
    Fldcw [Control16] => |u, op| crate::x87::control::fldcw(u, op),
    Fnstcw [StoreWord] => |u, op| crate::x87::control::fnstcw(u, op),
    FnstswM16 [StoreWord] => |u, op| crate::x87::control::fnstsw_m16(u, op),
    FnstswAx [Ax] => |u, op| crate::x87::control::fnstsw_ax(u, op),
    Fwait => crate::x87::control::fwait,
    Fnop [Nothing] => |u, op| crate::x87::control::fnop(u, op),
    FpuLegacy => crate::x87::control::legacy,
    Fincstp [Nothing] => |u, op| crate::x87::control::fincstp(u, op),
    Fdecstp [Nothing] => |u, op| crate::x87::control::fdecstp(u, op),
    Ffree [Nothing] => |u, op| crate::x87::control::ffree::<false>(u, op),
    Ffreep [Nothing] => |u, op| crate::x87::control::ffree::<true>(u, op),
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
    use Helper::*;
    [
        Undefined, TooLong, JmpFar, CallFar, Retf, Int, Int3, Icebp, Iret, Syscall, Sysret, Sysenter, Sysexit, MovToCr,
        Hlt,
    ]
    .into_iter()
    .any(|h| helper == h as u16)
}
