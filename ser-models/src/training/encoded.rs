//! What an encoder heard of a set of clips, clean and changed as sound, kept in a file.

use super::AudioAugmentation;
use crate::encoder::WhisperEncoder;
use crate::files::write_file;
use crate::generator::{Generator, Purpose};
use crate::input::{Dataset, DatasetError, Ear, EarError, ModelInput};
use crate::layer::elements;
use crate::profile::{ProfileError, VoiceProfile};
use crate::weights::{Values, Weights, WeightsError};
use ndarray::Array2;
use rayon::prelude::*;
use ser_features::{BandPass, ConfigError, PreparationConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

const TENSOR: &str = "statistics";

/// What is encoded of each clip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodingConfig {
    /// How the clips were prepared, at [`Ear::SAMPLE_RATE`].
    pub preparation: PreparationConfig,
    /// How copies are changed. Where clips are peak-normalised, copies are again.
    pub augmentation: AudioAugmentation,
    /// Changed copies of each clip, beside the clean one.
    pub copies: usize,
    /// What the changes are drawn from.
    pub seed: u64,
}

impl EncodingConfig {
    /// Clips that were prepared like this, each clean and in `copies` changed copies as other rooms, voices and recorders would have
    /// them: speed 0.9 to 1.1, white noise of 5 to 30 dB, nothing above 3 to 8 kHz, nothing below 50 to 400 Hz, each of these with
    /// probability 0.5. The bundled model `voices` learnt from two copies.
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
}

impl Default for EncodingConfig {
    /// As `whisper-head` prepares clips, no copies.
    fn default() -> Self {
        let preparation = PreparationConfig {
            sample_rate: Ear::SAMPLE_RATE,
            trim_top_db: Some(40.0),
            length: None,
            ..PreparationConfig::default()
        };
        Self { preparation, augmentation: AudioAugmentation::default(), copies: 0, seed: 0 }
    }
}

/// Statistics over time of an encoder's outputs ([`WhisperEncoder::statistics`]) for clips and for changed copies of them.
///
/// To encode takes some fifty times as long as to train a head on what was encoded: it is done once and kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedClips {
    record: Record,
    /// [clips · (1 + copies), layers · 2 · width], the copies of each clip after it.
    statistics: Array2<f32>,
}

/// What the file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    encoder: String,
    layers: usize,
    width: usize,
    config: EncodingConfig,
    ids: Vec<String>,
    /// SHA-256 of the samples; none in files that versions before wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    samples: Option<String>,
}

