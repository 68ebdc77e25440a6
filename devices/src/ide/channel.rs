//! One channel: a cable with up to two devices. Writes reach both, and the selected one answers (ATA/ATAPI-6, 7.1); for an
//! absent device 1, device 0 answers with a Status of zero. A channel without devices reads as zeroes.

use super::Drive;
use super::task_file::{DEV, Direction, TaskFile, register, status};
use lyrebird_core::RestoreError;
use serde::{Deserialize, Serialize};

/// Device Control: no interrupts.
const N_IEN: u8 = 1 << 1;
/// Device Control: soft reset.
const SRST: u8 = 1 << 2;
/// Device Control: reads show what was written before.
const HOB: u8 = 1 << 7;
const EXECUTE_DEVICE_DIAGNOSTIC: u8 = 0x90;

/// The channel.
#[derive(Default)]
pub struct Channel {
    pub(super) drives: [Option<Drive>; 2],
    control: u8,
    /// Device 1 is selected.
    second: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    control: u8,
    second: bool,
    drives: [Option<super::function::SavedDrive>; 2],
}

impl Channel {
    /// The selected device.
    pub fn selected(&mut self) -> Option<&mut Drive> {
        self.drives[usize::from(self.second)].as_mut()
    }

    /// The level of INTRQ.
    pub fn intrq(&self) -> bool {
        let drive = self.drives[usize::from(self.second)].as_ref();
        self.control & N_IEN == 0 && drive.is_some_and(|drive| drive.task_file().intrq)
    }

    fn each(&mut self) -> impl Iterator<Item = &mut Drive> {
        self.drives.iter_mut().flatten()
    }

    /// Power-on, or the reset line.
    pub fn reset(&mut self) {
        (self.control, self.second) = (0, false);
        self.each().for_each(|drive| drive.reset(true));
    }

    /// Reads a register from Error to Status, without what reading Status does.
    pub fn peek(&self, offset: u16) -> u8 {
        if offset == register::COMMAND && self.control & SRST != 0 && self.drives.iter().any(Option::is_some) {
            return status::BSY;
        }
        let own = self.drives[usize::from(self.second)].as_ref();
        match (own, &self.drives[0]) {
            (Some(drive), _) => drive.task_file().read(offset, self.control & HOB != 0),
            (None, Some(_)) if offset == register::COMMAND => 0,
            (None, Some(drive)) => drive.task_file().read(offset, self.control & HOB != 0),
            (None, None) => 0,
        }
    }

    /// Reads a register.
    pub fn read(&mut self, offset: u16) -> u8 {
        let value = self.peek(offset);
        if offset == register::COMMAND
            && let Some(drive) = self.selected()
        {
            drive.task_file_mut().intrq = false;
        }
        value
    }

    /// Writes a register from Features to Device.
    pub fn write(&mut self, offset: u16, value: u8) {
        self.control &= !HOB;
        self.each().for_each(|drive| drive.task_file_mut().write(offset, value));
        if offset == register::DEVICE {
            self.second = value & DEV != 0;
        }
    }

    /// Takes the interrupt back, as writing the Command register does first.
    pub fn clear_intrq(&mut self) {
        if let Some(drive) = self.selected() {
            drive.task_file_mut().intrq = false;
        }
    }

    /// Writes the Command register.
    pub fn command(&mut self, command: u8) {
        self.control &= !HOB;
        if self.control & SRST != 0 {
            return;
        }
        if command == EXECUTE_DEVICE_DIAGNOSTIC {
            self.each().for_each(|drive| drive.reset(false));
            self.second = false;
            if let Some(drive) = self.selected() {
                drive.task_file_mut().intrq = true;
            }
        } else if let Some(drive) = self.selected() {
            drive.command(command);
        }
    }

    /// Writes the Device Control register. The reset is over when its bit is cleared.
    pub fn write_control(&mut self, value: u8) {
        let ends = self.control & !value & SRST != 0;
        self.control = value & (N_IEN | SRST | HOB);
        if value & SRST != 0 {
            self.each().for_each(|drive| drive.task_file_mut().idle(status::BSY, 0));
        }
        if ends {
            self.second = false;
            self.each().for_each(|drive| drive.reset(false));
        }
    }

    /// Moves data out of the Data register until it has no more.
    pub fn read_data(&mut self, data: &mut [u8]) {
        let mut done = 0;
        while done < data.len()
            && let Some(drive) = self.selected().filter(|drive| drive.moves(Direction::In, false))
        {
            done += drive.task_file_mut().take(&mut data[done..]);
            drive.advance();
        }
        data[done..].fill(0);
    }

    /// Moves data into the Data register as long as it takes any.
    pub fn write_data(&mut self, data: &[u8]) {
        let mut done = 0;
        while done < data.len()
            && let Some(drive) = self.selected().filter(|drive| drive.moves(Direction::Out, false))
        {
            done += drive.task_file_mut().give(&data[done..]);
            drive.advance();
        }
    }

    pub(super) fn save(&self) -> Saved {
        let Self { drives, control, second } = self;
        let drives = std::array::from_fn(|n| drives[n].as_ref().map(Drive::save));
        Saved { control: *control, second: *second, drives }
    }

    pub(super) fn restore(&mut self, saved: Saved) -> Result<(), RestoreError> {
        let Saved { control, second, drives } = saved;
        (self.control, self.second) = (control, second);
        for (place, saved) in self.drives.iter_mut().zip(drives) {
            match (place, saved) {
                (Some(drive), Some(saved)) => drive.restore(saved)?,
                (None, None) => {}
                _ => return Err(super::function::damaged("other drives than this machine has")),
            }
        }
        Ok(())
    }
}

impl Drive {
    pub(super) fn task_file(&self) -> &TaskFile {
        match self {
            Drive::Disk(disk) => &disk.regs,
            Drive::Cdrom(cdrom) => &cdrom.regs,
        }
    }

    pub(super) fn task_file_mut(&mut self) -> &mut TaskFile {
        match self {
            Drive::Disk(disk) => &mut disk.regs,
            Drive::Cdrom(cdrom) => &mut cdrom.regs,
        }
    }

    fn reset(&mut self, hard: bool) {
        match self {
            Drive::Disk(disk) => disk.reset(hard),
            Drive::Cdrom(cdrom) => cdrom.reset(hard),
        }
    }

    fn command(&mut self, command: u8) {
        match self {
            Drive::Disk(disk) => disk.command(command),
            Drive::Cdrom(cdrom) => cdrom.command(command),
        }
    }

    /// Whether data waits to go this way.
    pub(super) fn moves(&self, direction: Direction, dma: bool) -> bool {
        let regs = self.task_file();
        regs.direction == direction && regs.dma == dma
    }

    /// Goes on if the block under way is complete.
    pub(super) fn advance(&mut self) {
        if self.task_file().rest() == 0 && self.task_file().direction != Direction::None {
            match self {
                Drive::Disk(disk) => disk.block_done(),
                Drive::Cdrom(cdrom) => cdrom.block_done(),
            }
        }
    }
}
