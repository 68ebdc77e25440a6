//! FLD, FILD, FBLD and the constants; FXCH and FCMOVcc (Intel SDM vol. 1, sections 8.3.3 and 8.3.4).

use super::memory::read_ten;
use super::stack::Stack;
use super::unit::{begin, env, finish, finish_quietly, note, note_memory, overflow, push_indefinite, underflow};
use crate::ctx::{Ctx, Done, Then};
use crate::op::Op;
use lyrebird_float::{Constant, Env, F80, Flags, Rounding};

/// Pushes what `convert` makes of an operand of so many bytes.
#[inline(always)]
fn load(ctx: &mut Ctx, op: &Op, bytes: u64, convert: impl FnOnce(u64, &mut Env) -> F80) -> Done {
    begin(ctx)?;
    let offset = ctx.address(op);
    let raw = ctx.read(op.seg, offset, bytes)?;
    let x = note_memory(ctx, op, offset);
    if x.full() {
        return overflow(ctx, push_indefinite);
    }
    let mut env = env(x);
    let value = convert(raw, &mut env);
    // An unmasked DE does not keep the value out: it is reported, but the push has happened.
    if !env.unmasked().intersects(Flags::IE) {
        x.push(value);
    }
    finish(ctx, &env)
}

/// FLD m32fp.
pub fn fld_m32(ctx: &mut Ctx, op: &Op) -> Done {
    load(ctx, op, 4, |raw, env| F80::from_single(raw as u32, env))
}

/// FLD m64fp.
pub fn fld_m64(ctx: &mut Ctx, op: &Op) -> Done {
    load(ctx, op, 8, F80::from_double)
}

/// FILD m16int.
pub fn fild_m16(ctx: &mut Ctx, op: &Op) -> Done {
    load(ctx, op, 2, |raw, _| F80::from_i16(raw as i16))
}

/// FILD m32int.
pub fn fild_m32(ctx: &mut Ctx, op: &Op) -> Done {
    load(ctx, op, 4, |raw, _| F80::from_i32(raw as i32))
}

/// FILD m64int.
pub fn fild_m64(ctx: &mut Ctx, op: &Op) -> Done {
    load(ctx, op, 8, |raw, _| F80::from_i64(raw as i64))
}

#[inline(always)]
fn load_ten(ctx: &mut Ctx, op: &Op, convert: impl FnOnce([u8; 10]) -> F80) -> Done {
    begin(ctx)?;
    let offset = ctx.address(op);
    let raw = read_ten(ctx, op, offset)?;
    let x = note_memory(ctx, op, offset);
    if x.full() {
        return overflow(ctx, push_indefinite);
    }
    x.push(convert(raw));
    finish_quietly(ctx)
}

/// FLD m80fp: the bits as they are; no encoding is an error.
pub fn fld_m80(ctx: &mut Ctx, op: &Op) -> Done {
    load_ten(ctx, op, F80::from_bytes)
}

/// FBLD.
pub fn fbld(ctx: &mut Ctx, op: &Op) -> Done {
    load_ten(ctx, op, F80::from_bcd)
}

/// FLD ST(i).
pub fn fld_st(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    if x.empty(op.r1) {
        return underflow(ctx, push_indefinite);
    }
    if x.full() {
        return overflow(ctx, push_indefinite);
    }
    let value = x.st(op.r1);
    x.push(value);
    finish_quietly(ctx)
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
pub fn fld_constant(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    if x.full() {
        return overflow(ctx, push_indefinite);
    }
    let rounding = Rounding::from_bits((x.control >> 10) as u8);
    x.push(F80::constant(CONSTANTS[usize::from(op.ins.sub & 7)], rounding));
    finish_quietly(ctx)
}

/// FXCH.
pub fn fxch(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    let x = note(ctx, op);
    let i = op.r1;
    if x.empty(0) || x.empty(i) {
        return underflow(ctx, |x| {
            let value = |at| if x.empty(at) { F80::INDEFINITE } else { x.st(at) };
            let (top, other) = (value(0), value(i));
            x.put(0, other);
            x.put(i, top);
        });
    }
    let (top, other) = (x.st(0), x.st(i));
    x.replace(0, other);
    x.replace(i, top);
    finish_quietly(ctx)
}

/// FCMOVcc: `sub` is the condition code as in Jcc.
pub fn fcmov(ctx: &mut Ctx, op: &Op) -> Done {
    begin(ctx)?;
    let moves = ctx.cpu.flags.condition(op.ins.sub);
    let x = note(ctx, op);
    if x.empty(0) || x.empty(op.r1) {
        return underflow(ctx, |x| x.put(0, F80::INDEFINITE));
    }
    if moves {
        let value = x.st(op.r1);
        x.replace(0, value);
    }
    Ok(Then::Next)
}
