//! Draws pictures of a clip for the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ser_plots::overview::Overview;
use ser_plots::{Format, Language, Page, Theme};
use serde::Serialize;
use utoipa::ToSchema;

/// A picture of the clip.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Drawn {
    /// Kind of picture: `waveform`, `mel` or `pitch`.
    code: &'static str,
    /// Text alternative in the requested language.
    alt: &'static str,
    /// Width in pixels.
    width: u32,
    /// Height in pixels.
    height: u32,
    /// A `data:` address of a PNG file.
    src: String,
}

/// Look of pictures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Light or dark colours.
    pub(crate) theme: Theme,
    /// Language of titles, axes and text alternatives.
    pub(crate) language: Language,
    /// Width in pixels.
    pub(crate) width: u32,
}

/// Draws waveform, mel spectrogram and pitch with the same time axis.
pub(crate) fn draw(overview: Overview, look: Look) -> anyhow::Result<Vec<Drawn>> {
    let Look { theme, language, width } = look;
    let drawn = overview.finish(language)?;
    [(drawn.waveform, "waveform"), (drawn.mel, "mel"), (drawn.pitch, "pitch")]
        .into_iter()
        .zip(drawn.alternatives)
        .map(|((figure, code), alt)| {
            let page = Page { theme, language, ..Page::new(vec![figure], (width, 220)) };
            let (width, height) = page.dimensions();
            let src = format!("data:image/png;base64,{}", STANDARD.encode(page.bytes(Format::Png)?));
            Ok(Drawn { code, alt, width, height, src })
        })
        .collect()
}
