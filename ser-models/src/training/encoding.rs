//! Encodes recorded clips, clean and with audio augmentation.

use super::{AudioAugmentation, EncodedError};
use crate::checkpoint::TrainingRecord;
use crate::encoder::WhisperEncoder;
use crate::generator::{Generator, Purpose};
use crate::input::{ClipEncoder, ClipEncoderError, ModelInput};
use crate::json::json_value;
use crate::layer::{Padded, elements};
use crate::setting::{Checked, Settings};
use rayon::prelude::*;
use ser_features::{BandPass, ConfigError, Preparation, PreparationConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use twox_hash::XxHash3_128;

pub(super) const ENCODING: Settings<'static> = Settings("encoding");

/// Settings of the encoding of clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodingConfig {
    /// Preparation of each clip and each copy before encoding, at [`ClipEncoder::SAMPLE_RATE`].
    pub preparation: PreparationConfig,
    /// Changes of the copies. They are made before preparation, so that added noise keeps pauses from being trimmed, as in a noisy
    /// recording.
    pub augmentation: AudioAugmentation,
    /// Changed copies of each clip, in addition to the clean one, 0 to 1,000.
    pub copies: usize,
    /// Seed of the changes.
    pub seed: u64,
}

impl EncodingConfig {
    /// The largest number of changed copies of a clip.
    pub(super) const MOST_COPIES: usize = 1_000;

    /// Settings for this preparation and `copies` changed copies of each clip, which imitate other rooms, voices and recorders: speed 0.9
    /// to 1.1, white noise at a signal-to-noise ratio of 5 to 30 dB, low-pass at 3 to 8 kHz, high-pass at 50 to 400 Hz, each with
    /// probability 0.5. The seed is 0.
    pub fn with_copies(preparation: PreparationConfig, copies: usize) -> Self {
        let augmentation = AudioAugmentation {
            speed: Some([0.9, 1.1]),
            snr: Some([5.0, 30.0]),
            low_pass: Some([3_000.0, 8_000.0]),
            high_pass: Some([50.0, 400.0]),
            probability: 0.5,
            ..AudioAugmentation::default()
        };
        Self { preparation, augmentation, copies, seed: 0 }
    }

    /// Returns the settings that a checkpoint records, or `None` if its network reads no encoder or an older version trained it.
    ///
    /// # Errors
    /// If the record has a setting that this version does not have.
    pub fn of_record(record: &TrainingRecord) -> Result<Option<Self>, serde_json::Error> {
        record.encoding.clone().map(serde_json::from_value).transpose()
    }

    /// The record of these settings, in the form that [`EncodingConfig::of_record`] reads.
    pub(super) fn record(&self) -> Option<Value> {
        json_value(self).ok()
    }

    /// Number of versions of each clip: the clean one and its copies.
    pub(super) fn versions(&self) -> usize {
        1 + self.copies
    }

    /// Checks the settings.
    pub(super) fn check(&self) -> Checked {
        self.augmentation.check(ENCODING)?;
        ENCODING.require(self.copies <= Self::MOST_COPIES, "copies", "0 to 1000", self.copies)?;
        let rate = self.preparation.sample_rate;
        ENCODING.require(rate == ClipEncoder::SAMPLE_RATE, "preparation.sample_rate", "16000", rate)
    }

    /// Returns the key of version `number` of the clip with this digest, 0 for the clean one. The key is a digest of the clip, the settings
    /// and the version of this crate. It does not change when this crate's code changes without a new version.
    pub(super) fn key(&self, clip: u128, number: usize) -> String {
        let mut parts = format!("{} {clip:032x} {:?}", env!("CARGO_PKG_VERSION"), self.preparation);
        if number > 0 {
            parts += &format!(" {:?} {} {number}", self.augmentation, self.seed);
        }
        format!("{:032x}", XxHash3_128::oneshot(parts.as_bytes()))
    }
}

impl Default for EncodingConfig {
    /// Prepares clips as `whisper-head` does, without copies.
    fn default() -> Self {
        Self {
            preparation: ClipEncoder::preparation(),
            augmentation: AudioAugmentation::default(),
            copies: 0,
            seed: 0,
        }
    }
}

/// Returns the digest of a clip's samples, bit for bit.
pub(super) fn digest(samples: &[f32]) -> u128 {
    let bytes: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
    XxHash3_128::oneshot(&bytes)
}

/// One version of a clip, to be encoded.
pub(super) struct Version<'a> {
    pub id: &'a str,
    pub samples: &'a [f32],
    /// Digest of the samples. It seeds the changes, so that a copy depends on its clip alone and not on the other clips.
    pub digest: u128,
    /// 0 for the clip itself, 1 and more for its changed copies.
    pub number: usize,
}

