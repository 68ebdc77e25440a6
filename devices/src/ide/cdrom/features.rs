//! What the drive can do and what happened to it: GET CONFIGURATION, GET EVENT STATUS NOTIFICATION, MECHANISM STATUS (MMC-3).

use super::packet::word;
use super::sense::Sense;
use super::{Cdrom, PACKET};

// Media events.
pub const NEW_MEDIA: u8 = 2;
pub const MEDIA_REMOVAL: u8 = 3;

const PROFILE_CD_ROM: u16 = 0x0008;
const PROFILE_DVD_ROM: u16 = 0x0010;
/// Longer media are DVDs: 80 minutes.
const LONGEST_CD: u32 = 80 * 60 * 75;
/// Class of events: media.
const MEDIA: u8 = 4;

/// A feature: its number, version and flags (bit 0: it is current; bit 1: it is persistent), and what is special to it.
struct Feature(u16, u8, Vec<u8>);

impl Cdrom {
    fn profile(&self) -> u16 {
        match self.blocks() {
            0 => 0,
            1..=LONGEST_CD => PROFILE_CD_ROM,
            _ => PROFILE_DVD_ROM,
        }
    }

    fn features(&self) -> Vec<Feature> {
        let profile = self.profile();
        let is = |which: u16| u8::from(profile == which);
        let profiles = [PROFILE_DVD_ROM, PROFILE_CD_ROM].into_iter();
        let profiles = profiles.flat_map(|which| [(which >> 8) as u8, which as u8, is(which), 0]).collect();
        vec![
            Feature(0x0000, 0x03, profiles),
            Feature(0x0001, 0x0b, vec![0, 0, 0, 2, 0, 0, 0, 0]), // core: ATAPI
            Feature(0x0002, 0x07, vec![0, 0, 0, 0]),             // morphing
            Feature(0x0003, 0x03, vec![0x29, 0, 0, 0]),          // removable: a tray that locks and ejects
            Feature(0x0010, u8::from(profile != 0), vec![0, 0, 8, 0, 0, 1, 0, 0]), // random readable, blocks of 2048
            Feature(0x001e, 0x08 | is(PROFILE_CD_ROM), vec![0, 0, 0, 0]), // CD read
            Feature(0x001f, is(PROFILE_DVD_ROM), vec![]),        // DVD read
            Feature(0x0100, 0x03, vec![]),                       // power management
        ]
    }

    pub(super) fn get_configuration(&mut self, packet: &[u8; PACKET]) {
        let (kind, first) = (packet[1] & 3, word(packet, 2));
        if kind == 3 {
            return self.check(Sense::INVALID_FIELD);
        }
        let mut data = vec![0; 6];
        data.extend(self.profile().to_be_bytes());
        for Feature(number, flags, special) in self.features() {
            let wanted = match kind {
                0 => number >= first,
                1 => number >= first && flags & 1 != 0,
                _ => number == first,
            };
            if wanted {
                data.extend(number.to_be_bytes());
                data.extend([flags, special.len() as u8]);
                data.extend(special);
            }
        }
        let length = (data.len() - 4) as u32;
        data[..4].copy_from_slice(&length.to_be_bytes());
        self.reply(data, word(packet, 7).into());
    }

    pub(super) fn get_event_status(&mut self, packet: &[u8; PACKET]) {
        if packet[1] & 1 == 0 {
            return self.check(Sense::INVALID_FIELD); // only polling
        }
        let mut data = vec![0, 2, 0x80, 1 << MEDIA]; // none of the classes asked for
        if packet[4] & 1 << MEDIA != 0 {
            let event = std::mem::take(&mut self.state.event);
            let status = u8::from(self.state.open) | u8::from(self.loaded()) << 1;
            data = vec![0, 6, MEDIA, 1 << MEDIA, event, status, 0, 0];
        }
        self.reply(data, word(packet, 7).into());
    }

    pub(super) fn mechanism_status(&mut self, packet: &[u8; PACKET]) {
        let open = u8::from(self.state.open) << 4;
        self.reply(vec![0, open, 0, 0, 0, 0, 0, 0], word(packet, 8).into());
    }
}
