//! Raw images: a file or a host's device as it is.

use super::DiskError;
use lyrebird_core::block::{BlockDevice, BlockError, SECTOR, check_range};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

/// A raw image. If its size is no whole number of sectors, the rest of the last one reads as zeroes, and writing that
/// sector makes the file longer, as in QEMU.
pub struct RawImage {
    name: String,
    file: File,
    read_only: bool,
    sectors: u64,
    /// Bytes that the file has.
    bytes: u64,
}

impl RawImage {
    pub(super) fn new(mut file: File, path: &Path, read_only: bool) -> Result<Self, DiskError> {
        // Unlike its metadata, the end's position is right for devices too.
        let bytes = file.seek(SeekFrom::End(0)).map_err(|error| DiskError::io(path, 0, "measured", &error))?;
        if bytes == 0 {
            let remedy = "make it as large as the disk should be, as in `truncate -s 1G FILE`";
            return Err(DiskError::new(path, "is empty", remedy));
        }
        let sectors = bytes.div_ceil(SECTOR as u64);
        Ok(RawImage { name: path.display().to_string(), file, read_only, sectors, bytes })
    }

    /// Whether there is data at an offset or a hole in the file; and for how many bytes, at least.
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    pub(super) fn extent(&self, offset: u64, most: u64) -> (bool, u64) {
        use rustix::fs::{SeekFrom, seek};
        match seek(&self.file, SeekFrom::Data(offset)) {
            Ok(data) if data > offset => (false, (data - offset).min(most)),
            Ok(_) => match seek(&self.file, SeekFrom::Hole(offset)) {
                Ok(hole) if hole > offset => (true, (hole - offset).min(most)),
                _ => (true, most),
            },
            // No more data until the file's end.
            Err(rustix::io::Errno::NXIO) => (false, most),
            Err(_) => (true, most),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    pub(super) fn extent(&self, _offset: u64, most: u64) -> (bool, u64) {
        (true, most)
    }

    fn fail(&self, what: &str, first: u64, error: &io::Error) -> BlockError {
        let offset = first * SECTOR as u64;
        let remedy = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the file became shorter while in use",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the host's disk",
            _ => "check the host's disk",
        };
        BlockError::Host(format!("`{}`: {what} at offset {offset} failed ({error}): {remedy}", self.name))
    }
}

impl BlockDevice for RawImage {
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
        let offset = first * SECTOR as u64;
        let there = self.bytes.saturating_sub(offset).min(data.len() as u64) as usize;
        let (there, beyond) = data.split_at_mut(there);
        beyond.fill(0);
        read_exact_at(&self.file, there, offset).map_err(|error| self.fail("reading", first, &error))
    }

    fn write_at(&mut self, first: u64, data: &[u8]) -> Result<(), BlockError> {
        check_range(self.sectors, first, data.len())?;
        if self.read_only {
            return Err(BlockError::ReadOnly);
        }
        let offset = first * SECTOR as u64;
        write_all_at(&self.file, data, offset).map_err(|error| self.fail("writing", first, &error))?;
        self.bytes = self.bytes.max(offset + data.len() as u64);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        if self.read_only {
            return Ok(());
        }
        self.file.sync_data().map_err(|error| self.fail("flushing", 0, &error))
    }
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, data: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, data, offset)
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, data, offset)
}

#[cfg(not(unix))]
pub(super) fn read_exact_at(mut file: &File, data: &mut [u8], offset: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    io::Read::read_exact(&mut file, data)
}

#[cfg(not(unix))]
pub(super) fn write_all_at(mut file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    io::Write::write_all(&mut file, data)
}
