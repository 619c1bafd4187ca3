//! Conversion of samples to an encoder's outputs.

use super::{InputError, ModelInput};
use crate::encoder::{EncoderError, WhisperEncoder};
use crate::kernels::statistics;
use crate::layer::Padded;
use candle_core::{Device, Result as CandleResult, Tensor};
use ndarray::{Array2, ArrayView2, s};
use ser_features::{
    ConfigError, Feature, FeatureConfig, PreparationConfig, SignalError, WhisperConfig, WhisperMel,
};
use std::ops::Range;
use std::sync::Arc;

/// Front end of models that read an encoder, such as `whisper-head`: computes Whisper's log-mel spectrogram of a clip at 16,000 Hz, encodes
/// it, and makes the model's input of the outputs.
pub struct ClipEncoder {
    mel: WhisperMel,
    encoder: Arc<WhisperEncoder>,
}

/// Errors of encoding a clip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipEncoderError {
    /// The clip's signal cannot be used.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The encoder failed.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The encoder does not have the outputs that the model reads.
    #[error("encoder: outputs must be as the model reads them, {expected}, got {layers} layers of {width}")]
    Outputs {
        /// The outputs that the model reads.
        expected: String,
        /// Outputs of the encoder.
        layers: usize,
        /// Features of each.
        width: usize,
    },
    /// The model's input has no elements, or more than 2²⁶ (256 MiB).
    #[error(transparent)]
    Input(#[from] InputError),
    /// There are no frames, or they are not of this encoder.
    #[error("encoder: frames must have shape [1 or more, {features}], got {given:?}")]
    Frames {
        /// Outputs of each frame.
        features: usize,
        /// The shape given.
        given: Vec<usize>,
    },
    /// An operation on tensors failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl ClipEncoder {
    /// The sample rate of the clips, in Hz.
    pub const SAMPLE_RATE: u32 = WhisperMel::SAMPLE_RATE;

    /// Plans the transforms for an encoder.
    ///
    /// # Errors
    /// If the encoder has more mel bands than a spectrogram can.
    pub fn new(encoder: Arc<WhisperEncoder>) -> Result<Self, ConfigError> {
        let mel = WhisperMel::new(WhisperConfig { n_mels: encoder.n_mels() })?;
        Ok(Self { mel, encoder })
    }

    /// The encoder.
    pub fn encoder(&self) -> &WhisperEncoder {
        &self.encoder
    }

    /// The default preparation of clips: 16,000 Hz, silence trimmed 40 dB below the loudest frame, peak-normalised, of any length.
    pub fn preparation() -> PreparationConfig {
        PreparationConfig {
            sample_rate: Self::SAMPLE_RATE,
            trim_top_db: Some(40.0),
            length: None,
            ..PreparationConfig::default()
        }
    }

    /// The settings of the spectrogram as a [`FeatureConfig`], which checkpoints record, for an encoder of
    /// [`WhisperEncoder::n_mels`] mel bands: 80 in most of Whisper's encoders, 128 in `large-v3`.
    pub fn features(n_mels: usize) -> FeatureConfig {
        FeatureConfig {
            sample_rate: Self::SAMPLE_RATE,
            n_fft: 400,
            hop_length: 160,
            n_mels,
            features: vec![Feature::Mel],
            ..FeatureConfig::default()
        }
    }

    /// Encodes a clip at [`ClipEncoder::SAMPLE_RATE`] and makes a model's input of the outputs, not normalised: a batch of one example. A
    /// clip longer than the encoder's maximum is encoded in parts of equal, even length (the last may be shorter), whose frames are then
    /// combined.
    ///
    /// # Errors
    /// [`ClipEncoderError::Outputs`] if the input is not an encoder's or reads other outputs, [`ClipEncoderError::Input`] if it has no
    /// elements or more than 2²⁶, [`ClipEncoderError::Signal`] if the clip has fewer than 160 samples, or one that is not finite or beyond
    /// ±10¹².
    pub fn encode(&mut self, samples: &[f32], input: ModelInput) -> Result<Padded, ClipEncoderError> {
        let wanted = self.wanted(input)?;
        let mel = self.mel.process(samples)?;
        let Some(Frames { columns, frames }) = wanted else { return self.statistics(mel.view()) };
        let outputs = self.outputs(mel.slice(s![.., ..mel.ncols().min(frames.saturating_mul(2))]))?;
        let rows: Vec<&[f32]> =
            outputs.chunks_exact(self.features_of_a_frame()).map(|row| &row[columns.clone()]).collect();
        Ok(padded(&rows, columns.len(), frames)?)
    }

    /// Returns the frames of the encoder for a clip at [`ClipEncoder::SAMPLE_RATE`], one for every two of the spectrogram: [frames, layers
    /// · width], with all outputs of a frame one after another. [`ClipEncoder::pool`] makes a model's input of them.
    ///
    /// # Errors
    /// [`ClipEncoderError::Signal`] as [`ClipEncoder::encode`].
    pub(crate) fn frames(&mut self, samples: &[f32]) -> Result<Array2<f32>, ClipEncoderError> {
        let mel = self.mel.process(samples)?;
        let outputs = self.outputs(mel.view())?;
        let features = self.features_of_a_frame();
        let frames = outputs.len() / features;
        let given = vec![frames, features];
        Array2::from_shape_vec((frames, features), outputs)
            .map_err(|_| ClipEncoderError::Frames { features, given })
    }

    /// Makes a model's input, as [`ClipEncoder::encode`] does, of 1 or more consecutive frames of [`ClipEncoder::frames`].
    ///
    /// # Errors
    /// [`ClipEncoderError::Outputs`] and [`ClipEncoderError::Input`] as [`ClipEncoder::encode`], [`ClipEncoderError::Frames`] if there is
    /// no frame or one has other outputs.
    pub(crate) fn pool(
        &self,
        parts: &[ArrayView2<'_, f32>],
        input: ModelInput,
    ) -> Result<Padded, ClipEncoderError> {
        let wanted = self.wanted(input)?;
        let (width, features) = (self.encoder.width(), self.features_of_a_frame());
        let rows: Vec<&[f32]> =
            parts.iter().flat_map(|part| part.rows()).filter_map(|row| row.to_slice()).collect();
        if rows.is_empty() || rows.iter().any(|row| row.len() != features) {
            let given = vec![rows.len(), parts.first().map_or(0, |part| part.ncols())];
            return Err(ClipEncoderError::Frames { features, given });
        }
        if let Some(Frames { columns, frames }) = wanted {
            let rows: Vec<&[f32]> = rows.iter().map(|row| &row[columns.clone()]).collect();
            return Ok(padded(&rows, columns.len(), frames)?);
        }
        let (mut mean, mut deviation) = (vec![0.0; features], vec![0.0; features]);
        statistics(rows.iter().copied(), rows.len(), &mut mean, &mut deviation);
        let layers = mean.chunks_exact(width).zip(deviation.chunks_exact(width));
        let statistics: Vec<f32> = layers.flat_map(|(mean, deviation)| [mean, deviation].concat()).collect();
        Ok(Tensor::from_vec(statistics, (1, 2 * features), &Device::Cpu)?.into())
    }

    /// Number of features of a frame: those of all layers.
    fn features_of_a_frame(&self) -> usize {
        self.encoder.layers() * self.encoder.width()
    }

    /// Returns the frames that a model reads of this encoder's outputs, or `None` if the model reads their statistics.
    fn wanted(&self, input: ModelInput) -> Result<Option<Frames>, ClipEncoderError> {
        let (layers, width) = (self.encoder.layers(), self.encoder.width());
        input.check_size()?;
        match input {
            ModelInput::Encoded { layers: l, width: w } if (l, w) == (layers, width) => Ok(None),
            ModelInput::EncodedFrames { skipped, layers: l, width: w, frames }
                if skipped.checked_add(l) == Some(layers) && w == width =>
            {
                Ok(Some(Frames { columns: skipped * width..layers * width, frames }))
            }
            _ => Err(ClipEncoderError::Outputs { expected: format!("{input:?}"), layers, width }),
        }
    }

    /// Splits a spectrogram into equal parts that the encoder accepts. Each has an even number of frames, except perhaps the last.
    fn parts<'a>(&self, mel: ArrayView2<'a, f32>) -> impl Iterator<Item = ArrayView2<'a, f32>> {
        let parts = mel.ncols().div_ceil(self.encoder.max_frames()).max(1);
        let size = mel.ncols().div_ceil(parts).next_multiple_of(2).min(self.encoder.max_frames());
        let frames = mel.ncols();
        (0..frames)
            .step_by(size.max(1))
            .map(move |from| mel.slice_move(s![.., from..(from + size).min(frames)]))
    }

    fn statistics(&self, mel: ArrayView2<'_, f32>) -> Result<Padded, ClipEncoderError> {
        let mut parts = Vec::new();
        for part in self.parts(mel) {
            let statistics =
                self.encoder.statistics(&batch(part)?)?.into_values().flatten_all()?.to_vec1()?;
            parts.push((WhisperEncoder::output_frames(part.ncols()), statistics));
        }
        let statistics = together(&parts, self.encoder.width());
        let size = statistics.len();
        Ok(Tensor::from_vec(statistics, (1, size), &Device::Cpu)?.into())
    }

    /// Returns all outputs of the encoder [frames, layers · width] in row-major order.
    fn outputs(&self, mel: ArrayView2<'_, f32>) -> Result<Vec<f32>, ClipEncoderError> {
        let mut all = Vec::new();
        for part in self.parts(mel) {
            let outputs = self.encoder.frames(&batch(part)?)?;
            // Most clips are one part, whose outputs need not be copied.
            if all.is_empty() { all = outputs } else { all.extend(outputs) }
        }
        Ok(all)
    }
}

