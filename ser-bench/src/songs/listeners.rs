//! Made-up listeners with moods and tastes.

use mood_recommender::{Catalog, Mood};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Space, distance};

/// A made-up listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// A recogniser's probabilities of the four moods.
    pub reading: [f64; 4],
    /// The mood that is recognised most.
    pub mood: Mood,
    /// The listener's songs, as places in the catalogue: those near two to four favourites, and one in five by chance.
    pub songs: Vec<usize>,
    /// Generator for everything that is drawn for this listener later.
    pub seed: u64,
}

/// Songs that each listener has.
const SONGS: usize = 40;

/// Makes up `count` listeners of a catalogue by a seed. Moods are equally frequent; favourites are drawn from all songs, so that a taste
/// has several centres and does not follow a mood.
pub fn listeners(catalog: &Catalog, count: usize, seed: u64) -> Vec<Listener> {
    let space = Space::new(catalog);
    let places: Vec<_> = catalog.songs().iter().map(|song| space.place(song)).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let listener = |at: usize, random: &mut ChaCha8Rng| {
        let mood = Mood::ALL[at % Mood::ALL.len()];
        // The likeliest mood has half to all of the probability.
        let certainty = 0.5 + 0.5 * random.random::<f64>();
        let others: [f64; 3] = std::array::from_fn(|_| random.random::<f64>() + 1e-3);
        let total: f64 = others.iter().sum();
        let mut others = others.into_iter().map(|other| other / total * (1.0 - certainty));
        let reading =
            Mood::ALL.map(|other| if other == mood { certainty } else { others.next().unwrap_or_default() });
        let centres: Vec<usize> =
            (0..random.random_range(2..=4)).map(|_| random.random_range(0..places.len())).collect();
        let mut ranked: Vec<(f64, usize)> = places
            .iter()
            .enumerate()
            .map(|(song, place)| {
                let nearest = centres
                    .iter()
                    .map(|centre| distance(place, &places[*centre]))
                    .fold(f64::INFINITY, f64::min);
                // Likings are not exact.
                (nearest + 0.3 * random.random::<f64>(), song)
            })
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut songs: Vec<usize> = ranked.iter().take(SONGS * 4 / 5).map(|(_, song)| *song).collect();
        while songs.len() < SONGS.min(places.len()) {
            let song = random.random_range(0..places.len());
            if !songs.contains(&song) {
                songs.push(song);
            }
        }
        Listener { reading, mood, songs, seed: random.random() }
    };
    (0..count).map(|at| listener(at, &mut random)).collect()
}
