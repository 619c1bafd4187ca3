//! Against librosa 0.11.0: what works on samples alone, and resampling.

use std::f32::consts::PI;

use crate::support::{Golden, Report, columns, difference_below, largest_error, signals};
use ndarray::Axis;
use ser_features::{Resampler, Rms, RmsConfig, Stft, StftConfig, StreamingResampler, Trim, TrimConfig};

#[test]
fn rms_equals_librosa() {
    let golden = Golden::open("spectral");
    let mut report = Report::new("rms", 1e-6);
    let rms = Rms::new(RmsConfig::default()).unwrap();
    let mut stft = Stft::new(StftConfig::default()).unwrap();
    for signal in signals() {
        let frames = golden.indices(&format!("{}/frames", signal.name));
        let magnitude = stft.process(&signal.samples).unwrap().mapv(|x| x.norm());
        for (name, got) in [
            ("rms", rms.process(&signal.samples).unwrap()),
            ("rms_from_magnitude", rms.process_magnitude(magnitude.view()).unwrap()),
        ] {
            let got = columns(got.insert_axis(Axis(0)).view(), &frames);
            report.add(&signal.name, largest_error(&got, &golden.matrix(&format!("{}/{name}", signal.name))));
        }
    }
    report.finish(30);
}

#[test]
fn trim_and_split_find_the_intervals_that_librosa_finds() {
    let golden = Golden::open("spectral");
    let mut cut = 0;
    for signal in signals() {
        for top_db in [60, 30] {
            let trim = Trim::new(TrimConfig { top_db: top_db as f32, ..Default::default() }).unwrap();
            let kept = trim.trim(&signal.samples).unwrap();
            let want = golden.indices(&format!("{}/trim_{top_db}", signal.name));
            assert_eq!([kept.start, kept.end], want[..], "{} at {top_db} dB", signal.name);
            cut += usize::from(kept.len() < signal.samples.len());

            let parts = trim.split(&signal.samples).unwrap();
            let got: Vec<usize> = parts.iter().flat_map(|part| [part.start, part.end]).collect();
            assert_eq!(got, golden.indices(&format!("{}/split_{top_db}", signal.name)), "{}", signal.name);
        }
    }
    assert!(cut > 3, "only {cut} signals had silence to trim");
}

#[test]
fn resampling_equals_soxr_at_all_frequencies() {
    let golden = Golden::open("resample");
    let mut report = Report::new("resampling, dB", -110.0);
    for pair in golden.groups() {
        let (from, to) = pair.split_once('_').unwrap();
        let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        let (input, want) =
            (golden.vector(&format!("{pair}/input")), golden.vector(&format!("{pair}/output")));
        let got = Resampler::new(from, to).unwrap().process(&input).unwrap();
        assert_eq!(got.len(), want.len(), "{pair}");
        report.add(&pair, difference_below(1.0, &got, &want));
    }
    report.finish(16);
}

#[test]
fn any_ratio_equals_soxr_within_both_pass_bands() {
    let golden = Golden::open("resample");
    let mut report = Report::new("resampling by any ratio, dB", -63.0);
    for pair in golden.groups() {
        let (from, to) = pair.split_once('_').unwrap();
        let (from, to): (f64, f64) = (from.parse().unwrap(), to.parse().unwrap());
        let (input, want) =
            (golden.vector(&format!("{pair}/input")), golden.vector(&format!("{pair}/output")));
        let got = Resampler::with_ratio(to / from).unwrap().process(&input).unwrap();
        assert_eq!(got.len(), want.len(), "{pair}");
        // soxr cuts off a part of the first two milliseconds, so both fade in behind them; librosa fills up with a zero where soxr gives a
        // sample less.
        let silent = got.len() as f32 / 60.0;
        let faded = |samples: &[f32]| -> Vec<f32> {
            let gain = |n: usize| 0.5 - 0.5 * (PI * (n as f32 / silent - 1.0).clamp(0.0, 1.0)).cos();
            samples[..samples.len() - 1].iter().enumerate().map(|(n, x)| x * gain(n)).collect()
        };
        report.add(&pair, difference_below(0.85 * from.min(to) / to, &faded(&got), &faded(&want)));
    }
    report.finish(16);
}

#[test]
fn a_resampled_stream_is_the_resampled_signal() {
    let golden = Golden::open("resample");
    for pair in golden.groups() {
        let (from, to) = pair.split_once('_').unwrap();
        let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        let input = golden.vector(&format!("{pair}/input"));
        let whole = Resampler::new(from, to).unwrap().process(&input).unwrap();
        let mut plan = StreamingResampler::new(from, to).unwrap();
        let mut streamed = |lengths: &[usize]| {
            let (mut out, mut rest) = (Vec::new(), &input[..]);
            for length in lengths.iter().cycle() {
                let (piece, after) = rest.split_at((*length).min(rest.len()));
                out.extend_from_slice(plan.push(piece).unwrap());
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            out.extend_from_slice(plan.finish().unwrap());
            out
        };
        let stream = streamed(&[from as usize / 100]);
        assert_eq!(stream.len(), whole.len(), "{pair}");
        let level = difference_below(1.0, &stream, &whole);
        println!("{pair:<16} {level:7.1} dB");
        assert!(level < -120.0, "{pair}: {level} dB");
        assert!(streamed(&[usize::MAX]) == stream && streamed(&[1, 700, 0, 13]) == stream, "{pair}");
    }
}
