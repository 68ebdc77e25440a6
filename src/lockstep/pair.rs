//! The two engines' vCPUs, and how they run: span by span, with a log since the last checkpoint.

use super::bus::{Event, Recorder, Replayer, write_again};
use super::report::{Trouble, at_repeat};
use super::twins::Twins;
use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, CpuBus, CpuState, Engine, Exit, Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use lyrebird_memory::twin::{Shape, Written};
use std::sync::Arc;

/// Memory is compared every so many instructions, and spans are kept for so long.
pub const CHECKPOINT: u64 = 200_000;
/// The log does not grow beyond so many spans.
const MOST_SPANS: usize = 10_000;
/// The end of a budget that has to be kept exactly.
const EXACT: u64 = 512;
/// Interrupts and faults at the end of a span may need so many steps that retire nothing, beside iterations of REP.
const SETTLING: usize = 64;
/// An engine that does not retire an instruction in so many runs or steps hangs: the longest REP clears gigabytes.
const REPEATS: usize = 1 << 30;
/// To end a REP the first engine is run for so many instructions more, whole pages at a time, at most so often.
const BEYOND: u64 = 256;
/// See `BEYOND`.
const REPEATED: usize = 1 << 16;

/// One vCPU by both engines.
pub struct Cpu {
    /// The first engine's, on the machine's memory.
    pub left: Box<dyn Vcpu>,
    /// The second one's, on the twin.
    pub right: Box<dyn Vcpu>,
    /// What the machine sets.
    outer: Arc<Signals>,
    /// What the two see.
    pub signals: [Arc<Signals>; 2],
    /// As it was at the last checkpoint.
    start: (CpuState, u32),
}

/// What has been executed since a checkpoint, to be executed again.
pub struct Span {
    /// Which vCPU.
    pub cpu: usize,
    /// How long it was to run.
    pub budget: Budget,
    /// How many instructions it retired.
    pub retired: u64,
    /// The state of INTR, and edges that came before it.
    signals: u32,
    sipi: u8,
    /// What devices wrote to memory before it.
    written: Vec<Written>,
    /// The memory map that was new then.
    shape: Option<Shape>,
    /// What it asked of the bus.
    pub events: Vec<Event>,
}

/// Both engines and all between them.
pub struct Pair {
    /// What the engines are called.
    pub names: [&'static str; 2],
    /// The vCPUs.
    pub cpus: Vec<Cpu>,
    /// The memories.
    pub twins: Twins,
    /// Since the last checkpoint.
    pub log: Vec<Span>,
    /// How many spans have been compared.
    pub compared: u64,
    since: u64,
    epoch: u64,
    filled: bool,
    random: u64,
    report: Option<String>,
}

/// The bus of the first engine: the machine with a record, or a record.
pub enum LeftBus<'a> {
    /// It happens now.
    Now(Recorder<'a>),
    /// It has happened.
    Again(Replayer<'a>),
}

impl LeftBus<'_> {
    fn run(&mut self, vcpu: &mut dyn Vcpu, budget: Budget) -> Exit {
        match self {
            LeftBus::Now(bus) => vcpu.run(bus, budget),
            LeftBus::Again(bus) => vcpu.run(bus, budget),
        }
    }

    fn events(&self) -> &[Event] {
        match self {
            LeftBus::Now(bus) => &bus.events,
            LeftBus::Again(bus) => &bus.events[..bus.at],
        }
    }
}

impl Cpu {
    /// Shows both the same signals.
    fn signal(&self, bits: u32, sipi: u8) {
        for signals in &self.signals {
            signals.set_intr(bits & Signals::INTR != 0);
            if bits & Signals::SIPI != 0 {
                signals.send_sipi(sipi);
            }
            signals.raise(bits & (Signals::NMI | Signals::INIT));
        }
    }

    /// Runs a span by both engines and compares. Gives how the first one ended, and how many instructions it retired.
    fn span(&mut self, bus: &mut LeftBus, twin: &GuestMemory, budget: Budget) -> (Exit, u64, Result<(), Box<Trouble>>) {
        let first = self.left.retired();
        let exit = bus.run(&mut *self.left, budget);
        let mut count = self.left.retired() - first;
        let (mut at, mut wrong) = self.retire(bus.events(), twin, 0, first + count);
        let (mut left, mut right) = (self.left.state(), self.right.state());
        for _ in 0..REPEATED {
            // In the middle of an instruction that is repeated, engines may be at different places: it is ended first.
            if left == right || wrong.is_some() || !at_repeat(&mut *self.right, &left, twin) {
                break;
            }
            bus.run(&mut *self.left, Budget::exactly(BEYOND));
            count = self.left.retired() - first;
            (at, wrong) = self.retire(bus.events(), twin, at, first + count);
            (left, right) = (self.left.state(), self.right.state());
        }
        let result = if left == right && wrong.is_none() && at == bus.events().len() {
            Ok(())
        } else {
            // An interrupt or a fault may have come after the last instruction.
            let early = right.clone();
            let (mut steps, mut repeats) = (0, 0);
            while steps < SETTLING && repeats < REPEATS {
                if left == right && at == bus.events().len() || wrong.is_some() || right.retired > left.retired {
                    break;
                }
                let repeated = at_repeat(&mut *self.right, &right, twin);
                (steps, repeats) = (steps + usize::from(!repeated), repeats + usize::from(repeated));
                (at, wrong) = self.step(bus.events(), twin, at);
                right = self.right.state();
            }
            let unasked = bus.events().len().saturating_sub(at);
            if wrong.is_none() && unasked > 0 {
                wrong = Some(format!("did not ask the bus for {unasked} things that the other engine asked for"));
            }
            if left == right && wrong.is_none() {
                Ok(())
            } else {
                Err(Box::new(Trouble { left, right: early, asked: wrong, memory: None }))
            }
        };
        (exit, count, result)
    }

