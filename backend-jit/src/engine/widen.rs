//! A second look at what is entered very often, or goes round for long: see [`crate::gather::wide`].

use super::reconsider::has_disappointed;
use super::reuse::Looked;
use super::{Jit, is_plain};
use crate::gather::{Found, wide};
use crate::kept::Kept;
use backend_interp::hot;
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::cpu::Mode;

/// After so many times the threshold's entries (a region takes 20 ns or more) it is worth the milliseconds of another compilation.
const OFTEN: i64 = 50;

impl Jit {
    /// Begins to count how often compiled code is entered by a trace.
    ///
    /// # Safety
    /// The trace lives.
    pub(super) unsafe fn count_entries(&self, entry: *mut TracedOp) {
        // SAFETY: the caller's promise.
        unsafe { hot::set_left(entry, OFTEN * self.threshold) };
    }

    /// Has a wide region compiled that begins with a trace, unless it is that trace alone.
    ///
    /// # Safety
    /// This vCPU knows of all that was dropped, has just left compiled code in front of the trace, and executes none.
    pub(super) unsafe fn widen(&mut self, run: &mut Run, pool: &mut Locked<'_>, entry: *mut TracedOp) {
        self.collect(run, pool);
        if !self.has_code(entry) || self.regions.is_waiting(entry) {
            return;
        }
        // SAFETY: the caller's promise.
        if unsafe { self.find_wide(run, pool, entry) } {
            return;
        }
        // SAFETY: the caller's promise.
        let region = unsafe { wide::widen(run, pool, entry, is_plain(entry)) };
        if let [_] = region[..] {
            // It would be as it is.
            return;
        }
        self.statistics.widened += 1;
        // SAFETY: the caller's promise; the others were found in the pool just now.
        unsafe { self.have_compiled(run, pool, region, true) }
    }

    /// Has a wide region looked for soon, if an earlier run has kept one.
    ///
    /// # Safety
    /// The trace has just got code that was kept.
    pub(super) unsafe fn expect_wide(&self, kept: &Kept, mode: Mode, first: &Found) {
        if kept.has(&self.name(mode, first, true)) {
            // SAFETY: the caller's promise.
            unsafe { hot::set_left(first.entry, self.threshold) };
        }
    }

    /// Whether nothing is to be compiled yet: an earlier run has kept a wide region, and it is installed, or looked for once more when it
    /// would be time to make one.
    ///
    /// # Safety
    /// As for [`Jit::widen`].
    unsafe fn find_wide(&mut self, run: &mut Run, pool: &mut Locked<'_>, entry: *mut TracedOp) -> bool {
        let Some(kept) = self.kept.clone() else { return false };
        // SAFETY: the caller's promise.
        if unsafe { has_disappointed(entry) } {
            return false;
        }
        // SAFETY: the caller's promise.
        match unsafe { self.install_kept(&kept, run, pool, entry, true) } {
            Looked::Installed => self.statistics.widened += 1,
            // Some of its traces have not been come to.
            Looked::Others if self.awaited.insert(entry.cast_const()) => {
                // SAFETY: the caller's promise.
                unsafe { self.count_entries(entry) };
            }
            _ => return false,
        }
        true
    }
}
