//! The binaries `distil`, `tune` and `voices`, which train on the outputs of an encoder, here a made-up one.

#![allow(clippy::unwrap_used)] // a test may panic

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use safetensors::Dtype;
use ser_models::Checkpoint;
use tempfile::TempDir;

#[allow(dead_code, unreachable_pub)]
#[path = "../../ser-models/tests/common/encoder.rs"]
mod encoder;
#[path = "../../examples/tests/support.rs"]
mod support;

use encoder::{Sizes, file};
use support::{kill_midway, repository, text, write, write_wav};

/// Actors of whom each published fold has one to validate and one to test.
const ACTORS: [u16; 5] = [1, 2, 3, 8, 10];

/// A tone of 0.4 s.
fn tone(number: u16) -> Vec<f32> {
    let pitch = 0.01 + 0.0021 * f32::from(number);
    (0..8_820u16).map(|n| 0.3 * (f32::from(n) * pitch).sin()).collect()
}

/// A folder with clips of RAVDESS's names, one of each actor and emotion, and an encoder of the sizes that `voices` reads.
struct Made {
    folder: TempDir,
    encoder: String,
}

impl Made {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for (number, actor) in (0..).zip(ACTORS) {
            for emotion in 1..=8 {
                let name = format!("ravdess/03-01-{emotion:02}-01-01-01-{actor:02}.wav");
                write_wav(&folder, &name, &tone(8 * number + emotion));
            }
        }
        let sizes = Sizes { width: 512, hidden: 32, bands: 8, positions: 30, blocks: 4 };
        let encoder = write(&folder, "encoder.safetensors", file(&encoder::encoder(sizes), Dtype::F32));
        Self { folder, encoder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--data").arg(self.path("ravdess")).args(["--encoder", &self.encoder]);
        command.arg("--cache").arg(self.path("encoded.safetensors"));
        command
    }
}

/// Runs a command that must succeed: what it prints, and its notes.
fn prints(mut command: Command) -> (String, String) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

