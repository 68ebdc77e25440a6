//! Drives as they are asked for: `FILE[,kind=disk|cdrom][,format=raw|qcow2][,readonly][,snapshot][,index=N]`, and what each
//! place of the IDE channels then holds.

use super::nearest::nearest;
use crate::machine::{DriveConfig, Drives};
use anyhow::{Result, anyhow, bail};
use host::disk::{self, DiskOptions, Format};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What kind of drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A hard disk.
    Disk,
    /// A CD-ROM drive.
    Cdrom,
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriveSpec {
    /// The image; none leaves a CD-ROM drive empty.
    pub file: Option<PathBuf>,
    /// Disk or CD-ROM.
    pub kind: Kind,
    /// How the image is laid out, if that is not to be guessed.
    pub format: Option<Format>,
    /// Nothing can be written.
    pub read_only: bool,
    /// What is written is forgotten in the end.
    pub snapshot: bool,
    /// Which of the four places: primary 0 and 1, secondary 2 and 3.
    pub index: Option<usize>,
}

const KEYS: [&str; 5] = ["kind", "format", "readonly", "snapshot", "index"];

impl DriveSpec {
    /// A drive with an image; a file named `.iso` is a CD.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        let iso = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("iso"));
        let kind = if iso { Kind::Cdrom } else { Kind::Disk };
        DriveSpec { file: Some(file), kind, format: None, read_only: false, snapshot: false, index: None }
    }
}

/// A format by its name.
pub fn format(text: &str) -> Result<Format, String> {
    match text {
        "raw" => Ok(Format::Raw),
        "qcow2" => Ok(Format::Qcow2),
        _ => Err(format!("unknown image format `{text}`: use raw or qcow2")),
    }
}

/// A switch.
pub fn switch(key: &str, text: &str) -> Result<bool, String> {
    match text {
        "on" | "yes" | "true" => Ok(true),
        "off" | "no" | "false" => Ok(false),
        _ => Err(format!("{key}={text}: use {key}=on or {key}=off")),
    }
}

/// A place.
pub fn index(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(index @ 0..=3) => Ok(index),
        _ => Err(format!("index={text}: the IDE channels have the places 0 to 3")),
    }
}

impl FromStr for DriveSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = super::qemu::split_commas(text).into_iter();
        let file = parts.next().unwrap_or_default();
        let mut drive = DriveSpec::new(&file);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((&part, "on"));
            match key {
                "kind" => {
                    drive.kind = match value {
                        "disk" => Kind::Disk,
                        "cdrom" => Kind::Cdrom,
                        _ => return Err(format!("unknown kind of drive `{value}`: use disk or cdrom")),
                    }
                }
                "format" => drive.format = Some(format(value)?),
                "readonly" => drive.read_only = switch(key, value)?,
                "snapshot" => drive.snapshot = switch(key, value)?,
                "index" => drive.index = Some(index(value)?),
                _ => {
                    let nearest = nearest(key, KEYS).unwrap_or_default();
                    return Err(format!("a drive knows no `{key}`; the nearest known is `{nearest}`"));
                }
            }
        }
        if file.is_empty() {
            drive.file = None;
            if drive.kind == Kind::Disk {
                return Err("a disk needs an image, as in `--drive disk.img`".into());
            }
        }
        Ok(drive)
    }
}

impl fmt::Display for DriveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or(Path::new(""));
        write!(f, "{}", file.display().to_string().replace(',', ",,"))?;
        f.write_str(if self.kind == Kind::Cdrom { ",kind=cdrom" } else { ",kind=disk" })?;
        match self.format {
            Some(Format::Raw) => f.write_str(",format=raw")?,
            Some(Format::Qcow2) => f.write_str(",format=qcow2")?,
            None => {}
        }
        for (on, word) in [(self.read_only, ",readonly"), (self.snapshot, ",snapshot")] {
            f.write_str(if on { word } else { "" })?;
        }
        self.index.map_or(Ok(()), |index| write!(f, ",index={index}"))
    }
}

impl TryFrom<String> for DriveSpec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DriveSpec> for String {
    fn from(drive: DriveSpec) -> String {
        drive.to_string()
    }
}

/// The place of each drive: the one it asks for, or else the first that is free. CD-ROMs begin with the secondary channel.
pub fn places(drives: &[DriveSpec]) -> Result<Vec<usize>> {
    let mut taken = [false; 4];
    for index in drives.iter().filter_map(|drive| drive.index) {
        if std::mem::replace(&mut taken[index & 3], true) {
            bail!("two drives have index={index}: give each its own, or leave it out");
        }
    }
    let place = |drive: &DriveSpec| {
        let order = if drive.kind == Kind::Cdrom { [2, 3, 1, 0] } else { [0, 1, 2, 3] };
        let free = drive.index.or_else(|| order.into_iter().find(|place| !taken[*place]));
        let place = free.ok_or_else(|| anyhow!("the IDE channels have places for four drives: leave some out"))?;
        taken[place] = true;
        Ok(place)
    };
    drives.iter().map(place).collect()
}

/// Opens the images.
pub fn open(drives: &[DriveSpec]) -> Result<Drives> {
    let mut opened = Drives::default();
    for (drive, place) in drives.iter().zip(places(drives)?) {
        let cdrom = drive.kind == Kind::Cdrom;
        let options =
            DiskOptions { format: drive.format, read_only: drive.read_only || cdrom, snapshot: drive.snapshot };
        let medium = drive.file.as_deref().map(|file| disk::open(file, options)).transpose()?;
        opened[place] = match medium {
            medium if cdrom => Some(DriveConfig::Cdrom(medium)),
            Some(medium) => Some(DriveConfig::Disk(medium)),
            None => None,
        };
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_read_back() {
        for text in ["disk.img,kind=disk", "a,,b,kind=cdrom,format=raw,readonly,snapshot,index=3", ",kind=cdrom"] {
            let drive: DriveSpec = text.parse().unwrap();
            assert_eq!(drive.to_string(), text);
        }
        let iso: DriveSpec = "dir/Boot.ISO".parse().unwrap();
        assert_eq!((iso.kind, iso.format), (Kind::Cdrom, None));
        let plain: DriveSpec = "x.qcow2,readonly=off,format=qcow2".parse().unwrap();
        assert_eq!((plain.kind, plain.read_only, plain.format), (Kind::Disk, false, Some(Format::Qcow2)));
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, part) in [
            ("x,formt=raw", "knows no `formt`; the nearest known is `format`"),
            ("x,format=vmdk", "use raw or qcow2"),
            ("x,kind=floppy", "use disk or cdrom"),
            ("x,index=4", "places 0 to 3"),
            ("x,snapshot=maybe", "snapshot=on or snapshot=off"),
            ("", "needs an image"),
        ] {
            let error = text.parse::<DriveSpec>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn each_has_its_place() {
        let drives = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<DriveSpec>>();
        assert_eq!(places(&drives(&["a", "b", "c.iso", "d"])).unwrap(), [0, 1, 2, 3]);
        assert_eq!(places(&drives(&["a.iso", "b,index=0", "c"])).unwrap(), [2, 0, 1]);
        assert!(places(&drives(&["a,index=1", "b,index=1"])).unwrap_err().to_string().contains("two drives"));
        assert!(places(&drives(&["a", "b", "c", "d", "e"])).unwrap_err().to_string().contains("four drives"));
    }
}
