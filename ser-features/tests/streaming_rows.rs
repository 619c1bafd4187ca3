//! Streams of frames without a shared plan, and of several features at once, give what whole signals give, bit for bit.

use crate::support::signals;
use ndarray::{Array2, Axis};
use proptest::prelude::*;
use ser_features::{
    ConfigError, ContrastConfig, Delta, DeltaConfig, Feature, FeatureConfig, FeatureExtractor, Pcen,
    PcenConfig, Preemphasis, PreemphasisConfig, Rms, RmsConfig, RowByFrame, SignalError, SpectralContrast,
    StftConfig, StreamingDelta, StreamingExtractor, StreamingPcen, StreamingPreemphasis, StreamingRms,
    StreamingRow, StreamingYin, StreamingZeroCrossingRate, Yin, YinConfig, ZeroCrossingConfig,
    ZeroCrossingRate,
};

/// A signal cut into pieces of these lengths, in turn, again and again.
fn pieces<'a>(mut samples: &'a [f32], lengths: &'a [usize]) -> impl Iterator<Item = &'a [f32]> {
    lengths.iter().cycle().map_while(move |&length| {
        let (piece, rest) = samples.split_at(length.min(samples.len()));
        let more = !samples.is_empty();
        samples = rest;
        more.then_some(piece)
    })
}

fn row<P: RowByFrame>(
    plan: &mut StreamingRow<P>,
    samples: &[f32],
    lengths: &[usize],
) -> Result<Vec<P::Value>, SignalError> {
    let mut out = Vec::new();
    for piece in pieces(samples, lengths) {
        out.extend_from_slice(plan.push(piece)?);
    }
    out.extend_from_slice(plan.finish()?);
    Ok(out)
}

fn bits_of(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

fn compare_rows(samples: &[f32], frame_length: usize, hop_length: usize, center: bool, lengths: &[usize]) {
    let rms = RmsConfig { frame_length, hop_length, center };
    let whole = Rms::new(rms.clone()).unwrap().process(samples).map(bits_of);
    let stream = row(&mut StreamingRms::new(rms).unwrap(), samples, lengths).map(bits_of);
    assert_eq!(stream, whole, "rms");
    for zero_pos in [true, false] {
        let config = ZeroCrossingConfig { frame_length, hop_length, center, zero_pos, ..Default::default() };
        let whole = ZeroCrossingRate::new(config.clone()).unwrap().process(samples).map(bits_of);
        let stream = row(&mut StreamingZeroCrossingRate::new(config).unwrap(), samples, lengths).map(bits_of);
        assert_eq!(stream, whole, "zero crossings");
    }
    let fmin = 22_050.0 / (frame_length as f64 / 2.0);
    let config = YinConfig { fmin, fmax: 5_000.0, frame_length, hop_length, center, ..Default::default() };
    if let Ok(mut yin) = Yin::new(config.clone()) {
        let mut stream = StreamingYin::new(config).unwrap();
        let whole = yin.analyze(samples).map(|found| (bits_of(found.f0), bits_of(found.aperiodicity)));
        // The plan is ready for the next stream.
        for lengths in [lengths, &[usize::MAX]] {
            let both = row(&mut stream, samples, lengths).map(|frames| {
                frames.iter().map(|frame| (frame.f0.to_bits(), frame.aperiodicity.to_bits())).unzip()
            });
            assert_eq!(both, whole, "yin");
        }
    }
}

fn streamed(plan: &mut StreamingExtractor, samples: &[f32], lengths: &[usize]) -> Array2<f32> {
    let rows = plan.config().total_rows();
    let (mut values, mut count) = (Vec::new(), 0);
    let seconds = plan.config().hop_length as f64 / f64::from(plan.config().sample_rate);
    let mut take = |frames: ser_features::StreamedFrames<'_>| {
        assert_eq!(frames.first(), count);
        for (i, frame) in frames.stack().columns().into_iter().enumerate() {
            assert!((frames.time(i) - (count + i) as f64 * seconds).abs() < 1e-9);
            values.extend(frame);
        }
        count += frames.len();
    };
    for piece in pieces(samples, lengths) {
        take(plan.push(piece).unwrap());
    }
    take(plan.finish().unwrap());
    Array2::from_shape_vec((count, rows), values).unwrap().reversed_axes()
}

