//! Cylinders, heads and sectors: of floppies by their size, of hard disks by their partition table or by the rule that makes
//! up to 8 GB reachable (Phoenix EDD 3.0, "LBA-assisted translation").

/// How a drive is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Cylinders.
    pub cylinders: u16,
    /// Heads.
    pub heads: u16,
    /// Sectors a track.
    pub sectors: u8,
}

/// The most usual floppy.
pub const FLOPPY_1440: Geometry = Geometry { cylinders: 80, heads: 2, sectors: 18 };

impl Geometry {
    /// CMOS's number for the drive that such a floppy goes into.
    pub fn floppy_type(&self) -> u8 {
        match (self.cylinders, self.sectors) {
            (..=42, _) => 1,
            (_, 9) => 3,
            (_, 15) => 2,
            (_, 36) => 6,
            _ => 4,
        }
    }
}

/// A floppy of so many sectors.
pub fn floppy(sectors: u64) -> Geometry {
    const KNOWN: [(u64, Geometry); 12] = [
        (320, Geometry { cylinders: 40, heads: 1, sectors: 8 }),
        (360, Geometry { cylinders: 40, heads: 1, sectors: 9 }),
        (640, Geometry { cylinders: 40, heads: 2, sectors: 8 }),
        (720, Geometry { cylinders: 40, heads: 2, sectors: 9 }),
        (1440, Geometry { cylinders: 80, heads: 2, sectors: 9 }),
        (2400, Geometry { cylinders: 80, heads: 2, sectors: 15 }),
        (2880, FLOPPY_1440),
        (3360, Geometry { cylinders: 80, heads: 2, sectors: 21 }),
        (3444, Geometry { cylinders: 82, heads: 2, sectors: 21 }),
        (5760, Geometry { cylinders: 80, heads: 2, sectors: 36 }),
        (3200, Geometry { cylinders: 80, heads: 2, sectors: 20 }),
        (3520, Geometry { cylinders: 80, heads: 2, sectors: 22 }),
    ];
    // An image that was cut short, or made longer than it is.
    let larger = KNOWN.iter().filter(|known| known.0 >= sectors).min_by_key(|known| known.0);
    larger.map_or(KNOWN[9].1, |known| known.1)
}

/// A hard disk, with its first sector if it could be read.
pub fn disk(total: u64, table: Option<&[u8; 512]>) -> Geometry {
    let (heads, sectors) = table.and_then(|table| from_partitions(total, table)).unwrap_or_else(|| by_rule(total));
    let cylinders = total / (u64::from(heads) * u64::from(sectors));
    Geometry { cylinders: cylinders.clamp(1, 1024) as u16, heads, sectors }
}

fn by_rule(total: u64) -> (u16, u8) {
    let fits = |heads: &u16| total / 63 / u64::from(*heads) <= 1024;
    ([16, 32, 64, 128].into_iter().find(fits).unwrap_or(255), 63)
}

/// Whoever made the partitions had a geometry in mind: a partition usually ends with the last head and sector.
fn from_partitions(total: u64, table: &[u8; 512]) -> Option<(u16, u8)> {
    if table[510..] != [0x55, 0xaa] {
        return None;
    }
    for entry in table[446..510].chunks_exact(16) {
        let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        let (first, count) = (u64::from(word(8)), u64::from(word(12)));
        let (heads, sectors) = (u16::from(entry[5]) + 1, entry[6] & 0x3f);
        let cylinder = u64::from(entry[7]) | u64::from(entry[6] & 0xc0) << 2;
        // EEh is the mark of a disk with a GUID partition table, whose end says nothing.
        if entry[4] == 0 || entry[4] == 0xee || count == 0 || sectors == 0 || heads < 2 {
            continue;
        }
        let last = first + count - 1;
        let same = (cylinder * u64::from(heads) + u64::from(heads) - 1) * u64::from(sectors) + u64::from(sectors) - 1;
        let beyond = last / (u64::from(heads) * u64::from(sectors)) > 1023;
        if (same == last || beyond) && last < total && total / (u64::from(heads) * u64::from(sectors)) > 0 {
            return Some((heads, sectors));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floppies_by_size() {
        assert_eq!(floppy(2880), FLOPPY_1440);
        assert_eq!(floppy(2879), FLOPPY_1440);
        assert_eq!((floppy(720).cylinders, floppy(720).floppy_type()), (40, 1));
        assert_eq!(floppy(5760).floppy_type(), 6);
        assert_eq!(floppy(100_000).sectors, 36);
    }

    #[test]
    fn disks_by_size() {
        assert_eq!(disk(16 * 63 * 100, None), Geometry { cylinders: 100, heads: 16, sectors: 63 });
        assert_eq!(disk(20_480_000, None), Geometry { cylinders: 1024, heads: 255, sectors: 63 });
        assert_eq!(disk(1, None).cylinders, 1);
    }

    #[test]
    fn the_partition_table_knows_better() {
        let mut table = [0; 512];
        table[510..].copy_from_slice(&[0x55, 0xaa]);
        // A partition from sector 17 that ends at cylinder 9, head 3, sector 17.
        table[446 + 4..446 + 8].copy_from_slice(&[1, 3, 17, 9]);
        table[446 + 8..446 + 12].copy_from_slice(&17u32.to_le_bytes());
        table[446 + 12..446 + 16].copy_from_slice(&(10 * 4 * 17 - 17u32).to_le_bytes());
        assert_eq!(disk(700, Some(&table)), Geometry { cylinders: 10, heads: 4, sectors: 17 });
    }
}
