//! Stores beside code: data in a page of which other bytes have been decoded. Such a page has no fast write path, and the slow one
//! is long; boot loaders keep much of their data so. Without paging, where every page may be written, one store at a time can
//! take the fast path after a look at where the code is.

use crate::fast::{Fast, Flow, GoSlow};
use crate::run::{Run, TracedOp};
use frontend_x86::algebra::{Access, Algebra};
use frontend_x86::op::{Form, Func, Ins, Kind, Width, bits, reg};
use frontend_x86::sem;
use frontend_x86::system::control::cr0;
use frontend_x86::tlb;
use lyrebird_core::cpu::segment::SegReg;
use lyrebird_memory::Backing;

const DWORD: Ins = Ins {
    func: Func::Mov,
    sub: 0,
    w: Width::D,
    w2: Width::D,
    k0: Kind::Mem,
    k1: Kind::Reg,
    form: Form::Flat32,
    bits: 0,
};
const BYTE: Ins = Ins { w: Width::B, ..DWORD };

/// What of a MOV's shape matters to it.
#[inline(always)]
const fn shape(i: Ins) -> u32 {
    u32::from_le_bytes([i.w as u8, i.k0 as u8, i.k1 as u8, i.form as u8])
}

/// Executes the op, if all that kept it from its fast path is code elsewhere in the page that it stores to.
///
/// # Safety
/// The contract of [`crate::run::Handler`]; the op has changed nothing yet.
#[inline(never)]
pub unsafe fn store(run: *mut Run, op: *const TracedOp) -> Result<Flow, GoSlow> {
    // SAFETY: passed on.
    let (r, o) = unsafe { (&mut *run, &(*op).op) };
    let i = o.ins;
    let mut fast = Fast { run, op };
    let (seg, offset) = match i.func {
        Func::Mov if i.k0 == Kind::Mem => (o.seg, fast.address(i)),
        Func::Movs if !i.has(bits::REP) && !i.has(bits::REPNE) => (SegReg::Es as u8, fast.reg(reg::RDI, i.w2)),
        _ => return Err(GoSlow),
    };
    if r.cpu.state.cr0 & cr0::PG != 0 {
        return Err(GoSlow);
    }
    let linear = fast.linear(i.form, seg, offset, i.w.bytes(), Access::Write)?;
    let index = tlb::index(linear);
    // SAFETY: `sync_tlb` has set the bank's entries, and the index is below their number.
    let entry = unsafe { &mut *r.tlb.add(index) };
    let page = linear.wrapping_add(i.w.bytes() - 1) & !0xfff;
    if entry.read != page || entry.write == page {
        return Err(GoSlow);
    }
    let physical = r.cpu.tlb.banks[r.cpu.bank as usize].physical[index];
    let key = (physical & !0xfff, r.cache.map_epoch());
    if r.last_beside.is_none_or(|(known, _)| known != key) {
        let Backing::Ram(backing) = r.cpu.view.lookup(physical) else { return Err(GoSlow) };
        r.last_beside = Some((key, backing));
    }
    let Some((_, backing)) = r.last_beside else { return Err(GoSlow) };
    if !r.cpu.memory.is_beside_code(&backing, linear & 0xfff, i.w.bytes()) {
        return Err(GoSlow);
    }
    // The fast path is open for this store alone, which is not to code.
    let closed = std::mem::replace(&mut entry.write, page);
    let flow = match i.func {
        // The commonest shapes, as constants.
        Func::Mov if shape(i) == shape(DWORD) => sem::mov::mov(&mut fast, DWORD),
        Func::Mov if shape(i) == shape(BYTE) => sem::mov::mov(&mut fast, BYTE),
        Func::Mov => sem::mov::mov(&mut fast, i),
        _ => sem::string::movs(&mut fast, i),
    };
    // SAFETY: as above; nothing has moved the entries.
    unsafe { (*r.tlb.add(index)).write = closed };
    flow
}
