//! Plans that were used once allocate nothing more.

// Counting allocations takes an allocator of one's own, and that trait is unsafe to implement.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ndarray::{Array1, Array2};
use ser_features::{
    BandwidthConfig, CentroidConfig, Chroma, ChromaConfig, ChromaCqt, ChromaCqtConfig, ContrastConfig, Cqt,
    CqtConfig, DecibelConfig, Delta, DeltaConfig, Feature, FeatureConfig, FeatureExtractor, FlatnessConfig,
    FrameByFrame, HarmonicPercussive, HpssConfig, Istft, MelConfig, MelSpectrogram, Mfcc, MfccConfig,
    Preemphasis, PreemphasisConfig, Rms, RmsConfig, RolloffConfig, SpectralBandwidth, SpectralCentroid,
    SpectralContrast, SpectralFlatness, SpectralRolloff, Spectrogram, Spectrum, Stft, StftConfig, Streaming,
    Tonnetz, Tuning, TuningConfig, Yin, YinConfig, ZeroCrossingConfig, ZeroCrossingRate,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counter needs no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator, by `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of the second of two runs.
fn allocations_of_second(mut run: impl FnMut()) -> usize {
    run();
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

fn signal() -> Vec<f32> {
    (0..30_000).map(|n| (n as f32 * 0.05).sin() * (n as f32 * 0.0007).cos()).collect()
}

#[test]
fn the_counter_counts() {
    assert!(allocations_of_second(|| drop(std::hint::black_box(vec![1_u8; 100]))) > 0);
}

#[test]
fn stft_and_its_inverse_allocate_nothing_after_the_first_call() {
    let x = signal();
    let mut stft = Stft::new(StftConfig::default()).unwrap();
    let mut istft = Istft::new(StftConfig::default()).unwrap();
    let (mut spectrum, mut again) = (Array2::default((0, 0)), Vec::new());
    let count = allocations_of_second(|| {
        stft.process_into(&x, &mut spectrum).unwrap();
        istft.process_into(spectrum.view(), Some(x.len()), &mut again).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn several_features_and_their_deltas_allocate_nothing_after_the_first_call() {
    let x = signal();
    // Periods and formants take new memory for each signal.
    let allocate = [
        Feature::Jitter,
        Feature::Shimmer,
        Feature::Hnr,
        Feature::F1,
        Feature::F2,
        Feature::F3,
        Feature::F1Bandwidth,
    ];
    let features = Feature::ALL.into_iter().filter(|feature| !allocate.contains(feature)).collect();
    let config = FeatureConfig { features, ..Default::default() };
    let mut extractor = FeatureExtractor::new(config).unwrap();
    let mut features = extractor.extract(&x).unwrap();
    let delta = Delta::new(DeltaConfig::default()).unwrap();
    let mut deltas = Array2::default((0, 0));
    let count = allocations_of_second(|| {
        extractor.extract_into(&x, &mut features).unwrap();
        delta.process_into(features.get(Feature::Mfcc).unwrap().view(), &mut deltas).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn features_allocate_nothing_after_the_first_call() {
    let x = signal();
    let mut out = Array2::default((0, 0));
    let mut spectrogram = Spectrogram::new(StftConfig::default(), Spectrum::Power).unwrap();
    assert_eq!(allocations_of_second(|| spectrogram.process_into(&x, &mut out).unwrap()), 0);
    let mut mel = MelSpectrogram::new(MelConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| mel.process_into(&x, &mut out).unwrap()), 0);
    let mut mfcc = Mfcc::new(MfccConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| mfcc.process_into(&x, &mut out).unwrap()), 0);
    let mut chroma = Chroma::new(ChromaConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| chroma.process_into(&x, &mut out).unwrap()), 0);
    let mut contrast = SpectralContrast::new(ContrastConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| contrast.process_into(&x, &mut out).unwrap()), 0);
}

#[test]
fn tonal_features_allocate_nothing_after_the_first_call() {
    let x = signal();
    let (mut out, mut harmonic) = (Array2::default((0, 0)), Vec::new());
    let mut separation = HarmonicPercussive::new(StftConfig::default(), HpssConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| separation.harmonic_into(&x, &mut harmonic).unwrap()), 0);
    assert_eq!(allocations_of_second(|| separation.percussive_into(&x, &mut harmonic).unwrap()), 0);
    let mut cqt = Cqt::new(CqtConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| cqt.process_into(&x, &mut out).unwrap()), 0);
    let mut complex = Array2::default((0, 0));
    assert_eq!(allocations_of_second(|| cqt.process_complex_into(&x, &mut complex).unwrap()), 0);
    let mut chroma = ChromaCqt::new(ChromaCqtConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| chroma.process_into(&x, &mut out).unwrap()), 0);
    // With the tuning estimated: the second signal has the first one's, and so its filters.
    let mut tonnetz = Tonnetz::new(ChromaCqtConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| tonnetz.process_into(&x, &mut out).unwrap()), 0);
}

#[test]
fn features_of_one_value_a_frame_allocate_nothing_after_the_first_call() {
    let x = signal();
    let mut out = Array1::default(0);
    let rms = Rms::new(RmsConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| rms.process_into(&x, &mut out).unwrap()), 0);
    let mut crossings = ZeroCrossingRate::new(ZeroCrossingConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| crossings.process_into(&x, &mut out).unwrap()), 0);
    let mut centroid = SpectralCentroid::new(CentroidConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| centroid.process_into(&x, &mut out).unwrap()), 0);
    let mut bandwidth = SpectralBandwidth::new(BandwidthConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| bandwidth.process_into(&x, &mut out).unwrap()), 0);
    let mut rolloff = SpectralRolloff::new(RolloffConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| rolloff.process_into(&x, &mut out).unwrap()), 0);
    let mut flatness = SpectralFlatness::new(FlatnessConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| flatness.process_into(&x, &mut out).unwrap()), 0);
    let mut yin = Yin::new(YinConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| yin.process_into(&x, &mut out).unwrap()), 0);
    let mut tuning = Tuning::new(TuningConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| _ = tuning.estimate(&x).unwrap()), 0);

    let mut filtered = Vec::new();
    let preemphasis = Preemphasis::new(PreemphasisConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| preemphasis.process_into(&x, &mut filtered).unwrap()), 0);
    assert_eq!(allocations_of_second(|| preemphasis.deemphasis_into(&x, &mut filtered).unwrap()), 0);
}

/// Allocations of a stream of ten minutes at 22,050 Hz, a quarter of a second at a time, after its first second. A stream that keeps
/// memory has to get it from somewhere, so this is also what keeps its memory from growing.
fn allocations_of_a_long_stream<P: FrameByFrame>(config: P::Config, seconds: usize) -> usize {
    let x = signal();
    let mut stream = Streaming::<P>::new(config).unwrap();
    let mut before = 0;
    let mut frames = 0;
    for quarter in 0..4 * seconds {
        if quarter == 4 {
            before = ALLOCATIONS.with(Cell::get);
        }
        frames += stream.push(&x[quarter * 131 % 20_000..][..5_513]).unwrap().ncols();
    }
    frames += stream.finish().unwrap().ncols();
    assert_eq!(frames, 1 + 4 * seconds * 5_513 / 512);
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn a_stream_of_any_length_allocates_nothing_after_its_first_pushes() {
    assert_eq!(allocations_of_a_long_stream::<Stft>(StftConfig::default(), 600), 0);
    let decibel = DecibelConfig { top_db: None, ..Default::default() };
    let mfcc = MfccConfig { decibel, ..Default::default() };
    assert_eq!(allocations_of_a_long_stream::<Mfcc>(mfcc, 60), 0);
    assert_eq!(allocations_of_a_long_stream::<MelSpectrogram>(MelConfig::default(), 60), 0);
    let chroma = ChromaConfig { tuning: Some(0.0), ..Default::default() };
    assert_eq!(allocations_of_a_long_stream::<Chroma>(chroma, 60), 0);
    let contrast = ContrastConfig { top_db: None, ..Default::default() };
    assert_eq!(allocations_of_a_long_stream::<SpectralContrast>(contrast, 60), 0);
    assert_eq!(allocations_of_a_long_stream::<SpectralFlatness>(FlatnessConfig::default(), 60), 0);
}
