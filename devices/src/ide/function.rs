//! The PCI function: configuration space, ports, lines.

use super::bus_master::BusMaster;
use super::channel::{self, Channel};
use super::task_file::register;
use super::{Cdrom, Disk, Drive, cdrom, disk};
use crate::pci::{ConfigSpace, Identity, Space, WindowHandle};
use lyrebird_core::{BlockDevice, Device, Line, PciConfig, PortIo, ResetKind, RestoreError, Unit, VmTime};
use lyrebird_memory::GuestMemory;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// First port of each channel's command block, of 8 ports.
pub const COMMAND_BLOCKS: [u16; 2] = [0x1f0, 0x170];
/// Each channel's control block: Alternate Status and Device Control.
pub const CONTROL_BLOCKS: [u16; 2] = [0x3f6, 0x376];
const KIND: &str = "piix3-ide";
const COMMAND: u8 = 0x04;
const BUS_MASTER_BAR: u8 = 0x20;
/// IDETIM: decoding is on, in the high byte of each channel's word.
const IDETIM: u8 = 0x40;
const BUS_MASTER_PORTS: u32 = 16;

/// Function 1.1.
pub struct Ide {
    // Wiring.
    memory: Arc<GuestMemory>,
    lines: [Line; 2],
    // Registers.
    config: ConfigSpace,
    channels: [Channel; 2],
    masters: [BusMaster; 2],
}

#[derive(Serialize, Deserialize)]
struct Saved {
    config: Vec<u8>,
    channels: [channel::Saved; 2],
    masters: [BusMaster; 2],
}

#[derive(Serialize, Deserialize)]
pub(super) enum SavedDrive {
    Disk(disk::Saved),
    Cdrom(cdrom::Saved),
}

pub(super) fn damaged(reason: &str) -> RestoreError {
    RestoreError::Damaged { kind: KIND.into(), reason: reason.into() }
}

/// Which register a port is.
enum Place {
    /// Of a channel's command block.
    Command(usize, u16),
    /// A channel's Alternate Status and Device Control.
    Control(usize),
    /// Of a channel's bus master.
    Master(usize, u16),
}

impl Ide {
    /// The function after power-on, with no drives. `lines` are the interrupts of the primary and the secondary channel.
    pub fn new(memory: Arc<GuestMemory>, lines: [Line; 2], window: WindowHandle) -> Self {
        let mut config = ConfigSpace::new(Identity { vendor: 0x8086, device: 0x7010, class: 0x01_0180, revision: 0 });
        config.preset(0x06, &[0x80, 0x02]);
        config.allow(COMMAND, &[0x05, 0x00]);
        config.add_bar(4, Space::Port, BUS_MASTER_PORTS, 0, window);
        config.allow(IDETIM, &[0xff, 0xf3, 0xff, 0xf3, 0xff]);
        Ide { memory, lines, config, channels: Default::default(), masters: Default::default() }
    }

    /// Connects a hard disk as device 0 or 1 of a channel, in the place of what was there.
    pub fn connect_disk(&mut self, channel: usize, device: usize, medium: Box<dyn BlockDevice>) {
        let number = 2 * (channel & 1) + (device & 1);
        self.channels[channel & 1].drives[device & 1] = Some(Drive::Disk(Box::new(Disk::new(number as u8, medium))));
    }

    /// Connects a CD-ROM drive, with or without a medium.
    pub fn connect_cdrom(&mut self, channel: usize, device: usize, medium: Option<Box<dyn BlockDevice>>) {
        let number = 2 * (channel & 1) + (device & 1);
        self.channels[channel & 1].drives[device & 1] = Some(Drive::Cdrom(Box::new(Cdrom::new(number as u8, medium))));
    }

    /// A drive.
    pub fn drive(&mut self, channel: usize, device: usize) -> Option<&mut Drive> {
        self.channels.get_mut(channel)?.drives.get_mut(device)?.as_mut()
    }

