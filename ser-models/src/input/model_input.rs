//! Computation of a model's input from a clip.

use super::resize::resize;
use crate::layer::Padded;
use candle_core::{Device, Tensor};
use ndarray::{Array2, ArrayView2, s};
use ser_features::{DecibelConfig, Feature, FeatureConfig, Features, Reference, power_to_db};
use serde::{Deserialize, Serialize};

/// The most elements of one input, 256 MiB. The limit keeps a configuration from a damaged file from requesting all memory.
const MAX_ELEMENTS: usize = 1 << 26;

/// A model's input from a clip.
///
/// [`Sequence`](Self::Sequence), [`Channels`](Self::Channels) and [`EncodedFrames`](Self::EncodedFrames) have a fixed number of frames: zeros
/// are appended after extraction, or the end is cut. The frames of the clip itself are the valid frames. Networks read these alone: an LSTM
/// gives its last state at the last of them, attention weights all of them. Normalisation changes valid frames only, by constants for each
/// row, so that padding stays zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelInput {
    /// The time means of all features ([`Features::vector`]), \[features\].
    Vector {
        /// Length of the vector; 193 for the features of Issa et al.
        features: usize,
    },
    /// All features of every frame on top of each other ([`Features::stack`]), [rows, frames], padded or cut in time. Mel
    /// stays in power, as everywhere in the stack; normalisation takes the logarithm of skewed rows if
    /// [`TrainingConfig::log_skewed`](crate::training::TrainingConfig::log_skewed) is on.
    Sequence {
        /// Rows of all features together; 193 for the features of Issa et al., 40 for 40 MFCC alone.
        rows: usize,
        /// Frames after padding; 130 are three seconds at 22,050 Hz.
        frames: usize,
    },
    /// Each feature as a channel, [channels, rows, frames]: brought to one number of rows by bilinear resizing along
    /// frequency, then padded or cut in time. Mel is in dB before resizing, as for [`ModelInput::Image`].
    Channels {
        /// Number of features.
        channels: usize,
        /// Rows of each after resizing.
        rows: usize,
        /// Frames after padding.
        frames: usize,
    },
    /// The mel spectrogram as an image, [rows, frames]: in dB below the clip's largest value (80 dB at most, as
    /// `power_to_db(ref=np.max)` in librosa), then resized along frequency and time (bilinear, as PyTorch's `interpolate` with
    /// `align_corners=False`, without a low-pass filter). The whole clip fills the image: nothing is padded.
    Image {
        /// Rows after resizing; 128 for `rnn-lstm`.
        rows: usize,
        /// Columns after resizing; 128 for `rnn-lstm`.
        frames: usize,
    },
    /// Statistics over time of an encoder's outputs ([`WhisperEncoder::statistics`](crate::encoder::WhisperEncoder::statistics)), made by a
    /// [`ClipEncoder`](crate::input::ClipEncoder): \[layers · 2 · width\].
    Encoded {
        /// The encoder's outputs: one after the convolutions and one after each block.
        layers: usize,
        /// Features of each.
        width: usize,
    },
    /// The frames of an encoder's last outputs, made by a [`ClipEncoder`](crate::input::ClipEncoder): [layers · width, frames], one output
    /// after another, padded or cut in time. For networks that pool frames by attention, or run the encoder's next blocks themselves.
    EncodedFrames {
        /// Number of the encoder's first outputs that are not read. Output 0 is that of the convolutions, output n that of block n; with 0
        /// all are read.
        skipped: usize,
        /// Outputs that are read.
        layers: usize,
        /// Features of each.
        width: usize,
        /// Frames after padding.
        frames: usize,
    },
}

