//! REP MOVS and REP STOS as block operations on plain RAM.

use crate::fast::Fast;
use frontend_x86::algebra::{Access, Algebra};
use frontend_x86::op::{Form, Func, Ins, Width, reg};

/// Does as many iterations as lie in one page on each side, without overlap; false if none. The count is not zero.
#[inline(never)]
pub fn block(a: &mut Fast, i: Ins) -> bool {
    if a.direction() || !matches!(i.func, Func::Movs | Func::Stos) {
        return false;
    }
    let size = i.w.bytes();
    let count = a.reg(reg::RCX, i.w2);
    let (si, di) = (a.reg(reg::RSI, i.w2), a.reg(reg::RDI, i.w2));
    let seg = a.op().seg;
    let mut n = count.min(room(a, i, 0, di, true) / size);
    if i.func == Func::Movs {
        n = n.min(room(a, i, seg, si, false) / size);
    }
    if n == 0 {
        return false;
    }
    let Ok(to) = a.probe(i.form, 0, di, i.w, Access::Write) else { return false };
    n = n.min((4096 - (to as u64 & 4095)) / size);
    if i.func == Func::Movs {
        let Ok(from) = a.probe(i.form, seg, si, i.w, Access::Read) else { return false };
        n = n.min((4096 - (from as u64 & 4095)) / size);
        let distance = (to as u64).wrapping_sub(from as u64);
        if n == 0 || distance != 0 && distance < n * size {
            return false; // a copy onto itself repeats a pattern: one by one
        }
        // SAFETY: both ranges begin in probed pages of guest RAM and do not leave them.
        unsafe { std::ptr::copy(from, to, (n * size) as usize) };
        a.set_reg(reg::RSI, i.w2, si.wrapping_add(n * size) & i.w2.mask());
    } else {
        if n == 0 {
            return false;
        }
        let value = a.reg(reg::RAX, i.w);
        // SAFETY: as above.
        unsafe {
            match i.w {
                Width::B => to.write_bytes(value as u8, n as usize),
                _ => {
                    for k in 0..n {
                        a.store(i.w, to.add((k * size) as usize), value);
                    }
                }
            }
        }
    }
    a.set_reg(reg::RDI, i.w2, di.wrapping_add(n * size) & i.w2.mask());
    a.set_reg(reg::RCX, i.w2, count.wrapping_sub(n) & i.w2.mask());
    true
}

/// How many bytes from `offset` on are inside the segment and do not wrap.
fn room(a: &mut Fast, i: Ins, seg: u8, offset: u64, write: bool) -> u64 {
    let wrap = match i.w2 {
        Width::W => 1 << 16,
        Width::D => 1 << 32,
        _ => u64::MAX,
    };
    let mut end = wrap;
    if matches!(i.form, Form::Seg16 | Form::Seg32) {
        // SAFETY: see `Handler`; segment numbers are below 6.
        let bounds = unsafe { &(&(*a.run).cpu.bounds)[usize::from(seg)] };
        end = end.min(if write { bounds.high_write } else { bounds.high_read });
        if offset < bounds.low {
            return 0;
        }
    }
    end.saturating_sub(offset)
}
