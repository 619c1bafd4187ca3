//! Apple's Core Audio Format.

use symphonia::core::codecs::audio::well_known::*;

use super::blocks::{Blocks, Layout, Samples, check_counts};
use super::demux::{Codec, Demuxer, Item, Packet, Stream, parameters, sound_bytes, tolerance};
use super::flac::Numbers;
use super::opus::OpusHead;
use super::source::{Source, be};
use super::tags::{ContentAfter, content_after, is_filler, is_name};
use super::{AudioErrorKind, AudioOptions, AudioWarning, codec, flac, mp4};

/// Most packets of which a table lists nothing: a damaged count may not take all memory.
const MAX_UNLISTED: usize = 1 << 24;

pub(super) fn open<'s>(
    mut source: Source<'s>,
    options: &AudioOptions,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    source.seek(8)?;
    let (mut description, mut table, mut cookie, mut sound) = (None, None, Vec::new(), None);
    let mut warnings = Vec::new();
    let bytes = source.len();
    // The cuts of the sound and of the packet table.
    let (mut cut, mut table_cut) = (None, None);
    while let Some(header) = source.array::<12>()? {
        // −1 stands for "until the end", in the last chunk.
        let mut declared = be(&header, 4, 8).unwrap_or(0);
        let left = source.left();
        match &header[..4] {
            b"desc" if declared > left => {
                let unit = "bytes of a CAF chunk";
                return Err(AudioErrorKind::Truncated { unit, declared, found: left });
            }
            b"desc" => description = Some(Description::parse(&source.peek(declared.min(32))?)?),
            b"pakt" => {
                if declared > left {
                    let unit = "bytes of a CAF packet table";
                    let error = AudioErrorKind::Truncated { unit, declared, found: left };
                    if !options.allow_truncated {
                        return Err(error);
                    }
                    // `after` has reported this chunk as bytes after the sound.
                    warnings.retain(|warning| !matches!(warning, AudioWarning::BytesAfter { .. }));
                    warnings.push(AudioWarning::CutShort { reason: error.to_string() });
                    table_cut = Some(error);
                }
                table = Some(source.peek(declared)?);
            }
            b"kuki" => cookie = source.peek(declared.min(1 << 16))?,
            b"data" => {
                let unit = "bytes of CAF data";
                let start = source.position();
                let mut length = match declared {
                    u64::MAX => left,
                    // FFmpeg writes the table after the sound: a cut takes it away.
                    _ => sound_bytes(unit, declared, left, tolerance(start, 0), options, &mut warnings)
                        .map_err(|error| {
                            if needs_table(&description, &table) { without_table(error) } else { error }
                        })?,
                };
                if declared > left && declared != u64::MAX {
                    cut = Some(AudioErrorKind::Truncated { unit, declared, found: left });
                }
                match content_after(&mut source, start + length, 1, chunk)? {
                    ContentAfter::Known => {}
                    ContentAfter::Filler | ContentAfter::Other => {
                        warnings.push(AudioWarning::BytesAfter { bytes: left - length })
                    }
                    ContentAfter::Sound => {
                        warnings.push(AudioWarning::WrongLength { unit, declared, found: left });
                        (length, declared) = (left, left);
                    }
                }
                // An edit count stands before the sound.
                sound = Some((start + 4, length.saturating_sub(4)));
            }
            _ => {}
        }
        source.skip(declared)?;
    }
    let missing = |chunk| {
        AudioErrorKind::malformed(format!(
            "CAF file must have a {chunk} chunk, got none (it may be truncated)"
        ))
    };
    let description = description.ok_or_else(|| missing("desc"))?;
    let (start, length) = sound.ok_or_else(|| missing("data"))?;
    let mut source = source.part(start, length)?;
    if let Some(layout) = description.layout()? {
        return Ok(Box::new(Blocks::new(source, layout, None, warnings)?));
    }
    if source.len() == 0 {
        return Err(cut.unwrap_or(AudioErrorKind::Empty { bytes }));
    }
    let mut stream = match description.stream(&cookie, &mut source) {
        // What looks damaged may only be cut.
        Err(error) if error.is_damage() => return Err(cut.unwrap_or(error)),
        stream => stream?,
    };
    let table = table.ok_or_else(|| cut.map_or_else(|| missing("pakt"), without_table))?;
    let table_is_cut = table_cut.is_some();
    let mut table = match (Table::parse(&table, &description, table_is_cut), table_cut) {
        (Err(_), Some(cut)) => return Err(cut),
        // Without a whole packet there is nothing to read.
        (Ok(table), Some(cut)) if table.packets.is_empty() => return Err(cut),
        (table, _) => table?,
    };
    // FLAC frames tell their samples. FFmpeg writes wrong ones into the description of a file that is shorter than its source.
    let numbers = (&description.codec == b"flac").then(Numbers::default);
    if numbers.is_some() {
        // FFmpeg lists an empty packet after the last one.
        table.packets.pop_if(|(bytes, _)| *bytes == 0);
        table.valid = None;
    }
    warnings.extend(table.keep_what_is_held());
    stream.skip = table.priming;
    // FFmpeg counts the last packet's padding among the valid frames; what is missing shows in the packets' bytes.
    stream.keep = table.valid;
    let end = table.valid.map_or(u64::MAX, |valid| valid.saturating_add(table.priming));
    let (packets, sample_rate) = (table.packets.into_iter(), description.sample_rate.into());
    let stream = Some(stream);
    let frames = 0;
    Ok(Box::new(Packets {
        source,
        stream,
        packets,
        numbers,
        table_is_cut,
        sample_rate,
        frames,
        end,
        warnings,
    }))
}

