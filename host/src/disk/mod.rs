//! Disk images: raw files and qcow2, alone or under a temporary overlay that keeps every change from them.
//!
//! ```text
//!   open(path, options) -> Box<dyn BlockDevice>
//!        raw.rs      a file or host device as it is
//!        qcow2.rs    through imago, after header.rs has looked at the header
//!        overlay.rs  over either of them: `snapshot`
//!   image/          what `lyrebird image` does with them: create, info, convert, resize
//! ```

mod error;
mod extent;
mod header;
pub mod image;
mod lock;
mod overlay;
mod qcow2;
mod raw;
mod tables;
#[cfg(test)]
mod tests;

pub use error::DiskError;
pub use overlay::Overlay;
pub use qcow2::Qcow2Image;
pub use raw::RawImage;

use lyrebird_core::BlockDevice;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How an image is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The disk's bytes and nothing else.
    Raw,
    /// QEMU's copy-on-write format, versions 2 and 3.
    Qcow2,
}

/// How to open an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskOptions {
    /// Its layout; without a word its first bytes tell.
    pub format: Option<Format>,
    /// Nothing can be written.
    pub read_only: bool,
    /// What is written goes to a temporary file and is forgotten in the end.
    pub snapshot: bool,
}

/// What a qcow2 image begins with.
const QCOW2_MAGIC: &[u8; 4] = b"QFI\xfb";

/// Other formats, by what they begin with: they would otherwise be taken for raw disks and be destroyed.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"LUKS\xba\xbe", "a LUKS"),
    (b"KDMV", "a VMDK"),
    (b"# Disk DescriptorFile", "a VMDK"),
    (b"vhdxfile", "a VHDX"),
    (b"conectix", "a VHD"),
    (b"<<< Oracle VM VirtualBox Disk Image >>>", "a VDI"),
    (b"QED\0", "a QED"),
];

/// Opens an image, and locks it against other programs that would write while this one uses it.
pub fn open(path: &Path, options: DiskOptions) -> Result<Box<dyn BlockDevice>, DiskError> {
    let writes = !options.read_only && !options.snapshot;
    let mut file = open_file(path, writes)?;
    let format = match options.format {
        Some(format) => format,
        None => {
            let format = probe(&mut file, path)?;
            if format == Format::Raw {
                extent::check(&mut file, path)?;
            }
            format
        }
    };
    let image: Box<dyn BlockDevice> = match format {
        Format::Raw => Box::new(RawImage::new(file, path, !writes)?),
        Format::Qcow2 => Box::new(Qcow2Image::new(file, path, !writes)?),
    };
    Ok(if options.snapshot && !options.read_only { Box::new(Overlay::new(image)?) } else { image })
}

/// Opens and locks a file: for us alone if it will be written, together with other readers if not.
fn open_file(path: &Path, write: bool) -> Result<File, DiskError> {
    let file = open_unlocked(path, write)?;
    lock_file(&file, path, write)?;
    Ok(file)
}

fn open_unlocked(path: &Path, write: bool) -> Result<File, DiskError> {
    let opened = OpenOptions::new().read(true).write(write).open(path);
    let file = opened.map_err(|error| DiskError::open(path, error, write))?;
    let meta = file.metadata().map_err(|error| DiskError::open(path, error, write))?;
    if meta.is_dir() {
        return Err(DiskError::new(path, "is a folder", "give the path of a disk image"));
    }
    Ok(file)
}

fn lock_file(file: &File, path: &Path, write: bool) -> Result<(), DiskError> {
    match lock::lock(file, write) {
        Ok(()) => {}
        Err(lock::Refused::InUse) if write => {
            let remedy = "end that program first, or use `readonly`, `snapshot` or a copy";
            return Err(DiskError::new(path, "is in use by another program", remedy));
        }
        Err(lock::Refused::InUse) => {
            let remedy = "end that program first, or use a copy";
            return Err(DiskError::new(path, "is in use by another program that may write to it", remedy));
        }
        // Some network file systems have no locks; that is no reason to refuse work.
        Err(lock::Refused::Unsupported(error)) => {
            tracing::warn!("the disk image `{}` cannot be locked: {error}", path.display());
        }
    }
    Ok(())
}

fn probe(file: &mut File, path: &Path) -> Result<Format, DiskError> {
    let mut start = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.by_ref().take(64).read_to_end(&mut start));
    read.map_err(|error| DiskError::io(path, 0, "read", &error))?;
    if start.starts_with(QCOW2_MAGIC) {
        return Ok(Format::Qcow2);
    }
    match FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, what)) => {
            let remedy = "convert it by `qemu-img convert -O qcow2`, or say format=raw if that is what the guest's disk begins with";
            Err(DiskError::new(path, format!("is {what} image, which this program cannot read"), remedy))
        }
        None => Ok(Format::Raw),
    }
}
