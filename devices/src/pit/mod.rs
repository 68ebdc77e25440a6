//! The 8254 programmable interval timer at ports 40h to 43h (Intel data sheet 231164), and port 61h, which gates counter 2
//! and shows its output. Counter 0 drives IRQ 0.

mod counter;
#[cfg(test)]
mod tests;

pub use counter::Counter;

use lyrebird_core::{Device, Frequency, Line, PortIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use serde::{Deserialize, Serialize};

/// 14.31818 MHz, which is 315/22, divided by 12.
pub const CLOCK: Frequency = Frequency::ratio(315_000_000, 264);
/// Memory refresh asks every 18 ticks (15 us), and port 61h bit 4 toggles each time.
const REFRESH: u64 = 18;

/// The timer.
pub struct Pit {
    // Wiring.
    out0: Line,
    timer: Timer,
    // State.
    counters: [Counter; 3],
    /// Port 61h's lower four bits as written.
    port_b: u8,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    counters: [Counter; 3],
    port_b: u8,
    out0: bool,
}

impl Pit {
    /// A timer whose counter 0 drives the line.
    pub fn new(out0: Line, timer: Timer) -> Self {
        let mut pit = Pit { out0, timer, counters: Default::default(), port_b: 0 };
        pit.counters[2].set_gate(false, 0);
        pit
    }

    /// The output of counter 2 while the speaker's gate lets it through: what the loudspeaker hears.
    pub fn speaker(&self, now: VmTime) -> bool {
        self.port_b & 2 != 0 && self.counters[2].out(CLOCK.ticks_at(now))
    }

    fn settle(&mut self, tick: u64) {
        let counter = &mut self.counters[0];
        counter.advance(tick);
        if counter.take_rise() {
            self.out0.set(false);
            self.out0.set(true);
        }
        self.out0.set(counter.out(tick));
        self.arm(tick);
    }

    fn arm(&self, tick: u64) {
        self.timer.arm(self.counters[0].next_event(tick).map_or(VmTime::NEVER, |tick| CLOCK.time_of(tick)));
    }

    fn control(&mut self, word: u8, tick: u64) {
        let select = usize::from(word >> 6);
        if select == 3 {
            // Read-back: latches are asked for by zeroes.
            for n in (0..3).filter(|n| word & 2 << n != 0) {
                if word & 0x20 == 0 {
                    self.counters[n].latch_count(tick);
                }
                if word & 0x10 == 0 {
                    self.counters[n].latch_status(tick);
                }
            }
        } else if word & 0x30 == 0 {
            self.counters[select].latch_count(tick);
        } else {
            self.counters[select].control(word, tick);
        }
    }
}

impl Device for Pit {
    fn name(&self) -> &str {
        "pit"
    }

    fn reset(&mut self, _kind: ResetKind, now: VmTime) {
        // The 8254's state after power-on is undefined. Ours is what a PC's firmware would leave soon after: nothing counts.
        let tick = CLOCK.ticks_at(now);
        for counter in &mut self.counters {
            *counter = Counter::default();
            counter.advance(tick);
        }
        self.counters[2].set_gate(false, tick);
        self.port_b = 0;
        self.settle(tick);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { out0, timer: _, counters, port_b } = self;
        Unit::pack("pit", 1, &Saved { counters: counters.clone(), port_b: *port_b, out0: out0.level() })
    }

    fn restore(&mut self, unit: &Unit, now: VmTime) -> Result<(), RestoreError> {
        let Saved { counters, port_b, out0 } = unit.unpack("pit", 1)?;
        (self.counters, self.port_b) = (counters, port_b);
        self.out0.restore(out0);
        self.arm(CLOCK.ticks_at(now));
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        self.settle(CLOCK.ticks_at(now));
    }
}

impl PortIo for Pit {
    fn read(&mut self, port: u16, _bytes: u8, now: VmTime) -> u32 {
        let tick = CLOCK.ticks_at(now);
        match port {
            0x40..=0x42 => self.counters[usize::from(port & 3)].read(tick).into(),
            0x61 => {
                let counter = &mut self.counters[2];
                counter.advance(tick);
                let refresh = ((tick / REFRESH) as u32 & 1) << 4;
                u32::from(self.port_b) | refresh | u32::from(counter.out(tick)) << 5
            }
            _ => 0xff,
        }
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, now: VmTime) {
        let (tick, value) = (CLOCK.ticks_at(now), value as u8);
        match port {
            0x40..=0x42 => self.counters[usize::from(port & 3)].write(value, tick),
            0x43 => self.control(value, tick),
            0x61 => {
                self.port_b = value & 0x0f;
                self.counters[2].set_gate(value & 1 != 0, tick);
            }
            _ => {}
        }
        self.settle(tick);
    }
}
