//! x87 programs on the interpreter and compiled, with equal ends: register stack, tags, status and pointers included. The
//! stack runs over and under, registers hold everything that they can, and exceptions are mostly, not always, masked.

mod common;
#[path = "common/rounds.rs"]
mod rounds;
#[path = "common/side.rs"]
mod side;

use backend_interp::InterpVcpu;
use backend_jit::{JitVcpu, Options};
use common::{DATA, Random, memory, model, state};
use lyrebird_core::Signals;
use lyrebird_core::cpu::x87::{X87, X87Register};
use side::Side;

/// A number's sign and exponent, and its significand, with a taste for edges.
fn ten(r: &mut Random) -> (u16, u64) {
    let sign = (r.below(2) as u16) << 15;
    let (exponent, significand) = match r.below(12) {
        0 => (0, 0),
        1 => (0, r.next() >> r.below(64)), // denormal and pseudo-denormal
        2 => (0x7fff, 1 << 63),            // infinity
        3 => (0x7fff, 3 << 62 | r.next() >> r.below(64)), // quiet NaN
        4 => (0x7fff, 1 << 63 | r.next() >> 2 | 1), // signaling NaN
        5 => (r.below(0x8000) as u16, r.next()), // anything
        6 => (0x3fff - 70 + r.below(140) as u16, 1 << 63), // a power of two
        7 => (0x7ffe - r.below(3) as u16, 1 << 63 | r.next()),
        8 => (r.below(70) as u16, 1 << 63 | r.next()),
        9 => (0x3fff - 1023 - 60 + r.below(70) as u16, 1 << 63 | r.next()), // at the edge of a double's range
        _ => (0x3fff - 5 + r.below(40) as u16, 1 << 63 | r.next() & (u64::MAX << r.below(64))),
    };
    (sign | exponent, significand)
}

fn operand(r: &mut Random) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (top, significand) = ten(r);
    let exponent = i32::from(top & 0x7fff) - 0x3fff;
    match r.below(4) {
        0 => bytes[..8].copy_from_slice(&r.number().to_le_bytes()),
        1 => {
            // About the same as a double: the exponent is squeezed, so that there are denormals and infinities.
            let field = (exponent + 1023).clamp(0, 2047) as u64;
            let bits = u64::from(top >> 15) << 63 | field << 52 | significand << 1 >> 12;
            bytes[..8].copy_from_slice(&bits.to_le_bytes());
        }
        2 => {
            let field = (exponent + 127).clamp(0, 255) as u32;
            let bits = u32::from(top >> 15) << 31 | field << 23 | (significand << 1 >> 41) as u32;
            bytes[..4].copy_from_slice(&bits.to_le_bytes());
        }
        _ => {
            bytes[..8].copy_from_slice(&significand.to_le_bytes());
            bytes[8..10].copy_from_slice(&top.to_le_bytes());
        }
    }
    bytes
}

/// A control word: to nearest, 64 bits and all masked is the commonest.
fn control(r: &mut Random) -> u16 {
    let rules = if r.one_in(2) { 0x300 } else { (r.below(16) as u16) << 8 };
    0x40 | rules | if r.one_in(5) { r.below(64) as u16 } else { 63 }
}

fn unit(r: &mut Random) -> X87 {
    let mut x = X87 { control: control(r), ..X87::RESET };
    for register in &mut x.r {
        let (sign_exponent, significand) = ten(r);
        *register = X87Register { significand, sign_exponent };
    }
    x.valid = match r.below(4) {
        0 => 0,
        1 => 0xff,
        _ => r.next() as u8,
    };
    x.status = r.next() as u16 & 0x7f7f;
    if x.status & !x.control & 63 != 0 {
        if r.one_in(3) {
            x.status |= 0x8080;
        } else {
            x.status &= !63;
        }
    }
    x
}

