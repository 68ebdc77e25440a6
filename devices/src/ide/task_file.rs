//! The registers of one device (ATA/ATAPI-6, chapter 7) and the block of data that goes through its Data register.

use serde::{Deserialize, Serialize};

/// Bits of the Status register.
pub mod status {
    #![allow(missing_docs, reason = "the specification's names")]
    pub const ERR: u8 = 1 << 0;
    pub const DRQ: u8 = 1 << 3;
    /// Device seek complete, in the standards before ATA/ATAPI-4.
    pub const DSC: u8 = 1 << 4;
    pub const DRDY: u8 = 1 << 6;
    pub const BSY: u8 = 1 << 7;
}

/// Bits of the Error register.
pub mod error {
    #![allow(missing_docs, reason = "the specification's names")]
    pub const ABRT: u8 = 1 << 2;
    pub const IDNF: u8 = 1 << 4;
    pub const UNC: u8 = 1 << 6;
}

/// Device register: which of the two.
pub const DEV: u8 = 1 << 4;
/// Device register: the address is an LBA.
pub const LBA: u8 = 1 << 6;

/// Offsets from the command block's first port.
pub mod register {
    #![allow(missing_docs, reason = "the specification's names")]
    pub const DATA: u16 = 0;
    pub const FEATURES: u16 = 1;
    pub const COUNT: u16 = 2;
    pub const LBA_HIGH: u16 = 5;
    pub const DEVICE: u16 = 6;
    pub const COMMAND: u16 = 7;
}

/// Which way data goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// No data is under way.
    #[default]
    None,
    /// To the host.
    In,
    /// From the host.
    Out,
}

/// The registers and the block under way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskFile {
    /// Features, Sector Count, LBA Low, Mid and High: the last value written, and the one before it (for LBA48).
    written: [[u8; 2]; 5],
    pub(super) device: u8,
    pub(super) status: u8,
    pub(super) error: u8,
    /// The device asks for an interrupt.
    pub(super) intrq: bool,
    pub(super) direction: Direction,
    /// The data goes through the bus master.
    pub(super) dma: bool,
    pub(super) buffer: Vec<u8>,
    position: usize,
}

impl TaskFile {
    /// Writes a register from Features to Device.
    pub fn write(&mut self, register: u16, value: u8) {
        match register {
            register::FEATURES..=register::LBA_HIGH => {
                let pair = &mut self.written[usize::from(register - 1)];
                *pair = [value, pair[0]];
            }
            register::DEVICE => self.device = value,
            _ => {}
        }
    }

    /// Reads a register from Error to Status. `previous` is HOB, which shows the values written before.
    pub fn read(&self, register: u16, previous: bool) -> u8 {
        match register {
            register::FEATURES => self.error,
            register::COUNT..=register::LBA_HIGH => self.written[usize::from(register - 1)][usize::from(previous)],
            register::DEVICE => self.device | 0xa0,
            _ => self.status,
        }
    }

    pub fn features(&self) -> u8 {
        self.written[0][0]
    }

    pub fn count(&self) -> u8 {
        self.written[1][0]
    }

    pub fn set_count(&mut self, value: u8) {
        self.written[1] = [value, 0];
    }

    pub fn lba_low(&self) -> u8 {
        self.written[2][0]
    }

    /// LBA Mid and High as one number: cylinder, or byte count.
    pub fn cylinder(&self) -> u16 {
        u16::from_le_bytes([self.written[3][0], self.written[4][0]])
    }

    pub fn set_cylinder(&mut self, value: u16) {
        let [mid, high] = value.to_le_bytes();
        self.written[3][0] = mid;
        self.written[4][0] = high;
    }

    pub fn set_lba_low(&mut self, value: u8) {
        self.written[2][0] = value;
    }

    /// A 48-bit address.
    pub fn lba48(&self) -> u64 {
        let [low, mid, high] = [self.written[2], self.written[3], self.written[4]];
        u64::from_le_bytes([low[0], mid[0], high[0], low[1], mid[1], high[1], 0, 0])
    }

    pub fn set_lba48(&mut self, lba: u64) {
        let bytes = lba.to_le_bytes();
        (0..3).for_each(|n| self.written[2 + n] = [bytes[n], bytes[3 + n]]);
    }

    /// A 28-bit address.
    pub fn lba28(&self) -> u64 {
        u64::from(self.device & 15) << 24 | self.lba48() & 0xff_ffff
    }

    pub fn set_lba28(&mut self, lba: u64) {
        self.set_lba48(lba & 0xff_ffff);
        self.device = self.device & 0xf0 | (lba >> 24) as u8 & 15;
    }

    /// A sector count of 8 bits, or of 16 with EXT commands; zero means the most.
    pub fn sectors(&self, ext: bool) -> u32 {
        let [now, before] = self.written[1];
        match (ext, u16::from_le_bytes([now, before])) {
            (true, 0) => 0x1_0000,
            (true, count) => count.into(),
            (false, _) if now == 0 => 0x100,
            (false, _) => now.into(),
        }
    }

    /// What tells the kinds of devices apart, after a reset and some commands.
    pub fn set_signature(&mut self, cylinder: u16) {
        self.set_count(1);
        self.set_lba48(1);
        self.set_cylinder(cylinder);
        self.device &= DEV;
    }

    // ---- How commands end ----

    fn end(&mut self, status: u8, error: u8) {
        self.status = status;
        self.error = error;
        self.direction = Direction::None;
        self.dma = false;
        self.buffer = Vec::new();
        self.position = 0;
    }

    /// The command is done, and an interrupt says so.
    pub fn complete(&mut self) {
        self.complete_quietly();
        self.intrq = true;
    }

    /// The command is done; the last data block's interrupt has announced it already.
    pub fn complete_quietly(&mut self) {
        self.end(status::DRDY | status::DSC, 0);
    }

    /// The command failed.
    pub fn fail(&mut self, error: u8) {
        self.end(status::DRDY | status::DSC | status::ERR, error);
        self.intrq = true;
    }

    /// No command is under way.
    pub fn idle(&mut self, status: u8, error: u8) {
        self.end(status, error);
        self.intrq = false;
    }

    // ---- Data blocks ----

    /// A block is there for the host to take.
    pub fn offer(&mut self, block: Vec<u8>, dma: bool) {
        self.block(block, Direction::In, dma);
        self.intrq |= !dma;
    }

    /// The host is to give a block of so many bytes.
    pub fn want(&mut self, bytes: usize, dma: bool) {
        self.block(vec![0; bytes], Direction::Out, dma);
    }

    fn block(&mut self, block: Vec<u8>, direction: Direction, dma: bool) {
        self.end(status::DRDY | status::DSC | status::DRQ, 0);
        (self.buffer, self.direction, self.dma) = (block, direction, dma);
    }

    /// Moves bytes out of the block; how many there were.
    pub fn take(&mut self, data: &mut [u8]) -> usize {
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        let count = rest.len().min(data.len());
        data[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        count
    }

    /// Moves bytes into the block; how many it took.
    pub fn give(&mut self, data: &[u8]) -> usize {
        let rest = self.buffer.get_mut(self.position..).unwrap_or_default();
        let count = rest.len().min(data.len());
        rest[..count].copy_from_slice(&data[..count]);
        self.position += count;
        count
    }

    /// What is left of the block to move.
    pub fn rest(&self) -> usize {
        self.buffer.len().saturating_sub(self.position)
    }
}
