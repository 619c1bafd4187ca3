//! Pictures of a clip for the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ser_plots::overview::Overview;
use ser_plots::{Format, Page, Theme};
use serde::Serialize;
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

/// Waveform, mel spectrogram and pitch, below each other on one time axis.
pub(crate) fn draw(overview: Overview, theme: Theme, width: u32) -> anyhow::Result<Vec<Drawn>> {
    let drawn = overview.finish()?;
    let shown = [
        (drawn.waveform, "waveform", "Waveform over time; the part that trimming kept is coloured"),
        (drawn.mel, "mel", "Mel spectrogram in decibels, time to the right, frequency in hertz upwards"),
        (drawn.pitch, "pitch", "Pitch of the voice in hertz over time, with gaps where no voice sounds"),
    ];
    shown
        .into_iter()
        .map(|(figure, code, alt)| {
            let page = Page { theme, ..Page::new(vec![figure], (width, 220)) };
            let (width, height) = page.dimensions();
            let src = format!("data:image/png;base64,{}", STANDARD.encode(page.bytes(Format::Png)?));
            Ok(Drawn { code, alt, width, height, src })
        })
        .collect()
}
