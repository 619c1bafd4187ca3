//! MP4, M4A, MOV and 3GP (ISO/IEC 14496-12, QuickTime): sample tables, fragments, and what is left out at both ends.

use std::collections::VecDeque;

use symphonia::core::codecs::audio::well_known::*;

use super::demux::{Codec, Demuxer, Item, Packet, Stream};
use super::source::{Source, be};
use super::tags::{is_filler, is_tag};
use super::{AudioErrorKind, AudioOptions, AudioWarning, mpeg};

mod boxes;
mod entry;
mod table;

use boxes::{Boxes, child, children};
pub(super) use entry::{aac_stream, mpeg4_stream};
use table::{Defaults, FragmentTime, Sample, Table};

/// Bytes that a packet of plain samples has at most.
const PIECE: u64 = 1 << 15;

/// The packets of the first sound track.
pub(super) struct Packets<'s> {
    source: Source<'s>,
    stream: Option<Stream>,
    /// The samples that the header's tables list.
    table: Option<Table>,
    /// Samples of the current fragment.
    queue: VecDeque<Sample>,
    /// Where the next box that may be a fragment begins; `None` in files without fragments.
    next_box: Option<u64>,
    track: u32,
    defaults: Defaults,
    clock: Clock,
    /// Bytes of a frame of plain samples.
    frame_bytes: Option<u64>,
    /// Ticks at the end of the samples that the tables list.
    end: Option<u64>,
    warnings: Vec<AudioWarning>,
}

impl<'s> Packets<'s> {
    pub(super) fn open(mut source: Source<'s>, options: &AudioOptions) -> Result<Self, AudioErrorKind> {
        let mut warnings = Vec::new();
        let (mut moov, mut at, mut first_moof) = (None, 0, None);
        // Where a joined file begins, and whether it has an index of its own.
        let (mut joined, mut second) = (None, false);
        loop {
            let (kind, header, size) = match next_box(&mut source, at) {
                Ok(Some(found)) => found,
                Ok(None) => {
                    // A tag, zeros, or less than a box's header.
                    let rest = source.peek_at(at, 8)?;
                    if rest.len() < 8 && rest.iter().any(|&byte| byte != 0) {
                        warnings.push(AudioWarning::BytesAfter { bytes: rest.len() as u64 });
                    }
                    break;
                }
                // Fragments before the damage are read; the error occurs again when reading reaches it.
                Err(error) if options.allow_truncated && error.is_damage() && moov.is_some() => {
                    if first_moof.is_none() {
                        warnings.push(AudioWarning::CutShort { reason: error.to_string() });
                    }
                    break;
                }
                Err(error) => return Err(error),
            };
            let found = source.len() - at;
            if size > found {
                if moov.is_some() && !holds_sound(&mut source, at)? {
                    warnings.push(AudioWarning::BytesAfter { bytes: found });
                    break;
                }
                if moov.is_none() && first_moof.is_some() {
                    break;
                }
                let (is_index, declared) = (&kind == b"moov", size);
                if moov.is_none() {
                    let unit = if is_index { "bytes of this index (moov)" } else { "bytes of an MP4 box" };
                    return Err(AudioErrorKind::NoIndex { unit, declared, found });
                }
                let error = AudioErrorKind::Truncated { unit: "bytes of an MP4 box", declared, found };
                if !options.allow_truncated || is_index {
                    return Err(error);
                }
                warnings.push(AudioWarning::CutShort { reason: error.to_string() });
            }
            match &kind {
                b"moov" if moov.is_none() => moov = Some(source.peek_at(at + header, size - header)?),
                b"moof" => first_moof = first_moof.or(Some(at)),
                b"ftyp" if moov.is_some() => joined = joined.or(Some(at)),
                b"moov" => {
                    (joined, second) = (joined.or(Some(at)), true);
                }
                _ => {}
            }
            at = at.saturating_add(size);
        }
        if let Some(at) = joined.filter(|_| second && first_moof.is_none()) {
            warnings.push(AudioWarning::BytesAfter { bytes: source.len() - at });
        }
        let no_index = "MP4 file must have a moov box, its index, got none (it may be truncated, or its recorder was \
                        interrupted)";
        let moov = match (moov, first_moof) {
            (Some(moov), _) => moov,
            (None, Some(_)) => return Err(AudioErrorKind::NoBeginning { container: "fragmented MP4" }),
            (None, None) => return Err(AudioErrorKind::malformed(no_index)),
        };
        let (trak, entry) = first_sound(&moov)?;
        let mut entry = entry?;
        let mdia = child(trak, b"mdia").unwrap_or_default();
        let timescale = child(mdia, b"mdhd").and_then(timescale).unwrap_or(entry.sample_rate);
        entry.stream.timescale = Some(timescale);
        gaps(&moov, trak, timescale, &mut entry.stream);
        let track = child(trak, b"tkhd").and_then(track_id).unwrap_or(0);
        let stbl = child(child(mdia, b"minf").unwrap_or_default(), b"stbl").unwrap_or_default();
        let table = Table::parse(stbl, entry.frame_bytes)?;
        if let Some(fault) = table.fault() {
            // Without samples there is nothing to warn of.
            if !options.allow_truncated || table.left() == 0 && first_moof.is_none() {
                return Err(fault);
            }
            warnings.push(AudioWarning::CutShort { reason: fault.to_string() });
        }
        let defaults = children(child(&moov, b"mvex").unwrap_or_default(), b"trex")
            .find(|trex| be(trex, 4, 4) == Some(track.into()))
            .map(Defaults::of_trex)
            .unwrap_or_default();
        let clock = Clock { timescale, tables: table.left() > 0, ..Clock::default() };
        Ok(Self {
            source,
            clock,
            stream: Some(entry.stream),
            table: Some(table),
            queue: VecDeque::new(),
            next_box: first_moof,
            track,
            defaults,
            frame_bytes: entry.frame_bytes,
            end: None,
            warnings,
        })
    }

