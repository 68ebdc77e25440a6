//! Debug registers, breakpoints and single-stepping (Intel SDM vol. 3, chapter 17).

use super::control::cr4;
use crate::cpu::Cpu;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::{Op, Width};

/// IA32_DEBUGCTL.BTF: single-step on branches.
pub const BTF: u64 = 1 << 1;
/// IA32_DEBUGCTL.LBR.
pub const LBR: u64 = 1 << 0;
const DR6_BD: u64 = 1 << 13;
const DR6_FIXED: u64 = 0xffff_0ff0;
const DR7_FIXED: u64 = 0x400;
const DR7_GD: u64 = 1 << 13;

/// What R/W in DR7 says.
mod condition {
    pub const EXECUTE: u64 = 0;
    pub const WRITE: u64 = 1;
    pub const IO: u64 = 2;
    pub const ACCESS: u64 = 3;
}

/// One breakpoint register with its part of DR7.
struct Breakpoint {
    bit: u64,
    condition: u64,
    length: u64,
    address: u64,
}

/// The breakpoints that are enabled.
fn enabled(cpu: &Cpu) -> impl Iterator<Item = Breakpoint> + use<> {
    let (dr7, dr) = (cpu.state.dr7, cpu.state.dr);
    (0..4usize).filter(move |i| dr7 >> (2 * i) & 3 != 0).map(move |i| Breakpoint {
        bit: 1 << i,
        condition: dr7 >> (16 + 4 * i) & 3,
        length: [1, 2, 8, 4][(dr7 >> (18 + 4 * i) & 3) as usize],
        address: dr[i],
    })
}

impl Breakpoint {
    fn overlaps(&self, at: u64, bytes: u64) -> bool {
        let from = self.address & !(self.length - 1);
        at < from.wrapping_add(self.length) && from < at.wrapping_add(bytes)
    }
}

/// Notes data breakpoints that an access hits; they are raised as a trap when the instruction is done.
pub fn note_data_access(cpu: &mut Cpu, linear: u64, bytes: u64, write: bool) {
    if cpu.state.dr7 & 0xff == 0 {
        return;
    }
    for b in enabled(cpu) {
        let wanted = b.condition == condition::ACCESS || b.condition == condition::WRITE && write;
        if wanted && b.overlaps(linear, bytes) {
            cpu.debug_hits |= b.bit;
        }
    }
}

/// Notes I/O breakpoints that an access to ports hits (CR4.DE).
pub fn note_port_access(cpu: &mut Cpu, port: u16, bytes: u64) {
    if cpu.state.dr7 & 0xff == 0 || cpu.state.cr4 & cr4::DE == 0 {
        return;
    }
    for b in enabled(cpu) {
        if b.condition == condition::IO && b.overlaps(u64::from(port), bytes) {
            cpu.debug_hits |= b.bit;
        }
    }
}

/// DR6 bits of the breakpoints on the instruction at RIP.
pub fn instruction_breakpoints(cpu: &Cpu) -> u64 {
    if cpu.state.dr7 & 0xff == 0 {
        return 0;
    }
    let mut linear = cpu.rip;
    if !cpu.mode64() {
        linear = cpu.state.seg[1].base.wrapping_add(linear) & 0xffff_ffff;
    }
    enabled(cpu).filter(|b| b.condition == condition::EXECUTE && b.address == linear).fold(0, |all, b| all | b.bit)
}

/// What entering the #DB handler clears: general detection, and branch tracing with its single-stepping.
pub fn clear_for_handler(cpu: &mut Cpu) {
    cpu.state.dr7 &= !DR7_GD;
    cpu.state.debugctl &= !(BTF | LBR);
}

/// Which debug register an instruction means: DR4 and DR5 are DR6 and DR7 unless CR4.DE forbids it.
fn number(ctx: &Ctx, number: u8) -> Result<u8, Exception> {
    match number {
        4 | 5 if ctx.cpu.state.cr4 & cr4::DE != 0 => Err(Exception::undefined()),
        4 | 5 => Ok(number + 2),
        0..=7 => Ok(number),
        _ => Err(Exception::undefined()),
    }
}

fn check(ctx: &mut Ctx, dr: u8) -> Result<u8, Exception> {
    let dr = number(ctx, dr)?;
    if ctx.cpu.cpl() != 0 {
        return Err(Exception::protection(0));
    }
    if ctx.cpu.state.dr7 & DR7_GD != 0 {
        return Err(Exception::debug(DR6_BD));
    }
    Ok(dr)
}

/// MOV r, DR: the debug register in slot 1.
pub fn mov_from(ctx: &mut Ctx, op: &Op) -> Done {
    let value = match check(ctx, op.r1)? {
        n @ 0..=3 => ctx.cpu.state.dr[usize::from(n)],
        6 => ctx.cpu.state.dr6,
        _ => ctx.cpu.state.dr7,
    };
    ctx.cpu.set_reg(op.r0, op.ins.w, value);
    Ok(Then::Next)
}

/// MOV DR, r: the debug register in slot 0.
pub fn mov_to(ctx: &mut Ctx, op: &Op) -> Done {
    let dr = check(ctx, op.r0)?;
    let value = ctx.cpu.reg(op.r1) & op.ins.w.mask();
    if dr >= 6 && op.ins.w == Width::Q && value >> 32 != 0 {
        return Err(Exception::protection(0));
    }
    match dr {
        0..=3 => ctx.cpu.state.dr[usize::from(dr)] = value,
        6 => ctx.cpu.state.dr6 = value & 0xe00f | DR6_FIXED,
        _ => ctx.cpu.state.dr7 = value & 0xffff_2bff | DR7_FIXED,
    }
    ctx.cpu.update_mode();
    Ok(Then::Leave)
}
