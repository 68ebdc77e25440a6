//! The translation look-aside buffer: linear pages to host memory, direct-mapped, in one bank for each way in which
//! rights depend on the mode. Engines look it up in place.
//!
//! A tag is the linear page address. An access of `n` bytes at `a` compares with the page of `a + n - 1`, so that an access
//! across pages never matches. A flush goes through the entries that have been filled; they are few when flushes are
//! frequent.

use lyrebird_memory::PageBytes;
use std::collections::HashSet;

/// Entries in each bank: so many that the sixty or so pages that a system call touches hardly ever want the same one. Only the lines that
/// are used weigh on the host.
pub const ENTRIES: usize = 16384;
const NO_TAG: u64 = u64::MAX;
/// So many large pages are remembered one by one.
const LARGE_PAGES: usize = 4096;
/// Sizes of large pages: PAE and long mode, 32-bit paging, long mode.
const LARGE_SIZES: [u64; 3] = [1 << 21, 1 << 22, 1 << 30];

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

/// One cached translation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    /// Tag for loads.
    pub read: u64,
    /// Tag for stores in place: the page is RAM, dirty already, and nobody wants to hear of writes.
    pub write: u64,
    /// Tag for instruction fetches.
    pub execute: u64,
    /// What to add to the linear address to get the host address.
    pub addend: u64,
}

const EMPTY: Entry = Entry { read: NO_TAG, write: NO_TAG, execute: NO_TAG, addend: 0 };

/// One bank.
#[repr(C)]
pub struct BankEntries {
    /// The entries, by the low bits of the page number.
    pub entries: Box<[Entry; ENTRIES]>,
    /// The guest-physical page of each entry.
    pub physical: Box<[u64; ENTRIES]>,
    /// The host page of each entry, for code that may not follow addresses.
    pages: Box<[Option<PageBytes>; ENTRIES]>,
    /// What each entry was filled with since it was last flushed.
    holds: Box<[Holds; ENTRIES]>,
    /// The entries that hold anything.
    filled: Vec<u16>,
}

/// What an entry holds, or has held: it may have been forgotten by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Nothing,
    /// A page that a CR3 load forgets.
    Local,
    /// One that it does not.
    Global,
}

/// All banks.
#[repr(C)]
pub struct Tlb {
    /// By [`Bank`].
    pub banks: [BankEntries; 3],
    /// Large pages, base and mask, of which pieces may be cached: INVLPG anywhere in a large page must forget all of its
    /// pieces.
    large: HashSet<(u64, u64)>,
    /// There were more.
    too_large: bool,
}

/// One for each entry, without a copy on the stack.
fn filled<T: Clone>(with: T) -> Box<[T; ENTRIES]> {
    match vec![with; ENTRIES].into_boxed_slice().try_into() {
        Ok(all) => all,
        Err(_) => unreachable!("it has so many"),
    }
}

/// Index of a linear address in a bank.
#[inline(always)]
pub const fn index(linear: u64) -> usize {
    (linear >> 12) as usize & (ENTRIES - 1)
}

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
}

impl Tlb {
    /// Everything empty.
    pub fn new() -> Self {
        let bank = || BankEntries {
            entries: filled(EMPTY),
            physical: filled(0),
            pages: filled(None),
            holds: filled(Holds::Nothing),
            filled: Vec::new(),
        };
        Tlb { banks: [bank(), bank(), bank()], large: HashSet::new(), too_large: false }
    }

    /// Caches a translation.
    pub fn fill(&mut self, bank: Bank, fill: Fill) {
        let bank = &mut self.banks[bank as usize];
        let (i, page) = (index(fill.linear), fill.linear & !0xfff);
        let tag = |on: bool| if on { page } else { NO_TAG };
        bank.entries[i] = Entry {
            read: tag(fill.read),
            write: tag(fill.write),
            execute: tag(fill.execute),
            addend: fill.host.wrapping_sub(page),
        };
        bank.physical[i] = fill.physical & !0xfff;
        bank.pages[i] = fill.page;
        if bank.holds[i] == Holds::Nothing {
            bank.filled.push(i as u16);
        }
        bank.holds[i] = if fill.global { Holds::Global } else { Holds::Local };
    }

