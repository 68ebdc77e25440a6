//! What boots from a CD or a floppy.

use super::apt::Apt;
use super::{put, report};
use crate::command;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Packages, the file in each, and what it is called here.
const FILES: [(&str, &str, &str); 9] = [
    ("memtest86+", "usr/lib/memtest86+/memtest86+x64.iso", "memtest-6-x64.iso"),
    ("memtest86+", "usr/lib/memtest86+/memtest86+ia32.iso", "memtest-6-ia32.iso"),
    ("memtest86+", "boot/memtest86+x64.bin", "memtest-6-x64.bin"),
    ("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso", "grub-rescue-cdrom.iso"),
    ("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-floppy.img", "grub-rescue-floppy.img"),
    ("grub-invaders", "boot/invaders.exec", "invaders.exec"),
    ("isolinux", "usr/lib/ISOLINUX/isolinux.bin", "isolinux.bin"),
    ("syslinux-common", "usr/lib/syslinux/modules/bios/ldlinux.c32", "ldlinux.c32"),
    ("syslinux-common", "usr/lib/syslinux/memdisk", "memdisk"),
];

/// CDs of our own: name, kernel, initial file system.
const CDS: [(&str, &str, &str); 2] =
    [("boot-amd64", "vmlinuz-cloud-amd64", "initrd-amd64.gz"), ("boot-686", "vmlinuz-686", "initrd-i386.gz")];

/// Gets and makes all of it.
pub fn get(apt: &mut Apt, images: &Path) -> Result<()> {
    for (package, file, name) in FILES {
        let dir = apt.get(package, package, &[])?;
        put(&dir.join(file), &images.join(name))?;
    }
    for (name, kernel, initrd) in CDS {
        if images.join(kernel).exists() {
            cd(images, name, kernel, initrd)?;
        }
    }
    Ok(())
}

/// A CD that isolinux starts Linux from (El Torito, no emulation), with its console on the first serial line.
fn cd(images: &Path, name: &str, kernel: &str, initrd: &str) -> Result<()> {
    let tree = images.join(format!(".{name}"));
    let loader = tree.join("isolinux");
    fs::create_dir_all(&loader)?;
    for (from, to) in [
        (images.join("isolinux.bin"), loader.join("isolinux.bin")),
        (images.join("ldlinux.c32"), loader.join("ldlinux.c32")),
        (images.join(kernel), tree.join("vmlinuz")),
        (images.join(initrd), tree.join("initrd.gz")),
    ] {
        fs::copy(&from, &to).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    let menu = "SERIAL 0 115200\nDEFAULT linux\nPROMPT 0\nLABEL linux\nKERNEL /vmlinuz\nINITRD /initrd.gz\n\
                APPEND console=ttyS0 bench=0\n";
    fs::write(loader.join("isolinux.cfg"), menu)?;
    let iso = images.join(format!("{name}.iso"));
    let made = command::run(
        Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-J", "-R", "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"])
            .args(["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "-o"])
            .args([&iso, &tree]),
    );
    fs::remove_dir_all(&tree)?;
    made.context("apt-get install xorriso")?;
    report(&iso)
}
