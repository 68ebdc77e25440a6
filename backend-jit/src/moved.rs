//! Constants that differ from boot to boot: Linux puts its kernel elsewhere each time (KASLR), and immediates and displacements
//! that are its addresses move along. They are holes in the code, and no part of its key, so that what was translated in one boot
//! serves in all.
//!
//! Which constants are addresses is a guess, by the range that 64-bit kernels lie in (the top 2 GiB, but for small negative
//! numbers). A wrong one costs a few bytes.

use frontend_x86::op::{Form, Func, Kind, Op, RIP_BASE, Width};
use std::ops::Range;

const KERNEL: Range<u64> = 0xffff_ffff_8000_0000..0xffff_ffff_fe00_0000;

/// Whether an op's immediate is one.
pub fn immediate(op: &Op) -> bool {
    let i = op.ins;
    matches!(i.func, Func::Mov | Func::Alu | Func::Push)
        && i.w == Width::Q
        && (i.k0 == Kind::Imm || i.k1 == Kind::Imm)
        && KERNEL.contains(&op.imm)
}

/// Whether an op's displacement is one.
pub fn displacement(op: &Op) -> bool {
    // Relative to RIP nothing moves.
    matches!(op.ins.form, Form::A64 | Form::A64Seg)
        && op.base != RIP_BASE
        && KERNEL.contains(&(op.disp as u64))
        && !op.ins.func.jumps_directly()
}

/// The op with nothing that moves.
pub fn without(mut op: Op) -> Op {
    if immediate(&op) {
        op.imm = 0;
    }
    // Of jumps it may be a link.
    if displacement(&op) || op.ins.func.jumps_directly() {
        op.disp = 0;
    }
    op
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontend_x86::cpu::{CodeSize, Mode};
    use frontend_x86::decode::decode;
    use frontend_x86::model::Model;

    fn decoded(code: &[u8]) -> Op {
        let mode = Mode { code: CodeSize::Bits64, stack: Width::Q, flat: true, real: false };
        decode(code, 0x100, mode, &Model::by_name("max").unwrap()).unwrap().op
    }

    #[test]
    fn addresses_of_the_kernel_move_and_nothing_else_does() {
        // mov rdi, 0xffffffff82345678; cmp rax, the same; mov rax, [rdi*8 + the same]; mov [the same], rax
        let moving: [(&[u8], (bool, bool)); 7] = [
            (&[0x48, 0xc7, 0xc7, 0x78, 0x56, 0x34, 0x82], (true, false)),
            (&[0x48, 0x3d, 0x78, 0x56, 0x34, 0x82], (true, false)),
            (&[0x48, 0x8b, 0x04, 0xfd, 0x78, 0x56, 0x34, 0x82], (false, true)),
            (&[0x48, 0x89, 0x04, 0x25, 0x78, 0x56, 0x34, 0x82], (false, true)),
            // and rax, -4096; mov edi, 0x82345678; mov rax, [rip - 0x7dcba988]
            (&[0x48, 0x25, 0x00, 0xf0, 0xff, 0xff], (false, false)),
            (&[0xbf, 0x78, 0x56, 0x34, 0x82], (false, false)),
            (&[0x48, 0x8b, 0x05, 0x78, 0x56, 0x34, 0x82], (false, false)),
        ];
        for (code, expected) in moving {
            let op = decoded(code);
            assert_eq!((immediate(&op), displacement(&op)), expected, "{code:x?}");
            let mut other = code.to_vec();
            other[code.len() - 2] ^= 0x0f;
            let same = without(op) == without(decoded(&other));
            assert_eq!(same, expected != (false, false), "{code:x?}");
        }
    }
}
