//! More code than there is room for: what was compiled longest ago is dropped while the guest goes on, and compiled again.

mod common;

use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Options};
use common::{CODE, DATA, memory, model, state};
use lyrebird_core::{Budget, CpuState, NoBus, Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use std::sync::Arc;

/// A loop for each of so many numbers.
const LOOPS: u32 = 800;
/// All of them are executed so often.
const ROUNDS: u32 = 12;

fn program() -> Vec<u8> {
    let mut code = vec![0xbb]; // mov ebx, ROUNDS
    code.extend(ROUNDS.to_le_bytes());
    let again = code.len();
    for n in 0..LOOPS {
        code.extend([0xb9, 5, 0, 0, 0, 0x48, 0x05]); // mov ecx, 5; add rax, n
        code.extend(n.to_le_bytes());
        code.extend([0xff, 0xc9, 0x75, 0xf6]); // dec ecx; jne to the addition
    }
    code.extend([0xff, 0xcb, 0x0f, 0x85]); // dec ebx; jne again
    let back = again as i32 - (code.len() as i32 + 4);
    code.extend(back.to_le_bytes());
    code.extend([0xeb, 0xfe]);
    assert!(CODE + code.len() as u64 <= DATA);
    code
}

fn run(vcpu: &mut dyn Vcpu, memory: &GuestMemory) -> CpuState {
    memory.write(CODE, &program()).unwrap();
    let mut start = state(vcpu, true);
    start.gpr[0] = 0;
    vcpu.set_state(&start);
    // In pieces, so that a thread's work is taken over.
    for _ in 0..50 {
        vcpu.run(&mut NoBus, Budget::exactly(10_000));
        std::thread::yield_now();
    }
    vcpu.state()
}

#[test]
fn code_that_made_room_is_made_again() {
    let interp_memory = memory();
    let expected = run(&mut InterpVcpu::new(0, model(), interp_memory.clone(), Signals::new()), &interp_memory);
    assert_eq!(expected.gpr[0], u64::from(ROUNDS * 5 * (LOOPS * (LOOPS - 1) / 2)));
    for background in [false, true] {
        let memory: Arc<GuestMemory> = memory();
        let options = Options { threshold: 25, code_bytes: 96 << 10, background, ..Options::default() };
        let mut vcpu = JitVcpu::new(0, model(), memory.clone(), Signals::new(), options).unwrap();
        assert_eq!(run(&mut vcpu, &memory), expected);
        let statistics = vcpu.statistics();
        assert!(background || statistics.evicted > 20, "{statistics:?}");
        assert_eq!(statistics.refused, 0);
        eprintln!("{statistics:?}");
    }
}
