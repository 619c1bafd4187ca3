//! Cells of CSV that spreadsheets would run as formulas.
//!
//! A spreadsheet takes a cell that begins with `=`, `@`, `+` or `-` for a formula, which may open addresses or start programs (OWASP, *CSV
//! injection*). An apostrophe before it marks a text. Cells that begin with `+` or `-` stay as they are if they are
//! numbers or hold no letters: `-7.5e-3`, `+44`, `-`.

use std::borrow::Cow;

/// Puts an apostrophe before a text that a spreadsheet would run as a formula, for CSV of your own. The CSV of lists and catalogues is
/// written so.
///
/// Such a text that already begins with an apostrophe gets another one, so that [`unmark_formula`] restores every text.
pub fn mark_formula(cell: &str) -> Cow<'_, str> {
    if is_formula(cell.trim_start_matches('\'')) { format!("'{cell}").into() } else { cell.into() }
}

/// Removes the apostrophe that [`mark_formula`] put before a text. Other texts are returned unchanged.
pub fn unmark_formula(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text.trim_start_matches('\'')) => text,
        _ => cell,
    }
}

/// Some programs take the wide forms of these characters for the same.
fn is_formula(cell: &str) -> bool {
    match cell.chars().next() {
        Some('=' | '@' | '＝' | '＠') => true,
        Some('+' | '-' | '＋' | '－') => cell.contains(char::is_alphabetic) && cell.parse::<f64>().is_err(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_run_is_marked() {
        for cell in
            ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+HYPERLINK(\"x\")", "=", "-Intro-", "'=1", "＝A1"]
        {
            assert_eq!(mark_formula(cell), format!("'{cell}"));
        }
        for cell in
            ["-", "+44", "+/-", "-7.5", "-7.5e-3", "- 273", "'", "'-'", "'39", "'Til", "a=b", "", "—", "#1"]
        {
            assert!(matches!(mark_formula(cell), Cow::Borrowed(same) if same == cell), "{cell}");
            assert_eq!(unmark_formula(cell), cell);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_cell_is_restored(cell in "['=+@＝－ -]{0,4}[a-z1'=-]{0,4}") {
            let marked = mark_formula(&cell);
            proptest::prop_assert_eq!(unmark_formula(&marked), &cell);
        }
    }
}
