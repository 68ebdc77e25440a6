//! Loops that copy memory item by item, as boot loaders and the C libraries in them do: there is no REP to see, but what an
//! iteration does can be seen when its trace is built ([`find`]). Where such a trace goes back to its start, as many iterations as
//! surely stay in the loop, and in a page on either side, are done at once ([`forward`]). The last of these is left to the ops
//! themselves: then flags, and registers that hold an item, are what they would be, and nobody can look before.

use crate::fast::Fast;
use crate::run::{Run, TracedOp};
use frontend_x86::algebra::Algebra;
use frontend_x86::decode::Decoded;
use frontend_x86::op::{Form, Func, Ins, Kind, Op, Width, ZERO, bits, reg};
use frontend_x86::sem::{alu, unary};
use frontend_x86::tlb;
use lyrebird_memory::order;
use std::ptr::null;

/// No longer loops than this.
const MOST_OPS: usize = 10;
/// Fewer iterations than this are not worth it.
const LEAST: u64 = 4;
/// General registers, and the two that are none.
const REGS: usize = 18;

/// Where an iteration reads or writes, by the registers at its beginning.
#[derive(Clone, Copy)]
struct Side {
    base: u8,
    index: u8,
    scale: u8,
    disp: i64,
    form: Form,
    w: Width,
}

/// A register and what is to be added to it.
type Sum = (u8, i64);

/// Two numbers that a conditional jump depends on.
#[derive(Clone, Copy)]
struct Compared {
    x: Sum,
    y: Sum,
    w: Width,
    /// All flags are those of x - y; else only ZF is.
    whole: bool,
}

/// As long as what holds for the two numbers the loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum While {
    NotEqual = 0,
    Below = 1,
    BelowOrEqual = 2,
}

/// What one iteration does.
#[derive(Clone, Copy)]
struct Iteration {
    /// What registers change by.
    steps: [i64; REGS],
    /// In which width.
    widths: [Option<Width>; REGS],
    load: Option<Side>,
    store: Option<Side>,
    /// The register that holds the item.
    item: Option<u8>,
    compared: Option<Compared>,
    stays: Option<(Compared, While)>,
    /// MOVS: the direction flag counts.
    string: bool,
}

/// A loop that was found: which of the instructions goes back to the start, and what [`forward`] has to know, in ops that are
/// never executed.
pub struct Found {
    pub back: usize,
    pub plan: Vec<TracedOp>,
}

/// Looks for a loop that begins at this offset of the page, where the instructions do.
pub fn find(decoded: &[Decoded], start: u16) -> Option<Found> {
    let mut it = Iteration {
        steps: [0; REGS],
        widths: [None; REGS],
        load: None,
        store: None,
        item: None,
        compared: None,
        stays: None,
        string: false,
    };
    for (n, d) in decoded.iter().enumerate().take(MOST_OPS) {
        let jump = matches!(d.op.ins.func, Func::Jmp | Func::Jcc) && d.op.ins.w != Width::W;
        if jump && d.op.imm == u64::from(start) {
            if d.op.ins.func == Func::Jcc {
                it.leaves_unless(d.op.ins.sub)?;
            }
            return Some(Found { back: n, plan: it.plan()? });
        }
        if jump && d.op.ins.func == Func::Jcc { it.leaves_unless(d.op.ins.sub ^ 1)? } else { it.add(&d.op)? }
    }
    None
}

impl Iteration {
    /// A conditional jump behind which the loop goes on under this condition.
    fn leaves_unless(&mut self, cc: u8) -> Option<()> {
        let c = self.compared?;
        if self.stays.is_some() || !c.whole && cc != 5 {
            return None;
        }
        let turned = Compared { x: c.y, y: c.x, ..c };
        self.stays = Some(match cc {
            2 => (c, While::Below),
            3 => (turned, While::BelowOrEqual),
            5 => (c, While::NotEqual),
            6 => (c, While::BelowOrEqual),
            7 => (turned, While::Below),
            _ => return None,
        });
        Some(())
    }

