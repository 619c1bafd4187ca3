//! Songs of playlists in a folder of audio files, found by their tags.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use lofty::config::ParseOptions;
use lofty::file::{AudioFile, FileType, TaggedFileExt};
use lofty::probe::Probe;
use lofty::tag::Accessor;
use unicode_normalization::UnicodeNormalization;
use walkdir::WalkDir;

use crate::playlist::{Playlist, PlaylistEntry};

/// How far the lengths of a song and of its file may lie apart, in milliseconds.
const SLACK: u32 = 3000;

/// The audio files of a folder and of all folders in it, by the artists and titles in their tags. Needs the feature `files`.
#[derive(Debug, Default)]
pub struct MusicFolder {
    /// The files of each artist and title, as [`plain`] writes them.
    files: HashMap<(String, String), Vec<File>>,
    untitled: usize,
    unreadable: Vec<(PathBuf, String)>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    duration_ms: Option<u32>,
}

impl MusicFolder {
    /// Reads the tags of all audio files: those whose extension is an audio format's. Links are not followed.
    ///
    /// # Errors
    /// If the folder itself cannot be read. A file that cannot is among the [`unreadable`](Self::unreadable).
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, MusicFolderError> {
        let given = folder.as_ref();
        // Paths are absolute, because players may run in another folder.
        let folder = std::path::absolute(given)
            .and_then(|folder| std::fs::read_dir(&folder).map(|_| folder))
            .map_err(|error| MusicFolderError { path: given.into(), error })?;
        let mut music = MusicFolder::default();
        for entry in WalkDir::new(&folder).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(&folder).to_path_buf();
                    // Its own text names the path too.
                    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    music.unreadable.push((path, reason));
                    continue;
                }
            };
            let is_audio =
                entry.path().extension().is_some_and(|extension| FileType::from_ext(extension).is_some());
            if entry.file_type().is_file() && is_audio {
                music.add(entry.into_path());
            }
        }
        Ok(music)
    }

    fn add(&mut self, path: PathBuf) {
        let options = ParseOptions::new().read_cover_art(false);
        // The content decides, since extensions lie.
        let read = Probe::open(&path).map_err(|error| error.to_string()).and_then(|probe| {
            let probe = probe.options(options).guess_file_type().map_err(|error| error.to_string())?;
            probe.read().map_err(|error| error.to_string())
        });
        let file = match read {
            Ok(file) => file,
            Err(error) => return self.unreadable.push((path, error)),
        };
        let milliseconds = u32::try_from(file.properties().duration().as_millis()).ok();
        let duration_ms = milliseconds.filter(|length| *length > 0);
        let tags = || file.primary_tag().into_iter().chain(file.tags());
        let is_text = |text: &Cow<'_, str>| !text.trim().is_empty();
        let artist = tags().find_map(|tag| tag.artist().filter(is_text));
        let title = tags().find_map(|tag| tag.title().filter(is_text));
        match (artist, title) {
            (Some(artist), Some(title)) => {
                let names = (plain(&artist), plain_title(&title));
                self.files.entry(names).or_default().push(File { path, duration_ms });
            }
            _ => self.untitled += 1,
        }
    }

    /// The number of files with an artist and a title.
    pub fn len(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }

    /// Whether no file has an artist and a title.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The number of audio files whose tags lack the artist or the title: they are not found.
    pub fn untitled(&self) -> usize {
        self.untitled
    }

    /// The files whose tags could not be read, with the reasons.
    pub fn unreadable(&self) -> &[(PathBuf, String)] {
        &self.unreadable
    }

    /// Finds the file of a song: the artist and the title must match, and the lengths must differ by at most 3 s if both are known. Of
    /// several files, the one with the nearest length is returned, then the first by path; an unknown length counts as 3 s away.
    ///
    /// Ignored are case, accents, punctuation and the text after `feat.`, `ft.` or `featuring`; in a title also the text after ` - ` and
    /// brackets that name an edition, such as `(2011 Remaster)` or `[Radio Edit]`. If the artist is a list with commas or semicolons, its
    /// first name is enough.
    pub fn find(&self, entry: &PlaylistEntry) -> Option<&Path> {
        let (apart, file) = self.nearest(entry)?;
        (apart <= SLACK).then_some(&file.path)
    }

    /// The file with the entry's artist and title whose length is nearest, and how far the lengths lie apart in milliseconds: as far as
    /// they may where one is unknown.
    fn nearest(&self, entry: &PlaylistEntry) -> Option<(u32, &File)> {
        let first = entry.artist.split([',', ';']).next().unwrap_or_default();
        let title = plain_title(&entry.name);
        let of_artists = [plain(&entry.artist), plain(first)].into_iter().filter_map(|artist| {
            let files = self.files.get(&(artist, title.clone()))?.iter();
            let apart = files.map(|file| match (entry.duration_ms, file.duration_ms) {
                (Some(wanted), Some(given)) => (wanted.abs_diff(given), file),
                _ => (SLACK, file),
            });
            apart.min_by_key(|(apart, file)| (*apart, &file.path))
        });
        // All artists come first, then the first one alone, unless only the other's lengths fit.
        of_artists.min_by_key(|(apart, _)| apart.saturating_sub(SLACK))
    }

    /// Sets the location of each entry of a playlist to its file. Returns the entries without a file, whose locations stay unchanged.
    pub fn locate<'p>(&self, playlist: &'p mut Playlist) -> Vec<NotFound<'p>> {
        for entry in &mut playlist.entries {
            if let Some(path) = self.find(entry) {
                entry.location = Some(path.to_path_buf());
            }
        }
        let not_found = |entry: &'p PlaylistEntry| match self.nearest(entry) {
            Some((apart, _)) if apart <= SLACK => None,
            other => Some(NotFound { entry, other_length_ms: other.and_then(|(_, file)| file.duration_ms) }),
        };
        playlist.entries.iter().filter_map(not_found).collect()
    }
}

