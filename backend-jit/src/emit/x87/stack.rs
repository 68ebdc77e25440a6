//! The register stack in compiled code: where ST(0) is, and what is known from instruction to instruction. Memory has everything at every
//! instruction's end, but what is known need not be loaded again.
//!
//! An operand that is empty, or no room for a push, is left to the interpreter, before anything has changed. So behind an instruction it is
//! known how full the stack is, whatever the numbers are.

use super::quick::Ten;
use super::{STATUS, X};
use crate::clif::Area;
use crate::emit::{Emit, V};
use frontend_x86::algebra::{Arith, Bin};
use frontend_x86::op::Width;
use lyrebird_core::cpu::x87::{X87, X87Register};
use std::mem::{offset_of, size_of};

const VALID: i32 = (X + offset_of!(X87, valid)) as i32;
const REGISTERS: usize = X + offset_of!(X87, r);
const SIGNIFICAND: i32 = (REGISTERS + offset_of!(X87Register, significand)) as i32;
const SIGN_EXPONENT: i32 = (REGISTERS + offset_of!(X87Register, sign_exponent)) as i32;
/// TOP in the status word, and what it is shifted by to be the place of ST(0) among the registers, in bytes.
const TOP: u64 = 7 << 11;
const SHIFT: u64 = 7;
const PLACES: u64 = 0x70;
// A sign and exponent is stored as four bytes: who loads so many need not wait for the store.
const _: () = assert!(size_of::<X87Register>() == 16 && SIGN_EXPONENT as usize % 16 == SIGNIFICAND as usize % 16 + 8);

/// What is known of the stack.
#[derive(Clone, Copy, Default)]
pub struct Stack {
    /// The status word, the tags, and the place of ST(0).
    status: Option<V>,
    tags: Option<V>,
    place: Option<V>,
    /// Memory has other tags.
    unwritten: bool,
    /// The numbers in ST(0) and so on, of those that are known not to be empty.
    numbers: [Option<Ten>; 8],
    /// A bit for each that is known to be empty.
    empty: u8,
}

impl Emit<'_, '_> {
    fn stack(&mut self) -> &mut Stack {
        &mut self.state.unit.stack
    }

    /// The status word.
    pub(super) fn status(&mut self) -> V {
        let known = self.stack().status;
        let status = known.unwrap_or_else(|| self.load_own(Width::W, STATUS));
        self.stack().status = Some(status);
        status
    }

    fn tags(&mut self) -> V {
        let known = self.stack().tags;
        let tags = known.unwrap_or_else(|| self.load_own(Width::B, VALID));
        self.stack().tags = Some(tags);
        tags
    }

    /// The place of ST(i) among the registers.
    fn place_of(&mut self, i: u8) -> V {
        let first = match self.stack().place {
            Some(place) => place,
            None => {
                let status = self.status();
                let place = self.bin(Bin::Shr, Width::Q, status, V::Const(SHIFT));
                self.bin(Bin::And, Width::Q, place, V::Const(PLACES))
            }
        };
        self.stack().place = Some(first);
        let place = self.add(Width::Q, first, V::Const(16 * u64::from(i)));
        if i == 0 { place } else { self.bin(Bin::And, Width::Q, place, V::Const(PLACES)) }
    }

    /// The bit of ST(i) among the tags.
    fn tag_of(&mut self, i: u8) -> V {
        let place = self.place_of(i);
        let number = self.bin(Bin::Shr, Width::Q, place, V::Const(4));
        self.bin(Bin::Shl, Width::Q, V::Const(1), number)
    }

    fn leave_if_empty_is(&mut self, i: u8, unwanted: bool) {
        let tag = self.tag_of(i);
        let tags = self.tags();
        let set = self.bin(Bin::And, Width::Q, tags, tag);
        let empty = self.is_zero(Width::Q, set);
        let leaves = if unwanted { empty } else { self.not(empty) };
        self.exit_if(leaves);
    }

    /// The number in ST(i); leaves if it is empty.
    pub(super) fn number(&mut self, i: u8) -> Ten {
        if let Some(ten) = self.stack().numbers[usize::from(i)] {
            return ten;
        }
        self.leave_if_empty_is(i, true);
        let ten = self.load_number(i);
        self.note_number(i, ten);
        ten
    }

