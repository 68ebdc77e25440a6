//! `cargo xtask disks`: a Linux guest works on an ext4 file system by DMA and by PIO, on a raw and on a qcow2 image, and reads a
//! CD; then the file system must be clean. And the program is killed in the middle of work: what the guest had made durable by then
//! must be there.

use crate::cpio::Archive;
use crate::{check, command};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// What `cargo xtask disks` takes.
#[derive(clap::Args)]
pub struct DisksArgs {
    /// The folder of `cargo xtask guests --disks`
    #[arg(default_value = "target/guests")]
    dir: PathBuf,
    /// This program, if it is not to be built
    #[arg(long)]
    program: Option<PathBuf>,
    /// Options to add to its command line
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    options: String,
    /// Let fio write, read back and compare, too (Debian's package of that name, of this host)
    #[arg(long)]
    fio: bool,
    /// Seconds for one run of the guest
    #[arg(long, default_value_t = 300)]
    timeout: u64,
}

const DISK_BYTES: u64 = 96 << 20;
/// So many files are made durable before the plug is pulled.
const FLUSHED: u32 = 8;

struct Bench {
    program: PathBuf,
    options: Vec<String>,
    kernel: PathBuf,
    initrd: PathBuf,
    cd: PathBuf,
    memory: &'static str,
    limit: Duration,
}

