//! What all x87 instructions have in common: whether they may run, what they leave in the pointers and in the status
//! word, and how exceptions are reported (Intel SDM vol. 1, sections 8.1.3, 8.1.8 and 8.5 to 8.7).

use super::stack::Stack;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::Op;
use crate::system::control::cr0;
use lyrebird_core::cpu::segment::SegReg;
use lyrebird_core::cpu::x87::X87;
use lyrebird_float::{Env, F80, Flags, Relation};

/// Status word bits.
#[allow(missing_docs, reason = "the manual's names")]
pub mod fsw {
    pub const IE: u16 = 1 << 0;
    pub const SF: u16 = 1 << 6;
    pub const ES: u16 = 1 << 7;
    pub const C0: u16 = 1 << 8;
    pub const C1: u16 = 1 << 9;
    pub const C2: u16 = 1 << 10;
    pub const C3: u16 = 1 << 14;
    pub const B: u16 = 1 << 15;
    pub const CODES: u16 = C0 | C1 | C2 | C3;
}

/// The exception flags of the status word, and their masks in the control word.
pub const EXCEPTIONS: u16 = 0x3f;
/// FCW after FNINIT: everything masked, 64-bit precision, to nearest.
pub const DEFAULT_CONTROL: u16 = 0x037f;

/// What a waiting instruction begins with: #NM, then exceptions that wait to be reported.
#[inline(always)]
pub fn begin(ctx: &mut Ctx) -> Result<(), Exception> {
    let state = &ctx.cpu.state;
    if state.cr0 & (cr0::EM | cr0::TS) != 0 || state.x87.status & fsw::ES != 0 {
        return held_up(ctx);
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn held_up(ctx: &mut Ctx) -> Result<(), Exception> {
    available(ctx)?;
    report(ctx)
}

/// What an instruction that does not wait begins with: #NM.
#[inline(always)]
pub fn available(ctx: &Ctx) -> Result<(), Exception> {
    if ctx.cpu.state.cr0 & (cr0::EM | cr0::TS) != 0 {
        return Err(Exception::device_not_available());
    }
    Ok(())
}

/// Reports a pending unmasked exception: by #MF, or, where CR0.NE is clear, by FERR# as the PC/AT did. There a processor
/// would freeze until an interrupt comes or IGNNE# lets it go on; FERR# having been asserted since the exception, the
/// interrupt has come if it could, and the instruction goes on.
#[cold]
pub fn report(ctx: &mut Ctx) -> Result<(), Exception> {
    if ctx.cpu.state.x87.status & fsw::ES == 0 {
        return Ok(());
    }
    if ctx.cpu.state.cr0 & cr0::NE != 0 {
        return Err(Exception::x87());
    }
    ctx.bus.set_ferr(true);
    Ok(())
}

/// Notes the instruction: FOP, FIP and FCS. To be called when nothing can fault any more.
#[inline(always)]
pub fn note<'a>(ctx: &'a mut Ctx, op: &Op) -> &'a mut X87 {
    let cpu = &mut *ctx.cpu;
    let state = &mut cpu.state;
    state.x87.opcode = op.fop;
    state.x87.ip = cpu.rip;
    state.x87.cs = state.seg[SegReg::Cs as usize].selector;
    &mut state.x87
}

/// Notes the instruction and its memory operand: FDP and FDS too.
#[inline(always)]
pub fn note_memory<'a>(ctx: &'a mut Ctx, op: &Op, offset: u64) -> &'a mut X87 {
    let state = &mut ctx.cpu.state;
    state.x87.dp = offset;
    state.x87.ds = state.seg[usize::from(op.seg)].selector;
    note(ctx, op)
}

/// Ends an instruction that computed under `env`: merges the exceptions and C1, and reports.
#[inline(always)]
pub fn finish(ctx: &mut Ctx, env: &Env) -> Done {
    let x = &mut ctx.cpu.state.x87;
    let c1 = u16::from(env.rounded_up) * fsw::C1;
    x.status = x.status & !fsw::C1 | u16::from(env.flags.bits()) | c1;
    if env.unmasked().is_empty() { Ok(Then::Next) } else { unmasked(ctx) }
}

/// The same for an instruction that leaves C1 as it was.
#[inline(always)]
pub fn finish_keeping_c1(ctx: &mut Ctx, env: &Env) -> Done {
    ctx.cpu.state.x87.status |= u16::from(env.flags.bits());
    if env.unmasked().is_empty() { Ok(Then::Next) } else { unmasked(ctx) }
}

/// Ends an instruction that raised nothing: only C1 is cleared.
#[inline(always)]
pub fn finish_quietly(ctx: &mut Ctx) -> Done {
    ctx.cpu.state.x87.status &= !fsw::C1;
    Ok(Then::Next)
}

/// An unmasked exception was raised: the next waiting instruction will report it.
#[cold]
#[inline(never)]
fn unmasked(ctx: &mut Ctx) -> Done {
    ctx.cpu.state.x87.status |= fsw::ES | fsw::B;
    if ctx.cpu.state.cr0 & cr0::NE != 0 {
        return Ok(Then::Next);
    }
    ctx.bus.set_ferr(true);
    Ok(Then::Leave)
}

/// Derives ES and B from flags and masks, after either was loaded; FERR# follows if it falls.
pub fn summarize(ctx: &mut Ctx) -> Done {
    let x = &mut ctx.cpu.state.x87;
    let before = x.status & fsw::ES != 0;
    if x.status & !x.control & EXCEPTIONS != 0 {
        x.status |= fsw::ES | fsw::B;
    } else {
        x.status &= !(fsw::ES | fsw::B);
        if before {
            ctx.bus.set_ferr(false);
            return Ok(Then::Leave);
        }
    }
    Ok(Then::Next)
}

/// Stack underflow: an operand was empty. `masked` is the response if IE is masked.
#[cold]
pub fn underflow(ctx: &mut Ctx, masked: impl FnOnce(&mut X87)) -> Done {
    stack_fault(ctx, 0, masked)
}

/// Stack overflow: no room for a push. `masked` is the response if IE is masked.
#[cold]
pub fn overflow(ctx: &mut Ctx, masked: impl FnOnce(&mut X87)) -> Done {
    stack_fault(ctx, fsw::C1, masked)
}

#[inline(always)]
fn stack_fault(ctx: &mut Ctx, c1: u16, masked: impl FnOnce(&mut X87)) -> Done {
    let x = &mut ctx.cpu.state.x87;
    x.status = x.status & !fsw::C1 | fsw::IE | fsw::SF | c1;
    if x.control & fsw::IE == 0 {
        return unmasked(ctx);
    }
    masked(x);
    Ok(Then::Next)
}

/// The masked response of most pushes to a stack fault.
pub fn push_indefinite(x: &mut X87) {
    x.push(F80::INDEFINITE);
}

/// What an instruction computes under.
#[inline(always)]
pub fn env(x: &X87) -> Env {
    Env::x87(x.control)
}

/// C3, C2 and C0 of a comparison.
#[inline(always)]
pub fn codes(relation: Relation) -> u16 {
    match relation {
        Relation::Greater => 0,
        Relation::Less => fsw::C0,
        Relation::Equal => fsw::C3,
        Relation::Unordered => fsw::C3 | fsw::C2 | fsw::C0,
    }
}

/// Whether a store to memory does not happen: an exception that would have changed what is stored is not masked.
#[inline(always)]
pub fn withheld(env: &Env) -> bool {
    env.unmasked().intersects(Flags::PRE_COMPUTATION | Flags::OE | Flags::UE)
}
