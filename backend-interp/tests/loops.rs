//! The smallest proof of life: loops in flat 32-bit code.

use backend_interp::InterpVcpu;
use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{Budget, CpuState, Exit, NoBus, Signals, Vcpu};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

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

#[test]
fn an_exact_budget_of_a_traces_length_ends_before_an_instruction_across_pages() {
    // mov eax, 12345678h in the last bytes of a page, s: jmp s. The page behind is not in the TLB yet, so the trace that begins
    // here holds nothing that can be executed, whatever is set aside of the budget.
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for budget in 1..300 {
            let (mut vcpu, mut state) = flat(&[]);
            vcpu.cpu().memory.write(0x1ffe, &[0xb8, 0x78, 0x56, 0x34, 0x12, 0xeb, 0xfe]).unwrap();
            state.rip = 0x1ffe;
            vcpu.set_state(&state);
            assert_eq!(vcpu.run(&mut NoBus, Budget::exactly(budget)), Exit::Budget);
            let state = vcpu.state();
            assert_eq!((state.retired, state.gpr[0], state.rip), (budget, 0x1234_5678, 0x2003));
        }
        ended.send(()).unwrap();
    });
    end.recv_timeout(std::time::Duration::from_secs(60)).expect("no budget is an endless loop");
}
