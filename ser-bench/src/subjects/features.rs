//! Features of one clip, each with its plan made beforehand, as users make plans once.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use realfft::RealFftPlanner;
use ser_data::Audio;
use ser_examples::assets;
use ser_features::{
    BandwidthConfig, CentroidConfig, Chroma, ChromaConfig, ChromaCqt, ChromaCqtConfig, ContrastConfig, Cqt,
    CqtConfig, Delta, DeltaConfig, FeatureConfig, FeatureExtractor, FlatnessConfig, FormantConfig, Formants,
    GriffinLim, GriffinLimConfig, HarmonicPercussive, HpssConfig, Istft, KaldiFbank, KaldiFbankConfig,
    KaldiMfcc, KaldiMfccConfig, MelConfig, MelSpectrogram, MelToStft, Mfcc, MfccConfig, OnsetConfig,
    OnsetStrength, Pcen, PcenConfig, PitchShift, PitchTrack, Preemphasis, PreemphasisConfig, Preparation,
    PreparationConfig, Pyin, PyinConfig, Resampler, Rms, RmsConfig, RolloffConfig, SpectralBandwidth,
    SpectralCentroid, SpectralContrast, SpectralFlatness, SpectralRolloff, Spectrogram, Spectrum, Stft,
    StftConfig, StreamingResampler, Tempo, TempoConfig, Tempogram, TempogramConfig, TimeStretch, Tonnetz,
    Trim, TrimConfig, Tuning, TuningConfig, VoiceQuality, WhisperConfig, WhisperMel, Yin, YinConfig,
    ZeroCrossingConfig, ZeroCrossingRate, lpc,
};

/// Samples of a clip in a second.
pub const SAMPLE_RATE: usize = 22_050;

/// Samples of a clip: three seconds.
pub const CLIP: usize = 3 * SAMPLE_RATE;

/// The audio file that the environment variable `SER_BENCH_WAV` names, or else the bundled clip: mixed to mono, brought to 22,050 Hz and
/// repeated to this many samples. Samples of zero are left out: frames of digital silence are not transformed and would take next to no time.
///
/// # Errors
/// If the file can't be read or has no samples; the error names it.
pub fn sample(length: usize) -> anyhow::Result<Vec<f32>> {
    let audio = match std::env::var_os("SER_BENCH_WAV") {
        Some(path) => Audio::open(from_the_callers_folder(Path::new(&path)))?,
        None => Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav")?,
    };
    let mut preparation = Preparation::new(PreparationConfig::raw(SAMPLE_RATE as u32))?;
    let mut clip = preparation.process(&audio.to_mono()?, audio.sample_rate)?;
    clip.retain(|sample| *sample != 0.0);
    anyhow::ensure!(!clip.is_empty(), "SER_BENCH_WAV: recording must hold sound, got silence");
    Ok(repeated(&clip, length))
}

/// Cargo runs benchmarks in the package's folder; the shell's own folder stands in PWD.
fn from_the_callers_folder(path: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = [std::env::var_os("PWD").map(PathBuf::from), Some(root)];
    let found = folders.into_iter().flatten().map(|folder| folder.join(path)).find(|path| path.exists());
    found.unwrap_or_else(|| path.into())
}

/// Samples, repeated from the start to this many.
pub fn repeated(samples: &[f32], length: usize) -> Vec<f32> {
    samples.iter().copied().cycle().take(length).collect()
}

/// A computation that is timed.
pub struct FeatureSubject {
    /// Its name: librosa's function, or the recipe.
    pub name: &'static str,
    run: Box<dyn FnMut() -> anyhow::Result<()>>,
}

impl std::fmt::Debug for FeatureSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FeatureSubject").field(&self.name).finish()
    }
}

impl FeatureSubject {
    /// Computes it once.
    ///
    /// # Errors
    /// None for a clip of speech.
    pub fn run(&mut self) -> anyhow::Result<()> {
        (self.run)()
    }
}