/// Whether the sound lies in packets whose table was not seen.
fn needs_table(description: &Option<Description>, table: &Option<Vec<u8>>) -> bool {
    let in_packets = |description: &Description| matches!(description.layout(), Ok(None));
    table.is_none() && description.as_ref().is_some_and(in_packets)
}

/// The error for a cut that took the packet table away.
fn without_table(cut: AudioErrorKind) -> AudioErrorKind {
    match cut {
        AudioErrorKind::Truncated { unit, declared, found } => {
            AudioErrorKind::NoIndex { unit, declared, found }
        }
        other => other,
    }
}

/// The bytes of a chunk with its header, as [`content_after`] asks.
fn chunk(header: &[u8]) -> Option<u64> {
    be(header, 4, 8).filter(|_| is_name(header))?.checked_add(12)
}

/// The `desc` chunk.
struct Description {
    sample_rate: u32,
    codec: [u8; 4],
    flags: u64,
    packet_bytes: u64,
    packet_frames: u64,
    channels: u16,
    bits: u16,
}

impl Description {
    fn parse(chunk: &[u8]) -> Result<Self, AudioErrorKind> {
        let fields = || {
            Some(Self {
                sample_rate: f64::from_bits(be(chunk, 0, 8)?) as u32,
                codec: chunk.get(8..12)?.try_into().ok()?,
                flags: be(chunk, 12, 4)?,
                packet_bytes: be(chunk, 16, 4)?,
                packet_frames: be(chunk, 20, 4)?,
                channels: u16::try_from(be(chunk, 24, 4)?).unwrap_or(0),
                bits: be(chunk, 28, 4)? as u16,
            })
        };
        let description = fields().ok_or_else(|| {
            AudioErrorKind::malformed(format!("desc chunk must have 32 bytes, got {}", chunk.len()))
        })?;
        check_counts(description.channels, description.sample_rate)?;
        Ok(description)
    }

