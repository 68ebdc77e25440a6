//! `lyrebird image resize`.

use super::options::{FORMATS, bytes, format};
use anyhow::Result;
use host::disk::Format;
use host::disk::image::{Change, resize};
use std::path::PathBuf;

/// What it takes.
#[derive(clap::Args)]
pub struct ResizeArgs {
    /// The image
    file: PathBuf,
    /// The new size, or +SIZE or -SIZE for a change
    #[arg(value_name = "[+|-]SIZE", value_parser = change, allow_hyphen_values = true)]
    size: Change,
    /// Format of the image; without this, its first bytes tell
    #[arg(short, value_name = FORMATS, value_parser = format)]
    format: Option<Format>,
    /// Let the disk become smaller; what is beyond its new end is lost
    #[arg(long)]
    shrink: bool,
    /// For qemu-img's users: off
    #[arg(long, hide = true, value_parser = ["off"])]
    preallocation: Option<String>,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
}

fn change(text: &str) -> Result<Change, String> {
    if let Some(more) = text.strip_prefix('+') {
        return bytes(more).map(Change::Grow);
    }
    match text.strip_prefix('-') {
        Some(less) => bytes(less).map(Change::Shrink),
        None => bytes(text).map(Change::To),
    }
}

/// Resizes it.
pub fn main(arguments: &ResizeArgs) -> Result<()> {
    let (old, new) = resize(&arguments.file, arguments.format, arguments.size, arguments.shrink)?;
    if !arguments.quiet {
        println!("Image resized: {old} to {new} bytes.");
    }
    Ok(())
}
