//! Errors of encoded clips.

use crate::files::FileError;
use crate::input::{ClipEncoderError, DatasetError};
use crate::profile::ProfileError;
use crate::setting::SettingError;
use ser_features::ConfigError;

/// Errors of encoding, keeping and reading clips.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodedError {
    /// A setting of the encoding is out of range, the preparation's rate is not the encoder's, or there are not as many clips as ids.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A clip cannot be encoded.
    #[error("clip {id}: {cause}")]
    Clip {
        /// The clip.
        id: String,
        /// The reason.
        #[source]
        cause: Box<ClipEncoderError>,
    },
    /// The spectrogram cannot be planned.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file could not be written or read, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds outputs of another encoder, or of another number of its blocks.
    #[error("{file}: outputs must be {expected}, got {given}")]
    OtherEncoder {
        /// The file.
        file: String,
        /// The outputs of the encoder at hand.
        expected: String,
        /// Those in the file.
        given: String,
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
        /// The value given.
        given: usize,
    },
    /// The set cannot be made.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Profiles cannot be put together.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}
