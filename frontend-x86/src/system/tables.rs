//! The descriptor table registers, LDTR and TR, and the instructions that ask about selectors (Intel SDM vol. 2).

use super::control::cr4;
use super::descriptor::{error_code, is_null, kind, rpl};
use super::segment::null_segment;
use crate::access::canonical;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::{Kind, Op, Width};
use lyrebird_core::cpu::segment::{Segment, TableRegister};

/// UMIP: what would tell a user about the system's tables raises #GP.
pub fn check_umip(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.state.cr4 & cr4::UMIP != 0 && ctx.cpu.cpl() > 0 {
        return Err(Exception::protection(0));
    }
    Ok(())
}

fn privileged(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.cpl() == 0 { Ok(()) } else { Err(Exception::protection(0)) }
}

/// These instructions do not exist in real and V86 mode.
fn only_protected(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.protected() { Ok(()) } else { Err(Exception::undefined()) }
}

/// SGDT (sub 0) and SIDT (sub 1): limit and base, 6 bytes or, in 64-bit mode, 10.
pub fn store_table(ctx: &mut Ctx, op: &Op) -> Done {
    check_umip(ctx)?;
    let table = if op.ins.sub == 0 { ctx.cpu.state.gdtr } else { ctx.cpu.state.idtr };
    let mut image = [0; 10];
    image[..2].copy_from_slice(&table.limit.to_le_bytes());
    image[2..].copy_from_slice(&table.base.to_le_bytes());
    let len = if ctx.cpu.mode64() { 10 } else { 6 };
    let at = ctx.address(op);
    ctx.write_bytes(op.seg, at, &image[..len])?;
    Ok(Then::Next)
}

/// LGDT (sub 0) and LIDT (sub 1). With a 16-bit operand size the base has 24 bits.
pub fn load_table(ctx: &mut Ctx, op: &Op) -> Done {
    privileged(ctx)?;
    let at = ctx.address(op);
    let long = ctx.cpu.mode64();
    let mut image = [0; 10];
    ctx.read_bytes(op.seg, at, &mut image[..if long { 10 } else { 6 }])?;
    let limit = u16::from_le_bytes([image[0], image[1]]);
    let mut base = [0; 8];
    base.copy_from_slice(&image[2..]);
    let mut base = u64::from_le_bytes(base);
    if long && !canonical(base) {
        return Err(Exception::protection(0));
    }
    if !long && op.ins.w == Width::W {
        base &= 0xff_ffff;
    }
    let table = TableRegister { base, limit };
    if op.ins.sub == 0 {
        ctx.cpu.state.gdtr = table;
    } else {
        ctx.cpu.state.idtr = table;
    }
    Ok(Then::Leave)
}

/// SLDT (sub 0) and STR (sub 1): 16 bits to memory, the operand size to a register.
pub fn store_selector(ctx: &mut Ctx, op: &Op) -> Done {
    only_protected(ctx)?;
    check_umip(ctx)?;
    let segment = if op.ins.sub == 0 { ctx.cpu.state.ldtr } else { ctx.cpu.state.tr };
    let w = if op.ins.k0 == Kind::Mem { Width::W } else { op.ins.w };
    ctx.write_operand(op, w, u64::from(segment.selector))?;
    Ok(Then::Next)
}

/// A system segment with its base, which has 64 bits in long mode.
fn system_segment(ctx: &mut Ctx, selector: u16, kinds: &[u8]) -> Result<(Segment, u64), Exception> {
    let refused = Exception::protection(error_code(selector));
    if selector & 4 != 0 {
        return Err(refused);
    }
    let d = ctx.descriptor(selector, refused)?;
    if !d.system() || !kinds.contains(&d.kind()) {
        return Err(refused);
    }
    let mut segment = d.segment(selector);
    if ctx.cpu.state.long_mode() {
        let upper = ctx.upper_half(selector, &d, refused)?;
        if upper >> 40 & 31 != 0 {
            return Err(refused);
        }
        segment.base |= upper << 32;
    }
    if !d.present() {
        return Err(Exception::not_present(error_code(selector)));
    }
    if !canonical(segment.base) {
        return Err(refused);
    }
    Ok((segment, d.at))
}