/// Errors of making a model's input from features.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The rows of all features are not those of the input.
    #[error("features: rows must be as many as the model's input has, {expected}, got {given}")]
    Rows {
        /// Rows of the input.
        expected: usize,
        /// Rows of the features.
        given: usize,
    },
    /// There are not as many features as the input has channels.
    #[error("features: features must be as many as the model's input has channels, {expected}, got {given}")]
    Channels {
        /// Channels of the input.
        expected: usize,
        /// Features.
        given: usize,
    },
    /// The input is made of the mel spectrogram, which is not among the features, or not the only one where an encoder makes the input.
    #[error("features: names must include mel, of which the model's input is made, got {given:?}")]
    NoMel {
        /// The features.
        given: Vec<&'static str>,
    },
    /// The input is made by an encoder.
    #[error("features: the model's input must be made by an encoder, got features")]
    Encoder,
    /// The input has no elements, or more than 2²⁶ (256 MiB).
    #[error("input: numbers must be 1 to {MAX_ELEMENTS}, got shape {shape:?}")]
    Size {
        /// Its shape.
        shape: Vec<usize>,
    },
}

impl ModelInput {
    /// The shape of one input.
    pub fn shape(&self) -> Vec<usize> {
        match *self {
            Self::Vector { features } => vec![features],
            Self::Sequence { rows, frames } | Self::Image { rows, frames } => vec![rows, frames],
            Self::Channels { channels, rows, frames } => vec![channels, rows, frames],
            Self::Encoded { .. } => vec![self.features()],
            Self::EncodedFrames { frames, .. } => vec![self.features(), frames],
        }
    }

    /// Frames of one input, its last axis; 1 for a vector.
    pub fn frames(&self) -> usize {
        match *self {
            Self::Vector { .. } | Self::Encoded { .. } => 1,
            Self::Sequence { frames, .. }
            | Self::Channels { frames, .. }
            | Self::Image { frames, .. }
            | Self::EncodedFrames { frames, .. } => frames,
        }
    }

    /// Number of features of one input, the elements of a vector or all rows; each has [`frames`](Self::frames) frames. Normalisation has
    /// constants for each feature.
    pub fn features(&self) -> usize {
        // A configuration from a damaged file may have any sizes, so products saturate.
        match *self {
            Self::Vector { features } => features,
            Self::Sequence { rows, .. } | Self::Image { rows, .. } => rows,
            Self::Channels { channels, rows, .. } => channels.saturating_mul(rows),
            Self::Encoded { layers, width } => layers.saturating_mul(width).saturating_mul(2),
            Self::EncodedFrames { layers, width, .. } => layers.saturating_mul(width),
        }
    }

    /// Whether clips are padded in time, so that each has a number of valid frames.
    pub fn is_padded(&self) -> bool {
        matches!(self, Self::Sequence { .. } | Self::Channels { .. } | Self::EncodedFrames { .. })
    }

    /// Whether features of this configuration give this input. The features of encoder inputs must be mel alone; a
    /// [`ClipEncoder`](crate::input::ClipEncoder) makes these inputs, [`ModelInput::of`] does not.
    ///
    /// # Errors
    /// [`InputError`] says what does not fit.
    pub fn check(&self, features: &FeatureConfig) -> Result<(), InputError> {
        self.check_size()?;
        let kinds = features.features.iter().map(|feature| (*feature, features.rows(*feature)));
        self.check_rows(kinds)
    }

    /// Returns the number of elements of one input, or `None` if it overflows.
    pub(super) fn elements(&self) -> Option<usize> {
        self.shape().iter().try_fold(1usize, |product, size| product.checked_mul(*size))
    }

    /// Checks that an input has 1 to [`MAX_ELEMENTS`] elements.
    pub(super) fn check_size(&self) -> Result<(), InputError> {
        match self.elements() {
            Some(1..=MAX_ELEMENTS) => Ok(()),
            _ => Err(InputError::Size { shape: self.shape() }),
        }
    }

