//! Runs a test on every engine and compares.

use super::parse::{State, Test};
use super::registers::{self, FLAGS};
use super::setup::{self, HANDLERS, Mode, RAM, REAL_HANDLERS};
use super::{KERNEL, parse};
use anyhow::{Context, Result, bail, ensure};
use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Options};
use frontend_x86::model::Model;
use iced_x86::{Decoder, DecoderOptions, Formatter, NasmFormatter};
use lyrebird_core::{Budget, CpuState, Exit, NoBus, Signals, Vcpu};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

/// A way of running: its name, a vCPU, and whether it runs one instruction at a time.
pub struct Engine {
    /// For messages.
    pub name: &'static str,
    make: fn(Arc<Model>, Arc<GuestMemory>) -> Box<dyn Vcpu>,
    stepping: bool,
    /// How often the test is run on the same vCPU: the first run decodes (and compiles), the last is looked at.
    rounds: u32,
}

fn interp(model: Arc<Model>, memory: Arc<GuestMemory>) -> Box<dyn Vcpu> {
    Box::new(InterpVcpu::new(0, model, memory, Signals::new()))
}

/// Compiles what has been entered once.
fn jit(model: Arc<Model>, memory: Arc<GuestMemory>) -> Box<dyn Vcpu> {
    let options = Options { threshold: 1, verify: true, ..Options::default() };
    Box::new(JitVcpu::new(0, model, memory, Signals::new(), options).expect("an engine for this host"))
}

/// Makes strips of what is entered, and compiles nothing.
fn strips(model: Arc<Model>, memory: Arc<GuestMemory>) -> Box<dyn Vcpu> {
    let options = Options { threshold: u32::MAX, warm: 1, ..Options::default() };
    Box::new(JitVcpu::new(0, model, memory, Signals::new(), options).expect("an engine for this host"))
}

/// All of them.
pub fn engines() -> Vec<Engine> {
    vec![
        Engine { name: "interp", make: interp, stepping: false, rounds: 1 },
        Engine { name: "interp, again", make: interp, stepping: false, rounds: 2 },
        Engine { name: "interp, stepping", make: interp, stepping: true, rounds: 1 },
        Engine { name: "jit", make: jit, stepping: false, rounds: 1 },
        Engine { name: "jit, again", make: jit, stepping: false, rounds: 3 },
        Engine { name: "strips", make: strips, stepping: false, rounds: 1 },
        Engine { name: "strips, again", make: strips, stepping: false, rounds: 2 },
        Engine { name: "jit, stepping", make: jit, stepping: true, rounds: 1 },
    ]
}

/// What a run led to.
#[derive(Clone)]
pub struct Found {
    before: CpuState,
    state: CpuState,
    exception: Option<(String, Option<u32>, Option<u64>)>,
    was: Vec<u8>,
    memory: Vec<u8>,
}

const NAMES: [&str; 22] = [
    "DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM", "DF", "9", "TS", "NP", "SS", "GP", "PF", "15", "MF", "AC", "MC",
    "XM", "VE", "CP",
];
const PATIENCE: u64 = 1_000_000;

