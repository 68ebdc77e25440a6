//! Makes an image.

use super::super::qcow2::storage;
use super::super::raw::write_all_at;
use super::super::{DiskError, Format, lock_file, open_file, probe};
use super::{Image, whole_sectors};
use imago::file::File as Storage;
use imago::format::PreallocateMode;
use imago::qcow2::Qcow2;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatCreateBuilder, FormatDriverBuilder};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What of the space is taken at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preallocation {
    /// Nothing: the file grows with what is written.
    #[default]
    Off,
    /// The tables of a qcow2 image.
    Metadata,
    /// The space on the host's disk.
    Allocate,
    /// The same, by writing zeroes.
    Full,
}

/// The image under a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    /// As the header will name it: relative to the new image's folder, or absolute.
    pub file: PathBuf,
    /// Its format; its first bytes tell if nobody says.
    pub format: Option<Format>,
    /// It need not be there yet.
    pub unchecked: bool,
}

/// How a new image shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its layout.
    pub format: Format,
    /// The disk's size in bytes; without one, that of the backing file.
    pub size: Option<u64>,
    /// What is under it (qcow2).
    pub backing: Option<Backing>,
    /// Bytes of a cluster (qcow2).
    pub cluster_size: Option<u64>,
    /// Bits of a refcount (qcow2).
    pub refcount_bits: Option<u32>,
    /// What space is taken.
    pub preallocation: Preallocation,
}

impl Create {
    /// An image of a format and nothing special.
    pub fn new(format: Format, size: Option<u64>) -> Self {
        let preallocation = Preallocation::Off;
        Create { format, size, backing: None, cluster_size: None, refcount_bits: None, preallocation }
    }
}

/// The backing file of a new image, looked at.
struct Under {
    name: String,
    format: Format,
    size: Option<u64>,
}

/// Makes an image, over what had that name unless somebody uses it. Gives the disk's size.
pub fn create(path: &Path, how: &Create) -> Result<u64, DiskError> {
    let under = how.backing.as_ref().map(|backing| look_under(path, backing)).transpose()?;
    if under.is_some() && how.format == Format::Raw {
        return Err(DiskError::new(path, "would be raw, which has no backing file", "make it qcow2"));
    }
    let size = how.size.or(under.as_ref().and_then(|under| under.size));
    let Some(size) = size else {
        return Err(DiskError::new(path, "has no size yet", "give one, as in 10G"));
    };
    let size = whole_sectors(path, size)?;
    check(path, how, size, under.is_some())?;

    let is_new = !path.exists();
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = made.map_err(|error| DiskError::open(path, error, true))?;
    lock_file(&file, path, true)?;
    let made = if file.metadata().is_ok_and(|meta| meta.is_file()) {
        fill(file, path, how, size, under)
    } else {
        let remedy = "make a file, or write to the device by `convert -n`";
        Err(DiskError::new(path, "is no ordinary file", remedy))
    };
    if made.is_err() && is_new {
        _ = std::fs::remove_file(path);
    }
    made.map(|()| size)
}

fn look_under(path: &Path, backing: &Backing) -> Result<Under, DiskError> {
    let Some(name) = backing.file.to_str().filter(|name| !name.is_empty() && name.len() <= 1023) else {
        let problem = "has a backing file whose name a header cannot hold (it is UTF-8 text of up to 1023 bytes)";
        return Err(DiskError::new(path, problem, "rename it"));
    };
    let file = path.parent().unwrap_or(Path::new("")).join(&backing.file);
    if let (Ok(own), Ok(under)) = (path.canonicalize(), file.canonicalize())
        && own == under
    {
        return Err(DiskError::new(path, "would be its own backing file", "give the new image another name"));
    }
    let found = if backing.unchecked { None } else { Some(&file) };
    let (format, size) = match (found, backing.format) {
        (None, Some(format)) => (format, None),
        (None, None) => {
            let problem = "has a backing file of unknown format";
            return Err(DiskError::new(path, problem, "say which, as in -F qcow2"));
        }
        (Some(file), format) => {
            let format = match format {
                Some(format) => format,
                None => probe(&mut open_file(file, false)?, file)?,
            };
            (format, Some(Image::open(file, Some(format), false)?.size()))
        }
    };
    Ok(Under { name: name.to_owned(), format, size })
}

