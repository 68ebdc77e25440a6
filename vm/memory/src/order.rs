//! The order in which others see a CPU's accesses to guest memory, on hosts that keep less of it than x86 does: no access comes
//! before a load that it follows, no store before an access that it follows (Intel SDM vol. 3, section 9.2.2).
//!
//! On hosts of the x86 family nothing is to be done. Elsewhere a fence stands behind each load and before each store, here in
//! all that is not an engine's fast path. That one leaves it out while it is the only CPU, where nobody sees the difference.

use std::sync::atomic::{Ordering, fence};

/// Whether the host needs any of it.
pub const MATTERS: bool = cfg!(not(any(target_arch = "x86_64", target_arch = "x86")));

/// Behind a load: no later access comes before it.
#[inline(always)]
pub fn after_load() {
    if MATTERS {
        fence(Ordering::Acquire);
    }
}

/// Before a store: it comes before no earlier access.
#[inline(always)]
pub fn before_store() {
    if MATTERS {
        fence(Ordering::Release);
    }
}

/// Behind a locked operation: no later load comes before its store (section 9.2.3.9), which it could on hosts where an atomic
/// operation is a pair of instructions.
#[inline(always)]
pub fn after_locked() {
    if MATTERS {
        fence(Ordering::SeqCst);
    }
}
