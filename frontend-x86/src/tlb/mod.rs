//! The translation look-aside buffer: linear pages to host memory, direct-mapped, in one bank for each way in which
//! rights depend on the mode. Engines look it up in place.
//!
//! A tag is the linear page address. An access of `n` bytes at `a` compares with the page of `a + n - 1`, so that an access
//! across pages never matches; or it sees that `a` is at most 4096 - `n` above the tag, which is as good: what an entry without a
//! page has for a tag is far from all addresses that have its place. A flush goes through the entries that have been filled; they
//! are few when flushes are frequent.
//!
//! The banks hold translations of the current process context (PCID) and global ones. Those of contexts that were left are
//! [parked](Tlb::switch).

mod bank;
pub mod cells;
mod large;
mod parked;
#[cfg(test)]
mod tests;

pub use bank::BankEntries;

use bank::Kept;
use large::LargePages;
use lyrebird_memory::PageBytes;
use parked::{CONTEXTS, Context, Parked};

/// Entries in each bank: so many that the sixty or so pages that a system call touches hardly ever want the same one, nor a program's stack
/// and what it works on, which lie anywhere: a loop over two pages with one entry takes several times as long. In the host's caches only
/// the lines weigh that are used.
pub const ENTRIES: usize = 16384;

/// Which rights a translation was checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bank {
    /// CPL 3.
    User = 0,
    /// CPL 0 to 2, user pages allowed (no SMAP, or RFLAGS.AC set).
    Supervisor = 1,
    /// CPL 0 to 2 with SMAP in force.
    SupervisorSmap = 2,
}

/// One cached translation. Two fill a line of the host's cache, and none lies in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct Entry {
    /// Tag for loads.
    pub read: u64,
    /// Tag for stores in place: the page is RAM, dirty already, and nobody wants to hear of writes.
    pub write: u64,
    /// For instruction fetches, the [`fetch_tag`] of both pages, or what that never is.
    pub execute: u64,
    /// What to add to the linear address to get the host address.
    pub addend: u64,
}

/// How an [`Entry`] lies in memory.
type Row = [u64; 4];
const _: () = assert!(size_of::<Row>() == size_of::<Entry>());

impl From<Row> for Entry {
    #[inline]
    fn from([read, write, execute, addend]: Row) -> Self {
        Entry { read, write, execute, addend }
    }
}

impl From<Entry> for Row {
    #[inline]
    fn from(Entry { read, write, execute, addend }: Entry) -> Self {
        [read, write, execute, addend]
    }
}

/// All banks.
#[repr(C)]
pub struct Tlb {
    /// By [`Bank`].
    pub banks: [BankEntries; 3],
    /// Large pages of the current context.
    large: LargePages,
    /// Large pages that are global.
    large_globals: LargePages,
    /// Contexts that were left, the last one last.
    parked: Vec<Parked>,
    /// Empty; for exchanges.
    spare: Vec<Kept>,
}

/// Index of a linear address in a bank.
#[inline(always)]
pub const fn index(linear: u64) -> usize {
    (linear >> 12) as usize & (ENTRIES - 1)
}

/// A page and the host page that it is mapped to in one number, for those who remember where jumps lead: bits 26 to 53 of the
/// linear address, the others being told by the entry's place, or alike in canonical addresses; and the host's page number, whose
/// addresses have 48 bits.
#[inline(always)]
pub const fn fetch_tag(linear: u64, host: u64) -> u64 {
    (linear >> PLACED) << HOST_BITS | host >> 12
}

/// The bits of a linear address below this are told by its entry's place, and by its offset.
pub const PLACED: u32 = 12 + ENTRIES.trailing_zeros();
/// The bits of a host page's number in a [`fetch_tag`].
pub const HOST_BITS: u32 = 36;

/// The entries of the paging structures that a translation comes from, from the root on; behind the last one there is nothing.
pub type Path = [u64; 4];

/// Where nobody wants to know it.
pub const UNKNOWN: Path = [0; 4];

/// What is to be cached.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// The linear page.
    pub linear: u64,
    /// The guest-physical page.
    pub physical: u64,
    /// The host page's address.
    pub host: u64,
    /// The host page.
    pub page: Option<PageBytes>,
    /// Whether loads may use it.
    pub read: bool,
    /// Whether stores may use it in place.
    pub write: bool,
    /// Whether fetches may use it.
    pub execute: bool,
    /// Survives CR3 loads.
    pub global: bool,
    /// What the tables say: for [`Tlb::change`].
    pub path: Path,
}

impl Tlb {
    /// Everything empty.
    pub fn new() -> Self {
        Tlb {
            banks: [BankEntries::new(), BankEntries::new(), BankEntries::new()],
            large: LargePages::default(),
            large_globals: LargePages::default(),
            parked: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Caches a translation.
    pub fn fill(&mut self, bank: Bank, fill: Fill) {
        self.banks[bank as usize].fill(fill);
    }

    /// The guest-physical address of a linear one, if it is cached for loads.
    #[inline]
    pub fn read_physical(&self, bank: Bank, linear: u64) -> Option<u64> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        (bank.entry(i).read == linear & !0xfff).then(|| bank.physical(i) | linear & 0xfff)
    }

    /// The guest-physical address of a linear one, if it is cached for stores.
    #[inline]
    pub fn write_physical(&self, bank: Bank, linear: u64) -> Option<u64> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        (bank.entry(i).write == linear & !0xfff).then(|| bank.physical(i) | linear & 0xfff)
    }

