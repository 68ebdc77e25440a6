//! The terminal's modes: raw while a guest has it, and as before on every way out of the program, be it a return, an
//! exit, a panic or a signal.
//!
//! The modes belong to the process's terminal and must be reachable from a signal handler, so this is the one place of
//! the project that keeps a global.

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the terminal was like, and what we made of it.
struct Modes {
    before: Termios,
    raw: Termios,
}

static MODES: OnceLock<Modes> = OnceLock::new();
static IS_RAW: AtomicBool = AtomicBool::new(false);
/// The terminal shows its second screen, ours.
static IS_SCREEN: AtomicBool = AtomicBool::new(false);
static OLD_ACTIONS: OnceLock<Vec<(libc::c_int, libc::sigaction)>> = OnceLock::new();

/// Signals that end a program: those that come from outside, unless somebody handles them already, and those of a crash.
const OUTSIDE: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
const CRASH: [libc::c_int; 7] =
    [libc::SIGQUIT, libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGSYS];

/// The terminal on standard input is raw while this lives.
pub struct Raw(());

impl Raw {
    /// Makes it raw: every key comes at once, without echo. With `signals`, Ctrl-C still interrupts the program.
    ///
    /// Handlers for SIGINT, SIGTERM and SIGHUP that the program wants of its own must be there before.
    pub fn enter(signals: bool) -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        let modes = match MODES.get() {
            Some(modes) => modes,
            None => {
                let before = tcgetattr(stdin)?;
                let raw = raw(&before, signals);
                let modes = MODES.get_or_init(|| Modes { before, raw });
                prepare_ways_out();
                modes
            }
        };
        // From the kernel's view the order does not matter; from a signal's it does.
        IS_RAW.store(true, Ordering::SeqCst);
        tcsetattr(stdin, OptionalActions::Now, &modes.raw)?;
        Ok(Raw(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// xterm's control sequences: the second screen, and pasted text between marks; and back, with the cursor and the usual colours.
const SCREEN_ON: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[2J";
const SCREEN_OFF: &[u8] = b"\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";

/// Turns to the terminal's second screen until [`restore`], which keeps what was on the first.
pub fn show_screen(_raw: &Raw) -> io::Result<()> {
    IS_SCREEN.store(true, Ordering::SeqCst);
    rustix::io::write(rustix::stdio::stdout(), SCREEN_ON)?;
    Ok(())
}

/// Gives the terminal back as it was. May be called at any time, from signal handlers too.
pub fn restore() {
    if IS_SCREEN.swap(false, Ordering::SeqCst) {
        _ = rustix::io::write(rustix::stdio::stdout(), SCREEN_OFF);
    }
    if IS_RAW.swap(false, Ordering::SeqCst)
        && let Some(modes) = MODES.get()
    {
        // At once: to wait for the output first could wait for ever, and both modes treat output alike.
        _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &modes.before);
    }
}

/// Like cfmakeraw, but a new line still begins at the left: our own messages go to the same terminal.
fn raw(before: &Termios, signals: bool) -> Termios {
    let mut raw = before.clone();
    raw.input_modes -= InputModes::IGNBRK
        | InputModes::BRKINT
        | InputModes::PARMRK
        | InputModes::ISTRIP
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::ICRNL
        | InputModes::IXON;
    raw.output_modes |= OutputModes::OPOST;
    raw.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN;
    if !signals {
        raw.local_modes -= LocalModes::ISIG;
    }
    raw.control_modes -= ControlModes::CSIZE | ControlModes::PARENB;
    raw.control_modes |= ControlModes::CS8;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    raw
}

/// Restores the terminal on exit(), on a panic (before its message) and on signals that end the process.
fn prepare_ways_out() {
    extern "C" fn at_exit() {
        restore();
    }
    // SAFETY: the function stays for ever and may run at exit, when other threads may still run.
    unsafe { libc::atexit(at_exit) };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        hook(info);
    }));

    let mut handled = Vec::new();
    for signal in OUTSIDE.into_iter().chain(CRASH) {
        if let Some(action) = action_of(signal) {
            let free = action.sa_sigaction == libc::SIG_DFL;
            if free || CRASH.contains(&signal) {
                handled.push((signal, action));
            }
        }
    }
    let handled = OLD_ACTIONS.get_or_init(|| handled);
    for (signal, _) in handled {
        install(*signal, on_end, libc::SA_SIGINFO | libc::SA_ONSTACK);
    }
    // After a stop the shell has changed the modes.
    if action_of(libc::SIGCONT).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL) {
        install(libc::SIGCONT, on_continue, libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART);
    }
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn action_of(signal: libc::c_int) -> Option<libc::sigaction> {
    // SAFETY: all-zero is a valid value of this structure of integers; sigaction only fills it in.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &mut action) == 0).then_some(action)
    }
}

fn install(signal: libc::c_int, handler: Handler, flags: libc::c_int) {
    // SAFETY: the structure is filled in as sigaction(2) wants it, and the handlers below do only what is allowed in one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = flags;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

/// The terminal is given back, then the signal does what it did before us: the faulting instruction runs again, or the
/// signal is sent again.
extern "C" fn on_end(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    restore();
    let old = OLD_ACTIONS.get().and_then(|old| old.iter().find(|(number, _)| *number == signal));
    if let Some((_, action)) = old {
        // SAFETY: `action` is what the system gave us; sigaction and raise are allowed here, and `info` is valid in a
        // handler installed with SA_SIGINFO.
        unsafe {
            libc::sigaction(signal, action, std::ptr::null_mut());
            if (*info).si_code <= 0 || !CRASH[2..].contains(&signal) {
                libc::raise(signal);
            }
        }
    }
}

extern "C" fn on_continue(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    if IS_RAW.load(Ordering::SeqCst)
        && let Some(modes) = MODES.get()
    {
        _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &modes.raw);
    }
}
