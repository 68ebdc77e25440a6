//! FCOM, FUCOM, FICOM, FCOMI, FUCOMI and their popping forms; FTST and FXAM (Intel SDM vol. 1, section 8.3.6).
//!
//! The result is delivered even when an unmasked exception holds back the pops: processors do so, against the manual's
//! pseudo-code.

use super::memory::Format;
use super::stack::Stack;
use super::unit::{Unit, codes, env, finish, finish_keeping_c1, fsw, underflow};
use crate::ctx::{Done, Then};
use crate::flags::rflags;
use crate::op::Op;
use lyrebird_core::cpu::x87::X87;
use lyrebird_float::{Class, Env, F80, Relation};

const UNORDERED: u16 = fsw::C3 | fsw::C2 | fsw::C0;

#[inline(always)]
fn set_codes(x: &mut X87, codes: u16) {
    x.status = x.status & !(fsw::C3 | fsw::C2 | fsw::C0) | codes;
}

#[inline(always)]
fn pop(x: &mut X87, pops: u8) {
    for _ in 0..pops {
        x.pop();
    }
}

#[inline(always)]
fn relate<const QUIET: bool>(a: F80, b: F80, env: &mut Env) -> Relation {
    if QUIET { a.compare_unordered(b, env) } else { a.compare(b, env) }
}

/// FCOM, FUCOM with ST(i), and so many pops.
pub fn register<const QUIET: bool, const POPS: u8>(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    let other = op.r1;
    if x.empty(0) || x.empty(other) {
        set_codes(x, UNORDERED);
        return underflow(u, |x| pop(x, POPS));
    }
    let mut env = env(x);
    let relation = relate::<QUIET>(x.st(0), x.st(other), &mut env);
    set_codes(x, codes(relation));
    if !env.suspended() {
        pop(x, POPS);
    }
    finish(u, &env)
}

/// FCOM, FICOM with memory, and so many pops.
pub fn memory<F: Format, const POPS: u8>(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let offset = u.address(op);
    let raw = u.read(op, offset, F::BYTES)?;
    let x = u.note_memory(op, offset);
    if x.empty(0) {
        set_codes(x, UNORDERED);
        return underflow(u, |x| pop(x, POPS));
    }
    let mut env = env(x);
    let (top, operand) = (x.st(0), F::widen(raw));
    let relation = top.compare(operand.value, &mut env);
    operand.settle(top, &mut env);
    set_codes(x, codes(relation));
    if !env.suspended() {
        pop(x, POPS);
    }
    finish(u, &env)
}

/// FTST.
pub fn ftst(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(0) {
        set_codes(x, UNORDERED);
        return underflow(u, |_| {});
    }
    let mut env = env(x);
    let relation = x.st(0).compare(F80::ZERO, &mut env);
    set_codes(x, codes(relation));
    finish(u, &env)
}

/// ZF, PF and CF of a comparison; OF, SF and AF are cleared.
#[inline(always)]
fn eflags(relation: Relation) -> u64 {
    match relation {
        Relation::Greater => 0,
        Relation::Less => rflags::CF,
        Relation::Equal => rflags::ZF,
        Relation::Unordered => rflags::ZF | rflags::PF | rflags::CF,
    }
}

/// FCOMI, FUCOMI, and so many pops.
pub fn to_eflags<const QUIET: bool, const POPS: u8>(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    let other = op.r1;
    if x.empty(0) || x.empty(other) {
        u.set_flags(eflags(Relation::Unordered));
        return underflow(u, |x| pop(x, POPS));
    }
    let mut env = env(x);
    let relation = relate::<QUIET>(x.st(0), x.st(other), &mut env);
    if !env.suspended() {
        pop(x, POPS);
    }
    u.set_flags(eflags(relation));
    finish_keeping_c1(u, &env)
}

/// FXAM: looks at any register, even an empty one.
pub fn fxam(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    let value = x.st(0);
    let class = if x.empty(0) {
        fsw::C3 | fsw::C0
    } else {
        match value.class() {
            Class::Unsupported => 0,
            Class::QuietNan | Class::SignalingNan => fsw::C0,
            Class::Normal => fsw::C2,
            Class::Infinity => fsw::C2 | fsw::C0,
            Class::Zero => fsw::C3,
            Class::Denormal | Class::PseudoDenormal => fsw::C3 | fsw::C2,
        }
    };
    let sign = if value.is_negative() { fsw::C1 } else { 0 };
    x.status = x.status & !fsw::CODES | class | sign;
    Ok(Then::Next)
}
