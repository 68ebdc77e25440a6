//! Loops that wait by PAUSE, as the guest's delays and spin locks do: what Intel's PAUSE-loop exiting (SDM vol. 3, 26.6.13) does
//! for hypervisors. A vCPU that has waited so for a while lets its thread sleep for a moment, again and again.

use super::host_inputs::HostInstant;
use std::time::Duration;

/// So many PAUSEs are counted between two looks at the clock, which takes longer than a PAUSE.
const LOOK: u32 = 16;
/// Looks that are further apart are not of the same loop, in nanoseconds: the processors' PLE_Gap.
const GAP: u64 = 20_000;
/// A loop that has taken so long will most likely go on: PLE_Window. Most locks are free by then, and short delays over.
const WINDOW: u64 = 50_000;
/// How long the thread sleeps; a delay of the guest gets longer by that at most, and by what the host takes to wake a thread.
const REST: Duration = Duration::from_micros(50);
/// Nobody sleeps if the next timer of the guest is due sooner.
const ROOM: u64 = 100_000;

/// What is known of one vCPU's loop. Its times are the host's: guest time leaps when a debt is paid back.
#[derive(Debug)]
pub struct Spin {
    pauses: u32,
    origin: HostInstant,
    /// When the loop was first seen, in nanoseconds after `origin`.
    since: u64,
    /// When it was last seen.
    seen: u64,
}

impl Default for Spin {
    fn default() -> Self {
        Spin { pauses: 0, origin: HostInstant::now(), since: 0, seen: 0 }
    }
}

impl Spin {
    /// Counts a PAUSE; true if it is time for [`Spin::look`].
    pub fn count(&mut self) -> bool {
        self.pauses = self.pauses.wrapping_add(1);
        self.pauses.is_multiple_of(LOOK)
    }

    /// Looks at the host's clock: whether the loop has taken long enough.
    pub fn look(&mut self) -> bool {
        self.look_at(self.origin.elapsed_nanos())
    }

    fn look_at(&mut self, now: u64) -> bool {
        if now.saturating_sub(self.seen) > GAP {
            self.since = now;
        }
        self.seen = now;
        now.saturating_sub(self.since) >= WINDOW
    }

    /// Lets the thread sleep, if the next timer is not due before it would wake: `left` nanoseconds are left. The loop goes on
    /// afterwards as if nothing had been. Gives for how long it slept.
    pub fn rest(&mut self, left: u64) -> u64 {
        if left < ROOM {
            return 0;
        }
        std::thread::sleep(REST);
        let slept = self.origin.elapsed_nanos().saturating_sub(self.seen);
        self.seen += slept;
        slept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every so many nanoseconds, from `start` on; gives the moments at which it would sleep.
    fn rests(spin: &mut Spin, start: u64, step: u64, looks: u64) -> Vec<u64> {
        (0..looks).map(|look| start + look * step).filter(|now| spin.look_at(*now)).collect()
    }

    #[test]
    fn the_clock_is_looked_at_once_in_a_while() {
        let mut spin = Spin::default();
        assert_eq!((0..160).filter(|_| spin.count()).count(), 10);
    }

    #[test]
    fn a_loop_sleeps_when_it_has_taken_the_window() {
        let mut spin = Spin::default();
        let slept = rests(&mut spin, 1_000_000, 2_000, 30);
        assert_eq!((slept[0], slept.len()), (1_050_000, 5));
        // After a while without a PAUSE it is another loop.
        assert_eq!(rests(&mut spin, 1_080_000, 2_000, 25), [0; 0]);
    }

    #[test]
    fn after_a_sleep_it_is_the_same_loop() {
        let mut spin = Spin::default();
        let slept = spin.rest(u64::MAX);
        assert!(slept >= REST.as_nanos() as u64 && spin.seen == slept);
    }

    #[test]
    fn pauses_here_and_there_are_no_loop() {
        assert_eq!(rests(&mut Spin::default(), 50_000, GAP + 1, 1_000), [0; 0]);
    }

    #[test]
    fn nobody_sleeps_when_a_timer_is_due_soon() {
        assert_eq!(Spin::default().rest(ROOM - 1), 0);
    }
}
