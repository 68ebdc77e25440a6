//! The display memory: one block of guest memory that the adapter, the linear frame buffer and the screen share.
//!
//! The VGA sees four planes of 64 KiB; whoever draws in 256 colours or with a linear frame buffer sees bytes in a row. Both
//! look at the same memory, so the planes are laid out such that chain-4, which spreads the addresses of the CPU over the
//! planes and uses every fourth place of each, is a row of bytes too: the four bytes of one place are neighbours, and the
//! places 0, 4, 8... come first, then 1, 5, 9... and so on.

use lyrebird_memory::{Block, BlockId, GuestMemory, MemoryError, PAGE_SIZE, TrackerId};
use std::sync::Arc;

/// How much there is: 16 MiB.
pub const VRAM_BYTES: u32 = 16 << 20;
/// What the VGA's own four planes take.
pub const PLANES_BYTES: u32 = 0x4_0000;
/// How many pages there are.
pub const PAGES: usize = VRAM_BYTES as usize / PAGE_SIZE as usize;

/// The memory.
pub struct Vram {
    memory: Arc<GuestMemory>,
    id: BlockId,
    block: Arc<Block>,
    tracker: TrackerId,
}

/// Which pages of the memory were written.
#[derive(Clone, Debug)]
pub struct Dirty([u64; PAGES / 64]);

impl Dirty {
    /// No page.
    pub const NONE: Dirty = Dirty([0; PAGES / 64]);

    /// Whether some byte of the range may have been written.
    pub fn any(&self, first: u32, bytes: u32) -> bool {
        let page = |at: u32| (at / PAGE_SIZE as u32) as usize % PAGES;
        (page(first)..=page(first.saturating_add(bytes.max(1) - 1).min(VRAM_BYTES - 1))).any(|page| self.page(page))
    }

    fn page(&self, page: usize) -> bool {
        self.0[page / 64] >> (page % 64) & 1 != 0
    }

    /// Whether nothing at all was written.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    /// Which pages of plane offsets were written, in any plane: bit n for the offsets from n * 1000h.
    pub fn plane_pages(&self) -> u16 {
        let bits = self.0[0];
        (bits | bits >> 16 | bits >> 32 | bits >> 48) as u16
    }
}

impl Vram {
    /// Zeroed memory. `tracker` serves the screen.
    pub fn new(memory: Arc<GuestMemory>, tracker: TrackerId) -> Result<Self, MemoryError> {
        let id = memory.add_block("vram", VRAM_BYTES.into())?;
        let block = memory.block(id);
        Ok(Vram { memory, id, block, tracker })
    }

    /// The block's name in the guest's memory.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// Where the four bytes of a place in the planes are.
    pub fn place(offset: u32) -> u32 {
        ((offset >> 16) << 18 | (offset & 3) << 16 | offset & 0xfffc) % VRAM_BYTES
    }

    /// The bytes of the four planes at an offset, plane 0 in the lowest.
    pub fn word(&self, offset: u32) -> u32 {
        let mut bytes = [0; 4];
        self.read(Self::place(offset), &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Replaces what `mask` covers.
    pub fn set_word(&self, offset: u32, value: u32, mask: u32) {
        let value = if mask == u32::MAX { value } else { self.word(offset) & !mask | value & mask };
        self.write(Self::place(offset), &value.to_le_bytes());
    }

    /// Reads bytes in a row; what is behind the end reads as zero.
    pub fn read(&self, at: u32, bytes: &mut [u8]) {
        let inside = bytes.len().min(VRAM_BYTES.saturating_sub(at) as usize);
        let (inside, beyond) = bytes.split_at_mut(inside);
        beyond.fill(0);
        if self.block.read(at.into(), inside).is_err() {
            inside.fill(0);
        }
    }

    /// Writes bytes in a row; what is behind the end is dropped.
    pub fn write(&self, at: u32, bytes: &[u8]) {
        let inside = bytes.len().min(VRAM_BYTES.saturating_sub(at) as usize);
        if inside > 0 {
            _ = self.memory.write_block(&self.block, at.into(), &bytes[..inside]);
        }
    }

    /// Makes so many bytes from the start zero.
    pub fn clear(&self, bytes: u32) {
        const ZEROES: [u8; 0x4000] = [0; 0x4000];
        for at in (0..bytes.min(VRAM_BYTES)).step_by(ZEROES.len()) {
            self.write(at, &ZEROES[..ZEROES.len().min((bytes - at) as usize)]);
        }
    }

    /// What was written since the last call. No vCPU may run meanwhile.
    pub fn collect(&self) -> Dirty {
        let mut dirty = Dirty::NONE;
        self.memory.collect_dirty(&self.tracker, self.id, |page| dirty.0[page / 64] |= 1 << (page % 64));
        dirty
    }

    /// The pages that are not all zero.
    pub fn save(&self) -> Vec<(u32, Vec<u8>)> {
        let mut page = [0; PAGE_SIZE as usize];
        let mut pages = Vec::new();
        for number in 0..PAGES as u32 {
            self.read(number * PAGE_SIZE as u32, &mut page);
            if page.iter().any(|byte| *byte != 0) {
                pages.push((number, page.to_vec()));
            }
        }
        pages
    }

    /// Makes the memory what the pages say.
    pub fn restore(&self, pages: &[(u32, Vec<u8>)]) {
        self.clear(VRAM_BYTES);
        for (number, bytes) in pages {
            self.write(number.saturating_mul(PAGE_SIZE as u32), &bytes[..bytes.len().min(PAGE_SIZE as usize)]);
        }
    }
}
