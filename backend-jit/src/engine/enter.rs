//! A vCPU's side of compiled code: the way into it, and what is done when a trace is hot.

use super::reconsider::{self, Then};
use super::{AGAIN, Common, Jit, Tier};
use crate::gather::{self, Found};
use crate::mxcsr;
use crate::worker::{self, Done, Job};
use backend_interp::hot;
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::op::{Func, RIP_BASE};
use std::sync::Arc;
use std::time::Instant;

/// The way from Rust into compiled code.
pub type Entrance = unsafe extern "C" fn(run: *mut Run, op: *const TracedOp, code: u64) -> *const TracedOp;

/// What a vCPU has for itself.
pub struct Own {
    pub(super) common: Arc<Common>,
    entrance: Entrance,
    pub(super) exits: Exits,
    /// How many instructions there had been when the budget was used up before.
    sampled_at: u64,
}

/// So many instructions take about as long as entering compiled code once.
const AN_ENTRY: i64 = 64;

/// How often compiled code came back to the interpreter, and for what.
pub struct Exits {
    /// To execute an operation, by its [`Func`].
    pub ops: [u64; 256],
    /// For code that is not compiled.
    pub cold: u64,
    /// For the run loop.
    pub loops: u64,
}

impl Exits {
    /// Compiled code has come back with this op; `cold` is the code of traces that have none.
    ///
    /// # Safety
    /// It is null or of a live trace.
    unsafe fn count(&mut self, run: &mut Run, then: *const TracedOp, cold: u64) {
        if then.is_null() {
            self.loops += 1;
            return;
        }
        // SAFETY: the caller's promise.
        let op = unsafe { &*then };
        match (op.ins().func, op.length()) {
            (Func::Nop, 0) => {
                self.cold += 1;
                // SAFETY: as above.
                let code = unsafe { hot::code(then) };
                if code != cold && run.cache.is_fresh() {
                    // The cache of jumps did not know.
                    let linear = run.cpu.regs[usize::from(RIP_BASE)].wrapping_add(u64::from(op.offset));
                    run.jumps.renew(linear, then, code);
                }
            }
            (func, _) => self.ops[func as usize] += 1,
        }
    }
}

impl Own {
    pub(super) fn new(common: Arc<Common>, entrance: Entrance) -> Self {
        Own { common, entrance, exits: Exits { ops: [0; 256], cold: 0, loops: 0 }, sampled_at: 0 }
    }

    /// How many instructions there were since this was asked last.
    fn since_sample(&mut self, retired: u64) -> i64 {
        retired.wrapping_sub(std::mem::replace(&mut self.sampled_at, retired)) as i64
    }
}

/// Told by the interpreter that a trace is hot.
///
/// # Safety
/// See [`hot::Hot::notice`]; `owner` is the [`Own`] of the vCPU that runs.
pub unsafe fn notice(run: *mut Run, entry: *mut TracedOp) {
    // SAFETY: the vCPU owns both and is running; it executes no compiled code, since this is called by the interpreter between ops.
    let (run, common) = unsafe {
        let Some(hot) = (*run).cache.hot else { return };
        (&mut *run, (*hot.owner.cast::<Own>()).common.clone())
    };
    let mut pool = common.pool.lock();
    if !run.cache.is_fresh() {
        // The trace may have been dropped, which this vCPU will hear when it looks around.
        // SAFETY: nothing that this vCPU may be in is freed.
        return unsafe { hot::set_left(entry, AGAIN) };
    }
    let mut jit = common.compiled.lock();
    jit.collect(run, &mut pool);
    if jit.has_code(entry) || jit.hopeless.contains(&entry.cast_const()) || jit.regions.is_waiting(entry) {
        return;
    }
    // SAFETY: this vCPU knows of all that was dropped, so the trace lives.
    unsafe {
        if !jit.find(run, &mut pool, entry) {
            jit.translate(run, &mut pool, entry);
        }
    }
}

/// Told by the interpreter that a trace is warm.
///
/// # Safety
/// See [`notice`].
pub unsafe fn warm(run: *mut Run, entry: *mut TracedOp) {
    // SAFETY: as in `notice`.
    let (run, common) = unsafe {
        let Some(hot) = (*run).cache.hot else { return };
        (&mut *run, (*hot.owner.cast::<Own>()).common.clone())
    };
    let mut pool = common.pool.lock();
    let mut jit = common.compiled.lock();
    let has_code = jit.has_code(entry);
    let Jit { strips: Some(strips), perf, .. } = &mut *jit else { return };
    if !has_code && run.cache.is_fresh() {
        // SAFETY: this vCPU knows of all that was dropped, so the trace lives.
        unsafe { strips.make(run, &mut pool, perf.as_mut(), entry) };
    }
}

