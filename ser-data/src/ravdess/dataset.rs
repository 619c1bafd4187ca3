use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{ClipName, Modality, NameError, VocalChannel};
use crate::audio::{Audio, AudioError};
use crate::file::{AudioFile, archive_entries, is_audio_path};

/// What to take from a RAVDESS folder or archive. The default takes speech only and refuses any bad file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RavdessOptions {
    /// Takes songs (vocal channel 02) too. Otherwise they are left out and counted.
    pub songs: bool,
    /// Leaves out files that cannot be taken and lists them in [`Ravdess::skipped`], instead of refusing them all.
    pub skip_bad: bool,
}

/// The clips of RAVDESS, as they lie in a folder or a ZIP archive.
///
/// ```no_run
/// use ser_data::{Ravdess, RavdessOptions, mood_of};
///
/// let dataset = Ravdess::open("Audio_Speech_Actors_01-24.zip", &RavdessOptions::default())?;
/// for clip in &dataset.clips {
///     let audio = clip.read()?;
///     println!("{}: {}, {:.1?}", clip.id, mood_of(clip.name.emotion), audio.duration());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ravdess {
    /// The clips by ascending identifier, each once.
    pub clips: Vec<Clip>,
    /// The files that were left out because of [`RavdessOptions::skip_bad`]. Report them.
    pub skipped: Vec<BadFile>,
    /// Number of songs left out.
    pub songs_left_out: usize,
}

/// One clip. Its sound is read when asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clip {
    /// The file's name without folder and ending, `03-01-06-01-02-01-12`: unique in a dataset.
    pub id: String,
    /// What the name says.
    pub name: ClipName,
    /// Where it is.
    pub file: AudioFile,
}

impl Clip {
    /// Reads and decodes the clip.
    ///
    /// # Errors
    ///
    /// [`AudioError`] names the file and what is wrong with it.
    pub fn read(&self) -> Result<Audio, AudioError> {
        self.file.read()
    }
}

impl AsRef<AudioFile> for Clip {
    fn as_ref(&self) -> &AudioFile {
        &self.file
    }
}

/// A file that is no clip to take, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFile {
    /// An audio file whose name is not RAVDESS's.
    #[error(transparent)]
    Name(NameError),
    /// A video.
    #[error("{file}: modality is {:02} ({modality}), expected 03 (audio only)", modality.code())]
    Modality {
        /// The file.
        file: String,
        /// What it holds instead.
        modality: Modality,
    },
    /// Two files of one name that are not copies of one another.
    #[error(
        "{file}: differs from {other}, which has the same name; expected one file a clip, or equal copies"
    )]
    Ambiguous {
        /// The file that is not taken.
        file: String,
        /// The one that is.
        other: String,
    },
    /// A file or folder that cannot be read.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The file or folder.
        file: String,
        /// The system's reason.
        reason: String,
    },
}

/// A folder or archive that is no dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// It cannot be opened.
    #[error("{}: cannot be read: {cause}", path.display())]
    Io {
        /// The folder or archive.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// It is a file of another kind.
    #[error("{}: is neither a folder nor a ZIP archive; expected RAVDESS as one of them", path.display())]
    NotADataset {
        /// The file.
        path: PathBuf,
    },
    /// The archive is damaged.
    #[error("{}: is not a readable ZIP archive: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no clip in it.
    #[error(
        "{}: no clips in it ({songs_left_out} songs left out, {skipped} bad files); \
         expected files such as Actor_01/03-01-01-01-01-01-01.wav",
        path.display()
    )]
    NoClips {
        /// The folder or archive.
        path: PathBuf,
        /// Songs in it, which were not asked for.
        songs_left_out: usize,
        /// Bad files in it.
        skipped: usize,
    },
    /// There are bad files in it, and [`RavdessOptions::skip_bad`] is not set.
    #[error("{}{}", files[0], match files.len() { 1 => String::new(), n => format!(" (and {} more bad files)", n - 1) })]
    BadFiles {
        /// The files by their path, one or more.
        files: Vec<BadFile>,
    },
}

impl Ravdess {
    /// How many clips all of its speech are: 60 by each of 24 actors (Livingstone & Russo 2018,
    /// [doi:10.1371/journal.pone.0196391](https://doi.org/10.1371/journal.pone.0196391)).
    pub const SPEECH_CLIPS: usize = 1440;

