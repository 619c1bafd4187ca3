//! What a file is, by its first bytes.

use super::AudioErrorKind;

/// The containers that need different handling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Container {
    Wave,
    Ogg,
    Mp4,
    /// MPEG audio frames, with or without an ID3 tag in front.
    Mpeg,
    /// FLAC, AIFF, CAF, Matroska, ADTS.
    Other,
}

pub(super) fn identify(bytes: &[u8], extension: Option<&str>) -> Result<Container, AudioErrorKind> {
    let at = |from: usize, len: usize| bytes.get(from..from + len).unwrap_or_default();
    match at(0, 4) {
        b"RIFF" if at(8, 4) == b"WAVE" => return Ok(Container::Wave),
        b"RF64" | b"BW64" if at(8, 4) == b"WAVE" => {
            return Err(AudioErrorKind::UnsupportedCodec { codec: "64-bit WAV (RF64)".into() });
        }
        b"OggS" => return Ok(Container::Ogg),
        b"fLaC" | b"caff" | [0x1A, 0x45, 0xDF, 0xA3] => return Ok(Container::Other),
        b"FORM" if matches!(at(8, 4), b"AIFF" | b"AIFC") => return Ok(Container::Other),
        _ => {}
    }
    if at(4, 4) == b"ftyp" {
        return Ok(Container::Mp4);
    }
    if at(0, 3) == b"ID3" {
        // FLAC and ADTS files may carry an ID3 tag too.
        return Ok(match after_id3(bytes) {
            b"fLaC" => Container::Other,
            rest if is_adts(rest) => Container::Other,
            _ => Container::Mpeg,
        });
    }
    if is_adts(bytes) {
        return Ok(Container::Other);
    }
    if is_mpeg_sync(bytes)
        || extension.is_some_and(|e| matches!(&*e.to_ascii_lowercase(), "mp3" | "mp2" | "mp1"))
    {
        return Ok(Container::Mpeg);
    }
    Err(not_audio(bytes))
}

/// The error for content that is no audio, with what it looks like.
pub(super) fn not_audio(bytes: &[u8]) -> AudioErrorKind {
    AudioErrorKind::NotAudio { found: looks_like(bytes) }
}

fn is_mpeg_sync(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFF, second, ..] if second & 0xE0 == 0xE0 && second & 0x06 != 0)
}

/// ADTS frames (raw AAC) have MPEG's sync word with a layer of zero.
fn is_adts(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFF, second, ..] if second & 0xF6 == 0xF0)
}

/// The four bytes behind an ID3v2 tag: its size is 28 bits, 7 in each of the bytes 6 to 9, without the header's 10.
fn after_id3(bytes: &[u8]) -> &[u8] {
    let size = bytes.get(6..10).map_or(0, |s| s.iter().fold(0usize, |n, &b| n << 7 | usize::from(b & 0x7F)));
    bytes.get(10 + size..14 + size).unwrap_or_default()
}

fn looks_like(bytes: &[u8]) -> String {
    const MAGIC: [(&[u8], &str); 12] = [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1F\x8B", "a gzip file"),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "a PNG image"),
        (b"\xFF\xD8\xFF", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"<!DOCTYPE", "an HTML page"),
        (b"<html", "an HTML page"),
        (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
        (b"\x30\x26\xB2\x75", "a Windows Media (ASF) file"),
        (b"#!AMR", "an AMR file"),
        (b"wvpk", "a WavPack file"),
    ];
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*name).into();
    }
    let start = &bytes[..bytes.len().min(512)];
    if start.iter().all(|&b| b == 0) {
        return "zeros".into();
    }
    if start.iter().all(|&b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E) || b >= 0x80)
        && std::str::from_utf8(start).map_or_else(|e| e.error_len().is_none(), |_| true)
    {
        return "text".into();
    }
    let hex: Vec<String> = start.iter().take(4).map(|b| format!("{b:02X}")).collect();
    format!("no known format (it begins with {})", hex.join(" "))
}
