//! The high precision event timers at FED00000h ("IA-PC HPET specification", revision 1.0a): a counter of 100 MHz and three
//! comparators, two of which can take the place of the 8254's and the clock chip's interrupts.

mod comparator;
#[cfg(test)]
mod tests;

pub use comparator::Comparator;

use comparator::{LEVEL, Register};
use lyrebird_core::{Device, Frequency, Line, MmioIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use serde::{Deserialize, Serialize};

/// Where the registers are.
pub const BASE: u64 = 0xfed0_0000;
/// How long they are.
pub const BYTES: u64 = 0x400;
/// What [`Hpet::new`] wants lines for: the I/O APIC's inputs that any comparator can be routed to.
pub const ROUTES: [u8; 4] = [20, 21, 22, 23];
/// The upper half of the capabilities: a tick in femtoseconds. The lower: vendor, legacy replacement, 64 bits, three
/// comparators, revision 1.
const CAPABILITIES: u64 = 10_000_000 << 32 | 0x8086_a201;
const CLOCK: Frequency = Frequency::hertz(100_000_000);
/// How many comparators.
const COUNT: usize = 3;

// General configuration.
const ENABLE: u64 = 1 << 0;
const LEGACY: u64 = 1 << 1;

/// The timers.
pub struct Hpet {
    // Wiring.
    /// In place of the 8254, and of the clock chip.
    legacy: [Line; 2],
    routes: [Line; ROUTES.len()],
    timer: Timer,
    // State.
    state: State,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    config: u64,
    /// Interrupt status: level-triggered comparators that have matched.
    status: u64,
    /// The counter, less the clock's ticks while it runs.
    counter: u64,
    comparators: [Comparator; COUNT],
}

impl Hpet {
    /// Timers with the lines of IRQ 0 and 8, and of [`ROUTES`].
    pub fn new(legacy: [Line; 2], routes: [Line; ROUTES.len()], timer: Timer) -> Self {
        Hpet { legacy, routes, timer, state: State::default() }
    }

    /// Whether the 8254 and the clock chip have lost their interrupts to the first two comparators.
    pub fn replaces_legacy(&self) -> bool {
        self.state.config & LEGACY != 0
    }

    fn running(&self) -> bool {
        self.state.config & ENABLE != 0
    }

    fn counter(&self, now: VmTime) -> u64 {
        let ticks = if self.running() { CLOCK.ticks_at(now) } else { 0 };
        self.state.counter.wrapping_add(ticks)
    }

    fn line(&self, n: usize) -> Option<&Line> {
        if n < 2 && self.replaces_legacy() {
            return Some(&self.legacy[n]);
        }
        let route = self.state.comparators[n].route();
        ROUTES.iter().position(|known| *known == route).map(|at| &self.routes[at])
    }

    /// The matches up to now, and their interrupts.
    fn advance(&mut self, now: VmTime) {
        if !self.running() {
            return;
        }
        let counter = self.counter(now);
        for n in 0..COUNT {
            let comparator = &mut self.state.comparators[n];
            if !comparator.advance(counter) || !comparator.interrupts() {
                continue;
            }
            if comparator.config() & LEVEL != 0 {
                self.state.status |= 1 << n;
            } else if let Some(line) = self.line(n) {
                line.pulse();
            }
        }
    }

    /// The lines' levels: IRQ 0 and 8, then the routes.
    fn levels(&self) -> [bool; 2 + ROUTES.len()] {
        let mut levels = [false; 2 + ROUTES.len()];
        for n in 0..COUNT {
            let comparator = &self.state.comparators[n];
            if self.state.status & 1 << n == 0 || comparator.config() & LEVEL == 0 || !comparator.interrupts() {
                continue;
            }
            let at = if n < 2 && self.replaces_legacy() {
                Some(n)
            } else {
                ROUTES.iter().position(|known| *known == comparator.route()).map(|at| at + 2)
            };
            if let Some(at) = at {
                levels[at] = true;
            }
        }
        levels
    }

    fn settle(&mut self, now: VmTime) {
        for (line, level) in self.legacy.iter().chain(&self.routes).zip(self.levels()) {
            line.set(level);
        }
        self.arm(now);
    }

    fn arm(&self, now: VmTime) {
        if !self.running() {
            return self.timer.cancel();
        }
        let counter = self.counter(now);
        let left = self.state.comparators.iter().filter_map(|comparator| comparator.left(counter)).min();
        let ticks = left.and_then(|left| CLOCK.ticks_at(now).checked_add(left));
        self.timer.arm(ticks.map_or(VmTime::NEVER, |ticks| CLOCK.time_of(ticks)));
    }

    fn read_register(&self, offset: u64, now: VmTime) -> u64 {
        match offset & !7 {
            0x00 => CAPABILITIES,
            0x10 => self.state.config,
            0x20 => self.state.status,
            0xf0 => self.counter(now),
            at @ 0x100..0x160 => {
                let comparator = &self.state.comparators[((at - 0x100) / 0x20) as usize];
                Register::at(at).map_or(0, |register| comparator.read(register))
            }
            _ => 0,
        }
    }

    /// Writes the bits of a 64-bit register that `mask` has.
    fn write_register(&mut self, offset: u64, value: u64, mask: u64, now: VmTime) {
        let counter = self.counter(now);
        match offset & !7 {
            0x10 => {
                let config = self.state.config & !mask | value & mask & (ENABLE | LEGACY);
                self.state.config = config;
                // The counter goes on from where it was, or stands there.
                let ticks = if config & ENABLE != 0 { CLOCK.ticks_at(now) } else { 0 };
                self.state.counter = counter.wrapping_sub(ticks);
                self.state.comparators.iter_mut().for_each(|comparator| comparator.look(counter));
            }
            0x20 => self.state.status &= !(value & mask),
            0xf0 => {
                let counter = counter & !mask | value & mask;
                let ticks = if self.running() { CLOCK.ticks_at(now) } else { 0 };
                self.state.counter = counter.wrapping_sub(ticks);
                self.state.comparators.iter_mut().for_each(|comparator| comparator.look(counter));
            }
            at @ 0x100..0x160 => {
                let comparator = &mut self.state.comparators[((at - 0x100) / 0x20) as usize];
                if let Some(register) = Register::at(at) {
                    comparator.write(register, value, mask, counter);
                }
            }
            _ => {}
        }
    }
}

impl Device for Hpet {
    fn name(&self) -> &str {
        "hpet"
    }

    fn reset(&mut self, _kind: ResetKind, now: VmTime) {
        self.state = State::default();
        self.settle(now);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { legacy: _, routes: _, timer: _, state } = self;
        Unit::pack("hpet", 1, state)
    }

    fn restore(&mut self, unit: &Unit, now: VmTime) -> Result<(), RestoreError> {
        self.state = unit.unpack("hpet", 1)?;
        for (line, level) in self.legacy.iter().chain(&self.routes).zip(self.levels()) {
            line.restore(level);
        }
        self.arm(now);
        Ok(())
    }

    fn mmio(&mut self) -> Option<&mut dyn MmioIo> {
        Some(self)
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        self.advance(now);
        self.settle(now);
    }
}

impl MmioIo for Hpet {
    fn read(&mut self, offset: u64, bytes: u8, now: VmTime) -> u64 {
        let shift = 8 * (offset & 7);
        let value = self.read_register(offset, now) >> shift;
        // An access over the end of a register sees the next one.
        match u64::from(bytes) * 8 + shift > 64 {
            true => value | self.read_register(offset + 8, now).checked_shl(64 - shift as u32).unwrap_or(0),
            false => value,
        }
    }

    fn write(&mut self, offset: u64, bytes: u8, value: u64, now: VmTime) {
        let shift = 8 * (offset & 7);
        // Software writes 32 or 64 bits; other sizes are not there.
        let mask = match bytes {
            8 if shift == 0 => u64::MAX,
            4 if shift & 31 == 0 => 0xffff_ffff << shift,
            _ => return,
        };
        self.advance(now);
        self.write_register(offset, value << shift, mask, now);
        self.settle(now);
    }
}
