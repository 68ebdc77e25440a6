//! Which traces make a region: the hot one, and those that it goes on into, by jumps inside the page or to other pages, and
//! behind its calls.

pub mod wide;

use crate::code::Symbol;
use crate::emit::{Member, Region, destination, link};
use backend_interp::pool::Locked;
use backend_interp::profile::{self, Rare};
use backend_interp::run::{Run, TracedOp};
use backend_interp::{cache, hot};
use frontend_x86::cpu::{CodeSize, Mode};
use frontend_x86::op::{Func, Op, RIP_BASE};
use std::slice::from_raw_parts;

/// Most ops in a region.
const MOST: usize = 60;
/// Most traces.
const MOST_TRACES: usize = 24;

/// A trace of the cache.
#[derive(Clone, Copy)]
pub struct Found {
    /// Its entry op.
    pub entry: *mut TracedOp,
    /// The ops behind it; alive until the cache drops something.
    pub ops: &'static [TracedOp],
    /// How many of them are worth compiling: see [`profile::reached`].
    pub used: usize,
    /// What was counted is not to be trusted any more.
    pub plain: bool,
    /// See [`crate::emit::Member::page`].
    pub page: i64,
    /// The host address of its page.
    pub host: u64,
    /// See [`Member::count`].
    pub count: u32,
    /// See [`Member::apart`].
    pub apart: u128,
}

impl Found {
    /// A trace that lies `page` pages behind the first, in the page at this host address.
    ///
    /// # Safety
    /// The entry op is of a live trace; the result must not be used when it is dropped.
    unsafe fn new(entry: *mut TracedOp, page: i64, host: u64, plain: bool) -> Self {
        // SAFETY: the caller's promise.
        let ops = unsafe { ops_of(entry) };
        let used = if plain { ops.len() } else { profile::reached(ops) };
        Found { entry, ops, used, plain, page, host, count: 0, apart: 0 }
    }

    /// The ops that are used, whole, with links.
    pub fn whole(&self) -> Vec<Op> {
        let whole = |traced: &TracedOp| {
            let mut op = traced.op();
            if self.plain {
                op = profile::without(op);
            }
            if traced.may_link() {
                // SAFETY: an op of a live trace.
                op.disp = unsafe { hot::link(traced) }.addr() as i64;
            }
            op
        };
        self.ops[..self.used].iter().map(whole).collect()
    }

    /// The same for the translator, with a copy of the ops that are used.
    pub fn member<'a>(&self, ops: &'a [Op]) -> Member<'a> {
        Member { entry: self.entry, ops, page: self.page, count: self.count, apart: self.apart }
    }

    /// Offset in the page of the first instruction.
    pub fn offset(&self) -> u16 {
        self.ops.first().map_or(0, |op| op.offset)
    }
}

/// The address of what only a region's place in this process tells.
pub fn address(members: &[Found], symbol: Symbol) -> Option<u64> {
    let op =
        |member: u8, op: u16| Some(members.get(usize::from(member))?.ops.get(usize::from(op).checked_sub(1)?)?.op());
    match symbol {
        Symbol::Immediate { member, op: n } => op(member, n).map(|op| op.imm),
        Symbol::Displacement { member, op: n } => op(member, n).map(|op| op.disp as u64),
        Symbol::Op { member, op } => {
            let found = members.get(usize::from(member))?;
            // The entry op comes first.
            (usize::from(op) <= found.ops.len())
                .then(|| found.entry as u64 + (size_of::<TracedOp>() * usize::from(op)) as u64)
        }
        Symbol::Page { member } => Some(members.get(usize::from(member))?.host >> 12),
        Symbol::Behind { member } => {
            let across = members.get(usize::from(member))?.ops.iter().find(|op| op.ins().func == Func::Across)?;
            Some(across.behind() >> 12)
        }
        _ => None,
    }
}