/// All that streams and does not depend on the sample rate.
fn config(sample_rate: u32) -> FeatureConfig {
    let left_out = [
        Feature::Tonnetz,
        Feature::Contrast,
        Feature::MfccDelta,
        Feature::MfccDelta2,
        Feature::F0,
        Feature::VoicedProbability,
        Feature::Jitter,
        Feature::Shimmer,
        Feature::Hnr,
        Feature::F1,
        Feature::F2,
        Feature::F3,
        Feature::F1Bandwidth,
    ];
    // Their bands reach up to 5 kHz.
    let of_high_rates =
        [Feature::AlphaRatio, Feature::HammarbergIndex, Feature::Slope0To500, Feature::Slope500To1500];
    let offered = |feature: &Feature| {
        !left_out.contains(feature) && (sample_rate >= 10_000 || !of_high_rates.contains(feature))
    };
    let features = Feature::ALL.into_iter().filter(offered).collect();
    FeatureConfig { features, sample_rate, top_db: None, tuning: Some(0.1), ..Default::default() }
}

#[test]
fn every_signal_streams_as_it_is_whole() {
    for signal in signals().into_iter().filter(|signal| signal.samples.len() < 50_000) {
        compare_rows(&signal.samples, 2_048, 512, true, &[480, 1, 5_000]);
        for center in [true, false] {
            compare_rows(&signal.samples, 2_048, usize::MAX, center, &[480, 1, 5_000]);
        }
        let config = config(signal.sample_rate);
        let whole = FeatureExtractor::new(config.clone()).unwrap().extract(&signal.samples).unwrap().stack();
        let mut plan = StreamingExtractor::new(config).unwrap();
        assert_eq!(plan.latency(), 1_024);
        assert!(streamed(&mut plan, &signal.samples, &[480, 1, 5_000]) == whole, "{}", signal.name);
        assert!(streamed(&mut plan, &signal.samples, &[usize::MAX]) == whole, "{}", signal.name);
    }
}

#[test]
fn streamed_contrast_has_no_top_db() {
    let signal = signals().into_iter().find(|signal| signal.name == "vowel").unwrap();
    let config = FeatureConfig { features: vec![Feature::Rms, Feature::Contrast], ..Default::default() };
    let stft = StftConfig { precision: config.precision, ..Default::default() };
    let mut contrast =
        SpectralContrast::new(ContrastConfig { top_db: None, stft, ..Default::default() }).unwrap();
    let mut plan = StreamingExtractor::new(config).unwrap();
    let frames = plan.push(&signal.samples).unwrap();
    let (got, want) = (frames.get(Feature::Contrast).unwrap(), contrast.process(&signal.samples).unwrap());
    assert!(got.columns().into_iter().zip(want.columns()).all(|(a, b)| a == b));
    assert_eq!(frames.get(Feature::Mel), None);
}

#[test]
fn what_needs_the_whole_signal_is_refused() {
    let refusal = |config| StreamingExtractor::new(config).err().unwrap();
    let one = |feature| FeatureConfig { features: vec![feature], ..Default::default() };
    let whole = |parameter, rule| ConfigError::NeedsWholeSignal { parameter, rule };
    assert_eq!(refusal(one(Feature::Mfcc)), whole("top_db", "None"));
    assert_eq!(refusal(one(Feature::Chroma)), whole("tuning", "given"));
    assert_eq!(refusal(one(Feature::LogMel)), whole("top_db", "None"));
    for feature in
        [Feature::Tonnetz, Feature::MfccDelta, Feature::MfccDelta2, Feature::F0, Feature::Hnr, Feature::F1]
    {
        assert_eq!(refusal(one(feature)), ConfigError::NotStreamed { feature: feature.as_str() });
    }
    assert_eq!(
        refusal(FeatureConfig { n_fft: 0, ..one(Feature::Rms) }),
        ConfigError::Zero { parameter: "n_fft" }
    );
}

