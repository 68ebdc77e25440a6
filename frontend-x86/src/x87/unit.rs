//! What all x87 instructions have in common: whether they may run, what they leave in the pointers and in the status
//! word, and how exceptions are reported (Intel SDM vol. 1, sections 8.1.3, 8.1.8 and 8.5 to 8.7).

use super::memory::{read_ten, write_ten};
use super::stack::Stack;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::LazyFlags;
use crate::op::Op;
use crate::op::{Width, reg};
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
/// Bits of CR0 with which an instruction raises #NM instead.
pub const UNAVAILABLE: u64 = cr0::EM | cr0::TS;
/// FCW after FNINIT: everything masked, 64-bit precision, to nearest.
pub const DEFAULT_CONTROL: u16 = 0x037f;

/// The unit with as much of the machine around it as its instructions need: all of it ([`Ctx`]), or next to nothing
/// ([`super::bare::Bare`]), where somebody else has seen to the rest.
pub trait Unit {
    /// Every exception is known to be masked.
    const MASKED: bool;

    /// The registers.
    fn x87(&mut self) -> &mut X87;
    /// What a waiting instruction begins with: #NM, then exceptions that wait to be reported.
    fn begin(&mut self) -> Result<(), Exception>;
    /// What an instruction that does not wait begins with: #NM.
    fn available(&self) -> Result<(), Exception>;
    /// The memory operand's offset in its segment.
    fn address(&self, op: &Op) -> u64;
    /// Reads up to 8 bytes of the memory operand.
    fn read(&mut self, op: &Op, offset: u64, bytes: u64) -> Result<u64, Exception>;
    /// Writes them.
    fn write(&mut self, op: &Op, offset: u64, bytes: u64, value: u64) -> Result<(), Exception>;
    /// Reads a memory operand of ten bytes.
    fn read_ten(&mut self, op: &Op, offset: u64) -> Result<[u8; 10], Exception>;
    /// Writes one.
    fn write_ten(&mut self, op: &Op, offset: u64, bytes: [u8; 10]) -> Result<(), Exception>;
    /// Notes the instruction: FOP, FIP and FCS. To be called when nothing can fault any more.
    fn note(&mut self, op: &Op) -> &mut X87;
    /// Notes the instruction and its memory operand: FDP and FDS too.
    fn note_memory(&mut self, op: &Op, offset: u64) -> &mut X87;
    /// An unmasked exception was raised: the next waiting instruction will report it.
    fn unmasked(&mut self) -> Done;
    /// ES has fallen, and with it FERR#.
    fn settled(&mut self) -> Done;
    /// Whether a condition code (as in Jcc) holds.
    fn condition(&self, cc: u8) -> bool;
    /// Sets all arithmetic flags.
    fn set_flags(&mut self, rflags: u64);
    /// Sets AX.
    fn set_ax(&mut self, value: u16);
}

