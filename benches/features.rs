//! What features cost, beside the floor under all of them: the Fourier transforms alone.
//!
//! The clip is the bundled sample, tiled to 66,150 samples at 22,050 Hz. Plans are made before the clock starts, as users make them
//! once. All but the batch runs on one thread.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use ser_bench::assets;
use ser_data::Audio;
use ser_features::{
    BandwidthConfig, CentroidConfig, Chroma, ChromaConfig, ChromaCqt, ChromaCqtConfig, ContrastConfig, Cqt,
    CqtConfig, Delta, DeltaConfig, FeatureConfig, FeatureExtractor, FlatnessConfig, HarmonicPercussive,
    HpssConfig, Istft, MelConfig, MelSpectrogram, Mfcc, MfccConfig, Preemphasis, PreemphasisConfig,
    Resampler, Rms, RmsConfig, RolloffConfig, SpectralBandwidth, SpectralCentroid, SpectralContrast,
    SpectralFlatness, SpectralRolloff, Stft, StftConfig, Tonnetz, Trim, TrimConfig, Tuning, TuningConfig,
    Yin, YinConfig, ZeroCrossingConfig, ZeroCrossingRate, extract_batch,
};

const SAMPLE_RATE: usize = 22_050;
const CLIP: usize = 3 * SAMPLE_RATE;

fn tiled(length: usize) -> Vec<f32> {
    let audio =
        Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav").expect("the bundled clip decodes");
    audio.samples.iter().copied().cycle().take(length).collect()
}

/// Times `run` with the samples.
fn time<R, E: Error>(
    criterion: &mut Criterion,
    name: &str,
    samples: &[f32],
    mut run: impl FnMut(&[f32]) -> Result<R, E>,
) {
    criterion.bench_function(&format!("features/{name}"), |b| {
        b.iter(|| run(black_box(samples)).expect("the clip is speech"));
    });
}

fn features(criterion: &mut Criterion) {
    single(criterion).expect("librosa's defaults work");
}

fn single(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let clip = &tiled(CLIP)[..];

    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(2048);
    let (mut input, mut output) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    time(criterion, "floor: 130 FFTs of 2,048", clip, |clip| {
        for frame in 0..130 {
            input.copy_from_slice(&clip[frame * 490..][..2048]);
            fft.process_with_scratch(&mut input, &mut output, &mut scratch)?;
            black_box(&output);
        }
        Ok::<_, realfft::FftError>(())
    });

    let stft = StftConfig::default;
    let mut plan = Stft::new(stft())?;
    time(criterion, "stft", clip, |clip| plan.process(clip));
    let (spectrum, mut inverse) = (plan.process(clip)?, Istft::new(stft())?);
    time(criterion, "istft", clip, |_| inverse.process(spectrum.view(), None));
    let mut plan = MelSpectrogram::new(MelConfig::default())?;
    time(criterion, "melspectrogram, 128 bands", clip, |clip| plan.process(clip));
    let mut plan = Mfcc::new(MfccConfig { n_mfcc: 40, ..Default::default() })?;
    time(criterion, "mfcc, 40 of 128 bands", clip, |clip| plan.process(clip));
    let (mfcc, delta) = (plan.process(clip)?, Delta::new(DeltaConfig::default())?);
    time(criterion, "delta of 40 mfcc", clip, |_| delta.process(mfcc.view()));
    let mut plan = Chroma::new(ChromaConfig::default())?;
    time(criterion, "chroma_stft with tuning estimate", clip, |clip| plan.process(clip));
    let mut plan = Tuning::new(TuningConfig::default())?;
    time(criterion, "estimate_tuning", clip, |clip| plan.estimate(clip));
    time(criterion, "piptrack", clip, |clip| plan.pitches(clip));
    let mut plan = SpectralContrast::new(ContrastConfig::default())?;
    time(criterion, "spectral_contrast", clip, |clip| plan.process(clip));
    let mut plan = HarmonicPercussive::new(stft(), HpssConfig::default())?;
    time(criterion, "harmonic", clip, |clip| plan.harmonic(clip));
    time(criterion, "percussive", clip, |clip| plan.percussive(clip));
    let mut plan = Cqt::new(CqtConfig::default())?;
    time(criterion, "cqt, 84 bins", clip, |clip| plan.process(clip));
    let mut plan = ChromaCqt::new(ChromaCqtConfig::default())?;
    time(criterion, "chroma_cqt, 252 bins", clip, |clip| plan.process(clip));
    let mut plan = Tonnetz::new(ChromaCqtConfig::default())?;
    time(criterion, "tonnetz", clip, |clip| plan.process(clip));
    let mut plan = SpectralCentroid::new(CentroidConfig::default())?;
    time(criterion, "spectral_centroid", clip, |clip| plan.process(clip));
    let mut plan = SpectralBandwidth::new(BandwidthConfig::default())?;
    time(criterion, "spectral_bandwidth", clip, |clip| plan.process(clip));
    let mut plan = SpectralRolloff::new(RolloffConfig::default())?;
    time(criterion, "spectral_rolloff", clip, |clip| plan.process(clip));
    let mut plan = SpectralFlatness::new(FlatnessConfig::default())?;
    time(criterion, "spectral_flatness", clip, |clip| plan.process(clip));
    let mut plan = ZeroCrossingRate::new(ZeroCrossingConfig::default())?;
    time(criterion, "zero_crossing_rate", clip, |clip| plan.process(clip));
    let plan = Rms::new(RmsConfig::default())?;
    time(criterion, "rms", clip, |clip| plan.process(clip));
    let mut plan = Yin::new(YinConfig::default())?;
    time(criterion, "yin", clip, |clip| plan.process(clip));
    let plan = Preemphasis::new(PreemphasisConfig::default())?;
    time(criterion, "preemphasis", clip, |clip| plan.process(clip));
    let plan = Trim::new(TrimConfig::default())?;
    time(criterion, "trim", clip, |clip| plan.trim(clip));
    let mut plan = Resampler::new(48_000, SAMPLE_RATE as u32)?;
    time(criterion, "resample 48,000 to 22,050 Hz", &tiled(144_000), |recording| plan.process(recording));
    let mut plan = FeatureExtractor::new(FeatureConfig::default())?;
    time(criterion, "issa193", clip, |clip| plan.extract(clip).map(|features| features.vector()));
    Ok(())
}

fn lengths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("issa193 by length");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    let mut extractor = FeatureExtractor::new(FeatureConfig::default()).expect("the default works");
    for seconds in [1, 3, 10, 60, 600] {
        let signal = tiled(seconds * SAMPLE_RATE);
        group.throughput(Throughput::Elements(signal.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{seconds} s")), |b| {
            b.iter(|| extractor.extract(black_box(&signal)).expect("the clip is speech"));
        });
    }
    group.finish();
}

fn batch(criterion: &mut Criterion) {
    let clips = vec![tiled(CLIP); 64];
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

criterion_group!(benches, features, lengths, batch);
criterion_main!(benches);
