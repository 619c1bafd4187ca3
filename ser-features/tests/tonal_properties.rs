//! What holds for every signal: harmonic-percussive separation and the constant-Q transform.

use ndarray::Array2;
use proptest::prelude::*;
use ser_features::{
    ChromaCqt, ChromaCqtConfig, Cqt, CqtConfig, HarmonicPercussive, Hpss, HpssConfig, SignalError,
    StftConfig, Tonnetz,
};

/// Noise and a tone of up to two seconds at 8,000 Hz.
fn signal(peak: f32) -> impl Strategy<Value = Vec<f32>> {
    (1_usize..16_000, 0.001_f32..3.0, 0.0_f32..1.0, any::<u32>()).prop_map(
        move |(length, step, tone, seed)| {
            let mut state = seed;
            (0..length)
                .map(|n| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = state as f32 / u32::MAX as f32 * 2.0 - 1.0;
                    peak * (tone * (step * n as f32).sin() + (1.0 - tone) * noise)
                })
                .collect()
        },
    )
}

/// Six octaves, since seven don't fit below 4,000 Hz.
fn chroma_at_8000_hz() -> ChromaCqtConfig {
    ChromaCqtConfig { sample_rate: 8_000, n_octaves: 6, ..Default::default() }
}

fn separation() -> HarmonicPercussive {
    HarmonicPercussive::new(StftConfig::default(), HpssConfig::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..Default::default() })]

    #[test]
    fn harmonic_and_percussive_part_add_up_to_the_signal(x in signal(1.0)) {
        let mut separation = separation();
        let (harmonic, percussive) = (separation.harmonic(&x).unwrap(), separation.percussive(&x).unwrap());
        prop_assert_eq!((harmonic.len(), percussive.len()), (x.len(), x.len()));
        for ((x, h), p) in x.iter().zip(&harmonic).zip(&percussive) {
            prop_assert!((x - h - p).abs() < 1e-5);
        }
    }

    #[test]
    fn magnitudes_are_split_without_loss(
        values in prop::collection::vec(0.0_f32..10.0, 1..2_000),
        n_bins in 1_usize..60,
    ) {
        let n_frames = values.len().div_ceil(n_bins);
        let value = |(k, t): (usize, usize)| values.get(t * n_bins + k).copied().unwrap_or(0.0);
        let magnitude = Array2::from_shape_fn((n_bins, n_frames), value);
        let (harmonic, percussive) =
            Hpss::new(HpssConfig::default()).unwrap().process(magnitude.view()).unwrap();
        for ((x, h), p) in magnitude.iter().zip(&harmonic).zip(&percussive) {
            prop_assert!((x - h - p).abs() < 1e-5 && *h >= 0.0 && *p >= 0.0);
        }
    }

    #[test]
    fn the_constant_q_transform_is_linear(x in signal(1.0), gain in -4.0_f32..4.0) {
        let config = CqtConfig { sample_rate: 8_000, n_bins: 60, ..Default::default() };
        let mut cqt = Cqt::new(config).unwrap();
        let y: Vec<f32> = x.iter().rev().copied().collect();
        let sum: Vec<f32> = x.iter().zip(&y).map(|(x, y)| gain * x + y).collect();
        let (x, y) = (cqt.process_complex(&x).unwrap(), cqt.process_complex(&y).unwrap());
        let sum = cqt.process_complex(&sum).unwrap();
        // A tone beyond the highest bin leaves only rounding, which goes by the signal's own scale.
        let scale = x.iter().chain(&y).map(|x| x.norm()).fold(1.0, f32::max);
        for ((x, y), sum) in x.iter().zip(&y).zip(&sum) {
            prop_assert!((x * gain + y - sum).norm() < 2e-5 * scale);
        }
    }

    #[test]
    fn magnitude_is_that_of_the_complex_transform_and_the_shape_that_documented(
        x in signal(1.0),
        hop_length in 1_usize..1_500,
        n_bins in 1_usize..70,
        bins_per_octave in 1_usize..24,
        tuning in -0.5_f64..0.5,
    ) {
        let hop_length = hop_length.max(x.len() / 100);
        let config =
            CqtConfig { sample_rate: 8_000, hop_length, n_bins, bins_per_octave, tuning, ..Default::default() };
        prop_assert_eq!(config.frequencies().len(), n_bins);
        let Ok(mut cqt) = Cqt::new(config) else {
            // The highest filter lies above the Nyquist frequency.
            prop_assert!((n_bins as f64 + tuning) / bins_per_octave as f64 > 5.0);
            return Ok(());
        };
        let complex = match cqt.process_complex(&x) {
            Err(SignalError::TooShort { minimum, given }) => {
                prop_assert!(given < minimum);
                return Ok(());
            }
            other => other.unwrap(),
        };
        prop_assert_eq!(complex.nrows(), n_bins);
        // One more where the signal was downsampled first and its length rounded up.
        let frames = 1 + x.len() / hop_length;
        prop_assert!(complex.ncols() == frames || complex.ncols() == frames + 1);
        let magnitude = cqt.process(&x).unwrap();
        for (magnitude, complex) in magnitude.iter().zip(&complex) {
            prop_assert!((magnitude - complex.norm()).abs() <= 1e-6 * complex.norm());
        }
    }

    #[test]
    fn chroma_and_tonnetz_do_not_depend_on_loudness(x in signal(0.5), gain in 0.1_f32..8.0) {
        let louder: Vec<f32> = x.iter().map(|x| gain * x).collect();
        let config = ChromaCqtConfig { tuning: Some(0.1), ..chroma_at_8000_hz() };
        let mut chroma_cqt = ChromaCqt::new(config.clone()).unwrap();
        let (soft, loud) = (chroma_cqt.process(&x).unwrap(), chroma_cqt.process(&louder).unwrap());
        let mut tonnetz = Tonnetz::new(config).unwrap();
        let centroids = tonnetz.process(&x).unwrap();
        prop_assert_eq!((soft.nrows(), centroids.nrows()), (12, 6));
        prop_assert!(soft.iter().all(|x| (0.0..=1.0).contains(x)));
        prop_assert!(centroids.iter().all(|x| x.abs() <= 1.0 + 1e-6));
        // Beyond the signal's end there may be nothing but rounding noise.
        let frames = x.len() / 512;
        for (a, b) in soft.columns().into_iter().zip(loud.columns()).take(frames) {
            prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }

    #[test]
    fn nothing_finite_becomes_infinite_or_nan(x in signal(1e6)) {
        prop_assert!(separation().harmonic(&x).unwrap().iter().all(|x| x.is_finite()));
        prop_assert!(ChromaCqt::new(chroma_at_8000_hz()).unwrap().process(&x).unwrap().iter().all(|x| x.is_finite()));
        prop_assert!(Tonnetz::new(chroma_at_8000_hz()).unwrap().process(&x).unwrap().iter().all(|x| x.is_finite()));
    }

    #[test]
    fn the_second_of_two_signals_is_computed_as_if_it_were_the_first(x in signal(1.0), y in signal(1.0)) {
        let mut separation_of_both = separation();
        separation_of_both.harmonic(&x).unwrap();
        prop_assert_eq!(separation_of_both.harmonic(&y).unwrap(), separation().harmonic(&y).unwrap());
        let mut tonnetz = Tonnetz::new(chroma_at_8000_hz()).unwrap();
        tonnetz.process(&x).unwrap();
        let fresh = Tonnetz::new(chroma_at_8000_hz()).unwrap().process(&y).unwrap();
        prop_assert_eq!(tonnetz.process(&y).unwrap(), fresh);
    }
}

