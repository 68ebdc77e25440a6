//! A look at a qcow2 header before imago sees the image (QEMU's docs/interop/qcow2.txt): what neither of us can read, and
//! what would lead it astray, is refused while nothing has been changed.

use super::raw::read_exact_at;
use super::tables::{self, Tables};
use super::{DiskError, Format, QCOW2_MAGIC};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Bytes of a version 3 header that are looked at; version 2 ends at 72.
const BYTES: usize = 104;
/// Header extension: the backing file's format.
const BACKING_FORMAT: u32 = 0xe279_2aca;
const CONVERT: &str = "make a plain copy by `qemu-img convert -O qcow2`";
const DAMAGED: &str = "the file is damaged or not complete: use a backup, or see what `qemu-img check` says";

// Incompatible features.
const DIRTY: u64 = 1 << 0;
const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN: u64 = 0x1f;
/// Compatible feature.
const LAZY_REFCOUNTS: u64 = 1 << 0;

/// What the rest of the program wants to know of a header.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// The disk's size in bytes.
    pub size: u64,
    /// The file under this one, as the header names it, and its format.
    pub backing: Option<(PathBuf, Option<Format>)>,
    /// 2 or 3.
    pub version: u32,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// Bits of a refcount.
    pub refcount_bits: u32,
    /// Refcounts are brought up to date only when the image is closed.
    pub lazy_refcounts: bool,
    /// It was not closed as it should have been, and refcounts may be wrong.
    pub dirty: bool,
    /// Somebody found it damaged.
    pub corrupt: bool,
    /// How many internal snapshots it has.
    pub snapshots: u32,
}

/// Reads and checks a header. `write` is whether the image will be written.
pub fn check(file: &File, path: &Path, write: bool) -> Result<Header, DiskError> {
    let bad = |problem: String, remedy: &str| Err(DiskError::new(path, problem, remedy));
    let length = file.metadata().map_err(|error| DiskError::io(path, 0, "measured", &error))?.len();
    let mut raw = [0u8; BYTES];
    let there = length.min(BYTES as u64) as usize;
    read_exact_at(file, &mut raw[..there], 0).map_err(|error| DiskError::io(path, 0, "read", &error))?;
    let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|n| raw[at + n]));
    let long = |at: usize| u64::from_be_bytes(std::array::from_fn(|n| raw[at + n]));

    if there < 72 || &raw[..4] != QCOW2_MAGIC {
        return bad("is no qcow2 image".into(), "leave format=qcow2 out, or give another file");
    }
    let version = word(4);
    if !(2..=3).contains(&version) {
        return bad(format!("is qcow2 of version {version}, and this program reads 2 and 3"), CONVERT);
    }
    if version == 3 && there < BYTES {
        return bad(format!("ends at offset {length}, inside its header"), DAMAGED);
    }
    match word(32) {
        0 => {}
        method => return bad(format!("is encrypted (method {method} at offset 32), which is not supported"), CONVERT),
    }
    let (features, header_length) = if version == 3 { (long(72), word(100)) } else { (0, 72) };
    for (bit, what) in [
        (DATA_FILE, "keeps its data in another file"),
        (COMPRESSION, "is compressed by another method than zlib"),
        (EXTENDED_L2, "has extended L2 entries"),
    ] {
        if features & bit != 0 {
            return bad(format!("{what}, which is not supported"), CONVERT);
        }
    }
    if features & !KNOWN != 0 {
        return bad(format!("needs features that are not known ({features:#x} at offset 72)"), CONVERT);
    }
    if features & CORRUPT != 0 && write {
        return bad("is marked as corrupt".into(), "repair it by `qemu-img check -r all`, or use `readonly`");
    }
    let (snapshots, write_remedy) =
        (word(60), "use `readonly` or `snapshot`, or delete them by `qemu-img snapshot -d`");
    if snapshots != 0 && write {
        return bad(format!("has {snapshots} internal snapshots, which writing is not supported with"), write_remedy);
    }

    let cluster_bits = word(20);
    if !(9..=21).contains(&cluster_bits) {
        return bad(format!("has clusters of 2^{cluster_bits} bytes (offset 20)"), DAMAGED);
    }
    let (cluster, size) = (1u64 << cluster_bits, long(24));
    if size == 0 || !size.is_multiple_of(512) || size > 1 << 62 {
        return bad(format!("says at offset 24 that the disk has {size} bytes"), DAMAGED);
    }
    // Each entry of an L2 table maps a cluster, and each of L1 a cluster full of L2 entries.
    let (l1_entries, needed) = (u64::from(word(36)), size.div_ceil(cluster << (cluster_bits - 3)));
    if l1_entries < needed || l1_entries > 32 << 20 >> 3 {
        return bad(format!("has {l1_entries} L1 entries (offset 36) where the disk needs {needed}"), DAMAGED);
    }
    let order = if version == 3 { word(96) } else { 4 };
    if order > 6 {
        return bad(format!("has refcounts of 2^{order} bits (offset 96)"), DAMAGED);
    }
    let clusters = u64::from(word(56));
    if clusters == 0 || clusters > (8 << 20) / cluster.min(8 << 20) {
        return bad(format!("has a refcount table of {clusters} clusters (offset 56)"), DAMAGED);
    }
    for (name, at, offset, bytes) in
        [("refcount table", 48, long(48), clusters * cluster), ("L1 table", 40, long(40), l1_entries * 8)]
    {
        let inside = offset >= cluster && offset.checked_add(bytes).is_some_and(|end| end <= length);
        if !inside || !offset.is_multiple_of(cluster) {
            return bad(format!("has its {name} at {offset:#x} (offset {at}), which is no place in the file"), DAMAGED);
        }
    }
    if u64::from(header_length) < 72 || u64::from(header_length) > cluster {
        return bad(format!("has a header of {header_length} bytes (offset 100)"), DAMAGED);
    }
    tables::check(file, path, &Tables { offset: long(40), entries: l1_entries, cluster_bits, length })?;
    let backing = backing(file, path, (long(8), word(16)), u64::from(header_length), cluster.min(length))?;
    Ok(Header {
        size,
        backing,
        version,
        cluster,
        refcount_bits: 1 << order,
        lazy_refcounts: version == 3 && long(80) & LAZY_REFCOUNTS != 0,
        dirty: features & DIRTY != 0,
        corrupt: features & CORRUPT != 0,
        snapshots,
    })
}