/// Refuses what cannot be made, while nothing has been changed.
fn check(path: &Path, how: &Create, size: u64, backed: bool) -> Result<(), DiskError> {
    let bad = |problem: String, remedy: &str| Err(DiskError::new(path, problem, remedy));
    if how.format == Format::Raw {
        return match how {
            Create { cluster_size: Some(_), .. } | Create { refcount_bits: Some(_), .. } => {
                bad("would be raw, which has no clusters and refcounts".into(), "make it qcow2, or leave them out")
            }
            Create { preallocation: Preallocation::Metadata, .. } => {
                bad("would be raw, which has no metadata".into(), "use preallocation=off, falloc or full")
            }
            _ => Ok(()),
        };
    }
    let cluster = how.cluster_size.unwrap_or(0x1_0000);
    if !cluster.is_power_of_two() || !(512..=2 << 20).contains(&cluster) {
        return bad(format!("cannot have clusters of {cluster} bytes"), "use a power of two from 512 to 2M");
    }
    let bits = how.refcount_bits.unwrap_or(16);
    if !bits.is_power_of_two() || bits > 64 {
        return bad(format!("cannot have refcounts of {bits} bits"), "use 1, 2, 4, 8, 16, 32 or 64");
    }
    // As large as the L1 table may be: 32 MiB.
    let most = (4u64 << 20).saturating_mul(cluster / 8).saturating_mul(cluster);
    if size > most {
        return bad(format!("cannot have {size} bytes with clusters of {cluster} bytes"), "use larger clusters");
    }
    if backed && how.preallocation != Preallocation::Off {
        return bad("has a backing file, which leaves nothing to preallocate".into(), "use preallocation=off");
    }
    Ok(())
}

fn fill(file: File, path: &Path, how: &Create, size: u64, under: Option<Under>) -> Result<(), DiskError> {
    let failed = |error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the host's disk",
            io::ErrorKind::FileTooLarge => "give a smaller size, or use a file system for larger files",
            _ => "check the host's disk",
        };
        DiskError::new(path, format!("cannot be made ({error})"), remedy)
    };
    file.set_len(0).map_err(failed)?;
    match how.format {
        Format::Raw => {
            file.set_len(size).map_err(failed)?;
            // Zeroes that are written take their space everywhere.
            if how.preallocation != Preallocation::Off {
                let zeroes = vec![0; 1 << 20];
                for at in (0..size).step_by(zeroes.len()) {
                    let bytes = (size - at).min(zeroes.len() as u64) as usize;
                    write_all_at(&file, &zeroes[..bytes], at).map_err(failed)?;
                }
            }
        }
        Format::Qcow2 => {
            let builder = Qcow2::<Storage, Arc<FormatAccess<Storage>>>::create_builder(storage(file, path, true)?);
            let mut builder = builder.size(size).preallocate(match how.preallocation {
                Preallocation::Off => PreallocateMode::None,
                Preallocation::Metadata => PreallocateMode::FormatAllocate,
                Preallocation::Allocate => PreallocateMode::FullAllocate,
                Preallocation::Full => PreallocateMode::WriteData,
            });
            if let Some(cluster) = how.cluster_size {
                builder = builder.cluster_size(cluster as usize);
            }
            if let Some(bits) = how.refcount_bits {
                builder = builder.refcount_width(bits as usize);
            }
            if let Some(under) = &under {
                let format = if under.format == Format::Raw { "raw" } else { "qcow2" };
                builder = builder.backing(under.name.clone(), format.into());
            }
            let open = |image| Ok(Qcow2::builder(image).backing(None).write(true));
            let image = builder.create_open(DenyImplicitOpenGate::default(), open).map_err(failed)?;
            let image = FormatAccess::new(image);
            image.flush().map_err(failed)?;
            image.sync().map_err(failed)?;
        }
    }
    Ok(())
}