    /// Somebody changes the medium of a CD-ROM drive (`None` takes it out). False if there is no such drive.
    pub fn change_medium(&mut self, channel: usize, device: usize, medium: Option<Box<dyn BlockDevice>>) -> bool {
        match self.drive(channel, device) {
            Some(Drive::Cdrom(cdrom)) => {
                cdrom.change_medium(medium);
                true
            }
            _ => false,
        }
    }

    /// Makes everything that was written durable. The first error is told, and all drives are tried.
    pub fn flush(&mut self) -> Result<(), lyrebird_core::BlockError> {
        let drives = self.channels.iter_mut().flat_map(|channel| channel.drives.iter_mut().flatten());
        let flushed: Vec<_> = drives.map(Drive::flush).collect();
        flushed.into_iter().collect()
    }

    /// Sets the function up as firmware would: both channels decoded, and the bus master at these ports.
    pub fn set_base(&mut self, base: u16) {
        self.config.write(IDETIM, 4, 0x8000_8000);
        self.config.write(BUS_MASTER_BAR, 4, base.into());
        self.config.write(COMMAND, 2, 5);
    }

    fn place(&self, port: u16) -> Option<Place> {
        for n in 0..2 {
            if (COMMAND_BLOCKS[n]..COMMAND_BLOCKS[n] + 8).contains(&port) {
                return Some(Place::Command(n, port - COMMAND_BLOCKS[n]));
            }
            if port == CONTROL_BLOCKS[n] {
                return Some(Place::Control(n));
            }
        }
        let offset = u64::from(port).checked_sub(self.config.window(4)?.base)? as u16;
        (offset < BUS_MASTER_PORTS as u16).then_some(Place::Master(usize::from(offset >> 3), offset & 7))
    }

    /// Drives a channel's line, and tells the bus master of its edge.
    fn settle(&mut self, n: usize) {
        let level = self.channels[n].intrq();
        if level && !self.lines[n].level() {
            self.masters[n].interrupt();
        }
        self.lines[n].set(level);
    }

    fn run(&mut self, n: usize) {
        if let Some(drive) = self.channels[n].selected() {
            self.masters[n].run(drive, &self.memory);
        }
    }

    fn read_byte(&mut self, port: u16) -> u8 {
        match self.place(port) {
            Some(Place::Command(n, register::DATA)) => {
                let mut data = [0];
                self.channels[n].read_data(&mut data);
                self.settle(n);
                data[0]
            }
            Some(Place::Command(n, register)) => {
                let value = self.channels[n].read(register);
                self.settle(n);
                value
            }
            Some(Place::Control(n)) => self.channels[n].peek(register::COMMAND),
            Some(Place::Master(n, offset)) => self.masters[n].read(offset),
            None => 0xff,
        }
    }

    fn write_byte(&mut self, port: u16, value: u8) {
        let n = match self.place(port) {
            Some(Place::Command(n, register::DATA)) => {
                self.channels[n].write_data(&[value]);
                n
            }
            Some(Place::Command(n, register::COMMAND)) => {
                // The line must be seen to fall before the command raises it again.
                self.channels[n].clear_intrq();
                self.settle(n);
                self.channels[n].command(value);
                self.run(n);
                n
            }
            Some(Place::Command(n, register)) => {
                self.channels[n].write(register, value);
                n
            }
            Some(Place::Control(n)) => {
                self.channels[n].write_control(value);
                n
            }
            Some(Place::Master(n, offset)) => {
                self.masters[n].write(offset, value);
                if offset == 0 {
                    self.run(n);
                }
                n
            }
            None => return,
        };
        self.settle(n);
    }

    /// The channel whose Data register a port is.
    fn data_port(port: u16) -> Option<usize> {
        COMMAND_BLOCKS.iter().position(|base| *base == port)
    }
}

impl Device for Ide {
    fn name(&self) -> &str {
        KIND
    }

