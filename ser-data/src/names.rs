//! Names that read the same and are written in different ways.

use unicode_normalization::UnicodeNormalization;

/// A text in Unicode's composed form (NFC): a letter with an accent may also be written as two characters, as file systems of macOS and
/// archives made there do.
pub(crate) fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// The other form (NFD).
pub(crate) fn decomposed(text: &str) -> String {
    text.nfd().collect()
}
