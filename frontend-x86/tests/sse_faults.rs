//! Where MMX and SSE instructions may not be used, and what they then leave alone.

#[path = "sse_host/machine.rs"]
mod machine;

use frontend_x86::Exception;
use frontend_x86::helper::Helper;
use frontend_x86::op::Func;
use iced_x86::{CpuidFeature as F, Decoder, DecoderOptions};
use machine::{BUFFER, Machine};

const EM: u64 = 1 << 2;
const TS: u64 = 1 << 3;
const NE: u64 = 1 << 5;
const OSFXSR: u64 = 1 << 9;
const OSXMMEXCPT: u64 = 1 << 10;
/// ES in the x87 status word, with an unmasked invalid operation.
const PENDING: u16 = 0x81;

const PADDB_XMM: &[u8] = &[0x66, 0x0f, 0xfc, 0xca];
const PADDB_XMM_MEM: &[u8] = &[0x66, 0x0f, 0xfc, 0x0f];
const PADDB_MMX: &[u8] = &[0x0f, 0xfc, 0xca];
const MOVUPS_LOAD: &[u8] = &[0x0f, 0x10, 0x0f];
const MOVAPS_STORE: &[u8] = &[0x0f, 0x29, 0x0f];
const MOVSS_LOAD: &[u8] = &[0xf3, 0x0f, 0x10, 0x0f];
const DIVSD: &[u8] = &[0xf2, 0x0f, 0x5e, 0xca];
const CVTPI2PS_MMX: &[u8] = &[0x0f, 0x2a, 0xca];
const CVTPI2PS_MEM: &[u8] = &[0x0f, 0x2a, 0x0f];
const EMMS: &[u8] = &[0x0f, 0x77];
const LDMXCSR: &[u8] = &[0x0f, 0xae, 0x17];
const STMXCSR: &[u8] = &[0x0f, 0xae, 0x1f];
const MASKMOVDQU: &[u8] = &[0x66, 0x0f, 0xf7, 0xca];
const PCMPISTRI_MEM: &[u8] = &[0x66, 0x0f, 0x3a, 0x63, 0x0f, 0x00];

fn run(machine: &mut Machine, code: &[u8]) -> Result<(), Exception> {
    let op = machine.decode(code).op;
    machine.run(&op)
}

/// Decodes all encodings of the two-byte and three-byte maps: none of the families may be missing one of its own.
#[test]
fn no_instruction_is_missing() {
    let machine = Machine::new();
    let families = [F::MMX, F::SSE, F::SSE2, F::SSE3, F::SSSE3, F::SSE4_1, F::SSE4_2];
    let mut seen = std::collections::BTreeSet::new();
    let prefixes: [&[u8]; 8] = [&[], &[0x66], &[0xf2], &[0xf3], &[0x48], &[0x66, 0x48], &[0xf2, 0x48], &[0xf3, 0x48]];
    for prefix in prefixes {
        for map in [&[0x0f][..], &[0x0f, 0x38], &[0x0f, 0x3a]] {
            for (opcode, modrm) in (0..=255u8).flat_map(|o| (0..16u8).map(move |m| (o, m))) {
                // Every register or opcode extension, with memory at RCX and with register 1.
                let modrm = (modrm & 7) << 3 | if modrm & 8 == 0 { 0x01 } else { 0xc1 };
                let code = [prefix, map, &[opcode, modrm, 0, 0, 0, 0, 0]].concat();
                let instr = Decoder::new(64, &code, DecoderOptions::NONE).decode();
                if instr.is_invalid() || !instr.cpuid_features().iter().any(|f| families.contains(f)) {
                    continue;
                }
                let op = machine.decode(&code).op;
                let known = op.ins.func != Func::Helper || op.helper != Helper::Undefined as u16;
                assert!(known, "{:?} ({code:x?})", instr.code());
                seen.insert(instr.code() as u32);
            }
        }
    }
    assert!(seen.len() > 350, "only {} instructions seen", seen.len());
}

