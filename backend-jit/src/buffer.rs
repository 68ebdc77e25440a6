//! Where generated code lives: one piece of memory with two views, one to write and one to execute, so that no page is
//! ever both. Code is placed segment by segment, in a ring: the segment that was filled longest ago makes room for new code.

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr::{NonNull, null_mut};

/// Functions begin at multiples of this.
const ALIGN: usize = 32;
/// Into so many pieces the buffer is divided.
pub const SEGMENTS: usize = 8;
/// A host that has little memory to give is asked for half as much, down to this.
const LEAST: usize = 1 << 20;

/// Why there is no code buffer, or no room in it.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// The host gives no such memory.
    #[error("the host gives no executable memory: {0}")]
    Host(#[from] rustix::io::Errno),
    /// There is no room left: in the current segment, or at all.
    #[error("the code buffer is full")]
    Full,
}

/// A view of the memory, unmapped when dropped.
struct View {
    at: NonNull<u8>,
    bytes: usize,
}

impl View {
    fn new(fd: &impl std::os::fd::AsFd, bytes: usize, prot: ProtFlags) -> Result<Self, BufferError> {
        // SAFETY: a fresh mapping at an address of the kernel's choice: nobody else's memory is touched.
        let at = unsafe { mmap(null_mut(), bytes, prot, MapFlags::SHARED, fd, 0)? };
        NonNull::new(at.cast()).map(|at| View { at, bytes }).ok_or(BufferError::Full)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the mapping is this view's own. The owner of the buffer outlives all entries into its code.
        let _ = unsafe { munmap(self.at.as_ptr().cast::<c_void>(), self.bytes) };
    }
}

/// The code buffer.
pub struct CodeBuffer {
    write: View,
    execute: View,
    /// Where the next function goes.
    used: usize,
    /// Where the segments begin.
    kept: usize,
    /// The segment that is being filled.
    segment: usize,
}

// SAFETY: the views are plain memory that belongs to the buffer alone.
unsafe impl Send for CodeBuffer {}

impl CodeBuffer {
    /// A buffer of so many bytes. The host commits pages when they are first written.
    pub fn new(bytes: usize) -> Result<Self, BufferError> {
        let fd = memfd_create("lyrebird-code", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, bytes as u64)?;
        Ok(CodeBuffer {
            write: View::new(&fd, bytes, ProtFlags::READ | ProtFlags::WRITE)?,
            execute: View::new(&fd, bytes, ProtFlags::READ | ProtFlags::EXEC)?,
            used: 0,
            kept: 0,
            segment: 0,
        })
    }

    /// The same, or a smaller one if the host refuses that much.
    pub fn up_to(bytes: usize) -> Result<Self, BufferError> {
        let mut size = bytes;
        loop {
            match Self::new(size) {
                Err(BufferError::Host(_)) if size / 2 >= LEAST => size /= 2,
                Ok(buffer) if size < bytes => {
                    tracing::warn!(wanted = bytes, got = size, "the host gives less memory for translated code");
                    return Ok(buffer);
                }
                result => return result,
            }
        }
    }

    /// Places a function and gives its address for calls.
    pub fn place(&mut self, code: &[u8]) -> Result<*const u8, BufferError> {
        let at = self.used;
        let end = self.bounds(self.segment).end;
        if code.len() > end.saturating_sub(at) {
            return Err(BufferError::Full);
        }
        // SAFETY: `at..at + len` is inside both views and held by no function yet.
        let entry = unsafe {
            self.write.at.as_ptr().add(at).copy_from_nonoverlapping(code.as_ptr(), code.len());
            self.execute.at.as_ptr().add(at)
        };
        flush_instructions(entry, code.len());
        self.used = (at + code.len()).next_multiple_of(ALIGN).min(end);
        Ok(entry)
    }

