//! CMPXCHG8B and CMPXCHG16B (Intel SDM vol. 2).

use crate::algebra::Access;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::{Op, Width, bits, reg};

fn finish(ctx: &mut Ctx, w: Width, equal: bool, old: (u64, u64)) -> Done {
    let flags = ctx.cpu.rflags();
    if equal {
        ctx.cpu.set_rflags(flags | rflags::ZF);
    } else {
        ctx.cpu.set_rflags(flags & !rflags::ZF);
        ctx.cpu.set_reg(reg::RAX, w, old.0);
        ctx.cpu.set_reg(reg::RDX, w, old.1);
    }
    Ok(Then::Next)
}

/// CMPXCHG8B. With LOCK, and where the operand is aligned RAM, one atomic operation of the host.
pub fn cmpxchg8b(ctx: &mut Ctx, op: &Op) -> Done {
    let pair = |ctx: &Ctx, low, high| ctx.cpu.reg(low) & 0xffff_ffff | ctx.cpu.reg(high) << 32;
    let expected = pair(ctx, reg::RAX, reg::RDX);
    let new = pair(ctx, reg::RBX, reg::RCX);
    let at = ctx.address(op);
    let linear = ctx.linear(op.seg, at, 8, Access::Update)?;
    ctx.check_careful(linear, 8, Access::Update)?;
    let bank = ctx.cpu.bank;
    let place = ctx.physical(linear, 8, Access::Update, bank)?;
    let halves = |v: u64| (v & 0xffff_ffff, v >> 32);
    if op.ins.has(bits::LOCK)
        && place.in_first == 8
        && let Ok(was) = ctx.cpu.memory.compare_exchange_u64(place.first, expected, new)
    {
        let old = was.unwrap_or_else(|now| now);
        return finish(ctx, Width::D, was.is_ok(), halves(old));
    }
    let memory = ctx.cpu.memory.clone();
    let _bus = op.ins.has(bits::LOCK).then(|| memory.lock_bus());
    let old = ctx.load_physical(place, 8);
    // Memory is written in either case, as the bus cycle is.
    ctx.store_physical(place, 8, if old == expected { new } else { old });
    finish(ctx, Width::D, old == expected, halves(old))
}

/// CMPXCHG16B: the operand must be aligned. With LOCK, and in RAM, one atomic operation of the host.
pub fn cmpxchg16b(ctx: &mut Ctx, op: &Op) -> Done {
    let at = ctx.address(op);
    // Alignment comes first: #GP even on the stack, where an address that is not canonical would raise #SS.
    if ctx.cpu.bounds[usize::from(op.seg)].base.wrapping_add(at) & 15 != 0 {
        return Err(Exception::protection(0));
    }
    let linear = ctx.linear(op.seg, at, 16, Access::Update)?;
    ctx.check_careful(linear, 16, Access::Update)?;
    let bank = ctx.cpu.bank;
    let place = ctx.physical(linear, 16, Access::Update, bank)?;
    let pair = |ctx: &Ctx, low: u8, high: u8| u128::from(ctx.cpu.reg(low)) | u128::from(ctx.cpu.reg(high)) << 64;
    let (expected, new) = (pair(ctx, reg::RAX, reg::RDX), pair(ctx, reg::RBX, reg::RCX));
    let halves = |v: u128| (v as u64, (v >> 64) as u64);
    if op.ins.has(bits::LOCK)
        && let Ok(was) = ctx.cpu.memory.compare_exchange_u128(place.first, expected, new)
    {
        return finish(ctx, Width::Q, was.is_ok(), halves(was.unwrap_or_else(|now| now)));
    }
    let memory = ctx.cpu.memory.clone();
    let _bus = op.ins.has(bits::LOCK).then(|| memory.lock_bus());
    let mut image = [0; 16];
    ctx.read_physical_bytes(place.first, &mut image);
    let old = u128::from_le_bytes(image);
    let equal = old == expected;
    ctx.write_physical_bytes(place.first, &if equal { new } else { old }.to_le_bytes());
    finish(ctx, Width::Q, equal, halves(old))
}
