//! Tags and other bytes after the sound of a file.

use super::AudioErrorKind;
use super::source::Source;

/// Whether a tag that stands behind the sound begins here: ID3v1 (or its extension), ID3v2, APEv2, Lyrics3 or 3DI.
pub(super) fn is_tag(bytes: &[u8]) -> bool {
    [&b"TAG"[..], b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"3DI"].iter().any(|tag| bytes.starts_with(tag))
}

/// Whether all bytes from a place to the end are zero.
pub(super) fn is_filler(source: &mut Source<'_>, mut at: u64) -> Result<bool, AudioErrorKind> {
    const PIECE: u64 = 1 << 14;
    while at < source.len() {
        let bytes = source.peek_at(at, PIECE)?;
        if bytes.is_empty() || bytes.iter().any(|&byte| byte != 0) {
            return Ok(bytes.is_empty());
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}

/// What follows a chunk of sound. The variants are ordered: of two candidates the smaller one is more likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Behind {
    /// The end, other chunks or a tag.
    Known,
    /// Zeros up to the end: filler, or silence that the length leaves out.
    Filler,
    /// Bytes that are neither these nor sound: chunks that don't fill the file, or whose length is wrong.
    Other,
    /// Bytes that begin as no chunk does: the sound goes on, and its length is wrong.
    Sound,
}

/// What follows from a place on. `chunk` tells how many bytes a chunk takes with its header, which begins the bytes that it gets;
/// `None` if they are no header. The next one begins at a multiple of `align` bytes behind it.
pub(super) fn behind(
    source: &mut Source<'_>,
    mut at: u64,
    align: u64,
    chunk: impl Fn(&[u8]) -> Option<u64>,
) -> Result<Behind, AudioErrorKind> {
    const HEADER: u64 = 24;
    let mut found = Behind::Sound;
    while at < source.len() {
        let header = source.peek_at(at, HEADER)?;
        let left = source.len() - at;
        if let Some(bytes) = chunk(&header).filter(|&bytes| bytes > 0 && bytes <= left) {
            (at, found) = (at + bytes.next_multiple_of(align), Behind::Other);
            continue;
        }
        if is_tag(&header) {
            return Ok(Behind::Known);
        }
        if is_filler(source, at)? {
            return Ok(if found == Behind::Sound { Behind::Filler } else { Behind::Known });
        }
        // The name of a chunk with a wrong length is no sound either.
        return Ok(if is_name(&header) { Behind::Other } else { found });
    }
    Ok(Behind::Known)
}

/// Whether bytes begin with the four letters, digits or blanks of a chunk's name.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    bytes.get(..4).is_some_and(|name| {
        name.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::audio::source::le;

    #[test]
    fn chunks_and_tags_end_the_sound_and_other_bytes_are_sound() {
        let chunk = |header: &[u8]| le(header, 4, 4).filter(|_| is_name(header)).map(|length| 8 + length);
        let of = |bytes: &[u8]| behind(&mut Source::new(Cursor::new(bytes)).unwrap(), 0, 2, chunk).unwrap();
        let list = b"LIST\x04\0\0\0INFO";
        assert_eq!(of(b""), Behind::Known);
        assert_eq!(of(list), Behind::Known);
        assert_eq!(of(&[&list[..], list, b"TAG  "].concat()), Behind::Known);
        // A chunk that lacks its padding.
        assert_eq!(of(&[&list[..], b"odd \x01\0\0\0a"].concat()), Behind::Known);
        assert_eq!(of(&[0; 40_000]), Behind::Filler);
        assert_eq!(of(&[&list[..], &[0; 40_000]].concat()), Behind::Known);
        let mut late = vec![0; 40_000];
        late[39_000] = 1;
        assert_eq!(of(&late), Behind::Sound);
        assert_eq!(of(b"\x01\xFF\x20\0\x30\0\x20\0"), Behind::Sound);
        assert_eq!(of(&[&list[..], b"\x01\xFF\x20\0"].concat()), Behind::Other);
        assert_eq!(of(b"LIST\xFF\xFF\0\0INFO"), Behind::Other);
    }
}
