//! Boost of high frequencies before analysis.

use crate::check::check_finite;
use crate::error::{ConfigError, SignalError};

/// Settings of [`Preemphasis`]. The default is librosa's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PreemphasisConfig {
    /// Fraction of the previous sample that is subtracted, 0..=1. From the second sample on, 0 leaves the signal unchanged and 1 gives the
    /// differences of neighbours.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub coef: f32,
}

impl Default for PreemphasisConfig {
    fn default() -> Self {
        Self { coef: 0.97 }
    }
}

/// First-order filter that makes up for the fall of speech's spectrum towards high frequencies, and its inverse, as
/// `librosa.effects.preemphasis` and `deemphasis`: `y[n] = x[n] − coef · x[n−1]`.
///
/// As in librosa, the filter starts with the state `2 · x[0] − x[1]`, so `y[0] = 3 · x[0] − x[1]`.
///
/// ```
/// use ser_features::{Preemphasis, PreemphasisConfig};
///
/// let filter = Preemphasis::new(PreemphasisConfig::default())?;
/// let speech: Vec<f32> = (0..1_000).map(|n| (0.05 * n as f32).sin()).collect();
/// let brighter = filter.process(&speech)?;
/// let again = filter.deemphasis(&brighter)?;
/// assert!(speech.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Preemphasis {
    coef: f32,
}

impl Preemphasis {
    /// Checks a configuration.
    ///
    /// # Errors
    /// When `coef` does not lie from 0 to 1.
    pub fn new(config: PreemphasisConfig) -> Result<Self, ConfigError> {
        let PreemphasisConfig { coef } = config;
        ConfigError::require((0.0..=1.0).contains(&coef), "coef", "0 to 1", coef.into())?;
        Ok(Self { coef })
    }

    /// The filtered signal, as long as the signal.
    ///
    /// # Errors
    /// When `samples` is empty, holds a NaN or infinite value, or has only one sample: the start takes two.
    pub fn process(&self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        let (first, second) = start(samples)?;
        out.clear();
        out.push(self.first(first, second));
        out.extend(samples.windows(2).map(|pair| self.next(pair[0], pair[1])));
        Ok(())
    }

    /// The first filtered sample, of the first two.
    pub(crate) fn first(&self, first: f32, second: f32) -> f32 {
        first + (2.0 * first - second)
    }

    /// Any other filtered sample.
    pub(crate) fn next(&self, before: f32, sample: f32) -> f32 {
        sample - self.coef * before
    }

    /// Undoes [`process`](Self::process).
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn deemphasis(&self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.deemphasis_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`deemphasis`](Self::deemphasis), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn deemphasis_into(&self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        let (first, second) = start(samples)?;
        let coef = f64::from(self.coef);
        // From y[0] = 3·x[0] − x[1] and y[1] = x[1] − coef·x[0].
        let mut last = (f64::from(first) + f64::from(second)) / (3.0 - coef);
        out.clear();
        out.push(last as f32);
        out.extend(samples[1..].iter().map(|&y| {
            last = f64::from(y) + coef * last;
            last as f32
        }));
        Ok(())
    }
}

/// The two samples that the filter's start is taken from.
fn start(samples: &[f32]) -> Result<(f32, f32), SignalError> {
    check_finite(samples)?;
    match samples {
        [first, second, ..] => Ok((*first, *second)),
        _ => Err(SignalError::TooShort { minimum: 2, given: samples.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_starts_with_its_extrapolation() {
        let filter = Preemphasis::new(PreemphasisConfig { coef: 0.5 }).unwrap();
        assert_eq!(filter.process(&[1.0, 2.0, 3.0]).unwrap(), [1.0, 1.5, 2.0]);
        assert_eq!(filter.deemphasis(&[1.0, 1.5, 2.0]).unwrap(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn nothing_is_taken_away_at_zero() {
        let filter = Preemphasis::new(PreemphasisConfig { coef: 0.0 }).unwrap();
        assert_eq!(filter.process(&[0.5, 0.25, -1.0]).unwrap()[1..], [0.25, -1.0]);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for coef in [-0.1, 1.1, f32::NAN] {
            let error = Preemphasis::new(PreemphasisConfig { coef }).err().unwrap().to_string();
            assert!(error.starts_with("config: coef must be 0 to 1"), "{error}");
        }
        let filter = Preemphasis::new(PreemphasisConfig::default()).unwrap();
        assert_eq!(filter.process(&[1.0]), Err(SignalError::TooShort { minimum: 2, given: 1 }));
        assert_eq!(filter.deemphasis(&[]), Err(SignalError::Empty));
        assert!(matches!(filter.process(&[0.0, f32::NAN]), Err(SignalError::NotFinite { index: 1, .. })));
    }
}
