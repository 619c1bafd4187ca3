//! Tests the output and errors of `recognize` for several recordings.

use std::io::{Seek, SeekFrom, Write};
use std::process::{Command, Output, Stdio};

use ser_examples::model::ModelArguments;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{clip, ends, example, fails, prints, program, sample, text, write, write_wav};

/// Returns a folder with the bundled clip, half a minute of the clip with pauses, and a text file.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write_wav(&folder, "b/short.wav", &clip());
    let mut long = Vec::new();
    for _ in 0..6 {
        long.extend(clip());
        long.extend([0.0; 22_050]);
    }
    write_wav(&folder, "a/long.wav", &long);
    write(&folder, "notes.txt", "not audio");
    folder
}

/// Sorts lines by the names of the recordings, because they are printed in the order in which they are recognised.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_line_for_each_recording() {
    let folder = folder();
    let lines = prints("recognize", [folder.path()]);
    let lines = sorted(&lines);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("a/long.wav  0:32  ") && lines[1].contains("b/short.wav  0:04  "), "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with(" %")), "{lines:?}");
    let with = prints("recognize", [folder.path().to_str().unwrap(), "--timeline"]);
    let mut lines = with.lines().skip_while(|line| !line.contains("a/long.wav  0:32  "));
    let stretches = lines.nth(1).unwrap();
    assert!(stretches.starts_with("    0:0") && stretches.contains("–0:"), "{with}");
}

#[test]
fn json_lines_hold_probabilities_and_the_timeline() {
    let folder = folder();
    let lines = prints("recognize", [folder.path().to_str().unwrap(), "--format", "jsonl", "--timeline"]);
    let mut lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["file"].to_string());
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["confident", "file", "model", "mood", "probabilities", "seconds", "timeline"]);
        let model = ModelArguments::default().open().unwrap();
        assert_eq!(line["model"], serde_json::to_value(model.id()).unwrap());
        assert_eq!(line["model"]["name"], "voices");
        let total: f64 =
            line["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
        assert!((total - 1.0).abs() < 1e-5, "{line}");
        let stretches = line["timeline"].as_array().unwrap();
        assert_eq!(stretches[0]["start"], 0.0);
        assert_eq!(stretches.last().unwrap()["end"], line["seconds"]);
        assert!(stretches.windows(2).all(|pair| pair[0]["end"] == pair[1]["start"]), "{line}");
    }
    assert!(
        lines[0]["timeline"].as_array().unwrap().iter().any(|stretch| stretch["mood"].is_null()),
        "pauses"
    );
}

#[test]
fn csv_has_a_header_and_a_row_for_each() {
    let folder = folder();
    let table = prints("recognize", [folder.path().to_str().unwrap(), "--format", "csv"]);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], "file,seconds,mood,confident,Calm,Happy,Sad,Energetic");
    assert_eq!(rows.len(), 3);
    let table = prints("recognize", [folder.path().to_str().unwrap(), "--format", "csv", "--timeline"]);
    assert!(table.starts_with("file,start,end,mood,confident,") && table.lines().count() > 4, "{table}");
}

#[test]
fn csv_has_no_name_that_spreadsheets_would_run_and_is_a_table_of_labels() {
    let folder = TempDir::new().unwrap();
    for name in ["=1+1.wav", "@home.wav", " blank.wav"] {
        write_wav(&folder, name, &clip());
    }
    let run = |arguments: &[&str]| {
        Command::new(program("recognize")).current_dir(&folder).args(arguments).output().unwrap()
    };
    let names = ["=1+1.wav", "@home.wav", " blank.wav"];
    let table = text(&run(&[&names[..], &["--format", "csv"]].concat()).stdout);
    let rows: Vec<&str> = table.lines().skip(1).collect();
    let is_there = |name: &&str| rows.iter().any(|row| row.starts_with(&format!("./{name},")));
    assert!(names.iter().all(is_there), "{table}");
    assert_eq!(rows.len(), 3, "{table}");
    write(&folder, "answers.csv", &table);
    let report = text(&run(&[&names[..], &["--labels", "answers.csv"]].concat()).stderr);
    assert!(
        report.contains("100.0") && !report.contains("not in") && !report.contains("without"),
        "{report}"
    );
}

