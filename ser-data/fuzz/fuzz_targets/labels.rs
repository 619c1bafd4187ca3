//! Any bytes as a table of clips, as a file of labels and as names of clips: each is read or refused in one line, and never panics.
//!
//! `mkdir -p fuzz/corpus/labels && cp src/labels/labels.toml fuzz/corpus/labels/`, then
//! `cargo +nightly fuzz run labels -- -timeout=20 -rss_limit_mb=1024 -max_len=10000`.

#![no_main]

use ser_data::{CorpusFormat, LabelMap, Manifest};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match Manifest::parse("fuzz", bytes) {
        Ok(manifest) => {
            for row in &manifest.rows {
                assert!(!row.path.is_empty() && !row.label.is_empty());
                assert!(row.end.is_none_or(|end| end > row.start.unwrap_or_default()));
            }
            assert!(manifest.bad.iter().all(|bad| bad.to_string().starts_with("fuzz: row ")));
        }
        Err(error) => assert!(error.to_string().starts_with("fuzz: ")),
    }
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = LabelMap::parse("fuzz", &text) {
        let error = error.to_string();
        assert!(error.starts_with("fuzz: ") && !error.contains('\n'), "{error}");
    }
    for path in text.lines() {
        for format in CorpusFormat::ALL {
            if let Ok(Some(named)) = format.read_name(path) {
                assert!(LabelMap::bundled().emotion_of(format.as_str(), &named.word).is_some(), "{path}");
            }
        }
    }
});