/// Collects subjects that read one clip.
struct Subjects {
    clip: Arc<[f32]>,
    all: Vec<FeatureSubject>,
}

impl Subjects {
    /// Adds a computation, which is given the clip.
    fn add<R, E>(&mut self, name: &'static str, mut run: impl FnMut(&[f32]) -> Result<R, E> + 'static)
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let clip = Arc::clone(&self.clip);
        let run = move || {
            black_box(run(black_box(&clip))?);
            Ok(())
        };
        self.all.push(FeatureSubject { name, run: Box::new(run) });
    }

    /// Adds a plan that writes into a matrix.
    fn add_matrix<E>(
        &mut self,
        name: &'static str,
        mut process_into: impl FnMut(&[f32], &mut Array2<f32>) -> Result<(), E> + 'static,
    ) where
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut matrix = Array2::default((0, 0));
        self.add(name, move |clip| {
            process_into(clip, &mut matrix)?;
            black_box(&matrix);
            Ok::<(), E>(())
        });
    }
}

/// All features of a clip of speech at 22,050 Hz, with librosa's defaults unless their names say otherwise. `floor`, the Fourier
/// transforms alone of 130 frames, is what no spectral feature can be faster than.
///
/// # Errors
/// If the clip is shorter than a frame.
pub fn feature_subjects(clip: &[f32]) -> anyhow::Result<Vec<FeatureSubject>> {
    anyhow::ensure!(clip.len() > 2_048, "clip: samples must be more than 2048, got {}", clip.len());
    let mut subjects = Subjects { clip: clip.into(), all: Vec::new() };
    transforms(&mut subjects)?;
    stacked(&mut subjects)?;
    shapes(&mut subjects)?;
    fronts(&mut subjects)?;
    voices(&mut subjects)?;
    preparation(&mut subjects)?;
    Ok(subjects.all)
}

fn transforms(subjects: &mut Subjects) -> anyhow::Result<()> {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(2_048);
    let (mut input, mut output) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    subjects.add("floor", move |clip| {
        let hop = (clip.len() - 2_048) / 129;
        for frame in 0..130 {
            input.copy_from_slice(&clip[frame * hop..][..2_048]);
            fft.process_with_scratch(&mut input, &mut output, &mut scratch)?;
            black_box(&output);
        }
        Ok::<(), realfft::FftError>(())
    });
    let stft = StftConfig::default;
    let (mut plan, mut spectrum) = (Stft::new(stft())?, Array2::default((0, 0)));
    subjects.add("stft", move |clip| plan.process_into(clip, &mut spectrum));
    let (spectrum, mut plan) = (Stft::new(stft())?.process(&subjects.clip)?, Istft::new(stft())?);
    subjects.add("istft", move |_| plan.process(spectrum.view(), None));
    let (mut plan, mut signal) = (HarmonicPercussive::new(stft(), HpssConfig::default())?, Vec::new());
    subjects.add("harmonic", move |clip| plan.harmonic_into(clip, &mut signal));
    let mut plan = HarmonicPercussive::new(stft(), HpssConfig::default())?;
    subjects.add("percussive", move |clip| plan.percussive(clip));
    Ok(())
}

