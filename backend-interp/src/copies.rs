//! Loops that copy memory item by item, as boot loaders and the C libraries in them do: there is no REP to see, but what an
//! iteration does can be seen when its trace is built ([`crate::iteration`]). Where such a trace goes back to its start, as many
//! iterations as surely stay in the loop, and in a page on either side, are done at once ([`forward`]). The last of these is left
//! to the ops themselves: then flags, and registers that hold an item, are what they would be, and nobody can look before.

use crate::beside;
use crate::fast::Fast;
use crate::run::{Run, TracedOp};
use crate::sums::Side;
use frontend_x86::algebra::Algebra;
use frontend_x86::op::{Form, Width};
use frontend_x86::tlb;
use lyrebird_memory::order;

/// Fewer iterations than this are not worth it.
const LEAST: u64 = 4;

/// Where the items lie of which one is read or written in each iteration: the first one by the registers at its beginning.
#[derive(Clone, Copy)]
pub struct Route {
    pub side: Side,
    /// How far the next one is.
    pub step: i64,
}

/// As long as what holds for the two numbers the loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum While {
    NotEqual,
    Below,
    BelowOrEqual,
}

/// A register, what is added to it, and by how much it moves.
pub type Number = (u8, i64, i64);

/// What is to be known of a loop.
pub struct Plan {
    pub load: Route,
    pub store: Route,
    pub item: Width,
    /// Only if the direction flag is clear.
    pub string: bool,
    /// The two numbers that it depends on, and their width.
    pub x: Number,
    pub y: Number,
    pub w: Width,
    pub stays: While,
    /// Registers that move, in which width, by how much.
    pub moved: Box<[(u8, Width, i64)]>,
}

/// Does iterations ahead, at the jump `back` to the start of a loop with this plan.
///
/// # Safety
/// The contract of [`crate::run::Handler`] for `back`; the plan is of its trace.
#[inline(never)]
pub unsafe fn forward(run: *mut Run, back: *const TracedOp, plan: &Plan) {
    // SAFETY: the caller's promise.
    let mut fast = Fast { run, op: back, i: unsafe { (*back).near_ins() } };
    if plan.string && fast.direction() || order::MATTERS && fast.is_shared() {
        return;
    }
    // SAFETY: the caller's promise.
    let (budget, count) = unsafe { ((*run).cpu.left, u64::from((*back).count())) };
    let budget = (budget.max(0) as u64 / count).saturating_sub(1);
    let n = plan.stays(&mut fast).saturating_sub(1).min(budget);
    if n < LEAST {
        return;
    }
    let (load, store) = (place(&mut fast, plan, plan.load, false), place(&mut fast, plan, plan.store, true));
    let (Some(room), Some(space)) = (load, store) else { return };
    let n = n.min(room.items - 1).min(space.items - 1);
    if n < LEAST {
        return;
    }
    let steps = (plan.load.step as isize, plan.store.step as isize);
    let (first, last) = (space.linear, space.linear.wrapping_add((plan.store.step * (n - 1) as i64) as u64));
    let bytes = first.abs_diff(last) + plan.item.bytes();
    // SAFETY: the caller's promise.
    if !space.open && !unsafe { beside::is_beside(run, first.min(last), bytes) } {
        return;
    }
    // SAFETY: both pages are RAM or ROM that may be read, and written, in place, and so many items lie in them.
    unsafe {
        match plan.item {
            Width::B => copy::<u8>(room.first, space.first, n as isize, steps),
            Width::W => copy::<u16>(room.first, space.first, n as isize, steps),
            Width::D => copy::<u32>(room.first, space.first, n as isize, steps),
            _ => copy::<u64>(room.first, space.first, n as isize, steps),
        }
    }
    for (r, w, by) in &plan.moved {
        let v = fast.reg(*r, *w).wrapping_add((*by as u64).wrapping_mul(n));
        fast.set_reg(*r, *w, v & w.mask());
    }
    // SAFETY: as above. At least one iteration of the budget is left: the jump does not stop.
    unsafe { (*run).cpu.left -= (n * count) as i64 }
}

impl Plan {
    /// How many iterations surely stay in the loop.
    fn stays(&self, fast: &mut Fast) -> u64 {
        let mut now = |(r, plus, _): Number| fast.reg(r, self.w).wrapping_add(plus as u64) & self.w.mask();
        let (x, y) = (now(self.x), now(self.y));
        // By so much x nears y in each.
        let nears = self.x.2 - self.y.2;
        let apart = if nears > 0 { y.wrapping_sub(x) } else { x.wrapping_sub(y) } & self.w.mask();
        let speed = nears.unsigned_abs();
        match self.stays {
            While::NotEqual if apart.is_multiple_of(speed) => apart / speed,
            While::Below if x < y => apart.div_ceil(speed),
            While::BelowOrEqual if x <= y => apart / speed + 1,
            _ => 0,
        }
    }
}

/// What is in a page of the items of one side.
struct Room {
    linear: u64,
    /// Where the first item lies in host memory.
    first: *mut u8,
    items: u64,
    /// They may be accessed there, whatever else is in the page.
    open: bool,
}

fn place(fast: &mut Fast, plan: &Plan, Route { side, step }: Route, write: bool) -> Option<Room> {
    let (base, index) = (fast.reg(side.base, Width::Q), fast.reg(side.index, Width::Q));
    let linear = base.wrapping_add(index << side.scale).wrapping_add(side.disp as u64);
    let linear = if side.form == Form::Flat32 { linear & 0xffff_ffff } else { linear };
    // SAFETY: see `crate::run::Handler`; the index is below their number.
    let entry = unsafe { &*(*fast.run).tlb.add(tlb::index(linear)) };
    let (page, offset, bytes) = (linear & !0xfff, linear & 0xfff, plan.item.bytes());
    if entry.read != page || offset + bytes > 4096 {
        return None;
    }
    let room = if step > 0 { 4096 - bytes - offset } else { offset };
    Some(Room {
        linear,
        first: linear.wrapping_add(entry.addend) as *mut u8,
        items: room / step.unsigned_abs() + 1,
        open: !write || entry.write == page,
    })
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
