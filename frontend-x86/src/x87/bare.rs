//! x87 instructions for compiled code, which does by itself what they want of the machine around the unit: it sees that the
//! unit may be used and that nothing waits to be reported, moves memory operands, and notes the instruction. What is left, the
//! same function that every engine runs, is called with the registers alone.
//!
//! All exceptions are masked then: nothing is reported, and every instruction comes to its end.

use super::unit::{Unit, fsw};
use crate::ctx::{Done, Then};
use crate::exception::Exception;
use crate::op::{Ins, Op};
use lyrebird_core::cpu::x87::X87;

/// What an instruction wants of its caller beside the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Nothing.
    Nothing,
    /// An operand from memory of so many bits: the last argument.
    Load16,
    /// The same.
    Load32,
    /// The same.
    Load64,
    /// The same, in the array.
    Load80,
    /// To store the result so.
    Store16,
    /// The same.
    Store32,
    /// The same.
    Store64,
    /// The same, from the array.
    Store80,
    /// FCMOVcc: whether the condition holds.
    Condition,
    /// FCOMI and its like: to take the result as the arithmetic flags.
    Flags,
    /// FNSTSW AX: to put the result there. The instruction is not noted, nor the next two.
    Ax,
    /// FNSTCW, FNSTSW: to store the result.
    StoreWord,
    /// FLDCW: a word from memory. What is masked may have changed.
    Control16,
}

/// How it is called: with the unit, and what it needs of the op, [`told`].
#[derive(Clone, Copy)]
pub enum Run {
    /// The operand's or the condition's number goes in, the result comes back.
    Number(extern "C" fn(&mut X87, u64, u64) -> u64),
    /// Ten bytes, as two numbers, go in or come out by the array.
    Ten(extern "C" fn(&mut X87, u64, &mut [u64; 2]) -> u64),
}

/// What a leaf needs of its op: which register, and which constant or condition.
pub fn told(op: &Op) -> u64 {
    u64::from_le_bytes([op.r1, op.ins.sub, 0, 0, 0, 0, 0, 0])
}

/// An op that says this and nothing else.
#[inline(always)]
pub(crate) fn op(told: u64) -> Op {
    let [r1, sub, ..] = told.to_le_bytes();
    let blank = const { Op::blank(0, 0) };
    Op { ins: Ins { sub, ..blank.ins }, r1, ..blank }
}

/// An instruction that needs no more than the unit.
#[derive(Clone, Copy)]
pub struct Leaf {
    /// What else.
    pub operand: Operand,
    /// What it does.
    pub run: Run,
}

impl Leaf {
    /// The function's address.
    pub fn address(&self) -> usize {
        match self.run {
            Run::Number(f) => f as usize,
            Run::Ten(f) => f as usize,
        }
    }
}

/// The unit by itself.
pub struct Bare<'a> {
    x: &'a mut X87,
    /// What was read or is to be written, the rest of ten bytes, a condition, flags, AX.
    pub(crate) number: u64,
    pub(crate) rest: u64,
}

impl<'a> Bare<'a> {
    pub(crate) fn new(x: &'a mut X87, number: u64, rest: u64) -> Self {
        Bare { x, number, rest }
    }
}

impl Unit for Bare<'_> {
    const MASKED: bool = true;

    #[inline(always)]
    fn x87(&mut self) -> &mut X87 {
        self.x
    }
    #[inline(always)]
    fn begin(&mut self) -> Result<(), Exception> {
        Ok(())
    }
    #[inline(always)]
    fn available(&self) -> Result<(), Exception> {
        Ok(())
    }
    #[inline(always)]
    fn address(&self, _op: &Op) -> u64 {
        0
    }
    #[inline(always)]
    fn read(&mut self, _op: &Op, _offset: u64, _bytes: u64) -> Result<u64, Exception> {
        Ok(self.number)
    }
    #[inline(always)]
    fn write(&mut self, _op: &Op, _offset: u64, _bytes: u64, value: u64) -> Result<(), Exception> {
        self.number = value;
        Ok(())
    }
    #[inline(always)]
    fn read_ten(&mut self, _op: &Op, _offset: u64) -> Result<[u8; 10], Exception> {
        let ([a, b, c, d, e, f, g, h], [i, j, ..]) = (self.number.to_le_bytes(), self.rest.to_le_bytes());
        Ok([a, b, c, d, e, f, g, h, i, j])
    }
    #[inline(always)]
    fn write_ten(&mut self, _op: &Op, _offset: u64, bytes: [u8; 10]) -> Result<(), Exception> {
        let [a, b, c, d, e, f, g, h, i, j] = bytes;
        self.number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        self.rest = u64::from(u16::from_le_bytes([i, j]));
        Ok(())
    }
    #[inline(always)]
    fn note(&mut self, _op: &Op) -> &mut X87 {
        self.x
    }
    #[inline(always)]
    fn note_memory(&mut self, _op: &Op, _offset: u64) -> &mut X87 {
        self.x
    }
    #[cold]
    fn unmasked(&mut self) -> Done {
        self.x.status |= fsw::ES | fsw::B;
        Ok(Then::Next)
    }
    #[cold]
    fn settled(&mut self) -> Done {
        Ok(Then::Next)
    }
    #[inline(always)]
    fn condition(&self, _cc: u8) -> bool {
        self.number != 0
    }
    #[inline(always)]
    fn set_flags(&mut self, rflags: u64) {
        self.number = rflags;
    }
    #[inline(always)]
    fn set_ax(&mut self, value: u16) {
        self.number = u64::from(value);
    }
}

/// Makes a [`Leaf`] of an instruction's function, for the table in [`crate::helper`].
macro_rules! leaf {
    ([] $function:expr) => {
        None
    };
    ([Load80] $function:expr) => {
        leaf!(@ten Load80, $function)
    };
    ([Store80] $function:expr) => {
        leaf!(@ten Store80, $function)
    };
    ([$operand:ident] $function:expr) => {{
        extern "C" fn run(x: &mut lyrebird_core::cpu::x87::X87, told: u64, number: u64) -> u64 {
            let function: fn(&mut crate::x87::bare::Bare, &Op) -> Done = $function;
            let mut bare = crate::x87::bare::Bare::new(x, number, 0);
            // It ends in `Next`: see this module.
            let _ = function(&mut bare, &crate::x87::bare::op(told));
            bare.number
        }
        Some(Leaf { operand: crate::x87::bare::Operand::$operand, run: crate::x87::bare::Run::Number(run) })
    }};
    (@ten $operand:ident, $function:expr) => {{
        extern "C" fn run(x: &mut lyrebird_core::cpu::x87::X87, told: u64, ten: &mut [u64; 2]) -> u64 {
            let function: fn(&mut crate::x87::bare::Bare, &Op) -> Done = $function;
            let mut bare = crate::x87::bare::Bare::new(x, ten[0], ten[1]);
            let _ = function(&mut bare, &crate::x87::bare::op(told));
            *ten = [bare.number, bare.rest];
            0
        }
        Some(Leaf { operand: crate::x87::bare::Operand::$operand, run: crate::x87::bare::Run::Ten(run) })
    }};
}
pub(crate) use leaf;
