//! Finding the clips of folders, archives and tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use super::clip::{BadFile, Clip, name_of};
use super::find::{Files, Found, find, is_table};
use super::manifest::{BadRow, Manifest, ManifestRow};
use super::warning::{Names, SourceWarning};
use super::{CorpusFormat, SourceError, detect, folders};
use crate::file::{AudioFile, stem_of};
use crate::labels::LabelMap;
use crate::names::{composed, decomposed};
use crate::span::Span;

/// Labelled speech to read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// A folder, a ZIP archive, or a table.
    pub path: PathBuf,
    /// The format; `None` detects it from file names.
    pub format: Option<CorpusFormat>,
}

impl Source {
    /// A source in this format; `None` detects the format from file names.
    pub fn new(path: impl Into<PathBuf>, format: Option<CorpusFormat>) -> Self {
        Self { path: path.into(), format }
    }

    /// A source whose format is detected: a table by `.csv` or `.tsv`; otherwise the published format that more than half of the audio
    /// files' names have; otherwise folders, if more than half of the files lie in a folder whose name is a known label. Two published
    /// formats with a tenth of the files each are [`SourceError::SeveralCorpora`].
    pub fn auto(path: impl Into<PathBuf>) -> Self {
        Self::new(path, None)
    }
}

/// Settings of finding clips. The default knows the words of the bundled [`LabelMap`], and refuses files and rows that cannot be used.
/// Labels are not checked: a label that the map does not know stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClipsOptions {
    /// Maps labels to emotions and moods.
    pub label_map: LabelMap,
    /// Leaves out bad files and rows ([`BadFile`]) and lists them in [`Clips::skipped`], instead of refusing the source.
    pub skip_bad: bool,
}

/// Clips of labelled speech in folders, archives and tables.
///
/// ```no_run
/// use ser_data::{Clips, ClipsOptions, Source};
///
/// let sources = [Source::auto("Audio_Speech_Actors_01-24.zip"), Source::auto("emodb"), Source::auto("mine.csv")];
/// let found = Clips::open(&sources, &ClipsOptions::default())?;
/// for corpus in &found.corpora {
///     println!("{corpus}"); // emodb: emodb (detected), 535 clips of 10 speakers
/// }
/// for clip in &found.clips {
///     println!("{}: {} {:?}, {:.1?}", clip.id, clip.label, clip.speaker, clip.read()?.duration());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Clips {
    /// The clips by ascending identifier, each once.
    pub clips: Vec<Clip>,
    /// The format found for each source.
    pub corpora: Vec<FoundCorpus>,
    /// The files and rows that were left out because of [`ClipsOptions::skip_bad`]. Report them.
    pub skipped: Vec<BadFile>,
    /// Names that may be a mistake. Report them.
    pub warnings: Vec<SourceWarning>,
}

/// A source with the format that it was read in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundCorpus {
    /// The folder, archive or table.
    pub path: PathBuf,
    /// The format that it was read in.
    pub format: CorpusFormat,
    /// Whether the format was detected: from the names of the files, or because the source is a table.
    pub detected: bool,
    /// Its clips.
    pub clips: usize,
    /// Its speakers, 0 where they are not known.
    pub speakers: usize,
    /// Songs of RAVDESS, which are left out.
    pub songs_left_out: usize,
    /// Copies of clips that were found before, here or in a source before it, which are left out.
    pub copies_left_out: usize,
}

impl FoundCorpus {
    /// The number of files and rows that are left out: songs and copies.
    pub fn left_out(&self) -> usize {
        self.songs_left_out + self.copies_left_out
    }
}

impl fmt::Display for FoundCorpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, format, clips, .. } = self;
        let told = if self.detected { " (detected)" } else { "" };
        write!(f, "{}: {format}{told}, {clips} clips", path.display())?;
        match self.speakers {
            0 => write!(f, ", speakers unknown")?,
            1 => write!(f, " of 1 speaker")?,
            speakers => write!(f, " of {speakers} speakers")?,
        }
        for (count, what) in [(self.songs_left_out, "songs"), (self.copies_left_out, "copies")] {
            if count > 0 {
                write!(f, ", {count} {what} left out")?;
            }
        }
        Ok(())
    }
}

