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
const LONGEST: usize = 48;
/// Most entries of a region.
const MOST_ENTRIES: usize = 12;

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

    /// The traces that begin behind one of the region's calls.
    pub fn returns(&self) -> Vec<usize> {
        let members = self.members;
        let begins = |to: usize| {
            members.iter().any(|m| {
                m.ops.iter().any(|op| {
                    let next = op.next_offset();
                    matches!(op.ins.func, Func::Call | Func::CallIndirect)
                        && m.page + (next >> 12) as i64 == members[to].page
                        && next & 0xfff == members[to].offset()
                })
            })
        };
        (0..members.len()).filter(|to| begins(*to)).take(3).collect()
    }

    /// All ways from trace to trace.
    pub fn edges(&self) -> Vec<Way> {
        let returns = self.returns();
        let mut edges = Vec::new();
        for (from, m) in self.members.iter().enumerate() {
            for (at, op) in m.ops.iter().enumerate() {
                let (func, offset) = (op.ins.func, u64::from(op.offset));
                let way = |to, direct| Way { from, at, to, times: m.left_at(at), direct };
                if op.len > 0
                    && offset != m.offset()
                    && let Some(to) = self.beginning(m.page, offset)
                {
                    edges.push(way(to, false));
                    // It ends here: see `Emit::continues`.
                    break;
                }
                if matches!(func, Func::Jcc | Func::Jmp | Func::Call | Func::Loop | Func::Goto)
                    && let Some(to) = self.inside(from, at)
                {
                    edges.push(way(to, true));
                }
                if func == Func::Ret {
                    edges.extend(returns.iter().map(|to| way(*to, false)));
                }
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
