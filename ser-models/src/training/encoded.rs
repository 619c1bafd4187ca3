//! Encoder outputs for a set of clips, clean and with audio augmentation.

use super::encoding::{ENCODING, Version, digest, encode};
use super::encoding_cache::EncodingCache;
use super::{EncodedError, EncodingConfig};
use crate::encoder::WhisperEncoder;
use crate::input::{Dataset, ModelInput};
use crate::profile::VoiceProfile;
use ndarray::{Array2, ArrayViewMut1, Axis};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Number of encoded versions after which the file is written. They take some minutes.
const BLOCK: usize = 2_000;

/// Statistics over time of an encoder's outputs ([`WhisperEncoder::statistics`]) for clips and for changed copies of them.
///
/// Encoding takes far longer than training a head on the result, so it is done once and kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedClips {
    /// Digest of the encoder's file.
    encoder: String,
    layers: usize,
    width: usize,
    config: EncodingConfig,
    ids: Vec<String>,
    /// [clips · (1 + copies), layers · 2 · width]. The copies of each clip follow it.
    statistics: Array2<f32>,
}

impl EncodedClips {
    /// Encodes clips on all threads. The clips must be recordings at [`ClipEncoder::SAMPLE_RATE`](crate::input::ClipEncoder::SAMPLE_RATE)
    /// without further preparation, because copies are changed before preparation. The numbers depend only on the seed and each clip, not
    /// on the number of threads or on the other clips.
    ///
    /// # Errors
    /// [`EncodedError::Setting`] if a setting is out of range or there are not as many clips as ids, [`EncodedError::Config`] if the
    /// preparation cannot be planned, [`EncodedError::Clip`] if a clip is empty, too short or not finite.
    pub fn new(
        encoder: &Arc<WhisperEncoder>,
        config: EncodingConfig,
        ids: Vec<String>,
        samples: &[Vec<f32>],
    ) -> Result<Self, EncodedError> {
        Self::with(encoder, config, ids, samples, None)
    }

    /// Like [`EncodedClips::new`], but reads from a file what was encoded before. The rest is encoded and added to the file every few
    /// minutes, so that interrupted work resumes. One file can hold any clips with any settings, and existing entries are never replaced.
    /// Entries are found by the clip's samples, the settings and the version of this crate. After a change of this crate's code without a
    /// new version, delete the file: it holds outputs of the old code.
    ///
    /// # Errors
    /// As [`EncodedClips::new`]; [`EncodedError::File`] if the file cannot be read or written or is damaged, [`EncodedError::OtherEncoder`]
    /// if it was made with another encoder or number of blocks.
    pub fn kept(
        path: impl AsRef<Path>,
        encoder: &Arc<WhisperEncoder>,
        config: EncodingConfig,
        ids: Vec<String>,
        samples: &[Vec<f32>],
    ) -> Result<Self, EncodedError> {
        let cache = EncodingCache::open(path.as_ref(), encoder)?;
        Self::with(encoder, config, ids, samples, Some(cache))
    }