    fn check_rows(&self, features: impl Iterator<Item = (Feature, usize)>) -> Result<(), InputError> {
        match *self {
            Self::Vector { features: expected } | Self::Sequence { rows: expected, .. } => {
                let given = features.map(|(_, rows)| rows).fold(0, usize::saturating_add);
                if given == expected { Ok(()) } else { Err(InputError::Rows { expected, given }) }
            }
            Self::Channels { channels: expected, .. } => {
                let given = features.count();
                if given == expected { Ok(()) } else { Err(InputError::Channels { expected, given }) }
            }
            Self::Encoded { .. } | Self::EncodedFrames { .. } => {
                let given: Vec<Feature> = features.map(|(feature, _)| feature).collect();
                if given == [Feature::Mel] { Ok(()) } else { Err(no_mel(given)) }
            }
            Self::Image { .. } => {
                let given: Vec<Feature> = features.map(|(feature, _)| feature).collect();
                if given.contains(&Feature::Mel) { Ok(()) } else { Err(no_mel(given)) }
            }
        }
    }

    /// One input from a clip's features, not normalised: a batch of one example, with its valid frames where inputs are
    /// padded.
    ///
    /// # Errors
    /// [`InputError::Encoder`] for inputs that an encoder makes, [`InputError::Size`] if the input has no elements or more than 2²⁶, another
    /// [`InputError`] if the features do not fit.
    pub fn of(&self, features: &Features) -> Result<Padded, InputError> {
        self.check_size()?;
        self.check_rows(features.iter().map(|(feature, matrix)| (feature, matrix.nrows())))?;
        let own = self.is_padded().then(|| features.n_frames().min(self.frames()));
        let values = match *self {
            Self::Vector { .. } => features.vector().to_vec(),
            Self::Sequence { frames, .. } => pad(features.stack().view(), frames),
            Self::Channels { rows, frames, .. } => features
                .iter()
                .flat_map(|(feature, matrix)| {
                    let matrix = if feature == Feature::Mel { decibels(matrix) } else { matrix.clone() };
                    pad(resize(matrix.view(), rows, matrix.ncols()).view(), frames)
                })
                .collect(),
            Self::Image { rows, frames } => {
                let mel = features.get(Feature::Mel).ok_or_else(|| no_mel([]))?;
                resize(decibels(mel).view(), rows, frames).into_raw_vec_and_offset().0
            }
            Self::Encoded { .. } | Self::EncodedFrames { .. } => return Err(InputError::Encoder),
        };
        let mut shape = self.shape();
        shape.insert(0, 1);
        let values = Tensor::from_vec(values, shape, &Device::Cpu)
            .map_err(|_| InputError::Size { shape: self.shape() })?;
        Ok(Padded::of(values, own.map(|frames| vec![frames])))
    }
}

fn no_mel(given: impl IntoIterator<Item = Feature>) -> InputError {
    InputError::NoMel { given: given.into_iter().map(Feature::as_str).collect() }
}

/// Converts powers to dB below the largest one.
fn decibels(power: &Array2<f32>) -> Array2<f32> {
    let mut decibels = power.clone();
    let config = DecibelConfig { reference: Reference::Max, ..DecibelConfig::default() };
    // The configuration is a constant and in range.
    let _ = power_to_db(&mut decibels, &config);
    decibels
}

