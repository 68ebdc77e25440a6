//! Vector instructions that are plain functions: masked stores and MXCSR.

use super::algebra::unavailable;
use super::{mmx, swar};
use crate::algebra::Access;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::{Kind, Op, reg};

/// The bits of MXCSR that exist: the six flags, DAZ, masks, rounding control and FTZ.
pub const MXCSR_MASK: u32 = 0xffff;

/// LDMXCSR.
pub fn ldmxcsr(ctx: &mut Ctx, op: &Op) -> Done {
    check(ctx, op)?;
    let value = ctx.read_operand(op, 0, crate::Width::D)? as u32;
    if value & !MXCSR_MASK != 0 {
        return Err(Exception::protection(0));
    }
    ctx.cpu.state.mxcsr = value;
    Ok(Then::Next)
}

/// STMXCSR.
pub fn stmxcsr(ctx: &mut Ctx, op: &Op) -> Done {
    check(ctx, op)?;
    let value = ctx.cpu.state.mxcsr.into();
    ctx.write_operand(op, crate::Width::D, value)?;
    Ok(Then::Next)
}

fn check(ctx: &Ctx, op: &Op) -> Result<(), Exception> {
    unavailable(ctx.cpu, op.ins).map_or(Ok(()), Err)
}

/// MASKMOVDQU and MASKMOVQ: stores at rDI the bytes of operand 1 whose mask bytes in operand 2 are negative. All bytes that
/// will be written are checked before the first is.
pub fn maskmov(ctx: &mut Ctx, op: &Op) -> Done {
    check(ctx, op)?;
    let is_mmx = op.ins.k1 == Kind::Mmx;
    let (value, mask, len) = if is_mmx {
        let r = |n: u8| [ctx.cpu.state.x87.r[usize::from(n & 7)].significand, 0];
        (r(op.r1), r(op.r2), 8)
    } else {
        let r = |n: u8| {
            let v = ctx.cpu.state.vector[usize::from(n & 15)];
            [v[0], v[1]]
        };
        (r(op.r1), r(op.r2), 16)
    };
    let width = ctx.address_width(op);
    let offset = ctx.cpu.reg(reg::RDI) & width.mask();
    let bytes = super::shuffle::bytes(value);
    let chosen = swar::byte_marks(mask[0]) | swar::byte_marks(mask[1]) << 8;
    let is_chosen = |i: u64| chosen >> i & 1 != 0;
    // Addresses wrap within the address size byte by byte.
    let at = |i: u64| offset.wrapping_add(i) & width.mask();
    let bank = ctx.cpu.bank;
    for i in (0..len).filter(|i| is_chosen(*i)) {
        let linear = ctx.linear(op.seg, at(i), 1, Access::Write)?;
        ctx.physical(linear, 1, Access::Write, bank)?;
    }
    for i in (0..len).filter(|i| is_chosen(*i)) {
        ctx.write(op.seg, at(i), 1, bytes[i as usize].into())?;
    }
    if is_mmx {
        mmx::enter(ctx.cpu);
    }
    Ok(Then::Next)
}
