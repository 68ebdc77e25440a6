//! Decoded code of all vCPUs of a machine: each trace is there once, whoever executes it, and so is what the engine above has
//! made of it.
//!
//! A vCPU has a [`crate::cache::CodeCache`] of what it has come across, and asks here, under a lock, for the rest. Ops are written
//! to while others execute them only where each value is as good as the other: counters, which may lose a count; links, and
//! the code of an entry op, which lead to the same place by a longer way as long as they are not seen.
//!
//! What is dropped gets a number, the *epoch*. A vCPU that looks around forgets everything up to the epoch of that moment,
//! and says so ([`User`]); when all that run have said it, nobody can be inside, and memory is freed.

use crate::copies::Plan;
use crate::held::{Gone, PageTraces};
use crate::room::{self, Times};
use crate::run::TracedOp;
use crate::shelf::Shelf;
use crate::traced::Apart;
use frontend_x86::decode::MAX_LEN;
use lyrebird_memory::{GuestMemory, Written};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Which code: physical page, mode, and offset in the page.
pub type TraceKey = (usize, u16, u16);

/// The ops of a trace, at an address that does not move.
pub struct TracedOps {
    pub(crate) ops: Box<[TracedOp]>,
    /// What few traces have.
    beside: Option<Box<Beside>>,
}

/// What stands beside a trace.
#[derive(Default)]
pub(crate) struct Beside {
    /// Ops that are apart.
    #[expect(dead_code, reason = "they are reached by the ops")]
    apart: Apart,
    /// If it is a loop that copies: what its way back looks at.
    #[expect(dead_code, reason = "as above")]
    plan: Option<Box<Plan>>,
    /// What it was decoded from, if it may come again from the [`crate::shelf`].
    bytes: Box<[u8]>,
}

// SAFETY: whoever follows the pointers in them keeps to the rules of the pool.
unsafe impl Send for TracedOps {}

impl TracedOps {
    /// Ops, those of them that are apart, and the plan of a loop.
    pub(crate) fn new(ops: impl IntoIterator<Item = TracedOp>, apart: Apart, plan: Option<Box<Plan>>) -> Self {
        let beside = (!apart.is_empty() || plan.is_some()).then(|| Beside { apart, plan, ..Default::default() });
        TracedOps { ops: ops.into_iter().collect(), beside: beside.map(Box::new) }
    }

    /// Keeps a copy of the bytes that they were decoded from, if some are given.
    pub(crate) fn keep_bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.beside.get_or_insert_default().bytes = bytes.into();
        }
    }

    /// That copy.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.beside.as_ref().map_or(&[], |beside| &beside.bytes)
    }

    /// The ops, and what stands beside them.
    pub(crate) fn into_parts(self) -> (Box<[TracedOp]>, Option<Box<Beside>>) {
        (self.ops, self.beside)
    }

    /// They together again.
    pub(crate) fn from_parts(ops: Box<[TracedOp]>, beside: Option<Box<Beside>>) -> Self {
        TracedOps { ops, beside }
    }

    /// The trace's first op.
    pub fn first(&self) -> *const TracedOp {
        self.ops.as_ptr()
    }
}

/// The engine above, as far as it belongs to no vCPU.
pub trait Above: Send + Sync {
    /// Told that a trace is no more. Whether code of other traces is gone by that. Called with the pool locked.
    fn dropped(&self, entry: *const TracedOp) -> bool;

    /// Whether it has, or will have, code of any of these traces. Called with the pool locked.
    fn uses(&self, entries: &mut dyn Iterator<Item = *const TracedOp>) -> bool;
}

