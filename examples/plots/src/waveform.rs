//! Pictures of samples over time.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, DrawingBackend, PathElement, Rectangle};

use super::frame::{Axis, over_time};
use super::{Language, PlotError, Theme};

/// Samples over time. The part that trimming kept is in colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// Title of the picture.
    pub title: String,
    /// Lowest and highest sample of each part, usually within ±1. All parts have the same duration. If there are fewer parts than columns
    /// of pixels, several columns show the same part. If there are more, neighbours are joined.
    pub parts: Vec<(f32, f32)>,
    /// Duration of all parts together, in seconds.
    pub seconds: f64,
    /// Start and end of the kept part in seconds. It is drawn in colour and the rest in grey. `None` if everything was kept.
    pub kept: Option<Range<f64>>,
}

impl Waveform {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        language: Language,
    ) -> Result<(), PlotError> {
        let peak = self.parts.iter().fold(0.0f32, |peak, (low, high)| peak.max(-low).max(*high)).max(1e-3);
        let axis =
            Axis { name: language.words().amplitude_axis, range: -peak..peak, digits: 3, lines: false };
        let mut chart = over_time(area, theme, &self.title, self.seconds, axis, language)?;
        if let Some(kept) = &self.kept {
            let corners = [(kept.start, -peak), (kept.end, peak)];
            chart
                .draw_series([Rectangle::new(corners, theme.series(0).mix(0.1).filled())])
                .map_err(PlotError::draw)?;
        }
        let columns = chart.plotting_area().dim_in_pixel().0.max(1) as usize;
        let count = self.parts.len();
        let lines = (0..columns).filter_map(|column| {
            let from = column * count / columns;
            let to = ((column + 1) * count / columns).max(from + 1).min(count);
            let joined =
                self.parts.get(from..to)?.iter().copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            let (low, high) = joined?;
            let second = (column as f64 + 0.5) / columns as f64 * self.seconds;
            let is_kept = self.kept.as_ref().is_none_or(|kept| kept.contains(&second));
            // A line without length would be invisible.
            let least = peak / 200.0;
            let (low, high) =
                if high - low < least { (low - least / 2.0, high + least / 2.0) } else { (low, high) };
            let color = if is_kept { theme.series(0) } else { theme.faint() };
            Some(PathElement::new(vec![(second, low), (second, high)], color))
        });
        chart.draw_series(lines).map_err(PlotError::draw)?;
        Ok(())
    }
}
