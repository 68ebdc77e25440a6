//! The VEX-encoded vector instructions: every opcode of the three maps, with each mandatory prefix, VEX.L and VEX.W, sorted
//! by the decoder.

use super::float::excluded;
use super::table::{FIRST, FIXED, Form, GATHERS, Imm, LONG, MEMORY, Operand, REGISTER, STRING, VEX, WIDE};
use crate::case::{FX_UPPER, Fx};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic as M};

/// The fields of a VEX prefix that choose the instruction, and its opcode.
#[derive(Clone, Copy)]
struct Key {
    prefix: u8,
    map: u8,
    opcode: u8,
    long: bool,
    wide: bool,
}

impl Key {
    /// The instruction, if the model has it: with this register in VEX.vvvv (0: none) and this ModRM byte.
    fn decode(self, first: u8, modrm: u8) -> Option<Instruction> {
        let pp = match self.prefix {
            0x66 => 1,
            0xf3 => 2,
            0xf2 => 3,
            _ => 0,
        };
        let last = u8::from(self.wide) << 7 | (!first & 15) << 3 | u8::from(self.long) << 2 | pp;
        let sib = 0x10; // RAX and register 2 as an index
        let bytes = [0xc4, 0xe0 | self.map, last, self.opcode, modrm, sib, 0, 0, 0, 0];
        let instr = Decoder::new(64, &bytes, DecoderOptions::NONE).decode();
        let known = !instr.is_invalid() && !crate::oracle::max_model().lacks(&instr) && !excluded(instr.mnemonic());
        known.then_some(instr)
    }
}

/// All forms.
pub fn forms() -> Vec<Form> {
    let mut all = Vec::new();
    for prefix in [0, 0x66, 0xf3, 0xf2] {
        for map in 1..=3 {
            for opcode in 0..=0xff {
                for bits in 0..4 {
                    let key = Key { prefix, map, opcode, long: bits & 1 != 0, wide: bits & 2 != 0 };
                    let group = map == 1 && matches!(opcode, 0x71..=0x73 | 0xae) || map == 2 && opcode == 0xf3;
                    match group {
                        true => all.extend((0..8).filter_map(|digit| form(key, Some(digit)))),
                        false => all.extend(form(key, None)),
                    }
                }
            }
        }
    }
    all
}

fn form(key: Key, digit: Option<u8>) -> Option<Form> {
    let reg = digit.unwrap_or(1) << 3;
    let places = [(MEMORY, 4 | reg), (REGISTER, 0xc0 | reg | 3)];
    let found: Vec<_> = places
        .into_iter()
        .flat_map(|(place, modrm)| [(place, 0, modrm), (place, 4, modrm)])
        .filter_map(|(place, first, modrm)| Some((place, first != 0, key.decode(first, modrm)?)))
        .collect();
    let (_, _, instr) = found.first()?;
    let has = |which: u16| found.iter().any(|(place, ..)| *place == which);
    let mut bits = VEX | FIXED;
    if found.iter().any(|(_, first, _)| *first) {
        bits |= FIRST;
    }
    bits |= if key.long { LONG } else { 0 } | if key.wide { WIDE } else { 0 };
    bits |= match (has(MEMORY), has(REGISTER)) {
        (true, false) => MEMORY,
        (false, true) => REGISTER,
        _ => 0,
    };
    if instr.is_vsib() {
        bits |= GATHERS;
    }
    if instr.mnemonic() == M::Vmaskmovdqu {
        bits |= STRING;
    }
    let alone = matches!(instr.mnemonic(), M::Vzeroupper | M::Vzeroall);
    let imm = key.map == 3 || key.map == 1 && matches!(key.opcode, 0x70..=0x73 | 0xc2 | 0xc4 | 0xc5 | 0xc6);
    Some(Form {
        prefix: key.prefix,
        opcode: Box::leak(vec![key.map, key.opcode].into_boxed_slice()),
        operand: if alone { Operand::None } else { digit.map_or(Operand::Any, Operand::Digit) },
        imm: if imm { Imm::B } else { Imm::None },
        bits,
    })
}

/// Puts indices into vector registers.
pub fn place(vectors: &[(u8, [u64; 4])], fx: &mut Fx) {
    for (r, quads) in vectors {
        let (low, high) = (160 + 16 * usize::from(*r), FX_UPPER + 16 * usize::from(*r));
        for (at, quad) in [low, low + 8, high, high + 8].into_iter().zip(quads) {
            fx.0[at..at + 8].copy_from_slice(&quad.to_le_bytes());
        }
    }
}
