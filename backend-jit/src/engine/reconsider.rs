//! Regions that were left where nobody expected it, again and again: they are compiled anew, by what is known then.

use super::Jit;
use super::reuse::ASKS;
use backend_interp::hot;
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use std::sync::atomic::{AtomicU16, Ordering};

/// So many accesses of a region may miss the page that they were expected in.
const APART: u16 = 256;
/// So often may it be left where it was not expected to go, before it is compiled anew; every time more often by a factor.
const UNEXPECTED: u16 = 2000;
/// That factor, as a shift.
const PATIENCE: u32 = 2;
/// So often is it compiled anew by what was counted; then nothing is expected any more.
const TIMES: u8 = 3;

/// The entry op of the region that [`Run::unexpected`] tells of, and whether an access was where nobody expected it.
fn parts(unexpected: u64) -> (*mut TracedOp, bool) {
    ((unexpected & !Run::APART) as *mut TracedOp, unexpected & Run::APART != 0)
}

/// Counts in a field that entry ops do not use otherwise. Counts of several vCPUs at the same time may be lost.
///
/// # Safety
/// The entry op's trace is not freed.
unsafe fn counter<'a>(entry: *mut TracedOp, apart: bool) -> &'a AtomicU16 {
    // SAFETY: the caller's promise; nobody writes the field in another way.
    unsafe {
        let op = &raw mut (*entry).op;
        AtomicU16::from_ptr(if apart { &raw mut (*op).fop } else { &raw mut (*op).helper })
    }
}

/// Whether the region that begins with a trace has disappointed so often that nothing is to be expected of it.
///
/// # Safety
/// The entry op's trace is not freed.
pub unsafe fn is_plain(entry: *const TracedOp) -> bool {
    // SAFETY: the caller's promise; it is only written with the compiler locked.
    unsafe { (*entry).op.imm2 >= TIMES }
}

/// Whether it has at all.
///
/// # Safety
/// The entry op's trace is not freed.
pub unsafe fn has_disappointed(entry: *const TracedOp) -> bool {
    // SAFETY: as above.
    unsafe { (*entry).op.imm2 > 0 }
}

/// Counts that a region was left unexpectedly; whether it has been so often that something is to be done.
///
/// # Safety
/// The region's entry op is of a trace that is not freed.
pub unsafe fn is_often(unexpected: u64) -> bool {
    let (entry, apart) = parts(unexpected);
    // SAFETY: the caller's promise; `imm2` is only written with the compiler locked, and either value will do.
    let (counter, times) = unsafe { (counter(entry, apart), (*entry).op.imm2) };
    let count = counter.load(Ordering::Relaxed).saturating_add(1);
    counter.store(count, Ordering::Relaxed);
    if apart { count >= APART } else { times < TIMES && count >= UNEXPECTED << (PATIENCE * u32::from(times)) }
}

impl Jit {
    /// Has a region compiled anew when it is entered next.
    ///
    /// # Safety
    /// This vCPU knows of all that was dropped, and executes no code.
    pub(super) unsafe fn reconsider(&mut self, run: &mut Run, pool: &mut Locked<'_>, unexpected: u64) {
        let (first, apart) = parts(unexpected);
        // All that enter the region, or the old code would go on to be left.
        let entries = self.regions.end_at(first);
        // SAFETY: the caller's promise: this vCPU has just come from the code of the trace.
        let times = unsafe {
            counter(first, apart).store(0, Ordering::Relaxed);
            (*first).op.imm2 + u8::from(!apart)
        };
        for entry in &entries {
            if apart {
                self.unshared.insert(*entry);
            } else {
                // Not what was kept: that is what was wrong.
                self.asked.insert(*entry, ASKS.len());
            }
            // SAFETY: traces that have code are not freed.
            unsafe {
                (**entry).op.imm2 = times;
                self.cool(*entry);
                // It is hot already.
                hot::set_left(*entry, 1);
            }
            run.jumps.forget_code_of(*entry, self.cold);
        }
        if entries.is_empty() {
            return;
        }
        self.lose(run, pool);
        self.statistics.reconsidered += 1;
    }
}
