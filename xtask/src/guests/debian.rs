//! A disk with Debian 12: GRUB in the first sectors, one ext4 partition, a console on the screen and on the first serial line.
//! GRUB's entries are Debian and Gfx (GRUB and then the kernel in 800x600). Made by mmdebstrap and mke2fs, without loop devices:
//! GRUB's boot sector expects the rest of it from the second sector on, which is where it is put.

use super::apt::Apt;
use super::report;
use crate::command;
use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

const DISK_BYTES: u64 = 1536 << 20;
/// Where the partition begins: at 1 MiB, as everywhere.
const FIRST: u64 = 2048;
const SECTOR: u64 = 512;
/// Of GRUB's boot sector, what stands before the partition table.
const BOOT_CODE: usize = 440;

const PACKAGES: &str =
    "systemd-sysv,udev,kmod,grub-pc-bin,grub2-common,grub-common,initramfs-tools,procps,iproute2,busybox-static";
const GRUB_MODULES: &str = "biosdisk part_msdos ext2 normal linux serial terminal echo test";

/// Makes the disk for an architecture.
pub fn get(apt: &Apt, images: &Path, arch: &str) -> Result<()> {
    let kernel = if arch == "i386" { "linux-image-686" } else { "linux-image-amd64" };
    let disk = images.join(format!("deb12-{arch}.img"));
    let tree = images.join(format!(".deb12-{arch}"));
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    eprintln!("making a Debian system (some minutes)");
    let made = system(apt, &tree, arch, kernel).and_then(|()| image(&tree, &disk));
    _ = fs::remove_dir_all(&tree);
    made?;
    report(&disk)
}

fn system(apt: &Apt, tree: &Path, arch: &str, kernel: &str) -> Result<()> {
    let getty = "mkdir -p \"$1/etc/systemd/system/serial-getty@ttyS0.service.d\"; printf '[Service]\\nExecStart=\\n\
                 ExecStart=-/sbin/agetty -L 115200 %%I vt100\\n' >\"$1/etc/systemd/system/serial-getty@ttyS0.service.d/plain.conf\"";
    let grub = format!(
        "mkdir -p \"$1/boot/grub\"; cp -r \"$1/usr/lib/grub/i386-pc\" \"$1/boot/grub/\"; \
         chroot \"$1\" grub-mkimage -O i386-pc -o /boot/grub/core.img -p '(hd0,msdos1)/boot/grub' {GRUB_MODULES}"
    );
    let hooks = [
        "echo lyre >\"$1/etc/hostname\"; chroot \"$1\" passwd -qd root",
        getty,
        "printf '/dev/sda1 / ext4 rw,noatime 0 1\\n' >\"$1/etc/fstab\"",
        grub.as_str(),
        "rm -rf \"$1\"/var/cache/apt/*.bin \"$1\"/usr/share/doc \"$1\"/usr/share/man \"$1\"/usr/share/locale",
    ];
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--quiet", "--variant=minbase", "--aptopt=Apt::Install-Recommends \"false\""]);
    mmdebstrap.arg(format!("--architectures={arch}")).arg(format!("--include={kernel},{PACKAGES}"));
    mmdebstrap.args(hooks.map(|hook| format!("--customize-hook={hook}")));
    mmdebstrap.arg("bookworm").arg(tree).arg(apt.sources());
    command::run(&mut mmdebstrap).context("apt-get install mmdebstrap e2fsprogs, and be root")?;
    let boot = tree.join("boot");
    let version = super::file_in(&boot, "vmlinuz-")?;
    let version = version.file_name().unwrap_or_default().to_string_lossy().replace("vmlinuz-", "");
    fs::write(boot.join("grub/grub.cfg"), menu(&version))?;
    Ok(())
}

fn menu(version: &str) -> String {
    let entry = |name: &str, before: &str, arguments: &str| {
        format!(
            "menuentry \"{name}\" {{\n{before} linux /boot/vmlinuz-{version} root=/dev/sda1 rw net.ifnames=0 {arguments}\n \
             initrd /boot/initrd.img-{version}\n}}\n"
        )
    };
    let graphics =
        " insmod all_video\n insmod gfxterm\n set gfxmode=800x600\n terminal_output gfxterm\n set gfxpayload=keep\n";
    ["serial --unit=0 --speed=115200\nterminal_input serial console\nterminal_output serial console\nset timeout=1\n".to_owned(),
        entry("Debian", "", "console=tty0 console=ttyS0"),
        entry("Gfx", graphics, "console=ttyS0 console=tty0")].concat()
}

fn image(tree: &Path, disk: &Path) -> Result<()> {
    let boot = fs::read(tree.join("usr/lib/grub/i386-pc/boot.img"))?;
    let core = fs::read(tree.join("boot/grub/core.img"))?;
    if boot.len() < BOOT_CODE || core.len() as u64 > (FIRST - 1) * SECTOR {
        bail!("GRUB has {} and {} bytes, which do not fit before the partition", boot.len(), core.len());
    }
    let new = disk.with_extension("new");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new)?;
    file.set_len(DISK_BYTES)?;
    let kib = (DISK_BYTES - FIRST * SECTOR) / 1024;
    command::run(
        Command::new("/sbin/mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file"])
            .args(["-E", &format!("offset={}", FIRST * SECTOR), "-d"])
            .arg(tree)
            .arg(&new)
            .arg(format!("{kib}k")),
    )?;
    let mut first = [0; SECTOR as usize];
    file.read_exact(&mut first)?;
    first[..BOOT_CODE].copy_from_slice(&boot[..BOOT_CODE]);
    first[BOOT_CODE..].fill(0);
    // One active partition of Linux; what CHS cannot say is said by its largest numbers.
    let sectors = (DISK_BYTES / SECTOR - FIRST) as u32;
    let entry =
        [&[0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff], &(FIRST as u32).to_le_bytes()[..], &sectors.to_le_bytes()];
    first[446..462].copy_from_slice(&entry.concat());
    first[510..].copy_from_slice(&[0x55, 0xaa]);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&first)?;
    file.write_all(&core)?;
    file.sync_all()?;
    fs::rename(&new, disk)?;
    Ok(())
}
