//! Guest code as text, by iced-x86.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Formatter, Instruction, NasmFormatter};
use lyrebird_core::cpu::segment::{SegReg, Segment};
use lyrebird_core::{CpuState, Vcpu};
use lyrebird_memory::GuestMemory;
use std::fmt;

/// The longest instruction.
const LONGEST: usize = 15;
/// Bytes of code in a line; longer instructions are rare.
const SHOWN: usize = 8;

/// One instruction.
#[derive(Clone, Debug)]
pub struct Code {
    /// Its linear address.
    pub linear: u64,
    /// Its bytes; fewer than it has if the next page is not mapped.
    pub bytes: Vec<u8>,
    /// As an assembler would have it.
    pub text: String,
    /// It is a string instruction with a REP prefix.
    pub repeats: bool,
    /// What follows it in memory is not what is executed after it.
    pub ends: bool,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: String = self.bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
        write!(f, "{:016x}  {bytes:width$} {}", self.linear, self.text, width = 3 * SHOWN)
    }
}

/// How wide code is in this state: 16, 32 or 64.
pub fn bits(state: &CpuState) -> u32 {
    let code = &state.seg[SegReg::Cs as usize];
    match state.efer & 1 << 10 != 0 && code.has(Segment::LONG) {
        true => 64,
        false if state.cr0 & 1 == 0 || state.rflags & 1 << 17 != 0 => {
            if state.rflags & 1 << 17 == 0 && code.has(Segment::DEFAULT_BIG) { 32 } else { 16 }
        }
        false if code.has(Segment::DEFAULT_BIG) => 32,
        false => 16,
    }
}

/// The linear address of the state's next instruction.
pub fn linear(state: &CpuState) -> u64 {
    match bits(state) {
        64 => state.rip,
        _ => state.seg[SegReg::Cs as usize].base.wrapping_add(state.rip) & 0xffff_ffff,
    }
}

/// The bytes at a linear address, as far as they are mapped to memory.
pub fn read_linear(vcpu: &mut dyn Vcpu, memory: &GuestMemory, linear: u64, bytes: &mut [u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        let at = linear.wrapping_add(done as u64);
        let piece = (bytes.len() - done).min(0x1000 - (at & 0xfff) as usize);
        let Some(physical) = vcpu.translate(at) else { break };
        if memory.read(physical, &mut bytes[done..done + piece]).is_err() {
            break;
        }
        done += piece;
    }
    done
}

/// The instruction that the state stands at.
pub fn code_at(vcpu: &mut dyn Vcpu, memory: &GuestMemory, state: &CpuState) -> Code {
    let mut bytes = [0; LONGEST];
    let linear = linear(state);
    let n = read_linear(vcpu, memory, linear, &mut bytes);
    one(&bytes[..n], bits(state), linear, state.rip)
}

/// The first of these bytes as an instruction at an address.
pub fn one(bytes: &[u8], bits: u32, linear: u64, rip: u64) -> Code {
    let mut decoder = Decoder::with_ip(bits, bytes, rip, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    decoder.decode_out(&mut instruction);
    if instruction.is_invalid() {
        let bytes = bytes[..bytes.len().min(SHOWN)].to_vec();
        let text = if bytes.is_empty() { "(not mapped)" } else { "(no instruction)" };
        return Code { linear, bytes, text: text.into(), repeats: false, ends: true };
    }
    let mut text = String::new();
    formatter().format(&instruction, &mut text);
    let repeats =
        instruction.is_string_instruction() && (instruction.has_rep_prefix() || instruction.has_repne_prefix());
    let ends = matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return | FlowControl::Exception
    );
    Code { linear, bytes: bytes[..instruction.len()].to_vec(), text, repeats, ends }
}

fn formatter() -> NasmFormatter {
    let mut formatter = NasmFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    formatter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_with_its_bytes() {
        let code = one(&[0x48, 0x01, 0xd8, 0x90], 64, 0x1000, 0x1000);
        assert_eq!(code.to_string(), "0000000000001000  48 01 d8                 add rax, rbx");
        assert!(!code.repeats);
        let code = one(&[0xf3, 0xa4], 16, 0xffff0, 0xfff0);
        assert_eq!((code.text.as_str(), code.repeats), ("rep movsb", true));
        assert_eq!(one(&[0xeb, 0xfe], 32, 0x1_0000, 0).text, "jmp short 0");
        assert_eq!(one(&[], 64, 0, 0).text, "(not mapped)");
        assert_eq!(one(&[0x0f, 0x0b], 64, 0, 0).text, "ud2");
        assert_eq!(one(&[0x06], 64, 0, 0).text, "(no instruction)");
    }

    #[test]
    fn modes_have_their_widths() {
        let mut state = CpuState::reset(0, true);
        assert_eq!((bits(&state), linear(&state)), (16, 0xffff_fff0));
        state.cr0 |= 1;
        state.seg[1].attributes |= Segment::DEFAULT_BIG;
        assert_eq!(bits(&state), 32);
        (state.efer, state.seg[1].attributes) = (0x500, Segment::LONG);
        assert_eq!((bits(&state), linear(&state)), (64, 0xfff0));
    }
}
