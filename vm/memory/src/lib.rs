//! Guest memory: what every engine, device and debugger means by a guest-physical address.
//!
//! RAM and ROM live in [`Block`]s of host memory, each one mapping that every engine uses in place.
//! [`GuestMemory`] lays the blocks out in the guest-physical address space by prioritised [`Region`]s, and
//! remembers, page by page, who wants to hear of the next write ([`watch`]): dirty-page trackers and the
//! engines' caches of decoded or translated code.
//!
//! All `unsafe` that handles the host mapping is in `block.rs`, `access.rs` and `atomic.rs`; `zeroed.rs` has tables for others.

mod access;
mod atomic;
mod block;
mod layout;
mod mixed;
pub mod order;
mod trackers;
pub mod twin;
pub mod watch;
mod zeroed;

pub use atomic::BusLock;
pub use block::{Block, BlockId, HostPage, PageBytes};
pub use layout::{Backing, FlatMap, Region, RegionId, Target};
pub use trackers::TrackerId;
pub use watch::{CodeWatch, Written};
pub use zeroed::{Zero, Zeroed};

use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// Bytes in a page, as the page tables, the trackers and the layout count them.
pub const PAGE_SIZE: u64 = 4096;

/// What can go wrong when memory is made or reached. Nothing here is caused by a guest alone: a guest's access to
/// an address without RAM goes to the bus.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The host has no room for a block.
    #[error("the host cannot give {bytes} bytes for {name}: {source}; ask for less memory (-m)")]
    OutOfMemory {
        /// What the block is for.
        name: String,
        /// How much was asked for.
        bytes: u64,
        /// The host's own word.
        source: std::io::Error,
    },
    /// A size that is no whole number of pages, or zero.
    #[error("{name}: {bytes} bytes is not a whole number of 4096-byte pages")]
    BadSize {
        /// What the block is for.
        name: String,
        /// How much was asked for.
        bytes: u64,
    },
    /// No RAM or ROM at this guest-physical address.
    #[error("no memory at guest-physical address {gpa:#x}")]
    Unbacked {
        /// The first address that is not backed.
        gpa: u64,
    },
}

/// The guest-physical address space of one machine. Shared (`Arc`) by its engines, devices and debugger.
pub struct GuestMemory {
    blocks: RwLock<Vec<Arc<Block>>>,
    layout: Mutex<layout::Layout>,
    /// The layout with overlaps resolved. Every access reads it, so readers take no lock.
    flat: ArcSwap<layout::FlatMap>,
    /// Changes when cached translations (TLBs) may no longer hold: a new layout, a tracker armed, A20 moved.
    epoch: AtomicU64,
    /// Changes when a page gets its first code: other vCPUs must drop their fast write paths.
    code_epoch: AtomicU64,
    /// How often code was written to.
    code_stamp: AtomicU64,
    /// See [`GuestMemory::code_stamp_of`].
    page_stamps: Box<[AtomicU64]>,
    /// Clear when the A20 gate forces address bit 20 to zero.
    a20: AtomicBool,
    watchers: watch::Watchers,
    journal: twin::Journal,
    /// See [`GuestMemory::lock_bus`].
    bus: Mutex<()>,
    /// Several CPUs run at the same time.
    shared: AtomicBool,
}

/// Pages share so many stamps.
const STAMPS: usize = 4096;

/// Which stamp is a page's.
pub(crate) fn stamp_place(page: usize) -> usize {
    (page >> 12 ^ page >> 24) & (STAMPS - 1)
}

impl GuestMemory {
    /// An empty address space: every access goes to the bus.
    pub fn new() -> Self {
        GuestMemory {
            blocks: RwLock::default(),
            layout: Mutex::default(),
            flat: ArcSwap::default(),
            epoch: AtomicU64::new(1),
            code_epoch: AtomicU64::new(1),
            code_stamp: AtomicU64::new(0),
            page_stamps: (0..STAMPS).map(|_| AtomicU64::new(0)).collect(),
            a20: AtomicBool::new(true),
            watchers: watch::Watchers::default(),
            journal: twin::Journal::default(),
            bus: Mutex::default(),
            shared: AtomicBool::new(false),
        }
    }

