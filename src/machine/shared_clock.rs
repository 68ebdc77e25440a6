//! The machine's clock for several threads: whoever asks for the time waits for nobody; whoever ties it to the host's clock anew
//! holds a lock.

use super::clock::{Clock, LEAP};
use super::host_inputs::HostInstant;
use lyrebird_core::VmTime;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard};

/// Guest time does not follow the host's clock.
const APART: u64 = u64::MAX;

/// The clock.
pub struct SharedClock {
    clock: Mutex<Clock>,
    /// What the rest was copied from: odd while that is done.
    turn: AtomicU64,
    /// Guest time when it was last tied to the host's clock.
    base: AtomicU64,
    /// When that was, in nanoseconds after `origin`.
    since: AtomicU64,
    origin: HostInstant,
    deterministic: bool,
}

impl SharedClock {
    /// A clock that nobody has shared before.
    pub fn new(clock: Clock) -> Self {
        let shared = SharedClock {
            turn: AtomicU64::new(0),
            base: AtomicU64::new(0),
            since: AtomicU64::new(APART),
            origin: HostInstant::now(),
            deterministic: clock.deterministic(),
            clock: Mutex::new(clock),
        };
        shared.change(|_| ());
        shared
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether time follows the instructions.
    pub fn deterministic(&self) -> bool {
        self.deterministic
    }

    /// A copy, which tells the same time until the clock is changed.
    pub fn copy(&self) -> Clock {
        *self.lock()
    }

    /// Changes the clock.
    pub fn change<T>(&self, change: impl FnOnce(&mut Clock) -> T) -> T {
        let mut clock = self.lock();
        let result = change(&mut clock);
        self.publish(&clock);
        result
    }

    /// Ties guest time to the host's clock anew, if that was not done for a while and nobody else is doing it.
    pub fn follow_sometimes(&self) {
        if self.elapsed().is_some_and(|(_, elapsed)| elapsed > LEAP / 8)
            && let Ok(mut clock) = self.clock.try_lock()
        {
            clock.follow();
            self.publish(&clock);
        }
    }

    /// Makes a change known. The clock is locked.
    fn publish(&self, clock: &Clock) {
        let (base, since) = clock.tied();
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.base.store(base.as_nanos(), Ordering::Relaxed);
        self.since.store(since.map_or(APART, |since| since.nanos_after(self.origin)), Ordering::Relaxed);
        self.turn.store(turn + 2, Ordering::Release);
    }

    /// Guest time when it was last tied to the host's, and how long ago that was; `None` if it does not follow.
    fn elapsed(&self) -> Option<(u64, u64)> {
        let (base, since) = self.read();
        (since != APART).then(|| (base, self.origin.elapsed_nanos().saturating_sub(since)))
    }

    fn read(&self) -> (u64, u64) {
        loop {
            let turn = self.turn.load(Ordering::Acquire);
            let read = (self.base.load(Ordering::Relaxed), self.since.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if turn & 1 == 0 && self.turn.load(Ordering::Relaxed) == turn {
                return read;
            }
            std::hint::spin_loop();
        }
    }

    /// Guest time now.
    pub fn now(&self) -> VmTime {
        self.look().0
    }

    /// Guest time now, and whether it stands because the host's clock has leapt, until [`Clock::follow`].
    pub fn look(&self) -> (VmTime, bool) {
        let (base, since) = self.read();
        match since {
            APART => (VmTime(base), false),
            since => {
                let elapsed = self.origin.elapsed_nanos().saturating_sub(since);
                (VmTime(base) + elapsed.min(LEAP), elapsed >= LEAP)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::TimeMode;

    #[test]
    fn time_never_goes_back_for_anybody() {
        let clock = SharedClock::new(Clock::new(TimeMode::RealTime));
        assert_eq!(clock.now(), VmTime::ZERO);
        clock.change(Clock::start);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut last = VmTime::ZERO;
                    for _ in 0..200_000 {
                        let now = clock.now();
                        assert!(now >= last);
                        last = now;
                    }
                });
            }
            for _ in 0..20_000 {
                clock.change(Clock::follow);
                clock.follow_sometimes();
            }
        });
        clock.change(Clock::pause);
        assert_eq!(clock.now(), clock.copy().now());
        assert!(clock.now() > VmTime::ZERO && !clock.look().1);
    }
}
