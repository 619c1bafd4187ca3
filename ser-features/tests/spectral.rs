//! Against librosa 0.11.0: the short-time Fourier transform and what comes straight from it.

use crate::support::{Golden, Report, Signal, columns, largest_error, signals};
use ndarray::{Array2, Axis};
use num_complex::Complex;
use ser_features::{
    Chroma, ChromaConfig, ContrastConfig, DecibelConfig, Delta, DeltaConfig, Istft, MelConfig, MelNorm,
    MelScale, MelSpectrogram, Mfcc, MfccConfig, Precision, Reference, SpectralContrast, Spectrum, Stft,
    StftConfig, Tuning, TuningConfig, amplitude_to_db, chroma_filter_bank, mel_filter_bank, power_to_db,
};

/// Compares the stored frames of one feature of all signals; `scale` gives what an error is relative to.
fn compare(
    feature: &'static str,
    tolerance: f64,
    at_least: usize,
    compute: impl Fn(&Signal) -> Array2<f32>,
    scale: impl Fn(&Golden, &str) -> f64,
) {
    let golden = Golden::open("spectral");
    let mut report = Report::new(feature, tolerance);
    for signal in signals() {
        let name = format!("{}/{feature}", signal.name);
        if golden.has(&name) {
            let frames = golden.indices(&format!("{}/frames", signal.name));
            let got = columns(compute(&signal).view(), &frames);
            report
                .add(&signal.name, largest_error(&got, &golden.matrix(&name)) / scale(&golden, &signal.name));
        }
    }
    report.finish(at_least);
}

fn absolute(_: &Golden, _: &str) -> f64 {
    1.0
}

fn norm(x: Complex<f64>) -> f64 {
    x.norm()
}

#[test]
fn stft_equals_librosa() {
    stft_within(Precision::Single, "stft", 1e-6);
    // As librosa computes: nearly every bin is the same to the last bit.
    stft_within(Precision::Double, "stft double", 1e-12);
}

fn stft_within(precision: Precision, name: &'static str, tolerance: f64) {
    let golden = Golden::open("spectral");
    let mut report = Report::new(name, tolerance);
    let other =
        StftConfig { n_fft: 512, hop_length: 200, win_length: Some(321), precision, ..Default::default() };
    let default = StftConfig { precision, ..Default::default() };
    for (config, name) in [(default, "stft"), (other, "stft_512_200_321")] {
        let mut stft = Stft::new(config).unwrap();
        for signal in signals() {
            let frames = golden.indices(&format!("{}/{name}_frames", signal.name));
            let want = golden.complex(&format!("{}/{name}", signal.name));
            let got = stft.process(&signal.samples).unwrap();
            if name == "stft" {
                assert_eq!(got.ncols(), golden.scalar(&format!("{}/n_frames", signal.name)) as usize);
            }
            let largest = got.iter().map(|x| x.norm()).fold(1e-30, f32::max);
            let got = got.select(Axis(1), &frames).mapv(|x| Complex::new(f64::from(x.re), f64::from(x.im)));
            let worst = (got - want).mapv(norm).fold(0.0, |a: f64, &b| a.max(b));
            report.add(&signal.name, worst / f64::from(largest));
        }
    }
    report.finish(30);
}

#[test]
fn istft_of_a_filtered_spectrum_equals_librosa() {
    let golden = Golden::open("spectral");
    let mut report = Report::new("istft", 1e-6);
    let mut stft = Stft::new(StftConfig::default()).unwrap();
    let mut istft = Istft::new(StftConfig::default()).unwrap();
    for signal in signals() {
        let mut spectrum = stft.process(&signal.samples).unwrap();
        for (k, mut row) in spectrum.rows_mut().into_iter().enumerate() {
            let gain = (1.0 - k as f64 / 1024.0).powi(4) as f32;
            row.mapv_inplace(|x| x * gain);
        }
        let length = signal.samples.len();
        let got = istft.process(spectrum.view(), Some(length)).unwrap();
        let want = golden.vector(&format!("{}/istft_filtered", signal.name));
        let step = (length / 12000).max(1);
        assert_eq!(want.len(), length.div_ceil(step));
        let worst =
            got.iter().step_by(step).zip(&want).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        report.add(&signal.name, worst);
    }
    report.finish(15);
}

