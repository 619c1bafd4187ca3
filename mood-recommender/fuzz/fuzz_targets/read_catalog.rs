//! Any bytes are read or refused, as CSV or JSON in any encoding. What was read can be written in every format and is read again
//! the same.
//!
//! `cargo fuzz run read_catalog -- -max_len=2000`; the seeds in `corpus/` are catalogues, so that mutations get past the header.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mood_recommender::{Catalog, CatalogFormat, ReadOptions};

fuzz_target!(|bytes: &[u8]| {
    let catalog = match Catalog::from_bytes(bytes) {
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
    // JSON Lines without songs are an empty file, which is no catalogue.
    if catalog.songs().is_empty() {
        return;
    }
    for format in [CatalogFormat::Csv, CatalogFormat::Json, CatalogFormat::JsonLines] {
        let mut written = Vec::new();
        catalog.write_to(&mut written, format).expect("memory takes everything");
        let again = Catalog::from_bytes(&written).expect("what was written is right");
        assert_eq!(again.songs(), catalog.songs());
        assert!(again.duplicates().is_empty());
    }
});