#[test]
fn bad_pieces_are_ignored_and_empty_streams_refused() {
    let mut plan = StreamingRms::new(RmsConfig::default()).unwrap();
    assert_eq!(plan.finish(), Err(SignalError::Empty));
    let mut whole = plan.push(&[0.5; 3_000]).unwrap().len();
    assert!(matches!(plan.push(&[0.0, f32::NAN]), Err(SignalError::NotFinite { index: 1, .. })));
    whole += plan.push(&[0.5; 3_000]).unwrap().len();
    whole += plan.finish().unwrap().len();
    assert_eq!(whole, 1 + 6_000 / 512);
    let mut filter = StreamingPreemphasis::new(PreemphasisConfig::default()).unwrap();
    filter.push(&[1.0]).unwrap();
    assert_eq!(filter.finish(), Err(SignalError::TooShort { minimum: 2, given: 1 }));
    assert_eq!(filter.finish(), Err(SignalError::Empty));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_frames_stream_in_any_pieces(
        samples in prop::collection::vec(prop_oneof![4 => -1.0_f32..1.0, 1 => Just(0.0)], 1..1_500),
        frame_length in 8_usize..400,
        hop_length in 1_usize..600,
        center in any::<bool>(),
        lengths in prop::collection::vec(1_usize..500, 1..5),
    ) {
        compare_rows(&samples, frame_length, hop_length, center, &lengths);
        let mut filter = StreamingPreemphasis::new(PreemphasisConfig::default()).unwrap();
        let mut stream = Vec::new();
        for piece in pieces(&samples, &lengths) {
            stream.extend_from_slice(filter.push(piece).unwrap());
        }
        match Preemphasis::new(PreemphasisConfig::default()).unwrap().process(&samples) {
            Ok(whole) => prop_assert_eq!(stream, whole),
            Err(error) => prop_assert_eq!(filter.finish(), Err(error)),
        }
        let config = FeatureConfig {
            features: vec![Feature::Mel, Feature::Rms, Feature::ZeroCrossingRate, Feature::Flatness],
            n_mels: 10, n_fft: frame_length, hop_length, top_db: None, ..Default::default()
        };
        let whole = FeatureExtractor::new(config.clone()).unwrap().extract(&samples);
        let mut plan = StreamingExtractor::new(config).unwrap();
        if let Ok(whole) = whole {
            prop_assert!(streamed(&mut plan, &samples, &lengths) == whole.stack());
        }
    }
}

proptest! {
    #[test]
    fn deltas_and_normalised_energies_stream_as_they_are_whole(
        frames in 9_usize..60, rows in 1_usize..20, pieces in prop::collection::vec(0_usize..13, 1..6), order in 1_usize..3, max_size in 1_usize..4,
    ) {
        let energies = Array2::from_shape_fn((rows, frames), |(row, t)| ((row * 7 + t * t) % 23) as f32 * 40.0);
        let delta = DeltaConfig { order, ..Default::default() };
        let pcen = PcenConfig { max_size, ..Default::default() };
        let (mut deltas, mut normal) =
            (StreamingDelta::new(delta.clone()).unwrap(), StreamingPcen::new(pcen.clone()).unwrap());
        let want = (
            Delta::new(delta).unwrap().process(energies.view()).unwrap(),
            Pcen::new(pcen).unwrap().process(energies.view()).unwrap(),
        );
        // Twice, so that nothing is left of the stream before.
        for _ in 0..2 {
            let (mut got, mut at) = ((Vec::new(), Vec::new()), 0);
            // A piece of none at all would never end.
            for piece in pieces.iter().copied().chain([5]).cycle() {
                let end = (at + piece).min(frames);
                let part = energies.slice(ndarray::s![.., at..end]);
                got.0.push(deltas.push(part).unwrap());
                got.1.push(normal.push(part).unwrap());
                at = end;
                if at == frames {
                    break;
                }
            }
            got.0.push(deltas.finish().unwrap());
            normal.reset();
            let joined = |parts: &[Array2<f32>]| {
                let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
                ndarray::concatenate(Axis(1), &views).unwrap()
            };
            prop_assert_eq!(joined(&got.0), want.0.clone());
            prop_assert_eq!(joined(&got.1), want.1.clone());
        }
    }
}

#[test]
fn frames_of_another_height_are_refused_and_the_stream_goes_on() {
    let mut delta = StreamingDelta::new(DeltaConfig::default()).unwrap();
    let mut pcen = StreamingPcen::new(PcenConfig::default()).unwrap();
    let frames = |rows, value: f32| Array2::from_elem((rows, 5), 50.0 * value);
    for wrong in [0, 2] {
        delta.push(frames(3, 1.0).view()).unwrap();
        let first = pcen.push(frames(3, 1.0).view()).unwrap();
        let expected = SignalError::Rows { expected: 3, given: wrong };
        assert_eq!(delta.push(frames(wrong, 1.0).view()), Err(expected.clone()));
        assert_eq!(pcen.push(frames(wrong, 1.0).view()), Err(expected));
        let broken = pcen.push(frames(3, f32::NAN).view());
        assert!(matches!(broken, Err(SignalError::NotFinite { index: 0, .. })));
        assert!(pcen.push(frames(3, 1.0).view()).unwrap() != first, "the smoothing goes on");
        assert_eq!(delta.finish(), Err(SignalError::TooFewFrames { minimum: 9, given: 5 }));
        pcen.reset();
    }
}
