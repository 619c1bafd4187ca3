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
    /// What it shows, in words.
    alt: String,
    /// Width in pixels.
    width: u32,
    /// Height in pixels.
    height: u32,
    /// A `data:` address of a PNG file.
    src: String,
}

/// Waveform, mel spectrogram, MFCC and chroma.
pub(crate) fn draw(samples: Vec<f32>, sample_rate: u32, theme: Theme) -> anyhow::Result<Vec<Drawn>> {
    let sound = Sound::new(samples, sample_rate)?;
    let shown = [
        (Picture::Waveform, "Waveform over time; the part that trimming kept is coloured"),
        (Picture::Mel, "Mel spectrogram in decibels, time to the right, frequency in hertz upwards"),
        (Picture::Mfcc, "Mel-frequency cepstral coefficients over time"),
        (Picture::Chroma, "Energy of the twelve pitch classes over time"),
    ];
    shown
        .into_iter()
        .map(|(picture, alt)| {
            let page = Page { theme, ..Page::new(vec![sound.figure(picture)?], (640, 240)) };
            let (width, height) = page.dimensions();
            let src = format!("data:image/png;base64,{}", STANDARD.encode(page.bytes(Format::Png)?));
            Ok(Drawn { alt: alt.to_string(), width, height, src })
        })
        .collect()
}
