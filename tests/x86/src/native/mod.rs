//! The host CPU as an oracle: runs a case natively, in 64-bit mode or (through a far jump to Linux's 32-bit code segment)
//! in compatibility mode.
//!
//! Code always ends by an exception, if only by the INT3 behind it: the signal handler finds the whole state in the signal
//! frame and leads back. Code pages are mapped twice, once to execute at the fixed address and once to write.

mod enter;
mod signal;

pub use signal::HANGS;

use crate::case::{Bits, CODE, CODE_BYTES, Case, DATA, DATA_BYTES, DATA_MAPPED, GS_BASE, Outcome, Registers};
use std::io::Error;
use std::sync::{Mutex, MutexGuard};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The host CPU, set up to run cases. There is one address space, so there is only one at a time.
pub struct Native {
    code: *mut u8,
    // Dropped before the next one's thread may begin.
    _watchdog: signal::Watchdog,
    _guard: MutexGuard<'static, ()>,
}

impl Native {
    /// Maps the pages and installs the signal handlers.
    pub fn new() -> std::io::Result<Self> {
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
        // SAFETY: the pages are new ones at addresses that nothing else uses (`MAP_FIXED_NOREPLACE`, or our own of before).
        unsafe {
            let file = libc::memfd_create(c"code".as_ptr(), 0);
            if file < 0 || libc::ftruncate(file, CODE_BYTES as i64) != 0 {
                return Err(Error::last_os_error());
            }
            let code = map(0, CODE_BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file)?;
            libc::munmap(CODE as *mut _, CODE_BYTES);
            libc::munmap(DATA as *mut _, DATA_MAPPED);
            map(CODE, CODE_BYTES, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_SHARED, file)?;
            libc::close(file);
            let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            map(DATA, DATA_MAPPED, libc::PROT_READ | libc::PROT_WRITE, private, -1)?;
            (DATA as *mut u8).write_bytes(1, DATA_MAPPED);
            read_only_page().write_bytes(0xa5, 4096);
            libc::mprotect(read_only_page().cast(), 4096, libc::PROT_READ);
            code.write_bytes(0xcc, CODE_BYTES);
            let watchdog = signal::install()?;
            // Code of the tests reaches its data through GS too, whose base nobody else needs.
            const ARCH_SET_GS: i64 = 0x1001;
            libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, GS_BASE);
            Ok(Native { code, _watchdog: watchdog, _guard: guard })
        }
    }

    /// Runs a case.
    pub fn run(&mut self, case: &Case) -> Outcome {
        // SAFETY: the pages are ours; the code of a case reaches nothing else (see `crate::generate`).
        unsafe {
            std::ptr::copy_nonoverlapping(case.data.as_ptr(), DATA as *mut u8, DATA_BYTES);
            let at = self.code.add(case.offset);
            std::ptr::copy_nonoverlapping(case.code.as_ptr(), at, case.code.len());
            let mut start = case.before.clone();
            start.rip = CODE + case.offset as u64;
            let stop = enter::run(&start, case.bits == Bits::B32, 2);
            at.write_bytes(0xcc, case.code.len());
            let data = std::slice::from_raw_parts(DATA as *const u8, DATA_BYTES).to_vec();
            Outcome { after: stop.registers, vector: stop.vector, error: stop.error, cr2: stop.cr2, data }
        }
    }
}

/// Whether there is memory of this process at an address that is none of a case's: a library, the stack. A case that reaches it by chance finds
/// something there, where a guest has a page fault.
pub fn is_own(address: u64) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let mut ranges = maps.lines().filter_map(|line| {
        let (from, to) = line.split_once(' ')?.0.split_once('-')?;
        Some(number(from)?..number(to)?)
    });
    address >= 1 << 32 && ranges.any(|range| range.contains(&address))
}

/// Memory at a fixed address below 4 GiB that code can be put into and called.
pub struct Image {
    base: u64,
    bytes: usize,
}

impl Image {
    /// Maps it. The native CPU's signal handlers are needed to come back from its code.
    pub fn new(_native: &Native, base: u64, bytes: usize) -> std::io::Result<Self> {
        let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        // SAFETY: new pages where nothing is.
        unsafe { map(base, bytes, all, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)? };
        Ok(Image { base, bytes })
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the pages are ours for as long as the image.
        unsafe { std::slice::from_raw_parts_mut(self.base as *mut u8, self.bytes) }
    }

    /// Runs code in it until its first exception. Gives RAX and the vector.
    ///
    /// # Safety
    /// The code must leave the rest of the process alone.
    pub unsafe fn call(&mut self, start: &Registers, bits: Bits) -> (u64, u8) {
        // SAFETY: the caller's word.
        let stop = unsafe { enter::run(start, bits == Bits::B32, u64::MAX) };
        (stop.registers.gpr[0], stop.vector)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.base as *mut _, self.bytes) };
    }
}

fn read_only_page() -> *mut u8 {
    (DATA + DATA_BYTES as u64) as *mut u8
}

/// How code stopped.
pub(crate) struct Stop {
    registers: Registers,
    vector: u8,
    error: u32,
    cr2: u64,
}

unsafe fn map(at: u64, bytes: usize, protection: i32, flags: i32, file: i32) -> std::io::Result<*mut u8> {
    let fixed = if at == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
    // SAFETY: without `MAP_FIXED` nothing that exists is replaced.
    let p = unsafe { libc::mmap(at as *mut _, bytes, protection, flags | fixed | libc::MAP_POPULATE, file, 0) };
    if p == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(p.cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_own_memory() {
        let here = 0u8;
        assert!(is_own(std::ptr::from_ref(&here) as u64));
        // Nothing is ever mapped at the top of the lower half.
        assert!(!is_own((1 << 47) - 1));
        assert!(!is_own(DATA));
    }
}
