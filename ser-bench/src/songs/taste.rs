//! Recall of a listener's other songs from the listener's likes.

use std::collections::HashSet;

use anyhow::Result;
use mood_recommender::{Filter, Options, Profile, Recommender, Strategy};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{Listener, Space, distance, mean};

/// Songs of a list.
const LIST: usize = 20;

/// Mean recall at 20 over listeners, 0 to 1: of the listener's songs that were not shown and have the mood of the list, the
/// part that the list holds. All ways choose from the same songs: those of the mood without the likes.
#[derive(Debug, Clone, Serialize)]
pub struct Recall {
    /// The recommender with the likes as a profile, strategy `keep`.
    pub profile: f64,
    /// The recommender without a profile.
    pub no_profile: f64,
    /// Songs by chance.
    pub random: f64,
    /// The most popular songs.
    pub popularity: f64,
    /// The songs with the largest cosine to the mean of the likes.
    pub cosine: f64,
    /// The songs with the smallest distance to any of the likes.
    pub nearest: f64,
    /// Number of listeners with hidden likes.
    pub listeners: usize,
}

/// Measures recall with half of each listener's songs as likes.
///
/// # Errors
/// Lists of the recommender.
pub fn recall(recommender: &Recommender, listeners: &[Listener]) -> Result<Recall> {
    let songs = recommender.catalog().songs();
    let space = Space::new(recommender.catalog());
    let places: Vec<_> = songs.iter().map(|song| space.place(song)).collect();
    let mut found: [Vec<f64>; 6] = Default::default();
    for listener in listeners {
        let mut random = ChaCha8Rng::seed_from_u64(listener.seed);
        let mut own = listener.songs.clone();
        own.shuffle(&mut random);
        let (liked, hidden) = own.split_at(own.len() / 2);
        let wanted: HashSet<usize> =
            hidden.iter().copied().filter(|song| songs[*song].mood == Some(listener.mood)).collect();
        if wanted.is_empty() {
            continue;
        }
        let mut profile = Profile::default();
        liked.iter().for_each(|song| profile.like(&songs[*song]));
        let ask = |profile: Profile| -> Result<Vec<usize>> {
            let exclude_songs = liked.iter().map(|song| songs[*song].key().into_owned()).collect();
            let filter = Filter { exclude_songs, ..Filter::default() };
            let options = Options {
                count: LIST,
                strategy: Strategy::Keep,
                filter,
                max_per_artist: None,
                profile,
                ..Options::default()
            };
            let list = recommender.recommend(listener.mood, &options)?;
            let place = |song| songs.iter().position(|other| std::ptr::eq(other, song));
            Ok(list.iter().filter_map(|item| place(item.song)).collect())
        };
        let mut candidates: Vec<usize> = (0..songs.len())
            .filter(|song| songs[*song].mood == Some(listener.mood) && !liked.contains(song))
            .collect();
        candidates.shuffle(&mut random);
        let by = |score: &dyn Fn(usize) -> f64| {
            let mut ranked = candidates.clone();
            ranked.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
            ranked
        };
        let centre: [f64; 9] = std::array::from_fn(|at| mean(liked.iter().map(|song| places[*song][at])));
        let cosine = |song: usize| {
            let dot: f64 = places[song].iter().zip(&centre).map(|(a, b)| a * b).sum();
            let length = |place: &[f64; 9]| place.iter().map(|value| value * value).sum::<f64>().sqrt();
            dot / (length(&places[song]) * length(&centre)).max(f64::MIN_POSITIVE)
        };
        let nearest = |song: usize| {
            -liked.iter().map(|like| distance(&places[song], &places[*like])).fold(f64::INFINITY, f64::min)
        };
        let lists = [
            ask(profile)?,
            ask(Profile::default())?,
            candidates.clone(),
            by(&|song| songs[song].popularity.map_or(-1.0, f64::from)),
            by(&cosine),
            by(&nearest),
        ];
        for (found, list) in found.iter_mut().zip(lists) {
            let hits = list.iter().take(LIST).filter(|song| wanted.contains(song)).count();
            found.push(hits as f64 / wanted.len() as f64);
        }
    }
    let listeners = found[0].len();
    let [profile, no_profile, random, popularity, cosine, nearest] = found.map(mean);
    Ok(Recall { profile, no_profile, random, popularity, cosine, nearest, listeners })
}
