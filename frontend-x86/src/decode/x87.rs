//! x87 instructions: which plain function and which of its operations.

use crate::op::Op;
use iced_x86::Instruction;

/// Fills the op in if the instruction is one of this family.
pub fn decode(_instr: &Instruction, _op: &mut Op) -> bool {
    false
}
