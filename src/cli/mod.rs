//! The command line: `lyrebird run` with options of our own, and `lyrebird qemu` (or the program under QEMU's name) with
//! QEMU's. Both make a [`spec::MachineSpec`]; [`assemble`] makes a machine of it and [`start`] runs that to its end.

mod assemble;
pub mod boot_order;
#[cfg(feature = "jit")]
mod cache;
mod clock;
pub mod drive;
mod front;
mod image;
mod models;
pub mod nearest;
pub mod qemu;
mod rom;
mod run;
pub mod screen;
pub mod script;
pub mod size;
pub mod spec;
#[cfg(test)]
mod spec_tests;
mod start;
mod watch;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// A whole x86 PC in software.
#[derive(Parser)]
#[command(name = "lyrebird", version, about, long_about = None, after_help = EXAMPLES, subcommand_required = true)]
#[command(arg_required_else_help = true, infer_subcommands = false, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a machine
    Run(Box<run::RunArgs>),
    /// Show a tour of a PC, with a self-test; so does the program without any argument
    ///
    /// The guest is one that the program carries, and needs nothing else. It takes the options of `run`.
    Tour(Box<run::RunArgs>),
    /// Run a machine, with QEMU's own options
    ///
    /// A link to this program named qemu-system-x86_64 or qemu-system-i386 does the same. `lyrebird qemu -help` lists the
    /// options.
    #[command(disable_help_flag = true)]
    Qemu {
        /// QEMU's options, as in `-m 1G -kernel vmlinuz -nographic`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Make disk images, look at them, convert and resize them
    ///
    /// The options are those of qemu-img, and a link to this program with that name does the same.
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Look at the translated code that is kept from run to run, check it, or delete it
    #[cfg(feature = "jit")]
    #[command(subcommand)]
    Cache(cache::CacheCommand),
}

const EXAMPLES: &str = "\
Examples:
  lyrebird
      shows a small guest that the program carries: a tour of a PC, and a self-test
  lyrebird run --kernel vmlinuz --initrd initrd.gz --append console=ttyS0
      boots Linux; its serial console is this terminal (Ctrl-A x ends it, Ctrl-A h helps)
  lyrebird run -m 64M --debug-exit 0xf4,4 --no-reboot kernel.elf
      runs a multiboot kernel; writing v to port 0xf4 ends it with exit code 2v+1
  lyrebird qemu -m 1G -kernel vmlinuz -append console=ttyS0 -nographic
      the same habits as with qemu-system-x86_64
  lyrebird image create -f qcow2 disk.qcow2 10G
      makes a disk for a new machine, which takes space as it is filled";

/// The whole program: reads the process's arguments, gives its exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let program = arguments.first().map(Path::new);
    let result = match qemu::Flavour::of_program(program) {
        Some(flavour) => qemu::main(flavour, &arguments[1..]),
        None if program.and_then(Path::file_stem).is_some_and(|name| name == "qemu-img") => {
            image::standalone(&arguments)
        }
        None => own(&arguments),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say!("lyrebird: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn own(arguments: &[OsString]) -> anyhow::Result<u8> {
    // clap would take QEMU's -help for -h: the second front end gets its arguments untouched.
    if arguments.get(1).is_some_and(|word| word == "qemu") {
        return qemu::main(qemu::Flavour::X86_64, &arguments[2..]);
    }
    // A person who starts the program sees something; one whose program starts it reads what it can do.
    if arguments.len() <= 1 {
        let around = screen::Surroundings::find(&spec::MachineSpec::default());
        if around.terminal || around.no_window.is_none() {
            return run::tour(run::RunArgs::default());
        }
    }
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Command::Run(arguments) }) => run::main(*arguments),
        Ok(Cli { command: Command::Tour(arguments) }) => run::tour(*arguments),
        Ok(Cli { command: Command::Qemu { arguments } }) => qemu::main(qemu::Flavour::X86_64, &arguments),
        Ok(Cli { command: Command::Image(command) }) => image::main(command),
        #[cfg(feature = "jit")]
        Ok(Cli { command: Command::Cache(command) }) => cache::main(command),
        Err(error) => {
            let image = arguments.get(1).is_some_and(|word| word == "image");
            refused(&error, if image { "lyrebird image --help" } else { "lyrebird run --help" })
        }
    }
}

/// What clap has to say: the help that was asked for, or an error and where to look.
fn refused(error: &clap::Error, help: &str) -> anyhow::Result<u8> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            error.print()?;
            Ok(0)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.print()?;
            Ok(1)
        }
        _ => anyhow::bail!("{}\nlyrebird: try `{help}`", brief(&error.to_string())),
    }
}

/// clap's several lines as one: what is wrong, with its tips.
fn brief(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<&str> = lines.take_while(|line| !line.starts_with("Usage:")).collect();
    let said = said.join("; ");
    let said = said.strip_prefix("error: ").unwrap_or(&said).replace("For more information, try '--help'.", "");
    said.trim_end_matches("; ").to_owned()
}
