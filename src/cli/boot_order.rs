//! What to start from: `cdn`, or `order=cdn,once=d,menu=on`, with QEMU's letters: a and b floppies, c hard disk, d CD-ROM, n
//! network.

use super::drive::switch;
use super::nearest::nearest;
use roms::{BootDevice, BootOrder};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BootSpec(pub BootOrder);

const KEYS: [&str; 7] = ["order", "once", "menu", "strict", "splash", "splash-time", "reboot-timeout"];

fn devices(letters: &str) -> Result<Vec<BootDevice>, String> {
    let mut devices = Vec::new();
    for letter in letters.chars() {
        let device = match letter {
            'a' | 'b' => BootDevice::Floppy,
            'c' => BootDevice::Disk,
            'd' => BootDevice::Cdrom,
            'n'..='p' => continue, // nothing starts from a network yet, and the next may do
            _ => return Err(format!("`{letter}` is nothing to start from: use a floppy, c disk, d CD, as in `dc`")),
        };
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    Ok(devices)
}

impl FromStr for BootSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut boot = BootOrder::default();
        let usual = boot.order.clone();
        for part in text.split(',') {
            match part.split_once('=') {
                None => boot.order = devices(part)?,
                Some(("order", letters)) => boot.order = devices(letters)?,
                Some(("once", letters)) => boot.once = devices(letters)?,
                Some(("menu", value)) => boot.menu = switch("menu", value)?,
                Some(("strict" | "splash" | "splash-time" | "reboot-timeout", _)) => {}
                Some((key, _)) => {
                    let nearest = nearest(key, KEYS).unwrap_or_default();
                    return Err(format!("the order knows no `{key}`; the nearest known is `{nearest}`"));
                }
            }
        }
        // What was not named comes after what was.
        boot.order.extend(usual.into_iter().filter(|device| !boot.order.contains(device)).collect::<Vec<_>>());
        Ok(BootSpec(boot))
    }
}

impl fmt::Display for BootSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = |devices: &[BootDevice]| -> String {
            let letter = |device: &BootDevice| match device {
                BootDevice::Floppy => 'a',
                BootDevice::Disk => 'c',
                BootDevice::Cdrom => 'd',
            };
            devices.iter().map(letter).collect()
        };
        write!(f, "order={}", letters(&self.0.order))?;
        if !self.0.once.is_empty() {
            write!(f, ",once={}", letters(&self.0.once))?;
        }
        f.write_str(if self.0.menu { ",menu=on" } else { "" })
    }
}

impl TryFrom<String> for BootSpec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BootSpec> for String {
    fn from(boot: BootSpec) -> String {
        boot.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        use BootDevice::{Cdrom, Disk, Floppy};
        let parse = |text: &str| text.parse::<BootSpec>().unwrap().0;
        assert_eq!(parse("d").order, [Cdrom, Disk, Floppy]);
        assert_eq!(parse("cdn").order, [Disk, Cdrom, Floppy]);
        let boot = parse("order=ca,once=d,menu=on");
        assert_eq!((boot.order, boot.once, boot.menu), (vec![Disk, Floppy, Cdrom], vec![Cdrom], true));
        assert!("order=x".parse::<BootSpec>().unwrap_err().contains("as in `dc`"));
        assert!("ordr=c".parse::<BootSpec>().unwrap_err().contains("`order`"));
        let text = "order=dca,once=a,menu=on";
        assert_eq!(text.parse::<BootSpec>().unwrap().to_string(), text);
    }
}