/// The ops behind an entry op.
///
/// # Safety
/// The entry op is of a live trace; the result must not be used when it is dropped.
pub(crate) unsafe fn ops_of(entry: *const TracedOp) -> &'static [TracedOp] {
    // SAFETY: a trace is an entry op, then ops up to one that never goes on.
    unsafe {
        let first = entry.add(1);
        let mut len = 1;
        while !(*first.add(len - 1)).is_last() {
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

/// The traces of a region around a hot one. `compiled` tells of those that have code, or will have; `count` how often others
/// have been entered: those with `enough` are taken in. `plain`: nothing that was counted is to be trusted.
///
/// # Safety
/// `entry` is the entry op that `run` is about to execute.
pub unsafe fn gather(
    run: &Run,
    pool: &Locked<'_>,
    entry: *mut TracedOp,
    plain: bool,
    count: impl Fn(*const TracedOp) -> u32,
    enough: u32,
    compiled: impl Fn(*const TracedOp) -> bool,
) -> Vec<Found> {
    let place = Place::of(run, pool);
    // SAFETY: the trace is about to be executed.
    let mut members = vec![unsafe { Found::new(entry, 0, place.host, plain) }];
    members[0].count = count(entry);
    let mut size = members[0].used;
    let mut candidates = Vec::new();
    let mut looked_at = 0;
    while members.len() < MOST_TRACES {
        while looked_at < members.len() {
            candidates.extend(successors(run, &place, &members[looked_at]).into_iter().map(|(found, _)| found));
            looked_at += 1;
        }
        candidates.retain(|c: &Found| members.iter().all(|m| m.entry != c.entry));
        let good = |c: &Found| {
            if size + c.used > MOST {
                return false;
            }
            if compiled(c.entry) {
                // Only a loop is worth a copy of what is compiled already.
                return successors(run, &place, c).iter().any(|(s, _)| members.iter().any(|m| m.entry == s.entry));
            }
            count(c.entry) >= enough
        };
        let best = (0..candidates.len()).filter(|n| good(&candidates[*n])).max_by_key(|n| count(candidates[*n].entry));
        let Some(best) = best else { break };
        let mut best = candidates.swap_remove(best);
        best.count = count(best.entry);
        size += best.used;
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
    let mut members = vec![unsafe { Found::new(entry, 0, place.host, false) }];
    for (page, offset) in others {
        if place.linear.is_none() && page != 0 {
            return None;
        }
        let (entry, host) = place.find(run, page, u64::from(offset))?;
        // SAFETY: the cache knows only live traces.
        members.push(unsafe { Found::new(entry, page, host, false) });
    }
    Some(members)
}

/// The traces by which a region will be entered.
pub fn entries(region: &[Found], mode: Mode, closed: bool) -> Vec<u8> {
    with(region, mode, closed, |region| region.entries())
}

/// Looks at traces as the translator will.
fn with<R>(region: &[Found], mode: Mode, closed: bool, look: impl FnOnce(Region) -> R) -> R {
    let ops: Vec<Vec<Op>> = region.iter().map(Found::whole).collect();
    let members: Vec<Member> = region.iter().zip(&ops).map(|(found, ops)| found.member(ops)).collect();
    look(Region { members: &members, mode, closed })
}

/// Traces that a trace may go on with, and how often it does, as a part of its entries.
fn successors(run: &Run, place: &Place<'_>, of: &Found) -> Vec<(Found, f32)> {
    let mut found = Vec::new();
    let mut add = |entry: *mut TracedOp, page: i64, host: u64, part: f32| {
        // SAFETY: the cache knows only live traces, and links lead to traces of the same page.
        found.push((unsafe { Found::new(entry, page, host, of.plain) }, part));
    };
    // How many of the entries come to the op.
    let mut part = 1.0;
    for op in of.whole() {
        if profile::rare(&op) == Rare::Taken {
            continue;
        }
        let taken = if matches!(op.ins.func, Func::Jcc | Func::Loop) { part * taken(&op) } else { part };
        if op.ins.func.jumps_directly() {
            if op.imm < 4096 {
                let link = link(&op);
                if !link.is_null() {
                    add(link.cast_mut(), of.page, of.host, taken);
                }
            } else if place.linear.is_some() {
                let (page, offset) = destination(of.page, &op);
                if let Some((entry, host)) = place.find(run, page, offset) {
                    add(entry, page, host, taken);
                }
            }
        }
        if matches!(op.ins.func, Func::Call | Func::CallIndirect) && place.linear.is_some() {
            let next = op.next_offset();
            let page = of.page + (next >> 12) as i64;
            if let Some((entry, host)) = place.find(run, page, next & 0xfff) {
                add(entry, page, host, part);
            }
        }
        if matches!(op.ins.func, Func::Jcc | Func::Loop) {
            part -= taken;
        }
    }
    found
}

/// How often a conditional jump is taken, as a part.
fn taken(op: &Op) -> f32 {
    match profile::counts(op) {
        (taken, not) if op.ins.func == Func::Jcc && taken + not > 0 => taken as f32 / (taken + not) as f32,
        _ => 0.5,
    }
}
