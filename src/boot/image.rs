//! A file in memory, read with bounds checks: nothing that stands in it can make a loader panic, and every error names
//! file and offset.

use super::error::BootError;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that was read, with the name it goes by in messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Where it came from.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What to do about a file that ends too early.
pub const TRUNCATED: &str = "the file is truncated: copy or download it again";

impl Image {
    /// Reads a file.
    pub fn read(path: &Path, remedy: &'static str) -> Result<Self, BootError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Image { path: path.to_owned(), bytes }),
            Err(error) => Err(BootError::Read { path: path.to_owned(), error, remedy }),
        }
    }

    /// Reads so much of a file's beginning.
    pub fn head(path: &Path, bytes: u64, remedy: &'static str) -> Result<Self, BootError> {
        let mut head = Vec::new();
        match File::open(path).and_then(|file| file.take(bytes).read_to_end(&mut head)) {
            Ok(_) => Ok(Image { path: path.to_owned(), bytes: head }),
            Err(error) => Err(BootError::Read { path: path.to_owned(), error, remedy }),
        }
    }

    /// The file's length.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// An error about what stands at `offset`.
    pub fn error(&self, offset: u64, problem: impl Into<String>, remedy: impl Into<String>) -> BootError {
        BootError::Image { path: self.path.clone(), offset, problem: problem.into(), remedy: remedy.into() }
    }

    /// A piece of the file.
    pub fn slice(&self, offset: u64, bytes: u64, what: &str) -> Result<&[u8], BootError> {
        let range = usize::try_from(offset).ok().zip(offset.checked_add(bytes).and_then(|e| usize::try_from(e).ok()));
        range.and_then(|(start, end)| self.bytes.get(start..end)).ok_or_else(|| {
            let length = self.len();
            self.error(
                offset,
                format!("{what} needs {bytes:#x} bytes here, but the file has {length:#x} in all"),
                TRUNCATED,
            )
        })
    }

    /// Whether these bytes stand at `offset`.
    pub fn has(&self, offset: u64, expected: &[u8]) -> bool {
        self.slice(offset, expected.len() as u64, "").is_ok_and(|found| found == expected)
    }

    fn array<const N: usize>(&self, offset: u64, what: &str) -> Result<[u8; N], BootError> {
        let mut out = [0; N];
        out.copy_from_slice(self.slice(offset, N as u64, what)?);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&self, offset: u64, what: &str) -> Result<u8, BootError> {
        Ok(u8::from_le_bytes(self.array(offset, what)?))
    }

    /// 16 bits, little-endian.
    pub fn u16(&self, offset: u64, what: &str) -> Result<u16, BootError> {
        Ok(u16::from_le_bytes(self.array(offset, what)?))
    }

    /// 32 bits.
    pub fn u32(&self, offset: u64, what: &str) -> Result<u32, BootError> {
        Ok(u32::from_le_bytes(self.array(offset, what)?))
    }

    /// 64 bits.
    pub fn u64(&self, offset: u64, what: &str) -> Result<u64, BootError> {
        Ok(u64::from_le_bytes(self.array(offset, what)?))
    }
}
