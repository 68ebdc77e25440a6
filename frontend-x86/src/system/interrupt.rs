//! Delivery of interrupts and exceptions (Intel SDM vol. 2, INT; vol. 3, chapter 6).

use super::control::cr4;
use super::descriptor::{Descriptor, error_code, is_null, kind};
use super::far::gate_width;
use super::gates::{inner_stack, interrupt_stack};
use super::segment::{null_segment, null_stack};
use super::stack::Stack;
use super::task;
use super::v86;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::{Exception, vector};
use crate::flags::rflags;
use crate::op::{Op, Width, reg};
use lyrebird_core::cpu::segment::SegReg;
use lyrebird_core::cpu::state::{Activity, Shadow};
use lyrebird_core::{Cause, Delivery};

/// DR6.BS.
pub const BS: u64 = 1 << 14;

/// Something that interrupts the flow of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A maskable interrupt, with the vector that the controller gave.
    Interrupt(u8),
    /// A non-maskable interrupt.
    Nmi,
    /// INT n.
    Software(u8),
    /// INT3 and INTO: as INT n, but never redirected in V86 mode.
    SoftwareException(u8),
    /// ICEBP (INT1).
    Icebp,
    /// #DB as a trap: DR6 has been set already.
    DebugTrap,
    /// A fault (or abort).
    Exception(Exception),
}

impl Event {
    /// The vector.
    pub fn vector(self) -> u8 {
        match self {
            Event::Interrupt(v) | Event::Software(v) | Event::SoftwareException(v) => v,
            Event::Nmi => vector::NMI,
            Event::Icebp | Event::DebugTrap => vector::DB,
            Event::Exception(e) => e.vector,
        }
    }

    /// INT n, INT3, INTO: the gate's DPL is checked, and EXT is clear in error codes.
    fn software(self) -> bool {
        matches!(self, Event::Software(_) | Event::SoftwareException(_))
    }

    /// What is pushed beside flags and address.
    fn error(self) -> Option<u32> {
        match self {
            Event::Exception(e) => e.error,
            _ => None,
        }
    }
}

/// What delivery pushes and where it stands.
pub(super) struct Frame {
    pub event: Event,
    /// The EXT bit.
    pub ext: u32,
    pub rflags: u64,
    pub rip: u64,
}

impl Frame {
    fn new(ctx: &Ctx, event: Event) -> Frame {
        let cpu = &*ctx.cpu;
        let after = event.software() || event == Event::Icebp;
        let mut flags = cpu.rflags();
        match event {
            // A fault's return must not hit the same instruction breakpoint again (SDM vol. 3, section 17.3.1.1). The
            // breakpoint's own #DB leaves that to the handler.
            Event::Exception(Exception { vector: vector::DB, address, .. }) if address & 15 != 0 => {}
            Event::Exception(Exception { vector: vector::DF | vector::MC, .. }) => {}
            Event::Exception(_) => flags |= rflags::RF,
            _ => {}
        }
        if after {
            flags &= !rflags::RF;
        }
        Frame {
            event,
            ext: u32::from(!event.software()),
            rflags: flags,
            rip: if after { cpu.next_rip } else { cpu.rip },
        }
    }

    /// The same for those who watch.
    fn delivery(&self, ctx: &Ctx) -> Delivery {
        let cpu = &*ctx.cpu;
        let selector = |s: SegReg| cpu.state.seg[s as usize].selector;
        let cause = match self.event {
            Event::Interrupt(_) => Cause::Interrupt,
            Event::Nmi => Cause::Nmi,
            Event::Software(_) | Event::SoftwareException(_) | Event::Icebp => Cause::Software,
            Event::DebugTrap | Event::Exception(_) => Cause::Exception,
        };
        Delivery {
            vector: self.event.vector(),
            cause,
            error: self.event.error(),
            cpl: cpu.cpl(),
            cs: selector(SegReg::Cs),
            rip: self.rip,
            ss: selector(SegReg::Ss),
            rsp: cpu.reg(reg::RSP),
            cr2: cpu.state.cr2,
        }
    }

    /// The error code that names this event's own gate.
    fn idt_error(&self) -> u32 {
        u32::from(self.event.vector()) << 3 | 2 | self.ext
    }
}

