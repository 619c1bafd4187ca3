//! What must hold for every signal.

use proptest::prelude::*;
use ser_features::{
    Chroma, ChromaConfig, ConfigError, ContrastConfig, Delta, DeltaConfig, FeatureExtractor, Istft,
    MelConfig, MelSpectrogram, Mfcc, MfccConfig, Preparation, PreparationConfig, Resampler, Rms, RmsConfig,
    SignalError, SpectralContrast, Spectrogram, Spectrum, Stft, StftConfig, StreamingContrast, StreamingMfcc,
    StreamingResampler, Trim, TrimConfig, Tuning, TuningConfig, Window, Yin,
};

/// Signals of any length up to a few frames, as loud as a careless scaling makes them, partly silent.
fn signal(peak: f32) -> impl Strategy<Value = Vec<f32>> {
    let sample = prop_oneof![4 => -peak..=peak, 1 => Just(0.0)];
    prop_oneof![
        prop::collection::vec(sample, 1..5000),
        (1_usize..5000, -peak..=peak).prop_map(|(length, level)| vec![level; length]),
        (1_usize..5000, 0.0_f32..3.2, -peak..=peak).prop_map(|(length, step, level)| {
            (0..length).map(|n| level * (step * n as f32).sin()).collect()
        }),
    ]
}

