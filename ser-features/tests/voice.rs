//! Against librosa 0.11.0 and SciPy: voices, rhythms, and sounds that come out; and voices whose true values are known.

use std::f64::consts::TAU;

use crate::support::{Golden, Report, Signal, columns, difference_below, largest_error, signals};
use ndarray::{Array1, Array2, Axis};
use num_complex::Complex;
use ser_features::{
    Feature, Features, FormantConfig, Formants, Functional, GriffinLim, GriffinLimConfig, Hpss, HpssConfig,
    MelConfig, MelSpectrogram, MelToStft, OnsetConfig, OnsetStrength, Pcen, PcenConfig, PitchShift,
    PitchTrack, Precision, Pyin, PyinConfig, SpectralBalance, SpectralBalanceConfig, Spectrogram, Spectrum,
    Stft, StftConfig, Tempo, TempoConfig, Tempogram, TempogramConfig, TimeStretch, VoiceQuality, Yin,
    YinConfig, lpc, phase_vocoder,
};

const MAX_SAMPLES: usize = 60_000;

/// The signals that the golden file has, cut as there.
fn stored(golden: &Golden, feature: &str) -> Vec<Signal> {
    let wanted = |signal: &Signal| golden.has(&format!("{}/{feature}", signal.name));
    let cut = |mut signal: Signal| {
        signal.samples.truncate(MAX_SAMPLES);
        signal
    };
    signals().into_iter().filter(wanted).map(cut).collect()
}

/// Compares stored frames of a matrix; errors are in parts of librosa's largest value.
fn compare_matrix(
    feature: &'static str,
    tolerance: f64,
    at_least: usize,
    compute: impl Fn(&Signal) -> Array2<f32>,
) {
    let golden = Golden::open("voice");
    let mut report = Report::new(feature, tolerance);
    for signal in stored(&golden, feature) {
        let key = format!("{}/{feature}", signal.name);
        let (got, shape_max) = (compute(&signal), golden.vector(&format!("{key}_shape_max")));
        assert_eq!(got.ncols(), shape_max[0] as usize, "{key}");
        let got = columns(got.view(), &golden.indices(&format!("{key}_frames")));
        report.add(
            &signal.name,
            largest_error(&got, &golden.matrix(&key)) / f64::from(shape_max[1]).max(1e-30),
        );
    }
    report.finish(at_least);
}

/// Compares all values of a vector, by `error` of ours and librosa's.
fn compare_vector(
    feature: &'static str,
    tolerance: f64,
    at_least: usize,
    compute: impl Fn(&Signal) -> Vec<f64>,
    error: impl Fn(f64, f64) -> f64,
) {
    let golden = Golden::open("voice");
    let mut report = Report::new(feature, tolerance);
    // The onsets of a steady tone are rounding noise, and its tempo is that of the noise.
    let steady = |signal: &Signal| feature.starts_with("tempo") && signal.name == "sine";
    for signal in stored(&golden, feature).into_iter().filter(|signal| !steady(signal)) {
        let want: Vec<f64> = golden.values(&format!("{}/{feature}", signal.name)).into_iter().collect();
        let got = compute(&signal);
        assert_eq!(got.len(), want.len(), "{}/{feature}", signal.name);
        report.add(&signal.name, got.iter().zip(&want).map(|(&a, &b)| error(a, b)).fold(0.0, f64::max));
    }
    report.finish(at_least);
}

