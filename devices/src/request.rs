//! What a device may ask of the whole machine: a reset, the power, an end. The board looks after each access.

use std::sync::{Arc, Mutex};

/// Something that only the machine as a whole can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Pull the reset line.
    Reset,
    /// Switch the power off.
    PowerOff,
    /// End the program with this exit code.
    Exit(i32),
}

/// The devices' end and the board's end of the same wire.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Option<Request>>>);

impl Requests {
    /// Asks. The first request stands until it is taken.
    pub fn ask(&self, request: Request) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(request);
    }

    /// Whether something was asked for.
    pub fn pending(&self) -> bool {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).is_some()
    }

    /// Takes what was asked for.
    pub fn take(&self) -> Option<Request> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
}
