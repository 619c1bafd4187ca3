//! Tests of `live` with streams on standard input.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use ser_data::Audio;
use ser_examples::assets;
use ser_examples::model::ModelArguments;

use serde_json::Value;

use crate::support::{ends, fails, program, text};

/// Runs `live` with these bytes on standard input.
fn live(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(program("live"));
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // Fails if the program ends before it has read all input.
        scope.spawn(move || stdin.write_all(input).is_ok());
        child.wait_with_output().unwrap()
    })
}

fn json_of(arguments: &[&str], input: &[u8]) -> Vec<Value> {
    let output = live(arguments, input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn samples() -> Vec<f32> {
    Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav").unwrap().to_mono().unwrap()
}

fn s16le(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|x| ((x * 32_768.0) as i16).to_le_bytes()).collect()
}

#[test]
fn a_piped_wav_gives_a_reading_every_quarter_second_as_the_recogniser_would() {
    let readings = json_of(&["--json"], assets::SAMPLE_WAV);
    let seconds: Vec<f64> = readings.iter().map(|reading| reading["seconds"].as_f64().unwrap()).collect();
    assert_eq!(seconds.len(), 17, "{seconds:?}");
    for (n, seconds) in seconds[..16].iter().enumerate() {
        assert!((seconds - 0.25 * (n + 2) as f64).abs() < 1e-4, "{seconds}");
    }
    let samples = samples();
    let mut recognizer = ModelArguments::default().open().unwrap().recognizer().unwrap();
    let mut moods = 0;
    for reading in &readings {
        let end = (reading["seconds"].as_f64().unwrap() * 22_050.0).round() as usize;
        let Some(mood) = reading["mood"].as_str() else {
            assert!(reading["probabilities"].is_null());
            continue;
        };
        moods += 1;
        let heard = recognizer.recognize(&samples[end.saturating_sub(66_150)..end], 22_050).unwrap();
        assert_eq!(mood, heard.label);
        for (label, share) in heard.probabilities {
            assert_eq!(reading["probabilities"][&label].as_f64().unwrap() as f32, share, "{reading}");
        }
        assert!(reading["latency_ms"].as_f64().unwrap() > 0.0);
        assert!((-120.0..0.0).contains(&reading["level_db"].as_f64().unwrap()), "{reading}");
    }
    assert!(moods > 10 && !readings.last().unwrap()["mood"].is_null(), "{readings:?}");
}

#[test]
fn raw_samples_and_wav_give_the_same_readings() {
    let strip = |mut readings: Vec<Value>| {
        readings.iter_mut().for_each(|reading| reading["latency_ms"] = Value::Null);
        readings
    };
    let expected = strip(json_of(&["--json"], assets::SAMPLE_WAV));
    let arguments = ["--json", "--raw", "s16le", "--rate", "22050"];
    assert_eq!(strip(json_of(&arguments, &s16le(&samples()))), expected);
    let stereo: Vec<u8> = samples().iter().flat_map(|x| [*x, *x]).flat_map(f32::to_le_bytes).collect();
    let arguments = ["--json", "--raw", "f32le", "--rate", "22050", "--channels", "2"];
    assert_eq!(strip(json_of(&arguments, &stereo)), expected);
}

#[test]
fn lines_for_people_hold_mood_bars_and_level_and_the_end_tells_the_latency() {
    let output = live(&[], assets::SAMPLE_WAV);
    let (lines, summary) = (text(&output.stdout), text(&output.stderr));
    assert!(!lines.contains(['\u{1b}', '\r']), "neither colours nor rewriting away from a terminal");
    let last = lines.lines().last().unwrap();
    for part in ["4.31 s", "Calm", "Happy", "Sad", "Energetic", "█", "% ", " dB", " ms"] {
        assert!(last.contains(part), "{part:?} is not in {last:?}");
    }
    let widths: std::collections::BTreeSet<usize> = lines.lines().map(|line| line.chars().count()).collect();
    assert!(lines.lines().count() == 17 && widths.len() == 1, "a steady line: {lines}");
    // The last reading comes at the end of the stream, before it is due, and is not counted in the latency.
    let model = ModelArguments::default().open().unwrap();
    let said: Vec<&str> = summary.lines().collect();
    assert_eq!(said[0], format!("recognised by the bundled model `voices`, digest {}", model.id().digest));
    assert!(said[1].starts_with("16 readings; latency from sample to reading: median "), "{summary}");
    assert!(said[1].contains(" ms, p99 "), "{summary}");
}

#[test]
fn silence_is_called_silence() {
    let arguments = ["--json", "--raw", "s16le", "--rate", "16000"];
    let readings = json_of(&arguments, &vec![0; 2 * 16_000 * 2]);
    assert_eq!(readings.len(), 7);
    assert!(readings.iter().all(|reading| reading["mood"].is_null() && reading["level_db"] == -120.0));
    let output = live(&arguments[1..], &vec![0; 2 * 16_000 * 2]);
    assert!(text(&output.stdout).lines().all(|line| line.contains(" silence ")));
    // A murmur alone is a quiet recording and is recognised. After a loud voice, `--silence-db` decides whether it is silence.
    let clip = samples();
    let murmur: Vec<f32> = clip.iter().map(|x| x * 0.01).collect();
    let arguments = ["--json", "--raw", "s16le", "--rate", "22050"];
    let moods = |arguments: &[&str], signal: &[f32], after: f64| {
        let readings = json_of(arguments, &s16le(signal));
        let last = readings.iter().filter(|reading| reading["seconds"].as_f64().unwrap() > after);
        last.filter(|reading| !reading["mood"].is_null()).count()
    };
    assert!(moods(&arguments, &murmur, 0.0) > 10);
    let both = [clip.as_slice(), &murmur].concat();
    let window_of_murmur = clip.len() as f64 / 22_050.0 + 3.0;
    assert_eq!(moods(&arguments, &both, window_of_murmur), 0);
    assert!(moods(&[&arguments[..], &["--silence-db", "-90"]].concat(), &both, window_of_murmur) > 2);
}

#[test]
fn less_than_a_window_is_heard_and_less_than_a_syllable_is_refused() {
    let wav = |samples: usize| {
        let mut wav = assets::SAMPLE_WAV[..44 + 2 * samples].to_vec();
        wav[40..44].copy_from_slice(&(2 * samples as u32).to_le_bytes());
        wav
    };
    assert_eq!(json_of(&["--json"], &wav(22_050)).len(), 3);
    assert_eq!(json_of(&["--json"], &wav(8_000)).len(), 1);
    let output = live(&[], &wav(4_000));
    assert_eq!(output.status.code(), Some(3));
    let error = text(&output.stderr);
    assert!(error.contains("standard input: ") && error.contains("samples must be 5513 or more"), "{error}");
}

#[test]
fn what_is_no_stream_of_samples_is_refused() {
    let refused = |arguments: &[&str], input: &[u8], code: i32, expected: &str| {
        let output = live(arguments, input);
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), ""), "{error}");
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
    };
    let way_out =
        "got other bytes (try `ffmpeg -v error -i FILE -f wav - | cargo run --release --example live`, ";
    refused(&[], b"Dear Sir or Madam", 1, &format!("standard input: stream must be WAV, {way_out}"));
    refused(
        &[],
        &assets::SAMPLE_WAV[..30],
        1,
        "standard input: stream: WAV header must lead to a data chunk, got the end",
    );
    refused(&["--raw", "s16le"], b"", 2, "--rate");
    refused(&["--rate", "22050"], b"", 2, "--raw");
    refused(
        &["--raw", "s16le", "--rate", "1"],
        b"",
        1,
        "standard input: stream: sample rate in Hz must be 1000 to 384000, got 1",
    );
    refused(&["--raw", "s16le", "--rate", "8000", "--channels", "0"], b"", 1, "channels must be 1 to 64");
    let nan: Vec<u8> = [f32::NAN; 8].iter().flat_map(|x| x.to_le_bytes()).collect();
    refused(
        &["--raw", "f32le", "--rate", "8000"],
        &nan,
        1,
        "standard input: stream: sample 0 (channel 0) must be finite, got NaN",
    );
    ends(1, "live", ["--model", "missing.safetensors"], &["missing.safetensors"]);
    if !cfg!(feature = "microphone") {
        fails("live", ["--microphone"], &["--features microphone"]);
    }
}

#[test]
fn a_length_that_is_wrong_is_told_and_cuts_nothing() {
    let mut wav = assets::SAMPLE_WAV.to_vec();
    let expected = json_of(&["--json"], &wav).len();
    let whole = wav.len() as u32 - 44;
    for declared in [whole / 2, whole + 5000] {
        wav[40..44].copy_from_slice(&declared.to_le_bytes());
        let output = live(&["--json"], &wav);
        let told = text(&output.stderr);
        assert_eq!(text(&output.stdout).lines().count(), expected, "{told}");
        let warning = format!(
            "warning: standard input: the header declares {declared} bytes of WAV data, the file has {whole}"
        );
        assert_eq!(told.lines().filter(|line| line.starts_with(&warning)).count(), 1, "{told}");
    }
}
