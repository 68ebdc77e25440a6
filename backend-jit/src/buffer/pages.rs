//! Host memory for code, which no thread can write to and execute at the same address.
//!
//! Two views of one memory file where the host has such files. macOS lets no page be mapped a second time to be executed; there a
//! mapping made for this purpose (`MAP_JIT`) can be executed by all threads, except by the one that has just asked to write.

use super::BufferError;
use std::ptr::NonNull;

/// A mapping, unmapped when dropped.
struct View {
    at: NonNull<u8>,
    bytes: usize,
}

/// The memory.
pub struct Pages {
    #[cfg(not(target_os = "macos"))]
    write: View,
    execute: View,
}

// SAFETY: the views are plain memory that belongs to these pages alone.
unsafe impl Send for Pages {}

impl Pages {
    /// How many bytes there are.
    pub fn bytes(&self) -> usize {
        self.execute.bytes
    }

    /// Where a byte lies for those who execute it.
    pub fn address(&self, at: usize) -> u64 {
        self.execute.at.as_ptr() as u64 + at as u64
    }
}

#[cfg(not(target_os = "macos"))]
mod host {
    use super::{BufferError, NonNull, Pages, View};
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
    use std::ffi::c_void;
    use std::os::fd::OwnedFd;
    use std::ptr::null_mut;

    impl View {
        fn new(fd: &impl std::os::fd::AsFd, bytes: usize, prot: ProtFlags) -> Result<Self, BufferError> {
            Self::at(null_mut(), fd, bytes, prot)
        }

        /// The same, at this address if that is free.
        fn at(
            wish: *mut c_void,
            fd: &impl std::os::fd::AsFd,
            bytes: usize,
            prot: ProtFlags,
        ) -> Result<Self, BufferError> {
            // SAFETY: a fresh mapping at an address of the kernel's choice: nobody else's memory is touched.
            let at = unsafe { mmap(wish, bytes, prot, MapFlags::SHARED, fd, 0)? };
            NonNull::new(at.cast()).map(|at| View { at, bytes }).ok_or(BufferError::Full)
        }
    }

    impl Drop for View {
        fn drop(&mut self) {
            // SAFETY: the mapping is this view's own. The owner of the buffer outlives all entries into its code.
            let _ = unsafe { munmap(self.at.as_ptr().cast::<c_void>(), self.bytes) };
        }
    }

    /// No host has larger pages.
    #[cfg(target_os = "linux")]
    const PAGE: usize = 1 << 16;

    /// Memory for both views.
    fn file(bytes: usize) -> Result<OwnedFd, BufferError> {
        let fd = memfd_create("lyrebird-code", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, bytes as u64)?;
        super::register();
        Ok(fd)
    }

    impl Pages {
        /// So many bytes. The host commits pages when they are first written.
        pub fn new(bytes: usize) -> Result<Self, BufferError> {
            let fd = file(bytes)?;
            let execute = View::new(&fd, bytes, ProtFlags::READ | ProtFlags::EXEC)?;
            Ok(Pages { write: View::new(&fd, bytes, ProtFlags::READ | ProtFlags::WRITE)?, execute })
        }

        /// The same, executed where an address is within reach of signed distances of 32 bits; nothing if all that was tried is taken.
        pub fn near(address: u64, bytes: usize) -> Result<Option<Self>, BufferError> {
            const STEP: u64 = 128 << 20;
            const REACH: u64 = 1 << 30;
            let fd = file(bytes)?;
            let away = |n: u64| [address.checked_sub(n * STEP), address.checked_add(n * STEP)];
            for wish in (1..REACH / STEP).flat_map(away).flatten().map(|wish| wish & !0xffff).filter(|wish| *wish > 0) {
                let wish = std::ptr::without_provenance_mut(wish as usize);
                let execute = View::at(wish, &fd, bytes, ProtFlags::READ | ProtFlags::EXEC)?;
                if (execute.at.as_ptr() as u64).abs_diff(address) < REACH {
                    let write = View::new(&fd, bytes, ProtFlags::READ | ProtFlags::WRITE)?;
                    return Ok(Some(Pages { write, execute }));
                }
            }
            Ok(None)
        }

        /// Writes code.
        ///
        /// # Safety
        /// It lies inside, and nobody is in the code that was there or enters it.
        pub unsafe fn write(&mut self, at: usize, code: &[u8]) {
            // SAFETY: the caller's promise.
            unsafe { self.write.at.as_ptr().add(at).copy_from_nonoverlapping(code.as_ptr(), code.len()) };
            super::flush_instructions(self.address(at) as usize, code.len());
        }

        /// Nobody wants what is there any more: the host may have the memory, where it can.
        pub fn give_back(&self, range: std::ops::Range<usize>) {
            #[cfg(not(target_os = "linux"))]
            let _ = range;
            #[cfg(target_os = "linux")]
            {
                use rustix::mm::{Advice, madvise};
                let (from, to) = (range.start.next_multiple_of(PAGE), range.end / PAGE * PAGE);
                if from < to {
                    // SAFETY: the range lies in the view; what was there is not used any more, by the caller's word. It reads as zero.
                    let _ = unsafe { madvise(self.write.at.as_ptr().add(from).cast(), to - from, Advice::LinuxRemove) };
                }
            }
        }

