//! Sample entries: which codec a sound track has, and its parameters.

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::profiles::CODEC_PROFILE_AAC_LC;

use super::boxes::child;
use super::*;
use crate::audio::blocks::{Layout, Samples};
use crate::audio::demux::parameters;
use crate::audio::opus::OpusHead;
use crate::audio::{codec, flac};

/// The first sample entry of a sound track.
pub(super) struct Entry {
    pub(super) stream: Stream,
    pub(super) sample_rate: u32,
    /// Bytes of a frame of plain samples.
    pub(super) frame_bytes: Option<u64>,
}

impl Entry {
    /// Reads the body of an `stsd` box.
    pub(super) fn parse(stsd: &[u8]) -> Result<Self, AudioErrorKind> {
        let damaged = || AudioErrorKind::malformed("MP4 sample description must be whole, got a part of it");
        let (kind, body) = Boxes(stsd.get(8..).ok_or_else(damaged)?).next().ok_or_else(damaged)?;
        let field = |at, count| be(body, at, count).ok_or_else(damaged);
        let (mut channels, mut bits, mut rate) =
            (field(16, 2)? as u16, field(18, 2)? as u16, field(24, 4)? as u32 >> 16);
        // QuickTime's versions 1 and 2 have further fields.
        let (children, flags) = match field(8, 2)? {
            1 => (44, None),
            2 => {
                rate = f64::from_bits(field(32, 8)?) as u32;
                (channels, bits) = (field(40, 4)? as u16, field(48, 4)? as u16);
                (64, Some(field(52, 4)?))
            }
            _ => (28, None),
        };
        let mut boxes = body.get(children..).unwrap_or_default();
        // QuickTime puts the codec's boxes into one more.
        let outer = boxes;
        if let Some(wave) = child(boxes, b"wave") {
            boxes = wave;
        }
        let find = |kind| child(boxes, kind).or_else(|| child(outer, kind));
        let little = find(b"enda").and_then(|enda| be(enda, 0, 2)) == Some(1);
        let bytes = bits.div_ceil(8);
        let plain = |samples, bytes| {
            let layout = Layout::of_samples(samples, bytes, channels, rate)?;
            let stream = Stream::symphonia(parameters(layout.codec, rate, channels));
            Ok(Self { stream, sample_rate: rate, frame_bytes: Some(layout.block_bytes) })
        };
        let packets = |stream| Ok(Self { stream, sample_rate: rate, frame_bytes: None });
        let of = |codec: AudioCodecId| Stream::symphonia(parameters(codec, rate, channels));
        match kind {
            b"sowt" => plain(Samples::Signed { big: false }, bytes),
            b"twos" | b"NONE" => plain(Samples::Signed { big: true }, bytes),
            b"raw " if bytes == 1 => plain(Samples::Unsigned8, 1),
            b"in24" => plain(Samples::Signed { big: !little }, 3),
            b"in32" => plain(Samples::Signed { big: !little }, 4),
            b"fl32" => plain(Samples::Float { big: !little }, 4),
            b"fl64" => plain(Samples::Float { big: !little }, 8),
            b"alaw" => plain(Samples::ALaw, 1),
            b"ulaw" => plain(Samples::MuLaw, 1),
            b"lpcm" if bytes == 1 && flags.is_none() => plain(Samples::Unsigned8, 1),
            b"lpcm" => plain(lpcm(flags.unwrap_or(SIGNED), bits)?, bytes),
            // ISO/IEC 23003-5.
            b"ipcm" | b"fpcm" => {
                let config = find(b"pcmC").ok_or_else(damaged)?;
                let (big, bits) =
                    (be(config, 4, 1).ok_or_else(damaged)? & 1 == 0, be(config, 5, 1).ok_or_else(damaged)?);
                let samples = if kind == b"ipcm" { Samples::Signed { big } } else { Samples::Float { big } };
                plain(samples, (bits as u16).div_ceil(8))
            }
            b"mp4a" => packets(match find(b"esds") {
                Some(esds) => mpeg4_stream(esds.get(4..).unwrap_or_default(), rate, channels, "MP4")?,
                None => return Err(damaged()),
            }),
            // The first frame tells which layer it is.
            b".mp1" | b".mp2" | b".mp3" | b"ms\0\x50" | b"ms\0\x55" | b"mp3 " => packets(of(CODEC_ID_MP3)),
            b"alac" => {
                let cookie = find(b"alac").and_then(|body| body.get(4..)).ok_or_else(damaged)?;
                let mut alac = parameters(CODEC_ID_ALAC, rate, channels);
                alac.with_extra_data(cookie.into());
                packets(Stream::symphonia(alac))
            }
            b"fLaC" => {
                let info = find(b"dfLa").and_then(|body| body.get(8..)).ok_or_else(damaged)?;
                packets(flac::stream(info)?)
            }
            b"Opus" => {
                let head = OpusHead::parse_dops(find(b"dOps").ok_or_else(damaged)?)?;
                packets(Stream { skip: head.pre_skip.into(), ..Stream::new(Codec::Opus(head)) })
            }
            other => {
                Err(AudioErrorKind::UnsupportedCodec { codec: codec::four_character_name(other, "MP4") })
            }
        }
    }
}

/// Value of bit 2 of the flags of `lpcm`: signed integers.
const SIGNED: u64 = 4;

