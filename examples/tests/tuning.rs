//! Tests `train --tune-blocks` with an interruption in each of its two runs.

use std::process::Command;

use safetensors::Dtype;
use tempfile::TempDir;

use crate::encoder::{Sizes, encoder, file};
use crate::support::{fails, kill_midway, made_up_ravdess, program, text, write};

#[test]
fn a_tuning_resumes_from_either_run_to_the_same_bytes() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let sizes = Sizes { width: 64, hidden: 32, bands: 8, positions: 30, blocks: 2 };
    let encoder = write(&folder, "encoder.safetensors", file(&encoder(sizes), Dtype::F32));
    let head = "arch = 'whisper-head'\n[architecture]\nblocks = 2\nwidth = 64\nskipped = 1\ntuned = { frames = 25 }\n\
                [training]\nepochs = 200";
    let head = write(&folder, "head.toml", head);
    let tuning = write(&folder, "tuning.toml", "[training]\nepochs = 30");
    let path = |name: &str| folder.path().join(name);
    let train = |name: &str, more: &[&str]| {
        let mut command = Command::new(program("train"));
        command.arg("--data").arg(data.path()).arg("--output").arg(path(&format!("{name}.safetensors")));
        command.arg("--history").arg(path(&format!("{name}.csv")));
        command.args(["--config", &head, "--encoder", &encoder, "--copies", "1"]);
        command.args(["--tune-blocks", "1", "--tuning", &tuning]).args(more);
        command
    };
    let ends = |name: &str, more: &[&str]| {
        let output = train(name, more).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    ends("whole", &[]);

    let [first, second] = ["training", "tuning"].map(|run| path(&format!("cut.safetensors.{run}")));
    kill_midway(&mut train("cut", &[]), &first);
    assert!(!second.exists());
    let refused = train("cut", &[]);
    fails(
        "train",
        refused.get_args(),
        &["interrupted run must be continued by --resume, or deleted by `rm "],
    );
    kill_midway(&mut train("cut", &["--resume"]), &second);
    assert!(first.exists());
    let state = std::fs::read(&second).unwrap();
    std::fs::write(&second, &state[..state.len() / 2]).unwrap();
    let damaged = train("cut", &["--resume"]).output().unwrap();
    let error = text(&damaged.stderr);
    assert!(
        error.contains("--resume: cannot be continued: ") && error.contains("cut.safetensors.tuning"),
        "{error}"
    );
    std::fs::write(&second, state).unwrap();
    ends("cut", &["--resume"]);
    for extension in ["safetensors", "csv"] {
        let [whole, cut] =
            ["whole", "cut"].map(|name| std::fs::read(path(&format!("{name}.{extension}"))).unwrap());
        assert!(whole == cut, "{extension}");
    }
    assert!(!first.exists() && !second.exists());
}
