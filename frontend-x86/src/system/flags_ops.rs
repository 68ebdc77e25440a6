//! PUSHF, POPF, CLI and STI, with the virtual interrupt flag of V86 and protected mode (Intel SDM vol. 2; vol. 3,
//! section 20.4), and CLAC, STAC.

use super::control::cr4;
use super::v86;
use crate::cpu::Cpu;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::{Op, Width};
use lyrebird_core::cpu::state::Shadow;

fn iopl(ctx: &Ctx) -> u8 {
    (ctx.cpu.system_flags >> 12 & 3) as u8
}

/// PUSHF, PUSHFD, PUSHFQ. VM and RF are pushed clear.
pub fn pushf(ctx: &mut Ctx, op: &Op) -> Done {
    let w = op.ins.w;
    let mut flags = pushed(ctx.cpu);
    if ctx.cpu.v86() && iopl(ctx) < 3 {
        if !v86::vme(ctx) || w != Width::W {
            return Err(Exception::protection(0));
        }
        // The image shows the virtual flag as IF, and IOPL 3.
        flags = flags & !rflags::IF | rflags::IOPL;
        if flags & rflags::VIF != 0 {
            flags |= rflags::IF;
        }
    }
    let mut stack = ctx.stack();
    stack.push(ctx, w, flags)?;
    stack.commit(ctx);
    Ok(Then::Next)
}

/// POPF, POPFD, POPFQ.
pub fn popf(ctx: &mut Ctx, op: &Op) -> Done {
    let w = op.ins.w;
    let virtual_if = ctx.cpu.v86() && iopl(ctx) < 3;
    if virtual_if && (!v86::vme(ctx) || w != Width::W) {
        return Err(Exception::protection(0));
    }
    let mut stack = ctx.stack();
    let value = stack.pop(ctx, w)?;
    let old = ctx.cpu.rflags();
    let mut new = popped(ctx.cpu, w, value);
    if virtual_if {
        new = v86::virtual_if(new, value)?;
    }
    stack.commit(ctx);
    ctx.cpu.set_rflags(new);
    Ok(if wants_a_look(old, new) { Then::Leave } else { Then::Next })
}

/// What PUSHF pushes where IF is not virtual.
#[inline]
pub fn pushed(cpu: &Cpu) -> u64 {
    cpu.rflags() & !(rflags::VM | rflags::RF)
}

/// RFLAGS after POPF of a value, where IF is not virtual: what the privilege level may not change stays.
pub fn popped(cpu: &Cpu, w: Width, value: u64) -> u64 {
    let mut mask = rflags::ARITHMETIC | rflags::TF | rflags::DF | rflags::NT;
    if w != Width::W {
        mask |= rflags::AC | rflags::ID;
    }
    let cpl = cpu.cpl();
    if cpl <= (cpu.system_flags >> 12 & 3) as u8 {
        mask |= rflags::IF;
    }
    if cpl == 0 {
        mask |= rflags::IOPL;
    }
    (cpu.rflags() & !mask | value & mask) & !rflags::RF
}

/// Whether POPF of a value changes nothing but the arithmetic flags, whoever pops it: the other ones are what they are already, and
/// RF, which it would clear, is clear.
#[inline]
pub fn pops_arithmetic_only(cpu: &Cpu, w: Width, value: u64) -> bool {
    let others = w.mask() & !rflags::ARITHMETIC & !(rflags::VM | rflags::RF);
    cpu.system_flags & rflags::RF == 0 && (cpu.system_flags ^ value) & others == 0
}

/// Whether the engine has to look around after this change: interrupts may have become possible, and TF or AC may have made the
/// CPU careful.
pub fn wants_a_look(old: u64, new: u64) -> bool {
    (old ^ new) & (rflags::IF | rflags::TF | rflags::AC) != 0
}

/// How CLI and STI may act.
enum Act {
    /// On IF.
    Real,
    /// On VIF.
    Virtual,
}

fn act(ctx: &Ctx) -> Result<Act, Exception> {
    let (cpl, iopl) = (ctx.cpu.cpl(), iopl(ctx));
    if ctx.cpu.state.cr0 & 1 == 0 || cpl <= iopl {
        return Ok(Act::Real);
    }
    let pvi = !ctx.cpu.v86() && cpl == 3 && ctx.cpu.state.cr4 & cr4::PVI != 0;
    if ctx.cpu.v86() && v86::vme(ctx) || pvi { Ok(Act::Virtual) } else { Err(Exception::protection(0)) }
}

/// CLI.
pub fn cli(ctx: &mut Ctx, _op: &Op) -> Done {
    match act(ctx)? {
        Act::Real => ctx.cpu.system_flags &= !rflags::IF,
        Act::Virtual => ctx.cpu.system_flags &= !rflags::VIF,
    }
    Ok(Then::Next)
}

/// STI. If it sets IF, interrupts wait for one more instruction.
pub fn sti(ctx: &mut Ctx, _op: &Op) -> Done {
    match act(ctx)? {
        Act::Real => {
            if ctx.cpu.system_flags & rflags::IF != 0 {
                return Ok(Then::Next);
            }
            ctx.cpu.system_flags |= rflags::IF;
            if ctx.cpu.state.shadow == Shadow::None {
                ctx.cpu.state.shadow = Shadow::Sti;
            }
        }
        Act::Virtual => {
            if ctx.cpu.system_flags & rflags::VIP != 0 {
                return Err(Exception::protection(0));
            }
            ctx.cpu.system_flags |= rflags::VIF;
        }
    }
    Ok(Then::Leave)
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
