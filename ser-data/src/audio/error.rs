//! Errors and warnings of audio files.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use ser_features::ConfigError;

use crate::span::Span;

/// Containers that are read, for the errors that refuse something else.
const CONTAINERS: &str = "WAV, AIFF, AU, CAF, FLAC, MP3, OGG, WebM or MP4";

/// Codecs that are decoded.
const CODECS: &str = "PCM, A-law, µ-law, ADPCM, FLAC, ALAC, MP3, AAC-LC, Vorbis or Opus";

/// The command that makes a file that can be decoded of most others.
const CONVERT: &str = "try `ffmpeg -i FILE OUT.wav`";

/// Text of one line for a terminal: control characters, as file names may have them, are written as Rust escapes them.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c.is_control()) {
        return text.into();
    }
    text.chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

/// A file that could not be read as audio: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", printable(file))]
#[non_exhaustive]
pub struct AudioError {
    /// The file as the caller named it, or archive and entry joined by `/`.
    pub file: String,
    /// The reason.
    #[source]
    pub kind: AudioErrorKind,
}

impl AudioError {
    pub(crate) fn new(file: impl Into<String>, kind: impl Into<AudioErrorKind>) -> Self {
        Self { file: file.into(), kind: kind.into() }
    }
}

/// Errors of reading a file as audio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioErrorKind {
    /// The file could not be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The content is of no audio format that this crate knows.
    #[error("content must be audio in {CONTAINERS}, got {found}")]
    NotAudio {
        /// What the first bytes suggest, such as "a ZIP archive".
        found: String,
    },
    /// The container is supported, its codec is not.
    #[error("codec must be a supported form of {CODECS}, got {codec} ({CONVERT})")]
    UnsupportedCodec {
        /// The codec's name, or its identifier in the container.
        codec: String,
    },
    /// The file is audio, or holds some, in a container that isn't read.
    #[error("container must be {CONTAINERS}, got {container} ({CONVERT})")]
    UnsupportedContainer {
        /// The container's name.
        container: &'static str,
    },
    /// Channels or sample rate change within the file, and the new format cannot be converted to the first one.
    #[error(
        "format must stay {} channels at {} Hz, or change to one that converts to it, got {} channels at {} Hz{} ({CONVERT})",
        from.0, from.1, to.0, to.1, cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default()
    )]
    Changes {
        /// Channels and sample rate in Hz at first.
        from: (usize, u32),
        /// Those that follow.
        to: (usize, u32),
        /// The error of the resampler; `None` where neither format has one channel.
        #[source]
        cause: Option<ConfigError>,
    },
    /// The container holds no sound, such as a video without one.
    #[error("audio tracks must be 1 or more, got 0")]
    NoAudioTrack,
    /// The file is shorter than its header says. [`Audio`](super::Audio) then returns none of it, so that a clip is never silently shorter
    /// than it was. Blocks that an [`AudioReader`](super::AudioReader) returned before the error are valid.
    #[error("{unit} must be {declared}, as declared, got {found}: the file is truncated")]
    Truncated {
        /// Unit of both numbers, such as "bytes of WAV data".
        unit: &'static str,
        /// The number that the header declares.
        declared: u64,
        /// The number that the file holds.
        found: u64,
    },
    /// The file is shorter than its header says, and what is missing holds the index of its samples: none can be found.
    #[error(
        "{unit} must be {declared}, as declared, got {found}: the file is truncated and lacks the index of its samples"
    )]
    NoIndex {
        /// Unit of both numbers.
        unit: &'static str,
        /// The number that the header declares.
        declared: u64,
        /// The number that the file holds.
        found: u64,
    },
    /// The file is a later piece of a recording, without the beginning that describes it: a browser's second chunk, or a segment of a
    /// stream.
    #[error(
        "content must begin with the header that describes its audio, got a later piece of {container} (join all pieces in their order)"
    )]
    NoBeginning {
        /// The container's name.
        container: &'static str,
    },
    /// The file has no samples at all.
    #[error("samples must be 1 or more, got 0 ({bytes} bytes in all)")]
    Empty {
        /// The size of the file in bytes.
        bytes: u64,
    },
    /// The file is longer than the limit.
    #[error("length must be at most {} s, got more", limit.as_secs_f64())]
    TooLong {
        /// The most that is taken.
        limit: Duration,
    },
    /// The file holds more samples than the caller wants.
    #[error("samples must be at most {limit} ({channels} channels at {sample_rate} Hz), got more")]
    TooManySamples {
        /// The most that is taken, all channels together.
        limit: usize,
        /// The file's channels.
        channels: usize,
        /// Its frames per second in Hz.
        sample_rate: u32,
    },
    /// A sample of a floating point file is NaN or infinite.
    #[error("sample {index} (channel {channel}) must be finite, got {value}")]
    NotFinite {
        /// Position in its channel, from 0.
        index: usize,
        /// The channel, from 0.
        channel: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A sample exceeds full scale by more than 20 dB: it is on another scale, or the stream is damaged.
    #[error(
        "sample {index} (channel {channel}) must be within ±10 (full scale is ±1), got {value}, {:.0} dB beyond full scale",
        20.0 * value.abs().log10()
    )]
    TooLoud {
        /// Position in its channel, from 0.
        index: usize,
        /// The channel, from 0.
        channel: usize,
        /// The sample.
        value: f32,
    },
    /// The part that is wanted is empty, begins at or after the recording's end, or ends more than 0.1 s after it.
    #[error(
        "part must lie within the recording's {} s, got {} s to {}",
        recording.as_secs_f64(), span.start.as_secs_f64(),
        span.end.map_or("its end".to_owned(), |end| format!("{} s", end.as_secs_f64()))
    )]
    Span {
        /// The part.
        span: Span,
        /// Duration of the recording.
        recording: Duration,
    },
    /// The content contradicts its format.
    #[error("{reason}: the file is damaged")]
    Malformed {
        /// The rule that the content breaks and what was found, such as "STREAMINFO block must have 34 bytes, got 12".
        reason: String,
    },
}