/// LLDT.
pub fn lldt(ctx: &mut Ctx, op: &Op) -> Done {
    only_protected(ctx)?;
    privileged(ctx)?;
    let selector = ctx.read_operand(op, 0, Width::W)? as u16;
    ctx.cpu.state.ldtr =
        if is_null(selector) { null_segment(selector) } else { system_segment(ctx, selector, &[kind::LDT])?.0 };
    Ok(Then::Next)
}

/// LTR.
pub fn ltr(ctx: &mut Ctx, op: &Op) -> Done {
    only_protected(ctx)?;
    privileged(ctx)?;
    let selector = ctx.read_operand(op, 0, Width::W)? as u16;
    if is_null(selector) {
        return Err(Exception::protection(0));
    }
    let kinds: &[u8] = if ctx.cpu.state.long_mode() { &[kind::TSS] } else { &[kind::TSS, kind::TSS16] };
    let (mut segment, at) = system_segment(ctx, selector, kinds)?;
    ctx.set_busy(at, true)?;
    segment.attributes |= 2;
    ctx.cpu.state.tr = segment;
    Ok(Then::Next)
}

fn set_zero_flag(ctx: &mut Ctx, on: bool) {
    let flags = ctx.cpu.rflags();
    ctx.cpu.set_rflags(if on { flags | rflags::ZF } else { flags & !rflags::ZF });
}

/// LAR (sub 0) and LSL (sub 1): slot 0 gets the rights or the limit, if the selector may be seen.
pub fn look_up(ctx: &mut Ctx, op: &Op) -> Done {
    only_protected(ctx)?;
    let selector = ctx.read_operand(op, 1, Width::W)? as u16;
    let found = if is_null(selector) { None } else { ctx.find_descriptor(selector)? };
    let limit_wanted = op.ins.sub == 1;
    let cpl = ctx.cpu.cpl();
    let long = ctx.cpu.state.long_mode();
    let visible = found.filter(|d| {
        let privilege = d.conforming() || cpl <= d.dpl() && rpl(selector) <= d.dpl();
        privilege && (!d.system() || known_to(d.kind(), limit_wanted, long))
    });
    if let Some(d) = visible {
        let value = if limit_wanted { u64::from(d.limit()) } else { d.raw >> 32 & 0x00ff_ff00 };
        ctx.cpu.set_reg(op.r0, op.ins.w, value);
    }
    set_zero_flag(ctx, visible.is_some());
    Ok(Then::Next)
}

/// The system types that LAR and LSL tell about (SDM vol. 2, the tables of both).
fn known_to(kind: u8, limit_wanted: bool, long: bool) -> bool {
    match kind {
        kind::LDT | kind::TSS | kind::TSS_BUSY => true,
        kind::TSS16 | kind::TSS16_BUSY => !long,
        kind::CALL_GATE => !limit_wanted,
        kind::CALL_GATE16 | kind::TASK_GATE => !limit_wanted && !long,
        _ => false,
    }
}

/// VERR (sub 0) and VERW (sub 1).
pub fn verify(ctx: &mut Ctx, op: &Op) -> Done {
    only_protected(ctx)?;
    let selector = ctx.read_operand(op, 0, Width::W)? as u16;
    let found = if is_null(selector) { None } else { ctx.find_descriptor(selector)? };
    let cpl = ctx.cpu.cpl();
    let fine = found.is_some_and(|d| {
        let privilege = d.conforming() || cpl <= d.dpl() && rpl(selector) <= d.dpl();
        privilege && if op.ins.sub == 0 { d.readable() } else { d.writable() }
    });
    set_zero_flag(ctx, fine);
    Ok(Then::Next)
}

/// ARPL.
pub fn arpl(ctx: &mut Ctx, op: &Op) -> Done {
    only_protected(ctx)?;
    let destination = ctx.read_operand(op, 0, Width::W)?;
    let source = ctx.cpu.reg(op.r1) & 3;
    let raise = destination & 3 < source;
    // Processors write only what changes, so whether a page that cannot be written faults depends on the values.
    if raise {
        ctx.write_operand(op, Width::W, destination & !3 | source)?;
    }
    set_zero_flag(ctx, raise);
    Ok(Then::Next)
}
