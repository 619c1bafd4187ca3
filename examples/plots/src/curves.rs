//! Line charts of values over epochs.

use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, Circle, Color, DrawingArea, DrawingBackend, LineSeries, PathElement, SeriesLabelPosition,
};

use super::{PlotError, Theme, number};

/// Values over epochs, such as losses or accuracies.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// Title of the picture.
    pub title: String,
    /// Label of the horizontal axis, e.g. `epoch`.
    pub x: String,
    /// Label of the vertical axis, with its unit.
    pub y: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line of [`Curves`].
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// (x, y). Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// A point to mark, such as the best epoch.
    pub mark: Option<(f64, f64)>,
}

impl Curves {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
    ) -> Result<(), PlotError> {
        let points = || {
            let all = self.series.iter().flat_map(|series| &series.points);
            all.copied().filter(|(x, y)| x.is_finite() && y.is_finite())
        };
        let (first, last) =
            (points().map(|p| p.0).fold(f64::INFINITY, f64::min), points().map(|p| p.0).fold(1.0, f64::max));
        let (low, high) =
            (points().map(|p| p.1).fold(0.0, f64::min), points().map(|p| p.1).fold(1e-9, f64::max));
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, theme.text(16))
            .margin(8)
            .margin_right(16)
            .x_label_area_size(38)
            .y_label_area_size(56)
            .build_cartesian_2d(first.min(last - 1.0)..last, low..high * 1.05)
            .map_err(PlotError::draw)?;
        chart
            .configure_mesh()
            .light_line_style(theme.ground())
            .bold_line_style(theme.faint())
            .axis_style(theme.faint())
            .label_style(theme.text(13))
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_label_formatter(&|x| number(*x, 1))
            .y_label_formatter(&|y| number(*y, 2))
            .draw()
            .map_err(PlotError::draw)?;
        for (n, series) in self.series.iter().enumerate() {
            let color = theme.series(n);
            let finite = series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
            chart
                .draw_series(LineSeries::new(finite, color.stroke_width(2)))
                .map_err(PlotError::draw)?
                .label(&series.name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2)));
            let mark = series.mark.map(|at| Circle::new(at, 4, color.filled()));
            chart.draw_series(mark).map_err(PlotError::draw)?;
        }
        // The curves end at the right edge: the legend is placed in the right corner with more room.
        let ends = self.series.iter().filter_map(|series| series.points.iter().rfind(|p| p.1.is_finite()));
        let heights: Vec<f64> = ends.map(|end| (end.1 - low) / (high - low)).collect();
        let ends_high = heights.iter().sum::<f64>() > 0.5 * heights.len() as f64;
        chart
            .configure_series_labels()
            .position(if ends_high {
                SeriesLabelPosition::LowerRight
            } else {
                SeriesLabelPosition::UpperRight
            })
            .background_style(theme.ground().mix(0.8))
            .border_style(theme.faint())
            .label_font(theme.text(13))
            .draw()
            .map_err(PlotError::draw)
    }
}
