//! One counter of the 8254. Time is in ticks of its clock. A counter is a count, the tick at which it was loaded, and what
//! the mode makes of the ticks since then; nothing is counted.

use serde::{Deserialize, Serialize};

/// How the count is read and written (control word, bits 5 and 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Access {
    Low,
    High,
    #[default]
    Both,
}

/// The counter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Counter {
    // Control word.
    mode: u8,
    bcd: bool,
    access: Access,
    // Pins.
    gate: bool,
    // Counting element.
    /// The count that was loaded last, 1 to 10000h.
    count: u32,
    /// A count that waits: for a trigger, or for the end of the cycle.
    next: Option<u32>,
    /// The tick at which `count` is or was loaded.
    started: Option<u64>,
    /// The ticks that had been counted when the gate closed.
    paused: Option<u64>,
    /// Mode 3: the output at `started`.
    high: bool,
    // Register side.
    /// The first of two bytes.
    write_low: Option<u8>,
    read_high: bool,
    latched: Option<u16>,
    status: Option<u8>,
    // Edges.
    /// Up to where `rose` is complete.
    seen: u64,
    /// The output has risen since somebody last asked.
    rose: bool,
}

impl Default for Counter {
    fn default() -> Self {
        Counter {
            // The output is high: whatever a guest programs first makes no edge by itself.
            mode: 3,
            bcd: false,
            access: Access::Both,
            gate: true,
            count: 0x1_0000,
            next: None,
            started: None,
            paused: None,
            high: true,
            write_low: None,
            read_high: false,
            latched: None,
            status: None,
            seen: 0,
            rose: false,
        }
    }
}

impl Counter {
    fn modulus(&self) -> u64 {
        if self.bcd { 10_000 } else { 0x1_0000 }
    }

    fn encode(&self, value: u64) -> u16 {
        let value = value % self.modulus();
        if !self.bcd {
            return value as u16;
        }
        let digit = |unit: u64| value / unit % 10;
        (digit(1_000) << 12 | digit(100) << 8 | digit(10) << 4 | digit(1)) as u16
    }

    fn decode(&self, value: u16) -> u32 {
        let value = u32::from(value);
        let number =
            if self.bcd { [12, 8, 4, 0].iter().fold(0, |n, shift| n * 10 + (value >> shift & 15)) } else { value };
        if number == 0 { self.modulus() as u32 } else { number }
    }

    /// The count of a mode that repeats; 1 is not allowed there.
    fn period(&self) -> u64 {
        u64::from(self.count.max(2))
    }

    /// How long the output stays high, or low, in a cycle of mode 3.
    fn half(&self, high: bool) -> u64 {
        if high { self.period().div_ceil(2) } else { self.period() / 2 }
    }

    fn elapsed(&self, tick: u64) -> Option<u64> {
        let started = self.started?;
        Some(self.paused.unwrap_or(tick.saturating_sub(started)))
    }

    fn repeats(&self) -> bool {
        matches!(self.mode, 2 | 3)
    }

    fn triggered(&self) -> bool {
        matches!(self.mode, 1 | 5)
    }

    /// Brings edges and cycles up to `tick`. Called before anything else.
    pub fn advance(&mut self, tick: u64) {
        if self.next_rise(self.seen).is_some_and(|rise| rise <= tick) {
            self.rose = true;
        }
        self.seen = self.seen.max(tick);
        let (Some(started), None, true) = (self.started, self.paused, self.repeats()) else { return };
        let Some(elapsed) = tick.checked_sub(started) else { return };
        // To the start of the cycle that is under way.
        let mut start = started;
        if self.next.is_none() {
            start += elapsed - elapsed % self.period();
        }
        if self.mode == 2 {
            if let Some(next) = self.next
                && tick - start >= self.period()
            {
                start += self.period();
                self.count = next;
                self.next = None;
                start += (tick - start) / self.period() * self.period();
            }
        } else {
            while tick - start >= self.half(self.high) {
                start += self.half(self.high);
                self.high = !self.high;
                if let Some(next) = self.next.take() {
                    self.count = next;
                    start += (tick - start) / self.period() * self.period();
                }
            }
        }
        self.started = Some(start);
    }

    /// The output pin.
    pub fn out(&self, tick: u64) -> bool {
        let count = u64::from(self.count);
        match (self.mode, self.elapsed(tick)) {
            (0, None) => false,
            (_, None) => true,
            (0 | 1, Some(elapsed)) => elapsed >= count,
            (2 | 3, Some(_)) if self.paused.is_some() => true,
            (2, Some(elapsed)) => elapsed % self.period() != self.period() - 1,
            (3, Some(elapsed)) => {
                let at = elapsed % self.period();
                if at < self.half(self.high) { self.high } else { !self.high }
            }
            (_, Some(elapsed)) => elapsed != count,
        }
    }

    /// The counting element's value.
    fn value(&self, tick: u64) -> u16 {
        let count = u64::from(self.count);
        let Some(elapsed) = self.elapsed(tick) else { return self.encode(count) };
        let value = match self.mode {
            2 => self.period() - elapsed % self.period(),
            3 => {
                let at = elapsed % self.period();
                let first = self.half(self.high);
                let at = if at < first { at } else { at - first };
                // An odd count is loaded less one; it falls by two a tick.
                (self.period() & !1).saturating_sub(2 * at)
            }
            _ => {
                let modulus = self.modulus();
                count % modulus + modulus - elapsed % modulus
            }
        };
        self.encode(value)
    }

