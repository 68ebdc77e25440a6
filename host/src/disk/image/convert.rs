//! Copies one image into another, whatever their formats, and leaves out what is zero.

use super::super::{DiskError, Format};
use super::Image;
use super::create::{Create, create};
use lyrebird_core::BlockError;
use lyrebird_core::block::SECTOR;
use std::path::Path;

/// Bytes read at a time.
const CHUNK: u64 = 2 << 20;

/// Where a copy goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// A new image. Its size is that of the source, if it has none of its own.
    New(Create),
    /// An image or a host's device that is there, of this format.
    There(Option<Format>),
}

/// What is to be copied.
#[derive(Clone, Debug)]
pub struct Conversion<'a> {
    /// The source.
    pub from: &'a Path,
    /// Its format; its first bytes tell if nobody says.
    pub format: Option<Format>,
    /// The target.
    pub to: &'a Path,
    /// What it is to be.
    pub target: Target,
    /// This many zeroes, on a border of as many, become a hole; 0 for none.
    pub sparse: u64,
}

/// Copies. `progress` hears how many bytes of how many are done.
pub fn convert(what: &Conversion<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<(), DiskError> {
    let mut source = Image::open(what.from, what.format, false)?;
    if let (Ok(from), Ok(to)) = (what.from.canonicalize(), what.to.canonicalize())
        && from == to
    {
        return Err(DiskError::new(what.to, "would be copied onto itself", "give the copy another name"));
    }
    let size = source.size();
    let is_new = !what.to.exists();
    let (mut target, how) = match &what.target {
        Target::New(how) => {
            let create_how = Create { size: Some(how.size.unwrap_or(size).max(size)), ..how.clone() };
            create(what.to, &create_how)?;
            (Image::open(what.to, Some(how.format), true)?, Some(create_how))
        }
        Target::There(format) => (Image::open(what.to, *format, true)?, None),
    };
    let room = target.size();
    if room < size {
        let problem = format!("has {room} bytes, and `{}` needs {size}", what.from.display());
        return Err(DiskError::new(what.to, problem, "make it larger by `resize`"));
    }
    // A new image without anything under it is zero, and need not be read.
    let blank = how.as_ref().is_some_and(|how| how.backing.is_none());
    let cluster = how.and_then(|how| how.cluster_size).unwrap_or(0x1_0000);
    let piece = match &target {
        Image::Qcow2(_) => cluster.max(what.sparse),
        Image::Raw(_) if what.sparse == 0 => CHUNK,
        Image::Raw(_) => what.sparse,
    };
    let plan =
        Plan { size, blank, piece: piece.next_multiple_of(SECTOR as u64).min(CHUNK) as usize, dense: what.sparse == 0 };
    let copied = copy(&mut source, &mut target, &plan, progress);
    drop(target);
    if copied.is_err() && is_new {
        _ = std::fs::remove_file(what.to);
    }
    copied.map_err(|error| {
        let problem = format!("cannot be copied to `{}` ({error})", what.to.display());
        DiskError::new(what.from, problem, "see what is wrong there, and start again")
    })
}

struct Plan {
    size: u64,
    /// The target has only zeroes.
    blank: bool,
    /// Bytes that are looked at together, to be written or left out.
    piece: usize,
    /// Zeroes are written too.
    dense: bool,
}

fn copy(
    source: &mut Image,
    target: &mut Image,
    plan: &Plan,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), BlockError> {
    let (mut data, mut there) = (vec![0; CHUNK as usize], vec![0; if plan.blank { 0 } else { CHUNK as usize }]);
    let mut at = 0;
    while at < plan.size {
        progress(at, plan.size);
        let bytes = CHUNK.min(plan.size - at);
        if plan.blank && !plan.dense {
            let (has_data, length) = source.extent(at, plan.size - at);
            // Only whole sectors, and chunks that begin where they would begin without the hole.
            let skip = if length == plan.size - at { length } else { length / CHUNK * CHUNK };
            if !has_data && skip != 0 {
                at += skip;
                continue;
            }
        }
        let first = at / SECTOR as u64;
        let data = &mut data[..bytes as usize];
        source.device().read_at(first, data)?;
        if plan.blank {
            write(target, first, data, plan.piece, |_, piece| plan.dense || !is_zero(piece))?;
        } else {
            let there = &mut there[..bytes as usize];
            target.device().read_at(first, there)?;
            write(target, first, data, plan.piece, |n, piece| there[n..n + piece.len()] != *piece)?;
        }
        at += bytes;
    }
    target.device().flush()?;
    progress(plan.size, plan.size);
    Ok(())
}

/// Writes those pieces that are wanted, neighbours at once.
fn write(
    target: &mut Image,
    first: u64,
    data: &[u8],
    piece: usize,
    wanted: impl Fn(usize, &[u8]) -> bool,
) -> Result<(), BlockError> {
    let mut run = 0..0;
    let mut flush = |run: std::ops::Range<usize>| match run.is_empty() {
        true => Ok(()),
        false => target.device().write_at(first + (run.start / SECTOR) as u64, &data[run]),
    };
    for (n, bytes) in data.chunks(piece).enumerate() {
        let at = n * piece;
        if !wanted(at, bytes) {
            continue;
        }
        if run.end != at {
            flush(std::mem::replace(&mut run, at..at))?;
        }
        run.end = at + bytes.len();
    }
    flush(run)
}

fn is_zero(data: &[u8]) -> bool {
    let (words, rest) = data.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}
