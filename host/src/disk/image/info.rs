//! What an image says of itself.

use super::super::{DiskError, Format, header, open_unlocked, probe};
use super::RawImage;
use lyrebird_core::BlockDevice;
use lyrebird_core::block::SECTOR;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is known of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its layout.
    pub format: Format,
    /// The disk's size in bytes.
    pub size: u64,
    /// What the file takes on the host's disk.
    pub allocated: u64,
    /// Another program has it open for writing, or we could not write to it while others read it.
    pub in_use: bool,
    /// What qcow2 has beyond that.
    pub qcow2: Option<Qcow2Info>,
}

/// What a qcow2 header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qcow2Info {
    /// 2 or 3.
    pub version: u32,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// Bits of a refcount.
    pub refcount_bits: u32,
    /// Refcounts are brought up to date late.
    pub lazy_refcounts: bool,
    /// It was not closed as it should have been.
    pub dirty: bool,
    /// It is marked as damaged.
    pub corrupt: bool,
    /// How many internal snapshots it has.
    pub snapshots: u32,
    /// What is under it.
    pub backing: Option<BackingInfo>,
}

/// The image under another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackingInfo {
    /// As the header names it.
    pub name: PathBuf,
    /// Where that is.
    pub path: PathBuf,
    /// Its format, if the header says it.
    pub format: Option<Format>,
}

/// Looks at an image without changing anything, even while it is in use.
pub fn info(path: &Path, format: Option<Format>) -> Result<Info, DiskError> {
    let mut file = open_unlocked(path, false)?;
    let in_use = matches!(super::super::lock::lock(&file, false), Err(super::super::lock::Refused::InUse));
    let format = match format {
        Some(format) => format,
        None => probe(&mut file, path)?,
    };
    let allocated = allocated(&file, path)?;
    Ok(match format {
        Format::Raw => {
            let size = RawImage::new(file, path, true)?.sectors() * SECTOR as u64;
            Info { format, size, allocated, in_use, qcow2: None }
        }
        Format::Qcow2 => {
            let header = header::check(&file, path, false)?;
            let backing = header.backing.map(|(name, format)| {
                let path = path.parent().unwrap_or(Path::new("")).join(&name);
                BackingInfo { name, path, format }
            });
            let qcow2 = Qcow2Info {
                version: header.version,
                cluster: header.cluster,
                refcount_bits: header.refcount_bits,
                lazy_refcounts: header.lazy_refcounts,
                dirty: header.dirty,
                corrupt: header.corrupt,
                snapshots: header.snapshots,
                backing,
            };
            Info { format, size: header.size, allocated, in_use, qcow2: Some(qcow2) }
        }
    })
}

#[cfg(unix)]
fn allocated(file: &File, path: &Path) -> Result<u64, DiskError> {
    let meta = file.metadata().map_err(|error| DiskError::io(path, 0, "measured", &error))?;
    Ok(512 * std::os::unix::fs::MetadataExt::blocks(&meta))
}

#[cfg(not(unix))]
fn allocated(file: &File, path: &Path) -> Result<u64, DiskError> {
    Ok(file.metadata().map_err(|error| DiskError::io(path, 0, "measured", &error))?.len())
}
