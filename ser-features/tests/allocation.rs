//! Plans that were used once allocate nothing more.

// Counting allocations takes an allocator of one's own, and that trait is unsafe to implement.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ndarray::Array2;
use ser_features::{
    Chroma, ChromaConfig, ChromaCqtConfig, ContrastConfig, Cqt, CqtConfig, HarmonicPercussive, HpssConfig,
    Istft, MelConfig, MelSpectrogram, Mfcc, MfccConfig, SpectralContrast, Spectrogram, Spectrum, Stft,
    StftConfig, Tonnetz,
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
    let mut cqt = Cqt::new(CqtConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| cqt.process_into(&x, &mut out).unwrap()), 0);
    // With the tuning estimated: the second signal has the first one's, and so its filters.
    let mut tonnetz = Tonnetz::new(ChromaCqtConfig::default()).unwrap();
    assert_eq!(allocations_of_second(|| tonnetz.process_into(&x, &mut out).unwrap()), 0);
}
