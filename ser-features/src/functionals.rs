//! Statistics of features over time.

use std::fmt;
use std::str::FromStr;

use ndarray::Array1;

use crate::error::ConfigError;
use crate::features::{Feature, FeatureConfig, Features};

/// A number that describes the frames of one row of a feature. It is 0 when no frame is chosen.
///
/// A row whose values are all the same has a skewness and a kurtosis of 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Functional {
    /// Arithmetic mean.
    Mean,
    /// Standard deviation: the square root of the mean squared distance from the mean. The sum is divided by the number of frames (numpy's
    /// default).
    Std,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Largest less smallest value.
    Range,
    /// The 50th percentile.
    Median,
    /// The percentile, 0..=100: the value that this percentage of the frames doesn't exceed, with linear interpolation (numpy's default).
    /// [`Features::functionals`] refuses other numbers.
    Percentile(f64),
    /// Third moment about the mean divided by the cube of the standard deviation (SciPy's default, biased).
    Skewness,
    /// Fourth moment about the mean divided by the fourth power of the standard deviation, minus 3 (SciPy's default, biased).
    Kurtosis,
    /// Slope of the straight line with the least squared error, in the feature's unit per frame; 0 for a single frame. Frames keep their
    /// numbers where [`Features::functionals_where`] leaves others out.
    Slope,
}

/// The name in lower case, as in column names: `mean`, `percentile_10`.
impl fmt::Display for Functional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Range => "range",
            Self::Median => "median",
            Self::Percentile(percent) => return write!(f, "percentile_{percent}"),
            Self::Skewness => "skewness",
            Self::Kurtosis => "kurtosis",
            Self::Slope => "slope",
        })
    }
}

/// Error of parsing a [`Functional`]: no functional has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "functionals: name must be one of mean, std, min, max, range, median, percentile_P with P from 0 to 100, skewness, kurtosis, slope, \
     got {name:?}"
)]
#[non_exhaustive]
pub struct UnknownFunctional {
    /// The name given.
    pub name: String,
}

impl FromStr for Functional {
    type Err = UnknownFunctional;

    /// Finds the functional with this name, as it is displayed: `mean`, `percentile_10`.
    ///
    /// # Errors
    /// When no functional has this name, or a percentile lies outside of 0..=100.
    fn from_str(name: &str) -> Result<Self, UnknownFunctional> {
        Ok(match name {
            "mean" => Self::Mean,
            "std" => Self::Std,
            "min" => Self::Min,
            "max" => Self::Max,
            "range" => Self::Range,
            "median" => Self::Median,
            "skewness" => Self::Skewness,
            "kurtosis" => Self::Kurtosis,
            "slope" => Self::Slope,
            _ => {
                let percent = name.strip_prefix("percentile_").and_then(|percent| percent.parse().ok());
                let functional =
                    percent.map(Self::Percentile).filter(|functional| functional.check().is_ok());
                functional.ok_or_else(|| UnknownFunctional { name: name.into() })?
            }
        })
    }
}

impl Functional {
    fn check(self) -> Result<(), ConfigError> {
        let Self::Percentile(percent) = self else { return Ok(()) };
        ConfigError::require((0.0..=100.0).contains(&percent), "percentile", "0 to 100", percent)
    }

    /// The functional of a row; 0 for a row without values.
    pub(crate) fn of(self, row: &Row) -> f64 {
        let Row { places, values, sorted } = row;
        let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return 0.0 };
        match self {
            Self::Mean => mean(values),
            Self::Std => moment(values, 2).sqrt(),
            Self::Min => *first,
            Self::Max => *last,
            Self::Range => last - first,
            Self::Median => percentile(sorted, 50.0),
            Self::Percentile(percent) => percentile(sorted, percent),
            // The moments of equal values are rounding noise.
            Self::Skewness | Self::Kurtosis if first == last => 0.0,
            Self::Skewness => moment(values, 3) / moment(values, 2).powf(1.5),
            Self::Kurtosis => moment(values, 4) / moment(values, 2).powi(2) - 3.0,
            Self::Slope => {
                let (centre, level) = (mean(places), mean(values));
                let pairs = || places.iter().zip(values).map(|(t, x)| (t - centre, x - level));
                let spread: f64 = pairs().map(|(t, _)| t * t).sum();
                if spread == 0.0 { 0.0 } else { pairs().map(|(t, x)| t * x).sum::<f64>() / spread }
            }
        }
    }
}

/// The values of one row in some of its frames.
#[derive(Default)]
pub(crate) struct Row {
    /// The frames' numbers.
    places: Vec<f64>,
    values: Vec<f64>,
    sorted: Vec<f64>,
}

