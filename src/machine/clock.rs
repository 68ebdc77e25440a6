//! Guest time: with the host's clock, or by instructions retired. One nanosecond is one tick of the time-stamp counter.

use super::TimeMode;
use super::host_inputs::HostInstant;
use lyrebird_core::VmTime;

/// The machine's clock. A copy of it tells the same time until the original is paused or moved.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    mode: TimeMode,
    /// Guest time when `since` was; in deterministic mode guest time itself.
    base: VmTime,
    /// When the host's clock was last tied to guest time; `None` while the machine is paused.
    since: Option<HostInstant>,
}

impl Clock {
    /// A stopped clock that shows zero.
    pub fn new(mode: TimeMode) -> Self {
        Clock { mode, base: VmTime::ZERO, since: None }
    }

    /// Whether time follows the instructions.
    pub fn deterministic(&self) -> bool {
        matches!(self.mode, TimeMode::Deterministic { .. })
    }

    /// Guest time now.
    pub fn now(&self) -> VmTime {
        match (self.mode, self.since) {
            (TimeMode::RealTime, Some(since)) => self.base + since.elapsed_nanos(),
            _ => self.base,
        }
    }

    /// Starts or goes on.
    pub fn start(&mut self) {
        self.since.get_or_insert_with(HostInstant::now);
    }

    /// Stops: guest time stands.
    pub fn pause(&mut self) {
        self.base = self.now();
        self.since = None;
    }

    /// Sets guest time, as a snapshot has it.
    pub fn set(&mut self, now: VmTime) {
        self.base = now;
        if self.since.is_some() {
            self.since = Some(HostInstant::now());
        }
    }

    /// Nanoseconds of guest time that so many instructions take; zero when the host's clock decides.
    pub fn nanos_for(&self, instructions: u64) -> u64 {
        match self.mode {
            TimeMode::RealTime => 0,
            TimeMode::Deterministic { nanos_per_instruction } => {
                instructions.saturating_mul(nanos_per_instruction.max(1).into())
            }
        }
    }

    /// How many instructions fit into so many nanoseconds; rounded up, so that a deadline is reached. Only for deterministic
    /// machines.
    pub fn instructions_for(&self, nanos: u64) -> u64 {
        match self.mode {
            TimeMode::RealTime => u64::MAX,
            TimeMode::Deterministic { nanos_per_instruction } => nanos.div_ceil(nanos_per_instruction.max(1).into()),
        }
    }

    /// So many instructions were retired.
    pub fn retire(&mut self, instructions: u64) {
        self.base = self.base + self.nanos_for(instructions);
    }

    /// Everybody is idle: time jumps to the next deadline. Only for deterministic machines.
    pub fn skip_to(&mut self, deadline: VmTime) {
        if self.deterministic() {
            self.base = self.base.max(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deterministic_time_follows_instructions() {
        let mut clock = Clock::new(TimeMode::Deterministic { nanos_per_instruction: 3 });
        clock.start();
        clock.retire(10);
        assert_eq!(clock.now(), VmTime(30));
        assert_eq!(clock.instructions_for(31), 11);
        clock.skip_to(VmTime(1_000));
        clock.skip_to(VmTime(500));
        assert_eq!(clock.now(), VmTime(1_000));
    }

    #[test]
    fn real_time_stands_while_paused() {
        let mut clock = Clock::new(TimeMode::RealTime);
        assert_eq!(clock.now(), VmTime::ZERO);
        clock.start();
        std::thread::sleep(std::time::Duration::from_millis(2));
        clock.pause();
        let now = clock.now();
        assert!(now >= VmTime(2_000_000));
        assert_eq!(clock.now(), now);
    }
}
