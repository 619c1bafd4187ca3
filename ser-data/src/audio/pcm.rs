//! Samples from a stream of bytes: raw PCM, or a WAV stream.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use ser_features::{SAMPLE_RATES, SignalError};

use super::demux::is_placeholder;
use super::tags::{holds_sound, is_name, is_tag};
use super::{Audio, AudioErrorKind, AudioWarning};

/// Encoding of a raw sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PcmEncoding {
    /// Signed 16-bit integers, little-endian.
    S16le,
    /// 32-bit floating point within ±1, little-endian.
    F32le,
}

/// Errors of reading samples from a stream of bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcmError {
    /// The stream cannot be read.
    #[error("stream: cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The stream is not WAV.
    #[error("stream: content must be WAV, got other bytes (try `ffmpeg -i FILE -f wav -`)")]
    NotWav,
    /// The header of a WAV stream is incomplete or wrong.
    #[error("stream: WAV header must {rule}, got {given}")]
    Header {
        /// The rule that it breaks.
        rule: &'static str,
        /// What it has instead.
        given: String,
    },
    /// A number of the format is out of range.
    #[error("stream: {parameter} must be {least} to {most}, got {given}")]
    Format {
        /// Name of the number.
        parameter: &'static str,
        /// The smallest valid value.
        least: u32,
        /// The largest valid value.
        most: u32,
        /// The value given.
        given: u32,
    },
    /// The samples cannot be decoded, or one of them is not finite or exceeds full scale by more than 20 dB. Positions in the error count
    /// from the start of the piece that was read.
    #[error("stream: {0}")]
    Audio(#[from] AudioErrorKind),
    /// The samples cannot be mixed to one channel.
    #[error(transparent)]
    Signal(#[from] SignalError),
}

/// The channels that a stream may have.
const CHANNELS: RangeInclusive<u32> = 1..=64;

/// The most bytes of a WAV stream that may stand before its samples.
const MAX_HEADER: u64 = 1 << 20;

/// Decodes a stream of bytes to mono samples, piece by piece.
///
/// Each piece is decoded as a small WAV file. A WAV stream may hold PCM, floating point, A-law, µ-law or ADPCM, but no MPEG audio.
///
/// ```
/// use ser_data::{Pcm, PcmEncoding};
///
/// let mut stream: &[u8] = &[0x00, 0x40, 0x00, 0xC0]; // e.g. of `arecord -f S16_LE -r 16000 -c 1`
/// let mut pcm = Pcm::raw(PcmEncoding::S16le, 16_000, 1)?;
/// let mut held = Vec::new();
/// while let Some(samples) = pcm.read(&mut stream, &mut held)? {
///     assert_eq!(samples, [0.5, -0.5]);
/// }
/// # Ok::<(), ser_data::PcmError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pcm {
    /// A WAV file up to the length of its samples.
    head: Vec<u8>,
    /// Bytes of a frame: one sample of each channel.
    frame: usize,
    /// Frames in a second.
    sample_rate: u32,
    /// The bytes of samples that the header declares, where it does.
    declared: Option<u64>,
    /// The bytes of samples that were read.
    read: u64,
    /// Whether the samples end at the declared length.
    limited: bool,
    ended: bool,
    warnings: Vec<AudioWarning>,
}

impl Pcm {
    /// Raw samples of 1 to 64 interleaved channels at `sample_rate` Hz, 1,000 to 384,000.
    ///
    /// # Errors
    /// [`PcmError::Format`] if rate or channels are out of range.
    pub fn raw(encoding: PcmEncoding, sample_rate: u32, channels: u16) -> Result<Self, PcmError> {
        let (tag, bytes): (u16, u16) = match encoding {
            PcmEncoding::S16le => (1, 2),
            PcmEncoding::F32le => (3, 4),
        };
        let frame = bytes.saturating_mul(channels);
        let mut format = Vec::new();
        format.extend(tag.to_le_bytes());
        format.extend(channels.to_le_bytes());
        format.extend(sample_rate.to_le_bytes());
        format.extend(sample_rate.saturating_mul(frame.into()).to_le_bytes());
        format.extend(frame.to_le_bytes());
        format.extend((8 * bytes).to_le_bytes());
        Self::new(&format, None)
    }

