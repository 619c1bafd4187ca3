//! Catalogues in and out: what is read, what is refused and how that is told.

use std::fs;

use mood_recommender::{Catalog, CatalogError, Feature, Mood};

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
    assert_eq!((song.valence, song.loudness, song.length, song.key), (0.625, -8.201, Some(379_266), Some(5)));
    assert_eq!(catalog.songs()[17].album, "Temporär Musik 1-13");
    assert_eq!(catalog.songs()[3].instrumentalness, 5.62e-6);
}

#[test]
fn columns_are_found_by_header_in_any_order_and_case_and_others_are_kept() {
    let text = "MOOD,Tempo,genre,speechiness,loudness,valence,liveness,instrumentalness,energy,acousticness,\
                danceability,popularity,artist, name ,Unnamed: 0\n\
                sad,120,folk,0.05,-8,0.1,0.2,0.3,0.4,0.5,0.6,70,Artist,Name,7\n";
    let catalog = Catalog::from_bytes(text).unwrap();
    let song = &catalog.songs()[0];
    assert_eq!((song.name.as_str(), song.mood, song.energy), ("Name", Some(Mood::Sad), 0.4));
    assert_eq!((song.extra["genre"].as_str(), song.extra["Unnamed: 0"].as_str()), ("folk", "7"));
    assert_eq!((song.id.as_str(), song.length, song.key, song.release_date), ("", None, None, None));
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
    let expected = "row 17 (line 18), column \"loudness\": expected a number from -200 to 50, given \"loud\"";
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
        ("0.5,0,0.1", "0.5,,0.1", "instrumentalness"),
        ("120.5", "-1", "tempo"),
        (",50,", ",101,", "popularity"),
        ("0.05", "1.05", "speechiness"),
        ("200000", "2.5", "length"),
        ("200000", "-2", "length"),
        (",4,4,", ",12,4,", "key"),
        (",4,4,", ",4,four,", "time_signature"),
        ("1999", "1999-13", "release_date"),
        ("Happy", "Angry", "mood"),
        ("Song 1", " ", "name"),
        ("Artist", "", "artist"),
    ] {
        let text = message(csv(&rows(1)).replacen(good, bad, 1));
        assert!(text.starts_with(&format!("row 1 (line 2), column {column:?}: expected ")), "{bad}: {text}");
        assert!(
            text.ends_with(&format!(
                ", given {:?}",
                bad.trim_matches(',')
                    .split(',')
                    .find(|cell| !good.contains(cell) || cell.is_empty())
                    .unwrap_or("")
                    .trim()
            )),
            "{bad}: {text}"
        );
    }
    let mut latin = csv(&rows(1)).into_bytes();
    let place = latin.windows(6).position(|bytes| bytes == b",Album".as_slice()).unwrap();
    latin[place + 1] = 0xC4;
    assert_eq!(message(&latin), "row 1 (line 2), column \"album\": expected UTF-8, given \"\u{fffd}lbum\"");
}

#[test]
fn whole_numbers_may_end_in_zeros_and_optional_cells_may_be_empty() {
    let text =
        csv(&rows(1)).replace("200000", "200000.0").replace(",4,4,Happy", ",,4.0,").replace("1999", "0000");
    let catalog = Catalog::from_bytes(text).unwrap();
    let song = &catalog.songs()[0];
    assert_eq!((song.length, song.key, song.time_signature), (Some(200_000), None, Some(4)));
    assert_eq!((song.mood, song.release_date), (None, None));
}

#[test]
fn headers_that_lack_or_double_a_column_are_refused() {
    assert!(message("").starts_with("the header must have a column \"name\""));
    assert!(
        message("this is no table at all")
            .starts_with("the header must have a column \"name\", given [\"this is")
    );
    for feature in Feature::ALL {
        let text = csv(&rows(1)).replacen(feature.as_str(), "other", 1);
        assert!(message(text).starts_with(&format!("the header must have a column \"{feature}\"")));
    }
    let text = csv(&rows(1)).replacen("album", "Energy", 1);
    assert_eq!(message(text), "the header must name a column once, given \"energy\" twice");
}

#[test]
fn rows_of_a_wrong_length_are_refused() {
    let mut rows = rows(3);
    rows[1] = rows[1].replace("Album,", "");
    assert_eq!(message(csv(&rows)), "row 2 (line 3): expected 19 cells as in the header, given 18");
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
    assert!(error.to_string().starts_with(&format!("{}: row 2 (line 3), column \"name\"", path.display())));
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
        catalog.write_to(&mut bytes).unwrap();
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
