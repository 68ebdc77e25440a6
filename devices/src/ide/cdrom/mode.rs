//! MODE SENSE (10) (MMC-3, 5.5).

use super::packet::word;
use super::sense::Sense;
use super::{Cdrom, PACKET};

const ERROR_RECOVERY: u8 = 0x01;
const AUDIO_CONTROL: u8 = 0x0e;
const CAPABILITIES: u8 = 0x2a;
const ALL: u8 = 0x3f;
/// Reading speed in kilobytes a second: 32 times that of music.
const SPEED: u16 = 32 * 176;

impl Cdrom {
    pub(super) fn mode_sense(&mut self, packet: &[u8; PACKET]) {
        let (page, control) = (packet[2] & 0x3f, packet[2] >> 6);
        if control == 3 {
            return self.check(Sense::SAVING_NOT_SUPPORTED);
        }
        let mut pages = Vec::new();
        for (number, content) in [
            (ERROR_RECOVERY, vec![0, 5, 0, 0, 0, 0]), // five retries
            (AUDIO_CONTROL, vec![4, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0]),
            (CAPABILITIES, self.capabilities()),
        ] {
            if page == number || page == ALL {
                pages.extend([number, content.len() as u8]);
                // What can be changed: nothing.
                pages.extend(content.into_iter().map(|byte| if control == 1 { 0 } else { byte }));
            }
        }
        if pages.is_empty() {
            return self.check(Sense::INVALID_FIELD);
        }
        let medium_type = match (self.state.open, self.loaded()) {
            (true, _) => 0x71,
            (false, true) => 0x01, // 120 mm, data
            (false, false) => 0x70,
        };
        let mut data = ((pages.len() + 6) as u16).to_be_bytes().to_vec();
        data.extend([medium_type, 0, 0, 0, 0, 0]);
        data.extend(pages);
        self.reply(data, word(packet, 7).into());
    }

    /// What the drive can do, in the words of MMC-3, table 361.
    fn capabilities(&self) -> Vec<u8> {
        let locked = u8::from(self.state.locked) << 1;
        // Reads CD-R, CD-RW and DVD-ROM; mode 2 of both forms, several sessions; a tray, which locks and ejects.
        let mut page = vec![0x0b, 0, 0x70, 0, 0x29 | locked, 0];
        page.extend(SPEED.to_be_bytes());
        page.extend(2u16.to_be_bytes()); // volume levels
        page.extend(512u16.to_be_bytes()); // buffer, in kilobytes
        page.extend(SPEED.to_be_bytes());
        page.extend([0; 6]);
        page
    }
}
