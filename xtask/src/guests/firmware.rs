//! Firmware of others: it is written for real chipsets, and so proves that ours are.

use super::apt::Apt;
use super::put;
use anyhow::Result;
use std::fs;
use std::path::Path;

/// Packages, where in them the files are, which, and in which folder they go.
const PACKAGES: [(&str, &str, &str, &[&str]); 4] = [
    (
        "seabios",
        "usr/share/seabios",
        "seabios",
        &["bios.bin", "bios-256k.bin", "vgabios-stdvga.bin", "vgabios-isavga.bin", "vgabios-bochs-display.bin"],
    ),
    ("bochsbios", "usr/share/bochs", "bochs", &["BIOS-bochs-latest", "BIOS-bochs-legacy"]),
    ("vgabios", "usr/share/vgabios", "lgpl-vgabios", &["vgabios.bin", "vgabios.cirrus.bin"]),
    (
        "ovmf",
        "usr/share",
        "ovmf",
        &["ovmf/OVMF.fd", "OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd", "OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"],
    ),
];

/// Gets all of it.
pub fn get(apt: &mut Apt, to: &Path) -> Result<()> {
    for (package, from, folder, files) in PACKAGES {
        let dir = apt.get(package, package, &[])?.join(from);
        fs::create_dir_all(to.join(folder))?;
        for file in files {
            let name = file.rsplit('/').next().unwrap_or(file);
            put(&dir.join(file), &to.join(folder).join(name))?;
        }
    }
    Ok(())
}
