//! FLD, FILD, FBLD and the constants; FXCH and FCMOVcc (Intel SDM vol. 1, sections 8.3.3 and 8.3.4).

use super::stack::Stack;
use super::unit::{Unit, env, finish, finish_quietly, overflow, push_indefinite, underflow};
use crate::ctx::{Done, Then};
use crate::op::Op;
use lyrebird_float::{Constant, Env, F80, Flags, Rounding};

/// Pushes what `convert` makes of an operand of so many bytes.
#[inline(always)]
fn load(u: &mut impl Unit, op: &Op, bytes: u64, convert: impl FnOnce(u64, &mut Env) -> F80) -> Done {
    u.begin()?;
    let offset = u.address(op);
    let raw = u.read(op, offset, bytes)?;
    let x = u.note_memory(op, offset);
    if x.full() {
        return overflow(u, push_indefinite);
    }
    let mut env = env(x);
    let value = convert(raw, &mut env);
    // An unmasked DE does not keep the value out: it is reported, but the push has happened.
    if !env.unmasked().intersects(Flags::IE) {
        x.push(value);
    }
    finish(u, &env)
}

/// FLD m32fp.
pub fn fld_m32(u: &mut impl Unit, op: &Op) -> Done {
    load(u, op, 4, |raw, env| F80::from_single(raw as u32, env))
}

/// FLD m64fp.
pub fn fld_m64(u: &mut impl Unit, op: &Op) -> Done {
    load(u, op, 8, F80::from_double)
}

/// FILD m16int.
pub fn fild_m16(u: &mut impl Unit, op: &Op) -> Done {
    load(u, op, 2, |raw, _| F80::from_i16(raw as i16))
}

/// FILD m32int.
pub fn fild_m32(u: &mut impl Unit, op: &Op) -> Done {
    load(u, op, 4, |raw, _| F80::from_i32(raw as i32))
}

/// FILD m64int.
pub fn fild_m64(u: &mut impl Unit, op: &Op) -> Done {
    load(u, op, 8, |raw, _| F80::from_i64(raw as i64))
}

#[inline(always)]
fn load_ten(u: &mut impl Unit, op: &Op, convert: impl FnOnce([u8; 10]) -> F80) -> Done {
    u.begin()?;
    let offset = u.address(op);
    let raw = u.read_ten(op, offset)?;
    let x = u.note_memory(op, offset);
    if x.full() {
        return overflow(u, push_indefinite);
    }
    x.push(convert(raw));
    finish_quietly(u)
}

/// FLD m80fp: the bits as they are; no encoding is an error.
pub fn fld_m80(u: &mut impl Unit, op: &Op) -> Done {
    load_ten(u, op, F80::from_bytes)
}

/// FBLD.
pub fn fbld(u: &mut impl Unit, op: &Op) -> Done {
    load_ten(u, op, F80::from_bcd)
}

/// FLD ST(i).
pub fn fld_st(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.empty(op.r1) {
        return underflow(u, push_indefinite);
    }
    if x.full() {
        return overflow(u, push_indefinite);
    }
    let value = x.st(op.r1);
    x.push(value);
    finish_quietly(u)
}

const CONSTANTS: [Constant; 8] = [
    Constant::One,
    Constant::Log2Ten,
    Constant::Log2E,
    Constant::Pi,
    Constant::Log10Two,
    Constant::LnTwo,
    Constant::Zero,
    Constant::Zero,
];

/// FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: `sub` counts them in the order of their opcodes.
pub fn fld_constant(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    if x.full() {
        return overflow(u, push_indefinite);
    }
    let rounding = Rounding::from_bits((x.control >> 10) as u8);
    x.push(F80::constant(CONSTANTS[usize::from(op.ins.sub & 7)], rounding));
    finish_quietly(u)
}

/// FXCH.
pub fn fxch(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    let i = op.r1;
    if x.empty(0) || x.empty(i) {
        return underflow(u, |x| {
            let value = |at| if x.empty(at) { F80::INDEFINITE } else { x.st(at) };
            let (top, other) = (value(0), value(i));
            x.put(0, other);
            x.put(i, top);
        });
    }
    let (top, other) = (x.st(0), x.st(i));
    x.replace(0, other);
    x.replace(i, top);
    finish_quietly(u)
}

/// FCMOVcc: `sub` is the condition code as in Jcc.
pub fn fcmov(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let moves = u.condition(op.ins.sub);
    let x = u.note(op);
    if x.empty(0) || x.empty(op.r1) {
        return underflow(u, |x| x.put(0, F80::INDEFINITE));
    }
    if moves {
        let value = x.st(op.r1);
        x.replace(0, value);
    }
    Ok(Then::Next)
}
