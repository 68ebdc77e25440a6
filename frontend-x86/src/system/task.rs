//! Hardware task switches, with 16- and 32-bit TSSs (Intel SDM vol. 3, chapter 7).

use super::control::{cr0, cr4, load_pdptes};
use super::descriptor::{Descriptor, error_code, is_null, kind, rpl};
use super::raise::raise;
use super::segment::{null_segment, v86_segment};
use crate::algebra::Access;
use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags;
use crate::op::Width;
use crate::paging;
use lyrebird_core::cpu::segment::{SegReg, Segment};

/// What switches the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// JMP: the old task is no longer busy.
    Jump,
    /// CALL: the new task is nested.
    Call,
    /// An interrupt or exception through a task gate: nested too.
    Interrupt,
    /// IRET from a nested task.
    Iret,
}

impl Cause {
    fn nests(self) -> bool {
        matches!(self, Cause::Call | Cause::Interrupt)
    }
}

/// DR6.BT.
const BT: u64 = 1 << 15;
/// The debug-register enables that belong to a task: L0 to L3 and LE.
const DR7_LOCAL: u64 = 0x155;

/// The dynamic part of a TSS.
#[derive(Clone, Copy, Default)]
struct Image {
    cr3: Option<u64>,
    ip: u64,
    flags: u64,
    gpr: [u64; 8],
    /// ES CS SS DS FS GS.
    selectors: [u16; 6],
    ldt: u16,
    trap: bool,
}

/// Where the fields of a TSS of one size stand.
struct Shape {
    wide: bool,
}

impl Shape {
    /// The least limit.
    fn limit(&self) -> u32 {
        if self.wide { 0x67 } else { 0x2b }
    }
    fn w(&self) -> u64 {
        if self.wide { 4 } else { 2 }
    }
    fn ip(&self) -> u64 {
        if self.wide { 0x20 } else { 0x0e }
    }
    fn selectors(&self) -> u64 {
        if self.wide { 0x48 } else { 0x22 }
    }
    /// How many segment registers a TSS has: the 286 knew no FS and GS.
    fn segments(&self) -> usize {
        if self.wide { 6 } else { 4 }
    }
}

/// JMP or CALL to a task gate or a TSS.
pub fn far(ctx: &mut Ctx, selector: u16, d: &Descriptor, cause: Cause, next: u64) -> Done {
    let code = error_code(selector);
    if ctx.cpu.state.long_mode() {
        return Err(Exception::protection(code));
    }
    if d.dpl() < ctx.cpu.cpl() || d.dpl() < rpl(selector) {
        return Err(Exception::protection(code));
    }
    let gate = d.kind() == kind::TASK_GATE;
    if !d.present() {
        return Err(Exception::not_present(code));
    }
    let (selector, d) = if gate {
        let target = d.gate_selector();
        let code = error_code(target);
        if is_null(target) || target & 4 != 0 {
            return Err(Exception::protection(code));
        }
        let d = ctx.descriptor(target, Exception::protection(code))?;
        if !d.system() || !matches!(d.kind(), kind::TSS | kind::TSS16) {
            return Err(Exception::protection(code));
        }
        if !d.present() {
            return Err(Exception::not_present(code));
        }
        (target, d)
    } else {
        if selector & 4 != 0 {
            return Err(Exception::protection(code));
        }
        (selector, *d)
    };
    let late = switch(ctx, selector, &d, cause, next, 0)?;
    finish(ctx, late)
}

/// Ends an instruction that switched the task: a fault that the new task met while it was loaded is its own.
pub fn finish(ctx: &mut Ctx, late: Option<Exception>) -> Done {
    match late {
        Some(e) => _ = raise(ctx, e),
        None => {
            let cs = *ctx.cpu.seg(SegReg::Cs);
            if let Err(e) = ctx.check_target(&cs, ctx.cpu.next_rip, 0) {
                raise(ctx, e);
            }
        }
    }
    Ok(Then::Leave)
}

