//! Which songs suit a listener's mood: the target mood and what counts in its songs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::RecommendError;
use crate::feature::{FEATURES, Feature};
use crate::mood::Mood;
use crate::point::Point;
use crate::reading::Reading;

/// How a listener's mood leads to songs.
///
/// | listener | [`Complement`](Strategy::Complement) | [`Match`](Strategy::Match) | [`Uplift`](Strategy::Uplift) |
/// | --- | --- | --- | --- |
/// | Calm | Energetic: energy | Calm: acousticness, −energy | Happy: 2 valence, danceability, energy |
/// | Happy | Happy: valence, popularity | Happy: valence | the same |
/// | Sad | Happy: valence, popularity | Sad: acousticness, −valence | the same |
/// | Energetic | Calm: acousticness, −energy | Energetic: energy, loudness, −acousticness | the same |
///
/// `−energy` reads: the less, the better.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// Songs that balance the mood: §10.8 of the report *Speech Emotion Recognition with Music
    /// Recommendation*, which leaves Happy open; here it is kept.
    #[default]
    Complement,
    /// Songs of the same mood, the most typical first: the traits of the report's §7.3.
    Match,
    /// Happy songs that lift any mood.
    Uplift,
    /// The caller's own aims; a mood that is missing has the aim of [`Strategy::Complement`].
    Custom(BTreeMap<Mood, Aim>),
    /// A playlist that begins at the listener's mood and moves in small steps to a target in the
    /// valence–energy plane, after the iso principle of music therapy: meet the mood first, then change it.
    ///
    /// Songs of any mood take part. The list is in playing order, every song is nearer to the target than the
    /// one before, and no step is longer than twice the mean step; it is shorter than asked where the
    /// catalogue has no such path of that length. A score is 1 less the distance to the place on the straight
    /// way that the song stands for. Diversity, shuffling and the profile's tastes do not act on a journey.
    IsoJourney {
        /// Where the journey ends.
        target: Point,
    },
}

impl Strategy {
    /// A journey to a mood or to any other point.
    pub fn journey_to(target: impl Into<Point>) -> Self {
        Strategy::IsoJourney { target: target.into() }
    }

    /// What songs to look for when the listener is in `mood`.
    fn aim(&self, mood: Mood) -> Aim {
        use Feature::{Acousticness, Danceability, Energy, Loudness, Popularity, Valence};
        match (self, mood) {
            (Strategy::Match, Mood::Calm) => Aim::new(Mood::Calm, &[(Energy, -1.0), (Acousticness, 1.0)]),
            (Strategy::Match, Mood::Happy) => Aim::new(Mood::Happy, &[(Valence, 1.0)]),
            (Strategy::Match, Mood::Sad) => Aim::new(Mood::Sad, &[(Valence, -1.0), (Acousticness, 1.0)]),
            (Strategy::Match, Mood::Energetic) => {
                Aim::new(Mood::Energetic, &[(Energy, 1.0), (Loudness, 1.0), (Acousticness, -1.0)])
            }
            (Strategy::Uplift, _) => {
                Aim::new(Mood::Happy, &[(Valence, 2.0), (Danceability, 1.0), (Energy, 1.0)])
            }
            (Strategy::Custom(aims), _) if aims.contains_key(&mood) => aims[&mood].clone(),
            (_, Mood::Calm) => Aim::new(Mood::Energetic, &[(Energy, 1.0)]),
            (_, Mood::Happy | Mood::Sad) => Aim::new(Mood::Happy, &[(Valence, 1.0), (Popularity, 1.0)]),
            (_, Mood::Energetic) => Aim::new(Mood::Calm, &[(Energy, -1.0), (Acousticness, 1.0)]),
        }
    }
}

/// What songs to look for: their mood, and how much each feature counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aim {
    /// The mood of the songs.
    pub target: Mood,
    /// How much each feature counts against the others; below 0, the less of it, the better. Only their
    /// ratios matter.
    pub weights: BTreeMap<Feature, f64>,
}

impl Aim {
    fn new(target: Mood, weights: &[(Feature, f64)]) -> Self {
        Aim { target, weights: weights.iter().copied().collect() }
    }

    /// The weights divided by the sum of their sizes.
    fn normalised(&self, mood: Mood) -> Result<[f64; FEATURES], RecommendError> {
        if let Some((&feature, &given)) = self.weights.iter().find(|(_, weight)| !weight.is_finite()) {
            return Err(RecommendError::Weight { mood, feature, given });
        }
        // Divided by the largest first, since the sum of huge weights would not be finite.
        let largest = self.weights.values().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
        if largest == 0.0 {
            return Err(RecommendError::ZeroWeights { mood });
        }
        let total: f64 = self.weights.values().map(|weight| (weight / largest).abs()).sum();
        let mut normalised = [0.0; FEATURES];
        for (&feature, weight) in &self.weights {
            normalised[feature as usize] = weight / largest / total;
        }
        Ok(normalised)
    }
}

