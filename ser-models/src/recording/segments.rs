//! Segments of one mood, from the answers of overlapping windows and the levels of frames.
//!
//! Time is divided into cells of a quarter of a second. Levels decide which cells have sound, and the windows around a cell decide its
//! mood. Adjacent cells of one mood are a segment.

use super::Recognition;
use super::activity::SILENT_DB;
use super::parts::{Segment, TimelineConfig, TimelineWindow};

/// Length of a cell in seconds.
const CELL: f64 = 0.25;

/// Pauses of at most this many cells, such as stops and breaths, belong to the speech around them.
const SHORTEST_PAUSE: usize = 2;

/// Shortest segment of a mood between others, in seconds.
const SHORTEST_MOOD: f64 = 1.0;

/// Sound that lies this far above the noise floor, in dB, is distinguished from it.
const ABOVE_FLOOR_DB: f32 = 6.0;

/// The noise threshold is at least this far below the loudest frames, in dB, so that a steady voice is not taken for noise.
const BELOW_PEAK_DB: f32 = 10.0;

/// Frames this far below the loudest frames around them, in dB, are silent even if these are quiet.
const QUIET_DB: f32 = 28.0;

/// Cells before and after a cell from which its noise floor is estimated: five seconds on each side.
const FLOOR_CELLS: usize = 20;

/// Returns the segments of a recording, which cover it from 0 to `seconds`.
pub(super) fn segments(
    config: &TimelineConfig,
    windows: &[TimelineWindow],
    levels: &[f32],
    frame_seconds: f64,
    seconds: f64,
    confidence: f64,
) -> Vec<Segment> {
    let count = ((seconds / CELL).ceil() as usize).max(1);
    let sounding = sounding_cells(levels, frame_seconds, config.silence_db, count);
    // A recording that was recognised as one window may be too short or too quiet for levels.
    let sounding = if sounding.contains(&true) { sounding } else { vec![true; count] };
    let mut answers = answers_of_cells(windows, &sounding, count, confidence);
    smooth(&mut answers, (config.smoothing / CELL).round() as usize, confidence);
    let cells = answers.into_iter().enumerate().map(|(cell, recognition)| {
        let (start, end) = (cell as f64 * CELL, ((cell + 1) as f64 * CELL).min(seconds));
        Stretch { segment: Segment { start, end, recognition }, weight: 1.0 }
    });
    let mut stretches = cells.collect();
    join_equal(&mut stretches, confidence);
    without_scraps(stretches, confidence).into_iter().map(|stretch| stretch.segment).collect()
}

/// A segment under construction.
#[derive(Debug, Clone, PartialEq)]
struct Stretch {
    segment: Segment,
    /// Number of cells over which the recognition is averaged.
    weight: f64,
}

/// Merges adjacent stretches of one mood into one with the mean of their answers.
fn join_equal(stretches: &mut Vec<Stretch>, confidence: f64) {
    stretches.dedup_by(|next, before| {
        let (last, new) = (&mut before.segment, &next.segment);
        if label(&last.recognition) != label(&new.recognition) {
            return false;
        }
        last.end = new.end;
        if let (Some(mean), Some(answer)) = (&last.recognition, &new.recognition) {
            last.recognition = Recognition::mean([(before.weight, mean), (next.weight, answer)], confidence);
        }
        before.weight += next.weight;
        true
    });
}

/// Merges stretches of a mood that are shorter than [`SHORTEST_MOOD`] into the longer of their neighbours with speech, whose answer is
/// kept.
fn without_scraps(mut stretches: Vec<Stretch>, confidence: f64) -> Vec<Stretch> {
    let length = |stretch: &Stretch| stretch.segment.end - stretch.segment.start;
    let spoken = |stretch: &Stretch| stretch.segment.recognition.is_some();
    let mut at = 0;
    while at < stretches.len() {
        let scrap = spoken(&stretches[at]) && length(&stretches[at]) < SHORTEST_MOOD;
        let around = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        let longest = around
            .filter(|&other| stretches.get(other).is_some_and(spoken))
            .max_by(|&a, &b| length(&stretches[a]).total_cmp(&length(&stretches[b])));
        let Some(other) = longest.filter(|_| scrap) else {
            at += 1;
            continue;
        };
        let gone = stretches.remove(at).segment;
        let other = if other > at { other - 1 } else { other };
        let kept = &mut stretches[other].segment;
        kept.start = kept.start.min(gone.start);
        kept.end = kept.end.max(gone.end);
        at = other.saturating_sub(1);
        join_equal(&mut stretches, confidence);
    }
    stretches
}

