//! Parses cells: numbers, lengths, dates, keys, ids and lists of artists, in their common notations.

use std::ops::RangeInclusive;

use compact_str::{CompactString, format_compact};

use crate::date::ReleaseDate;
use crate::names::composed;

pub(super) const KEYS: RangeInclusive<i8> = -1..=11;

/// A length before its unit is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Length {
    Unknown,
    Milliseconds(f64),
    /// In the unit that the whole column has.
    Number(f64),
}

/// A finite number with a point or a comma before its decimals. A `%` behind it is ignored: the column's range tells its
/// scale.
pub(super) fn number(cell: &str) -> Option<f64> {
    short_number(cell).or_else(|| any_number(cell))
}

/// A number of at most 15 digits without an exponent, as nearly all are. It is the nearest `f64`, as [`str::parse`] finds it:
/// the digits as a whole number and the power of ten are exact, so that their quotient is rounded once (Clinger 1990).
fn short_number(cell: &str) -> Option<f64> {
    const DIGITS: usize = 15;
    const POWERS: [f64; DIGITS + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (is_negative, digits) = match cell.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut number, mut point) = (0_i64, None);
    if digits.len() > DIGITS + 1 {
        return None;
    }
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
            b'.' | b',' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point - 1);
    let count = digits.len() - usize::from(point.is_some());
    let size = (1..=DIGITS).contains(&count).then(|| number as f64 / POWERS[decimals])?;
    Some(if is_negative { -size } else { size })
}

fn any_number(cell: &str) -> Option<f64> {
    let parse = |text: &str| text.parse::<f64>().ok();
    let number = parse(cell).or_else(|| {
        let text = cell.trim_end_matches('%').trim_end();
        match text.split_once(',') {
            Some((whole, decimals)) => parse(&format_compact!("{whole}.{decimals}")),
            _ => parse(text),
        }
    })?;
    number.is_finite().then_some(number)
}

/// A whole number, which spreadsheets may have written as `4.0`.
pub(super) fn whole<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let digits = text
        .split_once('.')
        .map_or(text, |(digits, zeros)| if zeros.bytes().all(|byte| byte == b'0') { digits } else { text });
    T::try_from(digits.parse().ok()?).ok()
}

/// A number, or hours, minutes and seconds as `1:02:03` and `3:45.5`.
pub(super) fn length(cell: &str) -> Option<Length> {
    if !cell.contains(':') {
        return number(cell).filter(|number| *number >= 0.0).map(Length::Number);
    }
    let mut seconds = 0.0;
    for (at, part) in cell.rsplit(':').enumerate() {
        let part = number(part).filter(|part| (0.0..60.0).contains(part) || (at > 0 && *part >= 0.0))?;
        seconds += part * [1.0, 60.0, 3600.0].get(at)?;
    }
    Some(Length::Milliseconds(seconds * 1000.0))
}

/// `0000` is Spotify's mark for an unknown date.
pub(super) fn release_date(cell: &str) -> Option<Option<ReleaseDate>> {
    if cell == "0000" {
        return Some(None);
    }
    let year = || whole::<u16>(cell).and_then(|year| format_compact!("{year:04}").parse().ok());
    cell.parse().ok().or_else(year).map(Some)
}

/// The number of a pitch class, or its note with or without a mode: `C#`, `Db`, `A minor`, `F♯/G♭`.
pub(super) fn key(cell: &str) -> Option<i8> {
    if let Some(number) = whole::<i8>(cell) {
        return KEYS.contains(&number).then_some(number);
    }
    let note = cell.split(['/', ' ']).next()?;
    let mut letters = note.chars();
    let tone = match letters.next()?.to_ascii_uppercase() {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    match (letters.next(), letters.next()) {
        (None | Some('m'), None) => Some(tone),
        (Some('#' | '♯'), None | Some('m')) => Some((tone + 1) % 12),
        (Some('b' | '♭'), None | Some('m')) => Some((tone + 11) % 12),
        _ => None,
    }
}

pub(super) fn truth(cell: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(cell));
    if is(["true", "yes", "1"]) { Some(true) } else { is(["false", "no", "0"]).then_some(false) }
}

/// The id in a Spotify address: `spotify:track:ID` or `https://open.spotify.com/track/ID?…`.
pub(super) fn id(cell: &str) -> &str {
    let prefixes = ["spotify:track:", "https://open.spotify.com/track/", "http://open.spotify.com/track/"];
    let mut id = cell.trim();
    while let Some(rest) = prefixes.iter().find_map(|prefix| id.strip_prefix(prefix)) {
        id = rest.split(['?', '#']).next().unwrap_or_default().trim();
    }
    id
}

