//! The classes of a model.

use std::fmt;
use std::str::FromStr;

use super::{Emotion, LabelError, LabelMap, MOODS};

/// The classes of a model. [`LabelMap::class_of`] says which class a clip's label is.
///
/// ```
/// use ser_data::{LabelMap, LabelSet};
///
/// let moods: LabelSet = "moods".parse()?;
/// assert_eq!(moods.names(), ["Calm", "Happy", "Sad", "Energetic"]);
/// assert_eq!(LabelMap::bundled().class_of(moods, "fearful"), Some(2));
/// # Ok::<(), ser_data::LabelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LabelSet {
    /// The four moods to which RAVDESS's emotions are mapped ([`MOODS`]).
    Moods,
    /// RAVDESS's eight emotions.
    Emotions,
    /// The labels of the clips, each its own class: [`CorpusOptions::own_classes`](crate::CorpusOptions::own_classes).
    Own,
}

impl LabelSet {
    /// All sets.
    pub const ALL: [Self; 3] = [Self::Moods, Self::Emotions, Self::Own];

    /// The set's word: `moods`, `emotions` or `own`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moods => "moods",
            Self::Emotions => "emotions",
            Self::Own => "own",
        }
    }

    /// The names of the classes, in the order of a model's outputs; empty for [`LabelSet::Own`], whose classes are the clips' labels.
    pub fn names(self) -> Vec<String> {
        match self {
            Self::Moods => MOODS.map(String::from).to_vec(),
            Self::Emotions => Emotion::ALL.iter().map(|emotion| emotion.as_str().to_owned()).collect(),
            Self::Own => Vec::new(),
        }
    }

    /// The set with exactly these names in this order; `None` for labels of a corpus's own.
    pub fn of_names(names: &[String]) -> Option<Self> {
        [Self::Moods, Self::Emotions].into_iter().find(|set| set.names() == names)
    }

    /// The mood of each label by [`LabelMap::bundled`], where the labels are RAVDESS's emotions in their order; `None` for other labels.
    /// This is how the probabilities of emotions are summed to those of moods.
    pub fn moods_of_emotions(labels: &[String]) -> Option<Vec<String>> {
        if labels != Self::Emotions.names() {
            return None;
        }
        labels.iter().map(|label| LabelMap::bundled().mood_of(label).map(str::to_owned)).collect()
    }
}

impl LabelMap {
    /// The class of a label in a set, an index into [`LabelSet::names`]; `None` where the set has no class for it, or has no names.
    pub fn class_of(&self, set: LabelSet, label: &str) -> Option<usize> {
        match set {
            LabelSet::Moods => {
                let mood = self.mood_of(label)?;
                MOODS.iter().position(|other| *other == mood)
            }
            LabelSet::Emotions => Emotion::ALL.iter().position(|emotion| emotion.as_str() == label),
            LabelSet::Own => None,
        }
    }
}

impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LabelSet {
    type Err = LabelError;

    fn from_str(word: &str) -> Result<Self, LabelError> {
        Self::ALL.into_iter().find(|set| set.as_str() == word).ok_or_else(|| LabelError {
            field: "label set",
            value: word.into(),
            expected: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_emotion_has_its_place_in_both_sets() {
        for &emotion in Emotion::ALL {
            let label = emotion.as_str();
            let class =
                |set: LabelSet| set.names()[LabelMap::bundled().class_of(set, label).unwrap()].clone();
            assert_eq!(class(LabelSet::Emotions), label);
            assert_eq!(Some(class(LabelSet::Moods).as_str()), LabelMap::bundled().mood_of(label));
        }
    }

    #[test]
    fn a_set_is_found_by_its_word_and_by_its_names() {
        for set in LabelSet::ALL {
            assert_eq!(set.to_string().parse(), Ok(set));
            assert_eq!(LabelSet::of_names(&set.names()), (set != LabelSet::Own).then_some(set));
        }
        assert_eq!(LabelSet::of_names(&["Calm".into()]), None);
        let error = "feelings".parse::<LabelSet>().unwrap_err().to_string();
        assert!(error.contains("feelings") && error.contains("moods, emotions, own"), "{error}");
    }

    #[test]
    fn only_emotions_are_summed_to_moods() {
        let moods = LabelSet::moods_of_emotions(&LabelSet::Emotions.names()).unwrap();
        assert_eq!(moods[..4], ["Calm", "Calm", "Happy", "Sad"]);
        assert_eq!(LabelSet::moods_of_emotions(&LabelSet::Moods.names()), None);
    }
}
