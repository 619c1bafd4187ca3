//! FLAC (RFC 9639). Frames are found by their checksums here, so that one that is missing or damaged is an error; of the metadata
//! only the number of samples matters.

use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;

use super::demux::{Demuxer, Item, Packet, Stream, parameters};
use super::source::{Source, be};
use super::tags::{is_tag, tag_bytes};
use super::{AudioErrorKind, AudioWarning};

/// Bytes that are read at once.
const PIECE: u64 = 1 << 16;

/// The stream of packets that are FLAC frames, such as in OGG, Matroska and MP4. `info` is the body of a STREAMINFO block.
pub(super) fn stream(info: &[u8]) -> Result<Stream, AudioErrorKind> {
    Ok(Info::parse(info)?.format().stream())
}

/// The stream that its first frame describes, for containers whose STREAMINFO block may be missing. Frames may leave rate and bits to it:
/// they are those of `info`, the body of a block, or else `sample_rate` and `bits`, 0 where the container tells none.
pub(super) fn stream_of_frame(
    frame: &[u8],
    info: &[u8],
    sample_rate: u32,
    bits: u32,
) -> Result<Stream, AudioErrorKind> {
    const HEADER: u64 = 6;
    const RATES: u32 = 1 << 20;
    let found = frame.len() as u64;
    if found < HEADER {
        return Err(AudioErrorKind::Truncated { unit: "bytes of a FLAC frame", declared: HEADER, found });
    }
    let sample_rate = if sample_rate < RATES { sample_rate } else { 0 };
    let own = Info { sample_rate, channels: 0, bits, total: 0 };
    let info = Info::parse(info).ok().filter(|info| info.sample_rate > 0).unwrap_or(own);
    let damaged = || AudioErrorKind::malformed("sound must begin with a FLAC frame, got other bytes");
    let format = header(frame, &info).ok_or_else(damaged)?.format;
    if format.bits == 0 {
        return Err(AudioErrorKind::malformed(
            "first FLAC frame or its container must declare the bits of a sample, got none",
        ));
    }
    Ok(format.stream())
}

/// What matters of STREAMINFO.
#[derive(Debug, Clone, Copy)]
struct Info {
    sample_rate: u32,
    channels: u16,
    bits: u32,
    /// 0 where it isn't known.
    total: u64,
}

impl Info {
    fn parse(block: &[u8]) -> Result<Self, AudioErrorKind> {
        let packed = be(block, 10, 8).ok_or_else(|| {
            AudioErrorKind::malformed(format!("STREAMINFO block must have 34 bytes, got {}", block.len()))
        })?;
        Ok(Self {
            sample_rate: (packed >> 44) as u32,
            channels: (packed >> 41 & 7) as u16 + 1,
            bits: (packed >> 36 & 31) as u32 + 1,
            total: packed & 0xF_FFFF_FFFF,
        })
    }

    fn format(&self) -> Format {
        Format { sample_rate: self.sample_rate, channels: self.channels, bits: self.bits }
    }
}

/// What one decoder reads.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Format {
    sample_rate: u32,
    channels: u16,
    bits: u32,
}

impl Format {
    /// The stream, with a STREAMINFO block that is valid for all frames of the format. It replaces the file's own.
    fn stream(&self) -> Stream {
        let mut block = vec![0; 34];
        block[..4].copy_from_slice(&[0, 16, 0xFF, 0xFF]);
        let packed = u64::from(self.sample_rate) << 44
            | (u64::from(self.channels) - 1) << 41
            | (u64::from(self.bits) - 1) << 36;
        block[10..18].copy_from_slice(&packed.to_be_bytes());
        let mut flac = parameters(CODEC_ID_FLAC, self.sample_rate, self.channels);
        flac.with_extra_data(block.into()).with_bits_per_sample(self.bits);
        Stream::symphonia(flac)
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy)]
struct Header {
    format: Format,
    frames: u64,
    /// The number of its first sample, or of the frame where all have one size.
    number: u64,
    variable: bool,
    bytes: usize,
}

