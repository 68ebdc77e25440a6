//! The folder of kept code: opened at start, joined when there are many files, kept below its limit, listed for people.

use super::key::Hash;
use super::segment::{self, ENDING, Origin, Record, Writer};
use super::{KeptError, Used};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// So many files of a set are joined.
const MANY: usize = 4;

type Index = HashMap<Hash, Vec<Record>>;

/// A file of the folder.
struct Found {
    path: PathBuf,
    bytes: u64,
    changed: SystemTime,
}

/// The files, the latest first.
fn files(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Another process may have deleted it meanwhile.
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_file() && path.extension().is_some_and(|ending| ending == ENDING) {
            found.push(Found { path, bytes: meta.len(), changed: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH) });
        }
    }
    found.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

/// Makes the folder if need be, and sees that nobody else can write there.
pub fn secure(folder: &Path) -> Result<(), KeptError> {
    let failed = |error| KeptError::Io { path: folder.into(), error };
    if !folder.exists() {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::metadata(folder).map_err(failed)?;
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
            return Err(KeptError::Open(folder.into()));
        }
    }
    Ok(())
}

/// The index of a set, and how many bytes the folder has.
pub fn open(folder: &Path, set: &Hash, limit: u64) -> Result<(Index, Used, u64), KeptError> {
    let failed = |error| KeptError::Io { path: folder.into(), error };
    let mut total = 0;
    let (mut index, mut used, mut mine) = (Index::new(), Used::default(), Vec::new());
    for file in files(folder).map_err(failed)? {
        if total + file.bytes > limit {
            // Too old to stay, unless its process is still at work.
            if delete(&file.path).is_ok() {
                continue;
            }
        }
        total += file.bytes;
        let Ok((opened, bytes)) = read(&file.path) else { continue };
        if segment::set_of(&bytes) != Some(*set) {
            continue;
        }
        mine.push(file.path);
        for (first, record) in segment::records(&bytes, &Origin::file(opened, &bytes)).0 {
            let known = index.entry(first).or_default();
            // Most traces begin one region, and there are thousands.
            known.reserve_exact(1);
            known.push(record);
            used.there += 1;
        }
    }
    if mine.len() >= MANY
        && let Err(error) = join(folder, set, &mine, limit / 2)
    {
        tracing::info!(%error, "the files of kept translations stay as they are");
    }
    Ok((index, used, total))
}

/// A file, and all that is in it.
fn read(path: &Path) -> io::Result<(File, Arc<[u8]>)> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((file, bytes.into()))
}

/// Deletes a file if no process is writing to it.
fn delete(path: &Path) -> io::Result<()> {
    File::open(path)?.try_lock()?;
    fs::remove_file(path)
}

/// Puts the records of files whose processes have ended into one, those of the latest files first, as far as there is `room`.
/// Those who use the old ones have them open; should this be killed, there are records twice.
fn join(folder: &Path, set: &Hash, paths: &[PathBuf], mut room: u64) -> io::Result<()> {
    let mut locked = Vec::new();
    for path in paths {
        if let Ok(file) = File::open(path)
            && file.try_lock().is_ok()
        {
            locked.push((path, file));
        }
    }
    if locked.len() < MANY {
        return Ok(());
    }
    let mut writer = Writer::create(folder, set)?;
    let mut seen = HashSet::new();
    for (path, _) in &locked {
        let bytes: Arc<[u8]> = fs::read(path)?.into();
        for (first, record) in segment::records(&bytes, &Origin::Memory(bytes.clone())).0 {
            if let Some(payload) = record.check(set, &first)
                && record.bytes() <= room
                && seen.insert((first, blake3::hash(&payload)))
            {
                room -= record.bytes();
                if let Err(error) = writer.append(&first, &record) {
                    let _ = fs::remove_file(writer.path());
                    return Err(error);
                }
            }
        }
    }
    for (path, _) in locked {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The set that it belongs to; `None`: it is no file of kept translations.
    pub set: Option<Hash>,
    /// Regions in it.
    pub regions: u64,
    /// Records that are damaged.
    pub damaged: u64,
    /// Bytes at the end that are no record.
    pub cut_off: u64,
}

/// What is in the files of the folder, every record checked.
pub fn report(folder: &Path) -> Result<Vec<FileReport>, KeptError> {
    let failed = |error| KeptError::Io { path: folder.into(), error };
    let mut reports = Vec::new();
    for Found { path, bytes, .. } in files(folder).map_err(failed)? {
        let contents: Arc<[u8]> = fs::read(&path).map_err(failed)?.into();
        let mut report =
            FileReport { path, bytes, set: segment::set_of(&contents), regions: 0, damaged: 0, cut_off: 0 };
        if let Some(set) = report.set {
            let (records, rest) = segment::records(&contents, &Origin::Memory(contents.clone()));
            let good = records.iter().filter(|(first, record)| record.check(&set, first).is_some()).count();
            report.regions = good as u64;
            report.damaged = (records.len() - good) as u64;
            report.cut_off = rest as u64;
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Deletes the files of processes that have ended; how many, how many bytes, and how many stay.
pub fn clear(folder: &Path) -> Result<(u64, u64, u64), KeptError> {
    let failed = |error| KeptError::Io { path: folder.into(), error };
    let mut done = (0, 0, 0);
    for file in files(folder).map_err(failed)? {
        if delete(&file.path).is_ok() {
            done.0 += 1;
            done.1 += file.bytes;
        } else {
            done.2 += 1;
        }
    }
    Ok(done)
}
