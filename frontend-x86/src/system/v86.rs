//! Virtual-8086 mode and its extensions (Intel SDM vol. 3, chapter 20).

use super::control::cr4;
use super::interrupt::plain_frame;
use super::segment::v86_segment;
use crate::concrete::Concrete;
use crate::ctx::Ctx;
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::Width;
use crate::sem::system::{changeable, virtual_image, with_virtual_image};

/// Whether IOPL is 3.
fn iopl_3(ctx: &Ctx) -> bool {
    ctx.cpu.system_flags & rflags::IOPL == rflags::IOPL
}

/// Whether the extensions are on.
pub fn vme(ctx: &Ctx) -> bool {
    ctx.cpu.state.cr4 & cr4::VME != 0
}

/// INT n in V86 mode: through the 8086 program's own vector table if the TSS's redirection bitmap says so (SDM vol. 3,
/// table 20-2). True if that was done; otherwise the interrupt goes through the IDT. #GP if neither is allowed.
pub fn redirect(ctx: &mut Ctx, vector: u8, rip: u64) -> Result<bool, Exception> {
    let refused = || Exception::protection(0);
    if !vme(ctx) {
        return if iopl_3(ctx) { Ok(false) } else { Err(refused()) };
    }
    if redirection_bit(ctx, vector)? {
        return if iopl_3(ctx) { Ok(false) } else { Err(refused()) };
    }
    // The vector table lies at linear address 0 and is the program's own memory.
    let bank = ctx.cpu.bank;
    let entry = ctx.read_linear(u64::from(vector) * 4, 4, bank)?;
    let (ip, cs) = (entry as u16, (entry >> 16) as u16);
    let flags = ctx.cpu.rflags();
    if iopl_3(ctx) {
        plain_frame(ctx, flags, rip, ip, cs)?;
        ctx.cpu.set_rflags(flags & !(rflags::IF | rflags::TF | rflags::NT | rflags::RF));
    } else {
        let image = virtual_image(&mut Concrete, flags);
        plain_frame(ctx, image, rip, ip, cs)?;
        ctx.cpu.set_rflags(flags & !(rflags::VIF | rflags::TF | rflags::NT | rflags::RF));
    }
    Ok(true)
}

/// The vector's bit in the 32 bytes below the I/O permission bitmap.
fn redirection_bit(ctx: &mut Ctx, vector: u8) -> Result<bool, Exception> {
    let tr = ctx.cpu.state.tr;
    if tr.kind() & 8 == 0 || tr.limit < 0x67 {
        return Err(Exception::protection(0));
    }
    let map = ctx.read_system(ctx.system_address(tr.base.wrapping_add(0x66)), 2)?;
    let at = map.wrapping_sub(32).wrapping_add(u64::from(vector / 8));
    if at > u64::from(tr.limit) {
        return Err(Exception::protection(0));
    }
    let byte = ctx.read_system(ctx.system_address(tr.base.wrapping_add(at)), 1)?;
    Ok(byte >> (vector % 8) & 1 != 0)
}

/// IRET in V86 mode.
pub fn iret(ctx: &mut Ctx, w: Width) -> Result<(), Exception> {
    let extended = !iopl_3(ctx);
    if extended && !(vme(ctx) && w == Width::W) {
        return Err(Exception::protection(0));
    }
    let mut stack = ctx.stack();
    let ip = stack.pop(ctx, w)?;
    let selector = stack.pop_selector(ctx, w)?;
    let flags = stack.pop(ctx, w)?;
    let cs = v86_segment(selector);
    ctx.check_target(&cs, ip, 0)?;
    let old = ctx.cpu.rflags();
    let mask = changeable(w, if extended { 0 } else { rflags::IF }) | if w == Width::W { 0 } else { rflags::RF };
    let mut new = old & !mask | flags & mask;
    if extended {
        let refused;
        (new, refused) = with_virtual_image(&mut Concrete, new, flags);
        if refused {
            return Err(Exception::protection(0));
        }
    }
    stack.commit(ctx);
    ctx.cpu.state.seg[1] = cs;
    ctx.cpu.next_rip = ip;
    ctx.cpu.set_rflags(new);
    ctx.cpu.update_mode();
    Ok(())
}
