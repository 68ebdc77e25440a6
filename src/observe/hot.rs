//! Hot spots: where the guest was found when it was looked at, again and again.

use super::symbols::Symbols;
use std::collections::HashMap;
use std::fmt::Write;

/// Lines of each table.
const LINES: usize = 30;

/// Samples, by address.
#[derive(Default)]
pub struct Samples {
    by: HashMap<(u64, u8, &'static str), u64>,
    count: u64,
}

impl Samples {
    /// The guest was found here.
    pub fn add(&mut self, linear: u64, cpl: u8, tier: &'static str) {
        *self.by.entry((linear, cpl, tier)).or_default() += 1;
        self.count += 1;
    }

    /// The report: by engine's tier, by symbol, by address.
    pub fn report(&self, symbols: Option<&Symbols>, period: u64) -> String {
        let mut text = format!("Hot spots: {} samples, one about every {period} instructions\n", self.count);
        let share = |count: u64| 100.0 * count as f64 / self.count.max(1) as f64;
        let mut tiers: HashMap<(&str, u8), u64> = HashMap::new();
        for ((_, cpl, tier), count) in &self.by {
            *tiers.entry((tier, *cpl)).or_default() += count;
        }
        for ((tier, cpl), count) in sorted(tiers) {
            _ = writeln!(text, "{:6.2} %  {tier}, CPL {cpl}", share(count));
        }
        if let Some(symbols) = symbols {
            let mut names: HashMap<&str, u64> = HashMap::new();
            for ((linear, ..), count) in &self.by {
                *names.entry(symbols.find(*linear).map_or("(elsewhere)", |(name, _)| name)).or_default() += count;
            }
            text.push_str("\n  share    symbol\n");
            for (name, count) in sorted(names).into_iter().take(LINES) {
                _ = writeln!(text, "{:6.2} %  {name}", share(count));
            }
        }
        text.push_str("\n  share    block or loop     CPL  tier\n");
        for ((linear, cpl, tier), count) in sorted(self.by.clone()).into_iter().take(LINES) {
            let name = symbols.and_then(|symbols| symbols.name(linear)).unwrap_or_default();
            _ = writeln!(text, "{:6.2} %  {linear:016x}   {cpl}   {tier:12} {name}", share(count));
        }
        text
    }
}

/// Most first.
fn sorted<K: Ord>(counts: HashMap<K, u64>) -> Vec<(K, u64)> {
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by(|(lk, l), (rk, r)| r.cmp(l).then(lk.cmp(rk)));
    all
}
