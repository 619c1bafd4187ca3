use std::io;
use std::time::Duration;

/// A file that could not be read as audio: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {kind}")]
#[non_exhaustive]
pub struct AudioError {
    /// The file as the caller named it, or archive and entry joined by `/`.
    pub file: String,
    /// What is wrong with it.
    pub kind: AudioErrorKind,
}

impl AudioError {
    pub(crate) fn new(file: impl Into<String>, kind: impl Into<AudioErrorKind>) -> Self {
        Self { file: file.into(), kind: kind.into() }
    }
}

/// Why a file could not be read as audio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioErrorKind {
    /// The file could not be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The content is of no audio format that this crate knows.
    #[error("is not audio: it looks like {found}; expected WAV, FLAC, MP3, OGG Vorbis or M4A (AAC-LC, ALAC)")]
    NotAudio {
        /// What the first bytes look like.
        found: String,
    },
    /// The container is known, what it holds is not.
    #[error(
        "codec {codec} is not supported; expected PCM, FLAC, MP3, Vorbis, AAC-LC or ALAC (convert it to WAV or FLAC)"
    )]
    UnsupportedCodec {
        /// The codec's name, or its identifier in the container.
        codec: String,
    },
    /// The container holds no sound, such as a video without one.
    #[error("holds no audio track")]
    NoAudioTrack,
    /// The file is shorter than its header says. What is there is not returned, so that a clip is never
    /// silently shorter than it was.
    #[error("is cut short: {declared} {unit} are declared, the file holds {found}")]
    Truncated {
        /// What is counted, such as "bytes of WAV data".
        unit: &'static str,
        /// The number that the header declares.
        declared: u64,
        /// The number that the file holds.
        found: u64,
    },
    /// The file has no samples at all.
    #[error("holds no samples ({bytes} bytes in all)")]
    Empty {
        /// The size of the file in bytes.
        bytes: usize,
    },
    /// The file is longer than the limit.
    #[error("is longer than {} s, the most that is taken", limit.as_secs_f64())]
    TooLong {
        /// The most that is taken.
        limit: Duration,
    },
    /// The file holds more samples than the caller wants.
    #[error(
        "has more than {limit} samples, the most that is taken ({channels} channels at {sample_rate} Hz)"
    )]
    TooManySamples {
        /// The most that is taken, all channels together.
        limit: usize,
        /// The file's channels.
        channels: usize,
        /// Its frames per second in Hz.
        sample_rate: u32,
    },
    /// A sample of a floating point file is NaN or infinite.
    #[error("sample {index} (channel {channel}) is {value}; expected a finite number")]
    NotFinite {
        /// Position in its channel, from 0.
        index: usize,
        /// The channel, from 0.
        channel: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The content contradicts its format.
    #[error("is damaged: {reason}")]
    Malformed {
        /// What the decoder found.
        reason: String,
    },
}

impl AudioErrorKind {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }
}
