//! The guest's RAM as a loader sees it: which of it a kernel may use (the e820 map), what has been given away already,
//! and where something of a given size still fits.

use super::error::BootError;
use std::ops::Range;
use std::path::Path;

/// Memory types of the e820 map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MemoryType {
    /// RAM that the kernel may use.
    Ram = 1,
    /// Anything it must leave alone.
    Reserved = 2,
}

/// An entry of the e820 map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E820Entry {
    /// The first address.
    pub base: u64,
    /// How long it is.
    pub bytes: u64,
    /// What it is.
    pub kind: MemoryType,
}

/// The extended BIOS data area's start: the end of conventional memory.
pub const EBDA: u64 = 0x9_fc00;
/// Where video memory starts.
pub const VIDEO: u64 = 0xa_0000;
/// The part of the BIOS area that holds our tables.
pub const BIOS: u64 = 0xf_0000;
/// 1 MiB, where extended memory starts.
pub const EXTENDED: u64 = 0x10_0000;
/// 4 GiB.
pub const FOUR_GIB: u64 = 1 << 32;

struct Taken {
    range: Range<u64>,
    what: String,
}

/// The RAM that a kernel may use, and what a loader has put there.
pub struct Space {
    usable: Vec<Range<u64>>,
    taken: Vec<Taken>,
}

impl Space {
    /// From the ranges of RAM that the machine has. The area from 640 KiB (less the EBDA) to 1 MiB is never usable,
    /// whatever the chipset shows there.
    pub fn new(ram_ranges: &[(u64, u64)]) -> Self {
        let mut usable = Vec::new();
        for &(base, bytes) in ram_ranges {
            let end = base.saturating_add(bytes);
            for part in [base..end.min(EBDA), base.max(EXTENDED)..end] {
                if part.start < part.end {
                    usable.push(part);
                }
            }
        }
        Space { usable, taken: Vec::new() }
    }

    /// The map of memory, sorted by address.
    pub fn e820(&self) -> Vec<E820Entry> {
        let entry = |range: &Range<u64>, kind| E820Entry { base: range.start, bytes: range.end - range.start, kind };
        let mut map: Vec<E820Entry> = self.usable.iter().map(|range| entry(range, MemoryType::Ram)).collect();
        for reserved in [EBDA..VIDEO, BIOS..EXTENDED, 0xfffc_0000..FOUR_GIB] {
            map.push(entry(&reserved, MemoryType::Reserved));
        }
        map.sort_by_key(|e| e.base);
        map
    }

    /// The end of the RAM that starts at 1 MiB and lies below 4 GiB.
    pub fn low_ram_end(&self) -> u64 {
        let ends = self.usable.iter().filter(|r| r.start >= EXTENDED && r.end <= FOUR_GIB).map(|r| r.end);
        ends.max().unwrap_or(EXTENDED)
    }

    /// All usable RAM.
    pub fn ram_bytes(&self) -> u64 {
        self.usable.iter().map(|r| r.end - r.start).sum()
    }

    /// Whether a range is usable RAM throughout.
    pub fn is_ram(&self, range: &Range<u64>) -> bool {
        self.usable.iter().any(|r| r.start <= range.start && range.end <= r.end)
    }

    /// Takes a range that is dictated by a file. It must be RAM and free.
    pub fn claim(&mut self, range: Range<u64>, what: &str, path: &Path) -> Result<(), BootError> {
        if range.is_empty() {
            return Ok(());
        }
        if let Some(other) = self.overlapping(&range) {
            return Err(BootError::NoRoom {
                path: path.to_owned(),
                problem: format!(
                    "{what} at {:#x}-{:#x} overlaps {} at {:#x}-{:#x}",
                    range.start, range.end, other.what, other.range.start, other.range.end
                ),
                remedy: "link the kernel so that its parts lie apart".into(),
            });
        }
        if !self.is_ram(&range) {
            let (problem, remedy) = self.why_not_ram(&range, what);
            return Err(BootError::NoRoom { path: path.to_owned(), problem, remedy });
        }
        self.taken.push(Taken { range, what: what.to_owned() });
        Ok(())
    }

    fn why_not_ram(&self, range: &Range<u64>, what: &str) -> (String, String) {
        let problem = format!("{what} wants {:#x}-{:#x}, which is not all RAM", range.start, range.end);
        let low_end = self.low_ram_end();
        let remedy = if range.start >= EXTENDED && range.end > low_end && range.end <= 0xc000_0000 {
            format!("give the machine at least {} MiB (-m)", range.end.div_ceil(1 << 20))
        } else if range.start < EXTENDED {
            format!("below 1 MiB a kernel may use 0-{EBDA:#x} only: link it at 1 MiB or above")
        } else {
            format!("RAM from 1 MiB ends at {low_end:#x}: link the kernel for lower addresses or check its headers")
        };
        (problem, remedy)
    }

