//! Detection of a container by its first bytes.

use super::demux::Demuxer;
use super::source::{Source, be};
use super::tags::id3_bytes;
use super::{AudioErrorKind, AudioOptions, AudioWarning, aiff, au, caf, flac, matroska, mp4, mpeg, ogg, wav};

/// Bytes that are looked at.
const START: u64 = 1 << 14;

/// Bytes of a file without a beginning that are searched for a part of a container: an OGG page has up to 65,307.
const PIECE: u64 = 1 << 17;

/// Bytes of the header of an OGG page.
const PAGE: usize = 27;

/// Bytes of the header of an ID3 tag.
const ID3_HEADER: u64 = 10;

/// Opens a file with the reader of its container.
pub(super) fn open<'s>(
    mut source: Source<'s>,
    extension: Option<&str>,
    options: &AudioOptions,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    // FLAC, MPEG and ADTS files may carry ID3 tags in front. Taggers write them before files of other formats too.
    let (mut front, bytes) = (0, source.len());
    while let Some(id3) = id3_bytes(&source.peek_at(front, 10)?) {
        if front + id3 > bytes {
            return after_long_id3(source, front, id3, options);
        }
        front += id3;
    }
    if front > 0 {
        source = source.part(front, u64::MAX)?;
    }
    let start = source.peek(START)?;
    if start.is_empty() {
        return Err(AudioErrorKind::Empty { bytes });
    }
    let at = |from: usize, len: usize| start.get(from..from + len).unwrap_or_default();
    match at(0, 4) {
        b"RIFF" | b"RF64" | b"BW64" if at(8, 4) == b"WAVE" => return wav::open(source, options),
        b"riff" if at(0, 16) == wav::W64_MAGIC => return wav::open_w64(source, options),
        b"FORM" if matches!(at(8, 4), b"AIFF" | b"AIFC") => return aiff::open(source, options),
        b".snd" => return au::open(source, options),
        b"caff" => return caf::open(source, options),
        b"fLaC" => return Ok(Box::new(flac::Frames::open(source)?)),
        b"OggS" => return Ok(Box::new(ogg::Packets::open(source, options))),
        _ if matroska::is_matroska(&start) => return Ok(Box::new(matroska::Packets::open(source, options)?)),
        _ => {}
    }
    // Old QuickTime files begin with any of the first, segments of a stream with the last.
    if let b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" | b"styp" | b"sidx" | b"moof" =
        at(4, 4)
        && start.len() >= 16
    {
        return Ok(Box::new(mp4::Packets::open(source, options)?));
    }
    if let Some(container) = unsupported(&start) {
        return Err(AudioErrorKind::UnsupportedContainer { container });
    }
    let named = extension.is_some_and(is_of_mpeg);
    if front > 0 || mpeg::is_frame(&start) || (named && !is_known_other(&start) && mpeg::begins(&mut source)?)
    {
        return Ok(Box::new(mpeg::Frames::open(source, Vec::new(), options)?));
    }
    if !is_known_other(&start)
        && let Some(container) = piece(&source.peek(PIECE)?)
    {
        return Err(AudioErrorKind::NoBeginning { container });
    }
    Err(AudioErrorKind::NotAudio { found: looks_like(&start) })
}

/// Whether a file's extension says that it holds MPEG frames, which may then begin after bytes of no format.
pub(crate) fn is_of_mpeg(extension: &str) -> bool {
    matches!(&*extension.to_ascii_lowercase(), "mp3" | "mp2" | "mp1" | "mpga" | "aac")
}

/// Reads the MPEG frames of a file whose ID3 tag at `at` declares more bytes than are left: taggers and download tools leave such tags.
fn after_long_id3<'s>(
    mut source: Source<'s>,
    at: u64,
    declared: u64,
    options: &AudioOptions,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    let left = source.len() - at;
    let Some(frame) = mpeg::frames_from(&mut source, at + ID3_HEADER)? else {
        return Err(AudioErrorKind::Truncated { unit: "bytes of an ID3 tag", declared, found: left });
    };
    let warning = AudioWarning::WrongChunk { declared, found: frame - at };
    let source = source.part(frame, u64::MAX)?;
    Ok(Box::new(mpeg::Frames::open(source, vec![warning], options)?))
}

/// The container that a file without a beginning is a piece of: pages of OGG or a cluster of Matroska stand in it, and no first page or
/// header before them.
fn piece(bytes: &[u8]) -> Option<&'static str> {
    const FIRST: u8 = 2;
    bytes.windows(PAGE).find_map(|window| match window {
        [b'O', b'g', b'g', b'S', 0, flags @ 0..8, ..] => Some((flags & FIRST == 0).then_some("OGG")),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Some(None),
        _ if matroska::is_cluster(window) => Some(Some("Matroska (WebM)")),
        _ => None,
    })?
}

