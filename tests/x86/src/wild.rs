//! Wild guests: random bytes as code in every mode, with random registers, descriptor tables and page tables. Nothing that
//! such a guest does may panic, hang or hurt the host; what it computes does not matter.

use crate::rng::Rng;
use backend_interp::InterpVcpu;
use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::{Segment, TableRegister};
use lyrebird_core::{Budget, CpuBus, CpuState, Exit, Signals, Vcpu, VmTime};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

const RAM: u64 = 0x10_0000;
/// Where code lies, physically and mostly linearly.
const CODE: u64 = 0x8000;
const TABLES: u64 = 0x2_0000;
const DESCRIPTORS: u64 = 0x3_0000;

/// A machine whose ports and addresses answer at random, and interrupt now and then.
struct WildBus {
    rng: Rng,
    signals: Arc<Signals>,
}

impl CpuBus for WildBus {
    fn port_read(&mut self, _: u16, _: u8) -> u32 {
        self.rng.number() as u32
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {
        match self.rng.below(16) {
            0 => self.signals.set_intr(true),
            1 => self.signals.raise(Signals::NMI),
            2 => self.signals.raise(Signals::INIT),
            3 => self.signals.send_sipi(self.rng.bits() as u8),
            _ => {}
        }
    }
    fn port_read_block(&mut self, _: u16, _: u8, data: &mut [u8]) {
        data.fill(self.rng.bits() as u8);
    }
    fn port_write_block(&mut self, _: u16, _: u8, _: &[u8]) {}
    fn mmio_read(&mut self, _: u64, _: u8) -> u64 {
        self.rng.number()
    }
    fn mmio_write(&mut self, _: u64, _: u8, _: u64) {
        self.signals.set_intr(true);
    }
    fn acknowledge(&mut self) -> Option<u8> {
        self.signals.set_intr(false);
        self.rng.chance(90).then(|| self.rng.bits() as u8)
    }
    fn now(&mut self, retired: u64) -> VmTime {
        VmTime(retired)
    }
    fn tsc(&mut self, retired: u64) -> u64 {
        retired
    }
    fn cr8(&mut self) -> u8 {
        self.rng.below(16) as u8
    }
    fn set_cr8(&mut self, _: u8) {}
    fn apic_msr_read(&mut self, _: u32) -> Option<u64> {
        self.rng.chance(50).then(|| self.rng.number())
    }
    fn apic_msr_write(&mut self, _: u32, _: u64) -> bool {
        self.rng.chance(50)
    }
    fn set_ferr(&mut self, _: bool) {}
    fn entropy(&mut self) -> u64 {
        self.rng.bits()
    }
    fn stop_requested(&mut self) -> bool {
        false
    }
}

/// Runs one wild guest for a while. The seed says all about it.
pub fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let bytes: Vec<u8> = (0..0x1_0000).map(|_| rng.bits() as u8).collect();
    run_code(&mut rng, &bytes);
}

