//! The real-time clock and CMOS RAM at ports 70h and 71h: a Motorola MC146818 (data sheet: "MC146818 Real-Time Clock
//! plus RAM").

mod calendar;
mod chip;
#[cfg(test)]
mod tests;

pub use chip::Chip;

use lyrebird_core::{Device, Line, PortIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use serde::{Deserialize, Serialize};

/// The chip on the ISA bus.
pub struct Rtc {
    // Wiring.
    irq: Line,
    timer: Timer,
    // State.
    chip: Chip,
    /// What was last written to port 70h; bit 7 masks NMI.
    index: u8,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    chip: Chip,
    index: u8,
}

impl Rtc {
    /// A clock that shows `seconds` (since 1970, in its own time zone) at power-on.
    pub fn new(seconds: i64, irq: Line, timer: Timer) -> Self {
        Rtc { irq, timer, chip: Chip::new(seconds), index: 0 }
    }

    /// Whether port 70h masks NMI.
    pub fn nmi_masked(&self) -> bool {
        self.index & 0x80 != 0
    }

    /// Sets a CMOS byte as the firmware's set-up would; the clock's own registers (0 to Dh) are left alone.
    pub fn set_cmos(&mut self, index: u8, value: u8) {
        self.chip.set_ram(index, value);
    }

    /// Reads a CMOS byte.
    pub fn cmos(&self, index: u8) -> u8 {
        self.chip.ram(index)
    }

    fn settle(&mut self, now: VmTime) {
        self.irq.set(self.chip.irq());
        self.timer.arm(self.chip.deadline(now));
    }
}

impl Device for Rtc {
    fn name(&self) -> &str {
        "rtc"
    }

    fn reset(&mut self, _kind: ResetKind, now: VmTime) {
        self.chip.reset(now);
        self.index = 0;
        self.settle(now);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { irq: _, timer: _, chip, index } = self;
        Unit::pack("rtc", 1, &Saved { chip: chip.clone(), index: *index })
    }

    fn restore(&mut self, unit: &Unit, now: VmTime) -> Result<(), RestoreError> {
        let Saved { chip, index } = unit.unpack("rtc", 1)?;
        (self.chip, self.index) = (chip, index);
        self.irq.restore(self.chip.irq());
        self.timer.arm(self.chip.deadline(now));
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        self.chip.advance(now);
        self.settle(now);
    }
}

impl PortIo for Rtc {
    fn read(&mut self, port: u16, _bytes: u8, now: VmTime) -> u32 {
        if port & 1 == 0 {
            return 0xff; // the index is write-only
        }
        let value = self.chip.read(self.index & 0x7f, now);
        self.settle(now);
        value.into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, now: VmTime) {
        if port & 1 == 0 {
            self.index = value as u8;
        } else {
            self.chip.write(self.index & 0x7f, value as u8, now);
            self.settle(now);
        }
    }
}
