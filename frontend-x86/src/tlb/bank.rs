//! One bank of the TLB: entries, what they were filled with, and lists of those that are to be emptied by a flush.

use super::cells::{self, ROWS};
use super::{ENTRIES, Entry, Fill, HOST_BITS, PLACED, Path, Row, UNKNOWN, fetch_tag, index};
use lyrebird_memory::{PageBytes, Zeroed};

/// Whether an address that has this place, or one behind it that an access reaches, may be in page zero.
const fn is_beside_zero(i: usize) -> bool {
    i == 0 || i == ENTRIES - 1
}

/// The tag of nothing: a page far away from those that have this place, so that no address there, nor one behind it that an access
/// reaches, is in it, or less than a page above its beginning. Zero wherever that will do: what is never used takes no memory.
pub(super) const fn no_tag(i: usize) -> u64 {
    if is_beside_zero(i) { ((ENTRIES / 2) as u64) << 12 } else { 0 }
}

/// What [`fetch_tag`] never is: zero, too, but for page zero, which a place of the cache of jumps that was never used would take for its
/// own.
pub(super) const fn no_fetch(i: usize) -> u64 {
    if is_beside_zero(i) { u64::MAX } else { 0 }
}

/// An entry with nothing in it, at this place.
pub(super) const fn empty(i: usize) -> Entry {
    Entry { read: no_tag(i), write: no_tag(i), execute: no_fetch(i), addend: 0 }
}

/// What an entry was filled with last, if that has not been flushed: a page that a CR3 load forgets, or one that it does not. It may have
/// been forgotten by itself.
const LOCAL: u8 = 1;
const GLOBAL: u8 = 2;
/// The list that the entry is in: both, if it was filled with both.
const IN_LOCALS: u8 = 4;
const IN_GLOBALS: u8 = 8;

/// One bank.
#[repr(C)]
pub struct BankEntries {
    /// The entries, by the low bits of the page number, and the rows of the [`cells`].
    rows: Zeroed<Row, { ENTRIES + ROWS }>,
    /// The guest-physical page of each entry.
    physical: Zeroed<u64, ENTRIES>,
    /// The host page of each entry, for code that may not follow addresses.
    pages: Zeroed<Option<PageBytes>, ENTRIES>,
    /// What the tables said of each entry, if that is wanted. Where it is not, memory is not touched.
    paths: Zeroed<Path, ENTRIES>,
    /// What each entry holds, and the lists that it is in.
    holds: Zeroed<u8, ENTRIES>,
    /// All entries that hold a local page, among others.
    locals: Vec<u16>,
    /// All that hold a global one, among others.
    globals: Vec<u16>,
}

/// A local translation that is out of its bank while another address space has the CPU.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    index: u16,
    physical: u64,
    page: Option<PageBytes>,
    path: Path,
    pub(super) entry: Entry,
}

impl BankEntries {
    pub(super) fn new() -> Self {
        let mut bank = BankEntries {
            rows: Zeroed::new(),
            physical: Zeroed::new(),
            pages: Zeroed::new(),
            paths: Zeroed::new(),
            holds: Zeroed::new(),
            locals: Vec::new(),
            globals: Vec::new(),
        };
        (0..ENTRIES).filter(|i| is_beside_zero(*i)).for_each(|i| bank.set(i, empty(i)));
        bank
    }

    /// The entry at a place.
    #[inline]
    pub fn entry(&self, i: usize) -> Entry {
        self.rows[i].into()
    }

    #[inline]
    fn set(&mut self, i: usize, entry: Entry) {
        self.rows[i] = entry.into();
    }

    /// A row, to change it as compiled code does.
    #[cfg(test)]
    pub(super) fn row(&mut self, i: usize) -> &mut Row {
        &mut self.rows[i]
    }

    /// Where the entries lie, for engines: the rows of the [`cells`] follow them.
    pub fn as_mut_ptr(&mut self) -> *mut Entry {
        self.rows.as_mut_ptr().cast()
    }

    /// The guest-physical page of an entry.
    #[inline]
    pub fn physical(&self, i: usize) -> u64 {
        self.physical[i]
    }

