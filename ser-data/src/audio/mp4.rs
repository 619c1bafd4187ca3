//! What Symphonia's MP4 reader leaves out: encoder delay and padding, which the edit list or iTunes' tag tells
//! (ISO/IEC 14496-12, 8.6.6).

use super::AudioErrorKind;

/// The first sound track, as far as its trimming and its name matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AudioTrack {
    /// Identifier of the track in the file.
    pub(super) id: u32,
    /// Four-character code of its codec.
    pub(super) codec: String,
    /// Ticks a second of `start` and `length`.
    pub(super) timescale: u32,
    /// Ticks of encoder delay to leave out.
    pub(super) start: u64,
    /// Ticks to keep after that; all of them where the file doesn't say.
    pub(super) length: Option<u64>,
}

/// Finds the first sound track. `None` where there is none, or where the boxes make no sense: the decoder will say.
pub(super) fn first_audio_track(bytes: &[u8]) -> Result<Option<AudioTrack>, AudioErrorKind> {
    let mut moov = None;
    for item in Boxes(bytes) {
        match item {
            Ok((b"moov", body)) => moov = moov.or(Some(body)),
            Ok(_) => {}
            Err(cut) => return Err(cut),
        }
    }
    Ok(moov.and_then(|moov| {
        let movie_timescale = timescale(child(moov, b"mvhd")?)?;
        let mut track = children(moov, b"trak").find_map(|trak| audio_track(trak, movie_timescale))?;
        if track.start == 0
            && let Some((delay, length)) = itunes_gapless(moov)
        {
            (track.start, track.length) = (delay, Some(length));
        }
        Some(track)
    }))
}

fn audio_track(trak: &[u8], movie_timescale: u32) -> Option<AudioTrack> {
    let mdia = child(trak, b"mdia")?;
    if child(mdia, b"hdlr")?.get(8..12)? != b"soun" {
        return None;
    }
    let tkhd = child(trak, b"tkhd")?;
    // Version 1 has 64-bit times in front of the identifier.
    let id = u32_at(tkhd, if *tkhd.first()? == 1 { 20 } else { 12 })?;
    let timescale = timescale(child(mdia, b"mdhd")?)?;
    let stsd = child(child(child(mdia, b"minf")?, b"stbl")?, b"stsd")?;
    let codec = stsd.get(12..16).map(|code| code.escape_ascii().to_string())?;

    let edits = child(trak, b"edts").and_then(|edts| child(edts, b"elst")).map(edits).unwrap_or_default();
    // One edit says what to play. More of them rearrange the track, which nobody does to speech.
    let (start, length) = match edits[..] {
        [(duration, start)] => {
            let ticks = u128::from(duration) * u128::from(timescale);
            let length = u64::try_from(ticks.div_ceil(u128::from(movie_timescale))).ok().filter(|&l| l > 0);
            (start, length)
        }
        _ => (0, None),
    };
    Some(AudioTrack { id, codec, timescale, start, length })
}

/// Entries of the edit list that play media: (duration in the movie's ticks, start in the track's ticks).
fn edits(elst: &[u8]) -> Vec<(u64, u64)> {
    let wide = elst.first() == Some(&1);
    let entries = elst.get(8..).unwrap_or_default().chunks_exact(if wide { 20 } else { 12 });
    entries
        .filter_map(|entry| {
            if wide {
                Some((u64_at(entry, 0)?, u64_at(entry, 8)? as i64))
            } else {
                Some((u32_at(entry, 0)?.into(), i64::from(u32_at(entry, 4)? as i32)))
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
    let (_, body) = Boxes(moov.get(at..)?).next()?.ok().filter(|(kind, _)| *kind == b"data")?;
    let text = std::str::from_utf8(body.get(8..)?).ok()?;
    let mut words = text.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16));
    let (delay, length) = (words.nth(1)?.ok()?, words.nth(1)?.ok()?);
    (length > 0).then_some((delay, length))
}

/// Ticks a second, from a movie's or a medium's header.
fn timescale(header: &[u8]) -> Option<u32> {
    u32_at(header, if *header.first()? == 1 { 20 } else { 12 }).filter(|&t| t > 0)
}

fn child<'a>(bytes: &'a [u8], kind: &'static [u8; 4]) -> Option<&'a [u8]> {
    children(bytes, kind).next()
}

fn children<'a>(bytes: &'a [u8], kind: &'static [u8; 4]) -> impl Iterator<Item = &'a [u8]> {
    Boxes(bytes).filter_map(Result::ok).filter(move |(k, _)| *k == kind).map(|(_, body)| body)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

/// The boxes that follow one another in a slice: their kind and body, or the one that is longer than the slice.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<(&'a [u8; 4], &'a [u8]), AudioErrorKind>;

    fn next(&mut self) -> Option<Self::Item> {
        let all = std::mem::take(&mut self.0);
        let kind = all.get(4..8)?.try_into().ok()?;
        let (header, size) = match u32_at(all, 0)? {
            0 => (8, all.len() as u64),
            1 => (16, u64_at(all, 8)?),
            size => (8, u64::from(size)),
        };
        let whole = usize::try_from(size).ok().and_then(|size| all.split_at_checked(size));
        let Some((this, rest)) = whole else {
            return Some(Err(AudioErrorKind::Truncated {
                unit: "bytes of an MP4 box",
                declared: size,
                found: all.len() as u64,
            }));
        };
        self.0 = rest;
        Some(Ok((kind, this.get(header..)?)))
    }
}