    /// One more op of the iteration.
    fn add(&mut self, o: &Op) -> Option<()> {
        let i = o.ins;
        if i.has(bits::LOCK) || i.has(bits::REP) || i.has(bits::REPNE) || i.has(bits::ADDR32) {
            return None;
        }
        let immediate = (i.k1 == Kind::Imm && i.w >= Width::D).then(|| signed(i.w, o.imm));
        match (i.func, i.k0, i.k1) {
            (Func::Mov, Kind::Reg, Kind::Mem) => self.loads(o, i.w),
            (Func::Movzx, Kind::Reg, Kind::Mem) => self.loads(o, i.w2),
            (Func::Mov, Kind::Mem, Kind::Reg) if self.item == Some(o.r1) && self.store.is_none() => {
                self.store = Some(self.side(o, i.w)?);
                Some(())
            }
            (Func::Movs, ..) if self.load.is_none() && self.store.is_none() => {
                let at = |r| Op { base: r, index: ZERO, disp: 0, ..*o };
                self.load = Some(self.side(&at(reg::RSI), i.w)?);
                self.store = Some(self.side(&at(reg::RDI), i.w)?);
                self.string = true;
                self.moves(reg::RSI, i.w2, i.w.bytes() as i64)?;
                self.moves(reg::RDI, i.w2, i.w.bytes() as i64)
            }
            (Func::Lea, Kind::Reg, _) if o.base == o.r0 && o.index == ZERO && i.form != Form::Seg16 => {
                self.moves(o.r0, i.w, o.disp)
            }
            (Func::Unary, Kind::Reg, _) if matches!(i.sub, unary::INC | unary::DEC) => {
                let by = if i.sub == unary::INC { 1 } else { -1 };
                self.compares(i.w, o.r0, (ZERO, -by), false);
                self.moves(o.r0, i.w, by)
            }
            (Func::Alu, Kind::Reg, Kind::Imm) if matches!(i.sub, alu::ADD | alu::SUB) => {
                let by = if i.sub == alu::ADD { immediate? } else { immediate?.checked_neg()? };
                self.compares(i.w, o.r0, (ZERO, by.checked_neg()?), i.sub == alu::SUB);
                self.moves(o.r0, i.w, by)
            }
            (Func::Alu, Kind::Reg, Kind::Imm) if i.sub == alu::CMP => {
                self.compares(i.w, o.r0, (ZERO, immediate?), true);
                Some(())
            }
            (Func::Alu, Kind::Reg, Kind::Reg) if i.sub == alu::CMP => {
                self.compares(i.w, o.r0, (o.r1, self.steps[usize::from(o.r1)]), true);
                Some(())
            }
            (Func::Alu, Kind::Reg, Kind::Reg) if i.sub == alu::TEST && o.r0 == o.r1 => {
                self.compares(i.w, o.r0, (ZERO, 0), false);
                Some(())
            }
            _ => None,
        }
    }

    fn loads(&mut self, o: &Op, w: Width) -> Option<()> {
        if self.load.is_some() {
            return None;
        }
        self.load = Some(self.side(o, w)?);
        self.item = Some(o.r0);
        Some(())
    }

    fn side(&self, o: &Op, w: Width) -> Option<Side> {
        if !matches!(o.ins.form, Form::A64 | Form::Flat32) || w > Width::Q {
            return None;
        }
        let moved = self.by(o.base, o.index, o.scale);
        let disp = o.disp.checked_add(moved)?;
        Some(Side { base: o.base, index: o.index, scale: o.scale & 3, disp, form: o.ins.form, w })
    }

    /// By how much an address has moved, since the iteration began.
    fn by(&self, base: u8, index: u8, scale: u8) -> i64 {
        self.steps[usize::from(base)] + (self.steps[usize::from(index)] << (scale & 3))
    }

    fn compares(&mut self, w: Width, x: u8, y: Sum, whole: bool) {
        self.compared = Some(Compared { x: (x, self.steps[usize::from(x)]), y, w, whole });
    }

    fn moves(&mut self, r: u8, w: Width, by: i64) -> Option<()> {
        let n = usize::from(r);
        if !matches!(w, Width::D | Width::Q)
            || self.widths[n].is_some_and(|known| known != w)
            || by.unsigned_abs() > 4096
        {
            return None;
        }
        self.widths[n] = Some(w);
        self.steps[n] += by;
        Some(())
    }

