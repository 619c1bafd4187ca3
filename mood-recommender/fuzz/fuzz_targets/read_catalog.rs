//! Any bytes are read or refused, as CSV or JSON in any encoding; what was read can be written in every format, read again, described, learned
//! from, recommended and put into playlists.
//!
//! `cargo fuzz run read_catalog`; the seeds in `corpus/` are catalogues, so that mutations get past the header.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mood_recommender::{
    Catalog, CatalogFormat, Mood, Options, Playlist, PlaylistFormat, ReadOptions, Recommender, Strategy,
};

fuzz_target!(|bytes: &[u8]| {
    let mut catalog = match Catalog::from_bytes(bytes) {
        Ok(catalog) => catalog,
        Err(error) => {
            assert!((1..10_000).contains(&error.to_string().len()));
            // Without its bad rows it is refused for its header or its form only.
            match Catalog::from_reader(bytes, &ReadOptions::default().skip_bad(true)) {
                Ok(catalog) => catalog,
                Err(_) => return,
            }
        }
    };
    for format in [CatalogFormat::Csv, CatalogFormat::Json, CatalogFormat::JsonLines] {
        // JSON Lines without songs are an empty file, which is no catalogue.
        if catalog.songs().is_empty() {
            continue;
        }
        let mut written = Vec::new();
        catalog.write_to(&mut written, format).expect("memory takes everything");
        let again = Catalog::from_bytes(&written).expect("what was written is right");
        assert_eq!(again.songs(), catalog.songs());
        assert!(again.duplicates().is_empty());
    }

    assert!(!catalog.stats().to_string().is_empty());
    _ = catalog.assign_moods();
    let Ok(recommender) = Recommender::new(catalog) else { return };
    for mood in Mood::ALL {
        let journey = Options { strategy: Strategy::journey_to(Mood::Happy), count: 3, ..Options::default() };
        for options in [Options::default(), journey] {
            let list = recommender.recommend(mood, &options).expect("the options are right");
            assert!(list.len() <= options.count);
            assert!(list.iter().all(|item| (0.0..=1.0).contains(&item.score)));
            let playlist = Playlist::new("list", &list);
            for format in PlaylistFormat::ALL {
                playlist.write_to(Vec::new(), format).expect("memory takes everything");
            }
        }
    }
});
