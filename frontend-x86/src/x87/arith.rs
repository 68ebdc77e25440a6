//! FADD, FSUB, FSUBR, FMUL, FDIV and FDIVR in all their forms; FSQRT, FABS and FCHS (Intel SDM vol. 1, section 8.3.5).

use super::memory::Format;
use super::stack::Stack;
use super::unit::{Unit, env, finish, finish_quietly, underflow};
use crate::ctx::Done;
use crate::op::Op;
use lyrebird_float::{Env, F80};

/// An operation of the destination and the source.
pub trait Operation {
    /// Its result.
    fn apply(destination: F80, source: F80, env: &mut Env) -> F80;
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = |$a:ident, $b:ident, $env:ident| $result:expr;)+) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Operation for $name {
            #[inline(always)]
            fn apply($a: F80, $b: F80, $env: &mut Env) -> F80 { $result }
        }
    )+};
}

operations! {
    /// FADD.
    Add = |a, b, env| a.add(b, env);
    /// FSUB.
    Sub = |a, b, env| a.sub(b, env);
    /// FSUBR.
    Subr = |a, b, env| b.sub(a, env);
    /// FMUL.
    Mul = |a, b, env| a.mul(b, env);
    /// FDIV.
    Div = |a, b, env| a.div(b, env);
    /// FDIVR.
    Divr = |a, b, env| b.div(a, env);
}

/// ST(0) = ST(0) op ST(i).
pub fn to_top<O: Operation>(u: &mut impl Unit, op: &Op) -> Done {
    registers::<O, false, false>(u, op)
}

/// ST(i) = ST(i) op ST(0).
pub fn from_top<O: Operation>(u: &mut impl Unit, op: &Op) -> Done {
    registers::<O, true, false>(u, op)
}

/// The same, and pop.
pub fn popping<O: Operation>(u: &mut impl Unit, op: &Op) -> Done {
    registers::<O, true, true>(u, op)
}

#[inline(always)]
fn registers<O: Operation, const FROM_TOP: bool, const POP: bool>(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    let (to, from) = if FROM_TOP { (op.r1, 0) } else { (0, op.r1) };
    if x.empty(to) || x.empty(from) {
        return underflow(u, |x| {
            x.put(to, F80::INDEFINITE);
            if POP {
                x.pop();
            }
        });
    }
    let mut env = env(x);
    let result = O::apply(x.st(to), x.st(from), &mut env);
    if !env.suspended() {
        x.replace(to, result);
        if POP {
            x.pop();
        }
    }
    finish(u, &env)
}

/// ST(0) = ST(0) op memory.
pub fn memory<O: Operation, F: Format>(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let offset = u.address(op);
    let raw = u.read(op, offset, F::BYTES)?;
    let x = u.note_memory(op, offset);
    if x.empty(0) {
        return underflow(u, |x| x.put(0, F80::INDEFINITE));
    }
    let mut env = env(x);
    let (top, operand) = (x.st(0), F::widen(raw));
    let result = O::apply(top, operand.value, &mut env);
    operand.settle(top, &mut env);
    if !env.suspended() {
        x.replace(0, result);
    }
    finish(u, &env)
}

/// ST(0) = f(ST(0)), for FSQRT, FRNDINT and F2XM1.
#[inline(always)]
fn unary(u: &mut impl Unit, op: &Op, f: impl FnOnce(F80, &mut Env) -> F80) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(0) {
        return underflow(u, |x| x.put(0, F80::INDEFINITE));
    }
    let mut env = env(x);
    let result = f(x.st(0), &mut env);
    if !env.suspended() {
        x.replace(0, result);
    }
    finish(u, &env)
}

/// FSQRT.
pub fn fsqrt(u: &mut impl Unit, op: &Op) -> Done {
    unary(u, op, F80::sqrt)
}

/// FRNDINT.
pub fn frndint(u: &mut impl Unit, op: &Op) -> Done {
    unary(u, op, F80::round_to_integer)
}

/// F2XM1.
pub fn f2xm1(u: &mut impl Unit, op: &Op) -> Done {
    unary(u, op, F80::exp2_minus_1)
}

/// FABS, FCHS: no exception but stack underflow, whatever the value is.
#[inline(always)]
fn sign(u: &mut impl Unit, op: &Op, f: impl FnOnce(F80) -> F80) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(0) {
        return underflow(u, |x| x.put(0, F80::INDEFINITE));
    }
    let value = f(x.st(0));
    x.replace(0, value);
    finish_quietly(u)
}

/// FABS.
pub fn fabs(u: &mut impl Unit, op: &Op) -> Done {
    sign(u, op, F80::abs)
}

/// FCHS.
pub fn fchs(u: &mut impl Unit, op: &Op) -> Done {
    sign(u, op, F80::negate)
}