/// Returns statistics of the encoder's outputs for each version. Works on all threads.
///
/// # Errors
/// [`EncodedError::Clip`] if a clip is empty, too short or not finite.
pub(super) fn encode(
    encoder: &Arc<WhisperEncoder>,
    config: &EncodingConfig,
    versions: &[Version<'_>],
) -> Result<Vec<Vec<f32>>, EncodedError> {
    let input = ModelInput::Encoded { layers: encoder.layers(), width: encoder.width() };
    let values = |input: &Padded| Ok(elements(input.values())?.slice::<f32>()?.to_vec());
    encode_inputs(encoder, config, input, versions)?
        .iter()
        .zip(versions)
        .map(|(input, version)| {
            values(input).map_err(|cause: candle_core::Error| EncodedError::Clip {
                id: version.id.to_owned(),
                cause: Box::new(cause.into()),
            })
        })
        .collect()
}

/// Returns the model input of each version. Works on all threads.
///
/// # Errors
/// As [`encode`], and if the encoder does not have this input.
pub(super) fn encode_inputs(
    encoder: &Arc<WhisperEncoder>,
    config: &EncodingConfig,
    input: ModelInput,
    versions: &[Version<'_>],
) -> Result<Vec<Padded>, EncodedError> {
    let encode = |worker: &mut Result<Worker<'_>, ConfigError>, version: &Version<'_>| {
        let worker = worker.as_mut().map_err(|cause| cause.clone())?;
        let failed = |cause| EncodedError::Clip { id: version.id.to_owned(), cause: Box::new(cause) };
        worker.encode(version).map_err(failed)
    };
    versions.par_iter().map_init(|| Worker::new(encoder, config, input), encode).collect()
}

/// The objects that one thread needs. They are reused, because planning transforms costs more than using them.
struct Worker<'a> {
    config: &'a EncodingConfig,
    encoder: ClipEncoder,
    filter: BandPass,
    preparation: Preparation,
    input: ModelInput,
}

impl<'a> Worker<'a> {
    fn new(
        encoder: &Arc<WhisperEncoder>,
        config: &'a EncodingConfig,
        input: ModelInput,
    ) -> Result<Self, ConfigError> {
        let preparation = Preparation::new(config.preparation.clone())?;
        let filter = BandPass::new(ClipEncoder::SAMPLE_RATE);
        Ok(Self { config, encoder: ClipEncoder::new(encoder.clone())?, filter, preparation, input })
    }

    fn encode(&mut self, version: &Version<'_>) -> Result<Padded, ClipEncoderError> {
        let rate = ClipEncoder::SAMPLE_RATE;
        let prepared = if version.number == 0 {
            self.preparation.process(version.samples, rate)?
        } else {
            let seed = self.config.seed ^ version.digest as u64;
            let mut generator = Generator::for_run(seed, Purpose::Audio, version.number as u64);
            let (augmentation, raw) = (&self.config.augmentation, PreparationConfig::raw(rate));
            let changed = augmentation.apply(version.samples, &raw, &mut self.filter, &mut generator)?;
            self.preparation.process(&changed, rate)?
        };
        self.encoder.encode(&prepared, self.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_keeps_pauses_from_being_trimmed() {
        // Half a second of a tone, with a second of near silence before and after it.
        let tone = |n: u32| if (16_000..24_000).contains(&n) { (n as f32 * 0.3).sin() } else { 1e-5 };
        let clip: Vec<f32> = (0..40_000).map(tone).collect();
        let config = EncodingConfig::default();
        let length = |augmentation: AudioAugmentation| {
            let raw = PreparationConfig::raw(ClipEncoder::SAMPLE_RATE);
            let (mut filter, mut generator) = (BandPass::new(ClipEncoder::SAMPLE_RATE), Generator::new(1));
            let changed = augmentation.apply(&clip, &raw, &mut filter, &mut generator).unwrap();
            let mut preparation = Preparation::new(config.preparation.clone()).unwrap();
            preparation.process(&changed, ClipEncoder::SAMPLE_RATE).unwrap().len()
        };
        assert!((8_000..12_000).contains(&length(AudioAugmentation::default())));
        assert_eq!(length(AudioAugmentation { snr: Some([10.0; 2]), ..Default::default() }), 40_000);
    }

    #[test]
    fn copies_depend_on_their_own_settings_alone() {
        let two = EncodingConfig::with_copies(PreparationConfig::raw(16_000), 2);
        let four = EncodingConfig { copies: 4, ..two.clone() };
        let other = EncodingConfig { seed: 1, ..two.clone() };
        assert_eq!(two.key(7, 2), four.key(7, 2));
        assert_eq!(two.key(7, 0), other.key(7, 0));
        assert_ne!(two.key(7, 1), other.key(7, 1));
        assert_ne!(two.key(7, 1), two.key(7, 2));
        assert_ne!(two.key(7, 1), two.key(8, 1));
        let trimmed = EncodingConfig { preparation: EncodingConfig::default().preparation, ..two.clone() };
        assert_ne!(two.key(7, 0), trimmed.key(7, 0));
        assert_ne!(digest(&[1.0, 2.0]), digest(&[2.0, 1.0]));
    }
}
