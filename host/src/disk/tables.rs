//! A look at a qcow2 image's L1 and L2 tables before it is used: an image that was copied only in part has tables that point
//! behind its end, and would read as zeroes there (QEMU's docs/interop/qcow2.txt, "Cluster mapping").

use super::DiskError;
use super::raw::read_exact_at;
use std::fs::File;
use std::path::Path;

/// L2 tables that are looked at: enough for 512 GiB in clusters of the usual size.
const MOST: usize = 1024;
/// Where an entry of either table has its offset.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
/// The cluster reads as zeroes, whatever is in the file.
const ZERO: u64 = 1 << 0;
const CUT: &str =
    "the file was cut off or copied in part: copy it again, use a backup, or see what `qemu-img check` says";

/// Where the tables are.
pub struct Tables {
    /// Of the L1 table.
    pub offset: u64,
    /// Of the L1 table.
    pub entries: u64,
    /// A cluster has 2 to this power bytes.
    pub cluster_bits: u32,
    /// Of the file.
    pub length: u64,
}

/// Checks that all that the tables name is in the file.
pub fn check(file: &File, path: &Path, tables: &Tables) -> Result<(), DiskError> {
    let cluster = 1u64 << tables.cluster_bits;
    let l1 = read(file, path, tables.offset, tables.entries as usize)?;
    for (n, table) in l1.iter().map(|entry| entry & OFFSET).enumerate().filter(|(_, table)| *table != 0).take(MOST) {
        if table > tables.length.saturating_sub(cluster) || !table.is_multiple_of(cluster) {
            let problem = format!("has an L2 table at {table:#x} (L1 entry {n}), and ends at {:#x}", tables.length);
            return Err(DiskError::new(path, problem, CUT));
        }
        for (m, entry) in read(file, path, table, (cluster / 8) as usize)?.into_iter().enumerate() {
            let at = match entry & COMPRESSED {
                0 if entry & ZERO != 0 => continue,
                0 => entry & OFFSET,
                _ => entry & ((1 << (70 - tables.cluster_bits)) - 1),
            };
            if at >= tables.length && at != 0 {
                let disk = (n as u64 * (cluster / 8) + m as u64) << tables.cluster_bits;
                let length = tables.length;
                let problem =
                    format!("has the disk's offset {disk:#x} at {at:#x} in the file, which ends at {length:#x}");
                return Err(DiskError::new(path, problem, CUT));
            }
        }
    }
    Ok(())
}

fn read(file: &File, path: &Path, offset: u64, entries: usize) -> Result<Vec<u64>, DiskError> {
    let mut raw = vec![0; 8 * entries];
    read_exact_at(file, &mut raw, offset).map_err(|error| DiskError::io(path, offset, "read", &error))?;
    Ok(raw.as_chunks::<8>().0.iter().map(|entry| u64::from_be_bytes(*entry)).collect())
}
