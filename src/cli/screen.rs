//! Where the guest's screen is shown: what somebody asked for, against what this program and its surroundings have. The
//! serial line goes where the screen leaves room.

use super::spec::{Adapter, MachineSpec};
use anyhow::{Result, bail};
use host::serial::Target;
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;

/// Where somebody wants the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Display {
    /// A window where there can be one, or else the terminal, or none
    #[default]
    Auto,
    /// A window
    Window,
    /// The characters of text modes (and rough graphics) in this terminal; Ctrl-A x ends, Ctrl-A h helps
    Terminal,
    /// Nowhere; pictures in files can be taken all the same
    None,
}

/// Where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In a window.
    Window,
    /// In the terminal.
    Terminal,
    /// Nowhere.
    Nowhere,
}

/// What the program finds around it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Why there can be no window, if there can be none, and what to do about it. Nothing either if none is wanted.
    pub no_window: Option<String>,
    /// Standard input and output are a terminal.
    pub terminal: bool,
}

impl Surroundings {
    /// As they are. Whether there can be a window is found out by loading what it takes: only if one may be wanted.
    pub fn find(spec: &MachineSpec) -> Self {
        let wanted = match spec.display {
            Display::Window => true,
            Display::Auto => !needs_no_screen(spec),
            Display::Terminal | Display::None => false,
        };
        Surroundings {
            no_window: wanted.then(host::screen::no_window).flatten(),
            terminal: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        }
    }
}

