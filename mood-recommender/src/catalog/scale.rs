//! Units that a file does not name: they are recognised by the range of a whole column.

use super::cell::Length;
use super::column::plain;
use crate::feature::{FEATURES, Feature};

/// What the numbers of a table look like, column by column.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranges {
    features: [Range; FEATURES],
    lengths: Range,
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

    /// Most numbers are above 1, not a few wrong ones.
    fn is_percent(&self) -> bool {
        (2.0..=100.0).contains(&self.largest) && self.above_one * 2 >= self.not_zero
    }

    /// Parts of 1, not a few whole numbers that are small.
    fn is_of_one(&self) -> bool {
        self.largest <= 1.0 && self.parts > 0
    }
}

impl Ranges {
    pub(super) fn add_feature(&mut self, feature: Feature, value: f32) {
        self.features[feature as usize].add(f64::from(value));
    }

    pub(super) fn add_length(&mut self, length: Length) {
        if let Length::Number(number) = length {
            self.lengths.add(number);
        }
    }

    pub(super) fn merge(&mut self, other: &Ranges) {
        self.features.iter_mut().zip(&other.features).for_each(|(range, other)| range.merge(other));
        self.lengths.merge(&other.lengths);
    }

    /// The units of the table; `header` is the unit of lengths that the header names.
    pub(super) fn units(&self, header: Option<LengthUnit>) -> Units {
        let is_percent = |feature| {
            let is_unit = !matches!(feature, Feature::Loudness | Feature::Tempo | Feature::Popularity);
            is_unit && self.features[feature as usize].is_percent()
        };
        let percents = Feature::ALL.map(is_percent);
        let by_range = match self.lengths.largest {
            // No song lasts less than ten seconds throughout a catalogue, and none lasts three hours.
            largest if largest >= 10_000.0 || self.lengths.not_zero == 0 => LengthUnit::Milliseconds,
            _ => LengthUnit::Seconds,
        };
        Units {
            percents,
            is_popularity_of_one: self.features[Feature::Popularity as usize].is_of_one(),
            length: header.unwrap_or(by_range),
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
    is_length_by_range: bool,
}

impl Units {
    fn percents(&self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(|feature| self.percents[*feature as usize])
    }

    /// A value of the table in the feature's own unit.
    pub(super) fn feature(&self, feature: Feature, value: f32) -> f32 {
        match feature {
            Feature::Popularity if self.is_popularity_of_one => value * 100.0,
            _ if self.percents[feature as usize] => value / 100.0,
            _ => value,
        }
    }

    /// Whether a catalogue accepts all features of a table with these ranges.
    pub(super) fn are_allowed(&self, ranges: &Ranges) -> bool {
        Feature::ALL.into_iter().all(|feature| {
            let Range { smallest, largest, .. } = ranges.features[feature as usize];
            // Each unit keeps the order of values, rounding too.
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

    /// What was recognised by range, for people.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let features =
            self.percents().map(|feature| format!("{feature} runs from 0 to 100 and is divided by 100"));
        let length = match (self.is_length_by_range, self.length) {
            (true, LengthUnit::Seconds) => Some("length is taken for seconds".to_owned()),
            _ => None,
        };
        let popularity = self
            .is_popularity_of_one
            .then(|| "popularity runs from 0 to 1 and is multiplied by 100".to_owned());
        features.chain(popularity).chain(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wrong_numbers_make_no_other_scale() {
        let is_percent = |values: &[f32]| {
            let mut ranges = Ranges::default();
            values.iter().for_each(|value| ranges.add_feature(Feature::Energy, *value));
            ranges.units(None).percents().any(|feature| feature == Feature::Energy)
        };
        assert!(!is_percent(&[0.1, 0.9, 0.5, 80.0]));
        assert!(!is_percent(&[1.05]));
        assert!(is_percent(&[0.0, 0.0, 0.0, 1.0, 35.0, 80.0]));
        assert!(!is_percent(&[80.0, 120.0]));
        assert!(!is_percent(&[]));
    }

    #[test]
    fn popularity_of_parts_of_one_is_no_popularity_of_whole_numbers() {
        let is_of_one = |values: &[f32]| {
            let mut ranges = Ranges::default();
            values.iter().for_each(|value| ranges.add_feature(Feature::Popularity, *value));
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
    }
}
