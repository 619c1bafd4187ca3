//! Moods for songs of catalogues that have none, by a model that the crate carries.

mod model;

use crate::catalog::Catalog;
use crate::feature::{AUDIO, SongFeature};
use crate::mood::Mood;
use crate::song::Song;
use crate::threads::in_shares;

/// The features without which the model would guess.
const NEEDED: [SongFeature; 2] = [SongFeature::Valence, SongFeature::Energy];

impl Catalog {
    /// Assigns to every song without a mood the most likely mood given its audio features and marks it as estimated
    /// ([`Song::mood_estimated`]). Returns the number of songs that got a mood.
    ///
    /// The model is a multinomial logistic regression on the nine audio features, fitted to the 686 songs of
    /// `data_moods.csv` by `scripts/fit_moods.py`. In 10-fold cross-validation it finds the mood of 81 % of them; the README
    /// has its calibration. Features that a song lacks take their conditional means given the others. Songs without valence
    /// or energy keep no mood: the model would guess.
    ///
    /// [`Catalog::assign_moods`] learns from the catalogue's own moods instead.
    pub fn estimate_moods(&mut self) -> usize {
        let estimate = |songs: &mut [Song]| {
            let mut estimated = 0;
            for song in songs.iter_mut().filter(|song| song.mood.is_none()) {
                if let Some(probabilities) = song.mood_probabilities() {
                    let most = probabilities
                        .into_iter()
                        .reduce(|best, next| if next.1 > best.1 { next } else { best });
                    song.mood = most.map(|(mood, _)| mood);
                    song.mood_estimated = true;
                    estimated += 1;
                }
            }
            estimated
        };
        in_shares(&mut self.songs, |_, songs| estimate(songs)).into_iter().sum()
    }
}

impl Song {
    /// The probability of each mood given the song's audio features, as [`Catalog::estimate_moods`] estimates it. The
    /// probabilities sum to 1. `None` if valence or energy is unknown.
    pub fn mood_probabilities(&self) -> Option<[(Mood, f64); Mood::ALL.len()]> {
        if NEEDED.iter().any(|feature| self.feature(*feature).is_none()) {
            return None;
        }
        let mut scores = model::BIASES;
        for (at, distance) in distances(self).into_iter().enumerate() {
            for (score, weights) in scores.iter_mut().zip(&model::WEIGHTS) {
                *score += weights[at] * distance;
            }
        }
        let largest = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let exponentials = scores.map(|score| (score - largest).exp());
        let total: f64 = exponentials.iter().sum();
        Some(Mood::ALL.map(|mood| (mood, exponentials[mood as usize] / total)))
    }
}

/// How far each feature is from its mean.
fn distances(song: &Song) -> [f64; AUDIO] {
    let of = |at: usize| Some(f64::from(song.feature(SongFeature::AUDIO[at])?) - model::MEANS[at]);
    let given: [Option<f64>; AUDIO] = std::array::from_fn(of);
    if given.iter().all(Option::is_some) {
        return given.map(Option::unwrap_or_default);
    }
    let known: Vec<usize> = (0..AUDIO).filter(|at| given[*at].is_some()).collect();
    // The conditional mean of a Gaussian: the covariance with the known features times `solved`.
    let solved = solve(&known, known.iter().map(|at| given[*at].unwrap_or_default()).collect());
    std::array::from_fn(|at| {
        let expected =
            || known.iter().zip(&solved).map(|(other, solved)| covariance(at, *other) * solved).sum();
        given[at].unwrap_or_else(expected)
    })
}

fn covariance(a: usize, b: usize) -> f64 {
    model::COVARIANCE[a.max(b)][a.min(b)]
}

/// Solves covariance × x = `right` for some of the features, by Gaussian elimination: a covariance is positive definite, so
/// that no pivot is 0.
fn solve(features: &[usize], mut right: Vec<f64>) -> Vec<f64> {
    let size = features.len();
    let mut rows: Vec<Vec<f64>> =
        features.iter().map(|a| features.iter().map(|b| covariance(*a, *b)).collect()).collect();
    for pivot in 0..size {
        for row in pivot + 1..size {
            let (above, below) = rows.split_at_mut(row);
            let factor = below[0][pivot] / above[pivot][pivot];
            below[0].iter_mut().zip(&above[pivot]).skip(pivot).for_each(|(x, above)| *x -= factor * above);
            right[row] -= factor * right[pivot];
        }
    }
    for pivot in (0..size).rev() {
        let behind: f64 = (pivot + 1..size).map(|column| rows[pivot][column] * right[column]).sum();
        right[pivot] = (right[pivot] - behind) / rows[pivot][pivot];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_marked_and_known_moods_stay() {
        let mut builder = Catalog::builder();
        for song in Catalog::starter().songs() {
            builder.push(Song { mood: None, ..song.clone() }).unwrap();
            builder.push(Song { name: format!("{} again", song.name).into(), ..song.clone() }).unwrap();
        }
        let unknown = Song { name: "A".into(), artist: "B".into(), energy: Some(0.5), ..Song::default() };
        builder.push(unknown).unwrap();
        let mut catalog = builder.build();
        assert_eq!(catalog.estimate_moods(), 22);
        let songs = catalog.songs();
        assert!(songs[..44].iter().enumerate().all(|(at, song)| song.mood_estimated == (at % 2 == 0)));
        assert_eq!((songs[44].mood, songs[44].mood_estimated), (None, false));
        let correct = songs[..44].chunks(2).filter(|pair| pair[0].mood == pair[1].mood).count();
        assert!(correct >= 17, "{correct} of 22");
        assert_eq!(catalog.estimate_moods(), 0);
    }

    #[test]
    fn what_is_unknown_follows_from_what_is_known() {
        let song = Song { valence: Some(0.34244), energy: Some(0.50769), ..Song::default() };
        assert!(distances(&song).iter().all(|distance| distance.abs() < 1e-6));
        let calm = Song { energy: Some(0.1), ..song };
        let distances = distances(&calm);
        assert!(
            distances[SongFeature::Loudness as usize] < -5.0
                && distances[SongFeature::Acousticness as usize] > 0.2
        );
        let features = [0, 1, 6, 8];
        let right = vec![0.3, -0.2, 4.0, 10.0];
        let solved = solve(&features, right.clone());
        for (a, right) in features.iter().zip(right) {
            let product: f64 = features.iter().zip(&solved).map(|(b, x)| covariance(*a, *b) * x).sum();
            assert!((product - right).abs() < 1e-9);
        }
    }

    #[test]
    fn probabilities_sum_to_one_whatever_a_song_is_like() {
        for value in [0.0, 0.5, 1.0] {
            let mut song = Song::default();
            assert_eq!(song.mood_probabilities(), None);
            for feature in SongFeature::AUDIO {
                *song.feature_mut(*feature) = Some(value * feature.range().end());
            }
            let sum: f64 =
                song.mood_probabilities().unwrap().iter().map(|(_, probability)| probability).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
