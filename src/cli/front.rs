//! The machine and the front end that shows it, each on its thread: the main one is the front end's, since some systems let no
//! other have windows.

use super::screen::Shown;
use super::spec::MachineSpec;
use crate::machine::{Handle, Machine, Order, Outcome, Removable};
use anyhow::{Context, Result};
use host::screen::{Guest, State, Wish};
use lyrebird_core::{Frame, InputEvent};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// As the main thread's usually is: engines and loaders were tried with that.
const STACK: usize = 8 << 20;

/// What shows the screen.
pub enum Front {
    /// Nothing does.
    Nothing,
    /// The terminal.
    #[cfg(unix)]
    Terminal(host::screen::terminal::TerminalScreen),
    /// A window.
    #[cfg(feature = "window")]
    Window(Box<host::screen::window::Window>),
    /// A window that is opened when the machine runs already, and that it can do without.
    #[cfg(feature = "window")]
    WindowPerhaps {
        /// The machine's name.
        name: String,
        /// As large as the screen.
        full_screen: bool,
    },
}

impl Front {
    /// Opens it, for a machine of this name.
    pub fn open(shown: Shown, name: &str, spec: &MachineSpec) -> Result<Self> {
        match shown {
            Shown::Nowhere => Ok(Front::Nothing),
            #[cfg(unix)]
            Shown::Terminal => {
                let screen = host::screen::terminal::TerminalScreen::open(name);
                screen.map(Front::Terminal).context("cannot show the screen in this terminal: use --display none")
            }
            #[cfg(feature = "window")]
            Shown::Window if spec.display == super::screen::Display::Auto => {
                Ok(Front::WindowPerhaps { name: name.into(), full_screen: spec.full_screen })
            }
            #[cfg(feature = "window")]
            Shown::Window => Ok(Front::Window(open_window(name, spec.full_screen)?)),
            #[cfg(not(all(unix, feature = "window")))]
            _ => {
                _ = (name, spec);
                anyhow::bail!("this program cannot show the screen there: use --display none")
            }
        }
    }

    /// Runs the machine to its end, and shows it meanwhile.
    pub fn run(self, mut machine: Machine) -> Result<(Machine, Outcome)> {
        host::facts::wake_promptly();
        if matches!(self, Front::Nothing) {
            let outcome = machine.run();
            return Ok((machine, outcome));
        }
        let guest = Arc::new(Shows { machine: machine.handle(), ended: AtomicBool::new(false) });
        let end = End(guest.clone());
        let thread = std::thread::Builder::new().name("machine".into()).stack_size(STACK).spawn(move || {
            let _end = end;
            let outcome = machine.run();
            (machine, outcome)
        });
        let thread = thread.context("cannot start a thread")?;
        let shown = match self {
            Front::Nothing => Ok(()),
            #[cfg(unix)]
            Front::Terminal(screen) => screen.run(&*guest).context("the terminal"),
            #[cfg(feature = "window")]
            Front::Window(window) => window.run(&*guest).context("the window"),
            #[cfg(feature = "window")]
            Front::WindowPerhaps { name, full_screen } => match open_window(&name, full_screen) {
                Ok(window) => window.run(&*guest).context("the window"),
                Err(why) => {
                    say!("lyrebird: note: the guest's screen is not shown: {why:#}");
                    Ok(())
                }
            },
        };
        if shown.is_err() {
            guest.machine.order(Order::Quit);
        }
        match thread.join() {
            Ok(ended) => shown.map(|()| ended),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(feature = "window")]
fn open_window(name: &str, full_screen: bool) -> Result<Box<host::screen::window::Window>> {
    let window = host::screen::window::Window::open(name, full_screen);
    window.map(Box::new).context("cannot open a window: use --display terminal or none")
}

/// The machine, for a front end.
struct Shows {
    machine: Handle,
    ended: AtomicBool,
}

/// Tells the front end of the machine's end, even if that is a panic.
struct End(Arc<Shows>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
        self.0.machine.tell_who_looks();
    }
}

impl Guest for Shows {
    fn input(&self, event: InputEvent) {
        self.machine.input(event);
    }

    fn ask_for_picture(&self) {
        self.machine.draw();
    }

    fn look(&self, look: &mut dyn FnMut(&Frame, u64, u64)) {
        self.machine.look(look);
    }

    fn when_drawn(&self, call: Box<dyn Fn() + Send>) {
        self.machine.when_drawn(call);
    }

    fn state(&self) -> State {
        match (self.ended.load(Ordering::Acquire), self.machine.is_paused()) {
            (true, _) => State::Ended,
            (false, true) => State::Paused,
            (false, false) => State::Running,
        }
    }

    fn wish(&self, wish: Wish) {
        self.machine.order(match wish {
            Wish::Quit => Order::Quit,
            Wish::Reset => Order::Reset,
            Wish::BootMenu => Order::BootMenu,
            Wish::PowerButton => Order::PowerButton,
            Wish::PauseOrResume if self.machine.is_paused() => Order::Resume,
            Wish::PauseOrResume => Order::Pause,
            Wish::Eject => Order::Eject,
        });
    }

    fn insert(&self, file: &Path) -> Result<String, String> {
        let medium = super::drive::new_medium(file).map_err(|error| format!("{error:#}"))?;
        let drive = match medium.drive {
            Removable::Cdrom => "the CD-ROM drive",
            Removable::Floppy => "floppy drive A",
        };
        self.machine.insert(medium);
        Ok(format!("{} is in {drive}", file.display()))
    }
}