/// A [`MusicFolder`] cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be read: {error}", path.display())]
#[non_exhaustive]
pub struct MusicFolderError {
    /// The folder.
    pub path: PathBuf,
    /// The system's error, which is part of the text.
    #[source]
    pub error: io::Error,
}

/// A playlist's song that no file of a [`MusicFolder`] plays. Displays as what is missing: `no file has this artist and title`, `its
/// file lasts 0:06, not 3:20`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NotFound<'p> {
    /// The song.
    pub entry: &'p PlaylistEntry,
    /// The length in milliseconds of the file with this artist and title, where it is not the song's. Of several files, that of the one
    /// whose length is nearest.
    pub other_length_ms: Option<u32>,
}

impl fmt::Display for NotFound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |milliseconds: u32| {
            let seconds = (u64::from(milliseconds) + 500) / 1000;
            format!("{}:{:02}", seconds / 60, seconds % 60)
        };
        match (self.other_length_ms, self.entry.duration_ms) {
            (Some(given), Some(wanted)) => {
                write!(f, "its file lasts {}, not {}", clock(given), clock(wanted))
            }
            _ => f.write_str("no file has this artist and title"),
        }
    }
}

/// Normalises a name to lower-case letters and digits without accents. A name that consists of symbols only, such as `!!!`, keeps
/// them.
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    let end = [" feat.", " feat ", " ft.", " (feat", " [feat", " featuring "]
        .iter()
        .filter_map(|mark| name.find(mark))
        .min()
        .unwrap_or(name.len());
    // An accent is a character of its own then, which is no letter.
    let letters = name[..end].nfkd().filter(|letter| letter.is_alphanumeric());
    let base = |letter| match letter {
        'đ' => 'd',
        'ł' => 'l',
        'ø' => 'o',
        'ı' => 'i',
        other => other,
    };
    let plain: String = letters.map(base).collect();
    if plain.is_empty() { name[..end].trim().nfkd().collect() } else { plain }
}

