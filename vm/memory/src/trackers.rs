//! Readers of dirty pages: the screen, snapshots, replay. Each has a bit of the pages' watch bytes: see [`crate::watch`].

use crate::GuestMemory;
use crate::block::BlockId;
use std::sync::atomic::Ordering;

/// One of at most seven independent readers of dirty pages.
#[derive(Debug)]
pub struct TrackerId(u8);

impl GuestMemory {
    /// A tracker of dirty pages, or `None` when all seven are in use. It starts with every page clean.
    /// No vCPU may be running: engines learn from the epoch that they must write through the slow path again.
    pub fn add_tracker(&self) -> Option<TrackerId> {
        let mut used = self.watchers.used_trackers.load(Ordering::Acquire);
        loop {
            let bit = (0..7).map(|n| 1u8 << n).find(|bit| used & bit == 0)?;
            match self.watchers.used_trackers.compare_exchange(used, used | bit, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    for block in self.blocks.read().unwrap_or_else(|e| e.into_inner()).iter() {
                        for watch in &block.watch {
                            watch.fetch_or(bit, Ordering::AcqRel);
                        }
                    }
                    self.bump_epoch();
                    return Some(TrackerId(bit));
                }
                Err(now) => used = now,
            }
        }
    }

    /// Gives a tracker back.
    pub fn remove_tracker(&self, tracker: TrackerId) {
        for block in self.blocks.read().unwrap_or_else(|e| e.into_inner()).iter() {
            for watch in &block.watch {
                watch.fetch_and(!tracker.0, Ordering::AcqRel);
            }
        }
        self.watchers.used_trackers.fetch_and(!tracker.0, Ordering::AcqRel);
    }

    /// Calls `dirty` with the index of each page of the block written since the last call, and marks them clean again.
    /// No vCPU may be running, as for [`GuestMemory::add_tracker`].
    pub fn collect_dirty(&self, tracker: &TrackerId, block: BlockId, mut dirty: impl FnMut(usize)) {
        let block = self.block(block);
        let mut any = false;
        for (index, watch) in block.watch.iter().enumerate() {
            if watch.load(Ordering::Acquire) & tracker.0 == 0 {
                watch.fetch_or(tracker.0, Ordering::AcqRel);
                any = true;
                dirty(index);
            }
        }
        if any {
            self.bump_epoch();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::watch::tests::machine;

    #[test]
    fn trackers_are_independent() {
        let (memory, ram) = machine();
        let (a, b) = (memory.add_tracker().unwrap(), memory.add_tracker().unwrap());
        memory.write(0x1ffe, &[1, 2, 3, 4]).unwrap();
        let collect = |tracker| {
            let mut pages = Vec::new();
            memory.collect_dirty(tracker, ram, |page| pages.push(page));
            pages
        };
        assert_eq!(collect(&a), [1, 2]);
        assert_eq!(collect(&a), [0usize; 0]);
        memory.write(0, &[9]).unwrap();
        assert_eq!(collect(&a), [0]);
        assert_eq!(collect(&b), [0, 1, 2]);
        memory.write_block(&memory.block(ram), 0x1fff, &[1, 2]).unwrap();
        assert_eq!(collect(&a), [1, 2]);
        assert!(memory.write_block(&memory.block(ram), 0x3fff, &[1, 2]).is_err());
    }
}
