//! Matroska and WebM (RFC 9559), as files and as what browsers record: clusters and segments without a size.

use std::collections::VecDeque;

use symphonia::core::codecs::audio::well_known::*;

use super::blocks::{Layout, Samples};
use super::demux::{Codec, Demuxer, Item, Packet, Stream, parameters};
use super::opus::OpusHead;
use super::source::{Source, be, le};
use super::tags::{is_filler, is_tag};
use super::{AudioErrorKind, AudioOptions, AudioWarning, flac, mp4};

/// Identifiers of elements.
mod id {
    pub(super) const EBML: u32 = 0x1A45_DFA3;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const INFO: u32 = 0x1549_A966;
    pub(super) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(super) const DURATION: u32 = 0x4489;
    pub(super) const CLUSTER: u32 = 0x1F43_B675;
    pub(super) const TIMESTAMP: u32 = 0xE7;
    pub(super) const TRACKS: u32 = 0x1654_AE6B;
    pub(super) const TRACK_ENTRY: u32 = 0xAE;
    pub(super) const TRACK_NUMBER: u32 = 0xD7;
    pub(super) const TRACK_TYPE: u32 = 0x83;
    pub(super) const CODEC_ID: u32 = 0x86;
    pub(super) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(super) const CODEC_DELAY: u32 = 0x56AA;
    pub(super) const AUDIO: u32 = 0xE1;
    pub(super) const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub(super) const CHANNELS: u32 = 0x9F;
    pub(super) const BIT_DEPTH: u32 = 0x6264;
    pub(super) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(super) const CONTENT_ENCODING: u32 = 0x6240;
    pub(super) const CONTENT_COMPRESSION: u32 = 0x5034;
    pub(super) const CONTENT_COMP_ALGO: u32 = 0x4254;
    pub(super) const CONTENT_COMP_SETTINGS: u32 = 0x4255;
    pub(super) const CONTENT_ENCRYPTION: u32 = 0x5035;
    pub(super) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(super) const BLOCK_GROUP: u32 = 0xA0;
    pub(super) const BLOCK: u32 = 0xA1;
    pub(super) const DISCARD_PADDING: u32 = 0x75A2;

    /// Elements of files, segments and clusters that hold no sound: SeekHead, Cues, Chapters, Attachments, Tags, the signature's slot,
    /// Void, CRC-32, SilentTracks, Position, PrevSize and EncryptedBlock.
    pub(super) const OTHERS: [u32; 12] = [
        0x114D_9B74,
        0x1C53_BB6B,
        0x1043_A770,
        0x1941_A469,
        0x1254_C367,
        0x1B53_8667,
        0xEC,
        0xBF,
        0x5854,
        0xA7,
        0xAB,
        0xAF,
    ];
}

/// A number whose length its first byte tells, with the marker bit left out: (value, bytes, whether all its bits are set).
fn vint(bytes: &[u8]) -> Option<(u64, usize, bool)> {
    let count = bytes.first()?.leading_zeros() as usize + 1;
    let raw = be(bytes, 0, count).filter(|_| count <= 8)?;
    let mask = (1 << (7 * count)) - 1;
    Some((raw & mask, count, raw & mask == mask))
}

/// An identifier and the size behind it, `None` where it isn't known; and the bytes of both.
fn element(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_bytes = bytes.first()?.leading_zeros() as usize + 1;
    let id = be(bytes, 0, id_bytes).filter(|_| id_bytes <= 4)? as u32;
    let (size, size_bytes, unknown) = vint(bytes.get(id_bytes..)?)?;
    Some((id, (!unknown).then_some(size), id_bytes + size_bytes))
}

/// The elements in a slice: identifier and body. It ends at what makes no sense.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (id, size, head) = element(bytes)?;
        let body = bytes.get(head..)?;
        let (this, rest) = body.split_at_checked(usize::try_from(size?).ok()?)?;
        bytes = rest;
        Some((id, this))
    })
}

fn child(bytes: &[u8], id: u32) -> Option<&[u8]> {
    elements(bytes).find(|(found, _)| *found == id).map(|(_, body)| body)
}

fn unsigned(bytes: &[u8], id: u32) -> Option<u64> {
    child(bytes, id).and_then(|body| be(body, 0, body.len().min(8)))
}

fn float(bytes: &[u8], id: u32) -> Option<f64> {
    let body = child(bytes, id)?;
    let bits = be(body, 0, body.len())?;
    match body.len() {
        4 => Some(f32::from_bits(bits as u32).into()),
        8 => Some(f64::from_bits(bits)),
        _ => None,
    }
}

/// The sound track that is read.
struct Track {
    number: u64,
    stream: Stream,
    sample_rate: f64,
    /// Bytes in front of each frame that were left out.
    prefix: Vec<u8>,
    /// Bytes of a frame of plain samples.
    frame_bytes: Option<u64>,
    /// Whether there is no other track.
    alone: bool,
}

