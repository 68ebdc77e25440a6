//! Loops that are compiled give what the interpreter gives. How fast: `cargo run --release -p x86-tests --bin loops`.

mod common;

use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Options, Statistics};
use common::{CODE, memory, model, state};
use lyrebird_core::{Budget, CpuState, Exit, NoBus, Signals, Vcpu};

/// Each 32-bit loop ends in a jump to itself.
const LOOPS: [(&str, &[u8]); 5] = [
    // mov ecx, 3<<24; xor eax, eax; l: add eax, ecx; dec ecx; jnz l
    ("sum", &[0xb9, 0, 0, 0, 3, 0x31, 0xc0, 0x01, 0xc8, 0x49, 0x75, 0xfb, 0xeb, 0xfe]),
    // mov ecx, 3<<24; mov esi, 4000h; l: movzx eax, byte [esi]; add [esi+4], eax; xor ebx, eax; lea esi, [esi];
    // cmp ebx, 100; je +0; dec ecx; jnz l
    (
        "memory",
        &[
            0xb9, 0, 0, 0, 3, 0xbe, 0, 0x40, 0, 0, 0x0f, 0xb6, 0x06, 0x01, 0x46, 4, 0x31, 0xc3, 0x83, 0xfb, 100, 0x74,
            0, 0x49, 0x75, 0xf0, 0xeb, 0xfe,
        ],
    ),
    // mov ecx, 3<<24; l: call f; dec ecx; jnz l; s: jmp s; f: add eax, ecx; ror eax, 3; ret
    ("call", &[0xb9, 0, 0, 0, 3, 0xe8, 5, 0, 0, 0, 0x49, 0x75, 0xf8, 0xeb, 0xfe, 0x01, 0xc8, 0xc1, 0xc8, 3, 0xc3]),
    // mov ecx, 3<<24; l: imul eax, eax, 1664525; add eax, 1013904223; mov edx, eax; shr edx, 16; adc ebx, edx; dec ecx;
    // jnz l
    (
        "random",
        &[
            0xb9, 0, 0, 0, 3, 0x69, 0xc0, 0x0d, 0x66, 0x19, 0, 0x05, 0x5f, 0xf3, 0x6e, 0x3c, 0x89, 0xc2, 0xc1, 0xea,
            16, 0x11, 0xd3, 0x49, 0x75, 0xeb, 0xeb, 0xfe,
        ],
    ),
    // mov ecx, 3<<24; l: mov esi, 4000h; mov edi, esi; movsb; pxor xmm0, xmm1; dec ecx; jnz l
    (
        "strings",
        &[
            0xb9, 0, 0, 0, 3, 0xbe, 0, 0x40, 0, 0, 0x89, 0xf7, 0xa4, 0x66, 0x0f, 0xef, 0xc1, 0x49, 0x75, 0xf1, 0xeb,
            0xfe,
        ],
    ),
];

fn run(vcpu: &mut dyn Vcpu, start: &CpuState, budget: Budget) -> CpuState {
    vcpu.set_state(start);
    assert_eq!(vcpu.run(&mut NoBus, budget), Exit::Budget);
    vcpu.state()
}

fn each(budget: Budget, mut check: impl FnMut(&str, CpuState, CpuState)) {
    for (name, code) in LOOPS {
        let (m, n) = (memory(), memory());
        m.write(CODE, code).unwrap();
        n.write(CODE, code).unwrap();
        let mut interp = InterpVcpu::new(0, model(), m, Signals::new());
        let mut jit = JitVcpu::new(0, model(), n, Signals::new(), Options::default()).unwrap();
        let start = state(&mut interp, false);
        check(name, run(&mut interp, &start, budget), run(&mut jit, &start, budget));
    }
}

#[test]
fn loops_end_alike() {
    // Many budgets, so that the end falls anywhere in a trace.
    for budget in [3000, 5001, 7777, 100_003] {
        // Compiled loops look at an approximate budget only where they jump back.
        each(Budget::exactly(budget), |name, expected, got| assert_eq!(expected, got, "{name} after {budget}"));
    }
}

/// Code of the guest's in two machines, run by both engines to the same end; what was compiled.
fn alike(parts: &[(u64, &[u8])], budget: u64) -> Statistics {
    let (m, n) = (memory(), memory());
    for (at, code) in parts {
        m.write(*at, code).unwrap();
        n.write(*at, code).unwrap();
    }
    let mut interp = InterpVcpu::new(0, model(), m, Signals::new());
    let options = Options { threshold: 200, verify: true, ..Options::default() };
    let mut jit = JitVcpu::new(0, model(), n, Signals::new(), options).unwrap();
    let start = state(&mut interp, false);
    let budget = Budget::exactly(budget);
    assert_eq!(run(&mut interp, &start, budget), run(&mut jit, &start, budget));
    jit.statistics()
}

