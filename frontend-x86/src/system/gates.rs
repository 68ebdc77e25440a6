//! Call gates, and the inner stacks that gates of all kinds switch to (Intel SDM vol. 3, sections 5.8.3 to 5.8.5).

use super::descriptor::{Descriptor, error_code, is_null, kind, rpl};
use super::far::gate_width;
use super::segment::null_stack;
use super::stack::Stack;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::{Exception, vector};
use crate::op::reg;
use lyrebird_core::cpu::segment::{SegReg, Segment};

/// A gate whose own checks have passed, and the code segment that it leads to.
struct Target {
    selector: u16,
    descriptor: Descriptor,
    offset: u64,
    wide: bool,
    parameters: u64,
}

/// Checks a call gate and finds the code segment behind it.
fn open(ctx: &mut Ctx, selector: u16, gate: &Descriptor) -> Result<Target, Exception> {
    let code = error_code(selector);
    let cpl = ctx.cpu.cpl();
    if gate.dpl() < cpl || gate.dpl() < rpl(selector) {
        return Err(Exception::protection(code));
    }
    let long = ctx.cpu.state.long_mode();
    let mut offset = gate.gate_offset();
    if long {
        if gate.kind() != kind::CALL_GATE {
            return Err(Exception::protection(code));
        }
        let upper = ctx.upper_half(selector, gate, Exception::protection(code))?;
        // The second half must not look like a descriptor itself.
        if upper >> 40 & 31 != 0 {
            return Err(Exception::protection(code));
        }
        offset |= upper << 32;
    }
    if !gate.present() {
        return Err(Exception::not_present(code));
    }
    let target = gate.gate_selector();
    if is_null(target) {
        return Err(Exception::protection(0));
    }
    let code = error_code(target);
    let mut d = ctx.descriptor(target, Exception::protection(code))?;
    if !d.code() || d.dpl() > cpl || long && (!d.long() || d.big()) {
        return Err(Exception::protection(code));
    }
    if !d.present() {
        return Err(Exception::not_present(code));
    }
    ctx.set_accessed(&mut d)?;
    let wide = gate.kind() == kind::CALL_GATE;
    Ok(Target { selector: target, descriptor: d, offset, wide, parameters: gate.raw >> 32 & 31 })
}

/// JMP through a call gate: the level does not change.
pub fn jump(ctx: &mut Ctx, selector: u16, gate: &Descriptor) -> Done {
    let target = open(ctx, selector, gate)?;
    let cpl = ctx.cpu.cpl();
    if !target.descriptor.conforming() && target.descriptor.dpl() != cpl {
        return Err(Exception::protection(error_code(target.selector)));
    }
    let cs = target.descriptor.segment(target.selector);
    ctx.check_target(&cs, target.offset, 0)?;
    ctx.set_code(cs, cpl, target.offset);
    Ok(Then::Leave)
}

/// CALL through a call gate.
pub fn call(ctx: &mut Ctx, selector: u16, gate: &Descriptor) -> Done {
    let target = open(ctx, selector, gate)?;
    let long = ctx.cpu.state.long_mode();
    let w = gate_width(long, target.wide);
    let cpl = ctx.cpu.cpl();
    let cs = target.descriptor.segment(target.selector);
    let (old_cs, next) = (u64::from(ctx.cpu.seg(SegReg::Cs).selector), ctx.cpu.next_rip);
    if target.descriptor.conforming() || target.descriptor.dpl() == cpl {
        let mut stack = ctx.stack();
        if long {
            // A 64-bit gate leads to 64-bit code: its stack is not the compatibility mode one's width.
            stack = ctx.stack_long(ctx.cpu.reg(reg::RSP), cpl, 0);
        }
        stack.push(ctx, w, old_cs)?;
        stack.push(ctx, w, next)?;
        ctx.check_target(&cs, target.offset, 0)?;
        ctx.set_code(cs, cpl, target.offset);
        stack.commit(ctx);
        return Ok(Then::Leave);
    }
    let level = target.descriptor.dpl();
    let (ss, mut stack) = inner_stack(ctx, level, 0)?;
    let (old_ss, old_sp) = (u64::from(ctx.cpu.seg(SegReg::Ss).selector), ctx.cpu.reg(reg::RSP));
    let mut parameters = [0; 31];
    if !long {
        let mut from = ctx.stack();
        for value in &mut parameters[..target.parameters as usize] {
            *value = from.pop(ctx, w)?;
        }
    }
    stack.push(ctx, w, old_ss)?;
    stack.push(ctx, w, old_sp)?;
    if !long {
        for value in parameters[..target.parameters as usize].iter().rev() {
            stack.push(ctx, w, *value)?;
        }
    }
    stack.push(ctx, w, old_cs)?;
    stack.push(ctx, w, next)?;
    ctx.check_target(&cs, target.offset, 0)?;
    ctx.cpu.state.seg[SegReg::Ss as usize] = ss;
    ctx.set_code(cs, level, target.offset);
    stack.commit(ctx);
    Ok(Then::Leave)
}

