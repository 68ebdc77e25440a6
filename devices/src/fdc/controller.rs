//! The controller's registers and phases.

use super::command::{self, NO_POLL, USUAL_CONFIG};
use super::data::Transfer;
use super::drive::{Drive, DriveState};
use crate::dma::DmaChannel;
use lyrebird_core::{BlockDevice, Device, Line, PortIo, ResetKind, RestoreError, Timer, Unit, VmTime};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many drives there can be.
pub const DRIVES: usize = 2;
/// How long a reset takes.
const RESET_TIME: u64 = 20_000;

// Digital output register.
const NOT_RESET: u8 = 1 << 2;
const DMA_GATE: u8 = 1 << 3;
// Main status register.
const RQM: u8 = 0x80;
const DIO: u8 = 0x40;
const NON_DMA: u8 = 0x20;
const BUSY: u8 = 0x10;
/// Data rate select register: a reset that ends by itself.
const SOFTWARE_RESET: u8 = 0x80;

/// What the controller is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// It is held in reset, or comes out of it.
    Reset,
    /// It takes the bytes of a command.
    #[default]
    Command,
    /// It does what a command says.
    Execution,
    /// It has results.
    Result,
}

/// The controller's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub output: u8,
    pub tape: u8,
    pub rate: u8,
    /// Somebody has set the rate. The Bochs BIOS never does, and reads whatever is in the drive.
    pub rate_set: bool,
    pub phase: Phase,
    /// The command's bytes so far.
    pub command: Vec<u8>,
    pub results: VecDeque<u8>,
    /// The data command in execution.
    pub transfer: Option<Transfer>,
    /// When it, or a reset, goes on.
    pub due: VmTime,
    /// Where each drive's heads will be, and when; no track means track 0, which is felt.
    pub seeks: [Option<(VmTime, Option<u8>)>; 4],
    /// Where the controller believes the heads to be.
    pub tracks: [u8; 4],
    /// What SENSE INTERRUPT STATUS has to say of each drive.
    pub sense: [Option<u8>; 4],
    /// The INT pin, before its gate.
    pub interrupt: bool,
    // Parameters.
    pub specify: [u8; 2],
    pub config: u8,
    pub precompensation: u8,
    pub perpendicular: u8,
    pub locked: bool,
    /// The last command's SC or EOT, which DUMPREG shows.
    pub last_sector: u8,
}

impl Default for State {
    fn default() -> Self {
        State {
            output: 0,
            tape: 0,
            rate: 2,
            rate_set: false,
            phase: Phase::Reset,
            command: Vec::new(),
            results: VecDeque::new(),
            transfer: None,
            due: VmTime::NEVER,
            seeks: [None; 4],
            tracks: [0; 4],
            sense: [None; 4],
            interrupt: false,
            specify: [0; 2],
            config: USUAL_CONFIG,
            precompensation: 0,
            perpendicular: 0,
            locked: false,
            last_sector: 0,
        }
    }
}

/// The controller with its drives.
pub struct Fdc {
    // Wiring.
    pub(super) irq: Line,
    pub(super) timer: Timer,
    pub(super) dma: DmaChannel,
    // What is connected.
    pub(super) drives: [Drive; DRIVES],
    // State.
    pub(super) state: State,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    drives: [DriveState; DRIVES],
    /// The sizes of what is in the drives.
    media: [Option<u64>; DRIVES],
}

impl Fdc {
    /// A controller without drives.
    pub fn new(irq: Line, timer: Timer, dma: DmaChannel) -> Self {
        Fdc { irq, timer, dma, drives: Default::default(), state: State::default() }
    }

    /// Connects a drive.
    pub fn connect(&mut self, n: usize, medium: Option<Box<dyn BlockDevice>>) {
        if let Some(drive) = self.drives.get_mut(n) {
            *drive = Drive::new(medium);
        }
    }

    /// Makes everything that was written durable.
    pub fn flush(&mut self) {
        self.drives.iter_mut().for_each(Drive::flush);
    }

