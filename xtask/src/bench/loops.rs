//! The six loops that compute, which run without an operating system and are compared with the host's CPU.

use super::table::Row;
use crate::command;
use anyhow::{Context, Result};
use std::process::Command;

/// Times native that the means are to reach (64 bits, 32 bits).
const REACH: [(&str, f64); 2] = [("64", 3.0), ("32", 3.4)];

/// Runs them, and gives the geometric means.
pub fn rows(engine: &str) -> Result<Vec<Row>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = Command::new(cargo);
    run.args(["run", "--quiet", "--release", "--package", "x86-tests", "--bin", "loops", "--", "--engine", engine]);
    let text = command::output(&mut run)?;
    eprint!("{text}");
    means(&text)
}

/// The last number of the lines `mean BITS ... RATIO`.
fn means(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for words in text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()) {
        let ["mean", bits, .., ratio] = words[..] else { continue };
        let most = REACH.iter().find(|(name, _)| *name == bits).map(|(_, most)| *most);
        let most = most.with_context(|| format!("loops of {bits} bits"))?;
        rows.push(Row::native(format!("six loops, {bits} bits"), most, ratio.parse()?));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_read() {
        let text = "loop bits ratio\nsieve 64 1.0 2.0 3.0\nmean       64      9.9\nmean 32 3.1\n";
        let rows = means(text).unwrap();
        assert_eq!(rows.iter().map(|row| row.reached()).collect::<Vec<_>>(), [Some(false), Some(true)]);
    }
}
