//! What an engine above the interpreter hooks into: traces begin with an *entry op* that counts, and that is given a
//! handler of the other engine's once the trace is worth it. Compiled code comes back for single ops ([`one`]) and for
//! jumps whose targets are not cached ([`leave_for`]).
//!
//! Everything that drops a trace drops its entry op with it, so nothing else has to be invalidated.

use crate::fast::{Fast, Flow};
use crate::handlers;
use crate::run::{Handler, Run, TracedOp};
use crate::slow;
use crate::traced;
use frontend_x86::op::{Func, Ins, bits};
use frontend_x86::sem;
use std::ptr::null;
use std::sync::atomic::Ordering;

/// The engine above.
#[derive(Clone, Copy)]
pub struct Hot {
    /// How often a trace is entered before `notice` is called: once, and now and then again as long as that changes nothing, in case
    /// that another vCPU that counts too has missed it.
    pub threshold: i64,
    /// Told of a trace by its entry op, whose handler it may replace. It may change nothing else of the run.
    ///
    /// Called between handlers, with the contract of [`crate::run::Handler`].
    pub notice: Notice,
    /// The same, long before: told of a trace whose count is divisible by `warmth`, and not negative.
    pub warm: Notice,
    /// See `warm`: a power of two, at most [`AGAIN`].
    pub warmth: i64,
    /// Told of the trace at which a budget was used up: of the guest's time, a sample.
    pub sampled: Notice,
    /// For this function.
    pub owner: *mut (),
    /// What the entry op's immediate is to begin with: the engine's code for "not compiled".
    pub code: u64,
}

/// How the engine above is told of a trace.
pub type Notice = unsafe fn(run: *mut Run, entry: *mut TracedOp);

/// After so many entries a trace that has been told of is told of again.
pub const AGAIN: i64 = 4096;

/// Where a handler that the engine above has made goes on when it does not itself.
pub struct Ways {
    /// Executes an op that has not changed anything yet, whatever may happen.
    pub slow: Handler,
    /// Takes a direct jump, whose op has done everything else.
    pub unlinked: Handler,
    /// Takes an indirect jump to `cpu.next_rip`, which the budget has been charged for. Its op is not looked at.
    pub jump: Handler,
    /// Leaves at the target of a direct jump, with which the budget is used up.
    pub stop: Handler,
    /// Tells the engine above of the trace: to be called when its count is divisible by [`AGAIN`], and not positive.
    pub notice: Handler,
    /// What stands at the end of traces whose last instruction goes on, unless one follows that has to be executed by itself.
    pub goto: Handler,
    /// What [`TracedOp::HANDLER`] is the distance from.
    pub origin: u64,
}

/// These ways.
pub fn ways() -> Ways {
    Ways {
        slow: handlers::slow_path,
        unlinked: handlers::unlinked,
        jump: handlers::jump,
        stop: slow::stop_at_target,
        notice,
        goto: handlers::of(TracedOp::pseudo_op(Func::Goto).ins),
        origin: traced::origin() as u64,
    }
}

/// How often a trace is still to be entered until the engine above is told.
///
/// # Safety
/// The entry op is of a trace that is not freed.
#[inline(always)]
pub unsafe fn left(entry: *const TracedOp) -> i64 {
    // SAFETY: the caller's promise.
    i64::from(unsafe { (*entry).left() }.load(Ordering::Relaxed))
}

/// Sets that. Counts of other vCPUs at the same time may be lost, or win.
///
/// # Safety
/// The entry op is of a trace that is not freed.
#[inline(always)]
pub unsafe fn set_left(entry: *const TracedOp, left: i64) {
    let left = left.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    // SAFETY: as above.
    unsafe { (*entry).left() }.store(left, Ordering::Relaxed);
}

/// The engine's code for a trace.
///
/// # Safety
/// The entry op is of a trace that is not freed.
#[inline(always)]
pub unsafe fn code(entry: *const TracedOp) -> u64 {
    // SAFETY: as above.
    unsafe { (*entry).word() }.load(Ordering::Acquire)
}

/// Where a direct jump leads, if that is known.
///
/// # Safety
/// The op is of a trace that is not freed, and [may be linked](TracedOp::may_link).
pub unsafe fn link(op: *const TracedOp) -> *const TracedOp {
    // SAFETY: as above.
    let link = unsafe { (*op).word() }.load(Ordering::Acquire);
    std::ptr::with_exposed_provenance(link as usize)
}

/// Says where.
///
/// # Safety
/// The ops are of traces that are not freed, and the first may be linked.
pub unsafe fn set_link(op: *const TracedOp, target: *const TracedOp) {
    // SAFETY: as above. Others may follow it from now on.
    unsafe {
        debug_assert!((*op).may_link());
        (*op).word().store(target.expose_provenance() as u64, Ordering::Release);
    }
}

/// Gives a trace other code, and the handler that goes with it. Another vCPU may see one before the other: the code must do for
/// both.
///
/// # Safety
/// The entry op is of a trace that is not freed.
pub unsafe fn set_code(entry: *const TracedOp, code: u64, handler: Handler) {
    // SAFETY: as above.
    let entry = unsafe { &*entry };
    entry.word().store(code, Ordering::Release);
    entry.change_handler(handler);
}

