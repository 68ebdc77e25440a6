//! Runs a machine to its end: logging, signals, the way from an outcome to an exit code.

use super::assemble::{self, Message};
use super::front::Front;
use super::screen::{self, Surroundings};
use super::spec::MachineSpec;
use crate::machine::script::Album;
use crate::machine::{Handle, Order, Outcome};
use crate::observe::Settings;
use anyhow::{Context, Result};
use host::screen::picture;
use host::serial::{Departure, Hooks, Lines};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::EnvFilter;

/// Whose habits the messages follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// Our own.
    Own,
    /// QEMU's, where programs read them.
    Qemu,
}

/// The items of `-d`, with what they show. The others are known, and nothing reports them yet.
pub const LOG_ITEMS: [(&str, &str); 14] = [
    ("guest_errors", "what guests do wrong with devices"),
    ("unimp", "what is not implemented"),
    ("cpu_reset", "resets, and why"),
    ("int", "interrupts and exceptions"),
    ("in_asm", "guest code, when it is executed for the first time (slow)"),
    ("exec", NOT_REPORTED),
    ("cpu", "the registers before each block (slow)"),
    ("mmu", NOT_REPORTED),
    ("pcall", NOT_REPORTED),
    ("op", NOT_REPORTED),
    ("out_asm", NOT_REPORTED),
    ("page", NOT_REPORTED),
    ("nochain", NOT_REPORTED),
    ("strace", NOT_REPORTED),
];
/// What is said of an item of QEMU's that this program takes and has nothing for.
pub const NOT_REPORTED: &str = "(not reported yet)";

/// Begins logging: to standard error or a file, the more the louder. The variable LYREBIRD_LOG takes filters.
pub fn log(verbose: u8, items: &[String], file: Option<&Path>) -> Result<()> {
    let level = match (verbose, items.is_empty()) {
        (0, true) => "warn",
        (0, false) => "debug",
        (1, _) => "info",
        (2, _) => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("LYREBIRD_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(true);
    match file {
        None => _ = lines.with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).try_init(),
        Some(path) => {
            let file = std::fs::File::create(path)
                .with_context(|| format!("cannot write the log file `{}`: choose another by -D", path.display()))?;
            _ = lines.with_ansi(false).with_writer(Mutex::new(file)).try_init();
        }
    }
    Ok(())
}

/// Runs a machine; gives the program's exit code.
pub fn run(spec: &MachineSpec, voice: Voice, watch: Settings) -> Result<u8> {
    let decision = screen::decide(spec, &Surroundings::find(spec))?;
    let mut plan = assemble::plan(spec, &decision.serial)?.watch(watch)?;
    let lost_pictures = Arc::new(AtomicBool::new(false));
    plan.pictures(spec.screenshot_on_exit.clone(), album(lost_pictures.clone()));
    plan.notes.iter().chain(&decision.notes).for_each(|note| say!("lyrebird: note: {note}"));

    let exit = Arc::new(Exit::default());
    exit.watch_signals()?;
    let quit = exit.clone();
    let mut lines = Lines::new(Hooks { quit: Arc::new(move || quit.ask(None)) });
    exit.lock().departure = Some(lines.departure());

    let mut machine = plan.build(&mut lines, &mut |message| tell(message, voice))?;
    tracing::info!(engine = machine.engine_name(), cpu = %spec.cpu, memory = %spec.memory, "the machine starts");
    exit.set_machine(machine.handle());
    machine.power_on()?;
    let front = Front::open(decision.shown, &name(spec), spec)?;
    let (machine, outcome) = front.run(machine)?;
    let instructions = machine.instructions();
    drop(machine);
    let losses = lines.finish();

    tracing::info!(instructions, ?outcome, "the machine has ended");
    losses.iter().for_each(|loss| say!("lyrebird: {loss}"));
    let code = match outcome {
        Outcome::PowerOff | Outcome::Reset => 0,
        // A process can tell its parent 8 bits.
        Outcome::DebugExit(code) => code as u8,
        Outcome::TripleFault => {
            say!("lyrebird: the guest's CPU shut down (triple fault)");
            0
        }
        Outcome::Quit => {
            let exit = exit.lock();
            match exit.signal {
                Some(signal) => say!("lyrebird: terminating on signal {signal}"),
                None if exit.asked => say!("\nlyrebird: terminated"),
                // The window was closed, or the machine's time was over.
                None => {}
            }
            0
        }
        Outcome::Fault(why) => anyhow::bail!(why),
    };
    let lost = !losses.is_empty() || lost_pictures.load(Ordering::Relaxed);
    Ok(if code == 0 && lost { 1 } else { code })
}

/// What to call the machine: what it was called, or what it starts.
fn name(spec: &MachineSpec) -> String {
    let image = || spec.kernel.as_deref().or(spec.drive.iter().find_map(|drive| drive.file.as_deref()));
    let file = || Some(image()?.file_name()?.to_string_lossy().into_owned());
    spec.name.clone().or_else(file).unwrap_or_else(|| "PC".into())
}

/// Who writes the pictures that the machine takes of itself.
fn album(lost: Arc<AtomicBool>) -> Album {
    Box::new(move |path, frame| {
        if let Err(error) = picture::save(frame, path) {
            say!("lyrebird: {error}");
            lost.store(true, Ordering::Relaxed);
        }
    })
}

fn tell(message: Message<'_>, voice: Voice) {
    match (message, voice) {
        (Message::Waiting(text), _) => say!("lyrebird: {text}"),
        (Message::Place(name, place), Voice::Own) => say!("lyrebird: {name} is at {place}"),
        // Scripts look for this line of QEMU's to find the pty.
        (Message::Place(name, place), Voice::Qemu) if place.starts_with("/dev/") => {
            println!("char device redirected to {place} (label {name})");
        }
        (Message::Place(..), Voice::Qemu) => {}
    }
}

/// How a person or another program ends this one: once for an orderly end, twice for at once.
#[derive(Default)]
struct Exit(Mutex<ExitState>);

#[derive(Default)]
struct ExitState {
    asked: bool,
    signal: Option<i32>,
    machine: Option<Handle>,
    departure: Option<Departure>,
}

impl Exit {
    fn lock(&self) -> std::sync::MutexGuard<'_, ExitState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody wants out, by a signal or a key.
    fn ask(&self, signal: Option<i32>) {
        let mut state = self.lock();
        if let Some(departure) = &state.departure {
            departure.hurry();
        }
        let first = !std::mem::replace(&mut state.asked, true);
        state.signal = state.signal.or(signal);
        match &state.machine {
            Some(machine) if first => machine.order(Order::Quit),
            // No machine yet: a line waits for its peer. Or the machine does not hear.
            _ => {
                #[cfg(unix)]
                host::terminal::restore();
                say!("\nlyrebird: terminated");
                std::process::exit(1);
            }
        }
    }

    fn set_machine(&self, machine: Handle) {
        self.lock().machine = Some(machine);
    }

    fn watch_signals(self: &Arc<Self>) -> Result<()> {
        // A file may have reached its limit (RLIMIT_FSIZE): whoever writes to it has an error to report.
        signal_hook::flag::register(SIGXFSZ, Arc::default()).context("cannot wait for signals")?;
        let mut signals =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
        let exit = self.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(|signal| exit.ask(Some(signal))))
            .context("cannot start a thread")?;
        Ok(())
    }
}
