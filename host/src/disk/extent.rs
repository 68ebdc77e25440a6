//! Whether a raw image is all there: a file that was cut off or copied in part looks like a smaller disk, and the guest would
//! fail on it in odd ways, or repair what is whole. What the image itself says of its size is compared with the file: the
//! volume descriptor of a CD (ECMA-119, 8.4), the partitions of a disk, and the second table of a GPT (UEFI specification, 5).

use super::DiskError;
use lyrebird_core::block::SECTOR;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Where a CD has its primary volume descriptor, and the size of a sector there.
const VOLUME: u64 = 16 * CD_SECTOR;
const CD_SECTOR: u64 = 2048;
/// Sectors that pad a CD's end, and that copies of real ones often lack.
const CD_PADDING: u64 = 150;
/// The type of the one partition that stands for a GPT.
const PROTECTIVE: u8 = 0xee;

/// Refuses an image that says that it is longer than its file.
pub fn check(file: &mut File, path: &Path) -> Result<(), DiskError> {
    let bytes = file.seek(SeekFrom::End(0)).map_err(|error| DiskError::io(path, 0, "measured", &error))?;
    let needs = needed(file, bytes / SECTOR as u64).map_err(|error| DiskError::io(path, 0, "read", &error))?;
    let Some((what, needed)) = needs.filter(|(_, needed)| *needed > bytes) else { return Ok(()) };
    let problem = format!("is cut off: {what} ends at byte {needed}, and the file at {bytes}");
    let remedy = "copy or download it again, or say format=raw to use what is there";
    Err(DiskError::new(path, problem, remedy))
}

/// Up to where the image must go, and what says so.
fn needed(file: &mut File, sectors: u64) -> io::Result<Option<(String, u64)>> {
    let volume = read::<256>(file, VOLUME)?;
    if volume.starts_with(b"\x01CD001\x01") {
        let blocks = u64::from(word(&volume, 80)).saturating_sub(CD_PADDING);
        let block = u64::from(u16::from_le_bytes([volume[128], volume[129]]));
        return Ok(Some(("the volume on this CD".into(), blocks * block)));
    }
    let table = read::<512>(file, 0)?;
    let entries: Vec<&[u8]> = table[446..510].chunks(16).collect();
    // Anything may stand at the end of a boot sector that is not a partition table.
    if table[510..] != [0x55, 0xaa] || entries.iter().any(|entry| entry[0] & 0x7f != 0) {
        return Ok(None);
    }
    if entries.iter().any(|entry| entry[4] == PROTECTIVE) {
        let header = read::<92>(file, SECTOR as u64)?;
        let backup = u64::from_le_bytes(std::array::from_fn(|n| header[32 + n]));
        return Ok(header.starts_with(b"EFI PART").then(|| {
            ("the second partition table of this GPT disk".into(), backup.saturating_add(1).saturating_mul(512))
        }));
    }
    let partition = |(n, entry): (usize, &&[u8])| {
        let (first, count) = (u64::from(word(entry, 8)), u64::from(word(entry, 12)));
        let real = entry[4] != 0 && first != 0 && first < sectors;
        real.then(|| (format!("partition {}", n + 1), (first + count) * SECTOR as u64))
    };
    Ok(entries.iter().enumerate().filter_map(partition).max_by_key(|(_, end)| *end))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|n| bytes[at + n]))
}

/// So many bytes; zeroes where the file has none.
fn read<const N: usize>(file: &mut File, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = Vec::with_capacity(N);
    file.seek(SeekFrom::Start(at))?;
    file.take(N as u64).read_to_end(&mut bytes)?;
    bytes.resize(N, 0);
    Ok(std::array::from_fn(|n| bytes[n]))
}