    /// The next sample: of the header's tables, then of the fragments.
    fn next_sample(&mut self) -> Result<Option<Sample>, AudioErrorKind> {
        if let Some(table) = &mut self.table {
            if let Some(sample) = table.next() {
                return Ok(Some(sample));
            }
            if table.left() > 0 {
                let left = table.left();
                return Err(AudioErrorKind::malformed(format!(
                    "MP4 tables must give the place of each sample, got none of the last {left}"
                )));
            }
            // Fragments that follow have a clock of their own.
            self.end = table.end().filter(|_| self.next_box.is_none());
            self.table = None;
        }
        loop {
            if let Some(sample) = self.queue.pop_front() {
                return Ok(Some(sample));
            }
            let Some(at) = self.next_box else { return Ok(None) };
            let Some((kind, header, size)) = next_box(&mut self.source, at)? else { return Ok(None) };
            if &kind == b"moof" {
                let moof = self.source.peek_at(at + header, size - header)?;
                let times = table::fragment(&moof, at, self.track, &self.defaults, &mut self.queue)?;
                times.into_iter().for_each(|time| self.clock.run(time));
            }
            self.next_box = Some(at.saturating_add(size));
        }
    }
}

/// The clock of fragments, which runs on where one of them is missing.
#[derive(Default)]
struct Clock {
    /// Ticks a second.
    timescale: u32,
    /// Whether samples of the header's tables come before the fragments.
    tables: bool,
    /// When the sound begins, and when the next fragment is due, in ticks.
    start: Option<u64>,
    due: Option<u64>,
    /// Where the first gap is, and how long all are, in ticks.
    gap: Option<(u64, u64)>,
}

impl Clock {
    fn run(&mut self, FragmentTime { start, ticks }: FragmentTime) {
        // Recorders round: less than ten milliseconds is nothing.
        let jitter = u64::from(self.timescale / 100);
        let first = *self.start.get_or_insert(if self.tables { 0 } else { start });
        let missing = self.due.map_or(0, |due| start.saturating_sub(due));
        if missing > jitter {
            let (_, all) = self.gap.get_or_insert(((start - missing).saturating_sub(first), 0));
            *all += missing;
        }
        // Without durations nothing tells when the next one is due.
        self.due = ticks.map(|ticks| start.saturating_add(ticks));
    }

