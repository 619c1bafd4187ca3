//! What holds for every signal: features with one value a frame, pre-emphasis, and all features together.

use ndarray::Array1;
use proptest::prelude::*;
use ser_features::{
    BandwidthConfig, CentroidConfig, FeatureConfig, FeatureExtractor, FlatnessConfig, Precision, Preemphasis,
    PreemphasisConfig, RolloffConfig, SignalError, SpectralBandwidth, SpectralCentroid, SpectralFlatness,
    SpectralRolloff, StftConfig, Yin, YinConfig, ZeroCrossingConfig, ZeroCrossingRate,
};

/// Noise, tones, constants and silence of any length up to a few frames.
fn signal(peak: f32) -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        prop::collection::vec(-peak..=peak, 1..5_000),
        (1_usize..5_000, prop_oneof![Just(0.0), -peak..=peak])
            .prop_map(|(length, level)| vec![level; length]),
        (1_usize..5_000, 0.0_f32..3.2, 0.0..=peak).prop_map(|(length, step, level)| {
            (0..length).map(|n| level * (step * n as f32).sin()).collect()
        }),
    ]
}

/// A feature: its name, its range, and its values.
type Described = (&'static str, f32, f32, Array1<f32>);

struct Plans {
    centroid: SpectralCentroid,
    bandwidth: SpectralBandwidth,
    rolloff: SpectralRolloff,
    flatness: SpectralFlatness,
    crossings: ZeroCrossingRate,
    yin: Yin,
}

impl Plans {
    fn new() -> Self {
        // What is left of a tone's precision would be all that differs between loud and soft.
        let stft = || StftConfig { precision: Precision::Double, ..Default::default() };
        Self {
            centroid: SpectralCentroid::new(CentroidConfig { stft: stft(), ..Default::default() }).unwrap(),
            bandwidth: SpectralBandwidth::new(BandwidthConfig { stft: stft(), ..Default::default() })
                .unwrap(),
            rolloff: SpectralRolloff::new(RolloffConfig { stft: stft(), ..Default::default() }).unwrap(),
            flatness: SpectralFlatness::new(FlatnessConfig { stft: stft(), ..Default::default() }).unwrap(),
            crossings: ZeroCrossingRate::new(ZeroCrossingConfig::default()).unwrap(),
            yin: Yin::new(YinConfig::default()).unwrap(),
        }
    }

    fn process(&mut self, x: &[f32]) -> Result<[Described; 6], SignalError> {
        Ok([
            ("centroid", 0.0, 11_025.0, self.centroid.process(x)?),
            ("bandwidth", 0.0, 11_025.0, self.bandwidth.process(x)?),
            ("rolloff", 0.0, 11_025.0, self.rolloff.process(x)?),
            ("flatness", 0.0, 1.000_001, self.flatness.process(x)?),
            ("zero crossings", 0.0, 1.0, self.crossings.process(x)?),
            ("yin", 65.0, 2_320.0, self.yin.process(x)?),
        ])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_has_a_value_within_its_range(x in signal(1e6)) {
        for (name, least, most, values) in Plans::new().process(&x).unwrap() {
            prop_assert_eq!(values.len(), 1 + x.len() / 512, "{}", name);
            prop_assert!(values.iter().all(|v| (least..=most).contains(v)), "{} {}", name, values);
        }
    }

    #[test]
    fn what_describes_a_spectrums_shape_does_not_depend_on_loudness(
        x in prop::collection::vec(-1.0_f32..=1.0, 1..5_000),
        power_of_two in -4_i32..=8,
    ) {
        // Powers of two change no digit of a sample.
        let louder: Vec<f32> = x.iter().map(|x| x * 2.0_f32.powi(power_of_two)).collect();
        let (soft, loud) = (Plans::new().process(&x).unwrap(), Plans::new().process(&louder).unwrap());
        for ((name, _, most, soft), (_, _, _, loud)) in soft.into_iter().zip(loud) {
            for (a, b) in soft.iter().zip(&loud) {
                prop_assert!((a - b).abs() <= 1e-5 * most, "{name}: {a} and {b}");
            }
        }
    }

    #[test]
    fn the_second_of_two_signals_is_computed_as_if_it_were_the_first(x in signal(1.0), y in signal(1.0)) {
        let mut used = Plans::new();
        used.process(&x).unwrap();
        let (used, fresh) = (used.process(&y).unwrap(), Plans::new().process(&y).unwrap());
        for ((name, _, _, used), (_, _, _, fresh)) in used.into_iter().zip(fresh) {
            prop_assert_eq!(used, fresh, "{}", name);
        }
    }

    #[test]
    fn deemphasis_undoes_preemphasis(
        x in prop::collection::vec(-1.0_f32..=1.0, 2..2_000),
        coef in 0.0_f32..=0.97,
    ) {
        let filter = Preemphasis::new(PreemphasisConfig { coef }).unwrap();
        let again = filter.deemphasis(&filter.process(&x).unwrap()).unwrap();
        // The inverse adds up the rounding of all samples before, each with a weight of coef to the power of its age.
        let tolerance = 2e-7 / (1.0 - coef) + 1e-6;
        prop_assert!(x.iter().zip(&again).all(|(a, b)| (a - b).abs() < tolerance));
    }

    #[test]
    fn preemphasis_is_linear(x in prop::collection::vec(-1.0_f32..=1.0, 2..2_000), gain in -4.0_f32..4.0) {
        let filter = Preemphasis::new(PreemphasisConfig::default()).unwrap();
        let scaled: Vec<f32> = x.iter().map(|x| x * gain).collect();
        for (a, b) in filter.process(&x).unwrap().iter().zip(filter.process(&scaled).unwrap()) {
            prop_assert!((a * gain - b).abs() < 1e-5);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_features_of_anything_finite_are_finite(x in signal(1e6)) {
        let config = FeatureConfig::default();
        let features = FeatureExtractor::new(config.clone()).unwrap().extract(&x).unwrap();
        prop_assert_eq!(features.stack().dim(), (193, config.n_frames(x.len())));
        prop_assert!(features.stack().iter().all(|v| v.is_finite()));
        prop_assert!(features.vector().iter().all(|v| v.is_finite()));
    }
}

#[test]
fn signals_that_cannot_work_are_refused() {
    assert_eq!(Plans::new().process(&[]).err(), Some(SignalError::Empty));
    let refusals = |x: &[f32]| {
        let mut plans = Plans::new();
        let filter = Preemphasis::new(PreemphasisConfig::default()).unwrap();
        [
            plans.centroid.process(x).err(),
            plans.bandwidth.process(x).err(),
            plans.rolloff.process(x).err(),
            plans.flatness.process(x).err(),
            plans.crossings.process(x).err(),
            plans.yin.process(x).err(),
            filter.process(x).err(),
            filter.deemphasis(x).err(),
            FeatureExtractor::new(FeatureConfig::default()).unwrap().extract(x).err(),
        ]
    };
    assert!(refusals(&[]).into_iter().all(|error| error == Some(SignalError::Empty)));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = vec![0.5; 3_000];
        x[2_345] = bad;
        x[2_999] = bad;
        let named = |error| matches!(error, Some(SignalError::NotFinite { index: 2_345, .. }));
        assert!(refusals(&x).into_iter().all(named));
    }
}

#[test]
fn frames_that_are_not_centred_need_a_whole_one() {
    let too_short = Some(SignalError::TooShort { minimum: 2_048, given: 2_047 });
    let config = ZeroCrossingConfig { center: false, ..Default::default() };
    let mut crossings = ZeroCrossingRate::new(config).unwrap();
    let mut yin = Yin::new(YinConfig { center: false, ..Default::default() }).unwrap();
    assert_eq!(
        (crossings.process(&[0.1; 2_047]).err(), yin.process(&[0.1; 2_047]).err()),
        (too_short.clone(), too_short)
    );
    assert_eq!(
        (crossings.process(&[0.1; 2_048]).unwrap().len(), yin.process(&[0.1; 2_048]).unwrap().len()),
        (1, 1)
    );
}
