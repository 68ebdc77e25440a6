//! Guest time: with the host's clock, or by instructions retired. One nanosecond is one tick of the time-stamp counter.

use super::TimeMode;
use super::host_inputs::HostInstant;
use lyrebird_core::VmTime;

/// The most that guest time may leap at once. When a busy host does not run us for a while, a guest would find that many
/// ticks of its timers have become one, and blame its clocks for that; so the rest is owed, and paid back in small steps.
pub(super) const LEAP: u64 = 1_000_000;
/// A debt of so much doubles the pace of guest time.
const HEAVY_DEBT: u64 = 100_000_000;

/// The machine's clock. A copy of it tells the same time until the original is paused or moved.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    mode: TimeMode,
    /// Guest time when `since` was; in deterministic mode guest time itself.
    base: VmTime,
    /// When the host's clock was last tied to guest time; `None` while the machine is paused.
    since: Option<HostInstant>,
    /// How far guest time is behind the host's clock.
    debt: u64,
}

impl Clock {
    /// A stopped clock that shows zero.
    pub fn new(mode: TimeMode) -> Self {
        Clock { mode, base: VmTime::ZERO, since: None, debt: 0 }
    }

    /// Whether time follows the instructions.
    pub fn deterministic(&self) -> bool {
        matches!(self.mode, TimeMode::Deterministic { .. })
    }

    /// Guest time when it was last tied to the host's clock, and when that was; none if guest time does not follow that clock.
    pub(super) fn tied(&self) -> (VmTime, Option<HostInstant>) {
        (self.base, self.since.filter(|_| !self.deterministic()))
    }

    /// Guest time now.
    pub fn now(&self) -> VmTime {
        match (self.mode, self.since) {
            (TimeMode::RealTime, Some(since)) => self.base + since.elapsed_nanos().min(LEAP),
            _ => self.base,
        }
    }

    /// Whether guest time stands because the host's clock has leapt, until [`Clock::follow`].
    pub fn stands(&self) -> bool {
        matches!((self.mode, self.since), (TimeMode::RealTime, Some(since)) if since.elapsed_nanos() >= LEAP)
    }

    /// Ties guest time to the host's clock anew. To be called often while the machine works.
    pub fn follow(&mut self) {
        if let (TimeMode::RealTime, Some(since)) = (self.mode, self.since) {
            let elapsed = since.elapsed_nanos();
            self.since = Some(since.later(elapsed));
            self.pass(elapsed);
        }
    }

    fn pass(&mut self, elapsed: u64) {
        let step = elapsed.min(LEAP);
        self.debt = self.debt.saturating_add(elapsed - step);
        let back = u128::from(step) * u128::from(self.debt) / u128::from(HEAVY_DEBT);
        self.base = self.base + step;
        self.pay(u64::try_from(back).unwrap_or(u64::MAX));
    }

    fn pay(&mut self, most: u64) {
        let back = most.min(self.debt);
        self.debt -= back;
        self.base = self.base + back;
    }

    /// Everybody is idle until the deadline: up to there guest time may leap without harm. To be called before and after
    /// sleeping.
    pub fn idle_until(&mut self, deadline: VmTime) {
        if let (TimeMode::RealTime, Some(since)) = (self.mode, self.since) {
            let elapsed = since.elapsed_nanos();
            self.since = Some(since.later(elapsed));
            self.debt = self.debt.saturating_add(elapsed);
            self.pay(deadline.since(self.base));
        }
    }

    /// Everybody was idle, at least until this deadline: as [`Clock::idle_until`], but time that has been told is never taken
    /// back.
    pub fn wake_at(&mut self, deadline: VmTime) {
        self.idle_until(deadline.max(self.now()));
    }

    /// Starts or goes on.
    pub fn start(&mut self) {
        self.since.get_or_insert_with(HostInstant::now);
    }

    /// Stops: guest time stands.
    pub fn pause(&mut self) {
        self.follow();
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
    fn time_that_the_host_took_is_owed_and_paid_back() {
        let mut clock = Clock::new(TimeMode::RealTime);
        clock.pass(50_000_000);
        assert_eq!((clock.base.as_nanos(), clock.debt), (LEAP + 490_000, 48_510_000));
        for _ in 0..10_000 {
            let before = clock.base;
            clock.pass(100_000);
            assert!(clock.base.since(before) < 150_000);
        }
        assert_eq!(clock.base.as_nanos() + clock.debt, 1_050_000_000);
        assert!(clock.debt < 1_000_000);
        clock.debt = 5_000;
        clock.start();
        let deadline = clock.base + 2_000;
        clock.idle_until(deadline);
        assert_eq!(clock.base, deadline, "while everybody sleeps it is paid back at once");
    }

    #[test]
    fn waking_late_takes_no_time_back() {
        let mut clock = Clock::new(TimeMode::RealTime);
        clock.start();
        std::thread::sleep(std::time::Duration::from_micros(300));
        let told = clock.now();
        clock.wake_at(VmTime(10));
        assert!(clock.now() >= told);
    }

    #[test]
    fn real_time_stands_while_paused() {
        let mut clock = Clock::new(TimeMode::RealTime);
        assert_eq!(clock.now(), VmTime::ZERO);
        clock.start();
        std::thread::sleep(std::time::Duration::from_millis(2));
        clock.idle_until(VmTime::NEVER);
        clock.pause();
        let now = clock.now();
        assert!(now >= VmTime(2_000_000));
        assert_eq!(clock.now(), now);
    }
}