#[test]
fn mel_spectrogram_equals_librosa() {
    let of_largest = |golden: &Golden, signal: &str| golden.scalar(&format!("{signal}/mel_max")).max(1e-30);
    let compute = |signal: &Signal| {
        let config = MelConfig { sample_rate: signal.sample_rate, ..Default::default() };
        MelSpectrogram::new(config).unwrap().process(&signal.samples).unwrap()
    };
    compare("mel", 1e-5, 15, compute, of_largest);
}

#[test]
fn mel_spectrogram_of_magnitudes_on_the_htk_scale_equals_librosa() {
    let compute = |signal: &Signal| {
        let config = MelConfig {
            sample_rate: signal.sample_rate,
            spectrum: Spectrum::Magnitude,
            n_mels: 40,
            fmin: 60.0,
            fmax: Some(3800.0),
            scale: MelScale::Htk,
            norm: MelNorm::None,
            ..Default::default()
        };
        MelSpectrogram::new(config).unwrap().process(&signal.samples).unwrap()
    };
    let of_largest = |golden: &Golden, signal: &str| {
        golden.matrix(&format!("{signal}/mel_htk")).iter().fold(1e-30, |a: f64, &b| a.max(b))
    };
    compare("mel_htk", 1e-5, 15, compute, of_largest);
}

fn mel_at(sample_rate: u32, n_mels: usize) -> MelConfig {
    MelConfig { sample_rate, n_mels, ..Default::default() }
}

#[test]
fn mfcc_equals_librosa() {
    let compute = |signal: &Signal| {
        let config = MfccConfig { mel: mel_at(signal.sample_rate, 128), n_mfcc: 40, ..Default::default() };
        Mfcc::new(config).unwrap().process(&signal.samples).unwrap()
    };
    compare("mfcc", 0.005, 15, compute, absolute);
}

#[test]
fn liftered_mfcc_equals_librosa() {
    let compute = |signal: &Signal| {
        let mel = mel_at(signal.sample_rate, 64);
        let config = MfccConfig { mel, n_mfcc: 13, lifter: 22.0, ..Default::default() };
        Mfcc::new(config).unwrap().process(&signal.samples).unwrap()
    };
    // Liftering multiplies coefficients, and their errors, by up to 12.
    compare("mfcc_13_lifter", 0.05, 15, compute, absolute);
}

/// A click's spectrum is flat, so what peaks it has are the last digits of a transform: nothing to compare.
fn has_pitches(signal: &Signal) -> bool {
    signal.name != "clicks"
}

#[test]
fn tuning_estimates_equal_librosas() {
    let golden = Golden::open("spectral");
    let mut equal = 0;
    let mut all = 0;
    for signal in signals().into_iter().filter(has_pitches) {
        for (name, spectrum, bins_per_octave) in [
            ("tuning_magnitude", Spectrum::Magnitude, 12),
            ("tuning_power", Spectrum::Power, 12),
            ("tuning_36", Spectrum::Magnitude, 36),
        ] {
            let sample_rate = signal.sample_rate;
            let config = TuningConfig { sample_rate, spectrum, bins_per_octave, ..Default::default() };
            let got = Tuning::new(config).unwrap().estimate(&signal.samples).unwrap();
            let want = golden.scalar(&format!("{}/{name}", signal.name));
            println!("{name:<20} {:<20} {got:6.2} {want:6.2}", signal.name);
            all += 1;
            equal += usize::from(got == want);
        }
    }
    assert_eq!((equal, all), (42, 42), "tunings equal, of all");
}

