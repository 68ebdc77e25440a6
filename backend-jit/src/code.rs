//! Compiled code before it is placed: bytes, with holes for addresses of this process. Code of the same guest instructions is
//! so the same in every run, and can be kept ([`crate::kept`]).

use crate::{host, mxcsr};
use backend_interp::hot;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::helper::LEAVES;

/// A Rust function that code calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Function {
    /// [`mxcsr::one`].
    One,
    /// [`mxcsr::helper`].
    Helper,
    /// [`mxcsr::arm`].
    Arm,
    /// [`hot::leave_for`].
    LeaveFor,
    /// [`host::flags_word`].
    FlagsWord,
    /// [`host::crc32c`].
    Crc32c,
    /// [`host::divide`].
    Divide,
    /// [`host::strings`].
    Strings,
    /// [`host::fill`].
    Fill,
    /// [`host::copy`].
    Copy,
}

impl Function {
    const ALL: [Function; 10] = [
        Function::One,
        Function::Helper,
        Function::Arm,
        Function::LeaveFor,
        Function::FlagsWord,
        Function::Crc32c,
        Function::Divide,
        Function::Strings,
        Function::Fill,
        Function::Copy,
    ];

    /// Where it lies in this process.
    pub fn address(self) -> u64 {
        let address = match self {
            Function::One => mxcsr::one as unsafe extern "C" fn(*mut Run, *const TracedOp) -> *const TracedOp as usize,
            Function::Helper => {
                mxcsr::helper as unsafe extern "C" fn(*mut Run, *const TracedOp) -> *const TracedOp as usize
            }
            Function::Arm => mxcsr::arm as unsafe extern "C" fn(*mut Run, *const TracedOp) -> u64 as usize,
            Function::LeaveFor => hot::leave_for as unsafe extern "C" fn(*mut Run, u64) -> *const TracedOp as usize,
            Function::FlagsWord => host::flags_word as extern "C" fn(u64, u64, u64, u64) -> u64 as usize,
            Function::Crc32c => host::crc32c as extern "C" fn(u64, u64, u64) -> u64 as usize,
            Function::Divide => host::divide as unsafe extern "C" fn(u64, u64, u64, u64, *mut u64) -> u64 as usize,
            Function::Strings => host::strings as extern "C" fn(u64, u64, u64, u64, u64) -> u64 as usize,
            Function::Fill => host::fill as unsafe extern "C" fn(*mut u8, u64, u64, u64) -> u64 as usize,
            Function::Copy => host::copy as unsafe extern "C" fn(*mut u8, *const u8, u64) -> u64 as usize,
        };
        address as u64
    }
}

/// An address that differs from process to process, or from region to region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A function.
    Function(Function),
    /// The leaf with this number: see [`frontend_x86::x87::bare`].
    Leaf(u16),
    /// See [`crate::emit::dispatch`].
    Dispatch,
    /// See [`crate::emit::linked`].
    Linked,
    /// An op of the region's traces; the first of each is its entry op.
    Op {
        /// Which trace.
        member: u8,
        /// Which op.
        op: u16,
    },
    /// The immediate of such an op, of those that [`crate::moved`] tells of.
    Immediate {
        /// Which trace.
        member: u8,
        /// Which op.
        op: u16,
    },
    /// The displacement of one.
    Displacement {
        /// Which trace.
        member: u8,
        /// Which op.
        op: u16,
    },
    /// The number of the host page in which a trace lies.
    Page {
        /// Which trace.
        member: u8,
    },
    /// [`code_tag`] of that page.
    CodeTag {
        /// Which trace.
        member: u8,
    },
    /// The number of the host page in which a trace's last instruction ends, if it lies across two.
    Behind {
        /// Which trace.
        member: u8,
    },
}

