//! Where jumps lead that are not linked, by linear address: a direct-mapped cache. Compiled code looks into it too.
//!
//! An entry holds only while the TLB maps its page to the same host page, so no flush is needed when mappings change; dropped
//! traces empty it. Only in 64-bit and flat 32-bit mode is a target's RIP all there is to know: elsewhere limits and wrapping
//! have to be looked at, and nothing is cached.

use crate::hot;
use crate::run::TracedOp;
use frontend_x86::cpu::{CodeSize, Mode};
use frontend_x86::tlb::{self, Entry};
use std::ptr::null;

/// How many sets there are: so many that the thousands of targets of a fork and an exec hardly ever want the same one. Only the lines that
/// are used weigh on the host.
pub const JUMPS: usize = 32768;
const _: () = assert!(JUMPS <= 1 << 16, "places have 16 bits");

/// What no linear address has: see [`mark`].
pub const NEVER: u64 = 0x80 << 48;

/// One cached target.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Jump {
    /// The linear address, with the mode's [`mark`] in its upper bits.
    pub tag: u64,
    /// The TLB's addend for its page.
    pub addend: u64,
    /// The trace there.
    pub op: *const TracedOp,
    /// The code of the engine above for it: the immediate of its entry op. May lag behind it: what is found here works,
    /// slowly.
    pub code: u64,
}

/// The targets that share an index; together they fill a line of the host's cache. Compiled code looks at the first one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Set {
    /// The one that was used last, as far as is known.
    pub first: Jump,
    /// The one that had to give way.
    second: Jump,
}

impl Jump {
    /// The host page that it leads to.
    fn page(&self) -> usize {
        // Upper bits do not matter: they are the same in both.
        let linear = (self.tag as i64) << 16 >> 16;
        (linear as u64 & !0xfff).wrapping_add(self.addend) as usize
    }
}

/// More places of a page are not remembered one by one.
const PLACES: usize = 128;

/// Where the cache leads to traces of one page.
#[derive(Default)]
pub struct PageJumps(Vec<u16>);

impl PageJumps {
    /// There, too.
    pub fn note(&mut self, place: u16) {
        if self.0.len() <= PLACES && !self.0.contains(&place) {
            self.0.push(place);
        }
    }

    /// All places; `None` if they are too many.
    pub fn places(&self) -> Option<&[u16]> {
        (self.0.len() <= PLACES).then_some(&self.0)
    }
}

const NO_JUMP: Jump = Jump { tag: NEVER, addend: 0, op: null(), code: 0 };
const NO_SET: Set = Set { first: NO_JUMP, second: NO_JUMP };

/// What is exclusive-ored to linear addresses: the bits of a canonical address above bit 47 are all alike, so one of 64
/// modes can be told there.
pub fn mark(mode: Mode) -> u64 {
    if mode.flat || mode.code == CodeSize::Bits64 { u64::from(mode.key() & 0x3f) << 48 } else { NEVER }
}

/// The cache. Compiled code finds its entries by the pointer that it begins with.
#[repr(C)]
pub struct JumpCache {
    sets: Box<[Set; JUMPS]>,
}

// SAFETY: the pointers lead into traces of the vCPU that owns this.
unsafe impl Send for JumpCache {}

