//! Deadlines in guest time. A device arms a [`Timer`]; the machine's event loop asks the [`TimerQueue`] what is due and
//! calls [`crate::Device::timer`] of the device that the token names.

use crate::time::VmTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the board wrote on a timer when it made it: which device, and which of its timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerToken {
    /// The board's number for the device.
    pub device: u32,
    /// Which of the device's timers.
    pub timer: u32,
}

/// All armed timers of one machine.
pub struct TimerQueue {
    slots: Mutex<Vec<Slot>>,
    /// The earliest deadline: it is asked for after each access to a device.
    earliest: AtomicU64,
}

type Slot = (TimerToken, VmTime);

impl Default for TimerQueue {
    fn default() -> Self {
        TimerQueue { slots: Mutex::default(), earliest: AtomicU64::new(VmTime::NEVER.as_nanos()) }
    }
}

impl TimerQueue {
    /// A queue with nothing armed.
    pub fn new() -> Arc<Self> {
        Arc::new(TimerQueue::default())
    }

    /// A new timer, not armed.
    pub fn timer(self: &Arc<Self>, token: TimerToken) -> Timer {
        let mut slots = self.lock();
        slots.push((token, VmTime::NEVER));
        Timer { queue: self.clone(), slot: slots.len() - 1 }
    }

    /// The earliest deadline, or [`VmTime::NEVER`].
    pub fn next_deadline(&self) -> VmTime {
        VmTime(self.earliest.load(Ordering::Acquire))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// To be called while the slots are locked, after a change.
    fn note_earliest(&self, slots: &[Slot]) {
        let earliest = slots.iter().map(|slot| slot.1).min().unwrap_or(VmTime::NEVER);
        self.earliest.store(earliest.as_nanos(), Ordering::Release);
    }

    /// Takes the earliest timer that is due at `now`, if any, and disarms it: its token and its deadline. Of equal
    /// deadlines the timer that was made first goes first, so that a run can be repeated.
    pub fn pop_due(&self, now: VmTime) -> Option<(TimerToken, VmTime)> {
        let mut slots = self.lock();
        let slot =
            slots.iter_mut().filter(|slot| slot.1 != VmTime::NEVER && slot.1 <= now).min_by_key(|slot| slot.1)?;
        let due = *slot;
        slot.1 = VmTime::NEVER;
        self.note_earliest(&slots);
        Some(due)
    }
}

/// A device's handle on one deadline.
pub struct Timer {
    queue: Arc<TimerQueue>,
    slot: usize,
}

impl Timer {
    /// A timer that no event loop looks at, for unit tests.
    pub fn unconnected() -> Timer {
        TimerQueue::new().timer(TimerToken { device: 0, timer: 0 })
    }

    /// Asks to be called at `at` or as soon after as the machine can; replaces an earlier request.
    pub fn arm(&self, at: VmTime) {
        let mut slots = self.queue.lock();
        if std::mem::replace(&mut slots[self.slot].1, at) != at {
            self.queue.note_earliest(&slots);
        }
    }

    /// Takes the request back.
    pub fn cancel(&self) {
        self.arm(VmTime::NEVER);
    }

    /// When the timer is due; [`VmTime::NEVER`] when it is not armed.
    pub fn deadline(&self) -> VmTime {
        self.queue.lock()[self.slot].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_earliest_first_and_once() {
        let queue = TimerQueue::new();
        let token = |timer| TimerToken { device: 7, timer };
        let (a, b) = (queue.timer(token(0)), queue.timer(token(1)));
        a.arm(VmTime(20));
        b.arm(VmTime(10));
        assert_eq!(queue.next_deadline(), VmTime(10));
        assert_eq!(queue.pop_due(VmTime(30)), Some((token(1), VmTime(10))));
        assert_eq!(queue.pop_due(VmTime(30)), Some((token(0), VmTime(20))));
        assert_eq!(queue.pop_due(VmTime(30)), None);
        assert_eq!(b.deadline(), VmTime::NEVER);
    }
}
