//! Commands that read the medium.

use super::packet::long;
use super::sense::Sense;
use super::{BLOCK, Cdrom, PACKET, READ_AHEAD};
use lyrebird_core::BlockError;
use lyrebird_core::block::SECTOR;

impl Cdrom {
    /// READ (10) and (12).
    pub(super) fn read(&mut self, block: u32, count: u32) {
        self.with_medium(|cdrom| {
            if u64::from(block) + u64::from(count) > u64::from(cdrom.blocks()) {
                return cdrom.check(Sense::OUT_OF_RANGE);
            }
            (cdrom.state.block, cdrom.state.left) = (block, count);
            cdrom.data_in();
        });
    }

    /// READ CD: user data of mode 1 only, for there is nothing else in an image.
    pub(super) fn read_cd(&mut self, packet: &[u8; PACKET]) {
        let kind = packet[1] >> 2 & 7;
        let count = u32::from_be_bytes([0, packet[6], packet[7], packet[8]]);
        match packet[9] & 0xf8 {
            _ if !matches!(kind, 0 | 2) || packet[10] & 7 != 0 => self.check(Sense::INVALID_FIELD),
            0 => self.with_medium(Self::good), // no field at all
            0x10 => self.read(long(packet, 2), count),
            _ => self.check(Sense::INVALID_FIELD),
        }
    }

    /// Reads more of what is left behind the pending data.
    pub(super) fn read_more(&mut self) -> Result<(), Sense> {
        let count = self.state.left.min(READ_AHEAD);
        let Some(medium) = self.medium.as_mut().filter(|_| !self.state.open) else { return Err(Sense::NO_MEDIUM) };
        let mut data = vec![0; count as usize * BLOCK];
        let first = u64::from(self.state.block) * (BLOCK / SECTOR) as u64;
        // The image may end inside the last block.
        let there = medium.sectors().saturating_sub(first).min((data.len() / SECTOR) as u64) as usize;
        if let Err(error) = medium.read_at(first, &mut data[..there * SECTOR]) {
            if matches!(error, BlockError::Host(_)) {
                tracing::error!("CD-ROM drive {}: {error}", self.number);
            }
            return Err(Sense::READ_ERROR);
        }
        self.state.pending.append(&mut data);
        self.state.block = self.state.block.saturating_add(count);
        self.state.left -= count;
        Ok(())
    }
}
