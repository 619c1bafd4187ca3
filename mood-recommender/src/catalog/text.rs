//! From bytes to text: UTF-8, UTF-16 and the encodings of older programs.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// The encoding detector gets this many bytes before and after the first invalid UTF-8 sequence.
const WINDOW: usize = 1 << 16;

/// The text without its byte order mark, and what was recognised, if it is not plain UTF-8.
pub(super) fn decode(bytes: &[u8]) -> (Cow<'_, str>, Option<String>) {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (Some(encoding), &bytes[mark..]),
        None => (utf_16_without_mark(bytes), bytes),
    };
    if let Some(encoding) = encoding.filter(|encoding| *encoding != encoding_rs::UTF_8) {
        return named(encoding, bytes);
    }
    let error = match str::from_utf8(bytes) {
        Ok(text) => return (text.into(), None),
        Err(error) => error,
    };
    // In a damaged UTF-8 file, most letters outside ASCII are valid. In a file of another encoding, hardly any is.
    let (mut right, mut wrong) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        right += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        wrong += usize::from(!chunk.invalid().is_empty());
    }
    if right > 10 * wrong {
        let places = if wrong == 1 { "1 place is".into() } else { format!("{wrong} places are") };
        return (String::from_utf8_lossy(bytes), Some(format!("{places} not UTF-8 and read as \u{fffd}")));
    }
    let first = error.valid_up_to();
    let window = &bytes[first.saturating_sub(WINDOW)..bytes.len().min(first + WINDOW)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(window, true);
    named(detector.guess(None, Utf8Detection::Deny), bytes)
}

fn named<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> (Cow<'a, str>, Option<String>) {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    (text, Some(format!("the text is read as {}", encoding.name())))
}

/// UTF-16 of mostly Latin letters: every other byte is 0.
fn utf_16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(512) & !1];
    let zeros = |odd: usize| start.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let most = |zeros: usize| start.len() >= 8 && zeros * 10 >= start.len() / 2 * 9;
    match (zeros(0), zeros(1)) {
        (0, low) if most(low) => Some(UTF_16LE),
        (high, 0) if most(high) => Some(UTF_16BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "name,artist\nÜber den Wölken,Reinhard Mey\nCafé «Déjà vu»,Zoé\n";
        let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
        for (bytes, says) in [
            (text.as_bytes().to_vec(), None),
            (format!("\u{feff}{text}").into_bytes(), None),
            (utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes), Some("UTF-16LE")),
            (utf_16(&format!("\u{feff}{text}"), u16::to_be_bytes), Some("UTF-16BE")),
            (utf_16(text, u16::to_le_bytes), Some("UTF-16LE")),
            (utf_16(text, u16::to_be_bytes), Some("UTF-16BE")),
            (latin, Some("windows-1252")),
        ] {
            let (decoded, note) = decode(&bytes);
            assert_eq!(decoded, text, "{says:?}");
            assert_eq!(note, says.map(|encoding| format!("the text is read as {encoding}")));
        }
    }

    #[test]
    fn a_damaged_place_does_not_change_the_encoding() {
        let mut bytes = "ÄÖÜ äöü ß é è à ñ ø".as_bytes().to_vec();
        bytes[1] = b' ';
        let (text, note) = decode(&bytes);
        assert!(text.starts_with('\u{fffd}') && text.ends_with("ñ ø"), "{text}");
        assert_eq!(note.as_deref(), Some("1 place is not UTF-8 and read as \u{fffd}"));
        assert_eq!(decode(b"").0, "");
    }
}
