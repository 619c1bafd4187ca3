//! Bar charts.

use plotters::coord::Shift;
use plotters::prelude::{Color, DrawingArea, DrawingBackend, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{PlotError, Theme};

/// Amounts of named items, as horizontal bars with their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// Title of the picture.
    pub title: String,
    /// Unit of the amounts.
    pub unit: String,
    /// Names with their amounts, 0 or more, from top to bottom.
    pub bars: Vec<(String, f64)>,
}

impl Bars {
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
    ) -> Result<(), PlotError> {
        if self.bars.is_empty() {
            return Err(PlotError::Empty);
        }
        let (width, height) = area.dim_in_pixel();
        let small = theme.text(13);
        let widest = self.bars.iter().filter_map(|(name, _)| area.estimate_text_size(name, &small).ok());
        let left = widest.map(|size| size.0).max().unwrap_or(0) as i32 + 20;
        let (top, bottom) = (36, height as i32 - 26);
        let most = self.bars.iter().map(|bar| bar.1).fold(0.0, f64::max).max(1e-9);
        let row = (bottom - top) / self.bars.len() as i32;
        let room = width as i32 - left - 70;
        if row < 6 || room < 10 {
            return Err(PlotError::Empty);
        }
        let write = |text: String, at: (i32, i32), horizontal, height| {
            let style = theme.text(height).pos(Pos::new(horizontal, VPos::Center));
            area.draw(&Text::new(text, at, style)).map_err(PlotError::draw)
        };
        write(self.title.clone(), (width as i32 / 2, 18), HPos::Center, 16)?;
        for (n, (name, amount)) in self.bars.iter().enumerate() {
            let (from, middle) = (top + n as i32 * row, top + n as i32 * row + row / 2);
            let length = (amount.max(0.0) / most * f64::from(room)).round() as i32;
            let bar = [(left, from + row / 6), (left + length, from + row - row / 6)];
            area.draw(&Rectangle::new(bar, theme.named(name).filled())).map_err(PlotError::draw)?;
            write(name.clone(), (left - 8, middle), HPos::Right, 13)?;
            let number = if amount.fract() == 0.0 { format!("{amount:.0}") } else { format!("{amount:.2}") };
            write(number, (left + length + 6, middle), HPos::Left, 13)?;
        }
        write(self.unit.clone(), (left + room / 2, height as i32 - 12), HPos::Center, 13)
    }
}
