//! (being written)
use crate::cpu::Mode;
use crate::op::Op;
use iced_x86::Instruction;
/// Nothing yet.
pub fn decode(_instr: &Instruction, _mode: Mode, _op: &mut Op) -> bool { false }