    /// A drive.
    pub fn drive(&mut self, n: usize) -> Option<&mut Drive> {
        self.drives.get_mut(n).filter(|drive| drive.kind() != 0)
    }

    /// CMOS's numbers for the drives: 0 where there is none.
    pub fn kinds(&self) -> [u8; DRIVES] {
        self.drives.each_ref().map(Drive::kind)
    }

    /// The drive that the output register selects.
    fn selected(&self) -> Option<&Drive> {
        self.drives.get(usize::from(self.state.output & 3))
    }

    /// Whether a drive's motor runs.
    pub(super) fn motor(&self, n: usize) -> bool {
        self.state.output & 0x10 << n != 0
    }

    /// SPECIFY: no DMA.
    pub(super) fn non_dma(&self) -> bool {
        self.state.specify[1] & 1 != 0
    }

    /// Whether the interrupt and the DMA request leave the chip.
    pub(super) fn gate(&self) -> bool {
        self.state.output & DMA_GATE != 0
    }

    // ---- Reset ----

    /// The reset pin, or the bits that do the same: what LOCK protects stays.
    fn start_reset(&mut self, ends: VmTime) {
        let state = &mut self.state;
        let locked = state.locked;
        *state = State {
            output: state.output,
            tape: state.tape,
            rate: state.rate,
            rate_set: state.rate_set,
            tracks: state.tracks,
            specify: state.specify,
            perpendicular: state.perpendicular & 0x3c,
            locked,
            config: if locked { state.config } else { USUAL_CONFIG },
            precompensation: if locked { state.precompensation } else { 0 },
            due: ends,
            ..State::default()
        };
        self.dma.request(false);
    }

    fn finish_reset(&mut self) {
        self.state.phase = Phase::Command;
        self.state.due = VmTime::NEVER;
        if self.state.config & NO_POLL == 0 {
            // Polling finds that every drive has become ready.
            self.state.sense = std::array::from_fn(|n| Some(0xc0 | n as u8));
            self.state.interrupt = true;
        }
    }

    // ---- Phases ----

    /// Begins the result phase. The caller decides about the interrupt.
    pub(super) fn results(&mut self, bytes: &[u8]) {
        self.state.results = bytes.iter().copied().collect();
        self.state.phase = Phase::Result;
    }

    fn main_status(&self) -> u8 {
        let state = &self.state;
        let seeking = (0..4).filter(|n| state.seeks[*n].is_some()).fold(0, |bits, n| bits | 1 << n);
        let phase = match state.phase {
            Phase::Reset => 0,
            Phase::Command if state.command.is_empty() => RQM,
            Phase::Command => RQM | BUSY,
            Phase::Execution => BUSY | self.data_status(),
            Phase::Result => RQM | DIO | BUSY,
        };
        seeking | phase
    }

    /// The status bits of data that goes byte by byte.
    fn data_status(&self) -> u8 {
        match &self.state.transfer {
            Some(transfer) if self.non_dma() => {
                let direction = if transfer.to_host() { DIO } else { 0 };
                NON_DMA | if transfer.byte_waits { RQM | direction } else { 0 }
            }
            _ => 0,
        }
    }

    fn write_fifo(&mut self, byte: u8, now: VmTime) {
        match self.state.phase {
            Phase::Command => {
                self.state.command.push(byte);
                if self.state.command.len() >= command::length(self.state.command[0]) {
                    self.execute(now);
                }
            }
            Phase::Execution => self.put_byte(byte, now),
            Phase::Reset | Phase::Result => {}
        }
    }

    fn read_fifo(&mut self, now: VmTime) -> u8 {
        match self.state.phase {
            Phase::Result => {
                self.state.interrupt = self.state.sense.iter().any(Option::is_some);
                let byte = self.state.results.pop_front().unwrap_or(0);
                if self.state.results.is_empty() {
                    self.state.phase = Phase::Command;
                }
                byte
            }
            Phase::Execution => self.get_byte(now),
            Phase::Reset | Phase::Command => 0,
        }
    }

