//! Loops that copy memory item by item, which are done many iterations at once: after any number of instructions everything is as
//! if they had been executed one by one.

use backend_interp::InterpVcpu;
use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{Budget, CpuState, Exit, NoBus, Signals, Vcpu};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

const RAM: u64 = 0x1_0000;

fn machine(code: &[u8], long: bool) -> (InterpVcpu, CpuState, Arc<GuestMemory>) {
    let memory = Arc::new(GuestMemory::new());
    let ram = memory.add_block("ram", RAM).unwrap();
    memory.map(Region { base: 0, bytes: RAM, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
    let bytes: Vec<u8> = (0..RAM).map(|n| (n * 7 + (n >> 8) * 13) as u8).collect();
    memory.write(0, &bytes).unwrap();
    memory.write(0x1000, code).unwrap();
    let model = Arc::new(Model::by_name("max").unwrap());
    let mut vcpu = InterpVcpu::new(0, model, memory.clone(), Signals::new());
    let mut state = vcpu.state();
    let data = Segment { selector: 0x10, base: 0, limit: u32::MAX, attributes: 0xc093 };
    state.seg = [data; 6];
    state.seg[1] = Segment { selector: 8, attributes: if long { 0xa09b } else { 0xc09b }, ..data };
    state.cr0 = 0x11;
    if long {
        // 2 MiB, each linear address as it is.
        memory.write(0xc000, &0xd003u64.to_le_bytes()).unwrap();
        memory.write(0xd000, &0xe003u64.to_le_bytes()).unwrap();
        memory.write(0xe000, &0x83u64.to_le_bytes()).unwrap();
        (state.cr3, state.cr4, state.efer, state.cr0) = (0xc000, 0x20, 0x500, 0x8000_0011);
    }
    state.rip = 0x1000;
    state.gpr[4] = 0x8000;
    (vcpu, state, memory)
}

fn contents(memory: &GuestMemory) -> Vec<u8> {
    let mut bytes = vec![0; 0xc000];
    memory.read(0, &mut bytes).unwrap();
    bytes
}

/// Runs to HLT behind the loop at once, up to several places in it, and one by one.
fn check(name: &str, code: &[u8], long: bool, regs: &[(usize, u64)]) {
    let mut code = code.to_vec();
    code.extend([0xeb, 0xfe]);
    let start = |code: &[u8]| {
        let (mut vcpu, mut state, memory) = machine(code, long);
        for (r, v) in regs {
            state.gpr[*r] = *v;
        }
        vcpu.set_state(&state);
        (vcpu, memory)
    };
    let (mut one, slowly) = start(&code);
    let (mut at, mut checked) = (0u64, 0);
    for budget in [7, 150, 400, 1000, 1003, 2500, 6001, 20_000] {
        while at < budget {
            assert_eq!(one.run(&mut NoBus, Budget::exactly(1)), Exit::Budget, "{name}");
            at += 1;
        }
        let (mut many, quickly) = start(&code);
        assert_eq!(many.run(&mut NoBus, Budget::exactly(budget)), Exit::Budget, "{name}");
        assert_eq!(many.state(), one.state(), "{name} after {budget} with {regs:x?}");
        assert!(contents(&quickly) == contents(&slowly), "{name} after {budget} with {regs:x?}: memory");
        checked += 1;
    }
    assert_eq!(checked, 8);
}

const LOOPS_32: &[(&str, &[u8])] = &[
    // l: cmp ecx, edi; je out; movsb; jmp l
    ("movsb up to an address", &[0x39, 0xf9, 0x74, 0x03, 0xa4, 0xeb, 0xf9]),
    // l: sub ecx, 1; jb out; mov dl, [esi+ecx]; mov [eax+ecx], dl; jmp l
    ("backwards", &[0x83, 0xe9, 0x01, 0x72, 0x08, 0x8a, 0x14, 0x0e, 0x88, 0x14, 0x08, 0xeb, 0xf3]),
    // l: mov al, [esi]; mov [edi], al; inc esi; inc edi; dec ecx; jnz l
    ("counted", &[0x8a, 0x06, 0x88, 0x07, 0x46, 0x47, 0x49, 0x75, 0xf7]),
    // l: mov edx, [esi]; add esi, 4; mov [edi], edx; add edi, 4; cmp esi, ecx; jb l
    ("words below an address", &[0x8b, 0x16, 0x83, 0xc6, 4, 0x89, 0x17, 0x83, 0xc7, 4, 0x39, 0xce, 0x72, 0xf2]),
    // l: movzx edx, word [esi+ebx*2]; mov [edi+ebx*2], dx; lea ebx, [ebx+1]; cmp ecx, ebx; ja l
    ("indexed", &[0x0f, 0xb7, 0x14, 0x5e, 0x66, 0x89, 0x14, 0x5f, 0x8d, 0x5b, 1, 0x39, 0xd9, 0x77, 0xf2]),
    // l: movsd; dec ecx; test ecx, ecx; jnz l
    ("movsd counted", &[0xa5, 0x49, 0x85, 0xc9, 0x75, 0xfa]),
    // l: lodsb is no part of any: mov dl, [esi]; mov [edi], dl; inc esi; inc edi; test dl, dl; jnz l
    ("up to a zero", &[0x8a, 0x16, 0x88, 0x17, 0x46, 0x47, 0x84, 0xd2, 0x75, 0xf6]),
    // l: mov dl, [esi]; mov [edi], dl; add esi, 3; dec edi; sub ecx, 2; jae l
    ("steps of their own", &[0x8a, 0x16, 0x88, 0x17, 0x83, 0xc6, 3, 0x4f, 0x83, 0xe9, 2, 0x73, 0xf3]),
];

#[test]
fn loops_of_32_bit_code() {
    for (name, code) in LOOPS_32 {
        for (from, to) in
            [(0x3000, 0x5000), (0x3ff0, 0x5ffd), (0x3000, 0x3001), (0x3001, 0x3000), (0x3456, 0x8003), (0x6000, 0x3a01)]
        {
            for count in [0, 1, 3, 4, 5, 6, 100, 1000, 5000] {
                let (esi, edi, mut ecx, mut ebx) = (from, to, count, 0);
                match *name {
                    "movsb up to an address" => ecx = to + count,
                    "words below an address" => ecx = from + count,
                    "indexed" => (ecx, ebx) = (count / 2, count & 3),
                    _ => {}
                }
                check(name, code, false, &[(6, esi), (7, edi), (0, to), (1, ecx), (3, ebx)]);
            }
        }
    }
}

#[test]
fn they_may_store_beside_and_into_their_own_code() {
    for to in [0x1100, 0x0fc0, 0x0f80] {
        check("counted", LOOPS_32[2].1, false, &[(6, 0x3000), (7, to), (1, 60)]);
    }
    // What is copied is the loop itself, one byte further on: it goes on as it was.
    check("counted", LOOPS_32[2].1, false, &[(6, 0x1000), (7, 0x1040), (1, 11)]);
}

#[test]
fn downwards_with_the_direction_flag() {
    // std; l: cmp ecx, edi; je out; movsb; jmp l
    check("std", &[0xfd, 0x39, 0xf9, 0x74, 3, 0xa4, 0xeb, 0xf9], false, &[(6, 0x3800), (7, 0x5800), (1, 0x5000)]);
}

#[test]
fn loops_of_64_bit_code() {
    // l: mov rdx, [rsi+rcx*8-8]; mov [rdi+rcx*8-8], rdx; dec rcx; jne l
    let quads: &[u8] = &[0x48, 0x8b, 0x54, 0xce, 0xf8, 0x48, 0x89, 0x54, 0xcf, 0xf8, 0x48, 0xff, 0xc9, 0x75, 0xf1];
    // l: mov dl, [rsi]; mov [rdi], dl; inc rsi; inc rdi; dec ecx; jnz l: the upper half of RCX goes.
    let bytes: &[u8] = &[0x8a, 0x16, 0x88, 0x17, 0x48, 0xff, 0xc6, 0x48, 0xff, 0xc7, 0xff, 0xc9, 0x75, 0xf2];
    for count in [1, 2, 5, 6, 7, 500, 700] {
        check("quads", quads, true, &[(6, 0x3001), (7, 0x6000), (1, count)]);
        check("bytes", bytes, true, &[(6, 0x3fff), (7, 0x6000), (1, 0x7_0000_0000 + count)]);
    }
}