    /// The guest-physical address of a linear one, if it is cached for loads.
    #[inline]
    pub fn read_physical(&self, bank: Bank, linear: u64) -> Option<u64> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        (bank.entries[i].read == linear & !0xfff).then(|| bank.physical[i] | linear & 0xfff)
    }

    /// The guest-physical address of a linear one, if it is cached for stores.
    #[inline]
    pub fn write_physical(&self, bank: Bank, linear: u64) -> Option<u64> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        (bank.entries[i].write == linear & !0xfff).then(|| bank.physical[i] | linear & 0xfff)
    }

    /// The host page of an access within one page, if it is cached for loads.
    #[inline]
    pub fn read_page(&self, bank: Bank, linear: u64, bytes: u64) -> Option<PageBytes> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        let last = linear.wrapping_add(bytes - 1);
        if bank.entries[i].read == last & !0xfff { bank.pages[i] } else { None }
    }

    /// The host page of an access within one page, if it is cached for stores.
    #[inline]
    pub fn write_page(&self, bank: Bank, linear: u64, bytes: u64) -> Option<PageBytes> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        let last = linear.wrapping_add(bytes - 1);
        if bank.entries[i].write == last & !0xfff { bank.pages[i] } else { None }
    }

    /// Notes that pieces of a large page may be cached.
    pub fn note_large(&mut self, linear: u64, bytes: u64) {
        let mask = !(bytes - 1);
        let page = (linear & mask, mask);
        if !self.too_large && self.large.insert(page) {
            self.too_large = self.large.len() > LARGE_PAGES;
        }
    }

    /// Forgets everything.
    pub fn flush_all(&mut self) {
        self.large.clear();
        self.too_large = false;
        self.banks.iter_mut().for_each(|bank| bank.flush(false));
    }

    /// Forgets everything but global pages (MOV to CR3).
    pub fn flush_local(&mut self) {
        self.banks.iter_mut().for_each(|bank| bank.flush(true));
    }

    /// Forgets one page, small or large (INVLPG).
    pub fn flush_page(&mut self, linear: u64) {
        if self.too_large {
            return self.flush_all();
        }
        for mask in LARGE_SIZES.map(|bytes| !(bytes - 1)) {
            if !self.large.is_empty() && self.large.remove(&(linear & mask, mask)) {
                self.banks.iter_mut().for_each(|bank| bank.forget_within(linear & mask, mask));
            }
        }
        self.banks.iter_mut().for_each(|bank| bank.forget(linear));
    }

    /// Forgets that pages may be written in place: somebody wants to hear of writes now.
    pub fn flush_writes(&mut self) {
        for bank in &mut self.banks {
            for i in &bank.filled {
                bank.entries[usize::from(*i)].write = NO_TAG;
            }
        }
    }

    /// Forgets that this host page may be written in place.
    pub fn flush_writes_to(&mut self, host: u64) {
        for bank in &mut self.banks {
            for i in &bank.filled {
                let entry = &mut bank.entries[usize::from(*i)];
                if entry.write != NO_TAG && (entry.write & !0xfff).wrapping_add(entry.addend) == host {
                    entry.write = NO_TAG;
                }
            }
        }
    }
}

impl Default for Tlb {
    fn default() -> Self {
        Self::new()
    }
}

impl BankEntries {
    /// Forgets all pages, or all that are not global.
    fn flush(&mut self, keep_global: bool) {
        let (entries, holds) = (&mut self.entries, &mut self.holds);
        self.filled.retain(|i| {
            let i = usize::from(*i);
            let keep = keep_global && holds[i] == Holds::Global;
            if !keep {
                entries[i] = EMPTY;
                holds[i] = Holds::Nothing;
            }
            keep
        });
    }