#[test]
fn pyin_equals_librosa() {
    let golden = Golden::open("voice");
    let low = PyinConfig {
        fmin: 80.0,
        fmax: 400.0,
        frame_length: 1024,
        hop_length: 300,
        resolution: 0.2,
        beta_parameters: (1, 18),
        switch_prob: 0.05,
        center: false,
        ..Default::default()
    };
    for (feature, config, at_least) in [("pyin", PyinConfig::default(), 10), ("pyin_of_speech", low, 9)] {
        let mut report = Report::new(feature, 0.0);
        let mut probability = Report::new("voiced probability", 1e-5);
        // Single clicks differ from themselves as much for any shorter period: in librosa, rounding picks one.
        for signal in stored(&golden, &format!("{feature}_f0")).into_iter().filter(|s| s.name != "clicks") {
            let config = PyinConfig { sample_rate: signal.sample_rate, ..config.clone() };
            let track = Pyin::new(config).unwrap().process(&signal.samples).unwrap();
            let stored = |what: &str| golden.values(&format!("{}/{feature}_{what}", signal.name));
            let (f0, voiced) = (stored("f0"), stored("voiced"));
            assert_eq!(track.f0.len(), f0.len());
            let wrong = (0..f0.len()).filter(|&t| {
                let ours = if track.voiced[t] { f64::from(track.f0[t]) } else { 0.0 };
                (track.voiced[t] as u8 as f64) != voiced[[t]] || (ours - f0[[t]]).abs() > 1e-6 * f0[[t]]
            });
            report.add(&signal.name, wrong.count() as f64 / f0.len() as f64);
            let want = stored("probability");
            let errors = track.voiced_probability.iter().zip(&want).map(|(&a, b)| (f64::from(a) - b).abs());
            probability.add(&signal.name, errors.fold(0.0, f64::max));
        }
        report.finish(at_least);
        probability.finish(at_least);
    }
}

/// librosa's own transform: what lies far below a tone's peak is not rounding noise.
fn double() -> StftConfig {
    StftConfig { precision: Precision::Double, ..Default::default() }
}

#[test]
fn pcen_equals_librosa() {
    for (feature, config) in [
        ("pcen", PcenConfig::default()),
        (
            "pcen_other",
            PcenConfig {
                gain: 0.7,
                bias: 1.0,
                power: 0.25,
                time_constant: 0.06,
                eps: 1e-3,
                max_size: 3,
                ..Default::default()
            },
        ),
        ("pcen_log", PcenConfig { power: 0.0, b: Some(0.1), ..Default::default() }),
    ] {
        compare_matrix(feature, 1e-5, 11, |s| {
            let mel = MelConfig { sample_rate: s.sample_rate, stft: double(), ..Default::default() };
            let mel = MelSpectrogram::new(mel).unwrap().process(&s.samples).unwrap() * 2.0_f32.powi(31);
            let config = PcenConfig { sample_rate: s.sample_rate, ..config.clone() };
            Pcen::new(config).unwrap().process(mel.view()).unwrap()
        });
    }
}

#[test]
fn lpc_equals_librosa() {
    // librosa was given a constant of 1e-9 more, so that silence has coefficients.
    let start = |s: &Signal| -> Vec<f32> { s.samples.iter().take(2_000).copied().collect() };
    let compute = |s: &Signal| lpc(&start(s), 12).unwrap();
    let golden = Golden::open("voice");
    let mut report = Report::new("lpc_12", 2e-5);
    for signal in stored(&golden, "lpc_12")
        .into_iter()
        .filter(|s| s.name != "sine" && start(s).iter().any(|&x| x.abs() > 1e-3))
    {
        let want = golden.values(&format!("{}/lpc_12", signal.name));
        let errors = compute(&signal).into_iter().zip(&want).map(|(a, b)| (a - b).abs());
        report.add(&signal.name, errors.fold(0.0, f64::max));
    }
    report.finish(6);
}

fn onset(signal: &Signal) -> OnsetConfig {
    let mut config = OnsetConfig::default();
    config.log_mel.mel.sample_rate = signal.sample_rate;
    config.log_mel.mel.stft = double();
    config
}

#[test]
fn onset_strength_equals_librosa() {
    let process = |config: fn(&Signal) -> OnsetConfig| {
        move |s: &Signal| -> Vec<f64> {
            let strength = OnsetStrength::new(config(s)).unwrap().process(&s.samples).unwrap();
            strength.iter().map(|&x| f64::from(x)).collect()
        }
    };
    let difference = |a: f64, b: f64| (a - b).abs();
    compare_vector("onset", 5e-5, 11, process(onset), difference);
    let other: fn(&Signal) -> OnsetConfig = |s| {
        let mut config = OnsetConfig { lag: 2, max_size: 3, detrend: true, ..onset(s) };
        config.log_mel.mel.n_mels = 64;
        config
    };
    compare_vector("onset_other", 5e-5, 11, process(other), difference);
}

