//! A CPU that runs x87 instructions from their bytes, and keeps what the bus was told.

use frontend_x86::decode;
use frontend_x86::model::Model;
use frontend_x86::op::Func;
use frontend_x86::{Cpu, Ctx, Exception, helper};
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{CpuBus, Signals, VmTime};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

/// Where operands are: linear and physical. The page behind the next one has no memory.
pub const OPERAND: u64 = 0x1000;
/// Where FSAVE images are.
pub const IMAGE: u64 = 0x2000;

/// A machine whose only device is the FERR# pin.
#[derive(Default)]
pub struct Bus {
    /// What it was set to last.
    pub ferr: Option<bool>,
}

impl CpuBus for Bus {
    fn port_read(&mut self, _: u16, _: u8) -> u32 {
        0
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {}
    fn port_read_block(&mut self, _: u16, _: u8, _: &mut [u8]) {}
    fn port_write_block(&mut self, _: u16, _: u8, _: &[u8]) {}
    fn mmio_read(&mut self, _: u64, _: u8) -> u64 {
        0
    }
    fn mmio_write(&mut self, _: u64, _: u8, _: u64) {}
    fn acknowledge(&mut self) -> Option<u8> {
        None
    }
    fn now(&mut self, _: u64) -> VmTime {
        VmTime::default()
    }
    fn tsc(&mut self, _: u64) -> u64 {
        0
    }
    fn cr8(&mut self) -> u8 {
        0
    }
    fn set_cr8(&mut self, _: u8) {}
    fn apic_msr_read(&mut self, _: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _: u32, _: u64) -> bool {
        false
    }
    fn set_ferr(&mut self, asserted: bool) {
        self.ferr = Some(asserted);
    }
    fn entropy(&mut self) -> u64 {
        0
    }
    fn stop_requested(&mut self) -> bool {
        false
    }
}

pub struct Machine {
    pub cpu: Cpu,
    pub bus: Bus,
    model: Arc<Model>,
    pub memory: Arc<GuestMemory>,
}

impl Machine {
    /// In 64-bit mode without paging (which no processor can be in, but no instruction here can tell), CR0.NE set.
    pub fn long() -> Self {
        let mut machine = Machine::real();
        let state = &mut machine.cpu.state;
        state.efer |= 1 << 10;
        state.cr0 |= 1 << 5 | 1;
        state.seg[1].attributes |= Segment::LONG;
        state.seg[1].selector = 0;
        machine.cpu.update_mode();
        machine
    }

    /// In real-address mode, with 64 KiB less a page of memory.
    pub fn real() -> Self {
        let memory = Arc::new(GuestMemory::new());
        let block = memory.add_block("ram", 0xf000).unwrap();
        memory.map(Region { base: 0, bytes: 0xf000, priority: 0, target: Target::Ram { block, offset: 0 } });
        let model = Arc::new(Model::by_name("max").unwrap());
        let mut cpu = Cpu::new(0, model.clone(), memory.clone(), Signals::new());
        cpu.update_mode();
        Machine { cpu, bus: Bus::default(), model, memory }
    }

    /// Runs an instruction as if it stood at `rip`. The address register of its operand is RDX.
    pub fn run(&mut self, rip: u64, code: &[u8], rdx: u64) -> Result<(), Exception> {
        let op = decode::decode(code, 0x100, self.cpu.mode, &self.model).unwrap().op;
        assert_eq!(op.ins.func, Func::Helper);
        self.cpu.rip = rip;
        self.cpu.next_rip = rip + code.len() as u64;
        self.cpu.regs[2] = rdx;
        let mut ctx = Ctx { cpu: &mut self.cpu, bus: &mut self.bus };
        helper::HELPERS[usize::from(op.helper)](&mut ctx, &op).map(|_| ())
    }

    pub fn read<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.memory.read(at, &mut bytes).unwrap();
        bytes
    }

    pub fn write(&self, at: u64, bytes: &[u8]) {
        self.memory.write(at, bytes).unwrap();
    }
}
