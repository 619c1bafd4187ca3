//! Files of unknown origin: the seeds of the fuzz targets, unchanged, cut, with a flipped bit, and with each number replaced by extreme
//! values.

// This is a separate crate in the fuzz targets, whose items have no other users.
#[path = "../fuzz/check/mod.rs"]
#[allow(unreachable_pub)]
mod check;

use ser_models::{Checkpoint, Recognizer};
use std::path::Path;

/// The replacements of each number.
const EDGES: [&str; 7] = ["0", "-1", "65536", "4294967296", "18446744073709551615", "1e300", "null"];

/// Returns the positions of the numbers in a text, only the first of consecutive equal numbers.
fn numbers(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let digit = |at: usize| text.get(at).is_some_and(|c| c.is_ascii_digit() || b".-+e".contains(c));
    let starts = (1..text.len()).filter(|&at| text[at].is_ascii_digit() && b"[:,= -".contains(&text[at - 1]));
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    let mut end = 0;
    for start in starts {
        if start < end {
            continue;
        }
        let last = found.last().map(|last| &text[last.clone()]);
        let follows = text[end..start].iter().all(|c| b",-".contains(c));
        end = (start..).find(|at| !digit(*at)).unwrap_or(text.len());
        if !(follows && last == Some(&text[start..end])) {
            found.push(start..end);
        }
    }
    found
}

/// Calls a reader with each seed of a target and its variants, and returns the number of these.
fn all(target: &str, read: impl Fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut count = 0;
    let mut read = |bytes: &[u8]| {
        read(bytes);
        count += 1;
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(entry.unwrap().path()).unwrap();
        read(&seed);
        for cut in (0..seed.len()).step_by(1 + seed.len() / 20) {
            read(&seed[..cut]);
            let mut other = seed.clone();
            other[cut] ^= 1;
            read(&other);
        }
        for place in numbers(&seed) {
            for edge in EDGES {
                read(&[&seed[..place.start], edge.as_bytes(), &seed[place.end..]].concat());
            }
        }
    }
    count
}

#[test]
fn any_checkpoint_is_refused_in_one_line_or_answers() {
    assert!(all("checkpoint", check::checkpoint) > 600);
}

/// Returns the seed of a checkpoint with one text replaced by another.
fn changed(from: &str, to: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/checkpoint/vector.json");
    let seed = std::fs::read_to_string(path).unwrap();
    assert!(seed.contains(from), "{from}");
    let file = check::with_tensors(&seed.replacen(from, to, 1)).unwrap();
    let error = match Checkpoint::from_bytes(&file) {
        Err(error) => error,
        Ok(checkpoint) => Recognizer::new(&checkpoint).unwrap_err(),
    };
    error.to_string()
}

#[test]
fn a_level_beyond_the_range_of_f32_is_refused_and_not_read_as_none() {
    for number in ["1e300", "1e39"] {
        let error = changed("\"trim_top_db\":30.0", &format!("\"trim_top_db\":{number}"));
        assert!(error.contains("a number must be finite and within ±3.4e38, got more"), "{error}");
    }
    let negative = changed("\"trim_top_db\":30.0", "\"trim_top_db\":-3e38");
    assert!(negative.contains("trim_top_db must be above 0 and finite"), "{negative}");
}

#[test]
fn an_infinite_level_is_refused_when_a_checkpoint_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/moods.safetensors");
    let mut checkpoint = Checkpoint::load(path).unwrap();
    checkpoint.preparation.trim_top_db = Some(f32::INFINITY);
    let error = checkpoint.to_bytes().unwrap_err().to_string();
    assert_eq!(error, "checkpoint in memory: config: trim_top_db must be above 0 and finite, got inf");
}

#[test]
fn sizes_that_would_keep_a_plan_busy_are_refused() {
    let bands = changed("\"n_mels\":64", "\"n_mels\":65536");
    assert!(bands.contains("n_mels must be so small that its table has at most 33554432 values"), "{bands}");
}

#[test]
fn any_encoder_is_refused_in_one_line_or_encodes() {
    assert!(all("encoder", check::encoder) > 400);
}

#[test]
fn any_training_state_is_refused_in_one_line_or_goes_on() {
    assert!(all("state", check::state) > 100);
}

#[test]
fn a_state_whose_epochs_or_steps_are_not_of_the_run_is_refused() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/state/epoch.json");
    let seed = std::fs::read_to_string(path).unwrap();
    let (_folder, trainer) = check::resumed(seed.as_bytes()).unwrap();
    assert_eq!(trainer.history().epochs.len(), 1);
    let epoch = seed[seed.find('[').unwrap() + 1..seed.len() - 2].to_owned();
    let more = |n: usize| seed.replace(&epoch, &vec![&*epoch; n].join(","));
    for (text, expected) in [
        (seed.replace("\"epoch\":1", "\"epoch\":5"), "epochs must be numbered from 1, got 5 at place 1"),
        (seed.replace("\"epoch\":1", "\"epoch\":0"), "epochs must be numbered from 1, got 0 at place 1"),
        (more(2), "epochs must be numbered from 1, got 1 at place 2"),
        (seed.replace("\"optimizer_steps\":2", "\"optimizer_steps\":3"), "steps must be 2 at epoch 1, got 3"),
        (
            seed.replace("\"optimizer_steps\":2", "\"optimizer_steps\":18446744073709551615"),
            "steps must be 2 at epoch 1, got 18446744073709551615",
        ),
    ] {
        let error = check::resumed(text.as_bytes()).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("cannot be read as a training state: history: {expected}")),
            "{error}"
        );
    }
}

#[test]
fn any_encoded_clips_are_refused_in_one_line_or_can_be_used() {
    assert!(all("encoded", check::encoded) > 80);
}

#[test]
fn a_name_with_a_line_end_is_told_in_one_line() {
    check::profile(b"{\"e\\ncoder\":0}");
    check::checkpoint(b"{\"format\":3,\"architecture\":{\"name\":\"cnn-1d\",\"e\\nx\":1}}");
}

#[test]
fn any_profile_is_refused_in_one_line_or_can_be_combined() {
    assert!(all("profile", check::profile) > 50);
}

#[test]
fn any_recipe_is_refused_in_one_line_or_has_members() {
    assert!(all("recipe", check::recipe) > 120);
}
