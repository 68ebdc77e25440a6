//! Tables of which little is used: zeros that the host has no memory for until something is written.

use crate::PageBytes;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Types of which all bits zero are a value.
///
/// # Safety
/// They are.
pub unsafe trait Zero: Copy {}

// SAFETY: a number.
unsafe impl Zero for u64 {}
// SAFETY: a number.
unsafe impl Zero for u8 {}
// SAFETY: nothing; the other value is transparently a pointer that is not null.
unsafe impl Zero for Option<PageBytes> {}
// SAFETY: as its parts are.
unsafe impl<T: Zero, const N: usize> Zero for [T; N] {}

/// `N` of a type, at the beginning of a page of the host's.
pub struct Zeroed<T, const N: usize> {
    at: NonNull<[T; N]>,
    owns: PhantomData<[T; N]>,
}

// SAFETY: it owns what it leads to.
unsafe impl<T: Send, const N: usize> Send for Zeroed<T, N> {}
// SAFETY: as above.
unsafe impl<T: Sync, const N: usize> Sync for Zeroed<T, N> {}

impl<T: Zero, const N: usize> Zeroed<T, N> {
    const BYTES: usize = size_of::<[T; N]>();

    /// All zero.
    pub fn new() -> Self {
        const { assert!(Self::BYTES > 0 && align_of::<T>() <= crate::PAGE_SIZE as usize) };
        // SAFETY: an anonymous mapping at an address of the host's choice; the result is checked below.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        let at = NonNull::new(at.cast()).filter(|_| at != libc::MAP_FAILED);
        let layout = std::alloc::Layout::new::<[T; N]>();
        Zeroed { at: at.unwrap_or_else(|| std::alloc::handle_alloc_error(layout)), owns: PhantomData }
    }
}

impl<T: Zero, const N: usize> Default for Zeroed<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for Zeroed<T, N> {
    type Target = [T; N];

    #[inline(always)]
    fn deref(&self) -> &[T; N] {
        // SAFETY: its own mapping, all of which is of the type: zeros, or what was written.
        unsafe { self.at.as_ref() }
    }
}

impl<T, const N: usize> DerefMut for Zeroed<T, N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T; N] {
        // SAFETY: as above, borrowed as this is.
        unsafe { self.at.as_mut() }
    }
}

impl<T, const N: usize> Drop for Zeroed<T, N> {
    fn drop(&mut self) {
        // SAFETY: its own mapping, which nobody can reach any more. Such types have nothing to drop, being copied.
        unsafe {
            libc::munmap(self.at.as_ptr().cast(), size_of::<[T; N]>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_written_is_zero() {
        let mut table = Zeroed::<[u64; 4], 1000>::new();
        table[500] = [1, 2, 3, 4];
        assert_eq!((table[0], table[500], table[999]), ([0; 4], [1, 2, 3, 4], [0; 4]));
    }
}
