//! Which block, if any, stands at each guest-physical page: regions with priorities, flattened for look-up.

use crate::PAGE_SIZE;
use crate::block::{Block, BlockId, HostPage};
use std::sync::Arc;

/// Names a region of one [`crate::GuestMemory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegionId(usize);

/// What a region leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Read and written in place.
    Ram {
        /// The block behind it.
        block: BlockId,
        /// Where in the block the region begins; a whole number of pages.
        offset: u64,
    },
    /// Read in place; writes are dropped.
    Rom {
        /// The block behind it.
        block: BlockId,
        /// Where in the block the region begins; a whole number of pages.
        offset: u64,
    },
    /// Reads come from one block and writes go to another (a chipset's shadow RAM while the BIOS copies itself).
    Split {
        /// Where reads come from.
        read: (BlockId, u64),
        /// Where writes go.
        write: (BlockId, u64),
    },
    /// Reads in place, writes go to the bus (flash in read mode).
    RomDevice {
        /// The block behind reads.
        block: BlockId,
        /// Where in the block the region begins; a whole number of pages.
        offset: u64,
    },
    /// A device's memory: read and written in place like RAM, but no system memory ([`crate::GuestMemory::ram_ranges`]).
    DeviceRam {
        /// The block behind it.
        block: BlockId,
        /// Where in the block the region begins; a whole number of pages.
        offset: u64,
    },
    /// Both go to the bus.
    Device,
}

/// A range of guest-physical addresses. `base` and `bytes` are whole numbers of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its first guest-physical address.
    pub base: u64,
    /// How long it is.
    pub bytes: u64,
    /// Where regions overlap the higher number wins, then the later region.
    pub priority: i32,
    /// What it leads to.
    pub target: Target,
}

/// What stands behind one guest-physical page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// RAM, at this host page.
    Ram(HostPage),
    /// ROM: reads come from the page, writes are dropped.
    Rom(HostPage),
    /// Reads from the first, writes to the second.
    Split(HostPage, HostPage),
    /// Reads from the page, writes to the bus.
    RomDevice(HostPage),
    /// Everything goes to the bus.
    Device,
}

#[derive(Clone, Default)]
pub(crate) struct Layout {
    regions: Vec<Option<Region>>,
}

impl Layout {
    pub fn add(&mut self, region: Region) -> RegionId {
        self.regions.push(Some(clip(region)));
        RegionId(self.regions.len() - 1)
    }

    pub fn remove(&mut self, id: RegionId) {
        self.regions[id.0] = None;
    }

    pub fn replace(&mut self, id: RegionId, region: Region) {
        self.regions[id.0] = Some(clip(region));
    }

