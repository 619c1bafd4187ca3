//! Trains and evaluates a head on the bundled encoder by running the examples on real clips of EMO-DB. Skipped if they are missing.

use std::path::Path;

use tempfile::TempDir;

use crate::support::{prints, repository};

/// Letters for neutral, happiness, sadness and anger in the file names of EMO-DB, with the moods of these emotions.
const MOODS: [(&str, &str); 4] = [("N", "Calm"), ("F", "Happy"), ("T", "Sad"), ("W", "Energetic")];

/// Number of clips of each speaker and mood.
const CLIPS: usize = 4;

/// Returns a folder with a few clips of these speakers.
fn clips(emodb: &Path, speakers: [&str; 2]) -> TempDir {
    let mut names: Vec<String> = std::fs::read_dir(emodb)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".flac"))
        .collect();
    names.sort_unstable();
    let folder = TempDir::new().unwrap();
    for (speaker, (letter, _)) in speakers.iter().flat_map(|speaker| MOODS.map(|mood| (speaker, mood))) {
        let of = names.iter().filter(|name| name.starts_with(speaker) && &name[5..6] == letter);
        let taken: Vec<&String> = of.take(CLIPS).collect();
        assert_eq!(taken.len(), CLIPS, "speaker {speaker}, {letter}");
        for name in taken {
            std::fs::copy(emodb.join(name), folder.path().join(name)).unwrap();
        }
    }
    folder
}

#[test]
fn a_head_learns_moods_from_a_few_real_clips_and_tells_those_of_strangers() {
    let emodb = repository().join("../shared/data/corpora/emodb");
    if !emodb.is_dir() {
        println!("skipped: {} is not there", emodb.display());
        return;
    }
    let (known, strangers) = (clips(&emodb, ["03", "08"]), clips(&emodb, ["14", "15"]));
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("voices.safetensors");
    let (known, model) = (known.path().to_str().unwrap(), model.to_str().unwrap());
    let train = ["--data", known, "--arch", "whisper-head", "--validation", "0", "--output", model];
    let said = prints("train", train);
    assert!(said.contains("32 clips: 26 train, 0 choose the epoch, 6 are kept apart"), "{said}");
    assert!(prints("evaluate", ["--data", known, "--model", model]).contains("6 test clips"));

    let strangers = strangers.path().to_str().unwrap();
    let heard = prints("recognize", [strangers, "--model", model, "--any-sound", "--format", "csv"]);
    let mut answers = csv::Reader::from_reader(heard.as_bytes());
    let (mut right, mut all) = (0, 0);
    for answer in answers.records() {
        let answer = answer.unwrap();
        let name = Path::new(&answer[0]).file_name().unwrap().to_str().unwrap();
        let (_, mood) = MOODS.into_iter().find(|(letter, _)| name[5..6] == **letter).unwrap();
        right += usize::from(&answer[2] == mood);
        all += 1;
    }
    assert_eq!(all, 2 * MOODS.len() * CLIPS);
    assert!(4 * right >= 3 * all, "{right} of {all} right, where guesses get a quarter\n{heard}");
}
