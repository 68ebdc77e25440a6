//! The screen, and the keyboard and mouse before it: in a window, in a terminal, or in files only.
//!
//! A front end runs on the program's main thread (some systems let no other thread have windows) and sees the machine, which
//! runs on a thread of its own, as a [`Guest`]. It asks for a picture when it could show one, at most 60 times a second; a
//! machine whose screen stands still is asked less often, and nothing is presented then.

pub mod cp437;
pub mod held;
pub mod keys;
pub mod pace;
pub mod picture;
pub mod place;
#[cfg(unix)]
pub mod terminal;
pub mod typing;
#[cfg(feature = "window")]
pub mod window;

use lyrebird_core::{Frame, InputEvent};
use std::path::Path;

/// What a person wants of the machine, beside keys and mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// End the program.
    Quit,
    /// The reset button.
    Reset,
    /// The same, and to be asked what to start from.
    BootMenu,
    /// The power button.
    PowerButton,
    /// Stop, or go on.
    PauseOrResume,
    /// Take the CD out.
    Eject,
}

/// Whether the guest gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Running,
    /// It stands until somebody resumes it.
    Paused,
    /// It has come to its end: the front end returns.
    Ended,
}

/// The machine as a front end sees it.
pub trait Guest: Send + Sync {
    /// Something was done with keyboard or mouse.
    fn input(&self, event: InputEvent);
    /// Asks for a picture; what [`Guest::when_drawn`] was given is called when it is there.
    fn ask_for_picture(&self);
    /// Shows the last picture, its version, which differs when the picture does, and how many were drawn.
    fn look(&self, look: &mut dyn FnMut(&Frame, u64, u64));
    /// What to call, from any thread, after each picture that was asked for, and when the machine's state has changed.
    fn when_drawn(&self, call: Box<dyn Fn() + Send>);
    /// Whether it gets on.
    fn state(&self) -> State;
    /// What a person wants.
    fn wish(&self, wish: Wish);
    /// Somebody puts a medium with this image into its drive. What was done, or why it was not, comes out.
    fn insert(&self, file: &Path) -> Result<String, String>;
}

/// Why this program can have no window here, if it can have none, and what to do about it.
#[cfg(feature = "window")]
pub fn no_window() -> Option<String> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(any(target_os = "macos", windows)) || ["DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"].into_iter().any(set)
    {
        return window::load().err().map(|why| why.to_string());
    }
    Some("neither DISPLAY nor WAYLAND_DISPLAY is set: start it from a desktop".into())
}

/// The same where there never is one.
#[cfg(not(feature = "window"))]
pub fn no_window() -> Option<String> {
    Some("this program was built without it: build it with the feature `window`".into())
}
