//! Frames in a row, without a container: MPEG audio layers I to III (ISO/IEC 11172-3, 13818-3) and AAC in ADTS (13818-7).
//!
//! The frames of the whole file are counted before the first is decoded. This shows whether the frame count in the encoder's tag is
//! correct, where a stream of another encoding is appended, and whether bytes between frames are not a frame.

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{profiles::CODEC_PROFILE_AAC_LC, *};

use super::demux::{Demuxer, Item, Packet, Stream, parameters};
use super::source::{Source, be};
use super::tags::{id3_bytes, is_filler, is_tag, tag_bytes};
use super::{AudioErrorKind, AudioOptions, AudioWarning};

mod tag;

use tag::Tag;

/// Bytes of a frame that are looked at to know its header and its tag.
const PEEK: u64 = 200;

/// Bytes in front of the first frame that are searched for it.
const SEARCHED: u64 = 1 << 20;

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    codec: AudioCodecId,
    sample_rate: u32,
    channels: u16,
    /// Bytes of the frame, with its header.
    bytes: u64,
    /// Bytes in front of the packet that the decoder takes.
    skip: usize,
    /// Samples of each channel.
    frames: u64,
    /// Kilobits a second; 0 where the header doesn't tell.
    kbits: u64,
    /// Whether the header says that it is AAC-LC.
    is_lc: bool,
}

impl Header {
    /// The encoder's tag in a frame with this header. `bytes` may go on after the frame.
    fn tag(&self, bytes: &[u8]) -> Option<Tag> {
        let frame = &bytes[..bytes.len().min(self.bytes as usize)];
        Tag::parse(frame, self.frames == 1152, self.channels).filter(|_| self.codec == CODEC_ID_MP3)
    }

    /// Whether one decoder reads both.
    fn joins(&self, other: &Self) -> bool {
        (self.codec, self.sample_rate, self.channels) == (other.codec, other.sample_rate, other.channels)
    }
}

/// A header of layers I to III or of ADTS.
fn header(bytes: &[u8]) -> Option<Header> {
    let word = be(bytes, 0, 4)?;
    if word >> 21 != 0x7FF {
        return None;
    }
    if word >> 17 & 3 == 0 { adts(bytes) } else { mpeg(word) }
}

