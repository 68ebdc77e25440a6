//! Where jumps lead that are not linked, by linear address: a direct-mapped cache. Compiled code looks into it too.
//!
//! An entry holds only while the TLB maps its page to the same host page, so no flush is needed when mappings change; dropped
//! traces empty it. Only in 64-bit and flat 32-bit mode is a target's RIP all there is to know: elsewhere limits and wrapping
//! have to be looked at, and nothing is cached. Both have their own part of the cache, so that a target that is no canonical address
//! is never found.

use crate::run::TracedOp;
use crate::{hint, hot};
use frontend_x86::cpu::{CodeSize, Mode};
use frontend_x86::tlb::{self, Entry};
use lyrebird_memory::{Zero, Zeroed};
use std::ptr::null;

/// How many sets there are for a mode: so many that the thousands of targets of a fork and an exec hardly ever want the same one. Only the
/// lines that are used weigh on the host.
pub const JUMPS: usize = 32768;
const _: () = assert!(2 * JUMPS <= 1 << 16, "places have 16 bits");

/// A linear address times this, wrapped, has its set in the bits from `SPREAD` on; the bit before them tells its place in the set.
pub const FACTOR: i32 = 0x61c8_8647;
/// See [`FACTOR`].
const SPREAD: u32 = 32;
/// For code that looks itself: the product shifted right by so many bits,
pub const PLACE_SHIFT: u32 = SPREAD - 1 - size_of::<Jump>().trailing_zeros();
/// and of that these bits, is how many bytes its place is behind the first one.
pub const PLACE_MASK: u64 = (2 * JUMPS as u64 - 1) * size_of::<Jump>() as u64;

/// One cached target.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Jump {
    /// The linear address.
    pub tag: u64,
    /// What the TLB's [`Entry::execute`] is as long as the page is mapped to the same host page.
    pub page: u64,
    /// The trace there; null if this is nothing.
    pub op: *const TracedOp,
    /// The code of the engine above for it: the immediate of its entry op. May lag behind it: what is found here works,
    /// slowly.
    pub code: u64,
}

/// Two places, which together fill a line of the host's cache. A target has one of them, where compiled code looks for it; while another
/// target that would have the same one is there, it is in the other.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Set(pub [Jump; 2]);

impl Jump {
    /// The host page that it leads to.
    fn host(&self) -> usize {
        ((self.page & ((1 << tlb::HOST_BITS) - 1)) << 12) as usize
    }
}

/// Traces that have been dropped.
pub struct Gone<'a> {
    /// All in these host pages.
    pub pages: &'a [usize],
    /// Those with these entries.
    pub traces: &'a [*const TracedOp],
}