/// Switches to the task of a TSS descriptor that has been checked. `rip` is what the old task resumes at. An error means
/// that nothing has happened; `Some` exception is met in the context of the new task, after the switch.
pub fn switch(
    ctx: &mut Ctx,
    selector: u16,
    d: &Descriptor,
    cause: Cause,
    rip: u64,
    ext: u32,
) -> Result<Option<Exception>, Exception> {
    let code = error_code(selector) | ext;
    let new = Shape { wide: d.kind() & 8 != 0 };
    let base = d.base();
    if d.limit() < new.limit() {
        return Err(Exception::invalid_tss(code));
    }
    let tr = ctx.cpu.state.tr;
    let old = Shape { wide: tr.kind() & 8 != 0 };
    if tr.has(Segment::UNUSABLE) || tr.limit < old.limit() {
        return Err(Exception::invalid_tss(error_code(tr.selector) | ext));
    }
    // All pages are touched before anything is changed (SDM vol. 3, section 7.3, step 7).
    probe(ctx, tr.base, u64::from(old.limit()) + 1)?;
    probe(ctx, base, u64::from(new.limit()) + 1)?;
    let image = read(ctx, base, &new)?;
    let old_descriptor = ctx.descriptor_address(tr.selector & !7, 8);

    let mut flags = ctx.cpu.rflags();
    if cause == Cause::Iret {
        flags &= !rflags::NT;
    }
    if matches!(cause, Cause::Jump | Cause::Iret)
        && let Some(at) = old_descriptor
    {
        ctx.set_busy(at, false)?;
    }
    save(ctx, tr.base, &old, rip, flags)?;
    if cause.nests() {
        ctx.write_system(ctx.system_address(base), 2, u64::from(tr.selector))?;
    }
    if cause != Cause::Iret {
        ctx.set_busy(d.at, true)?;
    }
    Ok(load(ctx, selector, d, &image, cause, ext).err())
}

/// Makes sure that a piece of a TSS can be written.
fn probe(ctx: &mut Ctx, base: u64, bytes: u64) -> Result<(), Exception> {
    let bank = ctx.system_bank();
    ctx.physical(ctx.system_address(base), bytes, Access::Write, bank).map(|_| ())
}

fn read(ctx: &mut Ctx, base: u64, shape: &Shape) -> Result<Image, Exception> {
    let mut field = |offset: u64, bytes: u64| {
        let at = ctx.system_address(base.wrapping_add(offset));
        ctx.read_system(at, bytes)
    };
    let w = shape.w();
    let at = shape.ip();
    let mut image = Image { ip: field(at, w)?, flags: field(at + w, w)?, ..Image::default() };
    for (i, r) in image.gpr.iter_mut().enumerate() {
        *r = field(at + w * (2 + i as u64), w)?;
        if !shape.wide {
            *r |= 0xffff_0000; // what the 386 and its successors leave there
        }
    }
    for i in 0..shape.segments() {
        image.selectors[i] = field(shape.selectors() + w * i as u64, 2)? as u16;
    }
    image.ldt = field(shape.selectors() + w * shape.segments() as u64, 2)? as u16;
    if shape.wide {
        image.cr3 = Some(field(0x1c, 4)?);
        image.trap = field(0x64, 2)? & 1 != 0;
    }
    Ok(image)
}

/// Saves the old task's registers in its TSS.
fn save(ctx: &mut Ctx, base: u64, shape: &Shape, rip: u64, flags: u64) -> Result<(), Exception> {
    let w = shape.w();
    let at = shape.ip();
    let mut fields = vec![(at, w, rip), (at + w, w, flags)];
    for i in 0..8 {
        fields.push((at + w * (2 + i), w, ctx.cpu.reg(i as u8)));
    }
    for i in 0..shape.segments() {
        let selector = u64::from(ctx.cpu.state.seg[i].selector);
        fields.push((shape.selectors() + w * i as u64, 2, selector));
    }
    for (offset, bytes, value) in fields {
        let at = ctx.system_address(base.wrapping_add(offset));
        ctx.write_system(at, bytes, value)?;
    }
    Ok(())
}