/// The artists of a list as one text: `['A', "B's"]`, Python's form, and `A;B`.
pub(super) fn artists(cell: &str) -> CompactString {
    let cell = &*composed(cell);
    if let Some(list) = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(']'))
        && let Some(names) = quoted(list)
    {
        return names.join(", ").into();
    }
    if cell.contains(';') {
        return cell
            .split(';')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
            .into();
    }
    cell.into()
}

/// The texts of a list in single or double quotes; none where it is something else.
fn quoted(list: &str) -> Option<Vec<String>> {
    let (mut names, mut letters) = (Vec::new(), list.trim().chars().peekable());
    while let Some(quote) = letters.next() {
        if !matches!(quote, '\'' | '"') {
            return None;
        }
        let mut name = String::new();
        loop {
            match letters.next()? {
                '\\' => name.push(letters.next()?),
                letter if letter == quote => break,
                letter => name.push(letter),
            }
        }
        names.push(name.trim().to_owned());
        while letters.next_if(|letter| matches!(letter, ',' | ' ')).is_some() {}
    }
    names.retain(|name| !name.is_empty());
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn short_numbers_are_those_of_the_standard_library(cell in "-?[0-9]{0,9}[.]?[0-9]{0,8}") {
            if let Some(short) = short_number(&cell) {
                proptest::prop_assert_eq!(short.to_bits(), cell.parse::<f64>().unwrap().to_bits());
                proptest::prop_assert_eq!(number(&cell.replace('.', ",")), Some(short));
            }
        }
    }

    #[test]
    fn numbers_have_the_forms_in_use() {
        for (cell, expected) in [
            ("0.5", Some(0.5)),
            ("0,5", Some(0.5)),
            (",5", Some(0.5)),
            ("-7.25", Some(-7.25)),
            ("5.62e-6", Some(5.62e-6)),
            ("+3", Some(3.0)),
            ("73 %", Some(73.0)),
            ("0.30000000000000004", Some(0.1 + 0.2)),
            ("1.234,5", None),
            ("", None),
            ("-", None),
            (".", None),
            ("NaN", None),
            ("1e999", None),
        ] {
            assert_eq!(number(cell), expected, "{cell}");
        }
    }

    #[test]
    fn lengths_keys_and_ids_have_the_forms_in_use() {
        assert_eq!(length("1:02:03"), Some(Length::Milliseconds(3_723_000.0)));
        assert_eq!(length("3:45,5"), Some(Length::Milliseconds(225_500.0)));
        assert_eq!(length("75:10"), Some(Length::Milliseconds(4_510_000.0)));
        assert_eq!(length("3:75"), None);
        assert_eq!(length("-3"), None);
        assert_eq!(length("0:1:2:3"), None);
        for (cell, expected) in [
            ("5", Some(5)),
            ("-1", Some(-1)),
            ("12", None),
            ("C", Some(0)),
            ("c#", Some(1)),
            ("Db", Some(1)),
            ("Am", Some(9)),
            ("F♯/G♭", Some(6)),
            ("Cb", Some(11)),
            ("B#", Some(0)),
            ("A minor", Some(9)),
            ("H", None),
        ] {
            assert_eq!(key(cell), expected, "{cell}");
        }
        assert_eq!(id("spotify:track:2374M0fQpWi3dLnB54qaLX"), "2374M0fQpWi3dLnB54qaLX");
        assert_eq!(id("https://open.spotify.com/track/2374?si=1"), "2374");
        assert_eq!(id("plain"), "plain");
    }

    #[test]
    fn lists_of_artists_become_one_text() {
        for (cell, expected) in [
            ("['Sergei Rachmaninoff', 'James Levine']", "Sergei Rachmaninoff, James Levine"),
            (r#"["Destiny's Child", 'AC\'DC']"#, "Destiny's Child, AC'DC"),
            ("Ingrid Michaelson;ZAYN", "Ingrid Michaelson, ZAYN"),
            ("Tyler, The Creator", "Tyler, The Creator"),
            ("[spunge]", "[spunge]"),
            ("['open", "['open"),
            ("[]", "[]"),
        ] {
            assert_eq!(artists(cell), expected);
        }
    }
}
