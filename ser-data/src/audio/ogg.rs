//! OGG pages (RFC 3533): whether the last one is whole, and what the stream holds.

use super::AudioErrorKind;

const HEADER: usize = 27;

/// Names codecs that Symphonia's reader passes over without a word, and finds a file that ends within a page.
pub(super) fn check(bytes: &[u8]) -> Result<(), AudioErrorKind> {
    let mut rest = bytes;
    let mut first = true;
    while rest.starts_with(b"OggS") {
        let Some(page) = rest.get(HEADER - 1).map(|&segments| HEADER + usize::from(segments)) else {
            return Err(cut(rest, HEADER));
        };
        let Some(lacing) = rest.get(HEADER..page) else { return Err(cut(rest, page)) };
        let end = page + lacing.iter().map(|&l| usize::from(l)).sum::<usize>();
        let Some(body) = rest.get(page..end) else { return Err(cut(rest, end)) };
        if first && body.starts_with(b"Speex   ") {
            return Err(AudioErrorKind::UnsupportedCodec { codec: "Speex".into() });
        }
        first = false;
        rest = &rest[end..];
    }
    Ok(())
}

fn cut(rest: &[u8], declared: usize) -> AudioErrorKind {
    AudioErrorKind::Truncated {
        unit: "bytes of an OGG page",
        declared: declared as u64,
        found: rest.len() as u64,
    }
}
