//! What features of a three-second clip cost on one thread, beside the floor under all of them: the Fourier transforms alone.
//!
//! The clip is the bundled sample, cut to 66,150 samples at 22,050 Hz. Plans are made before the clock starts, as users make
//! them once.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use ser_bench::assets;
use ser_data::Audio;
use ser_features::{
    Chroma, ChromaConfig, Feature, FeatureConfig, FeatureExtractor, MelConfig, MelSpectrogram, Mfcc,
    MfccConfig, Preparation, PreparationConfig, Resampler,
};

fn features(criterion: &mut Criterion) {
    let audio =
        Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav").expect("the bundled clip decodes");
    let mut preparation =
        Preparation::new(PreparationConfig::default()).expect("the default configuration works");
    let clip = preparation.process(&audio.samples, audio.sample_rate).expect("the bundled clip is speech");

    let mut group = criterion.benchmark_group("features");
    group.bench_function("FFT floor: 130 transforms of 2,048", |b| {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(2048);
        let (mut input, mut output, mut scratch) =
            (fft.make_input_vec(), fft.make_output_vec(), fft.make_scratch_vec());
        b.iter(|| {
            for frame in 0..130 {
                input.copy_from_slice(&clip[frame * 490..][..2048]);
                fft.process_with_scratch(&mut input, &mut output, &mut scratch).expect("lengths fit");
                black_box(&output);
            }
        });
    });
    group.bench_function("mel 128", |b| {
        let mut mel = MelSpectrogram::new(MelConfig::default()).expect("the default configuration works");
        b.iter(|| mel.process(&clip));
    });
    group.bench_function("MFCC 40 of 128", |b| {
        let config = MfccConfig { n_mfcc: 40, ..MfccConfig::default() };
        let mut mfcc = Mfcc::new(config).expect("the configuration works");
        b.iter(|| mfcc.process(&clip));
    });
    group.bench_function("chroma_stft with tuning estimate", |b| {
        let mut chroma = Chroma::new(ChromaConfig::default()).expect("the default configuration works");
        b.iter(|| chroma.process(&clip));
    });
    for (name, feature) in
        [("spectral contrast", Feature::Contrast), ("tonnetz of the harmonic part", Feature::Tonnetz)]
    {
        group.bench_function(name, |b| {
            let config = FeatureConfig { features: vec![feature], ..FeatureConfig::default() };
            let mut extractor = FeatureExtractor::new(config).expect("the configuration works");
            b.iter(|| extractor.extract(&clip));
        });
    }
    group.bench_function("issa193", |b| {
        let mut extractor =
            FeatureExtractor::new(FeatureConfig::default()).expect("the default configuration works");
        b.iter(|| extractor.extract(&clip));
    });
    group.bench_function("resample 48,000 to 22,050 Hz", |b| {
        let long: Vec<f32> = (0..144_000).map(|at| clip[at * 66_150 / 144_000]).collect();
        let mut resampler = Resampler::new(48_000, 22_050).expect("the rates are in range");
        b.iter(|| resampler.process(&long));
    });
    group.finish();
}

criterion_group!(benches, features);
criterion_main!(benches);
