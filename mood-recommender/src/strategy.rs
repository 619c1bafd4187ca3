//! Strategies: the target mood, and the weights of its songs' features.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::RecommendError;
use crate::feature::{FEATURES, SongFeature};
use crate::mood::Mood;
use crate::point::Point;
use crate::reading::Reading;

/// Strategy that maps a listener's mood to songs.
///
/// | listener | [`Balance`](Strategy::Balance) | [`Keep`](Strategy::Keep) | [`CheerUp`](Strategy::CheerUp) |
/// | --- | --- | --- | --- |
/// | Calm | Energetic: energy | Calm: acousticness, −energy | Happy: 2 × valence, danceability, energy |
/// | Happy | Happy: valence, popularity | Happy: valence | the same |
/// | Sad | Happy: valence, popularity | Sad: acousticness, −valence | the same |
/// | Energetic | Calm: acousticness, −energy | Energetic: energy, loudness, −acousticness | the same |
///
/// A cell names the mood of the songs and the features that are scored. Weights are 1, but that of `2 × valence` is 2; `−energy` has the
/// weight −1: the less, the better.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Strategy {
    /// Songs that balance the mood: §10.8 of *Speech Emotion Recognition with Music Recommendation*, the student report that this
    /// project reimplements. The report leaves Happy open; this strategy keeps it.
    #[default]
    Balance,
    /// Songs of the same mood, the most typical first: the traits of §7.3 of the same report.
    Keep,
    /// Happy songs that lift any mood.
    CheerUp,
    /// The caller's own aims; a mood that is missing has the aim of [`Strategy::Balance`].
    Custom(BTreeMap<Mood, Aim>),
    /// A playlist that begins at the listener's mood and moves in small steps to a target in the
    /// valence–energy plane, after the iso principle of music therapy (Altshuler, *A psychiatrist's experience with music as a
    /// therapeutic agent*, 1948): meet the mood first, then change it.
    ///
    /// The start is the [`Mood::point`] of the listener's mood; for a reading, the mean of the moods' points, weighted by the
    /// probabilities. Songs of any mood can be chosen if their valence and energy are known. The list is in playing order. Every song is
    /// nearer to the target than the one before, and no step is longer than twice the mean step. A score is 1 minus the distance of the
    /// song from its waypoint on the straight line.
    ///
    /// A journey has at most 1,000 songs. The list is shorter if the search finds no such path of the requested length. The search tries 48
    /// songs for each waypoint, and above 20 songs it finds the greatest length to about 5 %.
    ///
    /// Filters, [`Options::max_per_artist`](crate::Options::max_per_artist) and dislikes leave songs out of a journey; diversity, shuffling
    /// and likes do not affect it.
    Journey {
        /// End of the journey. [`Recommender::recommend`](crate::Recommender::recommend) returns [`RecommendError::Option`] unless both
        /// coordinates are from 0 to 1.
        target: Point,
    },
}

impl Strategy {
    /// A journey to a mood or to any other point.
    pub fn journey_to(target: impl Into<Point>) -> Self {
        Strategy::Journey { target: target.into() }
    }

