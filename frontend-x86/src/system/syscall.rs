//! The fast system calls and the FS and GS bases (Intel SDM vol. 2, SYSCALL, SYSRET, SYSENTER, SYSEXIT, RDFSBASE).

use super::control::{cr4, efer};
use super::interrupt::BS;
use crate::access::canonical;
use crate::cpu::CodeSize;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::model::Vendor;
use crate::op::{Op, Width, reg};
use lyrebird_core::cpu::segment::{SegReg, Segment};

/// Code, readable, accessed, present.
const CODE: u32 =
    Segment::PRESENT | Segment::S | Segment::CODE | Segment::READ_WRITE | Segment::ACCESSED | Segment::GRANULARITY;
/// Data, writable, accessed, present, 32-bit.
const DATA: u32 = Segment::PRESENT
    | Segment::S
    | Segment::READ_WRITE
    | Segment::ACCESSED
    | Segment::GRANULARITY
    | Segment::DEFAULT_BIG;

/// Loads CS and SS flat at a privilege level, as all fast calls do, without looking at any descriptor.
fn flat(ctx: &mut Ctx, cs: u64, ss: u64, cpl: u16, long: bool) {
    let dpl = u32::from(cpl) << 5;
    let size = if long { Segment::LONG } else { Segment::DEFAULT_BIG };
    let make = |selector: u64, attributes: u32| Segment {
        selector: selector as u16 & !3 | cpl,
        base: 0,
        limit: 0xffff_ffff,
        attributes: attributes | dpl,
    };
    ctx.cpu.state.seg[SegReg::Cs as usize] = make(cs, CODE | size);
    ctx.cpu.state.seg[SegReg::Ss as usize] = make(ss, DATA);
    ctx.cpu.update_code_and_stack(&[SegReg::Cs, SegReg::Ss]);
    if ctx.cpu.system_flags & rflags::TF == 0 {
        ctx.cpu.debug_hits &= !BS;
    }
}

/// SYSCALL. Intel has it in 64-bit mode only; AMD also in compatibility mode, by IA32_CSTAR, and in legacy mode.
pub fn syscall(ctx: &mut Ctx, _op: &Op) -> Done {
    let cpu = &mut *ctx.cpu;
    let amd = cpu.model.vendor == Vendor::Amd;
    let from64 = cpu.mode64();
    if cpu.state.efer & efer::SCE == 0 || !cpu.protected() || !from64 && !amd {
        return Err(Exception::undefined());
    }
    let star = cpu.state.star;
    let selector = star >> 32 & 0xfffc;
    let next = cpu.next_rip;
    if !cpu.state.long_mode() {
        cpu.set_reg(reg::RCX, Width::D, next);
        let flags = cpu.rflags() & !(rflags::VM | rflags::IF | rflags::RF);
        cpu.set_rflags(flags);
        cpu.next_rip = star & 0xffff_ffff;
        flat(ctx, selector, selector + 8, 0, false);
        return Ok(Then::Leave);
    }
    let flags = cpu.rflags();
    cpu.set_reg(reg::RCX, Width::Q, next);
    cpu.set_reg(reg::R11, Width::Q, flags & !rflags::RF);
    cpu.set_rflags(flags & !cpu.state.sfmask & !rflags::RF | rflags::FIXED);
    cpu.next_rip = if from64 { cpu.state.lstar } else { cpu.state.cstar };
    flat(ctx, selector, selector + 8, 0, true);
    Ok(Then::Leave)
}

