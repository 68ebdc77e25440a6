//! CDs that start a machine ("El Torito" Bootable CD-ROM Format Specification 1.0).

use super::geometry::{self, Geometry};
use super::{FIRST_CDROM, FIRST_DISK, status};
use crate::call::{Call, linear};
use serde::{Deserialize, Serialize};

/// Sectors of 512 bytes in a block of a CD.
const BLOCK: u64 = 4;
/// The boot record's block.
const BOOT_RECORD: u64 = 17;
/// The platform of PCs with a BIOS.
const X86: u8 = 0;

/// A CD that plays another drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emulation {
    /// The drive that it plays: 0 or 80h.
    pub drive: u8,
    /// The CD-ROM drive's place on the IDE channels.
    pub place: usize,
    /// Its first sector on the CD, of 512 bytes.
    pub first: u64,
    /// How many it has.
    pub sectors: u64,
    /// The catalog's kind: 1 to 3 a floppy, 4 a hard disk.
    pub kind: u8,
    /// Heads and sectors a track, for a hard disk.
    pub heads: u16,
    /// The latter.
    pub track: u8,
}

impl Emulation {
    /// How it is addressed.
    pub fn geometry(&self) -> Geometry {
        match self.kind {
            1 => geometry::floppy(2400),
            2 => geometry::FLOPPY_1440,
            3 => geometry::floppy(5760),
            _ => {
                let (heads, sectors) = (self.heads.max(1), self.track.max(1));
                let cylinders = self.sectors / (u64::from(heads) * u64::from(sectors));
                Geometry { cylinders: cylinders.clamp(1, 1024) as u16, heads, sectors }
            }
        }
    }
}

/// The catalog's entry that this machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 0: no emulation; 1 to 3: a floppy; 4: a hard disk.
    pub kind: u8,
    /// Where it is loaded.
    pub segment: u16,
    /// Sectors of 512 bytes to load.
    pub count: u16,
    /// The block where it begins.
    pub block: u32,
}

/// Finds the entry in a catalog of 2,048 bytes or more.
pub fn find(catalog: &[u8]) -> Option<Entry> {
    let validation = catalog.get(..32)?;
    let sum =
        validation.chunks_exact(2).fold(0u16, |sum, word| sum.wrapping_add(u16::from_le_bytes([word[0], word[1]])));
    if validation[0] != 1 || validation[30..] != [0x55, 0xaa] || sum != 0 {
        return None;
    }
    let entry = |bytes: &[u8]| {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let block = u32::from(word(8)) | u32::from(word(10)) << 16;
        let segment = if word(2) == 0 { 0x7c0 } else { word(2) };
        (bytes[0] == 0x88 && bytes[1] & 15 <= 4).then_some(Entry {
            kind: bytes[1] & 15,
            segment,
            count: word(6),
            block,
        })
    };
    if validation[1] == X86
        && let Some(found) = entry(catalog.get(32..64)?)
    {
        return Some(found);
    }
    // Sections: a header, then its entries.
    let mut rest = catalog.get(64..)?.chunks_exact(32);
    while let Some(header) = rest.next() {
        if !matches!(header[0], 0x90 | 0x91) {
            break;
        }
        let entries = u16::from_le_bytes([header[2], header[3]]).min(64);
        for _ in 0..entries {
            let bytes = rest.next()?;
            if header[1] == X86
                && let Some(found) = entry(bytes)
            {
                return Some(found);
            }
        }
        if header[0] == 0x91 {
            break;
        }
    }
    None
}

