//! The commands: how many bytes each has, and those that move no data.

use super::controller::{Fdc, Phase};
use super::data::{Operation, Transfer};
use lyrebird_core::VmTime;

/// How long the heads take for a step.
const STEP: u64 = 100_000;
/// How long they take to settle.
const SETTLE: u64 = 200_000;

/// CONFIGURE: no polling, and so no interrupt after a reset.
pub(super) const NO_POLL: u8 = 1 << 4;
/// CONFIGURE after reset: the FIFO is off.
pub(super) const USUAL_CONFIG: u8 = 1 << 5;
/// PERPENDICULAR MODE: the drive bits may change.
const OVERWRITE: u8 = 0x80;

// Status register 0.
pub(super) const ABNORMAL: u8 = 0x40;
pub(super) const INVALID: u8 = 0x80;
pub(super) const SEEK_END: u8 = 0x20;
const EQUIPMENT_CHECK: u8 = 0x10;

/// How many bytes a command has, from its first.
pub(super) fn length(first: u8) -> usize {
    match first & 0x1f {
        0x02 | 0x05 | 0x06 | 0x09 | 0x0c | 0x11 | 0x16 | 0x19 | 0x1d => 9,
        0x0d => 6,
        0x13 => 4,
        0x03 | 0x0f => 3,
        0x04 | 0x07 | 0x0a | 0x12 => 2,
        _ => 1,
    }
}

impl Fdc {
    /// All bytes of a command are there.
    pub(super) fn execute(&mut self, now: VmTime) {
        let command = std::mem::take(&mut self.state.command);
        let byte = |n: usize| command.get(n).copied().unwrap_or(0);
        let (first, drive) = (byte(0), usize::from(byte(1) & 3));
        self.state.phase = Phase::Command;
        match first & 0x1f {
            0x03 if first == 0x03 => self.state.specify = [byte(1), byte(2)],
            0x04 if first == 0x04 => {
                let status = self.drive_status(byte(1));
                self.results(&[status]);
            }
            0x07 if first == 0x07 => self.start_seek(drive, None, now),
            0x08 if first == 0x08 => self.sense_interrupt(),
            0x0e if first == 0x0e => self.dump_registers(),
            0x0f if first & 0x80 != 0 => {
                let from = self.state.tracks[drive];
                let to = if first & 0x40 != 0 { from.saturating_add(byte(2)) } else { from.saturating_sub(byte(2)) };
                self.start_seek(drive, Some(to), now);
            }
            0x0f if first == 0x0f => self.start_seek(drive, Some(byte(2)), now),
            0x10 if first == 0x10 => self.results(&[0x90]), // an 82077 or better
            0x12 if first == 0x12 => {
                let drives = if byte(1) & OVERWRITE != 0 { byte(1) } else { self.state.perpendicular };
                self.state.perpendicular = drives & 0x3c | byte(1) & 3;
            }
            0x13 if first == 0x13 => (self.state.config, self.state.precompensation) = (byte(2) & 0x7f, byte(3)),
            0x14 if first & 0x7f == 0x14 => {
                self.state.locked = first & 0x80 != 0;
                self.results(&[u8::from(self.state.locked) << 4]);
            }
            _ => match Operation::of(first) {
                Some(operation) => self.start(Transfer::new(operation, &command), now),
                // PART ID too, which only the 82078 knows.
                None => self.results(&[INVALID]),
            },
        }
    }

    fn drive_status(&self, select: u8) -> u8 {
        let n = usize::from(select & 3);
        let drive = self.drives.get(n).filter(|drive| drive.kind() != 0);
        let track_0 = drive.is_some_and(|drive| drive.state.track == 0);
        let protected = drive.is_some_and(|drive| drive.write_protected());
        0x28 | select & 7 | u8::from(track_0) << 4 | u8::from(protected) << 6
    }

    fn dump_registers(&mut self) {
        let state = &self.state;
        let [a, b, c, d] = state.tracks;
        let lock = u8::from(state.locked) << 7;
        let (step, load) = (state.specify[0], state.specify[1]);
        let bytes = [
            a,
            b,
            c,
            d,
            step,
            load,
            state.last_sector,
            lock | state.perpendicular & 0x3f,
            state.config,
            state.precompensation,
        ];
        self.results(&bytes);
    }

    /// RECALIBRATE (to nowhere in particular: track 0) and SEEK. The controller is free while the drive works.
    fn start_seek(&mut self, drive: usize, to: Option<u8>, now: VmTime) {
        let from = self.state.tracks[drive];
        let steps = u64::from(from.abs_diff(to.unwrap_or(0)));
        self.state.seeks[drive] = Some((now + SETTLE + steps * STEP, to));
    }

    /// The seeks whose time has come.
    pub(super) fn finish_seeks(&mut self, now: VmTime) {
        for n in 0..4 {
            let Some((_, to)) = self.state.seeks[n].filter(|seek| seek.0 <= now) else { continue };
            self.state.seeks[n] = None;
            let there = self.drives.get(n).is_some_and(|drive| drive.kind() != 0);
            // Only track 0 can be felt: a drive that is not there fails to find it.
            let failed = to.is_none() && !there;
            self.state.tracks[n] = to.unwrap_or(0);
            if let Some(drive) = self.drives.get_mut(n).filter(|_| there) {
                drive.seek(to.unwrap_or(0));
            }
            let fault = if failed { ABNORMAL | EQUIPMENT_CHECK } else { 0 };
            self.state.sense[n] = Some(SEEK_END | fault | n as u8);
            self.state.interrupt = true;
        }
    }

    /// SENSE INTERRUPT STATUS: one drive at a time.
    fn sense_interrupt(&mut self) {
        match self.state.sense.iter().position(Option::is_some) {
            Some(n) => {
                let status = self.state.sense[n].take().unwrap_or(INVALID);
                self.state.interrupt = self.state.sense.iter().any(Option::is_some);
                // The line falls, and rises again if there is more.
                self.irq.set(false);
                let track = self.state.tracks[n];
                self.results(&[status, track]);
            }
            None => {
                self.state.interrupt = false;
                self.results(&[INVALID]);
            }
        }
    }
}
