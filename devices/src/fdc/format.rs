//! What is in a drive: the formats of PC floppies, guessed by an image's size, and the drive that each wants.

use lyrebird_core::block::SECTOR;

/// How a floppy is divided. All sectors have 512 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Tracks on a side.
    pub cylinders: u8,
    /// Sides.
    pub heads: u8,
    /// Sectors in a track.
    pub sectors: u8,
    /// How densely it is written.
    pub density: Density,
}

/// How densely a floppy is written, which decides at what data rates it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Density {
    /// 250 kbit/s; 300 in drives that turn faster.
    Double,
    /// 500 kbit/s.
    High,
    /// 1 Mbit/s.
    Extra,
}

const fn format(cylinders: u8, heads: u8, sectors: u8, density: Density) -> Format {
    Format { cylinders, heads, sectors, density }
}

/// The formats that have a size of their own. The first for a size counts.
const FORMATS: [Format; 14] = [
    format(40, 1, 8, Density::Double),  // 160 KB
    format(40, 1, 9, Density::Double),  // 180 KB
    format(40, 2, 8, Density::Double),  // 320 KB
    format(40, 2, 9, Density::Double),  // 360 KB
    format(80, 2, 8, Density::Double),  // 640 KB
    format(80, 2, 9, Density::Double),  // 720 KB
    format(80, 2, 10, Density::Double), // 800 KB
    format(80, 2, 15, Density::High),   // 1.2 MB
    format(80, 2, 18, Density::High),   // 1.44 MB
    format(80, 2, 20, Density::High),   // 1.6 MB
    format(80, 2, 21, Density::High),   // 1.68 MB
    format(82, 2, 21, Density::High),   // 1.72 MB
    format(83, 2, 21, Density::High),   // 1.74 MB
    format(80, 2, 36, Density::Extra),  // 2.88 MB
];
const USUAL: [Format; 2] = [FORMATS[8], FORMATS[13]];

/// The largest image that is a floppy, in bytes.
pub const LARGEST: u64 = 2880 << 10;

impl Format {
    /// The format of an image with so many sectors; what has no size of its own is the beginning of a 1.44 MB or 2.88 MB
    /// floppy. `None` if no floppy is so large.
    pub fn guess(sectors: u64) -> Option<Format> {
        let exact = FORMATS.into_iter().find(|format| format.total() == sectors);
        exact.or_else(|| USUAL.into_iter().find(|format| format.total() >= sectors))
    }

    /// How many sectors it has.
    pub fn total(&self) -> u64 {
        u64::from(self.cylinders) * u64::from(self.heads) * u64::from(self.sectors)
    }

    /// Whether this size in bytes is exactly a floppy's.
    pub fn is_floppy(bytes: u64) -> bool {
        FORMATS.iter().any(|format| format.total() * SECTOR as u64 == bytes)
    }

    /// The drive for it, as CMOS byte 10h numbers them: 1 for 360 KB, 2 for 1.2 MB, 4 for 1.44 MB and 5 for 2.88 MB.
    pub fn drive_type(&self) -> u8 {
        match self {
            Format { cylinders: 40, .. } => 1,
            Format { sectors: 15, .. } => 2,
            Format { density: Density::Extra, .. } => 5,
            _ => 4,
        }
    }

    /// Whether it can be read at a data rate, as CCR and DSR number them.
    pub fn has_rate(&self, rate: u8) -> bool {
        match self.density {
            Density::Double => matches!(rate, 1 | 2),
            Density::High => rate == 0,
            Density::Extra => rate == 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_drives() {
        for (kib, chs, drive) in [
            (160, (40, 1, 8), 1),
            (360, (40, 2, 9), 1),
            (720, (80, 2, 9), 4),
            (1200, (80, 2, 15), 2),
            (1440, (80, 2, 18), 4),
            (2880, (80, 2, 36), 5),
            (1000, (80, 2, 18), 4),
        ] {
            let format = Format::guess(kib * 2).unwrap();
            assert_eq!(((format.cylinders, format.heads, format.sectors), format.drive_type()), (chs, drive), "{kib}");
        }
        assert_eq!(Format::guess(1).unwrap().total(), 2880);
        assert_eq!(Format::guess(5761), None);
        assert!(Format::is_floppy(1440 << 10) && !Format::is_floppy(512));
    }
}
