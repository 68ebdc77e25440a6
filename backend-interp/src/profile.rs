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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::single;
    use frontend_x86::cpu::{CodeSize, Mode};
    use frontend_x86::decode::decode;
    use frontend_x86::model::Model;
    use frontend_x86::op::Width;

    #[test]
    fn a_side_is_rare_when_the_other_is_a_hundred_times_as_frequent() {
        let mode = Mode { code: CodeSize::Bits64, stack: Width::Q, flat: true, real: false };
        let jump = decode(&[0x74, 0x10], 0, mode, &Model::by_name("max").unwrap()).unwrap();
        let trace = single(jump);
        // SAFETY: the trace has this op and the end behind it, and nobody else has it.
        let (op, ops) = unsafe { (trace.first(), std::slice::from_raw_parts(trace.first(), 2)) };
        let seen = |taken: u16, not: u16| {
            // SAFETY: as above.
            unsafe { ((*op.cast_mut()).op.fop, (*op.cast_mut()).op.helper) = (taken, not) };
            (rare(ops, 0), reached(ops))
        };
        assert_eq!(seen(0, 15), (Rare::Neither, 2));
        assert_eq!(seen(0, 16), (Rare::Taken, 2));
        assert_eq!(seen(16, 0), (Rare::Next, 1));
        assert_eq!(seen(10, 1280), (Rare::Neither, 2));
        assert_eq!(seen(10, 1281), (Rare::Taken, 2));
        assert_eq!(seen(40_000, 300), (Rare::Next, 1));
        assert_eq!(seen(300, 300), (Rare::Neither, 2));
        // SAFETY: as above.
        unsafe {
            taken(op);
            not_taken(op);
        }
        assert_eq!(counts(ops, 0), (301, 301));
        assert_eq!((without(ops[0].op).fop, without(ops[0].op).helper), (0, 0));
    }
}
