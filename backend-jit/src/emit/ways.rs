//! How the traces of a region go on into one another, and which of them can be entered from outside: all but those that hardly
//! anybody reaches by another way than from one trace of the region before them. Such a trace *inherits* what is known there.

use super::strides::Strides;
use super::{Member, Region};
use backend_interp::profile;
use backend_interp::run::TracedOp;
use frontend_x86::cpu::CodeSize;
use frontend_x86::op::{Func, Op};

/// A trace inherits if at least so many of its entries,
const MOST: u32 = 7;
/// of so many, come from the one before it.
const OF: u32 = 8;
/// With fewer entries seen nothing is known.
const LEAST: u32 = 16;
/// How many ops a loop has that carries checks.
const LONGEST: usize = 64;
/// So many calls deep it is known where a return leads,
const DEEPEST: usize = 8;
/// and so many ways to have come to a trace are told apart.
const MOST_STACKS: usize = 6;
/// Most entries of a region.
const MOST_ENTRIES: usize = 12;

/// The places, by page and offset, that the calls return to that a trace is inside of: the innermost one comes last.
type Stack = Vec<(i64, u64)>;

/// What is known of each trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// It is handed its slots in host registers: a loop comes back to it.
    pub carries: bool,
    /// It has the state of the one trace that goes on in it.
    pub inherits: bool,
    /// The trace whose beginning it is at the end of a row of inheritance: itself, if it does not inherit.
    pub root: usize,
    /// How many of its ops, from the first one, are part of a round of that trace's loop: behind them nothing comes back to it.
    pub round: usize,
}

/// A way from trace to trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The trace that goes on.
    pub from: usize,
    /// By which of its ops it goes on.
    pub at: usize,
    /// The one that it goes on in.
    pub to: usize,
    /// How often that was seen.
    pub times: u32,
    /// By a direct jump.
    pub direct: bool,
}

/// Pages of a region that are known to be mapped as they were when it was gathered. They stay so as long as no other code is
/// called: other CPUs change a mapping only when this one looks around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages(u64);

impl Pages {
    fn bit(region: &Region, page: i64) -> u64 {
        let first = region.members.iter().position(|m| m.page == page);
        first.and_then(|n| 1u64.checked_shl(n as u32)).unwrap_or(0)
    }

    /// Notes one.
    pub fn add(&mut self, region: &Region, page: i64) {
        self.0 |= Self::bit(region, page);
    }

    /// Whether this one is known to be.
    pub fn has(self, region: &Region, page: i64) -> bool {
        self.0 & Self::bit(region, page) != 0
    }
}

/// Where the direct jump of an op inside its page leads; null if that is not known. See [`crate::gather::Found::whole`].
pub fn link(op: &Op) -> *const TracedOp {
    std::ptr::without_provenance(op.disp as usize)
}

/// Where the direct jump of an op leads: page, counted as [`Member::page`] is, and offset there.
pub fn destination(page: i64, op: &Op) -> (i64, u64) {
    (page + ((op.imm as i64) >> 12), op.imm & 0xfff)
}

impl Member<'_> {
    /// Offset in the page of the first instruction.
    pub fn offset(&self) -> u64 {
        self.ops.first().map_or(0, |op| u64::from(op.offset))
    }

    /// Whether each access of an op shall be checked alone.
    pub fn checks_apart(&self, at: usize) -> bool {
        u32::try_from(at).ok().and_then(|at| self.apart.checked_shr(at)).unwrap_or(0) & 1 != 0
    }

    /// How often an op was gone on from: the jump taken, if it is a conditional one.
    fn left_at(&self, at: usize) -> u32 {
        if self.ops[at].ins.func == Func::Jcc {
            return profile::counts(&self.ops[at]).0;
        }
        let last = (0..at).rev().find(|n| self.ops[*n].ins.func == Func::Jcc);
        last.map_or(self.count, |n| profile::counts(&self.ops[n]).1)
    }
}

