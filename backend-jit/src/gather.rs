//! Which traces make a region: the hot one, and those that it goes on into, by jumps inside the page or to other pages, and
//! behind its calls.

use crate::code::Symbol;
use crate::emit::destination;
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use backend_interp::{cache, hot};
use frontend_x86::cpu::CodeSize;
use frontend_x86::op::{Func, RIP_BASE};
use std::slice::from_raw_parts;

/// Most ops in a region.
const MOST: usize = 60;
/// Most traces.
const MOST_TRACES: usize = 24;
/// A trace of so few ops is worth a copy in another region.
const SMALL: usize = 8;

/// A trace of the cache.
#[derive(Clone, Copy)]
pub struct Found {
    /// Its entry op.
    pub entry: *mut TracedOp,
    /// The ops behind it; alive until the cache drops something.
    pub ops: &'static [TracedOp],
    /// See [`crate::emit::Member::page`].
    pub page: i64,
    /// The host address of its page.
    pub host: u64,
}

impl Found {
    /// Offset in the page of the first instruction.
    pub fn offset(&self) -> u16 {
        self.ops.first().map_or(0, |op| op.op.offset)
    }
}

/// The address of what only a region's place in this process tells.
pub fn address(members: &[Found], symbol: Symbol) -> Option<u64> {
    match symbol {
        Symbol::Op { member, op } => {
            let found = members.get(usize::from(member))?;
            // The entry op comes first.
            (usize::from(op) <= found.ops.len())
                .then(|| found.entry as u64 + (size_of::<TracedOp>() * usize::from(op)) as u64)
        }
        Symbol::Page { member } => Some(members.get(usize::from(member))?.host),
        Symbol::Behind { member } => {
            let across = members.get(usize::from(member))?.ops.iter().find(|op| op.op.ins.func == Func::Across)?;
            Some(across.op.disp as u64)
        }
        _ => None,
    }
}

/// The ops behind an entry op.
///
/// # Safety
/// The entry op is of a live trace; the result must not be used when it is dropped.
unsafe fn ops_of(entry: *const TracedOp) -> &'static [TracedOp] {
    // SAFETY: a trace is an entry op, then ops up to a `Goto` that the cache adds to every trace.
    unsafe {
        let first = entry.add(1);
        let mut len = 1;
        while (*first.add(len - 1)).op.ins.func != Func::Goto {
            len += 1;
        }
        from_raw_parts(first, len)
    }
}

/// Where traces lie, as seen from the region's first page.
struct Place<'a> {
    pool: &'a Locked<'a>,
    /// Its linear address, if jumps to other pages may be followed.
    linear: Option<u64>,
    host: u64,
    mode: u16,
}

impl<'a> Place<'a> {
    /// The place of the trace that the run is about to execute.
    fn of(run: &Run, pool: &'a Locked<'a>) -> Self {
        let wide = run.cpu.mode.flat || run.cpu.mode.code == CodeSize::Bits64;
        let base = run.cpu.regs[usize::from(RIP_BASE)];
        let linear = wide.then_some(base).filter(|linear| linear & 0xfff == 0);
        let mapped =
            linear.and_then(|linear| cache::executable(&run.cpu, linear).map(|e| linear.wrapping_add(e.addend)));
        Place { pool, linear: mapped.and(linear), host: mapped.unwrap_or(0), mode: cache::mode_key(&run.cpu) }
    }

    /// The host page that lies `page` pages further on.
    fn host(&self, run: &Run, page: i64) -> Option<u64> {
        if page == 0 {
            return Some(self.host);
        }
        let mut linear = self.linear?.wrapping_add((page << 12) as u64);
        if run.cpu.mode.code != CodeSize::Bits64 {
            linear &= 0xffff_ffff;
        }
        cache::executable(&run.cpu, linear).map(|entry| linear.wrapping_add(entry.addend))
    }

    fn find(&self, run: &Run, page: i64, offset: u64) -> Option<(*mut TracedOp, u64)> {
        let host = self.host(run, page)?;
        self.pool.known((host as usize, self.mode, offset as u16)).map(|entry| (entry.cast_mut(), host))
    }
}

