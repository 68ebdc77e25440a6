//! The machine as our firmware uses it: the board without the firmware's own device, which runs meanwhile.

use super::board::Board;
use devices::ide::Drive;
use lyrebird_core::{BlockDevice, VmTime};
use lyrebird_memory::GuestMemory;
use roms::{Floppy, Platform};

/// The board, at a moment.
pub(super) struct Machine<'a> {
    pub board: &'a mut Board,
    pub now: VmTime,
}

impl Machine<'_> {
    fn drive(&mut self, place: usize) -> Option<&mut Drive> {
        self.board.ide.drive(place / 2, place % 2)
    }
}

impl Platform for Machine<'_> {
    fn now(&self) -> VmTime {
        self.now
    }

    fn memory(&self) -> &GuestMemory {
        &self.board.memory
    }

    fn port_read(&mut self, port: u16, bytes: u8) -> u32 {
        self.board.port_read(port, bytes, self.now)
    }

    fn port_write(&mut self, port: u16, bytes: u8, value: u32) {
        self.board.port_write(port, bytes, value, self.now);
    }

    fn mmio_read(&mut self, gpa: u64) -> u8 {
        self.board.mmio_read(0, gpa, 1, self.now) as u8
    }

    fn mmio_write(&mut self, gpa: u64, value: u8) {
        self.board.mmio_write(0, gpa, 1, value.into(), self.now);
    }

    fn mmio_write_block(&mut self, gpa: u64, bytes: &[u8]) {
        self.board.mmio_write_block(gpa, bytes, self.now);
    }

    fn disk(&mut self, place: usize) -> Option<&mut dyn BlockDevice> {
        match self.drive(place)? {
            Drive::Disk(disk) => Some(disk.medium()),
            Drive::Cdrom(_) => None,
        }
    }

    fn has_cdrom(&mut self, place: usize) -> bool {
        matches!(self.drive(place), Some(Drive::Cdrom(_)))
    }

    fn cdrom(&mut self, place: usize) -> Option<&mut dyn BlockDevice> {
        match self.drive(place)? {
            Drive::Cdrom(cdrom) => cdrom.medium(),
            Drive::Disk(_) => None,
        }
    }

    fn floppy(&mut self, drive: usize) -> Floppy<'_> {
        match self.board.fdc.drive(drive) {
            None => Floppy::None,
            Some(drive) => drive.medium().map_or(Floppy::Empty, |(disk, _)| Floppy::Disk(disk)),
        }
    }
}