fn label(recognition: &Option<Recognition>) -> Option<&str> {
    recognition.as_ref().map(|answer| answer.label.as_str())
}

/// Returns which cells have sound: frames that are above the noise around them and not silent.
fn sounding_cells(levels: &[f32], frame_seconds: f64, silence_db: f32, count: usize) -> Vec<bool> {
    let mut cells: Vec<Vec<f32>> = vec![Vec::new(); count];
    for (frame, level) in levels.iter().enumerate() {
        let cell = (frame as f64 * frame_seconds / CELL) as usize;
        cells[cell.min(count - 1)].push(*level);
    }
    let Some((_, everywhere)) = peak_and_noise(&mut levels.to_vec()) else { return vec![false; count] };
    let mut around: Vec<f32> = Vec::new();
    let mut sounding: Vec<bool> = (0..count)
        .map(|cell| {
            let near = cell.saturating_sub(FLOOR_CELLS)..(cell + FLOOR_CELLS + 1).min(count);
            around.clear();
            cells[near].iter().for_each(|levels| around.extend(levels));
            let Some((peak, noise)) = peak_and_noise(&mut around) else { return false };
            // A quiet voice is below `silence_db` for half of the time. The threshold stays at or above the recording's noise level.
            let silence = silence_db.min((peak - QUIET_DB).max(SILENT_DB).max(everywhere));
            let threshold = silence.max(noise);
            let above = cells[cell].iter().filter(|level| **level >= threshold).count();
            // Among quiet frames half must be above the threshold, or breath and room noise would count.
            let least = if silence < silence_db { 2 } else { 3 };
            least * above >= cells[cell].len().max(1)
        })
        .collect();
    fill_pauses(&mut sounding);
    sounding
}

/// Returns the level of the loudest frames, and the level from which sound is distinguished from noise.
fn peak_and_noise(levels: &mut [f32]) -> Option<(f32, f32)> {
    levels.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| levels.get((levels.len() as f64 * share) as usize).copied();
    let (floor, peak) = (at(0.1)?, at(0.98)?);
    Some((peak, (floor + ABOVE_FLOOR_DB).min(peak - BELOW_PEAK_DB)))
}

/// Fills short pauses between sounding cells.
fn fill_pauses(sounding: &mut [bool]) {
    let mut last = None;
    for cell in 0..sounding.len() {
        if sounding[cell] {
            if let Some(last) = last.filter(|last| cell - last - 1 <= SHORTEST_PAUSE) {
                sounding[last + 1..cell].fill(true);
            }
            last = Some(cell);
        }
    }
}

/// Returns the answer of each sounding cell: the mean of the windows around it, with more weight for those whose centre is nearer. A cell
/// has no answer if the windows without speech outweigh the others. A cell between windows takes the answer of the nearest one.
fn answers_of_cells(
    windows: &[TimelineWindow],
    sounding: &[bool],
    count: usize,
    confidence: f64,
) -> Vec<Option<Recognition>> {
    let mut first = 0;
    (0..count)
        .map(|cell| {
            let middle = (cell as f64 + 0.5) * CELL;
            // Windows are in order, so those that end before this cell are not needed for later cells.
            while windows.get(first).is_some_and(|window| window.end < middle) {
                first += 1;
            }
            if !sounding[cell] {
                return None;
            }
            let around = windows[first..].iter().take_while(|window| window.start <= middle);
            let mut around: Vec<&TimelineWindow> = around.filter(|window| window.end >= middle).collect();
            if around.is_empty() {
                let before = first.checked_sub(1).and_then(|last| windows.get(last));
                let nearest = before.into_iter().chain(windows.get(first));
                let away = |window: &TimelineWindow| (window.start - middle).max(middle - window.end);
                around.extend(nearest.min_by(|a, b| away(a).total_cmp(&away(b))));
            }
            let (mut with, mut without, mut answers) = (0.0, 0.0, Vec::new());
            for window in around {
                let half = ((window.end - window.start) / 2.0).max(CELL);
                let distance = (middle - (window.start + window.end) / 2.0).abs();
                let weight = (1.0 - distance / half).max(0.0) + 0.05;
                match &window.recognition {
                    Some(answer) => {
                        with += weight;
                        answers.push((weight, answer));
                    }
                    None => without += weight,
                }
            }
            if with < without { None } else { Recognition::mean(answers, confidence) }
        })
        .collect()
}