    /// Forgets the pieces of a large page.
    fn forget_within(&mut self, base: u64, mask: u64) {
        for i in &self.filled {
            let entry = &mut self.entries[usize::from(*i)];
            if [entry.read, entry.write, entry.execute].iter().any(|tag| *tag != NO_TAG && tag & mask == base) {
                *entry = EMPTY;
            }
        }
    }

    fn forget(&mut self, linear: u64) {
        self.entries[index(linear)] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(linear: u64, global: bool) -> Fill {
        Fill {
            linear,
            physical: linear + 0x10_0000,
            host: 0x7000_0000,
            page: None,
            read: true,
            write: true,
            execute: false,
            global,
        }
    }

    #[test]
    fn a_large_page_is_forgotten_whole() {
        let mut tlb = Tlb::new();
        tlb.fill(Bank::Supervisor, fill(0x40_3000, false));
        tlb.fill(Bank::Supervisor, fill(0x1000, false));
        tlb.fill(Bank::User, fill(0x5f_e000, false));
        tlb.fill(Bank::User, fill(0x60_0000, false));
        tlb.note_large(0x40_3000, 0x20_0000);
        tlb.flush_page(0x2000);
        assert!(tlb.read_physical(Bank::Supervisor, 0x40_3000).is_some());
        tlb.flush_page(0x5f_f000);
        assert!(tlb.read_physical(Bank::Supervisor, 0x40_3000).is_none());
        assert!(tlb.read_physical(Bank::User, 0x5f_e000).is_none());
        assert!(tlb.read_physical(Bank::Supervisor, 0x1000).is_some());
        assert!(tlb.read_physical(Bank::User, 0x60_0000).is_some());
    }

    #[test]
    fn flushes_forget_what_they_say() {
        let mut tlb = Tlb::new();
        let cached = |tlb: &Tlb, linear| tlb.read_physical(Bank::Supervisor, linear).is_some();
        tlb.fill(Bank::Supervisor, fill(0x1000, false));
        tlb.fill(Bank::Supervisor, fill(0x2000, true));
        assert_eq!(tlb.read_physical(Bank::Supervisor, 0x1234), Some(0x10_1234));
        assert!(tlb.read_physical(Bank::User, 0x1234).is_none());
        tlb.flush_local();
        assert!(!cached(&tlb, 0x1000) && cached(&tlb, 0x2000));
        tlb.flush_page(0x2fff);
        assert!(!cached(&tlb, 0x2000));
        for _ in 0..100 {
            tlb.fill(Bank::Supervisor, fill(0x3000, true));
            tlb.flush_all();
            assert!(!cached(&tlb, 0x3000));
        }
        for page in 0..100 {
            tlb.fill(Bank::Supervisor, fill(page << 12, page % 3 == 0));
        }
        // One entry, forgotten and filled again, and one that a global page gives up.
        tlb.flush_page(0x4000);
        tlb.fill(Bank::Supervisor, fill(0x4000, false));
        tlb.fill(Bank::Supervisor, fill(0x6000 + ((ENTRIES as u64) << 12), false));
        tlb.flush_local();
        assert!((0..100).all(|page| cached(&tlb, page << 12) == (page % 3 == 0 && page != 6)));
        assert!(!cached(&tlb, 0x6000 + ((ENTRIES as u64) << 12)));
    }

    #[test]
    fn too_many_large_pages_are_forgotten_with_all() {
        let mut tlb = Tlb::new();
        for n in 0..5000 {
            tlb.note_large(n << 21, 0x20_0000);
        }
        tlb.fill(Bank::User, fill(0x7fff_0000_0000, false));
        tlb.flush_page(0x1000_0000_0000);
        assert!(tlb.read_physical(Bank::User, 0x7fff_0000_0000).is_none());
    }
}