    /// Where a segment lies. As long as nothing is kept for ever, all is one.
    fn bounds(&self, segment: usize) -> Range<usize> {
        if self.kept == 0 {
            return 0..self.write.bytes;
        }
        let size = self.largest();
        let begin = self.kept + segment * size;
        begin..begin + size
    }

    /// The largest function that there can be room for.
    pub fn largest(&self) -> usize {
        ((self.write.bytes - self.kept) / SEGMENTS) & !(ALIGN - 1)
    }

    /// Keeps what is there now for ever. What comes later is placed in segments.
    pub fn keep(&mut self) {
        self.kept = self.used;
    }

    /// The segment that comes next, by its number, and the addresses of the code in it.
    pub fn next(&self) -> (usize, Range<u64>) {
        let next = (self.segment + 1) % SEGMENTS;
        let bounds = self.bounds(next);
        let base = self.execute.at.as_ptr() as u64;
        (next, base + bounds.start as u64..base + bounds.end as u64)
    }

    /// Goes on to the next segment, which is emptied: nobody may be in its code or enter it again.
    pub fn advance(&mut self) {
        self.segment = (self.segment + 1) % SEGMENTS;
        self.used = self.bounds(self.segment).start;
    }

    /// Whether the segment that is being filled soon has no room.
    pub fn is_nearly_full(&self) -> bool {
        self.bounds(self.segment).end - self.used < self.largest() / 4
    }

    /// The number of the segment that is being filled.
    pub fn segment(&self) -> usize {
        self.segment
    }
}

/// Makes written code visible to instruction fetch.
fn flush_instructions(entry: *const u8, bytes: usize) {
    let _ = (entry, bytes);
    #[cfg(target_arch = "aarch64")]
    {
        // The lines' sizes are in CTR_EL0; the smallest that the architecture allows is right everywhere.
        for line in (entry as usize & !15..entry as usize + bytes).step_by(16) {
            // SAFETY: cache maintenance on mapped memory changes no values.
            unsafe { std::arch::asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", in(reg) line) };
        }
        // SAFETY: barriers only.
        unsafe { std::arch::asm!("dsb ish", "isb") };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_make_room_in_a_ring() {
        let mut buffer = CodeBuffer::new(1 << 16).unwrap();
        let first = buffer.place(&[1, 2, 3]).unwrap();
        buffer.keep();
        let largest = buffer.largest();
        assert!(largest > (1 << 16) / SEGMENTS - 2 * ALIGN);
        let second = buffer.place(&[4; 100]).unwrap();
        assert_eq!(second as usize - first as usize, ALIGN);
        // SAFETY: the executable view is readable, and both functions were placed in it.
        assert_eq!(unsafe { (*first, *first.add(2), *second) }, (1, 3, 4));
        assert!(matches!(buffer.place(&vec![0; largest]), Err(BufferError::Full)));
        let mut ranges = Vec::new();
        for n in 1..=SEGMENTS {
            let (segment, gone) = buffer.next();
            assert_eq!(buffer.is_nearly_full(), n > 1);
            buffer.advance();
            assert_eq!((segment, segment), (n % SEGMENTS, buffer.segment()));
            let place = buffer.place(&vec![n as u8; largest]).unwrap() as u64;
            assert_eq!(gone, place..place + largest as u64);
            assert!(matches!(buffer.place(&[0]), Err(BufferError::Full)));
            ranges.push(gone);
        }
        assert!(ranges[SEGMENTS - 1].contains(&(second as u64)), "the first segment comes again");
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        // SAFETY: as above.
        assert_eq!(unsafe { *first }, 1, "what is kept for ever stays");
    }

    #[test]
    fn a_host_that_refuses_is_asked_for_less() {
        let buffer = CodeBuffer::up_to(1 << 60).unwrap();
        assert!(buffer.write.bytes >= LEAST && buffer.write.bytes < 1 << 60);
        assert!(matches!(CodeBuffer::new(1 << 60), Err(BufferError::Host(_))));
    }
}
