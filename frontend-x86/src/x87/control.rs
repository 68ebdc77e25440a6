//! Control instructions that move no environment: FNINIT, FNCLEX, FLDCW, FNSTCW, FNSTSW, FWAIT, and the ones that only
//! touch the stack's tags and TOP (Intel SDM vol. 1, section 8.3.10).

use super::stack::Stack;
use super::unit::{DEFAULT_CONTROL, EXCEPTIONS, available, begin, finish_quietly, fsw, note, report, summarize};
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::{Op, Width, reg};
use crate::system::control::cr0;
use lyrebird_core::cpu::x87::X87;

/// Bits of the control word that can be written.
const CONTROL_BITS: u16 = 0x1f3f;
/// The one that always reads as one.
const CONTROL_FIXED: u16 = 0x0040;

/// A control word as the processor keeps it.
pub fn control_word(written: u16) -> u16 {
    written & CONTROL_BITS | CONTROL_FIXED
}

/// What FNINIT and FNSAVE leave: registers keep their bits but are empty.
pub fn initialize(ctx: &mut Ctx) -> Done {
    let x = &mut ctx.cpu.state.x87;
    *x = X87 { r: x.r, control: DEFAULT_CONTROL, valid: 0, status: x.status & fsw::ES, ..X87::RESET };
    summarize(ctx)
}

/// FNINIT.
pub fn fninit(ctx: &mut Ctx, _op: &Op) -> Done {
    available(ctx)?;
    initialize(ctx)
}

/// FNCLEX.
pub fn fnclex(ctx: &mut Ctx, _op: &Op) -> Done {
    available(ctx)?;
    ctx.cpu.state.x87.status &= !(EXCEPTIONS | fsw::SF);
    summarize(ctx)
}

/// FLDCW.
pub fn fldcw(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    let offset = ctx.address(op);
    let word = ctx.read(op.seg, offset, 2)? as u16;
    ctx.cpu.state.x87.control = control_word(word);
    summarize(ctx)
}

/// FNSTCW.
pub fn fnstcw(ctx: &mut Ctx, op: &Op) -> Done {
    available(ctx)?;
    let offset = ctx.address(op);
    let word = ctx.cpu.state.x87.control;
    ctx.write(op.seg, offset, 2, u64::from(word))?;
    Ok(Then::Next)
}

/// FNSTSW m2byte.
pub fn fnstsw_m16(ctx: &mut Ctx, op: &Op) -> Done {
    available(ctx)?;
    let offset = ctx.address(op);
    let word = ctx.cpu.state.x87.status;
    ctx.write(op.seg, offset, 2, u64::from(word))?;
    Ok(Then::Next)
}

/// FNSTSW AX.
pub fn fnstsw_ax(ctx: &mut Ctx, _op: &Op) -> Done {
    available(ctx)?;
    let word = ctx.cpu.state.x87.status;
    ctx.cpu.set_reg(reg::RAX, Width::W, u64::from(word));
    Ok(Then::Next)
}

/// FWAIT: #NM only if CR0.MP and CR0.TS are both set.
pub fn fwait(ctx: &mut Ctx, _op: &Op) -> Done {
    let wanted = cr0::MP | cr0::TS;
    if ctx.cpu.state.cr0 & wanted == wanted {
        return Err(Exception::device_not_available());
    }
    report(ctx)?;
    Ok(Then::Next)
}

/// FNOP.
pub fn fnop(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    note(ctx, op);
    Ok(Then::Next)
}

/// FNENI, FNDISI, FNSETPM: what mattered to the 8087 and the 80287 only. Also every instruction of a model without an
/// x87 unit, where #NM lets software step in and otherwise nothing happens.
pub fn legacy(ctx: &mut Ctx, _op: &Op) -> Done {
    available(ctx)?;
    Ok(Then::Next)
}

/// FINCSTP.
pub fn fincstp(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    note(ctx, op).rotate(1);
    finish_quietly(ctx)
}

/// FDECSTP.
pub fn fdecstp(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    note(ctx, op).rotate(7);
    finish_quietly(ctx)
}

/// FFREE, and FFREEP, which pops too.
pub fn ffree<const POP: bool>(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    x.free(op.r1);
    if POP {
        x.pop();
    }
    finish_quietly(ctx)
}
