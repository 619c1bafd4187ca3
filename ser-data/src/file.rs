//! Audio files that are read when they are needed: in a folder or within a ZIP archive.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::audio::{Audio, AudioError, AudioErrorKind, AudioOptions};
use crate::span::Span;

/// Entries of an archive above this size are no clips; a damaged archive may declare any size.
const MAX_ENTRY_BYTES: u64 = 1 << 30;

/// Extensions of audio files and of videos with sound. Formats that are refused are included, so that such a file is reported and not
/// skipped. `mp4` is also that of RAVDESS's videos.
const EXTENSIONS: &[&str] = &[
    // Read, in most of their forms.
    "wav", "wave", "bwf", "w64", "rf64", "flac", "mp1", "mp2", "mp3", "mpga", "mpa", "ogg", "oga", "ogv",
    "ogx", "opus", "m4a", "m4b", "m4p", "m4r", "m4v", "f4v", "mp4", "mov", "qt", "3gp", "3gpp", "3g2", "aac",
    "adts", "aif", "aiff", "aifc", "caf", "au", "snd", "webm", "weba", "mka", "mkv",
    // Refused by their formats' names.
    "wma", "wmv", "asf", "amr", "awb", "ac3", "eac3", "dts", "thd", "mlp", "wv", "ape", "tta", "tak", "mpc",
    "spx", "ra", "rm", "rmvb", "voc", "nut", "sf", "sox", "dsf", "dff", "gsm", "loas", "latm", "avi", "flv",
    "mpg", "mpeg", "vob", "ts", "mts", "m2ts", "mxf", "dv", "wtv", "swf",
];

/// Whether a search of a folder treats a file as audio: by its extension, in either case, and not if it is hidden.
pub fn is_audio_path(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    !hidden && extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension))
}

/// The name of a file without folder and extension; `path` is joined by `/`.
pub(crate) fn stem_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// A file that can be decoded: a path, or an entry of a ZIP archive, which is not unpacked; or a part of one.
///
/// It is cheap to copy, and several threads can read files of one archive at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AudioFile {
    source: Source,
    span: Option<Span>,
}

#[derive(Debug, Clone)]
enum Source {
    Path(PathBuf),
    Entry { archive: Arc<Archive>, index: usize, name: String, size: u64, crc32: u32 },
}

