//! Address windows that move: what a function's base address registers decode. A function holds a [`WindowHandle`]; the board
//! reads the changes from its [`WindowBus`] and keeps its maps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Which addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Ports. The device is called with the address on the bus.
    Port,
    /// Memory. The device is called with an offset.
    Memory,
}

/// A range that a device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Ports or memory.
    pub space: Space,
    /// Its first address.
    pub base: u64,
    /// How many there are.
    pub bytes: u64,
    /// The offset that the device sees for the first address, so that it can tell several windows apart.
    pub offset: u64,
}

/// The board's end.
#[derive(Default)]
pub struct WindowBus {
    changes: Mutex<Vec<(u32, Option<Window>)>>,
    pending: AtomicBool,
}

impl WindowBus {
    /// A bus with nothing on it.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A handle; `id` is the board's own number for the window.
    pub fn handle(self: &Arc<Self>, id: u32) -> WindowHandle {
        WindowHandle { bus: self.clone(), id, now: None }
    }

    /// Whether something changed since the last [`WindowBus::take`].
    pub fn pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The windows that changed since the last call, with where they are now.
    pub fn take(&self) -> Vec<(u32, Option<Window>)> {
        let mut changes = self.changes.lock().unwrap_or_else(|e| e.into_inner());
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut changes)
    }
}

/// A function's end of one window.
pub struct WindowHandle {
    bus: Arc<WindowBus>,
    id: u32,
    now: Option<Window>,
}

impl WindowHandle {
    /// A window that nobody looks through, for unit tests.
    pub fn unconnected() -> Self {
        WindowBus::new().handle(0)
    }

    /// Opens, moves or closes the window.
    pub fn set(&mut self, window: Option<Window>) {
        if self.now != window {
            self.now = window;
            let mut changes = self.bus.changes.lock().unwrap_or_else(|e| e.into_inner());
            // Only where it is in the end matters: nobody may ever take the changes.
            changes.retain(|change| change.0 != self.id);
            changes.push((self.id, window));
            drop(changes);
            self.bus.pending.store(true, Ordering::Release);
        }
    }

    /// Where the window is.
    pub fn get(&self) -> Option<Window> {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_moves_all_the_time_is_one_change() {
        let bus = WindowBus::new();
        let (mut moving, mut other) = (bus.handle(1), bus.handle(2));
        let at = |base| Some(Window { space: Space::Memory, base, bytes: 0x1000, offset: 0 });
        other.set(at(0x5000));
        (0..1000).for_each(|n| moving.set(at(n * 0x1000)));
        assert!(bus.pending());
        assert_eq!(bus.take(), [(2, at(0x5000)), (1, at(999 * 0x1000))]);
        assert!(!bus.pending() && bus.take().is_empty());
    }
}
