//! FSIN, FCOS, FSINCOS, FPTAN, FPATAN, FYL2X, FYL2XP1, FSCALE, FXTRACT, FPREM and FPREM1 (Intel SDM vol. 1, sections
//! 8.3.5 to 8.3.9).

use super::stack::Stack;
use super::unit::{Unit, env, finish, finish_keeping_c1, fsw, overflow, underflow};
use crate::ctx::Done;
use crate::op::Op;
use lyrebird_core::cpu::x87::X87;
use lyrebird_float::{Env, F80, Remainder};

/// C2 says that the operand was out of range.
#[inline(always)]
fn set_partial(x: &mut X87, partial: bool) {
    x.status = x.status & !fsw::C2 | if partial { fsw::C2 } else { 0 };
}

/// FSIN and FCOS.
#[inline(always)]
fn periodic(u: &mut impl Unit, op: &Op, f: impl FnOnce(F80, &mut Env) -> Option<F80>) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(0) {
        set_partial(x, false);
        return underflow(u, |x| x.put(0, F80::INDEFINITE));
    }
    let mut env = env(x);
    let result = f(x.st(0), &mut env);
    set_partial(x, result.is_none());
    if let Some(value) = result
        && !env.suspended()
    {
        x.replace(0, value);
    }
    finish(u, &env)
}

/// FSIN.
pub fn fsin(u: &mut impl Unit, op: &Op) -> Done {
    periodic(u, op, F80::sin)
}

/// FCOS.
pub fn fcos(u: &mut impl Unit, op: &Op) -> Done {
    periodic(u, op, F80::cos)
}

/// Instructions that replace ST(0) and push a second result; `f` gives them in this order, or `None` when the operand is
/// out of range.
#[inline(always)]
fn pushing(u: &mut impl Unit, op: &Op, f: impl FnOnce(F80, &mut Env) -> Option<(F80, F80)>) -> Done {
    u.begin()?;
    let x = u.note(op);
    let indefinite = |x: &mut X87| {
        x.put(0, F80::INDEFINITE);
        x.push(F80::INDEFINITE);
    };
    if x.empty(0) {
        return underflow(u, indefinite);
    }
    if x.full() {
        return overflow(u, indefinite);
    }
    let mut env = env(x);
    if let Some((below, top)) = f(x.st(0), &mut env)
        && !env.suspended()
    {
        x.replace(0, below);
        x.push(top);
    }
    finish(u, &env)
}

/// The same for the functions that report a partial result.
#[inline(always)]
fn pushing_periodic(u: &mut impl Unit, op: &Op, f: impl FnOnce(F80, &mut Env) -> Option<(F80, F80)>) -> Done {
    let mut partial = false;
    let done = pushing(u, op, |a, env| {
        let result = f(a, env);
        partial = result.is_none();
        result
    })?;
    set_partial(u.x87(), partial);
    Ok(done)
}

/// FSINCOS.
pub fn fsincos(u: &mut impl Unit, op: &Op) -> Done {
    pushing_periodic(u, op, F80::sin_cos)
}

/// FPTAN.
pub fn fptan(u: &mut impl Unit, op: &Op) -> Done {
    pushing_periodic(u, op, F80::tan)
}

/// FXTRACT.
pub fn fxtract(u: &mut impl Unit, op: &Op) -> Done {
    pushing(u, op, |a, env| Some(a.extract(env)))
}

/// ST(1) = f(ST(0), ST(1)), and pop.
#[inline(always)]
fn to_next(u: &mut impl Unit, op: &Op, f: impl FnOnce(F80, F80, &mut Env) -> F80) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(0) || x.empty(1) {
        return underflow(u, |x| {
            x.put(1, F80::INDEFINITE);
            x.pop();
        });
    }
    let mut env = env(x);
    let result = f(x.st(0), x.st(1), &mut env);
    if !env.suspended() {
        x.replace(1, result);
        x.pop();
    }
    finish(u, &env)
}

/// FPATAN.
pub fn fpatan(u: &mut impl Unit, op: &Op) -> Done {
    to_next(u, op, |x, y, env| y.atan2(x, env))
}

/// FYL2X.
pub fn fyl2x(u: &mut impl Unit, op: &Op) -> Done {
    to_next(u, op, F80::log2_times)
}

/// FYL2XP1.
pub fn fyl2xp1(u: &mut impl Unit, op: &Op) -> Done {
    to_next(u, op, F80::log2_plus_1_times)
}

/// FSCALE.
pub fn fscale(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(0) || x.empty(1) {
        return underflow(u, |x| x.put(0, F80::INDEFINITE));
    }
    let mut env = env(x);
    let result = x.st(0).scale(x.st(1), &mut env);
    if !env.suspended() {
        x.replace(0, result);
    }
    finish(u, &env)
}

#[inline(always)]
fn remainder(u: &mut impl Unit, op: &Op, f: impl FnOnce(F80, F80, &mut Env) -> Remainder) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(0) || x.empty(1) {
        set_partial(x, false);
        return underflow(u, |x| x.put(0, F80::INDEFINITE));
    }
    let mut env = env(x);
    let result = f(x.st(0), x.st(1), &mut env);
    let mut codes = if result.complete { 0 } else { fsw::C2 };
    let mut changed = fsw::CODES;
    if result.value.is_nan() || env.suspended() {
        // There is no quotient to tell of.
        changed = fsw::C1 | fsw::C2;
    }
    for (bit, code) in [fsw::C1, fsw::C3, fsw::C0].into_iter().enumerate() {
        codes |= u16::from(result.quotient >> bit & 1) * code;
    }
    if !env.suspended() {
        x.replace(0, result.value);
    }
    x.status = x.status & !changed | codes;
    finish_keeping_c1(u, &env)
}

/// FPREM.
pub fn fprem(u: &mut impl Unit, op: &Op) -> Done {
    remainder(u, op, F80::rem_truncated)
}

/// FPREM1.
pub fn fprem1(u: &mut impl Unit, op: &Op) -> Done {
    remainder(u, op, F80::rem_nearest)
}
