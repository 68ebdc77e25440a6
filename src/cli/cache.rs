//! Kept translations on the command line: `--translation-cache` of a run, and `lyrebird cache`.

use super::size::Size;
use super::spec::MachineSpec;
use anyhow::{Context, Result, bail};
use backend_jit::Kept;
use backend_jit::kept::{self, FileReport};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The word instead of a folder for "do not keep them".
const NONE: &str = "none";
/// How much is kept without a word. It is read at each start.
const LIMIT: Size = Size(32 << 20);

/// Where translations are kept without a word: the user's folder for what can be made again.
fn default_folder() -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("lyrebird").join("translations"))
}

/// The kept translations that a machine uses.
pub fn open(spec: &MachineSpec) -> Result<Option<Arc<Kept>>> {
    let shared = super::assemble::threads(spec);
    let limit = spec.translation_cache_size.unwrap_or(LIMIT).0;
    let kept = match &spec.translation_cache {
        Some(word) if word == Path::new(NONE) => return Ok(None),
        Some(folder) => Kept::of_this_host(folder, limit, shared)?,
        None => {
            let Some(folder) = default_folder() else { return Ok(None) };
            // Nobody has asked for it: the machine runs without.
            Kept::of_this_host(&folder, limit, shared).unwrap_or_else(|error| {
                say!("lyrebird: note: translations are not kept: {error}");
                None
            })
        }
    };
    Ok(kept.map(Arc::new))
}

/// What can be done with the folder.
#[derive(Subcommand)]
pub enum CacheCommand {
    /// List the files, with how many translated regions each has
    List(Folder),
    /// Check every translation; the exit code is 1 if any is damaged
    Verify(Folder),
    /// Delete the files, but those that a running program is writing
    Clear(Folder),
}

/// Which folder.
#[derive(Args)]
pub struct Folder {
    /// The folder, if another one was given to --translation-cache
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Folder {
    fn path(self) -> Result<PathBuf> {
        self.folder.or_else(default_folder).context("this user has no folder for caches: name the folder")
    }
}

/// Does it.
pub fn main(command: CacheCommand) -> Result<u8> {
    match command {
        CacheCommand::List(folder) => list(&folder.path()?),
        CacheCommand::Verify(folder) => verify(&folder.path()?),
        CacheCommand::Clear(folder) => clear(&folder.path()?),
    }
}

fn reports(folder: &Path) -> Result<Vec<FileReport>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    Ok(kept::report(folder)?)
}

fn list(folder: &Path) -> Result<u8> {
    let reports = reports(folder)?;
    for FileReport { path, bytes, regions, .. } in &reports {
        let name = path.file_name().unwrap_or_default().display().to_string();
        println!("{name:40} {regions:>8} regions {:>8} KiB", bytes.div_ceil(1024));
    }
    let regions: u64 = reports.iter().map(|report| report.regions).sum();
    let bytes: u64 = reports.iter().map(|report| report.bytes).sum();
    println!("{}: {regions} regions in {} files, {} KiB", folder.display(), reports.len(), bytes.div_ceil(1024));
    Ok(0)
}

fn verify(folder: &Path) -> Result<u8> {
    let mut bad = 0;
    let mut regions = 0;
    for FileReport { path, set, regions: good, damaged, cut_off, .. } in reports(folder)? {
        regions += good;
        if set.is_none() {
            println!("{}: is no file of kept translations, or its beginning is damaged", path.display());
        } else if damaged > 0 {
            println!("{}: {damaged} of {} translations are damaged", path.display(), good + damaged);
        } else if cut_off > 0 {
            // A program that was killed leaves this; nothing is wrong with the rest.
            println!("{}: the last translation was cut off ({cut_off} bytes)", path.display());
            continue;
        } else {
            continue;
        }
        bad += 1;
    }
    if bad > 0 {
        bail!(
            "{bad} files are damaged; what is damaged is never executed; `lyrebird cache clear` makes room for new ones"
        );
    }
    println!("{}: all {regions} translations are whole", folder.display());
    Ok(0)
}

fn clear(folder: &Path) -> Result<u8> {
    if !folder.exists() {
        println!("{}: there is nothing", folder.display());
        return Ok(0);
    }
    let (files, bytes, left) = kept::clear(folder)?;
    println!("{}: deleted {files} files, {} KiB", folder.display(), bytes.div_ceil(1024));
    if left > 0 {
        println!("{left} files stay: running programs are writing them");
    }
    Ok(0)
}