/// A fast hash for keys that are spread already: host addresses and offsets.
#[derive(Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        // Of the product of a page's address the low bits, by which tables go, are zero.
        self.0 ^ self.0 >> 32
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, v: u64) {
        self.0 = (self.0.rotate_left(23) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_u16(&mut self, v: u16) {
        self.write_u64(u64::from(v));
    }
    fn write_usize(&mut self, v: usize) {
        self.write_u64(v as u64);
    }
}
/// For maps with such keys.
pub type Hash = BuildHasherDefault<KeyHasher>;

/// [`User::seen`] of a vCPU that does not run.
const RESTS: u64 = u64::MAX;
/// A vCPU that has missed more than this forgets everything.
const LOG: usize = 1 << 12;
/// A page that was written to so often may be written to again, and its traces may come again.
const AGAIN: u32 = 2;
/// More pages that were written to are not remembered.
const REWRITTEN: usize = 1 << 12;

/// A vCPU that uses the pool.
pub struct User {
    /// The epoch up to which it has forgotten what was dropped.
    seen: AtomicU64,
}

impl User {
    /// It runs from now on, with what it knew at this epoch; it must look at the pool's after this call. `shared`: beside others.
    pub fn begin(&self, epoch: u64, shared: bool) {
        self.seen.store(epoch, if shared { Ordering::SeqCst } else { Ordering::Relaxed });
    }

    /// It executes nothing until it begins again.
    pub fn rest(&self) {
        self.seen.store(RESTS, Ordering::Release);
    }
}

/// What was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The traces of a page.
    Page(usize),
    /// One trace, by its entry. Nobody follows the pointer.
    Trace(TraceKey, *const TracedOp),
    /// The engine above has no code any more for some traces.
    Code,
    /// Nothing; but vCPUs are to ask anew where traces are.
    Sight,
}

/// Where a trace comes from.
pub struct Source<'a> {
    /// What it was decoded from; nothing if it goes on in the next page.
    pub bytes: &'a [u8],
    /// That page.
    pub behind: Option<usize>,
    /// Offset of the byte behind it, as if its page went on.
    pub end: u16,
    /// The [`lyrebird_memory::GuestMemory::code_stamp`] before it was read.
    pub stamp: u64,
}

/// The pool. Its lock comes before those of the engine above.
pub struct Pool {
    inner: Mutex<Inner>,
    epoch: AtomicU64,
    pub(crate) ops: AtomicUsize,
    /// How many there may be, and how many there may ever be: see [`room`].
    pub(crate) room: AtomicUsize,
    pub(crate) most: AtomicUsize,
    pub(crate) above: OnceLock<Arc<dyn Above>>,
}

impl Default for Pool {
    fn default() -> Self {
        Pool {
            inner: Mutex::default(),
            epoch: AtomicU64::default(),
            ops: AtomicUsize::default(),
            room: AtomicUsize::new(room::FEW),
            most: AtomicUsize::new(room::FEW),
            above: OnceLock::new(),
        }
    }
}

/// What a pool has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Traces that were decoded, or came from the shelf.
    pub added: u64,
    /// Pages whose traces were dropped because they were written to.
    pub written: u64,
    /// Traces that were dropped alone because they were written to.
    pub patched: u64,
    /// Pages whose traces were dropped to make room.
    pub full: u64,
    /// Pages whose traces were dropped in all, with those that go on in others.
    pub dropped: u64,
    /// How often code of the engine above was lost.
    pub code: u64,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) counts: Counts,
    pub(crate) pages: HashMap<usize, PageTraces, Hash>,
    /// Pages of which traces were dropped because they were written to. They may come again.
    pub(crate) rewritten: HashMap<usize, u32, Hash>,
    pub(crate) times: Times,
    /// What was dropped last, one entry an epoch, up to the current one.
    log: VecDeque<Loss>,
    /// Dropped traces of a page that a vCPU may be inside of, with the epochs to wait for.
    graveyard: VecDeque<(u64, usize, Vec<Gone>)>,
    /// Dropped, nobody is inside, and perhaps to come again.
    pub(crate) shelf: Shelf,
    users: Vec<Arc<User>>,
}

// SAFETY: the pointers lead into traces of the same pool.
unsafe impl Send for Inner {}

impl Pool {
    /// An empty one, perhaps for an engine above the interpreter.
    pub fn new(above: Option<Arc<dyn Above>>) -> Self {
        let pool = Pool::default();
        if let Some(above) = above {
            _ = pool.above.set(above);
        }
        pool
    }

    /// It is of code in this memory.
    pub fn belong_to(&self, memory: &GuestMemory) {
        let ram = memory.ram_ranges().iter().map(|(_, bytes)| bytes).sum();
        self.most.store(room::most(ram), Ordering::Relaxed);
    }