/// Runs these bytes as code, with everything else at random.
pub fn run_code(rng: &mut Rng, code: &[u8]) {
    let memory = Arc::new(GuestMemory::new());
    let ram = memory.add_block("ram", RAM).expect("1 MiB");
    memory.map(Region { base: 0, bytes: RAM, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
    if rng.chance(30) {
        let rom = memory.add_block("rom", 0x1000).expect("a page");
        let target = Target::Rom { block: rom, offset: 0 };
        memory.map(Region { base: rng.below(16) << 12, bytes: 0x1000, priority: 1, target });
    }
    for at in (0..RAM).step_by(8) {
        let word = if rng.chance(70) { rng.bits() } else { rng.number() };
        memory.write_uint(at, 8, word).expect("RAM");
    }
    let room = (RAM - CODE) as usize;
    memory.write(CODE, &code[..code.len().min(room)]).expect("RAM");
    if rng.chance(80) {
        plausible_tables(rng, &memory);
    }
    let signals = Signals::new();
    let name = rng.pick(&["486", "pentium", "pentium3", "x86-64-v1", "x86-64-v2", "max"]);
    let model = Arc::new(Model::by_name(name).expect("a model of that name"));
    let mut vcpu = InterpVcpu::new(0, model, memory, signals.clone());
    let reset = vcpu.state();
    vcpu.set_state(&wild_state(rng, reset));
    let mut bus = WildBus { rng: Rng::new(rng.bits()), signals: signals.clone() };
    for _ in 0..20 {
        let budget = if rng.chance(30) { Budget::exactly(rng.below(200)) } else { Budget::about(500) };
        match vcpu.run(&mut bus, budget) {
            Exit::Shutdown => break,
            Exit::Halted => {
                signals.raise(rng.pick(&[Signals::NMI, Signals::INIT, Signals::INTR]));
                signals.send_sipi(8);
            }
            Exit::Fault(text) => panic!("the interpreter gave up: {text}"),
            _ => {}
        }
        if rng.chance(20) {
            let state = vcpu.state();
            vcpu.set_state(&state);
        }
        let linear = rng.number();
        vcpu.translate(linear);
    }
}

/// Page tables that mostly map memory onto itself, and descriptors that mostly make sense: or no wild guest would ever
/// get beyond its first fault.
fn plausible_tables(rng: &mut Rng, memory: &GuestMemory) {
    let put = |at: u64, v: u64| memory.write_uint(at, 8, v).expect("RAM");
    let (l4, l3, l2, l1, legacy) = (TABLES, TABLES + 0x1000, TABLES + 0x2000, TABLES + 0x3000, TABLES + 0x4000);
    put(l4, l3 | 7);
    put(l3, l2 | if rng.chance(50) { 1 } else { 7 });
    put(l2, l1 | 7);
    for n in 0..512 {
        let page = if rng.chance(95) { n << 12 } else { rng.number() & 0xffff_ffff_f000 };
        let bits = if rng.chance(90) { 7 } else { rng.bits() & (0xfff | 1 << 63) };
        put(l1 + 8 * n, page | bits);
    }
    put(legacy, (legacy + 0x1000) | 7 | (rng.bits() << 32));
    for n in 0..512 {
        let two = |n: u64| (n << 12) | 7;
        put(legacy + 0x1000 + 8 * n, two(2 * n) | two(2 * n + 1) << 32);
    }
    for n in 0..64u64 {
        let kind = if rng.chance(60) { rng.pick(&[0x9b, 0x93, 0xfb, 0xf3, 0x9f, 0x97]) } else { rng.bits() & 0xff };
        let size = rng.pick(&[0u64, 0x4, 0x8, 0xc, 0xa, 0x2]);
        let limit = if rng.chance(70) { 0xf_ffff } else { rng.below(0x10_0000) };
        let base = if rng.chance(70) { 0 } else { rng.below(RAM) };
        let d = (limit & 0xffff)
            | (base & 0xff_ffff) << 16
            | kind << 40
            | (limit >> 16) << 48
            | size << 52
            | (base >> 24) << 56;
        put(DESCRIPTORS + 8 * n, d);
    }
    for n in 0..256u64 {
        let kind = if rng.chance(80) { rng.pick(&[0x8e, 0xee, 0x8f, 0x85, 0x86, 0x87]) } else { rng.bits() & 0xff };
        let offset = CODE + rng.below(0x4000);
        let gate = (offset & 0xffff) | rng.below(64) << 19 | kind << 40 | (offset >> 16) << 48;
        let long = rng.chance(50);
        put(DESCRIPTORS + 0x1000 + 8 * n, gate);
        if long {
            put(DESCRIPTORS + 0x2000 + 16 * n, gate);
            put(DESCRIPTORS + 0x2008 + 16 * n, 0);
        }
    }
}

fn wild_segment(rng: &mut Rng, code: bool) -> Segment {
    let mut attributes = 0x93 | if code { 0x08 } else { 0 };
    if rng.chance(50) {
        attributes |= Segment::DEFAULT_BIG;
    }
    if rng.chance(20) {
        attributes = rng.bits() as u32 & 0x1_f0ff;
    }
    if rng.chance(30) {
        attributes |= 0x60;
    }
    Segment {
        selector: (rng.below(64) << 3) as u16 | rng.below(4) as u16,
        base: if rng.chance(60) { 0 } else { rng.number() & 0xffff_ffff },
        limit: if rng.chance(70) { u32::MAX } else { rng.number() as u32 },
        attributes,
    }
}

fn wild_state(rng: &mut Rng, reset: CpuState) -> CpuState {
    let mut s = reset;
    s.gpr = std::array::from_fn(|_| if rng.chance(60) { rng.below(RAM) } else { rng.number() });
    s.rip = CODE + rng.below(0x1000);
    s.rflags = rng.bits() & 0x003f_7fd5 | 2;
    if rng.chance(80) {
        s.rflags &= !(1 << 17 | 1 << 8); // VM, TF
    }
    s.gdtr = TableRegister { base: DESCRIPTORS, limit: rng.pick(&[0x1ff, 0xffff, 0, 0x27]) };
    s.ldtr = wild_segment(rng, false);
    s.tr = wild_segment(rng, false);
    s.tr.base = rng.below(RAM);
    s.seg = std::array::from_fn(|n| wild_segment(rng, n == 1));
    s.x87.control = rng.bits() as u16;
    s.mxcsr = rng.bits() as u32 & 0xffff;
    match rng.below(5) {
        0 => {
            s.cr0 = 0x10;
            s.seg = std::array::from_fn(|_| Segment::real(rng.below(0x800) as u16));
            s.seg[1] = Segment::real(if rng.chance(50) { 0 } else { 0x7c0 });
            s.rip &= 0xffff;
            s.rflags &= !(1 << 17);
        }
        1 => s.cr0 = 0x11 | rng.bits() & 0x5_002e,
        2 => {
            s.cr0 = 0x8000_0011 | rng.bits() & 0x5_002e;
            s.cr3 = TABLES + 0x4000;
            s.cr4 = rng.bits() & 0x0018;
        }
        3 => {
            s.cr0 = 0x8000_0011 | rng.bits() & 0x5_002e;
            s.cr3 = TABLES + 0x1000;
            s.cr4 = 0x20 | rng.bits() & 0x30_069f;
            s.pdpte = [TABLES + 0x2001, rng.number(), 0, 1];
            s.efer = rng.pick(&[0, 0x800]);
        }
        _ => {
            s.cr0 = 0x8000_0011 | rng.bits() & 0x5_002e;
            s.cr3 = TABLES;
            s.cr4 = 0x20 | rng.bits() & 0x37_069f;
            s.efer = 0x500 | rng.pick(&[0, 0x801, 0x800, 1]);
            s.rflags &= !(1 << 17);
            if rng.chance(80) {
                s.seg[1] =
                    Segment { attributes: s.seg[1].attributes & !Segment::DEFAULT_BIG | Segment::LONG, ..s.seg[1] };
            }
        }
    }
    let idt = DESCRIPTORS + if s.efer & 0x400 != 0 { 0x2000 } else { 0x1000 };
    s.idtr = if s.cr0 & 1 == 0 && rng.chance(50) {
        TableRegister { base: 0, limit: 0x3ff }
    } else {
        TableRegister { base: idt, limit: rng.pick(&[0xfff, 0xffff, 0x7f]) }
    };
    if rng.chance(10) {
        s.dr = std::array::from_fn(|_| rng.below(RAM));
        s.dr7 = rng.bits() & 0xffff_2bff | 0x400;
    }
    s
}
