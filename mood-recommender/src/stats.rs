//! Counts, means and correlations of a catalogue.

use std::fmt;

use crate::catalog::Catalog;
use crate::feature::{FEATURES, SongFeature};
use crate::mood::Mood;

/// Counts, means and correlations of a catalogue: those of §7.3 of the report that [`Strategy::Balance`](crate::Strategy::Balance) names.
/// Prints as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// The number of songs for each mood, then without any.
    counts: [usize; GROUPS],
    /// For each group and feature: the number of songs that have the feature, and the sum of its values.
    known: [[usize; FEATURES]; GROUPS],
    sums: [[f64; FEATURES]; GROUPS],
    /// Sums over the labelled songs of the squared distances from their mean.
    squares: [f64; FEATURES],
}

const GROUPS: usize = Mood::ALL.len() + 1;

impl Catalog {
    /// Counts, means and correlations.
    pub fn stats(&self) -> Stats {
        let mut counts = [0; GROUPS];
        let (mut known, mut sums) = ([[0; FEATURES]; GROUPS], [[0.0; FEATURES]; GROUPS]);
        for song in self.songs() {
            let group = song.mood.map_or(Mood::ALL.len(), |mood| mood as usize);
            counts[group] += 1;
            for feature in SongFeature::ALL {
                if let Some(value) = song.feature(feature) {
                    known[group][feature as usize] += 1;
                    sums[group][feature as usize] += f64::from(value);
                }
            }
        }
        let mut stats = Stats { counts, known, sums, squares: [0.0; FEATURES] };
        for feature in SongFeature::ALL {
            let mean = stats.mean_of(&Mood::ALL, feature).unwrap_or_default();
            let labelled = self.songs().iter().filter(|song| song.mood.is_some());
            let values = labelled.filter_map(|song| song.feature(feature));
            stats.squares[feature as usize] = values.map(|value| (f64::from(value) - mean).powi(2)).sum();
        }
        stats
    }
}

impl Stats {
    /// The number of songs.
    pub fn songs(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The number of songs of a mood.
    pub fn count(&self, mood: Mood) -> usize {
        self.counts[mood as usize]
    }

    /// The number of songs without a mood.
    pub fn unlabelled(&self) -> usize {
        self.counts[Mood::ALL.len()]
    }

    /// The mean of a feature over the songs of a mood, in the feature's unit; `None` where none has it.
    pub fn mean(&self, mood: Mood, feature: SongFeature) -> Option<f64> {
        self.mean_of(&[mood], feature)
    }

    /// Pearson's correlation, −1 to 1, of a feature with being of a mood (1) or of another (0): the
    /// point-biserial coefficient over the songs that have a mood and the feature. Above 0, songs of the mood have more of
    /// the feature than others.
    ///
    /// `None` where the mood has no song or all of them, or the feature is the same everywhere.
    pub fn correlation(&self, mood: Mood, feature: SongFeature) -> Option<f64> {
        let songs = self.known(&[mood], feature) as f64;
        let labelled = self.known(&Mood::ALL, feature) as f64;
        let difference = self.mean(mood, feature)? - self.mean_of(&Mood::ALL, feature)?;
        // cov = p (mean of the mood − mean of all), var of the indicator = p (1 − p), with p = songs /
        // labelled.
        let spread = (songs * (labelled - songs) / labelled * self.squares[feature as usize]).sqrt();
        let correlation = songs * difference / spread;
        correlation.is_finite().then(|| correlation.clamp(-1.0, 1.0))
    }

    fn mean_of(&self, moods: &[Mood], feature: SongFeature) -> Option<f64> {
        let songs = self.known(moods, feature);
        let sum: f64 = moods.iter().map(|&mood| self.sums[mood as usize][feature as usize]).sum();
        (songs > 0).then(|| sum / songs as f64)
    }

    /// How many songs of the moods have the feature.
    fn known(&self, moods: &[Mood], feature: SongFeature) -> usize {
        moods.iter().map(|&mood| self.known[mood as usize][feature as usize]).sum()
    }
}

impl fmt::Display for Stats {
    /// The number of songs of each mood, then one line for each feature: its mean for each mood, with its correlation in brackets. The last
    /// line has the number of songs without a mood, if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16}", "")?;
        for mood in Mood::ALL {
            write!(f, " {mood:>16}")?;
        }
        write!(f, "\n{:<16}", "songs")?;
        for mood in Mood::ALL {
            write!(f, " {:>16}", self.count(mood))?;
        }
        for feature in SongFeature::ALL {
            write!(f, "\n{feature:<16}")?;
            for mood in Mood::ALL {
                match (self.mean(mood, feature), self.correlation(mood, feature)) {
                    (Some(mean), Some(correlation)) => write!(f, " {mean:>8.3} ({correlation:+.2})")?,
                    (Some(mean), None) => write!(f, " {mean:>8.3}        ")?,
                    (None, _) => write!(f, " {:>16}", "")?,
                }
            }
        }
        if self.unlabelled() > 0 {
            write!(f, "\n{} songs have no mood", self.unlabelled())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Song;

    fn song(mood: Option<Mood>, energy: f32) -> Song {
        Song { name: "A".into(), artist: "B".into(), mood, energy: Some(energy), ..Song::default() }
    }

    fn stats(songs: impl IntoIterator<Item = Song>) -> Stats {
        let mut builder = Catalog::builder();
        for song in songs {
            builder.push(song).unwrap();
        }
        builder.build().stats()
    }

    #[test]
    fn the_correlation_is_pearsons_with_the_mood_as_zero_or_one() {
        // numpy 2.4.6: np.corrcoef([1, 1, 0, 0, 0], [0.1, 0.3, 0.2, 0.9, 0.6])[0, 1]
        let moods = [Mood::Calm, Mood::Calm, Mood::Sad, Mood::Happy, Mood::Energetic];
        let songs =
            moods.into_iter().zip([0.1, 0.3, 0.2, 0.9, 0.6]).map(|(mood, energy)| song(Some(mood), energy));
        let stats = stats(songs.chain([song(None, 1.0)]));
        let correlation = stats.correlation(Mood::Calm, SongFeature::Energy).unwrap();
        let expected = -0.6139601294045424;
        assert!((correlation - expected).abs() < 1e-7, "{correlation}");
        assert!((stats.mean(Mood::Calm, SongFeature::Energy).unwrap() - 0.2).abs() < 1e-7);
        assert_eq!((stats.songs(), stats.unlabelled(), stats.count(Mood::Calm)), (6, 1, 2));
    }

    #[test]
    fn what_has_no_answer_is_none() {
        let empty = stats([]);
        assert_eq!(empty.mean(Mood::Sad, SongFeature::Energy), None);
        assert_eq!(empty.correlation(Mood::Sad, SongFeature::Energy), None);
        let one_mood = stats([song(Some(Mood::Sad), 0.1), song(Some(Mood::Sad), 0.2)]);
        assert_eq!(one_mood.correlation(Mood::Sad, SongFeature::Energy), None);
        assert_eq!(one_mood.correlation(Mood::Happy, SongFeature::Energy), None);
        let constant = stats([song(Some(Mood::Sad), 0.5), song(Some(Mood::Happy), 0.5)]);
        assert_eq!(constant.correlation(Mood::Sad, SongFeature::Energy), None);
    }
}
