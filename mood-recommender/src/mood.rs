//! The four moods and their names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::point::Point;

/// A mood of a listener or of a song.
///
/// The four are the classes of `data_moods.csv`. They parse from their English names in any case, and order
/// alphabetically but for Energetic, which comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Mood {
    /// Low energy, acoustic.
    Calm,
    /// High valence.
    Happy,
    /// Low valence.
    Sad,
    /// High energy, loud.
    Energetic,
}

impl Mood {
    /// All four, in order.
    pub const ALL: [Mood; 4] = [Mood::Calm, Mood::Happy, Mood::Sad, Mood::Energetic];

    /// The English name, with a capital: `"Calm"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mood::Calm => "Calm",
            Mood::Happy => "Happy",
            Mood::Sad => "Sad",
            Mood::Energetic => "Energetic",
        }
    }

    /// The mood's place in the valence–energy plane: the mean of its songs in `data_moods.csv`, rounded to
    /// two digits.
    ///
    /// The points are fixed, so that a journey means the same on every catalogue.
    pub fn point(self) -> Point {
        let (valence, energy) = match self {
            Mood::Calm => (0.15, 0.16),
            Mood::Happy => (0.58, 0.75),
            Mood::Sad => (0.29, 0.39),
            Mood::Energetic => (0.44, 0.88),
        };
        Point { valence, energy }
    }
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mood {
    type Err = UnknownMood;

    /// Reads a name in any case, blanks around it ignored.
    fn from_str(name: &str) -> Result<Self, UnknownMood> {
        let wanted = name.trim();
        Mood::ALL
            .into_iter()
            .find(|mood| mood.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownMood { given: name.to_owned() })
    }
}

impl From<Mood> for Point {
    fn from(mood: Mood) -> Self {
        mood.point()
    }
}

impl From<Mood> for &'static str {
    fn from(mood: Mood) -> Self {
        mood.as_str()
    }
}

impl TryFrom<String> for Mood {
    type Error = UnknownMood;

    fn try_from(name: String) -> Result<Self, UnknownMood> {
        name.parse()
    }
}

/// A name that is none of the four moods.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mood: name must be Calm, Happy, Sad or Energetic, got {given:?}")]
#[non_exhaustive]
pub struct UnknownMood {
    /// The name as it was given.
    pub given: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_in_any_case_and_print_with_a_capital() {
        for mood in Mood::ALL {
            assert_eq!(mood.to_string().to_uppercase().parse(), Ok(mood));
            assert_eq!(format!(" {} ", mood.as_str().to_lowercase()).parse(), Ok(mood));
        }
        assert_eq!(format!("{:>6}|", Mood::Sad), "   Sad|");
    }

    #[test]
    fn an_unknown_name_is_told_with_the_four_that_are_known() {
        let error = "angry".parse::<Mood>().unwrap_err();
        assert_eq!(error.given, "angry");
        assert_eq!(error.to_string(), "mood: name must be Calm, Happy, Sad or Energetic, got \"angry\"");
    }

    #[test]
    fn json_holds_the_name_and_reads_any_case() {
        assert_eq!(serde_json::to_string(&Mood::Energetic).unwrap(), "\"Energetic\"");
        assert_eq!(serde_json::from_str::<Mood>("\"energetic\"").unwrap(), Mood::Energetic);
        assert!(serde_json::from_str::<Mood>("\"angry\"").unwrap_err().to_string().contains("angry"));
    }

    #[test]
    fn moods_sort_in_the_order_of_all() {
        let mut moods = [Mood::Energetic, Mood::Sad, Mood::Calm, Mood::Happy];
        moods.sort();
        assert_eq!(moods, Mood::ALL);
    }
}
