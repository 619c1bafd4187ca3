//! Errors of reading labelled speech.

use std::io;
use std::path::PathBuf;

use super::clip::BadFile;
use super::manifest::ManifestError;

/// A folder, archive or table that cannot be read as labelled speech.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be opened.
    #[error("{}: cannot be read: {cause}", path.display())]
    Io {
        /// The folder or archive.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// It is a file of another kind.
    #[error("{}: source must be a folder, a ZIP archive or a table (.csv, .tsv), got another file", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// The archive is damaged.
    #[error("{}: cannot be read: {cause}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The error of its directory.
        #[source]
        cause: io::Error,
    },
    /// The table cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The format cannot be detected from the names.
    #[error(
        "{}: file names must be those of a known corpus, {looked_for}, got {files} audio files such as {example}{}",
        path.display(),
        table.as_ref().map(|table| format!(" (if {table} names the clips, give that file)")).unwrap_or_default()
    )]
    Unrecognized {
        /// The folder or archive.
        path: PathBuf,
        /// Audio files in it.
        files: usize,
        /// One of them.
        example: String,
        /// The names that are known.
        looked_for: String,
        /// A table in it, which may name the clips.
        table: Option<String>,
    },
    /// There are several corpora in it.
    #[error("{}: source must be one corpus, got {found} (give the folder of each)", path.display())]
    SeveralCorpora {
        /// The folder or archive.
        path: PathBuf,
        /// The corpora, with the number of files of each.
        found: String,
    },
    /// There is no clip in it.
    #[error(
        "{}: source must hold 1 or more clips such as {example}, got 0 ({songs_left_out} songs left out, {skipped} bad files)",
        path.display()
    )]
    NoClips {
        /// The folder, archive or table.
        path: PathBuf,
        /// Songs of RAVDESS in it.
        songs_left_out: usize,
        /// Bad files in it.
        skipped: usize,
        /// A name of the format.
        example: &'static str,
    },
    /// There are bad files or rows in it, and [`ClipsOptions::skip_bad`](crate::ClipsOptions::skip_bad) is not set.
    #[error("{first}{}", match others.len() { 0 => String::new(), n => format!(" (and {n} more bad files)") })]
    BadFiles {
        /// The first by its path.
        #[source]
        first: Box<BadFile>,
        /// The others, by their path.
        others: Vec<BadFile>,
    },
}

impl SourceError {
    /// Refuses bad files, if there are any.
    pub(crate) fn refuse(bad: Vec<BadFile>) -> Result<(), Self> {
        let mut others = bad.into_iter();
        match others.next() {
            None => Ok(()),
            Some(first) => Err(Self::BadFiles { first: first.into(), others: others.collect() }),
        }
    }
}