#[test]
fn control_bits_decide_who_may_run() {
    let (ud, nm, mf) = (Exception::undefined(), Exception::device_not_available(), Exception::x87());
    let cases = [
        // CR0 bits set, OSFXSR, x87 exception pending: what SSE, MMX, both together, and EMMS raise.
        (0, true, false, [None, None, None, None]),
        (TS, true, false, [Some(nm), Some(nm), Some(nm), Some(nm)]),
        (EM, true, false, [Some(ud), Some(ud), Some(ud), Some(ud)]),
        (EM | TS, true, true, [Some(ud), Some(ud), Some(ud), Some(ud)]),
        (0, false, false, [Some(ud), None, Some(ud), None]),
        (TS, false, false, [Some(ud), Some(nm), Some(ud), Some(nm)]),
        (0, true, true, [None, Some(mf), Some(mf), Some(mf)]),
    ];
    for (cr0, osfxsr, pending, raised) in cases {
        for (code, raised) in [PADDB_XMM, PADDB_MMX, CVTPI2PS_MMX, EMMS].into_iter().zip(raised) {
            let mut machine = Machine::new();
            machine.cpu.state.cr0 |= cr0 | NE;
            if !osfxsr {
                machine.cpu.state.cr4 &= !OSFXSR;
            }
            machine.cpu.state.x87.status = 5 << 11 | if pending { PENDING } else { 0 };
            machine.cpu.state.x87.valid = 0x55;
            let before = machine.cpu.save();
            let result = run(&mut machine, code);
            assert_eq!(result.err(), raised, "{code:x?} with CR0 {cr0:x}, OSFXSR {osfxsr}, pending {pending}");
            if raised.is_some() {
                assert!(machine.cpu.save() == before, "{code:x?} changed something");
            }
        }
    }
    // From memory, CVTPI2PS has nothing to do with MMX.
    let mut machine = Machine::new();
    machine.cpu.state.x87.status = PENDING;
    machine.cpu.regs[7] = BUFFER;
    assert_eq!(run(&mut machine, CVTPI2PS_MEM), Ok(()));
}

#[test]
fn whole_vectors_in_memory_are_aligned() {
    for (code, checked) in
        [(PADDB_XMM_MEM, true), (MOVAPS_STORE, true), (MOVUPS_LOAD, false), (MOVSS_LOAD, false), (PCMPISTRI_MEM, false)]
    {
        let mut machine = Machine::new();
        machine.cpu.regs[7] = BUFFER + 16;
        assert_eq!(run(&mut machine, code), Ok(()), "{code:x?}");
        machine.cpu.regs[7] = BUFFER + 8;
        let expected = if checked { Err(Exception::protection(0)) } else { Ok(()) };
        assert_eq!(run(&mut machine, code), expected, "{code:x?}");
    }
}

#[test]
fn an_unmasked_exception_is_xm_or_ud() {
    for (cr4, raised) in [(OSXMMEXCPT, Exception::simd()), (0, Exception::undefined())] {
        let mut machine = Machine::new();
        machine.cpu.state.cr4 = OSFXSR | cr4;
        machine.cpu.state.mxcsr = 0x1f80 & !(4 << 7);
        machine.cpu.state.vector[1] = [1f64.to_bits(), 7, 8, 9];
        machine.cpu.state.vector[2] = [0; 4];
        assert_eq!(run(&mut machine, DIVSD), Err(raised));
        assert_eq!(machine.cpu.state.vector[1], [1f64.to_bits(), 7, 8, 9]);
        assert_eq!(machine.cpu.state.mxcsr, 0x1f80 & !(4 << 7) | 4);
    }
}

#[test]
fn mxcsr_moves_and_refuses_reserved_bits() {
    let mut machine = Machine::new();
    machine.cpu.regs[7] = BUFFER;
    let mut bytes = [0; 64];
    bytes[..4].copy_from_slice(&0xffbfu32.to_le_bytes());
    machine.set_buffer(&bytes);
    assert_eq!(run(&mut machine, LDMXCSR), Ok(()));
    assert_eq!(machine.cpu.state.mxcsr, 0xffbf);
    bytes[2] = 1;
    machine.set_buffer(&bytes);
    assert_eq!(run(&mut machine, LDMXCSR), Err(Exception::protection(0)));
    assert_eq!(machine.cpu.state.mxcsr, 0xffbf);
    assert_eq!(run(&mut machine, STMXCSR), Ok(()));
    assert_eq!(machine.buffer()[..4], 0xffbfu32.to_le_bytes());
}

#[test]
fn masked_stores_touch_only_what_is_chosen() {
    let mut machine = Machine::new();
    machine.cpu.regs[7] = BUFFER + 60;
    machine.cpu.state.vector[1] = [0x0807_0605_0403_0201, 0x100f_0e0d_0c0b_0a09, 0, 0];
    machine.cpu.state.vector[2] = [0x0000_0000_8000_0080, 0, 0, 0];
    machine.set_buffer(&[0xee; 64]);
    assert_eq!(run(&mut machine, MASKMOVDQU), Ok(()));
    assert_eq!(machine.buffer()[59..], [0xee, 0x01, 0xee, 0xee, 0x04]);
}
