//! What `-o` takes, sizes, and formats.

use crate::cli::nearest::nearest;
use anyhow::{Result, anyhow, bail};
use host::disk::Format;
use host::disk::image::{Backing, Create, Preallocation};
use std::path::PathBuf;

/// The options of `-o` that change something here.
const KEYS: [&str; 8] = [
    "size",
    "backing_file",
    "backing_fmt",
    "cluster_size",
    "refcount_bits",
    "preallocation",
    "compat",
    "lazy_refcounts",
];

/// A number of bytes, as `qemu-img` reads it: without a unit it is bytes, and units are powers of 1024.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write bytes, or a unit as in 512M, 10G, 1.5T");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_uppercase().trim_end_matches("IB") {
        "" | "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        "P" => 50,
        "E" => 60,
        _ => return Err(wrong()),
    };
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(1 << shift).ok_or_else(wrong);
    }
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * (1u64 << shift) as f64;
    if bytes < i64::MAX as f64 { Ok(bytes as u64) } else { Err(wrong()) }
}

/// An image format.
pub fn format(text: &str) -> Result<Format, String> {
    crate::cli::drive::format(text)
}

/// Where a new image's properties come together.
pub struct Wanted<'a> {
    /// `-f` or `-O`.
    pub format: Format,
    /// The size's own argument.
    pub size: Option<u64>,
    /// `-b` or `-B`.
    pub backing: Option<PathBuf>,
    /// `-F`.
    pub backing_format: Option<Format>,
    /// `-u`.
    pub unchecked: bool,
    /// `-o`.
    pub options: &'a [String],
}

impl Wanted<'_> {
    /// All of it as what is to be made.
    pub fn create(self) -> Result<Create> {
        let mut create = Create::new(self.format, self.size);
        let (mut backing, mut backing_format) = (self.backing, self.backing_format);
        for option in self.options.iter().flat_map(|options| crate::cli::qemu::split_commas(options)) {
            let (key, value) = option.split_once('=').unwrap_or((&option, "on"));
            let wrong = |text: String| anyhow!("-o {key}: {text}");
            let only = |here: &[&str], why: &str| match here.contains(&value) {
                true => Ok(()),
                false => Err(anyhow!("-o {key}={value} is not supported ({why}): leave it out")),
            };
            match key {
                "size" => create.size = Some(bytes(value).map_err(wrong)?),
                "backing_file" => backing = Some(value.into()),
                "backing_fmt" => backing_format = Some(format(value).map_err(wrong)?),
                "cluster_size" => create.cluster_size = Some(bytes(value).map_err(wrong)?),
                "refcount_bits" => {
                    let bits = value.parse().map_err(|_| wrong(format!("`{value}` is no number of bits: use 16")))?;
                    create.refcount_bits = Some(bits);
                }
                "preallocation" => {
                    create.preallocation = match value {
                        "off" => Preallocation::Off,
                        "metadata" => Preallocation::Metadata,
                        "falloc" => Preallocation::Allocate,
                        "full" => Preallocation::Full,
                        _ => bail!("-o preallocation={value}: use off, metadata, falloc or full"),
                    }
                }
                "compat" => only(&["1.1", "v3"], "new qcow2 images are of version 3, which QEMU reads since 1.1")?,
                "lazy_refcounts" => only(&["off"], "refcounts are kept up to date")?,
                "extended_l2" | "data_file_raw" | "encryption" => only(&["off"], "new images do not have that")?,
                "compression_type" => only(&["zlib"], "zlib is the only method")?,
                // What the host's file system should do; it does without.
                "nocow" | "extent_size_hint" => {}
                "help" | "?" => bail!("-o takes: {}", KEYS.join(", ")),
                _ => {
                    let near = nearest(key, KEYS).unwrap_or_default();
                    bail!("-o knows no `{key}`; the nearest known is `{near}` (known: {})", KEYS.join(", "));
                }
            }
        }
        if backing.is_none() && backing_format.is_some() {
            bail!("-F says what format the backing file has: give that file by -b");
        }
        let unchecked = self.unchecked;
        create.backing = backing.map(|file| Backing { file, format: backing_format, unchecked });
        Ok(create)
    }
}

/// The help of `-f`.
pub const FORMATS: &str = "raw or qcow2";

/// Bytes for people: `1.5 GiB`.
pub fn people(bytes: u64) -> String {
    let mut unit = 0;
    let mut shown = bytes as f64;
    while shown >= 1000.0 && unit < 6 {
        shown /= 1024.0;
        unit += 1;
    }
    // Three digits, as qemu-img shows them.
    let digits = match shown {
        shown if shown >= 100.0 => 0,
        shown if shown >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{shown:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {}", ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][unit])
}
