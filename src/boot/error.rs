//! What can go wrong before a guest's first instruction. Each error names the file, where in it, and what to do.

use lyrebird_memory::MemoryError;
use std::path::PathBuf;

/// Why a kernel cannot be booted.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A file could not be read.
    #[error("{path}: cannot be read: {error}; {remedy}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The host's own word.
        error: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A file's contents are not what they should be.
    #[error("{path}: at offset {offset:#x}: {problem}; {remedy}", path = .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Something does not fit into the guest's RAM, or collides with something else there.
    #[error("{path}: {problem}; {remedy}", path = .path.display())]
    NoRoom {
        /// The file that needed the room.
        path: PathBuf,
        /// What did not fit where.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The kernel's command line is longer than this kernel takes.
    #[error("{path}: the command line has {length} bytes, but this kernel takes at most {limit}; shorten -append", path = .path.display())]
    CommandLine {
        /// The kernel.
        path: PathBuf,
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// What was asked for cannot be done with this kind of kernel.
    #[error("{path}: {problem}; {remedy}", path = .path.display())]
    Unsupported {
        /// The kernel.
        path: PathBuf,
        /// What cannot be done.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The machine has no RAM where the tables have to be written.
    #[error("guest-physical address {gpa:#x} is not writable RAM, but direct boot puts tables there; {remedy}")]
    NotWritable {
        /// The first such address.
        gpa: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// Guest memory could not be written.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}