/// Kills the program when it goes out of scope, by the signal that cannot be caught.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Runs all of it.
pub fn main(arguments: &DisksArgs) -> Result<()> {
    let images = arguments.dir.join("img");
    let mut bench = Bench {
        program: match &arguments.program {
            Some(program) => program.clone(),
            None => check::metadata()?.target_directory.join("release/lyrebird"),
        },
        options: arguments.options.split_whitespace().map(str::to_owned).collect(),
        kernel: images.join("vmlinuz-cloud-amd64"),
        initrd: images.join("initrd-disks.gz"),
        // Any file is a CD, if nobody looks for a file system.
        cd: images.join("vmlinuz-cloud-amd64"),
        // fio has 100 MB of libraries.
        memory: if arguments.fio { "512M" } else { "256M" },
        limit: Duration::from_secs(arguments.timeout),
    };
    for file in [&bench.kernel, &bench.initrd] {
        if !file.exists() {
            bail!("{} is missing: run `cargo xtask guests {} --disks`", file.display(), arguments.dir.display());
        }
    }
    let folder = arguments.dir.join("disks");
    fs::create_dir_all(&folder)?;
    let (raw, qcow2) = (folder.join("disk.img"), folder.join("disk.qcow2"));
    let (back, cd) = (folder.join("back.img"), cd_sum(&bench.cd)?);
    if arguments.fio {
        bench.initrd = with_fio(&bench.initrd, &folder)?;
    }
    file_system(&raw)?;
    bench.image(&["convert", "-O", "qcow2"], &raw, &qcow2)?;

    for (disk, mode, append) in [(&raw, "DMA", ""), (&qcow2, "PIO", "dma=0")] {
        let said = bench.run(disk, &format!("do=fill {append}"), "DISK-DONE")?;
        println!("{mode} on {}: {}", disk.display(), modes(&said));
        let drives = ["dev1.0 ", "dev2.0 "]
            .map(|drive| modes(&said).split(", ").any(|said| said.starts_with(drive) && said.contains(mode)));
        if drives != [true, true] {
            bail!("the guest does not use {mode}: {said}");
        }
        if !said.contains(&cd) {
            bail!("the CD has another content in the guest than on the host ({cd}): {said}");
        }
        if said.contains("DISK-FAIL") {
            bail!("{said}");
        }
        let said = bench.run(disk, "do=check", "DISK-DONE")?;
        if said.contains("DISK-FAIL") {
            bail!("{said}");
        }
        if arguments.fio {
            let said = bench.run(disk, &format!("do=fio {append}"), "DISK-DONE")?;
            if said.contains("DISK-FAIL") {
                bail!("{said}");
            }
            said.lines().filter_map(|line| line.strip_prefix("DISK-FIO ")).for_each(|line| println!("fio {line}"));
        }
    }
    bench.image(&["convert", "-O", "raw"], &qcow2, &back)?;
    clean(&raw)?;
    clean(&back)?;

    for disk in [&raw, &qcow2] {
        bench.run(disk, "do=flush", &format!("DISK-FLUSHED {FLUSHED}"))?; // and then it is killed
        let said = bench.run(disk, &format!("do=flushed last={FLUSHED}"), "DISK-DONE")?;
        if said.contains("DISK-FAIL") {
            bail!("after the program was killed: {said}");
        }
        println!("killed with {}: {} files that were flushed are there", disk.display(), FLUSHED + 1);
    }
    bench.image(&["convert", "-O", "raw"], &qcow2, &back)?;
    clean(&raw)?;
    clean(&back)?;
    if Command::new("qemu-img").arg("--version").output().is_ok() {
        command::run(Command::new("qemu-img").arg("check").arg(&qcow2))?;
        println!("qemu-img check: nothing to complain of");
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// The initial file system with fio and its libraries in a second archive: the kernel unpacks one after the other.
fn with_fio(initrd: &Path, folder: &Path) -> Result<PathBuf> {
    const PROGRAM: &str = "/usr/bin/fio";
    let libraries = command::output(Command::new("ldd").arg(PROGRAM)).context("apt-get install fio")?;
    let mut archive = Archive::default();
    archive.directory("fio");
    archive.copy("fio/fio", Path::new(PROGRAM))?;
    archive.directory("lib64");
    for word in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        let path = Path::new(word);
        let name = path.file_name().context("ldd says something strange")?.to_string_lossy();
        // The loader is where programs name it, the others are where they are told to look.
        let to = if word.starts_with("/lib64/") { format!("lib64/{name}") } else { format!("fio/{name}") };
        archive.copy(&to, path)?;
    }
    let second = folder.join("fio.gz");
    archive.write_gzip(&second)?;
    let both = folder.join("initrd-fio.gz");
    fs::write(&both, [fs::read(initrd)?, fs::read(&second)?].concat())?;
    Ok(both)
}

/// An empty disk with a file system that needs no partition.
fn file_system(path: &Path) -> Result<()> {
    let file = fs::File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
    file.set_len(DISK_BYTES)?;
    let made = command::run(Command::new("/sbin/mke2fs").args(["-q", "-F", "-t", "ext4"]).arg(path));
    made.context("apt-get install e2fsprogs")
}

/// The file system has no errors.
fn clean(path: &Path) -> Result<()> {
    let text = command::output(Command::new("/sbin/e2fsck").args(["-f", "-n"]).arg(path))?;
    println!("e2fsck: {}", text.lines().last().unwrap_or_default());
    Ok(())
}

/// The SHA-256 of what the guest sees of a CD: whole blocks of 2048 bytes.
fn cd_sum(path: &Path) -> Result<String> {
    let bytes = fs::metadata(path)?.len();
    let padding = bytes.next_multiple_of(2048) - bytes;
    let script = format!("{{ cat \"$1\"; head -c {padding} /dev/zero; }} | sha256sum");
    let text = command::output(Command::new("sh").args(["-c", &script, "sh"]).arg(path))?;
    Ok(text.split_whitespace().next().context("sha256sum said nothing")?.to_owned())
}

/// The modes that the guest's kernel has chosen for the drives.
fn modes(said: &str) -> String {
    said.lines().filter_map(|line| line.strip_prefix("DISK-MODE ")).collect::<Vec<_>>().join(", ")
}

impl Bench {
    fn image(&self, arguments: &[&str], from: &Path, to: &Path) -> Result<()> {
        command::run(Command::new(&self.program).arg("image").args(arguments).args([from, to]))
    }

    /// Runs the guest until it says the last words, or fails; then the program is killed, unless it ends by itself at once.
    fn run(&self, disk: &Path, append: &str, last: &str) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(["run", "--memory", self.memory, "--no-reboot", "--serial", "stdio"]).args(&self.options);
        command.arg("--kernel").arg(&self.kernel).arg("--initrd").arg(&self.initrd);
        command.args(["--append", &format!("console=ttyS0 quiet {append}")]);
        command.arg("--drive").arg(disk).arg("--drive").arg(format!("{},kind=cdrom,format=raw", self.cd.display()));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = Guard(child.with_context(|| format!("{} cannot be started", self.program.display()))?);
        let output = BufReader::new(child.0.stdout.take().context("no pipe")?);
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    return;
                }
            }
        });
        let end = Instant::now() + self.limit;
        let mut said = String::new();
        while let Ok(line) = receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            said += &(line.clone() + "\n");
            if line.starts_with("DISK-DONE") || line.starts_with("DISK-FAIL") {
                // It powers off by itself, and writes back what it holds.
                while receiver.recv_timeout(Duration::from_secs(20)).is_ok() {}
                _ = child.0.wait();
                return Ok(said);
            }
            if line.starts_with(last) {
                return Ok(said);
            }
        }
        bail!("the guest did not come to `{last}` in {} s; it said: {said}", self.limit.as_secs())
    }
}
