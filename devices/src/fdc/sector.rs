//! The execution phase, sector by sector.

use super::command::ABNORMAL;
use super::controller::Fdc;
use super::data::*;
use lyrebird_core::VmTime;
use lyrebird_core::block::SECTOR;

/// How many times the host may be asked for a byte of DMA in vain, a sector's time apart.
const PATIENCE: u32 = 10_000;

/// What comes after a step.
enum Next {
    /// The command goes on: the next sector, or the rest of this one.
    On,
    /// It has ended with this in its status registers.
    End([u8; 3]),
}

impl Fdc {
    /// The time of a sector has passed.
    pub(super) fn advance(&mut self, now: VmTime) {
        let Some(mut transfer) = self.state.transfer.take() else {
            self.state.due = VmTime::NEVER;
            return;
        };
        if transfer.status[0] & ABNORMAL != 0 {
            return self.finish(transfer, [0; 3]);
        }
        let next = if transfer.operation == Operation::ReadId {
            self.read_id(&mut transfer)
        } else if transfer.buffer.is_empty() {
            self.open(&mut transfer)
        } else {
            Next::On
        };
        self.go_on(transfer, next, now);
    }

    /// Moves what can be moved, and sees to the end of the sector.
    fn go_on(&mut self, mut transfer: Transfer, mut next: Next, now: VmTime) {
        self.state.due = now + SECTOR_TIME;
        if let Next::On = next {
            next = if transfer.buffer.is_empty() { self.after(&mut transfer) } else { self.pump(&mut transfer) };
        }
        match next {
            Next::On => self.state.transfer = Some(transfer),
            Next::End(status) => self.finish(transfer, status),
        }
    }

    /// READ ID: the next header that comes by.
    fn read_id(&mut self, transfer: &mut Transfer) -> Next {
        let track = self.drives.get(transfer.drive).map_or(0, |drive| drive.state.track);
        transfer.id = [track, transfer.head, 1, 2];
        Next::End([0; 3])
    }

    /// Finds the next sector; for a read, fills the buffer.
    fn open(&mut self, transfer: &mut Transfer) -> Next {
        transfer.at = 0;
        if transfer.operation == Operation::Format {
            transfer.buffer = vec![0; 4];
            return Next::On;
        }
        let Some(drive) = self.drives.get_mut(transfer.drive) else { return Next::End([ABNORMAL, MISSING_MARK, 0]) };
        let [c, h, r, n] = transfer.id;
        let track = drive.state.track;
        if transfer.operation != Operation::ReadTrack {
            if c != track {
                return Next::End([ABNORMAL, NO_DATA, WRONG_CYLINDER]);
            }
            if h != transfer.head || n != 2 {
                return Next::End([ABNORMAL, NO_DATA, 0]);
            }
        }
        let Some(sector) = drive.locate(transfer.head, r) else { return Next::End([ABNORMAL, NO_DATA, 0]) };
        let mut data = [0; SECTOR];
        if matches!(transfer.operation, Operation::Write { .. }) {
            transfer.buffer = data.to_vec();
            return Next::On;
        }
        let marked = drive.state.deleted.contains(&sector);
        let wanted = transfer.operation == Operation::Read { deleted: true };
        if marked != wanted && !matches!(transfer.operation, Operation::ReadTrack) {
            if transfer.skip {
                return Next::On; // an empty buffer: the next one
            }
            transfer.status[2] |= CONTROL_MARK;
        }
        if !drive.read(sector, &mut data) {
            return Next::End([ABNORMAL, DATA_ERROR, DATA_ERROR_IN_DATA]);
        }
        transfer.buffer = data.to_vec();
        if let Operation::Scan(_) = transfer.operation {
            transfer.status[2] |= SCAN_EQUAL;
        }
        Next::On
    }

    /// Moves bytes between the buffer and the host.
    fn pump(&mut self, transfer: &mut Transfer) -> Next {
        if transfer.at == transfer.buffer.len() || transfer.operation == Operation::Verify {
            return self.close(transfer);
        }
        if self.non_dma() {
            transfer.byte_waits = true;
            self.state.interrupt = true;
            self.state.due = VmTime::NEVER; // the host moves the bytes
            return Next::On;
        }
        if !self.gate() {
            return self.wait(transfer);
        }
        self.dma.request(true);
        let at = transfer.at;
        let moved = if transfer.to_host() {
            self.dma.give(&transfer.buffer[at..])
        } else {
            let mut data = vec![0; transfer.buffer.len() - at];
            let moved = self.dma.take(&mut data);
            self.take_bytes(transfer, &data[..moved.bytes]);
            moved
        };
        transfer.at = at + moved.bytes;
        transfer.terminal |= moved.terminal;
        if transfer.terminal || transfer.at == transfer.buffer.len() {
            transfer.patience = 0;
            return self.close(transfer);
        }
        if moved.bytes > 0 { Next::On } else { self.wait(transfer) }
    }

    fn wait(&mut self, transfer: &mut Transfer) -> Next {
        transfer.patience += 1;
        if transfer.patience > PATIENCE { Next::End([ABNORMAL, OVERRUN, 0]) } else { Next::On }
    }

