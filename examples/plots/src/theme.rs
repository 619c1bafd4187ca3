//! Colours and letters.

use std::sync::Once;

use plotters::prelude::{Color, FontStyle, IntoTextStyle, RGBColor, TextStyle};
use ser_examples::palette::Look;

/// Dark letters on a light ground, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// For paper and light pages.
    #[default]
    Light,
    /// For dark pages.
    Dark,
}

/// Okabe and Ito's colours (2008), which people with any colour vision tell apart; each reads on both grounds.
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

    /// For what stands back: grid lines, what was cut away.
    pub(super) fn faint(self) -> RGBColor {
        match self {
            Self::Light => RGBColor(205, 205, 205),
            Self::Dark => RGBColor(78, 80, 86),
        }
    }

    /// The colour of the n-th of several series.
    pub(super) fn series(self, n: usize) -> RGBColor {
        SERIES[n % SERIES.len()]
    }

    /// The colour of what is called so: a mood has its own, on the page and on a terminal too.
    pub(super) fn named(self, name: &str) -> RGBColor {
        Look::of(name).map_or(self.series(0), |look| {
            let [red, green, blue] = if self == Self::Dark { look.dark } else { look.light };
            RGBColor(red, green, blue)
        })
    }

    /// Letters of this height in pixels.
    pub(super) fn text(self, height: u32) -> TextStyle<'static> {
        register_font();
        let mut style = ("sans-serif", height).into_text_style(&(1, 1));
        style.color = self.ink().to_backend_color();
        style
    }
}

/// Registers the bundled font as plotters' sans-serif. It is done once, before the first letter is drawn.
///
/// Programs that draw with plotters directly, as criterion does for its HTML report, must call it first: this crate enables the feature
/// of plotters that renders letters itself, without the fonts of the system.
pub fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = include_bytes!("../assets/Roboto-Regular.ttf");
        // The only error is a file that is no font, and the tests draw letters with this one.
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
