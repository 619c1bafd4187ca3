//! Matroska and WebM (RFC 9559), as files and as what browsers record: clusters and segments without a size.

use std::collections::VecDeque;

use super::demux::{Demuxer, Item, Packet};
use super::source::{Source, be};
use super::tags::{is_filler, is_tag, tag_bytes};
use super::{AudioErrorKind, AudioOptions, AudioWarning};

mod ebml;
mod id;
mod lacing;
mod track;

use ebml::{child, element, float, unsigned, vint};
use lacing::laced;
use track::{Track, track};

/// Bytes at the end of a segment of unknown size that are no element: fewer are left out.
const FEW: u64 = 4096;

/// Seconds of a tick where the file doesn't tell.
const DEFAULT_TICK: f64 = 1e-3;

/// The packets of the first sound track that can be read, of each segment.
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
    allow_truncated: bool,
    /// The element that the file's end cuts, where its part is read: an error at the end.
    fault: Option<AudioErrorKind>,
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
            tick: DEFAULT_TICK,
            cluster: 0,
            duration: None,
            allow_truncated: options.allow_truncated,
            fault: None,
            unknown,
            warnings,
        };
        while packets.track.is_none() {
            if !packets.element()? {
                return Err(packets.fault.take().unwrap_or_else(no_tracks));
            }
        }
        Ok(packets)
    }

    /// Reads an element, or goes into it; `false` at the end of the file.
    fn element(&mut self) -> Result<bool, AudioErrorKind> {
        let at = self.source.position();
        let head = self.source.peek(12)?;
        if is_tag(&head)
            && let Some(tag) = tag_bytes(&mut self.source, at)?
        {
            self.source.skip(tag)?;
            return Ok(true);
        }
        if head.is_empty() || is_tag(&head) {
            return Ok(false);
        }
        let (header, left) = (element(&head), self.source.left());
        let is_behind = self.end.is_some_and(|end| at >= end);
        if is_behind && !header.is_some_and(|(id, ..)| id::is_long(id)) {
            let is_filler = is_filler(&mut self.source, at)?;
            return self.leave_out_rest(!is_filler);
        }
        let fits = |&(id, size, bytes): &(u32, Option<u64>, usize)| {
            id::is_known(id) || size.is_some_and(|size| bytes as u64 + size <= left)
        };
        let Some((id, size, bytes)) = header.filter(|header| self.end.is_some() || fits(header)) else {
            // Zeros within a segment of known size were something else. Of unknown size, a few bytes at the end are none of it.
            if self.end.is_none() && (left < FEW || is_filler(&mut self.source, at)?) {
                return self.leave_out_rest(true);
            }
            return Err(AudioErrorKind::malformed(format!(
                "byte {at} must begin a Matroska element, got other bytes"
            )));
        };
        self.source.skip(bytes as u64)?;
        let found = self.source.left();
        if let Some(declared) = size.filter(|&size| size > found) {
            let unit =
                if id == id::SEGMENT { "bytes of a Matroska segment" } else { "bytes of a Matroska element" };
            let error = AudioErrorKind::Truncated { unit, declared, found };
            // What these hold up to the cut may be wanted.
            if !matches!(id, id::SEGMENT | id::CLUSTER) || !self.allow_truncated {
                return Err(error);
            }
            self.fault.get_or_insert(error);
        }
        match (id, size) {
            (id::SEGMENT, size) => {
                self.end = size.map(|size| self.source.position().saturating_add(size));
                // Another segment is another file, joined to the one before, with tracks of its own.
                let ended = self.end_time();
                self.queue.extend(ended);
                (self.track, self.tick, self.cluster) = (None, DEFAULT_TICK, 0);
            }
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
                    "Matroska element at byte {at} must have a size, got none"
                )));
            }
        }
        Ok(true)
    }

    /// Goes to the end of the file, with or without a warning, and returns that it has ended.
    fn leave_out_rest(&mut self, warns: bool) -> Result<bool, AudioErrorKind> {
        let bytes = self.source.left();
        self.warnings.extend(warns.then_some(AudioWarning::BytesAfter { bytes }));
        self.source.skip(bytes)?;
        Ok(false)
    }

    /// The time at which the segment ends. It lasts as long as its longest track, so this tells only of a single one.
    fn end_time(&mut self) -> Option<Item> {
        let alone = self.track.as_ref().is_some_and(|track| track.alone);
        let ticks = self.duration.take().filter(|_| alone)?;
        Some(Item::Packet(Packet { time: Some(ticks * self.tick), ..Default::default() }))
    }

    /// Takes the packets of a block, of whose last `padding` nanoseconds are none.
    fn block(&mut self, block: &[u8], padding: u64) -> Result<(), AudioErrorKind> {
        let Some(track) = &self.track else { return Ok(()) };
        let damaged = || {
            AudioErrorKind::malformed("Matroska block must be as long as its header says, got a shorter one")
        };
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

fn no_tracks() -> AudioErrorKind {
    AudioErrorKind::malformed("Matroska file must have a Tracks element, got none")
}

/// Whether a cluster begins here: an identifier, a size, and an element that clusters begin with.
pub(super) fn is_cluster(bytes: &[u8]) -> bool {
    const POSITION: u32 = 0xA7;
    const PREVIOUS_SIZE: u32 = 0xAB;
    let inside =
        element(bytes).filter(|(id, ..)| *id == id::CLUSTER).and_then(|(.., head)| bytes.get(head..));
    inside.and_then(element).is_some_and(|(id, ..)| {
        matches!(id, id::TIMESTAMP | id::SIMPLE_BLOCK | id::BLOCK_GROUP | POSITION | PREVIOUS_SIZE)
    })
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
            let more = self.element();
            if let Ok(true) = more {
                continue;
            }
            if let Some((at, bytes)) = self.unknown.take() {
                self.warnings.push(AudioWarning::Unknown { at, bytes });
            }
            if let Some(fault) = self.fault.take().or(more.err()) {
                return Err(fault);
            }
            if self.track.is_none() {
                return Err(no_tracks());
            }
            return Ok(self.end_time().unwrap_or(Item::End));
        }
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}
