//! A small machine around an engine's vCPU, with the host's address space as far as code can see it: code, data, flat user
//! segments with Linux's selectors. Every exception ends in a HLT of its own in the kernel's half.

use crate::case::{Bits, CODE, CODE_BYTES, Case, DATA, DATA_BYTES, FX_UPPER, Fx, GS_BASE, Outcome, Registers};

use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Options};
use frontend_x86::flags::LazyFlags;
use frontend_x86::flags::rflags::ARITHMETIC;
use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::{Segment, TableRegister};
use lyrebird_core::{Budget, CpuState, Exit, NoBus, Signals, Vcpu};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

/// How the guest CPU gets to the case's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// A 64-bit kernel: 64-bit mode, and compatibility mode for 32-bit code.
    Long,
    /// A 32-bit kernel with PAE paging.
    Legacy,
}

/// What executes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The interpreter.
    Interp,
    /// The compiler, which compiles everything at once.
    Jit,
    /// Strips for everything.
    Strips,
}

enum Driven {
    Interp(Box<InterpVcpu>),
    Jit(Box<JitVcpu>),
}

impl Driven {
    fn vcpu(&mut self) -> &mut dyn Vcpu {
        match self {
            Driven::Interp(vcpu) => &mut **vcpu,
            Driven::Jit(vcpu) => &mut **vcpu,
        }
    }
}

/// How the engine is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Freely, with an empty TLB.
    Cold,
    /// Freely, with whatever the TLB holds from the case before.
    Warm,
    /// One instruction a run.
    Step,
}

/// A vCPU with memory.
pub struct Guest {
    system: System,
    driven: Driven,
    memory: Arc<GuestMemory>,
    start: [CpuState; 2],
}

const RAM: u64 = 0x20_0000;
const GDT: u64 = 0x400;
const TSS: u64 = 0x600;
const IDT: u64 = 0x1000;
const STACK_TOP: u64 = 0x3000;
const HANDLERS: u64 = 0x3000;
const TABLES: u64 = 0x1_0000;
const CODE_AT: u64 = 0x10_0000;
const DATA_AT: u64 = 0x11_0000;
/// Instructions after which code is taken to hang.
const PATIENCE: u64 = 1_000_000;

