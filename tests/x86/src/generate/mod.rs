//! Random code for the host oracle: a few instructions of chosen forms, their memory operands pointed into the data, in a
//! state of random and edge values. Prefixes include redundant and ill-placed ones.

pub mod avx;
mod encode;
pub mod float;
pub mod table;

use crate::case::{Bits, CODE, Case, DATA, DATA_BYTES, Registers};
use crate::rng::Rng;
use crate::{undefined, vendor};
use frontend_x86::flags::rflags::ARITHMETIC;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction};
use table::Form;

/// What a fixed-up place will hold: the address of a later instruction.
#[derive(Clone, Copy, Debug)]
enum Fix {
    /// A relative jump's displacement: where, and its bytes. It counts from its end.
    Relative(usize, usize),
    /// A general register.
    Register(u8),
    /// So many bytes of data.
    Data(usize, usize),
}

/// A case in the making.
pub struct Builder<'a> {
    rng: &'a mut Rng,
    bits: Bits,
    gpr: [u64; 16],
    /// Registers whose value something depends on already.
    pinned: u16,
    code: Vec<u8>,
    offset: usize,
    data: Vec<u8>,
    fixes: Vec<(usize, Fix)>,
    /// Vector registers that hold indices.
    vectors: Vec<(u8, [u64; 4])>,
    floating: bool,
}

/// Generates cases from a list of forms.
pub struct Generator {
    forms: Vec<Form>,
    floating: bool,
}

impl Generator {
    /// Of integer instructions.
    pub fn integer() -> Self {
        Generator { forms: table::forms(), floating: false }
    }

    /// Of MMX and SSE instructions, with integer ones between.
    pub fn vector() -> Self {
        Generator { forms: float::vector_forms(), floating: true }
    }

    /// Of AVX, AVX2, FMA, F16C, AES, PCLMULQDQ and SHA instructions, with legacy SSE ones between.
    pub fn avx() -> Self {
        let mut forms = avx::forms();
        forms.extend(float::vector_forms().into_iter().step_by(8));
        Generator { forms, floating: true }
    }

    /// Of x87 instructions.
    pub fn x87() -> Self {
        Generator { forms: float::x87_forms(), floating: true }
    }

    /// The case of a seed.
    pub fn case(&self, bits: Bits, seed: u64) -> Case {
        let mut rng = Rng::new(seed);
        loop {
            if let Some(case) = self.attempt(bits, &mut rng) {
                return case;
            }
        }
    }

    fn attempt(&self, bits: Bits, rng: &mut Rng) -> Option<Case> {
        let mut data = vec![0; DATA_BYTES];
        let fill = rng.bits();
        let mut filler = Rng::new(fill);
        if self.floating {
            float::fill(&mut filler, &mut data);
        } else {
            data.chunks_mut(8).for_each(|c| c.copy_from_slice(&filler.number().to_le_bytes()));
        }
        let mut gpr = [0; 16];
        gpr.iter_mut().for_each(|r| *r = rng.number());
        if bits == Bits::B32 {
            gpr.iter_mut().for_each(|r| *r &= 0xffff_ffff);
            gpr[8..].fill(0);
        }
        // The stack, mostly in the middle of the data.
        gpr[4] = match rng.below(20) {
            0 => gpr[4],
            1 => DATA + rng.below(12),
            2 => DATA + DATA_BYTES as u64 - rng.below(12),
            3 => DATA + 0x1000 - rng.below(12),
            _ => DATA + 0x800 + rng.below(0x200) * 8,
        };
        let offset = if rng.chance(10) { 0x1000 - rng.below(16) as usize } else { rng.below(0x1800) as usize };
        let mut builder = Builder {
            rng,
            bits,
            gpr,
            pinned: 1 << 4,
            code: Vec::new(),
            offset,
            data,
            fixes: Vec::new(),
            vectors: Vec::new(),
            floating: self.floating,
        };
        let count = match builder.rng.below(8) {
            0..=2 => 1,
            3..=5 => 2 + builder.rng.below(2),
            _ => 4 + builder.rng.below(6),
        };
        let mut starts = Vec::new();
        for _ in 0..count {
            starts.push(builder.code.len());
            let form = loop {
                let form = self.forms[builder.rng.below(self.forms.len() as u64) as usize];
                let absent = if bits == Bits::B64 { table::ONLY32 } else { table::ONLY64 };
                if form.bits & absent == 0 {
                    break form;
                }
            };
            builder.instruction(form);
        }
        starts.push(builder.code.len());
        builder.apply_fixes(&starts)?;
        let Builder { rng, gpr, code, data, vectors, .. } = builder;
        let undefined = check(bits, &code, offset, gpr[1], self.floating)?;
        let flags = rng.bits() & 0x8d5 | if rng.chance(25) { 0x400 } else { 0 } | 0x202;
        let mut before = Registers { gpr, rflags: flags, rip: 0, ..Registers::new() };
        if self.floating {
            float::state(rng, &mut before.fx);
            avx::place(&vectors, &mut before.fx);
        }
        Some(Case { bits, code, offset, before, data, undefined, floating: self.floating })
    }
}