/// SYSRET: to 64-bit code with a 64-bit operand size, else to 32-bit code.
pub fn sysret(ctx: &mut Ctx, op: &Op) -> Done {
    let cpu = &mut *ctx.cpu;
    let amd = cpu.model.vendor == Vendor::Amd;
    if cpu.state.efer & efer::SCE == 0 || !cpu.protected() || !cpu.mode64() && !amd {
        return Err(Exception::undefined());
    }
    if cpu.cpl() != 0 {
        return Err(Exception::protection(0));
    }
    let wide = op.ins.w == Width::Q;
    let target = cpu.reg(reg::RCX);
    let selector = cpu.state.star >> 48;
    if !cpu.state.long_mode() {
        let flags = cpu.rflags() | rflags::IF;
        cpu.set_rflags(flags);
        cpu.next_rip = target & 0xffff_ffff;
        flat(ctx, selector, selector + 8, 3, false);
        return Ok(Then::Leave);
    }
    // Intel checks the address while still at level 0.
    if wide && !canonical(target) {
        return Err(Exception::protection(0));
    }
    let mut flags = cpu.reg(reg::R11) & 0x3c_7fd7 | rflags::FIXED;
    if cpu.state.dr7 & 0xff == 0 {
        flags &= !rflags::RF;
    }
    cpu.set_rflags(flags);
    cpu.next_rip = if wide { target } else { target & 0xffff_ffff };
    let cs = if wide { selector + 16 } else { selector };
    flat(ctx, cs, selector + 8, 3, wide);
    Ok(Then::Leave)
}

/// SYSENTER.
pub fn sysenter(ctx: &mut Ctx, _op: &Op) -> Done {
    let cpu = &mut *ctx.cpu;
    if cpu.state.cr0 & 1 == 0 || cpu.state.sysenter_cs & 0xfffc == 0 {
        return Err(Exception::protection(0));
    }
    let flags = cpu.rflags() & !(rflags::VM | rflags::IF | rflags::RF);
    cpu.set_rflags(flags);
    let long = cpu.state.long_mode();
    let w = if long { Width::Q } else { Width::D };
    let (esp, eip, cs) = (cpu.state.sysenter_esp, cpu.state.sysenter_eip, cpu.state.sysenter_cs);
    cpu.set_reg(reg::RSP, w, esp);
    cpu.next_rip = eip & w.mask();
    flat(ctx, cs, (cs & 0xfffc) + 8, 0, long);
    Ok(Then::Leave)
}

/// SYSEXIT.
pub fn sysexit(ctx: &mut Ctx, op: &Op) -> Done {
    let cpu = &mut *ctx.cpu;
    if cpu.state.sysenter_cs & 0xfffc == 0 || !cpu.protected() || cpu.cpl() != 0 {
        return Err(Exception::protection(0));
    }
    let wide = op.ins.w == Width::Q;
    let (sp, ip) = (cpu.reg(reg::RCX), cpu.reg(reg::RDX));
    if wide && !(canonical(sp) && canonical(ip)) {
        return Err(Exception::protection(0));
    }
    let w = if wide { Width::Q } else { Width::D };
    cpu.set_reg(reg::RSP, w, sp);
    cpu.next_rip = ip & w.mask();
    let base = cpu.state.sysenter_cs & 0xfffc;
    let (cs, ss) = if wide { (base + 32, base + 40) } else { (base + 16, base + 24) };
    flat(ctx, cs, ss, 3, wide);
    Ok(Then::Leave)
}

fn base_register(op: &Op) -> SegReg {
    if op.ins.sub & 1 == 0 { SegReg::Fs } else { SegReg::Gs }
}

fn check_fsgsbase(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.mode.code != CodeSize::Bits64 || ctx.cpu.state.cr4 & cr4::FSGSBASE == 0 {
        return Err(Exception::undefined());
    }
    Ok(())
}

/// RDFSBASE (sub 0), RDGSBASE (sub 1).
pub fn read_base(ctx: &mut Ctx, op: &Op) -> Done {
    check_fsgsbase(ctx)?;
    let base = ctx.cpu.seg(base_register(op)).base;
    ctx.cpu.set_reg(op.r0, op.ins.w, base);
    Ok(Then::Next)
}

/// WRFSBASE (sub 0), WRGSBASE (sub 1).
pub fn write_base(ctx: &mut Ctx, op: &Op) -> Done {
    check_fsgsbase(ctx)?;
    let base = ctx.cpu.reg(op.r0) & op.ins.w.mask();
    if !canonical(base) {
        return Err(Exception::protection(0));
    }
    ctx.cpu.set_segment_base(base_register(op), base);
    Ok(Then::Next)
}
