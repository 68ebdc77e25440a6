//! The values of QEMU's options: `KEY=VALUE` lists, numbers of CPUs, character devices.

use super::super::drive::{self, DriveSpec, Kind};
use super::super::nearest::nearest;
use super::super::size::Size;
use anyhow::{Context, Result, anyhow, bail};
use host::serial::Target;
use std::collections::BTreeMap;

/// A value of the form `FIRST,key=value,...`. A comma is written twice to be part of a value.
#[derive(Debug, PartialEq)]
pub struct Properties {
    /// What comes first and has no key.
    pub first: Option<String>,
    /// The rest in its order; a key alone means on.
    pub rest: Vec<(String, String)>,
}

impl Properties {
    /// Splits a value.
    pub fn new(text: &str) -> Self {
        let mut first = None;
        let mut rest = Vec::new();
        for (at, part) in split_commas(text).into_iter().enumerate() {
            match part.split_once('=') {
                Some((key, value)) => rest.push((key.to_owned(), value.to_owned())),
                None if at == 0 => first = Some(part),
                None if part.is_empty() => {}
                None => rest.push((part, "on".into())),
            }
        }
        Properties { first, rest }
    }

    /// The last value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.rest.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// An error if there is another key than these.
    pub fn only(&self, whose: &str, keys: &[&str]) -> Result<()> {
        match self.rest.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
            Some((key, _)) => {
                let nearest = nearest(key, keys.iter().copied()).unwrap_or("nothing");
                bail!("{whose} knows no `{key}`; the nearest known is `{nearest}`")
            }
            None => Ok(()),
        }
    }
}

/// Splits at commas; two of them are one that is meant.
pub fn split_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ',' && letters.next_if_eq(&',').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// `-m`: `512`, `2G`, `size=2G,slots=...,maxmem=...`.
pub fn memory(text: &str) -> Result<Size> {
    let properties = Properties::new(text);
    properties.only("-m", &["size", "slots", "maxmem"])?;
    let size = properties.first.as_deref().or(properties.get("size")).unwrap_or_default();
    size.parse().map_err(|error| anyhow!("-m: {error}"))
}

/// A number of megabytes; 0 is what is usual.
pub fn megabytes(whose: &str, text: &str) -> Result<Option<Size>> {
    let bytes = text.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << 20));
    let bytes = bytes.with_context(|| format!("{whose}: `{text}` is no number of megabytes, as in 64"))?;
    Ok((bytes > 0).then_some(Size(bytes)))
}

/// `-smp`: how many CPUs a topology has.
pub fn cpus(text: &str) -> Result<u32> {
    const PARTS: [&str; 7] = ["sockets", "dies", "clusters", "modules", "cores", "threads", "books"];
    let properties = Properties::new(text);
    let keys: Vec<&str> = ["cpus", "maxcpus"].into_iter().chain(PARTS).collect();
    properties.only("-smp", &keys)?;
    let number = |text: &str| match text.parse::<u32>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(anyhow!("-smp: `{text}` is no number of CPUs, as in -smp 4")),
    };
    let cpus = properties.first.as_deref().or(properties.get("cpus")).map(number).transpose()?;
    let most = properties.get("maxcpus").map(number).transpose()?;
    let given: Vec<u32> = PARTS.iter().filter_map(|key| properties.get(key)).map(number).collect::<Result<_>>()?;
    let product = given.iter().try_fold(1u32, |product, part| product.checked_mul(*part));
    let product = product.filter(|product| *product <= 4096).context("-smp: that topology has too many CPUs")?;
    let cpus = cpus.or(most).unwrap_or(product);
    let most = most.unwrap_or_else(|| cpus.max(product));
    if cpus > most {
        bail!("-smp: {cpus} CPUs are more than the {most} of maxcpus or the topology");
    }
    let complete = ["sockets", "cores", "threads"].iter().all(|key| properties.get(key).is_some());
    if !most.is_multiple_of(product) || (complete && product != most) {
        bail!("-smp: sockets, cores and threads make {product} CPUs, not {most}: change one of them");
    }
    Ok(cpus)
}

