//! Kept translations in use: looked for before a trace is worth compiling, and added when one was compiled.

use super::{Jit, reconsider};
use crate::code::Code;
use crate::gather::{self, Found};
use crate::kept::{self, Kept, key};
use backend_interp::hot;
use backend_interp::pool::{self, Locked};
use backend_interp::run::{Run, TracedOp};
use frontend_x86::cpu::Mode;
use std::collections::{HashMap, HashSet};

/// After these parts of the threshold's entries a trace is looked for among the kept ones; the second time only if others of its
/// region were missing.
const ASKS: [i64; 2] = [64, 8];
/// It is not looked for any more. One that has been looked for so often as there are parts, and of which there is something, is looked for
/// once more before it is compiled.
pub(super) const ENOUGH: usize = ASKS.len() + 1;

/// After how many entries a trace is looked for, by the threshold of compiling.
pub fn asks(threshold: i64) -> [i64; 2] {
    let first = (threshold / ASKS[0]).max(1);
    [first, (threshold / ASKS[1]).max(first + 1)]
}

/// How often traces have been looked for. Nearly all have been once, and there was nothing.
#[derive(Default)]
pub(super) struct Asked {
    enough: HashSet<*const TracedOp, pool::Hash>,
    less: HashMap<*const TracedOp, usize, pool::Hash>,
}

impl Asked {
    /// How often one has been, up to [`ENOUGH`].
    fn of(&self, entry: *const TracedOp) -> usize {
        if self.enough.contains(&entry) { ENOUGH } else { self.less.get(&entry).copied().unwrap_or(0) }
    }

    /// It has been so often.
    pub(super) fn insert(&mut self, entry: *const TracedOp, asked: usize) {
        if asked < ENOUGH {
            self.less.insert(entry, asked);
        } else {
            self.less.remove(&entry);
            self.enough.insert(entry);
        }
    }

    /// A trace is no more.
    pub(super) fn forget(&mut self, entry: *const TracedOp) {
        self.less.remove(&entry);
        self.enough.remove(&entry);
    }
}

/// What came of looking for kept code.
pub(super) enum Looked {
    /// It is installed.
    Installed,
    /// There is some, but of regions with other traces than those that are known.
    Others,
    /// There is none.
    Nothing,
}

impl Jit {
    /// How often a new trace is entered before the engine is told.
    pub(super) fn patience(&self) -> i64 {
        if self.kept.is_some() { self.asks[0] } else { self.threshold }
    }

    /// Whether a trace has been looked for among the kept ones as often as it will be: it is counted for the compiler then.
    pub(super) fn was_asked_for(&self, entry: *const TracedOp) -> bool {
        self.asked.of(entry) >= self.asks.len()
    }

    /// See [`crate::emit::Member::apart`].
    pub(super) fn apart(&self, entry: *const TracedOp) -> u128 {
        self.apart.get(&entry).map_or(0, |apart| apart.ops)
    }

    /// What the kept regions that begin with this trace are looked for by.
    pub(super) fn name(&self, mode: Mode, first: &Found, closed: bool) -> key::Hash {
        let apart = self.apart.get(&first.entry.cast_const()).map_or(0, |apart| apart.times);
        key::first(mode, apart, closed, first.ops)
    }

    /// Keeps a region's code for other runs.
    pub(super) fn keep(&self, mode: Mode, region: &[Found], code: &Code, closed: bool) {
        let Some(kept) = &self.kept else { return };
        let hash = |found: &Found| key::ops(mode, found.ops);
        let member = |found: &Found| kept::Member { page: found.page, offset: found.offset(), ops: hash(found) };
        kept.add(self.name(mode, &region[0], closed), region[1..].iter().map(member).collect(), code);
    }

    /// Installs kept code for a trace, or has it counted further. False: it is to be compiled.
    ///
    /// # Safety
    /// The interpreter is about to enter the trace.
    pub(super) unsafe fn find(&mut self, run: &mut Run, pool: &mut Locked<'_>, entry: *mut TracedOp) -> bool {
        let Some(kept) = self.kept.clone() else { return false };
        let asked = self.asked.of(entry);
        let last = self.asks.get(asked).is_none_or(|asks| *asks >= self.threshold);
        if asked == ENOUGH {
            return false;
        }
        // SAFETY: the caller's promise.
        let next = match unsafe { self.install_kept(&kept, run, pool, entry, false) } {
            Looked::Installed => return true,
            Looked::Others if !last => asked + 1,
            _ => ENOUGH,
        };
        self.asked.insert(entry, next);
        if last {
            return false;
        }
        let until = self.asks.get(next).map_or(self.threshold, |asks| self.threshold.min(*asks));
        // SAFETY: the caller's promise.
        unsafe { hot::set_left(entry, until - self.asks[asked]) };
        true
    }

    /// Looks for kept code for a trace, and installs it.
    ///
    /// # Safety
    /// The interpreter is about to enter the trace, or has just left compiled code in front of it.
    pub(super) unsafe fn install_kept(
        &mut self,
        kept: &Kept,
        run: &mut Run,
        pool: &mut Locked<'_>,
        entry: *mut TracedOp,
        closed: bool,
    ) -> Looked {
        let mode = run.cpu.mode;
        // SAFETY: the caller's promise.
        let Some(alone) = (unsafe { gather::find(run, pool, entry, std::iter::empty()) }) else {
            return Looked::Nothing;
        };
        let candidates = kept.regions(&self.name(mode, &alone[0], closed));
        let versions = candidates.len();
        // What was compiled last may know better.
        for kept::Candidate { members, code } in candidates.into_iter().rev() {
            let places = members.iter().map(|member| (member.page, member.offset));
            // SAFETY: the caller's promise.
            let Some(region) = (unsafe { gather::find(run, pool, entry, places) }) else { continue };
            let same = |(found, member): (&Found, &kept::Member)| key::ops(mode, found.ops) == member.ops;
            if !region[1..].iter().zip(&members).all(same) {
                continue;
            }
            kept.note_found();
            let number = self.regions.add(&region);
            // SAFETY: the traces were found in the cache just now; the hashes say that the code was made for their like.
            unsafe { self.install(run, pool, number, &region, code) };
            if self.has_code(entry) {
                // SAFETY: it has just got its code.
                unsafe { reconsider::note_earlier(entry, versions - 1) };
                if !closed {
                    // SAFETY: it has just got its code.
                    unsafe { self.expect_wide(kept, mode, &alone[0]) };
                }
                return Looked::Installed;
            }
            break;
        }
        if versions == 0 { Looked::Nothing } else { Looked::Others }
    }
}
