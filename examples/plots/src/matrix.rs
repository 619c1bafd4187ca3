//! Counts or correlations of pairs.

use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, DrawingBackend, RGBColor, Rectangle, Text};
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{PlotError, Theme};

/// A matrix whose cells are coloured and written, such as a confusion matrix or correlations.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The picture's caption.
    pub title: String,
    /// The names of the rows, from above.
    pub rows: Vec<String>,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Labels of rows and columns, e.g. `true` and `recognised`; either may be empty.
    pub axes: (String, String),
    /// Text of each cell.
    pub labels: Array2<String>,
    /// Colour value of each cell: 0 to 1, or −1 to 1 where [`Matrix::signed`].
    pub shades: Array2<f32>,
    /// Whether shades below 0 have a colour of their own.
    pub signed: bool,
}

impl Matrix {
    /// Confusion matrix: counts [true, recognised], coloured by share of the row.
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

    /// Correlations, −1 to 1, of each name with each.
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
            // Read from both ends, neutral in the middle.
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
        // Names that are wider than their column stand upright.
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

/// Whether dark letters read better on a colour (relative luminance of Rec. 709, without gamma).
fn light(RGBColor(red, green, blue): RGBColor) -> bool {
    0.2126 * f32::from(red) + 0.7152 * f32::from(green) + 0.0722 * f32::from(blue) > 128.0
}
