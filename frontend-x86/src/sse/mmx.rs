//! MMX state: the significands of the x87 registers (Intel SDM vol. 3, chapter 13).

use crate::cpu::Cpu;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::Op;
use crate::system::control::cr0;
use crate::x87::unit::fsw;

/// TOP in the status word.
const TOP: u16 = 7 << 11;

/// Whether an unmasked x87 exception waits to be raised. Where CR0.NE is clear it has been reported by FERR# already, and
/// instructions go on: see [`crate::x87::unit::report`].
#[inline(always)]
pub fn exception_pending(cpu: &Cpu) -> bool {
    cpu.state.x87.status & fsw::ES != 0 && cpu.state.cr0 & cr0::NE != 0
}

/// What any MMX instruction but EMMS does to the x87 unit.
#[inline(always)]
pub fn enter(cpu: &mut Cpu) {
    cpu.state.x87.status &= !TOP;
    cpu.state.x87.valid = 0xff;
}

/// Writes an MMX register. Its exponent becomes that of a NaN, so that MMX data is no number for x87.
#[inline(always)]
pub fn set(cpu: &mut Cpu, r: u8, v: u64) {
    let register = &mut cpu.state.x87.r[usize::from(r & 7)];
    register.significand = v;
    register.sign_exponent = 0xffff;
}

/// Checks that MMX may be used.
pub fn available(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cr0 & cr0::EM != 0 {
        return Err(Exception::undefined());
    }
    if cpu.state.cr0 & cr0::TS != 0 {
        return Err(Exception::device_not_available());
    }
    if exception_pending(cpu) { Err(Exception::x87()) } else { Ok(()) }
}

/// EMMS: all x87 registers are empty.
pub fn emms(ctx: &mut Ctx, _op: &Op) -> Done {
    available(ctx.cpu)?;
    enter(ctx.cpu);
    ctx.cpu.state.x87.valid = 0;
    Ok(Then::Next)
}
