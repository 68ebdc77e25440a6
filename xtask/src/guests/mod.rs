//! `cargo xtask guests`: what the tests and benchmarks boot. Kernels and busybox come from Debian packages, the initial file
//! systems are made here, with an `init` of our own.

pub mod apt;
mod debian;
mod disks;
mod firmware;
mod media;

use crate::cpio::Archive;
use anyhow::{Context, Result};
use apt::Apt;
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The program that a guest's kernel starts.
const INIT: &[u8] = include_bytes!("init.sh");

/// What `cargo xtask guests` takes.
#[derive(clap::Args)]
pub struct GuestsArgs {
    /// Where to put them: DIR/img has the result, the rest is kept for the next time
    dir: PathBuf,
    /// Look for newer packages; without it, what is there stays
    #[arg(long)]
    refresh: bool,
    /// A Debian mirror instead of the system's own
    #[arg(long)]
    mirror: Option<String>,
    /// Only the smallest guest: the 64-bit cloud kernel with its initial file system
    #[arg(long)]
    smallest: bool,
    /// Everything but the Debian disks
    #[arg(long)]
    all: bool,
    /// Also firmware: SeaBIOS, the Bochs BIOS, their VGA BIOSes and OVMF, in DIR/fw
    #[arg(long)]
    firmware: bool,
    /// Also what boots from a CD or a floppy: memtest86+, GRUB, isolinux with a kernel, grub-invaders
    #[arg(long)]
    media: bool,
    /// Also the initial file system that tries disks (`cargo xtask disks`)
    #[arg(long)]
    disks: bool,
    /// Also a disk with Debian 12 and GRUB, img/deb12-ARCH.img: amd64 or i386 (takes some minutes, and root)
    #[arg(long, value_name = "ARCH", num_args = 0..=1, default_missing_value = "amd64", value_parser = ["amd64", "i386"])]
    debian: Option<String>,
}

/// The kernels, and the meta-packages that always name the newest.
const KERNELS: [(&str, &str); 3] = [
    ("cloud-amd64", "linux-image-cloud-amd64"),
    ("686", "linux-image-686:i386"),
    ("686-pae", "linux-image-686-pae:i386"),
];

/// The architectures that busybox is needed for.
const ARCHES: [&str; 2] = ["amd64", "i386"];

/// Gets everything.
pub fn main(arguments: &GuestsArgs) -> Result<()> {
    let mut apt = Apt::new(&arguments.dir, arguments.mirror.as_deref(), arguments.refresh)?;
    let images = arguments.dir.join("img");
    fs::create_dir_all(&images)?;
    let (kernels, arches) =
        if arguments.smallest { (&KERNELS[..1], &ARCHES[..1]) } else { (&KERNELS[..], &ARCHES[..]) };
    for (name, meta) in kernels {
        let unpacked = format!("linux-{name}");
        let dir = match apt.unpacked(&unpacked) {
            Some(dir) => dir,
            None => {
                let package = apt.meaning(meta, "linux-image-")?;
                apt.get(&package, &unpacked, &["./boot"])? // the modules stay in the package
            }
        };
        put(&file_in(&dir.join("boot"), "vmlinuz-")?, &images.join(format!("vmlinuz-{name}")))?;
    }
    for arch in arches {
        let dir = apt.get(&format!("busybox-static:{arch}"), &format!("busybox-{arch}"), &[])?;
        let busybox = images.join(format!("busybox-{arch}"));
        put(&dir.join("bin/busybox"), &busybox)?;
        let initrd = images.join(format!("initrd-{arch}.gz"));
        initramfs(&busybox)?.write_gzip(&initrd)?;
        report(&initrd)?;
    }
    if !arguments.smallest {
        gnumach(&mut apt, &images)?;
    }
    if arguments.firmware || arguments.all {
        firmware::get(&mut apt, &arguments.dir.join("fw"))?;
    }
    if arguments.media || arguments.all {
        media::get(&mut apt, &images)?;
    }
    if arguments.disks || arguments.all {
        disks::get(&mut apt, &images)?;
    }
    match &arguments.debian {
        Some(arch) => debian::get(&apt, &images, arch),
        None => Ok(()),
    }
}

/// GNU Mach: a 32-bit Multiboot kernel, which its package has compressed.
fn gnumach(apt: &mut Apt, images: &Path) -> Result<()> {
    let dir = apt.get("gnumach-image-1.8-486:i386", "gnumach", &[])?;
    let compressed = file_in(&dir.join("boot"), "gnumach-")?;
    let mut kernel = Vec::new();
    GzDecoder::new(fs::File::open(&compressed)?)
        .read_to_end(&mut kernel)
        .with_context(|| format!("{} cannot be unpacked", compressed.display()))?;
    let to = images.join("gnumach");
    fs::write(&to, kernel)?;
    report(&to)
}

/// The initial file system: busybox, `init` and the folders that `init` mounts things on.
fn initramfs(busybox: &Path) -> Result<Archive> {
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "proc", "sys", "tmp"] {
        archive.directory(directory);
    }
    archive.copy("bin/busybox", busybox)?;
    archive.file("init", INIT);
    Ok(archive)
}

/// The file in a folder whose name begins with `prefix`.
fn file_in(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.pop().with_context(|| format!("{} has no file {prefix}*", dir.display()))
}

fn put(from: &Path, to: &Path) -> Result<()> {
    // The target may be a link to what is to be copied.
    if to.exists() {
        fs::remove_file(to)?;
    }
    fs::copy(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    report(to)
}

fn report(file: &Path) -> Result<()> {
    println!("{:>10}  {}", fs::metadata(file)?.len(), file.display());
    Ok(())
}
