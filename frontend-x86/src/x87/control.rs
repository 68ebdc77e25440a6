//! Control instructions that move no environment: FNINIT, FNCLEX, FLDCW, FNSTCW, FNSTSW, FWAIT, and the ones that only
//! touch the stack's tags and TOP (Intel SDM vol. 1, section 8.3.10).

use super::stack::Stack;
use super::unit::{DEFAULT_CONTROL, EXCEPTIONS, Unit, available, finish_quietly, fsw, report, summarize};
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::Op;
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
pub fn fldcw(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let offset = u.address(op);
    let word = u.read(op, offset, 2)? as u16;
    u.x87().control = control_word(word);
    summarize(u)
}

/// FNSTCW.
pub fn fnstcw(u: &mut impl Unit, op: &Op) -> Done {
    u.available()?;
    let offset = u.address(op);
    let word = u.x87().control;
    u.write(op, offset, 2, u64::from(word))?;
    Ok(Then::Next)
}

/// FNSTSW m2byte.
pub fn fnstsw_m16(u: &mut impl Unit, op: &Op) -> Done {
    u.available()?;
    let offset = u.address(op);
    let word = u.x87().status;
    u.write(op, offset, 2, u64::from(word))?;
    Ok(Then::Next)
}

/// FNSTSW AX.
pub fn fnstsw_ax(u: &mut impl Unit, _op: &Op) -> Done {
    u.available()?;
    let word = u.x87().status;
    u.set_ax(word);
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
pub fn fnop(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    u.note(op);
    Ok(Then::Next)
}

/// FNENI, FNDISI, FNSETPM: what mattered to the 8087 and the 80287 only. Also every instruction of a model without an
/// x87 unit, where #NM lets software step in and otherwise nothing happens.
pub fn legacy(ctx: &mut Ctx, _op: &Op) -> Done {
    available(ctx)?;
    Ok(Then::Next)
}

/// FINCSTP.
pub fn fincstp(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    u.note(op).rotate(1);
    finish_quietly(u)
}

/// FDECSTP.
pub fn fdecstp(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    u.note(op).rotate(7);
    finish_quietly(u)
}

/// FFREE, and FFREEP, which pops too.
pub fn ffree<const POP: bool>(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    x.free(op.r1);
    if POP {
        x.pop();
    }
    finish_quietly(u)
}
