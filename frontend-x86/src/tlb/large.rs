//! Large pages of which pieces may be cached: INVLPG anywhere in a large page must forget all of its pieces.

use std::collections::HashSet;

/// So many are remembered one by one.
const MOST: usize = 4096;
/// Sizes of large pages: PAE and long mode, 32-bit paging, long mode.
const SIZES: [u64; 3] = [1 << 21, 1 << 22, 1 << 30];

/// The large pages of one address space, or those of all.
#[derive(Default)]
pub(super) struct LargePages {
    /// Base and mask.
    pages: HashSet<(u64, u64)>,
    /// The one that was noted last: it often is again.
    last: Option<(u64, u64)>,
    /// There were more.
    too_many: bool,
}

impl LargePages {
    pub(super) fn note(&mut self, linear: u64, bytes: u64) {
        let mask = !(bytes - 1);
        let page = (linear & mask, mask);
        if self.last == Some(page) || self.too_many {
            return;
        }
        self.last = Some(page);
        if self.pages.insert(page) {
            self.too_many = self.pages.len() > MOST;
        }
    }

    pub(super) fn clear(&mut self) {
        self.pages.clear();
        self.last = None;
        self.too_many = false;
    }

    /// Whether they were too many to know which.
    pub(super) fn are_too_many(&self) -> bool {
        self.too_many
    }

    /// Forgets those around an address, and tells of each.
    pub(super) fn take(&mut self, linear: u64, mut each: impl FnMut(u64, u64)) {
        if self.pages.is_empty() {
            return;
        }
        for mask in SIZES.map(|bytes| !(bytes - 1)) {
            if self.pages.remove(&(linear & mask, mask)) {
                self.last = None;
                each(linear & mask, mask);
            }
        }
    }
}
