//! Random instructions from encodings: opcode, whether a ModRM byte follows, what its `reg` field may be, and which
//! immediate ends it.

use super::Random;

#[derive(Clone, Copy, PartialEq)]
enum Imm {
    No,
    /// One byte.
    B,
    /// Two or four, by the operand size.
    Z,
    /// Two, four or eight (MOV to a register).
    V,
}

#[derive(Clone, Copy)]
struct Encoding {
    opcode: &'static [u8],
    /// `reg` fields that are instructions; all, if the field is a register; empty: no ModRM byte.
    reg: &'static [u8],
    imm: Imm,
    /// Whether the operand may not be a register.
    memory: bool,
    /// LOCK is possible with memory.
    lock: bool,
}

const ALL: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7];

const fn modrm(opcode: &'static [u8]) -> Encoding {
    Encoding { opcode, reg: ALL, imm: Imm::No, memory: false, lock: false }
}
const fn group(opcode: &'static [u8], reg: &'static [u8], imm: Imm) -> Encoding {
    Encoding { opcode, reg, imm, memory: false, lock: false }
}
const fn locked(opcode: &'static [u8]) -> Encoding {
    Encoding { lock: true, ..modrm(opcode) }
}
const fn plain(opcode: &'static [u8], imm: Imm) -> Encoding {
    Encoding { opcode, reg: &[], imm, memory: false, lock: false }
}

