//! The register stack (Intel SDM vol. 1, section 8.1.2) on top of the saved form of the x87 state.

use lyrebird_core::cpu::x87::{X87, X87Register};
use lyrebird_float::F80;

/// Where TOP stands in the status word.
const TOP_SHIFT: u32 = 11;
const TOP: u16 = 7 << TOP_SHIFT;

/// The stack as instructions name it: `i` is the number of ST(i).
pub trait Stack {
    /// The physical number of ST(i).
    fn physical(&self, i: u8) -> usize;
    /// ST(i), whatever its tag says.
    fn st(&self, i: u8) -> F80;
    /// Replaces the value of ST(i), which is known not to be empty.
    fn replace(&mut self, i: u8, value: F80);
    /// Gives ST(i) a value; it is not empty any more.
    fn put(&mut self, i: u8, value: F80);
    /// Whether ST(i) is empty.
    fn empty(&self, i: u8) -> bool;
    /// Marks ST(i) as empty.
    fn free(&mut self, i: u8);
    /// Moves TOP.
    fn rotate(&mut self, by: u16);
    /// Takes ST(0) off.
    fn pop(&mut self);
    /// Puts a value on; the caller has checked that there is room.
    fn push(&mut self, value: F80);
    /// Whether there is no room for a push.
    fn full(&self) -> bool;
}

impl Stack for X87 {
    #[inline(always)]
    fn physical(&self, i: u8) -> usize {
        usize::from((self.status >> TOP_SHIFT) as u8).wrapping_add(usize::from(i)) & 7
    }

    #[inline(always)]
    fn st(&self, i: u8) -> F80 {
        let r = &self.r[self.physical(i)];
        F80::new(r.sign_exponent, r.significand)
    }

    #[inline(always)]
    fn replace(&mut self, i: u8, value: F80) {
        let at = self.physical(i);
        self.r[at] = X87Register { significand: value.significand, sign_exponent: value.sign_exponent };
    }

    #[inline(always)]
    fn put(&mut self, i: u8, value: F80) {
        self.valid |= 1 << self.physical(i);
        self.replace(i, value);
    }

    #[inline(always)]
    fn empty(&self, i: u8) -> bool {
        self.valid >> self.physical(i) & 1 == 0
    }

    #[inline(always)]
    fn free(&mut self, i: u8) {
        self.valid &= !(1 << self.physical(i));
    }

    #[inline(always)]
    fn rotate(&mut self, by: u16) {
        let top = self.status.wrapping_add(by << TOP_SHIFT) & TOP;
        self.status = self.status & !TOP | top;
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.free(0);
        self.rotate(1);
    }

    #[inline(always)]
    fn push(&mut self, value: F80) {
        self.rotate(7);
        self.put(0, value);
    }

    #[inline(always)]
    fn full(&self) -> bool {
        !self.empty(7)
    }
}