    fn warning(&mut self) -> Option<AudioWarning> {
        let (at, missing) = self.gap.take()?;
        Some(AudioWarning::Gap { seconds: self.seconds(at), missing: self.seconds(missing) })
    }

    fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / f64::from(self.timescale.max(1))
    }
}

/// Kind of the box at a place, bytes of its header and of all of it; `None` at the end of the file.
fn next_box(source: &mut Source<'_>, at: u64) -> Result<Option<([u8; 4], u64, u64)>, AudioErrorKind> {
    let header = source.peek_at(at.min(source.len()), 16)?;
    let (Some(size), Some(kind)) = (be(&header, 0, 4), header.get(4..8)) else { return Ok(None) };
    let kind = [kind[0], kind[1], kind[2], kind[3]];
    let (bytes, size) = match size {
        0 => (8, 0),
        1 => (16, be(&header, 8, 8).unwrap_or(0)),
        size => (8, size),
    };
    // In these boxes, size 0 means up to the end of the file. In others it is an error.
    let size = match &kind {
        b"mdat" | b"moov" | b"free" | b"skip" if size == 0 => source.len() - at,
        _ => size,
    };
    if size < bytes {
        // Zeros after the last box are filler.
        return if at > 0 && size == 0 && is_filler(source, at)? {
            Ok(None)
        } else {
            Err(AudioErrorKind::malformed(format!(
                "MP4 box at byte {at} must have {bytes} bytes or more, got {size}"
            )))
        };
    }
    // A tag after the boxes parses as the header of a box of a gigabyte.
    if is_tag(&header) && size > source.len() - at {
        return Ok(None);
    }
    Ok(Some((kind, bytes, size)))
}

/// Whether a box of audio data or an index begins within a mebibyte after a place. If not, the bytes there are no part of a file whose index
/// was read.
fn holds_sound(source: &mut Source<'_>, at: u64) -> Result<bool, AudioErrorKind> {
    const SEARCHED: u64 = 1 << 20;
    let rest = source.peek_at(at, SEARCHED)?;
    Ok(rest.windows(4).any(|kind| [b"moov", b"moof", b"mdat"].iter().any(|known| kind == *known)))
}

/// The first sound track that can be read, or the reason why the first can't.
fn first_sound(moov: &[u8]) -> Result<(&[u8], Result<entry::Entry, AudioErrorKind>), AudioErrorKind> {
    let mut first = None;
    for trak in children(moov, b"trak") {
        let mdia = child(trak, b"mdia").unwrap_or_default();
        if child(mdia, b"hdlr").and_then(|hdlr| hdlr.get(8..12)) != Some(b"soun") {
            continue;
        }
        let stbl = child(child(mdia, b"minf").unwrap_or_default(), b"stbl").unwrap_or_default();
        let entry = entry::Entry::parse(child(stbl, b"stsd").unwrap_or_default());
        if entry.is_ok() {
            return Ok((trak, entry));
        }
        first = first.or(Some((trak, entry)));
    }
    first.ok_or(AudioErrorKind::NoAudioTrack)
}

/// Finds the encoder's delay and padding in the edit list, or in iTunes' tag (ISO/IEC 14496-12, 8.6.6).
fn gaps(moov: &[u8], trak: &[u8], timescale: u32, stream: &mut Stream) {
    let movie_timescale = child(moov, b"mvhd").and_then(self::timescale).unwrap_or(1);
    let list = child(trak, b"edts").and_then(|edts| child(edts, b"elst")).map(edits).unwrap_or_default();
    // A single edit gives the part to play. Several edits rearrange the track and are ignored.
    if let [(duration, start)] = list[..] {
        let ticks = u128::from(duration) * u128::from(timescale);
        stream.skip = start;
        stream.keep = u64::try_from(ticks.div_ceil(movie_timescale.into())).ok().filter(|&length| length > 0);
    }
    if stream.skip == 0
        && let Some((delay, length)) = itunes_gapless(moov)
    {
        (stream.skip, stream.keep) = (delay, Some(length));
    }
}

