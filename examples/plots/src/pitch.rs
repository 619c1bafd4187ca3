//! The pitch of a voice over time.

use plotters::coord::Shift;
use plotters::prelude::{ChartBuilder, Color, DrawingArea, DrawingBackend, LineSeries};

use super::{KEY_WIDTH, LABEL_WIDTH, PlotError, Theme, number};

/// The pitch of a voice over time, with gaps where no voice sounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Pitch {
    /// The picture's caption.
    pub title: String,
    /// (time in seconds, fundamental frequency in Hz), in order; what isn't finite is a gap.
    pub points: Vec<(f64, f32)>,
    /// What the time axis shows, in seconds from 0.
    pub seconds: f64,
}

impl Pitch {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
    ) -> Result<(), PlotError> {
        let heights = || self.points.iter().map(|point| point.1).filter(|hertz| hertz.is_finite());
        let (low, high) = (heights().fold(f32::INFINITY, f32::min), heights().fold(0.0, f32::max));
        let (low, high) = if low <= high { (0.9 * low, 1.1 * high) } else { (50.0, 500.0) };
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, theme.text(16))
            .margin(8)
            .margin_right(8 + KEY_WIDTH)
            .x_label_area_size(40)
            .y_label_area_size(LABEL_WIDTH)
            .build_cartesian_2d(0.0..self.seconds.max(1e-3), low..high)
            .map_err(PlotError::draw)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(theme.ground())
            .bold_line_style(theme.faint())
            .axis_style(theme.faint())
            .label_style(theme.text(13))
            .x_desc("time in s")
            .y_desc("pitch in Hz")
            .y_labels(5)
            .x_label_formatter(&|seconds| number(*seconds, 2))
            .y_label_formatter(&|hertz| number((*hertz).into(), 0))
            .draw()
            .map_err(PlotError::draw)?;
        let voiced = self.points.split(|point| !point.1.is_finite()).filter(|part| !part.is_empty());
        for part in voiced {
            // A line of one point would not be seen.
            let (time, hertz) = part[part.len() - 1];
            let end = (part.len() == 1).then_some((time + 0.02, hertz));
            let line = LineSeries::new(part.iter().copied().chain(end), theme.series(0).stroke_width(2));
            chart.draw_series(line).map_err(PlotError::draw)?;
        }
        Ok(())
    }
}
