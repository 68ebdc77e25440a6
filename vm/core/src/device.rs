//! What a device is to the board: a core of reset, save, restore and timers, and optional capabilities that it hands
//! out (ports, MMIO, PCI configuration). A device is called with `&mut self` under the machine lock, is told the time,
//! and starts no thread.

use crate::saved::{RestoreError, Unit};
use crate::time::VmTime;
use serde::{Deserialize, Serialize};

/// What kind of reset reaches a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetKind {
    /// Power came on: everything starts afresh.
    Power,
    /// The reset line: what a battery or a latch keeps (CMOS) stays.
    Hard,
}

/// A device of the board.
///
/// ```text
///   board --ports()/mmio()/pci()--> device --Line, Timer, GuestMemory handles--> board
/// ```
pub trait Device: Send {
    /// The device's name in logs and snapshots ("pit", "serial0").
    fn name(&self) -> &str;

    /// Puts the device in its state after reset.
    fn reset(&mut self, kind: ResetKind, now: VmTime);

    /// The device's whole state. `save` names every field of `self`, so that a new one has to be thought about.
    fn save(&self, now: VmTime) -> Unit;

    /// Takes a saved state over, arms the timers that it implies and makes no edge on any line.
    fn restore(&mut self, unit: &Unit, now: VmTime) -> Result<(), RestoreError>;

    /// The device's port side, if it has one.
    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        None
    }

    /// The device's memory-mapped side, if it has one.
    fn mmio(&mut self) -> Option<&mut dyn MmioIo> {
        None
    }

    /// The device's PCI configuration space, if it is a PCI function.
    fn pci(&mut self) -> Option<&mut dyn PciConfig> {
        None
    }

    /// One of the device's timers is due. `now` may be later than the deadline.
    fn timer(&mut self, _timer: u32, _now: VmTime) {}
}

/// Port accesses. `port` is the address on the bus; `bytes` is 1, 2 or 4 and the access does not leave the range that the
/// board gave to the device (the board splits those that would).
pub trait PortIo {
    /// IN. Bits above the width are ignored.
    fn read(&mut self, port: u16, bytes: u8, now: VmTime) -> u32;

    /// OUT.
    fn write(&mut self, port: u16, bytes: u8, value: u32, now: VmTime);

    /// REP INS: fills `data` with consecutive reads of `bytes` each. A device with a data port overrides it by a copy.
    fn read_block(&mut self, port: u16, bytes: u8, data: &mut [u8], now: VmTime) {
        for item in data.chunks_exact_mut(usize::from(bytes)) {
            item.copy_from_slice(&self.read(port, bytes, now).to_le_bytes()[..usize::from(bytes)]);
        }
    }

    /// REP OUTS: the same for writes.
    fn write_block(&mut self, port: u16, bytes: u8, data: &[u8], now: VmTime) {
        for item in data.chunks_exact(usize::from(bytes)) {
            let mut value = [0; 4];
            value[..item.len()].copy_from_slice(item);
            self.write(port, bytes, u32::from_le_bytes(value), now);
        }
    }
}

/// Memory-mapped accesses. `offset` counts from the start of the range that the board gave to the device; `bytes` is 1, 2,
/// 4 or 8.
pub trait MmioIo {
    /// A load.
    fn read(&mut self, offset: u64, bytes: u8, now: VmTime) -> u64;

    /// A store.
    fn write(&mut self, offset: u64, bytes: u8, value: u64, now: VmTime);
}

/// A PCI function's 256 bytes of configuration space. `offset` and `bytes` never cross a 32-bit register.
pub trait PciConfig {
    /// A configuration read.
    fn config_read(&mut self, offset: u8, bytes: u8, now: VmTime) -> u32;

    /// A configuration write.
    fn config_write(&mut self, offset: u8, bytes: u8, value: u32, now: VmTime);
}
