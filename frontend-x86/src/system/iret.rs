//! IRET, in every mode (Intel SDM vol. 2, IRET).

use super::descriptor::{error_code, kind, rpl};
use super::far::{return_code, return_stack};
use super::segment::v86_segment;
use super::task::{self, Cause};
use super::v86;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::{Op, Width, reg};
use crate::sem::system::changeable;
use lyrebird_core::cpu::segment::SegReg;

/// The flags that a return with this operand size may change at this privilege level: those that POPF may, and some more.
fn loadable(w: Width, cpl: u8, iopl: u8) -> u64 {
    let rights = match cpl {
        0 => rflags::IOPL | rflags::IF,
        _ if cpl <= iopl => rflags::IF,
        _ => 0,
    };
    let virtual_interrupts = if cpl == 0 { rflags::VIF | rflags::VIP } else { 0 };
    changeable(w, rights) | if w == Width::W { 0 } else { rflags::RF | virtual_interrupts }
}

/// Loads flags. RF is only of use while breakpoints are on; otherwise nothing would clear it.
fn load_flags(ctx: &mut Ctx, value: u64, mask: u64) {
    let mut new = ctx.cpu.rflags() & !mask | value & mask;
    if ctx.cpu.state.dr7 & 0xff == 0 {
        new &= !rflags::RF;
    }
    ctx.cpu.set_rflags(new);
}

/// IRET, IRETD, IRETQ.
pub fn iret(ctx: &mut Ctx, op: &Op) -> Done {
    let w = op.ins.w;
    // NMIs are let in again even if IRET faults.
    ctx.cpu.state.nmi_blocked = false;
    if !ctx.cpu.protected() {
        if ctx.cpu.v86() {
            v86::iret(ctx, w)?;
        } else {
            real(ctx, w)?;
        }
    } else if ctx.cpu.state.long_mode() {
        if ctx.cpu.system_flags & rflags::NT != 0 {
            return Err(Exception::protection(0));
        }
        protected(ctx, w)?;
    } else if ctx.cpu.system_flags & rflags::NT != 0 {
        return task_return(ctx);
    } else {
        protected(ctx, w)?;
    }
    Ok(Then::Leave)
}

fn real(ctx: &mut Ctx, w: Width) -> Result<(), Exception> {
    let mut stack = ctx.stack();
    let ip = stack.pop(ctx, w)?;
    let selector = stack.pop_selector(ctx, w)?;
    let flags = stack.pop(ctx, w)?;
    let cs = ctx.plain_code(selector);
    ctx.check_target(&cs, ip, 0)?;
    stack.commit(ctx);
    ctx.set_code(cs, rpl(selector), ip);
    load_flags(ctx, flags, loadable(w, 0, 0) & !(rflags::VIF | rflags::VIP));
    Ok(())
}

fn protected(ctx: &mut Ctx, w: Width) -> Result<(), Exception> {
    let mut stack = ctx.stack();
    let offset = stack.pop(ctx, w)?;
    let selector = stack.pop_selector(ctx, w)?;
    let flags = stack.pop(ctx, w)?;
    let cpl = ctx.cpu.cpl();
    let long = ctx.cpu.state.long_mode();
    if flags & rflags::VM != 0 && cpl == 0 && w == Width::D && !long {
        return to_v86(ctx, stack, offset, selector, flags);
    }
    let cs = return_code(ctx, selector)?;
    let new_cpl = rpl(selector);
    let mask = loadable(w, cpl, (ctx.cpu.system_flags >> 12 & 3) as u8);
    if new_cpl == cpl && !ctx.cpu.mode64() {
        ctx.check_target(&cs, offset, 0)?;
        stack.commit(ctx);
        ctx.set_code(cs, cpl, offset);
        load_flags(ctx, flags, mask);
        return Ok(());
    }
    // From 64-bit mode SS:RSP are always popped.
    let sp = stack.pop(ctx, w)?;
    let ss = stack.pop_selector(ctx, w)?;
    let segment = return_stack(ctx, ss, new_cpl, &cs)?;
    ctx.check_target(&cs, offset, 0)?;
    ctx.enter_outer(cs, segment, new_cpl, offset, sp, 0);
    load_flags(ctx, flags, mask);
    Ok(())
}

/// The return to V86 mode from level 0.
fn to_v86(
    ctx: &mut Ctx,
    mut stack: super::stack::Stack,
    offset: u64,
    selector: u16,
    flags: u64,
) -> Result<(), Exception> {
    let sp = stack.pop(ctx, Width::D)?;
    let mut selectors = [0; 5];
    for s in &mut selectors {
        *s = stack.pop_selector(ctx, Width::D)?;
    }
    if offset > 0xffff {
        return Err(Exception::protection(0));
    }
    let order = [SegReg::Ss, SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs];
    for (seg, selector) in order.into_iter().zip(selectors) {
        ctx.cpu.state.seg[seg as usize] = v86_segment(selector);
    }
    ctx.cpu.state.seg[SegReg::Cs as usize] = v86_segment(selector);
    ctx.cpu.set_reg(reg::RSP, Width::D, sp);
    ctx.cpu.next_rip = offset;
    let mask = loadable(Width::D, 0, 0) | rflags::VM;
    load_flags(ctx, flags, mask);
    ctx.cpu.update_mode();
    Ok(())
}

/// The return from a nested task (NT set).
fn task_return(ctx: &mut Ctx) -> Done {
    let tr = ctx.cpu.state.tr;
    let at = ctx.system_address(tr.base);
    let link = ctx.read_system(at, 2)? as u16;
    let code = error_code(link);
    if link & 4 != 0 {
        return Err(Exception::invalid_tss(code));
    }
    let d = ctx.descriptor(link, Exception::invalid_tss(code))?;
    if !d.system() || !matches!(d.kind(), kind::TSS_BUSY | kind::TSS16_BUSY) {
        return Err(Exception::invalid_tss(code));
    }
    if !d.present() {
        return Err(Exception::not_present(code));
    }
    let next = ctx.cpu.next_rip;
    let late = task::switch(ctx, link, &d, Cause::Iret, next, 0)?;
    task::finish(ctx, late)
}