/// The part of a list that comes from one target mood.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) target: Mood,
    /// The probability that the listener is in a mood that asks for the target.
    pub(crate) share: f64,
    /// Signed weights whose sizes sum to 1 at most: opposite wishes of two moods cancel out.
    pub(crate) weights: [f32; FEATURES],
    /// The moods that ask for the target, with their probabilities.
    pub(crate) asked_by: Vec<(Mood, f64)>,
}

/// Sorts a reading's moods by their targets, the largest share first.
pub(crate) fn parts(strategy: &Strategy, reading: &Reading) -> Result<Vec<Part>, RecommendError> {
    let mut aims = Vec::new();
    for (mood, probability) in reading.possible() {
        let aim = strategy.aim(mood);
        aims.push((aim.target, mood, probability, aim.normalised(mood)?));
    }
    let mut parts: Vec<Part> = Vec::new();
    for target in Mood::ALL {
        let (mut share, mut sums, mut asked_by) = (0.0, [0.0; FEATURES], Vec::new());
        for (_, mood, probability, weights) in aims.iter().filter(|(aimed_at, ..)| *aimed_at == target) {
            share += probability;
            asked_by.push((*mood, *probability));
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += probability * weight;
            }
        }
        if share > 0.0 {
            parts.push(Part { target, share, weights: sums.map(|sum| (sum / share) as f32), asked_by });
        }
    }
    parts.sort_by(|a, b| b.share.total_cmp(&a.share));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_part(strategy: &Strategy, mood: Mood) -> Part {
        parts(strategy, &mood.into()).unwrap().remove(0)
    }

    #[test]
    fn complement_leads_where_the_report_says() {
        for (mood, target) in [
            (Mood::Sad, Mood::Happy),
            (Mood::Calm, Mood::Energetic),
            (Mood::Energetic, Mood::Calm),
            (Mood::Happy, Mood::Happy),
        ] {
            assert_eq!(only_part(&Strategy::Complement, mood).target, target);
            assert_eq!(only_part(&Strategy::Match, mood).target, mood);
            assert_eq!(only_part(&Strategy::Uplift, mood).target, Mood::Happy);
        }
    }

    #[test]
    fn a_custom_map_takes_over_only_the_moods_it_names() {
        let aims = BTreeMap::from([(Mood::Sad, Aim::new(Mood::Calm, &[(Feature::Tempo, -2.0)]))]);
        let strategy = Strategy::Custom(aims);
        let part = only_part(&strategy, Mood::Sad);
        assert_eq!((part.target, part.weights[Feature::Tempo as usize]), (Mood::Calm, -1.0));
        assert_eq!(only_part(&strategy, Mood::Calm).target, Mood::Energetic);
    }

    #[test]
    fn moods_with_one_target_share_a_part() {
        let reading = Reading::from_probabilities([("Sad", 0.5), ("Happy", 0.2), ("Calm", 0.3)]).unwrap();
        let parts = parts(&Strategy::Complement, &reading).unwrap();
        assert_eq!(parts.iter().map(|part| part.target).collect::<Vec<_>>(), [Mood::Happy, Mood::Energetic]);
        assert!((parts[0].share - 0.7).abs() < 1e-12);
        assert_eq!(parts[0].weights[Feature::Valence as usize], 0.5);
        assert_eq!(parts[0].asked_by.len(), 2);
    }

    #[test]
    fn weights_that_say_nothing_are_refused() {
        let custom = |weights: &[(Feature, f64)]| {
            let aims = BTreeMap::from([(Mood::Sad, Aim::new(Mood::Calm, weights))]);
            parts(&Strategy::Custom(aims), &Mood::Sad.into()).unwrap_err().to_string()
        };
        assert_eq!(custom(&[]), "the weights for Sad cannot all be 0");
        assert_eq!(custom(&[(Feature::Energy, 0.0)]), "the weights for Sad cannot all be 0");
        let message = custom(&[(Feature::Energy, f64::NAN)]);
        assert_eq!(message, "the weight of energy for Sad must be a finite number, given NaN");
    }

    #[test]
    fn a_map_reads_from_json_and_toml() {
        let json = r#"{"custom": {"sad": {"target": "happy", "weights": {"valence": 2, "popularity": 1}}}}"#;
        let toml = "[custom.SAD]\ntarget = 'Happy'\nweights = { valence = 2.0, popularity = 1.0 }";
        let strategy: Strategy = serde_json::from_str(json).unwrap();
        assert_eq!(toml::from_str::<Strategy>(toml).unwrap(), strategy);
        let weights = [(Feature::Valence, 2.0), (Feature::Popularity, 1.0)];
        assert_eq!(
            strategy,
            Strategy::Custom(BTreeMap::from([(Mood::Sad, Aim::new(Mood::Happy, &weights))]))
        );
        assert_eq!(serde_json::from_str::<Strategy>("\"complement\"").unwrap(), Strategy::Complement);
        let back = serde_json::to_string(&strategy).unwrap();
        assert_eq!(serde_json::from_str::<Strategy>(&back).unwrap(), strategy);
    }
}