    /// The name on command lines and in JSON: `"balance"`, `"keep"`, `"cheer-up"`, `"custom"`, `"journey"`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Strategy::Balance => "balance",
            Strategy::Keep => "keep",
            Strategy::CheerUp => "cheer-up",
            Strategy::Custom(_) => "custom",
            Strategy::Journey { .. } => "journey",
        }
    }

    /// The moods of the songs that the strategy looks for, the largest share of the reading first. A journey takes songs of
    /// all moods.
    pub fn targets(&self, reading: impl Into<Reading>) -> Vec<Mood> {
        if let Strategy::Journey { .. } = self {
            return Mood::ALL.to_vec();
        }
        let mut shares = [0.0; Mood::ALL.len()];
        for (mood, probability) in reading.into().possible() {
            shares[self.aim(mood).target as usize] += probability;
        }
        let mut targets = Mood::ALL.to_vec();
        targets.retain(|mood| shares[*mood as usize] > 0.0);
        targets.sort_by(|a, b| shares[*b as usize].total_cmp(&shares[*a as usize]));
        targets
    }

    /// The strategy's effect on a mood in words: `Energetic → calm songs, to balance it`.
    pub fn effect(&self, mood: Mood) -> String {
        if let Strategy::Journey { target } = self {
            let name = Mood::ALL.into_iter().find(|mood| mood.point() == *target);
            let end = name.map_or_else(
                || format!("valence {:.2} and energy {:.2}", target.valence, target.energy),
                |mood| mood.to_string(),
            );
            return format!("{mood} → songs that lead from there to {end}");
        }
        let target = self.aim(mood).target;
        format!("{mood} → {} songs, to {} it", target.as_str().to_lowercase(), self.verb(mood).0)
    }

    /// What songs do to a listener's mood, as `to balance` and `balances`.
    pub(crate) fn verb(&self, mood: Mood) -> (&'static str, &'static str) {
        match self {
            _ if self.aim(mood).target == mood => ("keep", "keeps"),
            Strategy::CheerUp => ("lift", "lifts"),
            Strategy::Custom(aims) if aims.contains_key(&mood) => ("answer", "answers"),
            _ => ("balance", "balances"),
        }
    }

    /// What songs to look for when the listener is in `mood`.
    fn aim(&self, mood: Mood) -> Aim {
        use SongFeature::{Acousticness, Danceability, Energy, Loudness, Popularity, Valence};
        match (self, mood) {
            (Strategy::Keep, Mood::Calm) => Aim::new(Mood::Calm, &[(Energy, -1.0), (Acousticness, 1.0)]),
            (Strategy::Keep, Mood::Happy) => Aim::new(Mood::Happy, &[(Valence, 1.0)]),
            (Strategy::Keep, Mood::Sad) => Aim::new(Mood::Sad, &[(Valence, -1.0), (Acousticness, 1.0)]),
            (Strategy::Keep, Mood::Energetic) => {
                Aim::new(Mood::Energetic, &[(Energy, 1.0), (Loudness, 1.0), (Acousticness, -1.0)])
            }
            (Strategy::CheerUp, _) => {
                Aim::new(Mood::Happy, &[(Valence, 2.0), (Danceability, 1.0), (Energy, 1.0)])
            }
            (Strategy::Custom(aims), _) if aims.contains_key(&mood) => aims[&mood].clone(),
            (_, Mood::Calm) => Aim::new(Mood::Energetic, &[(Energy, 1.0)]),
            (_, Mood::Happy | Mood::Sad) => Aim::new(Mood::Happy, &[(Valence, 1.0), (Popularity, 1.0)]),
            (_, Mood::Energetic) => Aim::new(Mood::Calm, &[(Energy, -1.0), (Acousticness, 1.0)]),
        }
    }
}

/// The songs to look for: their mood, and how much each feature counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aim {
    /// The mood of the songs.
    pub target: Mood,
    /// Weight of each feature: finite, and not 0 for all. Only their ratios matter.
    ///
    /// Each feature is first scaled to 0 to 1 and clamped to that range: loudness from −60 to 0 dB, tempo from 0 to 250 beats per minute,
    /// popularity from 0 to 100, the others as they are. With a weight below 0, 1 minus the scaled value counts.
    ///
    /// If several moods of a reading have the same target, the weights of each aim are divided by the sum of their sizes and averaged by
    /// probability. Weights of opposite signs cancel, which lowers all scores.
    pub weights: BTreeMap<SongFeature, f64>,
}