impl Symbol {
    /// As a number.
    pub fn pack(self) -> u32 {
        let number = |kind: u8, member, op: u16| {
            let [low, high] = op.to_le_bytes();
            u32::from_le_bytes([low, high, member, kind])
        };
        match self {
            Symbol::Function(function) => number(0, 0, function as u16),
            Symbol::Dispatch => number(1, 0, 0),
            Symbol::Op { member, op } => number(3, member, op),
            Symbol::Page { member } => number(4, member, 0),
            Symbol::Behind { member } => number(5, member, 0),
            Symbol::Leaf(helper) => number(6, 0, helper),
            Symbol::Linked => number(7, 0, 0),
            Symbol::Immediate { member, op } => number(8, member, op),
            Symbol::Displacement { member, op } => number(9, member, op),
            Symbol::CodeTag { member } => number(10, member, 0),
        }
    }

    /// The inverse of [`Symbol::pack`].
    pub fn unpack(n: u32) -> Option<Symbol> {
        let [low, high, member, kind] = n.to_le_bytes();
        let op = u16::from_le_bytes([low, high]);
        let symbol = match kind {
            0 => Symbol::Function(*Function::ALL.get(usize::from(op))?),
            1 => Symbol::Dispatch,
            3 => Symbol::Op { member, op },
            4 => Symbol::Page { member },
            5 => Symbol::Behind { member },
            6 => Symbol::Leaf(op),
            7 => Symbol::Linked,
            8 => Symbol::Immediate { member, op },
            9 => Symbol::Displacement { member, op },
            10 => Symbol::CodeTag { member },
            _ => return None,
        };
        (symbol.pack() == n).then_some(symbol)
    }
}

/// Eight bytes that a symbol's address goes into, in the host's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where, from the first byte.
    pub at: u32,
    /// What.
    pub symbol: Symbol,
}

/// Code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The bytes, with anything in the holes.
    pub bytes: Vec<u8>,
    /// The holes.
    pub holes: Vec<Hole>,
    /// Which traces of the region it can be entered by.
    pub entries: Vec<u8>,
}

impl Code {
    /// Fills the holes; `None` if a symbol has no address, or a hole is not in the code.
    pub fn bind(mut self, address: impl Fn(Symbol) -> Option<u64>) -> Option<Vec<u8>> {
        for hole in &self.holes {
            let at = hole.at as usize;
            let address = match hole.symbol {
                Symbol::Function(function) => function.address(),
                Symbol::Leaf(helper) => LEAVES.get(usize::from(helper))?.as_ref()?.address() as u64,
                symbol => address(symbol)?,
            };
            self.bytes.get_mut(at..at.checked_add(8)?)?.copy_from_slice(&address.to_ne_bytes());
        }
        Some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_survive_the_way_through_numbers() {
        let symbols = [
            Symbol::Function(Function::Copy),
            Symbol::Dispatch,
            Symbol::Linked,
            Symbol::Op { member: 7, op: 721 },
            Symbol::Immediate { member: 1, op: 2 },
            Symbol::Displacement { member: 3, op: 4 },
            Symbol::Page { member: 3 },
            Symbol::CodeTag { member: 5 },
            Symbol::Behind { member: 9 },
            Symbol::Leaf(130),
        ];
        for symbol in symbols {
            assert_eq!(Symbol::unpack(symbol.pack()), Some(symbol));
        }
        for n in [10, 1 << 24 | 1, 4 << 24 | 1, 7 << 24 | 1, 11 << 24, u32::MAX] {
            assert_eq!(Symbol::unpack(n), None, "{n:#x}");
        }
    }

    #[test]
    fn holes_are_filled_and_those_outside_refused() {
        let code =
            |at| Code { bytes: vec![0; 12], holes: vec![Hole { at, symbol: Symbol::Dispatch }], entries: vec![0] };
        let bytes = code(3).bind(|_| Some(0x0102_0304_0506_0708)).unwrap();
        assert_eq!(bytes[3..11], 0x0102_0304_0506_0708u64.to_ne_bytes());
        assert_eq!(
            (code(5).bind(|_| Some(0)), code(u32::MAX).bind(|_| Some(0)), code(0).bind(|_| None)),
            (None, None, None)
        );
    }
}
