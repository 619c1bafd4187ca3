//! Samples over time.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, DrawingBackend, PathElement, Rectangle};

use super::frame::{Axis, over_time};
use super::{Language, PlotError, Theme};

/// Samples over time, with the part that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// The picture's caption.
    pub title: String,
    /// Lowest and highest sample of each of equal parts, within ±1 as a rule. Fewer parts than pixels make steps, more are joined.
    pub parts: Vec<(f32, f32)>,
    /// Duration of all parts together, in seconds.
    pub seconds: f64,
    /// The kept part, in seconds, is drawn in colour and the rest in grey. `None` if everything was kept.
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
            // A line of one point would not be seen.
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
