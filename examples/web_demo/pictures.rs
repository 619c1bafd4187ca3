//! Pictures of a clip for the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ser_plots::overview::Overview;
use ser_plots::{Format, Language, Page, Theme};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A picture, ready for a page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Drawn {
    /// What it shows: `waveform`, `mel` or `pitch`.
    code: &'static str,
    /// The same in words.
    alt: &'static str,
    /// Width in pixels.
    width: u32,
    /// Height in pixels.
    height: u32,
    /// A `data:` address of a PNG file.
    src: String,
}

/// How pictures look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// The ground.
    pub(crate) theme: Theme,
    /// The language of titles and axes.
    pub(crate) language: Language,
    /// Width in pixels.
    pub(crate) width: u32,
}

/// A language of pictures, by its code.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LanguageCode {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl From<LanguageCode> for Language {
    fn from(code: LanguageCode) -> Self {
        match code {
            LanguageCode::En => Self::English,
            LanguageCode::De => Self::German,
        }
    }
}

/// Waveform, mel spectrogram and pitch, below each other on one time axis.
pub(crate) fn draw(overview: Overview, look: Look) -> anyhow::Result<Vec<Drawn>> {
    let Look { theme, language, width } = look;
    let drawn = overview.finish(language)?;
    let shown = [
        (drawn.waveform, "waveform", "Waveform over time; the part that trimming kept is coloured"),
        (drawn.mel, "mel", "Mel spectrogram in decibels, time to the right, frequency in hertz upwards"),
        (drawn.pitch, "pitch", "Pitch of the voice in hertz over time, with gaps where no voice sounds"),
    ];
    shown
        .into_iter()
        .map(|(figure, code, alt)| {
            let page = Page { theme, language, ..Page::new(vec![figure], (width, 220)) };
            let (width, height) = page.dimensions();
            let src = format!("data:image/png;base64,{}", STANDARD.encode(page.bytes(Format::Png)?));
            Ok(Drawn { code, alt, width, height, src })
        })
        .collect()
}
