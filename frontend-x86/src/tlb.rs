//! The translation look-aside buffer: linear pages to host memory, direct-mapped, in one bank for each way in which
//! rights depend on the mode. Engines look it up in place.
//!
//! A tag is the linear page address with the bank's generation in its low 12 bits, so a bank is flushed by counting.
//! An access of `n` bytes at `a` compares with the page of `a + n - 1`, so that an access across pages never matches.

use lyrebird_memory::PageBytes;

/// Entries in each bank.
pub const ENTRIES: usize = 1024;
const NO_TAG: u64 = u64::MAX;
const GENERATIONS: u64 = 0xffe;

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
    /// 0 to FFDh; part of every valid tag.
    pub generation: u64,
    /// The entries, by the low bits of the page number.
    pub entries: Box<[Entry; ENTRIES]>,
    /// The guest-physical page of each entry.
    pub physical: Box<[u64; ENTRIES]>,
    /// The host page of each entry, for code that may not follow addresses.
    pages: Box<[Option<PageBytes>; ENTRIES]>,
    /// Linear pages that are not global, for a flush that keeps the global ones; `None` when there are too many.
    local: Option<Vec<u64>>,
}

/// All banks.
#[repr(C)]
pub struct Tlb {
    /// By [`Bank`].
    pub banks: [BankEntries; 3],
    /// For each half of the address space a power-of-two range, base and mask, that holds all large pages of which
    /// pieces may be cached: INVLPG anywhere in a large page must forget all of its pieces.
    large: [Option<(u64, u64)>; 2],
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
            generation: 0,
            entries: Box::new([EMPTY; ENTRIES]),
            physical: Box::new([0; ENTRIES]),
            pages: Box::new([None; ENTRIES]),
            local: Some(Vec::new()),
        };
        Tlb { banks: [bank(), bank(), bank()], large: [None; 2] }
    }

    /// Caches a translation.
    pub fn fill(&mut self, bank: Bank, fill: Fill) {
        let bank = &mut self.banks[bank as usize];
        let (i, page) = (index(fill.linear), fill.linear & !0xfff);
        let tag = |on: bool| if on { page | bank.generation } else { NO_TAG };
        bank.entries[i] = Entry {
            read: tag(fill.read),
            write: tag(fill.write),
            execute: tag(fill.execute),
            addend: fill.host.wrapping_sub(page),
        };
        bank.physical[i] = fill.physical & !0xfff;
        bank.pages[i] = fill.page;
        if !fill.global {
            match &mut bank.local {
                Some(local) if local.len() < 64 => local.push(page),
                local => *local = None,
            }
        }
    }

    /// The guest-physical address of a linear one, if it is cached for loads.
    #[inline]
    pub fn read_physical(&self, bank: Bank, linear: u64) -> Option<u64> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        (bank.entries[i].read == linear & !0xfff | bank.generation).then(|| bank.physical[i] | linear & 0xfff)
    }

    /// The guest-physical address of a linear one, if it is cached for stores.
    #[inline]
    pub fn write_physical(&self, bank: Bank, linear: u64) -> Option<u64> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        (bank.entries[i].write == linear & !0xfff | bank.generation).then(|| bank.physical[i] | linear & 0xfff)
    }

    /// The host page of an access within one page, if it is cached for loads.
    #[inline]
    pub fn read_page(&self, bank: Bank, linear: u64, bytes: u64) -> Option<PageBytes> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        let last = linear.wrapping_add(bytes - 1);
        if bank.entries[i].read == last & !0xfff | bank.generation { bank.pages[i] } else { None }
    }

    /// The host page of an access within one page, if it is cached for stores.
    #[inline]
    pub fn write_page(&self, bank: Bank, linear: u64, bytes: u64) -> Option<PageBytes> {
        let bank = &self.banks[bank as usize];
        let i = index(linear);
        let last = linear.wrapping_add(bytes - 1);
        if bank.entries[i].write == last & !0xfff | bank.generation { bank.pages[i] } else { None }
    }

    /// Notes that pieces of a large page may be cached.
    pub fn note_large(&mut self, linear: u64, bytes: u64) {
        let mut mask = !(bytes - 1);
        let range = &mut self.large[(linear >> 63) as usize];
        if let Some((base, old)) = *range {
            mask &= old;
            while (base ^ linear) & mask != 0 {
                mask <<= 1;
            }
        }
        *range = Some((linear & mask, mask));
    }

    /// Forgets everything.
    pub fn flush_all(&mut self) {
        self.large = [None; 2];
        self.banks.iter_mut().for_each(BankEntries::flush);
    }

    /// Forgets everything but global pages (MOV to CR3).
    pub fn flush_local(&mut self) {
        for bank in &mut self.banks {
            match bank.local.take() {
                None => bank.flush(),
                Some(mut local) => {
                    for page in local.drain(..) {
                        bank.forget(page);
                    }
                    bank.local = Some(local);
                }
            }
        }
    }

    /// Forgets one page, small or large (INVLPG).
    pub fn flush_page(&mut self, linear: u64) {
        if let Some((base, mask)) = self.large[(linear >> 63) as usize]
            && linear & mask == base
        {
            return self.flush_all();
        }
        self.banks.iter_mut().for_each(|bank| bank.forget(linear));
    }

    /// Forgets that pages may be written in place: somebody wants to hear of writes now.
    pub fn flush_writes(&mut self) {
        for bank in &mut self.banks {
            bank.entries.iter_mut().for_each(|entry| entry.write = NO_TAG);
        }
    }

    /// Forgets that this host page may be written in place.
    pub fn flush_writes_to(&mut self, host: u64) {
        for bank in &mut self.banks {
            for entry in bank.entries.iter_mut() {
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
    fn flush(&mut self) {
        if self.generation == GENERATIONS {
            self.entries.fill(EMPTY);
            self.generation = 0;
        } else {
            self.generation += 1;
        }
        self.local = Some(Vec::new());
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
        tlb.note_large(0x40_3000, 0x20_0000);
        tlb.flush_page(0x2000);
        assert!(tlb.read_physical(Bank::Supervisor, 0x40_3000).is_some());
        tlb.flush_page(0x5f_f000);
        assert!(tlb.read_physical(Bank::Supervisor, 0x40_3000).is_none());
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
        for _ in 0..10_000 {
            tlb.fill(Bank::Supervisor, fill(0x3000, true));
            tlb.flush_all();
            assert!(!cached(&tlb, 0x3000));
        }
        for page in 0..100 {
            tlb.fill(Bank::Supervisor, fill(page << 12, false));
        }
        tlb.flush_local();
        assert!((0..100).all(|page| !cached(&tlb, page << 12)));
    }
}
