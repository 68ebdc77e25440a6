//! `lyrebird image info`.

use super::options::{FORMATS, format, people};
use anyhow::{Result, bail};
use clap::ValueEnum;
use host::disk::Format;
use host::disk::image::{Info, info};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A longer chain goes in circles.
const LONGEST_CHAIN: usize = 32;

/// What it takes.
#[derive(clap::Args)]
pub struct InfoArgs {
    /// The image
    file: PathBuf,
    /// Format of the image; without this, its first bytes tell
    #[arg(short, value_name = FORMATS, value_parser = format)]
    format: Option<Format>,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Also the backing files, one after the other
    #[arg(long)]
    backing_chain: bool,
    /// For qemu-img's users: images in use are always looked at
    #[arg(short = 'U', long, hide = true)]
    force_share: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Human,
    Json,
}

/// Tells it.
pub fn main(arguments: &InfoArgs) -> Result<()> {
    let mut chain = vec![(arguments.file.clone(), info(&arguments.file, arguments.format)?)];
    if arguments.backing_chain {
        while let Some(backing) = chain.last().and_then(|(_, info)| info.qcow2.as_ref()?.backing.clone()) {
            if chain.len() > LONGEST_CHAIN {
                bail!(
                    "`{}` has more than {LONGEST_CHAIN} backing files: leave --backing-chain out",
                    chain[0].0.display()
                );
            }
            let below = info(&backing.path, backing.format)?;
            chain.push((backing.path, below));
        }
    }
    match arguments.output {
        Output::Human => {
            let texts: Vec<String> = chain.iter().map(|(path, info)| human(path, info)).collect();
            print!("{}", texts.join("\n"));
        }
        Output::Json if arguments.backing_chain => {
            let all: Vec<Value> = chain.iter().map(|(path, info)| for_programs(path, info)).collect();
            println!("{:#}", Value::from(all));
        }
        Output::Json => println!("{:#}", for_programs(&chain[0].0, &chain[0].1)),
    }
    Ok(())
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
    }
}

fn compat(version: u32) -> &'static str {
    if version == 2 { "0.10" } else { "1.1" }
}

pub(super) fn human(path: &Path, info: &Info) -> String {
    let mut text = format!(
        "image: {}\nfile format: {}\nvirtual size: {} ({} bytes)\ndisk size: {}\n",
        path.display(),
        name(info.format),
        people(info.size),
        info.size,
        people(info.allocated)
    );
    let mut line = |words: String| text.push_str(&(words + "\n"));
    if info.in_use {
        line("in use: by another program, which may be changing it".into());
    }
    if let Some(qcow2) = &info.qcow2 {
        line(format!("cluster_size: {}", qcow2.cluster));
        if let Some(backing) = &qcow2.backing {
            let actual = match backing.path == backing.name {
                true => String::new(),
                false => format!(" (actual path: {})", backing.path.display()),
            };
            line(format!("backing file: {}{actual}", backing.name.display()));
            if let Some(format) = backing.format {
                line(format!("backing file format: {}", name(format)));
            }
        }
        if qcow2.dirty {
            line("cleanly shut down: no".into());
        }
        if qcow2.snapshots != 0 {
            line(format!("internal snapshots: {}", qcow2.snapshots));
        }
        line("Format specific information:".into());
        line(format!("    compat: {}", compat(qcow2.version)));
        line("    compression type: zlib".into());
        if qcow2.version >= 3 {
            line(format!("    lazy refcounts: {}", qcow2.lazy_refcounts));
            line(format!("    refcount bits: {}", qcow2.refcount_bits));
            line(format!("    corrupt: {}", qcow2.corrupt));
            line("    extended l2: false".into());
        } else {
            line(format!("    refcount bits: {}", qcow2.refcount_bits));
        }
    }
    text
}

pub(super) fn for_programs(path: &Path, info: &Info) -> Value {
    let mut value = json!({
        "filename": path.display().to_string(),
        "format": name(info.format),
        "virtual-size": info.size,
        "actual-size": info.allocated,
        "dirty-flag": info.qcow2.as_ref().is_some_and(|qcow2| qcow2.dirty),
        "in-use": info.in_use,
    });
    if let Some(qcow2) = &info.qcow2 {
        let mut data = json!({
            "compat": compat(qcow2.version),
            "compression-type": "zlib",
            "refcount-bits": qcow2.refcount_bits,
        });
        if qcow2.version >= 3 {
            data["lazy-refcounts"] = qcow2.lazy_refcounts.into();
            data["corrupt"] = qcow2.corrupt.into();
            data["extended-l2"] = false.into();
        }
        value["cluster-size"] = qcow2.cluster.into();
        value["format-specific"] = json!({ "type": "qcow2", "data": data });
        if let Some(backing) = &qcow2.backing {
            value["backing-filename"] = backing.name.display().to_string().into();
            value["full-backing-filename"] = backing.path.display().to_string().into();
            if let Some(format) = backing.format {
                value["backing-filename-format"] = name(format).into();
            }
        }
    }
    value
}
