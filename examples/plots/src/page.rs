//! Arranges figures on a page and writes it to a file.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend};

use ser_examples::output;

use super::{Figure, Language, Theme};

/// A grid of figures, filled row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Title above the figures. If empty, it takes no room.
    pub title: String,
    /// The figures.
    pub figures: Vec<Figure>,
    /// Number of figures in a row, 1 or more.
    pub columns: usize,
    /// Width and height of a figure in pixels.
    pub size: (u32, u32),
    /// Light or dark colours.
    pub theme: Theme,
    /// Language of the axes of pictures over time.
    pub language: Language,
}

/// Format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Raster graphics.
    Png,
    /// Vector graphics.
    Svg,
}

/// Errors of drawing and writing a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A page without figures, or figures without values, or figures that are too small.
    #[error(
        "picture: figures must be 1 or more, each of 1 or more values and at least 80 × 60 pixels, got fewer"
    )]
    Empty,
    /// The file's extension is not that of a known format.
    #[error("{file}: extension must be .png or .svg, got {extension}")]
    Format {
        /// The file.
        file: String,
        /// Its extension, or `none`.
        extension: String,
    },
    /// The drawing library fails.
    #[error("picture: cannot be drawn: {0}")]
    Draw(String),
    /// The picture cannot be compressed.
    #[error("picture: cannot be stored as PNG: {0}")]
    Png(#[from] png::EncodingError),
}

impl PlotError {
    pub(super) fn draw(error: impl std::fmt::Display) -> Self {
        Self::Draw(error.to_string())
    }
}

impl Format {
    /// Returns the format of a file by its extension.
    ///
    /// # Errors
    /// [`PlotError::Format`] if the extension is not `.png` or `.svg`.
    pub fn of(path: &Path) -> Result<Self, PlotError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy());
        match extension.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("png") => Ok(Self::Png),
            Some("svg") => Ok(Self::Svg),
            _ => {
                let extension =
                    extension.map_or_else(|| "none".to_owned(), |extension| format!(".{extension}"));
                Err(PlotError::Format { file: path.display().to_string(), extension })
            }
        }
    }
}

const TITLE: u32 = 34;

impl Page {
    /// Creates a light page in English, without a title, with the figures below each other. `size` is that of a figure in pixels.
    pub fn new(figures: Vec<Figure>, size: (u32, u32)) -> Self {
        Self {
            title: String::new(),
            figures,
            columns: 1,
            size,
            theme: Theme::Light,
            language: Language::English,
        }
    }

    /// Returns width and height of the page in pixels.
    pub fn dimensions(&self) -> (u32, u32) {
        let columns = self.columns.clamp(1, self.figures.len().max(1));
        let rows = self.figures.len().div_ceil(columns);
        let title = if self.title.is_empty() { 0 } else { TITLE };
        (self.size.0 * columns as u32, self.size.1 * rows as u32 + title)
    }

    /// Draws the page and returns the bytes of a file.
    ///
    /// # Errors
    /// [`PlotError::Empty`] if there are no figures or a figure is too small or without values. Errors of the drawing library and of PNG.
    pub fn bytes(&self, format: Format) -> Result<Vec<u8>, PlotError> {
        if self.figures.is_empty() || self.size.0 < 80 || self.size.1 < 60 {
            return Err(PlotError::Empty);
        }
        let (width, height) = self.dimensions();
        match format {
            Format::Svg => {
                let mut text = String::new();
                self.draw(&SVGBackend::with_string(&mut text, (width, height)).into_drawing_area())?;
                Ok(text.into_bytes())
            }
            Format::Png => {
                let mut pixels = vec![0; (width * height * 3) as usize];
                self.draw(&BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area())?;
                let mut bytes = Vec::new();
                let mut encoder = png::Encoder::new(&mut bytes, width, height);
                encoder.set_color(png::ColorType::Rgb);
                encoder.set_depth(png::BitDepth::Eight);
                encoder.write_header()?.write_image_data(&pixels)?;
                Ok(bytes)
            }
        }
    }

    /// Draws the page and writes it to a file with the extension `.png` or `.svg`.
    ///
    /// # Errors
    /// As [`Page::bytes`], [`PlotError::Format`] for another extension, or if the file cannot be written. The last error names the file.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let bytes = self.bytes(Format::of(path)?)?;
        output::write(path, &bytes)
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Result<(), PlotError> {
        root.fill(&self.theme.ground()).map_err(PlotError::draw)?;
        let root = if self.title.is_empty() {
            root.clone()
        } else {
            let (title, rest) = root.split_vertically(TITLE);
            title.draw_text(&self.title, &self.theme.text(20), (12, 8)).map_err(PlotError::draw)?;
            rest
        };
        let columns = self.columns.clamp(1, self.figures.len());
        let areas = root.split_evenly((self.figures.len().div_ceil(columns), columns));
        for (figure, area) in self.figures.iter().zip(&areas) {
            figure.draw(area, &self.theme, self.language)?;
        }
        root.present().map_err(PlotError::draw)
    }
}