impl AudioFile {
    /// A file on disk. It is not opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { source: Source::Path(path.into()), span: None }
    }

    /// The part from `start` to `end`; all of the recording if `start` is 0 or `None` and `end` is `None`. Nothing is checked yet: reading
    /// returns [`AudioErrorKind::Span`](crate::AudioErrorKind::Span) if the part is empty, begins at or after the recording's end, or ends
    /// more than 0.1 s after it.
    #[must_use]
    pub fn with_span(self, start: Option<Duration>, end: Option<Duration>) -> Self {
        let part = start.is_some_and(|start| !start.is_zero()) || end.is_some();
        let span = part.then_some(Span { start: start.unwrap_or_default(), end });
        Self { span, ..self }
    }

    /// The part that is read; `None` is all of the recording.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// The file's path; `None` for an archive's entry.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::Path(path) => Some(path),
            Source::Entry { .. } => None,
        }
    }

    /// The whole recording that this is a part of.
    pub(crate) fn whole(&self) -> Self {
        Self { span: None, ..self.clone() }
    }

    /// Reads and decodes the file.
    ///
    /// # Errors
    ///
    /// [`AudioError`] names the file and what is wrong with it.
    pub fn read(&self) -> Result<Audio, AudioError> {
        self.decode(&self.bytes()?, &AudioOptions::default())
    }

    /// Decodes the file from its content in memory.
    pub(crate) fn decode(&self, bytes: &[u8], options: &AudioOptions) -> Result<Audio, AudioError> {
        let audio = Audio::decode_with(options, bytes, self.extension(), &self.to_string())?;
        match self.span {
            None => Ok(audio),
            Some(_) => self.part_of(&audio),
        }
    }

    /// The extension of the file's name, if it is UTF-8.
    pub(crate) fn extension(&self) -> Option<&str> {
        let name = match &self.source {
            Source::Path(path) => path.as_path(),
            Source::Entry { name, .. } => Path::new(name),
        };
        name.extension()?.to_str()
    }

    /// This part of the whole recording.
    pub(crate) fn part_of(&self, audio: &Audio) -> Result<Audio, AudioError> {
        let Some(span) = self.span else { return Ok(audio.clone()) };
        let frames = audio.frames();
        let frame = |at: Duration| (at.as_secs_f64() * f64::from(audio.sample_rate)).round() as usize;
        let (start, end) = (frame(span.start), span.end.map_or(frames, frame));
        // Tables are often rounded to tenths.
        if start >= frames.min(end) || end > frames + audio.sample_rate as usize / 10 {
            let recording = audio.duration();
            return Err(AudioError::new(self.to_string(), AudioErrorKind::Span { span, recording }));
        }
        let samples = audio.samples[start * audio.channels..end.min(frames) * audio.channels].to_vec();
        Ok(Audio { samples, warnings: audio.warnings.clone(), ..*audio })
    }

    /// The undecoded content of the file in memory; of the whole file also for a part.
    ///
    /// # Errors
    ///
    /// [`AudioError`] names the file where it cannot be read, or where the archive is damaged there. An entry of an archive may have at
    /// most 1 GiB; a larger one is [`AudioErrorKind::Io`](crate::AudioErrorKind::Io).
    pub fn bytes(&self) -> Result<Vec<u8>, AudioError> {
        let bytes = match &self.source {
            Source::Path(path) => std::fs::read(path),
            Source::Entry { archive, index, .. } => archive.bytes(*index),
        };
        bytes.map_err(|e| AudioError::new(self.to_string(), e))
    }

    /// A cheap fingerprint that mostly differs between files of different content: the size, and for an archive's entry its checksum, for a
    /// file on disk some bytes of its middle.
    pub(crate) fn fingerprint(&self) -> Result<(u64, Vec<u8>), AudioError> {
        match &self.source {
            Source::Path(path) => middle(path).map_err(|e| AudioError::new(self.to_string(), e)),
            Source::Entry { size, crc32, .. } => Ok((*size, crc32.to_le_bytes().to_vec())),
        }
    }

    /// Whether two files hold the same bytes, whatever parts of them are meant. Files are read where their sizes are equal; of two entries
    /// of archives, sizes and checksums are compared.
    pub(crate) fn is_copy_of(&self, other: &Self) -> Result<bool, AudioError> {
        if self.source == other.source {
            return Ok(true);
        }
        if let (Source::Entry { size: a, crc32: c, .. }, Source::Entry { size: b, crc32: d, .. }) =
            (&self.source, &other.source)
        {
            return Ok((a, c) == (b, d));
        }
        Ok(self.size()? == other.size()? && self.bytes()? == other.bytes()?)
    }

    fn size(&self) -> Result<u64, AudioError> {
        match &self.source {
            Source::Path(path) => {
                let metadata = std::fs::metadata(path).map_err(|e| AudioError::new(self.to_string(), e))?;
                Ok(metadata.len())
            }
            Source::Entry { size, .. } => Ok(*size),
        }
    }
}

impl fmt::Display for AudioFile {
    /// The path; for an entry the archive's path and the entry's, joined by `/`; for a part with [`Span`] after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Path(path) => path.display().fmt(f)?,
            Source::Entry { archive, name, .. } => write!(f, "{}/{name}", archive.path.display())?,
        }
        self.span.map_or(Ok(()), |span| span.fmt(f))
    }
}

impl AsRef<AudioFile> for AudioFile {
    fn as_ref(&self) -> &AudioFile {
        self
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path(a), Self::Path(b)) => a == b,
            (Self::Entry { archive: a, index: i, .. }, Self::Entry { archive: b, index: j, .. }) => {
                a.path == b.path && i == j
            }
            _ => false,
        }
    }
}

impl Eq for Source {}

impl std::hash::Hash for Source {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Path(path) => path.hash(state),
            Self::Entry { archive, index, .. } => (&archive.path, index).hash(state),
        }
    }
}

