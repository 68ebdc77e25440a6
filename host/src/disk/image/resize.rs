//! Makes an image's disk larger or smaller.

use super::super::{DiskError, Format, open_file, probe};
use super::{Image, whole_sectors};
use std::path::Path;

/// What shall become of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// So many bytes.
    To(u64),
    /// So many more.
    Grow(u64),
    /// So many less.
    Shrink(u64),
}

/// Resizes an image; gives the old and the new size. What is beyond a smaller size is lost, so `shrink` must allow that.
pub fn resize(path: &Path, format: Option<Format>, change: Change, shrink: bool) -> Result<(u64, u64), DiskError> {
    let mut file = open_file(path, true)?;
    let meta = file.metadata().map_err(|error| DiskError::io(path, 0, "measured", &error))?;
    if !meta.is_file() {
        return Err(DiskError::new(path, "is no ordinary file", "resize the device by the tools of the host"));
    }
    let format = match format {
        Some(format) => format,
        None => probe(&mut file, path)?,
    };
    let again = file.try_clone().map_err(|error| DiskError::open(path, error, true))?;
    let mut image = Image::new(file, path, format, true)?;
    let old = image.size();
    let wanted = match change {
        Change::To(bytes) => Some(bytes),
        Change::Grow(bytes) => old.checked_add(bytes),
        Change::Shrink(bytes) => old.checked_sub(bytes),
    };
    let Some(wanted) = wanted else {
        let problem = format!("has {old} bytes, from which that cannot be added or taken");
        return Err(DiskError::new(path, problem, "give another size"));
    };
    let new = whole_sectors(path, wanted)?;
    if new < old && !shrink {
        let problem = format!("has {old} bytes, and would lose all that is beyond {new}");
        return Err(DiskError::new(path, problem, "make file systems and partitions smaller first, and add --shrink"));
    }
    let changed = match &mut image {
        Image::Raw(_) => again.set_len(new).and_then(|()| again.sync_all()),
        Image::Qcow2(image) => image.resize(new),
    };
    changed.map_err(|error| DiskError::new(path, format!("cannot be resized ({error})"), "check the host's disk"))?;
    Ok((old, new))
}