fn stacked(subjects: &mut Subjects) -> anyhow::Result<()> {
    let mut plan = MelSpectrogram::new(MelConfig::default())?;
    subjects.add_matrix("mel", move |clip, out| plan.process_into(clip, out));
    let config = || MfccConfig { n_mfcc: 40, ..Default::default() };
    let mut plan = Mfcc::new(config())?;
    subjects.add_matrix("mfcc", move |clip, out| plan.process_into(clip, out));
    let (mfcc, plan) = (Mfcc::new(config())?.process(&subjects.clip)?, Delta::new(DeltaConfig::default())?);
    subjects.add("delta", move |_| plan.process(mfcc.view()));
    let mut plan = Chroma::new(ChromaConfig::default())?;
    subjects.add_matrix("chroma_stft", move |clip, out| plan.process_into(clip, out));
    let mut plan = Tuning::new(TuningConfig::default())?;
    subjects.add("estimate_tuning", move |clip| plan.estimate(clip));
    let mut plan = Tuning::new(TuningConfig::default())?;
    subjects.add("piptrack", move |clip| plan.pitches(clip));
    let mut plan = SpectralContrast::new(ContrastConfig::default())?;
    subjects.add_matrix("contrast", move |clip, out| plan.process_into(clip, out));
    let mut plan = Cqt::new(CqtConfig::default())?;
    subjects.add_matrix("cqt", move |clip, out| plan.process_into(clip, out));
    let mut plan = ChromaCqt::new(ChromaCqtConfig::default())?;
    subjects.add_matrix("chroma_cqt", move |clip, out| plan.process_into(clip, out));
    let mut plan = Tonnetz::new(ChromaCqtConfig::default())?;
    subjects.add("tonnetz", move |clip| plan.process(clip));
    let mut plan = FeatureExtractor::new(FeatureConfig::default())?;
    subjects.add("issa193", move |clip| plan.extract(clip).map(|features| features.vector()));
    Ok(())
}

fn shapes(subjects: &mut Subjects) -> anyhow::Result<()> {
    let mut plan = SpectralCentroid::new(CentroidConfig::default())?;
    subjects.add("spectral_centroid", move |clip| plan.process(clip));
    let mut plan = SpectralBandwidth::new(BandwidthConfig::default())?;
    subjects.add("spectral_bandwidth", move |clip| plan.process(clip));
    let mut plan = SpectralRolloff::new(RolloffConfig::default())?;
    subjects.add("spectral_rolloff", move |clip| plan.process(clip));
    let mut plan = SpectralFlatness::new(FlatnessConfig::default())?;
    subjects.add("spectral_flatness", move |clip| plan.process(clip));
    let mut plan = ZeroCrossingRate::new(ZeroCrossingConfig::default())?;
    subjects.add("zero_crossing_rate", move |clip| plan.process(clip));
    let plan = Rms::new(RmsConfig::default())?;
    subjects.add("rms", move |clip| plan.process(clip));
    let mut plan = Yin::new(YinConfig::default())?;
    subjects.add("yin", move |clip| plan.process(clip));
    Ok(())
}

/// Front ends of networks. The clip is taken as if it had their sample rate.
fn fronts(subjects: &mut Subjects) -> anyhow::Result<()> {
    let mut plan = WhisperMel::new(WhisperConfig::default())?;
    subjects.add_matrix("whisper", move |clip, out| plan.process_into(clip, out));
    let mut plan = WhisperMel::new(WhisperConfig { n_mels: 128 })?;
    subjects.add_matrix("whisper_128", move |clip, out| plan.process_into(clip, out));
    let mut plan = MelSpectrogram::new(MelConfig::torchaudio())?;
    subjects.add_matrix("torchaudio_mel", move |clip, out| plan.process_into(clip, out));
    let mut plan = Mfcc::new(MfccConfig::torchaudio())?;
    subjects.add_matrix("torchaudio_mfcc", move |clip, out| plan.process_into(clip, out));
    let mut plan = KaldiFbank::new(KaldiFbankConfig::new(16_000, 80))?;
    subjects.add_matrix("kaldi_fbank", move |clip, out| plan.process_into(clip, out));
    let mut plan = KaldiMfcc::new(KaldiMfccConfig::default())?;
    subjects.add_matrix("kaldi_mfcc", move |clip, out| plan.process_into(clip, out));
    Ok(())
}

