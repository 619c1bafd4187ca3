//! The files of a folder or an archive.

use std::io::{self, Read};
use std::path::Path;

use walkdir::WalkDir;

use super::{BadFile, SourceError};
use crate::file::{AudioFile, archive_entries, is_audio_path};

/// A file with its path below the folder or in the archive, joined by `/`.
pub(super) type Found = (String, AudioFile);

/// The files below a folder or in an archive.
pub(super) struct Files {
    /// Audio files, as their names say, by ascending path.
    pub(super) audio: Vec<Found>,
    /// Tables, by extension: an error message suggests the first one as the source.
    pub(super) tables: Vec<String>,
    /// Folders and files that cannot be read.
    pub(super) bad: Vec<BadFile>,
}

/// All files but hidden ones, those in hidden folders, and those that macOS adds to archives (`__MACOSX`).
pub(super) fn find(path: &Path) -> Result<Files, SourceError> {
    let io_error = |cause| SourceError::Io { path: path.into(), cause };
    let mut bad = Vec::new();
    let mut found = if std::fs::metadata(path).map_err(io_error)?.is_dir() {
        folder_files(path, &mut bad)
    } else {
        let mut magic = Vec::new();
        std::fs::File::open(path).and_then(|f| f.take(2).read_to_end(&mut magic)).map_err(io_error)?;
        let named_zip = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
        if magic != b"PK" && !named_zip {
            return Err(SourceError::Kind { path: path.into() });
        }
        archive_entries(path).map_err(|e| SourceError::Archive { path: path.into(), cause: e.into() })?
    };
    found.retain(|(inner, _)| !inner.split('/').any(|part| part.starts_with('.') || part == "__MACOSX"));
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let tables = found.iter().filter(|(inner, _)| is_table(Path::new(inner)));
    let tables = tables.map(|(inner, _)| inner.clone()).collect();
    found.retain(|(inner, _)| is_audio_path(inner));
    Ok(Files { audio: found, tables, bad })
}

/// What [`find_audio`] finds.
#[derive(Debug, Clone)]
pub struct FoundAudio {
    /// The audio files in the order of their paths: each path below the folder or in the archive, joined by `/`, and the file.
    pub files: Vec<(String, AudioFile)>,
    /// What cannot be read: folders, and links that lead nowhere or in a circle.
    pub bad: Vec<BadFile>,
}

/// The audio files below a folder or in a ZIP archive. Audio files are recognised by their extensions ([`is_audio_path`]). Hidden files, files
/// in hidden folders, and those that macOS adds to archives are skipped.
///
/// # Errors
/// [`SourceError`], if the folder or archive cannot be read; without `skip_bad`, also if something in it cannot.
pub fn find_audio(path: impl AsRef<Path>, skip_bad: bool) -> Result<FoundAudio, SourceError> {
    let Files { audio: files, bad, .. } = find(path.as_ref())?;
    if skip_bad {
        return Ok(FoundAudio { files, bad });
    }
    SourceError::refuse(bad)?;
    Ok(FoundAudio { files, bad: Vec::new() })
}

/// Whether a file is a table, by its extension.
pub(super) fn is_table(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["csv", "tsv"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn folder_files(path: &Path, bad: &mut Vec<BadFile>) -> Vec<Found> {
    let mut files = Vec::new();
    let seen = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || name == "__MACOSX")
    };
    for entry in WalkDir::new(path).follow_links(true).into_iter().filter_entry(seen) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let inner = entry.path().strip_prefix(path).unwrap_or(entry.path());
                let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
                files.push((parts.join("/"), AudioFile::new(entry.path())));
            }
            Ok(_) => {}
            Err(e) if is_other_link(&e) => {}
            Err(e) => {
                let file = e.path().unwrap_or(path).display().to_string();
                bad.push(BadFile::Unreadable { file, cause: system_error(e).into() });
            }
        }
    }
    files
}

/// The system's error, without the path. A circle of links is an error of the search.
fn system_error(error: walkdir::Error) -> io::Error {
    let circle = error.to_string();
    error.into_io_error().unwrap_or_else(|| io::Error::other(circle))
}

/// Whether an error is a link to nowhere whose name is neither that of a recording or table nor that of a folder: it has another extension.
fn is_other_link(error: &walkdir::Error) -> bool {
    let leads_nowhere = error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound);
    let is_other = |path: &Path| path.extension().is_some() && !is_audio_path(path) && !is_table(path);
    leads_nowhere && error.path().is_some_and(|path| path.is_symlink() && is_other(path))
}
