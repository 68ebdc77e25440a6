//! The machine: the board and its wiring, guest time, the run loop.

pub mod config;

use anyhow::{Result, bail};
pub use config::{BootLoader, BootTarget, DebugExitConfig, EntropySource, MachineConfig, RtcBase, TimeMode};
use lyrebird_core::CpuState;
use lyrebird_memory::GuestMemory;
use std::sync::Arc;

/// How a run of the machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest switched the power off.
    PowerOff,
    /// The guest ended the machine with this exit code.
    DebugExit(i32),
    /// The guest asked for a reset, and [`MachineConfig::no_reboot`] is set.
    Reset,
    /// A triple fault, and [`MachineConfig::no_reboot`] is set.
    TripleFault,
    /// Somebody outside asked it to end.
    Quit,
    /// The engine could not go on; the text says why.
    Fault(String),
}

/// A machine.
pub struct Machine {
    memory: Arc<GuestMemory>,
}

impl Machine {
    /// Builds the machine that the configuration describes, in its state after power-on.
    pub fn new(_config: MachineConfig) -> Result<Machine> {
        bail!("the machine is being built")
    }

    /// Guest memory.
    pub fn memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    /// Runs until there is an outcome.
    pub fn run(&mut self) -> Outcome {
        Outcome::PowerOff
    }

    /// The registers of a vCPU.
    pub fn cpu_state(&mut self, _cpu: usize) -> CpuState {
        CpuState::default()
    }
}
