//! The slow algebra: the same semantics with everything that may happen (page walks, MMIO, accesses across pages, faults),
//! and the ways out of the handlers.

use crate::fast::{Flow, common_algebra};
use crate::pool::TracedOps;
use crate::run::{Left, Run, TracedOp};
use frontend_x86::access::{Physical, canonical};
use frontend_x86::algebra::{Access, Algebra, Arith};
use frontend_x86::concrete::ConcreteCpu;
use frontend_x86::cpu::CodeSize;
use frontend_x86::ctx::Then;
use frontend_x86::exception::Exception;
use frontend_x86::flags::LazyFlags;
use frontend_x86::helper::HELPERS;
use frontend_x86::op::{Form, Func, Ins, Op, RIP_BASE, Width, bits};
use frontend_x86::{Cpu, concrete, concrete_arith, sem};
use lyrebird_core::cpu::state::Shadow;
use std::ptr::null;

/// The algebra, for one op.
pub struct Slow {
    pub run: *mut Run,
    pub op: *const TracedOp,
}

impl Arith for Slow {
    concrete_arith!();
}

impl ConcreteCpu for Slow {
    #[inline(always)]
    fn cpu(&mut self) -> &mut Cpu {
        // SAFETY: see `Handler`.
        unsafe { &mut (*self.run).cpu }
    }
    fn stop(&mut self, exception: Exception) -> Exception {
        exception
    }
    /// It always does: see [`after`].
    fn look_or_stop(&mut self) -> Result<(), Exception> {
        Ok(())
    }
    fn shield_or_stop(&mut self) -> Result<(), Exception> {
        let shadow = &mut self.cpu().state.shadow;
        if *shadow == Shadow::None {
            *shadow = Shadow::Sti;
        }
        Ok(())
    }
}

impl Slow {
    #[inline(always)]
    fn run(&mut self) -> &mut Run {
        // SAFETY: see `Handler`.
        unsafe { &mut *self.run }
    }
}

/// A checked place in guest-physical memory.
#[derive(Clone, Copy)]
pub struct SlowPlace {
    at: Physical,
    bytes: u64,
}

impl SlowPlace {
    /// Eight bytes of it, from `offset`.
    fn quad(self, offset: u64) -> Physical {
        let at = self.at;
        if self.bytes == at.in_first || offset + 8 <= at.in_first {
            Physical { first: at.first + offset, in_first: 8, second: 0 }
        } else if offset >= at.in_first {
            Physical { first: at.second + (offset - at.in_first), in_first: 8, second: 0 }
        } else {
            Physical { first: at.first + offset, in_first: at.in_first - offset, second: at.second }
        }
    }
}

impl Algebra for Slow {
    type X = [u64; 4];
    type P = SlowPlace;
    type Flow = Flow;
    type Stop = Exception;

    common_algebra!();

