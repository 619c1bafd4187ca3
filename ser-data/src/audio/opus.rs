//! Opus (RFC 6716) by the pure-Rust port of libopus in the crate `opus-pure`.

use opus_pure::{ChannelLayout, Error, OpusMSDecoder};

use super::AudioErrorKind;
use super::source::le;

/// Opus always decodes to this rate, whatever was encoded.
pub(super) const SAMPLE_RATE: u32 = 48_000;

/// The longest packet: 120 ms.
const MAX_FRAMES: usize = 5_760;

/// The identification header (RFC 7845, 5.1), which Matroska holds as it is and MP4 with other byte order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OpusHead {
    pub(super) channels: u8,
    /// Frames at 48 kHz to leave out at the start.
    pub(super) pre_skip: u16,
    /// Factor to multiply samples by.
    gain: f32,
    /// 0 for one stream of one or two channels, 1 for surround.
    family: u8,
}

impl OpusHead {
    /// Reads the header packet of OGG and Matroska, with its magic `OpusHead`.
    pub(super) fn parse(packet: &[u8]) -> Result<Self, AudioErrorKind> {
        let short = || {
            AudioErrorKind::malformed(format!("Opus header must have 19 bytes or more, got {}", packet.len()))
        };
        let body = packet.strip_prefix(b"OpusHead").ok_or_else(short)?;
        let field = |at, count| le(body, at, count).ok_or_else(short);
        // The upper half of the version is the incompatible one.
        let version = field(0, 1)?;
        if version >= 16 {
            return Err(AudioErrorKind::UnsupportedCodec {
                codec: format!("Opus with header version {version}"),
            });
        }
        let (channels, pre_skip, gain, family) = (field(1, 1)?, field(2, 2)?, field(8, 2)?, field(10, 1)?);
        Self::of_fields(channels as u8, pre_skip as u16, gain as u16 as i16, family as u8, &body[11..])
    }

    /// Reads the body of MP4's `dOps` box.
    pub(super) fn parse_dops(body: &[u8]) -> Result<Self, AudioErrorKind> {
        let short =
            || AudioErrorKind::malformed(format!("dOps box must have 11 bytes or more, got {}", body.len()));
        let field = |at, count| super::source::be(body, at, count).ok_or_else(short);
        let (channels, pre_skip, gain, family) = (field(1, 1)?, field(2, 2)?, field(8, 2)?, field(10, 1)?);
        Self::of_fields(channels as u8, pre_skip as u16, gain as u16 as i16, family as u8, &body[11..])
    }

    fn of_fields(
        channels: u8,
        pre_skip: u16,
        gain: i16,
        family: u8,
        table: &[u8],
    ) -> Result<Self, AudioErrorKind> {
        if channels == 0 || (family == 0 && channels > 2) {
            let rule = if family == 0 { "1 or 2" } else { "1 or more" };
            let reason = format!("Opus channels must be {rule} in mapping family {family}, got {channels}");
            return Err(AudioErrorKind::malformed(reason));
        }
        if family > 1 {
            return Err(AudioErrorKind::UnsupportedCodec {
                codec: format!("Opus with channel mapping family {family}"),
            });
        }
        if family == 1 {
            let layout =
                ChannelLayout::surround(channels.into(), 1).map_err(|e| not_laid_out(channels, &e))?;
            let table =
                table.split_at_checked(2).map(|(counts, rest)| (counts, rest.get(..usize::from(channels))));
            let Some((counts, Some(mapping))) = table else {
                return Err(AudioErrorKind::malformed(
                    "channel mapping of the Opus header must be whole, got a part of it",
                ));
            };
            let usual = [layout.nb_streams, layout.nb_coupled_streams];
            if counts.iter().map(|&count| usize::from(count)).ne(usual) || mapping != layout.mapping {
                return Err(AudioErrorKind::UnsupportedCodec {
                    codec: "Opus with channels of its own order".into(),
                });
            }
        }
        // 1/256 dB a step.
        let gain = 10f32.powf(f32::from(gain) / (20.0 * 256.0));
        Ok(Self { channels, pre_skip, gain, family })
    }
}

/// The error for channels that no decoder can be made for.
fn not_laid_out(channels: u8, error: &Error) -> AudioErrorKind {
    AudioErrorKind::malformed(format!(
        "Opus channels must be those of a known layout, got {channels}: {error}"
    ))
}

/// The error for a packet that can't be decoded.
fn fault(error: &Error) -> AudioErrorKind {
    let told = match error {
        Error::InvalidPacket("invalid packet") => String::new(),
        Error::InvalidPacket(what) => format!(": {what}"),
        other => format!(": {other}"),
    };
    AudioErrorKind::malformed(format!("Opus packet must be decodable, got one that is not{told}"))
}

/// A decoder of one stream.
pub(super) struct OpusStream {
    decoder: OpusMSDecoder,
    gain: f32,
    channels: usize,
    /// The output channel that each of the decoder's goes to.
    order: Option<Vec<usize>>,
    samples: Vec<f32>,
}

impl OpusStream {
    pub(super) fn new(head: &OpusHead) -> Result<Self, AudioErrorKind> {
        let decoder = OpusMSDecoder::new(SAMPLE_RATE as i32, head.channels.into(), head.family)
            .map_err(|e| not_laid_out(head.channels, &e))?;
        let channels = usize::from(head.channels);
        // RFC 7845, 5.1.1.2 has Vorbis's order; samples are given in WAV's, as those of all other codecs.
        let order = super::vorbis_to_wav_order(channels).filter(|_| head.family == 1);
        Ok(Self { decoder, gain: head.gain, channels, order, samples: Vec::new() })
    }

    /// Decodes a packet to interleaved samples at 48 kHz.
    pub(super) fn decode(&mut self, data: &[u8]) -> Result<&[f32], AudioErrorKind> {
        if data.is_empty() {
            return Err(AudioErrorKind::malformed("Opus packet must have 1 byte or more, got 0"));
        }
        self.samples.clear();
        self.samples.resize(MAX_FRAMES * self.channels, 0.0);
        let frames = self.decoder.decode(data, MAX_FRAMES, &mut self.samples).map_err(|e| fault(&e))?;
        self.samples.truncate(frames * self.channels);
        if self.gain != 1.0 {
            self.samples.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        if let Some(order) = &self.order {
            let mut frame = [0.0; 8];
            for samples in self.samples.chunks_exact_mut(self.channels) {
                frame[..samples.len()].copy_from_slice(samples);
                samples.iter_mut().zip(order).for_each(|(sample, &from)| *sample = frame[from]);
            }
        }
        Ok(&self.samples)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use super::*;

    #[test]
    fn an_invalid_packet_is_told_once() {
        let head = OpusHead::parse(b"OpusHead\x01\x01\0\0\0\0\0\0\0\0\0").unwrap();
        let mut stream = OpusStream::new(&head).unwrap();
        // Two frames of one size in an odd number of bytes.
        let error = stream.decode(&[0x01, 0]).unwrap_err().to_string();
        assert_eq!(error, "Opus packet must be decodable, got one that is not: the file is damaged");
        let error = stream.decode(&[0x03]).unwrap_err().to_string();
        let told = error.strip_prefix("Opus packet must be decodable, got one that is not: ");
        assert!(told.is_some_and(|told| !told.contains("invalid packet")), "{error}");
    }
}
