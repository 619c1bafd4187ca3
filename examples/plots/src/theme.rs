//! Colours and letters.

use std::sync::Once;

use plotters::prelude::{Color, FontStyle, IntoTextStyle, RGBColor, TextStyle};

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
/// Whoever draws with plotters directly, as criterion does for its HTML report, must call it first: this crate switches on plotters'
/// own rendering of letters, which knows no font of the system.
pub fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = include_bytes!("../assets/Roboto-Regular.ttf");
        // The only error is a file that is no font, and the tests draw letters with this one.
        let _ = plotters::style::register_font("sans-serif", FontStyle::Normal, font);
    });
}