impl Aim {
    fn new(target: Mood, weights: &[(SongFeature, f64)]) -> Self {
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
    fn balance_leads_where_the_report_says() {
        for (mood, target) in [
            (Mood::Sad, Mood::Happy),
            (Mood::Calm, Mood::Energetic),
            (Mood::Energetic, Mood::Calm),
            (Mood::Happy, Mood::Happy),
        ] {
            assert_eq!(only_part(&Strategy::Balance, mood).target, target);
            assert_eq!(only_part(&Strategy::Keep, mood).target, mood);
            assert_eq!(only_part(&Strategy::CheerUp, mood).target, Mood::Happy);
        }
    }

    #[test]
    fn effects_say_where_a_mood_leads_and_what_for() {
        assert_eq!(Strategy::Balance.effect(Mood::Energetic), "Energetic → calm songs, to balance it");
        assert_eq!(Strategy::Balance.effect(Mood::Happy), "Happy → happy songs, to keep it");
        assert_eq!(Strategy::Keep.effect(Mood::Sad), "Sad → sad songs, to keep it");
        assert_eq!(Strategy::CheerUp.effect(Mood::Sad), "Sad → happy songs, to lift it");
        assert_eq!(
            Strategy::journey_to(Mood::Happy).effect(Mood::Sad),
            "Sad → songs that lead from there to Happy"
        );
        for strategy in [Strategy::Balance, Strategy::Keep, Strategy::CheerUp] {
            assert_eq!(serde_json::to_value(&strategy).unwrap(), strategy.as_str());
        }
        let reading = Reading::from_probabilities([("Sad", 0.2), ("Calm", 0.3), ("Energetic", 0.5)]).unwrap();
        assert_eq!(Strategy::Balance.targets(reading), [Mood::Calm, Mood::Energetic, Mood::Happy]);
    }

    #[test]
    fn a_custom_map_takes_over_only_the_moods_it_names() {
        let aims = BTreeMap::from([(Mood::Sad, Aim::new(Mood::Calm, &[(SongFeature::Tempo, -2.0)]))]);
        let strategy = Strategy::Custom(aims);
        let part = only_part(&strategy, Mood::Sad);
        assert_eq!((part.target, part.weights[SongFeature::Tempo as usize]), (Mood::Calm, -1.0));
        assert_eq!(only_part(&strategy, Mood::Calm).target, Mood::Energetic);
    }

    #[test]
    fn moods_with_one_target_share_a_part() {
        let reading = Reading::from_probabilities([("Sad", 0.5), ("Happy", 0.2), ("Calm", 0.3)]).unwrap();
        let parts = parts(&Strategy::Balance, &reading).unwrap();
        assert_eq!(parts.iter().map(|part| part.target).collect::<Vec<_>>(), [Mood::Happy, Mood::Energetic]);
        assert!((parts[0].share - 0.7).abs() < 1e-12);
        assert_eq!(parts[0].weights[SongFeature::Valence as usize], 0.5);
        assert_eq!(parts[0].asked_by.len(), 2);
    }

    #[test]
    fn weights_that_say_nothing_are_refused() {
        let custom = |weights: &[(SongFeature, f64)]| {
            let aims = BTreeMap::from([(Mood::Sad, Aim::new(Mood::Calm, weights))]);
            parts(&Strategy::Custom(aims), &Mood::Sad.into()).unwrap_err().to_string()
        };
        let none = "weights for Sad: the number of values other than 0 must be 1 or more, got 0";
        assert_eq!(custom(&[]), none);
        assert_eq!(custom(&[(SongFeature::Energy, 0.0)]), none);
        let message = custom(&[(SongFeature::Energy, f64::NAN)]);
        assert_eq!(message, "weights for Sad: energy must be a finite number, got NaN");
    }

    /// A parser that is off by one unit in the last place would change weights each time they are stored.
    #[test]
    fn weights_are_read_as_they_were_written() {
        let json = r#"{"custom":{"sad":{"target":"happy","weights":{"acousticness":2.0755095629702534,"tempo":-1.0}}}}"#;
        for json in [json.to_owned(), json.replace("2.0755095629702534", "2.07550956297025341207")] {
            let strategy: Strategy = serde_json::from_str(&json).unwrap();
            let written = serde_json::to_string(&strategy).unwrap();
            assert_eq!(serde_json::from_str::<Strategy>(&written).unwrap(), strategy, "{json}");
        }
    }

    #[test]
    fn a_map_reads_from_json_and_toml() {
        let json = r#"{"custom": {"sad": {"target": "happy", "weights": {"valence": 2, "popularity": 1}}}}"#;
        let toml = "[custom.SAD]\ntarget = 'Happy'\nweights = { valence = 2.0, popularity = 1.0 }";
        let strategy: Strategy = serde_json::from_str(json).unwrap();
        assert_eq!(toml::from_str::<Strategy>(toml).unwrap(), strategy);
        let weights = [(SongFeature::Valence, 2.0), (SongFeature::Popularity, 1.0)];
        assert_eq!(
            strategy,
            Strategy::Custom(BTreeMap::from([(Mood::Sad, Aim::new(Mood::Happy, &weights))]))
        );
        assert_eq!(serde_json::from_str::<Strategy>("\"balance\"").unwrap(), Strategy::Balance);
        let back = serde_json::to_string(&strategy).unwrap();
        assert_eq!(serde_json::from_str::<Strategy>(&back).unwrap(), strategy);
    }
}