/// The traces of a region around a hot one. `compiled` tells of those that have code; `warm` of those
/// that have been seen often enough to be taken in.
///
/// # Safety
/// `entry` is the entry op that `run` is about to execute.
pub unsafe fn gather(
    run: &Run,
    pool: &Locked<'_>,
    entry: *mut TracedOp,
    warm: impl Fn(*const TracedOp) -> bool,
    compiled: impl Fn(*const TracedOp) -> bool,
) -> Vec<Found> {
    // SAFETY: the trace is about to be executed.
    let ops = unsafe { ops_of(entry) };
    let place = Place::of(run, pool);
    let mut members = vec![Found { entry, ops, page: 0, host: place.host }];
    let mut size = ops.len();
    let mut candidates = Vec::new();
    let mut looked_at = 0;
    while members.len() < MOST_TRACES {
        while looked_at < members.len() {
            candidates.extend(successors(run, &place, &members[looked_at]));
            looked_at += 1;
        }
        candidates.retain(|c: &Found| members.iter().all(|m| m.entry != c.entry));
        let good = |c: &Found| {
            if size + c.ops.len() > MOST {
                return false;
            }
            if compiled(c.entry) {
                return c.ops.len() <= SMALL
                    || successors(run, &place, c).iter().any(|s| members.iter().any(|m| m.entry == s.entry));
            }
            warm(c.entry)
        };
        // SAFETY: traces of the cache.
        let best = (0..candidates.len())
            .filter(|n| good(&candidates[*n]))
            .min_by_key(|n| unsafe { hot::left(candidates[*n].entry) });
        let Some(best) = best else { break };
        let best = candidates.swap_remove(best);
        size += best.ops.len();
        members.push(best);
    }
    members
}

/// The traces of a region that is known already: the one that `run` is about to execute, and those at the given pages and
/// offsets. `None` if one of them does not exist (yet).
///
/// # Safety
/// `entry` is the entry op that `run` is about to execute.
pub unsafe fn find(
    run: &Run,
    pool: &Locked<'_>,
    entry: *mut TracedOp,
    others: impl Iterator<Item = (i64, u16)>,
) -> Option<Vec<Found>> {
    let place = Place::of(run, pool);
    // SAFETY: the trace is about to be executed.
    let mut members = vec![Found { entry, ops: unsafe { ops_of(entry) }, page: 0, host: place.host }];
    for (page, offset) in others {
        if place.linear.is_none() && page != 0 {
            return None;
        }
        let (entry, host) = place.find(run, page, u64::from(offset))?;
        // SAFETY: the cache knows only live traces.
        members.push(Found { entry, ops: unsafe { ops_of(entry) }, page, host });
    }
    Some(members)
}

/// Traces that a trace may go on with.
fn successors(run: &Run, place: &Place<'_>, of: &Found) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |entry: *mut TracedOp, page: i64, host: u64| {
        // SAFETY: the cache knows only live traces, and links lead to traces of the same page.
        found.push(Found { entry, ops: unsafe { ops_of(entry) }, page, host });
    };
    for op in of.ops {
        if matches!(op.op.ins.func, Func::Jcc | Func::Jmp | Func::Call | Func::Loop | Func::Goto) {
            if op.op.imm < 4096 {
                // SAFETY: an op of a live trace.
                let link = unsafe { hot::link(op) };
                if !link.is_null() {
                    add(link.cast_mut(), of.page, of.host);
                }
            } else if place.linear.is_some() {
                let (page, offset) = destination(of.page, op);
                if let Some((entry, host)) = place.find(run, page, offset) {
                    add(entry, page, host);
                }
            }
        }
        if matches!(op.op.ins.func, Func::Call | Func::CallIndirect) && place.linear.is_some() {
            let next = op.op.next_offset();
            let page = of.page + (next >> 12) as i64;
            if let Some((entry, host)) = place.find(run, page, next & 0xfff) {
                add(entry, page, host);
            }
        }
    }
    found
}
