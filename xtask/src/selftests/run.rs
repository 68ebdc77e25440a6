//! Runs an emulator whose standard output is the guest's serial line, until the guest is done, dies, or takes too long.

use anyhow::{Context, Result};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// What the guest prints when there is nothing more to come.
const LAST_WORDS: [&str; 2] = ["TESTS-DONE", "Kernel panic"];
/// How long the emulator may take to end after that.
const GRACE: Duration = Duration::from_secs(10);

/// A command line from its template: words, each of which may have placeholders in it.
pub fn words(template: &str, kernel: &Path, initrd: &Path, append: &str) -> Vec<String> {
    let fill = |word: &str| {
        word.replace("{kernel}", &kernel.display().to_string())
            .replace("{initrd}", &initrd.display().to_string())
            .replace("{append}", append)
    };
    template.split_whitespace().map(fill).collect()
}

/// Kills the emulator when it goes out of scope, however that comes about.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Runs it and gives all that the guest printed.
pub fn guest(words: &[String], limit: Duration) -> Result<String> {
    let (program, arguments) = words.split_first().context("the emulator's command line is empty")?;
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Guard(child.with_context(|| format!("{program} cannot be started"))?);
    let mut output = child.0.stdout.take().context("no pipe")?;
    let (sender, receiver) = channel();
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = output.read(&mut buffer) {
            if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut end = Instant::now() + limit;
    let (mut bytes, mut searched) = (Vec::new(), 0);
    // Ends when the limit is reached or when nobody writes any more.
    while let Ok(more) = receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
        bytes.extend(more);
        // Last words may come in two pieces: look again at the end of what was searched before.
        let recent = String::from_utf8_lossy(&bytes[searched..]);
        if LAST_WORDS.iter().any(|words| recent.contains(words)) {
            end = end.min(Instant::now() + GRACE);
        }
        searched = bytes.len().saturating_sub(32);
    }
    drop(child);
    _ = reader.join();
    Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stay_one_word() {
        let words = words("emu -k {kernel} -a {append}", Path::new("/k k"), Path::new("i"), "a b");
        assert_eq!(words, ["emu", "-k", "/k k", "-a", "a b"]);
    }

    #[test]
    fn output_is_read_and_a_silent_guest_is_ended() {
        let shell = |script: &str| ["sh", "-c", script].map(str::to_owned);
        assert_eq!(guest(&shell("printf 'a\\r\\nb'"), Duration::from_secs(60)).unwrap(), "a\nb");
        let start = Instant::now();
        assert_eq!(guest(&shell("echo x; exec sleep 60"), Duration::from_millis(300)).unwrap(), "x\n");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