#[test]
fn pitches_equal_librosas() {
    let golden = Golden::open("spectral");
    let mut frequencies = Report::new("piptrack frequency", 0.05);
    let mut magnitudes = Report::new("piptrack magnitude", 1e-5);
    for signal in signals().into_iter().filter(has_pitches) {
        let frames = golden.indices(&format!("{}/stft_frames", signal.name));
        let config = TuningConfig { sample_rate: signal.sample_rate, ..Default::default() };
        let got = Tuning::new(config).unwrap().pitches(&signal.samples).unwrap();
        let rows = ndarray::s![..400, ..];
        let want_hz = golden.matrix(&format!("{}/piptrack_pitches", signal.name));
        let want = golden.matrix(&format!("{}/piptrack_magnitudes", signal.name));
        let largest = want.iter().fold(1e-30, |a: f64, &b| a.max(b));
        frequencies
            .add(&signal.name, largest_error(&columns(got.frequencies.slice(rows), &frames), &want_hz));
        magnitudes
            .add(&signal.name, largest_error(&columns(got.magnitudes.slice(rows), &frames), &want) / largest);
    }
    frequencies.finish(14);
    magnitudes.finish(14);
}

fn chroma(signal: &Signal, spectrum: Spectrum, tuning: Option<f64>) -> Array2<f32> {
    let config = ChromaConfig { sample_rate: signal.sample_rate, spectrum, tuning, ..Default::default() };
    Chroma::new(config).unwrap().process(&signal.samples).unwrap()
}

#[test]
fn chroma_equals_librosa() {
    compare("chroma_power_tuned", 1e-3, 15, |s| chroma(s, Spectrum::Power, Some(0.13)), absolute);
    // With the tuning estimated; for clicks (see above) librosa's estimate is taken over.
    let golden = Golden::open("spectral");
    for (feature, tuning, spectrum) in [
        ("chroma_power", "tuning_power", Spectrum::Power),
        ("chroma_magnitude", "tuning_magnitude", Spectrum::Magnitude),
    ] {
        let given = |s: &Signal| (!has_pitches(s)).then(|| golden.scalar(&format!("{}/{tuning}", s.name)));
        compare(feature, 1e-3, 15, |s| chroma(s, spectrum, given(s)), absolute);
    }
}

#[test]
fn contrast_equals_librosa_where_a_valley_is_more_than_noise() {
    let golden = Golden::open("spectral");
    let mut report = Report::new("contrast", 0.01);
    let mut linear_report = Report::new("contrast_linear", 1e-5);
    let mut double_report = Report::new("contrast double", 1e-4);
    for signal in signals() {
        let config = ContrastConfig { sample_rate: signal.sample_rate, ..Default::default() };
        if !golden.has(&format!("{}/contrast", signal.name)) {
            assert!(SpectralContrast::new(config).is_err(), "librosa refuses {} too", signal.name);
            continue;
        }
        let frames = golden.indices(&format!("{}/frames", signal.name));
        let compute = |config| {
            columns(SpectralContrast::new(config).unwrap().process(&signal.samples).unwrap().view(), &frames)
        };
        let got = compute(config.clone());
        let want = golden.matrix(&format!("{}/contrast", signal.name));
        let valleys = golden.matrix(&format!("{}/contrast_valleys", signal.name));
        let mut worst = 0.0_f64;
        let mut compared = 0;
        for ((got, want), valley) in got.iter().zip(&want).zip(&valleys) {
            assert!(got.is_finite());
            if *valley > 1e-5 {
                worst = worst.max((got - want).abs());
                compared += 1;
            }
        }
        println!("{}: {compared} of {} compared", signal.name, got.len());
        report.add(&signal.name, worst);
        if signal.name == "speech" {
            assert!(compared * 10 >= got.len() * 6, "only {compared} of {} values compared", got.len());
        }

        // Computed as librosa computes it, even what is only noise is the same.
        let stft = StftConfig { precision: Precision::Double, ..Default::default() };
        double_report
            .add(&signal.name, largest_error(&compute(ContrastConfig { stft, ..config.clone() }), &want));

        let got = compute(ContrastConfig { linear: true, ..config });
        let want = golden.matrix(&format!("{}/contrast_linear", signal.name));
        let largest = want.iter().fold(1e-30, |a: f64, &b| a.max(b));
        linear_report.add(&signal.name, largest_error(&got, &want) / largest);
    }
    report.finish(13);
    linear_report.finish(13);
    double_report.finish(13);
}