/// The backing file's name and format, of which both are in the first cluster.
fn backing(
    file: &File,
    path: &Path,
    (offset, length): (u64, u32),
    header: u64,
    end: u64,
) -> Result<Option<(PathBuf, Option<Format>)>, DiskError> {
    if offset == 0 {
        return Ok(None);
    }
    let read = |offset: u64, bytes: usize| {
        let mut data = vec![0; bytes];
        read_exact_at(file, &mut data, offset).map_err(|error| DiskError::io(path, offset, "read", &error))?;
        Ok::<_, DiskError>(data)
    };
    if length == 0 || length > 1023 || offset.checked_add(length.into()).is_none_or(|last| last > end) {
        return Err(DiskError::new(path, format!("names its backing file at {offset:#x} (offset 8)"), DAMAGED));
    }
    let name = String::from_utf8(read(offset, length as usize)?).map_err(|_| {
        DiskError::new(path, "has a backing file whose name is no UTF-8 text", "rename it, and use `qemu-img rebase`")
    })?;
    let (mut at, mut format) = (header, None);
    while at + 8 <= end.min(offset) {
        let extension = read(at, 8)?;
        let kind = u32::from_be_bytes([extension[0], extension[1], extension[2], extension[3]]);
        let bytes = u32::from_be_bytes([extension[4], extension[5], extension[6], extension[7]]);
        if kind == 0 || at + 8 + u64::from(bytes) > end {
            break;
        }
        if kind == BACKING_FORMAT {
            format = match &read(at + 8, bytes as usize)?[..] {
                b"raw" | b"host_device" | b"file" => Some(Format::Raw),
                b"qcow2" => Some(Format::Qcow2),
                other => {
                    let other = String::from_utf8_lossy(other);
                    return Err(DiskError::new(path, format!("has a backing file of the format `{other}`"), CONVERT));
                }
            };
        }
        at += 8 + u64::from(bytes).next_multiple_of(8);
    }
    Ok(Some((name.into(), format)))
}
