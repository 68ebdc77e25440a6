//! Amounts of memory as people write them: `512M`, `2G`, `4096` (MiB, as QEMU's users are used to).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An amount of memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Size(pub u64);

/// A machine file may have the number without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Size {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no amount of memory: write 512M, 2G or a number of megabytes");
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let shift = match unit.to_ascii_uppercase().trim_end_matches("IB") {
            "B" => 0,
            "K" => 10,
            "" | "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return Err(wrong()),
        };
        if let Ok(number) = number.parse::<u64>() {
            return number.checked_mul(1 << shift).map(Size).ok_or_else(wrong);
        }
        // 1.5G
        let bytes = number.parse::<f64>().map_err(|_| wrong())? * (1u64 << shift) as f64;
        if bytes < u64::MAX as f64 { Ok(Size(bytes as u64)) } else { Err(wrong()) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512", 512 << 20),
            ("512M", 512 << 20),
            ("640k", 640 << 10),
            ("2G", 2 << 30),
            ("1.5g", 3 << 29),
            ("2GiB", 2 << 30),
            ("1T", 1 << 40),
            ("4096B", 4096),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
        for text in ["", "M", "12Q", "-1", "99999999999T", "1.2.3G", "many"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