/// Reads a frame's header and compares its checksum.
fn header(bytes: &[u8], info: &Info) -> Option<Header> {
    let [0xFF, sync @ (0xF8 | 0xF9), sizes, layout, ..] = bytes else { return None };
    let first = *bytes.get(4)?;
    let more = match first.leading_ones() {
        0 => 0,
        ones @ 2..=7 => ones as usize - 1,
        _ => return None,
    };
    let head = if more == 0 { u64::from(first) } else { u64::from(first) & ((1 << (6 - more.min(6))) - 1) };
    let number = bytes.get(5..5 + more)?.iter().fold(head, |n, &b| n << 6 | u64::from(b & 0x3F));
    let mut at = 5 + more;
    let mut field = |count: usize| {
        at += count;
        be(bytes, at - count, count)
    };
    let frames = match sizes >> 4 {
        1 => 192,
        size @ 2..=5 => 144 << size,
        6 => field(1)? + 1,
        7 => field(2)? + 1,
        size @ 8..=15 => 1 << size,
        _ => return None,
    };
    const RATES: [u32; 11] =
        [88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
    let sample_rate = match sizes & 15 {
        0 => info.sample_rate,
        rate @ 1..=11 => RATES[rate as usize - 1],
        12 => field(1)? as u32 * 1000,
        13 => field(2)? as u32,
        14 => field(2)? as u32 * 10,
        _ => return None,
    };
    let channels = match layout >> 4 {
        count @ 0..=7 => u16::from(count) + 1,
        8..=10 => 2,
        _ => return None,
    };
    let bits = match layout >> 1 & 7 {
        0 => info.bits,
        1 => 8,
        2 => 12,
        4 => 16,
        5 => 20,
        6 => 24,
        7 => 32,
        _ => return None,
    };
    let whole = bytes.get(..at + 1)?;
    let format = Format { sample_rate, channels, bits };
    (crc8(whole) == 0 && sample_rate > 0).then_some(Header {
        format,
        frames,
        number,
        variable: *sync == 0xF9,
        bytes: at + 1,
    })
}

/// Where frames stand in their stream, by their headers.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Samples of the first frame: of all but the last, where frames are numbered.
    block: Option<u64>,
}

impl Numbers {
    /// The number of a frame's first sample, and its samples; `None` if it is no frame.
    pub(super) fn of(&mut self, frame: &[u8]) -> Option<(u64, u64)> {
        // Only a rate of 0 is refused.
        let info = Info { sample_rate: 1, channels: 0, bits: 0, total: 0 };
        let header = header(frame, &info)?;
        let block = *self.block.get_or_insert(header.frames);
        let start = if header.variable { header.number } else { header.number.saturating_mul(block) };
        Some((start, header.frames))
    }
}

/// Checksum of a header, polynomial x^8 + x^2 + x + 1; 0 where it includes its own.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 != 0 { crc << 1 ^ 0x07 } else { crc << 1 })
    })
}

/// Remainders of each byte for the checksum of a frame, polynomial x^16 + x^15 + x^2 + 1.
const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x8005 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The frames of a FLAC file.
pub(super) struct Frames<'s> {
    source: Source<'s>,
    info: Info,
    /// Bytes from the start of the next frame.
    held: Vec<u8>,
    format: Option<Format>,
    /// Samples of the frames so far, since the last STREAMINFO.
    samples: u64,
    /// The frame before.
    before: Option<Header>,
    /// A packet that waits for its stream.
    waiting: Option<Packet>,
    warnings: Vec<AudioWarning>,
}

impl<'s> Frames<'s> {
    pub(super) fn open(source: Source<'s>) -> Result<Self, AudioErrorKind> {
        let info = Info { sample_rate: 0, channels: 0, bits: 0, total: 0 };
        let (held, warnings) = (Vec::new(), Vec::new());
        let mut frames =
            Self { source, info, held, format: None, samples: 0, before: None, waiting: None, warnings };
        frames.metadata()?;
        Ok(frames)
    }

