//! Against librosa 0.11.0: features with one value a frame, and pre-emphasis.

use crate::support::{Golden, Report, Signal, signals};
use ndarray::{Array1, Array2};
use ser_features::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, Precision, Preemphasis, PreemphasisConfig,
    RolloffConfig, SpectralBandwidth, SpectralCentroid, SpectralFlatness, SpectralRolloff, Spectrogram,
    Spectrum, StftConfig, Yin, YinConfig, ZeroCrossingConfig, ZeroCrossingRate,
};

/// librosa's default transform, calculated as librosa does or in `f32`.
fn transform(precision: Precision) -> StftConfig {
    StftConfig { precision, ..Default::default() }
}

fn spectrogram(signal: &Signal, spectrum: Spectrum) -> Array2<f32> {
    Spectrogram::new(transform(Precision::Double), spectrum).unwrap().process(&signal.samples).unwrap()
}

/// Ours and librosa's values of the stored frames of one signal; `None` where librosa refuses it.
fn pairs(golden: &Golden, signal: &Signal, feature: &str, got: &Array1<f32>) -> Option<Vec<(f64, f64)>> {
    let name = format!("{}/{feature}", signal.name);
    if !golden.has(&name) {
        return None;
    }
    let own_frames = format!("{name}_frames");
    let frames = if golden.has(&own_frames) {
        assert_eq!(got.len(), golden.indices(&format!("{name}_n_frames"))[0], "{name}");
        golden.indices(&own_frames)
    } else {
        golden.indices(&format!("{}/frames", signal.name))
    };
    let want = golden.vector(&name);
    assert_eq!(want.len(), frames.len(), "{name}");
    Some(frames.iter().zip(want).map(|(&t, want)| (f64::from(got[t]), f64::from(want))).collect())
}

/// Compares a feature of all signals; an error is in parts of what `scale` gives for librosa's value.
fn compare(
    feature: &'static str,
    tolerance: f64,
    compute: impl Fn(&Signal) -> Array1<f32>,
    scale: impl Fn(&Signal, f64) -> f64,
) {
    let golden = Golden::open("descriptors");
    let mut report = Report::new(feature, tolerance);
    for signal in signals() {
        let pairs = pairs(&golden, &signal, feature, &compute(&signal)).unwrap();
        let error = |(got, want): (f64, f64)| (got - want).abs() / scale(&signal, want);
        report.add(&signal.name, pairs.into_iter().map(error).fold(0.0, f64::max));
    }
    report.finish(15);
}

fn nyquist(signal: &Signal, _: f64) -> f64 {
    f64::from(signal.sample_rate) / 2.0
}

fn one(_: &Signal, _: f64) -> f64 {
    1.0
}

#[test]
fn spectral_centroid_equals_librosa() {
    let plan = |s: &Signal, precision| {
        let config = CentroidConfig { sample_rate: s.sample_rate, stft: transform(precision) };
        SpectralCentroid::new(config).unwrap()
    };
    for precision in [Precision::Double, Precision::Single] {
        // Of a sine, the noise of an f32 transform at all other frequencies moves it by 6e-7.
        let tolerance = if precision == Precision::Double { 1e-6 } else { 5e-6 };
        compare("centroid", tolerance, |s| plan(s, precision).process(&s.samples).unwrap(), nyquist);
    }
    let of_power = |s: &Signal| {
        plan(s, Precision::Double).process_magnitude(spectrogram(s, Spectrum::Power).view()).unwrap()
    };
    compare("centroid_of_power", 1e-6, of_power, nyquist);
}

#[test]
fn spectral_bandwidth_equals_librosa() {
    let config = |s: &Signal, precision| BandwidthConfig {
        sample_rate: s.sample_rate,
        stft: transform(precision),
        ..Default::default()
    };
    let plan = |config| SpectralBandwidth::new(config).unwrap();
    for precision in [Precision::Double, Precision::Single] {
        // Noise far from a sine's frequency counts with its distance squared: that of an f32 transform widens it by 2e-4.
        let tolerance = if precision == Precision::Double { 1e-6 } else { 1e-3 };
        let compute = |s: &Signal| plan(config(s, precision)).process(&s.samples).unwrap();
        compare("bandwidth", tolerance, compute, nyquist);
    }
    let other = |s: &Signal| {
        let magnitude = spectrogram(s, Spectrum::Magnitude);
        let config = BandwidthConfig { p: 1.5, norm: false, ..config(s, Precision::Double) };
        plan(config).process_magnitude(magnitude.view()).unwrap()
    };
    // Without the norm it goes with the magnitudes, from 0 to millions.
    compare("bandwidth_p_not_normalised", 1e-6, other, |_, want| want.abs().max(1.0));
}

#[test]
fn spectral_rolloff_equals_librosa() {
    let plan = |s: &Signal, roll_percent, precision| {
        let config = RolloffConfig { sample_rate: s.sample_rate, stft: transform(precision), roll_percent };
        SpectralRolloff::new(config).unwrap()
    };
    for precision in [Precision::Double, Precision::Single] {
        // It is a bin's frequency: another bin would be off by 1e-3 of the Nyquist frequency.
        compare("rolloff", 1e-7, |s| plan(s, 0.85, precision).process(&s.samples).unwrap(), nyquist);
    }
    let half = |s: &Signal| {
        let magnitude = spectrogram(s, Spectrum::Magnitude);
        plan(s, 0.5, Precision::Double).process_magnitude(magnitude.view()).unwrap()
    };
    compare("rolloff_half", 1e-7, half, nyquist);
}

