//! ROM images that the user gives: a firmware, a display adapter's video BIOS. What cannot be one is refused, with a remedy.

use anyhow::{Result, anyhow, bail};
use std::ops::RangeInclusive;
use std::path::Path;

/// The firmware's sizes: it must hold the reset vector's segment and fit below 4 GiB beside the APICs.
const BIOS_SIZES: RangeInclusive<u64> = 64 << 10..=16 << 20;
/// From C0000h up to where other adapters' ROMs begin.
const LARGEST_VIDEO_BIOS: usize = 64 << 10;

/// A firmware that takes the place of ours.
pub fn read_bios(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_rom(path, "firmware")?;
    let size = bytes.len() as u64;
    if !BIOS_SIZES.contains(&size) || !size.is_multiple_of(64 << 10) {
        bail!(
            "the firmware `{}` has {size} bytes, which is no size of a ROM: it must be 64 KiB to 16 MiB, in steps of 64 KiB",
            path.display()
        );
    }
    Ok(bytes)
}

/// A ROM of the display adapter, which says itself how long it is (in the byte after its signature, in 512 bytes).
pub fn read_video_bios(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_rom(path, "video BIOS")?;
    let says = match bytes[..] {
        [0x55, 0xaa, blocks, ..] => usize::from(blocks) * 512,
        _ => bail!("`{}` is no video BIOS, which begins with the bytes 55 AA: give another file", path.display()),
    };
    if bytes.len() < says || bytes.len() > LARGEST_VIDEO_BIOS {
        bail!(
            "the video BIOS `{}` has {} bytes, and should have {says} as it says, at most 64 KiB: copy it again, or give another",
            path.display(),
            bytes.len()
        );
    }
    Ok(bytes)
}

fn read_rom(path: &Path, what: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        anyhow!("cannot read the {what} `{}` ({error}): give the path of a file that can be read", path.display())
    })
}
