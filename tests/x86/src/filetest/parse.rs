//! The text of filetests, in and out.

use super::registers::FLAGS;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write;

/// What may stand in front of a test's `in`, besides its code.
const DIRECTIVES: [&str; 9] = ["mode", "cpl", "iopl", "model", "budget", "seg", "page", "alias", "paging"];

/// A file of tests. Comments and blank lines belong to the test that follows them.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The tests.
    pub tests: Vec<Test>,
    /// Comments behind the last one.
    tail: Vec<String>,
}

/// A piece of code.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// Its offset in the code segment.
    pub at: u64,
    /// Bytes and disassembly of each line. A line may hold several instructions; then there is no disassembly.
    pub lines: Vec<(Vec<u8>, String)>,
}

impl Code {
    /// All its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|(bytes, _)| bytes.clone()).collect()
    }
}

/// A state, in or out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Registers by name.
    pub registers: Vec<(String, u128)>,
    /// RFLAGS bits that are set, if they are given.
    pub flags: Option<u64>,
    /// Those that may be anything.
    pub undefined: u64,
    /// Memory.
    pub memory: Vec<(u64, Vec<u8>)>,
    /// The exception's name, error code and CR2.
    pub exception: Option<(String, Option<u32>, Option<u64>)>,
}

/// A test.
#[derive(Clone, Debug, Default)]
pub struct Test {
    comments: Vec<String>,
    /// The line that it begins in.
    pub line: usize,
    /// What it shows.
    pub name: String,
    /// Directives, each split into words.
    pub directives: Vec<Vec<String>>,
    /// The code.
    pub code: Vec<Code>,
    /// The state before.
    pub before: State,
    /// The state after.
    pub after: State,
}

/// A number, decimal or hexadecimal.
pub fn number(text: &str) -> Result<u128> {
    match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => text.parse(),
    }
    .with_context(|| format!("{text} is no number"))
}

#[derive(PartialEq)]
enum Section {
    Head,
    In,
    Out,
}

impl File {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<File> {
        let mut file = File::default();
        let mut comments = Vec::new();
        let mut section = Section::Head;
        for (n, line) in text.lines().enumerate() {
            let place = || format!("line {}: {line}", n + 1);
            if line.trim().is_empty() || line.starts_with('#') {
                comments.push(line.to_string());
                continue;
            }
            if let Some(name) = line.strip_prefix("test ") {
                let comments = std::mem::take(&mut comments);
                file.tests.push(Test { comments, line: n + 1, name: name.trim().into(), ..Test::default() });
                section = Section::Head;
                continue;
            }
            let test = file.tests.last_mut().with_context(|| format!("{}: no test yet", place()))?;
            match line.trim() {
                "in" => section = Section::In,
                "out" => section = Section::Out,
                line => match section {
                    Section::Head => head(test, line).with_context(place)?,
                    Section::In => state(&mut test.before, line).with_context(place)?,
                    Section::Out => state(&mut test.after, line).with_context(place)?,
                },
            }
        }
        file.tail = comments;
        Ok(file)
    }

    /// The text again.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for test in &self.tests {
            test.comments.iter().for_each(|c| out += &format!("{c}\n"));
            test.write(&mut out).expect("a string");
        }
        self.tail.iter().for_each(|c| out += &format!("{c}\n"));
        out
    }
}

fn head(test: &mut Test, line: &str) -> Result<()> {
    if let Some(rest) = line.strip_prefix('|') {
        if test.code.is_empty() {
            test.code.push(Code { at: 0x1000, ..Code::default() });
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        let is_byte = |w: &&&str| w.len() == 2 && u8::from_str_radix(w, 16).is_ok();
        let count = words.iter().take_while(is_byte).count();
        ensure!(count > 0, "no bytes");
        let bytes = words[..count].iter().map(|w| u8::from_str_radix(w, 16).expect("checked")).collect();
        test.code.last_mut().expect("pushed").lines.push((bytes, words[count..].join(" ")));
        return Ok(());
    }
    let words: Vec<String> = line.split_whitespace().map(String::from).collect();
    if words[0] == "at" {
        let at = number(words.get(1).context("at what?")?)? as u64;
        test.code.push(Code { at, ..Code::default() });
    } else {
        ensure!(DIRECTIVES.contains(&words[0].as_str()), "no directive {}: {}", words[0], DIRECTIVES.join(", "));
        test.directives.push(words);
    }
    Ok(())
}

fn state(state: &mut State, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[0] {
        "flags" => {
            let mut flags = 0;
            for word in &words[1..] {
                let (name, undefined) = word.strip_suffix('?').map_or((*word, false), |name| (name, true));
                let Some((_, bit)) = FLAGS.iter().find(|(n, _)| *n == name) else { bail!("no flag {name}") };
                *(if undefined { &mut state.undefined } else { &mut flags }) |= bit;
            }
            state.flags = Some(flags);
        }
        "exception" => {
            let mut exception = (words.get(1).context("which?")?.to_string(), None, None);
            let mut rest = &words[2..];
            if let [error, more @ ..] = rest
                && *error != "cr2"
            {
                exception.1 = Some(number(error)? as u32);
                rest = more;
            }
            if let ["cr2", address] = rest {
                exception.2 = Some(number(address)? as u64);
            }
            state.exception = Some(exception);
        }
        address if address.starts_with('[') => {
            let at = number(address.trim_matches(['[', ']']))? as u64;
            let bytes = words[1..].iter().map(|w| u8::from_str_radix(w, 16)).collect::<Result<_, _>>()?;
            state.memory.push((at, bytes));
        }
        name => {
            let value = number(words.get(1).context("no value")?)?;
            state.registers.push((name.into(), value));
        }
    }
    Ok(())
}

impl Test {
    /// The words after a directive's name.
    pub fn directive(&self, name: &str) -> Option<&[String]> {
        self.directives.iter().find(|d| d[0] == name).map(|d| &d[1..])
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "test {}", self.name)?;
        for words in &self.directives {
            writeln!(out, "{}", words.join(" "))?;
        }
        for code in &self.code {
            if code.at != 0x1000 || self.code.len() > 1 {
                writeln!(out, "at {:#x}", code.at)?;
            }
            for (bytes, text) in &code.lines {
                let bytes: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
                writeln!(out, "{}", format!("| {:30} {text}", bytes.join(" ")).trim_end())?;
            }
        }
        for (name, state) in [("in", &self.before), ("out", &self.after)] {
            if *state != State::default() {
                writeln!(out, "{name}")?;
                state.write(out)?;
            }
        }
        Ok(())
    }
}

impl State {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        for (name, value) in &self.registers {
            writeln!(out, "{name} {value:#x}")?;
        }
        if let Some(flags) = self.flags {
            let mut words = vec![String::from("flags")];
            for (name, bit) in FLAGS {
                if self.undefined & bit != 0 {
                    words.push(format!("{name}?"));
                } else if flags & bit != 0 {
                    words.push(name.into());
                }
            }
            writeln!(out, "{}", words.join(" "))?;
        }
        for (at, bytes) in &self.memory {
            let bytes: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            writeln!(out, "[{at:#x}] {}", bytes.join(" "))?;
        }
        if let Some((name, error, cr2)) = &self.exception {
            write!(out, "exception {name}")?;
            error.iter().try_for_each(|e| write!(out, " {e:#x}"))?;
            cr2.iter().try_for_each(|a| write!(out, " cr2 {a:#x}"))?;
            writeln!(out)?;
        }
        Ok(())
    }
}
