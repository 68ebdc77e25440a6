//! PUSHF and POPF where they can be done without a look around: outside V86 mode, and of flags that matter to nobody else.

use crate::fast::{Fast, Flow, GoSlow};
use crate::run::{Run, TracedOp};
use frontend_x86::algebra::{Access, Algebra};
use frontend_x86::flags::LazyFlags;
use frontend_x86::op::{Form, Ins, Width, reg};
use frontend_x86::sem::stack::{probe_push, push_value, stack_form};
use frontend_x86::system::flags_ops;

/// How they use the stack: their ops do not say.
fn shape(run: &Run, op: &TracedOp) -> Ins {
    Ins { w2: run.cpu.mode.stack, form: Form::Seg32, ..op.near_ins() }
}

/// The shape of what 32-bit code does on a 32-bit stack, as a constant.
const fn in_32_bits(i: Ins) -> Option<Ins> {
    if matches!((i.w, i.w2), (Width::D, Width::D)) {
        Some(Ins { w: Width::D, w2: Width::D, form: Form::Seg32, ..i })
    } else {
        None
    }
}

/// PUSHF.
///
/// # Safety
/// The contract of [`crate::run::Handler`].
#[inline(never)]
pub unsafe fn push(run: *mut Run, op: *const TracedOp) -> Result<Flow, GoSlow> {
    // SAFETY: passed on.
    let r = unsafe { &*run };
    if r.cpu.v86() {
        return Err(GoSlow);
    }
    let flags = flags_ops::pushed(&r.cpu);
    // SAFETY: passed on.
    let i = unsafe { shape(r, &*op) };
    let mut fast = Fast { run, op, i };
    match in_32_bits(i) {
        Some(i) => push_as(&mut fast, i, flags),
        None => push_as(&mut fast, i, flags),
    }
}

#[inline(always)]
fn push_as(fast: &mut Fast, i: Ins, flags: u64) -> Result<Flow, GoSlow> {
    let (place, sp) = probe_push(fast, i, i.w)?;
    push_value(fast, i, i.w, place, sp, flags);
    Ok(Flow::Next)
}

/// POPF, of flags that change nothing but the arithmetic and the direction.
///
/// # Safety
/// As for [`push`].
#[inline(never)]
pub unsafe fn pop(run: *mut Run, op: *const TracedOp) -> Result<Flow, GoSlow> {
    // SAFETY: passed on.
    let (v86, i) = unsafe { ((*run).cpu.v86(), shape(&*run, &*op)) };
    if v86 {
        return Err(GoSlow);
    }
    let mut fast = Fast { run, op, i };
    match in_32_bits(i) {
        Some(i) => pop_as(&mut fast, i),
        None => pop_as(&mut fast, i),
    }
}

#[inline(always)]
fn pop_as(fast: &mut Fast, i: Ins) -> Result<Flow, GoSlow> {
    let sp = fast.reg(reg::RSP, i.w2);
    let place = fast.probe(stack_form(i), 2, sp, i.w, Access::Read)?;
    let value = fast.load(i.w, place);
    // SAFETY: see `Handler`.
    let cpu = unsafe { &mut (*fast.run).cpu };
    if flags_ops::pops_arithmetic_only(cpu, i.w, value) {
        cpu.flags = LazyFlags::word(value);
    } else {
        let new = flags_ops::popped(cpu, i.w, value);
        if flags_ops::wants_a_look(cpu.rflags(), new) {
            return Err(GoSlow);
        }
        cpu.set_rflags(new);
    }
    fast.set_reg(reg::RSP, i.w2, sp.wrapping_add(i.w.bytes()) & i.w2.mask());
    Ok(Flow::Next)
}
