//! Tests of system instructions and events on a CPU with memory and a bus that does nothing.

mod delivery;
mod instructions;
mod spaces;
mod transfers;

use super::boundary::{self, Boundary};
use super::control::{cr0, efer};
use super::raise::raise;
use crate::cpu::Cpu;
use crate::ctx::{Ctx, Then};
use crate::decode;
use crate::exception::Exception;
use crate::helper::HELPERS;
use crate::model::Model;
use crate::op::{Func, RIP_BASE};
use lyrebird_core::cpu::segment::{SegReg, Segment, TableRegister};
use lyrebird_core::{CpuBus, Signals, VmTime};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

/// A bus that remembers what was written to ports.
#[derive(Default)]
pub struct Bus {
    pub written: Vec<(u16, u8, u32)>,
    pub vector: Option<u8>,
}

impl CpuBus for Bus {
    fn port_read(&mut self, port: u16, _bytes: u8) -> u32 {
        u32::from(port & 0xff) * 0x0101_0101
    }
    fn port_write(&mut self, port: u16, bytes: u8, value: u32) {
        self.written.push((port, bytes, value));
    }
    fn port_read_block(&mut self, port: u16, _bytes: u8, data: &mut [u8]) {
        data.fill(port as u8);
    }
    fn port_write_block(&mut self, port: u16, bytes: u8, data: &[u8]) {
        self.written.push((port, bytes, data.len() as u32));
    }
    fn mmio_read(&mut self, _gpa: u64, _bytes: u8) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _gpa: u64, _bytes: u8, _value: u64) {}
    fn acknowledge(&mut self) -> Option<u8> {
        self.vector.take()
    }
    fn now(&mut self, _retired: u64) -> VmTime {
        VmTime::default()
    }
    fn tsc(&mut self, _retired: u64) -> u64 {
        1000
    }
    fn cr8(&mut self) -> u8 {
        5
    }
    fn set_cr8(&mut self, _value: u8) {}
    fn apic_msr_read(&mut self, _index: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _index: u32, _value: u64) -> bool {
        false
    }
    fn set_ferr(&mut self, _asserted: bool) {}
    fn entropy(&mut self) -> u64 {
        0x1234_5678_9abc_def0
    }
    fn stop_requested(&mut self) -> bool {
        false
    }
}

/// Where the machine of the tests keeps its tables.
pub const GDT: u64 = 0x1000;
pub const IDT: u64 = 0x2000;
pub const TSS: u64 = 0x3000;
/// Where its stacks begin, for level 0 and for the current one.
pub const STACK_0: u64 = 0x8000;
pub const STACK: u64 = 0x9000;
pub const CODE: u64 = 0x10000;

/// Selectors of the test machine's GDT.
pub const CODE_0: u16 = 0x08;
pub const DATA_0: u16 = 0x10;
pub const CODE_3: u16 = 0x18 | 3;
pub const DATA_3: u16 = 0x20 | 3;
pub const TSS_SELECTOR: u16 = 0x28;
/// Free for tests; in long mode a 16-byte descriptor's place ends here.
pub const FREE: u16 = 0x38;

pub struct Machine {
    pub cpu: Cpu,
    pub bus: Bus,
}

impl Machine {
    /// A CPU in real mode with 2 MiB of memory.
    pub fn real() -> Machine {
        let memory = Arc::new(GuestMemory::new());
        let block = memory.add_block("ram", 0x20_0000).unwrap();
        memory.map(Region { base: 0, bytes: 0x20_0000, priority: 0, target: Target::Ram { block, offset: 0 } });
        let model = Arc::new(Model::by_name("max").unwrap());
        let mut machine = Machine { cpu: Cpu::new(0, model, memory, Signals::new()), bus: Bus::default() };
        machine.cpu.state.seg[1] = Segment::real(0x1000);
        machine.cpu.state.seg[2] = Segment::real(0);
        machine.cpu.regs[4] = STACK;
        machine.cpu.rip = 0;
        machine.cpu.update_mode();
        machine
    }

    /// 32-bit protected mode at a privilege level, flat, with a GDT, an IDT with no gates and a TSS.
    pub fn protected(cpl: u8) -> Machine {
        let mut m = Machine::real();
        let flat = 0x00cf_9200_0000_ffff_u64;
        m.poke(GDT + 0x08, 8, flat | 0x8 << 40);
        m.poke(GDT + 0x10, 8, flat);
        m.poke(GDT + 0x18, 8, flat | 0x68 << 40);
        m.poke(GDT + 0x20, 8, flat | 0x60 << 40);
        m.tss(TSS_SELECTOR, TSS, 9);
        m.poke(TSS + 4, 4, STACK_0);
        m.poke(TSS + 8, 2, u64::from(DATA_0));
        m.poke(TSS + 0x66, 2, 0x68);
        m.cpu.state.gdtr = TableRegister { base: GDT, limit: 0x7f };
        m.cpu.state.idtr = TableRegister { base: IDT, limit: 0x7ff };
        m.cpu.state.cr0 |= cr0::PE;
        let data = if cpl == 0 { DATA_0 } else { DATA_3 };
        let code = if cpl == 0 { CODE_0 } else { CODE_3 };
        for seg in SegReg::ALL {
            let selector = if seg == SegReg::Cs { code } else { data };
            let raw = m.peek(GDT + u64::from(selector & !7), 8);
            m.cpu.state.seg[seg as usize] = super::descriptor::Descriptor { raw, at: 0 }.segment(selector);
        }
        m.cpu.state.tr = Segment { selector: TSS_SELECTOR, base: TSS, limit: 0x67, attributes: Segment::PRESENT | 11 };
        m.cpu.rip = CODE;
        m.cpu.regs[4] = STACK;
        m.cpu.update_mode();
        m
    }