        /// What is written once is not looked at again through this view: its pages need not be mapped twice, and counted twice as this
        /// process's memory. They may be written to again.
        pub fn settle(&self, range: std::ops::Range<usize>) {
            #[cfg(not(target_os = "linux"))]
            let _ = range;
            #[cfg(target_os = "linux")]
            {
                use rustix::mm::{Advice, madvise};
                let (from, to) = (range.start / PAGE * PAGE, range.end.next_multiple_of(PAGE).min(self.write.bytes));
                // SAFETY: the range lies in the view, which nobody else uses; of a shared mapping this takes away no contents.
                let _ = unsafe { madvise(self.write.at.as_ptr().add(from).cast(), to - from, Advice::LinuxDontNeed) };
            }
        }
    }
}

#[cfg(target_os = "macos")]
mod host {
    use super::{BufferError, NonNull, Pages, View};
    use rustix::io::Errno;
    use std::ffi::c_void;
    use std::ptr::null_mut;

    unsafe extern "C" {
        /// Of libSystem: makes written code visible to instruction fetch.
        fn sys_icache_invalidate(start: *mut c_void, len: usize);
    }

    impl Drop for View {
        fn drop(&mut self) {
            // SAFETY: the mapping is this view's own. The owner of the buffer outlives all entries into its code.
            unsafe { libc::munmap(self.at.as_ptr().cast(), self.bytes) };
        }
    }

    impl Pages {
        /// So many bytes. The host commits pages when they are first written.
        pub fn new(bytes: usize) -> Result<Self, BufferError> {
            let prot = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_JIT;
            // SAFETY: a fresh mapping at an address of the kernel's choice: nobody else's memory is touched.
            let at = unsafe { libc::mmap(null_mut(), bytes, prot, flags, -1, 0) };
            if at == libc::MAP_FAILED {
                let error = std::io::Error::last_os_error();
                return Err(BufferError::Host(Errno::from_io_error(&error).unwrap_or(Errno::NOMEM)));
            }
            let at = NonNull::new(at.cast()).ok_or(BufferError::Full)?;
            Ok(Pages { execute: View { at, bytes } })
        }

        /// There is one view only.
        pub fn settle(&self, _: std::ops::Range<usize>) {}

        /// Neither is this tried here.
        pub fn give_back(&self, _: std::ops::Range<usize>) {}

        /// The same near an address: not here.
        pub fn near(_: u64, _: usize) -> Result<Option<Self>, BufferError> {
            Ok(None)
        }

        /// Writes code.
        ///
        /// # Safety
        /// It lies inside, and nobody is in the code that was there or enters it.
        pub unsafe fn write(&mut self, at: usize, code: &[u8]) {
            // SAFETY: the caller's promise. This thread is in no code of the mapping, so it may lose the right to execute it for a
            // while; the rights of others stay as they are.
            unsafe {
                let place = self.execute.at.as_ptr().add(at);
                libc::pthread_jit_write_protect_np(0);
                place.copy_from_nonoverlapping(code.as_ptr(), code.len());
                libc::pthread_jit_write_protect_np(1);
                sys_icache_invalidate(place.cast(), code.len());
            }
        }
    }
}

/// Makes written code visible to instruction fetch, on all processors.
#[cfg(not(target_os = "macos"))]
fn flush_instructions(entry: usize, bytes: usize) {
    let _ = (entry, bytes);
    #[cfg(target_arch = "aarch64")]
    {
        // The data caches first, then the instruction caches (Arm ARM, section B2.4.4). The sizes of their lines are in CTR_EL0; the
        // smallest that the architecture allows is right everywhere.
        let lines = || (entry & !15..entry + bytes).step_by(16);
        for line in lines() {
            // SAFETY: cache maintenance on mapped memory changes no values.
            unsafe { std::arch::asm!("dc cvau, {0}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: a barrier only.
        unsafe { std::arch::asm!("dsb ish", options(nostack, preserves_flags)) };
        for line in lines() {
            // SAFETY: as above.
            unsafe { std::arch::asm!("ic ivau, {0}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: barriers only.
        unsafe { std::arch::asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
        // Others may have fetched ahead (Arm ARM, section B2.2.5). Where the kernel cannot make them forget it, entering the kernel
        // for any reason does.
        #[cfg(target_os = "linux")]
        let _ = rustix::thread::membarrier(rustix::thread::MembarrierCommand::PrivateExpeditedSyncCore);
    }
}

/// Tells the kernel that [`flush_instructions`] will ask it for something.
#[cfg(not(target_os = "macos"))]
fn register() {
    #[cfg(all(target_arch = "aarch64", target_os = "linux"))]
    let _ = rustix::thread::membarrier(rustix::thread::MembarrierCommand::RegisterPrivateExpeditedSyncCore);
}