    /// The number in ST(i) as memory has it.
    pub(super) fn load_number(&mut self, i: u8) -> Ten {
        let at = self.address_of(i);
        let significand = V::Value(self.asm.load(Area::Own, Width::Q, at, SIGNIFICAND));
        Ten { significand, top: V::Value(self.asm.load(Area::Own, Width::W, at, SIGN_EXPONENT)) }
    }

    /// ST(i) is known to have this number.
    pub(super) fn note_number(&mut self, i: u8, ten: Ten) {
        self.stack().numbers[usize::from(i)] = Some(ten);
        self.stack().empty &= !(1 << i);
    }

    fn address_of(&mut self, i: u8) -> crate::clif::Value {
        let place = self.place_of(i);
        let at = self.add(Width::Q, V::Value(self.run), place);
        self.value_of(at)
    }

    /// Leaves if there is no room for a push.
    pub(super) fn room(&mut self) {
        if self.stack().empty & 0x80 == 0 {
            self.leave_if_empty_is(7, false);
            self.stack().empty |= 0x80;
        }
    }

    /// Writes ST(i), which is known not to be empty.
    pub(super) fn write_number(&mut self, i: u8, ten: Ten) {
        let at = self.address_of(i);
        let [significand, top] = [ten.significand, ten.top].map(|v| self.value_of(v));
        self.asm.store(Area::Own, Width::Q, at, SIGNIFICAND, significand);
        self.asm.store(Area::Own, Width::D, at, SIGN_EXPONENT, top);
        self.note_number(i, ten);
    }

    /// ST(i) is not empty any more.
    pub(super) fn occupy(&mut self, i: u8) {
        let (tag, tags) = (self.tag_of(i), self.tags());
        let tags = self.bin(Bin::Or, Width::Q, tags, tag);
        let stack = self.stack();
        (stack.tags, stack.unwritten) = (Some(tags), true);
    }

    /// Makes room for a number, which [`Emit::room`] has found.
    pub(super) fn push(&mut self) {
        self.occupy(7);
        self.turn(7);
    }

    /// Takes ST(0) off, which is known not to be empty.
    pub(super) fn pop(&mut self) {
        let (tag, tags) = (self.tag_of(0), self.tags());
        let tags = self.bin(Bin::Xor, Width::Q, tags, tag);
        let stack = self.stack();
        (stack.tags, stack.unwritten) = (Some(tags), true);
        stack.numbers[0] = None;
        stack.empty |= 1;
        self.turn(1);
    }

    /// ST(i) becomes ST(0).
    fn turn(&mut self, i: u8) {
        let place = self.place_of(i);
        let status = self.status();
        let rest = self.bin(Bin::And, Width::Q, status, V::Const(0xffff & !TOP));
        let top = self.bin(Bin::Shl, Width::Q, place, V::Const(SHIFT));
        let status = self.bin(Bin::Or, Width::Q, rest, top);
        let stack = self.stack();
        (stack.place, stack.status) = (Some(place), Some(status));
        stack.numbers.rotate_left(i.into());
        stack.empty = stack.empty.rotate_right(i.into());
    }

    /// Clears bits of the status word, and sets others.
    pub(super) fn change_status(&mut self, clear: u16, set: V) {
        let status = self.status();
        let status = self.bin(Bin::And, Width::Q, status, V::Const(u64::from(!clear)));
        let status = self.bin(Bin::Or, Width::Q, status, set);
        self.stack().status = Some(status);
    }

    /// Memory gets the status word, and the tags if they have changed.
    pub(super) fn write_words(&mut self) {
        let status = self.status();
        let status = self.value_of(status);
        self.asm.store(Area::Own, Width::W, self.run, STATUS, status);
        if let Stack { tags: Some(tags), unwritten: true, .. } = *self.stack() {
            let tags = self.value_of(tags);
            self.asm.store(Area::Own, Width::B, self.run, VALID, tags);
        }
        self.stack().unwritten = false;
    }

    /// The status word as memory has it.
    pub(super) fn load_status(&mut self) -> V {
        self.load_own(Width::W, STATUS)
    }

    /// What is known where an instruction's ways meet, whose status word is this.
    pub(super) fn settle(&mut self, stack: Stack, status: V) {
        self.state.unit.stack = Stack { status: Some(status), unwritten: false, ..stack };
    }
}
