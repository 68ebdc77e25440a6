//! The bus master of one channel (Intel's "Programming Interface for Bus Master IDE Controller", revision 1.0): three
//! registers, and transfers along a table of physical region descriptors.

use super::Drive;
use super::task_file::{Direction, error};
use lyrebird_memory::GuestMemory;
use serde::{Deserialize, Serialize};

// Command register.
const START: u8 = 1 << 0;
/// The transfer writes to memory.
const TO_MEMORY: u8 = 1 << 3;
// Status register.
const ACTIVE: u8 = 1 << 0;
const ERROR: u8 = 1 << 1;
const INTERRUPT: u8 = 1 << 2;
/// Set by the firmware for drives that can do DMA; tells only drivers.
const CAPABLE: u8 = 3 << 5;

/// A table may not cross a boundary of 64 KiB, so it has no more descriptors.
const MOST_DESCRIPTORS: u32 = 0x1_0000 / 8;
/// Last descriptor of the table.
const EOT: u32 = 1 << 31;

/// The registers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BusMaster {
    command: u8,
    status: u8,
    table: u32,
}

impl BusMaster {
    /// Reads a byte.
    pub fn read(&self, offset: u16) -> u8 {
        match offset & 7 {
            0 => self.command,
            2 => self.status,
            n @ 4.. => self.table.to_le_bytes()[usize::from(n - 4)],
            _ => 0,
        }
    }

    /// Writes a byte.
    pub fn write(&mut self, offset: u16, value: u8) {
        match offset & 7 {
            0 => {
                match (self.command & START != 0, value & START != 0) {
                    (false, true) => self.status |= ACTIVE,
                    (true, false) => self.status &= !ACTIVE,
                    _ => {}
                }
                self.command = value & (START | TO_MEMORY);
            }
            2 => {
                let cleared = self.status & !(value & (ERROR | INTERRUPT));
                self.status = cleared & !CAPABLE | value & CAPABLE;
            }
            n @ 4.. => {
                let mut bytes = self.table.to_le_bytes();
                bytes[usize::from(n - 4)] = value;
                self.table = u32::from_le_bytes(bytes) & !3;
            }
            _ => {}
        }
    }

    /// The drive's interrupt line went up.
    pub fn interrupt(&mut self) {
        self.status |= INTERRUPT;
    }

    /// Runs the transfer if both sides are ready for it. A table that is too short leaves the drive waiting, as in hardware;
    /// an address without memory aborts the drive's command.
    pub fn run(&mut self, drive: &mut Drive, memory: &GuestMemory) {
        if self.status & ACTIVE == 0 || !drive.task_file().dma {
            return;
        }
        for n in 0..MOST_DESCRIPTORS {
            // The low 16 bits of a descriptor's address wrap.
            let at = self.table & 0xffff_0000 | self.table.wrapping_add(8 * n) & 0xffff;
            let Ok(descriptor) = memory.read_uint(at.into(), 8) else { return self.abort(drive) };
            let (base, control) = (descriptor as u32 & !1, (descriptor >> 32) as u32);
            let bytes = match control & 0xfffe {
                0 => 0x1_0000,
                bytes => bytes as usize,
            };
            let Some(done) = region(drive, memory, base.into(), bytes) else { return self.abort(drive) };
            let last = control & EOT != 0;
            if last && done == bytes {
                self.status &= !ACTIVE;
            }
            if last || !drive.task_file().dma {
                return;
            }
        }
        self.status &= !ACTIVE;
    }

    fn abort(&mut self, drive: &mut Drive) {
        self.status = self.status & !ACTIVE | ERROR;
        drive.task_file_mut().fail(error::ABRT);
    }
}

/// Moves up to so many bytes from or to a region of memory; how many, or `None` if there is no memory.
fn region(drive: &mut Drive, memory: &GuestMemory, base: u64, bytes: usize) -> Option<usize> {
    let mut done = 0;
    let mut chunk = vec![0; bytes.min(0x1_0000)];
    while done < bytes && drive.task_file().dma {
        let step = drive.task_file().rest().min(bytes - done);
        let data = chunk.get_mut(..step)?;
        let at = base + done as u64;
        match drive.task_file().direction {
            Direction::In => {
                drive.task_file_mut().take(data);
                memory.write(at, data).ok()?;
            }
            Direction::Out => {
                memory.read(at, data).ok()?;
                drive.task_file_mut().give(data);
            }
            Direction::None => break,
        }
        done += step;
        let before = drive.task_file().rest();
        drive.advance();
        // A block without bytes would never end.
        if step == 0 && before == drive.task_file().rest() {
            break;
        }
    }
    Some(done)
}