/// Delivers an event: on success the handler's first instruction comes next, at `cpu.rip` and `cpu.next_rip`. An
/// exception on the way leaves things as they were, except after a task switch, which may have been completed.
pub fn deliver(ctx: &mut Ctx, event: Event) -> Result<(), Exception> {
    let frame = Frame::new(ctx, event);
    ctx.bus.note_delivery(frame.delivery(ctx));
    if !ctx.cpu.protected() {
        if ctx.cpu.v86() {
            if let Event::Software(n) = event
                && v86::redirect(ctx, n, frame.rip)?
            {
                return finish(ctx);
            }
            protected(ctx, &frame)?;
        } else {
            real(ctx, &frame)?;
        }
    } else if ctx.cpu.state.long_mode() {
        long(ctx, &frame)?;
    } else {
        protected(ctx, &frame)?;
    }
    finish(ctx)
}

/// What every delivery ends with.
fn finish(ctx: &mut Ctx) -> Result<(), Exception> {
    let cpu = &mut *ctx.cpu;
    cpu.rip = cpu.next_rip;
    cpu.state.shadow = Shadow::None;
    cpu.state.activity = Activity::Running;
    cpu.debug_hits &= !BS;
    Ok(())
}

/// Real mode: the interrupt vector table.
fn real(ctx: &mut Ctx, frame: &Frame) -> Result<(), Exception> {
    let idtr = ctx.cpu.state.idtr;
    let at = u64::from(frame.event.vector()) * 4;
    if at + 3 > u64::from(idtr.limit) {
        return Err(Exception::protection(frame.idt_error()));
    }
    let at = ctx.system_address(idtr.base.wrapping_add(at));
    let entry = ctx.read_system(at, 4)?;
    plain_frame(ctx, frame.rflags, frame.rip, entry as u16, (entry >> 16) as u16)
}

/// FLAGS, CS and IP as 16-bit pushes, and a jump as real mode and V86 mode do it.
pub(super) fn plain_frame(ctx: &mut Ctx, flags: u64, rip: u64, ip: u16, selector: u16) -> Result<(), Exception> {
    let mut stack = ctx.stack();
    let cs = u64::from(ctx.cpu.seg(SegReg::Cs).selector);
    for value in [flags, cs, rip] {
        stack.push(ctx, Width::W, value)?;
    }
    let segment = ctx.plain_code(selector);
    ctx.check_target(&segment, u64::from(ip), 0)?;
    stack.commit(ctx);
    ctx.cpu.state.seg[SegReg::Cs as usize] = segment;
    ctx.cpu.next_rip = u64::from(ip);
    let cleared = rflags::IF | rflags::TF | rflags::AC | rflags::RF;
    let now = ctx.cpu.rflags();
    if !ctx.cpu.v86() {
        ctx.cpu.set_rflags(now & !cleared);
    }
    ctx.cpu.update_mode();
    Ok(())
}

/// Checks that hold for the gates of both protected modes.
fn check_gate(ctx: &Ctx, frame: &Frame, gate: &Descriptor) -> Result<(), Exception> {
    if frame.event.software() && gate.dpl() < ctx.cpu.cpl() {
        return Err(Exception::protection(frame.idt_error()));
    }
    if !gate.present() {
        return Err(Exception::not_present(frame.idt_error()));
    }
    Ok(())
}

/// The code segment that a gate leads to.
fn handler(ctx: &mut Ctx, frame: &Frame, selector: u16) -> Result<Descriptor, Exception> {
    if is_null(selector) {
        return Err(Exception::protection(frame.ext));
    }
    let code = error_code(selector) | frame.ext;
    let mut d = ctx.descriptor(selector, Exception::protection(code))?;
    let long = ctx.cpu.state.long_mode();
    if !d.code() || d.dpl() > ctx.cpu.cpl() || long && (!d.long() || d.big()) {
        return Err(Exception::protection(code));
    }
    if !d.present() {
        return Err(Exception::not_present(code));
    }
    ctx.set_accessed(&mut d)?;
    Ok(d)
}

/// The flags with which the handler begins.
fn handler_flags(ctx: &Ctx, gate_kind: u8) -> u64 {
    let mut flags = ctx.cpu.rflags() & !(rflags::TF | rflags::NT | rflags::RF | rflags::VM);
    if gate_kind & 1 == 0 {
        flags &= !rflags::IF; // an interrupt gate; a trap gate leaves it
    }
    flags
}