/// Gives an op another handler.
///
/// # Safety
/// The op is of a trace that is not freed, and the handler does with it what the other one did.
pub unsafe fn set_handler(op: *const TracedOp, handler: Handler) {
    // SAFETY: the caller's promise.
    unsafe { (*op).change_handler(handler) }
}

/// Counts, until the engine above is to be told.
pub unsafe fn entry(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    unsafe { count_down::<true>(run, op) }
}

/// The same of a trace that may be as warm as it will.
pub unsafe fn counted(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    unsafe { count_down::<false>(run, op) }
}

#[inline(always)]
unsafe fn count_down<const WARMS: bool>(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`; nobody else looks at the op meanwhile.
    unsafe {
        let count = left(op) - 1;
        set_left(op, count);
        let often = if WARMS { (*run).cache.hot.map_or(AGAIN, |hot| hot.warmth) } else { AGAIN };
        if count & (often - 1) == 0 {
            if count <= 0 && count & (AGAIN - 1) == 0 {
                return notice(run, op);
            }
            if WARMS {
                return warm(run, op);
            }
        }
        let next = op.add(1);
        #[cfg(feature = "loop-dispatch")]
        return next;
        #[cfg(not(feature = "loop-dispatch"))]
        ((*next).handler())(run, next)
    }
}

#[inline(never)]
unsafe fn warm(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`; `warm` was given by the engine that owns this run.
    unsafe {
        if let Some(hot) = (*run).cache.hot {
            (hot.warm)(run, op.cast_mut());
        }
        // If nothing came of it, the same handler would only come here again.
        if std::ptr::fn_addr_eq((*op).handler(), entry as Handler) { op.add(1) } else { op }
    }
}

#[inline(never)]
unsafe fn notice(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`; `notice` was given by the engine that owns this run.
    unsafe {
        if let Some(hot) = (*run).cache.hot {
            (hot.notice)(run, op.cast_mut());
        }
        // By its new handler, or by the old one, which will not come here again.
        op
    }
}

/// Executes one op that is no jump, whose trace's budget is not yet charged. Gives the op after it; another one, or null,
/// if the caller is to return that to the run loop.
///
/// # Safety
/// The contract of [`crate::run::Handler`].
pub unsafe extern "C" fn one(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    unsafe {
        loop {
            if (*op).is_apart() {
                return slow::run_any(run, op);
            }
            let i = (*op).near_ins();
            let mut fast = Fast { run, op, i };
            let flow = match i.func {
                Func::Helper => return slow::run_helper(run, op),
                Func::Movs => sem::string::movs(&mut fast, i),
                Func::Stos => sem::string::stos(&mut fast, i),
                Func::Lods => sem::string::lods(&mut fast, i),
                Func::Cmps => sem::string::cmps(&mut fast, i),
                Func::Scas => sem::string::scas(&mut fast, i),
                Func::VecMov => handlers::vec_mov_body(run, op),
                Func::VecBin => handlers::vec_bin_body(run, op),
                Func::VecUnary => handlers::vec_unary_body(run, op),
                Func::VecImm => handlers::vec_imm_body(run, op),
                Func::VecGpr => handlers::vec_gpr_body(run, op),
                Func::VecFloat => handlers::vec_float_body(run, op),
                _ => return slow::run_any(run, op),
            };
            match flow {
                Ok(Flow::Again) => {
                    let r = &mut *run;
                    r.cpu.left -= 1;
                    r.uncounted += 1;
                    if r.cpu.left < 0 {
                        return slow::stop_again(run, op);
                    }
                }
                Ok(_) => return op.add(1),
                Err(_) => return slow::run_any(run, op),
            }
        }
    }
}

/// The same of an op that is a plain function.
///
/// # Safety
/// The contract of [`crate::run::Handler`].
#[inline]
pub unsafe fn helper(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    unsafe { slow::run_helper(run, op) }
}

/// For a jump whose target is not in its place in the cache of jumps, or with which the budget is used up (and charged for): the op there
/// if it is beside its place, else it leaves at that target.
///
/// # Safety
/// The contract of [`crate::run::Handler`].
pub unsafe extern "C" fn leave_for(run: *mut Run, target: u64) -> *const TracedOp {
    use crate::run::Left;
    // SAFETY: passed on.
    let r = unsafe { &mut *run };
    r.cpu.rip = target;
    if r.cpu.left < 0 {
        r.left = Left::Look;
        return null();
    }
    r.left = Left::Find;
    // SAFETY: `sync_tlb` has set the bank's entries.
    let (found, base) = unsafe { r.jumps.find_second(r.tlb, target) };
    if !found.is_null() {
        r.cpu.regs[frontend_x86::op::RIP_BASE as usize] = base;
    }
    found
}

/// Leaves in front of a trace, to look around first.
///
/// # Safety
/// The contract of [`crate::run::Handler`] for its entry op.
pub unsafe fn leave_before(run: *mut Run, entry: *const TracedOp) -> *const TracedOp {
    // SAFETY: passed on.
    let (r, offset) = unsafe { (&mut *run, (*entry).offset) };
    r.cpu.rip = r.rip_at(offset.into());
    r.left = crate::run::Left::Look;
    null()
}

/// The shape of an op by itself: without the conditional jump that the interpreter may run together with it.
pub fn plain(i: Ins) -> Ins {
    if i.has(bits::FUSED) { Ins { sub: i.sub & 15, bits: i.bits & !bits::FUSED, ..i } } else { i }
}