    /// What is to be known of the loop: three ops and one for each register that changes.
    fn plan(&self) -> Option<Vec<TracedOp>> {
        let (load, store, (c, stays)) = (self.load?, self.store?, self.stays?);
        let width = |r: u8| self.widths[usize::from(r)];
        let natural = |side: &Side| if side.form == Form::A64 { Width::Q } else { Width::D };
        let fine = |side: &Side| {
            let step = self.by(side.base, side.index, side.scale);
            step != 0 && [side.base, side.index].into_iter().all(|r| width(r).is_none_or(|w| w == natural(side)))
        };
        let item = self.item.unwrap_or(ZERO);
        let reads_item = [load.base, load.index, store.base, store.index, c.x.0, c.y.0].contains(&item);
        let compares = [c.x.0, c.y.0].into_iter().all(|r| width(r).is_none_or(|w| w >= c.w));
        let (dx, dy) = (self.steps[usize::from(c.x.0)], self.steps[usize::from(c.y.0)]);
        // Of two that move neither may go round; one alone stops before it can.
        let nears = if stays == While::NotEqual { dx != dy } else { dx > dy && (dx == 0 || dy == 0) };
        if load.w != store.w || !fine(&load) || !fine(&store) || !compares || !nears {
            return None;
        }
        if item != ZERO && (reads_item || width(item).is_some()) {
            return None;
        }
        let side = |s: Side| {
            let mut op = never();
            (op.ins.form, op.ins.w) = (s.form, s.w);
            (op.base, op.index, op.scale, op.disp) = (s.base, s.index, s.scale, s.disp);
            op.imm = self.by(s.base, s.index, s.scale) as u64;
            op
        };
        let mut exit = never();
        (exit.ins.w, exit.ins.sub, exit.imm2) = (c.w, stays as u8, u8::from(self.string));
        (exit.r0, exit.disp, exit.helper) = (c.x.0, c.x.1, dx as i16 as u16);
        (exit.r1, exit.imm, exit.fop) = (c.y.0, c.y.1 as u64, dy as i16 as u16);
        let mut ops = vec![side(load), side(store), exit];
        for (r, w) in self.widths.iter().enumerate().filter_map(|(r, w)| Some((r, (*w)?))) {
            let mut moved = never();
            (moved.r0, moved.disp, moved.ins.w) = (r as u8, self.steps[r], w);
            ops.push(moved);
        }
        ops[2].r2 = (ops.len() - 3) as u8;
        Some(ops.into_iter().map(|op| TracedOp { handler: crate::handlers::across_pages, link: null(), op }).collect())
    }
}

/// An op that is no instruction.
fn never() -> Op {
    let ins = Ins {
        func: Func::Goto,
        sub: 0,
        w: Width::Q,
        w2: Width::D,
        k0: Kind::None,
        k1: Kind::None,
        form: Form::A64,
        bits: 0,
    };
    Op {
        ins,
        imm: 0,
        disp: 0,
        base: ZERO,
        index: ZERO,
        scale: 0,
        seg: 0,
        r0: ZERO,
        r1: ZERO,
        r2: 0,
        len: 0,
        offset: 0,
        helper: 0,
        count: 0,
        imm2: 0,
        fop: 0,
    }
}

fn signed(w: Width, v: u64) -> i64 {
    if w == Width::D { i64::from(v as u32 as i32) } else { v as i64 }
}

