//! An ATA disk: its state, and which command is what.

mod features;
mod identify;
mod smart;
mod transfer;

use super::identify::DEFAULT_MODE;
use super::task_file::{TaskFile, error, status};
use lyrebird_core::block::SECTOR;
use lyrebird_core::{BlockDevice, BlockError, RestoreError};
use serde::{Deserialize, Serialize};
use transfer::{Form, Job};

/// Sectors that a command with the bus master moves at a time.
const DMA_BLOCK: u32 = 256;
/// Sectors that a command without the bus master reads from the medium at a time.
const READ_AHEAD: u32 = 128;
/// Most sectors a block of READ and WRITE MULTIPLE has.
const MOST_MULTIPLE: u8 = 16;

/// The disk.
pub struct Disk {
    /// 0 to 3: primary and secondary channel, device 0 and 1.
    number: u8,
    medium: Box<dyn BlockDevice>,
    pub(super) regs: TaskFile,
    state: State,
    /// Sectors that the command under way will want.
    ahead: Ahead,
}

/// What was read of the medium before it is asked for. It lives no longer than its command, so that nothing can have changed
/// under it.
#[derive(Default)]
struct Ahead {
    first: u64,
    data: Vec<u8>,
}

impl Ahead {
    fn holds(&self, sector: u64, bytes: usize) -> bool {
        let end = self.first + (self.data.len() / SECTOR) as u64;
        sector >= self.first && sector + (bytes / SECTOR) as u64 <= end
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
struct State {
    job: Job,
    /// Heads and sectors a track of the current translation.
    heads: u8,
    track: u8,
    /// Sectors in a block of READ and WRITE MULTIPLE; zero if they are off.
    multiple: u8,
    write_cache: bool,
    look_ahead: bool,
    smart: bool,
    standby: bool,
    mode: u8,
}

impl Default for State {
    fn default() -> Self {
        State {
            job: Job::None,
            heads: 16,
            track: 63,
            multiple: 0,
            write_cache: true,
            look_ahead: true,
            smart: true,
            standby: false,
            mode: DEFAULT_MODE,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(in super::super) struct Saved {
    regs: TaskFile,
    state: State,
    sectors: u64,
}

impl Disk {
    /// A disk after power-on.
    pub fn new(number: u8, medium: Box<dyn BlockDevice>) -> Self {
        let mut disk =
            Disk { number, medium, regs: TaskFile::default(), state: State::default(), ahead: Ahead::default() };
        disk.reset(true);
        disk
    }

    /// The image, for firmware that copies sectors without the guest's help.
    pub fn medium(&mut self) -> &mut dyn BlockDevice {
        self.medium.as_mut()
    }

    pub(super) fn reset(&mut self, hard: bool) {
        if hard {
            self.state = State::default();
        }
        self.state.job = Job::None;
        self.ahead.data.clear();
        self.state.standby = false;
        self.regs.set_signature(0);
        self.regs.device = 0;
        // Diagnostic code 1: passed.
        self.regs.idle(status::DRDY | status::DSC, 1);
    }

    pub(super) fn flush(&mut self) -> Result<(), BlockError> {
        self.medium.flush()
    }

    /// The guest is told of an error by its registers; this is for the person at the host.
    fn report(&self, error: &BlockError) {
        if matches!(error, BlockError::Host(_)) {
            tracing::error!("disk {}: {error}", self.number);
        }
    }

    /// Cylinders that the current translation has.
    fn cylinders(&self) -> u16 {
        let track = u64::from(self.state.heads) * u64::from(self.state.track);
        (self.medium.sectors() / track.max(1)).clamp(1, 65_535) as u16
    }

    pub(super) fn command(&mut self, command: u8) {
        self.regs.error = 0;
        self.state.job = Job::None;
        self.ahead.data.clear();
        if !matches!(command, 0x90..=0x9f | 0xe0..=0xef | 0xb0) {
            self.state.standby = false;
        }
        match command {
            // READ SECTORS, MULTIPLE, DMA; EXT.
            0x20 | 0x21 => self.read(Form::short(&self.regs), 1, false),
            0x24 => self.read(Form::Lba48, 1, false),
            0xc4 => self.multiple(|disk, block| disk.read(Form::short(&disk.regs), block, false)),
            0x29 => self.multiple(|disk, block| disk.read(Form::Lba48, block, false)),
            0xc8 | 0xc9 => self.read(Form::short(&self.regs), DMA_BLOCK, true),
            0x25 => self.read(Form::Lba48, DMA_BLOCK, true),
            // WRITE SECTORS (and with verify), MULTIPLE, DMA; EXT; FUA, which means durable when done.
            0x30 | 0x31 | 0x3c => self.write(Form::short(&self.regs), 1, false, false),
            0x34 => self.write(Form::Lba48, 1, false, false),
            0xc5 => self.multiple(|disk, block| disk.write(Form::short(&disk.regs), block, false, false)),
            0x39 => self.multiple(|disk, block| disk.write(Form::Lba48, block, false, false)),
            0xce => self.multiple(|disk, block| disk.write(Form::Lba48, block, false, true)),
            0xca | 0xcb => self.write(Form::short(&self.regs), DMA_BLOCK, true, false),
            0x35 => self.write(Form::Lba48, DMA_BLOCK, true, false),
            0x3d => self.write(Form::Lba48, DMA_BLOCK, true, true),
            // READ VERIFY SECTORS, SEEK, RECALIBRATE.
            0x40 | 0x41 => self.verify(Form::short(&self.regs)),
            0x42 => self.verify(Form::Lba48),
            0x70..=0x7f => self.seek(),
            0x10..=0x1f => {
                self.regs.set_cylinder(0);
                self.regs.complete();
            }
            0xe7 | 0xea => self.flush_cache(),
            0xc6 => self.set_multiple_mode(),
            0xec => {
                let words = self.identify();
                self.regs.offer(words, false);
            }
            0xef => self.set_features(),
            0x91 => self.initialize_device_parameters(),
            // READ NATIVE MAX ADDRESS; EXT.
            0xf8 => self.read_native_max(false),
            0x27 => self.read_native_max(true),
            0xb0 => self.smart(),
            // Power: IDLE and STANDBY with and without IMMEDIATE, CHECK POWER MODE, SLEEP.
            0x94 | 0x96 | 0xe0 | 0xe2 | 0x99 | 0xe6 => self.stand_by(),
            0x95 | 0x97 | 0xe1 | 0xe3 => {
                self.state.standby = false;
                self.regs.complete();
            }
            0x98 | 0xe5 => {
                self.regs.set_count(if self.state.standby { 0x00 } else { 0xff });
                self.regs.complete();
            }
            // NOP, and what is not there.
            _ => self.regs.fail(error::ABRT),
        }
    }

    pub(super) fn save(&self) -> Saved {
        let Self { number: _, medium, regs, state, ahead: _ } = self;
        Saved { regs: regs.clone(), state: state.clone(), sectors: medium.sectors() }
    }

    pub(super) fn restore(&mut self, saved: Saved) -> Result<(), RestoreError> {
        let Saved { regs, state, sectors } = saved;
        if sectors != self.medium.sectors() {
            let there = self.medium.sectors();
            let reason = format!("disk {} had {sectors} sectors and has {there} now", self.number);
            return Err(super::function::damaged(&reason));
        }
        (self.regs, self.state) = (regs, state);
        self.ahead.data.clear();
        Ok(())
    }
}
