//! Words and codes of labels, and what they mean: the file `labels.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use super::MOODS;
use crate::names::composed;

/// Maps the words and codes of corpora to emotions, and emotions to moods.
///
/// The bundled file `labels.toml` covers the corpora that this crate reads by name. [`LabelMap::read`] adds the entries of your own file,
/// which override those of the bundled one.
///
/// ```
/// use ser_data::LabelMap;
///
/// let labels = LabelMap::bundled();
/// assert_eq!(labels.emotion_of("emodb", "W"), Some("angry")); // Wut
/// assert_eq!(labels.emotion_of("my recordings", "01 Happiness"), Some("happy"));
/// assert_eq!(labels.mood_of("fearful"), Some("Sad"));
/// assert_eq!(labels.mood_of("boredom"), None);
/// let own = LabelMap::parse("own.toml", "emotions.boredom.mood = 'Calm'\nemotions.happy.words = ['cheerful']")?;
/// assert_eq!((own.mood_of("boredom"), own.emotion_of("x", "Cheerful")), (Some("Calm"), Some("happy")));
/// # Ok::<(), ser_data::LabelMapError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    moods: BTreeMap<String, Option<&'static str>>,
    words: BTreeMap<String, String>,
    corpora: BTreeMap<String, CorpusLabels>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct CorpusLabels {
    language: Option<String>,
    labels: BTreeMap<String, String>,
}

