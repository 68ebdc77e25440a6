//! The second algebra: what an instruction means, as generated code.
//!
//! [`Emit`] translates the ops of one trace into one function. Values are constants, folded by the same arithmetic that
//! the interpreter computes with, or Cranelift values. General registers, the instruction budget, the lazy flags and the
//! place of the TLB are *slots* ([`slots`]): loaded when first read, kept in host registers, and written back where the
//! function is left.
//!
//! Whatever may stop an instruction (a TLB miss, a segment limit, a division error) branches to a side exit that
//! restores the state *before* the op and hands that op to the interpreter, which does the unusual thing. So nothing
//! stops here: `Stop` has no values.

mod algebra;
mod arith;
mod slots;
mod trace;
mod vector;

use crate::clif::{Asm, Block, Value};
use frontend_x86::cpu::Mode;
use frontend_x86::flags::Flags;
use frontend_x86::op::Op;
use slots::{SLOTS, Slots};
use vector::Simd;

pub use trace::{Trace, cold_code, entrance, translate};

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
#[derive(Clone, Copy, Debug)]
pub enum FlagState {
    /// In their slots, of a kind that only the running code knows.
    Slots,
    /// This.
    Known(Flags<V>),
}

/// Everything that changes from op to op and that a side exit restores.
#[derive(Clone, Copy)]
pub struct State {
    slots: Slots,
    flags: FlagState,
    simd: Simd,
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
    /// The trace's own beginning, with the budget after the jump.
    Own(V),
    /// The op that the cache has linked, with the budget after the jump.
    Linked(Value, V),
    /// An address outside the page, checked.
    Far(V),
}

/// What becomes of a jump to the trace's own beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loop {
    /// There is none.
    None,
    /// Slots stay in registers: they are parameters of the block `header`.
    Registers,
    /// Slots are written back first: the trace calls functions that want them in memory.
    Memory,
}

/// A jump back to the beginning whose arguments are filled in when all slots are known that the loop uses.
struct Back {
    block: Block,
    state: State,
}

/// Where the function is left to.
#[derive(Clone, Copy)]
enum Way {
    /// In front of the op, which the interpreter executes.
    Op,
    /// Into another trace, by its entry op.
    Link(Value),
    /// To a computed address.
    Indirect(V),
}

/// A way out. Its block is filled last, when it is known which slots a loop changes.
struct Exit {
    block: Block,
    state: State,
    at: usize,
    way: Way,
}

/// The translator of a trace, and the algebra that the semantic functions run over.
pub struct Emit<'a, 'f> {
    asm: &'a mut Asm<'f>,
    mode: Mode,
    trace: Trace<'a>,
    /// The op that is being translated.
    op: Op,
    at: usize,
    /// Argument: the CPU.
    run: Value,
    /// Argument: the trace's entry op.
    first: Value,
    state: State,
    /// The state before the current op.
    before: State,
    /// The current op's side exit, if it has one.
    exit: Option<Block>,
    exits: Vec<Exit>,
    repeat: Loop,
    header: Block,
    header_slots: [Option<Value>; SLOTS],
    backs: Vec<Back>,
    /// The op cannot be translated after all.
    refused: bool,
}