    /// Allocates a block of zeroed host memory. It is not visible to the guest until a region maps it.
    pub fn add_block(&self, name: &str, bytes: u64) -> Result<BlockId, MemoryError> {
        let block = Arc::new(Block::new(name, bytes)?);
        let mut blocks = self.blocks.write().unwrap_or_else(|e| e.into_inner());
        blocks.push(block);
        Ok(BlockId(blocks.len() - 1))
    }

    /// The block with this id. Ids are only handed out by [`GuestMemory::add_block`].
    pub fn block(&self, id: BlockId) -> Arc<Block> {
        self.blocks.read().unwrap_or_else(|e| e.into_inner())[id.0].clone()
    }

    /// Makes a region visible; where regions overlap, the higher priority wins, then the later one.
    pub fn map(&self, region: Region) -> RegionId {
        let mut layout = self.layout.lock().unwrap_or_else(|e| e.into_inner());
        let id = layout.add(region);
        self.publish(&layout);
        id
    }

    /// Removes a region; what it covered shows through again.
    pub fn unmap(&self, id: RegionId) {
        let mut layout = self.layout.lock().unwrap_or_else(|e| e.into_inner());
        layout.remove(id);
        self.publish(&layout);
    }

    /// Replaces a region in one step, so that no access sees the gap (PAM registers, moved BARs).
    pub fn remap(&self, id: RegionId, region: Region) {
        let mut layout = self.layout.lock().unwrap_or_else(|e| e.into_inner());
        layout.replace(id, region);
        self.publish(&layout);
    }

    fn publish(&self, layout: &layout::Layout) {
        let blocks = self.blocks.read().unwrap_or_else(|e| e.into_inner());
        let flat = Arc::new(layout.flatten(&blocks));
        self.flat.store(flat);
        self.bump_epoch();
    }

    /// What stands at a guest-physical address.
    pub fn lookup(&self, gpa: u64) -> Backing {
        self.flat.load().lookup(gpa)
    }

    /// The layout as it is now, to look up in without further ado.
    pub fn view(&self) -> Arc<FlatMap> {
        self.flat.load_full()
    }

    /// The ranges of RAM that the guest sees, in order: `(base, bytes)`. For memory maps and loaders.
    pub fn ram_ranges(&self) -> Vec<(u64, u64)> {
        self.flat.load().ram_ranges()
    }

    /// A number that changes whenever cached translations must be dropped.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Says whether several CPUs run at the same time from now on, on threads of their own.
    pub fn set_shared(&self, shared: bool) {
        self.shared.store(shared, Ordering::SeqCst);
    }

    /// Whether they do.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// A number that changes when some page got its first code: cached *write* paths of other vCPUs must be dropped.
    pub fn code_epoch(&self) -> u64 {
        self.code_epoch.load(Ordering::SeqCst)
    }

    /// How often code was written to.
    pub fn code_stamp(&self) -> u64 {
        self.code_stamp.load(Ordering::SeqCst)
    }

    /// What that was when the code of a page ([`HostPage::key`]), or of some others, was last written to. Whoever reads code that others
    /// use, too, looks at it before marking the code, and again when it gives the code to them: if it is another number, the code may
    /// have changed, and others may have dropped it already.
    pub fn code_stamp_of(&self, page: usize) -> u64 {
        self.page_stamps[stamp_place(page)].load(Ordering::SeqCst)
    }

    pub(crate) fn bump_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Opens or closes the A20 gate. Closed, it forces bit 20 of every address that a CPU sends out to zero.
    pub fn set_a20(&self, open: bool) {
        if self.a20.swap(open, Ordering::AcqRel) != open {
            self.bump_epoch();
        }
    }

    /// Whether the A20 gate is open.
    pub fn a20(&self) -> bool {
        self.a20.load(Ordering::Acquire)
    }

    /// The mask that a CPU's physical addresses pass through: all ones, or without bit 20.
    pub fn a20_mask(&self) -> u64 {
        if self.a20() { u64::MAX } else { !(1 << 20) }
    }
}

impl Default for GuestMemory {
    fn default() -> Self {
        Self::new()
    }
}