/// A file of labels that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelMapError {
    /// It cannot be read.
    #[error("{}: cannot be read: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// It is not TOML of the expected form.
    #[error("{file}: line {line}: {}", one_line(cause))]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The reason.
        #[source]
        cause: toml::de::Error,
    },
    /// A value is invalid.
    #[error("{file}: {key} must be {expected}, got {value:?}")]
    Value {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The rule.
        expected: String,
        /// The value.
        value: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    emotions: BTreeMap<String, EmotionEntry>,
    #[serde(default)]
    corpora: BTreeMap<String, CorpusEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmotionEntry {
    mood: Option<String>,
    #[serde(default)]
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorpusEntry {
    language: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// The mood of emotions that have none.
const NO_MOOD: &str = "none";

static BUNDLED: LazyLock<LabelMap> = LazyLock::new(|| {
    let mut map = LabelMap { moods: BTreeMap::new(), words: BTreeMap::new(), corpora: BTreeMap::new() };
    // A test reads the file, so that no build carries one that fails here.
    let _ = map.lay_over("labels.toml", include_str!("labels.toml"));
    map
});

impl Default for LabelMap {
    /// [`LabelMap::bundled`].
    fn default() -> Self {
        Self::bundled().clone()
    }
}

impl LabelMap {
    /// The map of `labels.toml`, which this crate carries.
    pub fn bundled() -> &'static Self {
        &BUNDLED
    }

    /// The bundled map with the entries of a file of the same form, which override the bundled ones.
    ///
    /// # Errors
    /// [`LabelMapError`] names the file and the key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, LabelMapError> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|cause| LabelMapError::Io { path: path.into(), cause })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// As [`LabelMap::read`]; `file` names the text in errors.
    ///
    /// # Errors
    /// As there.
    pub fn parse(file: &str, text: &str) -> Result<Self, LabelMapError> {
        let mut map = Self::default();
        map.lay_over(file, text)?;
        Ok(map)
    }

    fn lay_over(&mut self, file: &str, text: &str) -> Result<(), LabelMapError> {
        let error = |key: String, expected: String, value: &str| LabelMapError::Value {
            file: file.to_owned(),
            key,
            expected,
            value: value.to_owned(),
        };
        let File { emotions, corpora } = toml::from_str(text).map_err(|mut cause: toml::de::Error| {
            let before = text.get(..cause.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            // Its text would show the line.
            cause.set_input(None);
            LabelMapError::Syntax { file: file.to_owned(), line, cause }
        })?;
        let mut given = BTreeMap::new();
        for (emotion, entry) in emotions {
            let emotion = composed(&emotion).to_lowercase();
            let mood = match &entry.mood {
                None => self.moods.get(&emotion).copied().flatten(),
                Some(mood) if mood == NO_MOOD => None,
                Some(mood) => Some(mood_named(mood).ok_or_else(|| {
                    let rule = format!("one of {}, {NO_MOOD}", MOODS.join(", "));
                    error(format!("emotions.{emotion}.mood"), rule, mood)
                })?),
            };
            for word in std::iter::once(&emotion).chain(&entry.words) {
                if let Some(other) = given.insert(composed(word).to_lowercase(), emotion.clone())
                    && other != emotion
                {
                    let rule = format!("words of one emotion alone, and {other} has this one");
                    return Err(error(format!("emotions.{emotion}.words"), rule, word));
                }
            }
            self.moods.insert(emotion, mood);
        }
        self.words.append(&mut given);
        for (name, entry) in corpora {
            let key = composed(&name).to_lowercase();
            let corpus = self.corpora.entry(key.clone()).or_default();
            corpus.language = entry.language.or(corpus.language.take());
            for (code, word) in entry.labels {
                let Some(emotion) = meaning(&self.words, &word) else {
                    let rule = format!("one of {}", self.words().join(", "));
                    return Err(error(format!("corpora.{name}.labels.{code}"), rule, &word));
                };
                let emotion = emotion.to_owned();
                if let Some(corpus) = self.corpora.get_mut(&key) {
                    corpus.labels.insert(composed(&code).to_lowercase(), emotion);
                }
            }
        }
        Ok(())
    }

    /// Meaning of a word or code of a corpus: an emotion, such as `angry`, or one of [`MOODS`]. `None` if the map does not know it.
    ///
    /// Case is ignored, and whether an accent is a character of its own (Unicode NFC and NFD); `_` and `-` count as spaces, and characters other than letters are removed from both ends: `01Happy` is `happy`.
    pub fn emotion_of(&self, corpus: &str, word: &str) -> Option<&str> {
        let code = composed(word.trim()).to_lowercase();
        let own =
            self.corpora.get(&composed(corpus).to_lowercase()).and_then(|corpus| corpus.labels.get(&code));
        own.map(String::as_str).or_else(|| meaning(&self.words, word))
    }

    /// The mood of an emotion, or of a mood itself; `None` for an emotion that has none, or is not known.
    pub fn mood_of(&self, label: &str) -> Option<&'static str> {
        self.moods.get(label).copied().flatten().or_else(|| MOODS.into_iter().find(|mood| *mood == label))
    }

    /// The language of a corpus, ISO 639-1, where it is known.
    pub fn language_of(&self, corpus: &str) -> Option<&str> {
        self.corpora.get(&composed(corpus).to_lowercase())?.language.as_deref()
    }

    /// Whether a label is an emotion of this map or a mood.
    pub fn knows(&self, label: &str) -> bool {
        self.moods.contains_key(label) || MOODS.contains(&label)
    }

    /// All words of the map, for errors.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.keys().map(String::as_str).collect()
    }
}

/// An error's text without line ends.
fn one_line(error: &toml::de::Error) -> String {
    error.to_string().lines().collect::<Vec<_>>().join(" ")
}

fn mood_named(word: &str) -> Option<&'static str> {
    MOODS.into_iter().find(|mood| mood.to_lowercase() == word.to_lowercase())
}