impl std::fmt::Debug for ClipEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClipEncoder").field("encoder", &self.encoder.digest()).finish_non_exhaustive()
    }
}

/// The part of each frame's outputs that a model reads.
struct Frames {
    /// The range of features.
    columns: Range<usize>,
    /// Number of frames after padding.
    frames: usize,
}

/// Returns rows of `features` each as [1, features, frames], padded with zeros or cut at the end.
fn padded(rows: &[&[f32]], features: usize, frames: usize) -> CandleResult<Padded> {
    let own = &rows[..rows.len().min(frames)];
    let mut values = vec![0.0; features * frames];
    for (feature, values) in values.chunks_exact_mut(frames).enumerate() {
        values.iter_mut().zip(own).for_each(|(to, row)| *to = row[feature]);
    }
    Ok(Padded::of(Tensor::from_vec(values, (1, features, frames), &Device::Cpu)?, Some(vec![own.len()])))
}

fn batch(mel: ArrayView2<'_, f32>) -> CandleResult<Padded> {
    let values: Vec<f32> = mel.iter().copied().collect();
    Ok(Tensor::from_vec(values, (1, mel.nrows(), mel.ncols()), &Device::Cpu)?.into())
}

/// Combines the statistics [layers, 2, width] of all parts. Each part is given as its number of frames and its statistics.
fn together(parts: &[(usize, Vec<f32>)], width: usize) -> Vec<f32> {
    if let [(_, statistics)] = parts {
        return statistics.clone();
    }
    let frames = parts.iter().map(|(frames, _)| *frames as f64).sum::<f64>();
    let size = parts.first().map_or(0, |(_, statistics)| statistics.len());
    let mut all = vec![0.0; size];
    for i in (0..size).step_by(2 * width).flat_map(|layer| layer..layer + width) {
        let of = |statistics: &[f32]| (f64::from(statistics[i]), f64::from(statistics[i + width]));
        let mean = parts.iter().map(|(n, x)| *n as f64 * of(x).0).sum::<f64>() / frames;
        // The constant in each part's variance need not be corrected, because the shares sum to 1.
        let squares = parts.iter().map(|(n, x)| {
            let (part, deviation) = of(x);
            *n as f64 * (deviation * deviation + (part - mean) * (part - mean))
        });
        all[i] = mean as f32;
        all[i + width] = (squares.sum::<f64>() / frames).sqrt() as f32;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_parts_are_those_of_the_whole() {
        let frames: Vec<f32> = (0..35).map(|i| (i as f32 * 1.3).sin() + 0.1 * i as f32).collect();
        let statistics = |x: &[f32]| {
            let mean = x.iter().sum::<f32>() / x.len() as f32;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / x.len() as f32;
            (x.len(), vec![mean, (variance + 1e-5).sqrt()])
        };
        let parts = [statistics(&frames[..20]), statistics(&frames[20..32]), statistics(&frames[32..])];
        let (_, whole) = statistics(&frames);
        let given = together(&parts, 1);
        assert!(given.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5), "{given:?} for {whole:?}");
        assert_eq!(together(&parts[..1], 1), parts[0].1);
    }
}