/// Runs a test.
pub fn run(test: &Test, engine: &Engine) -> Result<Found> {
    let memory = Arc::new(GuestMemory::new());
    let ram = memory.add_block("ram", RAM)?;
    memory.map(Region { base: 0, bytes: RAM, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
    let name = test.directive("model").map_or("max", |w| &w[0]);
    let model = Arc::new(Model::by_name(name).context("no such model")?);
    let mut vcpu = (engine.make)(model, memory.clone());
    let reset = vcpu.state();
    let budget = test.directive("budget").map(|w| parse::number(&w[0])).transpose()?.map(|n| n as u64);
    let mut found = None;
    for _ in 0..engine.rounds {
        let before = setup::prepare(test, &memory, &reset)?;
        let was = low_memory(&memory)?;
        vcpu.set_state(&before);
        let exit = drive(&mut *vcpu, budget, engine.stepping)?;
        let state = vcpu.state();
        if let Some(n) = budget {
            ensure!(exit == Exit::Budget, "it ended before its budget: {exit:?}");
            ensure!(state.retired == before.retired + n, "{} instructions retired", state.retired - before.retired);
            found = Some(Found { before, state, exception: None, was, memory: low_memory(&memory)? });
            continue;
        }
        ensure!(exit == Exit::Halted, "it ended in {exit:?} at {:#x}", state.rip);
        found = Some(unwind(test, before, state, was, &memory)?);
    }
    found.context("no rounds")
}

fn drive(vcpu: &mut dyn Vcpu, budget: Option<u64>, stepping: bool) -> Result<Exit> {
    let all = budget.unwrap_or(PATIENCE);
    if !stepping {
        let budget = if budget.is_some() { Budget::exactly(all) } else { Budget::about(all) };
        return Ok(vcpu.run(&mut NoBus, budget));
    }
    for n in 0..all.max(1) {
        let before = vcpu.retired();
        let exit = vcpu.run(&mut NoBus, Budget::exactly(1));
        if exit != Exit::Budget {
            return Ok(exit);
        }
        ensure!(vcpu.retired() <= before + 1, "a step of {} instructions", vcpu.retired() - before);
        let _ = n;
    }
    Ok(Exit::Budget)
}

fn low_memory(memory: &GuestMemory) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 0x10_0000];
    memory.read(0, &mut bytes)?;
    Ok(bytes)
}

/// Takes an exception's frame off the stack again, so that the state is the one that the exception met.
fn unwind(test: &Test, before: CpuState, mut state: CpuState, was: Vec<u8>, memory: &GuestMemory) -> Result<Found> {
    let (mode, cpl) = (setup::mode(test)?, setup::cpl(test)?);
    let mut low = low_memory(memory)?;
    let found = |state, exception, memory| Found { before: before.clone(), state, exception, was: was.clone(), memory };
    let real = mode == Mode::Real16;
    let handlers = if real { REAL_HANDLERS } else { HANDLERS };
    let Some(vector) = state.rip.checked_sub(handlers + 1).filter(|v| *v < 32) else {
        // The HLT behind the code.
        state.rip -= 1;
        return Ok(found(state, None, low));
    };
    let slot = if real {
        2
    } else if mode.long() {
        8
    } else {
        4
    };
    let mask: u64 = if state.seg[2].has(1 << 14) || mode.long() { u64::MAX } else { 0xffff };
    let base = state.seg[2].base;
    let mut sp = state.gpr[4];
    let mut pop = || -> Result<u64> {
        let at = base + (sp & mask);
        let value = memory.read_uint(at, slot)?;
        if at < low.len() as u64 {
            // The frame is not the test's doing.
            let at = at as usize;
            low[at..at + slot].copy_from_slice(&was[at..at + slot]);
        }
        sp = sp & !mask | sp.wrapping_add(slot as u64) & mask;
        Ok(value)
    };
    let error = if !real && matches!(vector, 8 | 10..=14 | 17) { Some(pop()? as u32) } else { None };
    state.rip = pop()?;
    let cs = pop()? as u16;
    state.rflags = pop()?;
    let mut selectors = vec![(1, cs)];
    let outer = if cpl != 0 || mode.long() { Some((pop()?, pop()? as u16)) } else { None };
    if mode == Mode::V86 {
        for s in [0, 3, 4, 5] {
            selectors.push((s, pop()? as u16));
        }
    }
    state.gpr[4] = sp;
    if let Some((outer_sp, ss)) = outer {
        state.gpr[4] = outer_sp;
        selectors.push((2, ss));
    }
    selectors.into_iter().for_each(|(s, selector)| state.seg[s].selector = selector);
    let last = test.code.last().expect("code");
    if vector == 3 && cpl != 0 && state.rip == last.at + last.bytes().len() as u64 + 1 {
        state.rip -= 1;
        return Ok(found(state, None, low));
    }
    let cr2 = (vector == 14).then_some(state.cr2);
    let name = NAMES.get(vector as usize).context("an exception")?.to_string();
    Ok(found(state, Some((name, error, cr2)), low))
}

