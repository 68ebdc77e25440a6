//! Small system instructions: CPUID, time and random numbers, HLT, caches, CLAC and STAC, and what is not an instruction.

use super::control::cr4;
use super::msr;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::model::View;
use crate::op::{Op, Width, reg};
use lyrebird_core::cpu::state::Activity;

/// UD0, UD1, UD2, and whatever the model does not have.
pub fn undefined(_ctx: &mut Ctx, _op: &Op) -> Done {
    Err(Exception::undefined())
}

/// An instruction longer than 15 bytes (Intel SDM vol. 3, section 6.15, #GP).
pub fn too_long(_ctx: &mut Ctx, _op: &Op) -> Done {
    Err(Exception::protection(0))
}

fn privileged(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.cpl() == 0 { Ok(()) } else { Err(Exception::protection(0)) }
}

/// CLAC (sub 0) and STAC (sub 1).
pub fn access_flag(ctx: &mut Ctx, op: &Op) -> Done {
    if ctx.cpu.cpl() != 0 {
        return Err(Exception::undefined());
    }
    let flags = ctx.cpu.rflags();
    ctx.cpu.set_rflags(if op.ins.sub == 0 { flags & !rflags::AC } else { flags | rflags::AC });
    // At level 0 only the TLB bank depends on AC, and nothing that is decoded.
    Ok(Then::Next)
}

/// HLT.
pub fn hlt(ctx: &mut Ctx, _op: &Op) -> Done {
    privileged(ctx)?;
    ctx.cpu.state.activity = Activity::Halted;
    Ok(Then::Leave)
}

/// PAUSE: does nothing to the CPU, but says that it waits for another one.
pub fn pause(ctx: &mut Ctx, _op: &Op) -> Done {
    ctx.bus.pause();
    Ok(Then::Next)
}

/// INVD, WBINVD, WBNOINVD: there is no cache to write back.
pub fn cache(ctx: &mut Ctx, _op: &Op) -> Done {
    privileged(ctx)?;
    Ok(Then::Next)
}

/// CLFLUSH, CLFLUSHOPT, CLWB: the address is checked as a load's.
pub fn cache_line(ctx: &mut Ctx, op: &Op) -> Done {
    let at = ctx.address(op);
    ctx.read(op.seg, at, 1)?;
    Ok(Then::Next)
}

/// CPUID.
pub fn cpuid(ctx: &mut Ctx, _op: &Op) -> Done {
    let apic = ctx.bus.apic_msr_read(msr::index::APIC_BASE).is_none_or(|base| base >> 11 & 1 != 0);
    let cpu = &mut *ctx.cpu;
    let view =
        View { index: cpu.index, cr4: cpu.state.cr4, xcr0: cpu.state.xcr0, apic, misc_enable: cpu.state.misc_enable };
    let out = cpu.model.cpuid(cpu.reg(reg::RAX) as u32, cpu.reg(reg::RCX) as u32, &view);
    for (r, value) in [reg::RAX, reg::RBX, reg::RCX, reg::RDX].into_iter().zip(out) {
        cpu.set_reg(r, Width::D, u64::from(value));
    }
    Ok(Then::Next)
}

fn check_tsd(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.state.cr4 & cr4::TSD != 0 && ctx.cpu.cpl() != 0 {
        return Err(Exception::protection(0));
    }
    Ok(())
}

/// RDTSC.
pub fn rdtsc(ctx: &mut Ctx, _op: &Op) -> Done {
    check_tsd(ctx)?;
    let now = msr::tsc(ctx);
    ctx.cpu.set_reg(reg::RAX, Width::D, now);
    ctx.cpu.set_reg(reg::RDX, Width::D, now >> 32);
    Ok(Then::Next)
}

/// RDTSCP.
pub fn rdtscp(ctx: &mut Ctx, op: &Op) -> Done {
    rdtsc(ctx, op)?;
    let aux = ctx.cpu.state.tsc_aux;
    ctx.cpu.set_reg(reg::RCX, Width::D, aux);
    Ok(Then::Next)
}

/// RDPID.
pub fn rdpid(ctx: &mut Ctx, op: &Op) -> Done {
    let aux = ctx.cpu.state.tsc_aux;
    ctx.cpu.set_reg(op.r0, Width::Q, aux & 0xffff_ffff);
    Ok(Then::Next)
}

/// RDPMC: the counters of a Pentium Pro, which count nothing.
pub fn rdpmc(ctx: &mut Ctx, _op: &Op) -> Done {
    if ctx.cpu.state.cr4 & cr4::PCE == 0 && ctx.cpu.cpl() != 0 || ctx.cpu.reg(reg::RCX) & 0xffff_ffff > 1 {
        return Err(Exception::protection(0));
    }
    ctx.cpu.set_reg(reg::RAX, Width::D, 0);
    ctx.cpu.set_reg(reg::RDX, Width::D, 0);
    Ok(Then::Next)
}

/// RDRAND and RDSEED: CF says that there was a number; the other flags are cleared.
pub fn random(ctx: &mut Ctx, op: &Op) -> Done {
    let value = ctx.bus.entropy();
    ctx.cpu.set_reg(op.r0, op.ins.w, value);
    let flags = ctx.cpu.rflags() & !rflags::ARITHMETIC | rflags::CF;
    ctx.cpu.set_rflags(flags);
    Ok(Then::Next)
}

/// SALC: AL becomes 0 or FFh by CF.
pub fn salc(ctx: &mut Ctx, _op: &Op) -> Done {
    let carry = ctx.cpu.rflags() & rflags::CF;
    ctx.cpu.set_reg(reg::RAX, Width::B, if carry != 0 { 0xff } else { 0 });
    Ok(Then::Next)
}
