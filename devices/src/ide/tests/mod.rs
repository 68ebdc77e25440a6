//! Tests from the standards, as a driver would speak to the ports.

mod ata;
mod atapi;
mod dma;
mod random;

use super::Ide;
use crate::pci::WindowHandle;
use lyrebird_core::block::{MemoryDisk, SECTOR};
use lyrebird_core::{Line, PortIo, VmTime};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

const NOW: VmTime = VmTime::ZERO;
const RAM: u64 = 1 << 20;
const BUS_MASTER: u16 = 0xc000;

// Status.
const OK: u8 = 0x50;
const DRQ: u8 = 0x58;
const ERR: u8 = 0x51;

/// The function with its drives, and a driver's verbs.
pub struct Bench {
    pub ide: Ide,
    pub lines: [Line; 2],
    pub memory: Arc<GuestMemory>,
}

/// Sector `n` of the test disk is filled with this.
pub fn pattern(sector: u64) -> Vec<u8> {
    (0..SECTOR).map(|at| (sector as usize * 7 + at) as u8).collect()
}

/// A disk of so many sectors.
pub fn disk(sectors: u64) -> Box<MemoryDisk> {
    Box::new(MemoryDisk::new("disk", (0..sectors).flat_map(pattern).collect()))
}

impl Bench {
    /// Primary device 0 a disk of 3000 sectors; secondary device 0 a CD of 101 blocks, the last of which is not whole.
    pub fn new() -> Self {
        let memory = Arc::new(GuestMemory::new());
        let block = memory.add_block("ram", RAM).unwrap();
        memory.map(Region { base: 0, bytes: RAM, priority: 0, target: Target::Ram { block, offset: 0 } });
        let lines = [Line::unconnected(), Line::unconnected()];
        let mut ide = Ide::new(memory.clone(), lines.clone(), WindowHandle::unconnected());
        ide.connect_disk(0, 0, disk(3000));
        ide.connect_cdrom(1, 0, Some(disk(401)));
        ide.set_base(BUS_MASTER);
        Bench { ide, lines, memory }
    }

    pub fn out(&mut self, port: u16, value: u8) {
        self.ide.write(port, 1, value.into(), NOW);
    }

    pub fn inb(&mut self, port: u16) -> u8 {
        self.ide.read(port, 1, NOW) as u8
    }

    /// Reads Status, which takes the interrupt back.
    pub fn status(&mut self, base: u16) -> u8 {
        self.inb(base + 7)
    }

    /// Features, Sector Count, LBA Low, Mid, High, Device, Command.
    pub fn command(&mut self, base: u16, registers: [u8; 7]) {
        // The device first, as drivers do.
        for n in [5usize, 0, 1, 2, 3, 4] {
            self.out(base + 1 + n as u16, registers[n]);
        }
        self.out(base + 7, registers[6]);
    }

    /// An LBA28 command on the primary device 0.
    pub fn lba28(&mut self, command: u8, count: u8, lba: u32) {
        let [low, mid, high, top] = lba.to_le_bytes();
        self.command(0x1f0, [0, count, low, mid, high, 0xe0 | top & 15, command]);
    }

    pub fn read_data(&mut self, base: u16, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        self.ide.read_block(base, 2, &mut data, NOW);
        data
    }

    pub fn write_data(&mut self, base: u16, data: &[u8]) {
        self.ide.write_block(base, 2, data, NOW);
    }

    /// A command without data and its status; the interrupt must have come.
    pub fn simple(&mut self, registers: [u8; 7]) -> u8 {
        self.command(0x1f0, registers);
        assert!(self.lines[0].level());
        self.status(0x1f0)
    }

    /// Sends a packet to the CD-ROM with a byte count limit.
    pub fn packet(&mut self, limit: u16, packet: &[u8]) {
        let [low, high] = limit.to_le_bytes();
        self.command(0x170, [0, 0, 0, low, high, 0xa0, 0xa0]);
        assert_eq!((self.status(0x170), self.inb(0x172)), (DRQ, 1));
        let mut bytes = [0; 12];
        bytes[..packet.len()].copy_from_slice(packet);
        self.write_data(0x170, &bytes);
    }

    /// Sends a packet and reads all of its reply; `Err` is the sense key, code and qualifier.
    pub fn scsi(&mut self, packet: &[u8]) -> Result<Vec<u8>, [u8; 3]> {
        self.packet(0xfffe, packet);
        let mut reply = Vec::new();
        loop {
            assert!(self.lines[1].level(), "each phase interrupts");
            let status = self.status(0x170);
            if status & 1 != 0 {
                assert_eq!(self.inb(0x172), 3);
                let sense = self.scsi(&[3, 0, 0, 0, 18]).unwrap();
                return Err([sense[2], sense[12], sense[13]]);
            }
            if status & 8 == 0 {
                assert_eq!((status, self.inb(0x172)), (OK, 3));
                return Ok(reply);
            }
            assert_eq!(self.inb(0x172), 2);
            let count = u16::from_le_bytes([self.inb(0x174), self.inb(0x175)]);
            reply.extend(self.read_data(0x170, count.into()));
        }
    }
}