/// The packets of the first sound track.
pub(super) struct Packets<'s> {
    source: Source<'s>,
    track: Option<Track>,
    queue: VecDeque<Item>,
    /// Where the segment ends, where its size is known.
    end: Option<u64>,
    /// Seconds of a tick of all times.
    tick: f64,
    /// Ticks of the current cluster's time.
    cluster: u64,
    /// Ticks of the whole, where they are known.
    duration: Option<f64>,
    /// Where the first element that is not known begins, and the bytes of all such.
    unknown: Option<(u64, u64)>,
    warnings: Vec<AudioWarning>,
}

impl<'s> Packets<'s> {
    /// Reads up to the tracks.
    pub(super) fn open(source: Source<'s>, options: &AudioOptions) -> Result<Self, AudioErrorKind> {
        let (queue, unknown, warnings) = Default::default();
        let mut packets = Self {
            source,
            track: None,
            queue,
            end: None,
            tick: 1e-3,
            cluster: 0,
            duration: None,
            unknown,
            warnings,
        };
        while packets.track.is_none() {
            if !packets.element(options.allow_truncated)? {
                return Err(AudioErrorKind::malformed("the Matroska file has no Tracks element"));
            }
        }
        Ok(packets)
    }

    /// Reads an element, or goes into it; `false` at the end of the file.
    fn element(&mut self, allow_truncated: bool) -> Result<bool, AudioErrorKind> {
        let at = self.source.position();
        let head = self.source.peek(12)?;
        if head.is_empty() || is_tag(&head) {
            return Ok(false);
        }
        let Some((id, size, bytes)) = element(&head) else {
            // Zeros within a segment were something else.
            if self.end.is_none_or(|end| at >= end) && is_filler(&mut self.source, at)? {
                if self.end.is_none() {
                    self.warnings.push(AudioWarning::BytesBehind { bytes: self.source.left() });
                }
                return Ok(false);
            }
            return Err(AudioErrorKind::malformed(format!("no Matroska element begins at byte {at}")));
        };
        self.source.skip(bytes as u64)?;
        let found = self.source.left();
        if let Some(declared) = size.filter(|&size| size > found) {
            let unit =
                if id == id::SEGMENT { "bytes of a Matroska segment" } else { "bytes of a Matroska element" };
            // What the segment holds up to the cut may be wanted.
            if id != id::SEGMENT || !allow_truncated {
                return Err(AudioErrorKind::Truncated { unit, declared, found });
            }
        }
        match (id, size) {
            (id::SEGMENT, size) => self.end = size.map(|size| self.source.position().saturating_add(size)),
            (id::CLUSTER, _) => {}
            (id::INFO, Some(size)) => {
                let body = self.source.bytes(size)?;
                self.tick = unsigned(&body, id::TIMESTAMP_SCALE).unwrap_or(1_000_000) as f64 * 1e-9;
                self.duration = float(&body, id::DURATION);
            }
            (id::TIMESTAMP, Some(size)) => {
                let body = self.source.bytes(size)?;
                self.cluster = be(&body, 0, body.len().min(8)).unwrap_or(0);
            }
            (id::TRACKS, Some(size)) if self.track.is_none() => {
                let body = self.source.bytes(size)?;
                let track = track(&body)?;
                self.queue.push_back(Item::Stream(track.stream.clone()));
                self.track = Some(track);
            }
            (id::SIMPLE_BLOCK, Some(size)) => {
                let body = self.source.bytes(size)?;
                self.block(&body, 0)?;
            }
            (id::BLOCK_GROUP, Some(size)) => {
                let body = self.source.bytes(size)?;
                let padding =
                    child(&body, id::DISCARD_PADDING).and_then(|body| be(body, 0, body.len().min(8)));
                if let Some(block) = child(&body, id::BLOCK) {
                    self.block(block, padding.unwrap_or(0))?;
                }
            }
            (id, Some(size)) => {
                if id != id::EBML && id != id::TRACKS && !id::OTHERS.contains(&id) {
                    self.unknown.get_or_insert((at, 0)).1 += bytes as u64 + size;
                }
                self.source.skip(size)?;
            }
            (_, None) => {
                return Err(AudioErrorKind::malformed(format!(
                    "the Matroska element at byte {at} has no size"
                )));
            }
        }
        Ok(true)
    }

