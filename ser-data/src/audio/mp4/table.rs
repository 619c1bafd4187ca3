//! Positions of samples: the tables of a `stbl` box, and the runs of a fragment.

use std::collections::VecDeque;

use super::boxes::{child, children};
use super::{AudioErrorKind, be};

/// Most samples of a fragment that lists nothing of them: a damaged count may not take all memory.
const MAX_UNLISTED: usize = 1 << 20;

/// A sample, or a chunk of plain samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// When it begins, in the track's ticks, where a table tells it.
    pub(super) start: Option<u64>,
}

/// The tables of a track, read chunk by chunk.
pub(super) struct Table {
    /// Bytes of all samples, or 0 where `sizes` lists them.
    size: u64,
    /// Bits of each entry of `sizes`.
    size_bits: u32,
    sizes: Vec<u8>,
    /// Samples that are left.
    left: u64,
    /// Number of the next sample.
    sample: u64,
    /// First chunk, counted from 1, and samples in a chunk from there on.
    runs: Vec<(u64, u64)>,
    offsets: Vec<u8>,
    wide: bool,
    /// Number of the next chunk.
    chunk: u64,
    /// Samples left in the current chunk, and where the next lies.
    in_chunk: u64,
    offset: u64,
    frame_bytes: Option<u64>,
    times: Times,
    front: VecDeque<Sample>,
}

/// When samples begin, by their durations (`stts`).
struct Times {
    /// Samples that follow one another, and the ticks of each.
    runs: VecDeque<(u64, u64)>,
    next: u64,
}

impl Times {
    fn parse(stts: &[u8]) -> Self {
        let runs = stts.get(8..).unwrap_or_default().chunks_exact(8);
        Self { runs: runs.filter_map(|run| Some((be(run, 0, 4)?, be(run, 4, 4)?))).collect(), next: 0 }
    }

    /// Samples that are still to come.
    fn left(&self) -> u64 {
        self.runs.iter().map(|(count, _)| count).sum()
    }

    fn next(&mut self) -> Option<u64> {
        while self.runs.front().is_some_and(|(count, _)| *count == 0) {
            self.runs.pop_front();
        }
        let (count, ticks) = self.runs.front_mut()?;
        *count -= 1;
        let start = self.next;
        self.next = start.saturating_add(*ticks);
        Some(start)
    }
}

impl Table {
    pub(super) fn parse(stbl: &[u8], frame_bytes: Option<u64>) -> Result<Self, AudioErrorKind> {
        let damaged =
            |kind: &str| AudioErrorKind::malformed(format!("MP4 box {kind} must be whole, got a part of it"));
        let body = |kind| child(stbl, kind);
        let (mut size, mut size_bits, mut sizes, mut left) = (0, 32, Vec::new(), 0);
        if let Some(stsz) = body(b"stsz") {
            size = be(stsz, 4, 4).ok_or_else(|| damaged("stsz"))?;
            left = be(stsz, 8, 4).ok_or_else(|| damaged("stsz"))?;
            sizes = stsz.get(12..).unwrap_or_default().to_vec();
        } else if let Some(stz2) = body(b"stz2") {
            size_bits = be(stz2, 7, 1)
                .filter(|bits| [4, 8, 16].contains(bits))
                .ok_or_else(|| damaged("stz2"))? as u32;
            left = be(stz2, 8, 4).ok_or_else(|| damaged("stz2"))?;
            sizes = stz2.get(12..).unwrap_or_default().to_vec();
        }
        if size == 0 && (sizes.len() as u64) < (left * u64::from(size_bits)).div_ceil(8) {
            return Err(damaged("stsz"));
        }
        let stsc = body(b"stsc").unwrap_or_default();
        let runs = stsc.get(8..).unwrap_or_default().chunks_exact(12);
        let runs: Vec<_> = runs.filter_map(|run| Some((be(run, 0, 4)?, be(run, 4, 4)?))).collect();
        let descriptions = stsc.get(8..).unwrap_or_default().chunks_exact(12).filter_map(|run| be(run, 8, 4));
        one_description(descriptions.max())?;
        let wide = body(b"co64").is_some();
        let offsets = body(if wide { b"co64" } else { b"stco" }).unwrap_or_default();
        let offsets = offsets.get(8..).unwrap_or_default().to_vec();
        if left > 0 && (runs.is_empty() || offsets.is_empty()) {
            return Err(damaged("stsc or stco"));
        }
        let times = Times::parse(body(b"stts").unwrap_or_default());
        let (sample, chunk, in_chunk, offset, front) = (0, 0, 0, 0, VecDeque::new());
        Ok(Self {
            size,
            size_bits,
            sizes,
            left,
            sample,
            runs,
            offsets,
            wide,
            chunk,
            in_chunk,
            offset,
            frame_bytes,
            times,
            front,
        })
    }

