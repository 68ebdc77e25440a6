//! The host's MXCSR. Compiled code computes in it under the host's own rules, which are the guest's then (see
//! [`crate::emit`]), and its sticky flags gather there. Most code does not compute at all: what does *arms* it first
//! ([`Run::armed`]), which clears them, and they are fetched when such code is left, or calls what may look at them or compute
//! by itself.

use backend_interp::hot;
use backend_interp::run::{Run, TracedOp};

/// MXCSR as Rust code has it, with no flag set.
#[cfg(target_arch = "x86_64")]
const CLEAR: u32 = 0x1f80;

/// Bits of MXCSR: the flags, which the guest's arithmetic only adds to.
const FLAGS: u32 = 0x3f;

/// What the guest's MXCSR is, but for flags, where only the host's arithmetic is needed: all exceptions masked, nothing flushed to
/// zero, rounded to nearest.
pub const ORDINARY: u32 = 0x1f80;

#[cfg(target_arch = "x86_64")]
fn flags() -> u32 {
    let mut value = 0u32;
    // SAFETY: stores 32 bits to a variable of this function.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack, preserves_flags)) };
    value & FLAGS
}

/// For compiled code that is about to compute: arms, if the guest's MXCSR is ordinary; zero if it is not.
///
/// # Safety
/// The contract of [`backend_interp::run::Handler`].
pub unsafe extern "C" fn arm(run: *mut Run, _op: *const TracedOp) -> u64 {
    // SAFETY: the caller's promise.
    let run = unsafe { &mut *run };
    if !cfg!(target_arch = "x86_64") || run.cpu.state.mxcsr & !FLAGS != ORDINARY {
        return 0;
    }
    #[cfg(target_arch = "x86_64")]
    if flags() != 0 {
        // SAFETY: loads the value that Rust code expects, but for flags that it does not look at.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &CLEAR, options(nostack, readonly, preserves_flags)) };
    }
    run.armed = ORDINARY;
    1
}

/// Adds the flags to the guest's, if there may be any.
#[inline(always)]
pub fn disarm(run: &mut Run) {
    if run.armed != 0 {
        #[cfg(target_arch = "x86_64")]
        {
            run.cpu.state.mxcsr |= flags();
        }
        run.armed = 0;
    }
}

/// [`hot::one`] from compiled code: ops, and devices that they reach, may look at MXCSR, or compute on the host by themselves.
///
/// # Safety
/// The contract of [`hot::one`].
pub unsafe extern "C" fn one(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    unsafe {
        disarm(&mut *run);
        hot::one(run, op)
    }
}

/// [`hot::helper`] from compiled code, likewise.
///
/// # Safety
/// The contract of [`hot::one`].
pub unsafe extern "C" fn helper(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    unsafe {
        disarm(&mut *run);
        hot::helper(run, op)
    }
}
