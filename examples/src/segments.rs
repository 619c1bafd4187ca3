//! Formats moods and timelines as words and colours for a terminal.

use ser_models::{Recognition, Segment};

use crate::palette::Look;

/// Formats a time as `M:SS`, or as `H:MM:SS` from one hour on.
pub fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Formats a recognition as `happy 78 %`, or as `not sure: happy 43 %, sad 26 %` if it is not confident.
pub fn in_words(recognition: &Recognition) -> String {
    let name = |(label, p): &(String, f32)| format!("{} {:.0} %", label.to_lowercase(), p * 100.0);
    match recognition.likeliest() {
        (first, Some(second)) if !recognition.confident => {
            format!("not sure: {}, {}", name(first), name(second))
        }
        (first, _) => name(first),
    }
}

/// Longest pause in seconds between two stretches of one mood that are joined.
const PAUSE_SECONDS: f64 = 5.0;

/// Formats a timeline as `0:00–0:14 calm, 0:14–0:30 happy`. Leaves out stretches without speech, and short pauses within a mood.
pub fn line(segments: &[Segment]) -> String {
    let mut stretches: Vec<(f64, f64, &str)> = Vec::new();
    for segment in segments {
        let Some(recognition) = &segment.recognition else { continue };
        match stretches.last_mut() {
            Some((_, end, label)) if *label == recognition.label && segment.start - *end <= PAUSE_SECONDS => {
                *end = segment.end;
            }
            _ => stretches.push((segment.start, segment.end, &recognition.label)),
        }
    }
    let words = stretches
        .iter()
        .map(|(start, end, label)| format!("{}–{} {}", clock(*start), clock(*end), label.to_lowercase()));
    words.collect::<Vec<_>>().join(", ")
}

/// Draws a timeline as `width` cells. A cell is the first letter of the mood, on the mood's colour if `colors` is set, or a dot where there
/// is no speech.
pub fn cells(segments: &[Segment], seconds: f64, width: usize, colors: bool) -> String {
    let at = |cell: usize| {
        let middle = (cell as f64 + 0.5) / width as f64 * seconds;
        segments.iter().find(|segment| middle < segment.end).and_then(|segment| segment.recognition.as_ref())
    };
    let cell = |recognition: Option<&Recognition>| {
        let Some(recognition) = recognition else { return "·".to_owned() };
        let letter = recognition.label.chars().next().unwrap_or('?').to_string();
        match Look::of(&recognition.label) {
            Some(look) if colors => look.badge().apply_to(letter).to_string(),
            _ => letter,
        }
    };
    (0..width).map(|n| cell(at(n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(label: &str, confident: bool) -> Option<Recognition> {
        let probabilities = vec![(label.to_owned(), 0.6), ("Sad".to_owned(), 0.4)];
        Some(Recognition { label: label.to_owned(), probabilities, confident })
    }

    fn segments() -> Vec<Segment> {
        vec![
            Segment { start: 0.0, end: 14.0, recognition: answer("Calm", true) },
            Segment { start: 14.0, end: 16.0, recognition: None },
            Segment { start: 16.0, end: 20.0, recognition: answer("Happy", false) },
        ]
    }

    #[test]
    fn times_are_as_on_a_clock() {
        assert_eq!(
            [clock(4.3), clock(59.6), clock(754.0), clock(3_725.0)],
            ["0:04", "1:00", "12:34", "1:02:05"]
        );
    }

    #[test]
    fn an_answer_that_is_not_sure_names_two() {
        assert_eq!(in_words(&answer("Calm", true).unwrap_or_else(|| unreachable!())), "calm 60 %");
        assert_eq!(
            in_words(&answer("Calm", false).unwrap_or_else(|| unreachable!())),
            "not sure: calm 60 %, sad 40 %"
        );
    }

    #[test]
    fn short_pauses_within_a_mood_are_not_told() {
        let segment = |start, end, label: Option<&str>| Segment {
            start,
            end,
            recognition: label.and_then(|label| answer(label, true)),
        };
        let calm =
            [(0.0, 3.0), (4.0, 9.0), (15.0, 16.0)].map(|(start, end)| segment(start, end, Some("Calm")));
        let segments = [&calm[..], &[segment(16.0, 17.0, None), segment(17.0, 20.0, Some("Happy"))]].concat();
        assert_eq!(line(&segments), "0:00–0:09 calm, 0:15–0:16 calm, 0:17–0:20 happy");
    }

    #[test]
    fn a_timeline_is_a_line() {
        assert_eq!(line(&segments()), "0:00–0:14 calm, 0:16–0:20 happy");
        assert_eq!(cells(&segments(), 20.0, 10, false), "CCCCCCC·HH");
        let colored = cells(&segments(), 20.0, 10, true);
        assert!(colored.contains("\u{1b}[48;5;30mC") && colored.contains("\u{1b}[48;5;136mH"), "{colored:?}");
    }
}
