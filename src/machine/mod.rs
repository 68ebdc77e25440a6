//! The machine: the board and its wiring, guest time, the run loop.
//!
//! [`Machine::new`] builds what a [`MachineConfig`] describes, [`Machine::run`] runs it, and a [`Handle`] steers it from
//! other threads.

mod assembly;
pub mod board;
pub mod clock;
mod cmos;
pub mod config;
pub mod control;
mod cpu_bus;
mod crew;
mod describe;
mod drives;
mod firmware;
pub mod host_inputs;
pub mod maps;
mod run;
pub mod script;
pub mod shared_clock;
mod spin;
#[cfg(test)]
mod tests;
mod threads;
pub mod wiring;

use anyhow::{Context, Result};
use board::Board;
use clock::Clock;
pub use config::{BootLoader, BootTarget, DebugExitConfig, EntropySource, MachineConfig, RtcBase, TimeMode};
pub use control::{Handle, NewMedium, Order, Removable};
pub use drives::{DriveConfig, Drives, Floppies};
use host_inputs::HostInputs;
use lyrebird_core::{CpuState, Engine, ResetKind, Signals, TimerQueue, Vcpu, VmTime};
use lyrebird_memory::GuestMemory;
use run::{Pace, Seat};
pub use script::{Script, Step};
use shared_clock::SharedClock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

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
    /// The engine or the boot loader could not go on; the text says why.
    Fault(String),
}

/// A machine.
pub struct Machine {
    // The parts.
    board: Arc<Mutex<Board>>,
    memory: Arc<GuestMemory>,
    timers: Arc<TimerQueue>,
    vcpus: Vec<Box<dyn Vcpu>>,
    signals: Vec<Arc<Signals>>,
    engine: Box<dyn Engine>,
    inputs: HostInputs,
    handle: Handle,
    // What it was asked to do.
    boot: Option<BootLoader>,
    firmware: bool,
    no_reboot: bool,
    no_shutdown: bool,
    script: Script,
    // Where it stands.
    clock: Arc<SharedClock>,
    /// vCPUs have threads of their own.
    threads: bool,
    /// A reset waits until the vCPUs' threads have ended.
    reset_waits: bool,
    powered: bool,
    /// CPUID's signature, which EDX holds after reset.
    signature: u32,
    seats: Vec<Seat>,
    pace: Pace,
    input_waits: bool,
    retired: Arc<AtomicU64>,
}

impl Machine {
    /// Builds the machine that the configuration describes, in its state after power-on.
    pub fn new(mut config: MachineConfig) -> Result<Machine> {
        let cpus = config.cpus;
        let signals: Vec<Arc<Signals>> = (0..cpus).map(|_| Signals::new()).collect();
        let handle = Handle::new(signals.clone());
        let serial: Vec<_> = config.serial.iter().map(|port| port.as_ref().map(|port| port.input.clone())).collect();
        for input in serial.iter().flatten() {
            let handle = handle.clone();
            input.set_waker(move || handle.wake());
        }
        let mut inputs = HostInputs::new(config.entropy, serial, handle.input_queue());
        let firmware = config.bios.is_some() || !config.flash.is_empty() || config.firmware.is_some();
        let board = assembly::assemble(&mut config, &mut inputs, signals.clone())?;
        let memory = board.memory().clone();
        let mut vcpus = Vec::new();
        for (index, signals) in (0..cpus).zip(&signals) {
            let vcpu = config.engine.create_vcpu(index, memory.clone(), signals.clone());
            vcpus.push(vcpu.with_context(|| format!("vCPU {index}"))?);
        }
        let signature = vcpus.first_mut().map_or(0, |vcpu| vcpu.state().gpr[2] as u32);
        Ok(Machine {
            timers: board.timers.clone(),
            board: Arc::new(Mutex::new(board)),
            memory,
            seats: vcpus.iter().map(|_| Seat::default()).collect(),
            vcpus,
            signals,
            engine: config.engine,
            inputs,
            handle,
            boot: config.boot,
            firmware,
            no_reboot: config.no_reboot,
            no_shutdown: config.no_shutdown,
            script: config.script,
            clock: Arc::new(SharedClock::new(Clock::new(config.time))),
            threads: config.threads && cpus > 1 && config.time == TimeMode::RealTime,
            reset_waits: false,
            powered: false,
            signature,
            pace: Pace::new(),
            input_waits: true,
            retired: Arc::default(),
        })
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Guest memory.
    pub fn memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    /// The board, for whoever looks at or adds to its devices; the run loop waits while it is locked.
    pub fn board(&self) -> Arc<Mutex<Board>> {
        self.board.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The name of the engine.
    pub fn engine_name(&self) -> &'static str {
        self.engine.name()
    }

    /// Guest time now.
    pub fn now(&self) -> VmTime {
        self.clock.now()
    }

    /// How many instructions all vCPUs have retired; the counter may be kept and read from any thread.
    pub fn retired(&self) -> Arc<AtomicU64> {
        self.retired.clone()
    }

    /// The same, as a number.
    pub fn instructions(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    /// The registers of a vCPU; those of power-on if there is no such vCPU.
    pub fn cpu_state(&mut self, cpu: usize) -> CpuState {
        self.vcpus.get_mut(cpu).map_or_else(CpuState::default, |vcpu| vcpu.state())
    }

    /// Replaces what puts a kernel in place.
    pub fn set_boot(&mut self, boot: BootLoader) {
        self.boot = Some(boot);
    }

    /// Puts the kernel in place, if that has not been done: the machine is then as it is before its first instruction.
    pub fn power_on(&mut self) -> Result<()> {
        if !self.powered {
            self.reset(ResetKind::Power)?;
            self.powered = true;
        }
        Ok(())
    }

    /// Resets devices and CPUs, and lets the boot loader put its kernel in place again.
    pub fn reset(&mut self, kind: ResetKind) -> Result<()> {
        let now = self.clock.now();
        let mut states: Vec<CpuState> = (0..self.vcpus.len())
            .map(|cpu| {
                let mut state = CpuState::reset(self.signature, cpu == 0);
                state.retired = self.vcpus[cpu].retired();
                state
            })
            .collect();
        let mut board = self.board.lock().unwrap_or_else(|e| e.into_inner());
        board.reset(kind, now);
        if !self.firmware {
            board.firmware_defaults();
        }
        if let Some(boot) = &mut self.boot {
            let Board { fw_cfg, rtc, .. } = &mut *board;
            boot(&mut BootTarget { memory: &self.memory, cpus: &mut states, fw_cfg, rtc })?;
        }
        drop(board);
        for (vcpu, state) in self.vcpus.iter_mut().zip(&states) {
            vcpu.set_state(state);
        }
        self.seats.fill_with(Seat::default);
        Ok(())
    }
}
