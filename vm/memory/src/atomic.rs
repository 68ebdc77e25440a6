//! Locked operations of several CPUs on guest memory: atomic operations of the host wherever it has them; where it has not
//! (across pages, on devices, crooked addresses on some hosts), one after the other, by a lock that stands for the LOCK# pin of
//! old (Intel SDM vol. 3, section 9.1.2).

use crate::access::offset;
use crate::{Backing, GuestMemory, MemoryError, order};
use portable_atomic::AtomicU128;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// The bus, locked.
pub struct BusLock<'a>(#[allow(dead_code, reason = "held")] MutexGuard<'a, ()>);

impl GuestMemory {
    /// Locks the bus, for a locked operation that the host cannot do in one. Others of the kind wait; plain accesses do not.
    pub fn lock_bus(&self) -> BusLock<'_> {
        BusLock(self.bus.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Replaces an aligned 32-bit word if it still has the expected value; otherwise gives what it has. Atomic towards
    /// other CPUs: page walks set accessed and dirty bits with it.
    pub fn compare_exchange_u32(&self, gpa: u64, old: u32, new: u32) -> Result<Result<u32, u32>, MemoryError> {
        let was = self.exchange(gpa, 4, |host| {
            // SAFETY: an aligned word inside a live page; guest RAM is only shared through atomics or raw copies.
            let word = unsafe { AtomicU32::from_ptr(host.cast()) };
            word.compare_exchange(old.to_le(), new.to_le(), Ordering::SeqCst, Ordering::SeqCst)
        })?;
        Ok(was.map(u32::from_le).map_err(u32::from_le))
    }

    /// As [`GuestMemory::compare_exchange_u32`], for 64 bits.
    pub fn compare_exchange_u64(&self, gpa: u64, old: u64, new: u64) -> Result<Result<u64, u64>, MemoryError> {
        let was = self.exchange(gpa, 8, |host| {
            // SAFETY: as above.
            let word = unsafe { AtomicU64::from_ptr(host.cast()) };
            word.compare_exchange(old.to_le(), new.to_le(), Ordering::SeqCst, Ordering::SeqCst)
        })?;
        Ok(was.map(u64::from_le).map_err(u64::from_le))
    }

    /// As [`GuestMemory::compare_exchange_u32`], for 128 bits.
    pub fn compare_exchange_u128(&self, gpa: u64, old: u128, new: u128) -> Result<Result<u128, u128>, MemoryError> {
        let was = self.exchange(gpa, 16, |host| {
            // SAFETY: as above.
            let word = unsafe { AtomicU128::from_ptr(host.cast()) };
            word.compare_exchange(old.to_le(), new.to_le(), Ordering::SeqCst, Ordering::SeqCst)
        })?;
        Ok(was.map(u128::from_le).map_err(u128::from_le))
    }

    /// Exchanges something that is aligned and in RAM, and tells the watchers.
    fn exchange<T>(
        &self,
        gpa: u64,
        bytes: u64,
        exchange: impl FnOnce(*mut u8) -> Result<T, T>,
    ) -> Result<Result<T, T>, MemoryError> {
        let page = match self.lookup(gpa) {
            Backing::Ram(page) if gpa.is_multiple_of(bytes) => page,
            _ => return Err(MemoryError::Unbacked { gpa }),
        };
        // SAFETY: the offset lies inside the page.
        let was = exchange(unsafe { page.host().add(offset(gpa)) });
        order::after_locked();
        if was.is_ok() {
            self.note_write(&page, gpa % crate::PAGE_SIZE, bytes);
        }
        Ok(was)
    }

    /// Replaces the little-endian number of 1, 2, 4 or 8 bytes at a host address by a function of it, which may be called
    /// again: atomically, wherever it lies, if the host can do that, else with the bus locked.
    ///
    /// # Safety
    /// The bytes are guest RAM of this memory. Nobody is told of the write.
    #[inline(always)]
    pub unsafe fn update<E>(&self, p: *mut u8, bytes: u64, mut f: impl FnMut(u64) -> (u64, E)) -> E {
        macro_rules! update {
            ($number:ty, $atomic:ty) => {{
                let p = p.cast::<$number>();
                let mut next = |old: $number| {
                    let (new, extra) = f(u64::from(<$number>::from_le(old)));
                    ((new as $number).to_le(), extra)
                };
                if !p.is_aligned() {
                    // SAFETY: the caller's promise.
                    return unsafe { self.update_crooked(p, next) };
                }
                // SAFETY: the caller's promise, and aligned; guest RAM is shared through atomics and raw copies only.
                let cell = unsafe { <$atomic>::from_ptr(p) };
                let mut old = cell.load(Ordering::SeqCst);
                loop {
                    let (new, extra) = next(old);
                    match cell.compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::SeqCst) {
                        Ok(_) => {
                            order::after_locked();
                            return extra;
                        }
                        Err(now) => old = now,
                    }
                }
            }};
        }
        match bytes {
            1 => update!(u8, AtomicU8),
            2 => update!(u16, AtomicU16),
            4 => update!(u32, AtomicU32),
            _ => update!(u64, AtomicU64),
        }
    }