#[test]
fn what_turns_out_otherwise_is_compiled_anew() {
    // mov ecx, 40000; l: cmp ecx, 30000; ja m; inc ebx; imul eax, ebx, 3; m: add eax, ecx; dec ecx; jnz l; s: jmp s
    let code = [
        0xb9, 0x40, 0x9c, 0, 0, 0x81, 0xf9, 0x30, 0x75, 0, 0, 0x77, 0x04, 0x43, 0x6b, 0xc3, 3, 0x01, 0xc8, 0x49, 0x75,
        0xef, 0xeb, 0xfe,
    ];
    let statistics = alike(&[(CODE, &code)], 250_000);
    // Once: where it was left has been counted.
    assert_eq!(statistics.reconsidered, 1, "{statistics:?}");
    // The other way round: the jump is not taken at first. Its target then begins a region of its own, with the whole loop.
    let mut other = code;
    other[11] = 0x76;
    let statistics = alike(&[(CODE, &other)], 250_000);
    assert!(statistics.traces >= 2 && statistics.reconsidered <= 1, "{statistics:?}");
}

#[test]
fn a_region_is_entered_in_many_places() {
    // mov ecx, 3000; l: call 2000h; xor eax, ecx; call 2020h; dec ecx; jnz l; s: jmp s
    let main = [
        0xb9, 0xb8, 0x0b, 0, 0, 0xe8, 0xf6, 0x0f, 0, 0, 0x31, 0xc8, 0xe8, 0x0f, 0x10, 0, 0, 0x49, 0x75, 0xf1, 0xeb,
        0xfe,
    ];
    // 2000h: test ecx, 1; jz 2020h; add eax, 5; ret | 2020h: rol eax, 3; add eax, ecx; ret
    let first = [0xf7, 0xc1, 1, 0, 0, 0, 0x74, 0x18, 0x83, 0xc0, 5, 0xc3];
    let second = [0xc1, 0xc0, 3, 0x01, 0xc8, 0xc3];
    let statistics = alike(&[(CODE, &main), (0x2000, &first), (0x2020, &second)], 40_000);
    assert!(statistics.traces > 0 && statistics.traces < 10, "{statistics:?}");
}

#[test]
fn what_is_entered_very_often_is_compiled_with_what_it_calls() {
    // mov ecx, 1000; a: call 2000h; dec ecx; jnz a; mov ecx, 30000; b: xor eax, ecx; call 2000h; add ebx, eax; dec ecx; jnz b;
    // s: jmp s
    let main = [
        0xb9, 0xe8, 3, 0, 0, 0xe8, 0xf6, 0x0f, 0, 0, 0x49, 0x75, 0xf8, 0xb9, 0x30, 0x75, 0, 0, 0x31, 0xc8, 0xe8, 0xe7,
        0x0f, 0, 0, 0x01, 0xc3, 0x49, 0x75, 0xf4, 0xeb, 0xfe,
    ];
    // 2000h: rol eax, 3; test ecx, 7; jz e; add eax, 5; e: ret
    let function = [0xc1, 0xc0, 3, 0xf7, 0xc1, 7, 0, 0, 0, 0x74, 3, 0x83, 0xc0, 5, 0xc3];
    // The function is in the first loop's region when the second one calls it.
    let statistics = alike(&[(CODE, &main), (0x2000, &function)], 250_001);
    assert!(statistics.widened >= 1, "{statistics:?}");
}

#[test]
fn what_goes_round_for_long_is_compiled_with_what_it_goes_round_in() {
    // l: inc eax; test al, 1; jz m; add ebx, 3; m: xor edx, eax; jmp l
    let code = [0x40, 0xa8, 1, 0x74, 3, 0x83, 0xc3, 3, 0x31, 0xc2, 0xeb, 0xf4];
    let memory = memory();
    memory.write(CODE, &code).unwrap();
    let options = Options { threshold: 200, verify: true, ..Options::default() };
    let mut jit = JitVcpu::new(0, model(), memory, Signals::new(), options).unwrap();
    let start = state(&mut jit, false);
    jit.set_state(&start);
    // A region is compiled anew after 10,000 entries; this one is entered some hundred times.
    for _ in 0..200 {
        assert_eq!(jit.run(&mut NoBus, Budget::about(10_000)), Exit::Budget);
    }
    let statistics = jit.statistics();
    assert!(statistics.widened >= 1, "{statistics:?}");
}