fn small_stft() -> impl Strategy<Value = StftConfig> {
    (2_usize..200, 1_usize..100, any::<bool>()).prop_flat_map(|(n_fft, hop_length, center)| {
        (1..=n_fft).prop_map(move |win_length| StftConfig {
            n_fft,
            hop_length,
            win_length: Some(win_length),
            center,
            ..Default::default()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn istft_of_stft_is_the_signal(x in signal(1.0), quarter in 4_usize..300) {
        let config = StftConfig { n_fft: 4 * quarter, hop_length: quarter, ..Default::default() };
        let spectrum = Stft::new(config.clone()).unwrap().process(&x).unwrap();
        let again = Istft::new(config).unwrap().process(spectrum.view(), Some(x.len())).unwrap();
        for (a, b) in x.iter().zip(&again) {
            prop_assert!((a - b).abs() < 2e-5, "{a} became {b}");
        }
    }

    #[test]
    fn the_stft_is_linear(x in signal(1.0), gain in -4.0_f32..4.0) {
        let config = StftConfig { n_fft: 256, hop_length: 64, ..Default::default() };
        let mut stft = Stft::new(config).unwrap();
        let other: Vec<f32> = x.iter().rev().map(|v| 0.5 - v).collect();
        let mixed: Vec<f32> = x.iter().zip(&other).map(|(a, b)| a + gain * b).collect();
        let (a, b) = (stft.process(&x).unwrap(), stft.process(&other).unwrap());
        for ((m, a), b) in stft.process(&mixed).unwrap().iter().zip(&a).zip(&b) {
            prop_assert!((m - (a + b * gain)).norm() < 1e-3);
        }
    }

    #[test]
    fn a_frame_keeps_its_energy(x in prop::collection::vec(-1.0_f32..1.0, 128)) {
        // Parseval: without window and overlap, spectrum and signal have one energy.
        let config = StftConfig { n_fft: 128, hop_length: 128, window: Window::Rectangular, center: false, ..Default::default() };
        let power = Spectrogram::new(config, Spectrum::Power).unwrap().process(&x).unwrap();
        let both_sides = 2.0 * power.sum() - power[[0, 0]] - power[[64, 0]];
        let energy: f32 = x.iter().map(|v| v * v).sum();
        prop_assert!((both_sides / 128.0 - energy).abs() < 1e-4 * (1.0 + energy));
    }

    #[test]
    fn a_louder_signal_has_more_mel_power_and_the_same_chroma(x in signal(0.5), gain in 0.1_f32..8.0) {
        let louder: Vec<f32> = x.iter().map(|v| v * gain).collect();
        let mut mel = MelSpectrogram::new(MelConfig::default()).unwrap();
        let (quiet, loud) = (mel.process(&x).unwrap(), mel.process(&louder).unwrap());
        let largest = loud.iter().fold(0.0, |a: f32, &b| a.max(b));
        for (q, l) in quiet.iter().zip(&loud) {
            prop_assert!((q * gain * gain - l).abs() <= 1e-5 * largest);
        }
        let config = ChromaConfig { tuning: Some(0.0), ..Default::default() };
        let mut chroma = Chroma::new(config).unwrap();
        for (q, l) in chroma.process(&x).unwrap().iter().zip(&chroma.process(&louder).unwrap()) {
            prop_assert!((q - l).abs() < 1e-4);
        }
    }

    #[test]
    fn any_signal_and_transform_has_the_documented_shape(x in signal(1.0), config in small_stft()) {
        let frames = config.n_frames(x.len());
        let got = Stft::new(config.clone()).unwrap().process(&x);
        if frames == 0 {
            prop_assert_eq!(got, Err(SignalError::TooShort { minimum: config.n_fft, given: x.len() }));
        } else {
            prop_assert_eq!(got.unwrap().dim(), (config.n_fft / 2 + 1, frames));
        }
        if config.center && config.n_fft % 2 == 0 {
            prop_assert_eq!(frames, 1 + x.len() / config.hop_length);
        }
    }

    #[test]
    fn nothing_finite_becomes_infinite_or_nan(x in signal(1e6)) {
        let finite = |m: &ndarray::Array2<f32>| m.iter().all(|v| v.is_finite());
        let frames = 1 + x.len() / 512;
        let mel = MelSpectrogram::new(MelConfig::default()).unwrap().process(&x).unwrap();
        prop_assert!(mel.dim() == (128, frames) && finite(&mel) && mel.iter().all(|&v| v >= 0.0));
        let mfcc = Mfcc::new(MfccConfig::default()).unwrap().process(&x).unwrap();
        prop_assert!(mfcc.dim() == (20, frames) && finite(&mfcc));
        let chroma = Chroma::new(ChromaConfig::default()).unwrap().process(&x).unwrap();
        prop_assert!(chroma.dim() == (12, frames) && chroma.iter().all(|v| (0.0..=1.0).contains(v)));
        let contrast = SpectralContrast::new(ContrastConfig::default()).unwrap().process(&x).unwrap();
        prop_assert!(contrast.dim() == (7, frames) && finite(&contrast));
        let rms = Rms::new(RmsConfig::default()).unwrap().process(&x).unwrap();
        prop_assert!(rms.len() == frames && rms.iter().all(|v| v.is_finite()));
        let tuning = Tuning::new(TuningConfig::default()).unwrap().estimate(&x).unwrap();
        prop_assert!((-0.5..0.5).contains(&tuning));
        let clip = Preparation::new(PreparationConfig::default()).unwrap().process(&x, 48_000).unwrap();
        prop_assert!(clip.len() == 66_150 && clip.iter().all(|v| v.abs() <= 1.0));
    }

    #[test]
    fn the_second_of_two_signals_is_computed_as_if_it_were_the_first(x in signal(1.0), y in signal(1.0)) {
        let mut used = Mfcc::new(MfccConfig::default()).unwrap();
        used.process(&x).unwrap();
        prop_assert_eq!(used.process(&y).unwrap(), Mfcc::new(MfccConfig::default()).unwrap().process(&y).unwrap());
        let mut used = Chroma::new(ChromaConfig::default()).unwrap();
        used.process(&x).unwrap();
        prop_assert_eq!(used.process(&y).unwrap(), Chroma::new(ChromaConfig::default()).unwrap().process(&y).unwrap());
    }

    #[test]
    fn resampling_any_clip_keeps_its_duration(x in signal(1.0), from in 8_000_u32..192_000) {
        let ratio = 22_050.0 / f64::from(from);
        let plan = match Resampler::new(from, 22_050) {
            Err(ConfigError::RatioTooFine { .. }) => Resampler::with_ratio(ratio),
            plan => plan,
        };
        let got = plan.unwrap().process(&x).unwrap();
        prop_assert_eq!(got.len(), (x.len() as f64 * ratio).ceil() as usize);
        prop_assert!(got.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn resampling_is_linear_and_streams_for_any_pieces(
        x in signal(1.0),
        pieces in proptest::collection::vec(0_usize..3_000, 1..6),
        pair in proptest::sample::select(vec![(48_000, 22_050), (44_100, 22_050), (16_000, 22_050), (8_000, 48_000), (22_050, 22_050)]),
    ) {
        let mut plan = Resampler::new(pair.0, pair.1).unwrap();
        let whole = plan.process(&x).unwrap();
        let tripled: Vec<f32> = x.iter().map(|v| 3.0 * v).collect();
        let tripled = plan.process(&tripled).unwrap();
        prop_assert!(whole.iter().zip(&tripled).all(|(a, b)| (3.0 * a - b).abs() < 1e-5));
        let mut plan = StreamingResampler::new(pair.0, pair.1).unwrap();
        let (mut stream, mut rest) = (Vec::new(), &x[..]);
        for piece in pieces.into_iter().chain([usize::MAX]) {
            let (piece, after) = rest.split_at(piece.min(rest.len()));
            stream.extend_from_slice(plan.push(piece).unwrap());
            rest = after;
        }
        stream.extend_from_slice(plan.finish().unwrap());
        prop_assert_eq!(stream.len(), whole.len());
        prop_assert!(stream.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 3e-6));
    }
}

/// Runs every plan on a signal and returns what each says.
fn refusals(x: &[f32]) -> Vec<SignalError> {
    vec![
        Stft::new(StftConfig::default()).unwrap().process(x).err().unwrap(),
        MelSpectrogram::new(MelConfig::default()).unwrap().process(x).err().unwrap(),
        Mfcc::new(MfccConfig::default()).unwrap().process(x).err().unwrap(),
        Chroma::new(ChromaConfig::default()).unwrap().process(x).err().unwrap(),
        SpectralContrast::new(ContrastConfig::default()).unwrap().process(x).err().unwrap(),
        Tuning::new(TuningConfig::default()).unwrap().estimate(x).err().unwrap(),
        Tuning::new(TuningConfig::default()).unwrap().pitches(x).err().unwrap(),
        Rms::new(RmsConfig::default()).unwrap().process(x).err().unwrap(),
        Trim::new(TrimConfig::default()).unwrap().trim(x).err().unwrap(),
        Resampler::new(48_000, 22_050).unwrap().process(x).err().unwrap(),
        Resampler::new(22_050, 22_050).unwrap().process(x).err().unwrap(),
        Preparation::new(PreparationConfig::default()).unwrap().process(x, 22_050).err().unwrap(),
    ]
}

#[test]
fn no_plan_takes_an_empty_signal() {
    assert!(refusals(&[]).iter().all(|error| *error == SignalError::Empty));
}

#[test]
fn every_plan_names_the_sample_that_is_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = vec![0.5; 3000];
        x[2345] = bad;
        x[2999] = bad;
        let named = |error: &SignalError| matches!(error, SignalError::NotFinite { index: 2345, .. });
        assert!(refusals(&x).iter().all(named));
    }
}

#[test]
fn a_matrix_shorter_than_the_delta_is_refused() {
    let short = ndarray::Array2::zeros((13, 8));
    let error = Delta::new(DeltaConfig::default()).unwrap().process(short.view()).err();
    assert_eq!(error, Some(SignalError::TooFewFrames { minimum: 9, given: 8 }));
}

#[test]
fn errors_can_cross_threads() {
    fn crosses<T: std::error::Error + Send + Sync + Clone + PartialEq + 'static>() {}
    crosses::<ConfigError>();
    crosses::<SignalError>();
}

#[test]
fn plans_can_move_to_a_thread() {
    fn moves<T: Send>() {}
    moves::<Stft>();
    moves::<Istft>();
    moves::<Preparation>();
    moves::<FeatureExtractor>();
    moves::<Yin>();
    moves::<StreamingMfcc>();
    moves::<StreamingContrast>();
}

#[test]
fn plans_are_shown_and_copied_with_their_state() {
    fn plan<T: std::fmt::Debug + Clone>() {}
    plan::<Stft>();
    plan::<Istft>();
    plan::<Mfcc>();
    plan::<Chroma>();
    plan::<SpectralContrast>();
    plan::<Tuning>();
    plan::<Yin>();
    plan::<Preparation>();
    plan::<FeatureExtractor>();
    plan::<StreamingMfcc>();
    plan::<StreamingResampler>();
    plan::<ser_features::StreamingExtractor>();
    plan::<ser_features::Cqt>();
    plan::<ser_features::Tonnetz>();
    plan::<ser_features::HarmonicPercussive>();
    let clip: Vec<f32> = (0..9_000).map(|n| (n as f32 * 0.1).sin()).collect();
    let mut resampler = Resampler::with_ratio(0.9).unwrap();
    assert_eq!(resampler.clone().process(&clip), resampler.process(&clip));
    let mut stream = StreamingResampler::new(48_000, 22_050).unwrap();
    stream.push(&clip).unwrap();
    assert_eq!(stream.clone().finish(), stream.finish());
}
