//! The recordings that a command line names.

use std::fmt;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ser_data::{AudioOptions, AudioReader, find_audio};

/// A recording to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input, written `-`.
    Standard,
}

impl Input {
    /// Opens the recording, which is then read in blocks; standard input is read to its end first.
    ///
    /// # Errors
    /// If it cannot be read or is no recording; the error names it.
    pub fn open(&self, options: &AudioOptions) -> anyhow::Result<AudioReader<'static>> {
        match self {
            Self::File(path) if is_pipe(path) => {
                bail!("{}: it is a pipe: give `-` and pipe it into standard input", path.display())
            }
            Self::File(path) => Ok(AudioReader::open(path, options)?),
            Self::Standard => {
                let mut bytes = Vec::new();
                std::io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
                Ok(AudioReader::new(Cursor::new(bytes), None, "standard input", options)?)
            }
        }
    }
}

/// Whether a path names a pipe, which only standard input reads.
#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|file| file.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Standard => f.write_str("standard input"),
        }
    }
}

/// Files as they are named, and all recordings below folders, sorted; `-` is standard input.
///
/// # Errors
/// If a folder cannot be read or holds no recording.
pub fn find(named: &[PathBuf]) -> anyhow::Result<Vec<Input>> {
    let mut found = Vec::new();
    for path in named {
        if path == Path::new("-") {
            found.push(Input::Standard);
        } else if path.is_dir() {
            let files = find_audio(path)?.into_iter();
            let mut files: Vec<_> = files.filter_map(|(_, file)| Some(file.path()?.to_owned())).collect();
            if files.is_empty() {
                bail!("{}: a folder must hold audio files, got none", path.display());
            }
            files.sort();
            found.extend(files.into_iter().map(Input::File));
        } else {
            found.push(Input::File(path.clone()));
        }
    }
    Ok(found)
}
