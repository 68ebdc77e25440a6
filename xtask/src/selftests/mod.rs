//! `cargo xtask selftests`: Linux's own tests of how x86 behaves (tools/testing/selftests/x86), built here, run in a guest. They try
//! what emulators get wrong: single-stepping, strange selectors, V86 mode, sigreturn, x87 corner cases.

mod build;
mod report;
mod run;

use crate::guests::apt::Apt;
use crate::{check, command};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What `cargo xtask selftests` takes.
#[derive(clap::Args)]
pub struct SelftestsArgs {
    /// The folder of `cargo xtask guests`: its cloud kernel and busybox are used, and the tests are built there
    dir: PathBuf,
    /// An unpacked Linux source tree; without it, Debian's linux-source package is fetched
    #[arg(long)]
    source: Option<PathBuf>,
    /// The kernel to run them on
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// Only the 32-bit tests (a 32-bit kernel can run no others)
    #[arg(long)]
    only32: bool,
    /// Seconds for all tests together
    #[arg(long, default_value_t = 1800)]
    timeout: u64,
    /// Another emulator, to compare: its command line, with {kernel}, {initrd} and {append}, and the guest's serial line on its
    /// standard output
    #[arg(long)]
    emulator: Option<String>,
    /// Options to add to our own command line
    #[arg(long, allow_hyphen_values = true)]
    options: Option<String>,
    /// Where to put all that the guest printed
    #[arg(long)]
    log: Option<PathBuf>,
    /// Build the tests again
    #[arg(long)]
    rebuild: bool,
}

const OUR_COMMAND: &str =
    "run --memory 512M --no-reboot --serial stdio --kernel {kernel} --initrd {initrd} --append {append}";

/// Builds what is missing, runs, reports. Fails if a test does.
pub fn main(arguments: &SelftestsArgs) -> Result<()> {
    let images = arguments.dir.join("img");
    let initrd = images.join("initrd-selftests.gz");
    if arguments.rebuild || !initrd.exists() {
        let source = match &arguments.source {
            Some(source) => source.clone(),
            None => fetch_source(&arguments.dir)?,
        };
        build::initramfs(&source, &images.join("busybox-amd64"), &arguments.dir.join("selftests"), &initrd)?;
    }
    let kernel = arguments.kernel.clone().unwrap_or_else(|| images.join("vmlinuz-cloud-amd64"));
    for file in [&kernel, &initrd] {
        if !file.exists() {
            bail!("{} is missing: run `cargo xtask guests {}` first", file.display(), arguments.dir.display());
        }
    }
    let only32 = if arguments.only32 { " only32" } else { "" };
    let append = format!("console=ttyS0,115200 panic=-1 quiet vsyscall=emulate{only32}");
    let words = match &arguments.emulator {
        Some(template) => run::words(template, &kernel, &initrd, &append),
        None => {
            let options = arguments.options.as_deref().unwrap_or_default();
            let program = ours()?.display().to_string();
            [vec![program], run::words(&format!("{OUR_COMMAND} {options}"), &kernel, &initrd, &append)].concat()
        }
    };
    let text = run::guest(&words, Duration::from_secs(arguments.timeout))?;
    if let Some(log) = &arguments.log {
        std::fs::write(log, &text).with_context(|| format!("{} cannot be written", log.display()))?;
    }
    report::report(&report::results(&text))
}

/// Builds the emulator and gives its path.
fn ours() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command::run(Command::new(cargo).args(["build", "--release", "--package", "lyrebird", "--bin", "lyrebird"]))?;
    Ok(check::metadata()?.target_directory.join("release/lyrebird"))
}

/// Debian's source of the kernel, unpacked as far as the tests need it.
fn fetch_source(dir: &Path) -> Result<PathBuf> {
    let mut apt = Apt::new(dir, None, false)?;
    let package = apt.get("linux-source-6.1", "linux-source", &["./usr/src"])?;
    let tree = package.join("linux-source-6.1");
    if !tree.exists() {
        let parts = ["tools/testing/selftests", "tools/include", "arch/x86/include"];
        command::run(
            Command::new("tar")
                .args(["-xJf", "usr/src/linux-source-6.1.tar.xz"])
                .args(parts.map(|part| format!("linux-source-6.1/{part}")))
                .current_dir(&package),
        )?;
    }
    Ok(tree)
}
