//! Finds and opens the recordings that a command line names.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use ser_data::{AudioFile, AudioOptions, AudioReader, FoundAudio, find_audio};

use crate::cli;

/// Command-line options for reading recordings.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Decoding {
    /// Read a truncated or damaged recording up to the damage, with a warning. A recording without the index of its samples is still an
    /// error.
    #[arg(long)]
    pub allow_truncated: bool,
}

impl Decoding {
    /// Returns the settings for decoding.
    pub fn options(self) -> AudioOptions {
        AudioOptions { allow_truncated: self.allow_truncated, ..AudioOptions::default() }
    }
}

/// A recording to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input, written `-`.
    Standard,
}

/// Number of bytes of standard input that are kept in memory. Longer input is kept in a temporary file.
const KEPT: usize = 8 << 20;

impl Input {
    /// Returns the recording of a path. `-` is standard input.
    pub fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Standard } else { Self::File(path.to_owned()) }
    }

    /// Opens the recording, which is then read in blocks. Memory does not grow with its length, unless the folder for temporary files is in
    /// memory.
    ///
    /// If standard input is a file, it is read in place. A pipe is first copied to an unnamed file in the folder for temporary files
    /// (`TMPDIR`), which the system deletes when the process ends. The copy is needed because some formats have their index at the end, and
    /// because truncation can only be detected at the end.
    ///
    /// # Errors
    /// If the input cannot be read or is not a recording. The error names it.
    pub fn open(&self, options: &AudioOptions) -> anyhow::Result<AudioReader<'static>> {
        match self {
            Self::File(path) if is_pipe(path) => {
                let path = path.display();
                bail!("{path}: recording must be a file or `-`, got a pipe (try `- < {path}`)")
            }
            Self::File(path) => Ok(AudioReader::open(path, options)?),
            Self::Standard => {
                let name = self.to_string();
                if let Some(file) = standard_file() {
                    return Ok(AudioReader::new(file, None, &name, options)?);
                }
                let mut kept = tempfile::spooled_tempfile(KEPT);
                copy_standard_input(&mut kept, &name)?;
                Ok(AudioReader::new(kept, None, &name, options)?)
            }
        }
    }
}

/// Copies all of standard input.
fn copy_standard_input(to: &mut impl Write, name: &str) -> anyhow::Result<()> {
    let mut from = io::stdin().lock();
    loop {
        let block = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            block => block.with_context(|| format!("{name}: cannot be read"))?,
        };
        if block.is_empty() {
            return Ok(());
        }
        to.write_all(block).with_context(|| {
            let folder = std::env::temp_dir();
            format!("{name}: cannot be copied to a temporary file in {}", folder.display())
        })?;
        let read = block.len();
        from.consume(read);
    }
}

/// Returns standard input as a file if it is a file of which nothing was read yet, as after `< FILE`. A file of unknown size, such as those
/// in /proc, has the length 0. `None` is returned for it, so that it is copied.
#[cfg(unix)]
fn standard_file() -> Option<File> {
    use std::io::Seek;
    use std::os::fd::AsFd;
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let is_file = file.metadata().is_ok_and(|file| file.is_file() && file.len() > 0);
    (is_file && file.stream_position().is_ok_and(|position| position == 0)).then_some(file)
}

#[cfg(not(unix))]
fn standard_file() -> Option<File> {
    None
}

/// Returns whether a path names a pipe. Pipes are read from standard input only.
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

/// Finds the recordings that a command line names: the named files in the order given, and all recordings below each folder, sorted. `-` is
/// standard input. With `skip_bad`, files and folders below a folder that cannot be read are reported on standard error and left out.
///
/// # Errors
/// If a folder cannot be read or holds no recording, or if standard input is named more than once. Without `skip_bad`, also if a file or
/// folder below a folder cannot be read.
pub fn find(named: &[PathBuf], skip_bad: bool) -> anyhow::Result<Vec<Input>> {
    let mut found = Vec::new();
    for path in named {
        match Input::of(path) {
            Input::File(path) if path.is_dir() => {
                let files = recordings_in(&path, skip_bad)?
                    .into_iter()
                    .filter_map(|(_, file)| Some(file.path()?.to_owned()));
                let mut files: Vec<_> = files.collect();
                if files.is_empty() {
                    bail!("{}: folder must hold audio files, got none", path.display());
                }
                files.sort();
                found.extend(files.into_iter().map(Input::File));
            }
            input => found.push(input),
        }
    }
    check_standard(&found)?;
    Ok(found)
}

/// Finds the recordings below a folder, each with its path relative to the folder. With `skip_bad`, files and folders that cannot be read
/// are reported on standard error and left out.
///
/// # Errors
/// If the folder cannot be read. Without `skip_bad`, also if a file or folder below it cannot be read.
pub fn recordings_in(folder: &Path, skip_bad: bool) -> anyhow::Result<Vec<(String, AudioFile)>> {
    let FoundAudio { files, bad } = find_audio(folder, skip_bad)?;
    bad.iter().for_each(|bad| cli::note(format_args!("skipped: {bad}")));
    Ok(files)
}

/// Checks that standard input is named at most once, because it can be read only once.
///
/// # Errors
/// If standard input is named more than once.
pub fn check_standard(inputs: &[Input]) -> anyhow::Result<()> {
    match inputs.iter().filter(|input| **input == Input::Standard).count() {
        0 | 1 => Ok(()),
        more => bail!("{}: `-` must be given once, got {more} times", Input::Standard),
    }
}
