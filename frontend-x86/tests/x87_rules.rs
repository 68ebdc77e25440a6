//! The rules around x87 instructions that no user program can see on its own processor: who may run, how exceptions are
//! reported, what a page fault leaves, and the layouts of real-address mode.

#[path = "x87_host/machine.rs"]
mod machine;

use frontend_x86::exception::vector;
use lyrebird_core::cpu::x87::{X87, X87Register};
use machine::{IMAGE, Machine, OPERAND};

const MP: u64 = 1 << 1;
const EM: u64 = 1 << 2;
const TS: u64 = 1 << 3;
const NE: u64 = 1 << 5;
const ES: u16 = 0x8080;

const FLD1: &[u8] = &[0xd9, 0xe8];
const FLDZ: &[u8] = &[0xd9, 0xee];
const FDIVP: &[u8] = &[0xde, 0xf9];
const FNINIT: &[u8] = &[0xdb, 0xe3];
const FNCLEX: &[u8] = &[0xdb, 0xe2];
const FNSTSW_AX: &[u8] = &[0xdf, 0xe0];
const FWAIT: &[u8] = &[0x9b];
// Operands at [rdx].
const FLD_M64: &[u8] = &[0xdd, 0x02];
const FST_M64: &[u8] = &[0xdd, 0x12];
const FSTP_M80: &[u8] = &[0xdb, 0x3a];
const FLDCW: &[u8] = &[0xd9, 0x2a];
const FNSTCW: &[u8] = &[0xd9, 0x3a];
const FNSTENV: &[u8] = &[0xd9, 0x32];
const FLDENV: &[u8] = &[0xd9, 0x22];
const FNSAVE: &[u8] = &[0xdd, 0x32];
const FRSTOR: &[u8] = &[0xdd, 0x22];
// The same at [esi] in 16-bit code, which RDX stands for: prefix 67, ModRM 00 xxx 010.
const FNSTENV_16: &[u8] = &[0x67, 0xd9, 0x32];
const FLDENV_16: &[u8] = &[0x67, 0xd9, 0x22];
const FNSTENV_32: &[u8] = &[0x67, 0x66, 0xd9, 0x32];
const FLDENV_32: &[u8] = &[0x67, 0x66, 0xd9, 0x22];

impl Machine {
    fn ok(&mut self, code: &[u8]) {
        self.run(0x4_0123, code, OPERAND).unwrap();
    }
    fn fault(&mut self, code: &[u8], rdx: u64) -> u8 {
        self.run(0x4_0123, code, rdx).unwrap_err().vector
    }
    fn x87(&mut self) -> &mut X87 {
        &mut self.cpu.state.x87
    }
    fn fcw(&mut self, word: u16) {
        self.write(OPERAND, &word.to_le_bytes());
        self.ok(FLDCW);
    }
}

#[test]
fn device_not_available() {
    for (cr0, instructions, wait) in
        [(0, false, false), (EM, true, false), (TS, true, false), (TS | MP, true, true), (MP, false, false)]
    {
        let mut m = Machine::long();
        m.cpu.state.cr0 |= cr0;
        for code in [FNINIT, FLD1, FNSTSW_AX, FNCLEX, FNSTCW, FNSTENV, FNSAVE, &[0xdb, 0xe4]] {
            let result = m.run(0, code, OPERAND);
            assert_eq!(result.is_err_and(|e| e.vector == vector::NM), instructions, "{cr0:x} {code:x?}");
        }
        assert_eq!(m.run(0, FWAIT, 0).is_err_and(|e| e.vector == vector::NM), wait, "{cr0:x}");
    }
}

#[test]
fn probing() {
    // What kernels do to see whether there is a unit.
    let mut m = Machine::long();
    m.ok(FNINIT);
    m.cpu.regs[0] = 0x5a5a_5a5a;
    m.ok(FNSTSW_AX);
    m.ok(FNSTCW);
    assert_eq!(m.cpu.regs[0], 0x5a5a_0000);
    assert_eq!(m.read::<2>(OPERAND), 0x037fu16.to_le_bytes());
    assert_eq!(m.x87().valid, 0);
}

