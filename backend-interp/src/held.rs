//! What the pool holds of a page: its traces in an order in which they are found, and what says when they are to go.

use crate::pool::{Loss, Source, TraceKey, TracedOps};
use crate::run::TracedOp;
use lyrebird_memory::Written;

/// A trace.
pub(crate) struct Held {
    pub(crate) ops: TracedOps,
    /// The [`lyrebird_memory::GuestMemory::code_stamp`] before it was read.
    stamp: u64,
    pub(crate) mode: u16,
    /// Where it begins and ends: see [`Source::end`].
    pub(crate) from: u16,
    end: u16,
}

impl Held {
    /// A trace, of whose bytes a copy is kept.
    pub(crate) fn new(key: TraceKey, mut ops: TracedOps, source: &Source<'_>) -> Self {
        ops.keep_bytes(source.bytes);
        Held { ops, stamp: source.stamp, mode: key.1, from: key.2, end: source.end }
    }

    /// That it is dropped, of this page.
    pub(crate) fn loss(&self, page: usize) -> Loss {
        Loss::Trace((page, self.mode, self.from), self.ops.first())
    }

    /// Whether a write may have changed it.
    pub(crate) fn is_hit_by(&self, written: &Written) -> bool {
        let (first, last) = written.bytes;
        self.stamp < written.stamp && u64::from(self.from) <= last && first < u64::from(self.end)
    }
}

/// What a trace of a page is looked for by. They lie close together, since nothing of most pages is in the host's caches.
#[derive(Clone, Copy)]
struct Place {
    mode: u16,
    from: u16,
    first: *const TracedOp,
}

impl Place {
    fn new(held: &Held) -> Self {
        Place { mode: held.mode, from: held.from, first: held.ops.first() }
    }

    fn key(&self) -> (u16, u16) {
        (self.mode, self.from)
    }
}

/// What is known of a page.
#[derive(Default)]
pub(crate) struct PageTraces {
    /// In the order in which they came.
    traces: Vec<Held>,
    /// In the order of mode and offset.
    places: Vec<Place>,
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

    /// The traces.
    pub(crate) fn traces(&self) -> &[Held] {
        &self.traces
    }

    /// All of them, to be dropped.
    pub(crate) fn take(&mut self) -> Vec<Held> {
        self.places = Vec::new();
        std::mem::take(&mut self.traces)
    }

    /// Where one is in the order, or is to be.
    pub(crate) fn place(&self, mode: u16, from: u16) -> Result<usize, usize> {
        self.places.binary_search_by_key(&(mode, from), Place::key)
    }

    /// The entry of the one there.
    pub(crate) fn at(&self, place: usize) -> *const TracedOp {
        self.places[place].first
    }

    /// The entry of one.
    pub(crate) fn find(&self, mode: u16, from: u16) -> Option<*const TracedOp> {
        self.place(mode, from).ok().map(|place| self.at(place))
    }

    /// The one in which the instruction at an offset lies: the one that begins last.
    pub(crate) fn around(&self, mode: u16, offset: u16) -> Option<*const TracedOp> {
        let with = self.traces.iter().filter(|held| {
            let (from, ops) = (held.from, &held.ops.ops);
            held.mode == mode && from <= offset && ops.iter().any(|op| op.length() > 0 && op.offset == offset)
        });
        with.max_by_key(|held| held.from).map(|held| held.ops.first())
    }

    /// Adds one, at its place in the order.
    pub(crate) fn insert(&mut self, place: usize, held: Held) {
        if self.traces.len() == self.traces.capacity() {
            // There are many pages, and what a vector takes to be on the safe side is half of it.
            self.traces.reserve_exact(self.traces.len() / 4 + 2);
            self.places.reserve_exact(self.traces.len() / 4 + 2);
        }
        self.places.insert(place, Place::new(&held));
        self.traces.push(held);
    }

    /// Takes out what a write hits. Nothing leads there any more; nobody may be executing what stays.
    pub(crate) fn take_hit(&mut self, written: &Written) -> Vec<Held> {
        let gone: Vec<Held> = self.traces.extract_if(.., |held| held.is_hit_by(written)).collect();
        self.places.retain(|place| gone.iter().all(|held| held.ops.first() != place.first));
        // Links lead to traces of the same mode.
        let hit_modes = |mode: u16| gone.iter().any(|held| held.mode == mode);
        let leads_there = |op: &TracedOp| {
            let link = op.link_if_any();
            !link.is_null() && gone.iter().any(|held| held.ops.first() == link)
        };
        let rest = self.traces.iter_mut().filter(|held| hit_modes(held.mode)).flat_map(|held| &mut held.ops.ops);
        rest.filter(|op| leads_there(op)).for_each(|op| op.set_word(0));
        gone
    }
}