    fn with(
        encoder: &Arc<WhisperEncoder>,
        config: EncodingConfig,
        ids: Vec<String>,
        samples: &[Vec<f32>],
        mut cache: Option<EncodingCache>,
    ) -> Result<Self, EncodedError> {
        config.check()?;
        if ids.len() != samples.len() {
            let rule = format!("as many as ids, {}", ids.len());
            return Err(ENCODING.error("clips", rule, samples.len()).into());
        }
        let (layers, width, versions) = (encoder.layers(), encoder.width(), config.versions());
        let digests: Vec<u128> = samples.iter().map(|samples| digest(samples)).collect();
        let key = |at: usize| config.key(digests[at / versions], at % versions);
        let mut statistics = Array2::zeros((ids.len() * versions, 2 * layers * width));
        let set =
            |mut to: ArrayViewMut1<'_, f32>, row: &[f32]| to.iter_mut().zip(row).for_each(|(to, x)| *to = *x);
        let mut missing = Vec::new();
        for (at, to) in statistics.rows_mut().into_iter().enumerate() {
            match cache.as_ref().and_then(|cache| cache.get(&key(at))) {
                Some(row) => set(to, row),
                None => missing.push(at),
            }
        }
        for block in missing.chunks(BLOCK) {
            let version = |&at: &usize| {
                let (clip, number) = (at / versions, at % versions);
                let (id, samples) = (&*ids[clip], &*samples[clip]);
                Version { id, samples, digest: digests[clip], number }
            };
            let rows = encode(encoder, &config, &block.iter().map(version).collect::<Vec<_>>())?;
            block.iter().zip(&rows).for_each(|(&at, row)| set(statistics.row_mut(at), row));
            if let Some(cache) = &mut cache {
                cache.add(block.iter().map(|&at| key(at)).zip(rows))?;
            }
        }
        let encoder = encoder.digest().to_owned();
        Ok(Self { encoder, layers, width, config, ids, statistics })
    }

    /// The model input of a clip.
    pub fn input(&self) -> ModelInput {
        ModelInput::Encoded { layers: self.layers, width: self.width }
    }

    /// Settings of the encoding.
    pub fn config(&self) -> &EncodingConfig {
        &self.config
    }

    /// Returns a data set of these clips with their classes: first all clean clips, then the first `copies` copies of each. A copy's id is
    /// the clip's id, `/copy ` and the copy's number.
    ///
    /// # Errors
    /// [`EncodedError::Unknown`] if a clip was not encoded, [`EncodedError::Copies`] if there are fewer copies; as
    /// [`Dataset::new`].
    pub fn dataset(
        &self,
        ids: &[String],
        labels: &[usize],
        label_names: &[String],
        copies: usize,
    ) -> Result<Dataset, EncodedError> {
        let most = self.config.copies;
        if copies > most {
            return Err(EncodedError::Copies { most, given: copies });
        }
        let places: HashMap<&String, usize> = self.ids.iter().zip(0..).collect();
        let place =
            |id: &String| places.get(id).copied().ok_or_else(|| EncodedError::Unknown { id: id.clone() });
        let places = ids.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let versions = || {
            (0..=copies).flat_map(|copy| places.iter().map(move |clip| clip * self.config.versions() + copy))
        };
        let rows: Vec<usize> = versions().collect();
        let names = (0..=copies).flat_map(|copy| {
            ids.iter().map(move |id| if copy == 0 { id.clone() } else { format!("{id}/copy {copy}") })
        });
        let labels: Vec<usize> = labels.repeat(1 + copies);
        let data = Dataset::new(self.statistics.select(Axis(0), &rows), labels, label_names, names)?;
        Ok(data.with_encoding(EncodingConfig { copies, ..self.config.clone() }.record()))
    }

    /// Returns the profile of the voice in these clips, as [`Recognizer::profile`](crate::Recognizer::profile) computes it from their
    /// audio.
    ///
    /// # Errors
    /// [`EncodedError::Unknown`] if a clip was not encoded or `ids` is empty.
    pub fn profile(&self, ids: &[String]) -> Result<VoiceProfile, EncodedError> {
        let versions = self.config.versions();
        let place = |id: &String| {
            let place = self.ids.iter().position(|known| known == id);
            place.ok_or_else(|| EncodedError::Unknown { id: id.clone() })
        };
        let mut all: Option<VoiceProfile> = None;
        for id in ids {
            let statistics = self.statistics.row(place(id)? * versions).to_vec();
            let clip = VoiceProfile::of_clip(&self.encoder, &self.config.preparation, statistics);
            all = Some(match all {
                Some(all) => all.and(&clip)?,
                None => clip,
            });
        }
        all.ok_or(EncodedError::Unknown { id: "none".to_owned() })
    }
}
