//! Tags that players write behind the sound of any file.

/// Whether a tag that stands behind the sound begins here: ID3v1 (or its extension), ID3v2, APEv2, Lyrics3 or 3DI.
pub(super) fn is_tag(bytes: &[u8]) -> bool {
    [&b"TAG"[..], b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"3DI"].iter().any(|tag| bytes.starts_with(tag))
}
