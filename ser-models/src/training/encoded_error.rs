//! Errors of encoded clips.

use crate::files::FileError;
use crate::input::{ClipEncoderError, DatasetError};
use crate::profile::ProfileError;
use crate::setting::SettingError;
use ser_features::ConfigError;

/// Errors of encoding clips, and of writing and reading encoded clips.
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
        /// Size and encoder of the outputs that this encoder computes.
        expected: String,
        /// Size and encoder of the outputs in the file.
        given: String,
    },
    /// A requested clip was not encoded.
    #[error("encoded clips: ids must be among those that were encoded, got {id}")]
    Unknown {
        /// The clip.
        id: String,
    },
    /// More copies were requested than were encoded.
    #[error("encoded clips: copies must be 0 to {most}, got {given}")]
    Copies {
        /// Copies that were encoded.
        most: usize,
        /// The value given.
        given: usize,
    },
    /// The data set cannot be made.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Profiles cannot be combined.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}
