//! Which traces are in which regions; which have code of their own, and which will have when the worker is done.

use crate::gather::Found;
use backend_interp::pool;
use backend_interp::run::TracedOp;
use frontend_x86::cpu::Mode;
use std::collections::HashMap;

type Trace = *const TracedOp;

/// A region that is compiled.
struct Body {
    /// Its first trace.
    first: Trace,
    /// The traces that enter its code.
    entries: Vec<*mut TracedOp>,
    /// All of its traces.
    members: Vec<Trace>,
}

/// All regions, by numbers. A region ends when one of its traces is dropped.
#[derive(Default)]
pub struct Regions {
    /// The regions that a trace is in.
    of: HashMap<Trace, Vec<u64>, pool::Hash>,
    bodies: HashMap<u64, Body, pool::Hash>,
    /// By traces that have code.
    live: HashMap<Trace, u64, pool::Hash>,
    /// By traces that will have.
    waiting: HashMap<Trace, u64, pool::Hash>,
    /// Those at the worker's.
    jobs: HashMap<u64, (Vec<Found>, Mode), pool::Hash>,
    next: u64,
}

impl Regions {
    /// A new region of these traces.
    pub fn add(&mut self, region: &[Found]) -> u64 {
        let number = self.next;
        self.next += 1;
        for Found { entry, .. } in region {
            self.of.entry(entry.cast_const()).or_default().push(number);
        }
        number
    }

    /// Nothing comes of it.
    pub fn withdraw(&mut self, number: u64, members: impl Iterator<Item = Trace>) {
        for member in members {
            if let Some(numbers) = self.of.get_mut(&member) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.of.remove(&member);
                }
            }
        }
    }

    /// It ends: the traces that still enter its code lose that.
    fn retire(&mut self, number: u64) -> Vec<*mut TracedOp> {
        let Some(Body { mut entries, members, .. }) = self.bodies.remove(&number) else { return Vec::new() };
        self.withdraw(number, members.into_iter());
        entries.retain(|entry| self.live.get(&entry.cast_const()) == Some(&number));
        for entry in &entries {
            self.live.remove(&entry.cast_const());
        }
        entries
    }

    /// It is being compiled, and will be entered by those of its traces.
    pub fn wait(&mut self, number: u64, region: Vec<Found>, mode: Mode, entries: &[u8]) {
        for found in entries.iter().filter_map(|n| region.get(usize::from(*n))) {
            self.waiting.insert(found.entry, number);
        }
        self.jobs.insert(number, (region, mode));
    }

    /// The worker is done with it: its traces and their mode, if none has been dropped since.
    pub fn arrived(&mut self, number: u64) -> Option<(Vec<Found>, Mode)> {
        self.waiting.retain(|_, other| *other != number);
        self.jobs.remove(&number)
    }

    /// Which traces are to enter a region's code from now on. Code that others have already serves on, unless it is the same
    /// region's, compiled before.
    pub fn install(&mut self, number: u64, region: &[Found], entries: &[u8]) -> Vec<*mut TracedOp> {
        let Some(first) = region.first().map(|found| found.entry.cast_const()) else { return Vec::new() };
        let (mut installed, mut replaced) = (Vec::new(), Vec::new());
        for entry in entries.iter().filter_map(|n| Some(region.get(usize::from(*n))?.entry)) {
            let other = self.live.get(&entry.cast_const()).and_then(|other| self.bodies.get(other));
            if entry.cast_const() == first || other.is_none_or(|other| other.first == first) {
                replaced.extend(self.live.insert(entry, number));
                installed.push(entry);
            }
        }
        for other in replaced {
            self.retire_unused(other);
        }
        let members = region.iter().map(|found| found.entry.cast_const()).collect();
        self.bodies.insert(number, Body { first, entries: installed.clone(), members });
        installed
    }

    /// Whether a trace is in any region.
    pub fn has(&self, trace: Trace) -> bool {
        self.of.contains_key(&trace)
    }

    /// Whether a trace has code of its own.
    pub fn has_code(&self, trace: Trace) -> bool {
        self.live.contains_key(&trace)
    }

    /// Whether a trace will have code of its own.
    pub fn is_waiting(&self, trace: Trace) -> bool {
        self.waiting.contains_key(&trace)
    }

    /// A trace has no code of its own any more.
    pub fn forget(&mut self, trace: Trace) {
        let Some(number) = self.live.remove(&trace) else { return };
        self.retire_unused(number);
    }

    /// Ends a region whose code nobody enters any more.
    fn retire_unused(&mut self, number: u64) {
        let Some(body) = self.bodies.get(&number) else { return };
        if body.entries.iter().all(|entry| self.live.get(&entry.cast_const()) != Some(&number)) {
            self.retire(number);
        }
    }

    /// Which trace of a region that begins with `first` an op belongs to.
    pub fn trace_of(&self, first: Trace, op: *const TracedOp) -> Option<Trace> {
        let bodies = self.of.get(&first)?.iter().filter_map(|number| self.bodies.get(number));
        let members = bodies.filter(|body| body.first == first).flat_map(|body| &body.members);
        // Traces lie one behind the other.
        members.copied().filter(|entry| *entry < op).max()
    }

    /// Ends the regions that begin with a trace: those that have lost their code, of which it is mostly one.
    pub fn end_at(&mut self, first: Trace) -> Vec<*mut TracedOp> {
        let numbers = self.of.get(&first).cloned().unwrap_or_default();
        let begins = |number: &u64| self.bodies.get(number).is_some_and(|body| body.first == first);
        let numbers: Vec<u64> = numbers.into_iter().filter(begins).collect();
        numbers.into_iter().flat_map(|number| self.retire(number)).collect()
    }

    /// A trace is dropped: those others whose code, or code to be, has ended by that.
    pub fn end(&mut self, trace: Trace) -> Vec<*mut TracedOp> {
        let mut others = Vec::new();
        for number in self.of.remove(&trace).unwrap_or_default() {
            if let Some((region, _)) = self.arrived(number) {
                others.extend(region.first().map(|found| found.entry));
                self.withdraw(number, region.iter().map(|found| found.entry.cast_const()));
            }
            others.extend(self.retire(number));
        }
        self.live.remove(&trace);
        others.retain(|other| other.cast_const() != trace);
        others
    }
}
