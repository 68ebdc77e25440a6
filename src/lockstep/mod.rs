//! Two engines in lockstep: both execute the same guest, and their states are compared wherever the first one stops. The
//! first difference ends the run with a report. For whoever hunts an error in an engine, and for tests.
//!
//! The first engine (translated code) runs on the machine itself for a *span* of some instructions, at the end of a block or
//! region. What it asks of the bus is recorded ([`bus`]). Then the second engine (the interpreter) runs exactly as many
//! instructions on a twin of the memory ([`twins`]), with the bus's answers from the record; so devices and time happen
//! once. Registers are compared after each span, memory every [`pair::CHECKPOINT`] instructions. From the last such
//! checkpoint a difference is hunted down to one block ([`hunt`]) and told ([`report`]).
//!
//! Nothing here knows what the engines are. See `docs/adr/0006`.

mod bus;
mod hunt;
mod pair;
mod report;
mod twins;

use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, CpuBus, CpuState, Engine, Exit, Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use pair::Pair;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An engine made of two.
pub struct LockstepEngine {
    engines: [Box<dyn Engine>; 2],
    pair: Option<Arc<Mutex<Pair>>>,
}

impl LockstepEngine {
    /// The first engine runs on the machine, the second one checks it.
    pub fn new(first: Box<dyn Engine>, second: Box<dyn Engine>) -> Self {
        LockstepEngine { engines: [first, second], pair: None }
    }
}

impl Engine for LockstepEngine {
    fn name(&self) -> &'static str {
        "lockstep"
    }

    fn create_vcpu(
        &mut self,
        index: u32,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Vcpu>, EngineError> {
        let pair = match &self.pair {
            Some(pair) => pair.clone(),
            None => {
                let names = [self.engines[0].name(), self.engines[1].name()];
                self.pair.insert(Arc::new(Mutex::new(Pair::new(names, memory.clone())?))).clone()
            }
        };
        let number = lock(&pair).add(&mut self.engines, index, signals)?;
        Ok(Box::new(LockstepVcpu { pair, number }))
    }
}

fn lock(pair: &Mutex<Pair>) -> MutexGuard<'_, Pair> {
    pair.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A vCPU of both engines.
struct LockstepVcpu {
    pair: Arc<Mutex<Pair>>,
    number: usize,
}

impl Vcpu for LockstepVcpu {
    fn run(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        lock(&self.pair).run(self.number, bus, budget)
    }
    fn state(&mut self) -> CpuState {
        lock(&self.pair).cpus[self.number].left.state()
    }
    fn set_state(&mut self, state: &CpuState) {
        lock(&self.pair).set_state(self.number, state);
    }
    fn retired(&self) -> u64 {
        lock(&self.pair).cpus[self.number].left.retired()
    }
    fn translate(&mut self, linear: u64) -> Option<u64> {
        lock(&self.pair).cpus[self.number].left.translate(linear)
    }
    fn counters(&self) -> Vec<(String, u64)> {
        let pair = lock(&self.pair);
        let mut counters = pair.cpus[self.number].left.counters();
        counters.push(("spans compared".into(), pair.compared));
        counters
    }
    fn tier(&mut self, linear: u64) -> Option<&'static str> {
        lock(&self.pair).cpus[self.number].left.tier(linear)
    }
    fn explain(&mut self, linear: u64) -> Option<String> {
        lock(&self.pair).cpus[self.number].left.explain(linear)
    }
}
