//! `lyrebird image`: disk images without a machine, with the options of `qemu-img`. A link to this program named `qemu-img`
//! does the same.

mod convert;
mod create;
mod info;
mod options;
mod resize;
#[cfg(test)]
mod tests;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// What can be done with an image.
#[derive(Subcommand)]
pub enum ImageCommand {
    /// Make an image
    Create(create::CreateArgs),
    /// Tell what an image is
    Info(info::InfoArgs),
    /// Copy an image into another one, of the same or another format
    Convert(convert::ConvertArgs),
    /// Make an image's disk larger or smaller
    Resize(resize::ResizeArgs),
}

/// Does it.
pub fn main(command: ImageCommand) -> Result<u8> {
    super::start::log(0, &[], None)?;
    match command {
        ImageCommand::Create(arguments) => create::main(&arguments),
        ImageCommand::Info(arguments) => info::main(&arguments),
        ImageCommand::Convert(arguments) => convert::main(&arguments),
        ImageCommand::Resize(arguments) => resize::main(&arguments),
    }
    .map(|()| 0)
}

/// Disk images: make, look at, convert, resize
#[derive(Parser)]
#[command(name = "qemu-img", version, about, long_about = None, arg_required_else_help = true)]
struct Standalone {
    #[command(subcommand)]
    command: ImageCommand,
}

/// The program under the name `qemu-img`.
pub fn standalone(arguments: &[OsString]) -> Result<u8> {
    match Standalone::try_parse_from(arguments) {
        Ok(Standalone { command }) => main(command),
        Err(error) => super::refused(&error, "qemu-img --help"),
    }
}
