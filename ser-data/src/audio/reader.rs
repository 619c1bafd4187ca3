//! A file's samples block by block, in memory that doesn't grow with its length.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::decode::Decoding;
use super::source::Source;
use super::{AudioError, AudioErrorKind, AudioOptions, AudioWarning, container};

/// How far samples may exceed full scale: 20 dB. Recordings stay below it. Samples on another scale, such as that of 16-bit integers, and
/// samples decoded from a damaged stream exceed it.
const LOUDEST: f32 = 10.0;

/// Decodes an audio file block by block. [`Audio::decode`](super::Audio::decode) gathers its blocks.
///
/// Memory is bounded: an hour takes as much as a minute, except for MP4's index and the tables of CAF, which are a few bytes a
/// packet.
///
/// ```
/// use ser_data::{AudioOptions, AudioReader};
///
/// let mut reader = AudioReader::open("audio/lame.mp3", &AudioOptions::default())?;
/// assert_eq!((reader.channels(), reader.sample_rate()), (1, 22_050));
/// let (mut piece, mut frames) = ([0.0; 1000], 0);
/// loop {
///     match reader.read(&mut piece)? {
///         0 => break,
///         read => frames += read, // the samples are piece[..read], mixed to mono
///     }
/// }
/// assert_eq!(frames, 6615);
/// assert!(reader.warnings().is_empty());
/// # Ok::<(), ser_data::AudioError>(())
/// ```
pub struct AudioReader<'s> {
    name: String,
    decoding: Decoding<'s>,
    options: AudioOptions,
    channels: usize,
    sample_rate: u32,
    /// Interleaved samples of the current block.
    block: Vec<f32>,
    /// The current block mixed to mono, and how much of it was read.
    mono: Vec<f32>,
    read: usize,
    /// Whether the current block wasn't given yet.
    fresh: bool,
    /// Frames up to the end of the current block.
    frames: u64,
    position: Arc<AtomicU64>,
    bytes: u64,
}

impl AudioReader<'static> {
    /// Opens a file and decodes its first block. The format is detected from the content, not from the name.
    ///
    /// # Errors
    /// [`AudioError`] names the file and what is wrong with it: see [`AudioErrorKind`].
    pub fn open(path: impl AsRef<Path>, options: &AudioOptions) -> Result<Self, AudioError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = open_regular(path).map_err(|e| AudioError::new(&name, e))?;
        Self::new(file, path.extension().and_then(|e| e.to_str()), &name, options)
    }
}

/// Opens a file that can be read at any place. A folder or a pipe is refused with a reason.
fn open_regular(path: &Path) -> io::Result<File> {
    // Opening a pipe waits for its writer.
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_fifo(&kind) {
        return Err(io::Error::new(io::ErrorKind::NotSeekable, "it is a pipe"));
    }
    File::open(path)
}

impl<'s> AudioReader<'s> {
    /// Reads what `stream` holds, from its start, and decodes the first block.
    ///
    /// `extension_hint` is the file's extension without the dot, where there is one. It matters only for streams that begin with
    /// junk, as cut MP3 files do. `name` is what errors call the file.
    ///
    /// # Errors
    /// [`AudioError`] names the file and what is wrong with it: see [`AudioErrorKind`].
    pub fn new(
        stream: impl Read + Seek + Send + 's,
        extension_hint: Option<&str>,
        name: &str,
        options: &AudioOptions,
    ) -> Result<Self, AudioError> {
        let position = Arc::new(AtomicU64::new(0));
        let counted = Counted { stream, position: position.clone() };
        let opened = guarded(|| {
            let source = Source::new(counted)?;
            let bytes = source.len();
            if bytes == 0 {
                return Err(AudioErrorKind::Empty { bytes });
            }
            Ok((Decoding::new(container::open(source, extension_hint, options)?, *options), bytes))
        });
        let (decoding, bytes) = opened.map_err(|kind| AudioError::new(name, kind))?;
        let (block, mono) = Default::default();
        let mut reader = Self {
            name: name.into(),
            decoding,
            options: *options,
            channels: 1,
            sample_rate: 1,
            block,
            mono,
            read: 0,
            fresh: false,
            frames: 0,
            position,
            bytes,
        };
        if !reader.decode_block()? {
            return Err(AudioError::new(name, AudioErrorKind::Empty { bytes }));
        }
        Ok(reader)
    }

