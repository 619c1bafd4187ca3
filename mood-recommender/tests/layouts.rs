//! The layouts that people have, each read into the same two songs: `layouts/` holds one file of each.

use std::fs;
use std::path::{Path, PathBuf};

use mood_recommender::{Catalog, CatalogFormat, Mood, Options, ReadOptions, Recommender, Song};

fn layouts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts")
}

/// The songs without what not every layout has: columns of its own, moods and some fields.
fn songs(catalog: &Catalog, without: fn(&mut Song)) -> Vec<Song> {
    let bare = |song: &Song| {
        let mut song = Song { extra: Default::default(), mood: None, ..song.clone() };
        without(&mut song);
        song
    };
    catalog.songs().iter().map(bare).collect()
}

fn check(name: &str, notes: &[&str], without: fn(&mut Song)) -> Catalog {
    let expected = Catalog::open(layouts().join("data_moods_layout.csv")).unwrap();
    let catalog = Catalog::open(layouts().join(name)).unwrap_or_else(|error| panic!("{error}"));
    let (read, expected) = (songs(&catalog, without), songs(&expected, without));
    assert_eq!(read.len(), expected.len(), "{name}");
    for (read, expected) in read.iter().zip(&expected) {
        assert_eq!(read, expected, "{name}");
    }
    assert_eq!(catalog.notes(), notes, "{name}");
    catalog
}

#[test]
fn the_reference_is_what_it_was_made_from() {
    let catalog = Catalog::open(layouts().join("data_moods_layout.csv")).unwrap();
    let song = &catalog.songs()[0];
    assert_eq!(
        (song.name.as_str(), song.artist.as_str(), song.mood),
        ("Über Nacht", "Zoé Meier, The Band", Some(Mood::Happy))
    );
    assert_eq!((song.duration_ms, song.key, song.time_signature), (Some(215_000), Some(1), Some(4)));
    assert_eq!((song.loudness, song.valence, song.popularity), (Some(-6.746), Some(0.715), Some(73.0)));
}

#[test]
fn kaggles_sets_are_read() {
    let catalog = check("kaggle_114k.csv", &[], |song| song.release_date = None);
    let extra = &catalog.songs()[1].extra;
    assert_eq!((&extra["column 1"], &extra["explicit"], &extra["track_genre"]), ("1", "False", "pop"));
    check("kaggle_160k.csv", &[], |song| (song.album, song.time_signature) = Default::default());
    check("kaggle_600k.csv", &[], |song| song.album = Default::default());
    let catalog = check("kaggle_1.2m.csv", &[], |song| song.popularity = None);
    assert_eq!(&catalog.songs()[0].extra["year"], "2019");
}

#[test]
fn exports_are_read() {
    let catalog = check("exportify.csv", &[], |_| {});
    assert_eq!(&catalog.songs()[0].extra["Record Label"], "Label");
    let length = "length is written in minutes and seconds, as 3:45";
    let semicolons = ["the text is read as windows-1252", "cells are separated by ';'", length];
    check("excel_semicolons.csv", &semicolons, |_| {});
    check("excel_sep.csv", &["cells are separated by ';'", length], |_| {});
    check(
        "excel_utf16.txt",
        &["the text is read as UTF-16LE", "cells are separated by tabs", length],
        |_| {},
    );
}

#[test]
fn json_of_services_is_read() {
    for name in ["spotify_tracks.json", "spotify_playlist.json", "spotify.jsonl", "reccobeats.json"] {
        let catalog = check(name, &[], |_| {});
        assert_eq!(catalog.songs()[0].link(), "https://open.spotify.com/track/2374M0fQpWi3dLnB54qaLX");
    }
}

#[test]
fn other_units_are_recognised_and_said() {
    let notes =
        ["valence", "energy", "acousticness", "danceability", "instrumentalness", "liveness", "speechiness"]
            .map(|feature| format!("{feature} runs from 0 to 100 and is divided by 100"));
    let length = ["length is in seconds, as its header says"];
    let notes: Vec<&str> = notes.iter().map(String::as_str).chain(length).collect();
    check("percent.csv", &notes, |song| {
        (song.album, song.id, song.release_date) = Default::default();
        (song.key, song.time_signature) = (None, None);
        // A hundredth of 67.6 is not quite 0.676.
        for value in [&mut song.valence, &mut song.energy, &mut song.acousticness, &mut song.danceability] {
            *value = value.map(|value| (value * 1e4).round());
        }
        for value in [&mut song.instrumentalness, &mut song.liveness, &mut song.speechiness] {
            *value = value.map(|value| (value * 1e4).round());
        }
    });
}

#[test]
fn every_layout_gives_lists() {
    for entry in fs::read_dir(layouts()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            continue;
        }
        let recommender = Recommender::new(Catalog::open(&path).unwrap()).unwrap();
        let found = Mood::ALL
            .iter()
            .any(|mood| !recommender.recommend(*mood, &Options::default()).unwrap().is_empty());
        assert!(found, "{}", path.display());
    }
}