    /// The layout of plain samples; `None` for codecs with packets.
    fn layout(&self) -> Result<Option<Layout>, AudioErrorKind> {
        let big = self.flags & 2 == 0;
        let samples = match &self.codec {
            b"lpcm" if self.flags & 1 == 1 => Samples::Float { big },
            b"lpcm" => Samples::Signed { big },
            b"alaw" => Samples::ALaw,
            b"ulaw" => Samples::MuLaw,
            _ => return Ok(None),
        };
        let bytes = self.packet_bytes.checked_div(u64::from(self.channels)).filter(|&bytes| bytes > 0);
        let bytes = bytes.unwrap_or(u64::from(self.bits.div_ceil(8))) as u16;
        Layout::of_samples(samples, bytes, self.channels, self.sample_rate).map(Some)
    }

    /// Bits of a sample before a lossless codec encoded it, 0 where nothing tells them: Core Audio's flags number those that are common.
    fn source_bits(&self) -> u32 {
        match self.flags {
            _ if (4..=32).contains(&self.bits) => self.bits.into(),
            1 => 16,
            2 => 20,
            3 => 24,
            4 => 32,
            _ => 0,
        }
    }

    /// The stream of a codec with packets. `sound` holds the packets.
    fn stream(&self, cookie: &[u8], sound: &mut Source<'_>) -> Result<Stream, AudioErrorKind> {
        let (rate, channels) = (self.sample_rate, self.channels);
        match &self.codec {
            b"alac" => {
                // Old cookies have MP4's boxes around them.
                let cookie = if cookie.get(4..8) == Some(b"frma") {
                    cookie.get(24..).unwrap_or_default()
                } else {
                    cookie
                };
                let mut alac = parameters(CODEC_ID_ALAC, rate, channels);
                alac.with_extra_data(cookie.into());
                Ok(Stream::symphonia(alac))
            }
            // FFmpeg leaves the cookie out; most frames describe themselves.
            b"flac" => flac::stream_of_frame(&sound.peek(64)?, stream_info(cookie), rate, self.source_bits()),
            b".mp1" => Ok(Stream::symphonia(parameters(CODEC_ID_MP1, rate, channels))),
            b".mp2" => Ok(Stream::symphonia(parameters(CODEC_ID_MP2, rate, channels))),
            b".mp3" => Ok(Stream::symphonia(parameters(CODEC_ID_MP3, rate, channels))),
            b"aac " => mp4::mpeg4_stream(cookie, rate, channels, "CAF"),
            b"opus" => {
                let mut head = b"OpusHead\x01".to_vec();
                head.extend([self.channels as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                Ok(Stream::new(Codec::Opus(OpusHead::parse(&head)?)))
            }
            other => {
                Err(AudioErrorKind::UnsupportedCodec { codec: codec::four_character_name(other, "CAF") })
            }
        }
    }
}

/// The body of the STREAMINFO block in a cookie of FLAC: as in MP4's box, as at the start of a file, or alone.
fn stream_info(cookie: &[u8]) -> &[u8] {
    // The block has a header of four bytes, and the box a version and flags before it.
    match cookie {
        [_, _, _, _, b'd', b'f', b'L', b'a', rest @ ..] => rest.get(8..).unwrap_or_default(),
        [b'f', b'L', b'a', b'C', rest @ ..] => rest.get(4..).unwrap_or_default(),
        _ => cookie,
    }
}

/// The `pakt` chunk.
struct Table {
    packets: Vec<(u64, u64)>,
    /// Frames that are sound.
    valid: Option<u64>,
    /// Frames to leave out before these, and after them.
    priming: u64,
    remainder: u64,
}

impl Table {
    /// Keeps all frames of the packets, with a warning, where a packet or more would be left out uncounted.
    fn keep_what_is_held(&mut self) -> Option<AudioWarning> {
        let sum = |sum: u64, (_, frames): &(u64, u64)| sum.saturating_add(*frames);
        let found = self.packets.iter().fold(0, sum).saturating_sub(self.priming + self.remainder);
        let longest = self.packets.iter().map(|(_, frames)| *frames).max().unwrap_or(0);
        let declared = self.valid.filter(|valid| valid.saturating_add(longest) <= found)?;
        self.valid = Some(found);
        Some(AudioWarning::WrongLength { unit: "frames of CAF packets", declared, found })
    }

    /// Lists the packets; of a cut table those that are whole.
    fn parse(chunk: &[u8], description: &Description, is_cut: bool) -> Result<Self, AudioErrorKind> {
        let cut = || AudioErrorKind::malformed("CAF packet table must be whole, got a part of it");
        let (count, valid) = (be(chunk, 0, 8).ok_or_else(cut)?, be(chunk, 8, 8).ok_or_else(cut)?);
        let (priming, remainder) = (be(chunk, 16, 4).ok_or_else(cut)?, be(chunk, 20, 4).ok_or_else(cut)?);
        let mut rest = chunk.get(24..).ok_or_else(cut)?;
        let mut packets = Vec::new();
        for _ in 0..count {
            let mut field = |known: u64| if known > 0 { Some(known) } else { number(&mut rest) };
            let (bytes, frames) = match (field(description.packet_bytes), field(description.packet_frames)) {
                (Some(bytes), Some(frames)) => (bytes, frames),
                _ if is_cut => break,
                _ => return Err(cut()),
            };
            if description.packet_bytes > 0 && description.packet_frames > 0 && packets.len() > MAX_UNLISTED {
                return Err(AudioErrorKind::malformed(format!(
                    "CAF file must have at most {MAX_UNLISTED} packets that it does not list, got {count}"
                )));
            }
            packets.push((bytes, frames));
        }
        let valid = Some(valid).filter(|&valid| valid > 0 && valid < 1 << 62);
        Ok(Self { packets, valid, priming, remainder })
    }
}

/// A number of seven bits a byte, the highest first.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number = number.checked_mul(128)? | u64::from(byte & 0x7F);
        if byte < 0x80 {
            return Some(number);
        }
    }
}