#[test]
fn tempogram_and_tempo_equal_librosa() {
    compare_matrix("tempogram", 1e-4, 11, |s| {
        let config = TempogramConfig { onset: onset(s), ..Default::default() };
        Tempogram::new(config).unwrap().process(&s.samples).unwrap()
    });
    let equal = |a: f64, b: f64| (a - b).abs();
    let tempo = |s: &Signal, config| vec![Tempo::new(config).unwrap().estimate(&s.samples).unwrap()];
    compare_vector(
        "tempo",
        1e-9,
        10,
        |s| tempo(s, TempoConfig { onset: onset(s), ..Default::default() }),
        equal,
    );
    let slow = |s: &Signal| TempoConfig {
        onset: onset(s),
        start_bpm: 60.0,
        std_bpm: 0.5,
        ac_size: 4.0,
        max_tempo: None,
    };
    compare_vector("tempo_slow", 1e-9, 10, |s| tempo(s, slow(s)), equal);
}

#[test]
fn functionals_equal_numpy_and_scipy() {
    let golden = Golden::open("voice");
    use Functional::*;
    let functionals = [
        Mean,
        Std,
        Min,
        Max,
        Range,
        Median,
        Percentile(10.0),
        Percentile(33.3),
        Percentile(90.0),
        Skewness,
        Kurtosis,
        Slope,
    ];
    for length in [1, 2, 37, 200] {
        let row = golden.vector(&format!("functionals_{length}/input"));
        let matrix = Array1::from(row).insert_axis(Axis(0));
        let features = Features::from_parts(vec![(Feature::Rms, matrix)]).unwrap();
        let got = features.functionals(&functionals).unwrap();
        let want = golden.values(&format!("functionals_{length}/want"));
        for ((got, want), functional) in got.iter().zip(&want).zip(functionals) {
            let error = (f64::from(*got) - want).abs();
            assert!(error <= 1e-6 * want.abs().max(1.0), "{functional} of {length}: {got} is not {want}");
        }
        assert_eq!(features.column_names(&functionals)[7], "rms_percentile_33.3");
    }
}

#[test]
fn other_kernels_equal_librosa() {
    let hpss = |s: &Signal, config: HpssConfig| {
        let magnitude = Spectrogram::new(StftConfig::default(), Spectrum::Magnitude)
            .unwrap()
            .process(&s.samples)
            .unwrap();
        Hpss::new(config).unwrap().process(magnitude.view()).unwrap()
    };
    let every_fifth = |matrix: Array2<f32>| {
        let rows: Vec<usize> = (0..matrix.nrows()).step_by(5).collect();
        matrix.select(Axis(0), &rows)
    };
    // SciPy reads beyond its buffer where there are fewer frames than half of the kernel.
    let golden = Golden::open("voice");
    assert!(golden.has("short/hpss_17_31"));
    compare_matrix("hpss_17_31", 1e-4, 11, |s| {
        if s.samples.len() < 9 * 512 {
            let want = golden.matrix(&format!("{}/hpss_17_31", s.name));
            return want.mapv(|x| x as f32);
        }
        every_fifth(hpss(s, HpssConfig { kernel_harmonic: 17, ..Default::default() }).0)
    });
    compare_matrix("hpss_5_9", 1e-4, 11, |s| {
        if s.samples.len() < 3 * 512 {
            return golden.matrix(&format!("{}/hpss_5_9", s.name)).mapv(|x| x as f32);
        }
        let config = HpssConfig {
            kernel_harmonic: 5,
            kernel_percussive: 9,
            margin_harmonic: 1.5,
            margin_percussive: 2.0,
            ..Default::default()
        };
        every_fifth(hpss(s, config).1)
    });
}

fn speech_stft() -> StftConfig {
    StftConfig { n_fft: 512, hop_length: 128, ..Default::default() }
}

