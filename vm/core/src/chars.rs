//! Character streams between a device (serial line, debug console) and its host half.
//!
//! Output goes straight into a [`CharOut`], which must take every byte. Input waits in a [`CharInput`] until the machine's
//! event loop, which is where non-determinism enters, moves it into the device as the device has room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Where a device's output goes. Host halves implement it; they may block for a slow reader but never lose a byte.
pub trait CharOut: Send {
    /// Takes all the bytes.
    fn write(&mut self, bytes: &[u8]);

    /// Makes them visible to whoever reads.
    fn flush(&mut self);
}

/// Output that is kept, for whoever has another handle to it: tests, most of all.
#[derive(Clone, Debug, Default)]
pub struct KeptOutput(pub Arc<Mutex<Vec<u8>>>);

impl CharOut for KeptOutput {
    fn write(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).extend(bytes);
    }
    fn flush(&mut self) {}
}

/// Output that nobody reads.
pub struct NoOutput;

impl CharOut for NoOutput {
    fn write(&mut self, _bytes: &[u8]) {}
    fn flush(&mut self) {}
}

type Waker = Box<dyn Fn() + Send>;

/// Bytes that came from the host and wait for the device.
#[derive(Default)]
pub struct CharInput {
    queue: Mutex<VecDeque<u8>>,
    waker: Mutex<Option<Waker>>,
}

impl CharInput {
    /// Called by the host half, from its own thread.
    pub fn push(&self, bytes: &[u8]) {
        self.queue.lock().unwrap_or_else(|e| e.into_inner()).extend(bytes);
        if let Some(wake) = &*self.waker.lock().unwrap_or_else(|e| e.into_inner()) {
            wake();
        }
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.queue.lock().unwrap_or_else(|e| e.into_inner()).len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes up to `room` bytes, oldest first. Called by the machine's event loop.
    pub fn take(&self, room: usize) -> Vec<u8> {
        let mut queue = self.queue.lock().unwrap_or_else(|e| e.into_inner());
        let count = room.min(queue.len());
        queue.drain(..count).collect()
    }

    /// What to call when bytes arrive: the machine wakes its event loop.
    pub fn set_waker(&self, waker: impl Fn() + Send + 'static) {
        *self.waker.lock().unwrap_or_else(|e| e.into_inner()) = Some(Box::new(waker));
    }
}

/// Both directions of one character device, as a host half hands them to the machine.
pub struct CharPort {
    /// Where the guest's bytes go.
    pub out: Box<dyn CharOut>,
    /// Where bytes for the guest come from.
    pub input: Arc<CharInput>,
}

impl CharPort {
    /// A port to which nothing is plugged in.
    pub fn unconnected() -> Self {
        CharPort { out: Box::new(NoOutput), input: Arc::default() }
    }
}
