//! FST, FSTP, FIST, FISTP, FISTTP and FBSTP (Intel SDM vol. 1, sections 8.3.3 and 8.3.4).
//!
//! Memory is written before any register changes, so that a page fault leaves the unit as it was. A stack underflow
//! stores the format's indefinite value, which is also what each conversion makes of a value that it cannot hold.

use super::stack::Stack;
use super::unit::{Unit, env, finish, finish_quietly, fsw, underflow, withheld};
use crate::ctx::Done;
use crate::op::Op;
use lyrebird_core::cpu::x87::X87;
use lyrebird_float::{Env, F80};

/// Pops if the instruction is a popping one.
#[inline(always)]
fn end<const POP: bool>(x: &mut X87) {
    if POP {
        x.pop();
    }
}

/// Stores ST(0) in so many bytes.
#[inline(always)]
fn store<const POP: bool>(
    u: &mut impl Unit,
    op: &Op,
    bytes: u64,
    indefinite: u64,
    convert: impl FnOnce(F80, &mut Env) -> u64,
) -> Done {
    u.begin()?;
    let offset = u.address(op);
    let x = &u.x87();
    if x.empty(0) {
        if x.control & fsw::IE != 0 {
            u.write(op, offset, bytes, indefinite)?;
        }
        u.note_memory(op, offset);
        return underflow(u, end::<POP>);
    }
    let mut env = env(x);
    let value = convert(x.st(0), &mut env);
    let stored = !withheld(&env);
    env.rounded_up &= stored;
    if stored {
        u.write(op, offset, bytes, value)?;
    }
    let x = u.note_memory(op, offset);
    if stored {
        end::<POP>(x);
    }
    finish(u, &env)
}

/// FST, FSTP m32fp.
pub fn fst_m32<const POP: bool>(u: &mut impl Unit, op: &Op) -> Done {
    store::<POP>(u, op, 4, 0xffc0_0000, |a, env| u64::from(a.to_single(env)))
}

/// FST, FSTP m64fp.
pub fn fst_m64<const POP: bool>(u: &mut impl Unit, op: &Op) -> Done {
    store::<POP>(u, op, 8, 0xfff8 << 48, F80::to_double)
}

/// FIST, FISTP m16int.
pub fn fist_m16<const POP: bool>(u: &mut impl Unit, op: &Op) -> Done {
    store::<POP>(u, op, 2, 1 << 15, |a, env| a.to_i16(env) as u64)
}

/// FIST, FISTP m32int.
pub fn fist_m32<const POP: bool>(u: &mut impl Unit, op: &Op) -> Done {
    store::<POP>(u, op, 4, 1 << 31, |a, env| a.to_i32(env) as u64)
}

/// FISTP m64int.
pub fn fistp_m64(u: &mut impl Unit, op: &Op) -> Done {
    store::<true>(u, op, 8, 1 << 63, |a, env| a.to_i64(env) as u64)
}

/// FISTTP m16int.
pub fn fisttp_m16(u: &mut impl Unit, op: &Op) -> Done {
    store::<true>(u, op, 2, 1 << 15, |a, env| a.truncate_to_i16(env) as u64)
}

/// FISTTP m32int.
pub fn fisttp_m32(u: &mut impl Unit, op: &Op) -> Done {
    store::<true>(u, op, 4, 1 << 31, |a, env| a.truncate_to_i32(env) as u64)
}

/// FISTTP m64int.
pub fn fisttp_m64(u: &mut impl Unit, op: &Op) -> Done {
    store::<true>(u, op, 8, 1 << 63, |a, env| a.truncate_to_i64(env) as u64)
}

/// Stores ST(0) in ten bytes and pops.
#[inline(always)]
fn store_ten(
    u: &mut impl Unit,
    op: &Op,
    indefinite: [u8; 10],
    convert: impl FnOnce(F80, &mut Env) -> [u8; 10],
) -> Done {
    u.begin()?;
    let offset = u.address(op);
    let x = &u.x87();
    if x.empty(0) {
        if x.control & fsw::IE != 0 {
            u.write_ten(op, offset, indefinite)?;
        }
        u.note_memory(op, offset);
        return underflow(u, X87::pop);
    }
    let mut env = env(x);
    let bytes = convert(x.st(0), &mut env);
    let stored = !withheld(&env);
    env.rounded_up &= stored;
    if stored {
        u.write_ten(op, offset, bytes)?;
    }
    let x = u.note_memory(op, offset);
    if stored {
        x.pop();
    }
    finish(u, &env)
}

/// FSTP m80fp: the bits as they are.
pub fn fstp_m80(u: &mut impl Unit, op: &Op) -> Done {
    store_ten(u, op, F80::INDEFINITE.to_bytes(), |a, _| a.to_bytes())
}

/// FBSTP.
pub fn fbstp(u: &mut impl Unit, op: &Op) -> Done {
    store_ten(u, op, [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff], F80::to_bcd)
}

/// FSTPNCE ST(i), an undocumented FSTP: of an empty ST(0) it stores nothing, and does not mind.
pub fn fstpnce(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    if !x.empty(0) {
        let value = x.st(0);
        x.put(op.r1, value);
    }
    x.pop();
    finish_quietly(u)
}

/// FST, FSTP ST(i): a copy, which may fill an empty register.
pub fn fst_st<const POP: bool>(u: &mut impl Unit, op: &Op) -> Done {
    u.begin()?;
    let x = u.note(op);
    let to = op.r1;
    if x.empty(0) {
        return underflow(u, |x| {
            x.put(to, F80::INDEFINITE);
            end::<POP>(x);
        });
    }
    let value = x.st(0);
    x.put(to, value);
    end::<POP>(x);
    finish_quietly(u)
}
