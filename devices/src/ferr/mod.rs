//! The floating-point error latch between the CPU's FERR# pin and IRQ 13, which a write to port F0h clears (82371SB data
//! sheet, section 2.5.10, "Coprocessor error register").

use lyrebird_core::{Device, Line, PortIo, ResetKind, RestoreError, Unit, VmTime};

/// The latch.
pub struct FerrLatch {
    irq: Line,
}

impl FerrLatch {
    /// A latch that drives this line.
    pub fn new(irq: Line) -> Self {
        FerrLatch { irq }
    }

    /// The CPU drives FERR#. The latch keeps an assertion until the guest clears it or the pin falls.
    pub fn set(&mut self, asserted: bool) {
        self.irq.set(asserted);
    }
}

impl Device for FerrLatch {
    fn name(&self) -> &str {
        "ferr"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.irq.set(false);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { irq } = self;
        Unit::pack("ferr", 1, &irq.level())
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        self.irq.restore(unit.unpack("ferr", 1)?);
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for FerrLatch {
    fn read(&mut self, _port: u16, _bytes: u8, _now: VmTime) -> u32 {
        0xff
    }

    fn write(&mut self, _port: u16, _bytes: u8, _value: u32, _now: VmTime) {
        self.irq.set(false);
    }
}
