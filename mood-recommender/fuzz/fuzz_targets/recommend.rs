//! From any catalogue that is read, every question is answered, described, learned from and put into playlists.
//!
//! `cargo fuzz run recommend corpus/recommend corpus/read_catalog -- -max_len=2000`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mood_recommender::{
    Catalog, Mood, Options, Playlist, PlaylistFormat, Profile, ReadOptions, Reading, Recommender, Strategy,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut catalog) = Catalog::from_reader(bytes, &ReadOptions::default().skip_bad(true)) else { return };
    assert!(!catalog.stats().to_string().is_empty());
    _ = catalog.assign_moods();
    let Ok(recommender) = Recommender::new(catalog) else { return };
    let mut profile = Profile::default();
    for (at, song) in recommender.catalog().songs().iter().enumerate().take(4) {
        if at % 2 == 0 { profile.like(song) } else { profile.dislike(song) }
    }
    let all = Mood::ALL.map(|mood| (mood.as_str(), 0.25));
    let unsure = Reading::from_probabilities(all).expect("these are probabilities");
    let journey = Options { strategy: Strategy::journey_to(Mood::Happy), count: 3, ..Options::default() };
    let taste = Options { strategy: Strategy::Keep, diversity: 0.5, profile, ..Options::default() };
    for (reading, options) in [(unsure, Options::default()), (unsure, taste), (Mood::Sad.into(), journey)] {
        let list = recommender.recommend(reading, &options).expect("the options are right");
        assert!(list.len() <= options.count);
        assert!(list.iter().all(|item| (0.0..=1.0).contains(&item.score)));
        let playlist = Playlist::new("list", &list);
        for format in PlaylistFormat::ALL {
            playlist.write_to(Vec::new(), format).expect("memory takes everything");
        }
    }
});
