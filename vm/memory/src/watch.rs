//! Who is told that a page changed.
//!
//! Each page of a block has a watch byte. Zero means that nobody cares, and an engine may write to the page in place.
//! Bits 0 to 6 belong to *trackers* (screen, snapshot, replay): a set bit says "clean since the last look"; the next
//! write clears it. Bit 7 says that some engine holds code decoded from the page; which 64-byte stretches of it is in
//! the page's code mask, so that data beside code does not throw code away. Of pages that are written to again and again it is
//! known byte by byte ([`crate::mixed`]), and only the code that is hit is thrown away.
//!
//! When CPUs run at the same time, one may still have a fast write path to a page in which another finds its first code. Whoever
//! marks code waits, before it reads the bytes, until all others have dropped such paths ([`GuestMemory::await_others`]): they
//! do at their next look around, or are not running at all. So no write to code goes unnoticed.

use crate::GuestMemory;
use crate::block::HostPage;
use crate::mixed::{Hit, Mixed};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, RwLock};

/// The watch bit for code.
pub const CODE: u8 = 0x80;

/// [`CodeWatch::knows`] of a vCPU that is not running.
const RESTS: u64 = u64::MAX;

/// Code of a page was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The [`GuestMemory::code_stamp`] of the last write: what was read when it was this already has seen it.
    pub stamp: u64,
    /// All writes since the last look lie between these bytes, both among them. Code that has some of them is to be dropped: if that
    /// is the whole page, its code is not watched any more.
    pub bytes: (u64, u64),
}

impl Written {
    /// Whether it is all of the page's code.
    pub fn is_whole(&self) -> bool {
        self.bytes == WHOLE
    }
}

/// All bytes of a page.
const WHOLE: (u64, u64) = (0, 4095);

/// Tells one engine's vCPU which pages of code were written to.
pub struct CodeWatch {
    pending: AtomicBool,
    /// Each page once, by its [`HostPage::key`]: a vCPU that sleeps takes none, however often they are written to.
    pages: Mutex<BTreeMap<usize, Written>>,
    /// The [`GuestMemory::code_epoch`] at which the vCPU last dropped its fast write paths.
    knows: AtomicU64,
}

impl Default for CodeWatch {
    fn default() -> Self {
        CodeWatch { pending: AtomicBool::default(), pages: Mutex::default(), knows: AtomicU64::new(RESTS) }
    }
}

impl CodeWatch {
    /// The vCPU begins to run, or goes on, with fast write paths of this code epoch. It must look at the epoch after this call.
    pub fn begin(&self, epoch: u64) {
        self.knows.store(epoch, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The vCPU has dropped its fast write paths at this code epoch.
    pub fn know(&self, epoch: u64) {
        self.knows.store(epoch, Ordering::Release);
    }

    /// The vCPU writes nothing until it begins again.
    pub fn rest(&self) {
        self.knows.store(RESTS, Ordering::Release);
    }

    /// Whether there is anything to take; cheap.
    #[inline]
    pub fn pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The keys ([`HostPage::key`]) of the pages whose code changed since the last call, and where it did.
    pub fn take(&self) -> Vec<(usize, Written)> {
        let mut pages = self.pages.lock().unwrap_or_else(|e| e.into_inner());
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut *pages).into_iter().collect()
    }

    fn push(&self, key: usize, stamp: u64, bytes: (u64, u64)) {
        let mut pages = self.pages.lock().unwrap_or_else(|e| e.into_inner());
        let known = pages.entry(key).or_insert(Written { stamp, bytes });
        known.stamp = stamp;
        known.bytes = (known.bytes.0.min(bytes.0), known.bytes.1.max(bytes.1));
        self.pending.store(true, Ordering::Release);
    }
}

#[derive(Default)]
pub(crate) struct Watchers {
    code: RwLock<Vec<Arc<CodeWatch>>>,
    /// Held by whoever marks code or takes marks away.
    marks: Mutex<Mixed>,
    pub(crate) used_trackers: AtomicU8,
}

impl GuestMemory {
    /// A new watch for code pages. It hears of every write to code that any engine has marked.
    pub fn watch_code(&self) -> Arc<CodeWatch> {
        let watch = Arc::new(CodeWatch::default());
        self.watchers.code.write().unwrap_or_else(|e| e.into_inner()).push(watch.clone());
        watch
    }

