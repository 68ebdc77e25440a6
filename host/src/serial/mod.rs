//! Serial lines and debug consoles on the host: standard input and output with a way out of raw mode, files, ptys,
//! sockets. A thread each way carries the bytes; what a guest has said is out when the program ends.
//!
//! ```text
//!   device -- CharOut --> bounded channel -- writer thread --> host
//!   device <- CharInput <------------------- reader thread <-- host
//! ```

#[cfg(unix)]
mod drain;
pub mod escape;
#[cfg(unix)]
mod lines;
#[cfg(unix)]
mod link;
#[cfg(unix)]
mod reader;
#[cfg(unix)]
mod sockets;
mod target;
#[cfg(unix)]
mod writer;

#[cfg(unix)]
pub use lines::{Departure, Lines, Opened};
pub use target::{FORMS, LinkMode, Target, TargetError};

use std::sync::Arc;

/// What to call when a person gives a command on a serial line's terminal.
#[derive(Clone)]
pub struct Hooks {
    /// End the program. Called from the reader thread, perhaps more than once.
    pub quit: Arc<dyn Fn() + Send + Sync>,
}

/// Why a character stream cannot be connected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);
