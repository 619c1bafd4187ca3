//! Playlists, and the formats of their files.

mod formats;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::output::write_file;
use crate::recommendation::Recommendation;
use crate::song::Song;

/// Songs in playing order, ready to be written.
///
/// An entry refers to a file if its song has a path ([`Song::path`], or [`PlaylistEntry::location`] as set by the
/// caller). Otherwise it refers to the web page of [`Song::link`], which players that support web addresses open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Playlist {
    /// Title of the list.
    pub title: String,
    /// The songs.
    pub entries: Vec<PlaylistEntry>,
}

/// A song of a [`Playlist`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlaylistEntry {
    /// The title.
    pub name: String,
    /// The artist.
    pub artist: String,
    /// The album, or an empty text.
    pub album: String,
    /// The length in milliseconds.
    pub duration_ms: Option<u32>,
    /// The file that plays it: a path, or an address such as `https://…` or `file://…`. Players take a relative path as relative to
    /// the folder of the playlist: see [`Playlist::resolve_paths`].
    pub location: Option<PathBuf>,
    /// The page that plays it.
    pub link: String,
    /// The reason for the choice, or an empty text.
    pub reason: String,
}

impl Playlist {
    /// Creates a playlist from any songs.
    pub fn of_songs<'a>(title: impl Into<String>, songs: impl IntoIterator<Item = &'a Song>) -> Self {
        Playlist { title: title.into(), entries: songs.into_iter().map(PlaylistEntry::from).collect() }
    }

    /// Creates a playlist from recommendations or a journey, with the reasons.
    pub fn new(title: impl Into<String>, list: &[Recommendation<'_>]) -> Self {
        let entry =
            |item: &Recommendation<'_>| PlaylistEntry { reason: item.reason.clone(), ..item.song.into() };
        Playlist { title: title.into(), entries: list.iter().map(entry).collect() }
    }

    /// Puts a folder before all relative paths, so that players find the files whatever folder the playlist is in: the folder that the
    /// paths are relative to, as an absolute path. For the songs of a catalogue this is mostly the catalogue's folder. Absolute paths and
    /// addresses stay as they are.
    pub fn resolve_paths(&mut self, folder: impl AsRef<Path>) {
        let paths = self.entries.iter_mut().filter_map(|entry| entry.location.as_mut());
        for path in paths.filter(|path| !is_address(path)) {
            *path = folder.as_ref().join(&path);
        }
    }

    /// Writes a file in the format of its name's extension: `.m3u8` or `.m3u`, `.xspf`, `.jspf`, `.csv`, `.txt`. Links,
    /// devices and regular files are written as [`Catalog::save`](crate::Catalog::save) writes them.
    ///
    /// # Errors
    /// [`PlaylistError`], which names the file, when writing fails or the file name has no extension of a [`PlaylistFormat`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlaylistError> {
        let path = path.as_ref();
        let format = PlaylistFormat::of_path(path)?;
        write_file(path, |writer| self.write_to(writer, format))
            .map_err(|error| PlaylistError::Io { path: path.into(), error })
    }

    /// Writes to a writer.
    ///
    /// Control characters in texts are written as blanks, since no format has a place for them. A path that is not UTF-8, or holds control
    /// characters or blanks at its ends, is written as an address in M3U8, which players understand if the path is absolute. CSV cannot
    /// hold such a path: what it holds does not lead to the file.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write_to(&self, mut writer: impl Write, format: PlaylistFormat) -> io::Result<()> {
        formats::write(self, &mut writer, format)?;
        writer.flush()
    }
}

/// Whether a location is an address, which begins with a scheme and `://`, and no path.
fn is_address(location: &Path) -> bool {
    let scheme = location.to_str().and_then(|text| Some(text.split_once("://")?.0));
    scheme.is_some_and(|scheme| {
        // A single letter is a drive.
        scheme.len() > 1
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

impl From<&Song> for PlaylistEntry {
    fn from(song: &Song) -> Self {
        PlaylistEntry {
            name: song.name.to_string(),
            artist: song.artist.to_string(),
            album: song.album.to_string(),
            duration_ms: song.duration_ms,
            location: song.path.as_deref().map(PathBuf::from),
            link: song.link(),
            reason: String::new(),
        }
    }
}

/// The format of a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaylistFormat {
    /// Extended M3U in UTF-8, which nearly all players open. A file with the extension `.m3u` is in UTF-8 too: old players that
    /// expect another encoding there misread letters beyond ASCII.
    M3u8,
    /// XML Shareable Playlist Format, version 1.
    Xspf,
    /// The same in JSON.
    Jspf,
    /// A table with artist, name, album, duration_ms, path, link and reason. Cells that a spreadsheet would run as formulas get an
    /// apostrophe before them, as in [`CatalogFormat::Csv`](crate::CatalogFormat::Csv).
    Csv,
    /// `Artist – Title`, one a line.
    Text,
}

impl PlaylistFormat {
    /// All formats.
    pub const ALL: [PlaylistFormat; 5] = [
        PlaylistFormat::M3u8,
        PlaylistFormat::Xspf,
        PlaylistFormat::Jspf,
        PlaylistFormat::Csv,
        PlaylistFormat::Text,
    ];

    /// The usual extension of a file's name: `"m3u8"`.
    pub fn extension(self) -> &'static str {
        match self {
            PlaylistFormat::M3u8 => "m3u8",
            PlaylistFormat::Xspf => "xspf",
            PlaylistFormat::Jspf => "jspf",
            PlaylistFormat::Csv => "csv",
            PlaylistFormat::Text => "txt",
        }
    }

    /// The format that a file's extension names, in any case: `.m3u8` or `.m3u`, `.xspf`, `.jspf`, `.csv`, `.txt`.
    ///
    /// # Errors
    /// [`PlaylistError::Extension`] for any other.
    pub fn of_path(path: impl AsRef<Path>) -> Result<Self, PlaylistError> {
        let path = path.as_ref();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if extension.eq_ignore_ascii_case("m3u") {
            return Ok(PlaylistFormat::M3u8);
        }
        let named = |format: &Self| format.extension().eq_ignore_ascii_case(&extension);
        Self::ALL.into_iter().find(named).ok_or_else(|| PlaylistError::Extension { path: path.into() })
    }
}

impl fmt::Display for PlaylistFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.extension())
    }
}

/// Errors of writing a playlist.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaylistError {
    /// The file's name has the extension of no format.
    #[error("{}: extension must be .m3u8, .m3u, .xspf, .jspf, .csv or .txt, got {}", path.display(), extension(path))]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// Writing failed.
    #[error("{}: cannot be written: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

/// The extension of a file's name, with its dot.
fn extension(path: &Path) -> String {
    path.extension().map_or_else(|| "none".to_owned(), |extension| format!(".{}", extension.display()))
}
