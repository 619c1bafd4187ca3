//! Colours and fonts.

use std::sync::Once;

use plotters::prelude::{Color, FontStyle, IntoTextStyle, RGBColor, TextStyle};
use ser_examples::palette::Look;

/// Dark letters on a light background, or light letters on a dark one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Light background, for paper and light pages.
    #[default]
    Light,
    /// Dark background, for dark pages.
    Dark,
}

/// Okabe and Ito's colours (2008). People with any colour vision can distinguish them, and each is readable on both backgrounds.
const SERIES: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

impl Theme {
    pub(super) fn ground(self) -> RGBColor {
        match self {
            Self::Light => RGBColor(255, 255, 255),
            Self::Dark => RGBColor(24, 26, 30),
        }
    }

    pub(super) fn ink(self) -> RGBColor {
        match self {
            Self::Light => RGBColor(34, 34, 34),
            Self::Dark => RGBColor(226, 226, 226),
        }
    }

    /// Returns the colour of secondary parts: grid lines, and samples that trimming cut.
    pub(super) fn faint(self) -> RGBColor {
        match self {
            Self::Light => RGBColor(205, 205, 205),
            Self::Dark => RGBColor(78, 80, 86),
        }
    }

    /// Returns the colour of the n-th series.
    pub(super) fn series(self, n: usize) -> RGBColor {
        SERIES[n % SERIES.len()]
    }

    /// Returns the colour of a named item. A mood has the colour of its [`Look`], all other names that of the first series.
    pub(super) fn named(self, name: &str) -> RGBColor {
        Look::of(name).map_or(self.series(0), |look| {
            let [red, green, blue] = if self == Self::Dark { look.dark } else { look.light };
            RGBColor(red, green, blue)
        })
    }

    /// Returns the text style with this height in pixels.
    pub(super) fn text(self, height: u32) -> TextStyle<'static> {
        register_font();
        let mut style = ("sans-serif", height).into_text_style(&(1, 1));
        style.color = self.ink().to_backend_color();
        style
    }
}

/// Registers the bundled font as the sans-serif font of plotters. Only the first call has an effect.
///
/// Programs that draw with plotters directly, as criterion does for its HTML report, must call this function first: this crate enables the
/// feature of plotters that renders letters without system fonts.
pub fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = include_bytes!("../assets/Roboto-Regular.ttf");
        // The only error is an invalid font. The bundled one is valid: tests draw letters with it.
        let _ = plotters::style::register_font("sans-serif", FontStyle::Normal, font);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moods_have_their_own_colours_and_all_else_the_first() {
        let sad = Look::of("Sad").unwrap();
        for (theme, [red, green, blue]) in [(Theme::Light, sad.light), (Theme::Dark, sad.dark)] {
            assert_eq!(theme.named("Sad"), RGBColor(red, green, blue));
            assert_eq!(theme.named("songs"), theme.series(0));
        }
    }
}
