//! Stores beside code: data in a page of which other bytes have been decoded. Such a page has no fast write path, and the slow one
//! is long; boot loaders keep much of their data so. Without paging, where every page may be written, one store at a time can
//! take the fast path after a look at where the code is.

use crate::fast::{Fast, Flow, GoSlow};
use crate::run::{Run, TracedOp};
use frontend_x86::algebra::{Access, Algebra};
use frontend_x86::op::{Form, Func, Ins, Kind, Width, bits, reg};
use frontend_x86::sem::{self, block};
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
    let (i, apart) = unsafe { ((*op).ins(), (*op).is_apart()) };
    if apart {
        return Err(GoSlow);
    }
    let mut fast = Fast { run, op, i };
    let (seg, offset) = match i.func {
        Func::Mov if i.k0 == Kind::Mem => (fast.op().seg, fast.address(i)),
        Func::Movs if !i.has(bits::REP) && !i.has(bits::REPNE) => (SegReg::Es as u8, fast.reg(reg::RDI, i.w2)),
        _ => return Err(GoSlow),
    };
    let linear = fast.linear(i.form, seg, offset, i.w.bytes(), Access::Write)?;
    // SAFETY: as above.
    let opened = unsafe { open(run, linear, i.w.bytes()) }.ok_or(GoSlow)?;
    // The fast path is open for this store alone, which is not to code.
    let flow = match i.func {
        // The commonest shapes, as constants.
        Func::Mov if shape(i) == shape(DWORD) => sem::mov::mov(&mut fast, DWORD),
        Func::Mov if shape(i) == shape(BYTE) => sem::mov::mov(&mut fast, BYTE),
        Func::Mov => sem::mov::mov(&mut fast, i),
        _ => sem::string::movs(&mut fast, i),
    };
    // SAFETY: as above.
    unsafe { opened.close(run) };
    flow
}

/// A page that may be written in place for a while.
struct Opened {
    index: usize,
    closed: u64,
}

impl Opened {
    /// # Safety
    /// It is of this run, and nothing has moved the TLB's entries.
    unsafe fn close(self, run: *mut Run) {
        // SAFETY: the caller's promise.
        unsafe { (*(*run).tlb.add(self.index)).write = self.closed }
    }
}

/// Opens the fast write path to the page of these bytes, which do not leave it, if they [may be written](is_beside).
///
/// # Safety
/// The contract of [`crate::run::Handler`]. Only these bytes are written until it is closed.
#[inline(always)]
unsafe fn open(run: *mut Run, linear: u64, bytes: u64) -> Option<Opened> {
    // SAFETY: passed on; the index is below the number of entries.
    unsafe {
        if !is_beside(run, linear, bytes) {
            return None;
        }
        let index = tlb::index(linear);
        let closed = std::mem::replace(&mut (*(*run).tlb.add(index)).write, linear & !0xfff);
        Some(Opened { index, closed })
    }
}

/// Whether all that keeps these bytes from being written in place is code elsewhere in their page.
///
/// # Safety
/// The contract of [`crate::run::Handler`].
#[inline(always)]
pub unsafe fn is_beside(run: *mut Run, linear: u64, bytes: u64) -> bool {
    // SAFETY: passed on; `sync_tlb` has set the bank's entries, and the index is below their number.
    let (r, entry) = unsafe { (&mut *run, &*(*run).tlb.add(tlb::index(linear))) };
    let page = linear.wrapping_add(bytes - 1) & !0xfff;
    if r.cpu.state.cr0 & cr0::PG != 0 || linear & !0xfff != page || entry.read != page || entry.write == page {
        return false;
    }
    let physical = r.cpu.tlb.banks[r.cpu.bank as usize].physical(tlb::index(linear));
    let key = (physical & !0xfff, r.cache.map_epoch());
    if r.last_beside.is_none_or(|(known, _)| known != key) {
        let Backing::Ram(backing) = r.cpu.view.lookup(physical) else { return false };
        r.last_beside = Some((key, backing));
    }
    r.last_beside.is_some_and(|(_, backing)| r.cpu.memory.is_beside_code(&backing, linear & 0xfff, bytes))
}

/// Does iterations of a REP string instruction at once where the rest of the page, or of the count, is beside code; false if none.
/// The count is not zero.
pub fn block(fast: &mut Fast, i: Ins) -> bool {
    let (count, offset) = (fast.reg(reg::RCX, i.w2), fast.reg(reg::RDI, i.w2));
    let Ok(linear) = fast.linear(i.form, SegReg::Es as u8, offset, i.w.bytes(), Access::Write) else { return false };
    let (inside, item) = (linear & 0xfff, i.w.bytes());
    let (lowest, bytes) = if fast.direction() {
        let bytes = count.min(inside / item + 1) * item;
        (linear.wrapping_sub(bytes - item), bytes)
    } else {
        (linear, count.min((4096 - inside) / item) * item)
    };
    // SAFETY: see `Handler`. No more items than these are in the page.
    unsafe {
        let opened = if bytes > 0 { open(fast.run, lowest, bytes) } else { None };
        let Some(opened) = opened else { return false };
        let run = fast.run;
        let done = block::block(fast, i).is_ok();
        opened.close(run);
        done
    }
}
