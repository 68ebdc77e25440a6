//! A block: one host mapping that holds RAM or ROM, with a watch byte and a code mask for each page.

use crate::{MemoryError, PAGE_SIZE, order};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64};

/// Names a block of one [`crate::GuestMemory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockId(pub(crate) usize);

/// Host memory that stands behind guest RAM or ROM.
pub struct Block {
    name: String,
    base: NonNull<u8>,
    len: usize,
    /// For each page, who wants to hear of the next write: see [`crate::watch`].
    pub(crate) watch: Box<[AtomicU8]>,
    /// For each page, which of its 64 stretches of 64 bytes hold decoded or translated code.
    pub(crate) code: Box<[AtomicU64]>,
}

// SAFETY: the mapping lives as long as the block and is only reached through raw pointers and atomics; the block owns
// no thread-bound state.
unsafe impl Send for Block {}
// SAFETY: as above; guest memory is shared between CPUs and devices by design, and races in it are the guest's own.
unsafe impl Sync for Block {}

impl Block {
    pub(crate) fn new(name: &str, bytes: u64) -> Result<Self, MemoryError> {
        let bad = || MemoryError::BadSize { name: name.into(), bytes };
        if bytes == 0 || !bytes.is_multiple_of(PAGE_SIZE) {
            return Err(bad());
        }
        let len = usize::try_from(bytes).map_err(|_| bad())?;
        let out_of_memory =
            || MemoryError::OutOfMemory { name: name.into(), bytes, source: std::io::Error::last_os_error() };
        // SAFETY: an anonymous mapping at an address of the host's choice; the result is checked below.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(out_of_memory());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(out_of_memory)?;
        // In pages of 2 MiB, where the host has them to give: a boot has some tens of thousands of page faults less so, and the
        // processor's own TLB reaches further. It is advice; what becomes of it changes nothing else.
        #[cfg(target_os = "linux")]
        // SAFETY: the mapping that was just made.
        unsafe {
            libc::madvise(base.as_ptr().cast(), len, libc::MADV_HUGEPAGE);
        }
        let pages = len / PAGE_SIZE as usize;
        Ok(Block {
            name: name.into(),
            base,
            len,
            // Zeros of the allocator's, which take memory only where they are written to.
            // SAFETY: zero is a number.
            watch: unsafe { Box::new_zeroed_slice(pages).assume_init() },
            // SAFETY: as above.
            code: unsafe { Box::new_zeroed_slice(pages).assume_init() },
        })
    }

    /// What the block is for ("ram", "bios").
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes, a whole number of pages.
    pub fn bytes(&self) -> u64 {
        self.len as u64
    }

    /// How many pages it has.
    pub fn pages(&self) -> usize {
        self.watch.len()
    }

    /// The start of the host mapping. Engines use it in place; it is valid as long as the block.
    pub fn host_base(&self) -> NonNull<u8> {
        self.base
    }

    /// Copies out of the block. Out-of-range reads give an error, never a panic.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let at = self.check(offset, buf.len())?;
        // SAFETY: `check` made sure that the range lies inside the mapping; `buf` is the caller's own.
        unsafe { std::ptr::copy_nonoverlapping(self.base.as_ptr().add(at), buf.as_mut_ptr(), buf.len()) };
        Ok(())
    }

    /// Copies into the block without telling any watcher: for filling ROMs and restoring snapshots, before a guest runs.
    pub fn fill(&self, offset: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let at = self.check(offset, bytes.len())?;
        // SAFETY: `check` made sure that the range lies inside the mapping.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.as_ptr().add(at), bytes.len()) };
        Ok(())
    }

    fn check(&self, offset: u64, len: usize) -> Result<usize, MemoryError> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        match at.checked_add(len) {
            Some(end) if end <= self.len => Ok(at),
            _ => Err(MemoryError::Unbacked { gpa: offset }),
        }
    }

    pub(crate) fn page(&self, index: usize) -> HostPage {
        debug_assert!(index < self.pages());
        HostPage {
            // SAFETY: the index is in range (layouts are clipped to their blocks), so the page is inside the mapping.
            host: unsafe { self.base.add(index * PAGE_SIZE as usize) },
            watch: NonNull::from(&self.watch[index]),
            code: NonNull::from(&self.code[index]),
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length and nothing outlives the block that may use it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// One page of host memory behind a guest page. Valid as long as the [`crate::GuestMemory`] that gave it: blocks are
/// never freed before the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPage {
    host: NonNull<u8>,
    watch: NonNull<AtomicU8>,
    code: NonNull<AtomicU64>,
}

// SAFETY: a HostPage is an address; whoever follows it does so in an unsafe block of its own.
unsafe impl Send for HostPage {}
// SAFETY: as above.
unsafe impl Sync for HostPage {}

/// The bytes of a page without its watchers: what a cache of translations keeps. Valid as long as a [`HostPage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct PageBytes(NonNull<u8>);

impl PageBytes {
    /// Loads 1, 2, 4 or 8 bytes at an offset, all of them within the page.
    #[inline]
    pub fn load(self, offset: u64, bytes: u64) -> u64 {
        let at = self.at(offset, bytes);
        // SAFETY: `at` made sure that the bytes lie inside the page, which lives as long as the machine's memory. Races
        // are the guest's own.
        let value = unsafe {
            match bytes {
                1 => u64::from(at.read()),
                2 => u64::from(at.cast::<u16>().read_unaligned().to_le()),
                4 => u64::from(at.cast::<u32>().read_unaligned().to_le()),
                _ => at.cast::<u64>().read_unaligned().to_le(),
            }
        };
        order::after_load();
        value
    }

    /// Stores 1, 2, 4 or 8 bytes, likewise. Nobody is told: for pages that nobody watches.
    #[inline]
    pub fn store(self, offset: u64, bytes: u64, value: u64) {
        let at = self.at(offset, bytes);
        order::before_store();
        // SAFETY: as in `load`.
        unsafe {
            match bytes {
                1 => at.write(value as u8),
                2 => at.cast::<u16>().write_unaligned((value as u16).to_le()),
                4 => at.cast::<u32>().write_unaligned((value as u32).to_le()),
                _ => at.cast::<u64>().write_unaligned(value.to_le()),
            }
        }
    }

    #[inline]
    fn at(self, offset: u64, bytes: u64) -> *mut u8 {
        assert!(matches!(bytes, 1 | 2 | 4 | 8) && offset <= PAGE_SIZE - bytes);
        // SAFETY: the offset lies inside the page.
        unsafe { self.0.as_ptr().add(offset as usize) }
    }
}

impl HostPage {
    /// Its bytes alone.
    #[inline]
    pub fn bytes(&self) -> PageBytes {
        PageBytes(self.host)
    }

    /// The page's first byte in the host.
    #[inline]
    pub fn host(&self) -> *mut u8 {
        self.host.as_ptr()
    }

    /// A name for the page that is the same whatever guest address it is seen at.
    #[inline]
    pub fn key(&self) -> usize {
        self.host.as_ptr() as usize
    }

    /// Who wants to hear of the next write to the page; zero: nobody, so an engine may write without asking.
    #[inline]
    pub fn watch(&self) -> &AtomicU8 {
        // SAFETY: the watch bytes live as long as their block, and blocks as long as the machine's memory.
        unsafe { self.watch.as_ref() }
    }

    /// Which 64-byte stretches of the page hold code that an engine has decoded.
    #[inline]
    pub fn code(&self) -> &AtomicU64 {
        // SAFETY: as for `watch`.
        unsafe { self.code.as_ref() }
    }
}
