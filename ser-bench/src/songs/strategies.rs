//! Effects of strategies on the songs that listeners get.

use std::collections::HashSet;

use anyhow::Result;
use mood_recommender::{Mood, Options, Reading, Recommender, Shuffle, Song, Strategy};
use serde::Serialize;

use super::{Listener, Space, distance, mean};

/// The effect of a strategy on all listeners.
#[derive(Debug, Clone, Serialize)]
pub struct Effect {
    /// The strategy's name.
    pub strategy: String,
    /// The mean valence of the lists less that of the listeners' moods.
    pub valence_shift: f64,
    /// The same of energy.
    pub energy_shift: f64,
    /// The mean popularity of the recommended songs less the catalogue's.
    pub popularity_bias: f64,
    /// The part of the catalogue that any listener gets.
    pub coverage: f64,
    /// The mean distance of two songs of a list, in standard deviations of the audio features.
    pub diversity: f64,
    /// The part of a second list that was in the first one, with other random numbers.
    pub repeats: f64,
}

/// Measures strategies with lists of ten songs. `shuffle` is the tolerance of random variation; with 0 there is none, so that
/// the second list repeats the first.
///
/// # Errors
/// Lists of the recommender.
pub fn effects(recommender: &Recommender, listeners: &[Listener], shuffle: f32) -> Result<Vec<Effect>> {
    let strategies =
        [Strategy::Balance, Strategy::Keep, Strategy::CheerUp, Strategy::journey_to(Mood::Happy)];
    strategies.into_iter().map(|strategy| effect(recommender, listeners, strategy, shuffle)).collect()
}

fn effect(
    recommender: &Recommender,
    listeners: &[Listener],
    strategy: Strategy,
    shuffle: f32,
) -> Result<Effect> {
    let catalog = recommender.catalog();
    let space = Space::new(catalog);
    let popularity = |song: &Song| song.popularity.map(f64::from);
    let all = mean(catalog.songs().iter().filter_map(popularity));
    let mut seen = HashSet::new();
    let (mut valence, mut energy, mut popular, mut diversity, mut repeats) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for listener in listeners {
        let moods = Mood::ALL.map(Mood::as_str).into_iter().zip(listener.reading);
        let reading = Reading::from_probabilities(moods)?;
        let list = |seed| {
            let shuffle = (shuffle > 0.0).then_some(Shuffle { seed, tolerance: shuffle });
            let options = Options { strategy: strategy.clone(), shuffle, ..Options::default() };
            recommender.recommend(reading, &options)
        };
        let (first, second) = (list(listener.seed)?, list(listener.seed.wrapping_add(1))?);
        let keys: HashSet<_> = first.iter().map(|item| item.song.key()).collect();
        repeats.extend(second.iter().map(|item| f64::from(u8::from(keys.contains(&item.song.key())))));
        seen.extend(first.iter().map(|item| item.song.key()));
        let weighed = |of: fn(Mood) -> f32| -> f64 {
            Mood::ALL.into_iter().zip(listener.reading).map(|(mood, p)| p * f64::from(of(mood))).sum()
        };
        let songs = || first.iter().map(|item| item.song);
        valence.push(
            mean(songs().filter_map(|song| song.valence.map(f64::from)))
                - weighed(|mood| mood.point().valence),
        );
        energy.push(
            mean(songs().filter_map(|song| song.energy.map(f64::from))) - weighed(|mood| mood.point().energy),
        );
        popular.extend(songs().filter_map(popularity));
        let places: Vec<_> = songs().map(|song| space.place(song)).collect();
        for (at, place) in places.iter().enumerate() {
            diversity.extend(places[at + 1..].iter().map(|other| distance(place, other)));
        }
    }
    Ok(Effect {
        strategy: strategy.as_str().to_owned(),
        valence_shift: mean(valence),
        energy_shift: mean(energy),
        popularity_bias: mean(popular) - all,
        coverage: seen.len() as f64 / catalog.songs().len() as f64,
        diversity: mean(diversity),
        repeats: mean(repeats),
    })
}
