//! Frame of pictures of values over time: title, axes and margins.

use std::ops::Range;

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::types::{RangedCoordf32, RangedCoordf64};
use plotters::prelude::{Cartesian2d, ChartBuilder, DrawingArea, DrawingBackend};

use super::{KEY_WIDTH, LABEL_WIDTH, Language, PlotError, Theme};

/// Chart with the time in seconds on the horizontal axis and values on the vertical axis.
pub(super) type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf32>>;

/// Vertical axis of a picture over time.
pub(super) struct Axis {
    /// Label of the axis.
    pub(super) name: &'static str,
    /// Range of the values.
    pub(super) range: Range<f32>,
    /// Maximum number of digits after the decimal point.
    pub(super) digits: usize,
    /// Whether grid lines are drawn at the numbers of the axis.
    pub(super) lines: bool,
}

/// Returns the maximum number of labels at the time axis of a picture with this width in pixels. With it, labels do not overlap, even on a
/// phone.
pub(super) fn time_labels(width: u32) -> usize {
    let plot = width.saturating_sub(LABEL_WIDTH + KEY_WIDTH + 16);
    (plot / 30).clamp(2, 11) as usize
}

/// Draws the frame for a time axis from 0 to `seconds` and returns the chart to draw values in.
pub(super) fn over_time<'a, DB: DrawingBackend>(
    area: &'a DrawingArea<DB, Shift>,
    theme: &Theme,
    title: &str,
    seconds: f64,
    axis: Axis,
    language: Language,
) -> Result<Chart<'a, DB>, PlotError> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, theme.text(16))
        .margin(8)
        .margin_right(8 + KEY_WIDTH)
        .x_label_area_size(40)
        .y_label_area_size(LABEL_WIDTH)
        .build_cartesian_2d(0.0..seconds.max(1e-3), axis.range)
        .map_err(PlotError::draw)?;
    let (format_time, format_value) = (
        |seconds: &f64| language.number(*seconds, 2),
        |value: &f32| language.number((*value).into(), axis.digits),
    );
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .axis_style(theme.faint())
        .light_line_style(theme.ground())
        .bold_line_style(theme.faint())
        .label_style(theme.text(13))
        .x_desc(language.words().time_axis)
        .y_desc(axis.name)
        .x_labels(time_labels(area.dim_in_pixel().0))
        .y_labels(5)
        .x_label_formatter(&format_time)
        .y_label_formatter(&format_value);
    if !axis.lines {
        mesh.disable_y_mesh();
    }
    mesh.draw().map_err(PlotError::draw)?;
    Ok(chart)
}
