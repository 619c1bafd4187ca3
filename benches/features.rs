//! What features cost, beside `floor`, the Fourier transforms alone, which no spectral feature can be faster than.
//!
//! The clip is the bundled sample, repeated to 66,150 samples at 22,050 Hz. Plans are made before the clock starts, as users make
//! them once. All but the batch runs on one thread. `ser-bench/reference/compare_librosa.py` compares the same subjects with librosa.

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::criterion;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ser_bench::subjects::{CLIP, SAMPLE_RATE, feature_subjects, sample};
use ser_features::{FeatureConfig, FeatureExtractor, extract_batch};

fn features(criterion: &mut Criterion) {
    let clip = sample(CLIP).expect("the bundled clip decodes");
    let mut group = criterion.benchmark_group("features");
    for mut subject in feature_subjects(&clip).expect("librosa's defaults work") {
        group.bench_function(subject.name, |b| b.iter(|| subject.run().expect("the clip is speech")));
    }
    group.finish();
}

fn lengths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("issa193 by length");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    let mut extractor = FeatureExtractor::new(FeatureConfig::default()).expect("the default works");
    for seconds in [1, 3, 10, 60, 600] {
        let signal = sample(seconds * SAMPLE_RATE).expect("the bundled clip decodes");
        group.throughput(Throughput::Elements(signal.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{seconds} s")), |b| {
            b.iter(|| extractor.extract(black_box(&signal)).expect("the clip is speech"));
        });
    }
    group.finish();
}

fn batch(criterion: &mut Criterion) {
    let clips = vec![sample(CLIP).expect("the bundled clip decodes"); 64];
    let mut group = criterion.benchmark_group("extract_batch of 64 clips");
    group.sample_size(10).throughput(Throughput::Elements(clips.len() as u64));
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in if all > 1 { vec![1, all] } else { vec![1] } {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        group.bench_function(BenchmarkId::from_parameter(format!("{threads} threads")), |b| {
            b.iter(|| pool.install(|| extract_batch(&FeatureConfig::default(), black_box(&clips))));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = features, lengths, batch
}
criterion_main!(benches);
