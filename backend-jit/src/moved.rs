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
    matches!(op.ins.form, Form::A64 | Form::A64Seg) && op.base != RIP_BASE && KERNEL.contains(&(op.disp as u64))
}

/// The op with nothing that moves.
pub fn without(mut op: Op) -> Op {
    if immediate(&op) {
        op.imm = 0;
    }
    // Of `Across` it is the address of a host page.
    if displacement(&op) || op.ins.func == Func::Across {
        op.disp = 0;
    }
    op
}
