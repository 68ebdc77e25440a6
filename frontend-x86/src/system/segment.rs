//! Loading segment registers, in every mode (Intel SDM vol. 2, MOV, POP, LDS; vol. 3, section 5.6).

use super::descriptor::{error_code, is_null, rpl};
use crate::cpu::Mode;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::op::{Op, Width};
use lyrebird_core::cpu::segment::{SegReg, Segment};
use lyrebird_core::cpu::state::Shadow;

const DATA: u32 = Segment::PRESENT | Segment::S | Segment::READ_WRITE | Segment::ACCESSED;

/// What a null selector leaves in a data segment register.
pub fn null_segment(selector: u16) -> Segment {
    Segment { selector, base: 0, limit: 0, attributes: Segment::UNUSABLE }
}

/// The null SS that 64-bit mode allows; it still says what the privilege level is.
pub fn null_stack(selector: u16) -> Segment {
    let dpl = u32::from(selector & 3) << 5;
    Segment {
        selector,
        base: 0,
        limit: 0xffff_ffff,
        attributes: DATA | dpl | Segment::DEFAULT_BIG | Segment::GRANULARITY | Segment::UNUSABLE,
    }
}

/// What a segment register holds in V86 mode.
pub fn v86_segment(selector: u16) -> Segment {
    Segment { selector, base: u64::from(selector) << 4, limit: 0xffff, attributes: DATA | 3 << 5 }
}

/// What a load in real mode leaves: the base is new, the limit and the default size stay ("unreal mode").
pub fn real_segment(old: &Segment, selector: u16) -> Segment {
    let kept = old.attributes & (Segment::DEFAULT_BIG | Segment::GRANULARITY);
    let unusable = old.has(Segment::UNUSABLE);
    Segment {
        selector,
        base: u64::from(selector) << 4,
        limit: if unusable { 0xffff } else { old.limit },
        attributes: if unusable { DATA } else { DATA | kept },
    }
}

fn register(number: u8) -> SegReg {
    SegReg::ALL[usize::from(number).min(5)]
}

impl Ctx<'_> {
    /// What a segment register other than CS would hold after a load of this selector. Sets the accessed bit.
    pub fn prepare_segment(&mut self, seg: SegReg, selector: u16) -> Result<Segment, Exception> {
        if !self.cpu.protected() {
            return Ok(if self.cpu.v86() { v86_segment(selector) } else { real_segment(self.cpu.seg(seg), selector) });
        }
        let cpl = self.cpu.cpl();
        if seg == SegReg::Ss {
            if is_null(selector) {
                if self.cpu.mode64() && cpl < 3 && rpl(selector) == cpl {
                    return Ok(null_stack(selector));
                }
                return Err(Exception::protection(0));
            }
            return self.prepare_stack_segment(selector, cpl, Exception::protection);
        }
        if is_null(selector) {
            return Ok(null_segment(selector));
        }
        let code = error_code(selector);
        let mut d = self.descriptor(selector, Exception::protection(code))?;
        if !d.readable() || !d.conforming() && (rpl(selector) > d.dpl() || cpl > d.dpl()) {
            return Err(Exception::protection(code));
        }
        if !d.present() {
            return Err(Exception::not_present(code));
        }
        self.set_accessed(&mut d)?;
        Ok(d.segment(selector))
    }

    /// The same for a stack segment of the privilege level `dpl`; `fault` makes the exception for a bad one.
    pub fn prepare_stack_segment(
        &mut self,
        selector: u16,
        dpl: u8,
        fault: fn(u32) -> Exception,
    ) -> Result<Segment, Exception> {
        let code = error_code(selector);
        let mut d = self.descriptor(selector, fault(code))?;
        if rpl(selector) != dpl || d.dpl() != dpl || !d.writable() {
            return Err(fault(code));
        }
        if !d.present() {
            return Err(Exception::stack(code));
        }
        self.set_accessed(&mut d)?;
        Ok(d.segment(selector))
    }

    /// Loads a segment register other than CS with all checks.
    pub fn load_segment(&mut self, seg: SegReg, selector: u16) -> Result<(), Exception> {
        let segment = self.prepare_segment(seg, selector)?;
        self.set_segment(seg, segment);
        Ok(())
    }

    /// Replaces a segment register and what is derived from it.
    pub fn set_segment(&mut self, seg: SegReg, segment: Segment) {
        let other = self.cpu.state.seg[seg as usize] != segment;
        match seg {
            SegReg::Cs | SegReg::Ss => {
                self.cpu.state.seg[seg as usize] = segment;
                self.cpu.update_mode();
            }
            // 32-bit kernels load DS and ES at each entry with what programs have there.
            seg if other => {
                self.cpu.state.seg[seg as usize] = segment;
                self.cpu.update_data_segment(seg);
            }
            _ => {}
        }
    }

    /// A segment register as RETF and IRET to an outer level leave it: null if the new level may not use it.
    pub fn drop_privileged_segments(&mut self, cpl: u8) {
        for seg in [SegReg::Es, SegReg::Fs, SegReg::Gs, SegReg::Ds] {
            let s = *self.cpu.seg(seg);
            let conforming = s.has(Segment::CODE | Segment::EXPAND_CONFORM);
            if s.dpl() < cpl && !conforming {
                let mut null = null_segment(0);
                if self.cpu.state.long_mode() {
                    null.base = s.base; // the base is hidden, not cleared, until the register is loaded
                }
                self.cpu.state.seg[seg as usize] = null;
            }
        }
    }
}

/// After a load: what comes after one of SS is shielded, so that the stack pointer can follow. To decoded code loads matter only if
/// they change the mode.
fn done(ctx: &mut Ctx, seg: SegReg, before: Mode) -> Done {
    if seg == SegReg::Ss {
        ctx.cpu.state.shadow = Shadow::MovSs;
    }
    Ok(if ctx.cpu.mode == before { Then::Next } else { Then::Leave })
}

/// MOV Sreg, r/m16: the register is in slot 0.
pub fn mov_to(ctx: &mut Ctx, op: &Op) -> Done {
    let selector = ctx.read_operand(op, 1, Width::W)? as u16;
    let (seg, mode) = (register(op.r0), ctx.cpu.mode);
    ctx.load_segment(seg, selector)?;
    done(ctx, seg, mode)
}

/// POP Sreg.
pub fn pop(ctx: &mut Ctx, op: &Op) -> Done {
    let mut stack = ctx.stack();
    let selector = stack.pop_selector(ctx, op.ins.w)?;
    let (seg, mode) = (register(op.r0), ctx.cpu.mode);
    let segment = ctx.prepare_segment(seg, selector)?;
    // The stack pointer moves by the old stack's size.
    stack.commit(ctx);
    ctx.set_segment(seg, segment);
    done(ctx, seg, mode)
}

/// LDS, LES, LSS, LFS, LGS: the general register in slot 0, the segment register in `sub`.
pub fn load_far_pointer(ctx: &mut Ctx, op: &Op) -> Done {
    let at = ctx.address(op);
    let width = op.ins.w.bytes();
    let offset = ctx.read(op.seg, at, width)?;
    let at = at.wrapping_add(width) & ctx.address_width(op).mask();
    let selector = ctx.read(op.seg, at, 2)? as u16;
    let seg = register(op.ins.sub);
    ctx.load_segment(seg, selector)?;
    ctx.cpu.set_reg(op.r0, op.ins.w, offset);
    Ok(Then::Leave)
}
