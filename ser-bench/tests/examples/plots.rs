//! The pictures that examples draw.

use tempfile::TempDir;

use crate::run::{fails, prints, write};
use crate::support::sample;

#[test]
fn features_are_drawn_as_png_and_svg() {
    let folder = TempDir::new().unwrap();
    let (png, svg) = (folder.path().join("one.png"), folder.path().join("two.svg"));
    let clip = sample();
    prints("plot_features", ["--output", png.to_str().unwrap()]);
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    let arguments = [clip.to_str().unwrap(), clip.to_str().unwrap(), "--show", "waveform,mel", "--output"];
    let said = prints("plot_features", arguments.into_iter().chain([svg.to_str().unwrap()]));
    assert!(said.ends_with("two.svg: 1280 × 514 pixels\n"), "{said}");
    assert!(std::fs::read_to_string(&svg).unwrap().contains("sample.wav · sample.wav"));
    let jpeg = folder.path().join("three.jpg");
    fails("plot_features", ["--output", jpeg.to_str().unwrap()], &["three.jpg", "must end in .png or .svg"]);
    let letter = write(&folder, "letter.wav", "Dear Sir or Madam");
    fails("plot_features", [&letter, "--output", png.to_str().unwrap()], &["letter.wav", "is not audio"]);
}

#[test]
fn a_catalogue_is_drawn_with_its_moods_and_correlations() {
    let folder = TempDir::new().unwrap();
    let (png, svg) = (folder.path().join("one.png"), folder.path().join("two.svg"));
    prints("plot_catalog", ["--output", png.to_str().unwrap()]);
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    let songs = "name,artist,id,popularity,length,danceability,acousticness,energy,instrumentalness,liveness,valence,\
                 loudness,speechiness,tempo,key,time_signature,mood,album,release_date\n";
    let row = |n: i32, energy: f32, mood: &str| {
        format!(
            "Song {n},Artist,,50,200000,0.5,0.1,{energy},0,0.1,{energy},-8,0.05,120,1,4,{mood},Album,2001\n"
        )
    };
    let csv = [songs.to_string(), row(1, 0.9, "Happy"), row(2, 0.2, "Sad"), row(3, 0.3, "Sad")].concat();
    let csv = write(&folder, "songs.csv", csv);
    prints("plot_catalog", ["--catalog", &csv, "--output", svg.to_str().unwrap()]);
    let drawn = std::fs::read_to_string(&svg).unwrap();
    for text in ["songs.csv: 3 songs", "Mood distribution", "songs", "acousticness", "Energetic", "1.00"] {
        assert!(drawn.contains(text), "{text} is not in {drawn}");
    }
    let missing = ["--catalog", "missing.csv", "--output", svg.to_str().unwrap()];
    fails("plot_catalog", missing, &["missing.csv"]);
}
