//! Catalogues in and out: what is read, what is refused and how that is told.

use std::fs;

use mood_recommender::{Catalog, CatalogError, CatalogFormat, Mood, ReadOptions, SongFeature};

const HEADER: &str = "name,album,artist,id,release_date,popularity,length,danceability,acousticness,energy,\
                      instrumentalness,liveness,valence,loudness,speechiness,tempo,key,time_signature,mood";

fn row(id: &str) -> String {
    format!("Song {id},Album,Artist,{id},1999,50,200000,0.5,0.5,0.5,0,0.1,0.5,-8.5,0.05,120.5,4,4,Happy")
}

fn csv(rows: &[String]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

fn rows(count: usize) -> Vec<String> {
    (1..=count).map(|at| row(&at.to_string())).collect()
}

fn message(text: impl AsRef<[u8]>) -> String {
    Catalog::from_bytes(text).unwrap_err().to_string()
}

#[test]
fn the_starter_catalogue_is_the_reports_figure() {
    let catalog = Catalog::starter();
    assert_eq!(catalog.songs().len(), 22);
    assert!(
        catalog
            .songs()
            .iter()
            .all(|song| song.id.is_empty() && song.mood.is_some() && song.release_date.is_some())
    );
    let stats = catalog.stats();
    assert_eq!(Mood::ALL.map(|mood| stats.count(mood)), [5, 4, 6, 7]);
    let song = &catalog.songs()[0];
    assert_eq!((song.name.as_str(), song.artist.as_str(), song.mood), ("1999", "Prince", Some(Mood::Happy)));
    assert_eq!(song.release_date.unwrap().to_string(), "1982-10-27");
    assert_eq!(
        (song.valence, song.loudness, song.duration_ms, song.key),
        (Some(0.625), Some(-8.201), Some(379_266), Some(5))
    );
    assert_eq!(catalog.songs()[17].album, "Temporär Musik 1-13");
    assert_eq!(catalog.songs()[3].instrumentalness, Some(5.62e-6));
}

/// What a catalogue writes, in each format, is read as the same songs.
fn assert_reads_back(catalog: &Catalog) {
    for format in [CatalogFormat::Csv, CatalogFormat::Json, CatalogFormat::JsonLines] {
        let mut written = Vec::new();
        catalog.write_to(&mut written, format).unwrap();
        let again = Catalog::from_bytes(&written).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!(again.songs(), catalog.songs(), "{format:?}");
    }
}

#[test]
fn a_name_may_begin_with_a_byte_order_mark() {
    for name in ["\u{feff}Up", "\u{feff}", "\u{feff}\u{feff}"] {
        let row = format!(r#"{{"name": "{name}", "artist": "A", "energy": 0.5}}"#);
        let catalog = Catalog::from_bytes(format!("[{row},{row}]")).unwrap();
        assert_eq!(catalog.songs()[0].name, name);
        assert_reads_back(&catalog);
    }
}

#[test]
fn extra_columns_may_differ_in_the_case_of_a_letter_beyond_ascii() {
    let catalog =
        Catalog::from_bytes("name,artist,energy,École,école,\u{212a}ey,key\nA,B,0.5,x,y,z,3\n").unwrap();
    let song = &catalog.songs()[0];
    assert_eq!((&song.extra["École"], &song.extra["école"], &song.extra["\u{212a}ey"]), ("x", "y", "z"));
    assert_eq!(song.key, Some(3));
    assert_reads_back(&catalog);
}

#[test]
fn of_two_headers_for_a_column_the_name_that_is_written_wins() {
    let catalog = Catalog::from_bytes("name,artist,energ$y,Energy,Path,file\nA,B,0.8,0.1,,a.wav\n").unwrap();
    let song = &catalog.songs()[0];
    assert_eq!((song.energy, &song.extra["energ$y"]), (Some(0.1), "0.8"));
    assert_eq!((song.path.as_deref(), &song.extra["file"]), (None, "a.wav"));
    assert_reads_back(&catalog);

    // Here the name that is written is given to another column.
    let text = "name,artist,arousal,energy,energy (unused)\nA,B,0.8,0.1,x\n";
    let options = ReadOptions::default().column("energy", "arousal").unwrap();
    let catalog = Catalog::from_reader(text.as_bytes(), &options).unwrap();
    let song = &catalog.songs()[0];
    assert_eq!(song.energy, Some(0.8));
    let extra: Vec<(&str, &str)> = song.extra.iter().map(|(name, cell)| (&**name, cell)).collect();
    assert_eq!(extra, [("energy (unused)", "x"), ("energy (unused) (unused)", "0.1")]);
    assert_reads_back(&catalog);
}

#[test]
fn columns_are_found_by_header_in_any_order_and_case_and_others_are_kept() {
    let text = "MOOD,Tempo,genre,speechiness,loudness,valence,liveness,instrumentalness,energy,acousticness,\
                danceability,popularity,artist, name ,Unnamed: 0\n\
                sad,120,folk,0.05,-8,0.1,0.2,0.3,0.4,0.5,0.6,70,Artist,Name,7\n";
    let catalog = Catalog::from_bytes(text).unwrap();
    let song = &catalog.songs()[0];
    assert_eq!((song.name.as_str(), song.mood, song.energy), ("Name", Some(Mood::Sad), Some(0.4)));
    assert_eq!((&song.extra["genre"], &song.extra["Unnamed: 0"]), ("folk", "7"));
    assert_eq!((song.id.as_str(), song.duration_ms, song.key, song.release_date), ("", None, None, None));
}

#[test]
fn a_byte_order_mark_quotes_and_windows_line_ends_make_no_difference() {
    let plain = Catalog::from_bytes(csv(&rows(3))).unwrap();
    let other = format!("\u{feff}{}", csv(&rows(3)).replace("Album", "\"Album\"").replace('\n', "\r\n"));
    assert_eq!(Catalog::from_bytes(other).unwrap(), plain);
    let quoted_header = format!("\u{feff}{}", csv(&rows(3)).replacen("name", "\"name\"", 1));
    assert_eq!(Catalog::from_bytes(quoted_header).unwrap(), plain);
    let text = csv(&rows(1)).replace("Song 1", "\"One, \"\"two\"\"\nthree\"");
    assert_eq!(Catalog::from_bytes(text).unwrap().songs()[0].name, "One, \"two\"\nthree");
}

#[test]
fn a_bad_number_in_row_17_is_told_with_row_line_and_column() {
    let mut rows = rows(20);
    rows[16] = rows[16].replace("-8.5", "loud");
    let expected = "row 17 (line 18): loudness must be a number, got \"loud\"";
    assert_eq!(message(csv(&rows)), expected);
    // A name over two lines moves the lines, not the rows.
    rows[2] = rows[2].replace("Song 3", "\"Song\n3\"");
    assert_eq!(message(csv(&rows)), expected.replace("18", "19"));
    // Lines of Windows count the same.
    assert_eq!(message(csv(&rows).replace('\n', "\r\n")), expected.replace("18", "19"));
}

#[test]
fn every_kind_of_bad_cell_is_told_by_its_column() {
    for (good, bad, column) in [
        ("0.5,0,0.1", "0.5,NaN,0.1", "instrumentalness"),
        ("0.5,0,0.1", "0.5,inf,0.1", "instrumentalness"),
        ("0.5,0,0.1", "0.5,-1,0.1", "instrumentalness"),
        ("120.5", "-1", "tempo"),
        (",50,", ",101,", "popularity"),
        ("0.05", "1.05", "speechiness"),
        ("200000", "-2", "duration_ms"),
        ("200000", "3:75", "duration_ms"),
        (",4,4,", ",12,4,", "key"),
        (",4,4,", ",4,four,", "time_signature"),
        ("1999", "1999-13", "release_date"),
        ("Happy", "Angry", "mood"),
        ("Song 1", " ", "name"),
        ("Artist", "", "artist"),
    ] {
        let text = message(csv(&rows(1)).replacen(good, bad, 1));
        assert!(text.starts_with(&format!("row 1 (line 2): {column} must be ")), "{bad}: {text}");
        let good: Vec<&str> = good.split(',').collect();
        let cell = bad.split(',').find(|cell| !good.contains(cell)).unwrap_or_default().trim();
        assert!(text.ends_with(&format!(", got {cell:?}")), "{bad}: {text}");
    }
    let long = message(csv(&rows(1)).replace("Happy", &"\u{1b}[31m".repeat(1000)));
    assert!(long.len() < 500 && !long.contains('\u{1b}'), "{long}");
}

#[test]
fn whole_numbers_may_end_in_zeros_and_optional_cells_may_be_empty() {
    let text =
        csv(&rows(1)).replace("200000", "200000.0").replace(",4,4,Happy", ",,4.0,").replace("1999", "0000");
    let catalog = Catalog::from_bytes(text).unwrap();
    let song = &catalog.songs()[0];
    assert_eq!((song.duration_ms, song.key, song.time_signature), (Some(200_000), None, Some(4)));
    assert_eq!((song.mood, song.release_date), (None, None));
}

#[test]
fn headers_that_lack_or_double_a_column_are_refused() {
    let sound = "one of valence, energy, acousticness, danceability, instrumentalness, liveness, loudness, speechiness, tempo";
    let all = format!("header: columns must include \"name\", \"artist\", and {sound}, got ");
    assert_eq!(message(""), format!("{all}nothing"));
    assert_eq!(message("this is no table at all"), format!("{all}\"this is no table at all\""));
    assert_eq!(
        message("name,artist\nA,B\n"),
        format!("header: columns must include {sound}, got \"name\", \"artist\"")
    );
    assert_eq!(
        message("name,energy\nA,0.5\n"),
        "header: columns must include \"artist\", got \"name\", \"energy\""
    );
    let many =
        vec!["x"; 10_000].iter().enumerate().map(|(at, x)| format!("{x}{at}")).collect::<Vec<_>>().join(",");
    assert!(message(many).len() < 600);
    let text = csv(&rows(1)).replacen("album", "Energy", 1);
    assert_eq!(message(text), "header: names must differ, got \"energy\" twice");
}

#[test]
fn any_feature_may_be_missing() {
    for feature in SongFeature::ALL {
        let catalog = Catalog::from_bytes(csv(&rows(2)).replacen(feature.as_str(), "other", 1)).unwrap();
        assert!(
            catalog
                .songs()
                .iter()
                .all(|song| song.feature(feature).is_none() && song.extra.get("other").is_some())
        );
    }
    let catalog = Catalog::from_bytes(csv(&rows(2)).replace("0.5,0,0.1", "0.5,,0.1")).unwrap();
    assert!(catalog.songs().iter().all(|song| song.instrumentalness.is_none()));
}

#[test]
fn bad_rows_are_skipped_and_reported_on_demand() {
    let mut rows = rows(6);
    rows[1] = rows[1].replace("-8.5", "loud");
    rows[3] = rows[3].replace("Album,", "");
    rows[4] = rows[4].replace(",50,", ",500,");
    let options = ReadOptions::default().skip_bad(true);
    let catalog = Catalog::from_reader(csv(&rows).as_bytes(), &options).unwrap();
    let ids: Vec<&str> = catalog.songs().iter().map(|song| song.id.as_str()).collect();
    assert_eq!(ids, ["1", "3", "6"]);
    let skipped: Vec<_> =
        catalog.skipped().iter().map(|bad| (bad.row, bad.line, bad.reason.as_str())).collect();
    assert_eq!(
        skipped,
        [
            (2, Some(3), "row 2 (line 3): loudness must be a number, got \"loud\""),
            (4, Some(5), "row 4 (line 5): cells must be 19, as many as in the header, got 18"),
            (5, Some(6), "row 5 (line 6): popularity must be a number from 0 to 100, got \"500\""),
        ]
    );
    assert!(message(csv(&rows)).starts_with("row 2 "));
}

#[test]
fn columns_may_be_named() {
    let text = "who,what,mood energy,energy\nA,B,0.3,0.9\n";
    let options = ReadOptions::default();
    let options = options.column("artist", "WHO").unwrap().column("name", "what").unwrap();
    let catalog =
        Catalog::from_reader(text.as_bytes(), &options.clone().column("energy", "mood energy").unwrap())
            .unwrap();
    assert_eq!((catalog.songs()[0].artist.as_str(), catalog.songs()[0].energy), ("A", Some(0.3)));
    assert_eq!(&catalog.songs()[0].extra["energy (unused)"], "0.9");
    let missing =
        Catalog::from_reader(text.as_bytes(), &options.column("tempo", "speed").unwrap()).unwrap_err();
    assert!(
        missing.to_string().starts_with("header: columns must include \"speed\", got \"who\""),
        "{missing}"
    );
    let unknown = ReadOptions::default().column("colour", "x").unwrap_err().to_string();
    assert!(
        unknown.starts_with("options: column must be one of name, album, artist")
            && unknown.ends_with("got \"colour\"")
    );
}

#[test]
fn a_large_file_is_read_in_order_on_all_cores() {
    let mut rows = rows(20_000);
    let catalog = Catalog::from_bytes(csv(&rows)).unwrap();
    assert!(catalog.songs().iter().enumerate().all(|(at, song)| song.id == (at + 1).to_string()));
    assert_eq!(catalog.songs().len(), 20_000);
    rows[19_998] = rows[19_998].replace("-8.5", "loud");
    rows[15_000] = rows[15_000].replace("Happy", "Angry");
    assert!(message(csv(&rows)).starts_with("row 15001 (line 15002): mood"));
}

#[test]
fn rows_of_a_wrong_length_are_refused() {
    let mut rows = rows(3);
    rows[1] = rows[1].replace("Album,", "");
    assert_eq!(message(csv(&rows)), "row 2 (line 3): cells must be 19, as many as in the header, got 18");
}

#[test]
fn duplicate_ids_are_left_out_and_reported() {
    let text = csv(&[row("1"), row("2"), row("1"), row("3"), row("1")]);
    let catalog = Catalog::from_bytes(text).unwrap();
    assert_eq!(catalog.songs().len(), 3);
    let duplicates: Vec<(&str, usize, usize)> =
        catalog.duplicates().iter().map(|dup| (dup.id.as_str(), dup.row, dup.first_row)).collect();
    assert_eq!(duplicates, [("1", 3, 1), ("1", 5, 1)]);
}

#[test]
fn a_header_alone_is_an_empty_catalogue() {
    assert!(Catalog::from_bytes(HEADER).unwrap().songs().is_empty());
}

#[test]
fn a_file_is_named_in_its_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("songs.csv");
    let message = Catalog::open(&path).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
    fs::write(&path, csv(&rows(2)).replace("Song 2", "")).unwrap();
    let error = Catalog::open(&path).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("{}: row 2 (line 3): name must be a text", path.display()))
    );
    assert!(
        matches!(error, CatalogError::File { error, .. } if matches!(*error, CatalogError::Value { row: 2, .. }))
    );
    assert!(
        Catalog::open(folder.path())
            .unwrap_err()
            .to_string()
            .starts_with(&folder.path().display().to_string())
    );
}

#[test]
fn what_is_saved_reads_back_the_same_and_nothing_else_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("songs.csv");
    let mut catalogs = vec![Catalog::starter(), crate::common::random_catalog(300, 3)];
    catalogs.extend(crate::common::data_moods());
    let extra = csv(&rows(2)).replace("mood\n", "mood,genre\n").replace("Happy", "Happy,\"a, b\"");
    catalogs.push(Catalog::from_bytes(extra).unwrap());
    for catalog in catalogs {
        catalog.save(&path).unwrap();
        assert_eq!(Catalog::open(&path).unwrap(), catalog);
        let mut bytes = Vec::new();
        catalog.write_to(&mut bytes, CatalogFormat::Csv).unwrap();
        assert_eq!(bytes, fs::read(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_save_that_fails_leaves_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("songs.csv");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("kept"), "").unwrap();
    let message = Catalog::starter().save(&path).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
    assert!(path.join("kept").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