impl Row {
    pub(crate) fn fill(&mut self, values: impl Iterator<Item = (usize, f32)>) {
        self.places.clear();
        self.values.clear();
        for (t, value) in values {
            self.places.push(t as f64);
            self.values.push(value.into());
        }
        self.sorted.clone_from(&self.values);
        self.sorted.sort_unstable_by(f64::total_cmp);
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn moment(values: &[f64], power: i32) -> f64 {
    let mean = mean(values);
    values.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / values.len() as f64
}

fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

impl FeatureConfig {
    /// Returns a name for each value of [`Features::functionals`], in its order: `FEATURE_ROW_FUNCTIONAL`, with rows counted from 0. A
    /// feature with one row has `FEATURE_FUNCTIONAL`.
    ///
    /// ```
    /// use ser_features::{Feature, FeatureConfig, Functional};
    ///
    /// let config = FeatureConfig { n_mfcc: 2, ..FeatureConfig::new(16_000, [Feature::Mfcc, Feature::F0]) };
    /// assert_eq!(config.column_names(&[Functional::Mean]), ["mfcc_0_mean", "mfcc_1_mean", "f0_mean"]);
    /// ```
    pub fn column_names(&self, functionals: &[Functional]) -> Vec<String> {
        names(self.features.iter().map(|&feature| (feature, self.rows(feature))), functionals)
    }
}

fn names(features: impl Iterator<Item = (Feature, usize)>, functionals: &[Functional]) -> Vec<String> {
    let rows = features.flat_map(|(feature, count)| {
        (0..count).map(move |row| if count == 1 { feature.to_string() } else { format!("{feature}_{row}") })
    });
    rows.flat_map(|row| functionals.iter().map(move |functional| format!("{row}_{functional}"))).collect()
}

impl Features {
    /// Computes statistics of every row over all frames. The values are ordered by feature as configured, then by row, then by functional.
    /// [`column_names`](Self::column_names) gives a name for each.
    ///
    /// ```
    /// use ser_features::{Feature, FeatureConfig, FeatureExtractor, Functional};
    ///
    /// let features = vec![Feature::Mfcc, Feature::Rms];
    /// let mut extractor = FeatureExtractor::new(FeatureConfig { features, n_mfcc: 13, ..Default::default() })?;
    /// let features = extractor.extract(&[0.1; 22_050])?;
    /// let functionals = [Functional::Mean, Functional::Std, Functional::Percentile(10.0)];
    /// let vector = features.functionals(&functionals)?;
    /// let names = features.column_names(&functionals);
    /// assert_eq!((vector.len(), names.len()), (14 * 3, 14 * 3));
    /// assert_eq!((names[0].as_str(), names[41].as_str()), ("mfcc_0_mean", "rms_percentile_10"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a percentile lies outside of 0..=100.
    pub fn functionals(&self, functionals: &[Functional]) -> Result<Array1<f32>, ConfigError> {
        self.functionals_where(functionals, |_| true)
    }

    /// As [`functionals`](Self::functionals), over the frames for which `keep` returns `true`. `keep` gets the number of a frame, from 0.
    /// For voiced frames, use [`voiced`](Self::voiced). If no frame is kept, all values are 0. Slopes are per frame of the whole signal,
    /// gaps included.
    ///
    /// # Errors
    /// When a percentile lies outside of 0..=100.
    pub fn functionals_where(
        &self,
        functionals: &[Functional],
        keep: impl Fn(usize) -> bool,
    ) -> Result<Array1<f32>, ConfigError> {
        functionals.iter().try_for_each(|functional| functional.check())?;
        let (mut row, mut out) = (Row::default(), Vec::new());
        for (_, matrix) in self.iter() {
            for values in matrix.rows() {
                row.fill(values.iter().copied().enumerate().filter(|(t, _)| keep(*t)));
                out.extend(functionals.iter().map(|functional| functional.of(&row) as f32));
            }
        }
        Ok(out.into())
    }

    /// Tells for each frame whether it is voiced: whether its [`Feature::F0`] is above 0. `None` when [`Feature::F0`] was not configured.
    pub fn voiced(&self) -> Option<Vec<bool>> {
        self.get(Feature::F0).map(|f0| f0.iter().map(|&f0| f0 > 0.0).collect())
    }

    /// Returns a name for each value of [`functionals`](Self::functionals), as [`FeatureConfig::column_names`].
    pub fn column_names(&self, functionals: &[Functional]) -> Vec<String> {
        names(self.iter().map(|(feature, matrix)| (feature, matrix.nrows())), functionals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn features() -> Features {
        let f0 = array![[0.0, 100.0, 0.0, 120.0]];
        Features::new(vec![(Feature::Rms, array![[1.0, 5.0, 2.0, 9.0]]), (Feature::F0, f0)])
    }

    #[test]
    fn means_are_the_vector() {
        let features = features();
        assert_eq!(features.functionals(&[Functional::Mean]).unwrap(), features.vector());
    }

    #[test]
    fn chosen_frames_alone_count() {
        let features = features();
        let voiced = features.voiced().unwrap();
        assert_eq!(voiced, [false, true, false, true]);
        let functionals = [Functional::Mean, Functional::Slope];
        // Frames 1 and 3: two frames apart.
        let got = features.functionals_where(&functionals, |t| voiced[t]).unwrap();
        assert_eq!(got, array![7.0, 2.0, 110.0, 10.0]);
        assert_eq!(features.functionals_where(&functionals, |_| false).unwrap(), Array1::zeros(4));
        assert_eq!(features.column_names(&functionals), ["rms_mean", "rms_slope", "f0_mean", "f0_slope"]);
    }

    #[test]
    fn functionals_are_read_by_their_names() {
        let all = [
            Functional::Mean,
            Functional::Std,
            Functional::Min,
            Functional::Max,
            Functional::Range,
            Functional::Median,
            Functional::Percentile(2.5),
            Functional::Skewness,
            Functional::Kurtosis,
            Functional::Slope,
        ];
        for functional in all {
            assert_eq!(functional.to_string().parse(), Ok(functional));
        }
        for name in ["", "Mean", "percentile_", "percentile_101", "percentile_NaN"] {
            assert_eq!(name.parse::<Functional>(), Err(UnknownFunctional { name: name.into() }));
        }
    }

    #[test]
    fn percentiles_beyond_a_hundred_are_refused() {
        for percent in [-1.0, 100.5, f64::NAN] {
            assert!(features().functionals(&[Functional::Percentile(percent)]).is_err());
        }
    }
}
