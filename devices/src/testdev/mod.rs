//! QEMU's `pc-testdev`, for test programs that run without an operating system: a port that remembers, lines that can be
//! raised by hand, and a piece of memory behind MMIO.

use lyrebird_core::{Device, Line, MmioIo, PortIo, ResetKind, RestoreError, Unit, VmTime};
use serde::{Deserialize, Serialize};

/// Where its memory is.
pub const MEMORY_BASE: u64 = 0xff00_0000;
/// How much there is.
pub const MEMORY_BYTES: usize = 0x1_0000;
/// The first of the ports that drive interrupt lines.
pub const IRQ_PORTS: u16 = 0x2000;
/// How many lines there are.
pub const LINES: usize = 24;
/// Four ports that keep what is written to them.
pub const DATA_PORTS: u16 = 0xe0;
/// Written to flush a page from the TLB, which is nothing to do here.
pub const FLUSH_PORTS: u16 = 0xe4;

/// The device.
pub struct TestDev {
    // Wiring.
    lines: Vec<Line>,
    // State.
    data: [u8; 4],
    memory: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    data: [u8; 4],
    levels: Vec<bool>,
    memory: Vec<u8>,
}

impl TestDev {
    /// The device that drives these interrupt lines.
    pub fn new(lines: Vec<Line>) -> Self {
        TestDev { lines, data: [0; 4], memory: vec![0; MEMORY_BYTES] }
    }
}

impl Device for TestDev {
    fn name(&self) -> &str {
        "testdev"
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.data = [0; 4];
        self.lines.iter().for_each(|line| line.set(false));
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { lines, data, memory } = self;
        let levels = lines.iter().map(Line::level).collect();
        Unit::pack("testdev", 1, &Saved { data: *data, levels, memory: memory.clone() })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { data, levels, mut memory } = unit.unpack("testdev", 1)?;
        memory.resize(MEMORY_BYTES, 0);
        (self.data, self.memory) = (data, memory);
        self.lines.iter().zip(levels).for_each(|(line, level)| line.restore(level));
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn mmio(&mut self) -> Option<&mut dyn MmioIo> {
        Some(self)
    }
}

impl PortIo for TestDev {
    fn read(&mut self, port: u16, bytes: u8, _now: VmTime) -> u32 {
        let Some(first) = port.checked_sub(DATA_PORTS).filter(|n| *n < 4) else { return 0 };
        (0..bytes).fold(0, |value, n| {
            let byte = self.data.get(usize::from(first) + usize::from(n)).copied().unwrap_or(0xff);
            value | u32::from(byte) << (8 * n)
        })
    }

    fn write(&mut self, port: u16, bytes: u8, value: u32, _now: VmTime) {
        if let Some(line) = port.checked_sub(IRQ_PORTS).and_then(|n| self.lines.get(usize::from(n))) {
            line.set(value != 0);
        } else if let Some(first) = port.checked_sub(DATA_PORTS).filter(|n| *n < 4) {
            for (place, byte) in
                self.data[usize::from(first)..].iter_mut().zip(&value.to_le_bytes()[..bytes.min(4).into()])
            {
                *place = *byte;
            }
        }
    }
}

impl MmioIo for TestDev {
    fn read(&mut self, offset: u64, bytes: u8, _now: VmTime) -> u64 {
        let mut value = [0xff; 8];
        let here = usize::try_from(offset).ok().and_then(|at| self.memory.get(at..)).unwrap_or(&[]);
        value[..bytes.min(8).into()].iter_mut().zip(here).for_each(|(place, byte)| *place = *byte);
        let unused = 64 - 8 * u32::from(bytes.clamp(1, 8));
        u64::from_le_bytes(value) << unused >> unused
    }

    fn write(&mut self, offset: u64, bytes: u8, value: u64, _now: VmTime) {
        let here = usize::try_from(offset).ok().and_then(|at| self.memory.get_mut(at..)).unwrap_or(&mut []);
        here.iter_mut().zip(&value.to_le_bytes()[..bytes.min(8).into()]).for_each(|(place, byte)| *place = *byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_memory_and_lines() {
        let line = Line::unconnected();
        let mut device = TestDev::new(vec![Line::unconnected(), line.clone()]);
        let now = VmTime::ZERO;
        PortIo::write(&mut device, 0xe0, 4, 0x1234_5678, now);
        PortIo::write(&mut device, 0xe1, 1, 0xaa, now);
        assert_eq!(PortIo::read(&mut device, 0xe0, 4, now), 0x1234_aa78);
        assert_eq!(PortIo::read(&mut device, 0xe2, 2, now), 0x1234);
        PortIo::write(&mut device, 0x2001, 1, 1, now);
        assert!(line.level());
        PortIo::write(&mut device, 0x2001, 1, 0, now);
        assert!(!line.level());
        MmioIo::write(&mut device, 0x10, 8, 0x0102_0304_0506_0708, now);
        assert_eq!(MmioIo::read(&mut device, 0x12, 2, now), 0x0506);
        assert_eq!(MmioIo::read(&mut device, 0xffff, 4, now), 0xffff_ff00);
    }
}
