//! The signal handler: takes the state of the code that stopped out of the signal frame, and leads back.
//!
//! It touches no thread-local storage and allocates nothing.

use super::Stop;
use super::enter::{BACK, leave};
use crate::case::{FX_BYTES, Registers};
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use std::io::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static ARMED: AtomicBool = AtomicBool::new(false);
/// Ticks of the watchdog after which a run hangs.
static PATIENCE: AtomicU64 = AtomicU64::new(0);
/// What a run that the watchdog ended has for a vector.
pub const HANGS: u8 = 0xfe;
static mut STOP: Option<Stop> = None;
const STACK: usize = 64 << 10;

/// Where the general registers stand in the signal frame, in encoding order.
const PLACES: [c_int; 16] = {
    use libc::*;
    [
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11,
        REG_R12, REG_R13, REG_R14, REG_R15,
    ]
};

/// Installs it for this thread and the signals that exceptions become, with a watchdog.
pub fn install() -> std::io::Result<Watchdog> {
    // SAFETY: the alternate stack is leaked, so it is there for as long as the thread.
    unsafe {
        let stack = Box::leak(vec![0u8; STACK].into_boxed_slice());
        let alternate = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
        if libc::sigaltstack(&alternate, std::ptr::null_mut()) != 0 {
            return Err(Error::last_os_error());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = entry as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGALRM] {
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(Error::last_os_error());
            }
        }
        watchdog()
    }
}

/// A signal for one thread every few milliseconds, until it is dropped: another thread's runs are none of its business.
pub struct Watchdog(libc::timer_t);

impl Drop for Watchdog {
    fn drop(&mut self) {
        // SAFETY: the timer is this one's own.
        unsafe { libc::timer_delete(self.0) };
    }
}

unsafe fn watchdog() -> std::io::Result<Watchdog> {
    // SAFETY: plain system calls on locals.
    unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGALRM;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer: libc::timer_t = std::ptr::null_mut();
        if libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) != 0 {
            return Err(Error::last_os_error());
        }
        let watchdog = Watchdog(timer);
        let tick = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let every = libc::itimerspec { it_interval: tick, it_value: tick };
        if libc::timer_settime(timer, 0, &every, std::ptr::null_mut()) != 0 {
            return Err(Error::last_os_error());
        }
        Ok(watchdog)
    }
}

/// From now on an exception is the code's, and it has so many ticks of 20 ms to come to one.
pub unsafe fn arm(patience: u64) {
    PATIENCE.store(patience, Ordering::SeqCst);
    ARMED.store(true, Ordering::SeqCst);
}

/// What stopped it.
pub unsafe fn disarm() -> Stop {
    let stop = &raw mut STOP;
    // SAFETY: the handler has written it, and runs no more.
    unsafe { (*stop).take().expect("code ends by an exception") }
}

/// The kernel leaves RFLAGS.AC as the code had it, under which compiled code does not run.
#[unsafe(naked)]
unsafe extern "sysv64" fn entry() {
    std::arch::naked_asm!("pushfq", "btr qword ptr [rsp], 18", "popfq", "jmp {handle}", handle = sym handle)
}

unsafe extern "C" fn handle(signal: c_int, _info: *mut siginfo_t, context: *mut c_void) {
    if signal == libc::SIGALRM && (!ARMED.load(Ordering::SeqCst) || PATIENCE.fetch_sub(1, Ordering::SeqCst) > 0) {
        return;
    }
    if !ARMED.swap(false, Ordering::SeqCst) {
        // One of our own: let it strike again without us.
        // SAFETY: plain system call.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    // SAFETY: the kernel gives a whole signal frame; the statics belong to the one `Native` there is.
    unsafe {
        let machine = &mut (*context.cast::<ucontext_t>()).uc_mcontext;
        let g = &mut machine.gregs;
        let get = |place: c_int| g[place as usize] as u64;
        let mut registers = Registers::new();
        for (register, place) in registers.gpr.iter_mut().zip(PLACES) {
            *register = get(place);
        }
        registers.rflags = get(libc::REG_EFL);
        registers.rip = get(libc::REG_RIP);
        let bytes = if is_x86_feature_detected!("avx") { FX_BYTES } else { 512 };
        registers.fx.0[..bytes].copy_from_slice(std::slice::from_raw_parts(machine.fpregs.cast::<u8>(), bytes));
        let stop = Stop {
            vector: if signal == libc::SIGALRM { HANGS } else { get(libc::REG_TRAPNO) as u8 },
            error: get(libc::REG_ERR) as u32,
            cr2: get(libc::REG_CR2),
            registers,
        };
        std::ptr::write(&raw mut STOP, Some(stop));
        g[libc::REG_RIP as usize] = leave as *const () as i64;
        g[libc::REG_RSP as usize] = BACK as i64;
        g[libc::REG_EFL as usize] = 0x202;
        // CS and SS of 64-bit user code; FS and GS as they are.
        let segments = &mut g[libc::REG_CSGSFS as usize];
        *segments = *segments & 0x0000_ffff_ffff_0000 | 0x33 | 0x2b << 48;
    }
}
