//! The translations of process contexts (PCIDs) that do not have the CPU, put aside until they have it again (SDM vol. 3, section 4.10.1).
//!
//! An address space without a PCID is a context, too, whose number is its CR3. A load of CR3 forgets it; but a processor may translate whatever its
//! tables say before anybody asks (section 4.10.2.3), and if they say what they said before, that is what is parked.
//!
//! Engines look into one set of banks, so the banks hold what is current. At a switch the bank of user mode, which is all but free of global
//! pages, is exchanged as a whole. The supervisor's banks hold the kernel's global pages, which stay, and few others, which are copied.

use super::bank::{BankEntries, Kept};
use super::large::LargePages;

/// So many contexts are remembered; the one that was current the longest ago makes room. Linux uses six, but a context takes up to 1.3 MiB,
/// and with eight nothing was faster: neither programs in pipes, nor a Debian that starts.
pub(super) const CONTEXTS: usize = 2;
/// So many local pages of a supervisor's bank are kept.
const MOST: usize = 512;
/// So many pages of user mode are looked at each time an address space without a PCID is come back to. If there are more, they are forgotten every
/// so many times, and what is translated then is what is still wanted.
const FEW: usize = 128;
const FORGET: u32 = 16;

/// Who translations belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// A PCID.
    Pcid(u16),
    /// An address space without one, by its CR3.
    Space(u64),
}

/// A context that has been left; or, if it has no number, room for one.
pub(super) struct Parked {
    pub(super) of: Option<Context>,
    /// How often an address space was left with many pages.
    many: u32,
    /// The bank of user mode.
    user: BankEntries,
    /// The local pages of the other two.
    others: [Vec<Kept>; 2],
    large: LargePages,
}

impl Parked {
    pub(super) fn new() -> Self {
        Parked {
            of: None,
            many: 0,
            user: BankEntries::new(),
            others: [Vec::new(), Vec::new()],
            large: LargePages::default(),
        }
    }

    /// Exchanges what is current for this.
    pub(super) fn exchange(&mut self, banks: &mut [BankEntries; 3], large: &mut LargePages, spare: &mut Vec<Kept>) {
        let [user, rest @ ..] = banks;
        std::mem::swap(user, &mut self.user);
        std::mem::swap(large, &mut self.large);
        for (bank, kept) in rest.iter_mut().zip(&mut self.others) {
            bank.exchange_locals(kept, spare, MOST);
            std::mem::swap(kept, spare);
        }
    }

    /// To be called before an address space without a PCID is come back to.
    pub(super) fn forget_at_times(&mut self) {
        if self.user.locals() > FEW {
            self.many = self.many.wrapping_add(1);
            if self.many.is_multiple_of(FORGET) {
                self.flush_local();
            }
        }
    }

    /// Forgets all pages that are not global.
    pub(super) fn flush_local(&mut self) {
        self.user.flush_local();
        self.others.iter_mut().for_each(Vec::clear);
        self.large.clear();
    }

    /// Forgets everything; there is room for another context.
    pub(super) fn drop_all(&mut self) {
        self.flush_local();
        self.user.flush_all();
        self.of = None;
    }

    /// Forgets one page, small or large.
    pub(super) fn flush_page(&mut self, linear: u64) {
        if self.large.are_too_many() {
            return self.flush_local();
        }
        let Parked { user, others, large, .. } = self;
        large.take(linear, |base, mask| {
            user.forget_within(base, mask);
            others.iter_mut().for_each(|kept| kept.retain(|k| !k.is_within(base, mask)));
        });
        user.forget(linear);
        others.iter_mut().for_each(|kept| kept.retain(|k| !k.has_place_of(linear)));
    }

    /// Forgets one global page.
    pub(super) fn flush_global_page(&mut self, linear: u64) {
        self.user.forget_global(linear);
    }

    /// Forgets the pieces of a large global page.
    pub(super) fn flush_globals_within(&mut self, base: u64, mask: u64) {
        if self.user.has_globals() {
            self.user.forget_within(base, mask);
        }
    }

    /// Forgets that pages may be written in place.
    pub(super) fn flush_writes(&mut self) {
        self.user.each(|i, entry| entry.close(i));
        self.others.iter_mut().flatten().for_each(Kept::close);
    }

    /// Forgets that this host page may be written in place.
    pub(super) fn flush_writes_to(&mut self, host: u64) {
        self.user.each(|i, entry| entry.close_if_to(i, host));
        self.others.iter_mut().flatten().for_each(|kept| kept.close_if_to(host));
    }
}
