//! Units that a file does not name: they are recognised by the range of a whole column.

use super::cell::Length;
use super::column::plain;
use crate::feature::{FEATURES, SongFeature};

/// What the numbers of a table look like, column by column.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranges {
    features: [Range; FEATURES],
    lengths: Range,
    /// Whether a length stands as `3:45`.
    has_clocks: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Range {
    smallest: f64,
    largest: f64,
    /// Numbers other than 0, and those of them above 1.
    not_zero: usize,
    above_one: usize,
    /// Numbers between 0 and 1.
    parts: usize,
}

impl Range {
    fn add(&mut self, value: f64) {
        self.smallest = self.smallest.min(value);
        self.largest = self.largest.max(value);
        self.not_zero += usize::from(value != 0.0);
        self.above_one += usize::from(value > 1.0);
        self.parts += usize::from(value > 0.0 && value < 1.0);
    }

    fn merge(&mut self, other: &Range) {
        self.smallest = self.smallest.min(other.smallest);
        self.largest = self.largest.max(other.largest);
        self.not_zero += other.not_zero;
        self.above_one += other.above_one;
        self.parts += other.parts;
    }

    /// Whether the column is in per cent: at least half of the numbers other than 0 are above 1, so a few wrong values don't
    /// decide. For an ambiguous column, the others decide: see [`Ranges::units`].
    fn is_percent(&self) -> bool {
        (2.0..=100.0).contains(&self.largest) && self.above_one * 2 >= self.not_zero
    }

    /// Whether the column holds fractions of 1, not only small whole numbers.
    fn is_of_one(&self) -> bool {
        self.largest <= 1.0 && self.parts > 0
    }
}

impl Ranges {
    pub(super) fn add_feature(&mut self, feature: SongFeature, value: f32) {
        self.features[feature as usize].add(f64::from(value));
    }

    pub(super) fn add_length(&mut self, length: Length) {
        match length {
            Length::Number(number) => self.lengths.add(number),
            Length::Milliseconds(_) => self.has_clocks = true,
            Length::Unknown => {}
        }
    }

    pub(super) fn merge(&mut self, other: &Ranges) {
        self.features.iter_mut().zip(&other.features).for_each(|(range, other)| range.merge(other));
        self.lengths.merge(&other.lengths);
        self.has_clocks |= other.has_clocks;
    }

    /// The units of the table; `header` is the unit of lengths that the header names.
    pub(super) fn units(&self, header: Option<LengthUnit>) -> Units {
        let is_unit = |feature| {
            !matches!(feature, SongFeature::Loudness | SongFeature::Tempo | SongFeature::Popularity)
        };
        let count = |is: fn(&Range) -> bool| {
            SongFeature::ALL
                .into_iter()
                .filter(|feature| is_unit(*feature) && is(&self.features[*feature as usize]))
                .count()
        };
        // In a whole catalogue, instrumentalness may reach 1 % at most. The other columns then show that 1 means 1 %, not 100 %.
        let (percents, of_one) = (count(Range::is_percent), count(Range::is_of_one));
        let are_percents = percents > 0 && percents >= 3 * of_one;
        let is_percent = |feature| {
            let range = &self.features[feature as usize];
            let goes_along = are_percents && range.not_zero > 0 && range.largest <= 100.0;
            is_unit(feature) && (range.is_percent() || goes_along)
        };
        let percents = SongFeature::ALL.map(is_percent);
        let by_range = match self.lengths.largest {
            // The longest song of a catalogue lasts ten seconds or more, but less than three hours.
            largest if largest >= 10_000.0 || self.lengths.not_zero == 0 => LengthUnit::Milliseconds,
            _ => LengthUnit::Seconds,
        };
        Units {
            percents,
            is_popularity_of_one: self.features[SongFeature::Popularity as usize].is_of_one(),
            length: header.unwrap_or(by_range),
            has_length_numbers: self.lengths.not_zero > 0,
            has_clocks: self.has_clocks,
            is_length_by_range: header.is_none(),
        }
    }
}

/// What a number of the length's column counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LengthUnit {
    Milliseconds,
    Seconds,
    Minutes,
}

impl LengthUnit {
    /// The unit that a header names: `Duration (ms)`, `durationMs`, `duration_s`.
    pub(super) fn of_header(header: &str) -> Option<Self> {
        let header = plain(header);
        let ends = |units: &[&str]| units.iter().any(|unit| header.ends_with(unit));
        if ends(&["ms", "milliseconds"]) {
            Some(LengthUnit::Milliseconds)
        } else if ends(&["sec", "seconds", "durations", "lengths"]) {
            Some(LengthUnit::Seconds)
        } else {
            ends(&["min", "minutes"]).then_some(LengthUnit::Minutes)
        }
    }
}

/// In which units the numbers of a table are.
pub(super) struct Units {
    /// The features that run from 0 to 100 instead of 1.
    percents: [bool; FEATURES],
    /// Whether popularity runs from 0 to 1 instead of 100.
    is_popularity_of_one: bool,
    length: LengthUnit,
    has_length_numbers: bool,
    has_clocks: bool,
    is_length_by_range: bool,
}

impl Units {
    fn percents(&self) -> impl Iterator<Item = SongFeature> {
        SongFeature::ALL.into_iter().filter(|feature| self.percents[*feature as usize])
    }

    /// A value of the table in the feature's own unit.
    pub(super) fn feature(&self, feature: SongFeature, value: f32) -> f32 {
        match feature {
            SongFeature::Popularity if self.is_popularity_of_one => value * 100.0,
            _ if self.percents[feature as usize] => value / 100.0,
            _ => value,
        }
    }

