//! The moods' looks as a style sheet and a script of the page, made from the table that pictures and terminals have too.

use std::fmt::Write;
use std::sync::LazyLock;

use ser_examples::palette::{BEHIND_CARD, BEHIND_ICON, LOOKS, Rgb, SILENT};

/// Colours of both themes by mood, each mood's own as `--mood` below `data-mood`, and how much of it grounds take.
pub(crate) static CSS: LazyLock<String> = LazyLock::new(|| {
    let [light, dark] = [0, 1].map(|theme| {
        let mut colours = String::new();
        for look in &LOOKS {
            let colour = hex(if theme == 0 { look.light } else { look.dark });
            let _ = write!(colours, " --{}: {colour};", look.mood.as_str().to_lowercase());
        }
        format!(":root {{{colours} --silent: {}; }}", hex(SILENT[theme]))
    });
    let mut css = format!("{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n");
    for look in &LOOKS {
        let name = look.mood.as_str();
        let _ = writeln!(css, "[data-mood=\"{name}\"] {{ --mood: var(--{}); }}", name.to_lowercase());
    }
    let shares = [("icon", BEHIND_ICON), ("card", BEHIND_CARD)];
    let shares = shares.map(|(what, share)| format!(" --behind-{what}: {:.0}%;", share * 100.0));
    let _ = writeln!(css, ":root {{{} }}", shares.concat());
    css + "[data-mood=\"none\"], [data-mood=\"silence\"] { --mood: var(--silent); }\n"
});

/// The moods in their order, and each one's icon as an SVG path in a box of 24 × 24.
pub(crate) static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let icons: Vec<String> =
        LOOKS.iter().map(|look| format!("  {}: \"{}\",\n", look.mood.as_str(), look.icon)).collect();
    format!("export const ICONS = {{\n{}}};\nexport const MOODS = Object.keys(ICONS);\n", icons.concat())
});

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_colours_and_icons_of_the_table() {
        assert!(CSS.starts_with(":root { --calm: #1a9a8a; --happy: #b87d00;"), "{}", *CSS);
        assert!(CSS.contains("[data-mood=\"Energetic\"] { --mood: var(--energetic); }"), "{}", *CSS);
        assert!(CSS.contains(":root { --behind-icon: 10%; --behind-card: 6%; }"), "{}", *CSS);
        assert_eq!(CSS.matches("--sad: #").count(), 2, "one for each theme");
        for look in &LOOKS {
            assert!(SCRIPT.contains(look.icon), "{}", *SCRIPT);
        }
    }

    /// No file of the page has a mood's colour of its own.
    #[test]
    fn the_page_has_no_other_colours_of_moods() {
        for sheet in [include_str!("page/style.css"), include_str!("page/answer.css")] {
            for look in &LOOKS {
                let name = look.mood.as_str().to_lowercase();
                // Nor grounds of which no test knows the contrast.
                assert!(!sheet.contains("var(--mood) 1") && !sheet.contains("var(--mood) 2"), "{name}");
                assert!(!sheet.contains(&format!("--{name}:")), "{name}");
                assert!(!sheet.contains(&hex(look.light)) && !sheet.contains(&hex(look.dark)), "{name}");
            }
        }
    }
}