#[test]
fn bad_json_is_refused_with_its_place() {
    let message = |text: &str| Catalog::from_bytes(text).unwrap_err().to_string();
    assert_eq!(message("[{\"name\": }]"), "line 1, column 11: JSON must be valid: expected value");
    let lacks = message("[1, 2]");
    assert!(
        lacks.starts_with("header: columns must include \"name\", ") && lacks.ends_with("got nothing"),
        "{lacks}"
    );
    assert!(Catalog::from_bytes("[]").unwrap().songs().is_empty());
    let row = "{\"name\":\"A\",\"artist\":\"B\",\"energy\":0.5}\n";
    let bad = row.replace("0.5", "\"loud\"");
    assert_eq!(message(&format!("{row}\n{bad}")), "row 2 (line 3): energy must be a number, got \"loud\"");
    assert_eq!(message(&format!("[{row},{bad}]")), "row 2: energy must be a number, got \"loud\"");
    let catalog =
        Catalog::from_reader(format!("{bad}{row}").as_bytes(), &ReadOptions::default().skip_bad(true))
            .unwrap();
    assert_eq!((catalog.songs().len(), catalog.skipped()[0].row), (1, 1));
}

/// The cases kept beside the repository; they may not be part of it.
#[test]
fn the_cases_that_failed_once_are_read() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cases");
    if !cases.exists() {
        println!("skipped: {} is not there", cases.display());
        return;
    }
    let expected = Catalog::open(cases.join("catalog_ok.csv")).unwrap();
    for name in ["catalog_semicolon_decimal_comma.csv", "catalog_utf16.csv"] {
        assert_eq!(Catalog::open(cases.join(name)).unwrap(), expected, "{name}");
    }
    let kaggle = Catalog::open(cases.join("catalog_kaggle_114k_columns.csv")).unwrap();
    assert_eq!(kaggle.songs().len(), expected.songs().len());
    for (read, expected) in kaggle.songs().iter().zip(expected.songs()) {
        assert_eq!((&read.name, &read.id, read.valence), (&expected.name, &expected.id, expected.valence));
    }
}

#[test]
fn popularity_of_parts_of_one_is_told_and_files_of_this_crate_keep_theirs() {
    let csv = "title,artist,valence,popularity\nA,B,0.9,0.7\nC,D,0.2,1\n";
    let catalog = Catalog::from_bytes(csv).unwrap();
    assert_eq!(catalog.songs()[0].popularity, Some(70.0));
    assert_eq!(catalog.notes(), ["popularity runs from 0 to 1 and is multiplied by 100"]);

    let mut builder = Catalog::builder();
    builder.push(Song { popularity: Some(0.7), ..catalog.songs()[0].clone() }).unwrap();
    let ours = builder.build();
    let mut bytes = Vec::new();
    ours.write_to(&mut bytes, CatalogFormat::Csv).unwrap();
    assert_eq!(Catalog::from_bytes(bytes).unwrap(), ours);
}

#[test]
fn a_line_that_is_no_json_is_skipped_alone() {
    let lines = "{\"name\":\"A\",\"artist\":\"B\",\"energy\":0.5}\n{oops\n\n{\"name\":\"C\",\"artist\":\"D\",\"energy\":0.6}\n{\"name\":";
    let error = Catalog::from_bytes(lines).unwrap_err().to_string();
    assert_eq!(error, "line 2, column 2: JSON must be valid: key must be a string");
    let catalog = Catalog::from_reader(lines.as_bytes(), &ReadOptions::default().skip_bad(true)).unwrap();
    assert_eq!(catalog.songs().len(), 2);
    let reasons: Vec<&str> = catalog.skipped().iter().map(|skipped| skipped.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "row 2 (line 2): line must be a JSON object, got \"{oops\"",
            "row 4 (line 5): line must be a JSON object, got \"{\\\"name\\\":\""
        ]
    );
    let array = "[{\"name\":\"A\"},\n{oops";
    let error = Catalog::from_reader(array.as_bytes(), &ReadOptions::default().skip_bad(true)).unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 2: JSON must be valid: key must be a string");
    // The parser begins again behind a bad line; lines are still those of the file.
    let error = Catalog::from_reader(
        format!("{{oops\n{{\"name\":\"A\"}}\n{array}").as_bytes(),
        &ReadOptions::default().skip_bad(true),
    );
    assert_eq!(error.unwrap_err().to_string(), "line 4, column 2: JSON must be valid: key must be a string");
}

#[test]
fn a_list_of_no_artists_is_no_artist() {
    for cell in [";", " ; ;", "\u{37e}"] {
        let rows = format!("name,artists,energy\nA,B;C,0.5\nD,{cell},0.5\n");
        let error = Catalog::from_bytes(&rows).unwrap_err().to_string();
        assert!(error.starts_with("row 2 (line 3): artist must be a text, got "), "{error}");
    }
}
