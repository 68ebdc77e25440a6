//! System instructions that kernels execute at every turn: PUSHF, POPF, CLI, STI, SWAPGS, PUSH of a segment register and MOV from one,
//! with the virtual interrupt flag of V86 and protected mode (Intel SDM vol. 2; vol. 3, section 20.4).

use super::operand::{place, put};
use super::stack::{probe_push, push_value, stack_form, stack_top};
use crate::algebra::{Access, Arith, Bin, Outcome};
use crate::exception::Exception;
use crate::flags::{FlagKind, Flags, rflags};
use crate::op::{Ins, Kind, Width, reg};
use crate::system::algebra::SystemAlgebra;
use crate::system::control::cr4;
use lyrebird_core::Signals;

const Q: Width = Width::Q;

#[inline(always)]
fn with<A: Arith>(a: &mut A, op: Bin, v: A::V, bits: u64) -> A::V {
    let bits = a.k(Q, bits);
    a.bin(op, Q, v, bits)
}

/// Whether one of these bits is set.
#[inline(always)]
fn any<A: Arith>(a: &mut A, v: A::V, bits: u64) -> A::C {
    let v = with(a, Bin::And, v, bits);
    a.is_nonzero(Q, v)
}

/// The bits of `to` instead of those of `from`.
#[inline(always)]
fn replace<A: Arith>(a: &mut A, v: A::V, from: u64, to: A::V) -> A::V {
    let rest = with(a, Bin::And, v, !from);
    a.bin(Bin::Or, Q, rest, to)
}

/// The IOPL and IF, as far as the privilege level lets code change them.
#[inline(always)]
fn rights<A: SystemAlgebra>(a: &mut A) -> Result<u64, A::Stop> {
    let zero = a.k(Q, 0);
    let all = a.cpl_within(zero);
    if a.usually_or_stop(all)? {
        return Ok(rflags::IOPL | rflags::IF);
    }
    let flags = a.system_flags();
    let iopl = with(a, Bin::And, flags, rflags::IOPL);
    let iopl = with(a, Bin::Shr, iopl, rflags::IOPL.trailing_zeros().into());
    let interrupts = a.cpl_within(iopl);
    Ok(if a.usually_or_stop(interrupts)? { rflags::IF } else { 0 })
}

/// The flags that POPF may change, with the [`rights`] of its level. IRET may change these and some more.
#[inline(always)]
pub const fn changeable(w: Width, rights: u64) -> u64 {
    let wide = if matches!(w, Width::W) { 0 } else { rflags::AC | rflags::ID };
    rflags::ARITHMETIC | rflags::TF | rflags::DF | rflags::NT | wide | rights
}

/// Whether PUSHF and POPF take VIF for IF: in V86 mode with an IOPL below 3, if they may be used there at all.
#[inline(always)]
fn takes_vif<A: SystemAlgebra>(a: &mut A, w: Width) -> Result<bool, A::Stop> {
    let v86 = a.v86();
    let other = a.not(v86);
    if a.usually_or_stop(other)? || rights(a)? & rflags::IF != 0 {
        return Ok(false);
    }
    let cr4 = a.cr4();
    let vme = any(a, cr4, cr4::VME);
    let word = a.truth(w == Width::W);
    let fine = a.and(vme, word);
    let refused = a.not(fine);
    a.raise_if_or_stop(refused, Exception::protection(0))?;
    Ok(true)
}

/// Flags as an 8086 program sees them that has VIF for IF: that, and IOPL 3.
#[inline(always)]
pub fn virtual_image<A: Arith>(a: &mut A, flags: A::V) -> A::V {
    let on = any(a, flags, rflags::VIF);
    let (enabled, disabled) = (a.k(Q, rflags::IF | rflags::IOPL), a.k(Q, rflags::IOPL));
    let shown = a.select(Q, on, enabled, disabled);
    replace(a, flags, rflags::IF | rflags::IOPL, shown)
}

/// The other way: flags with an image's IF as VIF, and whether #GP is raised instead. With an interrupt waiting (VIP) a set IF may not
/// come in, and TF never may.
#[inline(always)]
pub fn with_virtual_image<A: Arith>(a: &mut A, flags: A::V, image: A::V) -> (A::V, A::C) {
    let (step, on, pending) = (any(a, image, rflags::TF), any(a, image, rflags::IF), any(a, flags, rflags::VIP));
    let early = a.and(on, pending);
    let refused = a.or(step, early);
    let (enabled, disabled) = (a.k(Q, rflags::VIF), a.k(Q, 0));
    let vif = a.select(Q, on, enabled, disabled);
    (replace(a, flags, rflags::VIF, vif), refused)
}

/// Has the engine look around before the next instruction if it has to: a waiting interrupt may come in, or TF or AC has changed.
#[inline(always)]
fn settle<A: SystemAlgebra>(a: &mut A, changed: A::V, new: A::V) -> Result<(), A::Stop> {
    let careful = with(a, Bin::And, changed, rflags::TF | rflags::AC);
    // IF where the signal is.
    const DOWN: u32 = rflags::IF.trailing_zeros() - Signals::INTR.trailing_zeros();
    let enabled = with(a, Bin::Shr, new, DOWN.into());
    let enabled = with(a, Bin::And, enabled, Signals::INTR.into());
    let signals = a.signals();
    let comes = a.bin(Bin::And, Q, signals, enabled);
    let look = a.bin(Bin::Or, Q, careful, comes);
    let look = a.is_nonzero(Q, look);
    a.look_if_or_stop(look)
}