const ENCODINGS: &[Encoding] = &[
    // ADD OR ADC SBB AND SUB XOR CMP, all directions.
    locked(&[0x00]),
    locked(&[0x01]),
    modrm(&[0x02]),
    modrm(&[0x03]),
    plain(&[0x04], Imm::B),
    plain(&[0x05], Imm::Z),
    locked(&[0x08]),
    locked(&[0x09]),
    modrm(&[0x0b]),
    locked(&[0x10]),
    locked(&[0x11]),
    modrm(&[0x12]),
    modrm(&[0x13]),
    modrm(&[0x13]),
    plain(&[0x15], Imm::Z),
    locked(&[0x18]),
    locked(&[0x19]),
    modrm(&[0x1a]),
    modrm(&[0x1b]),
    modrm(&[0x1b]),
    plain(&[0x1d], Imm::Z),
    locked(&[0x20]),
    locked(&[0x21]),
    modrm(&[0x23]),
    locked(&[0x28]),
    locked(&[0x29]),
    modrm(&[0x2a]),
    modrm(&[0x2b]),
    locked(&[0x30]),
    locked(&[0x31]),
    modrm(&[0x33]),
    modrm(&[0x38]),
    modrm(&[0x39]),
    modrm(&[0x3a]),
    modrm(&[0x3b]),
    group(&[0x80], ALL, Imm::B),
    group(&[0x81], ALL, Imm::Z),
    group(&[0x83], ALL, Imm::B),
    group(&[0x83], &[2, 3], Imm::B),
    modrm(&[0x84]),
    modrm(&[0x85]),
    plain(&[0xa8], Imm::B),
    plain(&[0xa9], Imm::Z),
    // Moves.
    modrm(&[0x86]),
    modrm(&[0x87]),
    modrm(&[0x88]),
    modrm(&[0x89]),
    modrm(&[0x8a]),
    modrm(&[0x8b]),
    Encoding { memory: true, ..modrm(&[0x8d]) },
    group(&[0xc6], &[0], Imm::B),
    group(&[0xc7], &[0], Imm::Z),
    plain(&[0xb0], Imm::B),
    plain(&[0xb4], Imm::B),
    plain(&[0xb8], Imm::V),
    plain(&[0xb9], Imm::V),
    plain(&[0xba], Imm::V),
    modrm(&[0x0f, 0xb6]),
    modrm(&[0x0f, 0xb7]),
    modrm(&[0x0f, 0xbe]),
    modrm(&[0x0f, 0xbf]),
    modrm(&[0x0f, 0x40]),
    modrm(&[0x0f, 0x42]),
    modrm(&[0x0f, 0x44]),
    modrm(&[0x0f, 0x47]),
    modrm(&[0x0f, 0x49]),
    modrm(&[0x0f, 0x4a]),
    modrm(&[0x0f, 0x4c]),
    modrm(&[0x0f, 0x4f]),
    group(&[0x0f, 0x91], &[0], Imm::No),
    group(&[0x0f, 0x92], &[0], Imm::No),
    group(&[0x0f, 0x95], &[0], Imm::No),
    group(&[0x0f, 0x96], &[0], Imm::No),
    group(&[0x0f, 0x98], &[0], Imm::No),
    group(&[0x0f, 0x9b], &[0], Imm::No),
    group(&[0x0f, 0x9d], &[0], Imm::No),
    group(&[0x0f, 0x9e], &[0], Imm::No),
    plain(&[0x98], Imm::No),
    plain(&[0x99], Imm::No),
    plain(&[0x91], Imm::No),
    plain(&[0x50], Imm::No),
    plain(&[0x53], Imm::No),
    plain(&[0x54], Imm::No),
    plain(&[0x58], Imm::No),
    plain(&[0x59], Imm::No),
    plain(&[0x5a], Imm::No),
    plain(&[0x68], Imm::Z),
    plain(&[0x6a], Imm::B),
    group(&[0xff], &[6], Imm::No),
    group(&[0x8f], &[0], Imm::No),
    // INC, DEC, NOT, NEG, TEST; multiplication and, seldom, division.
    group(&[0xfe], &[0, 1], Imm::No),
    group(&[0xff], &[0, 1], Imm::No),
    group(&[0xf6], &[2, 3, 4, 5], Imm::No),
    group(&[0xf7], &[2, 3, 4, 5], Imm::No),
    group(&[0xf7], &[0], Imm::Z),
    group(&[0xf7], &[6, 7], Imm::No),
    group(&[0xf6], &[6, 7], Imm::No),
    modrm(&[0x0f, 0xaf]),
    group(&[0x69], ALL, Imm::Z),
    group(&[0x6b], ALL, Imm::B),
    // Shifts and bits.
    group(&[0xc0], ALL, Imm::B),
    group(&[0xc1], ALL, Imm::B),
    group(&[0xd0], ALL, Imm::No),
    group(&[0xd1], ALL, Imm::No),
    group(&[0xd2], ALL, Imm::No),
    group(&[0xd3], ALL, Imm::No),
    group(&[0xd3], &[4, 5, 7], Imm::No),
    group(&[0x0f, 0xa4], ALL, Imm::B),
    modrm(&[0x0f, 0xa5]),
    group(&[0x0f, 0xac], ALL, Imm::B),
    modrm(&[0x0f, 0xad]),
    modrm(&[0x0f, 0xa3]),
    modrm(&[0x0f, 0xab]),
    modrm(&[0x0f, 0xb3]),
    modrm(&[0x0f, 0xbb]),
    group(&[0x0f, 0xba], &[4, 5, 6, 7], Imm::B),
    modrm(&[0x0f, 0xbc]),
    modrm(&[0x0f, 0xbd]),
    modrm(&[0xf3, 0x0f, 0xbc]),
    modrm(&[0xf3, 0x0f, 0xbd]),
    modrm(&[0xf3, 0x0f, 0xb8]),
    plain(&[0x0f, 0xc8], Imm::No),
    plain(&[0x0f, 0xca], Imm::No),
    // Exchanges.
    locked(&[0x0f, 0xb0]),
    locked(&[0x0f, 0xb1]),
    locked(&[0x0f, 0xb1]),
    locked(&[0x0f, 0xc0]),
    locked(&[0x0f, 0xc1]),
    // Flags.
    plain(&[0xf5], Imm::No),
    plain(&[0xf8], Imm::No),
    plain(&[0xf9], Imm::No),
    plain(&[0xfc], Imm::No),
    plain(&[0x9e], Imm::No),
    plain(&[0x9f], Imm::No),
    plain(&[0x9c], Imm::No),
    // MOVBE, CRC32, XLAT, fences.
    Encoding { memory: true, ..modrm(&[0x0f, 0x38, 0xf0]) },
    modrm(&[0xf2, 0x0f, 0x38, 0xf0]),
    modrm(&[0xf2, 0x0f, 0x38, 0xf1]),
    plain(&[0xd7], Imm::No),
    plain(&[0x0f, 0xae, 0xf0], Imm::No),
    // What the interpreter is called for: strings, vectors, CPUID.
    plain(&[0xa4], Imm::No),
    plain(&[0xa5], Imm::No),
    plain(&[0xaa], Imm::No),
    plain(&[0xa6], Imm::No),
    modrm(&[0x66, 0x0f, 0xef]),
    modrm(&[0x66, 0x0f, 0x6e]),
    // LEAVE: RBP points to data.
    plain(&[0xc9], Imm::No),
];

