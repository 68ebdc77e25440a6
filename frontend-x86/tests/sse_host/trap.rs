//! Floating-point exceptions of the host: an instruction that traps is given up, and the routine in `asm.s` goes on behind
//! it with all registers as the trap found them.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static TRAPPED: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    static sse_host_after: [u8; 1];
}

/// Makes SIGFPE do that.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler has the signature that SA_SIGINFO asks for.
        let done = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGFPE, &action, std::ptr::null_mut())
        };
        assert_eq!(done, 0);
    });
}

extern "C" fn handler(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    TRAPPED.set(true);
    // SAFETY: the kernel gives a context that may be changed. The instruction that trapped was called by the routine, so
    // the return address is on top of the stack.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        registers[libc::REG_RIP as usize] = sse_host_after.as_ptr() as i64;
        registers[libc::REG_RSP as usize] += 8;
    }
}

/// Whether this thread has trapped since the last time.
pub fn take() -> bool {
    TRAPPED.replace(false)
}
