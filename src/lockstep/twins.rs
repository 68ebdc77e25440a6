//! The memories of a lockstep run: the machine's own, on which the first engine runs; a twin for the second one; and how both
//! were at the last checkpoint. Which pages have to be looked at is known from trackers of dirty pages.

use lyrebird_core::engine::EngineError;
use lyrebird_memory::twin::Shape;
use lyrebird_memory::{BlockId, GuestMemory, PAGE_SIZE, TrackerId};
use std::collections::HashSet;
use std::sync::Arc;

/// Blocks up to this size are copied whole at the beginning: those of devices and firmware, which may be filled by ways that
/// trackers do not see.
const SMALL: u64 = 64 << 20;
/// A page is written back in pieces, so that code beside what has changed is kept.
const PIECE: usize = 64;

type Page = [u8; PAGE_SIZE as usize];

/// The memories.
pub struct Twins {
    /// The machine's.
    pub left: Arc<GuestMemory>,
    /// The second engine's.
    pub right: Arc<GuestMemory>,
    /// As both were at the last checkpoint, with the memory map of then.
    base: GuestMemory,
    shape: Shape,
    trackers: [TrackerId; 2],
    /// Pages that may have changed since then.
    touched: HashSet<(BlockId, usize)>,
}

/// A place at which the memories differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The block's name.
    pub block: String,
    /// Where in the block; for RAM below 3 GiB that is the guest-physical address.
    pub offset: u64,
    /// Eight bytes from there, as the first engine left them.
    pub left: [u8; 8],
    /// The same by the second.
    pub right: [u8; 8],
}

impl Twins {
    /// Twins of a memory, which are empty yet: see [`Twins::fill`].
    pub fn new(left: Arc<GuestMemory>) -> Result<Self, EngineError> {
        let shape = left.shape();
        let (right, base) = (Arc::new(GuestMemory::new()), GuestMemory::new());
        let failed = |error: lyrebird_memory::MemoryError| EngineError(error.to_string());
        right.take_shape(&shape).map_err(failed)?;
        base.take_shape(&shape).map_err(failed)?;
        let tracker = |memory: &GuestMemory| {
            memory
                .add_tracker()
                .ok_or_else(|| EngineError("lockstep needs a tracker of dirty pages, and none is free".into()))
        };
        let trackers = [tracker(&left)?, tracker(&right)?];
        Ok(Twins { left, right, base, shape, trackers, touched: HashSet::new() })
    }

    /// Copies what is in the machine's memory before the first instruction.
    pub fn fill(&mut self) {
        self.follow();
        self.look();
        for (id, block) in self.left.all_blocks() {
            if block.bytes() <= SMALL {
                self.touched.extend((0..block.pages()).map(|page| (id, page)));
            }
        }
        for (block, page) in &self.touched {
            let now = read(&self.left, *block, *page);
            if now != [0; PAGE_SIZE as usize] {
                write(&self.right, *block, *page, &now);
            }
        }
        _ = self.checkpoint();
    }

    /// Gives the twin the machine's memory map.
    pub fn follow(&mut self) {
        if let Err(error) = self.right.take_shape(&self.left.shape()) {
            tracing::warn!(%error, "lockstep");
        }
    }

    /// Learns which pages were written to.
    fn look(&mut self) {
        for (memory, tracker) in [&self.left, &self.right].into_iter().zip(&self.trackers) {
            for (id, _) in memory.all_blocks() {
                memory.collect_dirty(tracker, id, |page| _ = self.touched.insert((id, page)));
            }
        }
    }

    /// The first difference between the two memories.
    pub fn difference(&mut self) -> Option<Place> {
        self.look();
        let differs = |(block, page): &(BlockId, usize)| {
            let (left, right) = (read(&self.left, *block, *page), read(&self.right, *block, *page));
            let at = left.iter().zip(&right).position(|(l, r)| l != r)? & !7;
            let eight = |page: &Page| std::array::from_fn(|n| page[at + n]);
            let offset = *page as u64 * PAGE_SIZE + at as u64;
            let name = self.left.block(*block).name().to_owned();
            Some(Place { block: name, offset, left: eight(&left), right: eight(&right) })
        };
        self.touched.iter().filter_map(differs).min_by_key(|place| place.offset)
    }

    /// Keeps how things are now, if the memories are equal; otherwise gives the first difference.
    pub fn checkpoint(&mut self) -> Result<(), Place> {
        if let Some(place) = self.difference() {
            return Err(place);
        }
        self.shape = self.left.shape();
        _ = self.base.take_shape(&self.shape);
        for (block, page) in self.touched.drain() {
            let now = read(&self.left, block, page);
            if now != read(&self.base, block, page) {
                write(&self.base, block, page, &now);
            }
        }
        Ok(())
    }

    /// Makes both memories what they were at the last checkpoint.
    pub fn restore(&mut self) {
        self.look();
        for memory in [&self.left, &self.right] {
            _ = memory.take_shape(&self.shape);
            for (block, page) in &self.touched {
                patch(memory, *block, *page, &read(&self.base, *block, *page));
            }
        }
    }

    /// Gives the first engine's memory what is in the second one's.
    pub fn copy_to_left(&mut self) {
        self.look();
        _ = self.left.take_shape(&self.right.shape());
        for (block, page) in &self.touched {
            patch(&self.left, *block, *page, &read(&self.right, *block, *page));
        }
    }
}

fn read(memory: &GuestMemory, block: BlockId, page: usize) -> Page {
    let mut bytes = [0; PAGE_SIZE as usize];
    _ = memory.block(block).read(page as u64 * PAGE_SIZE, &mut bytes);
    bytes
}

fn write(memory: &GuestMemory, block: BlockId, page: usize, bytes: &Page) {
    _ = memory.write_block(&memory.block(block), page as u64 * PAGE_SIZE, bytes);
}

/// Writes what differs, and no more.
fn patch(memory: &GuestMemory, block: BlockId, page: usize, bytes: &Page) {
    let old = read(memory, block, page);
    for (n, (old, new)) in old.chunks(PIECE).zip(bytes.chunks(PIECE)).enumerate() {
        if old != new {
            _ = memory.write_block(&memory.block(block), page as u64 * PAGE_SIZE + (n * PIECE) as u64, new);
        }
    }
}