    fn op(&self) -> Op {
        // SAFETY: see `Handler`: the op is live for as long as its handler runs.
        unsafe { (*self.op).op() }
    }
    fn probe(&mut self, form: Form, seg: u8, offset: u64, w: Width, access: Access) -> Result<SlowPlace, Exception> {
        let _ = form; // the segment's bounds say all that the form does
        // SAFETY: see `Handler`.
        let mut ctx = unsafe { self.run().ctx() };
        let linear = ctx.linear(seg, offset, w.bytes(), access)?;
        ctx.check_careful(linear, w.bytes(), access)?;
        let bank = ctx.cpu.bank;
        let at = ctx.physical(linear, w.bytes(), access, bank)?;
        Ok(SlowPlace { at, bytes: w.bytes() })
    }
    fn load(&mut self, w: Width, p: SlowPlace) -> u64 {
        // SAFETY: see `Handler`.
        unsafe { self.run().ctx() }.load_physical(p.at, w.bytes())
    }
    fn store(&mut self, w: Width, p: SlowPlace, v: u64) {
        // SAFETY: see `Handler`.
        unsafe { self.run().ctx() }.store_physical(p.at, w.bytes(), v);
    }
    fn load_vector(&mut self, w: Width, p: SlowPlace) -> [u64; 4] {
        let mut v = [0; 4];
        for (n, quad) in v.iter_mut().enumerate().take(if w == Width::Y { 4 } else { 2 }) {
            // SAFETY: see `Handler`.
            *quad = unsafe { self.run().ctx() }.load_physical(p.quad(8 * n as u64), 8);
        }
        v
    }
    fn store_vector(&mut self, w: Width, p: SlowPlace, v: [u64; 4]) {
        for (n, quad) in v.iter().enumerate().take(if w == Width::Y { 4 } else { 2 }) {
            // SAFETY: see `Handler`.
            unsafe { self.run().ctx() }.store_physical(p.quad(8 * n as u64), 8, *quad);
        }
    }
    fn update<E>(&mut self, locked: bool, w: Width, p: SlowPlace, f: impl Fn(&mut Self, u64) -> (u64, E)) -> E {
        if locked && p.at.in_first == w.bytes() {
            use lyrebird_memory::Backing;
            let backing = self.run().cpu.view.lookup(p.at.first);
            if let Backing::Ram(page) = backing {
                let offset = p.at.first & 0xfff;
                // SAFETY: a page of live RAM; the access lies within it.
                let host = unsafe { page.host().add(offset as usize) };
                let memory = self.run().cpu.memory.clone();
                // SAFETY: as above.
                let extra = unsafe { memory.update(host, w.bytes(), |old| f(self, old)) };
                self.run().cpu.memory.note_write(&page, offset, w.bytes());
                return extra;
            }
        }
        // Across pages or on a device.
        let memory = locked.then(|| self.run().cpu.memory.clone());
        let _bus = memory.as_ref().map(|memory| memory.lock_bus());
        let old = self.load(w, p);
        let (new, extra) = f(self, old);
        self.store(w, p, new);
        extra
    }
    fn raise_if_or_stop(&mut self, c: bool, exception: Exception) -> Result<(), Exception> {
        if c { Err(exception) } else { Ok(()) }
    }
    fn divide_or_stop(&mut self, signed: bool, w: Width, hi: u64, lo: u64, d: u64) -> Result<(u64, u64), Exception> {
        concrete::divide(signed, w, hi, lo, d).ok_or(Exception::divide())
    }
    fn jump_or_stop(&mut self, w: Width) -> Result<Flow, Exception> {
        let target = self.reg(RIP_BASE, Width::Q).wrapping_add(self.op().imm) & w.mask() & {
            // Without an operand size of its own (`Goto`) a target is cut to the mode's instruction pointer.
            self.cpu().mode.ip_width().mask()
        };
        self.check_target_or_stop(w, target)?;
        self.cpu().next_rip = target;
        Ok(Flow::Link)
    }
    fn jump_if_or_stop(&mut self, w: Width, c: bool) -> Result<Flow, Exception> {
        if c { self.jump_or_stop(w) } else { Ok(Flow::Next) }
    }
    fn check_target_or_stop(&mut self, _w: Width, target: u64) -> Result<(), Exception> {
        let cpu = self.cpu();
        let fine = match cpu.mode.code {
            CodeSize::Bits64 => canonical(target),
            _ => target <= u64::from(cpu.state.seg[1].limit),
        };
        if fine { Ok(()) } else { Err(Exception::protection(0)) }
    }
    fn string_block(&mut self, _i: Ins) -> bool {
        false
    }
}

/// Puts the CPU in front of the op, as plain functions and exceptions want it.
unsafe fn stand_at(run: &mut Run, op: &Op) {
    run.cpu.rip = run.rip_at(u64::from(op.offset));
    run.cpu.next_rip = run.rip_at(op.next_offset());
    run.count_retired(i64::from(op.count) - 1);
    let retired = run.cpu.state.retired;
    // SAFETY: the caller is a handler, so this is a run.
    unsafe { run.ctx() }.bus.note_retired(retired);
}

/// Whether something has happened that the run loop must see before the next op.
#[inline]
fn must_look(run: &Run) -> bool {
    frontend_x86::system::boundary::wants_attention(&run.cpu) || run.cache.stale(&run.cpu.memory)
}

/// Whether the next op may follow at once. STI and loads of SS make interrupts wait for it: while there is none to deliver it may as
/// well, if it is known, for nothing is looked at before it.
unsafe fn may_follow(run: &mut Run, op: *const TracedOp) -> bool {
    let shadow = run.cpu.state.shadow != Shadow::None;
    // SAFETY: an op that can go on to the next has one after it in its trace.
    if must_look(run) || run.cpu.careful || shadow && (run.stepping || unsafe { (*op.add(1)).length() == 0 }) {
        return false;
    }
    run.cpu.state.shadow = Shadow::None;
    true
}

/// After an op that went on to the next one: that op, or null to look around first.
unsafe fn after(run: &mut Run, op: *const TracedOp) -> *const TracedOp {
    run.sync_tlb();
    // SAFETY: passed on.
    if !unsafe { may_follow(run, op) } {
        // SAFETY: see `Handler`.
        let o = unsafe { &(*op).op() };
        run.cpu.left -= i64::from(o.count);
        run.cpu.rip = run.rip_at(o.next_offset());
        run.left = Left::Look;
        return null();
    }
    // SAFETY: an op that can go on to the next has one after it in its trace.
    unsafe { op.add(1) }
}

/// Leaves because of an exception; `cpu.rip` is at the op.
unsafe fn stop_for(run: &mut Run, op: &Op, exception: Exception) -> *const TracedOp {
    run.sync_tlb();
    run.cpu.left -= i64::from(op.count) - 1;
    run.cpu.rip = run.rip_at(u64::from(op.offset));
    run.left = Left::Exception(exception);
    null()
}

