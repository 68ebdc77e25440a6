//! What the host is told to load while something else is executed. A guest that starts something executes far more code than the host's nearest
//! caches hold, each piece a few times: most of an interpreter's time is waiting for that.

/// Bytes of a line of the host's caches, or of half of one.
pub const LINE: usize = 64;

/// What lies there will be read. It may be anywhere: nothing is read now.
#[inline(always)]
pub fn will_read<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which changes nothing, wherever it points.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}