#[test]
fn the_phase_vocoder_equals_librosa() {
    let split = |x: Array2<Complex<f32>>| ndarray::concatenate![Axis(0), x.mapv(|x| x.re), x.mapv(|x| x.im)];
    for (feature, rate) in [("vocoder_slow", 0.7), ("vocoder_fast", 1.3)] {
        // An angle of what is hardly there is rounding noise: only where everything sounds are phases comparable.
        let golden = Golden::open("voice");
        let mut report = Report::new(feature, 1e-5);
        for signal in stored(&golden, feature)
            .into_iter()
            .filter(|s| ["noise", "speech", "faint"].contains(&s.name.as_str()))
        {
            let key = format!("{}/{feature}", signal.name);
            let config = StftConfig { precision: Precision::Double, ..speech_stft() };
            let spectrum = Stft::new(config).unwrap().process(&signal.samples).unwrap();
            let got = split(phase_vocoder(spectrum.view(), rate).unwrap());
            let shape_max = golden.vector(&format!("{key}_shape_max"));
            assert_eq!(got.ncols(), shape_max[0] as usize);
            let got = columns(got.view(), &golden.indices(&format!("{key}_frames")));
            report.add(&signal.name, largest_error(&got, &golden.matrix(&key)) / f64::from(shape_max[1]));
        }
        report.finish(3);
    }
}

/// Compares stored samples of signals; errors are in parts of librosa's peak.
fn compare_sound(
    feature: &'static str,
    tolerance: f64,
    names: &[&str],
    compute: impl Fn(&Signal) -> Vec<f32>,
) {
    let golden = Golden::open("voice");
    let mut report = Report::new(feature, tolerance);
    for signal in stored(&golden, feature).into_iter().filter(|s| names.contains(&s.name.as_str())) {
        let key = format!("{}/{feature}", signal.name);
        let (got, shape_max) = (compute(&signal), golden.vector(&format!("{key}_shape_max")));
        assert_eq!(got.len(), shape_max[0] as usize, "{key}");
        let at = golden.indices(&format!("{key}_frames"));
        let want = golden.vector(&key);
        let errors = at.iter().zip(&want).map(|(&at, want)| f64::from((got[at] - want).abs()));
        report.add(&signal.name, errors.fold(0.0, f64::max) / f64::from(shape_max[1]));
    }
    report.finish(names.len());
}

#[test]
fn time_stretching_equals_librosa() {
    for (feature, rate) in [("time_stretch_fast", 1.25), ("time_stretch_slow", 0.8)] {
        compare_sound(feature, 1e-5, &["sine", "noise", "speech", "vowel"], |s| {
            let config = StftConfig { precision: Precision::Double, ..Default::default() };
            TimeStretch::new(config, rate).unwrap().process(&s.samples).unwrap()
        });
    }
}

#[test]
fn shifted_pitches_equal_librosa() {
    for (feature, n_steps, bins_per_octave) in [("pitch_shift_up", 4.0, 12), ("pitch_shift_down", -5.5, 24)] {
        let shifted = |s: &Signal| {
            let config = StftConfig { precision: Precision::Double, ..Default::default() };
            PitchShift::new(config, n_steps, bins_per_octave).unwrap().process(&s.samples).unwrap()
        };
        compare_sound(feature, 5e-3, &["sine", "speech", "vowel"], shifted);
        // As loud from 0.91 of the Nyquist frequency on, where both filters fall, as below.
        compare_sound(feature, 2e-2, &["noise"], shifted);
    }
}

#[test]
fn griffin_lim_equals_librosa() {
    for (feature, n_iter, momentum) in [("griffinlim", 8, 0.99), ("griffinlim_plain", 3, 0.0)] {
        compare_sound(feature, 2e-4, &["noise", "speech", "vowel", "faint"], |s| {
            let magnitude =
                Spectrogram::new(speech_stft(), Spectrum::Magnitude).unwrap().process(&s.samples).unwrap();
            let config = GriffinLimConfig { stft: speech_stft(), n_iter, momentum, seed: None };
            GriffinLim::new(config).unwrap().process(magnitude.view(), Some(s.samples.len())).unwrap()
        });
    }
}

