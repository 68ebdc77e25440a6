//! What an engine does between instructions: signals, pending traps, interrupts and breakpoints, in the manual's order
//! (Intel SDM vol. 3, table 6-2).

use super::debug;
use super::interrupt::{BS, Event};
use super::raise::begin;
use crate::cpu::Cpu;
use crate::ctx::Ctx;
use crate::exception::Exception;
use crate::flags::rflags;
use lyrebird_core::Signals;
use lyrebird_core::cpu::segment::{SegReg, Segment};
use lyrebird_core::cpu::state::{Activity, Shadow};

/// What the CPU does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Executes at `cpu.rip`. With a shadow ([`lyrebird_core::CpuState::shadow`]) only one instruction, before the engine
    /// looks again.
    Execute,
    /// Waits: HLT, or an application processor for its start-up IPI.
    Halted,
    /// Has shut down after a triple fault; INIT or a reset bring it back.
    Shutdown,
}

/// Most events that are delivered at one boundary, so that a guest cannot keep the host here.
const EVENTS: usize = 4;

/// Whether a signal or a pending event could be taken now: a cheap question for engines that want to run on.
#[inline]
pub fn wants_attention(cpu: &Cpu) -> bool {
    let bits = cpu.signals.bits();
    if cpu.state.pending_debug != 0 || cpu.state.activity != Activity::Running {
        return true;
    }
    let interrupt = bits & Signals::INTR != 0 && cpu.system_flags & rflags::IF != 0;
    interrupt || bits & !Signals::INTR != 0 || cpu.state.nmi_pending && !cpu.state.nmi_blocked
}

/// Handles everything that comes between two instructions. `cpu.rip` is the next instruction's, before and after.
pub fn poll(ctx: &mut Ctx) -> Boundary {
    for _ in 0..EVENTS {
        if !one(ctx) {
            break;
        }
    }
    match ctx.cpu.state.activity {
        Activity::Running => Boundary::Execute,
        Activity::Halted | Activity::WaitForSipi => Boundary::Halted,
        Activity::Shutdown => Boundary::Shutdown,
    }
}

/// Takes the most urgent event, if there is one.
fn one(ctx: &mut Ctx) -> bool {
    let cpu = &mut *ctx.cpu;
    let bits = cpu.signals.bits();
    if bits & (Signals::INIT | Signals::SIPI | Signals::NMI) != 0 && edges(cpu) {
        return true;
    }
    if matches!(cpu.state.activity, Activity::Shutdown | Activity::WaitForSipi) {
        return false;
    }
    let shadow = cpu.state.shadow;
    cpu.next_rip = cpu.rip;
    if cpu.state.pending_debug != 0 && shadow != Shadow::MovSs {
        let hits = std::mem::take(&mut cpu.state.pending_debug);
        cpu.state.dr6 |= hits;
        debug::clear_for_handler(cpu);
        cpu.state.activity = Activity::Running;
        begin(ctx, Event::DebugTrap);
        return true;
    }
    if cpu.state.nmi_pending && !cpu.state.nmi_blocked && shadow != Shadow::MovSs {
        cpu.state.nmi_pending = false;
        cpu.state.nmi_blocked = true;
        cpu.state.activity = Activity::Running;
        begin(ctx, Event::Nmi);
        return true;
    }
    if bits & Signals::INTR != 0
        && cpu.system_flags & rflags::IF != 0
        && shadow == Shadow::None
        && let Some(vector) = ctx.bus.acknowledge()
    {
        ctx.cpu.state.activity = Activity::Running;
        begin(ctx, Event::Interrupt(vector));
        return true;
    }
    false
}

/// INIT, start-up IPIs and the arrival of NMIs. True if the CPU was set anew.
fn edges(cpu: &mut Cpu) -> bool {
    if cpu.signals.take(Signals::NMI) != 0 {
        cpu.state.nmi_pending = true;
    }
    if cpu.signals.take(Signals::INIT) != 0 {
        let state = cpu.save().init(cpu.model.signature, cpu.index == 0);
        cpu.load(&state);
        return true;
    }
    if cpu.signals.take(Signals::SIPI) != 0 && cpu.state.activity == Activity::WaitForSipi {
        let vector = cpu.signals.sipi_vector();
        let selector = u16::from(vector) << 8;
        let cs = &mut cpu.state.seg[SegReg::Cs as usize];
        *cs = Segment { selector, base: u64::from(vector) << 12, ..*cs };
        (cpu.rip, cpu.next_rip) = (0, 0);
        cpu.state.activity = Activity::Running;
        cpu.update_mode();
        return true;
    }
    false
}

/// To be called before an instruction that is executed by itself: instruction breakpoints, and note of TF.
pub fn before_instruction(ctx: &mut Ctx) -> Result<(), Exception> {
    let cpu = &mut *ctx.cpu;
    cpu.debug_hits = if cpu.system_flags & rflags::TF != 0 { BS } else { 0 };
    if cpu.system_flags & rflags::RF != 0 {
        // RF lives for one instruction. A fault pushes it set again.
        cpu.system_flags &= !rflags::RF;
        return Ok(());
    }
    // Under a MOV SS shadow instruction breakpoints are suppressed (SDM vol. 3, section 6.8.3).
    match debug::instruction_breakpoints(cpu) {
        0 => Ok(()),
        _ if cpu.state.shadow == Shadow::MovSs => Ok(()),
        hits => {
            cpu.debug_hits = 0;
            Err(Exception::debug(hits))
        }
    }
}

/// To be called after an instruction that was executed by itself and did not fault; `before` is the shadow that lay on it.
/// Traps are made pending: [`poll`] delivers them.
pub fn after_instruction(ctx: &mut Ctx, before: Shadow) -> Result<(), Exception> {
    let cpu = &mut *ctx.cpu;
    let mut hits = std::mem::take(&mut cpu.debug_hits);
    if cpu.state.shadow == Shadow::MovSs && before != Shadow::MovSs {
        hits &= !BS; // the single-step trap of MOV SS is not held, it is lost
    }
    cpu.state.pending_debug |= hits;
    expire_shadow(cpu, before);
    Ok(())
}

/// Ends a shadow that lay on the instruction just executed, unless the instruction has cast a new one.
pub fn expire_shadow(cpu: &mut Cpu, before: Shadow) {
    if cpu.state.shadow == before {
        cpu.state.shadow = Shadow::None;
    }
}
