//! Settings and results of sets of features.

mod list;

use std::ops::Index;

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use list::Rows;
pub(crate) use list::Source;
pub use list::{Feature, UnknownFeature};

use crate::error::ConfigError;
use crate::stft::{Precision, StftConfig};

/// Settings of a set of features. Settings that are not listed here have the defaults of each feature's own plan; chroma reads magnitudes.
///
/// The default is the recipe of Issa, Demirci and Yazici, *Speech emotion recognition with deep convolutional neural networks*
/// (2020): 40 + 12 + 128 + 7 + 6 = 193 rows at 22,050 Hz.
///
/// Some features need more than the ranges below say:
///
/// | features | `sample_rate` in Hz | `n_fft` | `hop_length` |
/// | --- | --- | --- | --- |
/// | chroma | | at least 2 | |
/// | contrast | above 12,800 | at least `sample_rate / 200` | |
/// | tonnetz | at least 8,412 | even | even above 326,000 Hz |
/// | F0, voiced probability, jitter, shimmer, HNR | at least 4,187 | above `sample_rate / 65.4 + 1` | below `0.138 · sample_rate` |
/// | formants | 1,000 to 384,000 | | |
/// | alpha ratio, Hammarberg index, slopes | at least 10,000 | at least `sample_rate / 125` | |
///
/// Formants at a rate above 11,000 Hz also need a ratio to 11,000 Hz whose lowest terms are at most 65,536, as all common rates have.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct FeatureConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// Samples of a transform, 1..=1,048,576. Frames of F0, voiced probability, jitter, shimmer, HNR, RMS and zero-crossing rate are as
    /// long. Formants have a window of their own, of 50 ms.
    pub n_fft: usize,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
    /// Coefficients of the MFCC, 1..=`n_mels`; `n_mfcc · n_mels` is at most 4,194,304.
    pub n_mfcc: usize,
    /// Bands of the mel spectrogram, at least 1, at most 33,554,432 divided by the bins of the transform.
    pub n_mels: usize,
    /// Lowest frequency of the mel bands in Hz, at least 0 and below `fmax`.
    pub fmin: f64,
    /// Highest frequency of the mel bands in Hz, above `fmin`, at most half of the sample rate. `None` means half of the sample rate.
    pub fmax: Option<f64>,
    /// MFCC, its deltas and logarithmic mel: largest distance in dB below the signal's largest mel value, at least 0; lower values are
    /// raised. `None` sets no limit.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::option"))]
    pub top_db: Option<f32>,
    /// Chroma: deviation from A4 = 440 Hz in semitones, −1,200..=1,200. `None` estimates it from each signal, −0.5..0.5. Tonnetz always
    /// estimates its own.
    pub tuning: Option<f64>,
    /// Precision of the shared transform. The default is librosa's, [`Precision::Double`]: the valleys of the highest contrast band are
    /// so faint that [`Precision::Single`] changes the band's mean by up to 0.4 dB.
    pub precision: Precision,
    /// The features, at least one, each once, in the order of the vector and of the stack.
    pub features: Vec<Feature>,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 2048,
            hop_length: 512,
            n_mfcc: 40,
            n_mels: 128,
            fmin: 0.0,
            fmax: None,
            top_db: Some(80.0),
            tuning: None,
            precision: Precision::Double,
            features: Feature::ISSA.to_vec(),
        }
    }
}

impl FeatureConfig {
    /// Configures some features at a sample rate in Hz, with the default for the rest.
    ///
    /// ```
    /// use ser_features::{Feature, FeatureConfig, FeatureExtractor};
    ///
    /// let config = FeatureConfig::new(16_000, [Feature::Mfcc, Feature::Rms]);
    /// assert_eq!(FeatureExtractor::new(config)?.extract(&[0.1; 16_000])?.stack().dim(), (41, 32));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sample_rate: u32, features: impl Into<Vec<Feature>>) -> Self {
        Self { sample_rate, features: features.into(), ..Default::default() }
    }

    /// Returns the number of rows of a feature, whether it is configured or not.
    pub fn rows(&self, feature: Feature) -> usize {
        match feature.rows() {
            Rows::NMfcc => self.n_mfcc,
            Rows::NMels => self.n_mels,
            Rows::Of(count) => count,
        }
    }

    /// Returns the number of rows of all configured features together: the length of [`Features::vector`].
    pub fn total_rows(&self) -> usize {
        self.features.iter().fold(0, |rows, &feature| self.rows(feature).saturating_add(rows))
    }

    /// Counts the frames of a signal with `n_samples` samples, rounded down: `1 + n_samples / hop_length` for an even `n_fft`, `1 +
    /// (n_samples − 1) / hop_length` for an odd one. 0 when `hop_length` is 0.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        self.stft().n_frames(n_samples)
    }

    pub(crate) fn stft(&self) -> StftConfig {
        let Self { n_fft, hop_length, precision, .. } = *self;
        StftConfig { n_fft, hop_length, precision, ..Default::default() }
    }

    /// What no single feature's plan checks.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::refuse_zero("the number of features", self.features.len())?;
        for (i, feature) in self.features.iter().enumerate() {
            if self.features[..i].contains(feature) {
                return Err(ConfigError::Repeated { parameter: "features", name: feature.as_str() });
            }
        }
        Ok(())
    }
}

/// Features of one signal. All matrices have the same number of frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// In the configured order, at least one.
    parts: Vec<(Feature, Array2<f32>)>,
}