/// Voice and rhythm.
fn voices(subjects: &mut Subjects) -> anyhow::Result<()> {
    let (mut plan, mut track) = (Pyin::new(PyinConfig::default())?, PitchTrack::default());
    subjects.add("pyin", move |clip| plan.process_into(clip, &mut track));
    let plan = Pcen::new(PcenConfig::default())?;
    let mel = MelSpectrogram::new(MelConfig::default())?.process(&subjects.clip)?;
    subjects.add("pcen", move |_| plan.process(mel.view()));
    subjects.add("lpc", |clip| lpc(clip, 16));
    let mut plan = OnsetStrength::new(OnsetConfig::default())?;
    subjects.add("onset_strength", move |clip| plan.process(clip));
    let mut plan = Tempogram::new(TempogramConfig::default())?;
    subjects.add("tempogram", move |clip| plan.process(clip));
    let mut plan = Tempo::new(TempoConfig::default())?;
    subjects.add("tempo", move |clip| plan.estimate(clip));
    let mut plan = TimeStretch::new(StftConfig::default(), 1.25)?;
    subjects.add("time_stretch", move |clip| plan.process(clip));
    let mut plan = PitchShift::new(StftConfig::default(), 4.0, 12)?;
    subjects.add("pitch_shift", move |clip| plan.process(clip));
    let plan = MelToStft::new(MelConfig::default())?;
    let mel = MelSpectrogram::new(MelConfig::default())?.process(&subjects.clip)?;
    subjects.add("mel_to_stft", move |_| plan.process(mel.view()));
    let magnitude = Spectrogram::new(StftConfig::default(), Spectrum::Magnitude)?.process(&subjects.clip)?;
    let mut plan = GriffinLim::new(GriffinLimConfig::default())?;
    subjects.add("griffin_lim", move |_| plan.process(magnitude.view(), None));
    let mut plan = VoiceQuality::new(PyinConfig::default())?;
    subjects.add("voice_quality", move |clip| plan.process(clip));
    let mut plan = Formants::new(FormantConfig::default())?;
    subjects.add("formants", move |clip| plan.process(clip));
    Ok(())
}

fn preparation(subjects: &mut Subjects) -> anyhow::Result<()> {
    let plan = Preemphasis::new(PreemphasisConfig::default())?;
    subjects.add("preemphasis", move |clip| plan.process(clip));
    // 30 dB, as clips are prepared.
    let plan = Trim::new(TrimConfig { top_db: 30.0, ..Default::default() })?;
    subjects.add("trim", move |clip| plan.trim(clip));
    // From three seconds.
    for (name, from, to) in [
        ("resample", 48_000, 22_050),
        ("resample_44100_22050", 44_100, 22_050),
        ("resample_48000_16000", 48_000, 16_000),
        ("resample_44100_16000", 44_100, 16_000),
    ] {
        let recording = repeated(&subjects.clip, 3 * from as usize);
        let mut plan = Resampler::new(from, to)?;
        subjects.add(name, move |_| plan.process(black_box(&recording)));
    }
    // The ten milliseconds that a sound card gives at a time.
    let piece = repeated(&subjects.clip, 480);
    let mut plan = StreamingResampler::new(48_000, SAMPLE_RATE as u32)?;
    subjects.add("resample_stream", move |_| plan.push(black_box(&piece)).map(<[f32]>::len));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn relative_paths_count_from_where_cargo_is_called() {
        assert!(from_the_callers_folder(Path::new("examples/assets/sample.wav")).exists());
        assert_eq!(from_the_callers_folder(Path::new("missing.wav")), Path::new("missing.wav"));
    }

    #[test]
    fn every_subject_runs_and_has_a_name_of_its_own() {
        let mut subjects = feature_subjects(&sample(CLIP).unwrap()).unwrap();
        subjects.iter_mut().for_each(|subject| subject.run().unwrap());
        let names: HashSet<&str> = subjects.iter().map(|subject| subject.name).collect();
        assert_eq!(names.len(), subjects.len());
        assert!(feature_subjects(&[0.0; 2_048]).is_err());
    }
}
