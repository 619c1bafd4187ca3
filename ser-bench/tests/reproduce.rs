//! The binary `reproduce`: what it keeps, how it resumes, and what it refuses.

#![allow(clippy::unwrap_used)] // a test may panic

use std::path::Path;
use std::process::{Command, Output};

use ser_bench::experiments::Disturbance;
use ser_models::Checkpoint;
use serde_json::Value;
use tempfile::TempDir;

#[path = "../../examples/tests/support.rs"]
mod support;

use support::{made_up_ravdess, text, write};

fn reproduce(data: &TempDir, output: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reproduce"));
    command.arg("--data").arg(data.path()).arg("--output").arg(output).args(arguments).output().unwrap()
}

fn prints(data: &TempDir, output: &Path, arguments: &[&str]) -> String {
    let output = reproduce(data, output, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn fails(data: &TempDir, output: &Path, arguments: &[&str], expected: &str) {
    let output = reproduce(data, output, arguments);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains(expected), "{error}");
}

#[test]
fn an_experiment_is_kept_continued_and_never_mixed_with_another() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let results = folder.path().join("results");
    let recipe = write(&folder, "short.toml", "arch = 'cnn-1d'\n[training]\nepochs = 3");
    let only = ["--only", "cnn-1d", "--recipe", &recipe, "--seeds", "2"];

    let validated = prints(&data, &results, &[&only[..], &["--validate"]].concat());
    assert!(
        validated.contains("| 5 × cnn-1d (another recipe) | 4 | stratified 80/20 | 65 % |"),
        "{validated}"
    );
    assert!(!results.join("results.json").exists() && results.join("validation.json").is_file());

    let first = prints(&data, &results, &only);
    assert!(first.contains("% accuracy:") && first.contains("calibration error before"), "{first}");
    let experiment = results.join("cnn-1d");
    for file in ["recipe.json", "confusion.png", "curves.png", "seed-1.history.csv", "seed-1.safetensors"] {
        assert!(experiment.join(file).is_file(), "{file}");
    }
    let report: Value =
        serde_json::from_slice(&std::fs::read(results.join("results.json")).unwrap()).unwrap();
    assert_eq!((&report[0]["name"], &report[0]["models"]), (&"cnn-1d".into(), &vec![2, 2].into()));
    assert_eq!(report[0]["scores"]["seed-0"]["clips"], 8);
    assert!(std::fs::read_to_string(results.join("results.md")).unwrap().trim_end() == first.trim_end());

    // One model is lost: it alone is made again, and comes out the same. Answers to disturbed clips of the lost one are not kept.
    let lost = experiment.join("seed-1.csv");
    let [before, other] = [&lost, &experiment.join("seed-0.csv")].map(|path| std::fs::read(path).unwrap());
    let disturbed = experiment.join("robustness").join(Disturbance::ALL[0].name());
    std::fs::create_dir_all(&disturbed).unwrap();
    for name in ["seed-0.csv", "seed-1.csv"] {
        std::fs::copy(experiment.join(name), disturbed.join(name)).unwrap();
    }
    std::fs::remove_file(&lost).unwrap();
    std::fs::write(experiment.join("seed-0.safetensors"), "not touched").unwrap();
    assert_eq!(prints(&data, &results, &only), first);
    assert!(std::fs::read(&lost).unwrap() == before);
    assert!(disturbed.join("seed-0.csv").exists() && !disturbed.join("seed-1.csv").exists());
    assert!(std::fs::read(experiment.join("seed-0.csv")).unwrap() == other);
    assert!(std::fs::read(experiment.join("seed-0.safetensors")).unwrap() == b"not touched");

    // A baseline stands in the same table. That these are not RAVDESS's clips is said.
    let baseline = reproduce(&data, &results, &["--only", "majority-stratified", "--seeds", "2"]);
    assert!(text(&baseline.stderr).contains("holds 40 clips, RAVDESS 1440"), "{}", text(&baseline.stderr));
    let both = text(&baseline.stdout);
    assert!(
        both.contains("| most frequent class |") && both.contains("| 5 × cnn-1d (another recipe) |"),
        "{both}"
    );

    let another = write(&folder, "another.toml", "arch = 'cnn-1d'\n[training]\nepochs = 4");
    fails(
        &data,
        &results,
        &["--only", "cnn-1d", "--recipe", &another],
        ": recipe must be that of the results there, got another; ",
    );
    std::fs::write(&lost, text(&before).replace("\n03-", "\nother-")).unwrap();
    fails(&data, &results, &only, "seed-1.csv: clips must be those of the test part, got others; ");
    std::fs::write(&lost, "clip,true\n").unwrap();
    fails(&data, &results, &only, "seed-1.csv: columns must be");
}