fn mpeg(word: u64) -> Option<Header> {
    const RATES: [u32; 3] = [44_100, 48_000, 32_000];
    // Kilobits a second of layers I, II and III of MPEG-1, and of layers I, and II and III of MPEG-2.
    const KBITS: [[u64; 15]; 5] = [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let (version, layer) = (word >> 19 & 3, 4 - (word >> 17 & 3));
    let rate = RATES.get((word >> 10 & 3) as usize)?;
    let (first, sample_rate) = match version {
        3 => (true, *rate),
        2 => (false, rate / 2),
        0 => (false, rate / 4),
        _ => return None,
    };
    let table = match (first, layer) {
        (true, layer) => layer as usize - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let kbits = *KBITS[table].get((word >> 12 & 15) as usize)?;
    let padding = word >> 9 & 1;
    let (codec, frames, bytes) = match layer {
        1 => (CODEC_ID_MP1, 384, (12_000 * kbits / u64::from(sample_rate) + padding) * 4),
        2 => (CODEC_ID_MP2, 1152, 144_000 * kbits / u64::from(sample_rate) + padding),
        _ if first => (CODEC_ID_MP3, 1152, 144_000 * kbits / u64::from(sample_rate) + padding),
        _ => (CODEC_ID_MP3, 576, 72_000 * kbits / u64::from(sample_rate) + padding),
    };
    let channels = if word >> 6 & 3 == 3 { 1 } else { 2 };
    // Free format has no size.
    (kbits > 0).then_some(Header {
        codec,
        sample_rate,
        channels,
        bytes,
        skip: 0,
        frames,
        kbits,
        is_lc: false,
    })
}

fn adts(bytes: &[u8]) -> Option<Header> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let word = be(bytes, 0, 7)?;
    let sample_rate = *RATES.get((word >> 34 & 15) as usize)?;
    let channels = (word >> 30 & 7) as u16;
    let length = word >> 13 & 0x1FFF;
    // Without a checksum the header has 7 bytes, else 9.
    let skip = if word >> 40 & 1 == 1 { 7 } else { 9 };
    let blocks = (word & 3) + 1;
    let codec = CODEC_ID_AAC;
    (length > skip as u64).then_some(Header {
        codec,
        sample_rate,
        channels,
        bytes: length,
        skip,
        frames: 1024 * blocks,
        kbits: 0,
        is_lc: word >> 38 & 3 == 1,
    })
}

/// Whether a file begins with a frame's header that another follows, or its end.
pub(super) fn is_frame(start: &[u8]) -> bool {
    header(start).is_some_and(|first| match start.get(first.bytes as usize..) {
        Some(next) if next.len() >= 7 => header(next).is_some() || is_tag_or_filler(next),
        _ => true,
    })
}

/// The codec of a frame of layers I to III.
pub(super) fn layer(frame: &[u8]) -> Option<AudioCodecId> {
    header(frame).map(|header| header.codec).filter(|&codec| codec != CODEC_ID_AAC)
}

/// The name of a frame's codec if its bit rate is one that MPEG-1 layer II does not allow for its channels (ISO/IEC 11172-3, 2.4.2.3), as
/// some encoders write. The decoder refuses it.
pub(super) fn forbidden(frame: &[u8]) -> Option<String> {
    let Header { codec, sample_rate, channels, kbits, .. } = header(frame)?;
    let refused: [u64; 4] = if channels == 1 { [224, 256, 320, 384] } else { [32, 48, 56, 80] };
    let is_refused = codec == CODEC_ID_MP2 && sample_rate >= 32_000 && refused.contains(&kbits);
    let of = if channels == 1 { "one channel" } else { "two channels" };
    is_refused.then(|| format!("MPEG layer II at {kbits} kbit/s for {of}"))
}

/// Whether frames begin somewhere near the start.
pub(super) fn begins(source: &mut Source<'_>) -> Result<bool, AudioErrorKind> {
    match first_frame(source) {
        Ok(_) => Ok(true),
        Err(AudioErrorKind::Malformed { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tags that stand after the sound, or filler.
fn is_tag_or_filler(bytes: &[u8]) -> bool {
    is_tag(bytes) || bytes.iter().all(|&byte| byte == 0)
}

/// Frames that one decoder reads.
#[derive(Debug)]
struct Segment {
    header: Header,
    /// Its first frame, without the tag's.
    start: u64,
    count: u64,
    tag: Option<Tag>,
    /// Where the tag's frame begins.
    tag_at: u64,
}

/// The frames of a file.
pub(super) struct Frames<'s> {
    source: Source<'s>,
    segments: std::vec::IntoIter<Segment>,
    /// Frames left of the current segment.
    left: u64,
    /// How the file ends, where that is an error.
    fault: Option<AudioErrorKind>,
    warnings: Vec<AudioWarning>,
}

impl<'s> Frames<'s> {
    /// `warnings` are those of what stands before the frames.
    pub(super) fn open(
        source: Source<'s>,
        warnings: Vec<AudioWarning>,
        options: &AudioOptions,
    ) -> Result<Self, AudioErrorKind> {
        let mut frames = Self::new(source, warnings)?;
        // What is cut or damaged is known before anything is decoded.
        match frames.fault.take() {
            Some(fault) if !options.allow_truncated => Err(fault),
            fault => Ok(Self { fault, ..frames }),
        }
    }

    /// `warnings` are those of the container.
    pub(super) fn new(
        mut source: Source<'s>,
        mut warnings: Vec<AudioWarning>,
    ) -> Result<Self, AudioErrorKind> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut fault = None;
        let (mut at, junk) = first_frame(&mut source)?;
        if source.peek_at(at - junk, junk)?.iter().any(|&byte| byte != 0) {
            warnings.push(AudioWarning::BytesBefore { bytes: junk });
        }
        // Whether the next frame begins a segment: after a tag, another stream may follow.
        let mut fresh = true;
        while at < source.len() {
            let bytes = source.peek_at(at, PEEK)?;
            if is_tag(&bytes)
                && let Some(tag) = tag_bytes(&mut source, at)?
            {
                at += tag;
                fresh = true;
                continue;
            }
            let Some(header) = header(&bytes).filter(|_| !is_tag_or_filler(&bytes)) else {
                // Where nothing counts the frames, zeros may have been some. ContentAfter a tag they are filler.
                let uncounted =
                    segments.last().filter(|segment| segment.tag.is_none_or(|tag| tag.count.is_none()));
                let frame = uncounted.filter(|_| !fresh).map(|segment| segment.header.bytes);
                fault = content_after(&mut source, at, frame, &mut warnings)?;
                break;
            };
            let next = at + header.bytes;
            if next > source.len() {
                let (unit, found) = ("bytes of an MPEG frame", source.len() - at);
                fault = Some(AudioErrorKind::Truncated { unit, declared: header.bytes, found });
                break;
            }
            if let Some(tag) = header.tag(&bytes) {
                segments.push(Segment { header, start: next, count: 0, tag: Some(tag), tag_at: at });
            } else {
                match segments.last_mut() {
                    Some(segment) if segment.header.joins(&header) && (!fresh || segment.count == 0) => {
                        segment.count += 1
                    }
                    _ => segments.push(Segment { header, start: at, count: 1, tag: None, tag_at: at }),
                }
            }
            fresh = false;
            at = next;
        }
        let is_damaged = |segment: &Segment| segment.tag.is_some_and(|tag| tag.is_damaged);
        warnings.extend(segments.iter().any(is_damaged).then_some(AudioWarning::WrongTag));
        for (index, segment) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map_or(source.len(), |next| next.tag_at);
            let tag = segment.tag.unwrap_or_default();
            let (declared, found) = (tag.count.unwrap_or(0), segment.count);
            // A tag may count its own frame, or one too many; its bytes tell a frame that is missing.
            let whole = tag.bytes.is_some_and(|bytes| segment.tag_at + bytes <= end);
            if found < declared && !(whole && declared - found == 1) && fault.is_none() {
                fault = Some(AudioErrorKind::Truncated { unit: "MPEG frames", declared, found });
            }
        }
        Ok(Self { source, segments: segments.into_iter(), left: 0, fault, warnings })
    }
}

/// Where the first frame begins: after ID3 tags, and after junk that a cut left, of which it tells the bytes.
fn first_frame(source: &mut Source<'_>) -> Result<(u64, u64), AudioErrorKind> {
    let mut at = 0;
    while let Some(id3) = id3_bytes(&source.peek_at(at, 10)?) {
        at += id3;
    }
    let start = source.peek_at(at, SEARCHED)?;
    let found = (0..start.len()).find(|&offset| {
        start.get(offset..).and_then(header).is_some_and(|first| {
            let next = offset + first.bytes as usize;
            offset == 0 && start.get(next..).is_none_or(|rest| rest.len() < 7)
                || start.get(next..).and_then(header).is_some_and(|second| second.joins(&first))
                || start.get(next..).is_some_and(|rest| is_tag_or_filler(rest) || rest.is_empty())
        })
    });
    found.map(|junk| (at + junk as u64, junk as u64)).ok_or_else(|| {
        AudioErrorKind::malformed(format!(
            "first {} bytes must hold the start of an MPEG frame, got none",
            start.len()
        ))
    })
}

/// Where the first of several frames in a row begins, from a place on.
pub(super) fn frames_from(source: &mut Source<'_>, from: u64) -> Result<Option<u64>, AudioErrorKind> {
    const IN_A_ROW: usize = 3;
    let bytes = source.peek_at(from, SEARCHED)?;
    let begin = |offset: usize| {
        let Some(first) = bytes.get(offset..).and_then(header) else { return false };
        let mut next = offset;
        (0..IN_A_ROW).all(|_| {
            let Some(frame) = bytes.get(next..).and_then(header) else { return false };
            next += frame.bytes as usize;
            frame.joins(&first)
        })
    };
    Ok((0..bytes.len()).find(|&offset| begin(offset)).map(|offset| from + offset as u64))
}

/// What stands where the next frame should: the end, or damage where more frames follow. Zeros of at least `frame` bytes may have been
/// frames.
fn content_after(
    source: &mut Source<'_>,
    at: u64,
    frame: Option<u64>,
    warnings: &mut Vec<AudioWarning>,
) -> Result<Option<AudioErrorKind>, AudioErrorKind> {
    let rest = source.peek_at(at, SEARCHED)?;
    let follows = (1..rest.len()).find(|&offset| {
        let first = rest.get(offset..).and_then(header);
        first.is_some_and(|first| {
            let second = rest.get(offset + first.bytes as usize..).and_then(header);
            second.is_some_and(|second| second.joins(&first))
        })
    });
    let tagged = is_tag(&rest);
    if let Some(bytes) = follows {
        // Zeros between frames are lost frames too.
        return Ok(Some(AudioErrorKind::malformed(match tagged {
            true => format!(
                "MPEG frames must follow one another, got {bytes} bytes of tags between them at byte {at}"
            ),
            false => format!(
                "MPEG frames must follow one another, got {bytes} other bytes between them at byte {at}"
            ),
        })));
    }
    let bytes = source.len() - at;
    if !tagged && (frame.is_some_and(|frame| bytes >= frame) || !is_filler(source, at)?) {
        warnings.push(AudioWarning::BytesAfter { bytes });
    }
    Ok(None)
}

impl Demuxer for Frames<'_> {
    fn next(&mut self) -> Result<Item, AudioErrorKind> {
        while self.left == 0 {
            let Some(segment) = self.segments.next() else {
                return self.fault.take().map_or(Ok(Item::End), Err);
            };
            if segment.count == 0 {
                continue;
            }
            self.left = segment.count;
            self.source.seek(segment.start)?;
            return Ok(Item::Stream(segment.stream()?));
        }
        self.left -= 1;
        let start = self.source.peek(10)?;
        let header = header(&start).ok_or_else(|| {
            AudioErrorKind::malformed(
                "MPEG frame must stay as it was found, got other bytes: the file changed while it was read",
            )
        })?;
        let mut data = self.source.bytes(header.bytes)?;
        data.drain(..header.skip.min(data.len()));
        Ok(Item::Packet(Packet { data, frames: header.frames, ..Default::default() }))
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}

impl Segment {
    fn stream(&self) -> Result<Stream, AudioErrorKind> {
        /// Samples that the filter bank of an MP3 decoder delays by.
        const DECODER_DELAY: u64 = 529;
        let Header { codec, sample_rate, channels, is_lc, .. } = self.header;
        if codec == CODEC_ID_AAC && !(1..=2).contains(&channels) {
            let codec = if channels == 0 {
                "AAC of its own channel order".into()
            } else {
                format!("AAC of {channels} channels")
            };
            return Err(AudioErrorKind::UnsupportedCodec { codec });
        }
        let mut parameters = parameters(codec, sample_rate, channels);
        parameters.profile = is_lc.then_some(CODEC_PROFILE_AAC_LC);
        let mut stream = Stream::symphonia(parameters);
        if let Some(Tag { count, gaps: Some((delay, padding)), .. }) = self.tag {
            stream.skip = delay + DECODER_DELAY;
            // Where more frames stand than the tag counts, its padding isn't at their end.
            let counted = count.filter(|&count| self.count <= count);
            stream.keep = counted.map(|count| (count * self.header.frames).saturating_sub(delay + padding));
        }
        Ok(stream)
    }
}
