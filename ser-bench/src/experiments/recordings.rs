//! Long recordings with known boundaries, joined from clips, and how well a timeline finds them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use anyhow::{Context, ensure};
use rayon::prelude::*;
use ser_data::{Clip, LabelMap};
use ser_features::{Trim, TrimConfig};
use ser_models::{Generator, Recognizer, Timeline};

use super::Disturbance;

/// Range of the length of a recording in seconds.
const SECONDS: [f64; 2] = [120.0, 600.0];

/// Most clips of one mood that follow each other.
const LONGEST_STRETCH: usize = 6;

/// Range of the pauses between clips in seconds.
const PAUSE: [f64; 2] = [0.2, 2.5];

/// A recording with its true moods.
struct Joined {
    samples: Vec<f32>,
    sample_rate: u32,
    /// Stretches of speech with one mood: start, end in seconds, mood. There is no speech between them.
    truth: Vec<(f64, f64, &'static str)>,
}

/// Seconds before and after, over which timelines are smoothed to compare them.
const SMOOTHINGS: [f64; 4] = [0.0, 0.5, 1.0, 2.5];

/// Quality of a recording's timeline. All shares are 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Score {
    /// The share of the time with speech for which the timeline says the right mood.
    right: f64,
    /// The share of the time with speech for which it reports none.
    missed: f64,
    /// The share of the time without speech for which it says a mood.
    false_speech: f64,
    /// The median distance from a change of mood to the next change that the timeline tells, in seconds.
    boundary_seconds: f64,
    /// The share of the time with speech for which the answer of the first three seconds is right.
    right_by_first_seconds: f64,
}

/// Quality of timelines of long recordings, by disturbance and smoothing. Displayed as a Markdown table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordingScores {
    /// The disturbance, the smoothing in seconds, and a score for each recording.
    rows: Vec<(String, f64, Vec<Score>)>,
}

impl RecordingScores {
    /// Disturbances of recordings.
    pub const WAYS: [Disturbance; 3] =
        [Disturbance::None, Disturbance::Noise(20.0), Disturbance::Noise(10.0)];

