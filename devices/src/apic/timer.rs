//! The local APIC's timer (Intel SDM vol. 3, section 11.5.4): one-shot, periodic, or a deadline of the time-stamp counter.

use lyrebird_core::{Frequency, VmTime};
use serde::{Deserialize, Serialize};

/// The bus clock that the timer divides.
pub const BUS_CLOCK: Frequency = Frequency::hertz(1_000_000_000);
/// The time-stamp counter.
pub const TSC_CLOCK: Frequency = Frequency::hertz(1_000_000_000);

/// The timer's mode, from bits 18 and 17 of its LVT entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    OneShot,
    Periodic,
    TscDeadline,
    Reserved,
}

impl Mode {
    pub fn of(lvt: u32) -> Mode {
        match lvt >> 17 & 3 {
            0 => Mode::OneShot,
            1 => Mode::Periodic,
            2 => Mode::TscDeadline,
            _ => Mode::Reserved,
        }
    }
}

/// The timer's registers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Timer {
    pub initial: u32,
    pub divide: u32,
    /// The bus tick at which the count now running was loaded; none while it stands at zero.
    started: Option<u64>,
    /// IA32_TSC_DEADLINE; zero when it is not armed.
    pub deadline: u64,
}

impl Timer {
    /// The divide configuration register's meaning: bits 3, 1 and 0.
    fn divisor(&self) -> u64 {
        match self.divide & 3 | self.divide >> 1 & 4 {
            7 => 1,
            n => 2 << n,
        }
    }

    /// How many bus ticks a whole count takes.
    fn length(&self) -> u64 {
        u64::from(self.initial) * self.divisor()
    }

    pub fn write_initial(&mut self, value: u32, now: VmTime) {
        self.initial = value;
        self.started = (value != 0).then(|| BUS_CLOCK.ticks_at(now));
    }

    /// A new divisor: the count that is left goes on with it.
    pub fn write_divide(&mut self, value: u32, mode: Mode, now: VmTime) {
        let left = self.current(mode, now);
        self.divide = value & 0xb;
        if self.started.is_some() {
            let done = u64::from(self.initial - left.min(self.initial)) * self.divisor();
            self.started = Some(BUS_CLOCK.ticks_at(now).saturating_sub(done));
        }
    }

    /// The current count register.
    pub fn current(&self, mode: Mode, now: VmTime) -> u32 {
        let Some(started) = self.started else { return 0 };
        let gone = BUS_CLOCK.ticks_at(now).saturating_sub(started) / self.divisor();
        match mode {
            Mode::Periodic if self.initial != 0 => self.initial - (gone % u64::from(self.initial)) as u32,
            Mode::OneShot => (u64::from(self.initial)).saturating_sub(gone) as u32,
            _ => 0,
        }
    }

    /// When the timer expires next.
    pub fn next(&self, mode: Mode) -> VmTime {
        match mode {
            Mode::TscDeadline if self.deadline != 0 => TSC_CLOCK.time_of(self.deadline),
            Mode::OneShot | Mode::Periodic => {
                self.started.map_or(VmTime::NEVER, |started| BUS_CLOCK.time_of(started + self.length()))
            }
            _ => VmTime::NEVER,
        }
    }

    /// Whether the timer has expired at `now`; if so it is made ready for the next time.
    pub fn expire(&mut self, mode: Mode, now: VmTime) -> bool {
        if self.next(mode) > now {
            return false;
        }
        match mode {
            Mode::TscDeadline => self.deadline = 0,
            Mode::Periodic => {
                let (length, tick) = (self.length().max(1), BUS_CLOCK.ticks_at(now));
                self.started = self.started.map(|started| started + (tick.saturating_sub(started)) / length * length);
            }
            _ => self.started = None,
        }
        true
    }

    /// The LVT entry went into or out of TSC-deadline mode: both ways disarm.
    pub fn disarm(&mut self) {
        self.started = None;
        self.deadline = 0;
    }
}