fn plain_title(title: &str) -> String {
    let start = title.split(" - ").next().unwrap_or_default();
    let title = if start.trim().is_empty() { title } else { start };
    // Edition marks in brackets behind the title, unless they are all of it.
    let edition =
        |text: &str| ["remaster", "version", "edit", "mono", "stereo"].iter().any(|word| text.contains(word));
    match title.find(['(', '[']) {
        Some(at) if at > 0 && edition(&title[at..].to_lowercase()) => plain(&title[..at]),
        _ => plain(title),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_their_errors_travel_between_threads() {
        fn shared<T: fmt::Debug + Send + Sync>() {}
        fn error<T: std::error::Error + Send + Sync + 'static>() {}
        shared::<MusicFolder>();
        shared::<NotFound<'static>>();
        error::<MusicFolderError>();
    }

    /// A WAV file of silence with a title and an artist in its INFO chunk.
    fn wav(folder: &Path, name: &str, artist: &str, title: &str, seconds: f64) {
        let mut info = b"INFO".to_vec();
        for (id, text) in [(b"IART", artist), (b"INAM", title)] {
            let mut text = text.as_bytes().to_vec();
            text.push(0);
            info.extend(id);
            info.extend((text.len() as u32).to_le_bytes());
            text.resize(text.len().next_multiple_of(2), 0);
            info.extend(text);
        }
        let samples = vec![0; (seconds * 8000.0) as usize];
        let mut body = b"WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        body.extend(8000_u32.to_le_bytes());
        body.extend(8000_u32.to_le_bytes());
        body.extend(b"\x01\0\x08\0LIST");
        body.extend((info.len() as u32).to_le_bytes());
        body.extend(info);
        body.extend(b"data");
        body.extend((samples.len() as u32).to_le_bytes());
        body.extend(samples);
        let mut file = b"RIFF".to_vec();
        file.extend((body.len() as u32).to_le_bytes());
        file.extend(body);
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), file).unwrap();
    }

    #[test]
    fn songs_are_found_by_artist_title_and_length() {
        let folder = tempfile::tempdir().unwrap();
        wav(folder.path(), "a/live.wav", "Zoé", "Über Nacht", 9.0);
        wav(folder.path(), "a/studio.wav", "ZOE", "Uber Nacht (2011 Remaster)", 4.0);
        wav(folder.path(), "b.wav", "Anna feat. Bob", "Still - Single", 2.0);
        wav(folder.path(), "untitled.wav", "Anna", "", 2.0);
        std::fs::write(folder.path().join("letter.wav"), "Dear Sir").unwrap();
        std::fs::write(folder.path().join("letter.txt"), "Dear Sir").unwrap();
        let music = MusicFolder::open(folder.path()).unwrap();
        assert_eq!((music.len(), music.untitled(), music.unreadable().len()), (3, 1, 1));
        let entry = |artist: &str, name: &str, duration_ms| PlaylistEntry {
            artist: artist.into(),
            name: name.into(),
            duration_ms,
            link: "https://example.org".into(),
            ..PlaylistEntry::default()
        };
        let mut playlist = Playlist {
            title: "All".into(),
            entries: vec![
                entry("Zoé, The Band", "Über Nacht", Some(6000)),
                entry("Zoé", "über nacht!", Some(10_000)),
                entry("Anna", "Still", None),
                entry("Zoé", "Über Nacht", Some(20_000)),
                entry("Nobody", "Still", None),
            ],
        };
        let missing: Vec<(String, String)> = music
            .locate(&mut playlist)
            .iter()
            .map(|missing| (missing.entry.artist.clone(), missing.to_string()))
            .collect();
        let expected =
            [("Zoé", "its file lasts 0:09, not 0:20"), ("Nobody", "no file has this artist and title")];
        assert_eq!(missing, expected.map(|(artist, why)| (artist.to_owned(), why.to_owned())));
        let name = |at: usize| playlist.entries[at].location.as_ref()?.strip_prefix(folder.path()).ok();
        let found = ["a/studio.wav", "a/live.wav", "b.wav"].map(|path| Some(Path::new(path)));
        assert_eq!([name(0), name(1), name(2)], found);
        assert_eq!((name(3), name(4)), (None, None));
        let error = MusicFolder::open("none").unwrap_err();
        assert!(error.to_string().starts_with("none: cannot be read: "), "{error}");
    }

    #[test]
    fn spellings_of_a_title_are_the_same() {
        for (a, b) in [
            ("Don't Stop - 2011 Remaster", "Dont stop"),
            ("Café (feat. X)", "CAFE"),
            ("Cafe\u{301} Ångström", "cafe angstrom"),
            ("Øresund ｆｕｌｌ", "oresund full"),
            ("- - -", "- - -"),
            ("(Sittin' On) The Dock", "Sittin on the dock"),
            ("！！！", "!!!"),
            ("!!! - 2011 Remaster", "!!!"),
            ("??? (Mono)", "???"),
        ] {
            assert_eq!(plain_title(a), plain_title(b), "{a}");
        }
        assert_ne!(plain_title("One (Part 1)"), plain_title("One (Part 2)"));
        assert_ne!(plain_title("!!!"), plain_title("???"));
        assert_ne!(plain_title("!!! - Live"), plain_title("??? - Live"));
    }
}