    /// Bytes from the host: they are written, or compared with what is there.
    fn take_bytes(&mut self, transfer: &mut Transfer, data: &[u8]) {
        let at = transfer.at;
        let Operation::Scan(compare) = transfer.operation else {
            return transfer.buffer[at..at + data.len()].copy_from_slice(data);
        };
        for (disk, host) in transfer.buffer[at..].iter().zip(data) {
            if disk == host || *disk == 0xff || *host == 0xff {
                continue;
            }
            transfer.status[2] &= !SCAN_EQUAL;
            let holds = match compare {
                Compare::Equal => false,
                Compare::LowOrEqual => disk < host,
                Compare::HighOrEqual => disk > host,
            };
            if !holds {
                transfer.status[2] |= SCAN_FAILED;
            }
        }
    }

    /// The sector is complete, or the host has had enough.
    fn close(&mut self, transfer: &mut Transfer) -> Next {
        let [_, _, r, _] = transfer.id;
        let Some(drive) = self.drives.get_mut(transfer.drive) else { return Next::End([ABNORMAL, NO_DATA, 0]) };
        match transfer.operation {
            Operation::Write { deleted } => {
                // What the host did not give is zero.
                let mut data = [0; SECTOR];
                data[..transfer.at].copy_from_slice(&transfer.buffer[..transfer.at]);
                let written = drive.locate(transfer.head, r).is_some_and(|sector| drive.write(sector, &data, deleted));
                if !written {
                    return Next::End([ABNORMAL, DATA_ERROR, 0]);
                }
            }
            Operation::Format if transfer.at == 4 => {
                let &[c, h, r, n] = &transfer.buffer[..] else { return Next::End([ABNORMAL, NO_DATA, 0]) };
                let fits = c == drive.state.track && h == transfer.head && n == 2;
                // A header that our images have no place for is written nowhere.
                if let Some(sector) = drive.locate(transfer.head, r).filter(|_| fits)
                    && !drive.write(sector, &[transfer.filler; SECTOR], false)
                {
                    return Next::End([ABNORMAL, DATA_ERROR, 0]);
                }
            }
            _ => {}
        }
        transfer.buffer.clear();
        self.after(transfer)
    }

    /// Goes to the next sector, or ends.
    fn after(&mut self, transfer: &mut Transfer) -> Next {
        transfer.at = 0;
        if transfer.operation == Operation::Format {
            transfer.count += 1;
            return match transfer.count >= transfer.last.into() || transfer.terminal {
                true => Next::End([0; 3]),
                false => Next::On,
            };
        }
        if let Operation::Scan(_) = transfer.operation {
            if transfer.status[2] & SCAN_FAILED == 0 {
                transfer.terminal = true; // found
            } else if !transfer.terminal && transfer.id[2] < transfer.last {
                transfer.status[2] &= !SCAN_FAILED;
            }
        }
        let enough = transfer.terminal || transfer.status[2] & CONTROL_MARK != 0 && !transfer.skip;
        let verified = transfer.operation == Operation::Verify && transfer.count == 1;
        transfer.count =
            if transfer.operation == Operation::Verify { transfer.count.saturating_sub(1) } else { transfer.count };
        let step = if let Operation::Scan(_) = transfer.operation { transfer.count as u8 } else { 1 };
        let end = transfer.id[2] >= transfer.last;
        let other_side = end && transfer.multi_track;
        let over = end && (!transfer.multi_track || transfer.head == 1);
        match (end, transfer.operation) {
            (false, _) => transfer.id[2] = transfer.id[2].wrapping_add(step),
            (true, _) => {
                transfer.id[2] = 1;
                if over {
                    transfer.id[0] = transfer.id[0].wrapping_add(1);
                }
                if other_side {
                    transfer.id[1] ^= 1;
                    transfer.head ^= u8::from(!over && !enough);
                }
            }
        }
        match (enough || verified, over) {
            (true, _) => Next::End([0; 3]),
            (false, true) if matches!(transfer.operation, Operation::Verify | Operation::Scan(_)) => Next::End([0; 3]),
            // Nobody said that it was enough.
            (false, true) => Next::End([ABNORMAL, END_OF_CYLINDER, 0]),
            (false, false) => Next::On,
        }
    }

    // ---- Byte by byte ----

    /// The host writes a byte of data.
    pub(super) fn put_byte(&mut self, byte: u8, now: VmTime) {
        self.byte(now, |fdc, transfer| {
            if !transfer.to_host() {
                fdc.take_bytes(transfer, &[byte]);
            }
            0
        });
    }

    /// The host reads a byte of data.
    pub(super) fn get_byte(&mut self, now: VmTime) -> u8 {
        self.byte(now, |_, transfer| if transfer.to_host() { transfer.buffer[transfer.at] } else { 0 })
    }

    fn byte(&mut self, now: VmTime, act: impl FnOnce(&mut Self, &mut Transfer) -> u8) -> u8 {
        let Some(mut transfer) = self.state.transfer.take() else { return 0 };
        if !transfer.byte_waits || transfer.at >= transfer.buffer.len() {
            self.state.transfer = Some(transfer);
            return 0;
        }
        let byte = act(self, &mut transfer);
        transfer.at += 1;
        // The line falls with each byte, and rises for the next.
        self.irq.set(false);
        if transfer.at == transfer.buffer.len() {
            transfer.byte_waits = false;
            self.state.interrupt = false;
            self.go_on(transfer, Next::On, now);
        } else {
            self.state.transfer = Some(transfer);
        }
        byte
    }
}
