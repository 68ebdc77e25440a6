//! How often conditional jumps were taken and not taken, as their handlers count them: so that an engine above spends nothing
//! on code that is never reached. The counts lie in fields that such ops do not use otherwise; they may wrap, and are a guess.

use crate::run::TracedOp;
use frontend_x86::op::{Func, Op, bits};
use std::sync::atomic::{AtomicU16, Ordering};

/// One side of a jump is rare if it was gone to less often than the other by this factor.
const FACTOR: u32 = 128;
/// With fewer observations nothing is said.
const LEAST: u32 = 16;

/// Which side of a conditional jump is hardly ever gone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rare {
    /// Neither, or nobody knows.
    Neither,
    /// The jump's target.
    Taken,
    /// What follows it.
    Next,
}

/// Begins to count, if the op is a conditional jump or does the work of one.
pub fn begin(op: &mut Op) {
    if op.ins.func == Func::Jcc || op.ins.has(bits::FUSED) {
        (op.helper, op.fop) = (0, 0);
    }
}

/// The op without what was counted.
pub fn without(mut op: Op) -> Op {
    begin(&mut op);
    op
}

/// Counts of other vCPUs at the same time may be lost.
#[inline(always)]
unsafe fn count(field: *mut u16) {
    // SAFETY: the caller's promise; all write it in one piece.
    let count = unsafe { AtomicU16::from_ptr(field) };
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// The jump is taken.
///
/// # Safety
/// The contract of [`crate::run::Handler`]; nobody else looks at the op meanwhile.
#[inline(always)]
pub unsafe fn taken(op: *const TracedOp) {
    // SAFETY: the caller's promise.
    unsafe {
        count(&raw mut (*op.cast_mut()).op.fop);
    }
}

/// It is not.
///
/// # Safety
/// As for [`taken`].
#[inline(always)]
pub unsafe fn not_taken(op: *const TracedOp) {
    // SAFETY: the caller's promise.
    unsafe {
        count(&raw mut (*op.cast_mut()).op.helper);
    }
}

/// How often a trace's conditional jump was taken, and not taken.
pub fn counts(ops: &[TracedOp], at: usize) -> (u32, u32) {
    let count = |op: &Op| (u32::from(op.fop), u32::from(op.helper));
    let (mut taken, mut not) = count(&ops[at].op);
    // Mostly the op before it does its work.
    if let Some(before) = at.checked_sub(1).and_then(|n| ops.get(n)).filter(|op| op.op.ins.has(bits::FUSED)) {
        let more = count(&before.op);
        (taken, not) = (taken + more.0, not + more.1);
    }
    (taken, not)
}

/// Which side of a trace's op is rare, if it is a conditional jump.
pub fn rare(ops: &[TracedOp], at: usize) -> Rare {
    if ops[at].op.ins.func != Func::Jcc {
        return Rare::Neither;
    }
    let (taken, not) = counts(ops, at);
    match (taken, not) {
        _ if taken + not < LEAST => Rare::Neither,
        _ if taken.saturating_mul(FACTOR) < not => Rare::Taken,
        _ if not.saturating_mul(FACTOR) < taken => Rare::Next,
        _ => Rare::Neither,
    }
}

/// How many of a trace's ops are worth compiling: what follows a jump that is always taken is not.
pub fn reached(ops: &[TracedOp]) -> usize {
    (0..ops.len()).find(|at| rare(ops, *at) == Rare::Next).map_or(ops.len(), |at| at + 1)
}
