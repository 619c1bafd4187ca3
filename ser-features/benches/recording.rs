//! What features of your own recording cost: `SER_BENCH_WAV=recording.wav cargo bench -p ser-features`.
//!
//! The file is taken as it is, at its own rate and length, mixed to mono; a relative path counts from the folder that cargo is called in.
//! Without one, the sound is three seconds of a synthetic voice at 22,050 Hz. Plans are made before the clock starts, and all run on one
//! thread, but for a recording of more than a minute and a half: `issa193` takes all cores then.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ser_features::{
    Chroma, ChromaConfig, ChromaCqt, ChromaCqtConfig, ConfigError, ContrastConfig, Cqt, CqtConfig, Error,
    Feature, FeatureConfig, FeatureExtractor, FormantConfig, Formants, HarmonicPercussive, HpssConfig,
    LogMelConfig, MelConfig, MelSpectrogram, Mfcc, MfccConfig, OnsetConfig, OnsetStrength, Pyin, PyinConfig,
    Resampler, SignalError, SpectralContrast, Stft, StftConfig, TimeStretch, Yin, YinConfig, to_mono,
};

/// Cargo runs benchmarks in the package's folder; the shell's own folder stands in PWD.
fn from_the_callers_folder(path: &Path) -> PathBuf {
    let folders =
        [std::env::var_os("PWD").map(PathBuf::from), Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))];
    let found = folders.into_iter().flatten().map(|folder| folder.join(path)).find(|path| path.exists());
    found.unwrap_or_else(|| path.into())
}

/// Samples and their rate in Hz.
fn sound() -> (Vec<f32>, u32) {
    let Some(path) = std::env::var_os("SER_BENCH_WAV") else { return (voice(), 22_050) };
    let path = from_the_callers_folder(Path::new(&path));
    let read = || {
        let mut reader = hound::WavReader::open(&path)?;
        let spec = reader.spec();
        let samples: Vec<f32> = match spec.sample_format {
            hound::SampleFormat::Float => reader.samples().collect::<Result<_, _>>()?,
            hound::SampleFormat::Int => {
                let full_scale = 2.0_f32.powi(i32::from(spec.bits_per_sample) - 1);
                reader
                    .samples::<i32>()
                    .map(|x| Ok(x? as f32 / full_scale))
                    .collect::<Result<_, hound::Error>>()?
            }
        };
        Ok::<_, hound::Error>((samples, spec))
    };
    let (samples, spec) = read().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mono = to_mono(&samples, spec.channels.into());
    (mono.unwrap_or_else(|error| panic!("{}: {error}", path.display())), spec.sample_rate)
}

/// Harmonics of a fundamental that glides.
fn voice() -> Vec<f32> {
    let sample = |n: usize| {
        let t = n as f32 / 22_050.0;
        let phase = std::f32::consts::TAU * (150.0 * t + 20.0 * (2.0 * t).sin());
        (1..20).map(|k| 0.2 * (k as f32 * phase).sin() / k as f32).sum()
    };
    (0..66_150).map(sample).collect()
}

type Work = Box<dyn FnMut(&[f32]) -> Result<(), SignalError>>;

/// Plans and what they do with the samples; of plans that the rate does not allow, why.
fn subjects(sample_rate: u32) -> Vec<(&'static str, Result<Work, ConfigError>)> {
    fn subject<P: 'static, T>(
        plan: Result<P, ConfigError>,
        process: impl Fn(&mut P, &[f32]) -> Result<T, SignalError> + 'static,
    ) -> Result<Work, ConfigError> {
        let mut plan = plan?;
        Ok(Box::new(move |samples| process(&mut plan, samples).map(|out| drop(black_box(out)))))
    }
    let stft = StftConfig::default;
    let mel = || MelConfig { sample_rate, ..Default::default() };
    let log_mel = LogMelConfig { mel: mel(), ..Default::default() };
    let hop_length = 512;
    vec![
        ("stft", subject(Stft::new(stft()), Stft::process)),
        ("mel", subject(MelSpectrogram::new(mel()), MelSpectrogram::process)),
        ("mfcc", subject(Mfcc::new(MfccConfig { mel: mel(), ..Default::default() }), Mfcc::process)),
        ("chroma", subject(Chroma::new(ChromaConfig { sample_rate, ..Default::default() }), Chroma::process)),
        (
            "contrast",
            subject(
                SpectralContrast::new(ContrastConfig { sample_rate, ..Default::default() }),
                SpectralContrast::process,
            ),
        ),
        (
            "harmonic",
            subject(HarmonicPercussive::new(stft(), HpssConfig::default()), HarmonicPercussive::harmonic),
        ),
        ("cqt", subject(Cqt::new(CqtConfig { sample_rate, ..Default::default() }), Cqt::process)),
        (
            "chroma_cqt",
            subject(
                ChromaCqt::new(ChromaCqtConfig { sample_rate, ..Default::default() }),
                ChromaCqt::process,
            ),
        ),
        (
            "issa193",
            subject(
                FeatureExtractor::new(FeatureConfig::new(sample_rate, Feature::ISSA)),
                FeatureExtractor::extract,
            ),
        ),
        ("yin", subject(Yin::new(YinConfig { sample_rate, ..Default::default() }), Yin::process)),
        ("pyin", subject(Pyin::new(PyinConfig { sample_rate, ..Default::default() }), Pyin::process)),
        (
            "formants",
            subject(
                Formants::new(FormantConfig { sample_rate, hop_length, ..Default::default() }),
                Formants::process,
            ),
        ),
        (
            "onset_strength",
            subject(
                OnsetStrength::new(OnsetConfig { log_mel, ..Default::default() }),
                OnsetStrength::process,
            ),
        ),
        ("time_stretch", subject(TimeStretch::new(stft(), 1.25), TimeStretch::process)),
        ("resample_to_16000", subject(Resampler::new(sample_rate, 16_000), Resampler::process)),
    ]
}

fn recording(criterion: &mut Criterion) {
    let (samples, sample_rate) = sound();
    println!("{:.2} s at {sample_rate} Hz", samples.len() as f64 / f64::from(sample_rate));
    let mut group = criterion.benchmark_group("recording");
    group.throughput(Throughput::Elements(samples.len() as u64));
    for (name, work) in subjects(sample_rate) {
        // Once, to find out what the rate and the length allow.
        let tried = work.map_err(Error::from).and_then(|mut work| Ok(work(&samples).map(|()| work)?));
        match tried {
            Ok(mut work) => {
                group.bench_function(name, |b| {
                    b.iter(|| work(black_box(&samples)).expect("it worked before"))
                });
            }
            Err(error) => println!("{name} is left out: {error}"),
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // Plots need a font, which `cargo bench --bench features` of the workspace brings along.
    config = Criterion::default().without_plots();
    targets = recording
}
criterion_main!(benches);