/// One instruction. RBX, RBP, RSI and RDI hold addresses of data, and are seldom destinations.
pub fn instruction(r: &mut Random, long: bool, out: &mut Vec<u8>) {
    let e = ENCODINGS[r.below(ENCODINGS.len() as u64) as usize];
    let (mandatory, opcode) = match e.opcode {
        [p @ (0x66 | 0xf2 | 0xf3), rest @ ..] => (Some(*p), rest),
        all => (None, all),
    };
    let memory = e.memory || !e.reg.is_empty() && r.one_in(3);
    let lock = e.lock && memory && r.one_in(3);
    if lock {
        out.push(0xf0);
    }
    let small = mandatory != Some(0x66) && r.one_in(5);
    if small {
        out.push(0x66);
    }
    out.extend(mandatory);
    let rex = if long && r.one_in(2) { 0x40 | r.below(16) as u8 & !2 } else { 0 };
    // Of the addressing registers' extensions only those of the index are left; R8 to R15 are no addresses.
    let rex = if memory { rex & !3 } else { rex };
    if rex != 0 {
        out.push(rex);
    }
    out.extend(opcode);
    if !e.reg.is_empty() {
        let mut reg = e.reg[r.below(e.reg.len() as u64) as usize];
        if e.reg.len() == 8 && rex & 4 == 0 && !r.one_in(20) {
            reg &= 3; // RAX, RCX, RDX, RBX...
            reg = if reg == 3 { 2 } else { reg };
        }
        if !memory {
            let rm = if rex & 1 != 0 { r.below(8) } else { r.below(3) + 4 * u64::from(r.one_in(12)) };
            out.push(0xc0 | reg << 3 | rm as u8);
        } else if r.one_in(4) {
            // Base and index, scaled. The index is a small number mostly.
            let base = [3u8, 5, 6, 7][r.below(4) as usize];
            out.extend([0x44 | reg << 3, (r.below(4) as u8) << 6 | 1 << 3 | base, r.below(128) as u8]);
        } else {
            out.extend([0x40 | reg << 3 | [3u8, 5, 6, 7][r.below(4) as usize], r.below(256) as u8]);
        }
    }
    let bytes = match e.imm {
        Imm::No => 0,
        Imm::B => 1,
        Imm::V if rex & 8 != 0 => 8,
        _ if rex & 8 != 0 || !small => 4,
        _ => 2,
    };
    out.extend(&r.number().to_le_bytes()[..bytes]);
}

/// Straight-line code of `n` instructions with some forward jumps over one; then, perhaps, a loop around it all; then a
/// jump to itself.
pub fn program(r: &mut Random, long: bool, n: u64) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..n {
        let mut one = Vec::new();
        instruction(r, long, &mut one);
        if r.one_in(6) {
            code.extend([0x70 | r.below(16) as u8, one.len() as u8]);
        }
        code.extend(one);
    }
    match r.below(4) {
        0 => {}
        1 => {
            // Back to the beginning on a random condition.
            let back = (code.len() + 6) as i32;
            code.extend([0x0f, 0x80 | r.below(16) as u8]);
            code.extend((-back).to_le_bytes());
        }
        _ => {
            // Back while a counter in memory lasts.
            let counter = 0x4ff8u32.to_le_bytes();
            code.extend([0xff, 0x0c, 0x25]); // dec dword [0x4ff8]
            if !long {
                code.truncate(code.len() - 2);
                code.push(0x0d);
            }
            code.extend(counter);
            let back = (code.len() + 6) as i32;
            code.extend([0x0f, 0x85]);
            code.extend((-back).to_le_bytes());
        }
    }
    code.extend([0xeb, 0xfe]);
    code
}
