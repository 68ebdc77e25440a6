//! The x87 floating-point unit: every instruction from D8 to DF, and FWAIT (Intel SDM vol. 1, chapter 8, and vol. 2).
//!
//! The arithmetic is `lyrebird-float`'s; here stand the register stack, the status word, the pointers to the last
//! instruction, and the order in which things may go wrong:
//!
//! 1. #NM and pending exceptions ([`unit::begin`]), before anything else.
//! 2. Faults of the memory operand, before any change.
//! 3. Stack faults, then the numeric exceptions; unmasked ones of the first kind leave operands as they were, and the
//!    next waiting instruction reports them.

pub mod arith;
pub mod bare;
pub mod compare;
pub mod control;
pub mod environment;
pub mod function;
pub mod load;
pub mod memory;
pub mod ordinary;
pub mod stack;
pub mod store;
pub mod unit;