impl Clips {
    /// Finds the clips of all sources. No sound is decoded.
    ///
    /// Any folder structure is accepted: `Actor_01/*.wav` as downloaded, FLAC copies, or Kaggle's archives, which hold every file twice
    /// (`Actor_01/` and `audio_speech_actors_01-24/Actor_01/`). Of equal copies with one name, the one in the fewest folders is used, then
    /// the first by path, and the others are counted ([`FoundCorpus::copies_left_out`]). Files of one id and one size are read to compare
    /// them; of two entries of ZIP archives, sizes and checksums (CRC-32) are compared. A file of other content, label or speaker is a bad
    /// file. Hidden files and folders, macOS's `__MACOSX`, and files without an audio extension are skipped.
    ///
    /// # Errors
    /// [`SourceError`], if a source cannot be read, holds no clips, its format cannot be detected from its names, or it holds a bad file
    /// (see [`BadFile`]) and [`ClipsOptions::skip_bad`] is not set.
    pub fn open(sources: &[Source], options: &ClipsOptions) -> Result<Self, SourceError> {
        let mut all = BTreeMap::<String, Clip>::new();
        let (mut corpora, mut skipped, mut names) = (Vec::new(), Vec::new(), Names::default());
        for source in sources {
            let mut reading = Reading {
                path: &source.path,
                labels: &options.label_map,
                clips: Vec::new(),
                rows: HashMap::new(),
                bad: Vec::new(),
                songs: BTreeSet::new(),
                copies: 0,
            };
            let format = reading.read(source.format)?;
            let Reading { clips, mut bad, songs, mut copies, .. } = reading;
            let mut found = 0;
            let mut speakers = BTreeSet::new();
            for clip in clips {
                match all.get(&clip.id).map(|other| clip.check_copy_of(other)) {
                    None => {
                        found += 1;
                        speakers.extend(clip.speaker.clone());
                        names.note(&clip, &source.path, format);
                        all.insert(clip.id.clone(), clip);
                    }
                    Some(Ok(())) => copies += 1,
                    Some(Err(differing)) => bad.push(differing),
                }
            }
            if !options.skip_bad {
                bad.sort_by_cached_key(ToString::to_string);
                SourceError::refuse(std::mem::take(&mut bad))?;
            }
            if found + copies == 0 {
                return Err(SourceError::NoClips {
                    path: source.path.clone(),
                    songs_left_out: songs.len(),
                    skipped: bad.len(),
                    example: format.example(),
                });
            }
            skipped.append(&mut bad);
            corpora.push(FoundCorpus {
                path: source.path.clone(),
                format,
                detected: source.format.is_none(),
                clips: found,
                speakers: speakers.len(),
                songs_left_out: songs.len(),
                copies_left_out: copies,
            });
        }
        skipped.sort_by_cached_key(ToString::to_string);
        Ok(Self { clips: all.into_values().collect(), corpora, skipped, warnings: names.warnings() })
    }
}

/// One source while it is read.
struct Reading<'a> {
    path: &'a Path,
    labels: &'a LabelMap,
    clips: Vec<Clip>,
    /// The first row of a table that names a recording, or a part of it.
    rows: HashMap<(PathBuf, Option<Span>), ManifestRow>,
    bad: Vec<BadFile>,
    /// Names of songs, in lower case.
    songs: BTreeSet<String>,
    /// Rows that say again what another one says.
    copies: usize,
}