    /// The host page of an access within one page, if it is cached for loads.
    #[inline]
    pub fn read_page(&self, bank: Bank, linear: u64, bytes: u64) -> Option<PageBytes> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        let last = linear.wrapping_add(bytes - 1);
        if bank.entry(i).read == last & !0xfff { bank.page(i) } else { None }
    }

    /// The host page of an access within one page, if it is cached for stores.
    #[inline]
    pub fn write_page(&self, bank: Bank, linear: u64, bytes: u64) -> Option<PageBytes> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        let last = linear.wrapping_add(bytes - 1);
        if bank.entry(i).write == last & !0xfff { bank.page(i) } else { None }
    }

    /// Notes that pieces of a large page may be cached.
    pub fn note_large(&mut self, linear: u64, bytes: u64, global: bool) {
        let large = if global { &mut self.large_globals } else { &mut self.large };
        large.note(linear, bytes);
    }

    /// Goes from one context to another (MOV to CR3 with CR4.PCIDE); what is known of the other is kept, or forgotten. They may be
    /// the same.
    pub fn switch(&mut self, from: u16, to: u16, keep: bool) {
        if from == to {
            if !keep {
                self.flush_local();
            }
            return;
        }
        let mut other = self.room_for(Context::Pcid(to));
        if !keep {
            other.flush_local();
        }
        self.exchange(Context::Pcid(from), other);
    }

    /// Goes from one address space without a PCID to another (MOV to CR3 without CR4.PCIDE), or to the same anew: of pages that are not global those
    /// are known that were when it was left, if `same` says of all its page's path that it is what the tables say now.
    pub fn change(&mut self, from: u64, to: u64, mut same: impl FnMut(u64, &Path) -> bool) {
        if from != to {
            let mut other = self.room_for(Context::Space(to));
            other.forget_at_times();
            self.exchange(Context::Space(from), other);
        }
        self.banks.iter_mut().for_each(|bank| bank.retain_locals(&mut same));
    }

    /// Parks what is current, and has something else in its place.
    fn exchange(&mut self, from: Context, mut other: Parked) {
        other.exchange(&mut self.banks, &mut self.large, &mut self.spare);
        other.of = Some(from);
        self.parked.push(other);
    }

    /// What is parked of a context; if nothing is, something empty.
    fn room_for(&mut self, context: Context) -> Parked {
        let find = |context| self.parked.iter().position(|p| p.of == context);
        if let Some(at) = find(Some(context)).or_else(|| find(None)) {
            return self.parked.remove(at);
        }
        if self.parked.len() < CONTEXTS {
            return Parked::new();
        }
        let mut oldest = self.parked.remove(0);
        oldest.drop_all();
        oldest
    }

    fn parked(&mut self, pcid: u16) -> Option<&mut Parked> {
        self.parked.iter_mut().find(|p| p.of == Some(Context::Pcid(pcid)))
    }

    /// Forgets everything, of all contexts.
    pub fn flush_all(&mut self) {
        self.large.clear();
        self.large_globals.clear();
        self.banks.iter_mut().for_each(BankEntries::flush_all);
        self.parked.iter_mut().for_each(Parked::drop_all);
    }

    /// Forgets everything of the current context but global pages.
    pub fn flush_local(&mut self) {
        self.large.clear();
        self.banks.iter_mut().for_each(BankEntries::flush_local);
    }

    /// Forgets everything but global pages, of all contexts.
    pub fn flush_local_of_all(&mut self) {
        self.flush_local();
        self.parked.iter_mut().for_each(Parked::flush_local);
    }

    /// Forgets everything but global pages of a context that is not the current one.
    pub fn flush_local_of(&mut self, pcid: u16) {
        if let Some(parked) = self.parked(pcid) {
            parked.flush_local();
        }
    }

    /// Forgets one page, small or large: the current context's, and what is global (INVLPG).
    pub fn flush_page(&mut self, linear: u64) {
        if self.large.are_too_many() || self.large_globals.are_too_many() {
            return self.flush_all();
        }
        let Tlb { banks, large, large_globals, parked, .. } = self;
        large.take(linear, |base, mask| banks.iter_mut().for_each(|bank| bank.forget_within(base, mask)));
        large_globals.take(linear, |base, mask| {
            banks.iter_mut().for_each(|bank| bank.forget_within(base, mask));
            parked.iter_mut().for_each(|parked| parked.flush_globals_within(base, mask));
        });
        banks.iter_mut().for_each(|bank| bank.forget(linear));
        parked.iter_mut().for_each(|parked| parked.flush_global_page(linear));
    }

    /// Forgets one page of a context that is not the current one.
    pub fn flush_page_of(&mut self, pcid: u16, linear: u64) {
        if let Some(parked) = self.parked(pcid) {
            parked.flush_page(linear);
        }
    }

    /// Forgets that pages may be written in place: somebody wants to hear of writes now.
    pub fn flush_writes(&mut self) {
        self.banks.iter_mut().for_each(|bank| bank.each(|i, entry| entry.close(i)));
        self.parked.iter_mut().for_each(Parked::flush_writes);
    }

    /// Forgets that this host page may be written in place.
    pub fn flush_writes_to(&mut self, host: u64) {
        self.banks.iter_mut().for_each(|bank| bank.each(|i, entry| entry.close_if_to(i, host)));
        self.parked.iter_mut().for_each(|parked| parked.flush_writes_to(host));
    }
}

impl Default for Tlb {
    fn default() -> Self {
        Self::new()
    }
}
