//! Interrupt lines. A device holds a [`Line`] and never knows its number; the board, which made the line, reads the
//! changes in order from its [`LineBus`] after each call into a device and drives the interrupt controllers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The board's end of all lines: what changed, in order.
#[derive(Default)]
pub struct LineBus {
    changes: Mutex<Vec<(u32, bool)>>,
    pending: AtomicBool,
}

impl LineBus {
    /// An empty bus.
    pub fn new() -> Arc<Self> {
        Arc::new(LineBus::default())
    }

    /// A new line, low; `wire` is the board's own number for it and comes back from [`LineBus::take`].
    pub fn line(self: &Arc<Self>, wire: u32) -> Line {
        Line { bus: self.clone(), wire, level: Arc::new(AtomicBool::new(false)) }
    }

    /// Whether any line changed since the last [`LineBus::take`]; cheap.
    pub fn pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The changes since the last call, oldest first: `(wire, new level)`.
    pub fn take(&self) -> Vec<(u32, bool)> {
        let mut changes = self.changes.lock().unwrap_or_else(|e| e.into_inner());
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut changes)
    }
}

/// A device's end of one interrupt line.
#[derive(Clone)]
pub struct Line {
    bus: Arc<LineBus>,
    wire: u32,
    level: Arc<AtomicBool>,
}

impl Line {
    /// A line that leads nowhere, for unit tests and unconnected pins.
    pub fn unconnected() -> Line {
        LineBus::new().line(0)
    }

    /// Drives the line high or low. Setting the level that it has already is no edge.
    pub fn set(&self, level: bool) {
        if self.level.swap(level, Ordering::AcqRel) != level {
            let mut changes = self.bus.changes.lock().unwrap_or_else(|e| e.into_inner());
            changes.push((self.wire, level));
            self.bus.pending.store(true, Ordering::Release);
        }
    }

    /// A low-to-high edge, then low again.
    pub fn pulse(&self) {
        self.set(false);
        self.set(true);
        self.set(false);
    }

    /// The level that the device drives.
    pub fn level(&self) -> bool {
        self.level.load(Ordering::Acquire)
    }

    /// Sets the level as a snapshot has it: no edge is made, for the controller's own state has seen it already.
    pub fn restore(&self, level: bool) {
        self.level.store(level, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_keep_their_order_and_restore_makes_no_edge() {
        let bus = LineBus::new();
        let (a, b) = (bus.line(1), bus.line(2));
        a.set(true);
        b.pulse();
        a.set(true);
        assert_eq!(bus.take(), [(1, true), (2, true), (2, false)]);
        b.restore(true);
        assert!(!bus.pending());
        assert!(b.level());
    }
}
