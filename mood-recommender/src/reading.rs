//! The listener's mood as probabilities.

use crate::mood::{Mood, UnknownMood};

/// A listener's mood as a probability for each of the four, which sum to 1.
///
/// A [`Mood`] converts into a reading with probability 1 for it. [`Reading::from_probabilities`] converts the output of
/// a recogniser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    probabilities: [f64; Mood::ALL.len()],
}

impl Reading {
    /// Takes a recogniser's probabilities by the moods' names, in any order.
    ///
    /// The probabilities are divided by their sum. A missing mood has probability 0. The probabilities of a repeated mood are added.
    ///
    /// # Errors
    /// [`ReadingError`] when a name is no mood, a probability is negative or not finite, or all are 0.
    pub fn from_probabilities<N, P>(
        probabilities: impl IntoIterator<Item = (N, P)>,
    ) -> Result<Self, ReadingError>
    where
        N: AsRef<str>,
        P: Into<f64>,
    {
        let mut sums = [0.0; Mood::ALL.len()];
        for (name, probability) in probabilities {
            let mood: Mood = name.as_ref().parse()?;
            let given = probability.into();
            if !(given.is_finite() && given >= 0.0) {
                return Err(ReadingError::Probability { mood, given });
            }
            sums[mood as usize] += given;
        }
        let total: f64 = sums.iter().sum();
        if total == 0.0 {
            return Err(ReadingError::AllZero);
        }
        // Dividing by the largest first keeps the sum of huge values finite.
        let largest = sums.iter().copied().fold(0.0, f64::max);
        if largest.is_infinite() {
            let mood = Mood::ALL[sums.iter().position(|sum| sum.is_infinite()).unwrap_or_default()];
            return Err(ReadingError::Probability { mood, given: largest });
        }
        let total: f64 = sums.iter().map(|sum| sum / largest).sum();
        Ok(Reading { probabilities: sums.map(|sum| sum / largest / total) })
    }

    /// The probability of a mood, 0 to 1.
    pub fn probability(&self, mood: Mood) -> f64 {
        self.probabilities[mood as usize]
    }

    /// The moods that are possible at all, with their probabilities.
    pub(crate) fn possible(&self) -> impl Iterator<Item = (Mood, f64)> {
        Mood::ALL.into_iter().zip(self.probabilities).filter(|(_, probability)| *probability > 0.0)
    }
}

impl From<Mood> for Reading {
    fn from(mood: Mood) -> Self {
        let mut probabilities = [0.0; Mood::ALL.len()];
        probabilities[mood as usize] = 1.0;
        Reading { probabilities }
    }
}

/// Errors of making a reading from probabilities.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadingError {
    /// A name is none of the four moods.
    #[error(transparent)]
    UnknownMood(#[from] UnknownMood),
    /// A probability is negative or not finite.
    #[error("probabilities: {mood} must be finite and 0 or more, got {given}")]
    Probability {
        /// The mood.
        mood: Mood,
        /// Its probability, or the sum of those given for it.
        given: f64,
    },
    /// No mood has a probability above 0.
    #[error("probabilities: the number of values above 0 must be 1 or more, got 0")]
    AllZero,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_divided_by_their_sum() {
        let reading = Reading::from_probabilities([("SAD", 3.0_f32), ("calm", 1.0), ("sad", 0.0)]).unwrap();
        assert_eq!(reading.probability(Mood::Sad), 0.75);
        assert_eq!(reading.probability(Mood::Calm), 0.25);
        assert_eq!(reading.probability(Mood::Happy), 0.0);
        assert_eq!(Reading::from_probabilities([("Sad", 7.0)]).unwrap(), Reading::from(Mood::Sad));
    }

    #[test]
    fn a_recognisers_list_is_taken_by_value_and_by_reference() {
        let list = vec![("Happy".to_owned(), 0.5_f32), ("Sad".to_owned(), 0.5)];
        let by_reference = Reading::from_probabilities(list.iter().map(|(name, p)| (name, *p))).unwrap();
        assert_eq!(Reading::from_probabilities(list).unwrap(), by_reference);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let read = |list: &[(&str, f64)]| Reading::from_probabilities(list.iter().copied());
        assert!(matches!(read(&[("Angry", 1.0)]), Err(ReadingError::UnknownMood(_))));
        assert!(matches!(read(&[("Sad", -0.1)]), Err(ReadingError::Probability { mood: Mood::Sad, .. })));
        assert!(matches!(read(&[("Sad", f64::NAN)]), Err(ReadingError::Probability { .. })));
        assert!(matches!(read(&[("Sad", f64::INFINITY)]), Err(ReadingError::Probability { .. })));
        assert!(matches!(
            read(&[("Sad", f64::MAX), ("Sad", f64::MAX)]),
            Err(ReadingError::Probability { .. })
        ));
        assert_eq!(read(&[("Sad", 0.0)]), Err(ReadingError::AllZero));
        assert_eq!(read(&[]), Err(ReadingError::AllZero));
    }

    #[test]
    fn huge_and_tiny_values_keep_their_ratio() {
        for scale in [f64::MAX, 1.0, f64::MIN_POSITIVE] {
            let reading = Reading::from_probabilities([("Sad", scale), ("Calm", scale)]).unwrap();
            assert_eq!(reading.probability(Mood::Calm), 0.5);
        }
    }
}
