//! Heatmaps of feature values over time.

use std::ops::Range;

use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::{BitMapElement, ChartBuilder, DrawingArea, DrawingBackend, PathElement, Text};

use super::frame::time_labels;
use super::{KEY_WIDTH, LABEL_WIDTH, Language, PlotError, Theme};

/// Feature values over time as colours, with a key. The first row is at the bottom, the first frame at the left.
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap {
    /// Title of the picture.
    pub title: String,
    /// Finite values, [rows, frames].
    pub values: Array2<f32>,
    /// Start of the first frame and end of the last frame, in seconds.
    pub time: Range<f64>,
    /// Range of the time axis, in seconds. Times without a frame have the background colour.
    pub axis: Range<f64>,
    /// Meaning of the rows.
    pub rows: Rows,
    /// Unit of the values, e.g. `dB`.
    pub unit: String,
}

/// Meaning of the rows of a [`Heatmap`].
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Centre frequencies of bands in Hz, ascending.
    Hertz(Vec<f32>),
    /// Label of the axis, e.g. `pitch class`, and the name of each row.
    Names(String, Vec<String>),
    /// Label of the axis, e.g. `coefficient`. Rows are numbered from 0.
    Numbered(String),
}

impl Rows {
    fn axis(&self, language: Language) -> &str {
        match self {
            Self::Hertz(_) => language.words().frequency_axis,
            Self::Names(name, _) | Self::Numbered(name) => name,
        }
    }

    /// Returns the labels at the axis, each with its position in rows from the bottom.
    fn labels(&self, rows: usize) -> Vec<(f64, String)> {
        match self {
            Self::Hertz(centres) => {
                let octaves = (0..9).map(|octave| 64.0 * 2f32.powi(octave));
                octaves.filter_map(|hertz| Some((place(centres, hertz)?, format!("{hertz:.0}")))).collect()
            }
            Self::Names(_, names) => {
                names.iter().enumerate().map(|(row, name)| (row as f64 + 0.5, name.clone())).collect()
            }
            Self::Numbered(_) => {
                let step = if rows > 24 { 10 } else { rows.div_ceil(8).max(1) };
                (0..rows).step_by(step).map(|row| (row as f64 + 0.5, row.to_string())).collect()
            }
        }
    }
}

/// Returns the position of a frequency among ascending centres, in rows from the bottom. Returns `None` if it is outside of the centres.
fn place(centres: &[f32], hertz: f32) -> Option<f64> {
    let above = centres.iter().position(|&centre| centre >= hertz)?;
    let below = above.checked_sub(1)?;
    let share = (hertz - centres[below]) / (centres[above] - centres[below]);
    Some(below as f64 + 0.5 + f64::from(share))
}

/// Returns the values at the ends of the colour map: the 3rd and the 97th percentile. With minimum and maximum, a row whose values are far
/// from all others, such as the first MFCC, would leave a single colour for the rest.
fn limits(values: &Array2<f32>) -> (f32, f32) {
    let mut sorted: Vec<f32> = values.iter().copied().collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let aside = sorted.len() * 3 / 100;
    (sorted[aside], sorted[sorted.len() - 1 - aside])
}

