//! RIFF WAVE: the chunks are found here, where lengths can be checked against the file; the PCM decoder is Symphonia's.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoderOptions, well_known::*,
};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::{Audio, AudioErrorKind, AudioLimits, codec, decode};

const PCM: u16 = 1;
const MS_ADPCM: u16 = 2;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
const EXTENSIBLE: u16 = 0xFFFE;

/// Lengths of the data chunk that stand for "until the end": ffmpeg's and SoX's, which they write into a pipe.
const UNKNOWN_LENGTHS: [u32; 2] = [u32::MAX, 0x7FFF_F000];

/// Frames that the decoder gets at once.
const PACKET_FRAMES: usize = 16_384;

pub(super) fn decode(limits: AudioLimits, bytes: &[u8]) -> Result<Audio, AudioErrorKind> {
    let (format, data) = chunks(bytes)?;
    if matches!(format.tag, MS_ADPCM | IMA_ADPCM) {
        return decode::decode(limits, bytes, decode::Gaps::ByDecoder);
    }
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(format.codec()?)
        .with_sample_rate(format.sample_rate)
        .with_channels(Channels::Discrete(format.channels));
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|e| AudioErrorKind::malformed(e.to_string()))?;

    let mut samples = Vec::with_capacity(data.len() / usize::from(format.sample_bytes()));
    let mut frame = Vec::new();
    for packet in data.chunks(PACKET_FRAMES * usize::from(format.block_align)) {
        let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, packet);
        let decoded = decoder.decode(&packet).map_err(|e| AudioErrorKind::malformed(e.to_string()))?;
        decoded.copy_to_vec_interleaved(&mut frame);
        samples.extend_from_slice(&frame);
    }
    Ok(Audio { samples, channels: format.channels.into(), sample_rate: format.sample_rate })
}

/// The `fmt ` chunk.
struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    /// Bytes of a frame: one sample of each channel.
    block_align: u16,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, AudioErrorKind> {
        let u16_at = |at: usize| chunk.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let fields = || {
            let sample_rate = chunk.get(4..8)?;
            let format = Self {
                tag: u16_at(0)?,
                channels: u16_at(2)?,
                sample_rate: u32::from_le_bytes(sample_rate.try_into().ok()?),
                block_align: u16_at(12)?,
            };
            u16_at(14).map(|_bits| format)
        };
        let mut format = fields().ok_or_else(|| {
            AudioErrorKind::malformed(format!("the fmt chunk has {} bytes, expected 16 or more", chunk.len()))
        })?;
        if format.tag == EXTENSIBLE {
            // The sub-format's GUID begins with the tag of the plain format.
            format.tag = u16_at(24).ok_or_else(|| {
                AudioErrorKind::malformed(format!(
                    "the extensible fmt chunk has {} bytes, expected 40",
                    chunk.len()
                ))
            })?;
        }
        if format.channels == 0 || format.sample_rate == 0 {
            return Err(AudioErrorKind::malformed(format!(
                "the fmt chunk declares {} channels at {} Hz, expected 1 or more of each",
                format.channels, format.sample_rate
            )));
        }
        let known = matches!(format.tag, PCM | FLOAT | A_LAW | MU_LAW);
        if known && (format.block_align == 0 || format.block_align % format.channels != 0) {
            return Err(AudioErrorKind::malformed(format!(
                "the fmt chunk declares frames of {} bytes for {} channels",
                format.block_align, format.channels
            )));
        }
        Ok(format)
    }

    fn sample_bytes(&self) -> u16 {
        self.block_align / self.channels
    }

    /// By the bytes that a sample takes: samples of fewer valid bits are left-justified in them, the rest is zero.
    fn codec(&self) -> Result<AudioCodecId, AudioErrorKind> {
        let codec = match (self.tag, self.sample_bytes()) {
            (PCM, 1) => CODEC_ID_PCM_U8,
            (PCM, 2) => CODEC_ID_PCM_S16LE,
            (PCM, 3) => CODEC_ID_PCM_S24LE,
            (PCM, 4) => CODEC_ID_PCM_S32LE,
            (FLOAT, 4) => CODEC_ID_PCM_F32LE,
            (FLOAT, 8) => CODEC_ID_PCM_F64LE,
            (A_LAW, 1) => CODEC_ID_PCM_ALAW,
            (MU_LAW, 1) => CODEC_ID_PCM_MULAW,
            (PCM | FLOAT | A_LAW | MU_LAW, bytes) => {
                let kind = if self.tag == FLOAT { "floating point" } else { "PCM" };
                return Err(AudioErrorKind::UnsupportedCodec {
                    codec: format!("{}-bit {kind}", 8 * u32::from(bytes)),
                });
            }
            (tag, _) => return Err(AudioErrorKind::UnsupportedCodec { codec: codec::wave_format_name(tag) }),
        };
        Ok(codec)
    }
}

/// Finds `fmt ` and `data` among the chunks; all others (`LIST`, `bext`, `FLLR`, `_PMX`, …) are passed over.
fn chunks(bytes: &[u8]) -> Result<(Format, &[u8]), AudioErrorKind> {
    let (mut format, mut data) = (None, None);
    let mut rest = bytes.get(12..).unwrap_or_default();
    while format.is_none() || data.is_none() {
        let Some((header, body)) = rest.split_at_checked(8) else { break };
        let (id, length) = header.split_at(4);
        let declared = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        let unknown = id == b"data" && UNKNOWN_LENGTHS.contains(&declared);
        let length = if unknown { body.len() } else { declared as usize };
        let chunk = body.get(..length).ok_or(AudioErrorKind::Truncated {
            unit: if id == b"data" { "bytes of WAV data" } else { "bytes of a WAV chunk" },
            declared: declared.into(),
            found: body.len() as u64,
        })?;
        match id {
            b"fmt " => format = Some(Format::parse(chunk)?),
            b"data" => data = Some(chunk),
            _ => {}
        }
        // A chunk of odd length is followed by a byte of padding.
        rest = body.get(length + length % 2..).unwrap_or_default();
    }
    let format = format.ok_or_else(|| AudioErrorKind::malformed("the WAV file has no fmt chunk"))?;
    let data = data.ok_or_else(|| AudioErrorKind::malformed("the WAV file has no data chunk"))?;
    Ok((format, data))
}