#[test]
fn spectral_flatness_equals_librosa() {
    let plan = |precision| FlatnessConfig { stft: transform(precision), ..Default::default() };
    let compute = |config: FlatnessConfig, s: &Signal| {
        SpectralFlatness::new(config).unwrap().process(&s.samples).unwrap()
    };
    // librosa takes logarithms, about −23 for silence, and their mean in f32.
    compare("flatness", 2e-5, |s| compute(plan(Precision::Double), s), |_, want| want);
    // Between the bins of pure tones, an f32 transform leaves noise of its own, which counts where the rest is fainter.
    let scale = |_: &Signal, want: f64| if want > 1e-6 { want } else { 200.0 * want };
    compare("flatness", 5e-5, |s| compute(plan(Precision::Single), s), scale);
    let of_magnitude = |s: &Signal| {
        let config = FlatnessConfig { power: 1.0, amin: 1e-6, ..plan(Precision::Double) };
        let magnitude = spectrogram(s, Spectrum::Magnitude);
        SpectralFlatness::new(config).unwrap().process_magnitude(magnitude.view()).unwrap()
    };
    compare("flatness_of_magnitude", 2e-5, of_magnitude, |_, want| want);
}

#[test]
fn zero_crossing_rate_equals_librosa() {
    let plan = |config| ZeroCrossingRate::new(config).unwrap();
    // A count divided by 2,048: another count would be off by 5e-4.
    let rate = |s: &Signal| plan(ZeroCrossingConfig::default()).process(&s.samples).unwrap();
    compare("zero_crossing_rate", 1e-7, rate, one);

    let golden = Golden::open("descriptors");
    let mut report = Report::new("zero crossings, 0 apart", 1e-7);
    let config = ZeroCrossingConfig {
        frame_length: 501,
        hop_length: 160,
        center: false,
        threshold: 1e-3,
        zero_pos: false,
    };
    for signal in signals() {
        let got = match plan(config.clone()).process(&signal.samples) {
            Ok(got) => got,
            Err(error) => {
                assert!(signal.samples.len() < 501, "{}: {error}", signal.name);
                continue;
            }
        };
        let pairs = pairs(&golden, &signal, "zero_crossing_rate_zero_apart", &got).unwrap();
        report.add(&signal.name, pairs.iter().map(|(got, want)| (got - want).abs()).fold(0.0, f64::max));
    }
    report.finish(14);
}

#[test]
fn yin_equals_librosa() {
    let golden = Golden::open("descriptors");
    let low = YinConfig {
        fmin: 100.0,
        fmax: 400.0,
        frame_length: 1024,
        hop_length: 300,
        trough_threshold: 0.2,
        center: false,
        ..Default::default()
    };
    for (feature, config, at_least) in [("yin", YinConfig::default(), 14), ("yin_of_speech", low, 12)] {
        let mut report = Report::new(feature, 1e-5);
        // Single clicks differ from themselves as much for any shorter period: in librosa, rounding picks one.
        for signal in signals().into_iter().filter(|signal| signal.name != "clicks") {
            let config = YinConfig { sample_rate: signal.sample_rate, ..config.clone() };
            let got = match Yin::new(config).unwrap().process(&signal.samples) {
                Ok(got) => got,
                Err(error) => {
                    assert!(signal.samples.len() < 1024, "{}: {error}", signal.name);
                    assert!(!golden.has(&format!("{}/{feature}", signal.name)), "librosa refuses it too");
                    continue;
                }
            };
            let pairs = pairs(&golden, &signal, feature, &got).unwrap();
            let error = |(got, want): (f64, f64)| (got / want - 1.0).abs();
            report.add(&signal.name, pairs.into_iter().map(error).fold(0.0, f64::max));
        }
        report.finish(at_least);
    }
}

#[test]
fn preemphasis_and_its_inverse_equal_librosas() {
    let golden = Golden::open("descriptors");
    let mut forth = Report::new("preemphasis", 1e-7);
    let mut back = Report::new("deemphasis", 1e-6);
    let preemphasis = Preemphasis::new(PreemphasisConfig::default()).unwrap();
    let deemphasis = Preemphasis::new(PreemphasisConfig { coef: 0.9 }).unwrap();
    for signal in signals().into_iter().filter(|signal| signal.name != "one_sample") {
        let name = &signal.name;
        let step = golden.indices(&format!("{name}/sample_step"))[0];
        for (report, feature, got) in [
            (&mut forth, "preemphasis", preemphasis.process(&signal.samples).unwrap()),
            (&mut back, "deemphasis", deemphasis.deemphasis(&signal.samples).unwrap()),
        ] {
            let want = golden.vector(&format!("{name}/{feature}"));
            assert_eq!((got.len(), want.len()), (signal.samples.len(), got.len().div_ceil(step)));
            let peak = want.iter().fold(1e-30, |peak: f32, x| peak.max(x.abs()));
            let errors = got.iter().step_by(step).zip(&want).map(|(a, b)| (a - b).abs());
            report.add(name, f64::from(errors.fold(0.0, f32::max) / peak));
        }
    }
    forth.finish(14);
    back.finish(14);
}