fn fails(mut command: Command, expected: &[&str]) {
    let output = command.output().unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn unlabelled_recordings_train_the_small_network_and_a_run_resumes() {
    let made = Made::new();
    for number in 0..3 {
        write_wav(&made.folder, &format!("others/{number}.wav"), &tone(100 + number));
    }
    // Two windows of speech and one of silence.
    let long: Vec<f32> = [50u8, 2, 51]
        .into_iter()
        .flat_map(|pitch| {
            let level = if pitch == 2 { 0.0 } else { 0.3 };
            (0..66_150).map(move |n| level * (n as f32 * 0.002 * f32::from(pitch)).sin())
        })
        .collect();
    write_wav(&made.folder, "others/long.wav", &long);
    // Copies: of another one of them, of a clip that is measured, and of the same sound in another format.
    write_wav(&made.folder, "others/again/0.wav", &tone(100));
    std::fs::copy(made.path("ravdess/03-01-03-01-01-01-03.wav"), made.path("others/copy.wav")).unwrap();
    for name in ["reference.wav", "lossless.flac"] {
        let from = repository().join("ser-data/audio").join(name);
        std::fs::copy(from, made.path("others").join(name)).unwrap();
    }
    let recipe = "arch = 'cnn-1d'\n[features]\nfeatures = ['mfcc']\n[architecture]\nfeatures = 40\n[training]\nepochs = 40\n\
                  sampling = { name = 'balanced' }\naugmentation.audio = { snr = [10, 20] }";
    let recipe = write(&made.folder, "small.toml", recipe);
    let distil = |folder: &str, unlabelled: &[&str]| {
        let mut command = made.command(env!("CARGO_BIN_EXE_distil"));
        command.arg("--folder").arg(made.path(folder)).args(["--recipe", &recipe]);
        command.args(["--fold", "1", "--parts", "2", "--trained-only"]);
        for name in unlabelled {
            command.arg("--unlabelled").arg(made.path(name));
        }
        command
    };
    let network = "fold-1-without-validation-teacher-0.8-heads-1-parts-2-seed-0";
    let file = |folder: &str, extension: &str| made.path(folder).join(format!("{network}{extension}"));
    let model = |folder: &str| std::fs::read(file(folder, ".safetensors")).unwrap();

    prints(distil("labelled", &[]));
    let (table, notes) = prints(distil("both", &["others"]));
    assert!(notes.contains("left out: 3 unlabelled recordings or windows, copies of other clips"), "{notes}");
    assert!(table.starts_with("validation actors\n") && table.contains("| clean | small |"), "{table}");
    assert!(model("labelled") != model("both"));
    let trained = Checkpoint::load(file("both", ".safetensors")).unwrap().split.train;
    // Actors 1, 8 and 10 train in the first fold.
    assert_eq!(trained.iter().filter(|id| !id.starts_with("unlabelled/")).count(), 24);
    let unlabelled: Vec<&str> =
        trained.iter().filter(|id| id.starts_with("unlabelled/")).map(String::as_str).collect();
    assert!(notes.contains("left out: 1 windows of unlabelled recordings, without speech"), "{notes}");
    assert_eq!(unlabelled.len(), 6);
    let rows = |file: &Path| -> Vec<String> {
        let rows = std::fs::read_to_string(file).unwrap();
        rows.lines().skip(1).map(|row| row.split(',').next().unwrap().to_owned()).collect()
    };
    let answers = made.path("both/fold-1-without-validation-unlabelled-answers-of-1-heads.csv");
    assert_eq!(rows(&answers), unlabelled);
    let measured = rows(&file("both", "-of-1.csv"));
    assert!(measured.len() == 8 && measured.iter().all(|id| id.ends_with("-03")), "{measured:?}");

    // Another folder with the same recordings is the same; and the answers are not asked for again.
    std::fs::rename(made.path("others"), made.path("moved")).unwrap();
    let expected = model("both");
    std::fs::remove_file(file("both", ".safetensors")).unwrap();
    kill_midway(&mut distil("both", &["moved"]), &file("both", ".training"));
    assert!(!file("both", ".safetensors").exists());
    let before = std::fs::metadata(&answers).unwrap().modified().unwrap();
    assert_eq!(prints(distil("both", &["moved"])).0, table);
    assert!(model("both") == expected);
    assert_eq!(std::fs::metadata(&answers).unwrap().modified().unwrap(), before);

    fails(
        distil("both", &["moved/0.wav"]),
        &["clips must be this run's, got others; choose another --folder"],
    );
    fails(distil("new", &["moved/copy.wav"]), &["--unlabelled must hold recordings that are not labelled"]);
    fails(distil("new", &["none"]), &["none: "]);
    let mut mapped = distil("new", &[]);
    mapped.arg("--label-map").arg(made.path("map.toml"));
    fails(mapped, &["map.toml: cannot be read"]);
    write_wav(&made.folder, "songs/03-02-03-01-01-01-03.wav", &tone(200));
    let refused = "03-02-03-01-01-01-03.wav: speaker must be none of the labelled clips', got ravdess/03";
    fails(distil("new", &["songs"]), &[refused]);
    for (program, option) in
        [(env!("CARGO_BIN_EXE_distil"), "--heads"), (env!("CARGO_BIN_EXE_voices"), "--seeds")]
    {
        let output = made.command(program).args([option, "0"]).output().unwrap();
        let error = text(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("0 is not in 1.."), "{error}");
    }
    write(&made.folder, "moved/broken.wav", "RIFF");
    fails(distil("new", &["moved"]), &["broken.wav: "]);
}

#[test]
fn a_tuned_block_is_measured_before_and_after_and_a_run_resumes() {
    let made = Made::new();
    for (number, name) in (0..).zip(["03a01Fa", "03a01Ta", "08a01Wa", "08a01Na"]) {
        write_wav(&made.folder, &format!("emodb/{name}.wav"), &tone(60 + number));
    }
    let tune = |state: &str, more: &[&str]| {
        let mut command = made.command(env!("CARGO_BIN_EXE_tune"));
        command.arg("--data").arg(made.path("emodb")).arg("--state").arg(made.path(state));
        command.args(["--copies", "1", "--frames", "20", "--epochs", "4", "--every", "1"]).args(more);
        command
    };
    let (table, notes) = prints(tune("whole", &["--leave-out", "emodb"]));
    assert!(table.starts_with("| part | clips | UAR of emotions | UAR of moods |\n"), "{table}");
    assert_eq!(table.lines().count(), 2 + 3 * 2, "{table}");
    for (part, clips) in [("validation actors", 8), ("emodb", 4)] {
        for when in ["head alone", "before the blocks are trained", "after epoch "] {
            let is_row = |line: &str| {
                line.starts_with(&format!("| {part}, {when}")) && line.contains(&format!(" | {clips} | "))
            };
            assert!(table.lines().any(is_row), "{part}, {when}: {table}");
        }
    }
    assert!(notes.contains("epoch 4: loss "), "{notes}");

    kill_midway(&mut tune("cut", &["--leave-out", "emodb"]), &made.path("cut"));
    assert_eq!(prints(tune("cut", &["--leave-out", "emodb"])).0, table);
    fails(tune("new", &["--leave-out", "nemo"]), &["--leave-out must be a corpus among the data, got nemo"]);
    fails(tune("new", &["--blocks", "5"]), &["--blocks must be 1 to 4, got 5"]);
}

#[test]
fn heads_are_kept_beside_the_encoders_outputs_and_read_again() {
    let made = Made::new();
    let voices = |seeds: &str| {
        let mut command = made.command(env!("CARGO_BIN_EXE_voices"));
        command.args(["--copies", "0", "--trained-only", "--seeds", seeds]);
        command
    };
    // The heads by name, each with the time when it was written.
    let kept = || -> BTreeMap<PathBuf, SystemTime> {
        let files = std::fs::read_dir(made.path("encoded.heads")).unwrap().map(|entry| entry.unwrap());
        files.map(|file| (file.path(), file.metadata().unwrap().modified().unwrap())).collect()
    };
    let (table, _) = prints(voices("1"));
    let one_seed = kept();
    // One for each fold.
    assert_eq!(one_seed.len(), 5);
    assert_eq!(prints(voices("1")).0, table);
    assert_eq!(kept(), one_seed);

    // Of two seeds, those of the first are there.
    prints(voices("2"));
    let two_seeds = kept();
    assert_eq!(two_seeds.len(), 10);
    assert!(one_seed.iter().all(|head| two_seeds.get(head.0) == Some(head.1)));

    // Another head in the place of one answers as it does, and what is no head is refused by its name.
    let [first, second] = [0, 1].map(|at| one_seed.keys().nth(at).unwrap());
    std::fs::copy(first, second).unwrap();
    assert_ne!(prints(voices("1")).0, table);
    std::fs::write(first, "no head").unwrap();
    fails(voices("1"), &[first.to_str().unwrap(), "cannot be read as a checkpoint: safetensors: "]);
}
