//! Regions that were left where nobody expected it, again and again: they are compiled anew, by what is known then.
//! Accesses that were expected in one page are told by op: in the second half of their number it is noted which they are.

use super::Jit;
use super::reuse::ENOUGH;
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use backend_interp::{hot, profile};
use std::sync::atomic::{AtomicU8, Ordering};

/// So many accesses of a region may miss the page that they were expected in.
const APART: u8 = u8::MAX;
/// So often may it be left where it was not expected to go, before it is compiled anew; every time more often by a factor.
const UNEXPECTED: u16 = 2000;
/// Of the last of these it is noted at which jumps they were.
const LOOKED_AT: u16 = 256;
/// If it is left less often than once in so many instructions, that is no hurry: what it costs by then is far less than compiling.
const SELDOM: u64 = 2000;
/// So many times as often may it be left then, until both cost about as much.
const UNHURRIED: u16 = 8;
/// That factor, as a shift.
const PATIENCE: u32 = 2;
/// So often is it compiled anew by what was counted; then nothing is expected any more.
const TIMES: u8 = 3;

/// The entry op of the region that [`Run::unexpected`] tells of, and whether an access was where nobody expected it.
fn parts(unexpected: u64) -> (*mut TracedOp, bool) {
    ((unexpected & !Run::APART) as *mut TracedOp, unexpected & Run::APART != 0)
}

/// Which of an entry op's small numbers counts accesses that were elsewhere; the two before it count the other ways out.
const ELSEWHERE: usize = 2;
/// And which one says how often the region was compiled anew in this run; its upper half, how often in earlier ones.
const RENEWED: usize = 3;
/// The lower half.
const NOW: u8 = 0xf;

/// How often the region that begins with a trace was compiled anew by what was counted: see [`RENEWED`].
///
/// # Safety
/// The entry op's trace is not freed.
unsafe fn renewed<'a>(entry: *const TracedOp) -> &'a AtomicU8 {
    // SAFETY: the caller's promise.
    unsafe { (*entry).small(RENEWED) }
}

/// The same, in this run.
///
/// # Safety
/// The entry op's trace is not freed.
unsafe fn times(entry: *const TracedOp) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { renewed(entry) }.load(Ordering::Relaxed) & NOW
}

/// The region that begins with a trace has been compiled so often in earlier runs: what is left seldom by now is not worth another time
/// soon.
///
/// # Safety
/// The entry op's trace is not freed.
pub unsafe fn note_earlier(entry: *const TracedOp, times: usize) {
    // SAFETY: the caller's promise.
    let renewed = unsafe { renewed(entry) };
    let now = renewed.load(Ordering::Relaxed) & NOW;
    renewed.store(now | (times.min(usize::from(TIMES)) as u8) << 4, Ordering::Relaxed);
}

/// Whether it has disappointed so often that nothing is to be expected of it.
///
/// # Safety
/// The entry op's trace is not freed.
pub unsafe fn is_plain(entry: *const TracedOp) -> bool {
    // SAFETY: the caller's promise.
    unsafe { times(entry) >= TIMES }
}

/// Whether it has at all.
///
/// # Safety
/// The entry op's trace is not freed.
pub unsafe fn has_disappointed(entry: *const TracedOp) -> bool {
    // SAFETY: the caller's promise.
    unsafe { times(entry) > 0 }
}

/// What is known of a trace's accesses that were not in the page that they were expected in.
#[derive(Clone, Copy, Default)]
pub struct Apart {
    /// See [`crate::emit::Member::apart`].
    pub ops: u128,
    /// How often the region that begins with it was compiled anew because of such accesses.
    pub times: u8,
}

/// What is to be done about a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays as it is.
    Nothing,
    /// It was the first time: see [`Jit::begin`].
    Begin,
    /// It is to be noted where it was left: see [`Jit::note`].
    Note,
    /// It is to be compiled anew: see [`Jit::reconsider`].
    Renew,
}

/// Counts that a region was left unexpectedly; what follows from it.
///
/// # Safety
/// The region's entry op is of a trace that is not freed.
pub unsafe fn count(unexpected: u64) -> Then {
    let (entry, apart) = parts(unexpected);
    // SAFETY: the caller's promise. Counts of several vCPUs at the same time may be lost.
    let (entry, times, renewed) = unsafe { (&*entry, times(entry), renewed(entry).load(Ordering::Relaxed)) };
    if apart {
        let count = entry.small(ELSEWHERE).load(Ordering::Relaxed).saturating_add(1);
        entry.small(ELSEWHERE).store(count, Ordering::Relaxed);
        return match count {
            APART => Then::Renew,
            count if count > APART / 2 => Then::Note,
            _ => Then::Nothing,
        };
    }
    let count = entry.pair().load(Ordering::Relaxed).saturating_add(1);
    entry.pair().store(count, Ordering::Relaxed);
    let [limit, last] = limits(renewed);
    match count {
        _ if times >= TIMES => Then::Nothing,
        1 => Then::Begin,
        count if count >= last || (limit..limit + LOOKED_AT).contains(&count) => Then::Renew,
        count if count > last - LOOKED_AT || (limit - LOOKED_AT..limit).contains(&count) => Then::Note,
        _ => Then::Nothing,
    }
}