#[test]
fn unmasked_exceptions_wait() {
    let mut m = Machine::long();
    m.ok(FNINIT);
    m.fcw(0x37b);
    for code in [FLD1, FLDZ, FDIVP] {
        m.ok(code);
    }
    let state = *m.x87();
    assert_eq!((state.status & 0x80ff, state.valid), (ES | 4, 0xc0));
    assert_eq!((state.ip, state.opcode), (0x4_0123, 0x6f9));
    for code in [FLD1, FWAIT, FLDCW, FLDENV, FRSTOR, &[0xd9, 0xd0]] {
        assert_eq!(m.fault(code, OPERAND), vector::MF);
        assert_eq!(*m.x87(), state);
    }
    for code in [FNSTSW_AX, FNSTCW, &[0xdb, 0xe4]] {
        m.ok(code);
        assert_eq!(*m.x87(), state);
    }
    // The environment is stored with the exception; then everything is masked.
    m.ok(FNSTENV);
    assert_eq!(m.read::<6>(OPERAND)[4], 0x84);
    assert_eq!((m.x87().status & 0x80ff, m.x87().control), (4, 0x37f));
    m.ok(FLD1);
    // Loading it brings the exception back.
    m.ok(FLDENV);
    assert_eq!(m.x87().status & 0x80ff, ES | 4);
    m.ok(FNCLEX);
    assert_eq!(m.x87().status & 0x80ff, 0);
    m.ok(FWAIT);
    assert_eq!(m.bus.ferr, Some(false));
}

#[test]
fn ferr_where_ne_is_clear() {
    let mut m = Machine::long();
    m.cpu.state.cr0 &= !NE;
    m.ok(FNINIT);
    m.fcw(0x37b);
    for code in [FLD1, FLDZ] {
        m.ok(code);
    }
    assert_eq!(m.bus.ferr, None);
    m.ok(FDIVP);
    assert_eq!(m.bus.ferr, Some(true));
    m.ok(FWAIT);
    m.ok(FLD1);
    m.ok(FNCLEX);
    assert_eq!(m.bus.ferr, Some(false));
}

#[test]
fn faults_change_nothing() {
    let mut m = Machine::real();
    // Only the data segment's limit makes these fault.
    m.cpu.state.seg[3].limit = 0x2000 - 1;
    m.cpu.update_mode();
    m.x87().control = 0x37f;
    m.x87().valid = 0x55;
    let state = *m.x87();
    let before = m.read::<64>(IMAGE - 64);
    for (code, bytes) in [
        (&[0x67, 0xdd, 0x02][..], 8),
        (&[0x67, 0xdd, 0x12], 8),
        (&[0x67, 0xdb, 0x3a], 10),
        (&[0x67, 0xdb, 0x2a], 10),
        (&[0x67, 0xd8, 0x02], 4),
        (&[0x67, 0xdf, 0x32], 10),
        (&[0x67, 0xdd, 0x7a, 0], 2),
        (FNSTENV_16, 14),
        (FNSTENV_32, 28),
        (FLDENV_32, 28),
        (&[0x67, 0xdd, 0x32], 94),
        (&[0x67, 0xdd, 0x22], 94),
    ] {
        assert_eq!(m.fault(code, IMAGE - bytes + 1), vector::GP, "{code:x?}");
        assert_eq!(*m.x87(), state, "{code:x?}");
    }
    assert_eq!(m.read::<64>(IMAGE - 64), before);
}