    /// Whether a catalogue accepts all features of a table with these ranges.
    pub(super) fn are_allowed(&self, ranges: &Ranges) -> bool {
        SongFeature::ALL.into_iter().all(|feature| {
            let Range { smallest, largest, .. } = ranges.features[feature as usize];
            // Unit conversion keeps the order of values, even with rounding, so checking both ends is enough.
            [smallest, largest]
                .into_iter()
                .all(|end| feature.range().contains(&self.feature(feature, end as f32)))
        })
    }

    /// In milliseconds; none where it is unknown or does not fit.
    pub(super) fn length(&self, length: Length) -> Option<f64> {
        match (length, self.length) {
            (Length::Unknown, _) => None,
            (Length::Milliseconds(number), _) | (Length::Number(number), LengthUnit::Milliseconds) => {
                Some(number)
            }
            (Length::Number(number), LengthUnit::Seconds) => Some(number * 1000.0),
            (Length::Number(number), LengthUnit::Minutes) => Some(number * 60_000.0),
        }
    }

    /// Notes for users on the units that were recognised by range, header or notation. Milliseconds are not mentioned.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let features =
            self.percents().map(|feature| format!("{feature} runs from 0 to 100 and is divided by 100"));
        let length = match (self.is_length_by_range, self.length) {
            _ if !self.has_length_numbers => None,
            (_, LengthUnit::Milliseconds) => None,
            (true, _) => Some("length is taken for seconds".to_owned()),
            (false, LengthUnit::Seconds) => Some("length is in seconds, as its header says".to_owned()),
            (false, LengthUnit::Minutes) => Some("length is in minutes, as its header says".to_owned()),
        };
        let clocks = self.has_clocks.then(|| "length is written in minutes and seconds, as 3:45".to_owned());
        let popularity = self
            .is_popularity_of_one
            .then(|| "popularity runs from 0 to 1 and is multiplied by 100".to_owned());
        features.chain(popularity).chain(length).chain(clocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wrong_numbers_make_no_other_scale() {
        let is_percent = |values: &[f32]| {
            let mut ranges = Ranges::default();
            values.iter().for_each(|value| ranges.add_feature(SongFeature::Energy, *value));
            ranges.units(None).percents().any(|feature| feature == SongFeature::Energy)
        };
        assert!(!is_percent(&[0.1, 0.9, 0.5, 80.0]));
        assert!(!is_percent(&[1.05]));
        assert!(is_percent(&[0.0, 0.0, 0.0, 1.0, 35.0, 80.0]));
        assert!(!is_percent(&[80.0, 120.0]));
        assert!(!is_percent(&[]));
    }

    #[test]
    fn a_column_without_large_numbers_goes_by_the_others() {
        let percents = |columns: &[(SongFeature, &[f32])]| -> Vec<SongFeature> {
            let mut ranges = Ranges::default();
            for (feature, values) in columns {
                values.iter().for_each(|value| ranges.add_feature(*feature, *value));
            }
            ranges.units(None).percents().collect()
        };
        let (energy, valence, liveness) = (SongFeature::Energy, SongFeature::Valence, SongFeature::Liveness);
        let instrumentalness = SongFeature::Instrumentalness;
        let found = percents(&[(energy, &[35.0, 80.0]), (instrumentalness, &[0.0, 1.0])]);
        assert!(found.len() == 2 && found.contains(&instrumentalness), "{found:?}");
        let large: &[f32] = &[35.0, 80.0];
        let found = percents(&[
            (energy, large),
            (valence, large),
            (liveness, large),
            (instrumentalness, &[0.3, 0.6]),
        ]);
        assert_eq!(found.len(), 4);
        // Two scales in one table stay two.
        assert_eq!(percents(&[(energy, large), (valence, &[0.3, 0.6])]), [energy]);
        assert_eq!(percents(&[(energy, &[0.3, 0.6]), (instrumentalness, &[0.0, 1.0])]), []);
        assert_eq!(percents(&[(energy, large), (instrumentalness, &[0.0])]), [energy]);
    }

    #[test]
    fn popularity_of_parts_of_one_is_no_popularity_of_whole_numbers() {
        let is_of_one = |values: &[f32]| {
            let mut ranges = Ranges::default();
            values.iter().for_each(|value| ranges.add_feature(SongFeature::Popularity, *value));
            ranges.units(None).is_popularity_of_one
        };
        assert!(is_of_one(&[0.0, 0.7, 1.0]));
        assert!(!is_of_one(&[0.0, 1.0, 1.0]) && !is_of_one(&[0.5, 0.7, 35.0]) && !is_of_one(&[]));
    }

    #[test]
    fn a_length_has_the_unit_of_its_header_or_of_its_range() {
        for (header, unit) in [
            ("Duration (ms)", Some(LengthUnit::Milliseconds)),
            ("durationMs", Some(LengthUnit::Milliseconds)),
            ("duration_s", Some(LengthUnit::Seconds)),
            ("duration_min", Some(LengthUnit::Minutes)),
            ("length", None),
        ] {
            assert_eq!(LengthUnit::of_header(header), unit, "{header}");
        }
        let mut ranges = Ranges::default();
        ranges.add_length(Length::Number(215.0));
        assert_eq!(ranges.units(None).length(Length::Number(215.0)), Some(215_000.0));
        ranges.add_length(Length::Number(180_000.0));
        assert_eq!(ranges.units(None).length(Length::Number(215.0)), Some(215.0));
        assert_eq!(ranges.units(None).notes().count(), 0);
        ranges.add_length(Length::Milliseconds(1000.0));
        let notes = |header| ranges.units(header).notes().collect::<Vec<_>>();
        assert_eq!(notes(None), ["length is written in minutes and seconds, as 3:45"]);
        assert_eq!(notes(Some(LengthUnit::Minutes))[0], "length is in minutes, as its header says");
    }
}
