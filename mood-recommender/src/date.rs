//! Release dates, which catalogues give to the day, the month or the year.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Release date of a song, to the day, the month or the year.
///
/// Parses `1982-10-27`, `27-10-1982`, `27.10.1982`, `1966-03` and `1993`, with or without a time after a `T`. Prints the first form
/// without the unknown parts. Dates sort by year, then month, then day; the less exact one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ReleaseDate {
    year: u16,
    // Zero where unknown, which also sorts the less exact date first.
    month: u8,
    day: u8,
}

impl ReleaseDate {
    /// The year, 1 to 9999.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12, where it is known.
    pub fn month(self) -> Option<u8> {
        (self.month > 0).then_some(self.month)
    }

    /// The day of the month, 1 to 31, where it is known.
    pub fn day(self) -> Option<u8> {
        (self.day > 0).then_some(self.day)
    }

    fn parse(text: &str) -> Option<Self> {
        // APIs add a time, which says nothing of the day.
        let text = text.trim();
        let text = text.split_once('T').map_or(text, |(date, _)| date);
        let separator = if text.contains('.') { '.' } else { '-' };
        let mut parts = text.split(separator);
        let (first, second, third) = (parts.next()?, parts.next(), parts.next());
        if parts.next().is_some() || (separator == '.' && (third.is_none() || first.len() == 4)) {
            return None;
        }
        let (year, month, day) = match (second, third) {
            (None, _) => (first, None, None),
            (Some(month), None) => (first, Some(month), None),
            (Some(month), Some(day)) if first.len() == 4 => (first, Some(month), Some(day)),
            (Some(month), Some(year)) => (year, Some(month), Some(first)),
        };
        if year.len() != 4 {
            return None;
        }
        let year = digits(year).filter(|&year| year > 0)?;
        let month = month.map_or(Some(0), |month| in_range(month, 12))?;
        let day = day.map_or(Some(0), |day| in_range(day, days_in(year, month)))?;
        Some(ReleaseDate { year, month, day })
    }
}

/// A number of digits only: `str::parse` would take a sign too.
fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn in_range(text: &str, last: u8) -> Option<u8> {
    let number = digits(text).filter(|&number| (1..=u16::from(last)).contains(&number))?;
    u8::try_from(number).ok()
}

/// Days in a month of the Gregorian calendar.
fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for ReleaseDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.month > 0 {
            write!(f, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

impl FromStr for ReleaseDate {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        ReleaseDate::parse(text).ok_or_else(|| InvalidDate { given: text.to_owned() })
    }
}

impl From<ReleaseDate> for String {
    fn from(date: ReleaseDate) -> Self {
        date.to_string()
    }
}

impl TryFrom<String> for ReleaseDate {
    type Error = InvalidDate;

    fn try_from(text: String) -> Result<Self, InvalidDate> {
        text.parse()
    }
}

/// The text is not a valid calendar date in one of the forms that [`ReleaseDate`] parses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("release_date: text must be {expected}, got {given:?}", expected = InvalidDate::EXPECTED)]
#[non_exhaustive]
pub struct InvalidDate {
    /// The text as it was given.
    pub given: String,
}

impl InvalidDate {
    pub(crate) const EXPECTED: &'static str = "a date as 1982-10-27, 27-10-1982, 1966-03 or 1993";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> ReleaseDate {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_in_circulation_is_read() {
        assert_eq!(date("1982-10-27"), date("27-10-1982"));
        assert_eq!(date("1966-03").month(), Some(3));
        assert_eq!(date("1966-03").day(), None);
        assert_eq!(date("1993").year(), 1993);
        assert_eq!(date("1993").month(), None);
        assert_eq!(date("1982-10-27T00:00:00Z"), date("27.10.1982"));
        assert_eq!(date(" 29-02-2000 ").day(), Some(29));
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["1982-10-27", "1966-03", "1993", "0800"] {
            assert_eq!(date(text).to_string(), text);
        }
        assert_eq!(date("27-10-1982").to_string(), "1982-10-27");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "82",
            "1982-13",
            "1982-00",
            "1982-10-32",
            "1900-02-29",
            "31-04-1999",
            "1982-10-27-01",
            "27-10-82",
            "+982",
            "1982-+1-01",
            "1982/10/27",
            "1982.10.27",
            "10.1982",
            "yesterday",
            "0000",
            "٠٠٠٠",
        ] {
            assert!(text.parse::<ReleaseDate>().is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn dates_sort_by_time_and_the_less_exact_first() {
        assert!(date("1982") < date("1982-01"));
        assert!(date("1982-01") < date("1982-01-01"));
        assert!(date("31-12-1981") < date("1982"));
    }
}
