//! What the medium's beginning says: one track of data, in one session (MMC-3, READ TOC/PMA/ATIP).

use super::packet::{long, word};
use super::sense::Sense;
use super::{Cdrom, PACKET};

/// ADR 1 (position), control: a data track.
const DATA_TRACK: u8 = 0x14;
const LEAD_OUT: u8 = 0xaa;
/// Frames in a second, and those before block 0.
const FRAMES: u32 = 75;
const LEAD_IN: u32 = 2 * FRAMES;

/// A block's place in minutes, seconds and frames.
fn msf(block: u32) -> [u8; 3] {
    let frame = block.saturating_add(LEAD_IN);
    [(frame / FRAMES / 60).min(255) as u8, (frame / FRAMES % 60) as u8, (frame % FRAMES) as u8]
}

fn address(block: u32, as_msf: bool) -> [u8; 4] {
    if as_msf {
        let [minute, second, frame] = msf(block);
        [0, minute, second, frame]
    } else {
        block.to_be_bytes()
    }
}

impl Cdrom {
    pub(super) fn read_toc(&mut self, packet: &[u8; PACKET]) {
        let (as_msf, track) = (packet[1] & 2 != 0, packet[6]);
        // SFF-8020i had the format in the last byte.
        let format = if packet[2] & 15 != 0 { packet[2] & 15 } else { packet[9] >> 6 };
        self.with_medium(|cdrom| {
            let lead_out = cdrom.blocks();
            let data = match format {
                0 if track > 1 && track != LEAD_OUT => return cdrom.check(Sense::INVALID_FIELD),
                0 => {
                    let mut data = vec![1, 1]; // first and last track
                    if track <= 1 {
                        data.extend([0, DATA_TRACK, 1, 0]);
                        data.extend(address(0, as_msf));
                    }
                    data.extend([0, DATA_TRACK, LEAD_OUT, 0]);
                    data.extend(address(lead_out, as_msf));
                    data
                }
                1 => {
                    let mut data = vec![1, 1, 0, DATA_TRACK, 1, 0]; // sessions, and the last one's first track
                    data.extend(address(0, as_msf));
                    data
                }
                2 => full(lead_out),
                _ => return cdrom.check(Sense::INVALID_FIELD),
            };
            let mut reply = (data.len() as u16).to_be_bytes().to_vec();
            reply.extend(data);
            cdrom.reply(reply, word(packet, 7).into());
        });
    }

    /// READ SUB-CHANNEL: no audio plays, and where the head is.
    pub(super) fn read_sub_channel(&mut self, packet: &[u8; PACKET]) {
        let (sub_q, format) = (packet[2] & 0x40 != 0, packet[3]);
        let as_msf = packet[1] & 2 != 0;
        self.with_medium(|cdrom| {
            let mut data = vec![0, 0x15, 0, 0]; // no audio status
            match (sub_q, format) {
                (false, _) => {}
                (true, 1) => {
                    let block = cdrom.state.block;
                    data.extend([1, DATA_TRACK, 1, 1]);
                    data.extend(address(block, as_msf));
                    data.extend(address(block, as_msf));
                }
                // No catalogue number and no ISRC.
                (true, 2 | 3) => data.extend([format, 0, 0, 0].into_iter().chain([0; 16])),
                _ => return cdrom.check(Sense::INVALID_FIELD),
            }
            data[3] = (data.len() - 4) as u8;
            cdrom.reply(data, word(packet, 7).into());
        });
    }

    /// READ DISC INFORMATION: a finished disc.
    pub(super) fn read_disc_information(&mut self, packet: &[u8; PACKET]) {
        self.with_medium(|cdrom| {
            let mut data = vec![0; 34];
            data[..9].copy_from_slice(&[0, 32, 0x0e, 1, 1, 1, 1, 0x20, 0]);
            data[16..24].fill(0xff); // lead-ins and lead-outs that are not there
            cdrom.reply(data, word(packet, 7).into());
        });
    }

    /// READ TRACK INFORMATION: the one track.
    pub(super) fn read_track_information(&mut self, packet: &[u8; PACKET]) {
        self.with_medium(|cdrom| {
            let (blocks, at) = (cdrom.blocks(), long(packet, 2));
            let there = match packet[1] & 3 {
                0 => at < blocks,
                1 | 2 => at <= 1,
                _ => false,
            };
            if !there {
                return cdrom.check(Sense::INVALID_FIELD);
            }
            let mut data = vec![0; 28];
            data[..7].copy_from_slice(&[0, 26, 1, 1, 0, 4, 1]);
            data[24..28].copy_from_slice(&blocks.to_be_bytes());
            cdrom.reply(data, word(packet, 7).into());
        });
    }
}

/// Format 2: every entry of the lead-in, as Q sub-channel frames.
fn full(lead_out: u32) -> Vec<u8> {
    let mut data = vec![1, 1]; // first and last session
    let points = [(0xa0, [1, 0, 0]), (0xa1, [1, 0, 0]), (0xa2, msf(lead_out)), (1, msf(0))];
    for (point, place) in points {
        data.extend([1, DATA_TRACK, 0, point, 0, 0, 0, 0]);
        data.extend(place);
    }
    data
}
