//! What address spaces without PCIDs had translated when they were left. A load of CR3 forgets it, but where the address space is come
//! back to, the same pages are mostly wanted at once: they are looked up again together, by [`crate::paging::look_again`], as a
//! processor may translate whatever its tables say before anybody asks (SDM vol. 3, section 4.10.2.3).

use super::Bank;
use super::bank::BankEntries;

/// So many address spaces are remembered; the one that was left the longest ago makes room.
const SPACES: usize = 8;
/// So many pages of each bank, those that were translated last.
const PAGES: usize = 64;

/// An address space that was left.
struct Space {
    cr3: u64,
    pages: Vec<(Bank, u64)>,
}

/// Those that are remembered, the last one last.
#[derive(Default)]
pub(super) struct Recent(Vec<Space>);

impl Recent {
    /// Remembers what is translated.
    pub(super) fn note(&mut self, cr3: u64, banks: &[BankEntries; 3]) {
        let mut pages = self.take(cr3).unwrap_or_default();
        pages.clear();
        for (bank, entries) in [Bank::User, Bank::Supervisor, Bank::SupervisorSmap].into_iter().zip(banks) {
            pages.extend(entries.last_locals(PAGES).map(|linear| (bank, linear)));
        }
        if self.0.len() == SPACES {
            self.0.remove(0);
        }
        self.0.push(Space { cr3, pages });
    }

    /// What an address space had when it was left.
    pub(super) fn take(&mut self, cr3: u64) -> Option<Vec<(Bank, u64)>> {
        let at = self.0.iter().position(|space| space.cr3 == cr3)?;
        Some(self.0.remove(at).pages)
    }
}
