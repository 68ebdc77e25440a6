//! Where generated code lives: one piece of memory with two views, one to write and one to execute, so that no page is
//! ever both. Code is placed from the bottom up and dropped all at once.

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

/// Functions begin at multiples of this.
const ALIGN: usize = 32;

/// Why there is no code buffer, or no room in it.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// The host gives no such memory.
    #[error("the host gives no executable memory: {0}")]
    Host(#[from] rustix::io::Errno),
    /// It is used up.
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
    used: usize,
    kept: usize,
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
        })
    }

    /// Places a function and gives its address for calls.
    pub fn place(&mut self, code: &[u8]) -> Result<*const u8, BufferError> {
        let at = self.used;
        if code.len() > self.write.bytes - at {
            return Err(BufferError::Full);
        }
        // SAFETY: `at..at + len` is inside both views and held by no function yet.
        let entry = unsafe {
            self.write.at.as_ptr().add(at).copy_from_nonoverlapping(code.as_ptr(), code.len());
            self.execute.at.as_ptr().add(at)
        };
        flush_instructions(entry, code.len());
        self.used = (at + code.len()).next_multiple_of(ALIGN).min(self.write.bytes);
        Ok(entry)
    }

    /// Keeps what is there now for ever: [`CodeBuffer::clear`] drops what comes later.
    pub fn keep(&mut self) {
        self.kept = self.used;
    }

    /// Drops all code that is not kept. Nobody may be in it or enter it again.
    pub fn clear(&mut self) {
        self.used = self.kept;
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used
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
    fn code_is_placed_until_the_buffer_is_full() {
        let mut buffer = CodeBuffer::new(4096).unwrap();
        let first = buffer.place(&[1, 2, 3]).unwrap();
        buffer.keep();
        let second = buffer.place(&[4; 100]).unwrap();
        assert_eq!(second as usize - first as usize, ALIGN);
        // SAFETY: the executable view is readable, and both functions were placed in it.
        assert_eq!(unsafe { (*first, *first.add(2), *second) }, (1, 3, 4));
        assert!(matches!(buffer.place(&[0; 4096]), Err(BufferError::Full)));
        buffer.clear();
        assert_eq!(buffer.used(), ALIGN);
        assert_eq!(buffer.place(&[5; 4096 - ALIGN]).unwrap(), second);
        assert!(matches!(buffer.place(&[0]), Err(BufferError::Full)));
    }
}
