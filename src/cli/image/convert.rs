//! `lyrebird image convert`.

use super::options::{FORMATS, Wanted, bytes, format};
use anyhow::{Result, bail};
use host::disk::Format;
use host::disk::image::{Conversion, Target, convert};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What takes longer than this shows how far it is.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it does.
const PACE: Duration = Duration::from_millis(100);

/// What it takes.
#[derive(clap::Args)]
pub struct ConvertArgs {
    /// The image to copy
    from: PathBuf,
    /// The image to make; what has that name is overwritten, unless it is in use
    to: PathBuf,
    /// Format of the first image; without this, its first bytes tell
    #[arg(short, value_name = FORMATS, value_parser = format)]
    format: Option<Format>,
    /// Format of the second image
    #[arg(short = 'O', value_name = FORMATS, default_value = "raw", value_parser = format)]
    output_format: Format,
    /// The image under the second one: only what differs from it is written
    #[arg(short = 'B', value_name = "FILE")]
    backing: Option<PathBuf>,
    /// Format of the backing file; without this, its first bytes tell
    #[arg(short = 'F', value_name = FORMATS, value_parser = format)]
    backing_format: Option<Format>,
    /// More options of the second image, as for `create`
    #[arg(short, value_name = "KEY=VALUE,...")]
    options: Vec<String>,
    /// Write into an image or a device that is there, and is large enough
    #[arg(short)]
    no_create: bool,
    /// So many zeroes become a hole; 0 for none
    #[arg(short = 'S', value_name = "SIZE", default_value = "4k", value_parser = bytes)]
    sparse: u64,
    /// Show how far it is
    #[arg(short)]
    progress: bool,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// For qemu-img's users: images are not written compressed
    #[arg(short, hide = true)]
    compress: bool,
    /// For qemu-img's users: how many at a time, in which order, by which caches
    #[arg(short = 'm', hide = true)]
    coroutines: Option<u32>,
    #[arg(short = 'W', hide = true)]
    out_of_order: bool,
    #[arg(short = 't', hide = true)]
    cache: Option<String>,
    #[arg(short = 'T', hide = true)]
    source_cache: Option<String>,
}

/// Copies it.
pub fn main(arguments: &ConvertArgs) -> Result<()> {
    if arguments.compress {
        bail!("-c is not supported: images are read compressed, and not written so. Leave it out");
    }
    if !arguments.sparse.is_multiple_of(512) || arguments.sparse > 2 << 20 {
        bail!("-S {}: use 0, or a multiple of 512 up to 2M", arguments.sparse);
    }
    let target = if arguments.no_create {
        if !arguments.options.is_empty() || arguments.backing.is_some() {
            bail!("-n writes into what is there, so that -o and -B change nothing: leave them out");
        }
        Target::There(Some(arguments.output_format))
    } else {
        let wanted = Wanted {
            format: arguments.output_format,
            size: None,
            backing: arguments.backing.clone(),
            backing_format: arguments.backing_format,
            unchecked: false,
            options: &arguments.options,
        };
        Target::New(wanted.create()?)
    };
    let conversion = Conversion {
        from: &arguments.from,
        format: arguments.format,
        to: &arguments.to,
        target,
        sparse: arguments.sparse,
    };
    let mut meter = Meter::new(arguments.progress && !arguments.quiet, !arguments.quiet);
    let converted = convert(&conversion, &mut |done, all| meter.show(done, all));
    meter.end();
    Ok(converted?)
}

/// Says how far it is: on standard output if asked for, else on the terminal if it takes its time.
struct Meter {
    asked: bool,
    allowed: bool,
    begun: Instant,
    shown: Option<Instant>,
}

impl Meter {
    fn new(asked: bool, allowed: bool) -> Self {
        let allowed = allowed && std::io::stderr().is_terminal();
        Meter { asked, allowed, begun: Instant::now(), shown: None }
    }

    fn show(&mut self, done: u64, all: u64) {
        let wanted = self.asked || self.allowed && self.begun.elapsed() > PATIENCE;
        if !wanted || done != all && self.shown.is_some_and(|last| last.elapsed() < PACE) {
            return;
        }
        self.shown = Some(Instant::now());
        let text = format!("    ({:.2}/100%)\r", done as f64 * 100.0 / all.max(1) as f64);
        // A meter that cannot be seen is no reason to stop.
        if self.asked {
            print!("{text}");
            _ = std::io::stdout().flush();
        } else {
            eprint!("{text}");
        }
    }

    fn end(&self) {
        match (self.shown, self.asked) {
            (None, _) => {}
            (Some(_), true) => println!(),
            (Some(_), false) => say!(),
        }
    }
}
