//! What the pool holds of a page: its traces in an order in which they are found, and what says when they are to go. There are a
//! hundred thousand traces, and every byte beside the ops themselves is missing for others: a trace has 28 here.

use crate::pool::{Beside, Loss, Source, TracedOps};
use crate::run::TracedOp;
use lyrebird_memory::Written;

/// What a trace of a page is looked for by: its mode, then its offset. They lie close together, since nothing of most pages is in the
/// host's caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u32);

impl Key {
    fn new(mode: u16, from: u16) -> Self {
        Key(u32::from(mode) << 16 | u32::from(from))
    }

    fn mode(self) -> u16 {
        (self.0 >> 16) as u16
    }

    fn from(self) -> u16 {
        self.0 as u16
    }
}

/// A trace.
struct Held {
    ops: Box<[TracedOp]>,
    /// The [`lyrebird_memory::GuestMemory::code_stamp`] before it was read, or an earlier one: how much later than [`PageTraces::stamp`].
    since: u32,
    /// Where it ends: see [`Source::end`].
    end: u16,
}

/// A trace that is not in the pool any more.
pub(crate) struct Gone {
    pub(crate) mode: u16,
    /// Where it begins.
    pub(crate) from: u16,
    pub(crate) ops: TracedOps,
}

/// What is known of a page.
#[derive(Default)]
pub(crate) struct PageTraces {
    /// In their order.
    keys: Vec<Key>,
    /// The traces, in the same order.
    traces: Vec<Held>,
    /// What few of them have.
    beside: Vec<(Key, Box<Beside>)>,
    /// Pages with a trace that goes on in the first bytes of this one.
    pub(crate) before: Vec<usize>,
    /// The [`lyrebird_memory::GuestMemory::code_stamp`] before its first code was read.
    pub(crate) stamp: u64,
    /// When some vCPU looked for one of its traces: see [`crate::room`].
    pub(crate) age: u32,
}

impl PageTraces {
    /// None, of a page of which something was read at a stamp.
    pub(crate) fn new(stamp: u64) -> Self {
        PageTraces { stamp, ..Default::default() }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }

    /// The entries of its traces.
    pub(crate) fn entries(&self) -> impl Iterator<Item = *const TracedOp> {
        self.traces.iter().map(|held| held.ops.as_ptr())
    }

    /// Where one is in the order, or is to be.
    pub(crate) fn place(&self, mode: u16, from: u16) -> Result<usize, usize> {
        self.keys.binary_search(&Key::new(mode, from))
    }

    /// The entry of the one there.
    pub(crate) fn at(&self, place: usize) -> *const TracedOp {
        self.traces[place].ops.as_ptr()
    }

    /// The entry of one.
    pub(crate) fn find(&self, mode: u16, from: u16) -> Option<*const TracedOp> {
        self.place(mode, from).ok().map(|place| self.at(place))
    }

    /// The one in which the instruction at an offset lies: the one that begins last.
    pub(crate) fn around(&self, mode: u16, offset: u16) -> Option<*const TracedOp> {
        let [begin, end] = [Key::new(mode, 0), Key::new(mode, offset)];
        let mut with = self.keys.iter().zip(&self.traces).filter(|(key, held)| {
            (begin..=end).contains(*key) && held.ops.iter().any(|op| op.length() > 0 && op.offset == offset)
        });
        with.next_back().map(|(_, held)| held.ops.as_ptr())
    }

    /// Adds one that was read as is said, at its place in the order.
    pub(crate) fn insert(&mut self, place: usize, trace: Gone, source: &Source<'_>) {
        let Gone { mode, from, mut ops } = trace;
        let key = Key::new(mode, from);
        ops.keep_bytes(source.bytes);
        let (ops, beside) = ops.into_parts();
        self.beside.extend(beside.map(|beside| (key, beside)));
        // If another vCPU has read it longer ago than all others, these count as read then, too.
        self.stamp = self.stamp.min(source.stamp);
        let since = u32::try_from(source.stamp - self.stamp).unwrap_or(u32::MAX);
        if self.traces.len() == self.traces.capacity() {
            // There are many pages, and what a vector takes to be on the safe side is half of it.
            self.traces.reserve_exact(self.traces.len() / 4 + 2);
            self.keys.reserve_exact(self.keys.len() / 4 + 2);
        }
        self.keys.insert(place, key);
        self.traces.insert(place, Held { ops, since, end: source.end });
    }

    /// Takes the trace out at a place.
    fn remove(&mut self, place: usize) -> Gone {
        let (key, held) = (self.keys.remove(place), self.traces.remove(place));
        let beside = self.beside.iter().position(|(of, _)| *of == key).map(|n| self.beside.swap_remove(n).1);
        Gone { mode: key.mode(), from: key.from(), ops: TracedOps::from_parts(held.ops, beside) }
    }

    /// All of them, to be dropped.
    pub(crate) fn take(&mut self) -> Vec<Gone> {
        let gone = (0..self.keys.len()).rev().map(|place| self.remove(place)).collect();
        (self.keys, self.traces, self.beside) = Default::default();
        gone
    }

    /// Whether a write may have changed the trace at a place.
    fn is_hit(&self, place: usize, written: &Written) -> bool {
        let (from, held) = (self.keys[place].from(), &self.traces[place]);
        let (first, last) = written.bytes;
        self.stamp + u64::from(held.since) < written.stamp && u64::from(from) <= last && first < u64::from(held.end)
    }

    /// That those are dropped of this page which a write hits.
    pub(crate) fn hits(&self, page: usize, written: &Written) -> Vec<Loss> {
        let loss = |place: usize| Loss::Trace((page, self.keys[place].mode(), self.keys[place].from()), self.at(place));
        (0..self.keys.len()).filter(|place| self.is_hit(*place, written)).map(loss).collect()
    }

    /// Takes out what a write hits. Nothing leads there any more; nobody may be executing what stays.
    pub(crate) fn take_hit(&mut self, written: &Written) -> Vec<Gone> {
        let hit: Vec<usize> = (0..self.keys.len()).rev().filter(|place| self.is_hit(*place, written)).collect();
        let gone: Vec<Gone> = hit.into_iter().map(|place| self.remove(place)).collect();
        // Links lead to traces of the same mode.
        let hit_modes = |key: &Key| gone.iter().any(|trace| trace.mode == key.mode());
        let leads_there = |op: &TracedOp| {
            let link = op.link_if_any();
            !link.is_null() && gone.iter().any(|trace| trace.ops.first() == link)
        };
        let rest = self.keys.iter().zip(&mut self.traces).filter(|(key, _)| hit_modes(key));
        let rest = rest.flat_map(|(_, held)| &mut held.ops);
        rest.filter(|op| leads_there(op)).for_each(|op| op.set_word(0));
        gone
    }
}
