//! Samples over time.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::{ChartBuilder, Color, DrawingArea, DrawingBackend, PathElement, Rectangle};

use super::{KEY_WIDTH, LABEL_WIDTH, PlotError, Theme, number};

/// Samples over time, with the part that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// The picture's caption.
    pub title: String,
    /// The samples, mono.
    pub samples: Vec<f32>,
    /// Samples in a second.
    pub sample_rate: u32,
    /// The samples that were kept, drawn in colour; those around them stand back. `None` where all were.
    pub kept: Option<Range<usize>>,
}

impl Waveform {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
    ) -> Result<(), PlotError> {
        let seconds = self.samples.len().max(1) as f64 / f64::from(self.sample_rate.max(1));
        let peak = self.samples.iter().fold(0.0f32, |peak, x| peak.max(x.abs())).max(1e-3);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, theme.text(16))
            .margin(8)
            .margin_right(8 + KEY_WIDTH)
            .x_label_area_size(40)
            .y_label_area_size(LABEL_WIDTH)
            .build_cartesian_2d(0.0..seconds, -peak..peak)
            .map_err(PlotError::draw)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_y_mesh()
            .axis_style(theme.faint())
            .label_style(theme.text(13))
            .x_desc("time in s")
            .y_desc("amplitude")
            .y_labels(5)
            .x_label_formatter(&|seconds| number(*seconds, 2))
            .y_label_formatter(&|amplitude| number((*amplitude).into(), 3))
            .draw()
            .map_err(PlotError::draw)?;

        // What a pixel column holds, from its lowest to its highest sample.
        let columns = chart.plotting_area().dim_in_pixel().0.max(1) as usize;
        let kept = self.kept.clone().unwrap_or(0..self.samples.len());
        let second = |sample: usize| sample as f64 / f64::from(self.sample_rate.max(1));
        if self.kept.is_some() {
            let band = Rectangle::new(
                [(second(kept.start), -peak), (second(kept.end), peak)],
                theme.series(0).mix(0.1).filled(),
            );
            chart.draw_series([band]).map_err(PlotError::draw)?;
        }
        let lines = (0..columns).filter_map(|column| {
            let from = column * self.samples.len() / columns;
            let to = ((column + 1) * self.samples.len() / columns).max(from + 1).min(self.samples.len());
            let part = self.samples.get(from..to).filter(|part| !part.is_empty())?;
            let low = part.iter().copied().fold(f32::INFINITY, f32::min);
            let high = part.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let color = if kept.contains(&from) { theme.series(0) } else { theme.faint() };
            let x = second(from);
            // A line of one point would not be seen.
            let least = peak / 200.0;
            let (low, high) =
                if high - low < least { (low - least / 2.0, high + least / 2.0) } else { (low, high) };
            Some(PathElement::new(vec![(x, low), (x, high)], color))
        });
        chart.draw_series(lines).map_err(PlotError::draw)?;
        Ok(())
    }
}
