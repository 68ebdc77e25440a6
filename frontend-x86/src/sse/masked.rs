//! AVX loads and stores of chosen lanes, and gathers: plain functions, since what they access depends on data (Intel SDM
//! vol. 2, VMASKMOV, VPMASKMOV, VPGATHER and VGATHER).

use super::algebra::unavailable;
use crate::algebra::Access;
use crate::cpu::CodeSize;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::{Kind, Op, Width};

/// In `sub` of a gather: indices have 64 bits.
pub const WIDE_INDEX: u8 = 1;

fn check(ctx: &Ctx, op: &Op) -> Result<(), Exception> {
    unavailable(ctx.cpu, op.ins).map_or(Ok(()), Err)
}

fn lane(v: &[u64; 4], w: Width, i: usize) -> u64 {
    let at = i * w.bits() as usize;
    v[at / 64] >> (at % 64) & w.mask()
}

fn set_lane(v: &mut [u64; 4], w: Width, i: usize, value: u64) {
    let at = i * w.bits() as usize;
    let quad = &mut v[at / 64];
    *quad = *quad & !(w.mask() << (at % 64)) | value << (at % 64);
}

fn is_chosen(mask: &[u64; 4], w: Width, i: usize) -> bool {
    lane(mask, w, i) & w.sign() != 0
}

/// VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ: lanes of `w2`, the mask in operand 2. What is not chosen is not accessed;
/// loads make it zero.
pub fn move_chosen(ctx: &mut Ctx, op: &Op) -> Done {
    check(ctx, op)?;
    let w = op.ins.w2;
    let lanes = (op.ins.w.bytes() / w.bytes()) as usize;
    let mask = ctx.cpu.state.vector[usize::from(op.r2 & 15)];
    let offset = ctx.address(op);
    // Only the first byte's address is cut to the address size: what goes on behind 64 KiB, or in 64-bit mode 4 GiB, lies beyond.
    let within = if ctx.cpu.mode.code == CodeSize::Bits64 { u64::MAX } else { u32::MAX.into() };
    let at = |i: usize| offset.wrapping_add(i as u64 * w.bytes()) & within;
    let chosen = || (0..lanes).filter(|i| is_chosen(&mask, w, *i));
    if op.ins.k0 != Kind::Mem {
        let mut result = [0; 4];
        for i in chosen() {
            set_lane(&mut result, w, i, ctx.read(op.seg, at(i), w.bytes())?);
        }
        ctx.cpu.state.vector[usize::from(op.r0 & 15)] = result;
        return Ok(Then::Next);
    }
    let value = ctx.cpu.state.vector[usize::from(op.r1 & 15)];
    let bank = ctx.cpu.bank;
    for i in chosen() {
        let linear = ctx.linear(op.seg, at(i), w.bytes(), Access::Write)?;
        ctx.physical(linear, w.bytes(), Access::Write, bank)?;
    }
    for i in chosen() {
        ctx.write(op.seg, at(i), w.bytes(), lane(&value, w, i))?;
    }
    Ok(Then::Next)
}

/// The gathers: `imm2` elements of `w2`, by indices in the vector register that `index` names, under the mask in operand 2.
/// What has been loaded before a fault stays, and its part of the mask is clear: the instruction goes on from there.
pub fn gather(ctx: &mut Ctx, op: &Op) -> Done {
    check(ctx, op)?;
    let w = op.ins.w2;
    let elements = usize::from(op.imm2);
    let indices = ctx.cpu.state.vector[usize::from(op.index & 15)];
    let base = ctx.cpu.regs[usize::from(op.base)].wrapping_add(op.disp as u64);
    let within = ctx.address_width(op).mask();
    let (to, by) = (usize::from(op.r0 & 15), usize::from(op.r2 & 15));
    for i in 0..elements {
        let all = if is_chosen(&ctx.cpu.state.vector[by], w, i) { w.mask() } else { 0 };
        set_lane(&mut ctx.cpu.state.vector[by], w, i, all);
    }
    for i in 0..elements {
        if !is_chosen(&ctx.cpu.state.vector[by], w, i) {
            continue;
        }
        let index = match op.ins.sub & WIDE_INDEX {
            0 => lane(&indices, Width::D, i) as i32 as u64,
            _ => indices[i & 3],
        };
        let value = ctx.read(op.seg, base.wrapping_add(index << op.scale) & within, w.bytes())?;
        set_lane(&mut ctx.cpu.state.vector[to], w, i, value);
        set_lane(&mut ctx.cpu.state.vector[by], w, i, 0);
    }
    // Beyond the elements both registers are clear, too.
    let bits = elements as u32 * w.bits();
    let result = &mut ctx.cpu.state.vector[to];
    for (i, quad) in result.iter_mut().enumerate() {
        if i as u32 * 64 >= bits {
            *quad = 0;
        }
    }
    ctx.cpu.state.vector[by] = [0; 4];
    Ok(Then::Next)
}
