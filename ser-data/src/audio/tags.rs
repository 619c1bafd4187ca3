//! Tags around the sound of a file, and other bytes after it.

use super::AudioErrorKind;
use super::source::{Source, le};

/// Whether a tag that stands after the sound begins here: ID3v1 (or its extension), ID3v2, APEv2, Lyrics3 or 3DI.
pub(super) fn is_tag(bytes: &[u8]) -> bool {
    [&b"TAG"[..], b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"3DI"].iter().any(|tag| bytes.starts_with(tag))
}

/// Bytes of an ID3v2 tag with its header: its size is 28 bits, 7 in each byte.
pub(super) fn id3_bytes(header: &[u8]) -> Option<u64> {
    let size = header.strip_prefix(b"ID3")?.get(3..7)?.iter().fold(0, |n, &b| n << 7 | u64::from(b & 0x7F));
    let footer = if header[5] & 0x10 != 0 { 10 } else { 0 };
    Some(10 + size + footer)
}

/// Bytes of the tag that begins at a place; `None` if none does, or if it would end after the file.
pub(super) fn tag_bytes(source: &mut Source<'_>, at: u64) -> Result<Option<u64>, AudioErrorKind> {
    const ID3V1: u64 = 128;
    const ID3V1_EXTENSION: u64 = 227;
    const APE_HEADER: u64 = 32;
    const APE_IS_HEADER: u64 = 1 << 29;
    const DI_FOOTER: u64 = 10;
    const LYRICS: u64 = 1 << 20;
    let head = source.peek_at(at, APE_HEADER)?;
    let bytes = if let Some(id3) = id3_bytes(&head) {
        Some(id3)
    } else if head.starts_with(b"TAG+") && source.peek_at(at + ID3V1_EXTENSION, 3)? == b"TAG" {
        Some(ID3V1_EXTENSION)
    } else if head.starts_with(b"TAG") {
        Some(ID3V1)
    } else if head.starts_with(b"APETAGEX") {
        // The size counts the items and the footer. A footer without a header stands alone here.
        let is_header = le(&head, 20, 4).is_some_and(|flags| flags & APE_IS_HEADER != 0);
        le(&head, 12, 4).map(|size| APE_HEADER + if is_header { size } else { 0 })
    } else if head.starts_with(b"LYRICSBEGIN") {
        let lyrics = source.peek_at(at, LYRICS)?;
        let ends = |window: &[u8]| window == b"LYRICSEND" || window == b"LYRICS200";
        lyrics.windows(9).position(ends).map(|end| end as u64 + 9)
    } else {
        head.starts_with(b"3DI").then_some(DI_FOOTER)
    };
    Ok(bytes.filter(|&bytes| at + bytes <= source.len()))
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
pub(super) enum ContentAfter {
    /// The end, other chunks or a tag.
    Known,
    /// Zeros up to the end: filler, or silence that the length leaves out.
    Filler,
    /// Bytes that are neither these nor the sound: chunks that don't fill the file, or whose length is wrong, more sound, or another file.
    Other,
    /// Bytes that begin as no chunk does: the sound continues, and its length is wrong.
    Sound,
}

/// What follows from a place on. `chunk` tells how many bytes a chunk takes with its header, which begins the bytes that it gets;
/// `None` if they are no header. The next one begins at a multiple of `align` bytes after it.
pub(super) fn content_after(
    source: &mut Source<'_>,
    mut at: u64,
    align: u64,
    chunk: impl Fn(&[u8]) -> Option<u64>,
) -> Result<ContentAfter, AudioErrorKind> {
    const HEADER: u64 = 24;
    let mut found = ContentAfter::Sound;
    while at < source.len() {
        let header = source.peek_at(at, HEADER)?;
        let left = source.len() - at;
        if let Some(bytes) = chunk(&header).filter(|&bytes| bytes > 0 && bytes <= left) {
            if bytes > HEADER && holds_sound(&header) {
                return Ok(ContentAfter::Other);
            }
            (at, found) = (at + bytes.next_multiple_of(align), ContentAfter::Other);
            continue;
        }
        if is_tag(&header) {
            return Ok(ContentAfter::Known);
        }
        if is_filler(source, at)? {
            return Ok(if found == ContentAfter::Sound { ContentAfter::Filler } else { ContentAfter::Known });
        }
        // The name of a chunk with a wrong length is no sound either.
        return Ok(if is_name(&header) { ContentAfter::Other } else { found });
    }
    Ok(ContentAfter::Known)
}

/// Whether a chunk is one of sound, or another file.
pub(super) fn holds_sound(header: &[u8]) -> bool {
    [&b"data"[..], b"SSND", b"RIFF", b"RF64", b"BW64", b"riff", b"FORM", b"caff"]
        .iter()
        .any(|name| header.starts_with(name))
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
    fn tags_tell_their_length() {
        let of = |bytes: &[u8]| tag_bytes(&mut Source::new(Cursor::new(bytes)).unwrap(), 0).unwrap();
        let id3v1 = [&b"TAG"[..], &[b' '; 125]].concat();
        let extension = [&b"TAG+"[..], &[b' '; 223]].concat();
        assert_eq!(of(b"ID3\x04\0\x10\0\0\0\x05abcdefooter bytes"), Some(25));
        assert_eq!(of(&id3v1), Some(128));
        assert_eq!(of(&[&extension[..], &id3v1].concat()), Some(227));
        // A title that begins with a plus.
        assert_eq!(of(&[&extension[..128], &[0xFF; 200]].concat()), Some(128));
        let ape = |flags: u32| {
            [
                &b"APETAGEX"[..],
                &2000u32.to_le_bytes(),
                &40u32.to_le_bytes(),
                &[0; 4],
                &flags.to_le_bytes(),
                &[0; 60],
            ]
            .concat()
        };
        assert_eq!((of(&ape(0)), of(&ape(1 << 29))), (Some(32), Some(72)));
        assert_eq!(of(b"LYRICSBEGININD00002xx000022LYRICS200TAG"), Some(36));
        assert_eq!(of(b"LYRICSBEGINla laLYRICSEND"), Some(25));
        assert_eq!(of(b"3DI\x04\0\0\0\0\0\0"), Some(10));
        // A tag that ends after the file, and bytes that are no tag.
        assert_eq!((of(b"ID3\x04\0\0\0\0\x7F\x7F"), of(&id3v1[..127]), of(b"OggS")), (None, None, None));
    }

    #[test]
    fn chunks_and_tags_end_the_sound_and_other_bytes_are_sound() {
        let chunk = |header: &[u8]| le(header, 4, 4).filter(|_| is_name(header)).map(|length| 8 + length);
        let of =
            |bytes: &[u8]| content_after(&mut Source::new(Cursor::new(bytes)).unwrap(), 0, 2, chunk).unwrap();
        let list = b"LIST\x04\0\0\0INFO";
        assert_eq!(of(b""), ContentAfter::Known);
        assert_eq!(of(list), ContentAfter::Known);
        assert_eq!(of(&[&list[..], list, b"TAG  "].concat()), ContentAfter::Known);
        // A chunk that lacks its padding.
        assert_eq!(of(&[&list[..], b"odd \x01\0\0\0a"].concat()), ContentAfter::Known);
        assert_eq!(of(&[0; 40_000]), ContentAfter::Filler);
        assert_eq!(of(&[&list[..], &[0; 40_000]].concat()), ContentAfter::Known);
        let mut late = vec![0; 40_000];
        late[39_000] = 1;
        assert_eq!(of(&late), ContentAfter::Sound);
        assert_eq!(of(b"\x01\xFF\x20\0\x30\0\x20\0"), ContentAfter::Sound);
        assert_eq!(of(&[&list[..], b"\x01\xFF\x20\0"].concat()), ContentAfter::Other);
        assert_eq!(of(b"LIST\xFF\xFF\0\0INFO"), ContentAfter::Other);
    }
}