/// A word's emotion, or the mood that it is.
fn meaning<'a>(words: &'a BTreeMap<String, String>, word: &str) -> Option<&'a str> {
    let whole = composed(word.trim()).to_lowercase();
    let spaced = whole.replace(['_', '-'], " ");
    let bare = spaced.trim_matches(|letter: char| !letter.is_alphabetic());
    let found = words.get(&whole).or_else(|| words.get(bare));
    found.map(String::as_str).or_else(|| mood_named(bare))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::error::Error;

    use super::*;
    use crate::labels::{Emotion, LabelSet};

    #[test]
    fn the_bundled_file_is_whole() {
        let mut map = LabelMap { moods: BTreeMap::new(), words: BTreeMap::new(), corpora: BTreeMap::new() };
        map.lay_over("labels.toml", include_str!("labels.toml")).unwrap();
        assert_eq!(&map, LabelMap::bundled());
        for emotion in Emotion::ALL {
            assert_eq!(map.emotion_of("any", emotion.as_str()), Some(emotion.as_str()));
            assert!(map.mood_of(emotion.as_str()).is_some(), "{emotion}");
        }
        assert_eq!(map.corpora.len(), 7);
    }

    #[test]
    fn words_are_read_as_people_write_them() {
        let map = LabelMap::bundled();
        for (word, expected) in [
            ("Happy", "happy"),
            (" ANGER ", "angry"),
            ("01Neutral", "neutral"),
            ("05 - Angry", "angry"),
            ("pleasant_surprise", "surprised"),
            ("energetic", "Energetic"),
            ("Calm", "calm"),
            ("bored", "boredom"),
        ] {
            assert_eq!(map.emotion_of("x", word), Some(expected), "{word}");
        }
        for word in ["", "1", "W", "happyish", "ps", "🙂"] {
            assert_eq!(map.emotion_of("x", word), None, "{word}");
        }
        assert_eq!(map.emotion_of("EmoDB", "w"), Some("angry"));
        assert_eq!((map.language_of("emodb"), map.language_of("x")), (Some("de"), None));
        assert_eq!(map.class_of(LabelSet::Moods, "Energetic"), Some(3));
        assert_eq!(map.class_of(LabelSet::Emotions, "Energetic"), None);
        assert_eq!(map.class_of(LabelSet::Moods, "boredom"), None);
    }

    #[test]
    fn a_file_adds_and_changes_and_is_refused_by_key() {
        let text = "[emotions.boredom]\nmood = 'calm'\n[emotions.Frust]\nwords = ['grr']\n[corpora.Home]\nlanguage = 'fr'\n\
                    labels = { 1 = 'Grr', 2 = 'energetic' }";
        let map = LabelMap::parse("own.toml", text).unwrap();
        assert_eq!(map.mood_of("boredom"), Some("Calm"));
        assert_eq!(
            (map.emotion_of("home", "1"), map.emotion_of("home", "2")),
            (Some("frust"), Some("Energetic"))
        );
        assert_eq!((map.mood_of("frust"), map.knows("frust")), (None, true));
        assert_eq!(map.emotion_of("emodb", "L"), Some("boredom"));
        let without = LabelMap::parse("own.toml", "emotions.neutral.mood = 'none'").unwrap();
        assert_eq!((without.mood_of("neutral"), without.emotion_of("x", "neu")), (None, Some("neutral")));

        let error = |text| LabelMap::parse("own.toml", text).unwrap_err().to_string();
        let text = error("emotions.boredom.mood = 'Bored'");
        assert_eq!(
            text,
            "own.toml: emotions.boredom.mood must be one of Calm, Happy, Sad, Energetic, none, got \"Bored\""
        );
        assert!(error("corpora.x.labels = { a = 'grr' }").contains("corpora.x.labels.a must be one of "));
        assert!(
            error("emotions.a.words = ['x']\nemotions.b.words = ['x']").contains("emotions.b.words must be")
        );
        let text = error("\nemotion.a.words = ['x']");
        assert!(text.starts_with("own.toml: line 2: unknown field `emotion`"), "{text}");
        assert!(error("emotions.a.words = [").lines().count() == 1);
        let error = LabelMap::parse("own.toml", "[emotions.a]\nword = 'x'").unwrap_err();
        let cause = error.source().unwrap().downcast_ref::<toml::de::Error>().unwrap();
        assert_eq!(error.to_string(), format!("own.toml: line 2: {}", one_line(cause)));
        let missing = LabelMap::read("no such file.toml").unwrap_err();
        assert!(missing.to_string().starts_with("no such file.toml: cannot be read"), "{missing}");
    }
}