/// `-drive file=F,if=ide,media=cdrom,...`.
pub fn drive(text: &str) -> Result<DriveSpec> {
    // How the host does its input and output is our own business.
    const IGNORED: [&str; 9] =
        ["cache", "aio", "discard", "detect-zeroes", "werror", "rerror", "id", "copy-on-read", "serial"];
    let properties = Properties::new(text);
    let known = ["file", "if", "format", "media", "index", "bus", "unit", "snapshot", "readonly", "read-only"];
    properties.only("-drive", &[&known[..], &IGNORED].concat())?;
    let kind = match (properties.get("if"), properties.get("media")) {
        (Some("floppy"), None | Some("disk")) => Kind::Floppy,
        (Some("pflash"), None | Some("disk")) => Kind::Flash,
        (None | Some("ide"), None | Some("disk")) => Kind::Disk,
        (None | Some("ide"), Some("cdrom")) => Kind::Cdrom,
        (_, Some(other @ "cdrom")) => bail!("-drive: media={other} is for if=ide"),
        (None | Some("ide" | "floppy" | "pflash"), Some(other)) => {
            bail!("-drive: unknown medium `{other}`: use media=disk or media=cdrom")
        }
        (Some(other), _) => bail!("-drive: if={other} is not there yet: use if=ide, if=floppy or if=pflash"),
    };
    let file = properties.get("file").or(properties.first.as_deref()).map(Into::into);
    if file.is_none() && !kind.may_be_empty() {
        bail!("-drive {text}: a disk needs file=..., as in file=disk.img");
    }
    let said = |error: String| anyhow!("-drive: {error}");
    let switch = |key: &str| properties.get(key).map_or(Ok(false), |text| drive::switch(key, text)).map_err(said);
    let number = |key: &str| properties.get(key).map(drive::index).transpose().map_err(said);
    let index = match (number("index")?, number("bus")?, number("unit")?) {
        (None, None, None) => None,
        (Some(index), ..) => Some(index),
        (None, bus, unit) => Some((2 * bus.unwrap_or(0) + unit.unwrap_or(0)).min(3)),
    };
    let format = properties.get("format").map(drive::format).transpose().map_err(said)?;
    let read_only = switch("readonly")? || switch("read-only")?;
    Ok(DriveSpec { file, kind, format, read_only, snapshot: switch("snapshot")?, index })
}

/// A character device as `-serial` and `-debugcon` take it.
pub fn target(option: &str, text: &str, chardevs: &BTreeMap<String, Target>) -> Result<Target> {
    if let Some(id) = text.strip_prefix("chardev:") {
        return chardevs.get(id).cloned().with_context(|| {
            let nearest = nearest(id, chardevs.keys().map(String::as_str));
            let nearest = nearest.map_or("there is none".into(), |id| format!("the nearest there is is `{id}`"));
            format!("-{option}: no -chardev has the id `{id}`; {nearest}")
        });
    }
    let (multiplexed, text) = text.strip_prefix("mon:").map_or((false, text), |rest| (true, rest));
    match text {
        // As in QEMU: Ctrl-C ends the program unless the monitor's keys are there to do that.
        "stdio" => Ok(Target::Stdio { escape: multiplexed }),
        "vc" => Ok(Target::Null),
        _ if text.starts_with("vc:") => Ok(Target::Null),
        _ => text.parse().map_err(|error| anyhow!("-{option}: {error}")),
    }
}