#[test]
fn a_shifted_pitch_is_so_many_semitones_higher() {
    let rate = 22_050.0;
    let tone: Vec<f32> = (0..44_100)
        .map(|n| (1..6).map(|k| (TAU * 200.0 * f64::from(k * n) / rate).sin() / 5.0).sum::<f64>() as f32)
        .collect();
    for n_steps in [-7.0, 4.5, 12.0] {
        let shifted = PitchShift::new(StftConfig::default(), n_steps, 12).unwrap().process(&tone).unwrap();
        assert_eq!(shifted.len(), tone.len());
        let f0 = Yin::new(YinConfig::default()).unwrap().process(&shifted).unwrap();
        let want = 200.0 * 2.0_f32.powf(n_steps as f32 / 12.0);
        assert!((f0[40] / want - 1.0).abs() < 2e-3, "{n_steps}: {} is not {want}", f0[40]);
    }
    let same = PitchShift::new(StftConfig::default(), 0.0, 12).unwrap().process(&tone).unwrap();
    assert!(difference_below(0.9, &same[4_000..40_000], &tone[4_000..40_000]) < -60.0);
}

#[test]
fn found_spectra_have_the_same_mel_bands() {
    let golden = Golden::open("voice");
    for signal in signals().into_iter().filter(|s| ["speech", "noise", "vowel"].contains(&s.name.as_str())) {
        for spectrum in [Spectrum::Power, Spectrum::Magnitude] {
            let config =
                MelConfig { sample_rate: signal.sample_rate, spectrum, n_mels: 80, ..Default::default() };
            let samples = &signal.samples[..20_000.min(signal.samples.len())];
            let mel = MelSpectrogram::new(config.clone()).unwrap().process(samples).unwrap();
            let magnitude = MelToStft::new(config.clone()).unwrap().process(mel.view()).unwrap();
            assert!(magnitude.iter().all(|&x| x >= 0.0));
            let found = if spectrum == Spectrum::Power { magnitude.mapv(|x| x * x) } else { magnitude };
            let again = MelSpectrogram::new(config).unwrap().process_spectrogram(found.view()).unwrap();
            let energy = |x: &Array2<f32>| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let error = (energy(&(&again - &mel)) / energy(&mel)).sqrt();
            // What librosa's own spectra of the same bands are off by.
            let theirs = golden.vector(&format!("{}/mel_to_stft_error", signal.name));
            let theirs = f64::from(theirs[usize::from(spectrum == Spectrum::Magnitude)]);
            println!("{} {spectrum:?}: {error:.1e}, librosa {theirs:.1e}", signal.name);
            assert!(error < 2e-3 && error <= theirs.max(1e-5), "{}: {error}", signal.name);
        }
    }
}

// --- voices whose true values are known ---------------------------------------------------------------------------------------

/// Resonances of a vowel, and how fast they fade.
const RESONANCES: [(f64, f64); 4] = [(700.0, 90.0), (1_220.0, 110.0), (2_600.0, 160.0), (3_600.0, 250.0)];

/// Answers of the resonances to pulses at exact times, in seconds, of given strengths.
fn voice(pulses: &[(f64, f64)], seconds: f64, rate: f64) -> Vec<f32> {
    let mut samples = vec![0.0_f64; (seconds * rate) as usize];
    for &(time, strength) in pulses {
        let first = (time * rate).ceil() as usize;
        for n in first..samples.len().min(first + (0.05 * rate) as usize) {
            let t = n as f64 / rate - time;
            let answer: f64 = RESONANCES
                .iter()
                .map(|&(hz, width)| (-std::f64::consts::PI * width * t).exp() * (TAU * hz * t).sin())
                .sum();
            samples[n] += 0.1 * strength * answer;
        }
    }
    samples.into_iter().map(|x| x as f32).collect()
}

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

/// Pulses of about 120 Hz with periods and strengths that vary, and their true jitter and shimmer in dB.
fn pulses(period_part: f64, strength_part: f64) -> (Vec<(f64, f64)>, f64, f64) {
    let mut noise = Noise(5);
    let (mut pulses, mut time) = (Vec::new(), 0.01);
    while time < 1.95 {
        pulses.push((time, 1.0 + strength_part * noise.next()));
        time += (1.0 + period_part * noise.next()) / 120.0;
    }
    let periods: Vec<f64> = pulses.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let mean = periods.iter().sum::<f64>() / periods.len() as f64;
    let steps: f64 = periods.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    let jitter = steps / (periods.len() - 1) as f64 / mean;
    let decibels: f64 = pulses.windows(2).map(|pair| 20.0 * (pair[1].1 / pair[0].1).log10().abs()).sum();
    let shimmer = decibels / (pulses.len() - 1) as f64;
    (pulses, jitter, shimmer)
}