    pub(super) fn push_front(&mut self, sample: Sample) {
        self.front.push_front(sample);
    }

    /// The next sample; of plain samples all of a chunk.
    pub(super) fn next(&mut self) -> Option<Sample> {
        if let Some(sample) = self.front.pop_front() {
            return Some(sample);
        }
        while self.left > 0 && self.in_chunk == 0 {
            let bytes = if self.wide { 8 } else { 4 };
            self.offset = be(&self.offsets, usize::try_from(self.chunk).ok()?.checked_mul(bytes)?, bytes)?;
            self.chunk += 1;
            let run = self.runs.partition_point(|(first, _)| *first <= self.chunk).checked_sub(1)?;
            self.in_chunk = self.runs[run].1.min(self.left);
        }
        if self.left == 0 {
            return None;
        }
        let (count, bytes, start) = match self.frame_bytes {
            // QuickTime counts frames, and may call each one byte.
            Some(frame) => (self.in_chunk, self.in_chunk * frame, None),
            None => (1, self.sample_bytes()?, self.times.next()),
        };
        let sample = Sample { offset: self.offset, bytes, start };
        self.offset = self.offset.saturating_add(bytes);
        self.sample += count;
        self.left -= count;
        self.in_chunk -= count;
        Some(sample)
    }

    fn sample_bytes(&self) -> Option<u64> {
        if self.size > 0 {
            return Some(self.size);
        }
        let bit = self.sample * u64::from(self.size_bits);
        let at = usize::try_from(bit / 8).ok()?;
        match self.size_bits {
            4 => be(&self.sizes, at, 1).map(|byte| if bit.is_multiple_of(8) { byte >> 4 } else { byte & 15 }),
            bits => be(&self.sizes, at, bits as usize / 8),
        }
    }

    /// That the tables time more samples than they list: what the others were is lost.
    pub(super) fn fault(&self) -> Option<AudioErrorKind> {
        let declared = self.times.left();
        let error = AudioErrorKind::Truncated { unit: "MP4 samples", declared, found: self.left };
        (declared > self.left).then_some(error)
    }

    /// Ticks at the end of the last sample, where the tables time all of them.
    pub(super) fn end(&self) -> Option<u64> {
        (self.frame_bytes.is_none() && self.times.next > 0 && self.times.left() == 0)
            .then_some(self.times.next)
    }

    /// Samples whose chunks the tables don't list.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

/// What holds for samples of fragments that don't say it themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    description: Option<u64>,
    duration: Option<u64>,
    size: u64,
}

impl Defaults {
    pub(super) fn of_trex(trex: &[u8]) -> Self {
        let (description, duration) = (be(trex, 8, 4), be(trex, 12, 4));
        Self { description, duration, size: be(trex, 16, 4).unwrap_or(0) }
    }
}

/// When a fragment begins and how long it is, in the track's ticks; the latter where its samples tell it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FragmentTime {
    pub(super) start: u64,
    pub(super) ticks: Option<u64>,
}