impl Region<'_> {
    /// Which trace begins at this place.
    pub fn beginning(&self, page: i64, offset: u64) -> Option<usize> {
        self.members.iter().position(|m| m.page == page && m.offset() == offset)
    }

    /// Which trace the direct jump of an op leads to.
    pub fn inside(&self, member: usize, at: usize) -> Option<usize> {
        let Member { ops, page, .. } = self.members[member];
        let op = &ops[at];
        if op.imm < 4096 {
            // A link says that the jump leads there at every address at which the page may be mapped.
            return self.members.iter().position(|m| !link(op).is_null() && m.entry == link(op));
        }
        let wide = op.ins.w >= self.mode.ip_width() && (self.mode.flat || self.mode.code == CodeSize::Bits64);
        let (page, offset) = destination(page, op);
        self.members.iter().position(|m| wide && m.page == page && m.offset() == offset)
    }

    /// The traces that a return at the end of each trace may lead to.
    pub fn returns(&self) -> Vec<Vec<usize>> {
        let back = |stack: &Stack| stack.last().and_then(|(page, offset)| self.beginning(*page, *offset));
        let of = |stacks: Vec<Stack>| {
            let mut to: Vec<usize> = stacks.iter().filter_map(back).collect();
            to.sort_unstable();
            to.dedup();
            to
        };
        self.stacks().into_iter().map(of).collect()
    }

    /// The calls of the region that each trace may be inside of.
    fn stacks(&self) -> Vec<Vec<Stack>> {
        let jumps: Vec<_> = (0..self.members.len()).map(|member| (self.jumps(member), self.ret(member))).collect();
        let mut stacks = vec![Vec::new(); self.members.len()];
        // Whoever enters may have called from anywhere.
        let entered = if self.closed { 1 } else { self.members.len() };
        let mut new: Vec<(usize, Stack)> = (0..entered).map(|member| (member, Stack::new())).collect();
        while let Some((member, stack)) = new.pop() {
            if stacks[member].contains(&stack) || stacks[member].len() == MOST_STACKS {
                continue;
            }
            let (jumps, ret) = &jumps[member];
            for way in jumps {
                let Member { ops, page, .. } = self.members[member];
                let mut stack = stack.clone();
                if way.direct && ops[way.at].ins.func == Func::Call {
                    let next = ops[way.at].next_offset();
                    stack.push((page + (next >> 12) as i64, next & 0xfff));
                    if stack.len() > DEEPEST {
                        stack.remove(0);
                    }
                }
                new.push((way.to, stack));
            }
            if ret.is_some() {
                let mut stack = stack.clone();
                let to = stack.pop().and_then(|(page, offset)| self.beginning(page, offset));
                new.extend(to.map(|to| (to, stack)));
            }
            stacks[member].push(stack);
        }
        stacks
    }

    /// Where a trace ends because another one begins there, and which: see `Emit::continues`.
    fn continued(&self, member: usize) -> Option<(usize, usize)> {
        let m = self.members[member];
        m.ops.iter().enumerate().find_map(|(at, op)| {
            let offset = u64::from(op.offset);
            let other = op.len > 0 && offset != m.offset();
            other.then(|| self.beginning(m.page, offset)).flatten().map(|to| (at, to))
        })
    }

    /// The ops of a trace, up to the first that never goes on to the next, or where another trace begins.
    fn ops(&self, member: usize) -> &[Op] {
        let ops = self.members[member].ops;
        let end = ops.iter().position(|op| op.ins.func.never_goes_on()).map_or(ops.len(), |last| last + 1);
        &ops[..self.continued(member).map_or(end, |(at, _)| end.min(at))]
    }

    /// The return at a trace's end.
    fn ret(&self, member: usize) -> Option<usize> {
        let ops = self.ops(member);
        ops.last().filter(|op| op.ins.func == Func::Ret).map(|_| ops.len() - 1)
    }

    /// The ways out of a trace into others, but for its return: by direct jumps, and to what begins in its middle.
    fn jumps(&self, from: usize) -> Vec<Way> {
        let m = self.members[from];
        let way = |at, to, direct| Way { from, at, to, times: m.left_at(at), direct };
        let ops = self.ops(from).iter().enumerate().filter(|(_, op)| op.ins.func.jumps_directly());
        let inside = ops.filter_map(|(at, _)| Some(way(at, self.inside(from, at)?, true)));
        inside.chain(self.continued(from).map(|(at, to)| way(at, to, false))).collect()
    }

    /// All ways from trace to trace.
    pub fn edges(&self) -> Vec<Way> {
        let mut edges = Vec::new();
        for (from, returns) in self.returns().into_iter().enumerate() {
            edges.extend(self.jumps(from));
            if let Some(at) = self.ret(from) {
                let times = self.members[from].left_at(at);
                edges.extend(returns.into_iter().map(|to| Way { from, at, to, times, direct: false }));
            }
        }
        edges
    }

    /// What is known of each trace. Of those that a loop comes back to, the slots are in host registers; what others want is
    /// loaded, or inherited.
    pub fn ways(&self) -> Vec<Ways> {
        let mut ways = vec![Ways::default(); self.members.len()];
        let mut from = vec![Vec::new(); self.members.len()];
        let edges = self.edges();
        for way in &edges {
            ways[way.to].carries |= way.direct && way.to <= way.from;
            from[way.to].push((way.from, way.times));
        }
        for (to, from) in from.iter().enumerate() {
            let count = self.members[to].count;
            ways[to].inherits = match from[..] {
                [(before, times)] if to > 0 && before < to => {
                    self.closed || count < LEAST || times.saturating_mul(OF) >= count.saturating_mul(MOST)
                }
                _ => false,
            };
            ways[to].root = match from[..] {
                [(before, _)] if ways[to].inherits => ways[before].root,
                _ => to,
            };
        }
        for Way { from, to, at, .. } in edges.into_iter().rev() {
            let closes = to == ways[from].root && ways[to].carries;
            if closes || ways[to].inherits && ways[to].round > 0 {
                ways[from].round = ways[from].round.max(at + 1);
            }
        }
        ways
    }

    /// By how much registers move in a round of the loop that a trace is the beginning of, if it is a short one: long ones want
    /// the host's registers for other things than checks.
    pub fn strides(&self, to: usize, ways: &[Ways]) -> Option<Strides> {
        let round = self.members.iter().zip(ways).filter(|(_, ways)| ways.root == to);
        let ops: Vec<&Op> = round.flat_map(|(m, ways)| &m.ops[..ways.round]).collect();
        if ops.is_empty() || ops.len() > LONGEST {
            return None;
        }
        let mut strides = Strides::new();
        ops.into_iter().for_each(|op| strides.op(op));
        Some(strides)
    }

    /// The traces that can be entered, the first one first.
    pub fn entries(&self) -> Vec<u8> {
        if self.closed {
            return vec![0];
        }
        let ways = self.ways();
        (0..ways.len()).filter(|n| !ways[*n].inherits).take(MOST_ENTRIES).map(|n| n as u8).collect()
    }
}
