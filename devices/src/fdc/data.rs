//! The commands that move data: which they are, their parameters, and how they end.

use super::command::ABNORMAL;
use super::controller::{Fdc, Phase};
use lyrebird_core::VmTime;
use lyrebird_core::block::SECTOR;
use serde::{Deserialize, Serialize};

/// How long a sector takes.
pub(super) const SECTOR_TIME: u64 = 100_000;
/// How long it takes to find nothing: two turns of the disk, shortened.
pub(super) const SEARCH_TIME: u64 = 10_000_000;

// Status register 1.
pub(super) const END_OF_CYLINDER: u8 = 0x80;
pub(super) const DATA_ERROR: u8 = 0x20;
pub(super) const OVERRUN: u8 = 0x10;
pub(super) const NO_DATA: u8 = 0x04;
pub(super) const NOT_WRITABLE: u8 = 0x02;
pub(super) const MISSING_MARK: u8 = 0x01;
// Status register 2.
pub(super) const CONTROL_MARK: u8 = 0x40;
pub(super) const DATA_ERROR_IN_DATA: u8 = 0x20;
pub(super) const WRONG_CYLINDER: u8 = 0x10;
pub(super) const SCAN_EQUAL: u8 = 0x08;
pub(super) const SCAN_FAILED: u8 = 0x04;

/// What a command does with sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Operation {
    /// READ DATA, READ DELETED DATA.
    Read { deleted: bool },
    /// READ TRACK: sectors as they come.
    ReadTrack,
    /// WRITE DATA, WRITE DELETED DATA.
    Write { deleted: bool },
    /// VERIFY: as a read whose data nobody takes.
    Verify,
    /// SCAN EQUAL, LOW OR EQUAL, HIGH OR EQUAL.
    Scan(Compare),
    /// FORMAT TRACK.
    Format,
    /// READ ID.
    ReadId,
}

/// What a scan looks for in the disk's bytes, towards those of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Compare {
    Equal,
    LowOrEqual,
    HighOrEqual,
}

impl Operation {
    /// By a command's first byte.
    pub fn of(first: u8) -> Option<Operation> {
        Some(match first & 0x1f {
            0x02 => Operation::ReadTrack,
            0x05 => Operation::Write { deleted: false },
            0x06 => Operation::Read { deleted: false },
            0x09 => Operation::Write { deleted: true },
            0x0a => Operation::ReadId,
            0x0c => Operation::Read { deleted: true },
            0x0d => Operation::Format,
            0x11 => Operation::Scan(Compare::Equal),
            0x16 => Operation::Verify,
            0x19 => Operation::Scan(Compare::LowOrEqual),
            0x1d => Operation::Scan(Compare::HighOrEqual),
            _ => return None,
        })
    }

    fn writes(self) -> bool {
        matches!(self, Operation::Write { .. } | Operation::Format)
    }
}

/// A data command in execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub operation: Operation,
    pub drive: usize,
    /// The head that is selected, whatever the sectors' own headers say.
    pub head: u8,
    /// MT: goes on with the other side.
    pub multi_track: bool,
    /// SK: leaves out sectors with the other data mark.
    pub skip: bool,
    /// Cylinder, head, sector and size, as the command names them, and as they go on.
    pub id: [u8; 4],
    /// EOT, or how many sectors a track to be formatted has.
    pub last: u8,
    /// How many sectors VERIFY has left, or a track to be formatted has had; the step of a scan.
    pub count: u16,
    /// FORMAT TRACK: what sectors are filled with.
    pub filler: u8,
    /// What will be reported even if all goes well.
    pub status: [u8; 3],
    /// The sector, or the header of one to be formatted.
    pub buffer: Vec<u8>,
    /// How much of the buffer has been moved.
    pub at: usize,
    /// Byte by byte: one waits to be moved.
    pub byte_waits: bool,
    /// The host has said that it is enough.
    pub terminal: bool,
    /// Since when the host has not answered.
    pub patience: u32,
}

impl Transfer {
    /// From the bytes of its command.
    pub fn new(operation: Operation, command: &[u8]) -> Transfer {
        let byte = |n: usize| command.get(n).copied().unwrap_or(0);
        let format = operation == Operation::Format;
        let verify_count = if operation == Operation::Verify && byte(1) & 0x80 != 0 { byte(8) } else { 0 };
        let step = matches!(operation, Operation::Scan(_)).then(|| byte(8).clamp(1, 2));
        Transfer {
            operation,
            drive: usize::from(byte(1) & 3),
            head: byte(1) >> 2 & 1,
            multi_track: byte(0) & 0x80 != 0 && !matches!(operation, Operation::ReadTrack | Operation::Format),
            skip: byte(0) & 0x20 != 0,
            id: if format { [0, byte(1) >> 2 & 1, 0, byte(2)] } else { [byte(2), byte(3), byte(4), byte(5)] },
            last: if format { byte(3) } else { byte(6) },
            count: step.unwrap_or(verify_count).into(),
            filler: byte(5),
            status: [0; 3],
            buffer: Vec::new(),
            at: 0,
            byte_waits: false,
            terminal: false,
            patience: 0,
        }
    }

    /// Data goes from the disk to the host.
    pub fn to_host(&self) -> bool {
        matches!(self.operation, Operation::Read { .. } | Operation::ReadTrack)
    }

    /// After a restore.
    pub fn repair(&mut self) {
        self.drive &= 3;
        self.buffer.truncate(SECTOR);
        self.at = self.at.min(self.buffer.len());
        self.byte_waits &= self.at < self.buffer.len();
    }
}

impl Fdc {
    /// Begins a data command, unless something stands against it from the start.
    pub(super) fn start(&mut self, mut transfer: Transfer, now: VmTime) {
        self.state.phase = Phase::Execution;
        self.state.last_sector = transfer.last;
        self.state.due = now + SECTOR_TIME;
        let (n, read_id) = (transfer.drive, transfer.operation == Operation::ReadId);
        // A seek is implied whether CONFIGURE says so or not: the Bochs BIOS never seeks, and no program wants the error.
        if !read_id && transfer.operation != Operation::Format {
            self.state.tracks[n] = transfer.id[0];
            if let Some(drive) = self.drives.get_mut(n) {
                drive.seek(transfer.id[0]);
            }
        }
        let drive = self.drives.get(n);
        let readable = drive
            .and_then(|drive| drive.format())
            .is_some_and(|format| !self.state.rate_set || format.has_rate(self.state.rate))
            && self.motor(n)
            && drive.is_some_and(|drive| drive.locate(transfer.head, 1).is_some());
        if !readable && transfer.operation != Operation::Format || drive.is_none_or(|drive| drive.format().is_none()) {
            transfer.status = [ABNORMAL, MISSING_MARK, 0];
        } else if transfer.operation.writes() && drive.is_some_and(|drive| drive.write_protected()) {
            transfer.status = [ABNORMAL, NOT_WRITABLE, 0];
        }
        if transfer.status[0] != 0 {
            self.state.due = now + SEARCH_TIME;
        }
        self.state.transfer = Some(transfer);
    }

    /// Ends a data command: the result phase begins, with an interrupt.
    pub(super) fn finish(&mut self, transfer: Transfer, status: [u8; 3]) {
        let select = transfer.drive as u8 | transfer.head << 2;
        let [c, h, r, n] = transfer.id;
        let all: Vec<u8> = (0..3).map(|i| status[i] | transfer.status[i]).collect();
        self.results(&[all[0] | select, all[1], all[2], c, h, r, n]);
        self.state.due = VmTime::NEVER;
        self.state.interrupt = true;
        self.dma.request(false);
    }
}