/// `-chardev BACKEND,id=ID,...`: its name and what it is.
pub fn chardev(text: &str) -> Result<(String, Target)> {
    let properties = Properties::new(text);
    let backend = properties.first.as_deref().unwrap_or_default();
    let id =
        properties.get("id").with_context(|| format!("-chardev {text}: needs an id, as in -chardev {text},id=c0"))?;
    let on = |key: &str, usual: bool| properties.get(key).map_or(usual, |value| matches!(value, "on" | "yes" | "true"));
    let need = |key: &str| {
        properties.get(key).with_context(|| format!("-chardev {backend}: needs {key}=..., as in {key}=serial.{key}"))
    };
    let common = ["id", "mux", "logfile", "logappend"];
    let keys: &[&str] = match backend {
        "stdio" => &["signal"],
        "file" => &["path", "append"],
        "socket" => &["path", "host", "port", "server", "wait", "nodelay", "telnet"],
        _ => &[],
    };
    properties.only(&format!("-chardev {backend}"), &[&common[..], keys].concat())?;
    if properties.get("logfile").is_some() {
        bail!("-chardev: logfile is not supported yet: use file:PATH on a serial line of its own");
    }
    let target = match backend {
        "stdio" => Target::Stdio { escape: on("mux", false) || !on("signal", true) },
        "null" => Target::Null,
        "pty" => Target::Pty,
        "file" => Target::File { path: need("path")?.into(), append: on("append", false) },
        "socket" => {
            let server = if on("server", false) { ",server" } else { "" };
            let wait = if server.is_empty() || on("wait", true) { "" } else { ",nowait" };
            let address = match properties.get("path") {
                Some(path) => format!("unix:{path}"),
                None => format!("tcp:{}:{}", properties.get("host").unwrap_or_default(), need("port")?),
            };
            format!("{address}{server}{wait}").parse().map_err(|error| anyhow!("-chardev: {error}"))?
        }
        _ => {
            let nearest = nearest(backend, ["stdio", "file", "pty", "socket", "null"]).unwrap_or_default();
            bail!("-chardev: unknown backend `{backend}`; the nearest known is `{nearest}`")
        }
    };
    Ok((id.to_owned(), target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let properties = Properties::new("a,,b,key=x,,y,flag,key=z");
        assert_eq!(properties.first.as_deref(), Some("a,b"));
        assert_eq!(properties.get("key"), Some("z"));
        assert_eq!(properties.get("flag"), Some("on"));
        assert!(properties.only("x", &["key", "flag"]).is_ok());
        let error = properties.only("-x", &["kye"]).unwrap_err().to_string();
        assert!(error.contains("-x knows no `key`; the nearest known is `kye`"), "{error}");
    }

    #[test]
    fn memory_sizes() {
        for (text, size) in [("512", "512M"), ("2G", "2G"), ("size=1G,slots=2,maxmem=4G", "1G"), ("640k", "640K")] {
            assert_eq!(memory(text).unwrap(), size.parse().unwrap());
        }
        assert!(memory("lots").is_err() && memory("sise=1").is_err());
    }

    #[test]
    fn topologies() {
        for (text, count) in [
            ("4", 4),
            ("cpus=2", 2),
            ("2,cores=2,threads=1,sockets=1", 2),
            ("cores=2,threads=2", 4),
            ("1,maxcpus=4", 1),
            ("maxcpus=4", 4),
            ("4,sockets=2", 4),
        ] {
            assert_eq!(cpus(text).unwrap(), count, "{text}");
        }
        for text in ["0", "four", "4,maxcpus=2", "4,cores=3,threads=1,sockets=1", "kores=2", "65536,cores=65536"] {
            assert!(cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn character_devices() {
        let (id, target) = chardev("stdio,id=char0,mux=on,signal=off").unwrap();
        assert_eq!((id.as_str(), &target), ("char0", &Target::Stdio { escape: true }));
        let known = BTreeMap::from([(id, target)]);
        assert_eq!(super::target("serial", "chardev:char0", &known).unwrap(), Target::Stdio { escape: true });
        let error = super::target("serial", "chardev:chra0", &known).unwrap_err().to_string();
        assert!(error.contains("the nearest there is is `char0`"), "{error}");
        for (text, meaning) in [
            ("file,id=x,path=log", "file:log"),
            ("socket,id=x,path=/s,server=on,wait=off", "unix:/s,server,nowait"),
            ("socket,id=x,host=localhost,port=4444", "tcp:localhost:4444"),
            ("pty,id=x", "pty"),
            ("stdio,id=x", "stdio,signal=on"),
        ] {
            assert_eq!(chardev(text).unwrap().1.to_string(), meaning);
        }
        for text in ["stdio", "fiel,id=x", "file,id=x", "stdio,id=x,sinal=on"] {
            assert!(chardev(text).is_err(), "{text}");
        }
    }

    #[test]
    fn serial_lines() {
        let none = BTreeMap::new();
        for (text, meaning) in
            [("stdio", "stdio,signal=on"), ("mon:stdio", "stdio"), ("vc", "null"), ("mon:pty", "pty"), ("none", "none")]
        {
            assert_eq!(target("serial", text, &none).unwrap().to_string(), meaning);
        }
        let error = target("serial", "stdoi", &none).unwrap_err().to_string();
        assert!(error.starts_with("-serial: unknown character stream `stdoi`"), "{error}");
    }
}