impl Heatmap {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        language: Language,
    ) -> Result<(), PlotError> {
        let (rows, frames) = self.values.dim();
        if rows == 0 || frames == 0 {
            return Err(PlotError::Empty);
        }
        let (low, high) = limits(&self.values);
        let range = if high > low { high - low } else { 1.0 };

        let (width, _) = area.dim_in_pixel();
        let (picture, key) = area.split_horizontally(width.saturating_sub(KEY_WIDTH));
        let mut chart = ChartBuilder::on(&picture)
            .caption(&self.title, theme.text(16))
            .margin(8)
            .x_label_area_size(40)
            .y_label_area_size(LABEL_WIDTH)
            .build_cartesian_2d(self.axis.start..self.axis.end.max(self.axis.start + 1e-3), 0.0..rows as f64)
            .map_err(PlotError::draw)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(theme.faint())
            .label_style(theme.text(13))
            .x_desc(language.words().time_axis)
            .x_labels(time_labels(width))
            .x_label_formatter(&|seconds| language.number(*seconds, 2))
            .y_desc(self.rows.axis(language))
            .y_labels(0)
            .draw()
            .map_err(PlotError::draw)?;
        let plot = chart.plotting_area().strip_coord_spec();
        let color = |share: f32| colorous::MAGMA.eval_continuous(f64::from(share.clamp(0.0, 1.0)));
        let ground = theme.ground();
        let ground = colorous::Color { r: ground.0, g: ground.1, b: ground.2 };
        fill(&plot, |x, y, width, height| {
            let second =
                self.axis.start + (f64::from(x) + 0.5) / f64::from(width) * (self.axis.end - self.axis.start);
            if !self.time.contains(&second) {
                return ground;
            }
            let share = (second - self.time.start) / (self.time.end - self.time.start);
            let frame = ((share * frames as f64) as usize).min(frames - 1);
            let row = rows - 1 - (y as usize * rows / height as usize).min(rows - 1);
            color((self.values[[row, frame]] - low) / range)
        })?;

        // Labels are drawn at the rows that they name, because the mesh of plotters places them in even steps.
        let (across, down) = plot.get_pixel_range();
        let (left, top, bottom) = (across.start, down.start, down.end);
        let at = |row: f64| bottom - (row / rows as f64 * f64::from(bottom - top)).round() as i32;
        let base = area.get_pixel_range();
        let mut free = i32::MAX;
        for (row, label) in self.rows.labels(rows).into_iter() {
            let style = theme.text(13);
            let (text_width, text_height) =
                area.estimate_text_size(&label, &style).map_err(PlotError::draw)?;
            let (x, y) = (left - base.0.start, at(row) - base.1.start);
            // Labels are drawn from bottom to top. A label that would overlap the one below is left out.
            if y + text_height as i32 / 2 > free {
                continue;
            }
            free = y - text_height as i32 / 2;
            let place = (x - 7 - text_width as i32, y - text_height as i32 / 2);
            area.draw(&Text::new(label, place, style)).map_err(PlotError::draw)?;
            area.draw(&PathElement::new(vec![(x - 4, y), (x, y)], theme.faint())).map_err(PlotError::draw)?;
        }
        draw_key(&key, theme, (low, low + range), &self.unit, color, (top, bottom), language)
    }
}

/// Draws the colour key beside a picture.
pub(super) fn draw_key<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    theme: &Theme,
    (low, high): (f32, f32),
    unit: &str,
    color: impl Fn(f32) -> colorous::Color,
    (top, bottom): (i32, i32),
    language: Language,
) -> Result<(), PlotError> {
    let base = area.get_pixel_range();
    let (top, bottom) = (top - base.1.start, bottom - base.1.start);
    let height = (bottom - top).max(2);
    let bar = area.clone().shrink((0, top), (14, height));
    fill(&bar, |_, y, _, height| color(1.0 - y as f32 / (height - 1).max(1) as f32))?;
    let digits = if high - low >= 20.0 { 0 } else { 2 };
    for (value, y) in [(high, top), ((low + high) / 2.0, (top + bottom) / 2), (low, bottom)] {
        let label = language.number(value.into(), digits);
        area.draw(&Text::new(label, (20, y - 6), theme.text(13))).map_err(PlotError::draw)?;
    }
    area.draw(&Text::new(unit.to_string(), (0, top - 18), theme.text(13))).map_err(PlotError::draw)
}

/// Fills an area with the colour that `color(x, y, width, height)` returns for each pixel.
pub(super) fn fill<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    color: impl Fn(u32, u32, u32, u32) -> colorous::Color,
) -> Result<(), PlotError> {
    let (width, height) = area.dim_in_pixel();
    if width == 0 || height == 0 {
        return Err(PlotError::Empty);
    }
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels: Vec<u8> = pixels.flat_map(|(x, y)| color(x, y, width, height).as_array()).collect();
    let bitmap = BitMapElement::with_owned_buffer((0, 0), (width, height), pixels).ok_or(PlotError::Empty)?;
    area.draw(&bitmap).map_err(PlotError::draw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_lies_between_the_centres_around_it() {
        assert_eq!(place(&[100.0, 200.0, 400.0], 200.0), Some(1.5));
        assert_eq!(place(&[100.0, 200.0, 400.0], 300.0), Some(2.0));
        assert_eq!(place(&[100.0, 200.0, 400.0], 50.0), None);
        assert_eq!(place(&[100.0, 200.0, 400.0], 500.0), None);
    }
}
