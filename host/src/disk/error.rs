//! What goes wrong when an image is opened.

use std::io;
use std::path::{Path, PathBuf};

/// An image that cannot be used: which, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("the disk image `{path}` {problem}: {remedy}", path = path.display())]
pub struct DiskError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl DiskError {
    pub(super) fn new(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        DiskError { path: path.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// It could not even be opened.
    pub(super) fn open(path: &Path, error: io::Error, write: bool) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if write => {
                "make the file writable, or use `readonly` or `snapshot`"
            }
            io::ErrorKind::PermissionDenied => "make the file readable",
            io::ErrorKind::IsADirectory => "give the path of a disk image",
            _ => "check the file and its folder",
        };
        DiskError::new(path, format!("cannot be opened ({error})"), remedy)
    }

    /// An access to it failed.
    pub(super) fn io(path: &Path, offset: u64, what: &str, error: &io::Error) -> Self {
        DiskError::new(path, format!("cannot be {what} at offset {offset} ({error})"), "check the host's disk")
    }
}