    /// [`GuestMemory::update`] at a crooked address.
    #[inline(always)]
    unsafe fn update_crooked<T: Number, E>(&self, p: *mut T, mut f: impl FnMut(T) -> (T, E)) -> E {
        #[cfg(not(target_arch = "x86_64"))]
        let _bus = self.lock_bus();
        // SAFETY: the caller's promise.
        unsafe {
            let mut old = p.read_unaligned();
            loop {
                let (new, extra) = f(old);
                let now = T::exchange(p, old, new);
                if now == old {
                    order::after_locked();
                    return extra;
                }
                old = now;
            }
        }
    }
}

/// What can lie at a crooked address.
trait Number: Copy + PartialEq {
    /// Replaces `old` by `new`, and gives what was there: one operation on x86, whose processors can do that wherever it lies.
    ///
    /// # Safety
    /// The place is guest RAM; elsewhere than on x86 the bus is locked.
    unsafe fn exchange(p: *mut Self, old: Self, new: Self) -> Self;
}

macro_rules! number {
    ($($number:ty, $instruction:literal;)*) => { $(
        impl Number for $number {
            #[cfg(target_arch = "x86_64")]
            #[inline(always)]
            unsafe fn exchange(p: *mut Self, old: Self, new: Self) -> Self {
                let now: Self;
                // SAFETY: the caller's promise; LOCK CMPXCHG knows no alignment (SDM vol. 3, section 9.1.2.2).
                unsafe {
                    std::arch::asm!($instruction, p = in(reg) p, new = in(reg) new, inout("rax") old => now, options(nostack));
                }
                now
            }
            #[cfg(not(target_arch = "x86_64"))]
            unsafe fn exchange(p: *mut Self, old: Self, new: Self) -> Self {
                // SAFETY: the caller's promise.
                unsafe {
                    let now = p.read_unaligned();
                    if now == old {
                        p.write_unaligned(new);
                    }
                    now
                }
            }
        }
    )* };
}

number! {
    u16, "lock cmpxchg [{p}], {new:x}";
    u32, "lock cmpxchg [{p}], {new:e}";
    u64, "lock cmpxchg [{p}], {new:r}";
}

impl Number for u8 {
    unsafe fn exchange(p: *mut Self, old: Self, new: Self) -> Self {
        // SAFETY: the caller's promise; a byte is always aligned.
        let cell = unsafe { AtomicU8::from_ptr(p) };
        cell.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).unwrap_or_else(|now| now)
    }
}

#[cfg(test)]
mod tests {
    use crate::{GuestMemory, PAGE_SIZE, Region, Target};
    use std::sync::Arc;

    fn memory() -> Arc<GuestMemory> {
        let memory = GuestMemory::new();
        let block = memory.add_block("ram", PAGE_SIZE).unwrap();
        memory.map(Region { base: 0, bytes: PAGE_SIZE, priority: 0, target: Target::Ram { block, offset: 0 } });
        Arc::new(memory)
    }

    #[test]
    fn no_update_is_lost_wherever_the_number_lies() {
        let memory = memory();
        let base = memory.all_blocks()[0].1.host_base().as_ptr() as usize;
        let places = [(0, 1), (0x10, 2), (0x21, 2), (0x3f, 2), (0x44, 4), (0x7e, 4), (0x85, 4), (0xb9, 8), (0x100, 8)];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        for (at, bytes) in places {
                            // SAFETY: inside the block.
                            unsafe { memory.update((base + at) as *mut u8, bytes, |old| (old.wrapping_add(1), ())) };
                        }
                    }
                });
            }
        });
        for (at, bytes) in places {
            let expected = 40_000 & if bytes == 1 { 0xff } else { 0xffff };
            assert_eq!(memory.read_uint(at as u64, bytes as usize).unwrap(), expected, "{at:#x}");
        }
    }

    #[test]
    fn exchanges_of_all_sizes() {
        let memory = memory();
        memory.write(0x20, &(u128::MAX - 7).to_le_bytes()).unwrap();
        assert_eq!(memory.compare_exchange_u128(0x20, 5, 6).unwrap(), Err(u128::MAX - 7));
        assert_eq!(memory.compare_exchange_u128(0x20, u128::MAX - 7, 1 << 64 | 2).unwrap(), Ok(u128::MAX - 7));
        assert_eq!(memory.compare_exchange_u64(0x28, 1, 9).unwrap(), Ok(1));
        assert_eq!(memory.compare_exchange_u32(0x20, 1, 9).unwrap(), Err(2));
        assert!(
            memory.compare_exchange_u128(0x28, 0, 0).is_err() && memory.compare_exchange_u64(1 << 40, 0, 0).is_err()
        );
    }
}
