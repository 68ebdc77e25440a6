//! Where the host's processor may have habits of its own. The CPU models do as Intel's processors; cases that would show
//! what AMD's do otherwise (AMD64 Architecture Programmer's Manual, vol. 3, unless something else is said) are left out there.

use crate::case::Bits;
use iced_x86::{Code, FlowControl, Instruction, Mnemonic as M, OpKind};
use std::sync::OnceLock;

/// Whether the host is one of AMD's.
pub fn is_amd() -> bool {
    static AMD: OnceLock<bool> = OnceLock::new();
    *AMD.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            std::arch::x86_64::__cpuid(0).ecx == u32::from_le_bytes(*b"cAMD")
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    })
}

/// Whether AMD's processors do something else than Intel's, or may.
pub fn differs(instr: &Instruction, bytes: &[u8], bits: Bits) -> bool {
    let memory = (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Memory);
    match instr.mnemonic() {
        // PREFETCH and PREFETCHW of a register raise #UD.
        M::Reservednop => matches!(
            instr.code(),
            Code::Reservednop_rm16_r16_0F0D | Code::Reservednop_rm32_r32_0F0D | Code::Reservednop_rm64_r64_0F0D
        ),
        // What 16-bit double shifts by more than 16 give is undefined.
        M::Shld | M::Shrd => instr.op0_register().size() == 2 || instr.memory_size().size() == 2,
        // They need no alignment.
        M::Sha1rnds4 | M::Sha1nexte | M::Sha1msg1 | M::Sha1msg2 | M::Sha256rnds2 | M::Sha256msg1 | M::Sha256msg2 => {
            memory
        }
        // Which of several NaNs comes through.
        M::Dpps | M::Dppd | M::Vdpps | M::Vdppd => true,
        // VEX.W is ignored outside 64-bit mode, or is not.
        M::Vpextrd | M::Vpinsrd => bits == Bits::B32,
        // A segment register is pushed with zeros above, where Intel's leave memory alone.
        M::Push => instr.op0_register().is_segment_register(),
        // REPE and REPNE take the place of the opcode's own condition.
        M::Loope | M::Loopne if prefixed(bytes, &[0xf2, 0xf3]) => true,
        // With REX.B it is XCHG R8, RAX.
        M::Pause => prefixed(bytes, &[0x41, 0x43, 0x45, 0x47, 0x49, 0x4b, 0x4d, 0x4f]),
        // With a 16-bit destination it reads four bytes, not two.
        M::Movsxd => memory && instr.op0_register().size() == 2,
        // A denormal number scaled by zero raises the underflow exception, if that is unmasked; Intel's hand the number on.
        M::Fscale => true,
        // With a count of 0 in ECX, RCX stays what it was, where Intel's clear its upper half.
        _ if instr.is_string_instruction() && bits == Bits::B64 && prefixed(bytes, &[0x67]) => {
            prefixed(bytes, &[0xf2, 0xf3])
        }
        // An operand-size prefix makes near branches cut RIP to 16 bits.
        _ => bits == Bits::B64 && prefixed(bytes, &[0x66]) && instr.flow_control() != FlowControl::Next,
    }
}

/// Whether an instruction has one of these prefixes.
fn prefixed(bytes: &[u8], which: &[u8]) -> bool {
    bytes.iter().take_while(|b| is_prefix(**b)).any(|b| which.contains(b))
}

fn is_prefix(b: u8) -> bool {
    matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)
}

/// Whether an access that wraps at 4 GiB is beyond the segment's limit of 4 GiB; Intel's processors let it wrap.
pub fn wraps(bits: Bits, host: u8, guest: u8) -> bool {
    bits == Bits::B32 && matches!(host, 12 | 13) && guest == 14
}

/// Whether AMD's processors look at the memory that an instruction stores to before they find out that an exception keeps
/// it from storing; Intel's do not look, and what VCVTPS2PH finds is in MXCSR even if the memory then faults.
pub fn stores_late(m: M) -> bool {
    matches!(m, M::Fst | M::Fstp | M::Fist | M::Fistp | M::Fisttp | M::Fbstp | M::Vcvtps2ph)
}

/// Whether a comparison of two places in memory was stopped by the one or the other: where neither may be accessed, processors
/// differ in which they look at first (AMD's Zen 5 at the one of RSI, older ones and Intel's at that of RDI).
pub fn faults_of_either_operand(instr: &Instruction, host: u8, guest: u8) -> bool {
    let compares =
        matches!(instr.mnemonic(), M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq) && instr.is_string_instruction();
    compares && [host, guest].iter().all(|vector| matches!(vector, 12 | 13 | 14 | 17))
}
