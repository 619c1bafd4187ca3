//! Voices and rhythms, against librosa 0.11.0 and SciPy.

use crate::support::{Golden, Report, Signal, columns, largest_error, signals};
use ndarray::{Array1, Array2, Axis};
use ser_features::{
    Feature, Features, Functional, Hpss, HpssConfig, MelConfig, MelSpectrogram, OnsetConfig, OnsetStrength,
    Pcen, PcenConfig, Precision, Pyin, PyinConfig, Spectrogram, Spectrum, StftConfig, Tempo, TempoConfig,
    Tempogram, TempogramConfig, lpc,
};

const MAX_SAMPLES: usize = 60_000;

/// The signals that the golden file has, cut as there.
pub(crate) fn stored(golden: &Golden, feature: &str) -> Vec<Signal> {
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
