//! Audio files of any common format, decoded to interleaved `f32` samples.

mod codec;
mod container;
mod decode;
mod error;
mod mp4;
mod ogg;
mod pcm;
mod wav;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use container::Container;
pub use error::{AudioError, AudioErrorKind};
pub use pcm::{Pcm, PcmEncoding, PcmError};
use ser_features::SignalError;

/// Decoded audio.
///
/// Integer samples are divided by 2^(bits − 1), as libsndfile (and so librosa) does: 16-bit −32,768 is −1.0.
/// Encoder delay and padding of MP3, AAC and Vorbis are cut off where the file tells them, so that a lossy copy
/// lines up with its original.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Samples in \[−1, 1\] (floating point files may exceed it), all finite, interleaved: frame after frame, in
    /// each frame one sample per channel. `samples.len()` is a multiple of `channels`.
    pub samples: Vec<f32>,
    /// Number of channels, 1 or more.
    pub channels: usize,
    /// Frames per second in Hz.
    pub sample_rate: u32,
}

/// How much of a file is decoded at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLimits {
    /// The longest time that it may last.
    pub duration: Duration,
    /// The most samples that it may hold, all channels together: four bytes of memory each, and up to as much again while
    /// they are gathered.
    pub samples: usize,
}

impl AudioLimits {
    /// Whatever a file holds.
    pub const NONE: Self = Self { duration: Duration::MAX, samples: usize::MAX };
}

impl Audio {
    /// Reads and decodes a file. Its content decides what it is, not its name.
    ///
    /// # Errors
    ///
    /// [`AudioError`] names the file and what is wrong with it: see [`AudioErrorKind`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, AudioError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|e| AudioError::new(&name, e))?;
        Self::decode(&bytes, path.extension().and_then(|e| e.to_str()), &name)
    }

    /// Decodes a file that is in memory.
    ///
    /// `extension_hint` is the file's ending without the dot, where there is one. It matters only for streams that
    /// begin with junk, as cut MP3 files do. `name` is what errors call the file.
    ///
    /// # Errors
    ///
    /// [`AudioError`] names the file and what is wrong with it: see [`AudioErrorKind`].
    pub fn decode(bytes: &[u8], extension_hint: Option<&str>, name: &str) -> Result<Self, AudioError> {
        Self::decode_within(AudioLimits::NONE, bytes, extension_hint, name)
    }

    /// The same for files from strangers: of a file that exceeds the limits, no more is decoded. A few kilobytes of FLAC can
    /// hold hours of silence, or a minute of it in eight channels at 655,350 Hz, which is a gigabyte of samples.
    ///
    /// # Errors
    ///
    /// As [`Audio::decode`], [`AudioErrorKind::TooLong`] and [`AudioErrorKind::TooManySamples`].
    pub fn decode_within(
        limits: AudioLimits,
        bytes: &[u8],
        extension_hint: Option<&str>,
        name: &str,
    ) -> Result<Self, AudioError> {
        // The decoders are a library's: a panic on some damaged file must not end a run over many files.
        catch_unwind(AssertUnwindSafe(|| decode_checked(limits, bytes, extension_hint)))
            .unwrap_or_else(|_| Err(AudioErrorKind::malformed("the decoder failed on it")))
            .map_err(|kind| AudioError::new(name, kind))
    }

    /// The mean of the channels, as `librosa.to_mono`.
    ///
    /// # Errors
    ///
    /// [`SignalError`], if there is no sample or `samples` doesn't divide into `channels`; what was decoded always does.
    pub fn to_mono(&self) -> Result<Vec<f32>, SignalError> {
        ser_features::to_mono(&self.samples, self.channels)
    }

    /// Number of frames: samples of one channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels.max(1)
    }

    /// Length in time.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.frames() as f64 / f64::from(self.sample_rate.max(1)))
    }

    fn check_size(&self, AudioLimits { duration, samples }: AudioLimits) -> Result<(), AudioErrorKind> {
        if self.duration() > duration {
            return Err(AudioErrorKind::TooLong { limit: duration });
        }
        let channels = self.channels;
        if self.samples.len() > samples {
            return Err(AudioErrorKind::TooManySamples {
                limit: samples,
                channels,
                sample_rate: self.sample_rate,
            });
        }
        Ok(())
    }
}

fn decode_checked(
    limits: AudioLimits,
    bytes: &[u8],
    extension_hint: Option<&str>,
) -> Result<Audio, AudioErrorKind> {
    if bytes.is_empty() {
        return Err(AudioErrorKind::Empty { bytes: 0 });
    }
    let audio = match container::identify(bytes, extension_hint)? {
        Container::Wave => wav::decode(limits, bytes)?,
        Container::Ogg => {
            ogg::check(bytes)?;
            decode::decode(limits, bytes, decode::Gaps::ByDecoder)?
        }
        Container::Mp4 => {
            let track = mp4::first_audio_track(bytes)?;
            decode::decode(limits, bytes, decode::Gaps::Edit(track))?
        }
        Container::Mpeg => decode::decode(limits, bytes, decode::Gaps::Mpeg)?,
        Container::Other => decode::decode(limits, bytes, decode::Gaps::ByDecoder)?,
    };
    if audio.samples.is_empty() {
        return Err(AudioErrorKind::Empty { bytes: bytes.len() });
    }
    audio.check_size(limits)?;
    if let Some(at) = audio.samples.iter().position(|s| !s.is_finite()) {
        let (index, channel) = (at / audio.channels, at % audio.channels);
        return Err(AudioErrorKind::NotFinite { index, channel, value: audio.samples[at] });
    }
    Ok(audio)
}