#[test]
fn signals_that_cannot_work_are_refused() {
    let refusals = |x: &[f32]| {
        [
            separation().harmonic(x).unwrap_err(),
            separation().percussive(x).unwrap_err(),
            Cqt::new(CqtConfig::default()).unwrap().process(x).unwrap_err(),
            ChromaCqt::new(ChromaCqtConfig::default()).unwrap().process(x).unwrap_err(),
            Tonnetz::new(ChromaCqtConfig { tuning: Some(0.0), ..Default::default() })
                .unwrap()
                .process(x)
                .unwrap_err(),
        ]
    };
    assert!(refusals(&[]).iter().all(|error| *error == SignalError::Empty));
    let mut x = vec![0.1; 3_000];
    x[2_000] = f32::NEG_INFINITY;
    let named = SignalError::NotFinite { index: 2_000, value: f32::NEG_INFINITY };
    assert!(refusals(&x).iter().all(|error| *error == named));

    // An octave from C1 on runs at a 64th of 22,050 Hz.
    let mut octave = Cqt::new(CqtConfig { n_bins: 12, ..Default::default() }).unwrap();
    assert_eq!(octave.process(&[0.1; 63]), Err(SignalError::TooShort { minimum: 64, given: 63 }));
    assert_eq!(octave.process(&[0.1; 64]).unwrap().dim(), (12, 1));
}
