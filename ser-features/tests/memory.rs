//! How much memory features take. One test in a program of its own, because the peak is the process's.
//!
//! What is counted is what the allocator handed out, not what the system gave: the latter depends on how threads share the heap.

#![allow(clippy::unwrap_used)] // a test may panic

use peak_alloc::PeakAlloc;
use ser_features::{FeatureConfig, FeatureExtractor, map_batch};

const SAMPLE_RATE: usize = 22_050;
const MEGABYTE: usize = 1 << 20;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..length).map(|_| next()).collect()
}

fn means(clips: std::ops::Range<u64>) {
    let seeds: Vec<u64> = clips.collect();
    let vectors = map_batch(
        &seeds,
        || FeatureExtractor::new(FeatureConfig::default()),
        |extractor, _, &seed| extractor.extract(&noise(3 * SAMPLE_RATE, seed)).unwrap().vector(),
    );
    assert!(vectors.unwrap().iter().all(|vector| vector.len() == 193));
}

/// Each further thread holds a segment of a long signal, so their number is fixed.
#[test]
fn on_two_threads_memory_follows_the_longest_signal() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    means(0..16);
    let few = MEMORY.peak_usage();
    means(0..160);
    let many = MEMORY.peak_usage();
    println!("peak: {} MB after 16 clips, {} MB after 160 more", few / MEGABYTE, many / MEGABYTE);
    assert!(many < few + 16 * MEGABYTE, "{few} bytes for 16 clips, {many} for 160");

    let signal = noise(600 * SAMPLE_RATE, 0);
    let vector = FeatureExtractor::new(FeatureConfig::default()).unwrap().extract(&signal).unwrap().vector();
    assert_eq!(vector.len(), 193);
    let ratio = MEMORY.peak_usage() as f64 / (4 * signal.len()) as f64;
    println!("peak: {} MB for ten minutes, {ratio:.2} times its samples", MEMORY.peak_usage() / MEGABYTE);
    assert!(ratio <= 4.0, "{ratio:.2} times the samples");
}