/// Protected mode and V86 mode.
fn protected(ctx: &mut Ctx, frame: &Frame) -> Result<(), Exception> {
    let idtr = ctx.cpu.state.idtr;
    let at = u64::from(frame.event.vector()) * 8;
    if at + 7 > u64::from(idtr.limit) {
        return Err(Exception::protection(frame.idt_error()));
    }
    let at = ctx.system_address(idtr.base.wrapping_add(at));
    let gate = Descriptor { raw: ctx.read_system(at, 8)?, at };
    let known = [kind::TASK_GATE, kind::INTERRUPT_GATE16, kind::TRAP_GATE16, kind::INTERRUPT_GATE, kind::TRAP_GATE];
    if !gate.system() || !known.contains(&gate.kind()) {
        return Err(Exception::protection(frame.idt_error()));
    }
    check_gate(ctx, frame, &gate)?;
    if gate.kind() == kind::TASK_GATE {
        return task_gate(ctx, frame, gate.gate_selector());
    }
    let wide = gate.kind() & 8 != 0;
    let w = gate_width(false, wide);
    let selector = gate.gate_selector();
    let d = handler(ctx, frame, selector)?;
    let cpl = ctx.cpu.cpl();
    let cs = d.segment(selector);
    let v86 = ctx.cpu.v86();
    let inward = !d.conforming() && d.dpl() < cpl;
    if v86 && !(inward && d.dpl() == 0) {
        return Err(Exception::protection(error_code(selector) | frame.ext));
    }
    let flags = handler_flags(ctx, gate.kind());
    let offset = gate.gate_offset();
    if !inward {
        let mut stack = ctx.stack();
        stack.error = frame.ext;
        push_return(ctx, &mut stack, w, frame)?;
        ctx.check_target(&cs, offset, frame.ext)?;
        stack.commit(ctx);
        ctx.set_code(cs, cpl, offset);
        ctx.cpu.set_rflags(flags);
        return Ok(());
    }
    let (ss, mut stack) = inner_stack(ctx, d.dpl(), frame.ext)?;
    if v86 {
        for seg in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
            let selector = u64::from(ctx.cpu.seg(seg).selector);
            stack.push(ctx, w, selector)?;
        }
    }
    let (old_ss, old_sp) = (u64::from(ctx.cpu.seg(SegReg::Ss).selector), ctx.cpu.reg(reg::RSP));
    stack.push(ctx, w, old_ss)?;
    stack.push(ctx, w, old_sp)?;
    push_return(ctx, &mut stack, w, frame)?;
    ctx.check_target(&cs, offset, frame.ext)?;
    if v86 {
        for seg in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
            ctx.cpu.state.seg[seg as usize] = null_segment(0);
        }
    }
    ctx.cpu.state.seg[SegReg::Ss as usize] = ss;
    ctx.cpu.set_rflags(flags);
    ctx.set_code(cs, d.dpl(), offset);
    stack.commit(ctx);
    Ok(())
}

/// Flags, CS, instruction pointer and error code.
fn push_return(ctx: &mut Ctx, stack: &mut Stack, w: Width, frame: &Frame) -> Result<(), Exception> {
    let cs = u64::from(ctx.cpu.seg(SegReg::Cs).selector);
    for value in [frame.rflags, cs, frame.rip] {
        stack.push(ctx, w, value)?;
    }
    if let Some(error) = frame.event.error() {
        stack.push(ctx, w, u64::from(error))?;
    }
    Ok(())
}

/// A task gate in the IDT: a nested task.
fn task_gate(ctx: &mut Ctx, frame: &Frame, selector: u16) -> Result<(), Exception> {
    let code = error_code(selector) | frame.ext;
    if selector & 4 != 0 || is_null(selector) {
        return Err(Exception::protection(code));
    }
    let d = ctx.descriptor(selector, Exception::protection(code))?;
    if !d.system() || !matches!(d.kind(), kind::TSS | kind::TSS16) {
        return Err(Exception::protection(code));
    }
    if !d.present() {
        return Err(Exception::not_present(code));
    }
    // The old task's image has the flags that would have been pushed.
    let flags = ctx.cpu.rflags();
    ctx.cpu.set_rflags(frame.rflags);
    let switched = task::switch(ctx, selector, &d, task::Cause::Interrupt, frame.rip, frame.ext);
    let late = match switched {
        Ok(late) => late,
        Err(e) => {
            ctx.cpu.set_rflags(flags);
            return Err(e);
        }
    };
    if let Some(e) = late {
        return Err(e);
    }
    if let Some(error) = frame.event.error() {
        let mut stack = ctx.stack();
        stack.error = frame.ext;
        let w = if d.kind() & 8 != 0 { Width::D } else { Width::W };
        stack.push(ctx, w, u64::from(error))?;
        stack.commit(ctx);
    }
    let cs = *ctx.cpu.seg(SegReg::Cs);
    ctx.check_target(&cs, ctx.cpu.next_rip, frame.ext)
}