/// Returns a matrix in row-major order, with zeros appended to its rows or their ends cut, so that it has `frames` columns.
fn pad(matrix: ArrayView2<'_, f32>, frames: usize) -> Vec<f32> {
    let mut padded = Array2::zeros((matrix.nrows(), frames));
    let own = matrix.ncols().min(frames);
    padded.slice_mut(s![.., ..own]).assign(&matrix.slice(s![.., ..own]));
    padded.into_raw_vec_and_offset().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Returns the values of an input in row-major order, and its valid frames.
    fn parts(input: &Padded) -> (Vec<f32>, Option<&[usize]>) {
        (input.values().flatten_all().unwrap().to_vec1().unwrap(), input.lengths())
    }

    fn features() -> Features {
        let mel = array![[1.0, 10.0, 100.0], [0.0, 1000.0, 1.0]];
        let mfcc = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
        Features::from_parts(vec![(Feature::Mfcc, mfcc), (Feature::Mel, mel)]).unwrap()
    }

    #[test]
    fn sequences_are_padded_with_zeros_or_cut_and_know_their_frames() {
        let sequence = |frames| ModelInput::Sequence { rows: 5, frames }.of(&features()).unwrap();
        let longer = sequence(4);
        assert_eq!(longer.dims(), [1, 5, 4]);
        let (values, lengths) = parts(&longer);
        assert_eq!(lengths, Some(&[3][..]));
        assert_eq!(values[..8], [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
        assert_eq!(values[12..], [1.0, 10.0, 100.0, 0.0, 0.0, 1000.0, 1.0, 0.0]);
        let shorter = sequence(2);
        let (values, lengths) = parts(&shorter);
        assert_eq!(lengths, Some(&[2][..]));
        assert_eq!(values, [1.0, 2.0, 4.0, 5.0, 7.0, 8.0, 1.0, 10.0, 0.0, 1000.0]);
    }

    #[test]
    fn an_image_is_mel_in_decibels_below_the_largest_resized() {
        let image = ModelInput::Image { rows: 2, frames: 3 }.of(&features()).unwrap();
        let (values, lengths) = parts(&image);
        assert_eq!(lengths, None);
        let expected = [-30.0, -20.0, -10.0, -80.0, 0.0, -30.0];
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{values:?}");
        let wide = ModelInput::Image { rows: 1, frames: 6 }.of(&features()).unwrap();
        let (values, _) = parts(&wide);
        assert_eq!(values.len(), 6);
        assert!((values[0] + 55.0).abs() < 1e-5, "{values:?}");
    }

    #[test]
    fn channels_have_one_height_and_mel_in_decibels() {
        let input = ModelInput::Channels { channels: 2, rows: 1, frames: 4 };
        let clip = input.of(&features()).unwrap();
        let (values, lengths) = parts(&clip);
        assert_eq!(lengths, Some(&[3][..]));
        assert_eq!(values[..4], [4.0, 5.0, 6.0, 0.0]);
        let expected = [-55.0, -10.0, -20.0, 0.0];
        assert!(values[4..].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{values:?}");
        assert_eq!(input.shape(), [2, 1, 4]);
    }

    #[test]
    fn features_that_do_not_fit_are_refused() {
        let error = |input: ModelInput| input.of(&features()).unwrap_err().to_string();
        assert_eq!(
            error(ModelInput::Vector { features: 6 }),
            "features: rows must be as many as the model's input has, 6, got 5"
        );
        assert!(error(ModelInput::Sequence { rows: 4, frames: 3 }).contains("input has, 4, got 5"));
        assert!(
            error(ModelInput::Channels { channels: 3, rows: 4, frames: 3 })
                .contains("has channels, 3, got 2")
        );
        let config = FeatureConfig { features: vec![Feature::Mfcc], ..FeatureConfig::default() };
        let refused = ModelInput::Image { rows: 2, frames: 3 }.check(&config).unwrap_err().to_string();
        assert_eq!(
            refused,
            "features: names must include mel, of which the model's input is made, got [\"mfcc\"]"
        );
        assert_eq!(ModelInput::Sequence { rows: 40, frames: 862 }.check(&config), Ok(()));
        for frames in [0, 1 << 62, usize::MAX] {
            let refused = ModelInput::Sequence { rows: 40, frames }.check(&config);
            assert!(matches!(refused, Err(InputError::Size { .. })), "{refused:?}");
            for input in [
                ModelInput::Sequence { rows: 5, frames },
                ModelInput::Channels { channels: 2, rows: 4, frames },
                ModelInput::Channels { channels: 2, rows: frames, frames: 4 },
                ModelInput::Image { rows: 2, frames },
            ] {
                assert!(matches!(input.of(&features()), Err(InputError::Size { .. })), "{input:?}");
                assert!(input.features() > 0 || frames == 0);
            }
        }
    }
}
