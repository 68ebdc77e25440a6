//! Checks and chores of the project, as `cargo xtask ...`.

#![forbid(unsafe_code)]

mod bench;
mod check;
mod command;
mod cpio;
mod disks;
mod guests;
mod screens;
mod selftests;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Checks and chores of the project
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run this program and QEMU on the same guests, and compare
    Bench(bench::BenchArgs),
    /// Check who imports whom, where `unsafe` is, and how long files are
    CheckImports,
    /// Let a Linux guest work on disks, by DMA and PIO, and pull the plug
    Disks(disks::DisksArgs),
    /// Get kernels and busybox from Debian packages, and make initial file systems for them
    Guests(guests::GuestsArgs),
    /// Boot media of others through firmware, and look at the screen
    Screens(screens::ScreensArgs),
    /// Run Linux's own x86 tests in a guest
    Selftests(selftests::SelftestsArgs),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Bench(arguments) => bench::main(&arguments),
        Chore::CheckImports => check::main(),
        Chore::Disks(arguments) => disks::main(&arguments),
        Chore::Guests(arguments) => guests::main(&arguments),
        Chore::Screens(arguments) => screens::main(&arguments),
        Chore::Selftests(arguments) => selftests::main(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
