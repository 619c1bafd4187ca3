//! Command-line options that name a catalogue of songs, and messages about the catalogue.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use mood_recommender::{Catalog, CatalogError, Duplicate, ReadOptions};

use crate::{cli, progress};

/// Source of the songs.
#[derive(Debug, Args)]
pub struct CatalogArguments {
    /// Read the songs from this catalogue: CSV, JSON or JSON Lines with names, artists and audio features, such as an export of
    /// Exportify or a data set of Kaggle [default: the bundled catalogue of 22 songs].
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// Read the songs' column COLUMN from the file's column with this header, such as `energy=Energy level`. May be given several times.
    #[arg(long, value_name = "COLUMN=HEADER", requires = "catalog")]
    pub column: Vec<String>,
    /// Leave out rows that cannot be read. Standard error names the first ten, and the number of all.
    #[arg(long, requires = "catalog")]
    pub skip_bad: bool,
}

impl CatalogArguments {
    /// Reads the catalogue, or the bundled one if no file is given. Reports on standard error the catalogue's notes, the rows left out and
    /// the number of songs without a mood.
    ///
    /// # Errors
    /// If the catalogue cannot be read. The error names the file.
    pub fn open(&self) -> anyhow::Result<Catalog> {
        let Some(path) = &self.catalog else { return Ok(Catalog::starter()) };
        let mut options = ReadOptions::default().skip_bad(self.skip_bad);
        for column in &self.column {
            let (column, header) = column
                .split_once('=')
                .with_context(|| format!("--column: value must be COLUMN=HEADER, got {column:?}"))?;
            options = options.column(column, header).context("--column")?;
        }
        let what = format!("reading {}", path.display());
        let catalog = progress::busy(what, || Catalog::open_with(path, &options)).map_err(advise)?;
        for note in catalog.notes() {
            cli::note(format_args!("note: {}: {note}", path.display()));
        }
        few(path, catalog.skipped(), |skipped| skipped.reason.clone());
        few(path, catalog.duplicates(), |Duplicate { row, id, first_row, .. }| {
            format!("row {row}: id must differ from those before, got {id:?}, that of row {first_row}")
        });
        let without = || catalog.songs().iter().filter(|song| song.mood.is_none());
        let estimated = without().filter(|song| song.mood_probabilities().is_some()).count();
        let unknown = without().count() - estimated;
        let name = path.display();
        let have =
            |songs: usize| if songs == 1 { "1 song has".into() } else { format!("{songs} songs have") };
        if estimated > 0 {
            let have = have(estimated);
            cli::note(format_args!("note: {name}: {have} no mood; it is estimated from the sound"));
        }
        if unknown > 0 {
            let have = have(unknown);
            cli::note(format_args!("note: {name}: {have} no mood, and no valence or energy to estimate it"));
        }
        Ok(catalog)
    }

    /// Returns the name of the catalogue for messages.
    pub fn name(&self) -> String {
        match &self.catalog {
            Some(path) => path.display().to_string(),
            None => "the bundled catalogue".to_string(),
        }
    }
}

/// Adds advice on `--column` to an error about missing columns.
fn advise(error: CatalogError) -> anyhow::Error {
    let is_header = matches!(&error, CatalogError::File { error, .. } if matches!(**error, CatalogError::MissingColumns { .. }));
    match is_header {
        true => anyhow::anyhow!(
            "{error}; --column COLUMN=HEADER names a column, such as --column artist=Performer"
        ),
        false => error.into(),
    }
}

/// Reports why the first ten skipped rows of a file were skipped. If there are more than ten, reports the number of all.
fn few<T>(path: &Path, all: &[T], reason: impl Fn(&T) -> String) {
    const FEW: usize = 10;
    let path = path.display();
    for one in all.iter().take(FEW) {
        cli::note(format_args!("skipped: {path}: {}", reason(one)));
    }
    if all.len() > FEW {
        cli::note(format_args!("skipped: {path}: {} rows in all", all.len()));
    }
}