    /// Takes the highest free place within `within`. `None` if there is none.
    pub fn place_high(&mut self, bytes: u64, align: u64, within: Range<u64>, what: &str) -> Option<u64> {
        let bytes = bytes.max(1);
        let mut best = None;
        for ram in &self.usable {
            let mut end = ram.end.min(within.end);
            // Step down past whatever is in the way; each step passes at least one taken range.
            while let Some(start) = end.checked_sub(bytes).map(|s| s & !(align - 1)) {
                if start < ram.start.max(within.start) {
                    break;
                }
                match self.overlapping(&(start..start + bytes)) {
                    Some(other) => end = other.range.start,
                    None => {
                        best = best.max(Some(start));
                        break;
                    }
                }
            }
        }
        self.keep(best, bytes, what)
    }

    /// Takes the lowest free place within `within`.
    pub fn place_low(&mut self, bytes: u64, align: u64, within: Range<u64>, what: &str) -> Option<u64> {
        let bytes = bytes.max(1);
        let mut best: Option<u64> = None;
        for ram in &self.usable {
            let mut from = ram.start.max(within.start);
            while let Some(start) = from.checked_next_multiple_of(align) {
                let Some(end) = start.checked_add(bytes).filter(|end| *end <= ram.end.min(within.end)) else {
                    break;
                };
                match self.overlapping(&(start..end)) {
                    Some(other) => from = other.range.end,
                    None => {
                        best = Some(best.map_or(start, |b| b.min(start)));
                        break;
                    }
                }
            }
        }
        self.keep(best, bytes, what)
    }

    fn keep(&mut self, start: Option<u64>, bytes: u64, what: &str) -> Option<u64> {
        let start = start?;
        self.taken.push(Taken { range: start..start + bytes, what: what.to_owned() });
        Some(start)
    }

    fn overlapping(&self, range: &Range<u64>) -> Option<&Taken> {
        self.taken.iter().find(|t| t.range.start < range.end && range.start < t.range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn below_3_gib_the_map_has_two_pieces_of_ram() {
        let map = Space::new(&[(0, 64 * MIB)]).e820();
        let ram: Vec<_> = map.iter().filter(|e| e.kind == MemoryType::Ram).map(|e| (e.base, e.bytes)).collect();
        assert_eq!(ram, [(0, EBDA), (MIB, 63 * MIB)]);
        let reserved: Vec<_> = map.iter().filter(|e| e.kind == MemoryType::Reserved).map(|e| e.base).collect();
        assert_eq!(reserved, [EBDA, BIOS, 0xfffc_0000]);
    }

    #[test]
    fn with_6_gib_the_rest_is_above_4_gib_and_nothing_overlaps() {
        let space = Space::new(&[(0, 0xa_0000), (0xc_0000, 3072 * MIB - 0xc_0000), (FOUR_GIB, 3072 * MIB)]);
        let map = space.e820();
        assert!(map.windows(2).all(|w| w[0].base + w[0].bytes <= w[1].base));
        assert_eq!(map.last().unwrap(), &E820Entry { base: FOUR_GIB, bytes: 3072 * MIB, kind: MemoryType::Ram });
        assert_eq!(space.low_ram_end(), 3072 * MIB);
    }

    #[test]
    fn places_avoid_what_is_taken() {
        let mut space = Space::new(&[(0, 16 * MIB)]);
        space.claim(4 * MIB..15 * MIB, "kernel", Path::new("k")).unwrap();
        assert_eq!(space.place_high(2 * MIB, 4096, 0..FOUR_GIB, "a"), Some(2 * MIB));
        assert_eq!(space.place_low(MIB, 4096, MIB..FOUR_GIB, "b"), Some(MIB));
        assert_eq!(space.place_low(MIB, 4096, MIB..FOUR_GIB, "c"), Some(15 * MIB));
        assert_eq!(space.place_low(MIB, 4096, MIB..FOUR_GIB, "d"), None);
        assert!(space.claim(5 * MIB..6 * MIB, "again", Path::new("k")).is_err());
        assert!(space.claim(0xa_0000..0xb_0000, "video", Path::new("k")).is_err());
    }

    proptest! {
        #[test]
        fn placed_ranges_never_overlap(requests in prop::collection::vec((1u64..MIB, 0u32..16, any::<bool>()), 1..40)) {
            let mut space = Space::new(&[(0, 8 * MIB)]);
            let mut given: Vec<Range<u64>> = Vec::new();
            for (bytes, align, high) in requests {
                let place = match high {
                    true => space.place_high(bytes, 1 << align, 0..FOUR_GIB, "x"),
                    false => space.place_low(bytes, 1 << align, 0..FOUR_GIB, "x"),
                };
                if let Some(start) = place {
                    prop_assert!(start.is_multiple_of(1 << align) && space.is_ram(&(start..start + bytes)));
                    prop_assert!(given.iter().all(|g| g.end <= start || start + bytes <= g.start));
                    given.push(start..start + bytes);
                }
            }
        }
    }
}
