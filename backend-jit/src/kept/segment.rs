//! Files of kept code: a header, then records one after the other. A record is its length, the hash of its region's first
//! trace, a hash over all of it, and the payload.
//!
//! A file is appended to by the process that made it, which holds a lock on it as long as it lives.

use super::key::{self, Hash};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The last byte is the format's number.
const MAGIC: [u8; 16] = *b"lyrebird kept\0\0\x01";
const HEADER: usize = MAGIC.len() + size_of::<Hash>();
/// Length, first hash, check.
const FRAME: usize = 4 + 2 * size_of::<Hash>();
/// The ending of the files' names.
pub const ENDING: &str = "kept";

/// Where records are.
#[derive(Clone)]
pub enum Origin {
    /// In memory.
    Memory(Arc<[u8]>),
    /// In a file: most are never looked at, so they need not be in memory. Who deletes it does not take it away.
    File(Arc<File>),
}

impl Origin {
    /// A file, where files can be read at any place.
    pub fn file(file: File, bytes: &Arc<[u8]>) -> Self {
        if cfg!(unix) { Origin::File(Arc::new(file)) } else { Origin::Memory(bytes.clone()) }
    }

    fn read(&self, at: usize, len: usize) -> Option<Cow<'_, [u8]>> {
        match self {
            Origin::Memory(bytes) => bytes.get(at..at.checked_add(len)?).map(Cow::Borrowed),
            #[cfg(unix)]
            Origin::File(file) => {
                let mut bytes = vec![0; len];
                std::os::unix::fs::FileExt::read_exact_at(&**file, &mut bytes, at as u64).ok()?;
                Some(Cow::Owned(bytes))
            }
            #[cfg(not(unix))]
            Origin::File(_) => None,
        }
    }
}

/// A record.
#[derive(Clone)]
pub struct Record {
    check: Hash,
    from: Origin,
    at: usize,
    len: usize,
}

impl Record {
    /// A new one.
    pub fn new(set: &Hash, first: &Hash, payload: Vec<u8>) -> Self {
        Record { check: check(set, first, &payload), at: 0, len: payload.len(), from: Origin::Memory(payload.into()) }
    }

    /// The payload, unless it is damaged.
    pub fn check(&self, set: &Hash, first: &Hash) -> Option<Cow<'_, [u8]>> {
        let payload = self.from.read(self.at, self.len)?;
        (check(set, first, &payload) == self.check).then_some(payload)
    }

    /// Its length in a file.
    pub fn bytes(&self) -> u64 {
        (FRAME + self.len) as u64
    }
}

fn check(set: &Hash, first: &Hash, payload: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(set).update(first).update(payload);
    key::short(&hasher)
}

/// The set that a file says that it belongs to; `None` if it is no such file.
pub fn set_of(bytes: &[u8]) -> Option<Hash> {
    bytes.strip_prefix(&MAGIC)?.first_chunk().copied()
}

/// The records of a file with a good header, as far as they are whole. Their contents are not checked; they will be read `from` there. The
/// second number is how many bytes at the end are no record.
pub fn records(bytes: &[u8], from: &Origin) -> (Vec<(Hash, Record)>, usize) {
    let mut records = Vec::new();
    let mut at = HEADER.min(bytes.len());
    let next = |at: usize| {
        let frame = bytes.get(at..at + FRAME)?;
        let (len, rest) = frame.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk()?;
        let len = u32::from_le_bytes(*len) as usize;
        let record = Record { check: *rest.first_chunk()?, from: from.clone(), at: at + FRAME, len };
        (len <= bytes.len() - at - FRAME).then_some((*first, record))
    };
    while let Some((first, record)) = next(at) {
        at = record.at + record.len;
        records.push((first, record));
    }
    (records, bytes.len() - at)
}

/// Appends to a file of its own.
pub struct Writer {
    file: Arc<File>,
    path: PathBuf,
    /// How long the file is.
    len: usize,
}

impl Writer {
    /// Makes the file.
    pub fn create(folder: &Path, set: &Hash) -> io::Result<Self> {
        let name: String = set.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        for number in 0.. {
            let path = folder.join(format!("{name}-{}-{number}.{ENDING}", std::process::id()));
            match OpenOptions::new().read(true).append(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.lock()?;
                    file.write_all(&[&MAGIC[..], set].concat())?;
                    return Ok(Writer { file: Arc::new(file), path, len: HEADER });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Appends a record, in one piece, and gives it as it lies in the file.
    pub fn append(&mut self, first: &Hash, record: &Record) -> io::Result<Record> {
        let len = u32::try_from(record.len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let payload = record.from.read(record.at, record.len).ok_or(io::ErrorKind::UnexpectedEof)?;
        (&*self.file).write_all(&[&len.to_le_bytes()[..], first, &record.check, &payload].concat())?;
        let at = self.len + FRAME;
        self.len = at + record.len;
        let from = if cfg!(unix) { Origin::File(self.file.clone()) } else { record.from.clone() };
        let at = if cfg!(unix) { at } else { record.at };
        Ok(Record { from, at, ..record.clone() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