#[test]
fn returns_are_known_behind_each_of_many_calls() {
    // mov ecx, 1000; a: call 2000h; dec ecx; jnz a; mov ecx, 10000; b: call 2000h (five times); xor ebx, eax; dec ecx; jnz b; s: jmp s
    let mut main = vec![0xb9, 0xe8, 3, 0, 0, 0xe8, 0xf6, 0x0f, 0, 0, 0x49, 0x75, 0xf8, 0xb9, 0x10, 0x27, 0, 0];
    for n in 0..5 {
        main.extend([0xe8, 0xe9 - 5 * n, 0x0f, 0, 0]);
    }
    main.extend([0x31, 0xc3, 0x49, 0x75, 0xe2, 0xeb, 0xfe]);
    // 2000h: test ecx, 1; jz e; call 2020h; e: add eax, ecx; ret | 2020h: rol eax, 3; ret
    let outer = [0xf7, 0xc1, 1, 0, 0, 0, 0x74, 5, 0xe8, 0x13, 0, 0, 0, 0x01, 0xc8, 0xc3];
    let inner = [0xc1, 0xc0, 3, 0xc3];
    let statistics = alike(&[(CODE, &main), (0x2000, &outer), (0x2020, &inner)], 400_001);
    assert!(statistics.traces > 0 && statistics.traces < 8, "{statistics:?}");
}

#[test]
fn a_stack_frame_lies_in_two_pages_for_one_of_two_callers() {
    // mov ecx, 3000; l: mov esp, 7004h; call 2000h; mov esp, 7800h; call 2000h; dec ecx; jnz l; s: jmp s
    let main = [
        0xb9, 0xb8, 0x0b, 0, 0, 0xbc, 0x04, 0x70, 0, 0, 0xe8, 0xf1, 0x0f, 0, 0, 0xbc, 0, 0x78, 0, 0, 0xe8, 0xe7, 0x0f,
        0, 0, 0x49, 0x75, 0xe9, 0xeb, 0xfe,
    ];
    // push ecx; push eax; push ebx; add eax, [esp+8]; pop ebx; pop edx; pop ecx; ret
    let function = [0x51, 0x50, 0x53, 0x03, 0x44, 0x24, 8, 0x5b, 0x5a, 0x59, 0xc3];
    let statistics = alike(&[(CODE, &main), (0x2000, &function)], 70_001);
    assert!((1..=8).contains(&statistics.reconsidered), "{statistics:?}");
}

#[test]
fn jumps_across_pages() {
    // mov ecx, 100000; l: add eax, ecx; jmp 3000h; s: jmp s | 3000h: dec ecx; jnz l; jmp s
    let (m, n) = (memory(), memory());
    for memory in [&m, &n] {
        memory.write(CODE, &[0xb9, 0xa0, 0x86, 1, 0, 0x01, 0xc8, 0xe9, 0xf4, 0x1f, 0, 0, 0xeb, 0xfe]).unwrap();
        memory.write(0x3000, &[0x49, 0x0f, 0x85, 0xfe, 0xdf, 0xff, 0xff, 0xe9, 0x00, 0xe0, 0xff, 0xff]).unwrap();
    }
    let mut interp = InterpVcpu::new(0, model(), m, Signals::new());
    let mut jit = JitVcpu::new(0, model(), n, Signals::new(), Options::default()).unwrap();
    let start = state(&mut interp, false);
    for budget in [1000, 10_001, 500_003] {
        assert_eq!(run(&mut jit, &start, Budget::exactly(budget)), run(&mut interp, &start, Budget::exactly(budget)));
    }
    assert_eq!(jit.state().rip, 0x100c);
    assert_eq!(jit.state().gpr[0], 5_000_050_000 & 0xffff_ffff);
    assert!(jit.statistics().traces >= 2);
}

#[test]
fn loops_compiled_beside_end_alike() {
    for (name, code) in LOOPS {
        let (m, n) = (memory(), memory());
        m.write(CODE, code).unwrap();
        n.write(CODE, code).unwrap();
        let mut interp = InterpVcpu::new(0, model(), m, Signals::new());
        let options = Options { background: true, ..Options::default() };
        let mut jit = JitVcpu::new(0, model(), n.clone(), Signals::new(), options).unwrap();
        let start = state(&mut interp, false);
        let expected = run(&mut interp, &start, Budget::exactly(3_000_000));
        // The code is ready sooner or later, and then entered.
        for _ in 0..100 {
            assert_eq!(run(&mut jit, &start, Budget::exactly(3_000_000)), expected, "{name}");
            // The same code again makes it stale: whatever is in flight must not be installed.
            if jit.statistics().traces > 4 {
                break;
            }
            n.write(CODE, code).unwrap();
        }
        assert!(jit.statistics().traces > 0, "{name}: {:?}", jit.statistics());
    }
}
