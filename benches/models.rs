//! What a training step (batch 32) and an inference cost for each architecture, on all cores, and the recogniser with its
//! features. `ser-bench/reference/compare_torch.py` compares the same networks with PyTorch's.

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::criterion;
use criterion::{Criterion, criterion_group, criterion_main};
use ser_bench::subjects::{ModelSubject, RecognizerSubject};

fn models(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("models");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_secs(1));
    for name in ModelSubject::NAMES {
        let mut subject = ModelSubject::new(name).expect("the network can be built");
        group.bench_function(format!("{name}, training step"), |b| {
            b.iter(|| subject.train().expect("the network learns"));
        });
        group.bench_function(format!("{name}, inference"), |b| {
            b.iter(|| black_box(subject.infer().expect("the network answers")));
        });
    }
    group.bench_function("recogniser, three seconds", |b| {
        let mut recognition = RecognizerSubject::new().expect("the bundled model can be read");
        b.iter(|| black_box(recognition.run().expect("the bundled clip is speech")));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = models
}
criterion_main!(benches);
