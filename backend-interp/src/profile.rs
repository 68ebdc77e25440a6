//! How often conditional jumps were taken and not taken, as their handlers count them: so that an engine above spends nothing
//! on code that is never reached. A jump is watched until it has gone one way some thousand times.

use crate::run::TracedOp;
use frontend_x86::op::{Func, Op};
use std::sync::atomic::Ordering;

/// One side of a jump is rare if it was gone to less often than the other by this factor.
const FACTOR: u32 = 128;
/// A jump that has gone one way so often is not watched any more: what each of two counts may be.
const MOST: u32 = (1 << BITS) - 1;
/// Bits of a count.
const BITS: u32 = 12;
/// What is counted of a jump that is taken, in [`TracedOp::COUNTS`] as a little-endian number.
pub const TAKEN: u32 = 1;
/// The same of one that is not.
pub const NOT_TAKEN: u32 = 1 << BITS;
/// The highest bits of both counts. Who counts by short code looks at these, and stops earlier.
pub const HIGHEST: u32 = 1 << (BITS - 1) | 1 << (2 * BITS - 1);
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

/// The op without what was counted, which [`TracedOp::op`] gives by fields that such ops do not use otherwise.
pub fn without(mut op: Op) -> Op {
    if op.ins.func == Func::Jcc {
        (op.fop, op.helper) = (0, 0);
    }
    op
}

/// Counts of other vCPUs at the same time may be lost.
#[inline(always)]
fn count(jump: &TracedOp, one: u32) {
    let counts = jump.counts();
    let now = u32::from_le(counts.load(Ordering::Relaxed));
    if now & MOST != MOST && now >> BITS & MOST != MOST {
        counts.store((now + one).to_le(), Ordering::Relaxed);
    }
}

/// The jump is taken.
#[inline(always)]
pub fn taken(jump: &TracedOp) {
    count(jump, TAKEN);
}

/// It is not.
#[inline(always)]
pub fn not_taken(jump: &TracedOp) {
    count(jump, NOT_TAKEN);
}

/// A jump goes where it was expected never to go, and often: neither of its sides is rare from now on. That is all that is changed of what was
/// counted: which one is the commoner one is still known.
pub fn expect_both(jump: &TracedOp) {
    let counts = jump.counts();
    let now = u32::from_le(counts.load(Ordering::Relaxed));
    let (taken, not) = (now & MOST, now >> BITS & MOST);
    let least = |other: u32| other * 2 / FACTOR + 1;
    let (taken, not) = (taken.max(least(not)), not.max(least(taken)));
    if jump.ins().func == Func::Jcc {
        counts.store((now & !(MOST | MOST << BITS) | taken | not << BITS).to_le(), Ordering::Relaxed);
    }
}

/// What was counted so far, of [`TracedOp::counts`].
pub fn parts(counts: u32) -> (u16, u16) {
    let counts = u32::from_le(counts);
    ((counts & MOST) as u16, (counts >> BITS & MOST) as u16)
}

/// How often a conditional jump was taken, and not taken.
pub fn counts(op: &Op) -> (u32, u32) {
    (op.fop.into(), op.helper.into())
}

/// Which side of an op is rare, if it is a conditional jump.
pub fn rare(op: &Op) -> Rare {
    if op.ins.func != Func::Jcc {
        return Rare::Neither;
    }
    match counts(op) {
        (taken, not) if taken + not < LEAST => Rare::Neither,
        (taken, not) if taken * FACTOR < not => Rare::Taken,
        (taken, not) if not * FACTOR < taken => Rare::Next,
        _ => Rare::Neither,
    }
}

/// How many of a trace's ops are worth compiling: what follows a jump that is always taken is not.
pub fn reached(ops: &[TracedOp]) -> usize {
    (0..ops.len()).find(|at| rare(&ops[*at].op()) == Rare::Next).map_or(ops.len(), |at| at + 1)
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
        let jump_op = jump.op;
        let trace = single(jump);
        let jump = &trace.ops[0];
        let seen = |taken: u32, not: u32| {
            jump.counts().store((taken | not << BITS | 1 << (2 * BITS)).to_le(), Ordering::Relaxed);
            (rare(&jump.op()), reached(&trace.ops))
        };
        assert_eq!(seen(0, 15), (Rare::Neither, 2));
        assert_eq!(seen(0, 16), (Rare::Taken, 2));
        assert_eq!(seen(16, 0), (Rare::Next, 1));
        assert_eq!(seen(10, 1280), (Rare::Neither, 2));
        assert_eq!(seen(10, 1281), (Rare::Taken, 2));
        assert_eq!(seen(4000, 30), (Rare::Next, 1));
        assert_eq!(seen(300, 300), (Rare::Neither, 2));
        taken(jump);
        not_taken(jump);
        assert_eq!(counts(&jump.op()), (301, 301));
        seen(4094, 3);
        (0..3).for_each(|_| taken(jump));
        not_taken(jump);
        assert_eq!(counts(&jump.op()), (4095, 3));
        expect_both(jump);
        assert_eq!((counts(&jump.op()), rare(&jump.op())), ((4095, 64), Rare::Neither));
        expect_both(jump);
        assert_eq!(counts(&jump.op()), (4095, 64));
        seen(4094, 3);
        (0..3).for_each(|_| taken(jump));
        assert_eq!(without(jump.op()), Op { count: 1, ..jump_op });
    }
}