/// The stack that the TSS has for an inner privilege level: the segment for SS, checked, and the stack on it. `ext` is
/// the EXT bit of error codes.
pub fn inner_stack(ctx: &mut Ctx, cpl: u8, ext: u32) -> Result<(Segment, Stack), Exception> {
    let (selector, sp) = stack_pointer(ctx, cpl, ext)?;
    if ctx.cpu.state.long_mode() {
        let ss = null_stack(u16::from(cpl));
        return Ok((ss, ctx.stack_long(sp, cpl, ext)));
    }
    if is_null(selector) {
        return Err(Exception::invalid_tss(ext));
    }
    let with_ext = |e: Exception| Exception { error: e.error.map(|c| c | ext), ..e };
    let ss = ctx.prepare_stack_segment(selector, cpl, Exception::invalid_tss).map_err(|e| match e.vector {
        vector::PF => e, // its error code has no EXT bit
        _ => with_ext(e),
    })?;
    let stack = ctx.stack_in(&ss, sp, cpl, error_code(selector) | ext);
    Ok((ss, stack))
}

/// SS and (E/R)SP of a level in the current TSS.
fn stack_pointer(ctx: &mut Ctx, cpl: u8, ext: u32) -> Result<(u16, u64), Exception> {
    let tr = ctx.cpu.state.tr;
    let fault = Exception::invalid_tss(error_code(tr.selector) | ext);
    let level = u64::from(cpl);
    let limit = u64::from(tr.limit);
    let at = |offset: u64| tr.base.wrapping_add(offset);
    if ctx.cpu.state.long_mode() {
        let offset = level * 8 + 4;
        if offset + 7 > limit {
            return Err(fault);
        }
        return Ok((u16::from(cpl), ctx.read_system(at(offset), 8)?));
    }
    if tr.kind() & 8 != 0 {
        let offset = level * 8 + 4;
        if offset + 5 > limit {
            return Err(fault);
        }
        let (esp, ss) = (ctx.system_address(at(offset)), ctx.system_address(at(offset + 4)));
        return Ok((ctx.read_system(ss, 2)? as u16, ctx.read_system(esp, 4)?));
    }
    let offset = level * 4 + 2;
    if offset + 3 > limit {
        return Err(fault);
    }
    let (sp, ss) = (ctx.system_address(at(offset)), ctx.system_address(at(offset + 2)));
    Ok((ctx.read_system(ss, 2)? as u16, ctx.read_system(sp, 2)?))
}

/// A stack of the interrupt stack table (1 to 7).
pub fn interrupt_stack(ctx: &mut Ctx, ist: u64, cpl: u8, ext: u32) -> Result<Stack, Exception> {
    let tr = ctx.cpu.state.tr;
    let offset = ist * 8 + 28;
    if offset + 7 > u64::from(tr.limit) {
        return Err(Exception::invalid_tss(error_code(tr.selector) | ext));
    }
    let sp = ctx.read_system(tr.base.wrapping_add(offset), 8)?;
    Ok(ctx.stack_long(sp, cpl, ext))
}
