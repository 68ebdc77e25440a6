//! From seconds to the calendar and back (proleptic Gregorian, as Howard Hinnant's "chrono-compatible low-level date
//! algorithms" describe it), and the clock's register formats.

/// A moment as the clock's registers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// 1 is Sunday.
    pub weekday: u8,
}

const DAY: i64 = 86_400;

/// The calendar at so many seconds since 1970-01-01 00:00.
pub fn calendar(seconds: i64) -> Calendar {
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Years begin in March, so that the leap day is a year's last; eras are 400 years.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    Calendar {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: month as u8,
        day: (of_year - (153 * march_month + 2) / 5 + 1) as u8,
        hour: (rest / 3_600) as u8,
        minute: (rest / 60 % 60) as u8,
        second: (rest % 60) as u8,
        weekday: ((days + 4).rem_euclid(7) + 1) as u8,
    }
}

/// Seconds since 1970-01-01 00:00. Fields out of their range carry over, as `mktime` does.
pub fn seconds(at: &Calendar) -> i64 {
    let month = i64::from(at.month).clamp(1, 12);
    let year = at.year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + i64::from(at.day) - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = era * 146_097 + of_era - 719_468;
    days * DAY + i64::from(at.hour) * 3_600 + i64::from(at.minute) * 60 + i64::from(at.second)
}

/// How register B says that numbers are shown.
#[derive(Clone, Copy)]
pub struct Format {
    /// Binary rather than BCD.
    pub binary: bool,
    /// 24 hours rather than 12 with an afternoon bit.
    pub hours24: bool,
}

impl Format {
    /// A number as a register shows it.
    pub fn encode(self, value: u8) -> u8 {
        if self.binary { value } else { (value / 10 % 10) << 4 | (value % 10) }
    }

    /// The number that a register means.
    pub fn decode(self, value: u8) -> u8 {
        if self.binary { value } else { (value >> 4) * 10 + (value & 15) }
    }

    /// An hour as its register shows it.
    pub fn encode_hour(self, hour: u8) -> u8 {
        if self.hours24 {
            return self.encode(hour);
        }
        let twelve = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        self.encode(twelve) | if hour >= 12 { 0x80 } else { 0 }
    }

    /// The hour that its register means.
    pub fn decode_hour(self, value: u8) -> u8 {
        if self.hours24 {
            return self.decode(value);
        }
        self.decode(value & 0x7f) % 12 + if value & 0x80 != 0 { 12 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for at in [0, 951_782_399, 951_782_400, 1_709_164_800, -1, 4_102_444_799, 1_000_000_007] {
            assert_eq!(seconds(&calendar(at)), at);
        }
        let leap = calendar(951_782_400);
        assert_eq!((leap.year, leap.month, leap.day, leap.weekday), (2000, 2, 29, 3));
    }

    #[test]
    fn hours_in_all_formats() {
        for (binary, hours24) in [(false, false), (false, true), (true, false), (true, true)] {
            let format = Format { binary, hours24 };
            for hour in 0..24 {
                assert_eq!(format.decode_hour(format.encode_hour(hour)), hour);
            }
        }
        let twelve = Format { binary: false, hours24: false };
        assert_eq!((twelve.encode_hour(0), twelve.encode_hour(12), twelve.encode_hour(23)), (0x12, 0x92, 0x91));
    }
}
