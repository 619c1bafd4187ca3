//! Catalogues for the tests.

use std::path::PathBuf;

use mood_recommender::{Catalog, Mood, Point, Song, SongFeature};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Songs of any sound and mood, about three an artist.
#[allow(dead_code, reason = "not every test file needs it")]
pub(crate) fn random_catalog(songs: usize, seed: u64) -> Catalog {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut builder = Catalog::builder();
    for at in 0..songs {
        let mut unit = || random.random::<f32>();
        let song = Song {
            name: format!("Song {at}").into(),
            artist: format!("Artist {}", (unit() * (songs as f32 / 3.0)) as usize).into(),
            id: format!("id{at}").into(),
            release_date: format!("{}", 1950 + (unit() * 75.0) as u32).parse().ok(),
            popularity: Some((unit() * 100.0).floor()),
            danceability: Some(unit()),
            acousticness: Some(unit()),
            energy: Some(unit()),
            instrumentalness: Some(unit()),
            liveness: Some(unit()),
            valence: Some(unit()),
            loudness: Some(-60.0 * unit()),
            speechiness: Some(unit()),
            tempo: Some(50.0 + 150.0 * unit()),
            mood: Some(Mood::ALL[(unit() * 4.0) as usize % 4]),
            ..Song::default()
        };
        assert!(
            SongFeature::ALL.iter().all(|feature| feature.range().contains(&song.feature(*feature).unwrap()))
        );
        builder.push(song).unwrap();
    }
    builder.build()
}

/// `data_moods.csv` where it is kept beside the repository; it may not be part of it.
#[allow(dead_code, reason = "not every test file needs it")]
pub(crate) fn data_moods() -> Option<Catalog> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/music/data_moods.csv");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(Catalog::open(path).unwrap())
}

/// Where a song lies.
pub(crate) fn point(song: &Song) -> Point {
    Point { valence: song.valence.unwrap(), energy: song.energy.unwrap() }
}

/// Every step leads towards the target, and none is longer than twice the mean step.
#[allow(dead_code, reason = "not every test file needs it")]
pub(crate) fn check_journey(path: &[Point], target: Point) {
    let distance =
        |a: &Point, b: &Point| (f64::from(a.valence - b.valence)).hypot(f64::from(a.energy - b.energy));
    for pair in path.windows(2) {
        assert!(
            distance(&pair[1], &target) < distance(&pair[0], &target),
            "{path:?} does not lead to {target:?}"
        );
    }
    let steps: Vec<f64> = path.windows(2).map(|pair| distance(&pair[0], &pair[1])).collect();
    let mean = steps.iter().sum::<f64>() / steps.len() as f64;
    assert!(steps.iter().all(|&step| step <= 2.0 * mean), "{steps:?} has a leap");
}
