//! The pair of 8259A interrupt controllers at ports 20h and A0h, with the chipset's edge/level registers at 4D0h and 4D1h
//! (82371SB data sheet, section 2.5.8). The slave's INT is the master's IR2.

mod chip;
#[cfg(test)]
mod tests;

pub use chip::Chip;

use lyrebird_core::{Device, PortIo, ResetKind, RestoreError, Unit, VmTime};
use serde::{Deserialize, Serialize};

const CASCADE: u8 = 2;
/// IRQ 0, 1, 2, 8 and 13 are always edge-triggered.
const ELCR_ALLOWED: [u8; 2] = [0xf8, 0xde];

/// Both chips.
pub struct Pic {
    master: Chip,
    slave: Chip,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    master: Chip,
    slave: Chip,
}

impl Pic {
    /// The pair after power-on.
    pub fn new() -> Self {
        Pic { master: Chip::new(1 << CASCADE), slave: Chip::new(0) }
    }

    /// Drives IRQ 0 to 15. (IRQ 2 is the cascade: nothing is connected.)
    pub fn set_irq(&mut self, irq: u8, level: bool) {
        match irq {
            CASCADE => {}
            0..8 => self.master.set_ir(irq, level),
            _ => {
                self.slave.set_ir(irq & 7, level);
                self.cascade();
            }
        }
    }

    fn cascade(&mut self) {
        self.master.set_ir(CASCADE, self.slave.request().is_some());
    }

    /// The master's INT pin.
    pub fn intr(&self) -> bool {
        self.master.request().is_some()
    }

    /// Both INTA cycles: the vector. A request that has gone gives IRQ 7 or 15, which nobody has in service.
    pub fn acknowledge(&mut self) -> u8 {
        match self.master.acknowledge() {
            Some(CASCADE) => {
                let n = self.slave.acknowledge();
                // INTA lowers the slave's INT; if another input waits it rises again.
                self.master.set_ir(CASCADE, false);
                self.cascade();
                self.slave.vector(n.unwrap_or(7))
            }
            n => self.master.vector(n.unwrap_or(7)),
        }
    }
}

impl Default for Pic {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Pic {
    fn name(&self) -> &str {
        "pic"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.master.reset();
        self.slave.reset();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { master, slave } = self;
        Unit::pack("pic", 1, &Saved { master: master.clone(), slave: slave.clone() })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { master, slave } = unit.unpack("pic", 1)?;
        (self.master, self.slave) = (master, slave);
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for Pic {
    fn read(&mut self, port: u16, _bytes: u8, _now: VmTime) -> u32 {
        let value = match port {
            0x20 => self.master.read_command(),
            0x21 => self.master.read_data(),
            0xa0 => self.slave.read_command(),
            0xa1 => self.slave.read_data(),
            0x4d0 => self.master.elcr(),
            0x4d1 => self.slave.elcr(),
            _ => 0xff,
        };
        self.cascade(); // a poll acknowledges
        value.into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, _now: VmTime) {
        let value = value as u8;
        match port {
            0x20 => self.master.write_command(value),
            0x21 => self.master.write_data(value),
            0xa0 => self.slave.write_command(value),
            0xa1 => self.slave.write_data(value),
            0x4d0 => self.master.set_elcr(value, ELCR_ALLOWED[0]),
            0x4d1 => self.slave.set_elcr(value, ELCR_ALLOWED[1]),
            _ => {}
        }
        // The master's own initialisation forgets that it has seen the slave's request.
        if port == 0x20 && value & 0x10 != 0 {
            self.master.set_ir(CASCADE, false);
        }
        self.cascade();
    }
}