impl Features {
    /// The matrices of these features, in this order. If `self` holds other features so far, they are replaced by new, empty matrices.
    pub(crate) fn parts_mut(&mut self, features: &[Feature]) -> &mut [(Feature, Array2<f32>)] {
        if !self.parts.iter().map(|part| &part.0).eq(features) {
            self.parts = features.iter().map(|&feature| (feature, Array2::default((0, 0)))).collect();
        }
        &mut self.parts
    }

    /// Makes features of matrices `[rows, frames]`, for example of those that were read from a file. The order of `parts` becomes the
    /// configured order. Numbers of rows are not checked.
    ///
    /// `None` when `parts` is empty, a matrix has no frames or another number of frames than the others, or a feature occurs twice.
    pub fn from_parts(parts: Vec<(Feature, Array2<f32>)>) -> Option<Self> {
        let frames = parts.first()?.1.ncols();
        let fits = |(i, (feature, matrix)): (usize, &(Feature, Array2<f32>))| {
            matrix.ncols() == frames && parts[..i].iter().all(|(other, _)| other != feature)
        };
        (frames > 0 && parts.iter().enumerate().all(fits)).then_some(Self { parts })
    }

    pub(crate) fn new(parts: Vec<(Feature, Array2<f32>)>) -> Self {
        Self { parts }
    }

    /// Returns one feature as a matrix `[rows, frames]`; `None` when it was not configured.
    pub fn get(&self, feature: Feature) -> Option<&Array2<f32>> {
        self.parts.iter().find(|(name, _)| *name == feature).map(|(_, matrix)| matrix)
    }

    /// Iterates over all features with their matrices `[rows, frames]`, in the configured order.
    pub fn iter(&self) -> impl Iterator<Item = (Feature, &Array2<f32>)> {
        self.parts.iter().map(|(name, matrix)| (*name, matrix))
    }

    /// Returns the number of frames, at least 1.
    pub fn n_frames(&self) -> usize {
        self.parts.first().map_or(0, |(_, matrix)| matrix.ncols())
    }

    /// Computes the mean of every row over all frames, features in the configured order: 193 values by default.
    pub fn vector(&self) -> Array1<f32> {
        // librosa's means are summed in f32; f64 costs nothing here and is what both approach.
        let mean = |row: ndarray::ArrayView1<'_, f32>| {
            (row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64) as f32
        };
        self.parts.iter().flat_map(|(_, matrix)| matrix.rows().into_iter().map(mean)).collect()
    }

    /// Stacks all matrices to one matrix `[total rows, frames]`, features in the configured order.
    pub fn stack(&self) -> Array2<f32> {
        let views: Vec<ArrayView2<'_, f32>> = self.parts.iter().map(|(_, matrix)| matrix.view()).collect();
        // All matrices come from one signal and have its number of frames.
        concatenate(Axis(0), &views).unwrap_or_default()
    }
}

impl Index<Feature> for Features {
    type Output = Array2<f32>;

    /// Returns one feature as a matrix `[rows, frames]`. Use [`get`](Features::get) for a feature that may be missing.
    ///
    /// # Panics
    /// When the feature was not configured.
    fn index(&self, feature: Feature) -> &Array2<f32> {
        match self.get(feature) {
            Some(matrix) => matrix,
            None => panic!(
                "features: {feature} must be configured, got {:?}",
                self.iter().map(|(f, _)| f).collect::<Vec<_>>()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_default_is_the_recipe_of_193_rows() {
        let config = FeatureConfig::default();
        assert_eq!(config.total_rows(), 193);
        let names: Vec<&str> = config.features.iter().map(|feature| feature.as_str()).collect();
        assert_eq!(names, ["mfcc", "chroma", "mel", "contrast", "tonnetz"]);
    }

    #[test]
    fn vector_and_stack_keep_the_order() {
        let features = Features::new(vec![
            (Feature::Mel, array![[1.0, 3.0], [0.0, 1.0]]),
            (Feature::Mfcc, array![[-1.0, -2.0]]),
        ]);
        assert_eq!(features.vector(), array![2.0, 0.5, -1.5]);
        assert_eq!(features.stack(), array![[1.0, 3.0], [0.0, 1.0], [-1.0, -2.0]]);
        assert_eq!(features.get(Feature::Mfcc), Some(&array![[-1.0, -2.0]]));
        assert_eq!(features.get(Feature::Chroma), None);
        assert_eq!(features.n_frames(), 2);
    }

    #[test]
    fn features_index_the_matrices() {
        assert_eq!(Features::new(vec![(Feature::Mel, array![[1.0]])])[Feature::Mel], array![[1.0]]);
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let (mel, mfcc) = ((Feature::Mel, array![[1.0, 3.0]]), (Feature::Mfcc, array![[0.0, 1.0]]));
        let whole = Features::from_parts(vec![mel.clone(), mfcc.clone()]).unwrap();
        assert_eq!(whole.vector(), array![2.0, 0.5]);
        assert_eq!(Features::from_parts(vec![]), None);
        assert_eq!(Features::from_parts(vec![mel.clone(), mel.clone()]), None);
        assert_eq!(Features::from_parts(vec![mel, (Feature::Chroma, array![[1.0]])]), None);
        assert_eq!(Features::from_parts(vec![(Feature::Mel, Array2::zeros((3, 0)))]), None);
    }
}