    /// Ends a watch for code pages.
    pub fn unwatch_code(&self, watch: &Arc<CodeWatch>) {
        self.watchers.code.write().unwrap_or_else(|e| e.into_inner()).retain(|w| !Arc::ptr_eq(w, watch));
    }

    /// Says that bytes `first..=last` of the page have been decoded: writes to them are reported from now on.
    /// Mark first, then read the bytes. Returns true if the page was not marked at all before: the engine must then
    /// drop its fast write path to the page.
    pub fn mark_code(&self, page: &HostPage, first: u64, last: u64) -> bool {
        let mut marks = self.watchers.marks.lock().unwrap_or_else(|e| e.into_inner());
        marks.mark(page.key(), first, last);
        page.code().fetch_or(stretches(first, last), Ordering::SeqCst);
        let new = page.watch().fetch_or(CODE, Ordering::SeqCst) & CODE == 0;
        if new {
            self.code_epoch.fetch_add(1, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        new
    }

    /// Waits until no other vCPU has a fast write path to a page that has been marked. To be called between marking and reading
    /// the bytes, by a vCPU that rests meanwhile: two may wait for each other.
    pub fn await_others(&self, own: &Arc<CodeWatch>) {
        let epoch = self.code_epoch();
        let behind = |watch: &Arc<CodeWatch>| !Arc::ptr_eq(watch, own) && watch.knows.load(Ordering::SeqCst) < epoch;
        let late: Vec<Arc<CodeWatch>> = {
            let watches = self.watchers.code.read().unwrap_or_else(|e| e.into_inner());
            watches.iter().filter(|watch| behind(watch)).cloned().collect()
        };
        for watch in late {
            let mut turns = 0;
            while behind(&watch) {
                turns += 1;
                // It looks around in some microseconds, if the host lets it run.
                if turns < 100 { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
    }

    /// Tells watchers and trackers that `len` bytes at `offset` of the page were written. Called by every slow write.
    #[inline]
    pub fn note_write(&self, page: &HostPage, offset: u64, len: u64) {
        if self.is_shared() {
            // The bytes are there before the watch is looked at; `mark_code` has it the other way round.
            fence(Ordering::SeqCst);
        }
        if page.watch().load(Ordering::Acquire) != 0 {
            self.note_watched_write(page, offset, len);
        }
    }

    #[cold]
    fn note_watched_write(&self, page: &HostPage, offset: u64, len: u64) {
        if len == 0 {
            return;
        }
        page.watch().fetch_and(CODE, Ordering::AcqRel);
        let wrote = stretches(offset, offset + len - 1);
        if page.code().load(Ordering::Acquire) & wrote == 0 {
            return;
        }
        let mut marks = self.watchers.marks.lock().unwrap_or_else(|e| e.into_inner());
        if page.code().load(Ordering::Acquire) & wrote == 0 {
            return;
        }
        let bytes = match marks.write(page.key(), offset, offset + len - 1) {
            Hit::Nothing => return,
            Hit::Bytes => (offset, offset + len - 1),
            Hit::Page => WHOLE,
        };
        // Everybody is told before anybody can have a fast write path to the page again.
        let stamp = self.code_stamp.fetch_add(1, Ordering::SeqCst) + 1;
        self.page_stamps[crate::stamp_place(page.key())].store(stamp, Ordering::SeqCst);
        for watch in self.watchers.code.read().unwrap_or_else(|e| e.into_inner()).iter() {
            watch.push(page.key(), stamp, bytes);
        }
        if bytes == WHOLE {
            // Every holder drops all of the page's code, so the page starts afresh.
            page.code().store(0, Ordering::Release);
            page.watch().fetch_and(!CODE, Ordering::AcqRel);
        }
    }

    /// Whether a write to the page would have to be told to nobody, since all that is watched is code elsewhere in the page. Only
    /// for a vCPU that runs alone.
    pub fn is_beside_code(&self, page: &HostPage, offset: u64, len: u64) -> bool {
        let code = page.code().load(Ordering::Acquire);
        page.watch().load(Ordering::Acquire) == CODE
            && code & stretches(offset, offset + len - 1) == 0
            && !self.is_shared()
            && !self.journal.is_on()
    }
}

fn stretches(first: u64, last: u64) -> u64 {
    let (first, last) = ((first & 0xfff) >> 6, (last & 0xfff) >> 6);
    (u64::MAX << first) & (u64::MAX >> (63 - last.max(first)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{WHOLE, Written};
    use crate::{Backing, GuestMemory, Region, Target};
    use std::sync::Arc;
    use std::time::Duration;

    /// Four pages of RAM at 0.
    pub(crate) fn machine() -> (GuestMemory, crate::BlockId) {
        let memory = GuestMemory::new();
        let ram = memory.add_block("ram", 0x4000).unwrap();
        memory.map(Region { base: 0, bytes: 0x4000, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
        (memory, ram)
    }

    #[test]
    fn whoever_marks_code_waits_for_those_that_run() {
        let (memory, _) = machine();
        let memory = Arc::new(memory);
        let (own, other) = (memory.watch_code(), memory.watch_code());
        let Backing::Ram(page) = memory.lookup(0x2000) else { panic!("RAM") };
        other.begin(memory.code_epoch());
        memory.mark_code(&page, 0, 1);
        let waiting = std::thread::spawn({
            let (memory, own) = (memory.clone(), own.clone());
            move || memory.await_others(&own)
        });
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished());
        other.know(memory.code_epoch());
        waiting.join().unwrap();
        memory.unwatch_code(&other);
        let other = memory.watch_code();
        other.begin(0);
        other.rest();
        memory.await_others(&own);
    }

    #[test]
    fn code_is_thrown_away_only_by_writes_to_it() {
        let (memory, _) = machine();
        let watch = memory.watch_code();
        let Backing::Ram(page) = memory.lookup(0x2000) else { panic!("RAM") };
        assert!(memory.mark_code(&page, 0x100, 0x13f));
        assert!(!memory.mark_code(&page, 0x140, 0x141));
        memory.write(0x2200, &[0; 16]).unwrap();
        assert!(!watch.pending());
        memory.write(0x213f, &[0]).unwrap();
        assert_eq!(watch.take(), [(page.key(), Written { stamp: 1, bytes: WHOLE })]);
        assert_eq!((memory.code_stamp(), memory.code_stamp_of(page.key())), (1, 1));
        assert!(!watch.pending());
        memory.write(0x213f, &[0]).unwrap();
        assert!(!watch.pending(), "the page has no code any more");
    }

    #[test]
    fn of_a_page_that_is_written_to_again_those_bytes_are_told_that_were_written() {
        let (memory, _) = machine();
        let watch = memory.watch_code();
        let Backing::Ram(page) = memory.lookup(0x2000) else { panic!("RAM") };
        for _ in 0..2 {
            memory.mark_code(&page, 0x100, 0x10f);
            memory.write(0x2108, &[0]).unwrap();
            assert!(watch.take()[0].1.is_whole());
        }
        assert!(memory.mark_code(&page, 0x100, 0x10f));
        memory.write(0x2110, &[0; 16]).unwrap();
        assert!(!watch.pending(), "beside code, though near it");
        memory.write(0x210c, &[0; 8]).unwrap();
        memory.write(0x2104, &[0; 2]).unwrap();
        assert_eq!(watch.take(), [(page.key(), Written { stamp: 4, bytes: (0x104, 0x113) })]);
        memory.write(0x210c, &[0; 8]).unwrap();
        assert!(!watch.pending(), "this is no code any more");
        assert!(!memory.mark_code(&page, 0x100, 0x10f), "the rest has been all the time");
        memory.write_block(&memory.block(crate::BlockId(0)), 0x1f00, &[0; 0x400]).unwrap();
        assert_eq!(watch.take(), [(page.key(), Written { stamp: 5, bytes: WHOLE })]);
    }
}