/// Loads the new task. An error is the new task's.
fn load(ctx: &mut Ctx, selector: u16, d: &Descriptor, image: &Image, cause: Cause, ext: u32) -> Result<(), Exception> {
    let mut tr = d.segment(selector);
    tr.attributes |= 2; // busy
    let cpu = &mut *ctx.cpu;
    cpu.state.tr = tr;
    cpu.state.cr0 |= cr0::TS;
    cpu.state.dr7 &= !DR7_LOCAL;
    let paging = cpu.state.cr0 & cr0::PG != 0;
    if let Some(cr3) = image.cr3
        && paging
    {
        if cpu.state.cr4 & cr4::PAE != 0 {
            let refused = Exception::invalid_tss(error_code(selector) | ext);
            cpu.state.pdpte = load_pdptes(cpu, cr3).ok_or(refused)?;
        }
        let old = std::mem::replace(&mut cpu.state.cr3, cr3);
        if old != cr3 {
            paging::change_space(cpu, old);
        }
    }
    for (i, value) in image.gpr.iter().enumerate() {
        cpu.set_reg(i as u8, Width::D, *value);
    }
    let mut flags = image.flags & 0x3f_7fd5 | rflags::FIXED;
    if d.kind() & 8 == 0 {
        flags &= 0xffff;
    }
    if cause.nests() {
        flags |= rflags::NT;
    }
    cpu.rip = image.ip;
    cpu.next_rip = image.ip;
    if image.trap {
        cpu.state.pending_debug |= BT;
    }
    // First only the selectors: what of them cannot be loaded stays unusable.
    let cs_selector = image.selectors[SegReg::Cs as usize];
    let v86 = flags & rflags::VM != 0;
    for (i, s) in image.selectors.iter().enumerate() {
        cpu.state.seg[i] = if v86 { v86_segment(*s) } else { null_segment(*s) };
    }
    let cpl = if v86 { 3 } else { rpl(cs_selector) };
    cpu.state.seg[SegReg::Ss as usize].attributes |= u32::from(cpl) << 5;
    cpu.state.ldtr = null_segment(image.ldt);
    cpu.set_rflags(flags);
    cpu.update_mode();
    segments(ctx, image, v86, cpl, ext)
}

/// Loads LDTR and the segment registers of the new task.
fn segments(ctx: &mut Ctx, image: &Image, v86: bool, cpl: u8, ext: u32) -> Result<(), Exception> {
    let invalid = |selector: u16| Exception::invalid_tss(error_code(selector) | ext);
    if !is_null(image.ldt) {
        if image.ldt & 4 != 0 {
            return Err(invalid(image.ldt));
        }
        let d = ctx.descriptor(image.ldt, invalid(image.ldt))?;
        if !d.system() || d.kind() != kind::LDT || !d.present() {
            return Err(invalid(image.ldt));
        }
        ctx.cpu.state.ldtr = d.segment(image.ldt);
    }
    if v86 {
        return Ok(());
    }
    let selector = image.selectors[SegReg::Cs as usize];
    if is_null(selector) {
        return Err(invalid(selector));
    }
    let mut d = ctx.descriptor(selector, invalid(selector))?;
    let allowed = if d.conforming() { d.dpl() <= cpl } else { d.dpl() == cpl };
    if !d.code() || !allowed {
        return Err(invalid(selector));
    }
    if !d.present() {
        return Err(Exception::not_present(error_code(selector) | ext));
    }
    ctx.set_accessed(&mut d)?;
    ctx.cpu.state.seg[SegReg::Cs as usize] = d.segment(selector);
    ctx.cpu.update_mode();

    let selector = image.selectors[SegReg::Ss as usize];
    if is_null(selector) {
        return Err(invalid(selector));
    }
    let ss = ctx.prepare_stack_segment(selector, cpl, Exception::invalid_tss)?;
    ctx.set_segment(SegReg::Ss, ss);
    for seg in [SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs] {
        let selector = image.selectors[seg as usize];
        if is_null(selector) {
            continue;
        }
        let code = error_code(selector) | ext;
        let mut d = ctx.descriptor(selector, invalid(selector))?;
        if !d.readable() || !d.conforming() && (rpl(selector) > d.dpl() || cpl > d.dpl()) {
            return Err(invalid(selector));
        }
        if !d.present() {
            return Err(Exception::not_present(code));
        }
        ctx.set_accessed(&mut d)?;
        let segment = d.segment(selector);
        ctx.set_segment(seg, segment);
    }
    Ok(())
}