impl Unit for Ctx<'_> {
    const MASKED: bool = false;

    #[inline(always)]
    fn x87(&mut self) -> &mut X87 {
        &mut self.cpu.state.x87
    }

    #[inline(always)]
    fn begin(&mut self) -> Result<(), Exception> {
        let state = &self.cpu.state;
        if state.cr0 & UNAVAILABLE != 0 || state.x87.status & fsw::ES != 0 {
            return held_up(self);
        }
        Ok(())
    }

    #[inline(always)]
    fn available(&self) -> Result<(), Exception> {
        available(self)
    }

    #[inline(always)]
    fn address(&self, op: &Op) -> u64 {
        Ctx::address(self, op)
    }

    #[inline(always)]
    fn read(&mut self, op: &Op, offset: u64, bytes: u64) -> Result<u64, Exception> {
        Ctx::read(self, op.seg, offset, bytes)
    }

    #[inline(always)]
    fn write(&mut self, op: &Op, offset: u64, bytes: u64, value: u64) -> Result<(), Exception> {
        Ctx::write(self, op.seg, offset, bytes, value)
    }

    fn read_ten(&mut self, op: &Op, offset: u64) -> Result<[u8; 10], Exception> {
        read_ten(self, op, offset)
    }

    fn write_ten(&mut self, op: &Op, offset: u64, bytes: [u8; 10]) -> Result<(), Exception> {
        write_ten(self, op, offset, bytes)
    }

    #[inline(always)]
    fn note(&mut self, op: &Op) -> &mut X87 {
        let cpu = &mut *self.cpu;
        let state = &mut cpu.state;
        state.x87.opcode = op.fop;
        state.x87.ip = cpu.rip;
        state.x87.cs = state.seg[SegReg::Cs as usize].selector;
        &mut state.x87
    }

    #[inline(always)]
    fn note_memory(&mut self, op: &Op, offset: u64) -> &mut X87 {
        let state = &mut self.cpu.state;
        state.x87.dp = offset;
        state.x87.ds = state.seg[usize::from(op.seg)].selector;
        self.note(op)
    }

    #[cold]
    #[inline(never)]
    fn unmasked(&mut self) -> Done {
        self.cpu.state.x87.status |= fsw::ES | fsw::B;
        if self.cpu.state.cr0 & cr0::NE != 0 {
            return Ok(Then::Next);
        }
        self.bus.set_ferr(true);
        Ok(Then::Leave)
    }

    fn settled(&mut self) -> Done {
        self.bus.set_ferr(false);
        Ok(Then::Leave)
    }

    #[inline(always)]
    fn condition(&self, cc: u8) -> bool {
        self.cpu.flags.condition(cc)
    }

    #[inline(always)]
    fn set_flags(&mut self, rflags: u64) {
        self.cpu.flags = LazyFlags::word(rflags);
    }

    #[inline(always)]
    fn set_ax(&mut self, value: u16) {
        self.cpu.set_reg(reg::RAX, Width::W, u64::from(value));
    }
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
    if ctx.cpu.state.cr0 & UNAVAILABLE != 0 {
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

/// Ends an instruction that computed under `env`: merges the exceptions and C1, and reports.
#[inline(always)]
pub fn finish<U: Unit>(u: &mut U, env: &Env) -> Done {
    let x = u.x87();
    let c1 = u16::from(env.rounded_up) * fsw::C1;
    x.status = x.status & !fsw::C1 | u16::from(env.flags.bits()) | c1;
    if U::MASKED || env.unmasked().is_empty() { Ok(Then::Next) } else { u.unmasked() }
}

/// The same for an instruction that leaves C1 as it was.
#[inline(always)]
pub fn finish_keeping_c1<U: Unit>(u: &mut U, env: &Env) -> Done {
    u.x87().status |= u16::from(env.flags.bits());
    if U::MASKED || env.unmasked().is_empty() { Ok(Then::Next) } else { u.unmasked() }
}

/// Ends an instruction that raised nothing: only C1 is cleared.
#[inline(always)]
pub fn finish_quietly(u: &mut impl Unit) -> Done {
    u.x87().status &= !fsw::C1;
    Ok(Then::Next)
}

/// Derives ES and B from flags and masks, after either was loaded; FERR# follows if it falls.
pub fn summarize(u: &mut impl Unit) -> Done {
    let x = u.x87();
    let before = x.status & fsw::ES != 0;
    if x.status & !x.control & EXCEPTIONS != 0 {
        x.status |= fsw::ES | fsw::B;
    } else {
        x.status &= !(fsw::ES | fsw::B);
        if before {
            return u.settled();
        }
    }
    Ok(Then::Next)
}

/// Stack underflow: an operand was empty. `masked` is the response if IE is masked.
#[cold]
pub fn underflow(u: &mut impl Unit, masked: impl FnOnce(&mut X87)) -> Done {
    stack_fault(u, 0, masked)
}

/// Stack overflow: no room for a push. `masked` is the response if IE is masked.
#[cold]
pub fn overflow(u: &mut impl Unit, masked: impl FnOnce(&mut X87)) -> Done {
    stack_fault(u, fsw::C1, masked)
}

#[inline(always)]
fn stack_fault(u: &mut impl Unit, c1: u16, masked: impl FnOnce(&mut X87)) -> Done {
    let x = u.x87();
    x.status = x.status & !fsw::C1 | fsw::IE | fsw::SF | c1;
    if x.control & fsw::IE == 0 {
        return u.unmasked();
    }
    masked(u.x87());
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
