//! Encoder outputs for a set of clips, clean and with audio augmentation, kept in a file.

use super::encoding::{ENCODING, Version, digest, encode};
use super::{EncodedError, EncodingConfig};
use crate::encoder::WhisperEncoder;
use crate::files::{FileError, read_file, read_weights, save_file};
use crate::input::{Dataset, ModelInput};
use crate::profile::VoiceProfile;
use crate::weights::{Values, Weights, WeightsError};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

const TENSOR: &str = "statistics";

/// Versions of clips after which a file is written: some minutes' work.
const BLOCK: usize = 2_000;

/// Statistics over time of an encoder's outputs ([`WhisperEncoder::statistics`]) for clips and for changed copies of them.
///
/// Encoding takes some fifty times as long as training a head on the result, so it is done once and kept.
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
    /// Digest of each clip's samples.
    clips: Vec<String>,
}

impl EncodedClips {
    /// Encodes clips on all threads. The clips must be recordings at [`ClipEncoder::SAMPLE_RATE`](crate::input::ClipEncoder::SAMPLE_RATE)
    /// without further preparation, because copies are changed before preparation. One seed gives the same numbers with any number of
    /// threads, and a clip's copies do not depend on the other clips.
    ///
    /// # Errors
    /// [`EncodedError::Setting`] if a setting is out of range, [`EncodedError::Clip`] if a clip is empty, too short or not finite.
    pub fn new(
        encoder: &Arc<WhisperEncoder>,
        config: EncodingConfig,
        ids: Vec<String>,
        samples: &[Vec<f32>],
    ) -> Result<Self, EncodedError> {
        Self::with(encoder, config, ids, samples, None, |_| Ok(()))
    }

    /// Like [`EncodedClips::new`], but reuses results for these clips in a file of [`EncodedClips::save`] if encoder, changes and
    /// preparation are the same. The rest is encoded and added to the file every few minutes, so that interrupted work resumes. Results for
    /// other clips stay in the file unless their changes or preparation differ.
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
        let path = path.as_ref();
        let before = path.exists().then(|| Self::load(path)).transpose()?;
        Self::with(encoder, config, ids, samples, before.as_ref(), |encoded| {
            match before.as_ref().filter(|before| before.record.is_like(&encoded.record)) {
                Some(before) => encoded.with_others(before)?.save(path),
                None => encoded.save(path),
            }
        })
    }

    /// Encodes what is not known, and shows every now and then the clips that are done.
    fn with(
        encoder: &Arc<WhisperEncoder>,
        config: EncodingConfig,
        ids: Vec<String>,
        samples: &[Vec<f32>],
        known: Option<&Self>,
        done: impl Fn(&Self) -> Result<(), EncodedError>,
    ) -> Result<Self, EncodedError> {
        config.check()?;
        if ids.len() != samples.len() {
            let (rule, given) = ("must be as many as ids", format!("{} for {}", samples.len(), ids.len()));
            return Err(ENCODING.error("clips", rule, given).into());
        }
        let digests: Vec<u128> = samples.iter().map(|samples| digest(samples)).collect();
        let record = Record {
            encoder: encoder.digest().to_owned(),
            layers: encoder.layers(),
            width: encoder.width(),
            config,
            ids,
            clips: digests.iter().map(|digest| format!("{digest:032x}")).collect(),
        };
        let versions = record.config.versions();
        let mut rows: Vec<Option<Vec<f32>>> = vec![None; record.ids.len() * versions];
        if let Some(known) = known.filter(|known| known.record.has_the_encoder_of(&record)) {
            let places: HashMap<&String, usize> = known.record.clips.iter().zip(0..).collect();
            for (at, row) in rows.iter_mut().enumerate() {
                let number = at % versions;
                let place = places.get(&record.clips[at / versions]);
                let same = number <= known.record.config.copies
                    && known.record.config.makes_the_same(&record.config, number);
                let of = |place: &usize| place * known.record.config.versions() + number;
                *row = place.filter(|_| same).map(|place| known.statistics.row(of(place)).to_vec());
            }
        }
        let missing: Vec<usize> = (0..rows.len()).filter(|&at| rows[at].is_none()).collect();
        let mut encoded = None;
        for block in missing.chunks(BLOCK) {
            let version = |&at: &usize| {
                let (clip, number) = (at / versions, at % versions);
                let (id, samples) = (&*record.ids[clip], &*samples[clip]);
                Version { id, samples, digest: digests[clip], number }
            };
            let outputs = encode(encoder, &record.config, &block.iter().map(version).collect::<Vec<_>>())?;
            block.iter().zip(outputs).for_each(|(&at, outputs)| rows[at] = Some(outputs));
            // The copy before goes first: one at a time is in memory.
            encoded = None;
            done(encoded.insert(record.of_rows(&rows)?))?;
        }
        encoded.map_or_else(|| record.of_rows(&rows), Ok)
    }

    /// These clips, and those of another set that are not among them.
    fn with_others(&self, other: &Self) -> Result<Self, EncodedError> {
        let own: HashSet<&String> = self.record.ids.iter().chain(&self.record.clips).collect();
        let (mut record, versions) = (self.record.clone(), other.record.config.versions());
        let mut rows = Vec::new();
        for (place, (id, clip)) in other.record.ids.iter().zip(&other.record.clips).enumerate() {
            if !own.contains(id) && !own.contains(clip) {
                record.ids.push(id.clone());
                record.clips.push(clip.clone());
                rows.extend(place * versions..(place + 1) * versions);
            }
        }
        let others = other.statistics.select(ndarray::Axis(0), &rows);
        let statistics = ndarray::concatenate(ndarray::Axis(0), &[self.statistics.view(), others.view()])
            .map_err(|e| FileError::damaged("encoded clips", e))?;
        Ok(Self { record, statistics })
    }

    /// The model input of a clip.
    pub fn input(&self) -> ModelInput {
        ModelInput::Encoded { layers: self.record.layers, width: self.record.width, frames: None }
    }

    /// Settings of the encoding.
    pub fn config(&self) -> &EncodingConfig {
        &self.record.config
    }

    /// A data set of these clips with their classes: first all clean clips, then the first `copies` copies of each. A copy's id is the
    /// clip's id, a tilde and the copy's number.
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
        let most = self.record.config.copies;
        if copies > most {
            return Err(EncodedError::Copies { most, given: copies });
        }
        let places: HashMap<&String, usize> = self.record.ids.iter().zip(0..).collect();
        let place =
            |id: &String| places.get(id).copied().ok_or_else(|| EncodedError::Unknown { id: id.clone() });
        let places = ids.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let versions = || {
            (0..=copies)
                .flat_map(|copy| places.iter().map(move |clip| clip * self.record.config.versions() + copy))
        };
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
        let versions = self.record.config.versions();
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
        let path = path.as_ref();
        let file = path.display().to_string();
        let metadata = serde_json::to_string(&self.record).map_err(|e| FileError::damaged(&file, e))?;
        let values = Values {
            shape: self.statistics.shape().to_vec(),
            values: self.statistics.iter().copied().collect(),
        };
        let weights = Weights(BTreeMap::from([(TENSOR.to_owned(), values)]));
        let bytes = weights.to_safetensors(&metadata).map_err(|e| FileError::damaged(&file, e))?;
        Ok(save_file(path, &bytes)?)
    }

    /// Reads a file of [`EncodedClips::save`].
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds something else.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EncodedError> {
        let path = path.as_ref();
        let (bytes, file) = (read_file(path)?, path.display().to_string());
        let wrong = |cause: WeightsError| FileError::weights(&file, cause);
        let (mut weights, metadata) = read_weights(&bytes, &file, "file of encoded clips")?;
        weights.check_digest(&metadata).map_err(wrong)?;
        // The digest after it is no field of it.
        let record: Record = serde_json::from_str(&metadata).map_err(|e| FileError::damaged(&file, e))?;
        let copies = record.config.copies;
        if copies > EncodingConfig::MOST_COPIES {
            let rule = format!("copies must be 0 to {}, got {copies}", EncodingConfig::MOST_COPIES);
            return Err(FileError::damaged(&file, rule).into());
        }
        if record.clips.len() != record.ids.len() {
            return Err(FileError::damaged(&file, "digests must be as many as ids").into());
        }
        let input = ModelInput::Encoded { layers: record.layers, width: record.width, frames: None };
        let shape = [record.ids.len().saturating_mul(record.config.versions()), input.features()];
        weights.find(TENSOR, &shape).map_err(wrong)?;
        let values = weights.0.remove(TENSOR).map(|tensor| tensor.values).unwrap_or_default();
        let statistics = Array2::from_shape_vec(shape, values).map_err(|e| FileError::damaged(&file, e))?;
        Ok(Self { record, statistics })
    }
}