    /// Joins the clips of each actor to a recording of two to ten minutes, in stretches of one mood with pauses between, and measures a
    /// recogniser of moods on it after a disturbance.
    ///
    /// # Errors
    /// If a clip cannot be read or the model fails.
    pub fn measure(
        &mut self,
        recognizer: impl Fn() -> anyhow::Result<Recognizer> + Sync,
        clips: &[&Clip],
        way: Disturbance,
        seed: u64,
    ) -> anyhow::Result<()> {
        let mut by_actor: BTreeMap<u64, Vec<&Clip>> = BTreeMap::new();
        for clip in clips {
            let actor =
                clip.speaker.as_deref().and_then(|speaker| speaker.strip_prefix("ravdess/")?.parse().ok());
            let actor = actor.with_context(|| {
                let given = clip.speaker.as_deref().unwrap_or("none");
                format!("{}: speaker must be an actor of RAVDESS, got {given}", clip.id)
            })?;
            by_actor.entry(actor).or_default().push(clip);
        }
        ensure!(!by_actor.is_empty(), "recordings: clips must be 1 or more, got 0");
        let actors: Vec<(u64, Vec<&Clip>)> = by_actor.into_iter().collect();
        let scores = actors.par_iter().map(|(actor, clips)| {
            let mut random = Generator::with_stream(seed, *actor);
            let joined = join(clips, &mut random)?;
            let disturbed = way.apply(&joined.samples, joined.sample_rate, seed)?;
            let (samples, rate) = disturbed.with_context(|| way.missing_program())?;
            let mut recognizer = recognizer()?;
            let length = (recognizer.window_seconds() * f64::from(rate)).round() as usize;
            let first = recognizer.recognize_window(first_seconds(&samples, length)?, rate)?;
            let mut timeline = recognizer.timeline(&samples, rate)?;
            let mut scores = Vec::new();
            for smoothing in SMOOTHINGS {
                timeline = timeline.smoothed(smoothing)?;
                scores.push(score(&timeline, &first.label, &joined.truth));
            }
            Ok(scores)
        });
        for scores in scores.collect::<anyhow::Result<Vec<_>>>()? {
            for (smoothing, score) in SMOOTHINGS.into_iter().zip(scores) {
                let is_here =
                    |row: &&mut (String, f64, Vec<Score>)| row.0 == way.name() && row.1 == smoothing;
                match self.rows.iter_mut().find(is_here) {
                    Some((_, _, scores)) => scores.push(score),
                    None => self.rows.push((way.name(), smoothing, vec![score])),
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for RecordingScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| recordings | smoothed over | time right | by the first 3 s | speech missed | false speech | boundary error |\n")?;
        f.write_str("| --- | --- | --- | --- | --- | --- | --- |\n")?;
        for (name, smoothing, scores) in &self.rows {
            let mean =
                |of: fn(&Score) -> f64| scores.iter().map(of).sum::<f64>() / scores.len().max(1) as f64;
            let percent = |of| format!("{:.1} %", 100.0 * mean(of));
            writeln!(
                f,
                "| {name} | {smoothing} s | {} | {} | {} | {} | {:.2} s |",
                percent(|score| score.right),
                percent(|score| score.right_by_first_seconds),
                percent(|score| score.missed),
                percent(|score| score.false_speech),
                mean(|score| score.boundary_seconds),
            )?;
        }
        Ok(())
    }
}

/// The first `length` samples after the silence at the start.
fn first_seconds(samples: &[f32], length: usize) -> anyhow::Result<&[f32]> {
    let spoken = Trim::new(TrimConfig { top_db: 30.0, ..TrimConfig::default() })?.trim(samples)?;
    Ok(&samples[spoken.start..samples.len().min(spoken.start + length)])
}

fn join(clips: &[&Clip], random: &mut Generator) -> anyhow::Result<Joined> {
    let mut of_mood: HashMap<&'static str, Vec<&Clip>> = HashMap::new();
    for clip in clips {
        let mood = LabelMap::bundled().mood_of(&clip.label);
        let mood =
            mood.with_context(|| format!("{}: label must have a mood, got {}", clip.id, clip.label))?;
        of_mood.entry(mood).or_default().push(clip);
    }
    let mut moods: Vec<&'static str> = of_mood.keys().copied().collect();
    moods.sort_unstable();
    let mut below = |n: usize| (random.uniform(0.0, n as f64) as usize).min(n.saturating_sub(1));
    let trim = Trim::new(TrimConfig { top_db: 30.0, ..TrimConfig::default() })?;
    let (mut samples, mut truth, mut sample_rate) = (Vec::new(), Vec::new(), 0);
    let seconds = SECONDS[0] + (SECONDS[1] - SECONDS[0]) * below(1_000) as f64 / 1_000.0;
    let mut last = "";
    loop {
        let others: Vec<&'static str> =
            moods.iter().copied().filter(|mood| *mood != last || moods.len() == 1).collect();
        let mood = others[below(others.len())];
        last = mood;
        for _ in 0..1 + below(LONGEST_STRETCH) {
            let of = &of_mood[mood];
            let audio = of[below(of.len())].read()?;
            sample_rate = audio.sample_rate;
            let at = samples.len() as f64 / f64::from(sample_rate);
            let clip = audio.to_mono()?;
            let spoken = trim.trim(&clip)?;
            let second = |sample: usize| at + sample as f64 / f64::from(sample_rate);
            truth.push((second(spoken.start), second(spoken.end), mood));
            samples.extend(clip);
            let pause = PAUSE[0] + (PAUSE[1] - PAUSE[0]) * below(1_000) as f64 / 1_000.0;
            samples.resize(samples.len() + (pause * f64::from(sample_rate)) as usize, 0.0);
        }
        if samples.len() as f64 / f64::from(sample_rate) > seconds {
            return Ok(Joined { samples, sample_rate, truth });
        }
    }
}

/// Compares a timeline with the truth every 50 ms.
fn score(timeline: &Timeline, first: &str, truth: &[(f64, f64, &'static str)]) -> Score {
    const STEP: f64 = 0.05;
    let mut score = Score::default();
    let (mut spoken, mut silent) = (0.0f64, 0.0f64);
    let mut at = STEP / 2.0;
    while at < timeline.seconds {
        let said = timeline
            .segments
            .iter()
            .find(|segment| at < segment.end)
            .and_then(|segment| segment.recognition.as_ref());
        match truth.iter().find(|(from, to, _)| (*from..*to).contains(&at)) {
            Some((_, _, mood)) => {
                spoken += 1.0;
                score.right +=
                    f64::from(u8::from(said.is_some_and(|recognition| recognition.label == *mood)));
                score.missed += f64::from(u8::from(said.is_none()));
                score.right_by_first_seconds += f64::from(u8::from(first == *mood));
            }
            None => {
                silent += 1.0;
                score.false_speech += f64::from(u8::from(said.is_some()));
            }
        }
        at += STEP;
    }
    score.right /= spoken.max(1.0);
    score.missed /= spoken.max(1.0);
    score.right_by_first_seconds /= spoken.max(1.0);
    score.false_speech /= silent.max(1.0);
    let found = changes(
        timeline
            .segments
            .iter()
            .filter_map(|s| Some((s.start, s.end, s.recognition.as_ref()?.label.as_str()))),
    );
    let mut distances: Vec<f64> = changes(truth.iter().copied())
        .into_iter()
        .map(|change| found.iter().map(|found| (found - change).abs()).fold(timeline.seconds, f64::min))
        .collect();
    distances.sort_by(f64::total_cmp);
    score.boundary_seconds = distances.get(distances.len() / 2).copied().unwrap_or(0.0);
    score
}

/// Times at which the mood changes: the middle between the end of one and the start of the next.
fn changes<'a>(stretches: impl Iterator<Item = (f64, f64, &'a str)>) -> Vec<f64> {
    let stretches: Vec<_> = stretches.collect();
    let pairs = stretches.windows(2).filter(|pair| pair[0].2 != pair[1].2);
    pairs.map(|pair| f64::midpoint(pair[0].1, pair[1].0)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn changes_lie_between_stretches_of_different_moods() {
        let stretches = [(0.0, 2.0, "Calm"), (3.0, 5.0, "Calm"), (6.0, 8.0, "Sad"), (8.0, 9.0, "Calm")];
        assert_eq!(changes(stretches.into_iter()), [5.5, 8.0]);
    }

    #[test]
    fn the_first_seconds_begin_with_sound_and_end_after_a_window() {
        let samples: Vec<f32> =
            (0..66_150 * 2).map(|n| if n < 22_050 { 0.0 } else { 0.3 * (n as f32 * 0.1).sin() }).collect();
        let first = first_seconds(&samples, 66_150).unwrap();
        let start = samples.windows(first.len()).position(|part| part == first).unwrap();
        assert!(first.len() == 66_150 && (20_000..=22_050).contains(&start), "{} from {start}", first.len());
        assert_eq!(first_seconds(&samples[22_050..30_000], 66_150).unwrap().len(), 7_950);
    }

    #[test]
    fn a_timeline_is_compared_with_the_truth() {
        let text = r#"{"label":"Calm","probabilities":[["Calm",1.0]],"confident":true}"#;
        let calm: ser_models::Recognition = serde_json::from_str(text).unwrap();
        let mut recognizer = Recognizer::from_bytes(ser_examples::assets::SMALL).unwrap();
        let samples: Vec<f32> = (0..220_500).map(|n| 0.3 * (n as f32 * 0.1).sin()).collect();
        let config = ser_models::TimelineConfig { detect_speech: false, ..Default::default() };
        recognizer = recognizer.with_config(config).unwrap();
        let mut timeline = recognizer.timeline(&samples, 22_050).unwrap();
        timeline.segments = vec![
            ser_models::Segment { start: 0.0, end: 6.0, recognition: Some(calm) },
            ser_models::Segment { start: 6.0, end: 10.0, recognition: None },
        ];
        let truth = [(0.0, 4.0, "Calm"), (5.0, 8.0, "Sad")];
        let score = score(&timeline, "Sad", &truth);
        assert!(
            (score.right - 4.0 / 7.0).abs() < 0.01 && (score.missed - 2.0 / 7.0).abs() < 0.01,
            "{score:?}"
        );
        assert!((score.false_speech - 1.0 / 3.0).abs() < 0.01, "{score:?}");
        assert!((score.right_by_first_seconds - 3.0 / 7.0).abs() < 0.01, "{score:?}");
    }
}