impl Builder<'_> {
    /// Fills in the addresses of later instructions. `None` if a displacement is too short.
    fn apply_fixes(&mut self, starts: &[usize]) -> Option<()> {
        for (from, fix) in std::mem::take(&mut self.fixes) {
            let later: Vec<usize> = starts.iter().copied().filter(|s| *s > from).collect();
            let target = self.rng.pick(&later);
            let linear = CODE + (self.offset + target) as u64;
            match fix {
                Fix::Relative(at, bytes) => {
                    let distance = target as i64 - (at + bytes) as i64;
                    if bytes == 1 && distance > 127 {
                        return None;
                    }
                    self.code[at..at + bytes].copy_from_slice(&distance.to_le_bytes()[..bytes]);
                }
                Fix::Register(r) => self.gpr[usize::from(r)] = linear,
                Fix::Data(at, bytes) => {
                    let place = self.data.get_mut(at..at + bytes)?;
                    place.copy_from_slice(&linear.to_le_bytes()[..bytes]);
                }
            }
        }
        Some(())
    }
}

/// Decodes the code once more: `None` if it could leave the sandbox or depends on flags that are undefined, else the flags
/// that are undefined before each instruction and after the last.
fn check(bits: Bits, code: &[u8], offset: usize, rcx: u64, floating: bool) -> Option<Vec<(usize, u64)>> {
    if reaches_out(code) {
        return None;
    }
    let ip = CODE + offset as u64;
    let mut decoder = Decoder::with_ip(bits.number(), code, ip, DecoderOptions::NONE);
    let mut instr = Instruction::default();
    let mut unknown = 0;
    let mut first = true;
    let mut forks = false;
    let mut all = Vec::new();
    while decoder.can_decode() {
        let at = (decoder.ip() - ip) as usize;
        all.push((at, unknown));
        decoder.decode_out(&mut instr);
        if vendor::is_amd() && !instr.is_invalid() && vendor::differs(&instr, &code[at..], bits) {
            return None;
        }
        if instr.is_invalid() {
            if floating {
                return None;
            }
            // What follows may be reached by a jump, but where its instructions begin is unknown here.
            unknown = ARITHMETIC;
            forks = true;
            continue;
        }
        if instr.code() == Code::INVALID || outside_model(&instr) || floating && !float::kept(instr.mnemonic()) {
            return None;
        }
        // With a jump in between what is undefined depends on the way taken: take it all.
        forks |= instr.flow_control() != iced_x86::FlowControl::Next;
        let effect = undefined::effect(&instr, first.then_some(rcx));
        if effect.reads & unknown != 0 {
            return None;
        }
        if !forks {
            unknown &= !effect.writes;
        }
        unknown |= effect.undefined;
        first = false;
    }
    all.push((code.len(), unknown));
    Some(all)
}

/// Instructions that the host has and no CPU model, or whose result differs from run to run.
fn outside_model(instr: &Instruction) -> bool {
    use iced_x86::Mnemonic as M;
    matches!(
        instr.mnemonic(),
        M::Rdtsc | M::Rdtscp | M::Rdrand | M::Rdseed | M::Rdpid | M::Cpuid | M::Xgetbv | M::Rdfsbase | M::Rdgsbase
    ) || instr.segment_prefix() == iced_x86::Register::FS
        || crate::oracle::max_model().lacks(instr) && !matches!(instr.mnemonic(), M::Ud0 | M::Ud1 | M::Ud2)
}

/// Whether some byte could begin a system call, a load of a segment register, or a write of the FS base. (Jumps into the
/// middle of instructions are rare, but they happen.)
fn reaches_out(code: &[u8]) -> bool {
    code.windows(2).any(|w| matches!(w, [0x0f, 0x05 | 0x34 | 0xa1 | 0xa9 | 0xb2 | 0xb4 | 0xb5]))
        || code.windows(3).any(|w| w[0] == 0x0f && w[1] == 0xae && w[2] >= 0xc0 && w[2] < 0xe0)
        || code.iter().any(|b| matches!(b, 0x8e | 0xcd))
}
