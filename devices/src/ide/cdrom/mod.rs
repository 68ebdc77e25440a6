//! An ATAPI CD-ROM drive: its state, the ATA commands, and the phases of PACKET (ATA/ATAPI-6, 8.24; SFF-8020i, chapter 5).

mod features;
mod identify;
mod mode;
mod packet;
mod read;
mod sense;
mod toc;

use super::identify::{DEFAULT_MODE, is_mode};
use super::task_file::{TaskFile, error};
use lyrebird_core::block::SECTOR;
use lyrebird_core::{BlockDevice, RestoreError};
use sense::Sense;
use serde::{Deserialize, Serialize};

/// Bytes in a block of the medium.
const BLOCK: usize = 2048;
/// LBA Mid and High of a packet device.
const SIGNATURE: u16 = 0xeb14;
/// Bytes in a command packet.
const PACKET: usize = 12;
/// Blocks that are read from the image at a time.
const READ_AHEAD: u32 = 32;
/// Most bytes of a transfer by the bus master that are offered at a time.
const DMA_BLOCK: usize = 0x1_0000;

// Interrupt reason, in the Sector Count register: command or data, and which way.
const COMMAND_PHASE: u8 = 1;
const TO_HOST: u8 = 2;
const DONE: u8 = COMMAND_PHASE | TO_HOST;

