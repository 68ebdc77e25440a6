//! Disks as devices see them: sectors of 512 bytes that can be read, written and made durable. Host halves implement it; a
//! device turns an error into what its guest knows as one.

use std::fmt;

/// Bytes in a sector.
pub const SECTOR: usize = 512;

/// Why an access did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Part of it is beyond the end.
    #[error("sectors {first} to {last} are beyond the end of the disk, which has {sectors}", last = first + count - 1)]
    OutOfRange {
        /// The first sector asked for.
        first: u64,
        /// How many.
        count: u64,
        /// How many there are.
        sectors: u64,
    },
    /// A write to what can only be read.
    #[error("the disk can only be read")]
    ReadOnly,
    /// The buffer is no whole number of sectors.
    #[error("{0} bytes are no whole number of sectors")]
    Unaligned(usize),
    /// The host could not do it; the text names the file, the offset and the reason.
    #[error("{0}")]
    Host(String),
}

/// A disk, or the medium in a drive.
pub trait BlockDevice: Send {
    /// What to call it in messages: the file's path.
    fn name(&self) -> &str;

    /// How many sectors it has.
    fn sectors(&self) -> u64;

    /// Whether every write fails.
    fn read_only(&self) -> bool;

    /// Reads whole sectors from sector `first` on.
    fn read_at(&mut self, first: u64, data: &mut [u8]) -> Result<(), BlockError>;

    /// Writes whole sectors. They need not be durable before [`BlockDevice::flush`].
    fn write_at(&mut self, first: u64, data: &[u8]) -> Result<(), BlockError>;

    /// Returns when everything that was written will survive a loss of power.
    fn flush(&mut self) -> Result<(), BlockError>;
}

impl fmt::Debug for dyn BlockDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} sectors)", self.name(), self.sectors())
    }
}

/// Checks an access against a disk's size; for implementations.
pub fn check_range(sectors: u64, first: u64, bytes: usize) -> Result<(), BlockError> {
    if !bytes.is_multiple_of(SECTOR) {
        return Err(BlockError::Unaligned(bytes));
    }
    let count = (bytes / SECTOR) as u64;
    match first.checked_add(count) {
        Some(end) if end <= sectors => Ok(()),
        _ if count == 0 => Ok(()),
        _ => Err(BlockError::OutOfRange { first: first.min(u64::MAX - count), count, sectors }),
    }
}

/// A disk in the host's memory, for tests and small media of our own.
pub struct MemoryDisk {
    name: String,
    data: Vec<u8>,
    read_only: bool,
}

impl MemoryDisk {
    /// A disk with this content, padded by zeroes to a whole number of sectors.
    pub fn new(name: &str, mut data: Vec<u8>) -> Self {
        data.resize(data.len().next_multiple_of(SECTOR), 0);
        MemoryDisk { name: name.into(), data, read_only: false }
    }

    /// The same, for reading only.
    pub fn read_only(name: &str, data: Vec<u8>) -> Self {
        MemoryDisk { read_only: true, ..MemoryDisk::new(name, data) }
    }
}

impl BlockDevice for MemoryDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn sectors(&self) -> u64 {
        (self.data.len() / SECTOR) as u64
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&mut self, first: u64, data: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.sectors(), first, data.len())?;
        let start = first as usize * SECTOR;
        data.copy_from_slice(&self.data[start..start + data.len()]);
        Ok(())
    }

    fn write_at(&mut self, first: u64, data: &[u8]) -> Result<(), BlockError> {
        check_range(self.sectors(), first, data.len())?;
        if self.read_only {
            return Err(BlockError::ReadOnly);
        }
        let start = first as usize * SECTOR;
        self.data[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        assert_eq!(check_range(4, 2, 1024), Ok(()));
        assert!(matches!(check_range(4, 3, 1024), Err(BlockError::OutOfRange { first: 3, count: 2, sectors: 4 })));
        assert!(matches!(check_range(4, u64::MAX, 1024), Err(BlockError::OutOfRange { .. })));
        assert_eq!(check_range(4, 0, 100), Err(BlockError::Unaligned(100)));
        let error = check_range(4, u64::MAX, 512).unwrap_err().to_string();
        assert!(error.contains("which has 4"), "{error}");
    }

    #[test]
    fn memory_disks_keep_what_is_written() {
        let mut disk = MemoryDisk::new("test", vec![7; 700]);
        let mut sector = [0; SECTOR];
        disk.read_at(1, &mut sector).unwrap();
        assert_eq!((disk.sectors(), sector[187], sector[188]), (2, 7, 0));
        disk.write_at(0, &[9; SECTOR]).unwrap();
        disk.read_at(0, &mut sector).unwrap();
        assert_eq!(sector, [9; SECTOR]);
        assert_eq!(MemoryDisk::read_only("test", vec![1]).write_at(0, &sector), Err(BlockError::ReadOnly));
    }
}
