//! FSIN, FCOS, FSINCOS, FPTAN, FPATAN, FYL2X, FYL2XP1, FSCALE, FXTRACT, FPREM and FPREM1 (Intel SDM vol. 1, sections
//! 8.3.5 to 8.3.9).

use super::stack::Stack;
use super::unit::{begin, env, finish, finish_keeping_c1, fsw, note, overflow, underflow};
use crate::ctx::{Ctx, Done};
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
fn periodic(ctx: &mut Ctx, op: &Op, f: impl FnOnce(F80, &mut Env) -> Option<F80>) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    if x.empty(0) {
        set_partial(x, false);
        return underflow(ctx, |x| x.put(0, F80::INDEFINITE));
    }
    let mut env = env(x);
    let result = f(x.st(0), &mut env);
    set_partial(x, result.is_none());
    if let Some(value) = result
        && !env.suspended()
    {
        x.replace(0, value);
    }
    finish(ctx, &env)
}

/// FSIN.
pub fn fsin(ctx: &mut Ctx, op: &Op) -> Done {
    periodic(ctx, op, F80::sin)
}

/// FCOS.
pub fn fcos(ctx: &mut Ctx, op: &Op) -> Done {
    periodic(ctx, op, F80::cos)
}

/// Instructions that replace ST(0) and push a second result; `f` gives them in this order, or `None` when the operand is
/// out of range.
#[inline(always)]
fn pushing(ctx: &mut Ctx, op: &Op, f: impl FnOnce(F80, &mut Env) -> Option<(F80, F80)>) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    let indefinite = |x: &mut X87| {
        x.put(0, F80::INDEFINITE);
        x.push(F80::INDEFINITE);
    };
    if x.empty(0) {
        return underflow(ctx, indefinite);
    }
    if x.full() {
        return overflow(ctx, indefinite);
    }
    let mut env = env(x);
    if let Some((below, top)) = f(x.st(0), &mut env)
        && !env.suspended()
    {
        x.replace(0, below);
        x.push(top);
    }
    finish(ctx, &env)
}

/// The same for the functions that report a partial result.
#[inline(always)]
fn pushing_periodic(ctx: &mut Ctx, op: &Op, f: impl FnOnce(F80, &mut Env) -> Option<(F80, F80)>) -> Done {
    let mut partial = false;
    let done = pushing(ctx, op, |a, env| {
        let result = f(a, env);
        partial = result.is_none();
        result
    })?;
    set_partial(&mut ctx.cpu.state.x87, partial);
    Ok(done)
}

/// FSINCOS.
pub fn fsincos(ctx: &mut Ctx, op: &Op) -> Done {
    pushing_periodic(ctx, op, F80::sin_cos)
}

/// FPTAN.
pub fn fptan(ctx: &mut Ctx, op: &Op) -> Done {
    pushing_periodic(ctx, op, F80::tan)
}

/// FXTRACT.
pub fn fxtract(ctx: &mut Ctx, op: &Op) -> Done {
    pushing(ctx, op, |a, env| Some(a.extract(env)))
}

/// ST(1) = f(ST(0), ST(1)), and pop.
#[inline(always)]
fn to_next(ctx: &mut Ctx, op: &Op, f: impl FnOnce(F80, F80, &mut Env) -> F80) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    if x.empty(0) || x.empty(1) {
        return underflow(ctx, |x| {
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
    finish(ctx, &env)
}

/// FPATAN.
pub fn fpatan(ctx: &mut Ctx, op: &Op) -> Done {
    to_next(ctx, op, |x, y, env| y.atan2(x, env))
}

/// FYL2X.
pub fn fyl2x(ctx: &mut Ctx, op: &Op) -> Done {
    to_next(ctx, op, F80::log2_times)
}

/// FYL2XP1.
pub fn fyl2xp1(ctx: &mut Ctx, op: &Op) -> Done {
    to_next(ctx, op, F80::log2_plus_1_times)
}

/// FSCALE.
pub fn fscale(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    if x.empty(0) || x.empty(1) {
        return underflow(ctx, |x| x.put(0, F80::INDEFINITE));
    }
    let mut env = env(x);
    let result = x.st(0).scale(x.st(1), &mut env);
    if !env.suspended() {
        x.replace(0, result);
    }
    finish(ctx, &env)
}

#[inline(always)]
fn remainder(ctx: &mut Ctx, op: &Op, f: impl FnOnce(F80, F80, &mut Env) -> Remainder) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    if x.empty(0) || x.empty(1) {
        set_partial(x, false);
        return underflow(ctx, |x| x.put(0, F80::INDEFINITE));
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
    finish_keeping_c1(ctx, &env)
}

/// FPREM.
pub fn fprem(ctx: &mut Ctx, op: &Op) -> Done {
    remainder(ctx, op, F80::rem_truncated)
}

/// FPREM1.
pub fn fprem1(ctx: &mut Ctx, op: &Op) -> Done {
    remainder(ctx, op, F80::rem_nearest)
}