/// Averages each answer with its neighbours, up to `reach` cells away or to the next cell without speech.
fn smooth(answers: &mut Vec<Option<Recognition>>, reach: usize, confidence: f64) {
    if reach == 0 {
        return;
    }
    let smoothed = (0..answers.len()).map(|cell| {
        answers[cell].as_ref()?;
        let before = answers[..cell].iter().rev().take(reach).map_while(Option::as_ref);
        let from_here = answers[cell..].iter().take(reach + 1).map_while(Option::as_ref);
        Recognition::mean(before.chain(from_here).map(|answer| (1.0, answer)), confidence)
    });
    *answers = smoothed.collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(calm: f32) -> Recognition {
        Recognition::new(vec![("Calm".to_owned(), calm), ("Sad".to_owned(), 1.0 - calm)], 0.7)
    }

    /// Windows of 3 s every second, each with the answer for its middle.
    fn windows(seconds: usize, recognition: impl Fn(f64) -> Option<Recognition>) -> Vec<TimelineWindow> {
        (0..=seconds - 3)
            .map(|start| {
                let start = start as f64;
                TimelineWindow { start, end: start + 3.0, speech: 2.0, recognition: recognition(start + 1.5) }
            })
            .collect()
    }

    fn found(windows: &[TimelineWindow], levels: &[f32], smoothing: f64) -> Vec<(f64, f64, String)> {
        let config = TimelineConfig { smoothing, ..TimelineConfig::default() };
        let seconds = levels.len() as f64 * 0.02;
        let segments = segments(&config, windows, levels, 0.02, seconds, 0.7);
        let name =
            |recognition: Option<Recognition>| recognition.map_or("none".to_owned(), |answer| answer.label);
        segments.into_iter().map(|s| (s.start, s.end, name(s.recognition))).collect()
    }

    /// Levels of speech every 20 ms, with pauses between the syllables.
    fn speech(seconds: usize, floor: f32) -> Vec<f32> {
        (0..seconds * 50).map(|frame| if frame % 10 < 7 { -20.0 } else { floor }).collect()
    }

    #[test]
    fn one_mood_is_one_segment_and_two_meet_where_they_change() {
        let calm = windows(12, |_| Some(answer(0.9)));
        assert_eq!(found(&calm, &speech(12, -80.0), 1.0), [(0.0, 12.0, "Calm".into())]);
        let change = windows(20, |middle| Some(answer(if middle < 10.0 { 0.9 } else { 0.1 })));
        let segments = found(&change, &speech(20, -80.0), 1.0);
        assert_eq!(segments.len(), 2, "{segments:?}");
        assert!((segments[0].1 - 10.0).abs() <= 0.5 && segments[1].1 == 20.0, "{segments:?}");
    }

    #[test]
    fn silence_and_noise_between_sentences_belong_to_no_mood() {
        for floor in [-90.0, -34.0] {
            let mut levels = speech(6, floor);
            levels.extend([floor; 200]);
            levels.extend(speech(6, floor));
            let segments = found(&windows(16, |_| Some(answer(0.9))), &levels, 1.0);
            let labels: Vec<&str> = segments.iter().map(|segment| segment.2.as_str()).collect();
            assert_eq!(labels, ["Calm", "none", "Calm"], "{floor} dB");
            assert!(
                (segments[1].0 - 6.0).abs() <= 0.5 && (segments[1].1 - 10.0).abs() <= 0.5,
                "{segments:?}"
            );
        }
    }

    #[test]
    fn a_quiet_voice_between_loud_ones_is_heard() {
        let shifted = |by: f32| speech(10, -60.0).into_iter().map(move |level| (level + by).max(-90.0));
        // This is longer than the time from which a noise floor is estimated.
        let pause = || std::iter::repeat_n(-90.0, 300);
        // The syllables peak at −45 dB, and most frames are below −50 dB.
        let quiet = (0..500).map(|frame| [-45.0, -53.0, -58.0, -64.0, -90.0][frame / 4 % 5]);
        let levels: Vec<f32> =
            shifted(0.0).chain(pause()).chain(quiet).chain(pause()).chain(shifted(0.0)).collect();
        let segments = found(&windows(42, |_| Some(answer(0.9))), &levels, 1.0);
        let labels: Vec<&str> = segments.iter().map(|segment| segment.2.as_str()).collect();
        assert_eq!(labels, ["Calm", "none", "Calm", "none", "Calm"], "{segments:?}");
    }

    #[test]
    fn a_steady_voice_is_no_noise_floor() {
        let segments = found(&windows(5, |_| Some(answer(0.9))), &[-20.0; 250], 1.0);
        assert_eq!(segments, [(0.0, 5.0, "Calm".into())]);
    }

    #[test]
    fn windows_without_speech_leave_none() {
        let music_first = windows(20, |middle| (middle > 10.0).then(|| answer(0.9)));
        let segments = found(&music_first, &speech(20, -80.0), 1.0);
        assert_eq!(segments.len(), 2, "{segments:?}");
        assert!((segments[0].1 - 10.0).abs() <= 0.75 && segments[0].2 == "none", "{segments:?}");
    }

    #[test]
    fn smoothing_removes_a_single_window_that_differs() {
        let odd = windows(20, |middle| Some(answer(if middle == 10.5 { 0.3 } else { 0.75 })));
        let narrow = |window: &TimelineWindow| TimelineWindow {
            start: window.start + 1.0,
            end: window.end - 1.0,
            ..window.clone()
        };
        let odd: Vec<TimelineWindow> = odd.iter().map(narrow).collect();
        assert_eq!(found(&odd, &speech(20, -80.0), 0.0).iter().filter(|s| s.2 == "Sad").count(), 1);
        assert!(found(&odd, &speech(20, -80.0), 2.0).iter().all(|segment| segment.2 != "Sad"));
    }

    #[test]
    fn scraps_of_a_mood_join_their_longer_neighbour() {
        let segment = |start, end, calm: f32| Segment { start, end, recognition: Some(answer(calm)) };
        let silence = |start, end| Segment { start, end, recognition: None };
        let joined = |segments: Vec<Segment>| -> Vec<Segment> {
            let stretch = |segment: Segment| Stretch { weight: segment.end - segment.start, segment };
            let stretches = without_scraps(segments.into_iter().map(stretch).collect(), 0.7);
            stretches.into_iter().map(|stretch| stretch.segment).collect()
        };
        assert_eq!(
            joined(vec![segment(0.0, 0.5, 0.1), segment(0.5, 4.0, 0.9), segment(4.0, 4.5, 0.1)]),
            [segment(0.0, 4.5, 0.9)]
        );
        // Two stretches meet where a short one was. Both answers are averaged, weighted by the length of their stretches.
        for (middle, first, last) in [(4.0, 0.875, 0.625), (2.0, 0.5625, 1.0)] {
            let scrap = segment(middle, middle + 0.5, 0.1);
            let whole = joined(vec![segment(0.0, middle, first), scrap, segment(middle + 0.5, 6.5, last)]);
            let share = f64::from(first) * middle / 6.0 + f64::from(last) * (6.0 - middle) / 6.0;
            assert_eq!((whole.len(), whole[0].start, whole[0].end), (1, 0.0, 6.5));
            let Recognition { probabilities, .. } = whole[0].recognition.as_ref().unwrap();
            assert!((f64::from(probabilities[0].1) - share).abs() < 1e-6, "{probabilities:?} for {share}");
        }
        let alone = vec![silence(0.0, 1.0), segment(1.0, 1.5, 0.9), silence(1.5, 3.0)];
        assert_eq!(joined(alone.clone()), alone);
    }

    #[test]
    fn speech_between_windows_has_the_mood_of_the_nearest() {
        let apart = |start: f64, calm| TimelineWindow {
            start,
            end: start + 3.0,
            speech: 2.0,
            recognition: Some(answer(calm)),
        };
        let segments = found(&[apart(0.0, 0.9), apart(10.0, 0.1)], &speech(20, -80.0), 0.0);
        assert_eq!(segments, [(0.0, 6.5, "Calm".into()), (6.5, 20.0, "Sad".into())]);
    }

    #[test]
    fn segments_cover_the_recording_without_a_gap() {
        let segments =
            found(&windows(7, |m| Some(answer(if m > 3.0 { 0.9 } else { 0.2 }))), &speech(7, -80.0), 0.5);
        assert_eq!((segments[0].0, segments[segments.len() - 1].1), (0.0, 7.0));
        assert!(segments.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].2 != pair[1].2));
    }
}