impl Reading<'_> {
    fn read(&mut self, format: Option<CorpusFormat>) -> Result<CorpusFormat, SourceError> {
        let told = format.is_none() && is_table(self.path) && !self.path.is_dir();
        if told || format == Some(CorpusFormat::Manifest) {
            let mut manifest = Manifest::read(self.path)?;
            self.bad.extend(manifest.bad.drain(..).map(BadFile::Row));
            manifest.rows.into_iter().for_each(|row| self.row(row));
            return Ok(CorpusFormat::Manifest);
        }
        let mut files = find(self.path)?;
        self.bad.append(&mut files.bad);
        let format = match format {
            Some(format) => format,
            None if files.audio.is_empty() => CorpusFormat::Folders,
            None => detect::detect(self.path, &files, self.labels)?,
        };
        let Files { mut audio, .. } = files;
        // Of copies the first is taken: the one of the shortest path.
        audio.sort_by_cached_key(|(inner, _)| (inner.matches('/').count(), inner.clone()));
        for found in audio {
            if format == CorpusFormat::Folders {
                self.file_in_folder(found);
            } else {
                self.named_file(format, found);
            }
        }
        Ok(format)
    }

    fn named_file(&mut self, format: CorpusFormat, (inner, file): Found) {
        let corpus = format.as_str();
        match format.read_name(&inner) {
            Ok(None) => {
                self.songs.insert(stem_of(&inner).to_lowercase());
            }
            Ok(Some(named)) => {
                let id = match format {
                    CorpusFormat::Ravdess => named.id,
                    _ => format!("{corpus}/{}", named.id),
                };
                let speaker = Some(format!("{corpus}/{}", named.speaker));
                self.clip(id, &named.word, corpus.to_owned(), speaker, None, file);
            }
            Err(e) => self.bad.push(BadFile::Name(e.in_file(file.to_string()))),
        }
    }

    fn file_in_folder(&mut self, (inner, file): Found) {
        let corpus = name_of(self.path);
        match folders::label_of(&inner, &corpus, self.labels) {
            Ok(word) => self.clip(format!("{corpus}/{inner}"), word, corpus, None, None, file),
            Err(found) => self.bad.push(BadFile::Folder { file: file.to_string(), found }),
        }
    }

    fn row(&mut self, row: ManifestRow) {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        // Tables that were made on Windows have its separator.
        let slashed = row.path.replace('\\', "/");
        let forms = [composed(&slashed), decomposed(&slashed)];
        let paths = [&row.path, &slashed].into_iter().chain(&forms);
        let found = paths.map(|path| folder.join(path)).find(|path| path.is_file());
        let Some(path) = found else {
            let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            self.bad.push(BadFile::Row(BadRow {
                manifest: self.path.display().to_string(),
                row: row.row,
                column: "path",
                expected: format!("a file below {}", shown.display()),
                value: row.path,
            }));
            return;
        };
        let file = AudioFile::new(&path).with_span(row.start, row.end);
        // One recording may be written in several ways: ./a.wav, a.wav.
        let recording = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let place = (recording, file.span());
        match self.rows.get(&place).map(|first| self.check_repeated(first, &row, &file)) {
            None => self.rows.insert(place, row.clone()),
            Some(Ok(())) => return self.copies += 1,
            Some(Err(bad)) => return self.bad.push(BadFile::Row(bad)),
        };
        let corpus = row.corpus.unwrap_or_else(|| name_of(self.path));
        let inner = path.strip_prefix(folder).unwrap_or(&path);
        let parts: Vec<_> = inner.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let inner = if inner.is_absolute() { inner.display().to_string() } else { parts.join("/") };
        let span = file.span().map(|span| span.to_string()).unwrap_or_default();
        let speaker = row.speaker.map(|speaker| format!("{corpus}/{speaker}"));
        self.clip(format!("{corpus}/{inner}{span}"), &row.label, corpus, speaker, row.language, file);
        if let Some(clip) = self.clips.last_mut() {
            clip.row = Some(format!("{}: row {}", self.path.display(), row.row));
        }
    }

    /// Checks that a row says of a recording what the first row says that names it.
    fn check_repeated(&self, first: &ManifestRow, row: &ManifestRow, file: &AudioFile) -> Result<(), BadRow> {
        let corpus = |row: &ManifestRow| row.corpus.clone().unwrap_or_else(|| name_of(self.path));
        let label = |row: &ManifestRow| self.label_of(&corpus(row), &row.label);
        let speaker = |row: &ManifestRow| row.speaker.clone().unwrap_or_default();
        let columns = [
            ("corpus", corpus(first), corpus(row)),
            ("label", label(first), label(row)),
            ("speaker", speaker(first), speaker(row)),
        ];
        match columns.into_iter().find(|(_, expected, value)| expected != value) {
            None => Ok(()),
            Some((column, expected, value)) => Err(BadRow {
                manifest: self.path.display().to_string(),
                row: row.row,
                column,
                expected: format!("{expected:?}, as row {} says of {file}", first.row),
                value,
            }),
        }
    }

    /// The emotion or mood that a word means, or the word itself.
    fn label_of(&self, corpus: &str, word: &str) -> String {
        self.labels.emotion_of(corpus, word).unwrap_or(word.trim()).to_owned()
    }

    fn clip(
        &mut self,
        id: String,
        word: &str,
        corpus: String,
        speaker: Option<String>,
        language: Option<String>,
        file: AudioFile,
    ) {
        let [id, word, corpus] = [&*id, word, &*corpus].map(composed);
        let speaker = speaker.as_deref().map(composed);
        let label = self.label_of(&corpus, &word);
        let language = language.or_else(|| self.labels.language_of(&corpus).map(str::to_owned));
        self.clips.push(Clip { id, label, speaker, corpus, language, file, row: None });
    }
}