/// Size and 4 KiB from the middle: headers are alike and many clips begin and end in silence.
fn middle(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    const PART: u64 = 4096;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(PART) / 2))?;
    let mut part = Vec::new();
    file.take(PART).read_to_end(&mut part)?;
    Ok((size, part))
}

/// A ZIP archive whose directory has been read.
#[derive(Debug)]
struct Archive {
    path: PathBuf,
    directory: ZipArchive<ReopenedFile>,
}

impl Archive {
    fn bytes(&self, index: usize) -> io::Result<Vec<u8>> {
        // The copy shares the directory and opens the file for itself.
        let mut archive = self.directory.clone();
        let mut entry = archive.by_index(index)?;
        let declared = entry.size();
        if declared > MAX_ENTRY_BYTES {
            return Err(invalid(format!("it declares {declared} bytes, expected {MAX_ENTRY_BYTES} at most")));
        }
        let mut bytes = Vec::new();
        // Read to its end, so that the checksum is compared.
        (&mut entry).take(declared + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != declared {
            return Err(invalid(format!("the archive declares {declared} bytes and holds {}", bytes.len())));
        }
        Ok(bytes)
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// The files of a ZIP archive with their paths in it, folders left out.
pub(crate) fn archive_entries(path: &Path) -> Result<Vec<(String, AudioFile)>, ZipError> {
    let mut directory = ZipArchive::new(ReopenedFile::new(path))?;
    let mut entries = Vec::new();
    for index in 0..directory.len() {
        let entry = directory.by_index_raw(index)?;
        if entry.is_file() {
            entries.push((index, entry.name()?.replace('\\', "/"), entry.size(), entry.crc32()));
        }
    }
    let archive = Arc::new(Archive { path: path.into(), directory: directory.clone() });
    let file = |(index, name, size, crc32): (usize, String, u64, u32)| {
        let source = Source::Entry { archive: archive.clone(), index, name: name.clone(), size, crc32 };
        (name, AudioFile { source, span: None })
    };
    Ok(entries.into_iter().map(file).collect())
}

/// A file that each copy opens for itself when it is first read, so that each has its own position.
#[derive(Debug)]
struct ReopenedFile {
    path: Arc<Path>,
    file: Option<BufReader<File>>,
}

impl ReopenedFile {
    fn new(path: &Path) -> Self {
        Self { path: path.into(), file: None }
    }

    fn file(&mut self) -> io::Result<&mut BufReader<File>> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(BufReader::new(File::open(&self.path)?))),
        }
    }
}

impl Clone for ReopenedFile {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), file: None }
    }
}

impl Read for ReopenedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file()?.read(buffer)
    }
}

impl Seek for ReopenedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file()?.seek(to)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn parts_outside_of_a_recording_are_errors() {
        let part = |start: u64, end: Option<u64>| {
            let at = Duration::from_millis;
            AudioFile::new("audio/reference.wav").with_span(Some(at(start)), end.map(at)).read()
        };
        let seconds = AudioFile::new("audio/reference.wav").read().unwrap().duration();
        let all = seconds.as_millis() as u64;
        assert_eq!(part(0, Some(all + 90)).unwrap().duration(), seconds);
        assert_eq!(
            part(all - 100, None).unwrap().frames(),
            2205 + usize::from(!seconds.subsec_micros().is_multiple_of(1000))
        );
        for (start, end) in [(all + 1, None), (100, Some(100)), (200, Some(100)), (0, Some(all + 200))] {
            let error = part(start, end).unwrap_err().to_string();
            assert!(error.contains("part must lie within the recording's "), "{error}");
        }
    }

    #[test]
    fn audio_is_told_by_its_ending_and_hidden_files_are_not_audio() {
        for path in [
            "a.wav",
            "b/c.FLAC",
            "d.tar.mp3",
            "video.mp4",
            "e.opus",
            "f.weba",
            "g.3gpp",
            "h.qt",
            "i.MTS",
            "j.wmv",
        ] {
            assert!(is_audio_path(path), "{path}");
        }
        for path in ["a.txt", "wav", ".wav", "._a.wav", "b/.c.wav", "b.wav/", ""] {
            assert_eq!(is_audio_path(path), path == "b.wav/", "{path}");
        }
    }
}