    /// Another vCPU uses it.
    pub fn join(&self) -> Arc<User> {
        let user = Arc::new(User { seen: AtomicU64::new(RESTS) });
        self.lock().inner.users.push(user.clone());
        user
    }

    /// It does not any more.
    pub fn leave(&self, user: &Arc<User>) {
        self.lock().inner.users.retain(|other| !Arc::ptr_eq(other, user));
    }

    /// How much was dropped so far.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Whether there are so many ops that some must go.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.ops.load(Ordering::Relaxed) > self.room.load(Ordering::Relaxed)
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.lock().inner.counts
    }

    /// To look something up, or change it.
    pub fn lock(&self) -> Locked<'_> {
        Locked { pool: self, inner: self.inner.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// The pool, locked.
pub struct Locked<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) inner: MutexGuard<'a, Inner>,
}

impl Locked<'_> {
    /// A trace's entry, if it has been decoded.
    pub fn known(&self, (page, mode, from): TraceKey) -> Option<*const TracedOp> {
        self.inner.pages.get(&page)?.find(mode, from)
    }

    /// The same, of one that is about to be executed.
    pub(crate) fn wanted(&mut self, (page, mode, from): TraceKey) -> Option<*const TracedOp> {
        let age = self.inner.times.age;
        let held = self.inner.pages.get_mut(&page)?;
        held.age = age;
        held.find(mode, from)
    }

    /// The trace of a page in which the instruction at this offset lies, if one has been decoded for the mode: the one that begins
    /// last.
    pub fn around(&self, page: usize, mode: u16, offset: u16) -> Option<*const TracedOp> {
        self.inner.pages.get(&page)?.around(mode, offset)
    }

    /// Dropped traces that may come again.
    pub fn shelf(&mut self) -> &mut Shelf {
        &mut self.inner.shelf
    }

    /// Adds a trace, unless another vCPU was quicker, and gives its entry.
    pub fn insert(&mut self, key: TraceKey, ops: TracedOps, mut source: Source<'_>) -> *const TracedOp {
        let (page, mode, from) = key;
        if self.inner.rewritten.get(&page).is_none_or(|times| *times < AGAIN) {
            source.bytes = &[];
        }
        let (first, number) = (ops.first(), ops.ops.len());
        let held = self.page(page, source.stamp);
        match held.place(mode, from) {
            Ok(place) => return held.at(place),
            Err(place) => held.insert(place, Gone { mode, from, ops }, &source),
        }
        if let Some(behind) = source.behind {
            let before = &mut self.page(behind, source.stamp).before;
            if !before.contains(&page) {
                before.push(page);
            }
        }
        self.inner.counts.added += 1;
        self.pool.ops.fetch_add(number, Ordering::Relaxed);
        self.grow_older(key.0, number);
        first
    }

    /// What is known of a page of which something was read at a stamp.
    fn page(&mut self, page: usize, stamp: u64) -> &mut PageTraces {
        let age = self.inner.times.age;
        let held = self.inner.pages.entry(page).or_insert_with(|| PageTraces::new(stamp));
        held.age = age;
        held
    }

    /// Drops the traces that were written to: of those pages all that the writes may have changed. What was read later stays.
    pub fn drop_written(&mut self, pages: &[(usize, Written)], user: &Arc<User>) {
        for (page, written) in pages {
            let held = self.inner.pages.get(page).filter(|held| held.stamp < written.stamp);
            let Some(others_end_here) = held.map(|held| !held.before.is_empty()) else { continue };
            if self.inner.rewritten.len() >= REWRITTEN {
                self.inner.rewritten.clear();
            }
            *self.inner.rewritten.entry(*page).or_default() += 1;
            let ends_here = others_end_here && written.bytes.0 < MAX_LEN as u64;
            if written.is_whole() || ends_here || !self.drop_hit(*page, written, user) {
                self.inner.counts.written += 1;
                self.drop_page(*page);
            }
        }
    }

    /// Drops what a write hits of a page's traces, and leaves the others. False if that cannot be done: another vCPU may be about
    /// to follow a link to one of them.
    fn drop_hit(&mut self, page: usize, written: &Written, user: &Arc<User>) -> bool {
        let Some(traces) = self.inner.pages.get(&page) else { return true };
        let lost = traces.hits(page, written);
        if lost.is_empty() {
            return true;
        }
        // Others that begin to run see the epoch then, and wait for the lock: see `User::begin`.
        lost.into_iter().for_each(|loss| _ = self.lose(loss));
        let epoch = self.epoch();
        if !self.inner.users.iter().all(|other| Arc::ptr_eq(other, user) || other.seen.load(Ordering::SeqCst) >= epoch)
        {
            return false;
        }
        let Some(traces) = self.inner.pages.get_mut(&page) else { return true };
        let gone = traces.take_hit(written);
        self.inner.counts.patched += gone.len() as u64;
        self.bury(page, gone);
        true
    }

    /// Drops the traces of a page, and of pages whose traces go on in it.
    pub(crate) fn drop_page(&mut self, page: usize) {
        let Some(mut held) = self.inner.pages.remove(&page) else { return };
        self.inner.counts.dropped += 1;
        self.lose(Loss::Page(page));
        self.bury(page, held.take());
        held.before.into_iter().for_each(|page| self.drop_page(page));
    }

    /// Drops the traces of a page to make room, and says how many ops they have. Traces that go on in the page are none the worse for
    /// that.
    pub(crate) fn evict(&mut self, page: usize) -> usize {
        let Some(held) = self.inner.pages.get_mut(&page) else { return 0 };
        let traces = held.take();
        if held.before.is_empty() {
            self.inner.pages.remove(&page);
        }
        self.inner.counts.full += 1;
        self.lose(Loss::Page(page));
        self.bury(page, traces)
    }

    /// Nobody finds these traces of a page any more. They are freed when all have forgotten them. Gives the number of their ops.
    fn bury(&mut self, page: usize, traces: Vec<Gone>) -> usize {
        let ops = traces.iter().map(|held| held.ops.ops.len()).sum::<usize>();
        self.pool.ops.fetch_sub(ops, Ordering::Relaxed);
        let mut others = false;
        if let Some(above) = self.pool.above.get() {
            traces.iter().for_each(|held| others |= above.dropped(held.ops.first()));
        }
        if others {
            self.lose(Loss::Code);
        }
        if !traces.is_empty() {
            let epoch = self.epoch();
            self.inner.graveyard.push_back((epoch, page, traces));
        }
        ops
    }

    /// How much was dropped so far.
    pub fn epoch(&self) -> u64 {
        self.pool.epoch.load(Ordering::Relaxed)
    }

    /// Notes that something was dropped, and gives the epoch from which on nobody knows it.
    pub fn lose(&mut self, loss: Loss) -> u64 {
        if self.inner.log.len() == LOG {
            self.inner.log.pop_front();
        }
        self.inner.log.push_back(loss);
        self.inner.counts.code += u64::from(loss == Loss::Code);
        self.pool.epoch.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// What was dropped since an epoch; `None` if that is not known any more.
    pub fn since(&self, epoch: u64) -> Option<Vec<Loss>> {
        let missed = usize::try_from(self.epoch() - epoch).ok()?;
        let from = self.inner.log.len().checked_sub(missed)?;
        Some(self.inner.log.range(from..).copied().collect())
    }

    /// Whether every vCPU that runs has forgotten what was dropped up to an epoch.
    pub fn is_over(&self, epoch: u64) -> bool {
        self.inner.users.iter().all(|user| user.seen.load(Ordering::SeqCst) >= epoch)
    }

    /// Whether there are several vCPUs.
    pub fn is_shared(&self) -> bool {
        self.inner.users.len() > 1
    }

    /// A vCPU has forgotten everything up to now.
    pub fn has_seen(&mut self, user: &User) {
        if user.seen.load(Ordering::Relaxed) != RESTS {
            user.seen.store(self.epoch(), Ordering::SeqCst);
        }
        while let Some((epoch, ..)) = self.inner.graveyard.front()
            && self.is_over(*epoch)
            && let Some((_, page, traces)) = self.inner.graveyard.pop_front()
        {
            for Gone { mode, from, ops } in traces {
                self.inner.shelf.put((page, mode, from), ops);
            }
        }
    }
}