#[test]
fn withheld_stores() {
    // Unmasked overflow: 2^16383 does not fit a double.
    let mut m = Machine::long();
    m.ok(FNINIT);
    m.x87().r[0] = X87Register { significand: 1 << 63, sign_exponent: 0x7ffe };
    m.x87().valid = 1;
    m.x87().control = 0x377;
    m.write(OPERAND, &[0x5a; 8]);
    m.ok(&[0xdd, 0x1a]);
    assert_eq!(m.read::<8>(OPERAND), [0x5a; 8]);
    assert_eq!((m.x87().valid, m.x87().status & 0x80ff), (1, ES | 8));
    m.ok(FNCLEX);
    // Its 80 bits do, whatever they are.
    m.ok(FSTP_M80);
    assert_eq!(m.read::<10>(OPERAND), [0, 0, 0, 0, 0, 0, 0, 0x80, 0xfe, 0x7f]);
    assert_eq!(m.x87().valid, 0);
}

#[test]
fn pointers() {
    let mut m = Machine::long();
    m.cpu.state.seg[1].selector = 0x33;
    m.cpu.state.seg[3].selector = 0x2b;
    m.ok(FNINIT);
    m.ok(FLD_M64);
    let x = *m.x87();
    assert_eq!((x.ip, x.cs, x.dp, x.ds, x.opcode), (0x4_0123, 0x33, OPERAND, 0x2b, 0x502));
    // Control instructions leave them.
    m.run(0x777, FNSTCW, IMAGE).unwrap();
    m.run(0x777, FWAIT, IMAGE).unwrap();
    assert_eq!(*m.x87(), x);
    m.run(0x888, &[0x66, 0x48, 0xd9, 0xc0], 0).unwrap();
    let x = *m.x87();
    assert_eq!((x.ip, x.dp, x.opcode), (0x888, OPERAND, 0x1c0));
    m.ok(FST_M64);
    assert_eq!(m.x87().opcode, 0x512);
}

#[test]
fn real_mode_environments() {
    let mut m = Machine::real();
    let state = X87 {
        control: 0x27f,
        status: 0x3800,
        valid: 0x81,
        opcode: 0x5a5,
        ip: 0x8765,
        cs: 0xf123,
        dp: 0x4321,
        ds: 0x9abc,
        ..X87::RESET
    };
    *m.x87() = state;
    m.x87().r[7].significand = 1 << 63;
    m.x87().r[7].sign_exponent = 0x3fff;
    m.ok(FNSTENV_16);
    // FIP is F123:8765, linear F9995; FDP is 9ABC:4321, linear 9EEE1. R7 is valid, R0 zero.
    let expected = [0x27f, 0x3800, 0x3ffd, 0x9995, 0xf5a5, 0xeee1, 0x9000u16];
    assert_eq!(m.read::<14>(OPERAND), *expected.map(u16::to_le_bytes).as_flattened());
    m.ok(FLDENV_16);
    let x = *m.x87();
    assert_eq!((x.control, x.status, x.valid, x.opcode), (0x27f, 0x3800, 0x81, 0x5a5));
    assert_eq!((x.ip, x.cs, x.dp, x.ds), (0xf_9995, 0, 0x9_eee1, 0));
    *m.x87() = X87 { r: x.r, ..state };
    m.ok(FNSTENV_32);
    let expected = [0xffff_027f, 0xffff_3800, 0xffff_3ffd, 0xffff_9995, 0x0000_f5a5, 0xffff_eee1, 0x0000_9000u32];
    assert_eq!(m.read::<28>(OPERAND), *expected.map(u32::to_le_bytes).as_flattened());
    m.ok(FLDENV_32);
    assert_eq!(*m.x87(), x);
}

#[test]
fn virtual_8086_mode_has_the_real_layouts() {
    let mut m = Machine::real();
    m.cpu.state.cr0 |= 1;
    m.cpu.set_rflags(1 << 17 | 2);
    m.x87().cs = 0x1000;
    m.ok(FNSTENV_16);
    assert_eq!(m.read::<14>(OPERAND)[6..10], [0, 0, 0, 0x10]);
}