/// How often a region may be left where nobody expected it: in a hurry, and at all.
fn limits(renewed: u8) -> [u16; 2] {
    let patience = PATIENCE * u32::from(((renewed & NOW) + (renewed >> 4)).min(TIMES - 1));
    let limit = UNEXPECTED << patience;
    [limit, limit.saturating_mul(UNHURRIED)]
}

impl Jit {
    /// A region begins to be left where it was not expected.
    pub(super) fn begin(&mut self, run: &Run, unexpected: u64) {
        self.left_since.insert(parts(unexpected).0, run.cpu.state.retired);
    }

    /// Notes in front of which op a region was left, for when it is compiled anew. False: it would come out the same, or is not worth it.
    ///
    /// # Safety
    /// The op is of a live trace, behind its first, and this vCPU has just come from the region.
    pub(super) unsafe fn note(&mut self, run: &Run, unexpected: u64, op: *const TracedOp) -> bool {
        match parts(unexpected) {
            (first, true) => self.note_access(first, op),
            // SAFETY: passed on.
            (first, false) => unsafe { self.note_jump(run, first, op) },
        }
    }

    /// Notes that an op's accesses are better checked one by one.
    fn note_access(&mut self, first: *const TracedOp, op: *const TracedOp) -> bool {
        let Some(entry) = self.regions.trace_of(first, op) else { return false };
        // The entry op comes first.
        let at = (op.addr() - entry.addr()) / size_of::<TracedOp>() - 1;
        let bit = u32::try_from(at).ok().and_then(|at| 1u128.checked_shl(at)).unwrap_or(0);
        self.apart.entry(entry).or_default().ops |= bit;
        bit != 0
    }

    /// Notes that the jump goes both ways which the region was left in front of, or behind, if it is left often enough.
    ///
    /// # Safety
    /// As for [`Jit::note`].
    unsafe fn note_jump(&self, run: &Run, first: *const TracedOp, op: *const TracedOp) -> bool {
        let since = self.left_since.get(&first).copied().unwrap_or(0);
        // SAFETY: the caller's promise.
        let (count, last, ops) = unsafe {
            let [_, last] = limits(renewed(first).load(Ordering::Relaxed));
            ((*first).pair().load(Ordering::Relaxed), last, [&*op, &*op.sub(1)])
        };
        let seldom = run.cpu.state.retired.wrapping_sub(since) > u64::from(count) * SELDOM;
        if seldom && count <= last - LOOKED_AT {
            return false;
        }
        ops.into_iter().for_each(profile::expect_both);
        true
    }

    /// Has a region compiled anew when it is entered next.
    ///
    /// # Safety
    /// This vCPU knows of all that was dropped, and executes no code.
    pub(super) unsafe fn reconsider(&mut self, run: &mut Run, pool: &mut Locked<'_>, unexpected: u64) {
        let (first, apart) = parts(unexpected);
        // All that enter the region, or the old code would go on to be left.
        let entries = self.regions.end_at(first);
        // SAFETY: the caller's promise: this vCPU has just come from the code of the trace.
        let renewed = unsafe {
            match apart {
                true => (*first).small(ELSEWHERE).store(0, Ordering::Relaxed),
                false => (*first).pair().store(0, Ordering::Relaxed),
            }
            times(first) + u8::from(!apart)
        };
        for entry in &entries {
            if apart {
                let times = &mut self.apart.entry(*entry).or_default().times;
                *times = times.saturating_add(1);
            } else {
                // Not what was kept: that is what was wrong.
                self.asked.insert(*entry, ENOUGH);
            }
            // SAFETY: traces that have code are not freed.
            unsafe {
                let times = self::renewed(*entry);
                times.store(times.load(Ordering::Relaxed) & !NOW | renewed, Ordering::Relaxed);
                self.cool(*entry);
                // It is hot already.
                hot::set_left(*entry, 1);
            }
        }
        if entries.is_empty() {
            return;
        }
        run.jumps.forget_code_of(entries, self.cold);
        self.lose(run, pool);
        self.statistics.reconsidered += 1;
    }
}
