//! The MC146818 without its bus. Nothing ticks: the time of day is guest time plus an offset, and the flags of register C
//! follow from the moments that have passed since somebody last looked.

use super::calendar::{Calendar, Format, calendar, seconds};
use lyrebird_core::VmTime;
use serde::{Deserialize, Serialize};

const SECOND: i128 = 1_000_000_000;
/// The time base, in hertz.
const BASE: i128 = 32_768;
/// UIP rises 244 us before an update cycle, which takes 1,984 us (data sheet, "Update cycle").
const UPDATE: i128 = 244_000 + 1_984_000;
/// The first update comes half a second after the divider chain is let go.
const HALF: i128 = SECOND / 2;

// Register numbers.
const SECONDS_ALARM: usize = 1;
const MINUTES_ALARM: usize = 3;
const HOURS_ALARM: usize = 5;
const A: u8 = 0x0a;
const B: u8 = 0x0b;
const C: u8 = 0x0c;
const D: u8 = 0x0d;
/// Where IBM's firmware keeps the century.
const CENTURY: u8 = 0x32;
/// The registers that count, in the order of [`Chip::registers`].
const TIME: [u8; 8] = [0, 2, 4, 6, 7, 8, 9, CENTURY];

// Register B.
const SET: u8 = 0x80;
const BINARY: u8 = 0x04;
const HOURS24: u8 = 0x02;
// Flags, at the same place in B (enable) and C (flag).
const PERIODIC: u8 = 0x40;
const ALARM: u8 = 0x20;
const UPDATE_ENDED: u8 = 0x10;

/// The clock.
#[derive(Clone, Serialize, Deserialize)]
pub struct Chip {
    /// The clock's nanoseconds since 1970, less guest time.
    offset: i128,
    /// The clock's nanoseconds while it stands still (SET, or the divider held).
    held: Option<i128>,
    /// The time registers as written while SET stops their updates.
    set: Option<[u8; 8]>,
    /// Added to the calendar's day of the week, for guests that have their own idea of it.
    weekday: u8,
    /// Up to where `flags` is complete, in the clock's nanoseconds.
    seen: i128,
    /// Register C's PF, AF and UF.
    flags: u8,
    /// Registers A and B (without UIP), the alarms, and the RAM.
    ram: Vec<u8>,
}

impl Chip {
    pub(super) fn new(at: i64) -> Self {
        let mut ram = vec![0; 128];
        ram[usize::from(A)] = 0x26;
        ram[usize::from(B)] = HOURS24;
        let offset = i128::from(at) * SECOND;
        Chip { offset, held: None, set: None, weekday: 0, seen: offset, flags: 0, ram }
    }

    /// The RESET pin: interrupts are disabled and their flags cleared; time and RAM stay.
    pub(super) fn reset(&mut self, now: VmTime) {
        self.advance(now);
        *self.register(B) &= !(PERIODIC | ALARM | UPDATE_ENDED | 0x08);
        self.flags = 0;
    }

    // A damaged snapshot may hold less RAM than there is; everything else indexes within 128.
    fn register(&mut self, index: u8) -> &mut u8 {
        self.ram.resize(128, 0);
        &mut self.ram[usize::from(index & 0x7f)]
    }

    pub(super) fn ram(&self, index: u8) -> u8 {
        self.ram.get(usize::from(index & 0x7f)).copied().unwrap_or(0)
    }

    pub(super) fn set_ram(&mut self, index: u8, value: u8) {
        if index & 0x7f > D && index & 0x7f != CENTURY {
            *self.register(index) = value;
        }
    }

    fn clock(&self, now: VmTime) -> i128 {
        self.held.unwrap_or(i128::from(now.as_nanos()) + self.offset)
    }

    fn format(&self) -> Format {
        Format { binary: self.ram(B) & BINARY != 0, hours24: self.ram(B) & HOURS24 != 0 }
    }

    fn divider_held(&self) -> bool {
        self.ram(A) & 0x60 == 0x60
    }

    /// The time registers, in the order of [`TIME`].
    fn registers(&self, now: VmTime) -> [u8; 8] {
        if let Some(set) = self.set {
            return set;
        }
        let format = self.format();
        let at = calendar(self.clock(now).div_euclid(SECOND) as i64);
        [
            format.encode(at.second),
            format.encode(at.minute),
            format.encode_hour(at.hour),
            format.encode((at.weekday - 1 + self.weekday) % 7 + 1),
            format.encode(at.day),
            format.encode(at.month),
            format.encode(at.year.rem_euclid(100) as u8),
            format.encode((at.year.div_euclid(100)).rem_euclid(100) as u8),
        ]
    }

    /// Sets the clock to what the registers say, keeping the fraction of the second.
    fn adopt(&mut self, registers: [u8; 8], now: VmTime) {
        let format = self.format();
        let number = |n: usize| format.decode(registers[n]);
        let at = Calendar {
            year: i64::from(number(7)) * 100 + i64::from(number(6)),
            month: number(5),
            day: number(4),
            hour: format.decode_hour(registers[2]),
            minute: number(1),
            second: number(0),
            weekday: 1,
        };
        let whole = seconds(&at);
        let clock = self.clock(now);
        let moved = i128::from(whole) * SECOND + clock.rem_euclid(SECOND);
        self.offset += moved - clock;
        self.held = self.held.map(|_| moved);
        self.seen = moved;
        let natural = calendar(whole).weekday;
        self.weekday = (number(3) + 14 - natural % 7) % 7;
    }