/// Runs a plain function. Gives the next op, or null.
pub unsafe fn run_helper(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        let r = &mut *run;
        let o = &(*op).op();
        stand_at(r, o);
        let function = HELPERS[usize::from(o.helper)];
        match function(&mut r.ctx(), o) {
            Ok(Then::Next) => after(r, op),
            Ok(_) => {
                r.sync_tlb();
                r.cpu.left -= i64::from(o.count);
                r.cpu.rip = r.cpu.next_rip;
                // Most that ask for a look around (SYSCALL, MOV to CR3, OUT) have changed nothing that the loop would see.
                let calm = !r.cpu.careful && r.cpu.state.shadow == Shadow::None && !must_look(r);
                r.left = if calm { Left::Find } else { Left::Look };
                if calm && !r.stepping && r.cpu.left > 0 {
                    let (found, base) = r.jumps.find(r.tlb, r.cpu.rip);
                    if !found.is_null() {
                        r.cpu.regs[usize::from(RIP_BASE)] = base;
                        return found;
                    }
                }
                null()
            }
            Err(exception) => stop_for(r, o, exception),
        }
    }
}

/// Runs any op by the slow algebra. Gives the next op, or null.
#[inline(never)]
pub unsafe fn run_any(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        if (*op).ins().func == Func::Helper {
            return run_helper(run, op);
        }
        let r = &mut *run;
        let o = &(*op).op();
        stand_at(r, o);
        if o.ins.func == Func::Goto {
            // Falling into the next page, or past the last address: no target check, the fetch will say.
            r.cpu.next_rip = r.rip_at(o.imm);
            return linked(run, op);
        }
        let shape = Ins { bits: o.ins.bits & !bits::FUSED, sub: plain_sub(o.ins), ..o.ins };
        let flow = sem::exec(&mut Slow { run, op }, shape);
        let r = &mut *run;
        match flow {
            Ok(Flow::Next) => after(r, op),
            Ok(Flow::Link) => linked(run, op),
            Ok(Flow::To) => {
                r.sync_tlb();
                r.cpu.left -= i64::from(o.count);
                r.cpu.rip = r.cpu.next_rip;
                r.left = if r.cpu.left < 0 || must_look(r) { Left::Look } else { Left::Find };
                null()
            }
            Ok(Flow::Again) => {
                r.sync_tlb();
                r.cpu.left -= 1;
                r.uncounted += 1;
                if r.cpu.left < 0 || must_look(r) {
                    return stop_again(run, op);
                }
                op
            }
            Err(exception) => stop_for(r, o, exception),
        }
    }
}

/// The operation without the condition of a fused jump.
fn plain_sub(i: Ins) -> u8 {
    if i.bits & bits::FUSED != 0 { i.sub & 15 } else { i.sub }
}

/// A direct jump whose target `cpu.next_rip` has been checked: resolves its link if it stays in the page.
unsafe fn linked(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`; the op belongs to the cache, which nobody else is using.
    unsafe {
        let r = &mut *run;
        let o = &(*op).op();
        r.sync_tlb();
        r.cpu.left -= i64::from(o.count);
        r.cpu.rip = r.cpu.next_rip;
        if r.cpu.left < 0 || must_look(r) {
            r.left = Left::Look;
            return null();
        }
        r.left = Left::Find;
        if !r.stepping
            && (*op).may_link()
            && o.imm < 4096
            && crate::cache::may_link(&r.cpu)
            && r.rip_at(o.imm) == r.cpu.next_rip
        {
            let target = r.cache.resolve(&mut r.cpu, op, o.imm as u16);
            if !target.is_null() {
                crate::hot::set_link(op, target);
                return target;
            }
        }
        null()
    }
}

/// Leaves in front of the op itself, which will be done again (REP with the budget used up).
#[inline(never)]
pub unsafe fn stop_again(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        let r = &mut *run;
        let o = &(*op).op();
        r.cpu.left -= i64::from(o.count) - 1;
        r.cpu.rip = r.rip_at(u64::from(o.offset));
        r.left = Left::Look;
        null()
    }
}

/// Leaves at the target of a direct jump, which `cpu.left` has been charged for.
#[inline(never)]
pub unsafe fn stop_at_target(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        let r = &mut *run;
        r.cpu.rip = r.rip_at((*op).op().imm);
        r.left = Left::Look;
        null()
    }
}

/// Leaves in front of an instruction that the trace could not hold.
#[inline(never)]
pub unsafe fn stop_before_step(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        let r = &mut *run;
        let o = &(*op).op();
        r.cpu.left -= i64::from(o.count) - 1;
        r.cpu.rip = r.rip_at(u64::from(o.offset));
        r.left = if r.cpu.left < 0 { Left::Look } else { Left::Find };
        r.cache.step_next = true;
        null()
    }
}

/// Executes one op that stands in no trace; `ops` has a second, empty slot after it.
pub unsafe fn step(run: *mut Run, ops: &TracedOps) -> Left {
    // SAFETY: the contract of `Handler`; `ops` lives for the whole call.
    unsafe {
        let op = ops.first();
        (*run).stepping = true;
        let next = run_any(run, op);
        let r = &mut *run;
        r.stepping = false;
        if next.is_null() {
            return r.left;
        }
        // It went on to the next instruction, or wants to be done again.
        let o = &(*op).op();
        if next == op {
            r.cpu.rip = r.rip_at(u64::from(o.offset));
        } else {
            r.cpu.left -= i64::from(o.count);
            r.cpu.rip = r.rip_at(o.next_offset());
        }
        Left::Look
    }
}
