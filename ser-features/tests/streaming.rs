//! Streams give, frame for frame and bit for bit, what whole signals give.

use std::fmt::Debug;

use crate::support::signals;
use ndarray::{Array2, ArrayView2, Axis};
use num_complex::Complex;
use proptest::prelude::*;
use ser_features::{
    BandwidthConfig, CentroidConfig, Chroma, ChromaConfig, ConfigError, ContrastConfig, DecibelConfig,
    FlatnessConfig, FrameByFrame, LogMel, LogMelConfig, LogScale, MelConfig, MelSpectrogram, Mfcc,
    MfccConfig, PadMode, Precision, Reference, RolloffConfig, SignalError, SpectralBandwidth,
    SpectralCentroid, SpectralContrast, SpectralFlatness, SpectralRolloff, Stft, StftConfig, Streaming,
    StreamingChroma, StreamingContrast, StreamingMel, StreamingMfcc, StreamingStft,
};

/// A value's bits: 0 and −0 differ, and NaN would equal itself.
trait Bits: Copy + Default {
    fn bits(self) -> u64;
}

impl Bits for f32 {
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

impl Bits for Complex<f32> {
    fn bits(self) -> u64 {
        u64::from(self.re.to_bits()) << 32 | u64::from(self.im.to_bits())
    }
}

/// All frames of a stream, pushed in pieces of the given lengths (in turn, again and again).
fn streamed<P: FrameByFrame>(
    plan: &mut Streaming<P>,
    samples: &[f32],
    pieces: &[usize],
) -> Result<Array2<P::Value>, SignalError> {
    let mut frames: Vec<P::Value> = Vec::new();
    let mut rows = 0;
    let mut take = |new: ArrayView2<'_, P::Value>| {
        rows = new.nrows();
        frames.extend(new.columns().into_iter().flatten());
    };
    let mut rest = samples;
    for &piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(piece.min(rest.len()));
        take(plan.push(piece)?);
        rest = after;
    }
    take(plan.finish()?);
    Ok(Array2::from_shape_vec((frames.len() / rows, rows), frames).unwrap().reversed_axes())
}

fn assert_same<T: Bits + Debug + PartialEq>(stream: &Array2<T>, whole: &Array2<T>, name: &str) {
    assert_eq!(stream.dim(), whole.dim(), "{name}");
    for ((at, a), b) in stream.indexed_iter().zip(whole) {
        assert!(a.bits() == b.bits(), "{name} at {at:?}: {a:?} of the stream, {b:?} of the whole");
    }
}

/// librosa's defaults as far as they stream, over any transform and sample rate.
struct Configs {
    stft: StftConfig,
    sample_rate: u32,
}

impl Configs {
    fn mel(&self) -> MelConfig {
        MelConfig { sample_rate: self.sample_rate, stft: self.stft.clone(), n_mels: 40, ..Default::default() }
    }

    fn mfcc(&self) -> MfccConfig {
        let decibel = DecibelConfig { top_db: None, ..Default::default() };
        MfccConfig { mel: self.mel(), decibel, ..Default::default() }
    }

    fn chroma(&self) -> ChromaConfig {
        let (sample_rate, stft) = (self.sample_rate, self.stft.clone());
        ChromaConfig { sample_rate, stft, tuning: Some(0.1), ..Default::default() }
    }

    fn contrast(&self) -> ContrastConfig {
        let (sample_rate, stft) = (self.sample_rate, self.stft.clone());
        ContrastConfig { sample_rate, stft, top_db: None, fmin: 400.0, n_bands: 3, ..Default::default() }
    }
}