    /// Finds the clips in a folder, at any depth, or in a ZIP archive, which is not unpacked.
    ///
    /// Any tree will do: `Actor_01/*.wav` as downloaded, FLAC copies, or Kaggle's archive, which holds every file
    /// twice (`Actor_01/` and `audio_speech_actors_01-24/Actor_01/`): of equal copies the one of the shortest path is
    /// taken. Hidden files and files that are not audio by their ending are passed over. No sound is read.
    ///
    /// # Errors
    ///
    /// [`DatasetError`], if the path cannot be read, holds no clips, or holds a bad file (see [`BadFile`]) and
    /// [`RavdessOptions::skip_bad`] is not set.
    pub fn open(path: impl AsRef<Path>, options: &RavdessOptions) -> Result<Self, DatasetError> {
        let path = path.as_ref();
        let mut bad = Vec::new();
        let mut files = find_files(path, &mut bad)?;
        // Of copies the first is taken: the one of the shortest path.
        files.sort_by_cached_key(|(inner, _)| (inner.matches('/').count(), inner.clone()));

        let mut clips = BTreeMap::<String, (String, Clip)>::new();
        let mut songs_left_out = 0;
        for (inner, file) in files {
            let file_name = inner.rsplit('/').next().unwrap_or(&inner);
            let Some((stem, ending)) = file_name.rsplit_once('.') else { continue };
            if !is_audio_path(file_name) {
                continue;
            }
            let ending = ending.to_ascii_lowercase();
            let name: ClipName = match stem.parse() {
                Ok(name) => name,
                Err(e) => {
                    bad.push((inner, BadFile::Name(NameError::in_file(e, file.to_string()))));
                    continue;
                }
            };
            if name.modality != Modality::AudioOnly {
                bad.push((inner, BadFile::Modality { file: file.to_string(), modality: name.modality }));
                continue;
            }
            match clips.get(&name.to_string()) {
                None => {
                    let id = name.to_string();
                    clips.insert(id.clone(), (ending, Clip { id, name, file }));
                }
                Some((other_ending, other)) => {
                    if *other_ending != ending || !file.looks_like_copy_of(&other.file) {
                        let other = other.file.to_string();
                        bad.push((inner, BadFile::Ambiguous { file: file.to_string(), other }));
                    }
                }
            }
        }
        if !options.songs {
            let found = clips.len();
            clips.retain(|_, (_, clip)| clip.name.vocal_channel == VocalChannel::Speech);
            songs_left_out = found - clips.len();
        }
        bad.sort_by(|(a, _), (b, _)| a.cmp(b));
        let skipped: Vec<_> = bad.into_iter().map(|(_, bad)| bad).collect();
        if !skipped.is_empty() && !options.skip_bad {
            return Err(DatasetError::BadFiles { files: skipped });
        }
        if clips.is_empty() {
            return Err(DatasetError::NoClips { path: path.into(), songs_left_out, skipped: skipped.len() });
        }
        let clips = clips.into_values().map(|(_, clip)| clip).collect();
        Ok(Self { clips, skipped, songs_left_out })
    }
}

/// All files below a folder or in an archive, with their paths inside it, joined by `/`.
fn find_files(
    path: &Path,
    bad: &mut Vec<(String, BadFile)>,
) -> Result<Vec<(String, AudioFile)>, DatasetError> {
    let io_error = |cause| DatasetError::Io { path: path.into(), cause };
    if std::fs::metadata(path).map_err(io_error)?.is_dir() {
        return Ok(folder_files(path, bad));
    }
    let mut magic = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(2).read_to_end(&mut magic)).map_err(io_error)?;
    let named_zip = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
    if magic != b"PK" && !named_zip {
        return Err(DatasetError::NotADataset { path: path.into() });
    }
    archive_entries(path).map_err(|e| DatasetError::Archive { path: path.into(), reason: e.to_string() })
}

fn folder_files(path: &Path, bad: &mut Vec<(String, BadFile)>) -> Vec<(String, AudioFile)> {
    let mut files = Vec::new();
    for entry in WalkDir::new(path).follow_links(true) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let inner = entry.path().strip_prefix(path).unwrap_or(entry.path());
                let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
                files.push((parts.join("/"), AudioFile::new(entry.path())));
            }
            Ok(_) => {}
            Err(e) => {
                let file = e.path().unwrap_or(path).display().to_string();
                let reason = e.io_error().map_or_else(|| e.to_string(), io::Error::to_string);
                bad.push((file.clone(), BadFile::Unreadable { file, reason }));
            }
        }
    }
    files
}
