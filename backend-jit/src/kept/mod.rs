//! Kept translations: compiled code on disk, so that a second boot starts hot.
//!
//! A region is found by what it was made of: its first trace's decoded ops, then the places and ops of the others, all by
//! their hashes ([`key`]). Guest instructions that are not the same, in the same mode, of a CPU that decodes them the same way,
//! find nothing; so code never has to be compared with guest memory. Everything else that code depends on (this build of the
//! program, the host's processor) names the *set* of files that a process looks at.
//!
//! Each process appends what it compiles to a file of its own ([`segment`]), in records that carry a hash: what was cut off
//! by a kill, or damaged, is not used. A process that starts joins the files of those that have ended ([`folder`]).

mod folder;
pub mod key;
mod segment;

use crate::clif::Compiler;
use crate::code::{Code, Hole, Symbol};
use key::Hash;
use segment::{Record, Writer};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use folder::{FileReport, clear, report};

/// Why there is no folder of translations.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The file system refused.
    #[error("the folder of kept translations, {path}: {error}; give another one by --translation-cache DIR, or `none`")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Somebody else could have put code there.
    #[error(
        "the folder of kept translations, {0}, can be written by other users, whose code would be executed: make it yours \
         alone (chmod 700), or give another one by --translation-cache DIR, or `none`"
    )]
    Open(PathBuf),
}

/// So many regions are kept that begin with the same trace: what is compiled in yet another way each time is not worth more.
const MOST_VERSIONS: usize = 8;

/// A trace behind the first of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// How many pages behind the first trace's.
    pub page: i64,
    /// Offset in that page.
    pub offset: u16,
    /// Its ops.
    pub ops: Hash,
}

/// A region's code as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Region {
    members: Vec<Member>,
    holes: Vec<(u32, u32)>,
    #[serde(with = "serde_bytes")]
    entries: Vec<u8>,
    #[serde(with = "serde_bytes")]
    code: Vec<u8>,
}

/// A region that may be the one that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its traces behind the first.
    pub members: Vec<Member>,
    /// Its code.
    pub code: Code,
}

impl Region {
    fn candidate(self) -> Option<Candidate> {
        let hole = |(at, symbol)| Some(Hole { at, symbol: Symbol::unpack(symbol)? });
        let holes = self.holes.into_iter().map(hole).collect::<Option<_>>()?;
        let code = Code { bytes: self.code, holes, entries: self.entries };
        Some(Candidate { members: self.members, code })
    }
}

/// What was used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Regions found in the files when they were opened.
    pub there: u64,
    /// Regions taken from them.
    pub found: u64,
    /// Regions put into them.
    pub added: u64,
    /// Records that were damaged.
    pub refused: u64,
}

struct Inner {
    /// Records by the hash of their first trace.
    index: HashMap<Hash, Vec<Record>>,
    writer: Option<Writer>,
    /// Bytes that may still be written.
    room: u64,
    used: Used,
}

/// The kept translations that this process may use, for all its vCPUs.
pub struct Kept {
    folder: PathBuf,
    set: Hash,
    limit: u64,
    /// Read when something is first looked for: the guest does not wait for it before it begins.
    inner: Mutex<Option<Inner>>,
}

impl Kept {
    /// Opens the folder, making it if it is not there. `host` describes the code generator and its target; `limit` is how many
    /// bytes the folder may have: the oldest files make room.
    pub fn open(folder: &Path, host: &str, limit: u64) -> Result<Self, KeptError> {
        folder::secure(folder)?;
        Ok(Kept { folder: folder.into(), set: key::set(host), limit, inner: Mutex::new(None) })
    }

    /// [`Kept::open`] for this host; `None` if no code can be made for it. `shared` is as in [`crate::Options::shared`].
    pub fn of_this_host(folder: &Path, limit: u64, shared: bool) -> Result<Option<Self>, KeptError> {
        match Compiler::new(false) {
            Ok(compiler) => Self::open(folder, &compiler.shared(shared).to_string(), limit).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Does something with the index, which is read first if need be. A folder that cannot be read any more has nothing, and
    /// gets nothing.
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        f(inner.get_or_insert_with(|| match folder::open(&self.folder, &self.set, self.limit) {
            Ok((index, used, bytes)) => Inner { index, writer: None, room: self.limit.saturating_sub(bytes), used },
            Err(error) => {
                tracing::warn!(%error, "kept translations are not used");
                Inner { index: HashMap::new(), writer: None, room: 0, used: Used::default() }
            }
        }))
    }

    /// The regions that begin with a trace of these ops.
    pub fn regions(&self, first: &Hash) -> Vec<Candidate> {
        self.with(|inner| {
            let Inner { index, used, .. } = inner;
            let Some(records) = index.get_mut(first) else { return Vec::new() };
            let mut found = Vec::new();
            records.retain(|record| match self.read(first, record).and_then(Region::candidate) {
                Some(candidate) => {
                    found.push(candidate);
                    true
                }
                None => {
                    used.refused += 1;
                    false
                }
            });
            found
        })
    }

    /// Whether there may be regions that begin with a trace of these ops.
    pub fn has(&self, first: &Hash) -> bool {
        self.with(|inner| inner.index.get(first).is_some_and(|records| !records.is_empty()))
    }

    /// One of [`Kept::regions`] is used.
    pub fn note_found(&self) {
        self.with(|inner| inner.used.found += 1);
    }

    /// Keeps a region's code. What cannot be written is not kept, which is said once.
    pub fn add(&self, first: Hash, members: Vec<Member>, code: &Code) {
        self.with(|inner| self.add_to(inner, first, members, code));
    }

    fn add_to(&self, inner: &mut Inner, first: Hash, members: Vec<Member>, code: &Code) {
        let Inner { index, writer, room, used } = inner;
        let known = index.entry(first).or_default();
        if known.len() >= MOST_VERSIONS {
            return;
        }
        if known
            .iter()
            .filter_map(|r| self.read(&first, r))
            .any(|region| region.members == members && region.code == code.bytes)
        {
            return;
        }
        let holes = code.holes.iter().map(|hole| (hole.at, hole.symbol.pack())).collect();
        let region = Region { members, holes, entries: code.entries.clone(), code: code.bytes.clone() };
        let Ok(payload) = rmp_serde::to_vec(&region) else { return };
        let record = Record::new(&self.set, &first, payload);
        let bytes = record.bytes();
        if *room < bytes {
            return;
        }
        if writer.is_none() {
            match Writer::create(&self.folder, &self.set) {
                Ok(new) => *writer = Some(new),
                Err(error) => {
                    tracing::warn!(%error, folder = %self.folder.display(), "translations cannot be kept");
                    *room = 0;
                    return;
                }
            }
        }
        if let Some(writer) = writer {
            match writer.append(&first, &record) {
                Ok(record) => {
                    *room -= bytes;
                    used.added += 1;
                    known.push(record);
                }
                Err(error) => {
                    tracing::warn!(%error, folder = %self.folder.display(), "no more translations can be kept");
                    *room = 0;
                }
            }
        }
    }

    /// What was used so far.
    pub fn used(&self) -> Used {
        self.with(|inner| inner.used)
    }

    fn read(&self, first: &Hash, record: &Record) -> Option<Region> {
        rmp_serde::from_slice(&record.check(&self.set, first)?).ok()
    }
}

#[cfg(test)]
mod tests;
