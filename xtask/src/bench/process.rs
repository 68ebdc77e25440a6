//! Runs an emulator and looks at its process whenever the guest says something: what CPU time it has used by then, and how much
//! memory it has. From Linux's /proc, which counts threads that have ended too.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Clock ticks a second in /proc: the same on every Linux.
const TICKS: f64 = 100.0;
/// A mapping of this size or more is the guest's RAM (and its copies), not the emulator's own.
const GUEST_RAM_KIB: u64 = 400 << 10;

/// A moment in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// Seconds since the start.
    pub wall: f64,
    /// Seconds of CPU time, user and system.
    pub cpu: f64,
}

/// What was seen of a run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Each line that began with a mark or held it, and when it was printed.
    pub lines: Vec<(String, Moment)>,
    /// Memory beside the guest's RAM at the end, in MiB.
    pub own_memory: f64,
}

impl Run {
    /// When a line with this text was printed.
    pub fn at(&self, text: &str) -> Option<Moment> {
        self.lines.iter().find(|(line, _)| line.contains(text)).map(|(_, moment)| *moment)
    }

    fn cpu(&self) -> f64 {
        self.lines.last().map_or(f64::MAX, |(_, moment)| moment.cpu)
    }
}

/// Keeps the run that needed less.
pub fn better(best: &mut Option<Run>, run: Run) {
    if best.as_ref().is_none_or(|best| run.cpu() < best.cpu()) {
        *best = Some(run);
    }
}

/// What Linux says before it stops for good: nobody need wait for the time limit then.
const PANIC: &str = "Kernel panic - not syncing";

/// Kills the emulator when it goes out of scope, however that comes about.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Runs a command line whose standard output is the guest's serial line, up to the last of the marks.
pub fn run(words: &[String], marks: &[&'static str], limit: Duration) -> Result<Run> {
    let (program, arguments) = words.split_first().context("the command line is empty")?;
    eprintln!("running {}", words.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Guard(command.spawn().with_context(|| format!("{program} cannot be started"))?);
    let (output, mut errors) = (child.0.stdout.take().context("no pipe")?, child.0.stderr.take().context("no pipe")?);
    let began = Instant::now();
    let (sender, receiver) = channel();
    let reader = std::thread::spawn(move || {
        // A prompt has no line end: what a line holds is looked at as it grows.
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while let Ok([_, ..]) = output.fill_buf() {
            let more = output.buffer();
            let taken = more.iter().position(|byte| *byte == b'\n').map_or(more.len(), |end| end + 1);
            line.extend(&more[..taken]);
            output.consume(taken);
            if sender.send(String::from_utf8_lossy(&line).trim().to_owned()).is_err() {
                return;
            }
            if line.ends_with(b"\n") {
                line.clear();
            }
        }
    });
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        _ = errors.read_to_string(&mut text);
        text
    });
    let mut run = Run::default();
    let last = marks.last().context("no mark to wait for")?;
    let outcome = loop {
        match receiver.recv_timeout(limit.saturating_sub(began.elapsed())) {
            Ok(line) if line.contains(PANIC) => break Some(format!("runs a guest that has given up (\"{line}\")")),
            Ok(line) => {
                let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) else { continue };
                let moment = Moment { wall: began.elapsed().as_secs_f64(), cpu: cpu_seconds(child.0.id())? };
                let grows = run.lines.last().is_some_and(|(before, _)| line.starts_with(before.as_str()));
                if !grows {
                    run.lines.push((line, moment));
                } else if let Some(before) = run.lines.last_mut() {
                    before.0 = line;
                }
                if mark == last {
                    run.own_memory = own_memory(child.0.id())?;
                    break None;
                }
            }
            Err(RecvTimeoutError::Timeout) => break Some(format!("took more than {} s", limit.as_secs())),
            Err(RecvTimeoutError::Disconnected) => break Some("ended early".into()),
        }
    };
    drop(child);
    _ = reader.join();
    let said = said.join().unwrap_or_default();
    match outcome {
        None => Ok(run),
        Some(problem) => bail!("{program} {problem}, without a word of `{last}`; it said: {}", said.trim()),
    }
}

/// User and system time of a process, from the 14th and 15th field of /proc/PID/stat; the name before may hold anything.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = proc_file(pid, "stat")?;
    ticks(&text).with_context(|| format!("/proc/{pid}/stat is not as expected: {text}"))
}

fn ticks(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// Resident memory without large mappings, in MiB.
fn own_memory(pid: u32) -> Result<f64> {
    Ok(without_guest(&proc_file(pid, "smaps")?) as f64 / 1024.0)
}

fn without_guest(smaps: &str) -> u64 {
    let (mut sum, mut large) = (0, false);
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let (key, value) = (words.next(), words.next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0));
        match key {
            Some("Size:") => large = value >= GUEST_RAM_KIB,
            Some("Rss:") if !large => sum += value,
            _ => {}
        }
    }
    sum
}

fn proc_file(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).with_context(|| format!("{path} cannot be read: the bench needs Linux"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_seen_in_lines_and_prompts() {
        let words = ["sh", "-c", "echo A one; echo no; printf 'x lo'; sleep 0.1; printf 'gin: '; exec sleep 60"]
            .map(str::to_owned);
        let run = run(&words, &["A ", "login:"], Duration::from_secs(30)).unwrap();
        let lines: Vec<&str> = run.lines.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(lines, ["A one", "x login:"]);
        assert!(run.at("login:").unwrap().wall >= 0.1 && run.own_memory > 0.0);
        let words = ["sh", "-c", "echo because >&2"].map(str::to_owned);
        let error = super::run(&words, &["A"], Duration::from_secs(30)).unwrap_err().to_string();
        assert!(error.contains("ended early") && error.contains("because"), "{error}");
        let words = ["sh", "-c", "echo 'Kernel panic - not syncing: no init'; exec sleep 60"].map(str::to_owned);
        let error = super::run(&words, &["A"], Duration::from_secs(30)).unwrap_err().to_string();
        assert!(error.contains("given up"), "{error}");
    }

    #[test]
    fn proc_is_understood() {
        assert_eq!(ticks("7 (a) b) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20"), Some(3.0));
        let smaps = "1-2 rw-p\nSize:  524288 kB\nRss:  9000 kB\n3-4 r--p\nSize: 8 kB\nRss: 4 kB\nPss: 2 kB\n";
        assert_eq!(without_guest(smaps), 4);
    }
}