    /// Takes the packets of a block, of whose last `padding` nanoseconds are none.
    fn block(&mut self, block: &[u8], padding: u64) -> Result<(), AudioErrorKind> {
        let Some(track) = &self.track else { return Ok(()) };
        let damaged = || AudioErrorKind::malformed("a Matroska block is shorter than its header says");
        let (number, bytes, _) = vint(block).ok_or_else(damaged)?;
        if number != track.number {
            return Ok(());
        }
        let flags = *block.get(bytes + 2).ok_or_else(damaged)?;
        let relative = be(block, bytes, 2).ok_or_else(damaged)? as u16 as i16;
        let mut time = Some((self.cluster as f64 + f64::from(relative)) * self.tick);
        let frames = laced(&block[bytes + 3..], flags >> 1 & 3).ok_or_else(damaged)?;
        let discard = (padding as f64 * track.sample_rate / 1e9).round() as u64;
        for frame in &frames {
            let data =
                if track.prefix.is_empty() { frame.to_vec() } else { [&track.prefix, *frame].concat() };
            let frames = track.frame_bytes.map_or(0, |bytes| data.len() as u64 / bytes);
            self.queue.push_back(Item::Packet(Packet {
                data,
                frames,
                time: time.take(),
                ..Default::default()
            }));
        }
        if let Some(Item::Packet(last)) = self.queue.back_mut().filter(|_| !frames.is_empty()) {
            last.discard = discard;
        }
        Ok(())
    }
}

/// The frames of a block: one, or several whose sizes stand in front (Xiph, fixed size, EBML).
fn laced(body: &[u8], lacing: u8) -> Option<Vec<&[u8]>> {
    if lacing == 0 {
        return Some(vec![body]);
    }
    let (&count, mut rest) = body.split_first()?;
    let count = usize::from(count) + 1;
    let mut sizes = Vec::new();
    match lacing {
        1 => {
            for _ in 1..count {
                let more = rest.iter().position(|&byte| byte != 255)?;
                sizes.push(255 * more + usize::from(rest[more]));
                rest = &rest[more + 1..];
            }
        }
        2 => sizes = vec![rest.len() / count; count - 1],
        _ => {
            for index in 1..count {
                let (value, bytes, _) = vint(rest)?;
                rest = rest.get(bytes..)?;
                // The first is a size, the others differences, with half of the range for negative ones.
                let size = match sizes.last() {
                    Some(&before) if index > 1 => {
                        let bias = (1i64 << (7 * bytes - 1)) - 1;
                        usize::try_from(before as i64 + value as i64 - bias).ok()?
                    }
                    _ => usize::try_from(value).ok()?,
                };
                sizes.push(size);
            }
        }
    }
    let mut frames = Vec::new();
    for size in sizes {
        let (frame, behind) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = behind;
    }
    frames.push(rest);
    Some(frames)
}

