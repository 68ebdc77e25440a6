//! The second algebra: what an instruction means, as generated code.
//!
//! [`Emit`] translates a region, traces that go on into one another, into one function. Values are constants, folded by the
//! same arithmetic that the interpreter computes with, or Cranelift values. General registers, the instruction budget, the
//! lazy flags and the place of the TLB are *slots* ([`slots`]): kept in host registers from trace to trace, and written to
//! memory before whatever may leave the function, so that ways out are short: they are the most of the code. Only flags, the budget and the
//! stack pointer are written on the ways out themselves, and, of short loops, what is [`pending`].
//!
//! Whatever may stop an instruction (a TLB miss, a segment limit, a division error) branches to a side exit that
//! restores the state *before* the op and hands that op to the interpreter, which does the unusual thing. So nothing
//! stops here: `Stop` has no values.

mod ahead;
pub mod algebra;
mod arith;
mod carried;
mod cells;
mod finish;
mod frames;
mod out;
mod pending;
mod region;
pub mod segments;
mod share;
mod slots;
mod strides;
mod string;
mod stubs;
mod sums;
mod system;
mod vector;
mod ways;
mod x87;

use crate::clif::{Asm, Block, Value};
use backend_interp::run::Run;
use finish::Head;
use frontend_x86::cpu::Mode;
use frontend_x86::flags::Flags;
use frontend_x86::op::Op;
use lyrebird_core::cpu::segment::SegReg;
use out::{Ending, Range, Tail, Why};
use pending::{Pending, Written};
use share::{Origin, Shares};
use slots::{Late, Slots};
use std::collections::{BTreeMap, HashMap};
use std::mem::offset_of;
use sums::Sums;
use vector::Simd;
use ways::Pages;

pub use region::{Member, Region, translate};
pub use stubs::{cold_code, dispatch, entrance, linked};
pub use ways::{destination, link};

/// Where in [`backend_interp::run::Run`] code finds things: if two builds differ in this, they cannot share code.
pub fn layout() -> impl Iterator<Item = usize> {
    (0..slots::SLOTS).map(|slot| slots::place(slot).0 as usize).chain([offset_of!(Run, jumps)])
}

/// How many segment registers there are.
const SEGMENTS: usize = SegReg::ALL.len();

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V {
    /// Known while the code is made.
    Const(u64),
    /// Known when it runs.
    Value(Value),
}

/// A truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum C {
    /// Known while the code is made.
    Const(bool),
    /// Known when it runs. The second field: it is the opposite. Negation costs nothing so, and branches and selections
    /// see the comparison itself.
    Value(Value, bool),
}

/// Where the arithmetic flags are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagState {
    /// In their slots, of a kind that only the running code knows.
    Slots,
    /// This.
    Known(Flags<V>),
    /// This, of INC or DEC, with CF as it is in the slots.
    Stepped(Flags<V>),
}

/// Everything that changes from op to op and that a side exit restores.
#[derive(Clone, Copy)]
pub struct State {
    slots: Slots,
    flags: FlagState,
    pages: Pages,
    shares: Shares,
    /// The bases of segments that have been read.
    bases: [Option<V>; SEGMENTS],
    /// The constant offsets that their limits have been seen to let in.
    limits: [Option<segments::Extent>; SEGMENTS],
    carried: carried::Pages,
    /// In a round of a loop, whose slots memory need not have: see [`pending`].
    pending: bool,
    sums: Sums,
    simd: Simd,
    unit: x87::Known,
}

/// How an op ends; the translator makes the code for it.
pub enum Flow {
    /// With the next op.
    Next,
    /// Where the op's direct jump leads.
    Jump(Target),
    /// There, if the condition holds.
    JumpIf(C),
    /// At a computed address.
    JumpTo(V),
}

/// The target of a direct jump that may be taken.
#[derive(Clone, Copy)]
pub enum Target {
    /// A trace of the region, with the budget after the jump.
    Inside(usize, V),
    /// The op that the cache has linked with this conditional jump, if it has, and the budget lasts: less code than the next.
    ByStub,
    /// The op that the cache has linked, with the budget after the jump.
    Linked(Value, V),
    /// An address outside the page, checked.
    Far(V),
}

/// A way out in front of an op. Memory has everything but the flags, what is written late, and what is pending.
struct Exit {
    block: Block,
    flags: FlagState,
    member: usize,
    at: usize,
    why: Why,
    range: Option<Range>,
    late: Late,
    pending: Option<Pending>,
}

/// A way from trace to trace.
struct Edge {
    block: Block,
    state: State,
    from: usize,
    to: usize,
}

/// The translator of a region, and the algebra that the semantic functions run over.
pub struct Emit<'a, 'f> {
    asm: &'a mut Asm<'f>,
    mode: Mode,
    region: Region<'a>,
    /// The trace that is being translated, the op in it, and that op's place.
    member: usize,
    op: Op,
    at: usize,
    /// The trace whose beginning the state's fresh slots mean: this one, or one that it goes on from.
    root: usize,
    /// Argument: the CPU.
    run: Value,
    state: State,
    /// The state before the current op.
    before: State,
    /// The current op's side exit, if it has one.
    exit: Option<Block>,
    /// Another one: see [`share`].
    apart: Option<Block>,
    /// The ends of ways out, by why and from which trace, and what they write.
    tails: BTreeMap<Ending, Tail>,
    /// The current op keeps the CF of the slots, whatever it is.
    keeps_carry: bool,
    /// What is known of values.
    origins: HashMap<Value, Origin>,
    /// The truths that some of them are, as numbers.
    truths: HashMap<Value, C>,
    /// How some of them were made.
    made: HashMap<Value, arith::Made>,
    heads: Vec<Head>,
    /// See [`Region::returns`].
    returns: Vec<Vec<usize>>,
    cells: cells::Cells,
    exits: Vec<Exit>,
    written: Vec<Written>,
    edges: Vec<Edge>,
    /// An op cannot be translated after all.
    refused: bool,
}