    pub(super) fn fill(&mut self, fill: Fill) {
        let (i, page) = (index(fill.linear), fill.linear & !0xfff);
        let tag = |on: bool| if on { page } else { no_tag(i) };
        let fetches = fill.execute && fill.host >> 48 == 0;
        let entry = Entry {
            read: tag(fill.read),
            write: tag(fill.write),
            execute: if fetches { fetch_tag(page, fill.host) } else { no_fetch(i) },
            addend: fill.host.wrapping_sub(page),
        };
        let (index, physical) = (i as u16, fill.physical & !0xfff);
        self.put(Kept { index, physical, page: fill.page, path: fill.path, entry }, fill.global);
    }

    #[inline]
    fn put(&mut self, kept: Kept, global: bool) {
        let i = usize::from(kept.index);
        let old = self.entry(i);
        self.set(i, kept.entry);
        if old != kept.entry && !old.is_empty(i) {
            self.clear_cells();
        }
        self.physical[i] = kept.physical;
        self.pages[i] = kept.page;
        if kept.path != UNKNOWN {
            self.paths[i] = kept.path;
        }
        let (holds, listed, list) =
            if global { (GLOBAL, IN_GLOBALS, &mut self.globals) } else { (LOCAL, IN_LOCALS, &mut self.locals) };
        let known = &mut self.holds[i];
        if *known & listed == 0 {
            list.push(kept.index);
        }
        *known = *known & (IN_LOCALS | IN_GLOBALS) | holds | listed;
    }

    /// The host page of an entry.
    #[inline]
    pub(super) fn page(&self, i: usize) -> Option<PageBytes> {
        self.pages[i]
    }

    /// To be called when something was taken from the entries, or changed.
    fn clear_cells(&mut self) {
        cells::clear(&mut self.rows[..]);
    }

    /// Forgets all pages that are not global.
    pub(super) fn flush_local(&mut self) {
        if !self.locals.is_empty() {
            self.clear_cells();
        }
        for i in self.locals.drain(..).map(usize::from) {
            self.holds[i] &= !IN_LOCALS;
            if self.holds[i] & LOCAL != 0 {
                self.holds[i] &= !LOCAL;
                self.rows[i] = empty(i).into();
            }
        }
    }

    /// Forgets everything.
    pub(super) fn flush_all(&mut self) {
        self.clear_cells();
        for i in self.locals.drain(..).chain(self.globals.drain(..)).map(usize::from) {
            self.holds[i] = 0;
            self.rows[i] = empty(i).into();
        }
    }

    /// Takes the local pages out, `most` of them at the most, and puts others in. Of the rest nothing stays.
    pub(super) fn exchange_locals(&mut self, from: &mut Vec<Kept>, to: &mut Vec<Kept>, most: usize) {
        to.clear();
        if !self.locals.is_empty() {
            self.clear_cells();
        }
        for index in self.locals.drain(..) {
            let i = usize::from(index);
            self.holds[i] &= !IN_LOCALS;
            if self.holds[i] & LOCAL != 0 {
                self.holds[i] &= !LOCAL;
                let entry = Entry::from(std::mem::replace(&mut self.rows[i], empty(i).into()));
                if !entry.is_empty(i) && to.len() < most {
                    to.push(Kept {
                        index,
                        physical: self.physical[i],
                        page: self.pages[i],
                        path: self.paths[i],
                        entry,
                    });
                }
            }
        }
        for kept in from.drain(..) {
            // A global page that has taken the place meanwhile is as likely to be wanted.
            if self.entry(kept.index.into()).is_empty(kept.index.into()) {
                self.put(kept, false);
            }
        }
    }

    /// Forgets the local pages of which `holds` says no.
    pub(super) fn retain_locals(&mut self, mut holds: impl FnMut(u64, &Path) -> bool) {
        let BankEntries { rows, paths, holds: held, locals, .. } = self;
        let mut changed = false;
        locals.retain(|index| {
            let i = usize::from(*index);
            let entry = Entry::from(rows[i]);
            if held[i] & LOCAL != 0 && entry.linear(i).is_some_and(|linear| holds(linear, &paths[i])) {
                return true;
            }
            held[i] &= !IN_LOCALS;
            if held[i] & LOCAL != 0 {
                held[i] &= !LOCAL;
                changed |= !entry.is_empty(i);
                rows[i] = empty(i).into();
            }
            false
        });
        if changed {
            self.clear_cells();
        }
    }

