//! The file of a picture, for command lines.

use std::path::PathBuf;

use ser_examples::{cli, output};

use crate::{Format, Page, Theme};

/// Options of a command line: the file of a picture, and its ground.
#[derive(Debug, clap::Args)]
pub struct PictureFile {
    /// Picture to write. Its name ends in .png or .svg.
    #[arg(long, value_name = "FILE", default_value = "picture.png")]
    output: PathBuf,
    /// Draw on a dark ground.
    #[arg(long)]
    dark: bool,
}

impl PictureFile {
    /// Refuses a file that cannot be written, before long work is done for it.
    ///
    /// # Errors
    /// If its name has another extension or its folder is not there.
    pub fn check(&self) -> anyhow::Result<()> {
        Format::of(&self.output)?;
        output::check_folder(&self.output)
    }

    /// Writes a page and prints its size.
    ///
    /// # Errors
    /// Whatever keeps it from being drawn or written.
    pub fn save(&self, page: Page) -> anyhow::Result<()> {
        let page = Page { theme: if self.dark { Theme::Dark } else { Theme::Light }, ..page };
        page.save(&self.output)?;
        let (width, height) = page.dimensions();
        cli::print(format!("{}: {width} × {height} pixels", self.output.display()))
    }
}
