//! Recordings of which several parts are read one after the other.

use sha2::{Digest, Sha256};

use crate::audio::{Audio, AudioError, AudioOptions};
use crate::file::AudioFile;

/// Reads files, each once, and keeps the recording that was read last for other parts of it: a table may name hundreds of one hour.
pub(super) struct Recordings {
    options: AudioOptions,
    last: Option<Recording>,
}

struct Recording {
    file: AudioFile,
    bytes: Vec<u8>,
    sha256: Option<String>,
    audio: Option<Audio>,
}

impl Recordings {
    pub(super) fn new(options: AudioOptions) -> Self {
        Self { options, last: None }
    }

    /// The digest of the recording's content, in hexadecimal.
    pub(super) fn sha256(&mut self, file: &AudioFile) -> Result<String, AudioError> {
        let recording = self.recording(file)?;
        let digest = recording.sha256.get_or_insert_with(|| hex::encode(Sha256::digest(&recording.bytes)));
        Ok(digest.clone())
    }

    /// The file's sound.
    pub(super) fn read(&mut self, file: &AudioFile) -> Result<Audio, AudioError> {
        let options = self.options;
        let recording = self.recording(file)?;
        if file.span().is_none() {
            return file.decode(&recording.bytes, &options);
        }
        let audio = match recording.audio.take() {
            Some(audio) => audio,
            None => recording.file.decode(&recording.bytes, &options)?,
        };
        file.part_of(recording.audio.insert(audio))
    }

    fn recording(&mut self, file: &AudioFile) -> Result<&mut Recording, AudioError> {
        let whole = file.whole();
        let kept = self.last.take().filter(|last| last.file == whole);
        let recording = match kept {
            Some(kept) => kept,
            None => Recording { bytes: file.bytes()?, file: whole, sha256: None, audio: None },
        };
        Ok(self.last.insert(recording))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn parts_are_those_of_the_file_and_it_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.wav");
        std::fs::copy("audio/reference.wav", &path).unwrap();
        let whole = AudioFile::new(&path);
        let part = |from, to| {
            let at = |ms| Some(Duration::from_millis(ms));
            whole.clone().with_span(at(from), at(to))
        };
        let parts = [part(0, 150), part(100, 250), part(250, 300)];
        let expected: Vec<Audio> = parts.iter().map(|part| part.read().unwrap()).collect();
        let mut recordings = Recordings::new(AudioOptions::default());
        let digest = recordings.sha256(&whole).unwrap();
        std::fs::remove_file(&path).unwrap();
        for (part, expected) in parts.iter().zip(&expected) {
            assert_eq!(&recordings.read(part).unwrap(), expected);
            assert_eq!(recordings.sha256(part).unwrap(), digest);
        }
        assert_eq!(expected[1].frames(), 5513 - 2205);
        assert!(recordings.read(&AudioFile::new("none.wav")).is_err());
    }
}