/// Does iterations ahead, at the jump `back` to the start of a loop with this plan.
///
/// # Safety
/// The contract of [`crate::run::Handler`] for `back`; `plan` is what [`find`] has made of its trace.
#[inline(never)]
pub unsafe fn forward(run: *mut Run, back: *const TracedOp, plan: *const TracedOp) {
    // SAFETY: the caller's promise: a plan has these ops.
    let (load, store, exit, count) =
        unsafe { (&(*plan).op, &(*plan.add(1)).op, &(*plan.add(2)).op, u64::from((*back).op.count)) };
    let mut fast = Fast { run, op: back };
    if exit.imm2 != 0 && fast.direction() || order::MATTERS && fast.is_shared() {
        return;
    }
    // SAFETY: as above.
    let budget = unsafe { (*run).cpu.left };
    let budget = (budget.max(0) as u64 / count).saturating_sub(1);
    let n = stays(&mut fast, exit).saturating_sub(1).min(budget);
    if n < LEAST {
        return;
    }
    let (Some((from, room)), Some((to, space))) = (place(&mut fast, load, false), place(&mut fast, store, true)) else {
        return;
    };
    let n = n.min(room.saturating_sub(1)).min(space.saturating_sub(1));
    if n < LEAST {
        return;
    }
    let steps = (load.imm as isize, store.imm as isize);
    // SAFETY: both pages are RAM or ROM that may be read, and written, in place, and so many items lie in them.
    unsafe {
        match load.ins.w {
            Width::B => copy::<u8>(from, to, n as isize, steps),
            Width::W => copy::<u16>(from, to, n as isize, steps),
            Width::D => copy::<u32>(from, to, n as isize, steps),
            _ => copy::<u64>(from, to, n as isize, steps),
        }
    }
    for k in 0..usize::from(exit.r2) {
        // SAFETY: as above.
        let moved = unsafe { &(*plan.add(3 + k)).op };
        let v = fast.reg(moved.r0, moved.ins.w).wrapping_add((moved.disp as u64).wrapping_mul(n));
        fast.set_reg(moved.r0, moved.ins.w, v & moved.ins.w.mask());
    }
    // SAFETY: as above. At least one iteration of the budget is left: the jump does not stop.
    unsafe { (*run).cpu.left -= (n * count) as i64 }
}

/// How many iterations surely stay in the loop.
fn stays(fast: &mut Fast, exit: &Op) -> u64 {
    let w = exit.ins.w;
    let x = fast.reg(exit.r0, w).wrapping_add(exit.disp as u64) & w.mask();
    let y = fast.reg(exit.r1, w).wrapping_add(exit.imm) & w.mask();
    // By so much x nears y in each.
    let nears = i64::from(exit.helper as i16) - i64::from(exit.fop as i16);
    let (speed, apart) =
        (nears.unsigned_abs(), if nears > 0 { y.wrapping_sub(x) } else { x.wrapping_sub(y) } & w.mask());
    match exit.ins.sub {
        0 if apart.is_multiple_of(speed) => apart / speed,
        1 if x < y => apart.div_ceil(speed),
        2 if x <= y => apart / speed + 1,
        _ => 0,
    }
}

/// Where the first item lies in host memory, and how many do in its page.
fn place(fast: &mut Fast, side: &Op, write: bool) -> Option<(*mut u8, u64)> {
    let (base, index) = (fast.reg(side.base, Width::Q), fast.reg(side.index, Width::Q));
    let linear = base.wrapping_add(index << side.scale).wrapping_add(side.disp as u64);
    let linear = if side.ins.form == Form::Flat32 { linear & 0xffff_ffff } else { linear };
    // SAFETY: see `crate::run::Handler`; the index is below their number.
    let entry = unsafe { &*(*fast.run).tlb.add(tlb::index(linear)) };
    let (offset, step, bytes) = (linear & 0xfff, side.imm as i64, side.ins.w.bytes());
    let tag = if write { entry.write } else { entry.read };
    if tag != linear & !0xfff || offset + bytes > 4096 {
        return None;
    }
    let room = if step > 0 { 4096 - bytes - offset } else { offset };
    Some((linear.wrapping_add(entry.addend) as *mut u8, room / step.unsigned_abs() + 1))
}

/// Copies `n` items in order.
///
/// # Safety
/// They must lie where they may be read and written.
unsafe fn copy<T: Copy>(from: *mut u8, to: *mut u8, n: isize, (read, write): (isize, isize)) {
    let bytes = size_of::<T>() as isize;
    // SAFETY: the caller's promise. Without overlap the order does not matter.
    unsafe {
        if read == write && read.abs() == bytes && (from as usize).abs_diff(to as usize) >= (n * bytes) as usize {
            let first = if read > 0 { 0 } else { (1 - n) * bytes };
            std::ptr::copy_nonoverlapping(from.offset(first), to.offset(first), (n * bytes) as usize);
            return;
        }
        for k in 0..n {
            let item = from.offset(k * read).cast::<T>().read_unaligned();
            to.offset(k * write).cast::<T>().write_unaligned(item);
        }
    }
}
