//! Accesses of 32-bit code by FS, with bases and limits of all kinds, on the interpreter and compiled, with equal ends.

mod common;
#[path = "common/rounds.rs"]
mod rounds;
#[path = "common/side.rs"]
mod side;

use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Options};
use common::{DATA, Random, memory, model, state};
use lyrebird_core::Signals;
use lyrebird_core::cpu::segment::Segment;
use side::Side;

const CASES: u64 = 4_000;

/// An offset, mostly near zero.
fn offset(r: &mut Random) -> u32 {
    match r.below(12) {
        0 => 0u32.wrapping_sub(4 * r.below(12) as u32),
        1 => 0u32.wrapping_sub(r.below(8) as u32),
        2 => 0x7c + r.below(8) as u32,
        3 => 0xff0 + r.below(32) as u32,
        _ => 4 * r.below(24) as u32,
    }
}

fn instruction(r: &mut Random, out: &mut Vec<u8>) {
    let reg = r.below(4) as u8;
    let opcode: &[u8] = match r.below(8) {
        0..=2 => &[0x8b],   // MOV from memory
        3 => &[0x66, 0x8b], // of 16 bits
        4 => &[0x8a],       // of 8
        5 | 6 => &[0x89],   // to memory
        _ => &[0x01],       // ADD to memory
    };
    out.push(0x64);
    out.extend(opcode);
    if r.one_in(3) {
        out.extend([0x46 | reg << 3, offset(r) as u8]); // [ESI + a byte]
    } else {
        out.push(0x05 | reg << 3);
        out.extend(offset(r).to_le_bytes());
    }
}

/// FS: endless mostly, or short, expand-down, or read-only.
fn segment(r: &mut Random) -> Segment {
    let base = DATA + [0x800, 0xfc0, 0xffe, 0x80][r.below(4) as usize];
    let short = [0x1f, 0x5f, 0x7f, 0x82, 0xfff][r.below(5) as usize];
    let limit = if r.one_in(2) { u32::MAX } else { short };
    let attributes = match r.below(8) {
        0 => 0xc097,
        1 => 0xc091,
        _ => 0xc093,
    };
    Segment { selector: 0x18, base, limit, attributes }
}

#[test]
fn segments_limit_what_compiled_code_accesses() {
    let jit_memory = memory();
    let options = Options { threshold: 2, verify: cfg!(debug_assertions), ..Options::default() };
    let vcpu = JitVcpu::new(0, model(), jit_memory.clone(), Signals::new(), options).unwrap();
    let mut jit = Side { vcpu, memory: jit_memory };
    let interp_memory = memory();
    let interp = InterpVcpu::new(0, model(), interp_memory.clone(), Signals::new());
    let mut interp = Side { vcpu: interp, memory: interp_memory };
    let plain = state(&mut interp.vcpu, false);
    for case in 0..CASES {
        let mut r = Random(case);
        let n = 1 + r.below(10);
        let code = rounds::program(&mut r, n, instruction);
        let mut data: Vec<u8> = (0..0x2000).map(|_| r.next() as u8).collect();
        let at = 0x300;
        data[at - 4..at].copy_from_slice(&3u32.to_le_bytes());
        let mut start = plain.clone();
        start.gpr[5] = DATA + at as u64;
        start.gpr[6] = u64::from(offset(&mut r));
        for number in 0..4 {
            start.gpr[number] = r.next() & 0xffff_ffff;
        }
        start.rflags = 2 | r.next() & 0x8d5;
        start.seg[4] = segment(&mut r);
        let expected = interp.run(&code, &data, &start);
        let got = jit.run(&code, &data, &start);
        let bytes: Vec<String> = code.iter().map(|b| format!("{b:02x}")).collect();
        assert!(
            expected == got,
            "case {case}\n{}\n{:x?}\n{:?} {:x?}\n{:?} {:x?}",
            bytes.join(" "),
            start.seg[4],
            expected.0,
            expected.1,
            got.0,
            got.1,
        );
    }
    let s = jit.vcpu.statistics();
    assert!(s.traces > CASES / 4, "too little was compiled: {s:?}");
}
