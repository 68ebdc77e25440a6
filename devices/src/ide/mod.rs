//! IDE as the PIIX3 has it (82371SB function 1, 8086:7010; Intel data sheet 290550): two channels at the ports of a PC/AT, a
//! bus master, and on each channel up to two devices: ATA disks (T13's ATA/ATAPI-6, 1410D) and ATAPI CD-ROM drives (the
//! packet commands of SFF-8020i and MMC-3).
//!
//! ```text
//!   function.rs    PCI function, ports, interrupt lines
//!   bus_master.rs  the bus master's registers, and its way through a PRD table
//!   channel.rs     which of the two devices a register access means; soft reset
//!   task_file.rs   the registers of one device and the data block under way
//!   disk/          ATA commands
//!   cdrom/         ATAPI: the PACKET command and the SCSI commands in it
//! ```
//! A command is done when the write that starts it returns, and data blocks follow each other at once: no guest can tell
//! that from a fast drive. BSY is seen only during a soft reset.

mod bus_master;
mod cdrom;
mod channel;
mod disk;
mod function;
mod identify;
mod task_file;
#[cfg(test)]
mod tests;

pub use cdrom::Cdrom;
pub use disk::Disk;
pub use function::Ide;

/// What is connected to a channel.
pub enum Drive {
    /// A hard disk.
    Disk(Box<Disk>),
    /// A CD-ROM drive.
    Cdrom(Box<Cdrom>),
}
