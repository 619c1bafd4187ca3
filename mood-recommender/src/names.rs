//! Names that read the same and are written in different ways.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A text in Unicode's composed form (NFC): a letter with an accent may also be written as two characters.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) { text.into() } else { text.nfc().collect::<String>().into() }
}

/// Normalises a name for comparison: lower case, without surrounding blanks, with composed accents.
pub(crate) fn folded(name: &str) -> String {
    composed(name.trim()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_accent_are_one() {
        assert_eq!(composed("Zoe\u{301}"), "Zo\u{e9}");
        assert!(matches!(composed("Zo\u{e9} & Co"), Cow::Borrowed(_)));
        assert_eq!(folded(" ZOE\u{301} "), folded("zo\u{e9}"));
        assert_ne!(folded("zoe"), folded("zo\u{e9}"));
    }
}
