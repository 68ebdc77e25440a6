//! The smallest proof of life: loops in flat 32-bit code.

use backend_interp::InterpVcpu;
use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{Budget, CpuBus, CpuState, Exit, Signals, Vcpu, VmTime};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

struct NoBus;
impl CpuBus for NoBus {
    fn port_read(&mut self, _: u16, _: u8) -> u32 {
        0
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {}
    fn port_read_block(&mut self, _: u16, _: u8, _: &mut [u8]) {}
    fn port_write_block(&mut self, _: u16, _: u8, _: &[u8]) {}
    fn mmio_read(&mut self, _: u64, _: u8) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _: u64, _: u8, _: u64) {}
    fn acknowledge(&mut self) -> Option<u8> {
        None
    }
    fn now(&mut self, retired: u64) -> VmTime {
        VmTime(retired)
    }
    fn tsc(&mut self, retired: u64) -> u64 {
        retired
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
    fn set_ferr(&mut self, _: bool) {}
    fn entropy(&mut self) -> u64 {
        4
    }
    fn stop_requested(&mut self) -> bool {
        false
    }
}

fn flat(code: &[u8]) -> (InterpVcpu, CpuState) {
    let memory = Arc::new(GuestMemory::new());
    let ram = memory.add_block("ram", 0x10_0000).unwrap();
    memory.map(Region { base: 0, bytes: 0x10_0000, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
    memory.write(0x1000, code).unwrap();
    let model = Arc::new(Model::by_name("max").unwrap());
    let mut vcpu = InterpVcpu::new(0, model, memory, Signals::new());
    let mut state = vcpu.state();
    let data = Segment { selector: 0x10, base: 0, limit: u32::MAX, attributes: 0xc093 };
    state.seg = [data; 6];
    state.seg[1] = Segment { selector: 8, attributes: 0xc09b, ..data };
    state.cr0 = 0x11;
    state.rip = 0x1000;
    state.gpr[4] = 0x8000;
    vcpu.set_state(&state);
    (vcpu, state)
}

#[test]
fn a_sum_in_a_loop() {
    // mov ecx, 1000; xor eax, eax; l: add eax, ecx; dec ecx; jnz l; mov [0x2000], eax; s: jmp s
    let code = [0xb9, 0xe8, 3, 0, 0, 0x31, 0xc0, 0x01, 0xc8, 0x49, 0x75, 0xfb, 0xa3, 0, 0x20, 0, 0, 0xeb, 0xfe];
    let (mut vcpu, _) = flat(&code);
    assert_eq!(vcpu.run(&mut NoBus, Budget::about(10_000)), Exit::Budget);
    let state = vcpu.state();
    assert_eq!(state.gpr[0], 500_500);
    assert_eq!(state.gpr[1], 0);
    assert_eq!(state.rip, 0x1011);
    assert_eq!(vcpu.retired(), state.retired);
}

#[test]
fn budgets_are_exact_when_asked() {
    let code = [0xb9, 0xe8, 3, 0, 0, 0x31, 0xc0, 0x01, 0xc8, 0x49, 0x75, 0xfb, 0xa3, 0, 0x20, 0, 0, 0xeb, 0xfe];
    let (mut vcpu, start) = flat(&code);
    for n in [1, 2, 3, 4, 5, 6, 100, 1000, 2999] {
        vcpu.set_state(&start);
        assert_eq!(vcpu.run(&mut NoBus, Budget::exactly(n)), Exit::Budget);
        assert_eq!(vcpu.state().retired, n);
        let whole = vcpu.state();
        vcpu.set_state(&start);
        for _ in 0..n {
            vcpu.run(&mut NoBus, Budget::exactly(1));
        }
        assert_eq!(vcpu.state(), whole, "after {n}");
    }
}
