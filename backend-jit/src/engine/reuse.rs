//! Kept translations in use: looked for before a trace is worth compiling, and added when one was compiled.

use super::Jit;
use crate::code::Code;
use crate::gather::{self, Found};
use crate::kept::{self, key};
use backend_interp::hot;
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::cpu::Mode;

/// After these parts of the threshold's entries a trace is looked for among the kept ones; the second time only if others of its
/// region were missing.
pub(super) const ASKS: [i64; 2] = [64, 8];

/// After how many entries a trace is looked for, by the threshold of compiling.
pub fn asks(threshold: i64) -> [i64; 2] {
    let first = (threshold / ASKS[0]).max(1);
    [first, (threshold / ASKS[1]).max(first + 1)]
}

impl Jit {
    /// How often a new trace is entered before the engine is told.
    pub(super) fn patience(&self) -> i64 {
        if self.kept.is_some() { self.asks[0] } else { self.threshold }
    }

    /// Whether a trace has been looked for among the kept ones as often as it will be: it is counted for the compiler then.
    pub(super) fn was_asked_for(&self, entry: *const TracedOp) -> bool {
        self.asked.get(&entry).is_some_and(|asked| *asked == self.asks.len())
    }

    /// Whether the region that begins with this trace may share TLB checks.
    pub(super) fn shares(&self, entry: *const TracedOp) -> bool {
        !self.unshared.contains(&entry)
    }

    /// Keeps a region's code for other runs.
    pub(super) fn keep(&self, mode: Mode, region: &[Found], code: &Code) {
        let Some(kept) = &self.kept else { return };
        let hash = |found: &Found| key::ops(mode, self.shares(region[0].entry), found.ops);
        let member = |found: &Found| kept::Member { page: found.page, offset: found.offset(), ops: hash(found) };
        kept.add(hash(&region[0]), region[1..].iter().map(member).collect(), code);
    }

    /// Installs kept code for a trace, or has it counted further. False: it is to be compiled.
    ///
    /// # Safety
    /// The interpreter is about to enter the trace.
    pub(super) unsafe fn find(&mut self, run: &mut Run, pool: &mut Locked<'_>, entry: *mut TracedOp) -> bool {
        let Some(kept) = self.kept.clone() else { return false };
        let asked = self.asked.get(&entry.cast_const()).copied().unwrap_or(0);
        if self.asks.get(asked).is_none_or(|asks| *asks >= self.threshold) {
            return false;
        }
        let (mode, share) = (run.cpu.mode, self.shares(entry));
        let hash = |found: &Found| key::ops(mode, share, found.ops);
        // SAFETY: the caller's promise.
        let Some(alone) = (unsafe { gather::find(run, pool, entry, std::iter::empty()) }) else { return false };
        let first = hash(&alone[0]);
        let candidates = kept.regions(&first);
        let none = candidates.is_empty();
        // What was compiled last may know better.
        for kept::Candidate { members, code } in candidates.into_iter().rev() {
            let places = members.iter().map(|member| (member.page, member.offset));
            // SAFETY: the caller's promise.
            let Some(region) = (unsafe { gather::find(run, pool, entry, places) }) else { continue };
            if region[1..].iter().zip(&members).any(|(found, member)| hash(found) != member.ops) {
                continue;
            }
            kept.note_found();
            let number = self.regions.add(&region);
            // SAFETY: the traces were found in the cache just now; the hashes say that the code was made for their like.
            unsafe { self.install(run, pool, number, &region, code) };
            return self.has_code(entry);
        }
        let next = if none { self.asks.len() } else { asked + 1 };
        self.asked.insert(entry, next);
        let until = self.asks.get(next).map_or(self.threshold, |asks| self.threshold.min(*asks));
        // SAFETY: the caller's promise.
        unsafe { hot::set_left(entry, until - self.asks[asked]) };
        true
    }
}
