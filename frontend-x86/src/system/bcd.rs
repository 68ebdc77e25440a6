//! Decimal arithmetic: AAA, AAS, AAM, AAD, DAA, DAS (Intel SDM vol. 2). Flags that the manual leaves undefined are set
//! as recent CPUs do.

use crate::ctx::{Ctx, Done, Then};
use crate::exception::Exception;
use crate::flags::rflags::{AF, ARITHMETIC, CF, OF, PF, SF, ZF};
use crate::op::{Op, Width, reg};

fn set(ctx: &mut Ctx, ax: u64, result: u64, extra: u64) {
    ctx.cpu.set_reg(reg::RAX, Width::W, ax);
    let result = result & 0xff;
    let mut flags = ctx.cpu.rflags() & !ARITHMETIC | extra;
    if result == 0 {
        flags |= ZF;
    }
    if result & 0x80 != 0 {
        flags |= SF;
    }
    if result.count_ones().is_multiple_of(2) {
        flags |= PF;
    }
    ctx.cpu.set_rflags(flags);
}

fn ax(ctx: &Ctx) -> u64 {
    ctx.cpu.reg(reg::RAX) & 0xffff
}

/// AAA (sub 0) and AAS (sub 1).
pub fn ascii_adjust(ctx: &mut Ctx, op: &Op) -> Done {
    let old = ax(ctx);
    let adjust = old & 15 > 9 || ctx.cpu.rflags() & AF != 0;
    let moved = match (adjust, op.ins.sub) {
        (false, _) => old,
        (true, 0) => old.wrapping_add(0x106),
        _ => old.wrapping_sub(0x106),
    };
    let flags = if adjust { AF | CF } else { 0 };
    set(ctx, moved & 0xff0f, moved & 0x0f, flags);
    Ok(Then::Next)
}

/// DAA (sub 0) and DAS (sub 1).
pub fn decimal_adjust(ctx: &mut Ctx, op: &Op) -> Done {
    let old = ax(ctx) & 0xff;
    let flags = ctx.cpu.rflags();
    let add = op.ins.sub == 0;
    let mut al = old;
    let mut out = 0;
    let step = |al: u64, by: u64| if add { al.wrapping_add(by) } else { al.wrapping_sub(by) };
    if old & 15 > 9 || flags & AF != 0 {
        al = step(al, 6);
        out |= AF;
        if flags & CF != 0 || !add && old < 6 {
            out |= CF;
        }
    }
    if old > 0x99 || flags & CF != 0 {
        al = step(al, 0x60);
        out |= CF;
    }
    let al = al & 0xff;
    // OF is undefined; CPUs set it as the addition or subtraction that was made.
    let by = al.wrapping_sub(old) & 0xff;
    let overflow = if add { !(old ^ by) & (old ^ al) } else { (old ^ old.wrapping_sub(al)) & (old ^ al) };
    if overflow & 0x80 != 0 {
        out |= OF;
    }
    set(ctx, ax(ctx) & 0xff00 | al, al, out);
    Ok(Then::Next)
}

/// AAM: the base is the immediate.
pub fn aam(ctx: &mut Ctx, op: &Op) -> Done {
    let base = op.imm & 0xff;
    if base == 0 {
        return Err(Exception::divide());
    }
    let al = ax(ctx) & 0xff;
    set(ctx, ((al / base) << 8) | (al % base), al % base, 0);
    Ok(Then::Next)
}

/// AAD: the base is the immediate.
pub fn aad(ctx: &mut Ctx, op: &Op) -> Done {
    let old = ax(ctx);
    let (al, product) = (old & 0xff, ((old >> 8) * (op.imm & 0xff)) & 0xff);
    let sum = al + product;
    // The flags of the addition, as CPUs set those that the manual leaves undefined.
    let mut flags = (al ^ product ^ sum) & AF | sum >> 8 & CF;
    if !(al ^ product) & (al ^ sum) & 0x80 != 0 {
        flags |= OF;
    }
    set(ctx, sum & 0xff, sum, flags);
    Ok(Then::Next)
}
