//! Copies between the host and guest-physical memory, for devices, loaders, page walks and debuggers.

use crate::block::{Block, HostPage};
use crate::layout::{Backing, FlatMap};
use crate::{GuestMemory, MemoryError, PAGE_SIZE, order};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

impl GuestMemory {
    /// Reads RAM or ROM. Fails at the first byte that is neither; what stands before it has been read.
    pub fn read(&self, gpa: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.pieces(gpa, buf.len(), |gpa, range| {
            let page = self.lookup(gpa).readable().ok_or(MemoryError::Unbacked { gpa })?;
            let piece = &mut buf[range];
            // SAFETY: `pieces` keeps each piece inside one page, and a HostPage is a whole page of a live block.
            unsafe { copy(page.host().add(offset(gpa)), piece.as_mut_ptr(), piece.len()) };
            order::after_load();
            Ok(())
        })
    }

    /// Writes RAM and tells its watchers. Writes to ROM are dropped, as on the bus. Fails at the first byte that is
    /// neither; what stands before it has been written.
    pub fn write(&self, gpa: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        self.pieces(gpa, bytes.len(), |gpa, range| {
            let piece = &bytes[range];
            let page = match self.lookup(gpa) {
                Backing::Ram(page) | Backing::Split(_, page) => page,
                Backing::Rom(_) => return Ok(()),
                Backing::RomDevice(_) | Backing::Device => {
                    return Err(MemoryError::Unbacked { gpa });
                }
            };
            order::before_store();
            // SAFETY: as in `read`.
            unsafe { copy(piece.as_ptr(), page.host().add(offset(gpa)), piece.len()) };
            self.note_write(&page, gpa % PAGE_SIZE, piece.len() as u64);
            if self.journal.is_on() {
                self.note_in_journal(page.key() + offset(gpa), piece);
            }
            Ok(())
        })
    }

    /// Stores 1, 2, 4 or 8 bytes inside a page of RAM, and tells its watchers.
    pub fn store(&self, page: &HostPage, offset: u64, bytes: u64, value: u64) {
        page.bytes().store(offset, bytes, value);
        self.note_write(page, offset, bytes);
        if self.journal.is_on() {
            self.note_in_journal(page.key() + offset as usize, &value.to_le_bytes()[..bytes as usize]);
        }
    }

    /// Writes into one of this memory's blocks, wherever the guest sees it or not, and tells its watchers: for a device that
    /// owns the block. Nothing is written if the range does not lie inside.
    pub fn write_block(&self, block: &Block, offset: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        block.fill(offset, bytes)?;
        if self.journal.is_on() {
            self.note_in_journal(block.host_base().as_ptr() as usize + offset as usize, bytes);
        }
        let mut at = offset;
        let end = offset + bytes.len() as u64;
        while at < end {
            let piece = (PAGE_SIZE - at % PAGE_SIZE).min(end - at);
            self.note_write(&block.page((at / PAGE_SIZE) as usize), at % PAGE_SIZE, piece);
            at += piece;
        }
        Ok(())
    }

    /// Splits a range at page boundaries.
    fn pieces(
        &self,
        gpa: u64,
        len: usize,
        mut each: impl FnMut(u64, std::ops::Range<usize>) -> Result<(), MemoryError>,
    ) -> Result<(), MemoryError> {
        let mut done = 0;
        while done < len {
            let at = gpa.checked_add(done as u64).ok_or(MemoryError::Unbacked { gpa: u64::MAX })?;
            let step = (len - done).min(PAGE_SIZE as usize - offset(at));
            each(at, done..done + step)?;
            done += step;
        }
        Ok(())
    }

    /// Reads a little-endian number of 1, 2, 4 or 8 bytes.
    pub fn read_uint(&self, gpa: u64, bytes: usize) -> Result<u64, MemoryError> {
        let mut buf = [0; 8];
        self.read(gpa, &mut buf[..bytes.min(8)])?;
        Ok(u64::from_le_bytes(buf))
    }

    /// Writes a little-endian number of 1, 2, 4 or 8 bytes.
    pub fn write_uint(&self, gpa: u64, bytes: usize, value: u64) -> Result<(), MemoryError> {
        self.write(gpa, &value.to_le_bytes()[..bytes.min(8)])
    }
}

impl FlatMap {
    /// Reads an aligned 64-bit word of RAM or ROM in one access, as a page walk does.
    #[inline]
    pub fn load_u64(&self, gpa: u64) -> Option<u64> {
        let page = self.lookup(gpa).readable().filter(|_| gpa.is_multiple_of(8))?;
        // SAFETY: an aligned word inside a live page; guest RAM is only shared through atomics or raw copies.
        let word = unsafe { AtomicU64::from_ptr(page.host().add(offset(gpa)).cast()) };
        Some(u64::from_le(word.load(Ordering::Acquire)))
    }

    /// As [`GuestMemory::load_u64`], for 32 bits.
    #[inline]
    pub fn load_u32(&self, gpa: u64) -> Option<u32> {
        let page = self.lookup(gpa).readable().filter(|_| gpa.is_multiple_of(4))?;
        // SAFETY: as above.
        let word = unsafe { AtomicU32::from_ptr(page.host().add(offset(gpa)).cast()) };
        Some(u32::from_le(word.load(Ordering::Acquire)))
    }
}

impl Backing {
    /// The page that reads come from, if they do not go to the bus.
    pub fn readable(&self) -> Option<HostPage> {
        match *self {
            Backing::Ram(page) | Backing::Rom(page) | Backing::Split(page, _) | Backing::RomDevice(page) => Some(page),
            Backing::Device => None,
        }
    }
}

/// Copies. What a CPU reads or writes in one access is copied in one: a copy routine may write some bytes twice, and take
/// back what another CPU has written between.
///
/// # Safety
/// As for [`std::ptr::copy`].
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match len {
            1 => to.write_volatile(from.read_volatile()),
            2 => to.cast::<u16>().write_unaligned(from.cast::<u16>().read_unaligned()),
            4 => to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned()),
            8 => to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned()),
            _ => std::ptr::copy(from, to, len),
        }
    }
}

pub(crate) fn offset(gpa: u64) -> usize {
    (gpa % PAGE_SIZE) as usize
}
