//! The engine between the machine and another engine.

use super::disassembly::{code_at, linear};
use super::listen::Listen;
use super::record::{PERIOD, Record, Settings};
use anyhow::Result;
use lyrebird_core::cpu::segment::SegReg;
use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, Cause, CpuBus, CpuState, Engine, Exit, Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The engine.
pub struct WatchEngine {
    inner: Box<dyn Engine>,
    record: Arc<Mutex<Record>>,
}

impl WatchEngine {
    /// Watches an engine. Opens the files that the settings name.
    pub fn new(inner: Box<dyn Engine>, settings: Settings) -> Result<Self> {
        Ok(WatchEngine { inner, record: Arc::new(Mutex::new(Record::new(settings)?)) })
    }
}

impl Engine for WatchEngine {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn create_vcpu(
        &mut self,
        index: u32,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Vcpu>, EngineError> {
        let inner = self.inner.create_vcpu(index, memory.clone(), signals)?;
        let record = self.record.clone();
        let settings = lock(&record).settings.clone();
        let blocks = if index == 0 { settings.blocks.clone() } else { Vec::new() };
        Ok(Box::new(WatchVcpu {
            index,
            inner,
            memory,
            record,
            settings,
            blocks,
            random: 1,
            next: 0,
            heard: 0,
            exits: [0; 6],
        }))
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

struct WatchVcpu {
    index: u32,
    inner: Box<dyn Vcpu>,
    memory: Arc<GuestMemory>,
    record: Arc<Mutex<Record>>,
    settings: Settings,
    /// Blocks that have not been explained yet.
    blocks: Vec<u64>,
    random: u64,
    /// Where the instruction after the last one begins.
    next: u64,
    /// Interrupts so far.
    heard: u64,
    /// How often `run` ended so, in the order of `EXITS`.
    exits: [u64; 6],
}

const EXITS: [&str; 6] = [
    "came back: the budget was used up",
    "came back: it was called (a timer, an interrupt, a stop)",
    "came back: HLT",
    "came back: a triple fault",
    "came back: a breakpoint",
    "came back: it could not go on",
];

fn cpl(state: &CpuState) -> u8 {
    state.seg[SegReg::Ss as usize].dpl()
}

impl WatchVcpu {
    /// Runs the engine, and writes down what was delivered meanwhile. Gives the causes, too.
    fn listen(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> (Exit, Vec<Cause>) {
        let mut listen = Listen { bus, heard: Vec::new() };
        let exit = self.inner.run(&mut listen, budget);
        for delivery in &listen.heard {
            if self.settings.interrupts && self.settings.filter.shows(self.index, delivery.cpl, delivery.rip) {
                lock(&self.record).delivery(self.index, self.heard, delivery);
            }
            self.heard += 1;
        }
        (exit, listen.heard.iter().map(|delivery| delivery.cause).collect())
    }

    /// Instruction by instruction, inside the filter's span of them.
    fn step(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        let mut left = budget.instructions;
        while left > 0 {
            let before = self.inner.state();
            let filter = &self.settings.filter;
            if before.retired < filter.from || before.retired > filter.to {
                let whole = if before.retired > filter.to { left } else { left.min(filter.from - before.retired) };
                let (exit, _) = self.listen(bus, Budget { instructions: whole, exact: budget.exact || whole < left });
                if exit != Exit::Budget {
                    return exit;
                }
                left -= whole;
                continue;
            }
            let shown = filter.shows(self.index, cpl(&before), linear(&before));
            let code = shown.then(|| code_at(&mut *self.inner, &self.memory, &before));
            let (exit, causes) = self.listen(bus, Budget::exactly(1));
            if let Some(code) = code {
                let after = self.inner.state();
                let interrupted = causes.iter().any(|cause| matches!(cause, Cause::Interrupt | Cause::Nmi));
                let retired = after.retired != before.retired;
                let mut record = lock(&self.record);
                if interrupted {
                    if self.settings.instructions {
                        record.remark(self.index, &before, "an interrupt, and the first instruction of its handler");
                    }
                } else if retired || after.gpr != before.gpr {
                    if self.next != code.linear && self.settings.registers {
                        record.registers(&before);
                    }
                    if self.settings.first {
                        record.first(&code);
                    }
                    if self.settings.instructions {
                        record.instruction(self.index, &code, &before, &after);
                    }
                } else if !causes.is_empty() && self.settings.instructions {
                    record.remark(self.index, &before, &format!("{code}: an exception"));
                }
                self.next = code.linear.wrapping_add(code.bytes.len() as u64);
            }
            if exit != Exit::Budget {
                return exit;
            }
            left -= 1;
        }
        Exit::Budget
    }

    /// In pieces of random length, and looks where the guest is after each.
    fn sample(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        let mut left = budget.instructions;
        while left > 0 {
            self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let piece = (1 + (self.random >> 33) % (2 * PERIOD)).min(left);
            let exact = budget.exact && piece == left;
            let first = self.inner.retired();
            let (exit, _) = self.listen(bus, Budget { instructions: piece, exact });
            if exit != Exit::Budget {
                return exit;
            }
            let state = self.inner.state();
            let at = linear(&state);
            let tier = self.inner.tier(at).unwrap_or("executed");
            lock(&self.record).samples.add(at, cpl(&state), tier);
            left = left.saturating_sub(piece.max(self.inner.retired() - first));
        }
        Exit::Budget
    }

    /// Explains the blocks that have been compiled by now.
    fn explain(&mut self, last: bool) {
        let mut later = Vec::new();
        for at in std::mem::take(&mut self.blocks) {
            if !last && self.inner.tier(at) != Some("compiled") {
                later.push(at);
                continue;
            }
            let text = self.inner.explain(at).unwrap_or_else(|| {
                format!("block {at:#x}: this engine (or the guest, so far) has nothing there; only `--engine jit` translates")
            });
            let guest = self.guest_code(at);
            lock(&self.record).explain(&format!("{guest}{text}"));
        }
        self.blocks = later;
    }

    /// The instructions from an address to the end of their block.
    fn guest_code(&mut self, at: u64) -> String {
        let mut state = self.inner.state();
        let base = linear(&state).wrapping_sub(state.rip);
        state.rip = at.wrapping_sub(base);
        let mut text = format!("guest code at {at:#x}\n");
        for _ in 0..64 {
            let code = code_at(&mut *self.inner, &self.memory, &state);
            text += &format!("  {code}\n");
            if code.bytes.is_empty() || code.ends {
                break;
            }
            state.rip = state.rip.wrapping_add(code.bytes.len() as u64);
        }
        text
    }
}

impl Vcpu for WatchVcpu {
    fn run(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        let exit = if self.settings.stepping() {
            self.step(bus, budget)
        } else if self.settings.hot_spots.is_some() {
            self.sample(bus, budget)
        } else {
            self.listen(bus, budget).0
        };
        let which = match exit {
            Exit::Budget => 0,
            Exit::Kicked => 1,
            Exit::Halted => 2,
            Exit::Shutdown => 3,
            Exit::Debug { .. } => 4,
            Exit::Fault(_) => 5,
        };
        self.exits[which] += 1;
        if !self.blocks.is_empty() {
            self.explain(false);
        }
        exit
    }
    fn state(&mut self) -> CpuState {
        self.inner.state()
    }
    fn set_state(&mut self, state: &CpuState) {
        self.inner.set_state(state);
    }
    fn retired(&self) -> u64 {
        self.inner.retired()
    }
    fn translate(&mut self, linear: u64) -> Option<u64> {
        self.inner.translate(linear)
    }
    fn counters(&self) -> Vec<(String, u64)> {
        self.inner.counters()
    }
    fn tier(&mut self, linear: u64) -> Option<&'static str> {
        self.inner.tier(linear)
    }
    fn explain(&mut self, linear: u64) -> Option<String> {
        self.inner.explain(linear)
    }
}

impl Drop for WatchVcpu {
    fn drop(&mut self) {
        self.explain(true);
        let mut record = lock(&self.record);
        let exits = EXITS.iter().zip(self.exits).filter(|(_, count)| *count > 0);
        for (name, count) in exits.map(|(name, count)| ((*name).to_owned(), count)).chain(self.inner.counters()) {
            *record.counts.entry(name).or_default() += count;
        }
    }
}