    /// Reads the metadata that `held` or the source begins with, up to the first frame.
    fn metadata(&mut self) -> Result<(), AudioErrorKind> {
        let at = self.source.position() - self.held.len() as u64;
        self.source.seek(at + 4)?;
        self.held.clear();
        let mut info = None;
        while let Some([kind, a, b, c]) = self.source.array::<4>()? {
            let length = u64::from(a) << 16 | u64::from(b) << 8 | u64::from(c);
            let found = self.source.left();
            let start = self.source.position();
            if kind & 0x7F == 0 && info.is_none() {
                info = Some(Info::parse(&self.source.peek(length.min(34))?)?);
            }
            if length > found {
                let unit = "bytes of FLAC metadata";
                return Err(AudioErrorKind::Truncated { unit, declared: length, found });
            }
            self.source.skip(length)?;
            if kind & 0x80 != 0 {
                // A block's length may lie where tools counted wrongly: the first frame decides.
                self.find_first_frame(start, info.as_ref())?;
                break;
            }
        }
        self.info = info
            .ok_or_else(|| AudioErrorKind::malformed("FLAC file must have a STREAMINFO block, got none"))?;
        (self.samples, self.before) = (0, None);
        Ok(())
    }

    /// Stays where a frame begins, or searches it from the start of the last block.
    fn find_first_frame(&mut self, block: u64, info: Option<&Info>) -> Result<(), AudioErrorKind> {
        let Some(info) = info else { return Ok(()) };
        if self.source.left() == 0 || header(&self.source.peek(20)?, info).is_some() {
            return Ok(());
        }
        let rest = self.source.peek_at(block, 1 << 20)?;
        if let Some(offset) = (0..rest.len()).find(|&offset| header(&rest[offset..], info).is_some()) {
            self.source.seek(block + offset as u64)?;
        }
        Ok(())
    }

    /// Reads on; `false` at the end of the file.
    fn read_on(&mut self) -> Result<bool, AudioErrorKind> {
        Ok(self.source.append(PIECE, &mut self.held)? > 0)
    }

    /// Passes over the tags that `held` begins with, between joined files or at the end, and holds the start of what follows.
    fn skip_tags(&mut self) -> Result<(), AudioErrorKind> {
        loop {
            while self.held.len() < 64 && self.read_on()? {}
            let at = self.source.position() - self.held.len() as u64;
            if !is_tag(&self.held) {
                return Ok(());
            }
            let Some(bytes) = tag_bytes(&mut self.source, at)? else { return Ok(()) };
            self.source.seek(at + bytes)?;
            self.held.clear();
        }
    }

    /// The bytes of the frame that `held` begins with: up to the next header, tag or end, with a checksum that is right.
    fn frame_bytes(&mut self, header_: &Header) -> Result<usize, AudioErrorKind> {
        // No frame is longer than its samples as they are.
        let Format { channels, bits, .. } = header_.format;
        let longest = header_.frames * u64::from(channels) * u64::from(bits + 1) / 8 + 1024;
        let (mut at, mut crc) = (0, 0u16);
        let mut zeros = Vec::new();
        loop {
            // A header needs up to 16 bytes after a place.
            while self.held.len() < at + 64 && self.read_on()? {}
            let whole = self.held.len();
            let last = if self.source.left() == 0 { whole } else { whole - 32 };
            while at < last {
                if crc == 0 && at >= header_.bytes + 2 {
                    let rest = &self.held[at..];
                    if rest.starts_with(b"fLaC") || is_tag(rest) || header(rest, &self.info).is_some() {
                        return Ok(at);
                    }
                    zeros.push(at);
                }
                crc = crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ self.held[at])];
                at += 1;
            }
            if at as u64 > longest {
                break;
            }
            if self.source.left() == 0 && at == whole {
                if crc == 0 {
                    return Ok(whole);
                }
                let after = zeros.iter().copied().find(|&zero| {
                    let rest = &self.held[zero..];
                    is_tag(rest) || rest.iter().all(|&b| b == 0)
                });
                if let Some(end) = after {
                    return Ok(end);
                }
                break;
            }
        }
        // After the last frame that is declared, other bytes are no sound.
        let is_last = self.info.total > 0 && self.samples + header_.frames >= self.info.total;
        if let Some(&end) = zeros.last().filter(|_| is_last) {
            return Ok(end);
        }
        let frames = self.samples;
        if self.source.left() == 0 && (at as u64) < longest && self.info.total > frames {
            return Err(AudioErrorKind::Truncated {
                unit: "frames",
                declared: self.info.total,
                found: frames,
            });
        }
        Err(AudioErrorKind::malformed(format!(
            "checksum of a FLAC frame must match its bytes, got another (after {frames} frames)"
        )))
    }

    /// An error where the numbers of two frames leave a gap.
    fn check_number(&mut self, next: &Header) -> Result<(), AudioErrorKind> {
        if let Some(before) = self.before.filter(|before| before.variable == next.variable) {
            let expected = before.number + if before.variable { before.frames } else { 1 };
            if next.number > expected {
                let unit = if before.variable { "samples" } else { "FLAC frames" };
                let missing = next.number - expected;
                return Err(AudioErrorKind::malformed(format!(
                    "FLAC frames must follow without a gap, got one of {missing} {unit} (after {} frames)",
                    self.samples
                )));
            }
        }
        self.before = Some(*next);
        Ok(())
    }
}

