//! Against the front ends of Whisper, torchaudio and Kaldi themselves.

use crate::support::{Golden, Report, Signal, columns, signals};
use ndarray::Array2;
use ser_features::{
    KaldiFbank, KaldiFbankConfig, KaldiFrameConfig, KaldiMelConfig, KaldiMfcc, KaldiMfccConfig, LogMel,
    LogMelConfig, MelConfig, MelSpectrogram, Mfcc, MfccConfig, Precision, SignalError, StftConfig,
    WhisperConfig, WhisperMel, Window,
};

const MAX_SAMPLES: usize = 48_000;

/// Pure tones: 80 dB below them, Kaldi's own bands are rounding noise of its `f32` transform.
const TONES: [&str; 3] = ["sine", "chirp", "vowel"];

/// Compares the front end's stored frames of every signal that it takes. `error` gets ours, theirs and their largest value.
fn compare(
    front_end: &'static str,
    tolerance: f64,
    at_least: usize,
    mut compute: impl FnMut(&[f32]) -> Result<Array2<f32>, SignalError>,
    error: impl Fn(f64, f64, f64) -> f64,
) {
    let golden = Golden::open("front_ends");
    let mut report = Report::new(front_end, tolerance);
    let groups = golden.groups();
    for Signal { name, samples, .. } in signals().into_iter().filter(|signal| groups.contains(&signal.name)) {
        let noisy = TONES.contains(&name.as_str()) && front_end.starts_with("kaldi");
        if noisy && !front_end.ends_with("double") && !front_end.ends_with("linear") {
            continue;
        }
        let got = compute(&samples[..samples.len().min(MAX_SAMPLES)]);
        let key = format!("{name}/{front_end}");
        if !golden.has(&key) {
            assert!(matches!(got, Err(SignalError::TooShort { .. })), "{key} must be refused, too");
            continue;
        }
        let got = got.unwrap();
        let shape_max = golden.vector(&format!("{key}_shape_max"));
        assert_eq!(got.ncols(), shape_max[0] as usize, "{key}");
        let (got, want) =
            (columns(got.view(), &golden.indices(&format!("{key}_frames"))), golden.matrix(&key));
        assert_eq!(got.dim(), want.dim(), "{key}");
        let errors = got.iter().zip(&want).map(|(&a, &b)| error(a, b, shape_max[1].into()));
        report.add(
            &name,
            errors.fold(0.0, |worst, error| if error.is_nan() { error } else { f64::max(worst, error) }),
        );
    }
    report.finish(at_least);
}

fn difference(got: f64, want: f64, _: f64) -> f64 {
    (got - want).abs()
}

/// In parts of the signal's largest value.
fn of_largest(got: f64, want: f64, largest: f64) -> f64 {
    (got - want).abs() / largest.max(1e-30)
}

#[test]
fn whispers_input_equals_transformers() {
    for (front_end, n_mels, zeros) in
        [("whisper_80", 80, 0), ("whisper_128", 128, 0), ("whisper_padded", 80, 5_000)]
    {
        let mut whisper = WhisperMel::new(WhisperConfig { n_mels }).unwrap();
        let compute = |samples: &[f32]| whisper.process(&[samples, &vec![0.0; zeros]].concat());
        // A quarter of a decade of the power.
        compare(front_end, 1e-4, 9, compute, difference);
    }
}

#[test]
fn torchaudios_defaults_equal_torchaudio() {
    // torchaudio's filters are rounded to f32 on their way, which alone makes one band of the chirp differ by 0.00101 dB; 80 dB below the
    // loudest band, an f32 transform leaves rounding noise.
    assert_eq!(MelConfig::torchaudio().stft.precision, Precision::Double);
    for (precision, decibels) in [(Precision::Double, 1.1e-3), (Precision::Single, 3e-3)] {
        let config = MelConfig::torchaudio();
        let config = MelConfig { stft: StftConfig { precision, ..config.stft }, ..config };
        let mut mel = MelSpectrogram::new(config.clone()).unwrap();
        compare("torchaudio_mel", 1e-5, 9, |samples| mel.process(samples), of_largest);
        let log_mel = LogMelConfig { mel: config.clone(), ..Default::default() };
        let mut log_mel = LogMel::new(log_mel).unwrap();
        compare("torchaudio_mel_db", decibels, 9, |samples| log_mel.process(samples), difference);
        let mut mfcc = Mfcc::new(MfccConfig { mel: config, ..MfccConfig::torchaudio() }).unwrap();
        compare("torchaudio_mfcc", 1e-3, 9, |samples| mfcc.process(samples), difference);
    }
}

