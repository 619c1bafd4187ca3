//! Creates the page's style sheet and script with the looks of the moods, from the table that pictures and terminals use too.

use std::fmt::Write;
use std::sync::LazyLock;

use ser_examples::palette::{BEHIND_CARD, BEHIND_ICON, LOOKS, Rgb, SILENT};

/// Style sheet with the colour of each mood in both themes. Within an element with `data-mood`, `--mood` is the colour of that mood.
/// `--behind-icon` and `--behind-card` are the shares of this colour in backgrounds.
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

/// Script with the moods in their order, and the icon of each mood as an SVG path in a box of 24 × 24.
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

    /// No style sheet of the page defines the colour of a mood.
    #[test]
    fn the_page_has_no_other_colours_of_moods() {
        for sheet in [include_str!("page/style.css"), include_str!("page/answer.css")] {
            for look in &LOOKS {
                let name = look.mood.as_str().to_lowercase();
                // The share of a mood's colour in a background must be one whose contrast is tested.
                assert!(!sheet.contains("var(--mood) 1") && !sheet.contains("var(--mood) 2"), "{name}");
                assert!(!sheet.contains(&format!("--{name}:")), "{name}");
                assert!(!sheet.contains(&hex(look.light)) && !sheet.contains(&hex(look.dark)), "{name}");
            }
        }
    }
}
