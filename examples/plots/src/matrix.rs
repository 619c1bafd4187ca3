//! Matrices of counts or correlations.

use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, DrawingBackend, RGBColor, Rectangle, Text};
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{PlotError, Theme};

/// A matrix with a colour and a text in each cell, such as a confusion matrix or correlations.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Title of the picture.
    pub title: String,
    /// The names of the rows, from top to bottom.
    pub rows: Vec<String>,
    /// The names of the columns, from left to right.
    pub columns: Vec<String>,
    /// Labels of the vertical and the horizontal axis, e.g. `true` and `recognised`. Each may be empty.
    pub axes: (String, String),
    /// Text of each cell.
    pub labels: Array2<String>,
    /// Value of each cell on the colour map: 0 to 1, or −1 to 1 if [`Matrix::signed`] is set.
    pub shades: Array2<f32>,
    /// Whether the colour map diverges from 0, with different colours below and above.
    pub signed: bool,
}

impl Matrix {
    /// Creates a confusion matrix of counts [true, recognised]. The colour is the share of the row.
    pub fn confusion(title: impl Into<String>, names: &[String], counts: &Array2<usize>) -> Self {
        let sums: Vec<usize> = counts.outer_iter().map(|row| row.sum().max(1)).collect();
        let share = |(row, column): (usize, usize)| counts[[row, column]] as f32 / sums[row] as f32;
        Self {
            title: title.into(),
            rows: names.to_vec(),
            columns: names.to_vec(),
            axes: ("true".into(), "recognised".into()),
            labels: Array2::from_shape_fn(counts.dim(), |at| {
                format!("{} ({:.0} %)", counts[at], share(at) * 100.0)
            }),
            shades: Array2::from_shape_fn(counts.dim(), share),
            signed: false,
        }
    }

    /// Creates a matrix of the correlations, −1 to 1, between named variables.
    pub fn correlations(title: impl Into<String>, names: &[String], values: Array2<f32>) -> Self {
        Self {
            title: title.into(),
            rows: names.to_vec(),
            columns: names.to_vec(),
            axes: (String::new(), String::new()),
            labels: values.map(|value| format!("{value:.2}").replace("-0.00", "0.00").replace('-', "−")),
            shades: values,
            signed: true,
        }
    }

    fn color(&self, shade: f32) -> RGBColor {
        let color = if self.signed {
            // Purple to orange, with a neutral colour at 0.
            colorous::PURPLE_ORANGE.eval_continuous(0.5 - f64::from(shade.clamp(-1.0, 1.0)) * 0.45)
        } else {
            colorous::VIRIDIS.eval_continuous(f64::from(shade.clamp(0.0, 1.0)))
        };
        RGBColor(color.r, color.g, color.b)
    }

    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
    ) -> Result<(), PlotError> {
        let (rows, columns) = self.labels.dim();
        if rows == 0 || columns == 0 || self.shades.dim() != (rows, columns) {
            return Err(PlotError::Empty);
        }
        let small = theme.text(13);
        let text_width = |name: &String| area.estimate_text_size(name, &small).map_or(0, |size| size.0);
        let widest = |names: &[String]| names.iter().map(text_width).max().unwrap_or(0) as i32;
        let (width, height) = area.dim_in_pixel();
        let (left, top) = (widest(&self.rows) + 16 + 20, 34);
        let column = (width as i32 - left - 16) / columns as i32;
        // Names that are wider than their column are rotated.
        let upright = widest(&self.columns) > column - 4;
        let below = if upright { widest(&self.columns) + 12 } else { 22 } + 20;
        let row = (height as i32 - top - below) / rows as i32;
        if row < 8 || column < 8 {
            return Err(PlotError::Empty);
        }
        let centred = |height| theme.text(height).pos(Pos::new(HPos::Center, VPos::Center));
        let write = |text: &str, at: (i32, i32), style| {
            area.draw(&Text::new(text.to_string(), at, style)).map_err(PlotError::draw)
        };
        write(&self.title, (width as i32 / 2, 18), centred(16))?;
        for (y, name) in self.rows.iter().enumerate().take(rows) {
            let style = theme.text(13).pos(Pos::new(HPos::Right, VPos::Center));
            write(name, (left - 8, top + y as i32 * row + row / 2), style)?;
            for x in 0..columns {
                let (from, shade) = ((left + x as i32 * column, top + y as i32 * row), self.shades[[y, x]]);
                let color = self.color(shade);
                let cell = [from, (from.0 + column - 1, from.1 + row - 1)];
                area.draw(&Rectangle::new(cell, color.filled())).map_err(PlotError::draw)?;
                let ink = if light(color) { RGBColor(20, 20, 20) } else { RGBColor(250, 250, 250) };
                let label = &self.labels[[y, x]];
                let fits = text_width(label) as i32 <= column - 4;
                let mut style = centred(if fits { 13 } else { 10 });
                style.color = ink.to_backend_color();
                write(label, (from.0 + column / 2, from.1 + row / 2), style)?;
            }
        }
        let bottom = top + rows as i32 * row;
        for (x, name) in self.columns.iter().enumerate().take(columns) {
            let middle = left + x as i32 * column + column / 2;
            if upright {
                let style = theme
                    .text(13)
                    .transform(FontTransform::Rotate270)
                    .pos(Pos::new(HPos::Right, VPos::Center));
                write(name, (middle, bottom + 6), style)?;
            } else {
                write(name, (middle, bottom + 12), centred(13))?;
            }
        }
        write(&self.axes.1, (left + columns as i32 * column / 2, height as i32 - 12), centred(13))?;
        let sideways = centred(13).transform(FontTransform::Rotate270);
        write(&self.axes.0, (14, top + rows as i32 * row / 2), sideways)
    }
}

/// Returns whether dark letters are more readable on a colour than light ones. Uses the luminance of Rec. 709 without gamma.
fn light(RGBColor(red, green, blue): RGBColor) -> bool {
    0.2126 * f32::from(red) + 0.7152 * f32::from(green) + 0.0722 * f32::from(blue) > 128.0
}
