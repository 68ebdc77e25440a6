//! The smallest proof of life: loops in flat 32-bit code.

use backend_interp::InterpVcpu;
use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::cpu::state::Shadow;
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

#[test]
fn long_loops_take_no_stack() {
    // Stable Rust promises no tail calls. A handler that calls the next one instead of jumping to it leaves a few bytes on the stack.
    #[rustfmt::skip]
    let code = [
        0xb9, 0x40, 0x0d, 3, 0,                     // mov ecx, 200000
        0xbe, 0, 0, 1, 0, 0xbf, 0, 0, 2, 0,         // l: mov esi, 10000h; mov edi, 20000h
        0xe8, 0xec, 0x1f, 0, 0,                     // call f
        0x01, 0x06, 0x66, 0x01, 0x06, 0x00, 0x06,   // add [esi], eax; add [esi], ax; add [esi], al
        0x8b, 0x16, 0x66, 0x8b, 0x16, 0x8a, 0x16,   // mov edx, [esi]; mov dx, [esi]; mov dl, [esi]
        0x89, 0x17, 0x0f, 0xb6, 0x16, 0x0f, 0xbf, 0x16, // mov [edi], edx; movzx edx, byte [esi]; movsx edx, word [esi]
        0x0f, 0x44, 0x16, 0x0f, 0xaf, 0x16, 0xff, 0x06, // cmovz edx, [esi]; imul edx, [esi]; inc dword [esi]
        0xad, 0xab, 0xa5, 0xd1, 0x26, 0x49,         // lodsd; stosd; movsd; shl dword [esi], 1; dec ecx
        0x75, 0xcb,                                 // jnz l
        0xeb, 0xfe,
    ];
    // In another page, push eax; pop edx; enter a frame and leave it; ret
    let function = [0x50, 0x5a, 0x55, 0x89, 0xe5, 0xc9, 0xc3];
    let (mut vcpu, _) = flat(&code);
    vcpu.cpu().memory.write(0x3000, &function).unwrap();
    let ended = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        assert_eq!(vcpu.run(&mut NoBus, Budget::about(6_000_000)), Exit::Budget);
        let state = vcpu.state();
        assert_eq!((state.rip, state.gpr[1]), (0x1000 + code.len() as u64 - 2, 0));
    });
    ended.unwrap().join().expect("the loop has ended");
}

#[test]
fn sti_casts_a_shadow_if_it_sets_if() {
    // sti; sti; s: jmp s
    let (mut vcpu, _) = flat(&[0xfb, 0xfb, 0xeb, 0xfe]);
    for shadow in [Shadow::Sti, Shadow::None] {
        assert_eq!(vcpu.run(&mut NoBus, Budget::exactly(1)), Exit::Budget);
        assert_eq!((vcpu.state().rflags, vcpu.state().shadow), (0x202, shadow));
    }
}
