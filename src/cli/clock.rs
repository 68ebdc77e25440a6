//! What the guest's real-time clock shows at power-on: `utc`, `localtime` or a date.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Clock {
    /// The host's time in UTC.
    Utc,
    /// The host's local time.
    Local,
    /// A fixed moment, in seconds since 1970.
    At(i64),
}

impl FromStr for Clock {
    type Err = String;

    /// Takes QEMU's `base=utc,clock=host` too; how QEMU's clocks are driven makes no difference here.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut clock = Clock::Utc;
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("base", base)) => clock = base_of(base)?,
                Some(("clock", "host" | "rt" | "vm")) | Some(("driftfix", "none" | "slew")) => {}
                Some((key, value)) => {
                    return Err(format!(
                        "unknown clock setting `{key}={value}`: write base=utc, base=localtime or a date"
                    ));
                }
                None => clock = base_of(part)?,
            }
        }
        Ok(clock)
    }
}

fn base_of(text: &str) -> Result<Clock, String> {
    match text {
        "utc" => Ok(Clock::Utc),
        "localtime" => Ok(Clock::Local),
        _ => date(text)
            .map(Clock::At)
            .ok_or_else(|| format!("`{text}` is no clock setting: write utc, localtime or 2026-01-31T12:30:00")),
    }
}

/// `2026-01-31` or `2026-01-31T12:30:00`, as seconds since 1970.
fn date(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, separator| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(time, ':')?);
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    valid.then(|| ((days_before(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    let years: i64 = (1970..year).map(|year| 365 + i64::from(is_leap(year))).sum();
    years + (1..month).map(|month| days_in(year, month)).sum::<i64>()
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clock::Utc => f.write_str("utc"),
            Clock::Local => f.write_str("localtime"),
            Clock::At(moment) => {
                let (mut days, second) = (moment.div_euclid(86_400), moment.rem_euclid(86_400));
                let (mut year, mut month) = (1970, 1);
                while days >= days_in(year, month) {
                    days -= days_in(year, month);
                    (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                }
                let (hour, minute) = (second / 3600, second / 60 % 60);
                write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{:02}", days + 1, second % 60)
            }
        }
    }
}

impl TryFrom<String> for Clock {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> String {
        clock.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        for (text, clock) in [
            ("utc", Clock::Utc),
            ("base=localtime,clock=host", Clock::Local),
            ("base=utc,driftfix=slew", Clock::Utc),
            ("1970-01-02", Clock::At(86_400)),
            ("base=2026-01-31T12:30:05", Clock::At(1_769_862_605)),
            ("2024-02-29T23:59:59", Clock::At(1_709_251_199)),
        ] {
            assert_eq!(text.parse(), Ok(clock), "{text}");
            assert_eq!(clock.to_string().parse(), Ok(clock));
        }
        for text in ["", "noon", "2025-02-29", "2026-13-01", "base=", "clock=tick", "2026-01-01T24:00:00"] {
            assert!(text.parse::<Clock>().is_err(), "{text}");
        }
    }
}