fn instruction(r: &mut Random, out: &mut Vec<u8>) {
    match r.below(24) {
        // MOV to a register, a conditional jump: what is around x87 code.
        0 => return out.extend([0xb8, r.next() as u8, 0, 0, 0]),
        1 => return out.extend([0x01, 0xc0 | r.below(3) as u8]),
        // FWAIT, SAHF.
        2 => return out.push(0x9b),
        3 => return out.extend([0xdf, 0xe0, 0x9e]),
        // FLDCW, FNSTCW: words of the data's first bytes are control words.
        4 => return out.extend([0xd9, 0x6d, 2 * r.below(8) as u8]),
        _ => {}
    }
    let opcode = 0xd8 | r.below(8) as u8;
    if r.one_in(2) {
        // With registers. FNINIT and FNCLEX come seldom; encodings that are none are left out.
        let modrm = 0xc0 | r.below(64) as u8;
        let none = match opcode {
            0xd9 => matches!(modrm, 0xd1..=0xd7 | 0xe2 | 0xe3 | 0xe6 | 0xe7 | 0xef),
            0xda => modrm >= 0xe0 && modrm != 0xe9,
            0xdb => matches!(modrm, 0xe4..=0xe7 | 0xf8..=0xff),
            0xdd => modrm >= 0xf0,
            0xde => matches!(modrm, 0xd8 | 0xda..=0xdf),
            0xdf => matches!(modrm, 0xe1..=0xe7 | 0xf8..=0xff),
            _ => false,
        };
        if !none && (opcode != 0xdb || !matches!(modrm, 0xe2 | 0xe3) || r.one_in(4)) {
            out.extend([opcode, modrm]);
        }
        return;
    }
    let reg = r.below(8) as u8;
    let none = match opcode {
        0xd9 => reg == 1,
        0xdb => matches!(reg, 4 | 6),
        0xdd => reg == 5,
        _ => false,
    };
    if none {
        return;
    }
    // FLDENV and FRSTOR of anything are not to follow FLDCW too often.
    if matches!((opcode, reg), (0xd9 | 0xdd, 4)) && !r.one_in(8) {
        return;
    }
    let place = 16 + 16 * r.below(7) as u8;
    out.extend([opcode, 0x45 | reg << 3, place]);
}

fn compare(long: bool, cases: u64) {
    let jit_memory = memory();
    let options = Options { threshold: 2, verify: cfg!(debug_assertions), ..Options::default() };
    let vcpu = JitVcpu::new(0, model(), jit_memory.clone(), Signals::new(), options).unwrap();
    let mut jit = Side { vcpu, memory: jit_memory };
    let interp_memory = memory();
    let interp = InterpVcpu::new(0, model(), interp_memory.clone(), Signals::new());
    let mut interp = Side { vcpu: interp, memory: interp_memory };
    let plain = state(&mut interp.vcpu, long);
    let only = std::env::var("CASE").ok().and_then(|v| v.parse::<u64>().ok());
    for case in 0..cases {
        if only.is_some_and(|only| only != case) {
            continue;
        }
        let mut r = Random(case << 1 | u64::from(long));
        let n = 1 + r.below(12);
        let code = rounds::program(&mut r, n, instruction);
        let mut data = vec![0; 0x200];
        for at in (0..0x200).step_by(16) {
            data[at..at + 16].copy_from_slice(&operand(&mut r));
        }
        // At the end of the page sometimes, so that operands lie in two.
        let base = DATA + if r.one_in(8) { 0xf80 } else { 0x100 };
        data.resize(0x2000, 0x3f);
        let at = (base - DATA) as usize;
        data.copy_within(0..0x100, at);
        for n in 0..8 {
            data[at + 2 * n..at + 2 * n + 2].copy_from_slice(&control(&mut r).to_le_bytes());
        }
        data[at - 4..at].copy_from_slice(&3u32.to_le_bytes());
        let mut start = plain.clone();
        start.gpr[5] = base;
        start.rflags = 2 | r.next() & 0x8d5;
        start.cr0 |= u64::from(!r.one_in(6)) << 5;
        if r.one_in(20) {
            start.cr0 |= 8;
        }
        start.x87 = unit(&mut r);
        let expected = interp.run(&code, &data, &start);
        let got = jit.run(&code, &data, &start);
        if expected != got {
            if only.is_some() {
                eprintln!("{}", jit.vcpu.last_text());
            }
            let bytes: Vec<String> = code.iter().map(|b| format!("{b:02x}")).collect();
            let changed = expected.2.iter().zip(&got.2).position(|(l, r)| l != r);
            panic!(
                "case {case}, long {long}, memory differs at {changed:x?}\n{}\nstart {:x?}\n{:?} {:x?}\n{:x?}\n{:?} {:x?}\n{:x?}",
                bytes.join(" "),
                start.x87,
                expected.0,
                (expected.1.rip, expected.1.rflags, expected.1.gpr),
                expected.1.x87,
                got.0,
                (got.1.rip, got.1.rflags, got.1.gpr),
                got.1.x87,
            );
        }
    }
    let s = jit.vcpu.statistics();
    eprintln!("{s:?}");
    if only.is_none() {
        assert!(s.traces > cases / 2, "too little was compiled");
        assert_eq!(s.refused, 0);
    }
}

#[test]
fn x87_programs_of_64_bits() {
    compare(true, 4_000);
}

#[test]
fn x87_programs_of_32_bits() {
    compare(false, 4_000);
}
