//! Far JMP, CALL and RET (Intel SDM vol. 2, JMP, CALL, RET; vol. 3, section 5.8).

use super::descriptor::{Descriptor, error_code, is_null, kind, rpl};
use super::gates;
use super::segment::{null_stack, real_segment, v86_segment};
use super::task::{self, Cause};
use crate::access::canonical;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::{Kind, Op, Width, reg};
use lyrebird_core::cpu::segment::{SegReg, Segment};

impl Ctx<'_> {
    /// Checks an instruction pointer against the code segment that it will run in.
    pub fn check_target(&self, segment: &Segment, offset: u64, error: u32) -> Result<(), Exception> {
        let fine = if self.cpu.state.long_mode() && segment.has(Segment::LONG) {
            canonical(offset)
        } else {
            offset <= u64::from(segment.limit)
        };
        if fine { Ok(()) } else { Err(Exception::protection(error)) }
    }

    /// Loads CS and the instruction pointer; checks are done. SS keeps the privilege level.
    pub fn set_code(&mut self, mut segment: Segment, cpl: u8, offset: u64) {
        segment.selector = segment.selector & !3 | u16::from(cpl);
        self.cpu.state.seg[SegReg::Cs as usize] = segment;
        self.cpu.update_mode();
        self.cpu.next_rip = offset;
    }

    /// A code segment as a direct far transfer at the current level wants it (SDM vol. 3, section 5.8.1).
    pub fn direct_code(&mut self, selector: u16, d: &mut Descriptor) -> Result<Segment, Exception> {
        let (cpl, code) = (self.cpu.cpl(), error_code(selector));
        let allowed = if d.conforming() { d.dpl() <= cpl } else { rpl(selector) <= cpl && d.dpl() == cpl };
        if !allowed || self.cpu.state.long_mode() && d.long() && d.big() {
            return Err(Exception::protection(code));
        }
        if !d.present() {
            return Err(Exception::not_present(code));
        }
        self.set_accessed(d)?;
        Ok(d.segment(selector))
    }

    /// CS as a far transfer in real or V86 mode loads it.
    pub fn plain_code(&self, selector: u16) -> Segment {
        if self.cpu.v86() { v86_segment(selector) } else { real_segment(self.cpu.seg(SegReg::Cs), selector) }
    }
}

/// The far pointer operand: offset and selector. In memory, or in the immediates (the selector in bits 32 to 47).
fn pointer(ctx: &mut Ctx, op: &Op) -> Result<(u64, u16), Exception> {
    if op.ins.k0 != Kind::Mem {
        return Ok((op.imm & 0xffff_ffff & op.ins.w.mask(), (op.imm >> 32) as u16));
    }
    let at = ctx.address(op);
    let offset = ctx.read(op.seg, at, op.ins.w.bytes())?;
    let at = at.wrapping_add(op.ins.w.bytes()) & ctx.address_width(op).mask();
    Ok((offset, ctx.read(op.seg, at, 2)? as u16))
}

/// JMP far.
pub fn jump(ctx: &mut Ctx, op: &Op) -> Done {
    let (offset, selector) = pointer(ctx, op)?;
    if !ctx.cpu.protected() {
        let cs = ctx.plain_code(selector);
        ctx.check_target(&cs, offset, 0)?;
        let cpl = rpl(selector);
        ctx.set_code(cs, cpl, offset);
        return Ok(Then::Leave);
    }
    let code = error_code(selector);
    if is_null(selector) {
        return Err(Exception::protection(0));
    }
    let mut d = ctx.descriptor(selector, Exception::protection(code))?;
    if d.code() {
        let cs = ctx.direct_code(selector, &mut d)?;
        let cpl = ctx.cpu.cpl();
        let offset = if ctx.cpu.state.long_mode() && !cs.has(Segment::LONG) { offset & 0xffff_ffff } else { offset };
        ctx.check_target(&cs, offset, 0)?;
        ctx.set_code(cs, cpl, offset);
        return Ok(Then::Leave);
    }
    if !d.system() {
        return Err(Exception::protection(code));
    }
    let next = ctx.cpu.next_rip;
    match d.kind() {
        kind::CALL_GATE | kind::CALL_GATE16 => gates::jump(ctx, selector, &d),
        kind::TASK_GATE | kind::TSS | kind::TSS16 => task::far(ctx, selector, &d, Cause::Jump, next),
        _ => Err(Exception::protection(code)),
    }
}

