//! `lyrebird image create`.

use super::options::{FORMATS, Wanted, bytes, format};
use anyhow::Result;
use host::disk::Format;
use host::disk::image::create;
use std::path::PathBuf;

/// What it takes.
#[derive(clap::Args)]
pub struct CreateArgs {
    /// The image to make; what has that name is overwritten, unless it is in use
    file: PathBuf,
    /// Size of the disk, in bytes or as in 10G; not needed with a backing file
    #[arg(value_parser = bytes)]
    size: Option<u64>,
    /// Format of the image
    #[arg(short, value_name = FORMATS, default_value = "raw", value_parser = format)]
    format: Format,
    /// The image under this one, from which everything is read that was never written here
    #[arg(short, value_name = "FILE")]
    backing: Option<PathBuf>,
    /// Format of the backing file; without this, its first bytes tell
    #[arg(short = 'F', value_name = FORMATS, value_parser = format)]
    backing_format: Option<Format>,
    /// The backing file need not be there
    #[arg(short)]
    unchecked: bool,
    /// More options: cluster_size=, refcount_bits=, preallocation=off|metadata|falloc|full, ...
    #[arg(short, value_name = "KEY=VALUE,...")]
    options: Vec<String>,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
}

/// Makes it.
pub fn main(arguments: &CreateArgs) -> Result<()> {
    let wanted = Wanted {
        format: arguments.format,
        size: arguments.size,
        backing: arguments.backing.clone(),
        backing_format: arguments.backing_format,
        unchecked: arguments.unchecked,
        options: &arguments.options,
    };
    let size = create(&arguments.file, &wanted.create()?)?;
    if !arguments.quiet {
        let format = if arguments.format == Format::Raw { "raw" } else { "qcow2" };
        println!("Formatting '{}', fmt={format} size={size}", arguments.file.display());
    }
    Ok(())
}