/// The name of a container that holds audio and isn't read.
fn unsupported(start: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 35] = [
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "Windows Media (WMA, ASF)"),
        (b"#!AMR-WB", "AMR-WB"),
        (b"#!AMR", "AMR"),
        (b"#!SILK", "SILK"),
        (b"\x02#!SILK", "SILK"),
        (b"#!EVRC", "EVRC"),
        (b"wvpk", "WavPack"),
        (b"MAC ", "Monkey's Audio"),
        (b"TTA1", "True Audio"),
        (b"MPCK", "Musepack"),
        (b"MP+", "Musepack"),
        (b"tBaK", "TAK"),
        (b"DSD ", "DSD"),
        (b"FRM8", "DSD"),
        (b".RMF", "RealMedia"),
        (b"FLV\x01", "Flash Video"),
        (b"\x00\x00\x01\xBA", "MPEG program stream"),
        (b"\x0B\x77", "AC-3"),
        (b"\x7F\xFE\x80\x01", "DTS"),
        (b"MThd", "MIDI"),
        (b"ajkg", "Shorten"),
        (b"ADIF", "AAC in ADIF"),
        (b"NIST_1A", "NIST SPHERE"),
        (b"Creative Voice File", "Creative Voice"),
        (b"OFR ", "OptimFROG"),
        (b".ra\xFD", "RealAudio"),
        (b"nut/multimedia container", "NUT"),
        (b".SoX", "SoX's own format"),
        (b"XoS.", "SoX's own format"),
        // A partition pack (SMPTE 377-1, 7.1).
        (b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01", "MXF"),
        // The header block of an interlaced frame of 525 or 625 lines (IEC 61834-2).
        (b"\x1F\x07\x00\x3F", "DV"),
        (b"\x1F\x07\x00\xBF", "DV"),
        (b"\xB7\xD8\x00\x20\x37\x49\xDA\x11\xA6\x4E\x00\x07\xE9\x5E\xAD\x8D", "Windows TV (WTV)"),
        (b"ea3\x03", "OpenMG (ATRAC)"),
        (b"MMMD", "SMAF (MMF)"),
    ];
    // The version of AC-3 tells E-AC-3 (ETSI TS 102 366, E.1.3.1.6).
    if start.starts_with(b"\x0B\x77") && start.get(5).is_some_and(|&byte| byte >> 3 > 10) {
        return Some("E-AC-3");
    }
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some(name);
    }
    match (start.get(..4), start.get(8..12)) {
        (Some(b"RIFF"), Some(b"AVI ")) => return Some("AVI"),
        (Some(b"RIFF"), Some(b"XWMA")) => return Some("xWMA"),
        (Some(b"RIFX"), Some(b"WAVE")) => return Some("big-endian WAV (RIFX)"),
        (Some(b"RIFF"), Some(b"QLCM")) => return Some("QCELP (QCP)"),
        _ => {}
    }
    if matches!(start, [0x64, 0xA3, 1..=4, 0, ..] | [0, 1..=4, 0xA3, 0x64, ..]) {
        return Some("IRCAM");
    }
    match start.get(4..8) {
        Some(b"\xF8\x72\x6F\xBA") => return Some("TrueHD"),
        Some(b"\xF8\x72\x6F\xBB") => return Some("MLP"),
        _ => {}
    }
    // Frames of LATM begin with eleven bits of synchronisation and thirteen that tell their length (ISO/IEC 14496-3, 1.7.2).
    let latm = |at: usize| {
        be(start, at, 3).filter(|word| word >> 13 == 0x2B7).map(|word| at + 3 + (word & 0x1FFF) as usize)
    };
    if latm(0).and_then(latm).is_some() {
        return Some("AAC in LATM");
    }
    // Plain, or compressed by one of two methods; the version follows.
    if matches!(start, [b'F' | b'C' | b'Z', b'W', b'S', 1..=50, ..]) && !is_text(start) {
        return Some("Flash (SWF)");
    }
    // MPEG transport streams have a byte of synchronisation in each packet of 188 bytes. Camcorders and Blu-ray discs put four bytes of time
    // before each (AVCHD, BDAV), and some recorders sixteen bytes after it.
    let is_sync = |at: usize| start.get(at) == Some(&0x47);
    let packets = [(0, 188), (4, 192), (0, 204)];
    let is_stream = |&(first, bytes): &(usize, usize)| (0..4).all(|packet| is_sync(first + bytes * packet));
    packets.iter().any(is_stream).then_some("MPEG transport stream")
}

/// Whether the content is certainly not MPEG audio, regardless of the file's extension.
fn is_known_other(start: &[u8]) -> bool {
    !looks_like(start).starts_with(UNKNOWN) && !looks_like(start).starts_with("text")
        || start.starts_with(b"version https")
        || is_text(start)
}

/// Printable text all through, which cut MP3 files aren't.
fn is_text(start: &[u8]) -> bool {
    start.iter().all(|&b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E))
}

/// What content of no known format is called.
const UNKNOWN: &str = "an unknown format";

/// What content is that is not audio, by its first bytes.
fn looks_like(start: &[u8]) -> String {
    const MAGIC: [(&[u8], &str); 11] = [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1F\x8B", "a gzip file"),
        (b"7z\xBC\xAF", "a 7z archive"),
        (b"Rar!", "a RAR archive"),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "a PNG image"),
        (b"\xFF\xD8\xFF", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"<!DOCTYPE", "an HTML page"),
        (b"<html", "an HTML page"),
        (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    ];
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return (*name).into();
    }
    let start = &start[..start.len().min(512)];
    if start.iter().all(|&b| b == 0) {
        return "zeros".into();
    }
    if start.iter().all(|&b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E) || b >= 0x80)
        && std::str::from_utf8(start).map_or_else(|e| e.error_len().is_none(), |_| true)
    {
        return "text".into();
    }
    let hex: Vec<String> = start.iter().take(4).map(|b| format!("{b:02X}")).collect();
    format!("{UNKNOWN} (it begins with {})", hex.join(" "))
}