/// Why clips could not be encoded, kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodedError {
    /// The settings of the augmentation are out of range, or not at the encoder's sample rate.
    #[error("encoding: {setting} {rule}, got {given}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What holds for it.
        rule: &'static str,
        /// What was given.
        given: String,
    },
    /// A clip cannot be encoded.
    #[error("clip {id}: {cause}")]
    Clip {
        /// The clip.
        id: String,
        /// Why.
        #[source]
        cause: Box<EarError>,
    },
    /// The spectrogram cannot be planned.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file cannot be read or written.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: String,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// The file is damaged, or holds something else.
    #[error("{file}: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A clip that is asked for was not encoded.
    #[error("encoded clips: ids must be among those that were encoded, got {id}")]
    Unknown {
        /// The clip.
        id: String,
    },
    /// More copies are asked for than were encoded.
    #[error("encoded clips: copies must be 0 to {most}, got {given}")]
    Copies {
        /// Copies that were encoded.
        most: usize,
        /// What was given.
        given: usize,
    },
    /// The set cannot be made.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Profiles cannot be put together.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl EncodedClips {
    /// Encodes prepared clips, on all threads. One seed gives the same numbers with any number of threads.
    ///
    /// # Errors
    /// [`EncodedError::Setting`] if a setting is out of range, [`EncodedError::Clip`] if a clip is empty, too short or not finite.
    pub fn new(
        encoder: &Arc<WhisperEncoder>,
        config: EncodingConfig,
        ids: Vec<String>,
        samples: &[Vec<f32>],
    ) -> Result<Self, EncodedError> {
        let refused = |setting, rule, given| Err(EncodedError::Setting { setting, rule, given });
        if let Some((setting, rule, given)) = config.augmentation.problem() {
            return refused(setting, rule, given);
        }
        let rate = config.preparation.sample_rate;
        if rate != Ear::SAMPLE_RATE {
            return refused("preparation.sample_rate", "must be 16000", rate.to_string());
        }
        if ids.len() != samples.len() {
            return refused(
                "clips",
                "must be as many as ids",
                format!("{} for {}", samples.len(), ids.len()),
            );
        }
        let (layers, width) = (encoder.layers(), encoder.width());
        let input = ModelInput::Encoded { layers, width, frames: None };
        let versions = 1 + config.copies;
        let tool = || Ear::new(encoder.clone()).map(|ear| (ear, BandPass::new(rate)));
        tool()?;
        let encode = |tool: &mut Option<(Ear, BandPass)>, at: usize| {
            let (clip, copy) = (at / versions, at % versions);
            let Some((ear, filter)) = tool else { return Ok(Vec::new()) };
            let mut generator =
                Generator::for_run(config.seed, Purpose::Audio, (copy * ids.len() + clip) as u64);
            let heard = if copy == 0 {
                ear.hear(&samples[clip], input)
            } else {
                let changed =
                    config.augmentation.apply(&samples[clip], &config.preparation, filter, &mut generator);
                changed.map_err(EarError::from).and_then(|mut changed| {
                    if config.preparation.normalize {
                        normalize(&mut changed);
                    }
                    ear.hear(&changed, input)
                })
            };
            let values = heard.and_then(|heard| Ok(elements(heard.values())?.slice::<f32>()?.to_vec()));
            values.map_err(|cause| EncodedError::Clip { id: ids[clip].clone(), cause: Box::new(cause) })
        };
        let all = 0..ids.len() * versions;
        let rows = all.into_par_iter().map_init(|| tool().ok(), encode).collect::<Result<Vec<_>, _>>()?;
        let shape = (rows.len(), input.features());
        let statistics = Array2::from_shape_vec(shape, rows.concat()).map_err(|cause| {
            EncodedError::Damaged { file: "encoded clips".to_owned(), reason: cause.to_string() }
        })?;
        let encoder = encoder.digest().to_owned();
        let samples = Some(digest(samples));
        Ok(Self { record: Record { encoder, layers, width, config, ids, samples }, statistics })
    }

    /// What a file of [`EncodedClips::save`] holds, if it holds these clips, encoded like this; else they are encoded, and the file is
    /// written.
    ///
    /// # Errors
    /// As [`EncodedClips::new`], [`EncodedClips::load`] and [`EncodedClips::save`].
    pub fn kept(
        path: impl AsRef<Path>,
        encoder: &Arc<WhisperEncoder>,
        config: EncodingConfig,
        ids: Vec<String>,
        samples: &[Vec<f32>],
    ) -> Result<Self, EncodedError> {
        if path.as_ref().exists() {
            let kept = Self::load(&path)?;
            let record = &kept.record;
            let same = (&*record.encoder, record.layers, &record.config, &record.ids[..]);
            let of_samples = record.samples.as_ref().is_none_or(|of| *of == digest(samples));
            if same == (encoder.digest(), encoder.layers(), &config, &ids[..]) && of_samples {
                return Ok(kept);
            }
        }
        let encoded = Self::new(encoder, config, ids, samples)?;
        encoded.save(path)?;
        Ok(encoded)
    }

    /// What a model reads of a clip.
    pub fn input(&self) -> ModelInput {
        ModelInput::Encoded { layers: self.record.layers, width: self.record.width, frames: None }
    }

    /// Digest of the encoder's file.
    pub fn encoder(&self) -> &str {
        &self.record.encoder
    }

    /// What was encoded.
    pub fn config(&self) -> &EncodingConfig {
        &self.record.config
    }

    /// The clips.
    pub fn ids(&self) -> &[String] {
        &self.record.ids
    }

    /// A set of clips with their classes: each clean, and after all of them the first `copies` of each, named by the clip's id, a tilde
    /// and the copy's number.
    ///
    /// # Errors
    /// [`EncodedError::Unknown`] if a clip was not encoded, [`EncodedError::Copies`] if there are not so many copies; as
    /// [`Dataset::new`].
    pub fn dataset(
        &self,
        ids: &[String],
        labels: &[usize],
        label_names: &[String],
        copies: usize,
    ) -> Result<Dataset, EncodedError> {
        let most = self.record.config.copies;
        if copies > most {
            return Err(EncodedError::Copies { most, given: copies });
        }
        let places: HashMap<&String, usize> = self.record.ids.iter().zip(0..).collect();
        let place =
            |id: &String| places.get(id).copied().ok_or_else(|| EncodedError::Unknown { id: id.clone() });
        let places = ids.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let versions =
            || (0..=copies).flat_map(|copy| places.iter().map(move |clip| clip * (1 + most) + copy));
        let rows: Vec<usize> = versions().collect();
        let names = (0..=copies).flat_map(|copy| {
            ids.iter().map(move |id| if copy == 0 { id.clone() } else { format!("{id}~{copy}") })
        });
        let labels: Vec<usize> = labels.repeat(1 + copies);
        Ok(Dataset::new(self.statistics.select(ndarray::Axis(0), &rows), labels, label_names, names)?)
    }

    /// The profile of the voice in these clips, as [`Recognizer::profile`](crate::Recognizer::profile) makes it of their sound.
    ///
    /// # Errors
    /// [`EncodedError::Unknown`] if a clip was not encoded, or there is none.
    pub fn profile(&self, ids: &[String]) -> Result<VoiceProfile, EncodedError> {
        let versions = 1 + self.record.config.copies;
        let place = |id: &String| {
            let place = self.record.ids.iter().position(|known| known == id);
            place.ok_or_else(|| EncodedError::Unknown { id: id.clone() })
        };
        let mut all: Option<VoiceProfile> = None;
        for id in ids {
            let statistics = self.statistics.row(place(id)? * versions).to_vec();
            let clip = VoiceProfile::of_clip(&self.record.encoder, statistics);
            all = Some(match all {
                Some(all) => all.and(&clip)?,
                None => clip,
            });
        }
        all.ok_or(EncodedError::Unknown { id: "none".to_owned() })
    }

    /// Writes a safetensors file, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EncodedError> {
        let file = path.as_ref().display().to_string();
        let damaged = |reason: String| EncodedError::Damaged { file: file.clone(), reason };
        let metadata = serde_json::to_string(&self.record).map_err(|e| damaged(e.to_string()))?;
        let values = Values {
            shape: self.statistics.shape().to_vec(),
            values: self.statistics.iter().copied().collect(),
        };
        let weights = Weights(BTreeMap::from([(TENSOR.to_owned(), values)]));
        let bytes = weights.to_safetensors(&metadata).map_err(|e| damaged(e.to_string()))?;
        write_file(path, &bytes).map_err(|cause| EncodedError::Io { file: file.clone(), cause })
    }

    /// Reads a file of [`EncodedClips::save`].
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds something else.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EncodedError> {
        let file = path.as_ref().display().to_string();
        let bytes = std::fs::read(path).map_err(|cause| EncodedError::Io { file: file.clone(), cause })?;
        let damaged = |reason: String| EncodedError::Damaged { file: file.clone(), reason };
        let wrong = |cause: WeightsError| damaged(cause.to_string());
        let (mut weights, metadata) = Weights::from_safetensors(&bytes).map_err(wrong)?;
        weights.check_digest(&metadata).map_err(wrong)?;
        let record = sealed(&metadata).map_err(|e| damaged(e.to_string()))?;
        let versions = record.config.copies.saturating_add(1);
        let input = ModelInput::Encoded { layers: record.layers, width: record.width, frames: None };
        let shape = [record.ids.len().saturating_mul(versions), input.features()];
        weights.find(TENSOR, &shape).map_err(wrong)?;
        let values = weights.0.remove(TENSOR).map(|tensor| tensor.values).unwrap_or_default();
        let statistics = Array2::from_shape_vec(shape, values).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { record, statistics })
    }
}

/// SHA-256 of clips, down to the bits of their samples.
fn digest(samples: &[Vec<f32>]) -> String {
    let mut hash = Sha256::new();
    for clip in samples {
        hash.update((clip.len() as u64).to_le_bytes());
        clip.iter().for_each(|x| hash.update(x.to_le_bytes()));
    }
    hex::encode(hash.finalize())
}

/// The record without the digest that stands after it.
fn sealed(metadata: &str) -> Result<Record, serde_json::Error> {
    let mut fields: serde_json::Value = serde_json::from_str(metadata)?;
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("sha256");
    }
    serde_json::from_value(fields)
}

/// Makes the largest absolute sample 1.
fn normalize(samples: &mut [f32]) {
    let peak = samples.iter().fold(0f32, |peak, x| peak.max(x.abs()));
    if peak > 0.0 {
        samples.iter_mut().for_each(|x| *x /= peak);
    }
}
