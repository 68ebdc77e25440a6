//! `snapshot`: what the guest writes goes to a sparse temporary file that has no name, so that it is gone however the
//! program ends; what it has not written is read from the image, which is only ever read.

use super::DiskError;
use super::raw::{read_exact_at, write_all_at};
use lyrebird_core::block::{BlockDevice, BlockError, SECTOR, check_range};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// Sectors of which one entry of the map tells.
const GROUP: u64 = 512;

/// An image with a temporary layer over it.
pub struct Overlay {
    image: Box<dyn BlockDevice>,
    /// Each sector lies where it lies on the disk.
    layer: File,
    /// Which sectors the layer has: a bit each, in groups.
    written: HashMap<u64, [u64; (GROUP / 64) as usize]>,
}

impl Overlay {
    /// Puts an empty layer over an image.
    pub fn new(image: Box<dyn BlockDevice>) -> Result<Self, DiskError> {
        let folder = std::env::temp_dir();
        let layer = nameless(&folder).map_err(|error| {
            let problem = format!("cannot have its temporary layer in `{}` ({error})", folder.display());
            DiskError::new(image.name().as_ref(), problem, "name another folder by the variable TMPDIR")
        })?;
        Ok(Overlay { image, layer, written: HashMap::new() })
    }

    fn has(&self, sector: u64) -> bool {
        let bit = sector % GROUP;
        self.written.get(&(sector / GROUP)).is_some_and(|group| group[(bit / 64) as usize] >> (bit % 64) & 1 != 0)
    }

    fn fail(&self, what: &str, first: u64, error: &io::Error) -> BlockError {
        let offset = first * SECTOR as u64;
        let remedy = "make room in the folder for temporary files, or name another by the variable TMPDIR";
        let name = self.image.name();
        BlockError::Host(format!("`{name}`: {what} the temporary layer at offset {offset} failed ({error}): {remedy}"))
    }
}

/// A new file that nobody else can open.
fn nameless(folder: &std::path::Path) -> io::Result<File> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("lyrebird-{}-{number}.layer", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => {
                // Where an open file cannot lose its name, it stays until somebody clears the folder.
                _ = std::fs::remove_file(&path);
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

impl BlockDevice for Overlay {
    fn name(&self) -> &str {
        self.image.name()
    }

    fn sectors(&self) -> u64 {
        self.image.sectors()
    }

    fn read_only(&self) -> bool {
        false
    }

    fn read_at(&mut self, first: u64, data: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.sectors(), first, data.len())?;
        let (mut sector, end) = (first, first + (data.len() / SECTOR) as u64);
        let mut rest = data;
        while sector < end {
            // As many sectors at once as come from the same place.
            let ours = self.has(sector);
            let run = (sector..end).take_while(|sector| self.has(*sector) == ours).count();
            let (piece, after) = rest.split_at_mut(run * SECTOR);
            if ours {
                let read = read_exact_at(&self.layer, piece, sector * SECTOR as u64);
                read.map_err(|error| self.fail("reading", sector, &error))?;
            } else {
                self.image.read_at(sector, piece)?;
            }
            sector += run as u64;
            rest = after;
        }
        Ok(())
    }

    fn write_at(&mut self, first: u64, data: &[u8]) -> Result<(), BlockError> {
        check_range(self.sectors(), first, data.len())?;
        let written = write_all_at(&self.layer, data, first * SECTOR as u64);
        written.map_err(|error| self.fail("writing", first, &error))?;
        for sector in first..first + (data.len() / SECTOR) as u64 {
            let (group, bit) = (self.written.entry(sector / GROUP).or_default(), sector % GROUP);
            group[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        Ok(())
    }

    /// Nothing outlives the program, so there is nothing to make durable.
    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}