    /// Reads a WAV stream up to its samples. A declared length of 0 means that the length is unknown.
    ///
    /// # Errors
    /// [`PcmError::NotWav`] if the stream does not begin with `RIFF` and `WAVE` (RF64, BW64 and Wave64 are refused); [`PcmError::Header`]
    /// if `fmt ` is missing or short, the stream ends before `data`, or over 1 MiB stands before it; [`PcmError::Format`] if rate or
    /// channels are out of range; [`PcmError::Audio`] if the encoding cannot be decoded piece by piece.
    pub fn of_wav(stream: &mut impl Read) -> Result<Self, PcmError> {
        let mut riff = [0; 12];
        let read = read_up_to(stream, &mut riff)?;
        if read < 12 || &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
            return Err(PcmError::NotWav);
        }
        let (mut format, mut seen) = (None, 0);
        loop {
            let mut header = [0; 8];
            if read_up_to(stream, &mut header)? < header.len() {
                return Err(malformed("lead to a data chunk", "the end of the stream"));
            }
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            if &header[..4] == b"data" {
                let format: Vec<u8> =
                    format.ok_or_else(|| malformed("have a fmt chunk before its data chunk", "none"))?;
                return Self::new(&format, (length > 0).then_some(length.into()));
            }
            // A chunk of odd length is followed by a byte of padding.
            let whole = u64::from(length) + u64::from(length % 2);
            seen += whole;
            if seen > MAX_HEADER {
                return Err(malformed("have at most 1 MiB before its data chunk", "more"));
            }
            let mut chunk = Vec::new();
            stream.by_ref().take(whole).read_to_end(&mut chunk)?;
            if &header[..4] == b"fmt " {
                chunk.truncate(length as usize);
                format = Some(chunk);
            }
        }
    }

    fn new(format: &[u8], declared: Option<u64>) -> Result<Self, PcmError> {
        let Some(&[c0, c1, r0, r1, r2, r3, _, _, _, _, f0, f1, b0, b1]) = format.get(2..16) else {
            return Err(malformed("have a fmt chunk of 16 bytes or more", format!("{} bytes", format.len())));
        };
        let (channels, bits) = (u16::from_le_bytes([c0, c1]), u16::from_le_bytes([b0, b1]));
        // As in files, the bits of a sample decide; ADPCM has blocks.
        let frame = match bits {
            0..=7 => u16::from_le_bytes([f0, f1]),
            bits => channels.saturating_mul(bits.div_ceil(8)),
        };
        let sample_rate = u32::from_le_bytes([r0, r1, r2, r3]);
        within("channels", &CHANNELS, channels.into())?;
        within("sample rate in Hz", &SAMPLE_RATES, sample_rate)?;
        let mut head = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
        head.extend((format.len() as u32).to_le_bytes());
        head.extend(format);
        if format.len() % 2 == 1 {
            head.push(0);
        }
        head.extend(b"data");
        let (frame, limited) = (frame.into(), declared.is_some());
        let pcm =
            Self { head, frame, sample_rate, declared, read: 0, limited, ended: false, warnings: vec![] };
        // An encoding that cannot be decoded is refused here, not at the first samples.
        pcm.decode(&vec![0; pcm.frame])?;
        Ok(pcm)
    }

    /// Samples of a channel in a second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Warnings, such as a wrong length in the header of a WAV stream. The list is complete at the end of the samples.
    pub fn warnings(&self) -> &[AudioWarning] {
        &self.warnings
    }

    /// Reads what the stream has and returns it as mono samples. Waits for one frame at least. `held` keeps the bytes of an incomplete frame
    /// between calls; pass an empty one first.
    ///
    /// Returns `None` at the end of the samples: where the stream ends, or where chunks or tags follow the length that a WAV stream's header
    /// declares, which are read to the end too. If neither follows, the length is wrong: the samples after it are read, with a warning.
    ///
    /// # Errors
    /// If the stream cannot be read, a sample is not finite, or one exceeds full scale by more than 20 dB ([`AudioErrorKind::TooLoud`]).
    pub fn read(&mut self, stream: &mut impl Read, held: &mut Vec<u8>) -> Result<Option<Vec<f32>>, PcmError> {
        // A tenth of a second or less of most streams: larger pieces would add latency.
        const PIECE: usize = 4_096;
        while !self.ended {
            let left =
                self.declared.filter(|_| self.limited).map(|declared| declared.saturating_sub(self.read));
            if left == Some(0) && !self.goes_on(stream, held)? {
                break;
            }
            let from = held.len();
            let room = left.filter(|&left| left > 0).map_or(PIECE, |left| left.min(PIECE as u64) as usize);
            held.resize(from + room, 0);
            let read = match stream.read(&mut held[from..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                other => Some(other?),
            };
            held.truncate(from + read.unwrap_or(0));
            self.read += read.unwrap_or(0) as u64;
            self.ended = read == Some(0);
            let whole = held.len() - held.len() % self.frame;
            if whole > 0 {
                let samples = self.decode(&held[..whole])?;
                held.drain(..whole);
                return Ok(Some(samples));
            }
        }
        self.check_length();
        Ok(None)
    }

    /// Whether samples follow the declared length. What else follows is read to the end of the stream.
    fn goes_on(&mut self, stream: &mut impl Read, held: &mut Vec<u8>) -> Result<bool, PcmError> {
        // A chunk of odd length is followed by a byte of padding, which some writers leave out.
        let padding = usize::from(self.read % 2 == 1);
        let mut ahead = vec![0; 8 + padding];
        let read = read_up_to(stream, &mut ahead)?;
        ahead.truncate(read);
        let begins = |bytes: &[u8]| is_tag(bytes) || bytes.len() == 8 && is_name(bytes);
        let header =
            [&ahead[padding.min(read)..], &ahead[..read.min(8)]].into_iter().find(|bytes| begins(bytes));
        if read > padding && header.is_none() {
            held.extend(&ahead);
            self.read += read as u64;
            self.limited = false;
            return Ok(true);
        }
        self.ended = true;
        let is_sound = header.is_some_and(holds_sound);
        let bytes = read as u64 + io::copy(stream, &mut io::sink())?;
        self.warnings.extend(is_sound.then_some(AudioWarning::BytesAfter { bytes }));
        Ok(false)
    }

    /// Warns once of a declared length that is no placeholder and not what was read.
    fn check_length(&mut self) {
        self.ended = true;
        let found = self.read;
        if let Some(declared) =
            self.declared.take().filter(|&declared| declared != found && !is_placeholder(declared))
        {
            self.warnings.push(AudioWarning::WrongLength { unit: "bytes of WAV data", declared, found });
        }
    }

    /// Whole frames, mixed to mono.
    fn decode(&self, frames: &[u8]) -> Result<Vec<f32>, PcmError> {
        let mut wav = self.head.clone();
        wav.extend((frames.len() as u32).to_le_bytes());
        wav.extend(frames);
        let audio = Audio::decode(&wav, Some("wav"), "the stream").map_err(|error| error.kind)?;
        Ok(audio.to_mono()?)
    }
}

