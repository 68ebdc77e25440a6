//! What the firmware needs of the machine around it.

use crate::tables::Board;
use lyrebird_core::{BlockDevice, VmTime};
use lyrebird_memory::GuestMemory;

/// The machine, as the firmware's services use it while one of them runs.
pub trait Platform {
    /// Guest time.
    fn now(&self) -> VmTime;

    /// Guest memory.
    fn memory(&self) -> &GuestMemory;

    /// IN.
    fn port_read(&mut self, port: u16, bytes: u8) -> u32;

    /// OUT.
    fn port_write(&mut self, port: u16, bytes: u8, value: u32);

    /// A load of one byte from an address without memory: the display adapter's.
    fn mmio_read(&mut self, gpa: u64) -> u8;

    /// A store of one byte, likewise.
    fn mmio_write(&mut self, gpa: u64, value: u8);

    /// Stores of single bytes, one after the other, to the addresses from there on.
    fn mmio_write_block(&mut self, gpa: u64, bytes: &[u8]);

    /// The hard disk at one of the four places of the IDE channels.
    fn disk(&mut self, place: usize) -> Option<&mut dyn BlockDevice>;

    /// Whether there is a CD-ROM drive at one of these places.
    fn has_cdrom(&mut self, place: usize) -> bool;

    /// The medium in that CD-ROM drive.
    fn cdrom(&mut self, place: usize) -> Option<&mut dyn BlockDevice>;

    /// A floppy drive, 0 or 1, and what is in it.
    fn floppy(&mut self, drive: usize) -> Floppy<'_>;
}

/// What there is at a floppy drive's place.
pub enum Floppy<'a> {
    /// No drive.
    None,
    /// A drive without a disk.
    Empty,
    /// A disk.
    Disk(&'a mut dyn BlockDevice),
}

/// A kind of device to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// The first floppy drive.
    Floppy,
    /// The first hard disk.
    Disk,
    /// The first CD with something to boot.
    Cdrom,
}

/// What to boot from, as a person chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootOrder {
    /// In this order.
    pub order: Vec<BootDevice>,
    /// At the first start before all others.
    pub once: Vec<BootDevice>,
    /// Shows the menu and waits for a choice.
    pub menu: bool,
}

impl Default for BootOrder {
    fn default() -> Self {
        BootOrder {
            order: vec![BootDevice::Disk, BootDevice::Cdrom, BootDevice::Floppy],
            once: Vec::new(),
            menu: false,
        }
    }
}

/// What never changes about the machine.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Bytes of RAM from address 0.
    pub low_ram: u64,
    /// Bytes of RAM from 4 GiB.
    pub high_ram: u64,
    /// What the tables say of the board.
    pub board: Board,
    /// What to boot from.
    pub boot: BootOrder,
}