    /// The first tick after `after` at which the output rises, as things stand.
    fn next_rise(&self, after: u64) -> Option<u64> {
        let (started, count) = (self.started?, u64::from(self.count));
        if self.paused.is_some() {
            return None;
        }
        let (first, period) = match self.mode {
            0 | 1 => (started + count, None),
            2 => (started + self.period(), Some(self.period())),
            3 => {
                let low_ends = if self.high { self.period() } else { self.half(false) };
                (started + low_ends, Some(self.period()))
            }
            _ => (started + count + 1, None),
        };
        after_in(first, period, after)
    }

    /// The next tick after `after` at which somebody who watches the output should look: its rises, and in mode 3 its
    /// falls. (In mode 2 the output is low for one tick only, which no interrupt controller needs to see.)
    pub fn next_event(&self, after: u64) -> Option<u64> {
        let rise = self.next_rise(after);
        if self.mode != 3 || rise.is_none() {
            return rise;
        }
        let high_ends = if self.high { self.half(true) } else { self.period() };
        let fall = after_in(self.started? + high_ends, Some(self.period()), after);
        rise.into_iter().chain(fall).min()
    }

    /// Whether the output has risen since the last call.
    pub fn take_rise(&mut self) -> bool {
        std::mem::take(&mut self.rose)
    }

    /// The control word's lower six bits, with an access other than "latch".
    pub fn control(&mut self, word: u8, tick: u64) {
        self.advance(tick);
        let mode = word >> 1 & 7;
        *self = Counter {
            mode: if mode > 5 { mode - 4 } else { mode },
            bcd: word & 1 != 0,
            access: match word >> 4 & 3 {
                1 => Access::Low,
                2 => Access::High,
                _ => Access::Both,
            },
            gate: self.gate,
            count: self.count,
            seen: self.seen,
            rose: self.rose,
            ..Counter::default()
        };
    }

    /// The counter latch command.
    pub fn latch_count(&mut self, tick: u64) {
        self.advance(tick);
        if self.latched.is_none() {
            self.latched = Some(self.value(tick));
        }
    }

    /// The read-back command's status latch.
    pub fn latch_status(&mut self, tick: u64) {
        self.advance(tick);
        if self.status.is_none() {
            let waits = self.next.is_some() || self.started.is_none_or(|started| started > tick);
            let access = match self.access {
                Access::Low => 0x10,
                Access::High => 0x20,
                Access::Both => 0x30,
            };
            let bits = access | self.mode << 1 | u8::from(self.bcd);
            self.status = Some(u8::from(self.out(tick)) << 7 | u8::from(waits) << 6 | bits);
        }
    }

    /// Reads the counter's port.
    pub fn read(&mut self, tick: u64) -> u8 {
        self.advance(tick);
        if let Some(status) = self.status.take() {
            return status;
        }
        let value = self.latched.unwrap_or_else(|| self.value(tick));
        let [low, high] = value.to_le_bytes();
        let (byte, last) = match self.access {
            Access::Low => (low, true),
            Access::High => (high, true),
            Access::Both if self.read_high => (high, true),
            Access::Both => (low, false),
        };
        self.read_high = !last;
        if last {
            self.latched = None;
        }
        byte
    }

    /// Writes the counter's port.
    pub fn write(&mut self, byte: u8, tick: u64) {
        self.advance(tick);
        let value = match (self.access, self.write_low.take()) {
            (Access::Low, _) => u16::from(byte),
            (Access::High, _) => u16::from(byte) << 8,
            (Access::Both, Some(low)) => u16::from_le_bytes([low, byte]),
            (Access::Both, None) => {
                self.write_low = Some(byte);
                if self.mode == 0 {
                    // The first byte stops the count and lowers the output.
                    self.started = None;
                }
                return;
            }
        };
        let count = self.decode(value);
        if self.triggered() || self.repeats() && (self.started.is_some() || !self.gate) {
            self.next = Some(count);
        } else {
            self.load(count, tick);
            if !self.gate {
                self.paused = Some(0);
            }
        }
    }

    /// Loads a count at the next tick.
    fn load(&mut self, count: u32, tick: u64) {
        self.count = count;
        self.next = None;
        self.started = Some(tick + 1);
        self.paused = None;
        self.high = true;
    }

    /// Drives the GATE pin.
    pub fn set_gate(&mut self, gate: bool, tick: u64) {
        self.advance(tick);
        if gate == self.gate {
            return;
        }
        self.gate = gate;
        let waiting = self.next.or(self.started.map(|_| self.count));
        match (self.mode, gate) {
            (0 | 4, false) => self.paused = self.elapsed(tick),
            (0 | 4, true) => {
                if let (Some(elapsed), Some(_)) = (self.paused.take(), self.started) {
                    // May count from before power-on in ticks; the difference is what matters.
                    self.started = Some(tick.saturating_sub(elapsed));
                }
            }
            (2 | 3, false) => {
                if !self.out(tick) {
                    self.rose = true; // the output is forced high
                }
                self.paused = self.elapsed(tick);
            }
            (_, true) => {
                if let Some(count) = waiting {
                    self.load(count, tick);
                }
            }
            _ => {}
        }
    }

    /// The GATE pin.
    pub fn gate(&self) -> bool {
        self.gate
    }
}

/// The first of `first`, `first + period`, ... that is later than `after`.
fn after_in(first: u64, period: Option<u64>, after: u64) -> Option<u64> {
    match (first > after, period) {
        (true, _) => Some(first),
        (false, Some(period)) => Some(first + ((after - first) / period + 1) * period),
        (false, None) => None,
    }
}