fn within(parameter: &'static str, range: &RangeInclusive<u32>, given: u32) -> Result<(), PcmError> {
    if range.contains(&given) {
        return Ok(());
    }
    Err(PcmError::Format { parameter, least: *range.start(), most: *range.end(), given })
}

fn malformed(rule: &'static str, given: impl Into<String>) -> PcmError {
    PcmError::Header { rule, given: given.into() }
}

/// Fills a buffer as far as the stream goes.
fn read_up_to(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut whole = Vec::new();
    stream.by_ref().take(buffer.len() as u64).read_to_end(&mut whole)?;
    buffer[..whole.len()].copy_from_slice(&whole);
    Ok(whole.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAV: &[u8] = include_bytes!("../../../examples/assets/sample.wav");

    /// A stream that gives at most this number of bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn a_length_that_is_wrong_cuts_no_samples_and_is_told() {
        let at = WAV.windows(4).position(|bytes| bytes == b"data").unwrap();
        let whole = (WAV.len() - at - 8) as u32;
        let read = |declared: u32, cut: usize, after: &[u8]| {
            let mut wav = [&WAV[..WAV.len() - cut], after].concat();
            wav[at + 4..at + 8].copy_from_slice(&declared.to_le_bytes());
            let mut stream = Trickle(&wav, 999);
            let mut pcm = Pcm::of_wav(&mut stream).unwrap();
            let samples = samples(&mut pcm, &mut stream);
            assert!(pcm.read(&mut stream, &mut Vec::new()).unwrap().is_none());
            (samples, pcm.warnings().to_vec())
        };
        let wrong = |declared: u32, found: u32| {
            let unit = "bytes of WAV data";
            vec![AudioWarning::WrongLength { unit, declared: declared.into(), found: found.into() }]
        };
        let expected = expected();
        // Too small, e.g. because the recorder crashed.
        for declared in [whole / 2, whole - 2, 1, 4097] {
            assert!(read(declared, 0, b"") == (expected.clone(), wrong(declared, whole)), "{declared}");
        }
        // Too large, e.g. because the stream is cut.
        let (half, warnings) = read(whole, whole as usize / 2, b"");
        assert_eq!(half, expected[..half.len()]);
        assert_eq!((half.len() as u32, warnings), (whole.div_ceil(2) / 2, wrong(whole, whole.div_ceil(2))));
        // Chunks and tags after the audio are not samples. A second file is reported.
        for after in [&b"LIST\x04\0\0\0INFO"[..], b"TAG", b"ID3\x03\0\0\0\0\0\0"] {
            assert!(read(whole, 0, after) == (expected.clone(), vec![]), "{after:?}");
        }
        let bytes = WAV.len() as u64;
        assert!(read(whole, 0, WAV) == (expected, vec![AudioWarning::BytesAfter { bytes }]));
    }

    #[test]
    fn a_byte_of_padding_is_no_sample() {
        let format = [1u16, 1, 8000, 0, 8000, 0, 1, 8].map(u16::to_le_bytes).concat();
        let head = [&b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"[..], &format, b"data\x03\0\0\0\x80\xC0\x40"].concat();
        for after in [&b"\0"[..], b"", b"\0LIST\x04\0\0\0INFO", b"LIST\x04\0\0\0INFO"] {
            let wav = [&head[..], after].concat();
            let mut stream = &wav[..];
            let mut pcm = Pcm::of_wav(&mut stream).unwrap();
            assert_eq!(samples(&mut pcm, &mut stream), [0.0, 0.5, -0.5], "{after:?}");
            assert_eq!(pcm.warnings(), []);
        }
    }

    fn samples(pcm: &mut Pcm, stream: &mut impl Read) -> Vec<f32> {
        let (mut held, mut samples) = (Vec::new(), Vec::new());
        while let Some(piece) = pcm.read(stream, &mut held).unwrap() {
            samples.extend(piece);
        }
        samples
    }

    fn expected() -> Vec<f32> {
        Audio::decode(WAV, Some("wav"), "sample.wav").unwrap().to_mono().unwrap()
    }

    #[test]
    fn a_wav_stream_gives_its_files_samples_whatever_its_pieces_and_declared_length() {
        let at = WAV.windows(4).position(|bytes| bytes == b"data").unwrap();
        for declared in [None, Some(0), Some(u32::MAX), Some(0x7FFF_F000)] {
            let mut wav = WAV.to_vec();
            if let Some(declared) = declared {
                wav[at + 4..at + 8].copy_from_slice(&declared.to_le_bytes());
            } else {
                wav.extend(b"LIST\x04\0\0\0INFO");
            }
            for bytes in [1, 999, 100_000] {
                let mut stream = Trickle(&wav, bytes);
                let mut pcm = Pcm::of_wav(&mut stream).unwrap();
                assert_eq!(pcm.sample_rate(), 22_050);
                assert!(samples(&mut pcm, &mut stream) == expected(), "{declared:?} {bytes}");
            }
        }
    }

    #[test]
    fn raw_samples_of_both_encodings_are_mixed_to_mono() {
        let left = expected();
        let floats: Vec<u8> = left.iter().flat_map(|x| [*x, 0.0]).flat_map(f32::to_le_bytes).collect();
        let mut pcm = Pcm::raw(PcmEncoding::F32le, 22_050, 2).unwrap();
        let mixed = samples(&mut pcm, &mut Trickle(&floats, 37));
        assert!(
            mixed.iter().zip(&left).all(|(mixed, left)| *mixed == left / 2.0) && mixed.len() == left.len()
        );
        let at = WAV.windows(4).position(|bytes| bytes == b"data").unwrap();
        let mut pcm = Pcm::raw(PcmEncoding::S16le, 22_050, 1).unwrap();
        assert!(samples(&mut pcm, &mut Trickle(&WAV[at + 8..], 501)) == left);
    }

    #[test]
    fn what_is_no_stream_of_samples_is_refused_with_the_rule() {
        for (encoding, rate, channels, expected) in [
            (PcmEncoding::S16le, 22_050, 0, "stream: channels must be 1 to 64, got 0"),
            (PcmEncoding::F32le, 22_050, 65_535, "stream: channels must be 1 to 64, got 65535"),
            (PcmEncoding::F32le, 999, 1, "stream: sample rate in Hz must be 1000 to 384000, got 999"),
        ] {
            let error = Pcm::raw(encoding, rate, channels).unwrap_err().to_string();
            assert_eq!(error, expected);
        }
        let wav = WAV;
        let mut zero = wav.to_vec();
        zero[32..36].fill(0);
        let mut endless = b"RIFF\0\0\0\0WAVEjunk".to_vec();
        endless.extend(u32::MAX.to_le_bytes());
        let not_wav = "content must be WAV, got other bytes (try `ffmpeg -i FILE -f wav -`)";
        let cases: [(&[u8], &str); 7] = [
            (b"", not_wav),
            (b"Dear Sir or Madam", not_wav),
            (&wav[..30], "WAV header must lead to a data chunk, got the end of the stream"),
            (
                b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
                "WAV header must have a fmt chunk before its data chunk, got none",
            ),
            (
                b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\x01\0data\0\0\0\0",
                "WAV header must have a fmt chunk of 16 bytes or more, got 2 bytes",
            ),
            (
                &zero,
                "fmt chunk must declare frames of 1 byte or more, got 0 bytes for 1 channels: the file is damaged",
            ),
            (&endless, "WAV header must have at most 1 MiB before its data chunk, got more"),
        ];
        for (stream, expected) in cases {
            let error = Pcm::of_wav(&mut &stream[..]).unwrap_err().to_string();
            assert_eq!(error, format!("stream: {expected}"));
        }
        assert!(matches!(Pcm::of_wav(&mut Broken), Err(PcmError::Io(_))));
    }

    /// A stream that breaks within the header.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if buffer.len() < 12 {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            buffer[..12].copy_from_slice(b"RIFF\0\0\0\0WAVE");
            Ok(12)
        }
    }

    #[test]
    fn a_sample_that_is_not_finite_is_an_error() {
        let mut pcm = Pcm::raw(PcmEncoding::F32le, 16_000, 1).unwrap();
        let bytes = f32::NAN.to_le_bytes();
        assert!(pcm.read(&mut &bytes[..], &mut Vec::new()).unwrap_err().to_string().contains("NaN"));
    }
}
