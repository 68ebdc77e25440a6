//! What ops have in common: a table of some thousand shapes for the whole program, so that each of a million ops says it by a number.
//! A shape that was added stays; a guest that makes up more of them than there are numbers has ops that are *apart*
//! ([`crate::traced`]).

use crate::handlers;
use crate::pool;
use crate::run::Handler;
use crate::traced::TracedOp;
use frontend_x86::op::{Form, Func, Ins, Kind, Op, Width};
use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

/// What an op shares with others: [`frontend_x86::op::Op`] has the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub ins: Ins,
    pub helper: u16,
    pub fop: u16,
    pub imm2: u8,
    pub len: u8,
}

impl Shape {
    /// An op's.
    pub fn new(op: &Op) -> Self {
        Shape { ins: op.ins, helper: op.helper, fop: op.fop, imm2: op.imm2, len: op.len }
    }

    /// All of it, as numbers.
    fn words(&self) -> [u64; 2] {
        let rest = u64::from(self.helper) | u64::from(self.fop) << 16;
        [self.ins.pack(), rest | u64::from(self.imm2) << 32 | u64::from(self.len) << 40]
    }
}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words().into_iter().for_each(|word| state.write_u64(word));
    }
}

type Numbers = HashMap<Shape, u16, pool::Hash>;

/// The number of ops that are apart. No shape has it.
pub const APART: u16 = 0;
/// The number of [`Func::Goto`]: the first that is given.
pub const GOTO: u16 = 1;

/// What is none of the guest's instructions. Their numbers are the first that are given.
const PSEUDO: [Func; 3] = [Func::Goto, Func::Nop, Func::Across];

const NUMBERS: usize = 1 << 16;
/// Rows of [`Near`].
const NEAR: usize = 1 << 12;
/// An odd number without a pattern: the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

const NOTHING: Shape = Shape {
    ins: Ins {
        func: Func::Helper,
        sub: 0,
        w: Width::B,
        w2: Width::B,
        k0: Kind::None,
        k1: Kind::None,
        form: Form::A64,
        bits: 0,
    },
    helper: 0,
    fop: 0,
    imm2: 0,
    len: 0,
};

/// The shapes by number. All zero, so that what is not used takes no memory.
struct Table(UnsafeCell<[Shape; NUMBERS]>);

// SAFETY: a row is written once, by whoever holds `KNOWN`, before anybody is told its number; afterwards it is only read.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([NOTHING; NUMBERS]));
/// Half of the numbers are given. Until then there are enough for all traces that 255 vCPUs may be decoding.
static SCARCE: AtomicBool = AtomicBool::new(false);
static KNOWN: LazyLock<Mutex<Numbers>> = LazyLock::new(|| {
    let known = Mutex::default();
    // What every trace needs has its number before a guest can use them up.
    for func in PSEUDO {
        add(&mut known.lock().unwrap_or_else(PoisonError::into_inner), Shape::new(&TracedOp::pseudo_op(func)));
    }
    known
});

/// The shape with a number.
#[inline(always)]
pub fn of(number: u16) -> &'static Shape {
    // SAFETY: the table has a row for each number, and nobody writes to one whose number is known.
    unsafe { &*TABLE.0.get().cast::<Shape>().add(usize::from(number)) }
}

/// A shape's number; [`APART`] if there are too many.
pub fn number(shape: Shape) -> u16 {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(&shape).copied().or_else(|| add(&mut known, shape)).unwrap_or(APART)
}

/// The number of a function that is none of the guest's instructions.
pub fn number_of_pseudo(func: Func) -> u16 {
    LazyLock::force(&KNOWN);
    PSEUDO.iter().zip(GOTO..).find(|(other, _)| **other == func).map_or(APART, |(_, number)| number)
}

/// What decoding needs to know of a shape.
#[derive(Clone, Copy)]
pub struct Row {
    /// As [`Shape::words`] makes them.
    words: [u64; 2],
    /// Its number.
    pub number: u16,
    /// The handler of ops with it.
    pub handler: Handler,
}

/// The shapes that were looked for last: a direct-mapped cache. Code consists of a few of them.
pub struct Near(Box<[Row]>);

impl Near {
    /// Nothing but what is apart.
    pub fn new() -> Self {
        Near(vec![Row { words: [0; 2], number: APART, handler: handlers::apart }; NEAR].into())
    }

    /// A shape's row.
    pub fn row(&mut self, shape: Shape) -> Row {
        let words @ [ins, rest] = shape.words();
        let mixed = (ins.wrapping_mul(MIX) ^ rest).wrapping_mul(MIX);
        let row = &mut self.0[(mixed >> (u64::BITS - NEAR.trailing_zeros())) as usize];
        if row.words != words || row.number == APART {
            *row = Row { words, number: number(shape), handler: handlers::of(shape.ins) };
        }
        *row
    }

    /// Whether an op with a shape would be apart for want of a number, now and later.
    pub fn has_no_number(&mut self, shape: Shape) -> bool {
        SCARCE.load(Ordering::Relaxed) && self.row(shape).number == APART
    }
}

fn add(known: &mut Numbers, shape: Shape) -> Option<u16> {
    let number = u16::try_from(known.len() + 1).ok()?;
    if usize::from(number) == NUMBERS / 2 {
        SCARCE.store(true, Ordering::Relaxed);
    }
    // SAFETY: the table has this row, and nobody knows its number yet.
    unsafe { *TABLE.0.get().cast::<Shape>().add(usize::from(number)) = shape };
    known.insert(shape, number);
    Some(number)
}
