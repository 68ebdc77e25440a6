//! The host's MXCSR. Compiled code computes in it under the host's own rules, which are the guest's then (see
//! [`crate::emit`]), and its sticky flags gather there: they are cleared before such code is entered, and fetched when it is
//! left, or calls what may look at them or compute by itself.

use backend_interp::hot;
use backend_interp::run::{Run, TracedOp};

/// MXCSR as Rust code has it, with no flag set.
#[cfg(target_arch = "x86_64")]
const CLEAR: u32 = 0x1f80;

#[cfg(target_arch = "x86_64")]
fn flags() -> u32 {
    let mut value = 0u32;
    // SAFETY: stores 32 bits to a variable of this function.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack, preserves_flags)) };
    value & 0x3f
}

/// Clears the flags.
pub fn clear() {
    #[cfg(target_arch = "x86_64")]
    if flags() != 0 {
        // SAFETY: loads the value that Rust code expects, but for flags that it does not look at.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &CLEAR, options(nostack, readonly, preserves_flags)) };
    }
}

/// Adds the flags to the guest's.
///
/// # Safety
/// The run is live and nobody else is using it.
pub unsafe fn fetch(run: *mut Run) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        (*run).cpu.state.mxcsr |= flags();
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = run;
}

/// [`hot::one`] from compiled code: ops, and devices that they reach, may look at MXCSR, or compute on the host by themselves.
///
/// # Safety
/// The contract of [`hot::one`].
pub unsafe extern "C" fn one(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    unsafe {
        fetch(run);
        let then = hot::one(run, op);
        clear();
        then
    }
}
