//! Twins: a second memory of the same shape, for whoever executes a guest twice and compares. What devices write into the
//! first is noted in a journal, to be written into the second when its time has come.

use crate::block::{Block, BlockId};
use crate::layout::Layout;
use crate::{GuestMemory, MemoryError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Something that was written by [`GuestMemory::write`] or [`GuestMemory::write_block`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub block: BlockId,
    /// Where in the block.
    pub offset: u64,
    /// What.
    pub bytes: Box<[u8]>,
}

/// What stands at which address, without the contents.
#[derive(Clone)]
pub struct Shape {
    layout: Layout,
    a20: bool,
    blocks: Vec<(String, u64)>,
}

#[derive(Default)]
pub(crate) struct Journal {
    on: AtomicBool,
    written: Mutex<Vec<Written>>,
}

impl Journal {
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Written>> {
        self.written.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl GuestMemory {
    /// Begins or ends noting what is written by [`GuestMemory::write`] and [`GuestMemory::write_block`].
    pub fn set_journal(&self, on: bool) {
        self.journal.on.store(on, Ordering::Release);
    }

    /// What was noted since the last call.
    pub fn take_journal(&self) -> Vec<Written> {
        std::mem::take(&mut *self.journal.lock())
    }

    /// Notes a write at a host address inside one of the blocks.
    #[cold]
    pub(crate) fn note_in_journal(&self, host: usize, bytes: &[u8]) {
        for (block, it) in self.all_blocks() {
            let base = it.host_base().as_ptr() as usize;
            if (base..base + it.bytes() as usize).contains(&host) {
                self.journal.lock().push(Written { block, offset: (host - base) as u64, bytes: bytes.into() });
            }
        }
    }

    /// Every block, in the order in which they were added.
    pub fn all_blocks(&self) -> Vec<(BlockId, Arc<Block>)> {
        let blocks = self.blocks.read().unwrap_or_else(|e| e.into_inner());
        blocks.iter().enumerate().map(|(n, block)| (BlockId(n), block.clone())).collect()
    }

    /// What stands at which address now.
    pub fn shape(&self) -> Shape {
        let layout = self.layout.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let blocks = self.all_blocks().iter().map(|(_, block)| (block.name().into(), block.bytes())).collect();
        Shape { layout, a20: self.a20(), blocks }
    }

    /// Takes the shape of a memory that this one is a twin of. Blocks that are missing are added, with zeros.
    pub fn take_shape(&self, shape: &Shape) -> Result<(), MemoryError> {
        for (name, bytes) in shape.blocks.iter().skip(self.all_blocks().len()) {
            self.add_block(name, *bytes)?;
        }
        let mut layout = self.layout.lock().unwrap_or_else(|e| e.into_inner());
        *layout = shape.layout.clone();
        self.publish(&layout);
        drop(layout);
        self.set_a20(shape.a20);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{GuestMemory, PAGE_SIZE, Region, Target};

    #[test]
    fn a_twin_follows() {
        let memory = GuestMemory::new();
        let ram = memory.add_block("ram", 4 * PAGE_SIZE).unwrap();
        let region =
            Region { base: 0, bytes: 4 * PAGE_SIZE, priority: 0, target: Target::Ram { block: ram, offset: 0 } };
        let id = memory.map(region);
        memory.write(0, &[1]).unwrap();
        memory.set_journal(true);
        memory.write(0xffe, &[1, 2, 3, 4]).unwrap();
        memory.remap(id, Region { base: PAGE_SIZE, ..region });
        memory.write(0x1ffe, &[5]).unwrap();
        memory.write_block(&memory.block(ram), 7, &[6]).unwrap();
        memory.set_journal(false);
        memory.write(0x1000, &[9]).unwrap();
        memory.set_a20(false);

        let twin = GuestMemory::new();
        twin.take_shape(&memory.shape()).unwrap();
        assert!(!twin.a20());
        for written in memory.take_journal() {
            twin.write_block(&twin.block(written.block), written.offset, &written.bytes).unwrap();
        }
        assert!(memory.take_journal().is_empty());
        let mut bytes = [0; 4];
        twin.read(0x1ffe, &mut bytes).unwrap();
        assert_eq!(bytes, [5, 2, 3, 4]);
        twin.read(0x1004, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 6]);
    }
}
