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
}

/// Whether the function never goes on with the next instruction in memory, so that decoding ahead is in vain.
pub fn ends_block(helper: u16) -> bool {
    helper == Helper::Undefined as u16 || helper == Helper::TooLong as u16
}
