//! Room for decoded code. Most of what a guest executes while it starts up it executes once, so there is no need to hold all of it: pages
//! that nobody has looked for a trace in for the longest time are dropped first, and what comes again is decoded again. If much of
//! what is decoded comes again, there is more room from then on, where the guest has so much RAM that it hardly matters.
//!
//! Time is counted in *ages*, by ops that are added. When an age begins, vCPUs forget what they remember of where traces are, so
//! that they ask the pool again and pages that are in use are known to be: that costs each of them some thousand look-ups. What
//! the engine above has made code of is in use without being looked for, and stays as long as there is anything else.

use crate::pool::{Hash, Locked, Loss};
use crate::run::TracedOp;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// The room for ops at first, 17 MiB. A Debian that starts takes a twentieth longer with a fifth less, and as much less with twice as much:
/// what it drops comes again, without its counts and strips.
pub(crate) const FEW: usize = 23 << 15;
/// The most that there may be takes this part of the guest's RAM, or is what there is at first.
const PART_OF_RAM: u64 = 56;
/// Ages until all ops are others.
const AGES: usize = 8;
/// If this part of what is added in an age was dropped for want of room, there is more room, by another part.
const MISSED: usize = 4;
/// That part.
const MORE: usize = 8;
/// This part of the ops goes at once. The guest waits meanwhile.
const PART: usize = 32;
/// So many of so many parts of the room are much: others that take memory had better take less.
const CROWDED: (usize, usize) = (5, 8);
/// More pages that were dropped are not remembered.
const DROPPED: usize = 1 << 13;

/// What is known of the times.
#[derive(Default)]
pub(crate) struct Times {
    /// Which age it is.
    pub(crate) age: u32,
    /// Ops that were added since it began.
    added: usize,
    /// How many of them had been dropped before to make room.
    missed: usize,
    /// The ops that were dropped of pages, as far as they have not come again.
    dropped: HashMap<usize, usize, Hash>,
}

/// How many ops there may be for a guest with so many bytes of RAM.
pub(crate) fn most(ram: u64) -> usize {
    (ram / PART_OF_RAM / size_of::<TracedOp>() as u64).max(FEW as u64) as usize
}

impl Locked<'_> {
    /// Some ops were added to a page.
    pub(crate) fn grow_older(&mut self, page: usize, ops: usize) {
        let times = &mut self.inner.times;
        times.added += ops;
        if let Some(dropped) = times.dropped.get_mut(&page) {
            times.missed += ops.min(*dropped);
            *dropped = dropped.saturating_sub(ops);
            if *dropped == 0 {
                times.dropped.remove(&page);
            }
        }
        let room = self.pool.room.load(Ordering::Relaxed);
        if times.added < room / AGES {
            return;
        }
        if times.missed > times.added / MISSED {
            let most = self.pool.most.load(Ordering::Relaxed);
            self.pool.room.store((room + room / MORE).min(most), Ordering::Relaxed);
        }
        (times.age, times.added, times.missed) = (times.age + 1, 0, 0);
        if self.inner.shelf.grow_older() {
            // No need for copies of bytes any more.
            self.inner.rewritten.clear();
        }
        self.lose(Loss::Sight);
    }

    /// Whether what is decoded takes much of its room.
    pub fn is_crowded(&self) -> bool {
        let room = self.pool.room.load(Ordering::Relaxed);
        self.pool.ops.load(Ordering::Relaxed) > room / CROWDED.1 * CROWDED.0
    }

    /// Makes room, by dropping the traces of some pages.
    pub fn make_room(&mut self) {
        let room = self.pool.room.load(Ordering::Relaxed);
        let enough = room - room / PART;
        let pages = self.inner.pages.iter().filter(|(_, held)| !held.is_empty());
        let mut pages: Vec<(u32, usize)> = pages.map(|(page, held)| (held.age, *page)).collect();
        pages.sort_unstable();
        for spare_code in [true, false] {
            for (_, page) in &pages {
                if self.pool.ops.load(Ordering::Relaxed) <= enough {
                    return;
                }
                if spare_code && self.has_code(*page) {
                    // It is in use.
                    let now = self.inner.times.age;
                    self.inner.pages.entry(*page).and_modify(|held| held.age = now);
                } else {
                    let ops = self.evict(*page);
                    self.miss(*page, ops);
                }
            }
        }
    }

    /// Remembers that ops of a page were dropped to make room.
    fn miss(&mut self, page: usize, ops: usize) {
        let dropped = &mut self.inner.times.dropped;
        if dropped.len() >= DROPPED {
            dropped.clear();
        }
        *dropped.entry(page).or_default() += ops;
    }

    /// Whether the engine above has code of traces of a page.
    fn has_code(&self, page: usize) -> bool {
        let (Some(above), Some(held)) = (self.pool.above.get(), self.inner.pages.get(&page)) else { return false };
        above.uses(&mut held.entries())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::single;
    use crate::pool::{Pool, Source};
    use frontend_x86::cpu::{CodeSize, Mode};
    use frontend_x86::decode::decode;
    use frontend_x86::model::Model;
    use frontend_x86::op::Width;

    /// Adds a trace of two ops to a page.
    fn add(pool: &Pool, page: usize) {
        let mode = Mode { code: CodeSize::Bits64, stack: Width::Q, flat: true, real: false };
        let nop = decode(&[0x90], 0, mode, &Model::by_name("max").unwrap()).unwrap();
        pool.lock().insert((page, 0, 0), single(nop), Source { bytes: &[], behind: None, end: 1, stamp: 0 });
    }

    #[test]
    fn pages_that_nobody_looks_at_make_room_and_what_comes_again_gets_more() {
        let pool = Pool::default();
        pool.room.store(64, Ordering::Relaxed);
        assert!(!pool.lock().is_crowded());
        for page in 0..32 {
            add(&pool, page << 12);
            assert!(pool.lock().wanted((0, 0, 0)).is_some());
        }
        assert!(!pool.is_full());
        add(&pool, 32 << 12);
        assert!(pool.is_full() && pool.lock().is_crowded());
        pool.lock().make_room();
        let there = |page: usize| pool.lock().known((page << 12, 0, 0)).is_some();
        assert!(there(0) && !there(1) && !there(2) && there(3) && there(32));
        assert!(pool.lock().since(0).unwrap().contains(&Loss::Sight));
        // Others than those that were dropped ask for no more room.
        (33..60).for_each(|page| add(&pool, page << 12));
        assert_eq!(pool.room.load(Ordering::Relaxed), 64);
        pool.lock().make_room();
        assert!(there(0) && !there(20));
        (1..20).for_each(|page| add(&pool, page << 12));
        assert!(pool.room.load(Ordering::Relaxed) > 64);
    }
}
