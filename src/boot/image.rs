//! A kernel's or module's file, read piece by piece when somebody asks, with bounds checks: nothing that stands in it can
//! make a loader panic, and every error names file and offset. What has no length (a pipe) is kept in memory instead.

use super::error::BootError;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that was opened, with the name it goes by in messages. Clones read the same file.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Where it came from.
    pub path: PathBuf,
    source: Source,
}

/// Where an image's bytes are.
#[derive(Clone, Debug)]
enum Source {
    Memory(Arc<Vec<u8>>),
    /// Not mapped: a mapped file that another program cuts short ends its reader by a signal.
    File {
        file: Arc<File>,
        /// How long it was when it was last looked at.
        bytes: u64,
    },
}

impl Default for Source {
    fn default() -> Self {
        Source::Memory(Arc::default())
    }
}

/// What to do about a file that ends too early.
pub const TRUNCATED: &str = "the file is truncated: copy or download it again";

impl Image {
    /// Bytes in memory, by this name.
    pub fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        Image { path: path.into(), source: Source::Memory(Arc::new(bytes)) }
    }

    /// Opens a file. It stays open, and is read whenever its bytes are wanted.
    pub fn open(path: &Path, remedy: &'static str) -> Result<Self, BootError> {
        let source = File::open(path).and_then(|mut file| {
            let meta = file.metadata()?;
            // Pipes can be read only once, and files that the host's kernel makes up tell no length.
            if meta.is_file() && meta.len() > 0 {
                return Ok(Source::File { file: Arc::new(file), bytes: meta.len() });
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(Source::Memory(Arc::new(bytes)))
        });
        match source {
            Ok(source) => Ok(Image { path: path.to_owned(), source }),
            Err(error) => Err(BootError::Read { path: path.to_owned(), error, remedy }),
        }
    }

    /// Reads so much of a file's beginning.
    pub fn head(path: &Path, bytes: u64, remedy: &'static str) -> Result<Self, BootError> {
        let mut head = Vec::new();
        match File::open(path).and_then(|file| file.take(bytes).read_to_end(&mut head)) {
            Ok(_) => Ok(Image::new(path, head)),
            Err(error) => Err(BootError::Read { path: path.to_owned(), error, remedy }),
        }
    }

    /// The file's length.
    pub fn len(&self) -> u64 {
        match &self.source {
            Source::Memory(bytes) => bytes.len() as u64,
            Source::File { bytes, .. } => *bytes,
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks anew how long the file is: somebody may have written another kernel into it.
    pub fn look_again(&mut self) -> Result<(), BootError> {
        if let Source::File { file, bytes } = &mut self.source {
            match file.metadata() {
                Ok(meta) => *bytes = meta.len(),
                Err(error) => return Err(self.unreadable(0, &error)),
            }
        }
        Ok(())
    }

    /// An error about what stands at `offset`.
    pub fn error(&self, offset: u64, problem: impl Into<String>, remedy: impl Into<String>) -> BootError {
        BootError::Image { path: self.path.clone(), offset, problem: problem.into(), remedy: remedy.into() }
    }

    fn unreadable(&self, offset: u64, error: &io::Error) -> BootError {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.error(
                offset,
                "the file has become shorter since it was looked at",
                "reset the machine or start it again when the file is whole",
            ),
            _ => self.error(offset, format!("cannot be read: {error}"), "check the disk that the file is on"),
        }
    }

    /// Fails if the file does not have these bytes.
    pub fn check(&self, offset: u64, bytes: u64, what: &str) -> Result<(), BootError> {
        let length = self.len();
        match offset.checked_add(bytes) {
            Some(end) if end <= length => Ok(()),
            _ => Err(self.error(
                offset,
                format!("{what} needs {bytes:#x} bytes here, but the file has {length:#x} in all"),
                TRUNCATED,
            )),
        }
    }

    /// Fills `out` with what stands at `offset`, which has been checked to be there.
    pub fn fill(&self, offset: u64, out: &mut [u8]) -> Result<(), BootError> {
        let result = match &self.source {
            Source::Memory(bytes) => {
                let there = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)?.get(..out.len()));
                there.map(|bytes| out.copy_from_slice(bytes)).ok_or_else(|| ErrorKind::UnexpectedEof.into())
            }
            Source::File { file, .. } => read_at(file, offset, out),
        };
        result.map_err(|error| self.unreadable(offset, &error))
    }

    /// A piece of the file.
    pub fn slice(&self, offset: u64, bytes: u64, what: &str) -> Result<Vec<u8>, BootError> {
        self.check(offset, bytes, what)?;
        let bytes = usize::try_from(bytes).map_err(|_| self.error(offset, "the file is too large", TRUNCATED))?;
        let mut out = vec![0; bytes];
        self.fill(offset, &mut out)?;
        Ok(out)
    }

    /// So many bytes of the beginning, or all if there are fewer.
    pub fn beginning(&self, bytes: u64) -> Result<Vec<u8>, BootError> {
        self.slice(0, bytes.min(self.len()), "its beginning")
    }

    /// Whether these bytes stand at `offset`.
    pub fn has(&self, offset: u64, expected: &[u8]) -> bool {
        self.slice(offset, expected.len() as u64, "").is_ok_and(|found| found == expected)
    }

    fn array<const N: usize>(&self, offset: u64, what: &str) -> Result<[u8; N], BootError> {
        let mut out = [0; N];
        self.check(offset, N as u64, what)?;
        self.fill(offset, &mut out)?;
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

#[cfg(unix)]
fn read_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(out)
}

#[cfg(test)]
mod tests;
