//! The table of results: on the screen, and between two marks in docs/SPEC.md.

use super::process::Moment;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// At most this part of QEMU's CPU time.
    Cpu(f64),
    /// At most this part of QEMU's time on the wall.
    Wall(f64),
    /// At most so many times the host's own time.
    Native(f64),
    /// It only explains another row.
    Nothing,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub work: String,
    reach: Reach,
    ours: Option<Moment>,
    theirs: Option<Moment>,
    /// Memory beside the guest's RAM, in MiB.
    pub memory: Option<f64>,
}

const HEAD: &str =
    "| work | lyrebird CPU s | QEMU CPU s | ratio | lyrebird wall s | QEMU wall s | to reach | memory over RAM, MiB |";

impl Row {
    /// This program against another.
    pub fn compared(work: String, reach: Reach, ours: Option<Moment>, theirs: Option<Moment>) -> Self {
        Row { work, reach, ours, theirs, memory: None }
    }

    /// This program against the host's CPU: `ratio` times its time.
    pub fn native(work: String, most: f64, ratio: f64) -> Self {
        let moment = |cpu| Some(Moment { cpu, wall: 0.0 });
        Row { work, reach: Reach::Native(most), ours: moment(ratio), theirs: moment(1.0), memory: None }
    }

    /// Our time as a part of the other's.
    pub fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.ours?, self.theirs?);
        let ratio = match self.reach {
            Reach::Wall(_) => ours.wall / theirs.wall,
            _ => ours.cpu / theirs.cpu,
        };
        ratio.is_finite().then_some(ratio)
    }

    /// Whether the target is reached, if there is one and it was measured.
    pub fn reached(&self) -> Option<bool> {
        match self.reach {
            Reach::Cpu(most) | Reach::Wall(most) | Reach::Native(most) => Some(self.ratio()? <= most),
            Reach::Nothing => None,
        }
    }

    fn line(&self) -> String {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
        let native = matches!(self.reach, Reach::Native(_));
        let time = |moment: Option<Moment>, get: fn(Moment) -> f64| number(moment.filter(|_| !native).map(get));
        let missed = if self.reached() == Some(false) { ", missed" } else { "" };
        let reach = match self.reach {
            Reach::Cpu(most) => format!("{most}{missed}"),
            Reach::Wall(most) => format!("{most} of the wall time{missed}"),
            Reach::Native(most) => format!("{most} times native{missed}"),
            Reach::Nothing => String::new(),
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {reach} | {} |",
            self.work,
            time(self.ours, |m| m.cpu),
            time(self.theirs, |m| m.cpu),
            number(self.ratio()),
            time(self.ours, |m| m.wall),
            time(self.theirs, |m| m.wall),
            self.memory.map_or(String::new(), |memory| format!("{memory:.0}")),
        )
    }
}

fn rule() -> String {
    format!("|{}", " --- |".repeat(HEAD.matches('|').count() - 1))
}

/// The table.
pub fn text(rows: &[Row]) -> String {
    let lines = [HEAD.to_owned(), rule()].into_iter().chain(rows.iter().map(Row::line));
    lines.map(|line| line + "\n").collect()
}

/// Puts rows into a file, between the marks of this engine: they replace those of the same work, and others stay.
pub fn save(path: &Path, engine: &str, rows: &[Row]) -> Result<()> {
    let old = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    fs::write(path, merged(&old, engine, rows)).with_context(|| format!("{} cannot be written", path.display()))
}

fn merged(old: &str, engine: &str, rows: &[Row]) -> String {
    let (begin, end) = (format!("<!-- bench {engine} -->"), format!("<!-- end of bench {engine} -->"));
    let (before, table, after) = match old.split_once(&begin).map(|(before, rest)| (before, rest.split_once(&end))) {
        Some((before, Some((table, after)))) => (before.to_owned(), table, after),
        _ => (format!("{}\n\nWith `--engine {engine}`:\n\n", old.trim_end()), "", "\n"),
    };
    let key = |line: &str| line.split('|').nth(1).map(|cell| cell.trim().to_owned());
    let mut lines: Vec<String> = table.trim().lines().skip(2).map(str::to_owned).collect();
    for row in rows {
        match lines.iter_mut().find(|line| key(line).as_deref() == Some(row.work.as_str())) {
            Some(line) => *line = row.line(),
            None => lines.push(row.line()),
        }
    }
    let lines: Vec<String> = [HEAD.to_owned(), rule()].into_iter().chain(lines).collect();
    format!("{before}{begin}\n{}\n{end}{after}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(work: &str, ours: f64, theirs: f64) -> Row {
        let moment = |cpu| Some(Moment { cpu, wall: 3.0 });
        Row::compared(work.into(), Reach::Cpu(0.5), moment(ours), moment(theirs))
    }

    #[test]
    fn rows_say_what_was_reached() {
        assert_eq!(row("a", 1.0, 4.0).line(), "| a | 1.00 | 4.00 | 0.25 | 3.00 | 3.00 | 0.5 |  |");
        assert!(row("a", 3.0, 4.0).line().contains("| 0.75 | 3.00 | 3.00 | 0.5, missed |"));
        assert_eq!(Row::native("l".into(), 3.0, 2.5).line(), "| l |  |  | 2.50 |  |  | 3 times native |  |");
        assert_eq!(row("a", 1.0, 0.0).reached(), None);
    }

    #[test]
    fn a_saved_table_takes_new_rows_over_old() {
        let first = merged("# Numbers\n", "jit", &[row("a", 1.0, 4.0), row("b", 1.0, 4.0)]);
        assert!(first.starts_with("# Numbers\n\nWith `--engine jit`:\n\n<!-- bench jit -->\n| work |"), "{first}");
        let second = merged(&first, "jit", &[row("b", 2.0, 4.0), row("c", 1.0, 1.0)]);
        let works: Vec<&str> = second.lines().filter_map(|line| line.split(" |").next()?.strip_prefix("| ")).collect();
        assert_eq!(works, ["work", "---", "a", "b", "c"]);
        assert!(second.contains("| b | 2.00 | 4.00 | 0.50 |") && second.ends_with("<!-- end of bench jit -->\n"));
        assert!(merged(&second, "interp", &[row("a", 9.0, 4.0)]).contains("| a | 1.00 |"));
    }
}
