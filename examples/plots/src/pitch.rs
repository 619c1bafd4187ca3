//! Pictures of the pitch of a voice over time.

use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, DrawingBackend, LineSeries};

use super::frame::{Axis, over_time};
use super::{Language, PlotError, Theme};

/// Pitch of a voice over time, with gaps in unvoiced parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Pitch {
    /// Title of the picture.
    pub title: String,
    /// (time in seconds, fundamental frequency in Hz), in the order of time. A frequency that is not finite is a gap.
    pub points: Vec<(f64, f32)>,
    /// End of the time axis in seconds. It starts at 0.
    pub seconds: f64,
}

impl Pitch {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        language: Language,
    ) -> Result<(), PlotError> {
        let heights = || self.points.iter().map(|point| point.1).filter(|hertz| hertz.is_finite());
        let (low, high) = (heights().fold(f32::INFINITY, f32::min), heights().fold(0.0, f32::max));
        let range = if low <= high { 0.9 * low..1.1 * high } else { 50.0..500.0 };
        let axis = Axis { name: language.words().pitch_axis, range, digits: 0, lines: true };
        let mut chart = over_time(area, theme, &self.title, self.seconds, axis, language)?;
        let voiced = self.points.split(|point| !point.1.is_finite()).filter(|part| !part.is_empty());
        for part in voiced {
            // A line needs two points to be visible.
            let (time, hertz) = part[part.len() - 1];
            let end = (part.len() == 1).then_some((time + 0.02, hertz));
            let line = LineSeries::new(part.iter().copied().chain(end), theme.series(0).stroke_width(2));
            chart.draw_series(line).map_err(PlotError::draw)?;
        }
        Ok(())
    }
}