impl Found {
    /// Everything that changed, as an `out` section; undefined flags stay marked.
    pub fn bless(&self, undefined: u64) -> State {
        let mut out = State { undefined, exception: self.exception.clone(), ..State::default() };
        for name in registers::names() {
            let value = registers::get(&self.state, &name).expect("a name");
            let quiet = name == "cr2" || name.starts_with("cr") && self.exception.is_some();
            if registers::get(&self.before, &name) != Some(value) && !quiet {
                out.registers.push((name, value));
            }
        }
        let shown = FLAGS.iter().filter(|(n, _)| *n != "rf").fold(0, |all, (_, bit)| all | bit);
        out.flags = Some(self.state.rflags & shown & !undefined);
        let mut at = 0;
        while at < self.memory.len() {
            let changed = |at: &usize| self.memory[*at] != self.was[*at];
            let bytes: Vec<u8> = (at..self.memory.len()).take_while(changed).map(|at| self.memory[at]).collect();
            if !bytes.is_empty() {
                out.memory.push((at as u64, bytes.clone()));
            }
            at += bytes.len() + 1;
        }
        out
    }

    /// How it differs from what is expected.
    fn compare(&self, expected: &State) -> Result<()> {
        ensure!(
            self.exception == expected.exception,
            "exception {:x?} at {:#x}, expected {:x?}",
            self.exception,
            self.state.rip,
            expected.exception
        );
        for (name, value) in &expected.registers {
            let is = registers::get(&self.state, name).with_context(|| format!("no register {name}"))?;
            ensure!(is == *value, "{name} is {is:#x}, expected {value:#x}");
        }
        if let Some(flags) = expected.flags {
            for (name, bit) in FLAGS.iter().filter(|(n, bit)| *n != "rf" && expected.undefined & bit == 0) {
                let is = self.state.rflags & bit != 0;
                ensure!(is == (flags & bit != 0), "{name} is {}", if is { "set" } else { "clear" });
            }
        }
        for (at, bytes) in &expected.memory {
            ensure!(*at < KERNEL, "memory of a test is below {KERNEL:#x}");
            let is = &self.memory[*at as usize..][..bytes.len()];
            ensure!(is == bytes, "[{at:#x}] is {is:02x?}, expected {bytes:02x?}");
        }
        Ok(())
    }
}

/// The disassembly of a line, if it is one instruction.
fn disassemble(bits: u32, ip: u64, bytes: &[u8]) -> String {
    let mut decoder = Decoder::with_ip(bits, bytes, ip, DecoderOptions::NONE);
    let instr = decoder.decode();
    if instr.is_invalid() || instr.len() != bytes.len() {
        return String::new();
    }
    let mut formatter = NasmFormatter::new();
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_rip_relative_addresses(true);
    let mut text = String::new();
    formatter.format(&instr, &mut text);
    text
}

/// Checks a test on all engines, or rewrites its expectations by the first.
pub fn check(test: &mut Test, bless: bool) -> Result<()> {
    let bits = setup::mode(test)?.bits();
    for code in &mut test.code {
        let mut ip = code.at;
        for (bytes, text) in &mut code.lines {
            let is = disassemble(bits, ip, bytes);
            if bless {
                *text = is;
            } else if is != *text {
                bail!("at {ip:#x} stands {is:?}, not {text:?}");
            }
            ip += bytes.len() as u64;
        }
    }
    let engines = engines();
    if bless {
        let found = run(test, &engines[0]).context(engines[0].name)?;
        test.after = found.bless(test.after.undefined);
    }
    for engine in &engines {
        run(test, engine).and_then(|found| found.compare(&test.after)).context(engine.name)?;
    }
    Ok(())
}