    /// How many local pages there may be.
    pub(super) fn locals(&self) -> usize {
        self.locals.len()
    }

    /// Whether there may be global pages.
    pub(super) fn has_globals(&self) -> bool {
        !self.globals.is_empty()
    }

    /// Forgets the pieces of a large page.
    pub(super) fn forget_within(&mut self, base: u64, mask: u64) {
        self.each(|i, entry| {
            if entry.is_within(i, base, mask) {
                *entry = empty(i);
            }
        });
    }

    pub(super) fn forget(&mut self, linear: u64) {
        let i = index(linear);
        if !self.entry(i).is_empty(i) {
            self.set(i, empty(i));
            self.clear_cells();
        }
    }

    /// Forgets a page if it is global.
    pub(super) fn forget_global(&mut self, linear: u64) {
        if !self.globals.is_empty() && self.holds[index(linear)] & GLOBAL != 0 {
            self.forget(linear);
        }
    }

    /// All entries that may hold something, some of them twice.
    pub(super) fn each(&mut self, mut f: impl FnMut(usize, &mut Entry)) {
        let mut changed = false;
        for i in self.locals.iter().chain(&self.globals).map(|i| usize::from(*i)) {
            let old = Entry::from(self.rows[i]);
            let mut entry = old;
            f(i, &mut entry);
            if entry != old {
                self.rows[i] = entry.into();
                changed = true;
            }
        }
        if changed {
            self.clear_cells();
        }
    }
}

impl Kept {
    /// Whether an address has the entry that this is one for.
    pub(super) fn has_place_of(&self, linear: u64) -> bool {
        usize::from(self.index) == index(linear)
    }

    /// See [`Entry::is_within`].
    pub(super) fn is_within(&self, base: u64, mask: u64) -> bool {
        self.entry.is_within(self.index.into(), base, mask)
    }

    /// See [`Entry::close`].
    pub(super) fn close(&mut self) {
        self.entry.close(self.index.into());
    }

    /// See [`Entry::close_if_to`].
    pub(super) fn close_if_to(&mut self, host: u64) {
        self.entry.close_if_to(self.index.into(), host);
    }
}

/// An entry does not know its place, `i`.
impl Entry {
    pub(super) fn is_empty(&self, i: usize) -> bool {
        self.linear(i).is_none()
    }

    /// The page that it is for.
    fn linear(&self, i: usize) -> Option<u64> {
        match self {
            Entry { read, .. } if *read != no_tag(i) => Some(*read),
            Entry { write, .. } if *write != no_tag(i) => Some(*write),
            Entry { execute, .. } if *execute != no_fetch(i) => {
                let high = execute >> HOST_BITS << PLACED | (i as u64) << 12;
                Some(((high << 16) as i64 >> 16) as u64)
            }
            _ => None,
        }
    }

    /// Whether instructions may be fetched from a linear address by it.
    #[inline]
    pub fn fetches(&self, linear: u64) -> bool {
        let page = linear & !0xfff;
        let host = page.wrapping_add(self.addend);
        host >> 48 == 0 && self.execute == fetch_tag(page, host)
    }

    /// Whether it is a piece of a large page.
    pub(super) fn is_within(&self, i: usize, base: u64, mask: u64) -> bool {
        self.linear(i).is_some_and(|linear| linear & mask == base)
    }

    /// Forgets that its page may be written in place.
    pub(super) fn close(&mut self, i: usize) {
        self.write = no_tag(i);
    }

    /// The same, if it leads to this host page.
    pub(super) fn close_if_to(&mut self, i: usize, host: u64) {
        if self.write != no_tag(i) && self.write.wrapping_add(self.addend) == host {
            self.close(i);
        }
    }
}
