//! What executes guest instructions: the trait that the interpreter, the JIT and KVM implement.

use crate::bus::CpuBus;
use crate::cpu::state::CpuState;
use lyrebird_memory::GuestMemory;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Makes vCPUs of one kind.
pub trait Engine: Send {
    /// "interp", "jit" or "kvm".
    fn name(&self) -> &'static str;

    /// A vCPU in its state after power-on. The model was fixed when the engine was made.
    fn create_vcpu(
        &mut self,
        index: u32,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Vcpu>, EngineError>;
}

/// Why an engine cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// One virtual CPU. The whole of its architectural state moves in and out between calls of [`Vcpu::run`].
pub trait Vcpu: Send {
    /// Executes until there is a reason to return. At return the vCPU stands at an instruction boundary.
    fn run(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit;

    /// The architectural state.
    fn state(&mut self) -> CpuState;

    /// Replaces it; all that the engine derived from the old one is dropped.
    fn set_state(&mut self, state: &CpuState);

    /// Instructions retired since power-on.
    fn retired(&self) -> u64;

    /// Translates a linear address as a debugger would: no faults, no accessed bits. `None` if it is not mapped.
    fn translate(&mut self, linear: u64) -> Option<u64>;

    /// What the engine has counted of its own working, such as why it left translated code: names and numbers, for people.
    fn counters(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// How the code at a linear address is executed now ("interpreted", "compiled"), if the engine has several ways.
    fn tier(&mut self, _linear: u64) -> Option<&'static str> {
        None
    }

    /// What the engine has made of the code at a linear address, as text for people.
    fn explain(&mut self, _linear: u64) -> Option<String> {
        None
    }
}

/// How long a vCPU may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// So many instructions.
    pub instructions: u64,
    /// Stop exactly there; otherwise a block may be finished first.
    pub exact: bool,
}

impl Budget {
    /// About so many instructions.
    pub fn about(instructions: u64) -> Self {
        Budget { instructions, exact: false }
    }

    /// Exactly so many.
    pub fn exactly(instructions: u64) -> Self {
        Budget { instructions, exact: true }
    }
}

/// Why [`Vcpu::run`] came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The budget is used up.
    Budget,
    /// [`Signals::kick`], or the bus asked to stop.
    Kicked,
    /// HLT (or waiting for a SIPI): nothing to do until a signal comes.
    Halted,
    /// Triple fault: the board decides about a reset.
    Shutdown,
    /// A hardware or stub breakpoint was hit, before the instruction; for a debugger.
    Debug {
        /// DR6's bits for what was hit.
        dr6: u64,
    },
    /// The engine met something that it cannot go on from; the text says what, for a bug report.
    Fault(String),
}

/// What other parts of the machine tell a vCPU: interrupt pins and requests, as atomic bits that any thread may set.
#[derive(Default)]
pub struct Signals {
    bits: AtomicU32,
    sipi: AtomicU8,
    /// How often a bit was set that was not.
    news: AtomicU32,
    /// Whoever runs the vCPU sleeps, by `bed` and `bell`.
    sleeps: AtomicBool,
    bed: Mutex<()>,
    bell: Condvar,
}

impl Signals {
    /// The INTR level: some controller has an interrupt to deliver.
    pub const INTR: u32 = 1 << 0;
    /// An NMI arrived (edge).
    pub const NMI: u32 = 1 << 1;
    /// An INIT arrived (edge).
    pub const INIT: u32 = 1 << 2;
    /// A start-up IPI arrived (edge); see [`Signals::sipi_vector`].
    pub const SIPI: u32 = 1 << 3;
    /// Return from [`Vcpu::run`] at the next chance.
    pub const KICK: u32 = 1 << 4;

    /// No signal.
    pub fn new() -> Arc<Self> {
        Arc::new(Signals::default())
    }

    /// Where the bits are.
    pub fn word(&self) -> *const AtomicU32 {
        &raw const self.bits
    }

    /// The bits that are set now.
    #[inline]
    pub fn bits(&self) -> u32 {
        self.bits.load(Ordering::Acquire)
    }

    /// Sets bits.
    pub fn raise(&self, bits: u32) {
        if self.bits.fetch_or(bits, Ordering::AcqRel) & bits != bits {
            self.news.fetch_add(1, Ordering::SeqCst);
            if self.sleeps.load(Ordering::SeqCst) {
                drop(self.bed.lock().unwrap_or_else(|e| e.into_inner()));
                self.bell.notify_all();
            }
        }
    }

    /// A number that changes whenever a bit is set that was not.
    pub fn news(&self) -> u32 {
        self.news.load(Ordering::SeqCst)
    }

    /// Sleeps until [`Signals::news`] is not `seen`: for a vCPU on a thread of its own that was halted all the time since then.
    pub fn sleep(&self, seen: u32) {
        let bed = self.bed.lock().unwrap_or_else(|e| e.into_inner());
        self.sleeps.store(true, Ordering::SeqCst);
        drop(self.bell.wait_while(bed, |()| self.news() == seen));
        self.sleeps.store(false, Ordering::SeqCst);
    }

    /// Clears bits and gives those of them that were set.
    pub fn take(&self, bits: u32) -> u32 {
        self.bits.fetch_and(!bits, Ordering::AcqRel) & bits
    }

    /// Drives the INTR level.
    pub fn set_intr(&self, level: bool) {
        if level { self.raise(Self::INTR) } else { _ = self.take(Self::INTR) }
    }

    /// Makes [`Vcpu::run`] return soon, from any thread.
    pub fn kick(&self) {
        self.raise(Self::KICK);
    }

    /// Sends a start-up IPI: execution begins at `vector << 12` in real mode.
    pub fn send_sipi(&self, vector: u8) {
        self.sipi.store(vector, Ordering::Release);
        self.raise(Self::SIPI);
    }

    /// The last start-up IPI's vector.
    pub fn sipi_vector(&self) -> u8 {
        self.sipi.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_news() {
        let signals = Signals::new();
        signals.raise(Signals::INTR);
        let seen = signals.news();
        signals.raise(Signals::INTR);
        assert_eq!(signals.news(), seen, "it was set already");
        signals.kick();
        signals.sleep(seen);
        assert_eq!(signals.bits(), Signals::INTR | Signals::KICK);
    }
}
