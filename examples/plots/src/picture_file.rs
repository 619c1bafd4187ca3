//! Command-line options for the file of a picture.

use std::path::PathBuf;

use ser_examples::{cli, output};

use crate::{Format, Page, Theme};

/// Command-line options: the file of a picture, and its colours.
#[derive(Debug, clap::Args)]
pub struct PictureFile {
    /// Picture to write. Its name ends in .png or .svg.
    #[arg(long, value_name = "FILE", default_value = "picture.png")]
    output: PathBuf,
    /// Draw on a dark background.
    #[arg(long)]
    dark: bool,
}

impl PictureFile {
    /// Checks that the file can be written, before long work is done for it.
    ///
    /// # Errors
    /// If the extension is not `.png` or `.svg`, or if the folder does not exist.
    pub fn check(&self) -> anyhow::Result<()> {
        Format::of(&self.output)?;
        output::check_folder(&self.output)
    }

    /// Writes a page and prints its size.
    ///
    /// # Errors
    /// If the page cannot be drawn or the file cannot be written.
    pub fn save(&self, page: Page) -> anyhow::Result<()> {
        let page = Page { theme: if self.dark { Theme::Dark } else { Theme::Light }, ..page };
        page.save(&self.output)?;
        let (width, height) = page.dimensions();
        cli::print(format!("{}: {width} × {height} pixels", self.output.display()))
    }
}