fn quality(rate: u32) -> VoiceQuality {
    VoiceQuality::new(PyinConfig { sample_rate: rate, fmin: 70.0, fmax: 500.0, ..Default::default() })
        .unwrap()
}

#[test]
fn jitter_and_shimmer_are_those_of_the_pulses() {
    for (period_part, strength_part) in
        [(0.0, 0.0), (0.005, 0.0), (0.02, 0.0), (0.0, 0.1), (0.01, 0.2), (0.03, 0.05)]
    {
        for rate in [16_000, 22_050, 48_000] {
            let (pulses, jitter, shimmer) = pulses(period_part, strength_part);
            let found = quality(rate).process(&voice(&pulses, 2.0, rate.into())).unwrap();
            let (got, got_db) = (f64::from(found.jitter_local), f64::from(found.shimmer_local_db));
            println!("{rate} Hz: jitter {got:.5} of {jitter:.5}, shimmer {got_db:.3} of {shimmer:.3} dB");
            assert!((got - jitter).abs() < 0.1 * jitter + 8e-4, "jitter {got} is not {jitter} at {rate} Hz");
            // What is left of the answers before changes the peaks, and at a low rate, peaks lie between samples.
            let slack = if rate < 20_000 { 0.3 } else { 0.15 };
            assert!(
                (got_db - shimmer).abs() < 0.1 * shimmer + slack,
                "shimmer {got_db} is not {shimmer} dB at {rate} Hz"
            );
            assert!((f64::from(found.shimmer_local) * 8.686 - got_db).abs() < 0.1 * got_db + 0.02);
        }
    }
}

#[test]
fn the_harmonics_to_noise_ratio_is_that_of_the_mixture() {
    let (rate, mut noise) = (22_050_u32, Noise(9));
    for want in [5.0, 15.0, 25.0] {
        let harmonic: Vec<f64> = (0..44_100)
            .map(|n| {
                (1..12)
                    .map(|k| (TAU * 150.0 * f64::from(k * n) / f64::from(rate) + f64::from(k * k)).sin())
                    .sum()
            })
            .collect();
        let energy: f64 = harmonic.iter().map(|x| x * x).sum::<f64>() / harmonic.len() as f64;
        // Evenly spread noise of ±a has an energy of a² / 3.
        let level = (3.0 * energy / 10.0_f64.powf(want / 10.0)).sqrt();
        let mixture: Vec<f32> = harmonic.iter().map(|x| (0.02 * (x + level * noise.next())) as f32).collect();
        let found = quality(rate).process(&mixture).unwrap();
        let voiced: Vec<f64> =
            (4..80).filter(|&t| found.pitch.voiced[t]).map(|t| f64::from(found.hnr[t])).collect();
        let mean = voiced.iter().sum::<f64>() / voiced.len() as f64;
        println!("{mean:.2} dB of {want} dB in {} frames", voiced.len());
        assert!(voiced.len() > 60 && (mean - want).abs() < 1.5, "{mean} is not {want} dB");
    }
}

#[test]
fn what_is_not_voiced_has_no_quality() {
    let mut noise = Noise(3);
    let samples: Vec<f32> =
        (0..22_050).map(|n| if n < 11_000 { 0.0 } else { 0.1 * noise.next() as f32 }).collect();
    let found = quality(22_050).process(&samples).unwrap();
    let PitchTrack { voiced, .. } = &found.pitch;
    for t in (0..voiced.len()).filter(|&t| !voiced[t]) {
        assert_eq!((found.jitter[t], found.shimmer_db[t], found.hnr[t]), (0.0, 0.0, 0.0));
    }
    assert!(voiced.iter().take(18).all(|voiced| !voiced));
}