    pub fn flatten(&self, blocks: &[Arc<Block>]) -> FlatMap {
        let mut regions: Vec<Region> = self.regions.iter().flatten().copied().filter(|r| r.bytes > 0).collect();
        regions.sort_by_key(|r| r.priority); // stable: later regions of one priority stay later, and win
        let mut edges: Vec<u64> = regions.iter().flat_map(|r| [r.base, r.base + r.bytes]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut ranges: Vec<FlatRange> = Vec::new();
        for pair in edges.windows(2) {
            let (base, end) = (pair[0], pair[1]);
            let Some(top) = regions.iter().rev().find(|r| r.base <= base && end <= r.base + r.bytes) else {
                continue;
            };
            let skip = base - top.base;
            let target = match top.target {
                Target::Ram { block, offset } => Target::Ram { block, offset: offset + skip },
                Target::Rom { block, offset } => Target::Rom { block, offset: offset + skip },
                Target::DeviceRam { block, offset } => Target::DeviceRam { block, offset: offset + skip },
                Target::RomDevice { block, offset } => Target::RomDevice { block, offset: offset + skip },
                Target::Split { read, write } => {
                    Target::Split { read: (read.0, read.1 + skip), write: (write.0, write.1 + skip) }
                }
                Target::Device => continue,
            };
            ranges.push(FlatRange { base, end, target });
        }
        let largest = ranges.iter().enumerate().max_by_key(|(_, r)| r.end - r.base).map_or(0, |(i, _)| i);
        FlatMap { ranges, largest, blocks: blocks.to_vec() }
    }
}

fn clip(mut region: Region) -> Region {
    region.base &= !(PAGE_SIZE - 1);
    region.bytes = region.bytes.min(u64::MAX - region.base) & !(PAGE_SIZE - 1);
    region
}

struct FlatRange {
    base: u64,
    end: u64,
    target: Target,
}

/// The layout with overlaps resolved: sorted, disjoint. A vCPU keeps one, to look pages up without asking for the newest each
/// time, and takes a new one when [`crate::GuestMemory::epoch`] has changed.
#[derive(Default)]
pub struct FlatMap {
    ranges: Vec<FlatRange>,
    /// The longest of them, where most addresses are.
    largest: usize,
    blocks: Vec<Arc<Block>>,
}

impl FlatMap {
    /// What stands at a guest-physical address.
    #[inline]
    pub fn lookup(&self, gpa: u64) -> Backing {
        let has = |r: &&FlatRange| r.base <= gpa && gpa < r.end;
        // The first one is where boot loaders live.
        let likely = self.ranges.get(self.largest).filter(has).or_else(|| self.ranges.first().filter(has));
        let range = likely.or_else(|| {
            let after = self.ranges.partition_point(|r| r.base <= gpa);
            after.checked_sub(1).map(|i| &self.ranges[i]).filter(has)
        });
        let Some(range) = range else { return Backing::Device };
        let page = |block: BlockId, offset: u64| -> Option<HostPage> {
            let block = &self.blocks[block.0];
            let index = ((offset + (gpa - range.base)) / PAGE_SIZE) as usize;
            (index < block.pages()).then(|| block.page(index))
        };
        let backing = match range.target {
            Target::Ram { block, offset } | Target::DeviceRam { block, offset } => {
                page(block, offset).map(Backing::Ram)
            }
            Target::Rom { block, offset } => page(block, offset).map(Backing::Rom),
            Target::RomDevice { block, offset } => page(block, offset).map(Backing::RomDevice),
            Target::Split { read, write } => {
                page(read.0, read.1).zip(page(write.0, write.1)).map(|(r, w)| Backing::Split(r, w))
            }
            Target::Device => None,
        };
        backing.unwrap_or(Backing::Device)
    }

    pub(crate) fn ram_ranges(&self) -> Vec<(u64, u64)> {
        let mut out: Vec<(u64, u64)> = Vec::new();
        for r in self.ranges.iter().filter(|r| matches!(r.target, Target::Ram { .. })) {
            match out.last_mut() {
                Some(last) if last.0 + last.1 == r.base => last.1 += r.end - r.base,
                _ => out.push((r.base, r.end - r.base)),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GuestMemory;

    #[test]
    fn higher_priority_wins_and_unmap_shows_what_was_below() {
        let memory = GuestMemory::new();
        let ram = memory.add_block("ram", 0x10_0000).unwrap();
        let rom = memory.add_block("rom", 0x1_0000).unwrap();
        memory.map(Region { base: 0, bytes: 0x10_0000, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
        let id = memory.map(Region {
            base: 0xf_0000,
            bytes: 0x1_0000,
            priority: 1,
            target: Target::Rom { block: rom, offset: 0 },
        });
        assert!(matches!(memory.lookup(0xf_ffff), Backing::Rom(_)));
        assert!(matches!(memory.lookup(0xe_ffff), Backing::Ram(_)));
        assert_eq!(memory.lookup(0x10_0000), Backing::Device);
        assert_eq!(memory.ram_ranges(), [(0, 0xf_0000)]);
        let epoch = memory.epoch();
        memory.unmap(id);
        assert_ne!(epoch, memory.epoch());
        assert!(matches!(memory.lookup(0xf_ffff), Backing::Ram(_)));
    }

    #[test]
    fn a_region_longer_than_its_block_ends_with_the_block() {
        let memory = GuestMemory::new();
        let ram = memory.add_block("ram", 0x1000).unwrap();
        memory.map(Region { base: 0, bytes: 0x4000, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
        assert!(matches!(memory.lookup(0xfff), Backing::Ram(_)));
        assert_eq!(memory.lookup(0x1000), Backing::Device);
    }
}
