//! What people do with images while no machine uses them: make, look at, convert, resize. Each locks what it works on, so that
//! an image in use is left alone.

mod convert;
mod create;
mod info;
mod resize;
#[cfg(test)]
mod tests;

pub use convert::{Conversion, Target, convert};
pub use create::{Backing, Create, Preallocation, create};
pub use info::{BackingInfo, Info, Qcow2Info, info};
pub use resize::{Change, resize};

use super::{DiskError, Format, Qcow2Image, RawImage, open_file, probe};
use lyrebird_core::BlockDevice;
use lyrebird_core::block::SECTOR;
use std::fs::File;
use std::path::Path;

/// An opened image, of which more is wanted than a device wants.
enum Image {
    Raw(RawImage),
    Qcow2(Qcow2Image),
}

impl Image {
    fn open(path: &Path, format: Option<Format>, write: bool) -> Result<Self, DiskError> {
        let mut file = open_file(path, write)?;
        let format = match format {
            Some(format) => format,
            None => probe(&mut file, path)?,
        };
        Image::new(file, path, format, write)
    }

    fn new(file: File, path: &Path, format: Format, write: bool) -> Result<Self, DiskError> {
        Ok(match format {
            Format::Raw => Image::Raw(RawImage::new(file, path, !write)?),
            Format::Qcow2 => Image::Qcow2(Qcow2Image::new(file, path, !write)?),
        })
    }

    fn device(&mut self) -> &mut dyn BlockDevice {
        match self {
            Image::Raw(image) => image,
            Image::Qcow2(image) => image,
        }
    }

    /// The disk's size in bytes.
    fn size(&mut self) -> u64 {
        self.device().sectors() * SECTOR as u64
    }

    /// Whether there is data at an offset, or zeroes that nobody has written; and for how many bytes that holds, at least.
    fn extent(&self, offset: u64, most: u64) -> (bool, u64) {
        match self {
            Image::Raw(image) => image.extent(offset, most),
            Image::Qcow2(image) => image.extent(offset, most),
        }
    }
}

/// The next whole number of sectors.
fn whole_sectors(path: &Path, bytes: u64) -> Result<u64, DiskError> {
    match bytes.checked_next_multiple_of(SECTOR as u64) {
        Some(0) => Err(DiskError::new(path, "would have no bytes", "give a size, as in 10G")),
        Some(bytes) if bytes <= i64::MAX as u64 => Ok(bytes),
        _ => Err(DiskError::new(path, "would be larger than a file can be", "give a smaller size")),
    }
}
