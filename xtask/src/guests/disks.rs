//! The initial file system of the guest that tries disks: busybox, the cloud kernel's drivers for IDE, and `disks.sh`.

use super::apt::Apt;
use super::{file_in, report};
use crate::cpio::Archive;
use anyhow::Result;
use std::path::Path;

const INIT: &[u8] = include_bytes!("disks.sh");

/// The modules, in the order in which they are loaded.
const MODULES: [(&str, &str); 7] = [
    ("scsi", "scsi_common"),
    ("scsi", "scsi_mod"),
    ("ata", "libata"),
    ("ata", "ata_piix"),
    ("scsi", "sd_mod"),
    ("cdrom", "cdrom"),
    ("scsi", "sr_mod"),
];

/// Makes it.
pub fn get(apt: &mut Apt, images: &Path) -> Result<()> {
    let name = "modules-cloud-amd64";
    let dir = match apt.unpacked(name) {
        Some(dir) => dir,
        None => {
            let package = apt.meaning("linux-image-cloud-amd64", "linux-image-")?;
            let folders = ["ata", "scsi", "cdrom"].map(|folder| format!("./lib/modules/*/kernel/drivers/{folder}/*"));
            let [ata, scsi, cdrom] = folders.each_ref().map(String::as_str);
            apt.get(&package, name, &["--wildcards", ata, scsi, cdrom])?
        }
    };
    let drivers = file_in(&dir.join("lib/modules"), "")?.join("kernel/drivers");
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "proc", "sys", "tmp", "modules"] {
        archive.directory(directory);
    }
    archive.copy("bin/busybox", &images.join("busybox-amd64"))?;
    let mut order = String::new();
    for (folder, module) in MODULES {
        archive.copy(&format!("modules/{module}.ko"), &drivers.join(folder).join(format!("{module}.ko")))?;
        order += &format!("{module}\n");
    }
    archive.file("modules/order", order.as_bytes());
    archive.file("init", INIT);
    let to = images.join("initrd-disks.gz");
    archive.write_gzip(&to)?;
    report(&to)
}