/// Entries of the edit list that play media: (duration in the movie's ticks, start in the track's ticks).
fn edits(elst: &[u8]) -> Vec<(u64, u64)> {
    let wide = elst.first() == Some(&1);
    let entries = elst.get(8..).unwrap_or_default().chunks_exact(if wide { 20 } else { 12 });
    entries
        .filter_map(|entry| {
            if wide {
                Some((be(entry, 0, 8)?, be(entry, 8, 8)? as i64))
            } else {
                Some((be(entry, 0, 4)?, i64::from(be(entry, 4, 4)? as u32 as i32)))
            }
        })
        // A start of −1 is an empty edit: silence in front.
        .filter_map(|(duration, start)| Some((duration, u64::try_from(start).ok()?)))
        .collect()
}

/// `iTunSMPB`: hexadecimal words, of which the second is the delay and the fourth the length in samples.
fn itunes_gapless(moov: &[u8]) -> Option<(u64, u64)> {
    let tag = b"iTunSMPB";
    let at = moov.windows(tag.len()).position(|w| w == tag)? + tag.len();
    let (_, body) = Boxes(moov.get(at..)?).next().filter(|(kind, _)| *kind == b"data")?;
    let text = std::str::from_utf8(body.get(8..)?).ok()?;
    let mut words = text.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16));
    let (delay, length) = (words.nth(1)?.ok()?, words.nth(1)?.ok()?);
    (length > 0).then_some((delay, length))
}

/// Ticks a second, from a movie's or a medium's header. Version 1 has 64-bit times in front.
fn timescale(header: &[u8]) -> Option<u32> {
    be(header, if *header.first()? == 1 { 20 } else { 12 }, 4)
        .map(|ticks| ticks as u32)
        .filter(|&ticks| ticks > 0)
}

fn track_id(tkhd: &[u8]) -> Option<u32> {
    be(tkhd, if *tkhd.first()? == 1 { 20 } else { 12 }, 4).map(|id| id as u32)
}

impl Demuxer for Packets<'_> {
    fn next(&mut self) -> Result<Item, AudioErrorKind> {
        if let Some(mut stream) = self.stream.take() {
            self.choose_layer(&mut stream)?;
            return Ok(Item::Stream(stream));
        }
        let Some(Sample { offset, bytes, start }) = self.next_sample()? else {
            if let Some(end) = self.end.take() {
                return Ok(Item::Packet(Packet {
                    time: Some(self.clock.seconds(end)),
                    ..Default::default()
                }));
            }
            self.warnings.extend(self.clock.warning());
            return Ok(Item::End);
        };
        let found = self.source.len().saturating_sub(offset);
        if found < bytes {
            return Err(AudioErrorKind::Truncated { unit: "bytes of an MP4 sample", declared: bytes, found });
        }
        self.source.seek(offset)?;
        let piece = self.frame_bytes.map_or(bytes, |frame| bytes.min((PIECE / frame).max(1) * frame));
        if piece < bytes {
            self.put_back(Sample { offset: offset + piece, bytes: bytes - piece, start: None });
        }
        let data = self.source.bytes(piece)?;
        let frames = self.frame_bytes.map_or(0, |frame| piece / frame);
        // An empty sample is left to the decoder, which refuses it.
        let start = start.filter(|_| bytes > 0);
        let time = start.map(|start| self.clock.seconds(start));
        Ok(Item::Packet(Packet { data, frames, time, ..Default::default() }))
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}

impl Packets<'_> {
    /// Takes the layer of MPEG audio from the first frame, because the sample description often has no layer or a wrong one.
    fn choose_layer(&mut self, stream: &mut Stream) -> Result<(), AudioErrorKind> {
        let Codec::Symphonia(parameters) = &mut stream.codec else { return Ok(()) };
        if parameters.codec == CODEC_ID_MP3
            && let Some(first) = self.next_sample()?
        {
            let layer = mpeg::layer(&self.source.peek_at(first.offset, 4)?);
            parameters.codec = layer.unwrap_or(CODEC_ID_MP3);
            self.put_back(first);
        }
        Ok(())
    }

    /// Makes a sample, or the rest of a chunk of plain samples, the next one to be read.
    fn put_back(&mut self, sample: Sample) {
        match &mut self.table {
            Some(table) => table.push_front(sample),
            None => self.queue.push_front(sample),
        }
    }
}