/// The drive.
pub struct Cdrom {
    /// 0 to 3: primary and secondary channel, device 0 and 1.
    number: u8,
    medium: Option<Box<dyn BlockDevice>>,
    pub(super) regs: TaskFile,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
struct State {
    phase: Phase,
    /// The packet wants its data by the bus master.
    dma: bool,
    /// Most bytes of a data block, as the guest's byte count said.
    limit: usize,
    /// What has to reach the guest, before what is still to be read.
    pending: Vec<u8>,
    /// Blocks still to be read: the first, and how many.
    block: u32,
    left: u32,
    sense: Sense,
    /// Something happened that the next command shall tell.
    attention: Option<Sense>,
    /// The media event that GET EVENT STATUS NOTIFICATION tells next.
    event: u8,
    /// The tray is out.
    open: bool,
    /// PREVENT ALLOW MEDIUM REMOVAL.
    locked: bool,
    mode: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    #[default]
    Idle,
    /// The reply of an ATA command is under way.
    Reply,
    /// Waits for the packet.
    Packet,
    /// Data to the guest.
    In,
    /// Parameters from the guest.
    Out,
}

impl Default for State {
    fn default() -> Self {
        State {
            phase: Phase::Idle,
            dma: false,
            limit: 0,
            pending: Vec::new(),
            block: 0,
            left: 0,
            sense: Sense::NONE,
            attention: Some(Sense::RESET),
            event: 0,
            open: false,
            locked: false,
            mode: DEFAULT_MODE,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(in super::super) struct Saved {
    regs: TaskFile,
    state: State,
    sectors: Option<u64>,
}

impl Cdrom {
    /// A drive after power-on.
    pub fn new(number: u8, medium: Option<Box<dyn BlockDevice>>) -> Self {
        let mut cdrom = Cdrom { number, medium, regs: TaskFile::default(), state: State::default() };
        cdrom.reset(true);
        cdrom
    }

    /// The medium in the closed drive, for firmware that copies sectors without the guest's help.
    pub fn medium(&mut self) -> Option<&mut dyn BlockDevice> {
        if self.state.open { None } else { Some(self.medium.as_mut()?.as_mut()) }
    }

    pub(super) fn reset(&mut self, hard: bool) {
        if hard {
            self.state = State { open: self.state.open, ..State::default() };
        }
        self.state.phase = Phase::Idle;
        self.signature();
        self.regs.device = 0;
        self.regs.idle(0, 1);
    }

    fn signature(&mut self) {
        self.regs.set_signature(SIGNATURE);
    }

    /// Somebody changes the medium by hand, whatever the guest says. The guest is told.
    pub fn change_medium(&mut self, medium: Option<Box<dyn BlockDevice>>) {
        self.state.event = if medium.is_some() { features::NEW_MEDIA } else { features::MEDIA_REMOVAL };
        self.state.attention = medium.is_some().then_some(Sense::MEDIUM_CHANGED);
        self.state.open = false;
        self.state.locked = false;
        self.medium = medium;
    }

    /// Whether a medium lies in a drive that is closed.
    fn loaded(&self) -> bool {
        self.medium.is_some() && !self.state.open
    }

    /// Blocks on the medium; the last may be shorter in the image.
    fn blocks(&self) -> u32 {
        let sectors = self.medium.as_ref().filter(|_| !self.state.open).map_or(0, |medium| medium.sectors());
        sectors.div_ceil((BLOCK / SECTOR) as u64).min(u64::from(u32::MAX)) as u32
    }

    pub(super) fn command(&mut self, command: u8) {
        self.regs.error = 0;
        self.state.phase = Phase::Idle;
        match command {
            0xa0 => self.packet_command(),
            0xa1 => {
                let words = self.identify();
                self.state.phase = Phase::Reply;
                self.regs.offer(words, false);
            }
            // DEVICE RESET: like a soft reset of this device alone, and without an interrupt.
            0x08 => {
                let device = self.regs.device;
                self.reset(false);
                self.regs.device = device & super::task_file::DEV;
            }
            // IDENTIFY DEVICE and READ SECTORS are how the kinds of devices are told apart.
            0xec | 0x20 | 0x21 => {
                self.signature();
                self.regs.fail(error::ABRT);
            }
            0xef => match (self.regs.features(), self.regs.count()) {
                (0x03, mode) if is_mode(mode) => {
                    self.state.mode = mode;
                    self.regs.complete();
                }
                (0x66 | 0xcc, _) => self.regs.complete(),
                _ => self.regs.fail(error::ABRT),
            },
            // CHECK POWER MODE, and the other power commands.
            0x98 | 0xe5 => {
                self.regs.set_count(0xff);
                self.regs.complete();
            }
            0x94..=0x97 | 0x99 | 0xe0..=0xe3 | 0xe6 => self.regs.complete(),
            _ => self.regs.fail(error::ABRT),
        }
    }

    fn packet_command(&mut self) {
        let features = self.regs.features();
        if features & 2 != 0 {
            return self.regs.fail(error::ABRT); // no overlapped commands
        }
        self.state.dma = features & 1 != 0;
        self.state.limit = match self.regs.cylinder() {
            0 | 0xffff => 0xfffe,
            // Only the last block may have an odd number of bytes.
            limit => usize::from(limit & !1).max(2),
        };
        self.state.phase = Phase::Packet;
        self.regs.want(PACKET, false);
        self.regs.set_count(COMMAND_PHASE);
    }

    /// The block under way has gone through.
    pub(in super::super) fn block_done(&mut self) {
        match self.state.phase {
            Phase::Packet => {
                let mut packet = [0; PACKET];
                let count = self.regs.buffer.len().min(PACKET);
                packet[..count].copy_from_slice(&self.regs.buffer[..count]);
                self.state.phase = Phase::Idle;
                self.state.pending.clear();
                self.state.left = 0;
                self.packet(&packet);
            }
            Phase::In => self.data_in(),
            Phase::Out => self.good(),
            Phase::Idle | Phase::Reply => {
                self.state.phase = Phase::Idle;
                self.regs.complete_quietly();
            }
        }
    }

    // ---- How a packet command ends ----

    /// Without an error.
    fn good(&mut self) {
        self.state.phase = Phase::Idle;
        self.regs.complete();
        self.regs.set_count(DONE);
    }

    /// With an error, that REQUEST SENSE explains.
    fn check(&mut self, sense: Sense) {
        self.state.phase = Phase::Idle;
        self.state.sense = sense;
        self.state.pending.clear();
        self.state.left = 0;
        let abort = if sense.aborts() { error::ABRT } else { 0 };
        self.regs.fail(sense.key << 4 | abort);
        self.regs.set_count(DONE);
    }

    /// With a reply, of which the guest has allocated so many bytes.
    fn reply(&mut self, mut data: Vec<u8>, allocated: usize) {
        data.truncate(allocated);
        self.state.pending = data;
        self.data_in();
    }

    /// Offers the next data, or ends the command if there is none.
    fn data_in(&mut self) {
        let limit = if self.state.dma { DMA_BLOCK } else { self.state.limit.clamp(2, 0xfffe) };
        while self.state.pending.len() < limit && self.state.left > 0 {
            if let Err(sense) = self.read_more() {
                return self.check(sense);
            }
        }
        let count = self.state.pending.len().min(limit);
        if count == 0 {
            return self.good();
        }
        let block = self.state.pending.drain(..count).collect();
        self.state.phase = Phase::In;
        self.regs.offer(block, self.state.dma);
        self.regs.set_count(TO_HOST);
        self.regs.set_cylinder(count.min(0xfffe) as u16);
    }

    /// Asks the guest for parameters.
    fn data_out(&mut self, bytes: usize) {
        if bytes == 0 {
            return self.good();
        }
        self.state.phase = Phase::Out;
        self.regs.want(bytes, self.state.dma);
        self.regs.intrq |= !self.state.dma;
        self.regs.set_count(0);
        self.regs.set_cylinder(bytes.min(0xffff) as u16);
    }

    pub(super) fn save(&self) -> Saved {
        let Self { number: _, medium, regs, state } = self;
        Saved { regs: regs.clone(), state: state.clone(), sectors: medium.as_ref().map(|medium| medium.sectors()) }
    }

    pub(super) fn restore(&mut self, saved: Saved) -> Result<(), RestoreError> {
        let Saved { regs, state, sectors } = saved;
        if sectors != self.medium.as_ref().map(|medium| medium.sectors()) {
            let reason = format!("CD-ROM drive {} has another medium now", self.number);
            return Err(super::function::damaged(&reason));
        }
        (self.regs, self.state) = (regs, state);
        Ok(())
    }
}
