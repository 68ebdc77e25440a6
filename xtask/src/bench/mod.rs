//! `cargo xtask bench`: this program and QEMU on the same guests, one after the other, on this machine. What counts is the CPU
//! time of the whole process, all its threads included; on a machine that others use too, only the ratios mean something.

mod loops;
mod process;
mod table;
mod work;

use crate::{check, command};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use table::Row;

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// What to run: amd64 and 686 (kernels to their first program), amd64-kept (with what an earlier run
    /// has translated), busybox-amd64 and busybox-686 (the benchmark in them),
    /// loops (compared with the host's CPU), disk (Debian to its login). Without a name: all that can be run
    names: Vec<String>,
    /// The folder of `cargo xtask guests`
    #[arg(long, default_value = "target/guests")]
    dir: PathBuf,
    /// Which engine of this program
    #[arg(long, default_value = "jit")]
    engine: String,
    /// This program, if it is not to be built
    #[arg(long)]
    program: Option<PathBuf>,
    /// Options to add to this program's command line
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    options: String,
    /// What to compare with
    #[arg(long, default_value = "qemu-system-x86_64")]
    qemu: String,
    /// Run this program alone
    #[arg(long)]
    no_qemu: bool,
    /// Run everything so often, and take the best of each
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Seconds for one run of one guest
    #[arg(long, default_value_t = 900)]
    timeout: u64,
    /// Put the rows into docs/SPEC.md, where they replace those of the same work and engine
    #[arg(long)]
    save: bool,
}

/// Runs, prints, and keeps the table if asked to.
pub fn main(arguments: &BenchArgs) -> Result<()> {
    let all = work::all(&arguments.dir);
    if let Some(unknown) = arguments.names.iter().find(|name| !all.iter().any(|work| work.name == **name)) {
        let known: Vec<&str> = all.iter().map(|work| work.name).collect();
        bail!("there is no work `{unknown}`: known are {}", known.join(", "));
    }
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build(&arguments.engine)?,
    };
    let qemu = (!arguments.no_qemu).then(|| arguments.qemu.clone());
    if let Some(qemu) = &qemu {
        command::output(Command::new(qemu).arg("--version"))
            .with_context(|| "there is nothing to compare with: apt-get install qemu-system-x86, or use --no-qemu")?;
    }
    let wanted = |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|other| other == name);
    let mut rows: Vec<Row> = Vec::new();
    for work in all.iter().filter(|work| wanted(work.name)) {
        if let Some(missing) = work.missing() {
            let said = format!("{} needs {}: run `cargo xtask guests {}", work.name, missing.display(), work.make);
            if !arguments.names.is_empty() {
                bail!("{said}`");
            }
            eprintln!("skipped: {said}`");
            continue;
        }
        if work.name == work::LOOPS {
            rows.extend(loops::rows(&arguments.engine)?);
            continue;
        }
        let limit = Duration::from_secs(arguments.timeout);
        let folder = arguments.dir.join("bench-translations");
        let kept = if work.kept { folder.display().to_string() } else { "none".into() };
        if work.kept {
            if arguments.engine == "interp" {
                continue; // it translates nothing
            }
            let _ = std::fs::remove_dir_all(&folder);
            process::run(&work.ours(&program, &arguments.engine, &kept, &arguments.options), &work.marks, limit)?;
        }
        let (mut ours, mut theirs) = (None, None);
        for _ in 0..arguments.runs.max(1) {
            let words = work.ours(&program, &arguments.engine, &kept, &arguments.options);
            process::better(&mut ours, process::run(&words, &work.marks, limit)?);
            if let Some(qemu) = &qemu {
                process::better(&mut theirs, process::run(&work.qemu(qemu), &work.marks, limit)?);
            }
        }
        let ours = ours.context("nothing was run")?;
        rows.extend(work.rows(&ours, theirs.as_ref()));
    }
    print!("{}", table::text(&rows));
    if arguments.save {
        let spec = check::metadata()?.workspace_root().join("docs/SPEC.md");
        table::save(&spec, &arguments.engine, &rows)?;
    }
    Ok(())
}

/// Builds the program and gives its path.
fn build(engine: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--package", "lyrebird", "--bin", "lyrebird"]);
    if engine == "interp" {
        build.arg("--no-default-features"); // without Cranelift it builds in a third of the time
    }
    command::run(&mut build)?;
    Ok(check::metadata()?.target_directory.join("release/lyrebird"))
}