impl JumpCache {
    /// Nothing known.
    pub fn new() -> Self {
        match vec![NO_SET; JUMPS].into_boxed_slice().try_into() {
            Ok(sets) => JumpCache { sets },
            Err(_) => unreachable!("it has so many"),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.sets.fill(NO_SET);
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Jump> {
        self.sets.iter_mut().flat_map(|set| [&mut set.first, &mut set.second])
    }

    /// Forgets the targets in these host pages, whose traces have been dropped. They are at these places; if none are given,
    /// anywhere, and what code the engine above had for the others is forgotten, too.
    ///
    /// # Safety
    /// All other traces that have been inserted are still there.
    pub unsafe fn forget(&mut self, pages: &[usize], places: Option<&[u16]>) {
        let Some(places) = places else {
            // SAFETY: the caller's promise.
            return unsafe { self.forget_all_of(pages) };
        };
        for place in places {
            let set = &mut self.sets[usize::from(*place) & (JUMPS - 1)];
            for jump in [&mut set.first, &mut set.second] {
                // Another page's target may have taken the place.
                if pages.contains(&jump.page()) {
                    *jump = NO_JUMP;
                }
            }
        }
    }

    unsafe fn forget_all_of(&mut self, pages: &[usize]) {
        for jump in self.all().filter(|jump| !jump.op.is_null()) {
            if pages.contains(&jump.page()) {
                *jump = NO_JUMP;
            } else {
                // SAFETY: the caller's promise.
                jump.code = unsafe { hot::code(jump.op) };
            }
        }
    }

    /// The engine above has dropped the code at these addresses: `cold` is its code for traces that have none.
    pub fn forget_code(&mut self, gone: std::ops::Range<u64>, cold: u64) {
        self.all().filter(|jump| gone.contains(&jump.code)).for_each(|jump| jump.code = cold);
    }

    /// The engine above has no code for this trace any more.
    pub fn forget_code_of(&mut self, op: *const TracedOp, cold: u64) {
        self.all().filter(|jump| jump.op == op).for_each(|jump| jump.code = cold);
    }

    #[inline(always)]
    fn index(linear: u64) -> usize {
        (linear ^ linear >> 12) as usize & (JUMPS - 1)
    }

    /// The op at an instruction pointer and the page's RIP; null if it is not known.
    ///
    /// # Safety
    /// `tlb` points to the entries of a whole bank.
    #[inline(always)]
    pub unsafe fn find(&self, mark: u64, tlb: *const Entry, rip: u64) -> (*const TracedOp, u64) {
        // Segments are flat wherever something is cached, so RIP is the linear address.
        let jump = &self.sets[Self::index(rip)].first;
        let page = rip & !0xfff;
        // SAFETY: the caller's promise; the index is below the number of entries of a bank.
        let entry = unsafe { &*tlb.add(tlb::index(rip)) };
        let known = jump.tag == rip ^ mark && entry.execute == page && entry.addend == jump.addend;
        (if known { jump.op } else { null() }, page)
    }

    /// The same, where the first of the set is not it: the second becomes the first, if it is.
    ///
    /// # Safety
    /// As for [`JumpCache::find`].
    #[inline(always)]
    pub unsafe fn find_second(&mut self, mark: u64, tlb: *const Entry, rip: u64) -> (*const TracedOp, u64) {
        let set = &mut self.sets[Self::index(rip)];
        if set.second.tag == rip ^ mark {
            std::mem::swap(&mut set.first, &mut set.second);
        }
        // SAFETY: the caller's promise.
        unsafe { self.find(mark, tlb, rip) }
    }

    /// Remembers one, if this mode's are, and gives its place, unless another target in the page had it; `code` is for the engine
    /// above.
    pub fn insert(&mut self, mark: u64, linear: u64, page: u64, op: *const TracedOp, code: u64) -> Option<u16> {
        if mark == NEVER {
            return None;
        }
        let place = Self::index(linear);
        let addend = page.wrapping_sub(linear & !0xfff);
        let set = &mut self.sets[place];
        let old = std::mem::replace(&mut set.first, Jump { tag: linear ^ mark, addend, op, code });
        if old.tag != set.first.tag && !old.op.is_null() {
            set.second = old;
        }
        (old.op.is_null() || old.page() != page as usize).then_some(place as u16)
    }

    /// The engine above has other code for the trace now, of which one address is this.
    #[inline]
    pub fn renew(&mut self, linear: u64, op: *const TracedOp, code: u64) {
        let jump = &mut self.sets[Self::index(linear)].first;
        if jump.op == op {
            jump.code = code;
        }
    }
}

impl Default for JumpCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontend_x86::tlb::{Bank, Fill, Tlb};

    const MARK: u64 = 5 << 48;

    /// Pages at these addresses, each at itself plus 16 MiB.
    fn mapped(pages: &[u64]) -> Tlb {
        let mut tlb = Tlb::new();
        for page in pages {
            let host = page + (16 << 20);
            let (read, write, execute, global) = (true, true, true, true);
            tlb.fill(
                Bank::User,
                Fill { linear: *page, physical: *page, host, page: None, read, write, execute, global },
            );
        }
        tlb
    }

    #[test]
    fn two_targets_share_a_place() {
        // Addresses whose index is the same, and whose pages have different entries in the TLB.
        let (a, b, c) = (0x1000, 0x1_0000 * 8 + 0x1080, 0x1_0000 * 16 + 0x1100);
        assert!([b, c].iter().all(|x| JumpCache::index(*x) == JumpCache::index(a)));
        let tlb = mapped(&[a, b, c].map(|x| x & !0xfff));
        let bank = tlb.banks[Bank::User as usize].entries.as_ptr();
        let mut cache = JumpCache::new();
        let op = |n: usize| std::ptr::without_provenance::<TracedOp>(64 * n);
        let host = |x: u64| (x & !0xfff) + (16 << 20);
        let insert = |cache: &mut JumpCache, x, n| cache.insert(MARK, x, host(x), op(n), 7);
        assert!(insert(&mut cache, a, 1).is_some() && insert(&mut cache, b, 2).is_some());
        // SAFETY: the entries are a whole bank's.
        let find = |cache: &JumpCache, x| unsafe { cache.find(MARK, bank, x).0 };
        // SAFETY: as above.
        let find_second = |cache: &mut JumpCache, x| unsafe { cache.find_second(MARK, bank, x) };
        assert_eq!((find(&cache, a), find(&cache, b)), (null(), op(2)));
        assert_eq!(find_second(&mut cache, a), (op(1), a & !0xfff));
        assert_eq!((find(&cache, a), find(&cache, b)), (op(1), null()));
        assert_eq!(find_second(&mut cache, b).0, op(2));
        // A third drives the one away that was used less lately.
        insert(&mut cache, c, 3);
        assert_eq!((find_second(&mut cache, a).0, find(&cache, c)), (null(), op(3)));
        cache.forget_code_of(op(2), 9);
        assert_eq!(cache.sets[JumpCache::index(b)].second.code, 9);
        // SAFETY: no op is looked at.
        unsafe { cache.forget(&[host(b) as usize], Some(&[JumpCache::index(b) as u16])) };
        assert_eq!((find_second(&mut cache, b).0, find(&cache, c)), (null(), op(3)));
        // The same address elsewhere takes its own place.
        insert(&mut cache, c, 4);
        assert_eq!((find(&cache, c), cache.sets[JumpCache::index(c)].second.op), (op(4), null()));
        cache.clear();
        assert!(find(&cache, c).is_null());
    }
}