/// Long mode (SDM vol. 3, section 6.14).
fn long(ctx: &mut Ctx, frame: &Frame) -> Result<(), Exception> {
    let idtr = ctx.cpu.state.idtr;
    let at = u64::from(frame.event.vector()) * 16;
    if at + 15 > u64::from(idtr.limit) {
        return Err(Exception::protection(frame.idt_error()));
    }
    let at = idtr.base.wrapping_add(at);
    let gate = Descriptor { raw: ctx.read_system(at, 8)?, at };
    let upper = ctx.read_system(at.wrapping_add(8), 8)?;
    if !gate.system() || !matches!(gate.kind(), kind::INTERRUPT_GATE | kind::TRAP_GATE) || upper >> 40 & 31 != 0 {
        return Err(Exception::protection(frame.idt_error()));
    }
    check_gate(ctx, frame, &gate)?;
    let selector = gate.gate_selector();
    let d = handler(ctx, frame, selector)?;
    let cs = d.segment(selector);
    let offset = gate.gate_offset() | upper << 32;
    let cpl = ctx.cpu.cpl();
    let new_cpl = if d.conforming() { cpl } else { d.dpl() };
    let ist = gate.raw >> 32 & 7;
    let mut stack = match (ist, new_cpl < cpl) {
        (0, false) => ctx.stack_long(ctx.cpu.reg(reg::RSP), cpl, frame.ext),
        (0, true) => inner_stack(ctx, new_cpl, frame.ext)?.1,
        _ => interrupt_stack(ctx, ist, new_cpl, frame.ext)?,
    };
    stack.sp &= !15;
    let (old_ss, old_sp) = (u64::from(ctx.cpu.seg(SegReg::Ss).selector), ctx.cpu.reg(reg::RSP));
    stack.push(ctx, Width::Q, old_ss)?;
    stack.push(ctx, Width::Q, old_sp)?;
    push_return(ctx, &mut stack, Width::Q, frame)?;
    ctx.check_target(&cs, offset, frame.ext)?;
    let flags = handler_flags(ctx, gate.kind());
    if new_cpl < cpl {
        ctx.cpu.state.seg[SegReg::Ss as usize] = null_stack(u16::from(new_cpl));
    }
    ctx.cpu.set_rflags(flags);
    ctx.set_code(cs, new_cpl, offset);
    stack.commit(ctx);
    Ok(())
}

/// Whether a fault of V86 mode's INT n instruction comes first: IOPL below 3 without the extensions.
pub(super) fn check_iopl(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.v86() && ctx.cpu.system_flags & rflags::IOPL != rflags::IOPL {
        return Err(Exception::protection(0));
    }
    Ok(())
}

/// INT n.
pub fn int(ctx: &mut Ctx, op: &Op) -> Done {
    if ctx.cpu.v86() && ctx.cpu.state.cr4 & cr4::VME == 0 {
        check_iopl(ctx)?;
    }
    deliver(ctx, Event::Software(op.imm as u8))?;
    Ok(Then::Leave)
}

/// INT3.
pub fn int3(ctx: &mut Ctx, _op: &Op) -> Done {
    deliver(ctx, Event::SoftwareException(vector::BP))?;
    Ok(Then::Leave)
}

/// INTO.
pub fn into(ctx: &mut Ctx, _op: &Op) -> Done {
    if ctx.cpu.rflags() & rflags::OF == 0 {
        return Ok(Then::Next);
    }
    deliver(ctx, Event::SoftwareException(vector::OF))?;
    Ok(Then::Leave)
}

/// ICEBP.
pub fn icebp(ctx: &mut Ctx, _op: &Op) -> Done {
    deliver(ctx, Event::Icebp)?;
    super::debug::clear_for_handler(ctx.cpu);
    // Breakpoints that waited for the end of a MOV SS shadow are told by this #DB, not by a second one in its handler.
    ctx.cpu.state.dr6 |= std::mem::take(&mut ctx.cpu.state.pending_debug);
    Ok(Then::Leave)
}