/// What was decided.
#[derive(Debug)]
pub struct Decision {
    /// Where the screen is shown.
    pub shown: Shown,
    /// The serial lines.
    pub serial: Vec<Target>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Whether the guest is a kernel that was told to speak on the serial line and nowhere else.
fn serial_console(spec: &MachineSpec) -> bool {
    let words = || spec.append.iter().flat_map(|text| text.split_whitespace());
    spec.kernel.is_some()
        && words().any(|word| word.starts_with("console=ttyS"))
        && !words().any(|word| word.starts_with("console=tty") && !word.starts_with("console=ttyS"))
}

/// Whether nobody would look at a screen, unless somebody has asked for one.
fn needs_no_screen(spec: &MachineSpec) -> bool {
    serial_console(spec) || spec.vga == Adapter::None
}

fn uses_terminal(target: &Target) -> bool {
    matches!(target, Target::Stdio { .. })
}

/// Decides.
pub fn decide(spec: &MachineSpec, around: &Surroundings) -> Result<Decision> {
    let mut notes = Vec::new();
    let terminal_taken = spec.serial.iter().flatten().chain(&spec.debugcon).any(uses_terminal);
    let shown = match (spec.display, &around.no_window) {
        (Display::None, _) => Shown::Nowhere,
        (Display::Window, None) => Shown::Window,
        (Display::Window, Some(why)) => bail!("there can be no window: {why}, or use --display terminal or none"),
        (Display::Terminal, _) if !around.terminal => {
            bail!("standard input and output are no terminal to show the screen in: use --display none")
        }
        (Display::Terminal, _) if terminal_taken => {
            bail!(
                "the screen and a serial line cannot both have this terminal: give the line another place (file:PATH, pty, null)"
            )
        }
        (Display::Terminal, _) => Shown::Terminal,
        (Display::Auto, _) if needs_no_screen(spec) => Shown::Nowhere,
        (Display::Auto, None) => Shown::Window,
        (Display::Auto, Some(_)) if !around.terminal || terminal_taken || spec.kernel.is_some() => {
            // A kernel that is being written speaks on the serial line, most likely.
            if spec.kernel.is_none() || spec.serial.is_some() && !terminal_taken {
                notes.push(nowhere(around, terminal_taken));
            }
            Shown::Nowhere
        }
        (Display::Auto, Some(why)) => {
            notes.push(format!(
                "there is no window ({why}): the screen is shown in this terminal; Ctrl-A x ends, Ctrl-A h helps"
            ));
            Shown::Terminal
        }
    };
    let serial = match (&spec.serial, shown) {
        (Some(serial), _) => serial.clone(),
        (None, Shown::Terminal) => vec![Target::Null],
        // A person before a window expects Ctrl-C to end a program; one who starts a kernel expects a console.
        (None, Shown::Window) if spec.kernel.is_none() => vec![Target::Stdio { escape: false }],
        (None, _) => vec![Target::Stdio { escape: true }],
    };
    if shown != Shown::Window && spec.full_screen {
        notes.push("there is no window to be made as large as the screen".into());
    }
    Ok(Decision { shown, serial, notes })
}

fn nowhere(around: &Surroundings, terminal_taken: bool) -> String {
    let window = around.no_window.as_deref().unwrap_or("it is not wanted");
    let terminal = if !around.terminal {
        "standard input and output are no terminal"
    } else if terminal_taken {
        "the terminal has the serial line"
    } else {
        "it is not wanted"
    };
    format!(
        "the guest's screen is not shown: no window ({window}), and {terminal}; --screenshot FILE.png@SECONDS takes pictures"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(window: bool, terminal: bool) -> Surroundings {
        Surroundings { no_window: (!window).then(|| "DISPLAY is not set".into()), terminal }
    }

    fn spec(text: &str) -> MachineSpec {
        MachineSpec::from_toml(text).unwrap()
    }

    const DISK: &str = "drive = ['disk.img']\n";
    const KERNEL: &str = "kernel = 'k'\n";
    const SERIAL: &str = "kernel = 'k'\nappend = 'console=ttyS0 quiet'\n";
    const BOTH: &str = "kernel = 'k'\nappend = 'console=tty0 console=ttyS0'\n";

    #[test]
    fn where_nothing_is_said() {
        use Shown::*;
        for (text, window, terminal, shown, serial, notes) in [
            (DISK, true, true, Window, "stdio,signal=on", 0),
            (DISK, true, false, Window, "stdio,signal=on", 0),
            (DISK, false, true, Terminal, "null", 1),
            (DISK, false, false, Nowhere, "stdio", 1),
            (KERNEL, true, true, Window, "stdio", 0),
            (KERNEL, false, true, Nowhere, "stdio", 0),
            (SERIAL, true, true, Nowhere, "stdio", 0),
            (SERIAL, false, false, Nowhere, "stdio", 0),
            (BOTH, true, true, Window, "stdio", 0),
            ("drive = ['disk.img']\nvga = 'none'", true, true, Nowhere, "stdio", 0),
        ] {
            let decision = decide(&spec(text), &around(window, terminal)).unwrap();
            let said: Vec<_> = decision.serial.iter().map(ToString::to_string).collect();
            assert_eq!((decision.shown, decision.notes.len()), (shown, notes), "{text} {window} {terminal}");
            assert_eq!(said, [serial], "{text} {window} {terminal}");
        }
    }

    #[test]
    fn a_serial_line_on_the_terminal_leaves_no_room_there() {
        let text = format!("{DISK}serial = ['stdio']");
        let decision = decide(&spec(&text), &around(false, true)).unwrap();
        assert_eq!(decision.shown, Shown::Nowhere);
        assert!(decision.notes[0].contains("the terminal has the serial line"), "{:?}", decision.notes);
        let error = decide(&spec(&format!("{text}\ndisplay = 'terminal'")), &around(false, true)).unwrap_err();
        assert!(error.to_string().contains("give the line another place"), "{error}");
    }

    #[test]
    fn what_is_asked_for_and_not_there_is_an_error() {
        let window = spec("display = 'window'");
        let error = decide(&window, &around(false, true)).unwrap_err().to_string();
        assert!(error.contains("DISPLAY is not set") && error.contains("--display terminal"), "{error}");
        let terminal = spec("display = 'terminal'");
        assert!(decide(&terminal, &around(true, false)).is_err());
        assert_eq!(decide(&terminal, &around(true, true)).unwrap().shown, Shown::Terminal);
        assert_eq!(decide(&spec("display = 'none'"), &around(true, true)).unwrap().shown, Shown::Nowhere);
    }
}
