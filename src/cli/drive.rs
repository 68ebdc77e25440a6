//! Drives as they are asked for: `FILE[,kind=disk|cdrom|floppy|flash][,format=raw|qcow2][,readonly][,snapshot][,index=N]`,
//! and what each place of the machine then holds.

use super::nearest::nearest;
use crate::machine::{DriveConfig, Drives, Floppies, NewMedium, Removable};
use anyhow::{Result, anyhow, bail};
use devices::fdc::format::LARGEST as LARGEST_FLOPPY;
use host::disk::{self, DiskOptions, Format};
use lyrebird_core::BlockDevice;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Opens an image that somebody puts into a drive of a machine that runs: one of a floppy's size goes into drive A, any other into
/// the CD-ROM drive.
pub fn new_medium(file: &Path) -> Result<NewMedium> {
    let floppy = DriveSpec::guess(file.to_owned()).kind == Kind::Floppy;
    let options = DiskOptions { format: None, read_only: !floppy, snapshot: false };
    let medium = disk::open(file, options)?;
    Ok(NewMedium { drive: if floppy { Removable::Floppy } else { Removable::Cdrom }, medium })
}

/// What kind of drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A hard disk.
    Disk,
    /// A CD-ROM drive.
    Cdrom,
    /// A floppy drive.
    Floppy,
    /// A flash memory with the firmware or its variables.
    Flash,
}

/// The kinds' names.
const KINDS: [(&str, Kind); 4] =
    [("disk", Kind::Disk), ("cdrom", Kind::Cdrom), ("floppy", Kind::Floppy), ("flash", Kind::Flash)];

impl Kind {
    fn name(self) -> &'static str {
        KINDS.iter().find(|known| known.1 == self).map_or("disk", |known| known.0)
    }

    /// Whether there is such a drive with nothing in it.
    pub fn may_be_empty(self) -> bool {
        matches!(self, Kind::Cdrom | Kind::Floppy)
    }

    /// What it is connected to, with how many places there are.
    fn bus(self) -> (usize, usize, &'static str) {
        match self {
            Kind::Disk | Kind::Cdrom => (0, 4, "the IDE channels have places for four drives"),
            Kind::Floppy => (1, 2, "there are two floppy drives"),
            Kind::Flash => (2, 2, "there are two flash memories"),
        }
    }
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriveSpec {
    /// The image; none leaves a CD-ROM drive empty.
    pub file: Option<PathBuf>,
    /// What it is.
    pub kind: Kind,
    /// How the image is laid out, if that is not to be guessed.
    pub format: Option<Format>,
    /// Nothing can be written.
    pub read_only: bool,
    /// What is written is forgotten in the end.
    pub snapshot: bool,
    /// Which of the places: on IDE, primary 0 and 1, secondary 2 and 3; floppy A and B, and flash from the top down, 0 and 1.
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

    /// The same for an image whose kind nobody has said: one of a floppy's size is a floppy.
    pub fn guess(file: PathBuf) -> Self {
        let small = std::fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST_FLOPPY);
        // An empty qcow2 disk is small, too.
        let raw = |file: &Path| {
            let mut magic = [0; 4];
            let read = std::fs::File::open(file).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
            read.is_ok() && magic != *b"QFI\xfb"
        };
        let mut drive = DriveSpec::new(file);
        if drive.kind == Kind::Disk && small && drive.file.as_deref().is_some_and(raw) {
            drive.kind = Kind::Floppy;
        }
        drive
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
                    let known = KINDS.iter().find(|known| known.0 == value);
                    let unknown = || format!("unknown kind of drive `{value}`: use disk, cdrom, floppy or flash");
                    drive.kind = known.ok_or_else(unknown)?.1;
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
            if !drive.kind.may_be_empty() {
                return Err(format!("a {} needs an image, as in `--drive disk.img`", drive.kind.name()));
            }
        }
        Ok(drive)
    }
}

impl fmt::Display for DriveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or(Path::new(""));
        write!(f, "{}", file.display().to_string().replace(',', ",,"))?;
        write!(f, ",kind={}", self.kind.name())?;
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
    let mut taken = [[false; 4]; 3];
    for drive in drives {
        let (bus, places, limit) = drive.kind.bus();
        match drive.index {
            Some(index) if index >= places => bail!("index={index}: {limit}, from index=0 to index={}", places - 1),
            Some(index) if std::mem::replace(&mut taken[bus][index], true) => {
                bail!("two drives have index={index}: give each its own, or leave it out")
            }
            _ => {}
        }
    }
    let place = |drive: &DriveSpec| {
        let (bus, places, limit) = drive.kind.bus();
        let order = if drive.kind == Kind::Cdrom { [2, 3, 1, 0] } else { [0, 1, 2, 3] };
        let free = drive.index.or_else(|| order.into_iter().find(|place| *place < places && !taken[bus][*place]));
        let place = free.ok_or_else(|| anyhow!("{limit}: leave some out"))?;
        taken[bus][place] = true;
        Ok(place)
    };
    drives.iter().map(place).collect()
}

/// What was opened.
#[derive(Default)]
pub struct Opened {
    /// For the IDE channels.
    pub ide: Drives,
    /// For the floppy controller.
    pub floppies: Floppies,
    /// Flash memories, from the top down.
    pub flash: Vec<Box<dyn BlockDevice>>,
}

/// Opens the images.
pub fn open(drives: &[DriveSpec]) -> Result<Opened> {
    let mut opened = Opened::default();
    let mut flash = [None, None];
    for (drive, place) in drives.iter().zip(places(drives)?) {
        let read_only = drive.read_only || drive.kind == Kind::Cdrom;
        let options = DiskOptions { format: drive.format, read_only, snapshot: drive.snapshot };
        let medium = drive.file.as_deref().map(|file| disk::open(file, options)).transpose()?;
        if let (Kind::Floppy, Some(medium)) = (drive.kind, &medium)
            && medium.sectors() > LARGEST_FLOPPY / 512
        {
            bail!("`{}` has {} KiB, and a floppy at most 2880: use kind=disk", medium.name(), medium.sectors() / 2);
        }
        match (drive.kind, medium) {
            (Kind::Cdrom, medium) => opened.ide[place] = Some(DriveConfig::Cdrom(medium)),
            (Kind::Disk, Some(medium)) => opened.ide[place] = Some(DriveConfig::Disk(medium)),
            (Kind::Floppy, medium) => opened.floppies[place] = Some(medium),
            (Kind::Flash, Some(medium)) => flash[place] = Some(medium),
            (Kind::Disk | Kind::Flash, None) => {}
        }
    }
    if let [None, Some(second)] = &flash {
        bail!("`{}` is the lower flash memory (index=1), and there is no upper one: add it", second.name());
    }
    opened.flash = flash.into_iter().flatten().collect();
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
            ("x,kind=tape", "use disk, cdrom, floppy or flash"),
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
        assert_eq!(places(&drives(&["a,kind=floppy", "b", "c,kind=flash"])).unwrap(), [0, 0, 0]);
        let error = places(&drives(&["a,kind=floppy,index=2"])).unwrap_err().to_string();
        assert!(error.contains("two floppy drives"), "{error}");
        assert!(places(&drives(&["a,index=1", "b,index=1"])).unwrap_err().to_string().contains("two drives"));
        assert!(places(&drives(&["a", "b", "c", "d", "e"])).unwrap_err().to_string().contains("four drives"));
    }
}