impl Gone<'_> {
    fn has(&self, jump: &Jump) -> bool {
        self.pages.contains(&jump.host()) || self.traces.contains(&jump.op)
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

// All zero, so that what was never used takes no memory. The TLB entry of page zero never has this page.
const NO_JUMP: Jump = Jump { tag: 0, page: 0, op: null(), code: 0 };

/// In which part of the cache a mode's targets are. A 32-bit target in a flat segment is a linear address; so are 64-bit ones.
fn part(mode: Mode) -> Option<usize> {
    match mode {
        Mode { code: CodeSize::Bits64, .. } => Some(0),
        Mode { flat: true, real: false, .. } => Some(1),
        _ => None,
    }
}

/// The first set of a part.
fn first(part: &mut Zeroed<Set, JUMPS>) -> *mut Set {
    part.as_mut_ptr()
}

/// Whether targets are cached in a mode.
pub fn has(mode: Mode) -> bool {
    part(mode).is_some()
}

/// The cache. Compiled code finds its entries by the pointer that it begins with.
#[repr(C)]
pub struct JumpCache {
    /// The current mode's part.
    current: *mut Set,
    /// 64-bit mode's, flat 32-bit mode's, and one that stays empty, for all others.
    parts: [Zeroed<Set, JUMPS>; 3],
    /// The sets that something was put in, a bit for each: most never are, and who looks for something anywhere need not look there.
    used: Box<[[u64; JUMPS / 64]; 2]>,
}

// SAFETY: the pointers lead into traces of the vCPU that owns this, and to its own sets.
unsafe impl Send for JumpCache {}

// SAFETY: numbers and pointers.
unsafe impl Zero for Set {}

impl JumpCache {
    /// Nothing known.
    pub fn new() -> Self {
        let mut parts = std::array::from_fn(|_| Zeroed::new());
        JumpCache { current: first(&mut parts[2]), parts, used: Box::new([[0; JUMPS / 64]; 2]) }
    }

    /// A set, of all parts.
    fn set(&mut self, set: usize) -> &mut Set {
        &mut self.parts[set / JUMPS][set % JUMPS]
    }

    /// The mode has changed, perhaps.
    #[inline(always)]
    pub fn turn_to(&mut self, mode: Mode) {
        self.current = first(&mut self.parts[part(mode).unwrap_or(2)]);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for (part, used) in self.parts.iter_mut().zip(&mut *self.used) {
            if used.iter().any(|sets| *sets != 0) && self.current != first(part) {
                // A boot loader's mode, most likely, which nobody comes back to.
                *part = Zeroed::new();
                used.fill(0);
            }
        }
        self.all().for_each(|jump| *jump = NO_JUMP);
        self.used.iter_mut().for_each(|used| used.fill(0));
    }

    /// All places of sets that are used.
    fn all(&mut self) -> impl Iterator<Item = &mut Jump> {
        let parts = self.parts.iter_mut().zip(&*self.used);
        let sets = parts.flat_map(|(part, used)| part.chunks_mut(64).zip(used));
        let sets = sets.filter(|(_, used)| **used != 0).flat_map(|(sets, used)| {
            let sets = sets.iter_mut().enumerate();
            sets.filter(move |(n, _)| used >> n & 1 != 0)
        });
        sets.flat_map(|(_, set)| &mut set.0)
    }

    /// Forgets traces that have been dropped. They are at these places; if none are given, anywhere, and what code the engine above had
    /// for the others is forgotten, too.
    ///
    /// # Safety
    /// All other traces that have been inserted are still there.
    pub unsafe fn forget(&mut self, gone: &Gone<'_>, places: Option<&[u16]>) {
        let Some(places) = places else {
            // SAFETY: the caller's promise.
            return unsafe { self.forget_anywhere(gone) };
        };
        for place in places {
            let set = self.set(usize::from(*place));
            for jump in &mut set.0 {
                // Another target may have taken the place.
                if gone.has(jump) {
                    *jump = NO_JUMP;
                }
            }
        }
    }

    unsafe fn forget_anywhere(&mut self, gone: &Gone<'_>) {
        for jump in self.all().filter(|jump| !jump.op.is_null()) {
            if gone.has(jump) {
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

    /// The engine above has no code for these traces any more.
    pub fn forget_code_of(&mut self, mut ops: Vec<*mut TracedOp>, cold: u64) {
        if ops.is_empty() {
            return;
        }
        ops.sort_unstable();
        let compiled = self.all().filter(|jump| jump.code != cold && jump.code != 0);
        compiled.filter(|jump| ops.binary_search(&jump.op.cast_mut()).is_ok()).for_each(|jump| jump.code = cold);
    }

    /// Its set in a part, and its place there.
    #[inline(always)]
    fn index(linear: u64) -> (usize, usize) {
        let place = (linear.wrapping_mul(FACTOR as u64) >> (SPREAD - 1)) as usize;
        (place >> 1 & (JUMPS - 1), place & 1)
    }

    /// There will be a jump to a RIP: the host loads what is known of it meanwhile.
    #[inline(always)]
    pub fn expect(&self, rip: u64) {
        // SAFETY: a place of this cache, whatever is in it.
        hint::will_read(unsafe { (*self.place(rip)).op });
    }

    /// The place that it would have.
    #[inline(always)]
    fn place(&self, linear: u64) -> *mut Jump {
        let (set, place) = Self::index(linear);
        // SAFETY: the index is below the number of sets in a part, the place below that of a set's.
        unsafe { self.current.cast::<Jump>().add(2 * set + place) }
    }

    /// The op at an instruction pointer and the page's RIP; null if it is not known.
    ///
    /// # Safety
    /// `tlb` points to the entries of a whole bank.
    #[inline(always)]
    pub unsafe fn find(&self, tlb: *const Entry, rip: u64) -> (*const TracedOp, u64) {
        // Segments are flat wherever something is cached, so RIP is the linear address.
        // SAFETY: the caller's promise; the index is below the number of entries of a bank.
        let (jump, entry) = unsafe { (&*self.place(rip), &*tlb.add(tlb::index(rip))) };
        let known = jump.tag == rip && entry.execute == jump.page;
        (if known { jump.op } else { null() }, rip & !0xfff)
    }

    /// The same, where what is in its place is not it: if the set's other one is, they change places.
    ///
    /// # Safety
    /// As for [`JumpCache::find`].
    #[inline(always)]
    pub unsafe fn find_second(&mut self, tlb: *const Entry, rip: u64) -> (*const TracedOp, u64) {
        let (set, place) = Self::index(rip);
        // SAFETY: sets of this cache, borrowed as it is.
        let Set(jumps) = unsafe { &mut *self.current.add(set) };
        if jumps[place ^ 1].tag == rip {
            jumps.swap(0, 1);
        }
        // SAFETY: the caller's promise.
        unsafe { self.find(tlb, rip) }
    }

    /// Remembers one, if this mode's are, and gives its set, unless another target in the page had its place; `page` is the host's, `code` for
    /// the engine above.
    pub fn insert(&mut self, mode: Mode, linear: u64, page: u64, op: *const TracedOp, code: u64) -> Option<u16> {
        let part = part(mode).filter(|_| page >> 48 == 0)?;
        let (set, place) = Self::index(linear);
        self.used[part][set / 64] |= 1 << (set % 64);
        let set = part * JUMPS + set;
        let Set(jumps) = self.set(set);
        let old =
            std::mem::replace(&mut jumps[place], Jump { tag: linear, page: tlb::fetch_tag(linear, page), op, code });
        if old.tag != linear && !old.op.is_null() {
            jumps[place ^ 1] = old;
        }
        (old.op.is_null() || old.host() != page as usize).then_some(set as u16)
    }

    /// The engine above has other code for the trace now, of which one address is this.
    #[inline]
    pub fn renew(&mut self, linear: u64, op: *const TracedOp, code: u64) {
        // SAFETY: a place of this cache, borrowed as it is.
        let jump = unsafe { &mut *self.place(linear) };
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
    use frontend_x86::op::Width;
    use frontend_x86::tlb::{Bank, Fill, Tlb, UNKNOWN};

    const MODE: Mode = Mode { code: CodeSize::Bits64, stack: Width::Q, flat: false, real: false };

    /// Pages at these addresses, each at itself plus 16 MiB.
    fn mapped(pages: &[u64]) -> Tlb {
        let mut tlb = Tlb::new();
        for page in pages {
            let host = page + (16 << 20);
            let (read, write, execute, global, path) = (true, true, true, true, UNKNOWN);
            tlb.fill(
                Bank::User,
                Fill { linear: *page, physical: *page, host, page: None, read, write, execute, global, path },
            );
        }
        tlb
    }

    /// Three addresses whose place is the same, and whose pages have different entries in the TLB.
    fn together() -> [u64; 3] {
        let first = 0x1000;
        let mut others = (2..).map(|n| n << 12 | 0x80).filter(|x| JumpCache::index(*x) == JumpCache::index(first));
        [first, others.next().unwrap(), others.next().unwrap()]
    }

    #[test]
    fn two_targets_share_a_place() {
        let [a, b, c] = together();
        let mut tlb = mapped(&[a, b, c].map(|x| x & !0xfff));
        let bank = tlb.banks[Bank::User as usize].as_mut_ptr();
        let mut cache = JumpCache::new();
        cache.turn_to(MODE);
        let op = |n: usize| std::ptr::without_provenance::<TracedOp>(64 * n);
        let host = |x: u64| (x & !0xfff) + (16 << 20);
        let insert = |cache: &mut JumpCache, x, n| cache.insert(MODE, x, host(x), op(n), 7);
        assert!(insert(&mut cache, a, 1).is_some() && insert(&mut cache, b, 2).is_some());
        // SAFETY: the entries are a whole bank's.
        let find = |cache: &JumpCache, x| unsafe { cache.find(bank, x).0 };
        // SAFETY: as above.
        let find_second = |cache: &mut JumpCache, x| unsafe { cache.find_second(bank, x) };
        assert_eq!((find(&cache, a), find(&cache, b)), (null(), op(2)));
        assert_eq!(find_second(&mut cache, a), (op(1), a & !0xfff));
        assert_eq!((find(&cache, a), find(&cache, b)), (op(1), null()));
        assert_eq!(find_second(&mut cache, b).0, op(2));
        // A third drives the one away that was used less lately.
        insert(&mut cache, c, 3);
        assert_eq!((find_second(&mut cache, a).0, find(&cache, c)), (null(), op(3)));
        cache.forget_code_of(vec![op(2).cast_mut()], 9);
        let (set, place) = JumpCache::index(b);
        assert_eq!(cache.set(set).0[place ^ 1].code, 9);
        // SAFETY: no op is looked at.
        unsafe { cache.forget(&Gone { pages: &[host(b) as usize], traces: &[] }, Some(&[set as u16])) };
        assert_eq!((find_second(&mut cache, b).0, find(&cache, c)), (null(), op(3)));
        // The same address elsewhere takes its own place.
        insert(&mut cache, c, 4);
        let second = cache.set(set).0[place ^ 1].op;
        assert_eq!((find(&cache, c), second), (op(4), null()));
        cache.clear();
        assert!(find(&cache, c).is_null());
    }

    #[test]
    fn modes_do_not_find_each_others_targets() {
        let mut tlb = mapped(&[0x1000]);
        let bank = tlb.banks[Bank::User as usize].as_mut_ptr();
        let flat = Mode { code: CodeSize::Bits32, stack: Width::D, flat: true, real: false };
        let real = Mode { code: CodeSize::Bits16, stack: Width::W, flat: false, real: true };
        let op = |n: usize| std::ptr::without_provenance::<TracedOp>(64 * n);
        let mut cache = JumpCache::new();
        for (n, mode) in [MODE, flat, real].into_iter().enumerate() {
            cache.turn_to(mode);
            // SAFETY: the entries are a whole bank's.
            let find = |cache: &JumpCache, x| unsafe { cache.find(bank, x).0 };
            assert!(find(&cache, 0x1010).is_null());
            let known = cache.insert(mode, 0x1010, 0x1000 + (16 << 20), op(n + 1), 7).is_some();
            assert_eq!((known, find(&cache, 0x1010)), if n < 2 { (true, op(n + 1)) } else { (false, null()) });
            // What differs in bits that the page's tag does not have.
            assert!([1 << 54, 1 << 48, 1 << 40].iter().all(|bit| find(&cache, 0x1010 ^ bit).is_null()));
        }
    }
}