impl Guest {
    /// A machine of this kind.
    pub fn new(system: System, engine: Engine) -> Self {
        let memory = Arc::new(GuestMemory::new());
        let ram = memory.add_block("ram", RAM).expect("2 MiB");
        memory.map(Region { base: 0, bytes: RAM, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
        let model = Arc::new(Model::by_name("max").expect("a model of that name"));
        let signals = Signals::new();
        let mut driven = match engine {
            Engine::Interp => Driven::Interp(Box::new(InterpVcpu::new(0, model, memory.clone(), signals))),
            Engine::Jit | Engine::Strips => {
                let options = match engine {
                    Engine::Strips => Options { threshold: u32::MAX, warm: 1, ..Options::default() },
                    _ => Options { threshold: 1, ..Options::default() },
                };
                let vcpu = JitVcpu::new(0, model, memory.clone(), signals, options);
                Driven::Jit(Box::new(vcpu.expect("an engine for this host")))
            }
        };
        let reset = driven.vcpu().state();
        let start = [Bits::B32, Bits::B64].map(|bits| start_state(system, bits, reset.clone()));
        let mut guest = Guest { system, driven, memory, start };
        guest.build_tables();
        if system == System::Legacy {
            // What a load of CR3 would have brought in.
            let pdpte = [0, 8, 16, 24].map(|at| guest.memory.read_uint(TABLES + at, 8).expect("RAM"));
            guest.start.iter_mut().for_each(|s| s.pdpte = pdpte);
        }
        guest.write(CODE_AT, &[0xcc; CODE_BYTES]);
        guest.write(DATA_AT + DATA_BYTES as u64, &[0xa5; 4096]);
        guest
    }

    fn write(&self, gpa: u64, bytes: &[u8]) {
        self.memory.write(gpa, bytes).expect("RAM");
    }

    fn write_u64(&self, gpa: u64, value: u64) {
        self.write(gpa, &value.to_le_bytes());
    }

    /// Page tables, descriptor tables, and a HLT for every exception.
    fn build_tables(&self) {
        let kernel = kernel_base(self.system);
        let mut next = TABLES + 0x1000;
        let mut pages: Vec<(u64, u64, u64)> = (0..16).map(|n| (kernel + n * 0x1000, n * 0x1000, 3)).collect();
        let (user, user_read, nx) = (7, 5, 1 << 63);
        pages.extend((0..2).map(|n| (CODE + n * 0x1000, CODE_AT + n * 0x1000, user_read)));
        pages.extend((0..2).map(|n| (DATA + n * 0x1000, DATA_AT + n * 0x1000, user | nx)));
        pages.push((DATA + 0x2000, DATA_AT + 0x2000, user_read | nx));
        for (linear, physical, bits) in pages {
            let mut table = TABLES;
            let top = if self.system == System::Long { 39 } else { 30 };
            for shift in (12..=top).rev().step_by(9) {
                let at = table + (linear >> shift & 511) * 8;
                let entry = self.memory.read_uint(at, 8).expect("RAM");
                if shift == 12 {
                    self.write_u64(at, physical | bits);
                } else if entry == 0 {
                    // The PDPTEs of PAE paging have no rights.
                    self.write_u64(at, next | if shift == 30 && top == 30 { 1 } else { 7 });
                    table = next;
                    next += 0x1000;
                } else {
                    table = entry & !0xfff;
                }
            }
        }
        let long = self.system == System::Long;
        let kernel_code = if long { 0x00af_9b00_0000_ffff } else { 0x00cf_9b00_0000_ffff };
        let tss = kernel + TSS;
        let tss_low = 0x67 | (tss & 0xff_ffff) << 16 | 0x89 << 40 | (tss >> 24 & 0xff) << 56;
        let gdt: [u64; 10] = [
            0,
            kernel_code,
            0x00cf_9300_0000_ffff,
            0,
            0x00cf_fb00_0000_ffff,
            0x00cf_f300_0000_ffff,
            0x00af_fb00_0000_ffff,
            0,
            tss_low,
            tss >> 32,
        ];
        gdt.iter().enumerate().for_each(|(n, d)| self.write_u64(GDT + 8 * n as u64, *d));
        if long {
            self.write_u64(TSS + 4, kernel + STACK_TOP);
        } else {
            self.write_u64(TSS + 4, 0x10 << 32 | kernel + STACK_TOP);
        }
        for vector in 0..32 {
            let handler = kernel + HANDLERS + vector;
            let kind: u64 = if matches!(vector, 3 | 4) { 0xee } else { 0x8e };
            let low = handler & 0xffff | 8 << 16 | kind << 40 | (handler >> 16 & 0xffff) << 48;
            if long {
                self.write_u64(IDT + vector * 16, low);
                self.write_u64(IDT + vector * 16 + 8, handler >> 32);
            } else {
                self.write_u64(IDT + vector * 8, low);
            }
            self.write(HANDLERS + vector, &[0xf4]);
        }
    }

    /// Runs a case.
    pub fn run(&mut self, case: &Case, way: Way) -> Outcome {
        self.write(DATA_AT, &case.data);
        self.write(CODE_AT + case.offset as u64, &case.code);
        let mut state = self.start[usize::from(case.bits == Bits::B64)].clone();
        state.gpr = case.before.gpr;
        state.rip = CODE + case.offset as u64;
        state.rflags = case.before.rflags;
        from_fx(&case.before.fx, &mut state);
        match &mut self.driven {
            Driven::Interp(vcpu) if way == Way::Warm => warp(vcpu, &state),
            driven => driven.vcpu().set_state(&state),
        }
        let vcpu = self.driven.vcpu();
        let exit = if way == Way::Step {
            let mut exit = Exit::Budget;
            for _ in 0..PATIENCE / 10 {
                exit = vcpu.run(&mut NoBus, Budget::exactly(1));
                if exit != Exit::Budget {
                    break;
                }
            }
            exit
        } else {
            vcpu.run(&mut NoBus, Budget::about(PATIENCE))
        };
        self.write(CODE_AT + case.offset as u64, &vec![0xcc; case.code.len()]);
        self.outcome(exit)
    }

    /// Reads the exception's frame off the kernel's stack.
    fn outcome(&mut self, exit: Exit) -> Outcome {
        let state = self.driven.vcpu().state();
        let mut data = vec![0; DATA_BYTES];
        self.memory.read(DATA_AT, &mut data).expect("RAM");
        let mut after = Registers { gpr: state.gpr, rflags: state.rflags, rip: state.rip, fx: to_fx(&state) };
        let kernel = kernel_base(self.system);
        let handler = state.rip.wrapping_sub(kernel + HANDLERS + 1);
        if exit != Exit::Halted || handler >= 32 {
            return Outcome { after, vector: 0xff, error: 0, cr2: 0, data };
        }
        let vector = handler as u8;
        let slot = if self.system == System::Long { 8 } else { 4 };
        let mut at = state.gpr[4].wrapping_sub(kernel);
        let mut pop = || {
            let value = self.memory.read_uint(at, slot).unwrap_or(0);
            at += slot as u64;
            value
        };
        let error = if matches!(vector, 8 | 10..=14 | 17) { pop() as u32 } else { 0 };
        (after.rip, _, after.rflags, after.gpr[4]) = (pop(), pop(), pop(), pop());
        Outcome { after, vector, error, cr2: if vector == 14 { state.cr2 } else { 0 }, data }
    }
}

/// Sets the state without flushing the TLB, as if the guest's own kernel had gone there.
fn warp(vcpu: &mut InterpVcpu, state: &CpuState) {
    let cpu = vcpu.cpu();
    cpu.state = state.clone();
    cpu.regs[..16].copy_from_slice(&state.gpr);
    cpu.rip = state.rip;
    cpu.next_rip = state.rip;
    cpu.flags = LazyFlags::word(state.rflags);
    cpu.system_flags = state.rflags & !ARITHMETIC | 2;
    cpu.debug_hits = 0;
    cpu.update_mode();
}

fn kernel_base(system: System) -> u64 {
    if system == System::Long { 0xffff_8000_0000_0000 } else { 0xc000_0000 }
}

/// User mode, as Linux has it.
fn start_state(system: System, bits: Bits, reset: CpuState) -> CpuState {
    let kernel = kernel_base(system);
    let flat = |selector, attributes| Segment { selector, base: 0, limit: u32::MAX, attributes };
    let null = Segment { attributes: Segment::UNUSABLE, ..Segment::default() };
    let data = flat(0x2b, 0xc0f3);
    let wide = bits == Bits::B64;
    let code = if wide { flat(0x33, 0xa0fb) } else { flat(0x23, 0xc0fb) };
    let flat_or_null = if wide { null } else { data };
    let gs = Segment { base: if wide { GS_BASE } else { 0 }, ..null };
    let long = system == System::Long;
    CpuState {
        seg: [flat_or_null, code, data, flat_or_null, null, gs],
        gdtr: TableRegister { base: kernel + GDT, limit: 79 },
        idtr: TableRegister { base: kernel + IDT, limit: if long { 511 } else { 255 } },
        tr: Segment { selector: 0x40, base: kernel + TSS, limit: 0x67, attributes: 0x8b },
        cr0: 0x8005_0033,
        cr3: TABLES,
        cr4: 0x4_06a0,
        xcr0: 7,
        efer: if long { 0xd01 } else { 0x800 },
        ..reset
    }
}

fn from_fx(fx: &Fx, state: &mut CpuState) {
    let u16_at = |at: usize| u16::from_le_bytes([fx.0[at], fx.0[at + 1]]);
    let u64_at = |at: usize| u64::from_le_bytes(fx.0[at..at + 8].try_into().expect("8 bytes"));
    let x87 = &mut state.x87;
    (x87.control, x87.status, x87.valid, x87.opcode) = (u16_at(0), u16_at(2), fx.0[4], u16_at(6));
    (x87.ip, x87.dp) = (u64_at(8), u64_at(16));
    state.mxcsr = u64_at(24) as u32;
    let top = x87.top();
    for i in 0..8 {
        let r = &mut x87.r[(top + i) % 8];
        (r.significand, r.sign_exponent) = (u64_at(32 + 16 * i), u16_at(40 + 16 * i));
    }
    for (i, v) in state.vector.iter_mut().enumerate() {
        let upper = FX_UPPER + 16 * i;
        *v = [u64_at(160 + 16 * i), u64_at(168 + 16 * i), u64_at(upper), u64_at(upper + 8)];
    }
}

fn to_fx(state: &CpuState) -> Fx {
    let mut fx = Fx::reset();
    let mut put = |at: usize, bytes: &[u8]| fx.0[at..at + bytes.len()].copy_from_slice(bytes);
    let x87 = &state.x87;
    put(0, &x87.control.to_le_bytes());
    put(2, &x87.status.to_le_bytes());
    put(4, &[x87.valid]);
    put(6, &x87.opcode.to_le_bytes());
    put(8, &x87.ip.to_le_bytes());
    put(16, &x87.dp.to_le_bytes());
    put(24, &state.mxcsr.to_le_bytes());
    put(28, &0xffffu32.to_le_bytes());
    for i in 0..8 {
        let r = &x87.r[(x87.top() + i) % 8];
        put(32 + 16 * i, &r.significand.to_le_bytes());
        put(40 + 16 * i, &r.sign_exponent.to_le_bytes());
    }
    for (i, v) in state.vector.iter().enumerate() {
        put(160 + 16 * i, &v[0].to_le_bytes());
        put(168 + 16 * i, &v[1].to_le_bytes());
        put(FX_UPPER + 16 * i, &v[2].to_le_bytes());
        put(FX_UPPER + 8 + 16 * i, &v[3].to_le_bytes());
    }
    fx
}