impl Demuxer for Frames<'_> {
    fn next(&mut self) -> Result<Item, AudioErrorKind> {
        if let Some(packet) = self.waiting.take() {
            return Ok(Item::Packet(packet));
        }
        self.skip_tags()?;
        if self.held.starts_with(b"fLaC") {
            self.check_total()?;
            self.metadata()?;
            self.skip_tags()?;
        }
        let Some(header) = header(&self.held, &self.info) else {
            self.check_total()?;
            let rest = self.held.len() as u64 + self.source.left();
            // Where the frames aren't counted, zeros may have been some.
            let filler = self.info.total > 0 && self.held.iter().all(|&byte| byte == 0);
            if rest > 0 && !filler {
                if self.samples == 0 {
                    return Err(AudioErrorKind::malformed(
                        "FLAC metadata must be followed by a frame, got none",
                    ));
                }
                self.warnings.push(AudioWarning::BytesAfter { bytes: rest });
            }
            return Ok(Item::End);
        };
        let bytes = self.frame_bytes(&header)?;
        self.check_number(&header)?;
        self.samples += header.frames;
        let data = self.held.drain(..bytes).collect();
        let packet = Packet { data, frames: header.frames, ..Default::default() };
        if self.format == Some(header.format) {
            return Ok(Item::Packet(packet));
        }
        self.format = Some(header.format);
        self.waiting = Some(packet);
        Ok(Item::Stream(header.format.stream()))
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}

impl Frames<'_> {
    /// An error where there are fewer samples than STREAMINFO declares.
    fn check_total(&self) -> Result<(), AudioErrorKind> {
        if self.samples < self.info.total {
            return Err(AudioErrorKind::Truncated {
                unit: "frames",
                declared: self.info.total,
                found: self.samples,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_where_it_stands() {
        // 4,096 samples of one channel at 44,100 Hz with 16 bits, and 192 of them.
        let frame = |sync: u8, size: u8, number: u8| {
            let mut frame = vec![0xFF, sync, size << 4 | 9, 0x08, number];
            frame.push(crc8(&frame));
            frame
        };
        let mut numbers = Numbers::default();
        assert_eq!(numbers.of(&frame(0xF8, 12, 0)), Some((0, 4096)));
        // The last frame is shorter.
        assert_eq!(numbers.of(&frame(0xF8, 1, 7)), Some((7 * 4096, 192)));
        // Where sizes vary the number is that of the sample.
        assert_eq!(Numbers::default().of(&frame(0xF9, 1, 100)), Some((100, 192)));
        assert_eq!(numbers.of(b"no frame"), None);
    }
}
