//! Samples from a stream of bytes, raw or as WAV.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use anyhow::{Context, bail, ensure};
use ser_data::Audio;
use ser_features::SAMPLE_RATES;

/// How a raw sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// Signed 16-bit integers, little-endian.
    S16le,
    /// 32-bit floating point within ±1, little-endian.
    F32le,
}

/// The channels of a stream that is taken.
const CHANNELS: RangeInclusive<u16> = 1..=64;

/// The most bytes of a WAV stream that may stand before its samples.
const MAX_HEADER: u64 = 1 << 20;

/// How the bytes of a stream become samples.
///
/// Each piece is decoded as a small WAV file of its own, so that streams hold whatever files may hold.
#[derive(Debug, Clone)]
pub struct Pcm {
    /// A WAV file up to the length of its samples.
    head: Vec<u8>,
    /// Bytes of a frame: one sample of each channel.
    frame: usize,
    /// Frames in a second.
    sample_rate: u32,
    /// The bytes of samples that follow, where that is known.
    length: Option<u64>,
}

impl Pcm {
    /// Raw samples of 1 to 64 interleaved channels at `sample_rate` Hz.
    ///
    /// # Errors
    /// If rate or channels are out of range.
    pub fn raw(encoding: Encoding, sample_rate: u32, channels: u16) -> anyhow::Result<Self> {
        let (tag, bytes): (u16, u16) = match encoding {
            Encoding::S16le => (1, 2),
            Encoding::F32le => (3, 4),
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

    /// Reads a WAV stream up to its samples. Its declared length counts only where it is not 0, as it is in streams whose end was not known.
    ///
    /// # Errors
    /// If it is no WAV stream of one of the plain encodings, or rate or channels are out of range.
    pub fn of_wav(stream: &mut impl Read) -> anyhow::Result<Self> {
        let mut riff = [0; 12];
        let read = read_up_to(stream, &mut riff)?;
        if read < 12 || &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
            bail!(
                "expected a WAV stream, or raw samples with --raw and --rate (of other files, `ffmpeg -i FILE -f wav -` makes one)"
            );
        }
        let (mut format, mut seen) = (None, 0);
        loop {
            let mut header = [0; 8];
            stream.read_exact(&mut header).context("the WAV stream ends before its samples")?;
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            if &header[..4] == b"data" {
                let format: Vec<u8> = format.context("the WAV stream has no fmt chunk before its samples")?;
                return Self::new(&format, (length > 0).then_some(length.into()));
            }
            // A chunk of odd length is followed by a byte of padding.
            let whole = u64::from(length) + u64::from(length % 2);
            seen += whole;
            ensure!(seen <= MAX_HEADER, "the WAV stream has more than {MAX_HEADER} bytes before its samples");
            let mut chunk = Vec::new();
            stream.by_ref().take(whole).read_to_end(&mut chunk)?;
            if &header[..4] == b"fmt " {
                chunk.truncate(length as usize);
                format = Some(chunk);
            }
        }
    }

    fn new(format: &[u8], length: Option<u64>) -> anyhow::Result<Self> {
        let Some(&[c0, c1, r0, r1, r2, r3, _, _, _, _, f0, f1]) = format.get(2..14) else {
            bail!("the fmt chunk has {} bytes, expected 16 or more", format.len());
        };
        let (channels, frame) = (u16::from_le_bytes([c0, c1]), u16::from_le_bytes([f0, f1]));
        let sample_rate = u32::from_le_bytes([r0, r1, r2, r3]);
        ensure!(CHANNELS.contains(&channels), "channels must be 1 to 64, given {channels}");
        ensure!(
            SAMPLE_RATES.contains(&sample_rate),
            "the sample rate must be {} to {} Hz, given {sample_rate}",
            SAMPLE_RATES.start(),
            SAMPLE_RATES.end()
        );
        let mut head = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
        head.extend((format.len() as u32).to_le_bytes());
        head.extend(format);
        if format.len() % 2 == 1 {
            head.push(0);
        }
        head.extend(b"data");
        let pcm = Self { head, frame: frame.into(), sample_rate, length };
        // An encoding that cannot be read is told now, not when the first samples come.
        pcm.decode(&vec![0; pcm.frame])?;
        Ok(pcm)
    }

    /// Samples of a channel in a second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Reads what the stream has, waiting for one frame at least, and gives it as mono samples; `None` at the stream's end. `held`
    /// keeps the bytes of a frame that is not there whole; it is empty at first.
    ///
    /// # Errors
    /// If the stream cannot be read, or holds a sample that is not finite.
    pub fn read(&mut self, stream: &mut impl Read, held: &mut Vec<u8>) -> anyhow::Result<Option<Vec<f32>>> {
        // A tenth of a second or less of most streams: what is read at once is told late.
        const PIECE: usize = 4_096;
        loop {
            let from = held.len();
            let room = self.length.map_or(PIECE, |left| PIECE.min(usize::try_from(left).unwrap_or(PIECE)));
            held.resize(from + room, 0);
            let read = match stream.read(&mut held[from..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Ok(0) => return Ok(None),
                other => other?,
            };
            held.truncate(from + read);
            self.length = self.length.map(|left| left - read as u64);
            let whole = held.len() - held.len() % self.frame;
            if whole > 0 {
                let samples = self.decode(&held[..whole])?;
                held.drain(..whole);
                return Ok(Some(samples));
            }
        }
    }

    /// Whole frames, mixed to mono.
    fn decode(&self, frames: &[u8]) -> anyhow::Result<Vec<f32>> {
        let mut wav = self.head.clone();
        wav.extend((frames.len() as u32).to_le_bytes());
        wav.extend(frames);
        let audio = Audio::decode(&wav, Some("wav"), "the stream").map_err(|error| error.kind)?;
        Ok(audio.to_mono()?)
    }
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
    use crate::assets;

    /// A stream that gives at most so many bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
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
        Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav").unwrap().to_mono().unwrap()
    }

    #[test]
    fn a_wav_stream_gives_its_files_samples_whatever_its_pieces_and_declared_length() {
        let at = assets::SAMPLE_WAV.windows(4).position(|bytes| bytes == b"data").unwrap();
        for declared in [None, Some(0), Some(u32::MAX), Some(0x7FFF_F000)] {
            let mut wav = assets::SAMPLE_WAV.to_vec();
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
        let mut pcm = Pcm::raw(Encoding::F32le, 22_050, 2).unwrap();
        let mixed = samples(&mut pcm, &mut Trickle(&floats, 37));
        assert!(
            mixed.iter().zip(&left).all(|(mixed, left)| *mixed == left / 2.0) && mixed.len() == left.len()
        );
        let at = assets::SAMPLE_WAV.windows(4).position(|bytes| bytes == b"data").unwrap();
        let mut pcm = Pcm::raw(Encoding::S16le, 22_050, 1).unwrap();
        assert!(samples(&mut pcm, &mut Trickle(&assets::SAMPLE_WAV[at + 8..], 501)) == left);
    }

    #[test]
    fn what_is_no_stream_of_samples_is_refused_with_the_rule() {
        for (encoding, rate, channels, expected) in [
            (Encoding::S16le, 22_050, 0, "channels must be 1 to 64, given 0"),
            (Encoding::F32le, 22_050, 65_535, "channels must be 1 to 64, given 65535"),
            (Encoding::F32le, 999, 1, "the sample rate must be 1000 to 384000 Hz, given 999"),
        ] {
            let error = Pcm::raw(encoding, rate, channels).unwrap_err().to_string();
            assert_eq!(error, expected);
        }
        let wav = assets::SAMPLE_WAV;
        let mut zero = wav.to_vec();
        zero[32..34].fill(0);
        let mut endless = b"RIFF\0\0\0\0WAVEjunk".to_vec();
        endless.extend(u32::MAX.to_le_bytes());
        let cases: [(&[u8], &str); 6] = [
            (b"", "expected a WAV stream"),
            (b"Dear Sir or Madam", "expected a WAV stream"),
            (&wav[..30], "the WAV stream ends before its samples"),
            (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "no fmt chunk"),
            (&zero, "frames of 0 bytes"),
            (&endless, "more than 1048576 bytes before its samples"),
        ];
        for (stream, expected) in cases {
            let error = format!("{:#}", Pcm::of_wav(&mut &stream[..]).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_sample_that_is_not_finite_is_an_error() {
        let mut pcm = Pcm::raw(Encoding::F32le, 16_000, 1).unwrap();
        let bytes = f32::NAN.to_le_bytes();
        assert!(pcm.read(&mut &bytes[..], &mut Vec::new()).unwrap_err().to_string().contains("NaN"));
    }
}