    /// 64-bit mode, everything mapped one to one by 2 MiB pages.
    pub fn long(cpl: u8) -> Machine {
        let mut m = Machine::protected(cpl);
        m.poke(0x10_0000, 8, 0x10_1007);
        m.poke(0x10_1000, 8, 0x10_2007);
        m.poke(0x10_2000, 8, 0x87);
        m.cpu.state.cr3 = 0x10_0000;
        m.cpu.state.cr4 |= super::control::cr4::PAE;
        m.cpu.state.cr0 |= cr0::PG | cr0::WP;
        m.cpu.state.efer = efer::LME | efer::LMA | efer::SCE | efer::NXE;
        for at in [GDT + 0x08, GDT + 0x18] {
            let raw = m.peek(at, 8);
            m.poke(at, 8, raw & !(1 << 54) | 1 << 53);
        }
        let cs = &mut m.cpu.state.seg[1];
        cs.attributes = cs.attributes & !Segment::DEFAULT_BIG | Segment::LONG;
        m.cpu.tlb.flush_all();
        m.cpu.update_mode();
        m
    }

    pub fn tss(&mut self, selector: u16, base: u64, kind: u64) {
        let raw = 0x67 | (base & 0xff_ffff) << 16 | (0x80 | kind) << 40;
        self.poke(GDT + u64::from(selector & !7), 8, raw);
    }

    pub fn poke(&mut self, at: u64, bytes: usize, value: u64) {
        self.cpu.memory.write_uint(at, bytes, value).unwrap();
    }

    pub fn peek(&self, at: u64, bytes: usize) -> u64 {
        self.cpu.memory.read_uint(at, bytes).unwrap()
    }

    /// A gate in the IDT of protected mode.
    pub fn gate(&mut self, vector: u64, kind: u64, dpl: u64, selector: u16, offset: u64) {
        let raw = offset & 0xffff | u64::from(selector) << 16 | (0x80 | dpl << 5 | kind) << 40 | (offset >> 16) << 48;
        self.poke(IDT + vector * 8, 8, raw);
    }

    /// A gate in the IDT of long mode.
    pub fn gate64(&mut self, vector: u64, kind: u64, dpl: u64, ist: u64, offset: u64) {
        let low = offset & 0xffff
            | u64::from(CODE_0) << 16
            | ist << 32
            | (0x80 | dpl << 5 | kind) << 40
            | (offset >> 16 & 0xffff) << 48;
        self.poke(IDT + vector * 16, 8, low);
        self.poke(IDT + vector * 16 + 8, 8, offset >> 32);
    }

    pub fn ctx(&mut self) -> Ctx<'_> {
        Ctx { cpu: &mut self.cpu, bus: &mut self.bus }
    }

    /// Decodes an instruction at RIP and executes it, if it is a plain function. RIP moves as an engine would move it.
    pub fn exec(&mut self, bytes: &[u8]) -> Result<Then, Exception> {
        let offset = (self.cpu.rip & 0xfff) as u16;
        let decoded = decode::decode(bytes, offset, self.cpu.mode, &self.cpu.model).unwrap();
        assert_eq!(decoded.op.ins.func, Func::Helper, "{bytes:x?} is no helper");
        assert_eq!(usize::from(decoded.op.len), bytes.len(), "{bytes:x?}");
        self.cpu.regs[RIP_BASE as usize] = self.cpu.rip & !0xfff;
        self.cpu.next_rip = self.cpu.rip + bytes.len() as u64;
        let done = HELPERS[usize::from(decoded.op.helper)](&mut self.ctx(), &decoded.op);
        if done.is_ok() {
            self.cpu.rip = self.cpu.next_rip;
        }
        done
    }

    pub fn raise(&mut self, e: Exception) -> bool {
        raise(&mut self.ctx(), e)
    }

    pub fn poll(&mut self) -> Boundary {
        boundary::poll(&mut self.ctx())
    }

    /// What lies on the current stack, `bytes` wide.
    pub fn on_stack(&self, index: u64, bytes: usize) -> u64 {
        self.peek(self.cpu.regs[4] + index * bytes as u64, bytes)
    }

    pub fn selectors(&self) -> [u16; 6] {
        std::array::from_fn(|i| self.cpu.state.seg[i].selector)
    }
}
