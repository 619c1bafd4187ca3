//! Pictures of a clip for the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ser_plots::sound::{Picture, Sound};
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
pub(crate) fn draw(
    samples: Vec<f32>,
    sample_rate: u32,
    theme: Theme,
    width: u32,
) -> anyhow::Result<Vec<Drawn>> {
    let sound = Sound::new(samples, sample_rate)?;
    let shown = [
        (Picture::Waveform, "waveform", "Waveform over time; the part that trimming kept is coloured"),
        (Picture::Mel, "mel", "Mel spectrogram in decibels, time to the right, frequency in hertz upwards"),
        (Picture::Pitch, "pitch", "Pitch of the voice in hertz over time, with gaps where no voice sounds"),
    ];
    shown
        .into_iter()
        .map(|(picture, code, alt)| {
            let page = Page { theme, ..Page::new(vec![sound.figure(picture)?], (width, 220)) };
            let (width, height) = page.dimensions();
            let src = format!("data:image/png;base64,{}", STANDARD.encode(page.bytes(Format::Png)?));
            Ok(Drawn { code, alt, width, height, src })
        })
        .collect()
}
