//! qcow2 images through imago, with their backing files.

use super::{DiskError, Format, header, open_file, probe};
use imago::file::File as Storage;
use imago::format::PreallocateMode;
use imago::format::access::Mapping;
use imago::qcow2::Qcow2;
use imago::raw::Raw;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder, StorageOpenOptions};
use lyrebird_core::block::{BlockDevice, BlockError, SECTOR, check_range};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A chain that is longer is a mistake, or goes in circles.
const LONGEST_CHAIN: usize = 32;

/// A qcow2 image.
pub struct Qcow2Image {
    name: String,
    image: FormatAccess<Storage>,
    read_only: bool,
    sectors: u64,
    /// There is another image under it.
    backed: bool,
}

impl Qcow2Image {
    pub(super) fn new(file: File, path: &Path, read_only: bool) -> Result<Self, DiskError> {
        let (image, backed) = layer(file, path, !read_only, LONGEST_CHAIN)?;
        let sectors = image.size() / SECTOR as u64;
        Ok(Qcow2Image { name: path.display().to_string(), image, read_only, sectors, backed })
    }

    /// Whether there is data at an offset, or zeroes that nobody has written; and for how many bytes, at least.
    pub(super) fn extent(&self, offset: u64, most: u64) -> (bool, u64) {
        match self.image.get_mapping(offset, most) {
            Ok((Mapping::Zero { .. }, length)) if length != 0 => (false, length.min(most)),
            Ok((_, length)) if length != 0 => (true, length.min(most)),
            // Reading will say what is wrong.
            _ => (true, most),
        }
    }

    /// Another size for the disk. What becomes visible is zero, whatever is under it.
    pub(super) fn resize(&mut self, bytes: u64) -> io::Result<()> {
        self.image.resize(bytes, if self.backed { PreallocateMode::Zero } else { PreallocateMode::None })?;
        self.image.flush()?;
        self.image.sync()
    }

    fn fail(&self, what: &str, first: u64, error: &io::Error) -> BlockError {
        let offset = first.saturating_mul(SECTOR as u64);
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the host's disk",
            _ => "see what `qemu-img check` says",
        };
        BlockError::Host(format!("`{}`: {what} at the disk's offset {offset} failed ({error}): {remedy}", self.name))
    }
}

/// Opens an image with everything under it. Only the topmost is ever written.
fn layer(file: File, path: &Path, write: bool, depth: usize) -> Result<(FormatAccess<Storage>, bool), DiskError> {
    let header = header::check(&file, path, write)?;
    let backed = header.backing.is_some();
    let backing = match header.backing {
        None => None,
        Some((name, format)) => Some(Arc::new(backing(path, &name, format, depth)?)),
    };
    let image = Qcow2::<Storage, Arc<FormatAccess<Storage>>>::builder(storage(file, path, write)?)
        .write(write)
        .backing(backing)
        .data_file(None)
        .open(DenyImplicitOpenGate::default())
        .map_err(|error| refused(path, &error))?;
    Ok((FormatAccess::new(image), backed))
}

fn backing(path: &Path, name: &Path, format: Option<Format>, depth: usize) -> Result<FormatAccess<Storage>, DiskError> {
    let under = path.parent().unwrap_or(Path::new("")).join(name);
    if depth == 0 {
        let problem = format!("has more than {LONGEST_CHAIN} backing files, one under the other");
        return Err(DiskError::new(path, problem, "make a plain copy by `qemu-img convert -O qcow2`"));
    }
    let mut file = open_file(&under, false).map_err(|error| {
        let problem = format!("needs its backing file, but `{}` {}", under.display(), error.problem);
        let remedy = format!("{}, or name another by `qemu-img rebase -u`", error.remedy);
        DiskError::new(path, problem, remedy)
    })?;
    let format = match format {
        Some(format) => format,
        None => probe(&mut file, &under)?,
    };
    match format {
        Format::Qcow2 => Ok(layer(file, &under, false, depth - 1)?.0),
        Format::Raw => {
            let raw = Raw::open_image(storage(file, &under, false)?, false).map_err(|error| refused(&under, &error))?;
            Ok(FormatAccess::new(raw))
        }
    }
}

pub(super) fn storage(file: File, path: &Path, write: bool) -> Result<Storage, DiskError> {
    let options = StorageOpenOptions::new().filename(path).write(write);
    Storage::from_open_file(file, options).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &io::Error) -> DiskError {
    DiskError::new(path, format!("cannot be used as qcow2 ({error})"), "see what `qemu-img check` says")
}

impl BlockDevice for Qcow2Image {
    fn name(&self) -> &str {
        &self.name
    }

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&mut self, first: u64, data: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.sectors, first, data.len())?;
        let read = self.image.read(data, first * SECTOR as u64);
        read.map_err(|error| self.fail("reading", first, &error))
    }

    fn write_at(&mut self, first: u64, data: &[u8]) -> Result<(), BlockError> {
        check_range(self.sectors, first, data.len())?;
        if self.read_only {
            return Err(BlockError::ReadOnly);
        }
        let written = self.image.write(data, first * SECTOR as u64);
        written.map_err(|error| self.fail("writing", first, &error))
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        if self.read_only {
            return Ok(());
        }
        // First what imago keeps of the tables, then what the host keeps of the file.
        let flushed = self.image.flush().and_then(|()| self.image.sync());
        flushed.map_err(|error| self.fail("flushing", 0, &error))
    }
}