    /// Brings the flags up to now.
    pub(super) fn advance(&mut self, now: VmTime) {
        let (from, to) = (self.seen, self.clock(now));
        if to <= from {
            return;
        }
        self.seen = to;
        if let Some(period) = self.period()
            && tick(from, period) != tick(to, period)
        {
            self.flags |= PERIODIC;
        }
        if self.set.is_none() && from.div_euclid(SECOND) != to.div_euclid(SECOND) {
            self.flags |= UPDATE_ENDED;
            if self.next_alarm(from.div_euclid(SECOND)).is_some_and(|at| at * SECOND <= to) {
                self.flags |= ALARM;
            }
        }
    }

    /// The periodic rate, in ticks of the time base (data sheet, table 5).
    fn period(&self) -> Option<i128> {
        let (a, rate) = (self.ram(A), self.ram(A) & 15);
        // Only with the 32,768 Hz base is the divider chain as a PC has it.
        match rate {
            0 => None,
            _ if a & 0x70 != 0x20 => None,
            1 | 2 => Some(1 << (rate + 6)),
            _ => Some(1 << (rate - 1)),
        }
    }

    /// The first second after this one at which the alarm registers match.
    fn next_alarm(&self, after: i128) -> Option<i128> {
        let format = self.format();
        let field = |index: usize| self.ram.get(index).copied().unwrap_or(0xff);
        let matches = |register: u8, shown: u8| register >= 0xc0 || register == shown;
        let (second, minute, hour) = (field(SECONDS_ALARM), field(MINUTES_ALARM), field(HOURS_ALARM));
        let mut at = after + 1;
        // Steps over hours, then minutes, then seconds: fewer than 24 + 60 + 60 of them, or there is no such moment.
        for _ in 0..200 {
            let now = calendar(at as i64);
            if !matches(hour, format.encode_hour(now.hour)) {
                at += 3_600 - at.rem_euclid(3_600);
            } else if !matches(minute, format.encode(now.minute)) {
                at += 60 - at.rem_euclid(60);
            } else if !matches(second, format.encode(now.second)) {
                at += 1;
            } else {
                return Some(at);
            }
        }
        None
    }

    /// Whether the IRQ pin is asserted.
    pub(super) fn irq(&self) -> bool {
        self.flags & self.ram(B) & (PERIODIC | ALARM | UPDATE_ENDED) != 0
    }

    /// When an enabled flag will next be set. One that is set already can raise nothing new.
    pub(super) fn deadline(&self, now: VmTime) -> VmTime {
        let wanted = self.ram(B) & !self.flags;
        if self.held.is_some() || self.irq() {
            return VmTime::NEVER;
        }
        let clock = self.clock(now);
        let mut next: Option<i128> = None;
        let mut earliest = |at: i128| next = Some(next.map_or(at, |n| n.min(at)));
        if wanted & PERIODIC != 0
            && let Some(period) = self.period()
        {
            // Rounded up, so that the tick has come when the timer is due.
            let ticks = (tick(clock, period) + 1) * period * SECOND;
            earliest(-(-ticks).div_euclid(BASE));
        }
        let second = clock.div_euclid(SECOND);
        if wanted & UPDATE_ENDED != 0 {
            earliest((second + 1) * SECOND);
        }
        if wanted & ALARM != 0
            && let Some(at) = self.next_alarm(second)
        {
            earliest(at * SECOND);
        }
        next.map_or(VmTime::NEVER, |at| VmTime(u64::try_from(at - self.offset).unwrap_or(0).max(now.as_nanos() + 1)))
    }

    pub(super) fn read(&mut self, index: u8, now: VmTime) -> u8 {
        self.advance(now);
        if let Some(place) = TIME.iter().position(|register| *register == index) {
            return self.registers(now)[place];
        }
        match index {
            A => {
                let updating = self.held.is_none() && self.clock(now).rem_euclid(SECOND) >= SECOND - UPDATE;
                self.ram(A) & 0x7f | u8::from(updating) << 7
            }
            C => {
                let irq = u8::from(self.irq()) << 7;
                std::mem::take(&mut self.flags) | irq
            }
            D => 0x80, // the battery is good
            _ => self.ram(index),
        }
    }

    pub(super) fn write(&mut self, index: u8, value: u8, now: VmTime) {
        self.advance(now);
        if let Some(place) = TIME.iter().position(|register| *register == index) {
            let mut registers = self.registers(now);
            registers[place] = value;
            if self.set.is_some() {
                self.set = Some(registers);
            } else {
                self.adopt(registers, now);
            }
            return;
        }
        match index {
            A => {
                let was = self.divider_held();
                *self.register(A) = value & 0x7f;
                if was && !self.divider_held() {
                    let whole = self.clock(now).div_euclid(SECOND) * SECOND;
                    self.held = Some(whole + HALF);
                }
                self.hold(now);
            }
            B => {
                let started = self.ram(B) & !value & SET != 0;
                if value & !self.ram(B) & SET != 0 {
                    self.set = Some(self.registers(now));
                }
                // The SET registers are read in the format that holds when they take effect.
                *self.register(B) = if value & SET != 0 { value & !UPDATE_ENDED } else { value };
                if started && let Some(registers) = self.set.take() {
                    self.adopt(registers, now);
                }
            }
            C | D => {}
            _ => *self.register(index) = value,
        }
    }

    /// Stops or starts the clock as the divider bits say.
    fn hold(&mut self, now: VmTime) {
        if self.divider_held() {
            self.held.get_or_insert(i128::from(now.as_nanos()) + self.offset);
        } else if let Some(held) = self.held.take() {
            self.offset = held - i128::from(now.as_nanos());
            self.seen = held;
        }
    }
}

/// How many periods have passed at this moment of the clock.
fn tick(clock: i128, period: i128) -> i128 {
    (clock * BASE).div_euclid(SECOND * period)
}
