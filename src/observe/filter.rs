//! Which instructions a trace shows: `0x1000..0x1fff,cpl=3,from=1000000`.

use std::fmt;
use std::str::FromStr;

/// A filter. Ranges are alternatives; everything else has to hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Linear addresses, first and last; none: all.
    ranges: Vec<(u64, u64)>,
    cpl: Option<u8>,
    cpu: Option<u32>,
    /// The first instruction by its number on its CPU, and the last one.
    pub from: u64,
    /// See `from`.
    pub to: u64,
}

impl Default for Filter {
    fn default() -> Self {
        Filter { ranges: Vec::new(), cpl: None, cpu: None, from: 0, to: u64::MAX }
    }
}

impl Filter {
    /// Whether an instruction is shown.
    pub fn shows(&self, cpu: u32, cpl: u8, linear: u64) -> bool {
        self.cpl.is_none_or(|wanted| wanted == cpl)
            && self.cpu.is_none_or(|wanted| wanted == cpu)
            && (self.ranges.is_empty() || self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&linear)))
    }
}

/// A number, decimal or with 0x.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(&digits.replace('_', ""), 16).ok(),
        None => text.parse().ok(),
    }
}

/// `FIRST..LAST`, `FIRST+LENGTH`, `LAST-LENGTH`, as QEMU's -dfilter has them.
fn range(text: &str) -> Option<(u64, u64)> {
    if let Some((first, last)) = text.split_once("..") {
        let (first, last) = (number(first)?, number(last)?);
        return (first <= last).then_some((first, last));
    }
    if let Some((first, length)) = text.split_once('+') {
        let first = number(first)?;
        return Some((first, first.checked_add(number(length)?.checked_sub(1)?)?));
    }
    let (last, length) = text.split_once('-')?;
    let last = number(last)?;
    Some((last.checked_sub(number(length)?.checked_sub(1)?)?, last))
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut filter = Filter::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let wrong = || {
                format!(
                    "`{item}` is no filter: give FIRST..LAST or FIRST+LENGTH (linear addresses), cpl=0 to cpl=3, cpu=N, from=N or \
                     to=N (instructions of a CPU since power-on)"
                )
            };
            match item.split_once('=') {
                Some((key, value)) => {
                    let value = number(value).ok_or_else(wrong)?;
                    match key {
                        "cpl" if value <= 3 => filter.cpl = Some(value as u8),
                        "cpu" => filter.cpu = Some(u32::try_from(value).map_err(|_| wrong())?),
                        "from" => filter.from = value,
                        "to" => filter.to = value,
                        _ => return Err(wrong()),
                    }
                }
                None => filter.ranges.push(range(item).ok_or_else(wrong)?),
            }
        }
        Ok(filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<_> = self.ranges.iter().map(|(first, last)| format!("{first:#x}..{last:#x}")).collect();
        f.write_str(&ranges.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read() {
        let filter: Filter = "0x1000..0x1fff,0xffffffff81000000+0x10,cpl=3,cpu=1,from=5,to=9".parse().unwrap();
        assert!(filter.shows(1, 3, 0x1fff) && filter.shows(1, 3, 0xffff_ffff_8100_000f));
        assert!(!filter.shows(1, 3, 0x2000) && !filter.shows(1, 0, 0x1000) && !filter.shows(0, 3, 0x1000));
        assert_eq!((filter.from, filter.to), (5, 9));
        assert!("".parse::<Filter>().unwrap().shows(7, 0, 0));
        assert!("0x1fff-0x1000".parse::<Filter>().unwrap().shows(0, 0, 0x1000));
        for wrong in ["x", "cpl=4", "5..1", "0x10+0", "ring=0", "1-3"] {
            assert!(wrong.parse::<Filter>().unwrap_err().contains("FIRST..LAST"), "{wrong}");
        }
    }
}
