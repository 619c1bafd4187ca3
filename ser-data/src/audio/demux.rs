//! Streams of packets, the output of every container.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};

use super::opus::OpusHead;
use super::{AudioErrorKind, AudioOptions, AudioWarning};

/// What a container gives next.
pub(super) enum Item {
    /// A stream begins: what follows needs a decoder of its own.
    Stream(Stream),
    /// A packet of the stream.
    Packet(Packet),
    /// The end of the file.
    End,
}

/// One stream of packets of the same codec, channels and rate.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) codec: Codec,
    /// Decoded frames to leave out at the start: the encoder's delay.
    pub(super) skip: u64,
    /// Frames to keep after that; what follows is the encoder's padding.
    pub(super) keep: Option<u64>,
    /// Frames that the packets must decode to: with fewer the stream is cut short.
    pub(super) declared: Option<u64>,
    /// Ticks a second of `skip`, `keep` and `declared`, where that isn't the decoded sample rate.
    pub(super) timescale: Option<u32>,
}

/// How a stream is decoded.
#[derive(Debug, Clone)]
pub(super) enum Codec {
    Symphonia(Box<AudioCodecParameters>),
    Opus(OpusHead),
}

impl Stream {
    /// A stream without delay and padding.
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, skip: 0, keep: None, declared: None, timescale: None }
    }

    /// A stream that one of Symphonia's decoders reads.
    pub(super) fn symphonia(parameters: AudioCodecParameters) -> Self {
        Self::new(Codec::Symphonia(Box::new(parameters)))
    }
}

/// Parameters of a decoder of Symphonia.
pub(super) fn parameters(codec: AudioCodecId, sample_rate: u32, channels: u16) -> AudioCodecParameters {
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(codec).with_sample_rate(sample_rate).with_channels(match channels {
        // AAC's decoder compares positions.
        1 => symphonia::core::audio::layouts::CHANNEL_LAYOUT_MONO,
        2 => symphonia::core::audio::layouts::CHANNEL_LAYOUT_STEREO,
        _ => Channels::Discrete(channels),
    });
    parameters
}

/// A packet of encoded sound.
#[derive(Debug, Clone, Default)]
pub(super) struct Packet {
    pub(super) data: Vec<u8>,
    /// The frames that it decodes to, where the container knows.
    pub(super) frames: u64,
    /// Decoded frames to leave out at its end.
    pub(super) discard: u64,
    /// The stream's frames up to the end of this packet as an OGG page counts them.
    pub(super) granule: Option<Granule>,
    /// When it begins by the container's clock, in seconds. A packet without data tells the time of the end.
    pub(super) time: Option<f64>,
}

/// What an OGG page says of the frames up to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granule {
    pub(super) frames: u64,
    /// Whether the page is the stream's last: it may count fewer frames than were decoded; the rest is padding.
    pub(super) last: bool,
}

/// A container's reader.
pub(super) trait Demuxer: Send {
    /// The next item. After [`Item::End`] it isn't called again.
    fn next(&mut self) -> Result<Item, AudioErrorKind>;

    /// Takes what was noticed and is no error.
    fn warnings(&mut self) -> Vec<AudioWarning> {
        Vec::new()
    }
}

/// Lengths that recorders and pipes write where they don't know better: just below and at 2^31 and 2^32.
pub(super) fn is_placeholder(declared: u64) -> bool {
    const SLACK: u64 = 4096;
    [1 << 31, 1 << 32].iter().any(|&limit| (limit - SLACK..=limit).contains(&declared)) || declared >= 1 << 62
}

/// Bytes that a length may be too large by: writers count the header too, and the last block may be cut. A long header excuses no
/// more than a short one.
pub(super) fn tolerance(start: u64, block_bytes: u64) -> u64 {
    const HEADER: u64 = 128;
    const BLOCK: u64 = 4096;
    start.min(HEADER).max(block_bytes.min(BLOCK))
}

/// The bytes of sound in a chunk that declares `declared` bytes where `found` are left. A length that is a placeholder or too
/// large by less than `tolerance` is read to the end with a warning; other chunks that end early are refused, or allowed.
pub(super) fn sound_bytes(
    unit: &'static str,
    declared: u64,
    found: u64,
    tolerance: u64,
    options: &AudioOptions,
    warnings: &mut Vec<AudioWarning>,
) -> Result<u64, AudioErrorKind> {
    if declared <= found {
        return Ok(declared);
    }
    if is_placeholder(declared) || declared - found <= tolerance {
        warnings.push(AudioWarning::WrongLength { unit, declared, found });
        return Ok(found);
    }
    let error = AudioErrorKind::Truncated { unit, declared, found };
    if !options.allow_truncated {
        return Err(error);
    }
    warnings.push(AudioWarning::CutShort { reason: error.to_string() });
    Ok(found)
}