    /// Drives the line and the timer.
    fn settle(&mut self) {
        self.irq.set(self.state.interrupt && self.gate());
        let seeks = self.state.seeks.iter().flatten().map(|seek| seek.0);
        self.timer.arm(seeks.chain([self.state.due]).min().unwrap_or(VmTime::NEVER));
    }
}

impl Device for Fdc {
    fn name(&self) -> &str {
        "fdc"
    }

    fn reset(&mut self, kind: ResetKind, _now: VmTime) {
        self.state = State { tracks: self.state.tracks, ..State::default() };
        if kind == ResetKind::Power {
            self.drives.iter_mut().for_each(|drive| drive.state.changed = true);
        }
        self.dma.request(false);
        self.settle();
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { irq: _, timer: _, dma: _, drives, state } = self;
        let media = drives.each_ref().map(Drive::image_sectors);
        Unit::pack("fdc", 1, &Saved { state: state.clone(), drives: drives.each_ref().map(|d| d.state.clone()), media })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { state, drives, media } = unit.unpack("fdc", 1)?;
        let here = self.drives.each_ref().map(Drive::image_sectors);
        if media != here {
            let reason = format!("its floppies have {media:?} sectors, and those here {here:?}: use the same images");
            return Err(RestoreError::Damaged { kind: "fdc".into(), reason });
        }
        self.state = state;
        // What a hostile file says of a transfer must not lead beyond its sector.
        if let Some(transfer) = &mut self.state.transfer {
            transfer.repair();
        }
        for (drive, saved) in self.drives.iter_mut().zip(drives) {
            drive.state = saved;
        }
        self.irq.restore(self.state.interrupt && self.gate());
        let seeks = self.state.seeks.iter().flatten().map(|seek| seek.0);
        self.timer.arm(seeks.chain([self.state.due]).min().unwrap_or(VmTime::NEVER));
        Ok(())
    }

    fn ports(&mut self) -> Option<&mut dyn PortIo> {
        Some(self)
    }

    fn timer(&mut self, _timer: u32, now: VmTime) {
        self.finish_seeks(now);
        if self.state.due <= now {
            match self.state.phase {
                Phase::Reset => self.finish_reset(),
                Phase::Execution => self.advance(now),
                Phase::Command | Phase::Result => self.state.due = VmTime::NEVER,
            }
        }
        self.settle();
    }
}

impl PortIo for Fdc {
    fn read(&mut self, port: u16, _bytes: u8, now: VmTime) -> u32 {
        let value = match port & 7 {
            2 => self.state.output,
            3 => 0xfc | self.state.tape,
            4 => self.main_status(),
            5 => {
                let byte = self.read_fifo(now);
                self.settle();
                byte
            }
            7 => u8::from(self.selected().is_some_and(Drive::change_line)) << 7,
            _ => 0xff, // the status registers A and B are the PS/2's
        };
        value.into()
    }

    fn write(&mut self, port: u16, _bytes: u8, value: u32, now: VmTime) {
        let value = value as u8;
        match port & 7 {
            2 => {
                let before = std::mem::replace(&mut self.state.output, value);
                // When a motor stops, what was written shall be safe.
                for (n, drive) in self.drives.iter_mut().enumerate() {
                    if before & !value & 0x10 << n != 0 {
                        drive.flush();
                    }
                }
                match (before & NOT_RESET != 0, value & NOT_RESET != 0) {
                    (true, false) => self.start_reset(VmTime::NEVER),
                    (false, true) => self.state.due = now + RESET_TIME,
                    _ => {}
                }
            }
            3 => self.state.tape = value & 3,
            4 => {
                (self.state.rate, self.state.rate_set) = (value & 3, true);
                if value & SOFTWARE_RESET != 0 {
                    let running = self.state.output & NOT_RESET != 0;
                    self.start_reset(if running { now + RESET_TIME } else { VmTime::NEVER });
                }
            }
            5 => self.write_fifo(value, now),
            7 => (self.state.rate, self.state.rate_set) = (value & 3, true),
            _ => {}
        }
        self.settle();
    }
}