#[test]
fn shards_together_are_the_whole() {
    let folder = folder();
    let part = |shard| prints("recognize", [folder.path().to_str().unwrap(), "--shard", shard]);
    assert_eq!(sorted(&(part("1/2") + &part("2/2"))), sorted(&prints("recognize", [folder.path()])));
}

/// Runs an example with a pipe of these bytes as standard input.
fn piped(name: &str, arguments: &[&str], input: &[u8]) -> Output {
    pipe(Command::new(program(name)).args(arguments), input)
}

fn pipe(command: &mut Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // Fails if the program ends before it has read all input.
        scope.spawn(move || stdin.write_all(input).is_ok());
        child.wait_with_output().unwrap()
    })
}

#[test]
fn standard_input_is_a_recording_too() {
    let whole = std::fs::read(sample()).unwrap();
    let named = prints("recognize", [sample()]);
    let (_, answer) = named.split_once("sample.wav").unwrap();
    // Standard input is a file, then a partly read file, then a pipe.
    let mut file = std::fs::File::open(sample()).unwrap();
    let from_file =
        |file| Command::new(program("recognize")).arg("-").stdin(Stdio::from(file)).output().unwrap();
    let output = from_file(file.try_clone().unwrap());
    assert_eq!(text(&output.stdout), format!("standard input{answer}"), "{}", text(&output.stderr));
    file.seek(SeekFrom::Start(100)).unwrap();
    let output = from_file(file);
    assert!(
        text(&output.stderr).contains("standard input: content must be audio in "),
        "{}",
        text(&output.stderr)
    );
    let output = piped("recognize", &["-"], &whole);
    assert_eq!(text(&output.stdout), format!("standard input{answer}"), "{}", text(&output.stderr));
    let output = piped("recommend_songs", &["-", "--count", "1"], &whole);
    assert!(text(&output.stdout).contains("standard input"), "{}", text(&output.stderr));

    fails("recognize", ["-", "-"], &["standard input: `-` must be given once, got 2 times"]);
    // Files in /proc have a length of 0.
    if let Ok(status) = std::fs::File::open("/proc/self/status") {
        let told = text(&from_file(status).stderr);
        assert!(told.contains("standard input: content must be audio in "), "{told}");
    }

    let cut = &whole[..whole.len() * 3 / 4];
    assert!(
        text(&piped("recognize", &["-"], cut).stderr).contains("standard input: bytes of WAV data must be ")
    );
    let output = piped("recognize", &["-", "--allow-truncated"], cut);
    assert!(text(&output.stdout).starts_with("standard input  0:03  "), "{}", text(&output.stderr));
}

#[cfg(unix)]
#[test]
fn a_folder_that_takes_no_temporary_file_is_named() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let mut command = Command::new(program("recognize"));
    let output = pipe(command.arg("-").env("TMPDIR", &missing), &vec![0; 9 << 20]);
    let told = text(&output.stderr);
    let expected =
        format!("error: standard input: cannot be copied to a temporary file in {}: ", missing.display());
    assert!(told.starts_with(&expected) && told.lines().count() == 1, "{told}");
    assert_eq!(output.status.code(), Some(1));
    // An error of reading does not name the temporary file.
    let stdin = Stdio::from(std::fs::File::open(folder.path()).unwrap());
    let output = Command::new(program("recognize")).arg("-").stdin(stdin).output().unwrap();
    let told = text(&output.stderr);
    assert!(told.starts_with("error: standard input: cannot be read: "), "{told}");
}