/// The first sound track.
fn track(tracks: &[u8]) -> Result<Track, AudioErrorKind> {
    const AUDIO: u64 = 2;
    let entry = elements(tracks)
        .filter(|(id, _)| *id == id::TRACK_ENTRY)
        .map(|(_, body)| body)
        .find(|body| unsigned(body, id::TRACK_TYPE) == Some(AUDIO))
        .ok_or(AudioErrorKind::NoAudioTrack)?;
    let number = unsigned(entry, id::TRACK_NUMBER).unwrap_or(1);
    let name = String::from_utf8_lossy(child(entry, id::CODEC_ID).unwrap_or_default());
    let name = name.trim_end_matches('\0');
    let private = child(entry, id::CODEC_PRIVATE).unwrap_or_default();
    let audio = child(entry, id::AUDIO).unwrap_or_default();
    let sample_rate = float(audio, id::SAMPLING_FREQUENCY).unwrap_or(8000.0);
    let channels = u16::try_from(unsigned(audio, id::CHANNELS).unwrap_or(1)).unwrap_or(0);
    let bits = unsigned(audio, id::BIT_DEPTH).unwrap_or(0) as u16;
    let rate = sample_rate as u32;

    let mut frame_bytes = None;
    let mut plain = |samples, bytes| -> Result<Stream, AudioErrorKind> {
        let layout = Layout::of_samples(samples, bytes, channels, rate)?;
        frame_bytes = Some(layout.block_bytes);
        Ok(Stream::symphonia(parameters(layout.codec, rate, channels)))
    };
    let mut stream = match name {
        "A_OPUS" => Stream::new(Codec::Opus(OpusHead::parse(private)?)),
        "A_VORBIS" => {
            let mut vorbis = parameters(CODEC_ID_VORBIS, rate, channels);
            vorbis.with_extra_data(private.into());
            Stream::symphonia(vorbis)
        }
        // The metadata as in a file: its mark, and the first block's header.
        "A_FLAC" => flac::stream(private.get(8..).unwrap_or_default())?,
        "A_MPEG/L3" => Stream::symphonia(parameters(CODEC_ID_MP3, rate, channels)),
        "A_MPEG/L2" => Stream::symphonia(parameters(CODEC_ID_MP2, rate, channels)),
        "A_MPEG/L1" => Stream::symphonia(parameters(CODEC_ID_MP1, rate, channels)),
        "A_ALAC" => {
            let mut alac = parameters(CODEC_ID_ALAC, rate, channels);
            alac.with_extra_data(private.into());
            Stream::symphonia(alac)
        }
        "A_PCM/INT/LIT" if bits == 8 => plain(Samples::Unsigned8, 1)?,
        "A_PCM/INT/LIT" => plain(Samples::Signed { big: false }, bits.div_ceil(8))?,
        "A_PCM/INT/BIG" => plain(Samples::Signed { big: true }, bits.div_ceil(8))?,
        "A_PCM/FLOAT/IEEE" => plain(Samples::Float { big: false }, bits.div_ceil(8))?,
        // A WAV file's format.
        "A_MS/ACM" => match le(private, 0, 2) {
            Some(6) => plain(Samples::ALaw, 1)?,
            Some(7) => plain(Samples::MuLaw, 1)?,
            tag => {
                let codec = super::codec::wave_format_name(tag.unwrap_or(0) as u16);
                return Err(AudioErrorKind::UnsupportedCodec { codec });
            }
        },
        name if name.starts_with("A_AAC") => mp4::aac_stream(private, rate, channels)?,
        name => return Err(AudioErrorKind::UnsupportedCodec { codec: super::codec::matroska_name(name) }),
    };
    let delay = unsigned(entry, id::CODEC_DELAY).unwrap_or(0);
    let decoded_rate = if matches!(stream.codec, Codec::Opus(_)) { 48_000.0 } else { sample_rate };
    stream.skip = match &stream.codec {
        // FFmpeg writes a wrong delay beside it where the encoder's rate isn't 48 kHz.
        Codec::Opus(head) => head.pre_skip.into(),
        Codec::Symphonia(_) => (delay as f64 * decoded_rate / 1e9).round() as u64,
    };

    let mut prefix = Vec::new();
    let encodings = child(entry, id::CONTENT_ENCODINGS).unwrap_or_default();
    for (_, encoding) in elements(encodings).filter(|(id, _)| *id == id::CONTENT_ENCODING) {
        let compression = child(encoding, id::CONTENT_COMPRESSION).unwrap_or_default();
        const STRIPPED_HEADERS: u64 = 3;
        if unsigned(compression, id::CONTENT_COMP_ALGO) != Some(STRIPPED_HEADERS)
            || child(encoding, id::CONTENT_ENCRYPTION).is_some()
        {
            let codec = format!("{} in compressed or encrypted blocks", super::codec::matroska_name(name));
            return Err(AudioErrorKind::UnsupportedCodec { codec });
        }
        prefix = child(compression, id::CONTENT_COMP_SETTINGS).unwrap_or_default().to_vec();
    }
    let alone = elements(tracks).filter(|(id, _)| *id == id::TRACK_ENTRY).count() == 1;
    Ok(Track { number, stream, sample_rate: decoded_rate, prefix, frame_bytes, alone })
}

/// Whether a file begins as an EBML file does.
pub(super) fn is_matroska(start: &[u8]) -> bool {
    be(start, 0, 4) == Some(id::EBML.into())
}

impl Demuxer for Packets<'_> {
    fn next(&mut self) -> Result<Item, AudioErrorKind> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Ok(item);
            }
            if self.element(true)? {
                continue;
            }
            if let Some((at, bytes)) = self.unknown.take() {
                self.warnings.push(AudioWarning::Unknown { at, bytes });
            }
            // The whole lasts as long as its longest track.
            let alone = self.track.as_ref().is_some_and(|track| track.alone);
            return Ok(match self.duration.take().filter(|_| alone) {
                Some(ticks) => Item::Packet(Packet { time: Some(ticks * self.tick), ..Default::default() }),
                None => Item::End,
            });
        }
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lacing() {
        assert_eq!(vint(&[0x81]), Some((1, 1, false)));
        assert_eq!(vint(&[0x40, 0x02]), Some((2, 2, false)));
        assert_eq!(vint(&[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), Some(((1 << 56) - 1, 8, true)));
        assert_eq!((vint(&[0]), vint(&[0x40])), (None, None));
        let body = b"\x02\x01\x02abbccc";
        assert_eq!(laced(body, 1), Some(vec![&b"a"[..], b"bb", b"ccc"]));
        assert_eq!(laced(b"\x01aabb", 2), Some(vec![&b"aa"[..], b"bb"]));
        // The second size is the first plus one: 1 + 63 of a byte's seven bits.
        assert_eq!(laced(b"\x02\x81\xC0abbccc", 3), Some(vec![&b"a"[..], b"bb", b"ccc"]));
        assert_eq!((laced(b"\x02\xFF", 1), laced(b"", 2), laced(b"\x01\x84ab", 3)), (None, None, None));
    }
}