/// Packets that lie one after the other.
struct Packets<'s> {
    source: Source<'s>,
    stream: Option<Stream>,
    packets: std::vec::IntoIter<(u64, u64)>,
    /// The numbers of FLAC frames, which replace the table's frames.
    numbers: Option<Numbers>,
    /// Whether the last packets are not known.
    table_is_cut: bool,
    /// Frames a second of those that the table counts.
    sample_rate: f64,
    /// Frames of the packets so far.
    frames: u64,
    /// Frames up to the end of the sound.
    end: u64,
    warnings: Vec<AudioWarning>,
}

impl Demuxer for Packets<'_> {
    fn next(&mut self) -> Result<Item, AudioErrorKind> {
        if let Some(stream) = self.stream.take() {
            return Ok(Item::Stream(stream));
        }
        let Some((bytes, frames)) = self.packets.next() else {
            let (at, bytes) = (self.source.position(), self.source.left());
            if !self.table_is_cut && !is_filler(&mut self.source, at)? {
                self.warnings.push(AudioWarning::BytesAfter { bytes });
            }
            return Ok(Item::End);
        };
        let data = self.source.bytes(bytes)?;
        if (data.len() as u64) < bytes {
            let found = data.len() as u64;
            return Err(AudioErrorKind::Truncated { unit: "bytes of a CAF packet", declared: bytes, found });
        }
        // A packet that decodes to less than it counts shows in the next one's time. The last one may be shorter.
        let own = self.numbers.as_mut().and_then(|numbers| numbers.of(&data));
        let (start, frames) = own.unwrap_or((self.frames, frames));
        self.frames = start.saturating_add(frames);
        // An empty packet tells by the time of its end that its frames are missing.
        let time = if bytes == 0 { self.frames.min(self.end).max(start) } else { start };
        let time = Some(time as f64 / self.sample_rate);
        Ok(Item::Packet(Packet { data, frames, time, ..Default::default() }))
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}