impl AudioErrorKind {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }

    /// Whether the sound before the error may be intact.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Malformed { .. } | Self::Truncated { .. } | Self::NoIndex { .. })
    }
}

/// A warning about a file that was read: an irregularity that the listener should know of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioWarning {
    /// The header's length is a placeholder, or wrong. The audio was read to the end of the file.
    #[error("the header declares {declared} {unit}, the file has {found}; it was read to its end")]
    WrongLength {
        /// Unit of both numbers.
        unit: &'static str,
        /// The number that the header declares.
        declared: u64,
        /// The number that the file holds.
        found: u64,
    },
    /// A chunk or an ID3 tag before the audio declares more bytes than there are before the audio.
    #[error(
        "a chunk before the audio declares {declared} bytes and has {found}; the audio after it was read"
    )]
    WrongChunk {
        /// The number that the chunk declares.
        declared: u64,
        /// The number that it has before the audio.
        found: u64,
    },
    /// The file is cut short or damaged, which [`AudioOptions::allow_truncated`](super::AudioOptions::allow_truncated) allows.
    #[error("the file was read up to the damage: {reason}")]
    CutShort {
        /// The error.
        reason: String,
    },
    /// The bytes before the first frame are no frame, e.g. because the stream was cut at its start.
    #[error("{bytes} bytes before the first frame were skipped")]
    BytesBefore {
        /// Number of bytes.
        bytes: u64,
    },
    /// The bytes after the audio are neither audio nor a known tag, or are zeros that may have been audio.
    #[error("{bytes} bytes after the audio were skipped")]
    BytesAfter {
        /// Number of bytes.
        bytes: u64,
    },
    /// The last page of an OGG stream has no end-of-stream flag: the recording may be truncated there.
    #[error("the last OGG page has no end-of-stream flag; the file may be truncated")]
    NoEnd,
    /// A page of an OGG stream before the last has the end-of-stream flag. The pages after it were read too.
    #[error("an OGG page before the last has the end-of-stream flag; the file was read to its last page")]
    EarlyEnd,
    /// The first frames need bits of frames before the start of the stream, which was cut from a longer one.
    #[error(
        "the first {frames} MP3 frames need bits of earlier frames, which the file lacks; they may be silent"
    )]
    NoReservoir {
        /// Number of frames.
        frames: u64,
    },
    /// The tag that an MP3 encoder wrote is damaged: its checksum is wrong, or its delay and padding are impossible. They are not cut off.
    #[error("the encoder's tag is damaged; the encoder's delay and padding were not trimmed")]
    WrongTag,
    /// An AAC stream is HE-AAC without saying so in its header. Its core was decoded, the upper half of the spectrum was not.
    #[error(
        "the stream is HE-AAC, and only its core at {sample_rate} Hz was decoded; frequencies above {} Hz are missing",
        sample_rate / 2
    )]
    HalfSpectrum {
        /// Sample rate of the core in Hz: half of the full stream's.
        sample_rate: u32,
    },
    /// The container's timestamps skip a time without audio: the recorder paused, or packets are lost.
    #[error("the timestamps skip {missing:.2} s, first at {seconds:.2} s; the audio was joined there")]
    Gap {
        /// Start of the first gap, in seconds from the start of what was read.
        seconds: f64,
        /// Seconds of all gaps together.
        missing: f64,
    },
    /// Unknown elements of a Matroska file, which may have held audio.
    #[error("{bytes} bytes of unknown Matroska elements were skipped, the first at byte {at}")]
    Unknown {
        /// Position of the first in the file, in bytes.
        at: u64,
        /// Number of bytes of all of them.
        bytes: u64,
    },
    /// Channels or sample rate change. What follows was converted.
    #[error(
        "the format changes at {seconds:.2} s from {} channels at {} Hz to {} channels at {} Hz; the audio after it was converted to the first format",
        from.0, from.1, to.0, to.1
    )]
    Changes {
        /// Time of the first change, in seconds from the start.
        seconds: f64,
        /// Channels and sample rate in Hz at first.
        from: (usize, u32),
        /// Those that follow.
        to: (usize, u32),
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_whatever_the_name() {
        let error = AudioError::new("a\nb\u{1b}[2Jé.wav", AudioErrorKind::NoAudioTrack);
        assert_eq!(error.to_string(), "a\\nb\\u{1b}[2Jé.wav: audio tracks must be 1 or more, got 0");
    }
}
