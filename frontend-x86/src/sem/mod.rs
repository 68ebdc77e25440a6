//! The meaning of each instruction, written once over [`crate::algebra::Algebra`]. One file a family; [`exec`] picks the
//! function by the op's shape.
//!
//! The shape is given beside the algebra, so that an engine that passes a constant gets code for that shape only. Every
//! function is therefore `inline(always)`: forgetting it costs all specialisation, silently.

pub mod alu;
pub mod bit;
pub mod block;
pub mod bmi;
pub mod exchange;
pub mod flow;
pub mod misc;
pub mod mov;
pub mod mul;
pub mod operand;
pub mod shift;
pub mod stack;
pub mod string;
pub mod system;
pub mod unary;
pub mod vector;

use crate::algebra::Outcome;
use crate::op::{Func, Ins};
use crate::sse::algebra::VectorAlgebra;
use crate::system::algebra::SystemAlgebra;

/// Runs the semantic function of a shape. [`Func::Helper`] is not here: engines call those functions by their table. Nor is
/// [`Func::Across`], which is about an engine's own caches.
#[inline(always)]
pub fn exec<A: VectorAlgebra + SystemAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    match i.func {
        Func::Nop | Func::Helper | Func::Across => Ok(a.next()),
        Func::Goto => flow::goto(a),
        Func::Alu => alu::alu(a, i),
        Func::Unary => unary::unary(a, i),
        Func::Mov => mov::mov(a, i),
        Func::Movzx => mov::movzx(a, i),
        Func::Movsx => mov::movsx(a, i),
        Func::Lea => mov::lea(a, i),
        Func::Xchg => exchange::xchg(a, i),
        Func::Shift => shift::shift(a, i),
        Func::DoubleShift => shift::double_shift(a, i),
        Func::BitTest => bit::bit_test(a, i),
        Func::BitScan => bit::bit_scan(a, i),
        Func::MulWide => mul::mul_wide(a, i),
        Func::Imul => mul::imul(a, i),
        Func::Div => mul::div(a, i),
        Func::ExtendA => mov::extend_a(a, i),
        Func::ExtendD => mov::extend_d(a, i),
        Func::Setcc => mov::setcc(a, i),
        Func::Cmovcc => mov::cmovcc(a, i),
        Func::Jcc => flow::jcc(a, i),
        Func::Jmp => flow::jmp(a, i),
        Func::JmpIndirect => flow::jmp_indirect(a, i),
        Func::Call => flow::call(a, i),
        Func::CallIndirect => flow::call_indirect(a, i),
        Func::Ret => flow::ret(a, i),
        Func::Loop => flow::loop_(a, i),
        Func::Push => stack::push(a, i),
        Func::Pop => stack::pop(a, i),
        Func::Leave => stack::leave(a, i),
        Func::Movs => string::movs(a, i),
        Func::Stos => string::stos(a, i),
        Func::Lods => string::lods(a, i),
        Func::Cmps => string::cmps(a, i),
        Func::Scas => string::scas(a, i),
        Func::Cmpxchg => exchange::cmpxchg(a, i),
        Func::Xadd => exchange::xadd(a, i),
        Func::Bswap => misc::bswap(a, i),
        Func::Carry => misc::carry(a, i),
        Func::Direction => misc::direction(a, i),
        Func::FlagsByte => misc::flags_byte(a, i),
        Func::Movbe => misc::movbe(a, i),
        Func::Crc32 => misc::crc32(a, i),
        Func::Xlat => misc::xlat(a, i),
        Func::Bmi => bmi::bmi(a, i),
        Func::Adx => bmi::adx(a, i),
        Func::Fence => misc::fence(a, i),
        Func::Pushf => system::pushf(a, i),
        Func::Popf => system::popf(a, i),
        Func::Interrupts => system::interrupts(a, i),
        Func::Swapgs => system::swapgs(a, i),
        Func::PushSegment => system::push_segment(a, i),
        Func::MovSegment => system::mov_segment(a, i),
        Func::VecMov => vector::vec_mov(a, i),
        Func::VecBin => vector::vec_bin(a, i),
        Func::VecUnary => vector::vec_unary(a, i),
        Func::VecImm => vector::vec_imm(a, i),
        Func::VecGpr => vector::vec_gpr(a, i),
        Func::VecFloat => vector::vec_float(a, i),
    }
}