/// Refuses samples of another sample description than the first, which may have another codec.
fn one_description(highest: Option<u64>) -> Result<(), AudioErrorKind> {
    match highest {
        Some(2..) => Err(AudioErrorKind::UnsupportedCodec {
            codec: "an MP4 track of several codecs or settings".into(),
        }),
        _ => Ok(()),
    }
}

/// Takes the samples of a track from a fragment, whose `moof` box begins at byte `at`, and tells their times where it does.
pub(super) fn fragment(
    moof: &[u8],
    at: u64,
    track: u32,
    defaults: &Defaults,
    queue: &mut VecDeque<Sample>,
) -> Result<Vec<FragmentTime>, AudioErrorKind> {
    let mut times = Vec::new();
    let damaged =
        || AudioErrorKind::malformed(format!("MP4 fragment at byte {at} must be whole, got a part of it"));
    for traf in children(moof, b"traf") {
        let tfhd = child(traf, b"tfhd").ok_or_else(damaged)?;
        if be(tfhd, 4, 4) != Some(track.into()) {
            continue;
        }
        let flags = be(tfhd, 0, 4).ok_or_else(damaged)?;
        let mut fields = Fields { bytes: tfhd, at: 8 };
        let base = fields.optional(flags & 1 != 0, 8).ok_or_else(damaged)?.unwrap_or(at);
        let description = fields.optional(flags & 2 != 0, 4).ok_or_else(damaged)?;
        one_description(description.or(defaults.description))?;
        let duration = fields.optional(flags & 8 != 0, 4).ok_or_else(damaged)?.or(defaults.duration);
        let mut ticks = Some(0u64);
        let size = fields.optional(flags & 0x10 != 0, 4).ok_or_else(damaged)?.unwrap_or(defaults.size);
        let mut offset = base;
        for trun in children(traf, b"trun") {
            let (flags, count) = (be(trun, 0, 4).ok_or_else(damaged)?, be(trun, 4, 4).ok_or_else(damaged)?);
            let mut fields = Fields { bytes: trun, at: 8 };
            if let Some(own) = fields.optional(flags & 1 != 0, 4).ok_or_else(damaged)? {
                offset = base.saturating_add_signed(i64::from(own as u32 as i32));
            }
            fields.optional(flags & 4 != 0, 4).ok_or_else(damaged)?;
            let listed = flags & 0xF00 != 0;
            for _ in 0..count {
                let own = fields.optional(flags & 0x100 != 0, 4).ok_or_else(damaged)?.or(duration);
                ticks = ticks.zip(own.filter(|&own| own > 0)).map(|(ticks, own)| ticks.saturating_add(own));
                let bytes = fields.optional(flags & 0x200 != 0, 4).ok_or_else(damaged)?.unwrap_or(size);
                fields.optional(flags & 0x400 != 0, 4).ok_or_else(damaged)?;
                fields.optional(flags & 0x800 != 0, 4).ok_or_else(damaged)?;
                if !listed && queue.len() > MAX_UNLISTED {
                    return Err(AudioErrorKind::malformed(format!(
                        "MP4 fragment at byte {at} must have at most {MAX_UNLISTED} samples that it does not list, got {count}"
                    )));
                }
                queue.push_back(Sample { offset, bytes, start: None });
                offset = offset.saturating_add(bytes);
            }
        }
        // Version 1 has 64 bits.
        let start =
            child(traf, b"tfdt").and_then(|tfdt| be(tfdt, 4, if tfdt.first() == Some(&1) { 8 } else { 4 }));
        times.extend(start.map(|start| FragmentTime { start, ticks }));
    }
    Ok(times)
}

/// Fields that flags announce.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    /// A field that may be left out; `None` after the end.
    fn optional(&mut self, present: bool, count: usize) -> Option<Option<u64>> {
        if !present {
            return Some(None);
        }
        self.at += count;
        be(self.bytes, self.at - count, count).map(Some)
    }
}
