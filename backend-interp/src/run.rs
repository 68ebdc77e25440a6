//! What one run of a vCPU works on, and the contract of handlers.

use crate::cache::CodeCache;
use crate::jumps::JumpCache;
pub use crate::traced::TracedOp;
use frontend_x86::exception::Exception;
use frontend_x86::op::RIP_BASE;
use frontend_x86::tlb::Entry;
use frontend_x86::{Cpu, Ctx};
use lyrebird_core::CpuBus;
use lyrebird_memory::HostPage;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// Executes the op and what follows it; returns when the run has to look around. The result is the next op for a driving
/// loop, or null; handlers that call their successor return what that returns.
///
/// The caller guarantees, for every handler in this crate: `run` is valid and not otherwise borrowed, its `bus` is the
/// one of the current [`crate::InterpVcpu`] run, `op` points into a live trace whose mode is the CPU's, and
/// `regs[RIP_BASE]` is the RIP of the op's page.
pub type Handler = unsafe fn(run: *mut Run, op: *const TracedOp) -> *const TracedOp;

/// Why handlers came back to the run loop. In every case `cpu.rip` stands at the next instruction to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// To find the next op: a jump that is not cached, a page end.
    Find,
    /// To look at signals, modes and time first.
    Look,
    /// An exception is to be delivered.
    Exception(Exception),
}

/// A vCPU in the form in which handlers use it.
#[repr(C)]
pub struct Run {
    /// The CPU. First, so that registers have small offsets.
    pub cpu: Cpu,
    /// The entries of the current TLB bank.
    pub tlb: *mut Entry,
    /// The bus, while a run lasts.
    pub bus: Option<NonNull<dyn CpuBus>>,
    /// Why the handlers came back.
    pub left: Left,
    /// What of `cpu.left` was used for things that are no instructions (iterations of REP).
    pub uncounted: i64,
    /// `cpu.left` when `cpu.state.retired` was last brought up to date.
    pub counted_from: i64,
    /// One instruction is being executed by itself: jumps are not to be linked.
    pub stepping: bool,
    /// Compiled code was left where that was not expected: the entry op of its region, by [`Run::APART`] more if an access was
    /// not in the page that it was expected in, by [`Run::OFTEN`] if that is all; else zero.
    pub unexpected: u64,
    /// For the engine above: what it has to know of MXCSR before it computes, or zero.
    pub armed: u32,
    /// The page that was last stored to beside its code: its guest-physical address, [`CodeCache::map_epoch`] then, and itself.
    pub last_beside: Option<((u64, u64), HostPage)>,
    /// The vCPU's [`lyrebird_core::Signals`], for code that looks whether there is an interrupt.
    pub signals: *const AtomicU32,
    /// Where indirect jumps lead.
    pub jumps: JumpCache,
    /// Decoded code.
    pub cache: CodeCache,
}

impl Run {
    /// See [`Run::unexpected`].
    pub const APART: u64 = 1;
    /// The same: it was entered, by the trace of this entry op, as often as is worth telling.
    pub const OFTEN: u64 = 2;

    /// CPU and bus, for plain functions.
    ///
    /// # Safety
    /// Only during a run (see [`Handler`]); the result must not outlive the handler.
    #[inline(always)]
    pub unsafe fn ctx(&mut self) -> Ctx<'_> {
        // SAFETY: during a run `bus` points to the bus that `Vcpu::run` borrowed mutably, and nobody else uses it.
        let bus = unsafe { &mut *self.bus.expect("a run has a bus").as_ptr() };
        Ctx { cpu: &mut self.cpu, bus }
    }

    /// Makes the current bank's place known to the fast paths. To be called after whatever may have changed the bank
    /// or CPL.
    #[inline(always)]
    pub fn sync_tlb(&mut self) {
        let bank = &mut self.cpu.tlb.banks[self.cpu.bank as usize];
        self.tlb = bank.as_mut_ptr();
        self.jumps.turn_to(self.cpu.mode);
    }

    /// RIP of the instruction at this offset of the current page.
    #[inline(always)]
    pub fn rip_at(&self, offset: u64) -> u64 {
        self.cpu.regs[RIP_BASE as usize].wrapping_add(offset) & self.cpu.mode.ip_width().mask()
    }

    /// Brings `cpu.state.retired` up to date, counting `extra` instructions that `cpu.left` does not show yet.
    #[inline(always)]
    pub fn count_retired(&mut self, extra: i64) {
        let used = self.counted_from - self.cpu.left - self.uncounted;
        self.cpu.state.retired = self.cpu.state.retired.wrapping_add((used + extra) as u64);
        // What was extra will be subtracted from `left` when its trace is left: then it has been counted.
        self.counted_from = self.cpu.left - extra;
        self.uncounted = 0;
    }
}