    fn reset(&mut self, _kind: ResetKind, _now: VmTime) {
        self.config.reset();
        self.masters = Default::default();
        self.channels.iter_mut().for_each(Channel::reset);
        (0..2).for_each(|n| self.settle(n));
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { memory: _, lines: _, config, channels, masters } = self;
        let channels = std::array::from_fn(|n| channels[n].save());
        Unit::pack(KIND, 1, &Saved { config: config.save(), channels, masters: masters.clone() })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { config, channels, masters } = unit.unpack(KIND, 1)?;
        self.config.restore(&config);
        self.masters = masters;
        for (channel, saved) in self.channels.iter_mut().zip(channels) {
            channel.restore(saved)?;
        }
        (0..2).for_each(|n| self.lines[n].restore(self.channels[n].intrq()));
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn pci(&mut self) -> Option<&mut dyn PciConfig> {
        Some(self)
    }
}

impl PciConfig for Ide {
    fn config_read(&mut self, offset: u8, bytes: u8, _now: VmTime) -> u32 {
        self.config.read(offset, bytes)
    }

    fn config_write(&mut self, offset: u8, bytes: u8, value: u32, _now: VmTime) {
        self.config.write(offset, bytes, value);
    }
}

impl PortIo for Ide {
    fn read(&mut self, port: u16, bytes: u8, now: VmTime) -> u32 {
        let mut data = [0; 4];
        let bytes = bytes.min(4);
        if Self::data_port(port).is_some() {
            self.read_block(port, bytes, &mut data[..bytes.into()], now);
        } else {
            (0..bytes).for_each(|n| data[usize::from(n)] = self.read_byte(port.wrapping_add(n.into())));
        }
        u32::from_le_bytes(data)
    }

    fn write(&mut self, port: u16, bytes: u8, value: u32, now: VmTime) {
        let (data, bytes) = (value.to_le_bytes(), bytes.min(4));
        if Self::data_port(port).is_some() {
            self.write_block(port, bytes, &data[..bytes.into()], now);
        } else {
            (0..bytes).for_each(|n| self.write_byte(port.wrapping_add(n.into()), data[usize::from(n)]));
        }
    }

    fn read_block(&mut self, port: u16, bytes: u8, data: &mut [u8], now: VmTime) {
        let Some(n) = Self::data_port(port) else {
            for item in data.chunks_exact_mut(bytes.max(1).into()) {
                item.copy_from_slice(&self.read(port, bytes, now).to_le_bytes()[..item.len()]);
            }
            return;
        };
        self.channels[n].read_data(data);
        self.settle(n);
    }

    fn write_block(&mut self, port: u16, bytes: u8, data: &[u8], now: VmTime) {
        let Some(n) = Self::data_port(port) else {
            for item in data.chunks_exact(bytes.max(1).into()) {
                let mut value = [0; 4];
                value[..item.len()].copy_from_slice(item);
                self.write(port, bytes, u32::from_le_bytes(value), now);
            }
            return;
        };
        self.channels[n].write_data(data);
        self.settle(n);
    }
}

impl Drive {
    fn flush(&mut self) -> Result<(), lyrebird_core::BlockError> {
        match self {
            Drive::Disk(disk) => disk.flush(),
            Drive::Cdrom(_) => Ok(()),
        }
    }

    pub(super) fn save(&self) -> SavedDrive {
        match self {
            Drive::Disk(disk) => SavedDrive::Disk(disk.save()),
            Drive::Cdrom(cdrom) => SavedDrive::Cdrom(cdrom.save()),
        }
    }

    pub(super) fn restore(&mut self, saved: SavedDrive) -> Result<(), RestoreError> {
        match (self, saved) {
            (Drive::Disk(disk), SavedDrive::Disk(saved)) => disk.restore(saved),
            (Drive::Cdrom(cdrom), SavedDrive::Cdrom(saved)) => cdrom.restore(saved),
            _ => Err(damaged("a drive of another kind")),
        }
    }
}