impl Record {
    /// Whether the encoder is the same.
    fn has_the_encoder_of(&self, other: &Self) -> bool {
        (&self.encoder, self.layers, self.width) == (&other.encoder, other.layers, other.width)
    }

    /// Whether clips of both may lie in one file.
    fn is_like(&self, other: &Self) -> bool {
        self.has_the_encoder_of(other) && self.config == other.config
    }

    /// The clips whose versions are all there.
    fn of_rows(&self, rows: &[Option<Vec<f32>>]) -> Result<EncodedClips, EncodedError> {
        let mut record = Self { ids: Vec::new(), clips: Vec::new(), ..self.clone() };
        let mut values = Vec::new();
        for (clip, versions) in rows.chunks(self.config.versions()).enumerate() {
            if let Some(versions) = versions.iter().map(Option::as_deref).collect::<Option<Vec<_>>>() {
                record.ids.push(self.ids[clip].clone());
                record.clips.push(self.clips[clip].clone());
                versions.into_iter().for_each(|row| values.extend_from_slice(row));
            }
        }
        let input = ModelInput::Encoded { layers: self.layers, width: self.width, frames: None };
        let shape = (record.ids.len() * self.config.versions(), input.features());
        let statistics =
            Array2::from_shape_vec(shape, values).map_err(|e| FileError::damaged("encoded clips", e))?;
        Ok(EncodedClips { record, statistics })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_more_copies_than_there_can_be_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("encoded.safetensors");
        let load = |copies| {
            let config = EncodingConfig { copies, ..EncodingConfig::default() };
            let (encoder, ids, clips) =
                ("one".to_owned(), vec!["clip".to_owned()], vec!["digest".to_owned()]);
            let record = Record { encoder, layers: 1, width: 1, config, ids, clips };
            let encoded = EncodedClips { record, statistics: Array2::zeros((3, 2)) };
            encoded.save(&path).unwrap();
            EncodedClips::load(&path)
        };
        assert_eq!(load(2).unwrap().config().copies, 2);
        for copies in [1_001, usize::MAX] {
            let error = load(copies).unwrap_err().to_string();
            assert!(error.ends_with(&format!(": copies must be 0 to 1000, got {copies}")), "{error}");
        }
    }
}
