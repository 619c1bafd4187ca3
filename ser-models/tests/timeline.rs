//! Recordings of any length, with the bundled model and the bundled clip.

use proptest::prelude::*;
use ser_models::live::{Listener, LiveConfig, LiveError};
use ser_models::{Generator, Recognition, RecognizeError, Recognizer, Timeline, TimelineConfig};

const RATE: u32 = 22_050;

fn recognizer() -> Recognizer {
    Recognizer::from_bytes(include_bytes!("../../models/moods.safetensors")).unwrap()
}

/// The example clip: 16 bit, mono, 22,050 Hz, after a header of 44 bytes; 4.3 s.
fn sample() -> Vec<f32> {
    let (samples, _) = include_bytes!("../../examples/assets/sample.wav")[44..].as_chunks();
    samples.iter().map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0).collect()
}

fn noise(seconds: usize, level: f32) -> Vec<f32> {
    let mut random = Generator::new(7);
    (0..seconds * RATE as usize).map(|_| level * random.uniform(-1.0, 1.0) as f32).collect()
}

fn tone(seconds: usize) -> Vec<f32> {
    (0..seconds * RATE as usize).map(|n| 0.3 * (n as f32 * 0.125).sin()).collect()
}

/// Repeats the clip, with pauses of a second.
fn talk(times: usize) -> Vec<f32> {
    let mut samples = Vec::new();
    for _ in 0..times {
        samples.extend(sample());
        samples.extend(vec![0.0; RATE as usize]);
    }
    samples
}

fn in_pieces(recognizer: &mut Recognizer, samples: &[f32], piece: usize) -> Timeline {
    let mut listening = recognizer.listen(RATE).unwrap();
    for piece in samples.chunks(piece) {
        listening.push(piece).unwrap();
    }
    assert!((listening.seconds() - samples.len() as f64 / f64::from(RATE)).abs() < 1e-9);
    listening.finish().unwrap()
}

#[test]
fn a_recording_whose_speech_fits_a_window_is_heard_as_one() {
    let mut recognizer = recognizer();
    // Two seconds of speech with silence before and after them.
    let mut samples = vec![0.0; 3 * RATE as usize];
    samples.extend(&sample()[22_050..66_150]);
    samples.extend(vec![0.0; 6 * RATE as usize]);
    let expected = recognizer.recognize_window(&samples, RATE).unwrap();
    let timeline = recognizer.timeline(&samples, RATE).unwrap();
    assert_eq!(timeline.overall, expected);
    assert_eq!(timeline.windows.len(), 1);
    assert_eq!(timeline.windows[0].recognition.as_ref(), Some(&expected));
    assert_eq!((timeline.seconds, timeline.windows[0].end), (11.0, 11.0));
    assert_eq!(recognizer.recognize(&samples, RATE).unwrap(), expected);
}

#[test]
fn windows_cover_all_of_a_long_recording_and_the_overall_answer_is_their_mean() {
    let samples = talk(9);
    let timeline = recognizer().timeline(&samples, RATE).unwrap();
    assert!(timeline.seconds > 45.0 && timeline.windows.len() > 43, "{}", timeline.windows.len());
    assert_eq!((timeline.windows[0].start, timeline.windows[0].end), (0.0, 3.0));
    assert!((timeline.windows.last().unwrap().end - timeline.seconds).abs() < 1e-9);
    let spoken: Vec<_> = timeline.windows.iter().filter(|window| window.recognition.is_some()).collect();
    assert!(spoken.len() > 30 && spoken.iter().all(|window| window.speech > 0.2 && window.speech <= 3.0));
    let total: f64 = spoken.iter().map(|window| window.speech).sum();
    for (class, (label, mean)) in timeline.overall.probabilities.iter().enumerate() {
        let of = |window: &&ser_models::TimelineWindow| {
            window.speech * f64::from(window.recognition.as_ref().unwrap().probabilities[class].1)
        };
        let expected = spoken.iter().map(of).sum::<f64>() / total;
        assert!((f64::from(*mean) - expected).abs() < 1e-6, "{label}");
    }
    assert_eq!(timeline.segments[0].start, 0.0);
    assert!((timeline.segments.last().unwrap().end - timeline.seconds).abs() < 1e-9);
    assert!(timeline.segments.windows(2).all(|pair| pair[0].end == pair[1].start));
    assert!(timeline.segments.iter().any(|segment| segment.recognition.is_none()), "pauses");
    let end: f32 = timeline.at_end(10.0).probabilities.iter().map(|p| p.1).sum();
    assert!((end - 1.0).abs() < 1e-5);
}

#[test]
fn the_pieces_that_a_recording_comes_in_change_nothing() {
    for samples in [sample(), talk(8)] {
        let mut recognizer = recognizer();
        let whole = recognizer.timeline(&samples, RATE).unwrap();
        for piece in [997, 40_000] {
            assert_eq!(in_pieces(&mut recognizer, &samples, piece), whole);
        }
    }
}