#[test]
fn answers_are_scored_by_a_table() {
    let folder = folder();
    let answers = prints("recognize", [folder.path().to_str().unwrap(), "--format", "jsonl"]);
    let mood = |line: &str| serde_json::from_str::<Value>(line).unwrap()["mood"].as_str().unwrap().to_owned();
    let mood = mood(answers.lines().find(|line| line.contains("long.wav")).unwrap());
    let table = write(&folder, "moods.csv", format!("file,mood\nlong.wav,{mood}\n"));
    let output = example("recognize", [folder.path().to_str().unwrap(), "--labels", &table]);
    let report = text(&output.stderr);
    assert!(report.contains("100.0") && report.contains("recordings that are not in "), "{report}");
    let wrong = write(&folder, "wrong.csv", "file,mood\nlong.wav,Furious\n");
    fails(
        "recognize",
        [folder.path().to_str().unwrap(), "--labels", &wrong],
        &["row 2: mood must be one of"],
    );
}

#[test]
fn bad_recordings_stop_the_run_or_are_skipped() {
    let folder = folder();
    write(&folder, "a/damaged.wav", "RIFF");
    let silence = write_wav(&folder, "c/silence.wav", &[0.0; 50_000]);
    let tone: Vec<f32> = (0..100_000).map(|n| 0.3 * (n as f32 * 0.1).sin()).collect();
    let tone = write_wav(&folder, "c/tone.wav", &tone);
    ends(3, "recognize", [&silence], &["silent"]);
    ends(3, "recognize", [&tone], &["sound must hold speech", "tones or music"]);
    fails("recognize", [folder.path()], &["damaged.wav"]);
    let output = example("recognize", [folder.path().to_str().unwrap(), "--skip-bad"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 2);
    assert_eq!(text(&output.stderr).lines().filter(|line| line.starts_with("skipped: ")).count(), 3);
    assert!(prints("recognize", [tone.as_str(), "--any-sound"]).contains("0:05"));
    let output = example("recognize", [&silence, &tone, "--skip-bad"]);
    assert_eq!(output.status.code(), Some(1));
    let last = "error: recordings: one must be recognised, got 2 that were skipped";
    assert_eq!(text(&output.stderr).lines().last(), Some(last));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere.wav", folder.path().join("c/gone.wav")).unwrap();
        fails("recognize", [folder.path()], &["gone.wav"]);
        let output = example("recognize", [folder.path().to_str().unwrap(), "--skip-bad"]);
        assert!(output.status.success() && text(&output.stderr).contains("gone.wav"));
        let features = folder.path().join("features.csv");
        let arguments =
            [folder.path().to_str().unwrap(), "--skip-bad", "--output", features.to_str().unwrap()];
        let output = example("extract_features", arguments);
        assert!(output.status.success() && text(&output.stderr).contains("gone.wav"));
    }
}

#[test]
fn a_part_without_recordings_has_the_header_of_the_others() {
    let clip = sample();
    let part = |part: &str| prints("recognize", [clip.to_str().unwrap(), "--format", "csv", "--shard", part]);
    let parts = [part("1/2"), part("2/2")];
    assert!(parts.iter().all(|part| part.starts_with("file,seconds,mood,confident,")), "{parts:?}");
    assert_eq!(parts.iter().map(|part| part.lines().count()).sum::<usize>(), 3);
}

#[test]
fn a_voice_is_learnt_from_its_clips_and_taken_into_account() {
    let folder = TempDir::new().unwrap();
    let profile = folder.path().join("voice.json");
    let profile = profile.to_str().unwrap();
    let clip = sample();
    let clip = clip.to_str().unwrap();
    let said = prints("recognize", [clip, clip, "--model", "voices", "--learn-voice", profile]);
    assert!(said.contains("a voice in 2 recordings"), "{said}");
    let kept: Value = serde_json::from_slice(&std::fs::read(profile).unwrap()).unwrap();
    let names: Vec<&String> = kept.as_object().unwrap().keys().collect();
    assert_eq!(names, ["clips", "encoder", "mean", "preparation"]);
    let plain = prints("recognize", [clip, "--model", "voices", "--format", "jsonl"]);
    let known = prints("recognize", [clip, "--model", "voices", "--profile", profile, "--format", "jsonl"]);
    assert_ne!(plain, known);
    fails("recognize", [clip, "--model", "small", "--profile", profile], &["encoder must be", "got none"]);
    std::fs::write(profile, "{}").unwrap();
    fails("recognize", [clip, "--model", "voices", "--profile", profile], &[profile, "missing field"]);
}