/// Samples of `lpcm` by its flags.
fn lpcm(flags: u64, bits: u16) -> Result<Samples, AudioErrorKind> {
    const FLOAT: u64 = 1;
    const BIG: u64 = 2;
    let big = flags & BIG != 0;
    match flags & (FLOAT | SIGNED) {
        0 if bits <= 8 => Ok(Samples::Unsigned8),
        0 => Err(AudioErrorKind::UnsupportedCodec { codec: format!("unsigned {bits}-bit PCM") }),
        SIGNED => Ok(Samples::Signed { big }),
        _ => Ok(Samples::Float { big }),
    }
}

/// The stream that an elementary stream descriptor (ISO/IEC 14496-1, 7.2.6.5) tells. `container` is for errors.
pub(in crate::audio) fn mpeg4_stream(
    descriptor: &[u8],
    rate: u32,
    channels: u16,
    container: &str,
) -> Result<Stream, AudioErrorKind> {
    let damaged =
        || AudioErrorKind::malformed("MPEG-4 elementary stream descriptor must be whole, got a part of it");
    // Tag 3 holds flags, then tag 4; tag 4 begins with the codec and holds tag 5, the decoder's configuration.
    let stream = tagged(descriptor, 3).ok_or_else(damaged)?;
    let flags = *stream.get(2).ok_or_else(damaged)?;
    let url = if flags & 0x40 != 0 { 1 + usize::from(*stream.get(3).ok_or_else(damaged)?) } else { 0 };
    let skip = 3 + if flags & 0x80 != 0 { 2 } else { 0 } + url + if flags & 0x20 != 0 { 2 } else { 0 };
    let config = tagged(stream.get(skip..).ok_or_else(damaged)?, 4).ok_or_else(damaged)?;
    match config.first() {
        Some(0x40 | 0x66..=0x68) => {
            let specific = config.get(13..).and_then(|rest| tagged(rest, 5)).unwrap_or_default();
            aac_stream(specific, rate, channels)
        }
        Some(0x69 | 0x6B) => Ok(Stream::symphonia(parameters(CODEC_ID_MP3, rate, channels))),
        Some(&other) => {
            Err(AudioErrorKind::UnsupportedCodec { codec: codec::mpeg4_object_name(other, container) })
        }
        None => Err(damaged()),
    }
}

/// The body of a descriptor with a tag, whose size has seven bits a byte.
fn tagged(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((&found, after)) = rest.split_first() {
        let count = after.iter().take(4).position(|&byte| byte < 0x80)? + 1;
        let size = after[..count].iter().fold(0, |size, &byte| size << 7 | usize::from(byte & 0x7F));
        let body = &after[count..];
        if found == tag {
            return Some(&body[..size.min(body.len())]);
        }
        rest = body.get(size..)?;
    }
    None
}

/// The stream that an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) tells.
pub(in crate::audio) fn aac_stream(
    specific: &[u8],
    rate: u32,
    channels: u16,
) -> Result<Stream, AudioErrorKind> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let word = be(&[specific, &[0; 8]].concat(), 0, 8).unwrap_or(0);
    let bits = |at: u32, count: u32| word << at >> (64 - count);
    let (object, mut at) = if bits(0, 5) == 31 { (32 + bits(5, 6), 11) } else { (bits(0, 5), 5) };
    if specific.is_empty() {
        return Ok(Stream::symphonia(parameters(CODEC_ID_AAC, rate, channels)));
    }
    let unsupported = |codec: String| Err(AudioErrorKind::UnsupportedCodec { codec });
    let name = match object {
        2 => None,
        1 => Some("AAC Main"),
        3 => Some("AAC SSR"),
        4 => Some("AAC LTP"),
        5 => Some("HE-AAC"),
        29 => Some("HE-AAC v2"),
        23 => Some("AAC-LD"),
        39 => Some("AAC-ELD"),
        42 => Some("xHE-AAC (USAC)"),
        32..=34 => return Ok(Stream::symphonia(parameters(CODEC_ID_MP3, rate, channels))),
        36 => Some("MPEG-4 ALS"),
        other => return unsupported(format!("MPEG-4 audio of type {other}")),
    };
    if let Some(name) = name {
        return unsupported(name.into());
    }
    let index = bits(at, 4) as usize;
    at += 4;
    let own_rate = if index == 15 {
        at += 24;
        bits(at - 24, 24) as u32
    } else {
        RATES.get(index).copied().unwrap_or(rate)
    };
    let layout = bits(at, 4);
    match layout {
        1 | 2 => {}
        0 => return unsupported("AAC of its own channel order".into()),
        7 => return unsupported("AAC of 8 channels".into()),
        count => return unsupported(format!("AAC of {count} channels")),
    }
    if bits(at + 4, 1) == 1 {
        return unsupported("AAC with frames of 960 samples".into());
    }
    // After dependsOnCoreCoder and the extension flag there may stand 0x2B7 and type 5, with a flag: HE-AAC that older decoders
    // read as LC.
    let extension = at + 7;
    if specific.len() * 8 >= extension as usize + 17
        && bits(extension, 11) == 0x2B7
        && bits(extension + 11, 5) == 5
        && bits(extension + 16, 1) == 1
    {
        return unsupported("HE-AAC".into());
    }
    let mut aac = parameters(CODEC_ID_AAC, own_rate, layout as u16);
    aac.with_profile(CODEC_PROFILE_AAC_LC);
    Ok(Stream::symphonia(aac))
}