    /// The second engine runs from `at` in the record until it has retired so many instructions.
    pub fn retire(&mut self, events: &[Event], memory: &GuestMemory, at: usize, until: u64) -> (usize, Option<String>) {
        let mut bus = Replayer { events, at, memory, kick: None, wrong: None };
        let mut idle = 0;
        while self.right.retired() < until && bus.wrong.is_none() {
            let before = self.right.retired();
            let exit = self.right.run(&mut bus, Budget::exactly(until - before));
            idle = if self.right.retired() == before { idle + 1 } else { 0 };
            if !matches!(exit, Exit::Budget | Exit::Kicked) || idle > REPEATS {
                bus.wrong.get_or_insert_with(|| format!("ended with {exit:?} before it had executed as much"));
            }
        }
        (bus.at, bus.wrong)
    }

    /// The second engine does one step.
    pub fn step(&mut self, events: &[Event], memory: &GuestMemory, at: usize) -> (usize, Option<String>) {
        let mut bus = Replayer { events, at, memory, kick: None, wrong: None };
        self.right.run(&mut bus, Budget::exactly(1));
        (bus.at, bus.wrong)
    }
}

impl Pair {
    /// No vCPU yet.
    pub fn new(names: [&'static str; 2], memory: Arc<GuestMemory>) -> Result<Self, EngineError> {
        let twins = Twins::new(memory)?;
        let epoch = twins.left.epoch();
        Ok(Pair {
            names,
            cpus: Vec::new(),
            twins,
            log: Vec::new(),
            compared: 0,
            since: 0,
            epoch,
            filled: false,
            random: 1,
            report: None,
        })
    }

    /// Adds a vCPU; gives its place.
    pub fn add(
        &mut self,
        engines: &mut [Box<dyn Engine>; 2],
        index: u32,
        outer: Arc<Signals>,
    ) -> Result<usize, EngineError> {
        let signals = [Signals::new(), Signals::new()];
        let mut left = engines[0].create_vcpu(index, self.twins.left.clone(), signals[0].clone())?;
        let right = engines[1].create_vcpu(index, self.twins.right.clone(), signals[1].clone())?;
        let start = (left.state(), 0);
        self.cpus.push(Cpu { left, right, outer, signals, start });
        Ok(self.cpus.len() - 1)
    }

    /// Both get a state; what comes before it cannot be executed again.
    pub fn set_state(&mut self, cpu: usize, state: &CpuState) {
        let cpu = &mut self.cpus[cpu];
        cpu.left.set_state(state);
        cpu.right.set_state(state);
        self.since = u64::MAX;
    }

    /// Runs both until there is a reason to come back.
    pub fn run(&mut self, cpu: usize, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        if let Some(report) = &self.report {
            return Exit::Fault(report.clone());
        }
        self.twins.left.set_journal(false);
        let exit = self.spans(cpu, bus, budget);
        self.twins.left.set_journal(true);
        exit.unwrap_or_else(|trouble| {
            let report = self.hunt(cpu, trouble);
            self.report = Some(report.clone());
            Exit::Fault(report)
        })
    }

    fn spans(&mut self, number: usize, bus: &mut dyn CpuBus, budget: Budget) -> Result<Exit, Box<Trouble>> {
        if !self.filled {
            self.filled = true;
            self.twins.fill();
            self.since = u64::MAX;
        }
        let (mut written, mut shape) = self.between();
        let mut left = budget.instructions;
        while left > 0 {
            if self.since >= CHECKPOINT || self.log.len() >= MOST_SPANS {
                self.checkpoint(number)?;
            }
            if self.cpus[number].outer.take(Signals::KICK) != 0 {
                return Ok(Exit::Kicked);
            }
            let budget = self.length(left);
            let cpu = &mut self.cpus[number];
            let edges = cpu.outer.take(Signals::NMI | Signals::INIT | Signals::SIPI);
            let (level, sipi) = (cpu.outer.bits(), cpu.outer.sipi_vector());
            cpu.signal(edges | level, sipi);
            let (outer, inner) = (cpu.outer.clone(), cpu.signals[0].clone());
            let memory = self.twins.left.clone();
            let mut recorder = LeftBus::Now(Recorder {
                bus: &mut *bus,
                memory: &memory,
                epoch: self.epoch,
                outer: &outer,
                seen: level,
                inner: &inner,
                events: Vec::new(),
            });
            let (exit, retired, result) = cpu.span(&mut recorder, &self.twins.right, budget);
            let LeftBus::Now(Recorder { events, epoch, .. }) = recorder else { return Ok(exit) };
            self.epoch = epoch;
            self.log.push(Span {
                cpu: number,
                budget,
                retired,
                signals: edges | level,
                sipi,
                written: std::mem::take(&mut written),
                shape: shape.take(),
                events,
            });
            self.compared += 1;
            self.since = self.since.saturating_add(retired);
            result?;
            match exit {
                Exit::Budget => left = left.saturating_sub(retired.max(budget.instructions)),
                Exit::Kicked => left = left.saturating_sub(retired),
                other => return Ok(other),
            }
        }
        Ok(Exit::Budget)
    }

    /// Learns what devices and people did to memory since the last span.
    fn between(&mut self) -> (Vec<Written>, Option<Shape>) {
        let written = self.twins.left.take_journal();
        let epoch = self.twins.left.epoch();
        let shape = (epoch != self.epoch).then(|| self.twins.left.shape());
        if shape.is_some() {
            self.twins.follow();
        }
        write_again(&self.twins.right, &written);
        self.epoch = epoch;
        (written, shape)
    }

    fn checkpoint(&mut self, cpu: usize) -> Result<(), Box<Trouble>> {
        let done = self.twins.checkpoint();
        self.epoch = self.twins.left.epoch();
        if let Err(place) = done {
            let cpu = &mut self.cpus[cpu];
            let (left, right) = (cpu.left.state(), cpu.right.state());
            return Err(Box::new(Trouble { left, right, asked: None, memory: Some(place) }));
        }
        for cpu in &mut self.cpus {
            cpu.start = (cpu.left.state(), cpu.signals[0].bits());
        }
        self.log.clear();
        self.since = 0;
        Ok(())
    }

    /// How long the next span is: often one block, often long enough for loops.
    fn length(&mut self, left: u64) -> Budget {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let random = self.random >> 33;
        let length = match random & 7 {
            0 => 1,
            1 | 2 => 1 + (random >> 3) % 64,
            3..=5 => 1 + (random >> 3) % 1024,
            _ => 1 + (random >> 3) % 8192,
        };
        if left <= EXACT { Budget::exactly(left) } else { Budget::about(length.min(left - EXACT / 2)) }
    }

    // ---- again

    /// Both engines stand where they stood at the last checkpoint.
    pub fn restore(&mut self) {
        self.twins.restore();
        for cpu in &mut self.cpus {
            for signals in &cpu.signals {
                signals.take(u32::MAX);
                signals.raise(cpu.start.1);
            }
            cpu.left.set_state(&cpu.start.0);
            cpu.right.set_state(&cpu.start.0);
        }
    }

    /// What came before a span of the log.
    fn prepare(&mut self, n: usize) {
        let span = &self.log[n];
        for memory in [&self.twins.left, &self.twins.right] {
            write_again(memory, &span.written);
            if let Some(shape) = &span.shape {
                _ = memory.take_shape(shape);
            }
        }
        self.cpus[span.cpu].signal(span.signals, span.sipi);
    }

    /// Executes the log's spans before this one by the second engine, and gives the first one the result.
    pub fn reach(&mut self, n: usize) {
        self.restore();
        for k in 0..n {
            self.prepare(k);
            let span = &self.log[k];
            let cpu = &mut self.cpus[span.cpu];
            let until = cpu.right.retired() + span.retired;
            let (mut at, mut wrong) = cpu.retire(&span.events, &self.twins.right, 0, until);
            for _ in 0..SETTLING {
                if at == span.events.len() || wrong.is_some() {
                    break;
                }
                (at, wrong) = cpu.step(&span.events, &self.twins.right, at);
            }
        }
        self.twins.copy_to_left();
        for cpu in &mut self.cpus {
            let bits = cpu.signals[1].bits();
            cpu.signals[0].take(u32::MAX);
            cpu.signals[0].raise(bits);
            let state = cpu.right.state();
            cpu.left.set_state(&state);
        }
        self.prepare(n);
    }

    /// Executes a span of the log again by both, for another length, and compares memory too. Call [`Pair::reach`] before.
    pub fn again(&mut self, n: usize, budget: Budget) -> (u64, Result<(), Box<Trouble>>) {
        let span = &self.log[n];
        let cpu = &mut self.cpus[span.cpu];
        let (left, kick) = (self.twins.left.clone(), cpu.signals[0].clone());
        let mut bus =
            LeftBus::Again(Replayer { events: &span.events, at: 0, memory: &left, kick: Some(&kick), wrong: None });
        let (_, retired, result) = cpu.span(&mut bus, &self.twins.right, budget);
        let result = result.and_then(|()| match self.twins.difference() {
            None => Ok(()),
            Some(place) => {
                let (left, right) = (cpu.left.state(), cpu.right.state());
                Err(Box::new(Trouble { left, right, asked: None, memory: Some(place) }))
            }
        });
        (retired, result)
    }
}
