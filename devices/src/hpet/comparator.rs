//! One comparator. It matches when the counter reaches its value; nothing is counted, matches are found from where the
//! counter was when somebody looked last.

use super::ROUTES;
use serde::{Deserialize, Serialize};

// Configuration.
pub(super) const LEVEL: u64 = 1 << 1;
const INTERRUPT: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const CAN_PERIODIC: u64 = 1 << 4;
const WIDE: u64 = 1 << 5;
const SET_VALUE: u64 = 1 << 6;
const NARROW: u64 = 1 << 8;
const ROUTE: u64 = 0x1f << 9;
const WRITABLE: u64 = LEVEL | INTERRUPT | PERIODIC | SET_VALUE | NARROW | ROUTE;

/// A comparator's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    Config,
    Value,
}

impl Register {
    /// By its offset. The third register, for message-signalled interrupts, is not there.
    pub fn at(offset: u64) -> Option<Register> {
        match offset & 0x18 {
            0x00 => Some(Register::Config),
            0x08 => Some(Register::Value),
            _ => None,
        }
    }
}

/// The comparator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Comparator {
    config: u64,
    value: u64,
    period: u64,
    /// The counter, up to which matches have been found.
    seen: u64,
}

impl Default for Comparator {
    fn default() -> Self {
        Comparator { config: 0, value: u64::MAX, period: 0, seen: 0 }
    }
}

impl Comparator {
    /// The configuration register's lower half.
    pub fn config(&self) -> u64 {
        self.config
    }

    /// The interrupt it is routed to.
    pub fn route(&self) -> u8 {
        ((self.config & ROUTE) >> 9) as u8
    }

    /// Whether matches interrupt.
    pub fn interrupts(&self) -> bool {
        self.config & INTERRUPT != 0
    }

    fn mask(&self) -> u64 {
        if self.config & NARROW != 0 { u32::MAX.into() } else { u64::MAX }
    }

    /// How far the next match is beyond `seen`, less one, so that a whole turn of the counter fits.
    fn before_match(&self, seen: u64) -> u64 {
        self.value.wrapping_sub(seen).wrapping_sub(1) & self.mask()
    }

    /// Finds the matches up to `counter`; whether there was one.
    pub fn advance(&mut self, counter: u64) -> bool {
        let passed = counter.wrapping_sub(self.seen);
        let before = self.before_match(self.seen);
        self.seen = counter;
        if passed <= before {
            return false;
        }
        if self.config & PERIODIC != 0 && self.period != 0 {
            let more = ((passed - before - 1) & self.mask()) / self.period + 1;
            self.value = self.value.wrapping_add(self.period.wrapping_mul(more)) & self.mask();
        }
        true
    }

    /// Ticks to the next match, if that interrupts.
    pub fn left(&self, counter: u64) -> Option<u64> {
        self.interrupts().then(|| self.before_match(counter).checked_add(1)).flatten()
    }

    /// The counter was set.
    pub fn look(&mut self, counter: u64) {
        self.seen = counter;
    }

    pub(super) fn read(&self, register: Register) -> u64 {
        match register {
            Register::Config => {
                let routes = ROUTES.iter().fold(0u64, |bits, route| bits | 1 << route);
                self.config | CAN_PERIODIC | WIDE | routes << 32
            }
            Register::Value => self.value,
        }
    }

    pub(super) fn write(&mut self, register: Register, value: u64, mask: u64, counter: u64) {
        match register {
            Register::Config => {
                self.config = self.config & !mask | value & mask & WRITABLE;
                if self.config & NARROW != 0 {
                    self.value &= self.mask();
                    self.period &= self.mask();
                }
            }
            Register::Value => {
                let merge = |old: u64| (old & !mask | value & mask) & self.mask();
                let (new_value, new_period) = (merge(self.value), merge(self.period));
                if self.config & (PERIODIC | SET_VALUE) != PERIODIC {
                    self.value = new_value;
                }
                if self.config & PERIODIC != 0 {
                    self.period = new_period;
                }
                self.config &= !SET_VALUE;
            }
        }
        self.seen = counter;
    }
}
