//! The file in which Linux's `perf` looks for the names of generated code: `/tmp/perf-PID.map`.

use std::fmt::Arguments;
use std::fs::File;
use std::io::Write;

/// The file.
pub struct PerfMap(File);

impl PerfMap {
    /// Opens this process's.
    pub fn open() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("perf-{}.map", std::process::id()));
        Ok(PerfMap(File::options().create(true).append(true).open(path)?))
    }

    /// Names a piece of code. That the file cannot be written stops nothing.
    pub fn add(&mut self, at: u64, bytes: usize, name: Arguments) {
        let _ = writeln!(self.0, "{at:x} {bytes:x} {name}");
    }
}