#[test]
fn a_recording_that_is_played_live_gives_the_timelines_windows() {
    let samples = talk(7);
    let timeline = recognizer().timeline(&samples, RATE).unwrap();
    let config = LiveConfig { interval: 1.0, first: 3.0, ..LiveConfig::default() };
    let mut listener = Listener::new(recognizer(), RATE, config).unwrap();
    let mut readings = Vec::new();
    for piece in samples.chunks(1_000) {
        let keep = |reading| {
            readings.push(reading);
            Ok::<(), LiveError>(())
        };
        listener.push(piece, keep).unwrap();
    }
    readings.extend(listener.finish().unwrap());
    assert_eq!(readings.len(), timeline.windows.len());
    for (reading, window) in readings.iter().zip(&timeline.windows) {
        let label = |recognition: &Option<Recognition>| {
            recognition.as_ref().map(|recognition| recognition.label.clone())
        };
        assert_eq!((reading.seconds, label(&reading.recognition)), (window.end, label(&window.recognition)));
        // The windows of a file are classified in one batch, whose sums are rounded in another order.
        let recognition = reading.recognition.iter().zip(&window.recognition);
        for ((_, live), (_, file)) in
            recognition.flat_map(|(live, file)| live.probabilities.iter().zip(&file.probabilities))
        {
            assert!((live - file).abs() < 1e-5, "{live} for {file}");
        }
    }
}

#[test]
fn sound_without_speech_is_refused_with_what_it_is_like() {
    let refused = |samples: &[f32]| recognizer().recognize(samples, RATE).unwrap_err();
    for (samples, expected) in [
        (tone(5), "recording: sound must hold speech, got 5.0 s of tones or music"),
        (noise(5, 0.3), "recording: sound must hold speech, got 5.0 s of noise"),
        (noise(40, 0.3), "recording: sound must hold speech, got 40.0 s of noise"),
    ] {
        let error = refused(&samples);
        assert!(matches!(error, RecognizeError::NoSpeech { .. }), "{error}");
        assert_eq!(error.to_string(), expected);
    }
    for samples in [vec![0.0; 100_000], vec![0.0; 1_000_000]] {
        assert!(refused(&samples).to_string().contains("silent"));
    }
    assert!(refused(&sample()[..2_000]).to_string().contains("samples must be 5513 or more"));
    let mut broken = talk(8);
    broken[800_000] = f32::NAN;
    assert!(refused(&broken).to_string().contains("sample 800000"));
}

#[test]
fn other_sounds_are_answered_where_speech_is_not_asked_for() {
    let config = TimelineConfig { detect_speech: false, ..TimelineConfig::default() };
    let mut recognizer = recognizer().with_config(config).unwrap();
    assert_eq!(recognizer.timeline(&tone(5), RATE).unwrap().windows.len(), 3);
}

#[test]
fn noise_before_and_after_speech_belongs_to_no_mood() {
    let mut samples = noise(8, 0.05);
    samples.extend(talk(3));
    samples.extend(noise(8, 0.05));
    let timeline = recognizer().timeline(&samples, RATE).unwrap();
    let first = timeline.segments.first().unwrap();
    let last = timeline.segments.last().unwrap();
    assert!(first.recognition.is_none() && first.end > 6.0, "{first:?}");
    assert!(last.recognition.is_none() && timeline.seconds - last.start > 5.0, "{last:?}");
}

#[test]
fn quiet_recordings_are_heard_too() {
    let quiet: Vec<f32> = talk(8).iter().map(|x| x * 1e-3).collect();
    let (quiet, loud) = (recognizer().timeline(&quiet, RATE), recognizer().timeline(&talk(8), RATE));
    assert_eq!(quiet.unwrap().overall.label, loud.unwrap().overall.label);
}

#[test]
fn another_smoothing_needs_no_second_recognition() {
    let samples = talk(8);
    let with = |smoothing| {
        let config = TimelineConfig { smoothing, ..TimelineConfig::default() };
        recognizer().with_config(config).unwrap().timeline(&samples, RATE).unwrap()
    };
    assert_eq!(with(0.0).smoothed(2.5).unwrap(), with(2.5));
    assert!(with(0.0).smoothed(31.0).unwrap_err().to_string().contains("smoothing must be 0 to 30 s"));
}

#[test]
fn settings_out_of_range_are_refused_with_their_rule() {
    let default = TimelineConfig::default;
    for (config, expected) in [
        (TimelineConfig { hop: 0.0, ..default() }, "timeline: hop must be 0.05 to 60 s, got 0"),
        (TimelineConfig { smoothing: -1.0, ..default() }, "timeline: smoothing must be 0 to 30 s, got -1"),
        (
            TimelineConfig { silence_db: f32::NAN, ..default() },
            "timeline: silence_db must be finite, got NaN",
        ),
    ] {
        assert_eq!(recognizer().with_config(config).unwrap_err().to_string(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_sound_gives_segments_that_cover_it_or_an_error(
        levels in proptest::collection::vec((0usize..4, 0.0f32..1.0, 1usize..4), 1..5),
        rate in prop_oneof![Just(8_000u32), Just(22_050), Just(48_000)],
    ) {
        let mut samples = Vec::new();
        for (kind, level, seconds) in levels {
            samples.extend(match kind {
                0 => vec![0.0; seconds * RATE as usize],
                1 => noise(seconds, level),
                2 => tone(seconds),
                _ => sample(),
            });
        }
        if let Ok(timeline) = recognizer().timeline(&samples, rate) {
            let seconds = samples.len() as f64 / f64::from(rate);
            prop_assert!((timeline.seconds - seconds).abs() < 1e-9);
            prop_assert_eq!(timeline.segments[0].start, 0.0);
            prop_assert!((timeline.segments.last().unwrap().end - seconds).abs() < 1e-9);
            prop_assert!(timeline.segments.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert!(timeline.windows.iter().all(|w| w.recognition.is_some() == (w.speech > 0.0)));
        }
    }
}