/// Starts a CD: loads its image, and gives segment and offset to jump to and the drive's number.
pub fn boot(call: &mut Call<'_>, place: usize) -> Option<(u16, u16, u8)> {
    let cd = call.machine.cdrom(place)?;
    let mut record = [0; 2048];
    cd.read_at(BOOT_RECORD * BLOCK, &mut record).ok()?;
    if record[..7] != *b"\0CD001\x01" || record[7..30] != *b"EL TORITO SPECIFICATION" {
        return None;
    }
    let catalog = u32::from_le_bytes([record[0x47], record[0x48], record[0x49], record[0x4a]]);
    let mut bytes = [0; 2048];
    cd.read_at(u64::from(catalog) * BLOCK, &mut bytes).ok()?;
    let entry = find(&bytes)?;
    let first = u64::from(entry.block) * BLOCK;
    let left = cd.sectors().checked_sub(first)?;
    // Without emulation the count is the whole program; some give 0 and mean 4.
    let count = u64::from(entry.count.max(1)).min(left);
    let count = if entry.kind == 0 && entry.count == 0 { left.min(BLOCK) } else { count };
    let mut image = vec![0; count as usize * 512];
    cd.read_at(first, &mut image).ok()?;
    let drive = match entry.kind {
        0 => FIRST_CDROM + place as u8,
        1..=3 => 0,
        _ => FIRST_DISK,
    };
    if entry.kind > 0 {
        let (heads, track) = (u16::from(image[446 + 5]) + 1, image[446 + 6] & 0x3f);
        let sectors = match entry.kind {
            1 => 2400,
            2 => 2880,
            3 => 5760,
            _ => {
                let word = |at: usize| u32::from_le_bytes([image[at], image[at + 1], image[at + 2], image[at + 3]]);
                u64::from(word(446 + 8)) + u64::from(word(446 + 12))
            }
        };
        let sectors = sectors.min(left);
        call.state.disk.emulation = Some(Emulation { drive, place, first, sectors, kind: entry.kind, heads, track });
    }
    call.state.disk.boot_cd = Some(place);
    call.write(linear(entry.segment, 0), &image);
    Some((entry.segment, 0, drive))
}

/// INT 13h AH=4Ah to 4Dh.
pub fn service(call: &mut Call<'_>) -> u8 {
    let packet = linear(call.regs.ds, call.regs.si());
    let emulation = call.state.disk.emulation;
    match (call.regs.ah(), call.regs.al()) {
        (0x4b, 0..=1) => {
            let number = call.regs.dl();
            let asked_for_all = number == 0x7f;
            let Some(place) = call.state.disk.boot_cd else { return status::BAD_COMMAND };
            if emulation.is_none() && !asked_for_all && number != FIRST_CDROM + place as u8 {
                return status::BAD_COMMAND;
            }
            let mut result = [0; 19];
            result[0] = 19;
            if let Some(emulation) = emulation {
                result[1] = emulation.kind;
                result[2] = emulation.drive;
                result[4..8].copy_from_slice(&((emulation.first / BLOCK) as u32).to_le_bytes());
                let geometry = emulation.geometry();
                result[16] = geometry.cylinders as u8;
                result[17] = geometry.sectors | (geometry.cylinders >> 2) as u8 & 0xc0;
                result[18] = (geometry.heads - 1) as u8;
            } else {
                result[2] = FIRST_CDROM + place as u8;
            }
            result[3] = (place / 2) as u8;
            result[8] = (place % 2) as u8;
            call.give(packet, &result);
            if call.regs.al() == 0 {
                call.state.disk.emulation = None;
            }
            status::OK
        }
        // Starting another emulation, and the catalog, are for multi-boot programs that nobody wrote.
        _ => status::BAD_COMMAND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(platform: u8) -> Vec<u8> {
        let mut bytes = vec![0; 2048];
        bytes[0] = 1;
        bytes[1] = platform;
        bytes[30..32].copy_from_slice(&[0x55, 0xaa]);
        let sum = bytes[..32].chunks(2).fold(0u16, |sum, w| sum.wrapping_add(u16::from_le_bytes([w[0], w[1]])));
        bytes[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
        bytes
    }

    #[test]
    fn the_default_entry_or_a_section_for_this_platform() {
        let mut bytes = catalog(X86);
        assert_eq!(find(&bytes), None);
        bytes[32] = 0x88;
        bytes[38] = 4;
        bytes[40] = 33;
        let entry = Entry { kind: 0, segment: 0x7c0, count: 4, block: 33 };
        assert_eq!(find(&bytes), Some(entry));
        let mut other = catalog(0xef);
        other[64..68].copy_from_slice(&[0x91, X86, 1, 0]);
        other[96] = 0x88;
        other[102] = 4;
        other[104] = 33;
        assert_eq!(find(&other), Some(entry));
        bytes[5] = 1;
        assert_eq!(find(&bytes), None, "the sum is wrong");
    }
}