#[test]
fn mel_filter_banks_equal_librosas() {
    let golden = Golden::open("spectral");
    let mut report = Report::new("mel filters", 1e-6);
    for (sample_rate, n_fft, n_mels) in [(22_050, 1024, 40), (8_000, 256, 16), (48_000, 1024, 30)] {
        for (scale, scale_name) in [(MelScale::Slaney, "slaney"), (MelScale::Htk, "htk")] {
            for (norm, norm_name) in [(MelNorm::Slaney, "slaney"), (MelNorm::None, "none")] {
                let name = format!("mel_{sample_rate}_{n_fft}_{n_mels}/{scale_name}_{norm_name}");
                let stft = StftConfig { n_fft, ..Default::default() };
                let config = MelConfig { sample_rate, stft, n_mels, scale, norm, ..Default::default() };
                let got = mel_filter_bank(&config).unwrap().mapv(f64::from);
                let want = golden.matrix(&name);
                let largest = want.iter().fold(0.0, |a: f64, &b| a.max(b));
                report.add(&name, largest_error(&got, &want) / largest);
            }
        }
    }
    report.finish(12);
}

#[test]
fn chroma_filter_banks_equal_librosas() {
    let golden = Golden::open("spectral");
    let mut report = Report::new("chroma filters", 1e-6);
    for (sample_rate, n_fft, tuning) in
        [(22_050, 1024, "0.0"), (22_050, 1024, "0.13"), (8_000, 512, "-0.5"), (48_000, 1024, "0.3")]
    {
        let name = format!("chroma_{sample_rate}_{n_fft}/{tuning}");
        let stft = StftConfig { n_fft, ..Default::default() };
        let config = ChromaConfig { sample_rate, stft, ..Default::default() };
        let got = chroma_filter_bank(&config, tuning.parse().unwrap()).unwrap().mapv(f64::from);
        report.add(&name, largest_error(&got, &golden.matrix(&name)));
    }
    report.finish(4);
}

#[test]
fn decibels_equal_librosas() {
    let golden = Golden::open("spectral");
    let input = golden.matrix("db/input").mapv(|x| x as f32);
    let mut report = Report::new("decibels", 1e-4);
    let default = DecibelConfig::default();
    for (name, config) in [
        ("db/power", default.clone()),
        (
            "db/power_ref_max",
            DecibelConfig { reference: Reference::Max, top_db: Some(60.0), ..default.clone() },
        ),
        ("db/power_no_top", DecibelConfig { reference: Reference::Value(0.5), amin: 1e-6, top_db: None }),
    ] {
        let mut got = input.clone();
        power_to_db(&mut got, &config).unwrap();
        report.add(name, largest_error(&got.mapv(f64::from), &golden.matrix(name)));
    }
    let amplitude = DecibelConfig::amplitude();
    for (name, config) in [
        ("db/amplitude", amplitude.clone()),
        ("db/amplitude_ref_max", DecibelConfig { reference: Reference::Max, top_db: None, ..amplitude }),
    ] {
        let mut got = input.clone();
        amplitude_to_db(&mut got, &config).unwrap();
        report.add(name, largest_error(&got.mapv(f64::from), &golden.matrix(name)));
    }
    report.finish(5);
}

#[test]
fn deltas_equal_librosas() {
    let golden = Golden::open("spectral");
    let input = golden.matrix("delta/input").mapv(|x| x as f32);
    let mut report = Report::new("delta", 1e-5);
    for (name, width, order) in [("delta/9_1", 9, 1), ("delta/9_2", 9, 2), ("delta/5_1", 5, 1)] {
        let got = Delta::new(DeltaConfig { width, order }).unwrap().process(input.view()).unwrap();
        report.add(name, largest_error(&got.mapv(f64::from), &golden.matrix(name)));
    }
    let shortest = input.slice(ndarray::s![.., ..9]);
    let got = Delta::new(DeltaConfig::default()).unwrap().process(shortest).unwrap();
    report.add("delta/9_1_of_9", largest_error(&got.mapv(f64::from), &golden.matrix("delta/9_1_of_9")));
    report.finish(4);
}
