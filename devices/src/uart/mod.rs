//! A serial port: a 16550A at eight ports, with its interrupt line and the host's end of the wire.

mod chip;
#[cfg(test)]
mod tests;

pub use chip::Chip;

use lyrebird_core::chars::CharOut;
use lyrebird_core::{Device, Line, PortIo, ResetKind, RestoreError, Unit, VmTime};

/// The port.
pub struct Uart {
    name: String,
    // Wiring.
    irq: Line,
    out: Box<dyn CharOut>,
    unflushed: bool,
    // Registers.
    chip: Chip,
}

impl Uart {
    /// A port of this name, whose bytes go to `out`.
    pub fn new(name: &str, irq: Line, out: Box<dyn CharOut>) -> Self {
        Uart { name: name.into(), irq, out, unflushed: false, chip: Chip::default() }
    }

    /// How many bytes it can receive now.
    pub fn room(&self) -> usize {
        self.chip.room()
    }

    /// Bytes arrive from the host; no more than there is room for.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.chip.receive(bytes);
        self.irq.set(self.chip.irq());
    }

    /// Makes what was sent visible to the reader.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            self.out.flush();
        }
    }
}

impl Device for Uart {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.chip.reset();
        self.irq.set(false);
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { name: _, irq: _, out: _, unflushed: _, chip } = self;
        Unit::pack("uart", 1, chip)
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        self.chip = unit.unpack("uart", 1)?;
        self.irq.restore(self.chip.irq());
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }
}

impl PortIo for Uart {
    fn read(&mut self, port: u16, _bytes: u8, _now: VmTime) -> u32 {
        let value = self.chip.read(port);
        self.irq.set(self.chip.irq());
        value.into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, _now: VmTime) {
        if let Some(byte) = self.chip.write(port, value as u8) {
            // While the byte is under way the interrupt is gone; a controller that looks for edges must see that.
            self.irq.set(self.chip.irq());
            self.out.write(&[byte]);
            self.unflushed = true;
            self.chip.sent();
        }
        self.irq.set(self.chip.irq());
    }
}