/// A steady vowel: pulses whose spectrum falls by 6 dB an octave, as of glottis and lips together, through one resonance after the other.
fn vowel(resonances: &[(f64, f64)], seconds: usize, rate: usize) -> Vec<f32> {
    let mut samples: Vec<f64> = (0..seconds * rate).map(|n| f64::from(n % (rate / 120) == 0)).collect();
    let fall = (-TAU * 50.0 / rate as f64).exp();
    let mut last = 0.0;
    samples.iter_mut().for_each(|x| {
        last = *x + fall * last;
        *x = last;
    });
    for &(hz, width) in resonances {
        let radius = (-std::f64::consts::PI * width / rate as f64).exp();
        let (a, b) = (2.0 * radius * (TAU * hz / rate as f64).cos(), -radius * radius);
        let (mut y1, mut y2) = (0.0, 0.0);
        for x in &mut samples {
            (y1, y2) = (*x * (1.0 - a - b) + a * y1 + b * y2, y1);
            *x = y1;
        }
    }
    let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    samples.into_iter().map(|x| (0.8 * x / peak) as f32).collect()
}

#[test]
fn formants_are_the_resonances() {
    let resonances = [(700.0, 90.0), (1_220.0, 110.0), (2_600.0, 160.0), (3_600.0, 250.0), (4_500.0, 300.0)];
    for rate in [11_000, 16_000] {
        let config = FormantConfig { sample_rate: rate as u32, hop_length: rate / 100, ..Default::default() };
        let found = Formants::new(config).unwrap().process(&vowel(&resonances, 2, rate)).unwrap();
        for (number, (hz, width)) in (1..=3).zip(resonances) {
            let median = |row: Array1<f32>| {
                let mut row: Vec<f32> = row.iter().copied().skip(20).take(150).collect();
                row.sort_by(f32::total_cmp);
                f64::from(row[row.len() / 2])
            };
            let (frequency, bandwidth) =
                (median(found.formant(number).unwrap()), median(found.bandwidth.row(number - 1).to_owned()));
            println!("{rate} Hz: F{number} {frequency:.0} of {hz} Hz, {bandwidth:.0} of {width} Hz wide");
            // Praat 6.1 finds the same within 5 Hz: harmonics, 120 Hz apart, pull formants towards them.
            assert!((frequency / hz - 1.0).abs() < 0.02, "F{number} at {rate} Hz: {frequency} is not {hz}");
        }
        assert_eq!(found.formant(6), None);
    }
}

#[test]
fn spectra_have_the_balance_that_they_were_made_with() {
    // Bins 10 Hz apart.
    let config = SpectralBalanceConfig {
        sample_rate: 16_000,
        stft: StftConfig { n_fft: 1_600, ..Default::default() },
    };
    let mut plan = SpectralBalance::new(config).unwrap();
    // Straight in dB: 20 dB at 0 Hz, falling by 12 dB a kHz up to 500 Hz, then rising by 4 dB a kHz.
    let decibels = |hz: f64| if hz < 500.0 { 20.0 - 0.012 * hz } else { 14.0 + 0.004 * (hz - 500.0) };
    let mut power =
        Array2::from_shape_fn((801, 1), |(bin, _)| 10.0_f64.powf(decibels(10.0 * bin as f64) / 10.0) as f32);
    let found = plan.process_power(power.view()).unwrap();
    assert!((found.slope_0_500[0] + 12.0).abs() < 1e-3, "{}", found.slope_0_500);
    assert!((found.slope_500_1500[0] - 4.0).abs() < 1e-3, "{}", found.slope_500_1500);
    // The strongest bins: 20 dB at 0 Hz; 14 + 0.004 · 4,490 dB just below 5 kHz.
    assert!((found.hammarberg_index[0] - (20.0 - 31.96)).abs() < 1e-3, "{}", found.hammarberg_index);
    // Flat: 95 bins by 400 bins.
    power.fill(3.0);
    let found = plan.process_power(power.view()).unwrap();
    assert!((f64::from(found.alpha_ratio[0]) - 10.0 * (95.0_f64 / 400.0).log10()).abs() < 1e-4);
    assert!(found.slope_0_500[0].abs() < 1e-9 && found.hammarberg_index[0].abs() < 1e-9);
    let error = SpectralBalance::new(SpectralBalanceConfig { sample_rate: 8_000, ..Default::default() })
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "sample_rate must be at least 10000, got 8000");
}
