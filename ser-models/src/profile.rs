//! Voice profiles, which adapt a recogniser to a speaker.

use crate::files::{FileError, read_file, save_file};
use crate::setting::{Checked, Settings};
use ser_features::PreparationConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name of such a file in errors.
const KIND: &str = "a voice profile";

/// The average sound of a voice, independent of its mood: the mean of an encoder's statistics over a few clips. No other data of the clips
/// is kept.
///
/// Every clip has the same weight, whatever its length, and a profile has more effect with more clips. One recording of ten minutes is a
/// single clip, so divide a long recording into clips of a few seconds. Only models that read the statistics of an encoder accept a
/// profile: [`whisper-head`](crate::models::WhisperHeadConfig) without attention and without tuned blocks.
///
/// [`Recognizer::profile`](crate::Recognizer::profile) makes a profile of an unlabelled clip, [`VoiceProfile::and`] combines the profiles
/// of several clips, and [`Recognizer::with_profile`](crate::Recognizer::with_profile) uses the result.
///
/// ```no_run
/// use ser_models::{Recognizer, VoiceProfile};
///
/// # fn answer(mut recognizer: Recognizer, first: &[f32], second: &[f32]) -> Result<(), Box<dyn std::error::Error>> {
/// let profile = recognizer.profile(first, 48_000)?.and(&recognizer.profile(second, 48_000)?)?;
/// profile.save("anna.json")?;
/// let mut recognizer = recognizer.with_profile(&VoiceProfile::load("anna.json")?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceProfile {
    /// Digest of the encoder's file.
    encoder: String,
    /// The preparation of the clips. Files of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preparation: Option<PreparationConfig>,
    /// Number of clips.
    clips: usize,
    /// The mean of each of the encoder's statistics.
    mean: Vec<f32>,
}

/// Errors of making, writing, reading and using a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file could not be written or read, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The model prepares clips in another way than the model that made the profile; or the two profiles come from different preparations.
    #[error("profile: preparation must be {expected}, got {given}")]
    Preparation {
        /// The preparation of the profile, as JSON.
        expected: String,
        /// The preparation given, as JSON.
        given: String,
    },
    /// The model reads features, frames, or another encoder than the profile's; or the two profiles come from different encoders.
    #[error("profile: encoder must be {expected}, got {given}")]
    Encoder {
        /// The encoder of the profile.
        expected: String,
        /// The value given.
        given: String,
    },
}

impl VoiceProfile {
    /// Reads a file that [`VoiceProfile::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read or is no profile, or a number in it is not finite.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ProfileError> {
        let path = path.as_ref();
        Self::from_json(&read_file(path)?, &path.display().to_string())
    }

    /// Reads the JSON of a file. Errors name the file `file`.
    ///
    /// # Errors
    /// As [`VoiceProfile::load`].
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self, ProfileError> {
        let profile: Self =
            serde_json::from_slice(bytes).map_err(|cause| FileError::not_a(KIND, file, cause))?;
        profile.check().map_err(|cause| FileError::not_a(KIND, file, cause))?;
        Ok(profile)
    }

    fn check(&self) -> Checked {
        let of = Settings("fields");
        of.one_or_more([("clips", self.clips)])?;
        match self.mean.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            Some((element, x)) => Err(of.error("mean", "finite", format!("{x} at element {element}"))),
            None => Ok(()),
        }
    }

    /// Writes a JSON file atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ProfileError> {
        let path = path.as_ref();
        let failed = |cause| FileError::not_written(&path.display().to_string(), cause);
        Ok(save_file(path, &serde_json::to_vec(self).map_err(failed)?)?)
    }

    /// Makes the profile of one clip from an encoder's statistics.
    pub(crate) fn of_clip(encoder: &str, preparation: &PreparationConfig, statistics: Vec<f32>) -> Self {
        let (encoder, preparation) = (encoder.to_owned(), Some(preparation.clone()));
        Self { encoder, preparation, clips: 1, mean: statistics }
    }

    /// Returns the profile of the clips of both profiles.
    ///
    /// # Errors
    /// [`ProfileError::Encoder`] if they come from different encoders or numbers of blocks, [`ProfileError::Preparation`] if their clips
    /// were prepared in different ways.
    pub fn and(&self, other: &Self) -> Result<Self, ProfileError> {
        other.check_encoder(Some(&self.encoder), self.mean.len())?;
        if let Some(preparation) = &self.preparation {
            other.check_preparation(preparation)?;
        }
        let clips = self.clips.saturating_add(other.clips);
        let share = other.clips as f64 / clips as f64;
        let mean = |(a, b): (&f32, &f32)| (f64::from(*a) + share * (f64::from(*b) - f64::from(*a))) as f32;
        let mean = self.mean.iter().zip(&other.mean).map(mean).collect();
        let preparation = self.preparation.clone().or_else(|| other.preparation.clone());
        Ok(Self { encoder: self.encoder.clone(), preparation, clips, mean })
    }

    /// Checks that the profile is of this encoder and has `numbers` values.
    pub(crate) fn check_encoder(&self, encoder: Option<&str>, numbers: usize) -> Result<(), ProfileError> {
        let Self { encoder: own, mean, .. } = self;
        if encoder == Some(own) && mean.len() == numbers {
            return Ok(());
        }
        let shown =
            |encoder: &str, numbers: usize| format!("one with digest {encoder} with {numbers} outputs");
        let given = encoder.map_or("none".to_owned(), |encoder| shown(encoder, numbers));
        Err(ProfileError::Encoder { expected: shown(own, mean.len()), given })
    }

    /// Checks that the clips of the profile, if this is known, were prepared in this way.
    pub(crate) fn check_preparation(&self, preparation: &PreparationConfig) -> Result<(), ProfileError> {
        match &self.preparation {
            Some(own) if own != preparation => {
                let shown = |config| serde_json::to_string(config).unwrap_or_else(|error| error.to_string());
                Err(ProfileError::Preparation { expected: shown(own), given: shown(preparation) })
            }
            _ => Ok(()),
        }
    }

    /// Number of clips that the profile was made from, of any length.
    pub fn clips(&self) -> usize {
        self.clips
    }

    /// The mean of each of the encoder's statistics over the clips.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }
}
