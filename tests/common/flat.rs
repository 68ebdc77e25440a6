//! Pieces of flat 32-bit code in an otherwise empty machine, on every engine.

use backend_interp::InterpEngine;
use backend_jit::{JitEngine, Options};
use frontend_x86::model::Model;
use iced_x86::IcedError;
use iced_x86::code_asm::{AsmRegister32, CodeAssembler, dword_ptr, eax};
use lyrebird::lockstep::LockstepEngine;
use lyrebird::machine::{DebugExitConfig, Machine, MachineConfig, Outcome, TimeMode};
use lyrebird_core::Engine;
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::cpu::state::Activity;
use std::sync::Arc;

/// The debug exit port.
pub const END: u32 = 0xf4;
/// The first CPU's stack; each further one's lies a page higher.
pub const STACK: u32 = 0x3_0000;

/// Room for so little code that new code soon takes the place of old.
const CRAMPED: usize = 48 << 10;

/// Where programs begin.
pub const CODE: u32 = 0x1_0000;
/// Where a program leaves its sum.
pub const SUM: u32 = 0x2_0000;

/// Which engine.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The interpreter.
    Interp,
    /// Translated code, made after so many executions.
    Jit(u32),
    /// Strips for what is entered, and nothing else.
    Strips,
    /// Translated code with room for little of it.
    Cramped(u32),
    /// Both, likewise; perhaps with an immediate that is translated wrongly.
    Lockstep(u32, Option<u64>),
}

/// Makes one.
pub fn engine(kind: Kind) -> Box<dyn Engine> {
    let model = Arc::new(Model::by_name("max").unwrap());
    let interp = InterpEngine::new(model.clone());
    let jit = |threshold, sabotage| {
        JitEngine::new(model.clone(), Options { threshold, sabotage, shared: true, ..Options::default() })
    };
    match kind {
        Kind::Interp => Box::new(interp),
        Kind::Jit(threshold) => Box::new(jit(threshold, None)),
        Kind::Strips => Box::new(JitEngine::new(
            model,
            Options { threshold: u32::MAX, warm: 1, shared: true, ..Options::default() },
        )),
        Kind::Cramped(threshold) => Box::new(JitEngine::new(
            model,
            Options { threshold, warm: 1, code_bytes: CRAMPED, shared: true, ..Options::default() },
        )),
        Kind::Lockstep(threshold, sabotage) => {
            Box::new(LockstepEngine::new(Box::new(jit(threshold, sabotage)), Box::new(interp)))
        }
    }
}

/// Assembles a piece of code for its address.
pub fn assemble(at: u32, program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> (u32, Vec<u8>) {
    let mut a = CodeAssembler::new(32).unwrap();
    program(&mut a).unwrap();
    (at, a.assemble(at.into()).unwrap())
}

/// Runs a machine with these pieces in memory to its end; each entry is a CPU's.
pub fn run(kind: Kind, pieces: &[(u32, Vec<u8>)], entries: &[u32]) -> (Outcome, Machine) {
    let mut config = MachineConfig {
        cpus: entries.len() as u32,
        time: TimeMode::DETERMINISTIC,
        debug_exit: Some(DebugExitConfig { iobase: END as u16, iosize: 4 }),
        ..MachineConfig::new(4 << 20, engine(kind))
    };
    let (pieces, entries) = (pieces.to_vec(), entries.to_vec());
    config.boot = Some(Box::new(move |target| {
        for (at, bytes) in &pieces {
            target.memory.write((*at).into(), bytes)?;
        }
        let data = Segment { selector: 0x10, base: 0, limit: u32::MAX, attributes: 0xc093 };
        for (n, (cpu, entry)) in target.cpus.iter_mut().zip(&entries).enumerate() {
            cpu.seg = [data; 6];
            cpu.seg[1] = Segment { selector: 8, attributes: 0xc09b, ..data };
            cpu.activity = Activity::Running;
            (cpu.cr0, cpu.rip, cpu.gpr[4]) = (0x11, (*entry).into(), u64::from(STACK) + 0x1000 * n as u64);
        }
        Ok(())
    }));
    let mut machine = Machine::new(config).unwrap();
    (machine.run(), machine)
}

/// Every engine, with code translated at once, soon and late.
pub const KINDS: [Kind; 8] = [
    Kind::Interp,
    Kind::Strips,
    Kind::Jit(1),
    Kind::Jit(3),
    Kind::Jit(40),
    Kind::Cramped(2),
    Kind::Lockstep(1, None),
    Kind::Lockstep(20, None),
];

/// Runs the pieces on every engine: each ends well and with the same sum, which is given.
pub fn sum(pieces: &[(u32, Vec<u8>)]) -> u32 {
    let sums = KINDS.map(|kind| {
        let (outcome, machine) = run(kind, pieces, &[CODE]);
        assert_eq!(outcome, Outcome::DebugExit(1), "{kind:?}");
        machine.memory().read_uint(SUM.into(), 4).unwrap() as u32
    });
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:x?}");
    sums[0]
}

/// Ends a program with its sum.
pub fn end(a: &mut CodeAssembler, result: AsmRegister32) -> Result<(), IcedError> {
    a.mov(dword_ptr(SUM), result)?;
    a.xor(eax, eax)?;
    a.out(END, eax)
}