    /// Number of channels, 1 or more.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Frames per second in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The warnings so far. The list is complete after the last block.
    pub fn warnings(&self) -> &[AudioWarning] {
        self.decoding.warnings()
    }

    /// Share of the file that was read, 0 to 1, for a progress bar.
    pub fn progress(&self) -> f64 {
        (self.position.load(Ordering::Relaxed) as f64 / self.bytes as f64).min(1.0)
    }

    /// The next samples, all channels interleaved; `None` at the end. Blocks have no fixed length, and none is empty.
    /// Samples of the current block that [`AudioReader::read`] has not returned are skipped.
    ///
    /// # Errors
    /// [`AudioError`], if the file is damaged or cut short at or after this place, or exceeds the limits.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError> {
        if !self.fresh && !self.decode_block()? {
            return Ok(None);
        }
        self.fresh = false;
        Ok(Some(&self.block))
    }

    /// Fills `samples` with the next samples, the mean of the channels, and returns how many there were: fewer only at the end.
    ///
    /// # Errors
    /// As [`AudioReader::next_block`].
    pub fn read(&mut self, samples: &mut [f32]) -> Result<usize, AudioError> {
        let mut filled = 0;
        while filled < samples.len() {
            if self.read == self.mono.len() {
                if !self.fresh && !self.decode_block()? {
                    break;
                }
                self.fresh = false;
                self.mono = ser_features::to_mono(&self.block, self.channels)
                    .map_err(|e| AudioError::new(&self.name, AudioErrorKind::malformed(e.to_string())))?;
                self.read = 0;
            }
            let count = (samples.len() - filled).min(self.mono.len() - self.read);
            samples[filled..filled + count].copy_from_slice(&self.mono[self.read..self.read + count]);
            (filled, self.read) = (filled + count, self.read + count);
        }
        Ok(filled)
    }

    /// Decodes the next block; `false` at the end.
    fn decode_block(&mut self) -> Result<bool, AudioError> {
        self.block.clear();
        self.mono.clear();
        self.read = 0;
        let decoded = guarded(|| self.decoding.next(&mut self.block)).and_then(|more| {
            if let (true, Some(spec)) = (more, self.decoding.spec()) {
                (self.channels, self.sample_rate) = spec;
                self.check_block()?;
            }
            Ok(more)
        });
        self.fresh = matches!(decoded, Ok(true));
        decoded.map_err(|kind| AudioError::new(&self.name, kind))
    }

    fn check_block(&mut self) -> Result<(), AudioErrorKind> {
        let (channels, before) = (self.channels, self.frames);
        self.frames += (self.block.len() / channels) as u64;
        let limits = self.options.limits;
        if Duration::from_secs_f64(self.frames as f64 / f64::from(self.sample_rate)) > limits.duration {
            return Err(AudioErrorKind::TooLong { limit: limits.duration });
        }
        if self.frames.saturating_mul(channels as u64) > limits.samples as u64 {
            return Err(AudioErrorKind::TooManySamples {
                limit: limits.samples,
                channels,
                sample_rate: self.sample_rate,
            });
        }
        // The fold does not exit early, so that the compiler can use vector instructions.
        let fits = |stretch: &[f32]| stretch.iter().fold(true, |fits, x| fits & (x.abs() <= LOUDEST));
        if self.block.chunks(256).all(fits) {
            return Ok(());
        }
        if let Some(at) = self.block.iter().position(|sample| sample.is_nan() || sample.abs() > LOUDEST) {
            let (index, channel, value) = ((before as usize) + at / channels, at % channels, self.block[at]);
            return Err(if value.is_finite() {
                AudioErrorKind::TooLoud { index, channel, value }
            } else {
                AudioErrorKind::NotFinite { index, channel, value }
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for AudioReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioReader")
            .field("name", &self.name)
            .field("channels", &self.channels)
            .field("sample_rate", &self.sample_rate)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// Turns a panic into an error: a decoder library that panics on a damaged file must not end a run over many files.
fn guarded<T>(work: impl FnOnce() -> Result<T, AudioErrorKind>) -> Result<T, AudioErrorKind> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(AudioErrorKind::malformed("content must be decodable, got a panic of its decoder"))
    })
}

/// A stream that tells how far it was read.
struct Counted<S> {
    stream: S,
    position: Arc<AtomicU64>,
}

impl<S: Read> Read for Counted<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<S: Seek> Seek for Counted<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.stream.seek(to)?;
        self.position.store(position, Ordering::Relaxed);
        Ok(position)
    }
}
