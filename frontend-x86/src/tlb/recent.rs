//! What address spaces without PCIDs had translated when they were left. A load of CR3 forgets it, but where the address space is come
//! back to, the same pages are mostly wanted at once: they are looked up again together, by [`crate::paging::look_again`], as a
//! processor may translate whatever its tables say before anybody asks (SDM vol. 3, section 4.10.2.3).

use super::Bank;
use super::bank::BankEntries;

/// So many address spaces are remembered; the one that was left the longest ago makes room.
const SPACES: usize = 8;
/// So many pages of each bank, those that were translated last.
const PAGES: usize = 64;
/// Every so many times an address space is come back to with nothing translated: what is translated then is what is still wanted. Which of
/// the pages that were looked up again are used, nobody sees.
const FORGET: u32 = 16;

/// An address space that was left.
struct Space {
    cr3: u64,
    pages: Vec<(Bank, u64)>,
    /// How often it was come back to.
    times: u32,
}

/// Those that are remembered, the last one last.
#[derive(Default)]
pub(super) struct Recent(Vec<Space>);

impl Recent {
    /// Remembers what is translated.
    pub(super) fn note(&mut self, cr3: u64, banks: &[BankEntries; 3]) {
        let Space { mut pages, times, .. } =
            self.remove(cr3).unwrap_or_else(|| Space { cr3, pages: Vec::new(), times: 0 });
        pages.clear();
        for (bank, entries) in [Bank::User, Bank::Supervisor, Bank::SupervisorSmap].into_iter().zip(banks) {
            pages.extend(entries.last_locals(PAGES).map(|linear| (bank, linear)));
        }
        if self.0.len() == SPACES {
            self.0.remove(0);
        }
        self.0.push(Space { cr3, pages, times });
    }

    /// What is to be looked up of an address space that is come back to.
    pub(super) fn wanted(&mut self, cr3: u64) -> &[(Bank, u64)] {
        let Some(space) = self.0.iter_mut().find(|space| space.cr3 == cr3) else { return &[] };
        space.times = space.times.wrapping_add(1);
        if space.times.is_multiple_of(FORGET) { &[] } else { &space.pages }
    }

    fn remove(&mut self, cr3: u64) -> Option<Space> {
        let at = self.0.iter().position(|space| space.cr3 == cr3)?;
        Some(self.0.remove(at))
    }
}