/// CALL far.
pub fn call(ctx: &mut Ctx, op: &Op) -> Done {
    let (offset, selector) = pointer(ctx, op)?;
    let w = op.ins.w;
    let (old, next) = (u64::from(ctx.cpu.seg(SegReg::Cs).selector), ctx.cpu.next_rip);
    if !ctx.cpu.protected() {
        let cs = ctx.plain_code(selector);
        let mut stack = ctx.stack();
        stack.push(ctx, w, old)?;
        stack.push(ctx, w, next)?;
        ctx.check_target(&cs, offset, 0)?;
        stack.commit(ctx);
        ctx.set_code(cs, rpl(selector), offset);
        return Ok(Then::Leave);
    }
    let code = error_code(selector);
    if is_null(selector) {
        return Err(Exception::protection(0));
    }
    let mut d = ctx.descriptor(selector, Exception::protection(code))?;
    if d.code() {
        let cs = ctx.direct_code(selector, &mut d)?;
        let cpl = ctx.cpu.cpl();
        let mut stack = ctx.stack();
        stack.push(ctx, w, old)?;
        stack.push(ctx, w, next)?;
        let offset = if ctx.cpu.state.long_mode() && !cs.has(Segment::LONG) { offset & 0xffff_ffff } else { offset };
        ctx.check_target(&cs, offset, 0)?;
        stack.commit(ctx);
        ctx.set_code(cs, cpl, offset);
        return Ok(Then::Leave);
    }
    if !d.system() {
        return Err(Exception::protection(code));
    }
    match d.kind() {
        kind::CALL_GATE | kind::CALL_GATE16 => gates::call(ctx, selector, &d),
        kind::TASK_GATE | kind::TSS | kind::TSS16 => task::far(ctx, selector, &d, Cause::Call, next),
        _ => Err(Exception::protection(code)),
    }
}

/// RETF, with or without an immediate.
pub fn ret(ctx: &mut Ctx, op: &Op) -> Done {
    let (w, extra) = (op.ins.w, op.imm & 0xffff);
    let mut stack = ctx.stack();
    let offset = stack.pop(ctx, w)?;
    let selector = stack.pop_selector(ctx, w)?;
    if !ctx.cpu.protected() {
        let cs = ctx.plain_code(selector);
        ctx.check_target(&cs, offset, 0)?;
        stack.add(extra);
        stack.commit(ctx);
        ctx.set_code(cs, rpl(selector), offset);
        return Ok(Then::Leave);
    }
    let cs = return_code(ctx, selector)?;
    let (cpl, new_cpl) = (ctx.cpu.cpl(), rpl(selector));
    if new_cpl == cpl {
        ctx.check_target(&cs, offset, 0)?;
        stack.add(extra);
        stack.commit(ctx);
        ctx.set_code(cs, cpl, offset);
        return Ok(Then::Leave);
    }
    stack.add(extra);
    let sp = stack.pop(ctx, w)?;
    let ss = stack.pop_selector(ctx, w)?;
    let segment = return_stack(ctx, ss, new_cpl, &cs)?;
    ctx.check_target(&cs, offset, 0)?;
    ctx.enter_outer(cs, segment, new_cpl, offset, sp, extra);
    Ok(Then::Leave)
}

/// The code segment that RETF or IRET returns to: at the selector's RPL, which must not be more privileged.
pub fn return_code(ctx: &mut Ctx, selector: u16) -> Result<Segment, Exception> {
    let code = error_code(selector);
    if is_null(selector) {
        return Err(Exception::protection(0));
    }
    let mut d = ctx.descriptor(selector, Exception::protection(code))?;
    let level = rpl(selector);
    let allowed = if d.conforming() { d.dpl() <= level } else { d.dpl() == level };
    if !d.code() || level < ctx.cpu.cpl() || !allowed || ctx.cpu.state.long_mode() && d.long() && d.big() {
        return Err(Exception::protection(code));
    }
    if !d.present() {
        return Err(Exception::not_present(code));
    }
    ctx.set_accessed(&mut d)?;
    Ok(d.segment(selector))
}

/// The stack segment of a return to `cpl`. 64-bit code below level 3 may have a null one.
pub fn return_stack(ctx: &mut Ctx, selector: u16, cpl: u8, cs: &Segment) -> Result<Segment, Exception> {
    if is_null(selector) {
        let long = ctx.cpu.state.long_mode() && cs.has(Segment::LONG);
        if long && cpl < 3 && rpl(selector) == cpl {
            return Ok(null_stack(selector));
        }
        return Err(Exception::protection(0));
    }
    ctx.prepare_stack_segment(selector, cpl, Exception::protection)
}

impl Ctx<'_> {
    /// Ends a return to a less privileged level (or, in 64-bit mode, to any): CS, SS and both pointers are loaded, and the
    /// data segments that the new level may not have are dropped.
    pub fn enter_outer(&mut self, cs: Segment, ss: Segment, cpl: u8, offset: u64, sp: u64, extra: u64) {
        let outward = cpl > self.cpu.cpl();
        self.cpu.state.seg[SegReg::Ss as usize] = ss;
        self.set_code(cs, cpl, offset);
        if outward {
            self.drop_privileged_segments(cpl);
        }
        self.cpu.update_mode();
        // On a 16-bit stack ESP's upper half stays the inner level's.
        let width = self.cpu.mode.stack;
        self.cpu.set_reg(reg::RSP, width, sp.wrapping_add(extra));
    }
}

/// The width of a far transfer's stack slots by the gate that it goes through.
pub fn gate_width(long: bool, wide: bool) -> Width {
    match (long, wide) {
        (true, _) => Width::Q,
        (_, true) => Width::D,
        _ => Width::W,
    }
}
