//! From a difference somewhere since the last checkpoint to the block that makes it.

use super::pair::{CHECKPOINT, Pair};
use super::report::{Trouble, Where};
use lyrebird_core::{Budget, CpuState};

/// So many instructions before the difference are told.
const TOLD: usize = 24;

impl Pair {
    /// Finds the block and makes the report.
    pub fn hunt(&mut self, cpu: usize, trouble: Box<Trouble>) -> String {
        let Some(last) = self.log.len().checked_sub(1) else { return self.coarse(cpu, &trouble) };
        let first = if trouble.memory.is_some() { 0 } else { last };
        for n in first..=last {
            let budget = self.log[n].budget;
            self.reach(n);
            if self.again(n, budget).1.is_err() {
                return self.narrow(n, budget.instructions).unwrap_or_else(|| self.coarse(cpu, &trouble));
            }
        }
        self.coarse(cpu, &trouble)
    }

    /// The shortest run of this span that shows the difference, by halving.
    fn narrow(&mut self, n: usize, most: u64) -> Option<String> {
        let (mut good, mut bad, mut agreed) = (0, most, 0);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            self.reach(n);
            match self.again(n, Budget::about(middle)) {
                (retired, Ok(())) => (good, agreed) = (middle, retired),
                (_, Err(_)) => bad = middle,
            }
        }
        self.reach(n);
        let (retired, result) = self.again(n, Budget::about(bad));
        let trouble = result.err()?;
        // A fault may be told though no instruction was retired.
        let agreed = agreed.min(retired);
        let place = self.walk(n, agreed, retired.max(agreed + 1));
        Some(self.report(self.log[n].cpu, &trouble, &place))
    }

    /// Goes the second engine's way up to the difference, and notes each instruction of the block before it.
    fn walk(&mut self, n: usize, agreed: u64, until: u64) -> Where {
        self.reach(n);
        let span = &self.log[n];
        let cpu = &mut self.cpus[span.cpu];
        let first = cpu.right.retired();
        let (mut at, mut wrong) = cpu.retire(&span.events, &self.twins.right, 0, first + agreed);
        let start = cpu.right.state();
        let mut states: Vec<CpuState> = Vec::new();
        let mut steps = 0;
        while cpu.right.retired() < first + until && wrong.is_none() && steps < CHECKPOINT {
            let state = cpu.right.state();
            // Iterations of one instruction are one line.
            if states.last().is_none_or(|last| (last.rip, last.retired) != (state.rip, state.retired)) {
                states.push(state);
            }
            (at, wrong) = cpu.step(&span.events, &self.twins.right, at);
            steps += 1;
        }
        let skipped = states.len().saturating_sub(TOLD);
        states.drain(..skipped);
        let lines = states.iter().map(|state| self.line(n, state)).collect();
        Where { start, lines, skipped }
    }
}
