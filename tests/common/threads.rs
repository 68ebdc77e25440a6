//! 64-bit programs on four CPUs at the same time.

use super::flat::{END, Kind, engine};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use lyrebird::machine::{DebugExitConfig, Machine, MachineConfig, Order, Outcome};
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::cpu::state::Activity;
use std::sync::mpsc;
use std::time::Duration;

/// How many CPUs there are.
pub const CPUS: u64 = 4;
/// The engines.
pub const KINDS: [Kind; 5] = [Kind::Interp, Kind::Strips, Kind::Jit(2), Kind::Jit(50), Kind::Cramped(2)];
/// No guest of these tests runs longer.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Where programs begin.
pub const CODE: u64 = 0x1_0000;
/// Gates, and behind them the GDT.
pub const IDT: u64 = 0x1_8000;
/// Where the tests have their numbers.
pub const DATA: u32 = 0x2_0000;
/// Page tables.
pub const TABLES: u64 = 0x3_0000;
/// The table of the first 2 MiB.
pub const PAGES: u64 = TABLES + 0x4000;
/// Of each CPU one, a page further on.
pub const STACKS: u64 = 0x8_0000;
/// The local APIC.
pub const APIC: u32 = 0xfee0_0000;
/// CPUs that have come to the beginning, or the end.
pub const BEGUN: u32 = DATA + 0x800;
pub const ENDED: u32 = DATA + 0x840;
/// How often something was seen that must not be.
pub const WRONG: u32 = DATA + 0x880;
/// An interrupt between CPUs.
pub const VECTOR: u32 = 0x40;

/// Runs a 64-bit program on each of the CPUs, which are told by EDI who they are, to the end of the first.
#[track_caller]
pub fn run(kind: Kind, pieces: &[(u64, Vec<u8>)]) -> Machine {
    let mut config = MachineConfig {
        cpus: CPUS as u32,
        threads: true,
        no_reboot: true,
        debug_exit: Some(DebugExitConfig { iobase: END as u16, iosize: 4 }),
        ..MachineConfig::new(4 << 20, engine(kind))
    };
    let pieces = pieces.to_vec();
    config.boot = Some(Box::new(move |target| {
        for (at, bytes) in &pieces {
            target.memory.write(*at, bytes)?;
        }
        let entry = |at: u64, value: u64| target.memory.write(at, &value.to_le_bytes());
        entry(TABLES, TABLES + 0x1003)?;
        entry(TABLES + 0x1000, TABLES + 0x2003)?;
        entry(TABLES + 0x1018, TABLES + 0x3003)?;
        entry(TABLES + 0x2000, PAGES | 3)?;
        for page in 0..512 {
            entry(PAGES + 8 * page, page << 12 | 3)?;
        }
        entry(TABLES + 0x3000 + 8 * (u64::from(APIC) >> 21 & 511), u64::from(APIC) | 0x93)?;
        let data = Segment { selector: 0x10, base: 0, limit: u32::MAX, attributes: 0xc093 };
        for (n, cpu) in target.cpus.iter_mut().enumerate() {
            cpu.seg = [data; 6];
            cpu.seg[1] = Segment { selector: 8, attributes: 0xa09b, ..data };
            cpu.activity = Activity::Running;
            (cpu.cr0, cpu.cr3, cpu.cr4, cpu.efer) = (0x8000_0011, TABLES, 0x620, 0x500);
            (cpu.idtr.base, cpu.idtr.limit) = (IDT, 0xfff);
            (cpu.gdtr.base, cpu.gdtr.limit) = (IDT + 0x1000, 0x17);
            (cpu.rip, cpu.gpr[4], cpu.gpr[7]) = (CODE, STACKS + 0x1000 * (n as u64 + 1), n as u64);
        }
        // A flat code segment, for interrupts.
        target.memory.write(IDT + 0x1008, &0x00af_9b00_0000_ffffu64.to_le_bytes())?;
        target.memory.write(IDT + 0x1010, &0x00cf_9300_0000_ffffu64.to_le_bytes())?;
        Ok(())
    }));
    let mut machine = Machine::new(config).unwrap();
    let (handle, (done, watch)) = (machine.handle(), mpsc::channel::<()>());
    std::thread::spawn(move || {
        if watch.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            handle.order(Order::Quit);
        }
    });
    let outcome = machine.run();
    drop(done);
    for cpu in 0..if outcome == Outcome::DebugExit(1) { 0 } else { CPUS as usize } {
        let state = machine.cpu_state(cpu);
        eprintln!("CPU {cpu}: RIP {:x}, registers {:x?}, {:?}", state.rip, state.gpr, state.activity);
    }
    assert_eq!(outcome, Outcome::DebugExit(1), "{kind:?}");
    machine
}

/// What the machine has there.
pub fn number(machine: &Machine, at: u32) -> u64 {
    machine.memory().read_uint(at.into(), 8).unwrap()
}

/// Assembles a piece of code for its address.
pub fn assemble(at: u64, program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> (u64, Vec<u8>) {
    let mut a = CodeAssembler::new(64).unwrap();
    program(&mut a).unwrap();
    (at, a.assemble(at).unwrap())
}

/// A label stands here. Of several at one place each has an instruction of its own.
pub fn here(a: &mut CodeAssembler, label: &mut CodeLabel) -> Result<(), IcedError> {
    a.set_label(label)?;
    a.nop()
}

/// Waits until a counter has reached a number.
pub fn wait(a: &mut CodeAssembler, counter: u32, number: i32) -> Result<(), IcedError> {
    let (mut again, mut on) = (a.create_label(), a.create_label());
    here(a, &mut again)?;
    a.cmp(dword_ptr(counter), number)?;
    a.jge(on)?;
    a.pause()?;
    a.jmp(again)?;
    here(a, &mut on)
}

/// Every CPU waits until all have come here.
pub fn begin(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.lock().inc(dword_ptr(BEGUN))?;
    wait(a, BEGUN, CPUS as i32)
}

/// The first CPU waits for the others and ends the machine; the others halt.
pub fn end(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let (mut others, mut stop) = (a.create_label(), a.create_label());
    a.lock().inc(dword_ptr(ENDED))?;
    a.test(edi, edi)?;
    a.jne(others)?;
    wait(a, ENDED, CPUS as i32)?;
    a.xor(eax, eax)?;
    a.out(END, eax)?;
    here(a, &mut others)?;
    a.cli()?;
    here(a, &mut stop)?;
    a.hlt()?;
    a.jmp(stop)
}