/// Compares every feature that streams with its own plan; what the plan refuses, the stream refuses in the same words.
fn compare_all(samples: &[f32], configs: &Configs, pieces: &[usize]) {
    let Configs { stft, sample_rate } = configs;
    let (stft, sample_rate) = (stft.clone(), *sample_rate);
    let name = |feature: &str| format!("{feature} of {} samples in {pieces:?}, {stft:?}", samples.len());

    let whole = Stft::new(stft.clone()).unwrap().process(samples);
    let stream = streamed(&mut StreamingStft::new(stft.clone()).unwrap(), samples, pieces);
    match (stream, whole) {
        (Ok(stream), Ok(whole)) => assert_same(&stream, &whole, &name("stft")),
        (stream, whole) => {
            assert_eq!(stream.err(), whole.err(), "{}", name("stft"));
            return;
        }
    }
    macro_rules! compare {
        ($plan:ty, $config:expr) => {
            // The plan and the stream refuse the same configurations.
            match (<$plan>::new($config), Streaming::<$plan>::new($config)) {
                (Ok(mut plan), Ok(mut stream)) => {
                    let stream = streamed(&mut stream, samples, pieces).unwrap();
                    assert_same(&stream, &plan.process(samples).unwrap(), &name(stringify!($plan)));
                }
                (plan, stream) => assert_eq!(plan.err(), stream.err(), "{}", name(stringify!($plan))),
            }
        };
    }
    compare!(MelSpectrogram, configs.mel());
    compare!(LogMel, LogMelConfig { mel: configs.mel(), log: LogScale::Log10 { floor: 1e-9 } });
    compare!(Mfcc, configs.mfcc());
    compare!(Chroma, configs.chroma());
    compare!(SpectralContrast, configs.contrast());
    macro_rules! compare_row {
        ($plan:ty, $config:expr) => {
            let stream = streamed(&mut Streaming::<$plan>::new($config).unwrap(), samples, pieces).unwrap();
            let whole = <$plan>::new($config).unwrap().process(samples).unwrap().insert_axis(Axis(0));
            assert_same(&stream, &whole, &name(stringify!($plan)));
        };
    }
    compare_row!(SpectralCentroid, CentroidConfig { sample_rate, stft: stft.clone() });
    compare_row!(
        SpectralBandwidth,
        BandwidthConfig { sample_rate, stft: stft.clone(), ..Default::default() }
    );
    compare_row!(SpectralRolloff, RolloffConfig { sample_rate, stft: stft.clone(), ..Default::default() });
    compare_row!(SpectralFlatness, FlatnessConfig { stft: stft.clone(), ..Default::default() });
}

#[test]
fn every_signal_streams_as_it_is_whole() {
    for signal in signals().into_iter().filter(|signal| signal.samples.len() < 50_000) {
        let configs = Configs { stft: StftConfig::default(), sample_rate: signal.sample_rate };
        compare_all(&signal.samples, &configs, &[5_513, 1, 7, 2_048, 131]);
        compare_all(&signal.samples, &configs, &[usize::MAX]);
    }
}

