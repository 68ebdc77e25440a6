//! The commands in a packet, and the simplest of them.

use super::sense::Sense;
use super::{Cdrom, PACKET, features};

// START STOP UNIT.
const LOAD_EJECT: u8 = 1 << 1;
const START: u8 = 1 << 0;

/// A big-endian number of 16 bits.
pub fn word(packet: &[u8; PACKET], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

/// A big-endian number of 32 bits.
pub fn long(packet: &[u8; PACKET], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}

impl Cdrom {
    pub(super) fn packet(&mut self, packet: &[u8; PACKET]) {
        let command = packet[0];
        // INQUIRY, REQUEST SENSE, GET CONFIGURATION, GET EVENT STATUS NOTIFICATION look at the drive and not at the medium.
        let always = matches!(command, 0x12 | 0x03 | 0x46 | 0x4a);
        if !always && let Some(attention) = self.state.attention.take() {
            return self.check(attention);
        }
        if command != 0x03 {
            self.state.sense = Sense::NONE;
        }
        match command {
            0x00 => self.with_medium(Self::good), // TEST UNIT READY
            0x03 => {
                // REQUEST SENSE tells each thing once.
                let mut sense = std::mem::take(&mut self.state.sense);
                if sense == Sense::NONE {
                    sense = self.state.attention.take().unwrap_or_default();
                }
                self.reply(sense.data(), packet[4].into());
            }
            0x12 => self.inquiry(packet),
            0x1b => self.start_stop_unit(packet),
            0x1e => {
                // PREVENT ALLOW MEDIUM REMOVAL
                self.state.locked = packet[4] & 1 != 0;
                self.good();
            }
            0x25 => self.with_medium(|cdrom| {
                // READ CAPACITY
                let mut data = cdrom.blocks().saturating_sub(1).to_be_bytes().to_vec();
                data.extend((super::BLOCK as u32).to_be_bytes());
                cdrom.reply(data, 8);
            }),
            0x28 => self.read(long(packet, 2), word(packet, 7).into()),
            0xa8 => self.read(long(packet, 2), long(packet, 6)),
            0xbe => self.read_cd(packet),
            0x2b => self.with_medium(|cdrom| match long(packet, 2) < cdrom.blocks() {
                // SEEK
                true => cdrom.good(),
                false => cdrom.check(Sense::OUT_OF_RANGE),
            }),
            0x42 => self.read_sub_channel(packet),
            0x43 => self.read_toc(packet),
            0x46 => self.get_configuration(packet),
            0x4a => self.get_event_status(packet),
            0x51 => self.read_disc_information(packet),
            0x52 => self.read_track_information(packet),
            0x5a => self.mode_sense(packet),
            0x55 => self.data_out(word(packet, 7).into()), // MODE SELECT: what may be set changes nothing here
            0xbb => self.good(),                           // SET CD SPEED
            0xbd => self.mechanism_status(packet),
            _ => self.check(Sense::INVALID_COMMAND),
        }
    }

    /// Goes on if there is a medium, and says what is missing if not.
    pub(super) fn with_medium(&mut self, go: impl FnOnce(&mut Self)) {
        match (self.state.open, &self.medium) {
            (true, _) => self.check(Sense::TRAY_OPEN),
            (false, None) => self.check(Sense::NO_MEDIUM),
            (false, Some(_)) => go(self),
        }
    }

    fn inquiry(&mut self, packet: &[u8; PACKET]) {
        if packet[1] & 3 != 0 || packet[2] != 0 {
            return self.check(Sense::INVALID_FIELD); // no pages of vital product data
        }
        // A CD-ROM device whose medium can be removed; responses as in SPC, of an ATAPI device.
        let mut data = vec![0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0];
        data.extend(b"LYREBIRD");
        data.extend(b"CD-ROM          ");
        data.extend(b"0.1 ");
        self.reply(data, word(packet, 3).into());
    }

    fn start_stop_unit(&mut self, packet: &[u8; PACKET]) {
        if packet[4] & LOAD_EJECT == 0 {
            return self.good(); // the motor alone
        }
        let open = packet[4] & START == 0;
        if open && self.state.locked {
            return self.check(Sense::REMOVAL_PREVENTED);
        }
        if open != self.state.open {
            self.state.open = open;
            self.state.event = match (open, self.medium.is_some()) {
                (true, _) => features::MEDIA_REMOVAL,
                (false, true) => features::NEW_MEDIA,
                (false, false) => 0,
            };
            if self.loaded() {
                self.state.attention = Some(Sense::MEDIUM_CHANGED);
            }
        }
        self.good();
    }
}