#[test]
fn kaldis_bands_equal_kaldi() {
    let base = KaldiFbankConfig::default();
    let frames = KaldiFrameConfig::default();
    let wide = KaldiFrameConfig {
        snip_edges: false,
        window: Window::Hamming,
        round_to_power_of_two: false,
        ..frames.clone()
    };
    let narrow = KaldiFrameConfig {
        sample_rate: 8_000,
        frame_length_ms: 32.0,
        frame_shift_ms: 8.0,
        preemph_coeff: 0.0,
        window: Window::Rectangular,
        ..frames.clone()
    };
    for (front_end, config) in [
        ("kaldi_fbank", base.clone()),
        (
            "kaldi_fbank_80",
            KaldiFbankConfig {
                frames: KaldiFrameConfig { snip_edges: false, ..frames.clone() },
                mel: KaldiMelConfig { num_bins: 80, high_freq: -400.0, ..Default::default() },
                ..base.clone()
            },
        ),
        (
            "kaldi_fbank_hamming",
            KaldiFbankConfig {
                frames: wide,
                use_energy: true,
                raw_energy: false,
                energy_floor: 1.0,
                use_power: false,
                ..base.clone()
            },
        ),
        (
            "kaldi_fbank_8000",
            KaldiFbankConfig {
                frames: narrow,
                mel: KaldiMelConfig { num_bins: 15, low_freq: 100.0, ..Default::default() },
                ..base.clone()
            },
        ),
    ] {
        let mut fbank = KaldiFbank::new(config).unwrap();
        // Natural logarithms: 1e-3 dB are 2.3e-4.
        compare(front_end, 2.3e-4, 5, |samples| fbank.process(samples), difference);
    }
    let mut double = KaldiFbank::new(base.clone()).unwrap();
    compare("kaldi_fbank_double", 2.3e-4, 9, |samples| double.process(samples), difference);
    let frames = KaldiFrameConfig { remove_dc_offset: false, window: Window::Hann, ..frames };
    let mut linear = KaldiFbank::new(KaldiFbankConfig { frames, use_log_fbank: false, ..base }).unwrap();
    compare("kaldi_fbank_linear", 1e-5, 9, |samples| linear.process(samples), of_largest);
}

#[test]
fn kaldis_coefficients_equal_kaldi() {
    // Of natural logarithms: 1e-3 dB are 2.3e-4.
    let mut mfcc = KaldiMfcc::new(KaldiMfccConfig::default()).unwrap();
    compare("kaldi_mfcc", 2.3e-4, 6, |samples| mfcc.process(samples), difference);
    let mut mfcc = KaldiMfcc::new(KaldiMfccConfig {
        frames: KaldiFrameConfig { snip_edges: false, ..Default::default() },
        mel: KaldiMelConfig { num_bins: 40, ..Default::default() },
        num_ceps: 40,
        use_energy: false,
        cepstral_lifter: 0.0,
        ..Default::default()
    })
    .unwrap();
    compare("kaldi_mfcc_40", 2.3e-4, 6, |samples| mfcc.process(samples), difference);
    let mut double = KaldiMfcc::new(KaldiMfccConfig {
        mel: KaldiMelConfig { num_bins: 30, ..Default::default() },
        num_ceps: 20,
        use_energy: false,
        ..Default::default()
    })
    .unwrap();
    compare("kaldi_mfcc_double", 2.3e-4, 9, |samples| double.process(samples), difference);
}