#[test]
fn a_recording_is_printed_before_longer_ones_in_front_of_it() {
    let folder = TempDir::new().unwrap();
    let long = write_wav(&folder, "long.wav", &clip().repeat(60));
    let short = write_wav(&folder, "short.wav", &clip());
    let lines = prints("recognize", [long.as_str(), short.as_str(), "--model", "small"]);
    let first = lines.lines().next().unwrap();
    if std::thread::available_parallelism().is_ok_and(|threads| threads.get() > 1) {
        assert!(first.contains("short.wav  0:04  "), "{lines}");
    }
}

#[test]
fn a_truncated_recording_is_read_where_that_is_allowed_and_told() {
    let folder = TempDir::new().unwrap();
    let whole = std::fs::read(sample()).unwrap();
    let cut = write(&folder, "cut.wav", &whole[..whole.len() * 3 / 4]);
    fails("recognize", [&cut], &["cut.wav: bytes of WAV data must be ", "the file is truncated"]);
    for program in ["recognize", "recommend_songs"] {
        let output = example(program, [cut.as_str(), "--allow-truncated"]);
        let told = text(&output.stderr);
        assert!(output.status.success(), "{told}");
        let expected =
            format!("warning: {cut}: the file was read up to the damage: bytes of WAV data must be ");
        assert_eq!(told.lines().filter(|line| line.starts_with(&expected)).count(), 1, "{program}: {told}");
        assert!(text(&output.stdout).contains(if program == "recognize" { "0:03" } else { "3.2 s" }));
    }
    // A wrong length in the header is read without the option.
    let mut crashed = whole.clone();
    crashed[40..44].fill(0);
    let crashed = write(&folder, "crashed.wav", &crashed);
    let told = text(&example("recognize", [&crashed]).stderr);
    let expected = format!("warning: {crashed}: the header declares 0 bytes of WAV data, the file has ");
    assert!(told.starts_with(&expected) && told.lines().count() == 1, "{told}");
}

#[cfg(unix)]
#[test]
fn names_give_the_terminal_no_orders_and_stay_on_their_line() {
    let folder = TempDir::new().unwrap();
    let name = "a\nb\u{1b}[2J\u{202e}.wav";
    let path = write_wav(&folder, name, &clip());
    write(&folder, "c\r\u{9b}1m.wav", "Dear Sir or Madam");
    let folder = folder.path().to_str().unwrap();
    for format in ["table", "jsonl"] {
        let output = example("recognize", [folder, "--skip-bad", "--format", format]);
        let (lines, told) = (text(&output.stdout), text(&output.stderr));
        for text in [&lines, &told] {
            assert!(text.lines().count() == 1 && text.ends_with('\n'), "{text:?}");
            let orders = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
            assert!(!text.contains(orders), "{text:?}");
        }
        assert!(told.starts_with("skipped: ") && told.contains("content must be audio in "), "{told}");
        if format == "jsonl" {
            assert_eq!(serde_json::from_str::<Value>(&lines).unwrap()["file"], *path);
        } else {
            assert!(lines.contains("a b [2J .wav  0:04  "), "{lines:?}");
        }
    }
}

#[test]
fn words_of_the_command_line_give_the_terminal_no_orders() {
    for word in ["--fo\n\u{1b}[2J", "--hop=a\n\u{1b}[2J"] {
        let output = example("recognize", [word]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.starts_with("error: ")
                && !told.contains('\u{1b}')
                && !told.contains("\n [2J")
                && told.contains("  [2J"),
            "{told:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_named() {
    let clip = sample();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(program("recognize")).arg(clip).stdout(full).output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("error: standard output: cannot be written: "), "{told}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_asked_for_on_standard_input() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe.wav");
    if !Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
        println!("skipped: mkfifo is not there");
        return;
    }
    for program in ["recognize", "recommend_songs"] {
        let way_out = format!("recording must be a file or `-`, got a pipe (try `- < {}`)", pipe.display());
        fails(program, [&pipe], &["pipe.wav: ", &way_out]);
    }
}
