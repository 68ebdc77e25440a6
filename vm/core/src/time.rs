//! Guest time: nanoseconds that pass only while the machine runs, and exact clock rates.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

/// A moment of guest time, in nanoseconds since the machine was first powered on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VmTime(pub u64);

impl VmTime {
    /// Power-on.
    pub const ZERO: VmTime = VmTime(0);
    /// Later than anything.
    pub const NEVER: VmTime = VmTime(u64::MAX);

    /// Nanoseconds since power-on.
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`; zero if `earlier` is the later one.
    pub fn since(self, earlier: VmTime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for VmTime {
    type Output = VmTime;
    /// So many nanoseconds later; stops at [`VmTime::NEVER`].
    fn add(self, nanos: u64) -> VmTime {
        VmTime(self.0.saturating_add(nanos))
    }
}

impl Sub<u64> for VmTime {
    type Output = VmTime;
    /// So many nanoseconds earlier; stops at power-on.
    fn sub(self, nanos: u64) -> VmTime {
        VmTime(self.0.saturating_sub(nanos))
    }
}

/// A clock rate as a rational number of hertz, so that no clock drifts (the PIT's is 315,000,000 / 264 Hz).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    numerator: u64,
    denominator: u64,
}

impl Frequency {
    /// `numerator / denominator` hertz; both at least 1.
    pub const fn ratio(numerator: u64, denominator: u64) -> Self {
        assert!(numerator > 0 && denominator > 0);
        Frequency { numerator, denominator }
    }

    /// A whole number of hertz, at least 1.
    pub const fn hertz(hertz: u64) -> Self {
        Self::ratio(hertz, 1)
    }

    /// How many ticks have passed at this moment, counted from power-on (the tick's edge is at or before `at`).
    pub fn ticks_at(&self, at: VmTime) -> u64 {
        let ticks = u128::from(at.0) * u128::from(self.numerator) / (1_000_000_000 * u128::from(self.denominator));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// The first moment at which so many ticks have passed since power-on: the inverse of [`Frequency::ticks_at`].
    pub fn time_of(&self, ticks: u64) -> VmTime {
        let nanos =
            (u128::from(ticks) * 1_000_000_000 * u128::from(self.denominator)).div_ceil(u128::from(self.numerator));
        VmTime(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_pit_ticks_is_exact() {
        let pit = Frequency::ratio(315_000_000, 264);
        let day = VmTime(86_400_000_000_000);
        assert_eq!(pit.ticks_at(day), 103_090_909_090);
        let tick = pit.time_of(103_090_909_090);
        assert_eq!(pit.ticks_at(tick), 103_090_909_090);
        assert_eq!(pit.ticks_at(tick - 1), 103_090_909_089);
    }
}