/// PUSHF. VM and RF are pushed clear.
#[inline(always)]
pub fn pushf<A: SystemAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let takes_vif = takes_vif(a, i.w)?;
    let (p, sp) = probe_push(a, i, i.w)?;
    let system = a.system_flags();
    let mut system = with(a, Bin::And, system, !(rflags::VM | rflags::RF));
    if takes_vif {
        system = virtual_image(a, system);
    }
    let arithmetic = a.flags_word();
    let flags = a.bin(Bin::Or, Q, system, arithmetic);
    push_value(a, i, i.w, p, sp, flags);
    Ok(a.next())
}

/// POPF. What the privilege level may not change stays; RF is cleared.
#[inline(always)]
pub fn popf<A: SystemAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let takes_vif = takes_vif(a, i.w)?;
    let sp = stack_top(a, i);
    let p = a.probe(stack_form(i), 2, sp, i.w, Access::Read)?;
    let image = a.load(i.w, p);
    let system = changeable(i.w, rights(a)?) & !rflags::ARITHMETIC;
    let old = a.system_flags();
    let popped = with(a, Bin::And, image, system);
    let mut new = replace(a, old, system | rflags::RF, popped);
    if takes_vif {
        let refused;
        (new, refused) = with_virtual_image(a, new, image);
        a.raise_if_or_stop(refused, Exception::protection(0))?;
    }
    let changed = a.bin(Bin::Xor, Q, old, new);
    settle(a, changed, new)?;
    let size = a.k(i.w2, i.w.bytes());
    let sp = a.add(i.w2, sp, size);
    a.set_reg(reg::RSP, i.w2, sp);
    a.set_system_flags(new);
    let aux = with(a, Bin::And, image, rflags::ARITHMETIC);
    let zero = a.k(Q, 0);
    a.set_flags(Flags { kind: FlagKind::Word, w: Q, res: zero, src: zero, aux });
    Ok(a.next())
}

/// CLI (sub 0), STI (sub 1): on IF, or on VIF where that is virtual (VME in V86 mode, PVI at level 3). If STI sets IF, interrupts wait
/// for one more instruction.
#[inline(always)]
pub fn interrupts<A: SystemAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let real = rights(a)? & rflags::IF != 0;
    if !real {
        let refused = no_virtual_flag(a);
        a.raise_if_or_stop(refused, Exception::protection(0))?;
    }
    let flag = if real { rflags::IF } else { rflags::VIF };
    if i.sub == 0 {
        let flags = a.system_flags();
        let flags = with(a, Bin::And, flags, !flag);
        a.set_system_flags(flags);
        return Ok(a.next());
    }
    let flags = a.system_flags();
    if real {
        let on = a.k(Q, flag);
        settle(a, on, on)?;
        let on = any(a, flags, flag);
        let off = a.not(on);
        a.shield_if_or_stop(off)?;
    } else {
        let pending = any(a, flags, rflags::VIP);
        a.raise_if_or_stop(pending, Exception::protection(0))?;
    }
    let flags = a.system_flags();
    let flags = with(a, Bin::Or, flags, flag);
    a.set_system_flags(flags);
    Ok(a.next())
}

/// Whether CLI and STI of code that may not change IF have no VIF either.
#[inline(always)]
fn no_virtual_flag<A: SystemAlgebra>(a: &mut A) -> A::C {
    let (cr4, two) = (a.cr4(), a.k(Q, 2));
    let (vme, pvi) = (any(a, cr4, cr4::VME), any(a, cr4, cr4::PVI));
    let inner = a.cpl_within(two);
    let outer = a.not(inner);
    let pvi = a.and(pvi, outer);
    let v86 = a.v86();
    let other = a.not(v86);
    let (vme, pvi) = (a.and(v86, vme), a.and(other, pvi));
    let has = a.or(vme, pvi);
    a.not(has)
}

/// SWAPGS, of 64-bit mode.
#[inline(always)]
pub fn swapgs<A: SystemAlgebra>(a: &mut A, _i: Ins) -> Outcome<A> {
    let zero = a.k(Q, 0);
    let kernel = a.cpl_within(zero);
    let user = a.not(kernel);
    a.raise_if_or_stop(user, Exception::protection(0))?;
    let (base, other) = (a.gs_base(), a.kernel_gs_base());
    a.set_gs_base(other);
    a.set_kernel_gs_base(base);
    Ok(a.next())
}

/// PUSH of a segment register. Of 32 bits only the lower half is written, as recent CPUs do.
#[inline(always)]
pub fn push_segment<A: SystemAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let part = if i.w == Width::D { Width::W } else { i.w };
    let (p, sp) = probe_push(a, i, part)?;
    let seg = a.op().r0;
    let selector = a.selector(seg);
    push_value(a, i, part, p, sp, selector);
    Ok(a.next())
}

/// MOV from a segment register: memory gets 16 bits, a register the operand size.
#[inline(always)]
pub fn mov_segment<A: SystemAlgebra>(a: &mut A, i: Ins) -> Outcome<A> {
    let w = if i.k0 == Kind::Mem { Width::W } else { i.w };
    let dst = place(a, i, 0, w, Access::Write)?;
    let seg = a.op().r1;
    let selector = a.selector(seg);
    put(a, w, dst, selector);
    Ok(a.next())
}