#[test]
fn what_cannot_be_run_is_refused() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let recipe = write(&folder, "short.toml", "arch = 'cnn-1d'");
    let two = ["--only", "cnn-1d", "--only", "hybrid", "--recipe", &recipe];
    fails(&data, folder.path(), &two, "--recipe must be given with one experiment, got 2: cnn-1d, hybrid");
    fails(&data, folder.path(), &["--only", "resnet"], "speaker-independent");
    let nameless = write(&folder, "nameless.toml", "[training]\nepochs = 3");
    fails(&data, folder.path(), &["--only", "cnn-1d", "--recipe", &nameless], "arch must be one of");
    fails(
        &data,
        folder.path(),
        &["--only", "speaker-independent-clean"],
        "the validation part must have clips, got none",
    );
}

#[test]
fn those_that_answer_together_are_trained_by_their_own_recipes() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let only = ["--only", "speaker-independent-moods"];
    let recipe = write(&folder, "short.toml", "arch = 'cnn-1d'\n[training]\nepochs = 1");
    let given = [&only[..], &["--recipe", &recipe]].concat();
    fails(&data, folder.path(), &given, "--recipe must be given with one experiment, got 2: speaker");
    fails(&data, folder.path(), &only, "the validation part must have clips, got none");
    for (name, noise) in [("clean", false), ("robust", true)] {
        let file = folder.path().join(format!("speaker-independent-{name}/recipe.json"));
        assert_eq!(std::fs::read_to_string(file).unwrap().contains("\"low_pass\""), noise);
    }
    assert!(!folder.path().join("speaker-independent-moods").exists());
}

#[test]
fn the_bundled_model_learns_from_all_clips_answers_moods_and_comes_out_the_same_again() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let recipe = write(&folder, "short.toml", "arch = 'cnn-1d'\n[training]\nepochs = 2");
    let bundle = |name: &str, temperature: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bundle"));
        let output = folder.path().join(name);
        command.arg("--data").arg(data.path()).arg("--output").arg(&output);
        let run = command.args(["--recipe", &recipe, "--temperature", temperature]).output().unwrap();
        (output, run)
    };
    let [(first, run), (second, _)] = ["a.safetensors", "b.safetensors"].map(|name| bundle(name, "1.25"));
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(std::fs::read(&first).unwrap() == std::fs::read(second).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    let checkpoint = Checkpoint::load(&first).unwrap();
    assert!(checkpoint.split.test.is_empty() && checkpoint.split.validation.is_empty());
    assert!(text(&run.stdout).contains(&format!("{} clips, 2 epochs", checkpoint.split.train.len())));
    assert_eq!((checkpoint.labels.len(), checkpoint.readout.temperature), (8, 1.25));
    assert_eq!(checkpoint.classifier().unwrap().labels(), ["Calm", "Happy", "Sad", "Energetic"]);
    let (_, refused) = bundle("c.safetensors", "0");
    assert!(text(&refused.stderr).contains("--temperature must be 0.01 to 100, got 0"));
}

#[test]
fn sums_stand_in_the_tables_as_soon_as_all_their_sources_have_answers() {
    let data = made_up_ravdess();
    let results = TempDir::new().unwrap();
    let csv = "clip,true,predicted,neutral,calm,happy,sad,angry,fearful,disgust,surprised\n\
               a,surprised,angry,0,0,0,0,0.6,0,0,0.4\n";
    let history = "epoch,learning_rate,train_loss,train_accuracy\n1,0.1,2,0.5\n2,0.1,1,0.5\n";
    for (source, all) in [("clean", false), ("robust", true)] {
        let source = results.path().join(format!("speaker-independent-{source}"));
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("fold-1-seed-0.csv"), csv).unwrap();
        std::fs::write(source.join("fold-1-seed-0.history.csv"), history).unwrap();
        let printed = prints(&data, results.path(), &["--only", "majority-stratified", "--seeds", "1"]);
        assert_eq!(printed.contains("emotions summed to moods"), all, "{printed}");
        assert_eq!(printed.contains("70 % UAR: 1 of 15 models"), all, "{printed}");
        assert!(printed.contains("| 1 of 15 models |"), "{printed}");
    }
    assert!(results.path().join("speaker-independent-moods/confusion.png").is_file());
}

#[test]
fn rows_of_heads_say_which_corpora_are_missing() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let results = folder.path().join("results");
    let said = prints(&data, &results, &["--only", "voices"]);
    for row in [
        "| test actors | 8 emotions | – | not measured: needs emodb, nemo (--corpora) | – | 76.5 | – |",
        "| ased, never trained on | 4 moods | – | not measured: needs ased (--corpora) | – | 62 | – |",
        "| ased, gain of a profile of five clips | 4 moods | – | not measured: needs ased (--corpora) | – | 4 | – |",
    ] {
        assert!(said.contains(row), "{said}");
    }
    assert!(
        said.trim_end().ends_with(std::fs::read_to_string(results.join("voices.md")).unwrap().trim_end())
    );
}
