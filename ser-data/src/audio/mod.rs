//! Audio files of any common format, decoded to interleaved `f32` samples.
//!
//! A file goes through three stages: its container gives packets ([`demux`]), a decoder makes samples of them ([`decode`]), and
//! [`AudioReader`] checks these and hands them out block by block.

mod aac;
mod aiff;
mod au;
mod blocks;
mod caf;
mod codec;
mod container;
mod convert;
mod decode;
mod demux;
mod error;
mod flac;
mod matroska;
mod mp3;
mod mp4;
mod mpeg;
mod ogg;
mod opus;
mod pcm;
mod reader;
mod source;
mod tags;
mod wav;

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

pub(crate) use container::is_of_mpeg;
use error::printable;
pub use error::{AudioError, AudioErrorKind, AudioWarning};
pub use pcm::{Pcm, PcmEncoding, PcmError};
pub use reader::AudioReader;
use ser_features::SignalError;

/// Decoded audio.
///
/// Integer samples are divided by 2^(bits − 1), as libsndfile (and so librosa) does: 16-bit −32,768 is −1.0.
/// Encoder delay and padding of MP3, AAC, Vorbis and Opus are removed if the file declares them, so that a lossy copy is aligned with its
/// original.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Samples in \[−1, 1\] (floating point files and lossy codecs may exceed it, up to ±10), all finite, interleaved: frame after frame,
    /// in each frame one sample per channel. `samples.len()` is a multiple of `channels`.
    pub samples: Vec<f32>,
    /// Number of channels, 1 or more.
    pub channels: usize,
    /// Frames per second in Hz.
    pub sample_rate: u32,
    /// Warnings, such as a wrong length in the header. Show them to the user.
    pub warnings: Vec<AudioWarning>,
}

/// Limits on the length of a decoded file; by default there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLimits {
    /// The longest duration.
    pub duration: Duration,
    /// The largest number of samples, all channels together. Each takes four bytes of memory, and up to four more while blocks are
    /// collected.
    pub samples: usize,
}

impl AudioLimits {
    /// No limits.
    pub const NONE: Self = Self { duration: Duration::MAX, samples: usize::MAX };
}

impl Default for AudioLimits {
    fn default() -> Self {
        Self::NONE
    }
}

/// Settings of decoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AudioOptions {
    /// Limits for untrusted files. A few kilobytes of FLAC can hold hours of silence, or a minute of it in eight channels at 655,350 Hz,
    /// which is a gigabyte of samples.
    pub limits: AudioLimits,
    /// Whether to read a truncated or damaged file up to the damage, with the warning [`AudioWarning::CutShort`]. Otherwise such a file is
    /// an error. Damage before the first sample remains an error, and so do samples that are not finite or too loud
    /// ([`AudioErrorKind::TooLoud`]).
    pub allow_truncated: bool,
}

impl Audio {
    /// Reads and decodes a file. The format is detected from the content, not from the name.
    ///
    /// # Errors
    ///
    /// [`AudioError`] names the file and what is wrong with it: see [`AudioErrorKind`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, AudioError> {
        Self::open_with(&AudioOptions::default(), path)
    }

    /// [`Audio::open`] with limits, or for files that are cut short.
    ///
    /// # Errors
    ///
    /// As [`Audio::open`], [`AudioErrorKind::TooLong`] and [`AudioErrorKind::TooManySamples`].
    pub fn open_with(options: &AudioOptions, path: impl AsRef<Path>) -> Result<Self, AudioError> {
        Self::gather(AudioReader::open(path, options)?)
    }

    /// Decodes a file that is in memory.
    ///
    /// `extension_hint` is the file's extension without the dot, where there is one. It matters only for streams that
    /// begin with junk, as cut MP3 files do. `name` is what errors call the file.
    ///
    /// # Errors
    ///
    /// [`AudioError`] names the file and what is wrong with it: see [`AudioErrorKind`].
    pub fn decode(bytes: &[u8], extension_hint: Option<&str>, name: &str) -> Result<Self, AudioError> {
        Self::decode_with(&AudioOptions::default(), bytes, extension_hint, name)
    }

    /// [`Audio::decode`] with limits, or for files that are cut short.
    ///
    /// # Errors
    ///
    /// As [`Audio::decode`], [`AudioErrorKind::TooLong`] and [`AudioErrorKind::TooManySamples`].
    pub fn decode_with(
        options: &AudioOptions,
        bytes: &[u8],
        extension_hint: Option<&str>,
        name: &str,
    ) -> Result<Self, AudioError> {
        Self::gather(AudioReader::new(Cursor::new(bytes), extension_hint, name, options)?)
    }

    fn gather(mut reader: AudioReader<'_>) -> Result<Self, AudioError> {
        let mut samples = Vec::new();
        while let Some(block) = reader.next_block()? {
            samples.extend_from_slice(block);
        }
        let (channels, sample_rate) = (reader.channels(), reader.sample_rate());
        Ok(Self { samples, channels, sample_rate, warnings: reader.warnings().to_vec() })
    }

    /// The mean of the channels, as `librosa.to_mono`.
    ///
    /// # Errors
    ///
    /// [`SignalError`], if there is no sample or `samples` doesn't divide into `channels`; what was decoded always does.
    pub fn to_mono(&self) -> Result<Vec<f32>, SignalError> {
        ser_features::to_mono(&self.samples, self.channels)
    }

    /// As [`to_mono`](Self::to_mono). The samples of a single channel are not copied.
    pub(crate) fn into_mono(self) -> Result<Vec<f32>, SignalError> {
        if self.channels == 1 && !self.samples.is_empty() { Ok(self.samples) } else { self.to_mono() }
    }

    /// Number of frames: samples of one channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels.max(1)
    }

    /// Length in time.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.frames() as f64 / f64::from(self.sample_rate.max(1)))
    }
}

/// For 3 to 8 channels the place in Vorbis's order of each channel in WAV's order (Vorbis I, 4.3.9); both differ only there.
fn vorbis_to_wav_order(channels: usize) -> Option<Vec<usize>> {
    let order: &[usize] = match channels {
        3 => &[0, 2, 1],
        5 => &[0, 2, 1, 3, 4],
        6 => &[0, 2, 1, 5, 3, 4],
        7 => &[0, 2, 1, 6, 5, 3, 4],
        8 => &[0, 2, 1, 7, 5, 6, 3, 4],
        _ => return None,
    };
    Some(order.to_vec())
}
