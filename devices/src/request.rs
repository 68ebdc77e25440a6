//! What a device may ask of the whole machine: a reset, the power, an end. The board looks after each access.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

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
pub struct Requests(Arc<Wire>);

#[derive(Default)]
struct Wire {
    request: Mutex<Option<Request>>,
    /// There is one: looked at after each access to a device.
    pending: AtomicBool,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Option<Request>> {
        self.0.request.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Asks. The first request stands until it is taken.
    pub fn ask(&self, request: Request) {
        let mut now = self.lock();
        now.get_or_insert(request);
        self.0.pending.store(true, Ordering::Release);
    }

    /// Whether something was asked for.
    pub fn pending(&self) -> bool {
        self.0.pending.load(Ordering::Acquire)
    }

    /// Takes what was asked for.
    pub fn take(&self) -> Option<Request> {
        let mut now = self.lock();
        self.0.pending.store(false, Ordering::Release);
        now.take()
    }
}