/// Told by the interpreter of the trace at which the budget was used up. What is executed there may seldom be entered, but go round for long: it
/// is taken for as many entries.
///
/// # Safety
/// See [`notice`].
pub unsafe fn sampled(run: *mut Run, entry: *mut TracedOp) {
    // SAFETY: the vCPU owns both and is running; the trace lives.
    unsafe {
        let Some(hot) = (*run).cache.hot else { return };
        let since = (*hot.owner.cast::<Own>()).since_sample((*run).cpu.state.retired);
        let left = hot::left(entry);
        if left > 1 && hot::code(entry) != hot.code {
            hot::set_left(entry, (left - since / AN_ENTRY).max(1));
        }
    }
}

impl Jit {
    /// Compiles a region that begins with a trace, or has it compiled.
    ///
    /// # Safety
    /// The interpreter is about to enter the trace, which lives.
    unsafe fn translate(&mut self, run: &mut Run, pool: &mut Locked<'_>, entry: *mut TracedOp) {
        let compiled = |entry: *const TracedOp| self.has_code(entry) || self.regions.is_waiting(entry);
        // SAFETY: the caller's promise.
        let region = unsafe {
            gather::gather(
                run,
                pool,
                entry,
                reconsider::is_plain(entry),
                |entry| self.count(entry),
                self.enough(),
                compiled,
            )
        };
        // SAFETY: the caller's promise; the others were found in the pool just now.
        unsafe { self.have_compiled(run, pool, region, false) }
    }

    /// Compiles a region, or gives it to the thread. `closed`: see [`gather::wide`].
    ///
    /// # Safety
    /// Its traces live; the interpreter is about to enter the first.
    pub(super) unsafe fn have_compiled(
        &mut self,
        run: &mut Run,
        pool: &mut Locked<'_>,
        mut region: Vec<Found>,
        closed: bool,
    ) {
        let Some(Found { entry, .. }) = region.first().copied() else { return };
        region.iter_mut().for_each(|found| found.apart = self.apart(found.entry));
        let number = self.regions.add(&region);
        let mode = run.cpu.mode;
        let mut job = Job::new(number, &region, mode, closed);
        if let Some(immediate) = self.sabotage {
            job.sabotage(immediate);
        }
        match &mut self.tier {
            Tier::Now(compiler) => {
                let begun = Instant::now();
                let code = worker::compile_or_not(compiler, &job);
                let done = Done { ticket: number, closed, code, time: begun.elapsed() };
                // SAFETY: the caller's promise.
                unsafe { self.finish(run, pool, mode, &region, done) }
            }
            Tier::Beside(worker) => {
                if worker.give(job) {
                    let entries = gather::entries(&region, mode, closed);
                    self.regions.wait(number, region, mode, &entries);
                } else {
                    self.regions.withdraw(number, region.iter().map(|found| found.entry.cast_const()));
                    // SAFETY: the caller's promise.
                    unsafe { hot::set_left(entry, AGAIN) };
                }
            }
        }
    }
}

/// Compiled code has come back as [`Run::unexpected`] says.
#[cold]
unsafe fn reconsider(run: &mut Run, own: &Own, then: *const TracedOp) {
    let unexpected = std::mem::take(&mut run.unexpected);
    let common = own.common.clone();
    if unexpected & Run::OFTEN != 0 {
        let entry = (unexpected & !Run::OFTEN) as *mut TracedOp;
        let mut pool = common.pool.lock();
        // SAFETY: this vCPU has just come from that code: if its trace was dropped meanwhile, it is not freed.
        return unsafe {
            match run.cache.is_fresh() {
                true => common.compiled.lock().widen(run, &mut pool, entry),
                false => hot::set_left(entry, AGAIN),
            }
        };
    }
    // SAFETY: this vCPU has just come from that code: if its traces were dropped meanwhile, they are not freed.
    let what = unsafe { reconsider::count(unexpected) };
    if what == Then::Nothing || then.is_null() {
        return;
    }
    let mut pool = common.pool.lock();
    if !run.cache.is_fresh() {
        return;
    }
    let mut jit = common.compiled.lock();
    if what == Then::Begin {
        return jit.begin(run, unexpected);
    }
    // SAFETY: this vCPU knows of all that was dropped, has just come from there, and executes no code.
    unsafe {
        if jit.note(run, unexpected, then) && what == Then::Renew {
            jit.reconsider(run, &mut pool, unexpected);
        }
    }
}

/// The handler of entry ops whose trace is compiled.
///
/// # Safety
/// The contract of [`backend_interp::run::Handler`].
pub unsafe fn enter(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: only an installed region has this handler, with the code's address in the op; code and owner live as long as the run.
    // Another vCPU may have taken the code away meanwhile: it lives until this one has looked around.
    unsafe {
        let Some(hot) = (*run).cache.hot else { return op.add(1) };
        let own = hot.owner.cast::<Own>();
        let code = hot::code(op);
        if !(*run).cache.is_fresh() {
            // The code may be newer than what this vCPU knows of other traces: it would execute those after it, and go back in time.
            return hot::leave_before(run, op);
        }
        let then = ((*own).entrance)(run, op, code);
        mxcsr::disarm(&mut *run);
        (*own).exits.count(&mut *run, then, hot.code);
        if (*run).unexpected != 0 {
            reconsider(&mut *run, &*own, then);
        }
        then
    }
}