#[test]
fn single_samples_make_a_stream() {
    let samples: Vec<f32> = (0..3_000).map(|n| (n as f32 * 0.1).sin()).collect();
    let stft = StftConfig { n_fft: 256, hop_length: 100, ..Default::default() };
    compare_all(&samples, &Configs { stft, sample_rate: 8_000 }, &[1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_transform_of_any_signal_streams_in_any_pieces(
        x in prop::collection::vec(-1.0_f32..1.0, 1..1_500),
        n_fft in 1_usize..150,
        window in 0.0_f32..1.0,
        // Frames may overlap nearly wholly, or leave samples between them.
        hop_length in prop_oneof![1_usize..150, 150_usize..2_000],
        center in any::<bool>(),
        double in any::<bool>(),
        pad_mode in prop::sample::select(&[PadMode::Zero, PadMode::Reflect, PadMode::Edge]),
        pieces in prop::collection::vec(prop_oneof![Just(0_usize), 1_usize..20, 1_usize..700], 1..6),
    ) {
        let win_length = Some(1 + (window * (n_fft - 1) as f32) as usize);
        let precision = if double { Precision::Double } else { Precision::Single };
        let stft = StftConfig { n_fft, hop_length, win_length, center, pad_mode, precision, ..Default::default() };
        let pieces: Vec<usize> = pieces.into_iter().chain([311]).collect();
        if n_fft > 1 {
            compare_all(&x, &Configs { stft, sample_rate: 8_000 }, &pieces);
        } else {
            let whole = Stft::new(stft.clone()).unwrap().process(&x).unwrap();
            let stream = streamed(&mut StreamingStft::new(stft).unwrap(), &x, &pieces).unwrap();
            assert_same(&stream, &whole, "stft");
        }
    }

    #[test]
    fn each_frame_comes_with_the_sample_that_the_latency_names(
        n_fft in 1_usize..40,
        window in 0.0_f32..1.0,
        hop_length in 1_usize..60,
        center in any::<bool>(),
        reflects in any::<bool>(),
    ) {
        let pad_mode = if reflects { PadMode::Reflect } else { PadMode::Edge };
        let win_length = 1 + (window * (n_fft - 1) as f32) as usize;
        let stft =
            StftConfig { n_fft, hop_length, win_length: Some(win_length), center, pad_mode, ..Default::default() };
        let mut stream = StreamingStft::new(stft.clone()).unwrap();
        let latency = stream.latency();
        if center {
            let most = win_length.div_ceil(2).max(if reflects { n_fft / 2 + 1 } else { 1 });
            prop_assert!(latency <= most && latency + 1 >= win_length / 2);
        } else {
            prop_assert_eq!(latency, n_fft);
        }
        let mut given = 0;
        for pushed in 1..=200 {
            let due = stream.push(&[0.5]).unwrap().ncols();
            // A stream has no frame before it has a sample.
            let frames = (0..).take_while(|t| (t * hop_length + latency).max(1) <= pushed).count();
            prop_assert_eq!(given + due, frames, "after {} samples", pushed);
            given += due;
            prop_assert!(given <= stft.n_frames(pushed), "no frame that the signal might not have");
        }
        prop_assert_eq!(given + stream.finish().map_or(0, |last| last.ncols()), stft.n_frames(200));
    }
}

#[test]
fn latencies_are_the_documented_ones() {
    assert_eq!(StreamingStft::new(StftConfig::default()).unwrap().latency(), 1024);
    let speech = StftConfig { n_fft: 512, hop_length: 160, win_length: Some(400), ..Default::default() };
    assert_eq!(StreamingStft::new(speech).unwrap().latency(), 200);
    let whole_frames = StftConfig { center: false, ..Default::default() };
    assert_eq!(StreamingStft::new(whole_frames).unwrap().latency(), 2048);
}

#[test]
fn a_stream_knows_nothing_of_the_one_before() {
    let x: Vec<f32> = (0..9_001).map(|n| (n as f32 * 0.07).sin()).collect();
    let fresh = streamed(&mut StreamingMel::new(MelConfig::default()).unwrap(), &x, &[997]).unwrap();
    let mut used = StreamingMel::new(MelConfig::default()).unwrap();
    streamed(&mut used, &x[3_000..], &[64]).unwrap();
    assert_eq!(streamed(&mut used, &x, &[997]).unwrap(), fresh);
    // Given up in its middle.
    used.push(&x[..5_000]).unwrap();
    used.reset();
    assert_eq!(streamed(&mut used, &x, &[997]).unwrap(), fresh);
}

#[test]
fn a_broken_piece_is_refused_and_leaves_the_stream_as_it_was() {
    let x: Vec<f32> = (0..9_001).map(|n| (n as f32 * 0.07).sin()).collect();
    let whole = MelSpectrogram::new(MelConfig::default()).unwrap().process(&x).unwrap();
    let mut stream = StreamingMel::new(MelConfig::default()).unwrap();
    let mut frames = stream.push(&x[..3_000]).unwrap().ncols();
    let broken = [0.0, 0.0, f32::NAN];
    let named = stream.push(&broken).err();
    assert!(matches!(named, Some(SignalError::NotFinite { index: 2, value }) if value.is_nan()));
    let rest = stream.push(&x[3_000..]).unwrap();
    for (t, frame) in rest.columns().into_iter().enumerate() {
        assert_eq!(frame, whole.column(frames + t));
    }
    frames += rest.ncols();
    frames += stream.finish().unwrap().ncols();
    assert_eq!(frames, whole.ncols());
}

#[test]
fn streams_too_short_for_a_frame_are_refused_when_they_end() {
    let mut stream = StreamingStft::new(StftConfig::default()).unwrap();
    assert_eq!(stream.finish().err(), Some(SignalError::Empty));
    assert_eq!(stream.push(&[]).unwrap().dim(), (1025, 0));
    assert_eq!(stream.finish().err(), Some(SignalError::Empty));
    let mut whole_frames = StreamingStft::new(StftConfig { center: false, ..Default::default() }).unwrap();
    whole_frames.push(&[0.1; 2047]).unwrap();
    let error = SignalError::TooShort { minimum: 2048, given: 2047 };
    assert_eq!(whole_frames.finish().err(), Some(error));
    assert_eq!(whole_frames.push(&[0.1; 2048]).unwrap().ncols(), 1);
}

#[test]
fn what_needs_the_whole_signal_is_refused() {
    let refusal = |error: Option<ConfigError>| error.unwrap().to_string();
    assert_eq!(
        refusal(StreamingMfcc::new(MfccConfig::default()).err()),
        "stream: top_db must be None, got a setting that needs the whole signal"
    );
    let decibel = DecibelConfig { reference: Reference::Max, top_db: None, ..Default::default() };
    assert_eq!(
        refusal(StreamingMfcc::new(MfccConfig { decibel, ..Default::default() }).err()),
        "stream: reference must be a value, got a setting that needs the whole signal"
    );
    assert_eq!(
        refusal(StreamingChroma::new(ChromaConfig::default()).err()),
        "stream: tuning must be given, got a setting that needs the whole signal"
    );
    assert_eq!(
        refusal(StreamingContrast::new(ContrastConfig::default()).err()),
        "stream: top_db must be None, got a setting that needs the whole signal"
    );
    // Linear contrast has no decibels.
    assert!(StreamingContrast::new(ContrastConfig { linear: true, ..Default::default() }).is_ok());
    let stft = StftConfig { hop_length: 0, ..Default::default() };
    assert_eq!(StreamingStft::new(stft).err(), Some(ConfigError::Zero { parameter: "hop_length" }));
}
