//! Several features of one signal.
//!
//! The five features of Issa et al. of three seconds take 2.6 ms from one transform, and 3.7 ms from five extractors; with new
//! plans each time they take 4.5 ms (x86-64 with AVX-512).

use std::borrow::BorrowMut;

use ndarray::{Array1, Array2, Axis};
use num_complex::Complex;

use crate::chroma::{ChromaConfig, ChromaProjection};
use crate::chroma_cqt::ChromaCqtConfig;
use crate::contrast::{ContrastBands, ContrastConfig};
use crate::decibel::{DecibelConfig, to_decibels};
use crate::delta::{Delta, DeltaConfig};
use crate::error::{ConfigError, SignalError};
use crate::features::{Feature, FeatureConfig, Features};
use crate::harmonic_percussive::HarmonicPercussive;
use crate::hpss::{HpssConfig, Part};
use crate::matrix::{reshape, resize};
use crate::mel::{MelConfig, MelFilterBank};
use crate::mfcc::{Cepstrum, MfccConfig};
use crate::pyin::{PitchTrack, Pyin, PyinConfig};
use crate::rms::{Rms, RmsConfig};
use crate::spectral_shape::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, Measure, RolloffConfig, SpectralBandwidth,
    SpectralCentroid, SpectralFlatness, SpectralRolloff,
};
use crate::spectrogram::{Frames, Spectrogram, Spectrum};
use crate::tonnetz::Tonnetz;
use crate::voice::{
    Balance, FormantConfig, FormantFrames, Formants, Periods, Quality, SpectralBalance, SpectralBalanceConfig,
};
use crate::zero_crossing::{ZeroCrossingConfig, ZeroCrossingRate};

/// Plan that computes any set of features from one shared short-time Fourier transform. Make one a thread and feed it many signals.
///
/// ```
/// use ser_features::{Feature, FeatureConfig, FeatureExtractor};
///
/// let signal: Vec<f32> = (0..22_050).map(|n| (0.03 * n as f32).sin()).collect();
/// let mut extractor = FeatureExtractor::new(FeatureConfig::default())?;
/// let features = extractor.extract(&signal)?;
/// assert_eq!(features.vector().len(), 193);
/// assert_eq!(features.stack().dim(), (193, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FeatureExtractor {
    config: FeatureConfig,
    shared: Shared,
    /// One for each configured feature, in that order.
    plans: Vec<Plan>,
}

/// What turns the shared transform into one feature.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Mfcc(Cepstrum),
    Chroma(ChromaProjection),
    Mel,
    Contrast(ContrastBands),
    Tonnetz(Box<HarmonicTonnetz>),
    /// One number of each frame of magnitudes, and those of the frames so far.
    Measure(Box<dyn Measure + Send>, Vec<f32>),
    ZeroCrossingRate(ZeroCrossingRate),
    Rms(Rms),
    LogMel(DecibelConfig),
    /// A derivative of the coefficients.
    MfccDelta(Box<Cepstrum>, Delta, Array2<f32>),
    F0,
    VoicedProbability,
    Jitter,
    Shimmer,
    Hnr,
    /// The row of a formant's frequency.
    Formant(usize),
    /// The row of a formant's bandwidth.
    FormantBandwidth(usize),
}

/// Bins of a transform whose magnitudes are kept: those of a minute and a half at 22,050 Hz. A longer signal is transformed again where
/// they are needed again, and its harmonic part has a transform of its own: so memory follows the signal. All cores take segments of the
/// harmonic part; then its tonal centroids and all other features are taken beside each other, which are about as much work.
const KEPT_BINS: usize = 1 << 22;

/// Tonal centroids of the harmonic part: librosa's `tonnetz(y=effects.harmonic(y))`.
#[derive(Debug, Clone)]
pub(crate) struct HarmonicTonnetz {
    separation: HarmonicPercussive,
    tonnetz: Tonnetz,
    harmonic: Vec<f32>,
}

impl Plan {
    pub(crate) fn new(feature: Feature, config: &FeatureConfig) -> Result<Self, ConfigError> {
        let (sample_rate, stft) = (config.sample_rate, config.stft());
        let decibel = DecibelConfig { top_db: config.top_db, ..Default::default() };
        let cepstrum = |decibel| {
            let (mel, n_mfcc) = (mel_config(config), config.n_mfcc);
            Cepstrum::new(&MfccConfig { mel, decibel, n_mfcc, ..Default::default() })
        };
        Ok(match feature {
            Feature::Mfcc => Self::Mfcc(cepstrum(decibel)?),
            Feature::MfccDelta | Feature::MfccDelta2 => {
                let order = if feature == Feature::MfccDelta { 1 } else { 2 };
                let delta = Delta::new(DeltaConfig { order, ..Default::default() })?;
                Self::MfccDelta(Box::new(cepstrum(decibel)?), delta, Array2::default((0, 0)))
            }
            Feature::LogMel => {
                decibel.check()?;
                Self::LogMel(decibel)
            }
            Feature::F0 => Self::F0,
            Feature::VoicedProbability => Self::VoicedProbability,
            Feature::Jitter => Self::Jitter,
            Feature::Shimmer => Self::Shimmer,
            Feature::Hnr => Self::Hnr,
            Feature::F1 => Self::Formant(0),
            Feature::F2 => Self::Formant(1),
            Feature::F3 => Self::Formant(2),
            Feature::F1Bandwidth => Self::FormantBandwidth(0),
            Feature::AlphaRatio => Self::balance(Balance::AlphaRatio, config)?,
            Feature::HammarbergIndex => Self::balance(Balance::HammarbergIndex, config)?,
            Feature::Slope0To500 => Self::balance(Balance::Slope0To500, config)?,
            Feature::Slope500To1500 => Self::balance(Balance::Slope500To1500, config)?,
            Feature::Chroma => {
                let (spectrum, tuning) = (Spectrum::Magnitude, config.tuning);
                let chroma = ChromaConfig { sample_rate, stft, spectrum, tuning, ..Default::default() };
                Self::Chroma(ChromaProjection::new(chroma)?)
            }
            Feature::Mel => Self::Mel,
            Feature::Contrast => {
                let contrast = ContrastConfig { sample_rate, stft, ..Default::default() };
                Self::Contrast(ContrastBands::new(&contrast)?)
            }
            Feature::Tonnetz => {
                // A centred transform of odd length has a frame less where the hop divides the signal.
                let even = config.n_fft.is_multiple_of(2);
                ConfigError::require(even, "n_fft", "even, with tonnetz", config.n_fft as f64)?;
                let chroma =
                    ChromaCqtConfig { sample_rate, hop_length: config.hop_length, ..Default::default() };
                Self::Tonnetz(Box::new(HarmonicTonnetz {
                    separation: HarmonicPercussive::new(stft, HpssConfig::default())?,
                    tonnetz: Tonnetz::new(chroma)?,
                    harmonic: Vec::new(),
                }))
            }
            Feature::Centroid => {
                let centroid = SpectralCentroid::new(CentroidConfig { sample_rate, stft })?;
                Self::measure(Box::new(centroid.0.into_measure()))
            }
            Feature::Bandwidth => {
                let bandwidth = BandwidthConfig { sample_rate, stft, ..Default::default() };
                Self::measure(Box::new(SpectralBandwidth::new(bandwidth)?.0.into_measure()))
            }
            Feature::Rolloff => {
                let rolloff = RolloffConfig { sample_rate, stft, ..Default::default() };
                Self::measure(Box::new(SpectralRolloff::new(rolloff)?.0.into_measure()))
            }
            Feature::Flatness => {
                let flatness = FlatnessConfig { stft, ..Default::default() };
                Self::measure(Box::new(SpectralFlatness::new(flatness)?.0.into_measure()))
            }
            Feature::ZeroCrossingRate => {
                let (frame_length, hop_length) = (config.n_fft, config.hop_length);
                let crossings = ZeroCrossingConfig { frame_length, hop_length, ..Default::default() };
                Self::ZeroCrossingRate(ZeroCrossingRate::new(crossings)?)
            }
            Feature::Rms => {
                let (frame_length, hop_length) = (config.n_fft, config.hop_length);
                Self::Rms(Rms::new(RmsConfig { frame_length, hop_length, ..Default::default() })?)
            }
        })
    }

    fn balance(balance: Balance, config: &FeatureConfig) -> Result<Self, ConfigError> {
        let (sample_rate, stft) = (config.sample_rate, config.stft());
        let plan = SpectralBalance::new(SpectralBalanceConfig { sample_rate, stft })?;
        Ok(Self::measure(Box::new(plan.into_measure(balance))))
    }

    fn measure(measure: Box<dyn Measure + Send>) -> Self {
        Self::Measure(measure, Vec::new())
    }

    /// Forgets the signal before, for one of this many samples.
    fn begin(&mut self, n_samples: usize) {
        match self {
            Self::Chroma(chroma) => chroma.begin(),
            Self::Contrast(contrast) => contrast.begin(),
            Self::Tonnetz(tonnetz) => tonnetz.separation.begin(n_samples, &mut tonnetz.harmonic),
            Self::Measure(_, values) => values.clear(),
            _ => {}
        }
    }

    /// Takes what it needs of the next frame.
    fn push(&mut self, spectrum: &[Complex<f32>], magnitudes: &[f32]) {
        match self {
            Self::Chroma(chroma) => chroma.listen(magnitudes),
            Self::Contrast(contrast) => contrast.push(magnitudes),
            Self::Tonnetz(tonnetz) => {
                tonnetz.separation.push(Part::Harmonic, spectrum, &mut tonnetz.harmonic);
            }
            Self::Measure(measure, values) => values.push(measure.of(magnitudes)),
            _ => {}
        }
    }

    /// The feature of the frames since the beginning.
    fn finish_into(
        &mut self,
        shared: &mut Shared,
        samples: &[f32],
        out: &mut Array2<f32>,
    ) -> Result<(), SignalError> {
        match self {
            Self::Mfcc(cepstrum) => cepstrum.process_into(&shared.mel_frames, out),
            Self::Chroma(chroma) if shared.keeps_magnitudes => {
                let frames = &shared.magnitudes;
                chroma.finish_into(frames.len(), |t| frames.frame(t), out);
            }
            Self::Chroma(chroma) => chroma.finish_again_into(&mut shared.spectrogram, samples, out),
            Self::Mel => shared.mel_matrix(out),
            Self::Contrast(contrast) => contrast.finish_into(out),
            Self::Tonnetz(tonnetz) => {
                tonnetz.separation.end(Part::Harmonic, &mut tonnetz.harmonic);
                tonnetz.tonnetz.process_into(&tonnetz.harmonic, out)?;
            }
            Self::Measure(_, values) => copy_row(values.iter(), out),
            Self::ZeroCrossingRate(rate) => row_into(out, |row| rate.process_into(samples, row))?,
            Self::Rms(rms) => row_into(out, |row| rms.process_into(samples, row))?,
            Self::LogMel(decibel) => {
                shared.scratch.clear(shared.mel_frames.width());
                shared.scratch.push(shared.mel_frames.values());
                to_decibels(shared.scratch.values_mut(), decibel);
                shared.scratch.write_into(&mut shared.block, out);
            }
            Self::MfccDelta(cepstrum, delta, matrix) => {
                cepstrum.process_into(&shared.mel_frames, matrix);
                delta.process_into(matrix.view(), out)?;
            }
            Self::F0 => row_into(out, |row| {
                shared.pitch_into(row, |track, t| if track.voiced[t] { track.f0[t] } else { 0.0 })
            })?,
            Self::VoicedProbability => {
                row_into(out, |row| shared.pitch_into(row, |track, t| track.voiced_probability[t]))?;
            }
            Self::Jitter => copy_row(shared.quality.jitter.iter(), out),
            Self::Shimmer => copy_row(shared.quality.shimmer_db.iter(), out),
            Self::Hnr => copy_row(shared.quality.hnr.iter(), out),
            Self::Formant(row) => {
                if let Some((_, found)) = &shared.formants {
                    copy_row(found.frequency.row(*row).iter(), out);
                }
            }
            Self::FormantBandwidth(row) => {
                if let Some((_, found)) = &shared.formants {
                    copy_row(found.bandwidth.row(*row).iter(), out);
                }
            }
        }
        Ok(())
    }
}

/// Runs both, on two cores where rayon has them.
#[cfg(feature = "parallel")]
fn both<A: Send, B: Send>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(first, second)
}

#[cfg(not(feature = "parallel"))]
fn both<A, B>(first: impl FnOnce() -> A, second: impl FnOnce() -> B) -> (A, B) {
    (first(), second())
}

/// Makes a matrix of one row of these values.
fn copy_row<'a>(values: impl ExactSizeIterator<Item = &'a f32>, out: &mut Array2<f32>) {
    reshape(out, 1, values.len());
    out.iter_mut().zip(values).for_each(|(out, value)| *out = *value);
}

/// Makes a matrix of one row, in the memory that it has.
fn row_into(
    out: &mut Array2<f32>,
    fill: impl FnOnce(&mut Array1<f32>) -> Result<(), SignalError>,
) -> Result<(), SignalError> {
    let mut row = Array1::from_vec(std::mem::take(out).into_raw_vec_and_offset().0);
    fill(&mut row)?;
    *out = row.insert_axis(Axis(0));
    Ok(())
}

pub(crate) fn mel_config(config: &FeatureConfig) -> MelConfig {
    MelConfig {
        sample_rate: config.sample_rate,
        stft: config.stft(),
        n_mels: config.n_mels,
        fmin: config.fmin,
        fmax: config.fmax,
        ..Default::default()
    }
}

/// The one transform, and what several features read of it. Only what a configured feature needs is kept.
#[derive(Debug, Clone)]
struct Shared {
    spectrogram: Spectrogram,
    mel: Option<MelFilterBank>,
    needs_magnitudes: bool,
    /// Whether chroma finds the magnitudes of the last signal kept.
    keeps_magnitudes: bool,
    has_chroma: bool,
    row: Vec<f32>,
    mel_row: Vec<f32>,
    block: Vec<f32>,
    mel_frames: Frames,
    magnitudes: Frames,
    /// Frames that a plan works on.
    scratch: Frames,
    pitch: Option<(Pyin, PitchTrack)>,
    periods: Option<Periods>,
    quality: Quality,
    formants: Option<(Formants, FormantFrames)>,
}

impl Shared {
    fn new(config: &FeatureConfig) -> Result<Self, ConfigError> {
        let wants = |features: &[Feature]| features.iter().any(|f| config.features.contains(f));
        let mel =
            wants(&[Feature::Mfcc, Feature::Mel, Feature::LogMel, Feature::MfccDelta, Feature::MfccDelta2]);
        let (sample_rate, frame_length, hop_length) = (config.sample_rate, config.n_fft, config.hop_length);
        let pyin = PyinConfig { sample_rate, frame_length, hop_length, ..Default::default() };
        let quality = wants(&[Feature::Jitter, Feature::Shimmer, Feature::Hnr]);
        let periods = quality.then(|| Periods::new(&pyin));
        let pitch = (quality || wants(&[Feature::F0, Feature::VoicedProbability]))
            .then(|| Pyin::new(pyin).map(|pyin| (pyin, PitchTrack::default())));
        let formants = wants(&[Feature::F1, Feature::F2, Feature::F3, Feature::F1Bandwidth]).then(|| {
            ConfigError::require(
                sample_rate >= 1_000,
                "sample_rate",
                "at least 1000 Hz, with formants",
                sample_rate.into(),
            )?;
            let formants = Formants::new(FormantConfig { sample_rate, hop_length, ..Default::default() })?;
            Ok::<_, ConfigError>((formants, FormantFrames::default()))
        });
        Ok(Self {
            spectrogram: Spectrogram::new(config.stft(), Spectrum::Magnitude)?,
            mel: mel.then(|| MelFilterBank::new(&mel_config(config))).transpose()?,
            needs_magnitudes: wants(&[
                Feature::Chroma,
                Feature::Contrast,
                Feature::Centroid,
                Feature::Bandwidth,
                Feature::Rolloff,
                Feature::Flatness,
                Feature::AlphaRatio,
                Feature::HammarbergIndex,
                Feature::Slope0To500,
                Feature::Slope500To1500,
            ]),
            keeps_magnitudes: false,
            has_chroma: wants(&[Feature::Chroma]),
            row: vec![0.0; config.stft().n_bins()],
            mel_row: vec![0.0; if mel { config.n_mels } else { 0 }],
            block: Vec::new(),
            mel_frames: Frames::default(),
            magnitudes: Frames::default(),
            scratch: Frames::default(),
            pitch: pitch.transpose()?,
            periods,
            quality: Quality::default(),
            formants: formants.transpose()?,
        })
    }

    fn pitch_into(
        &self,
        out: &mut Array1<f32>,
        value: impl Fn(&PitchTrack, usize) -> f32,
    ) -> Result<(), SignalError> {
        if let Some((_, track)) = &self.pitch {
            resize(out, track.f0.len());
            out.iter_mut().enumerate().for_each(|(t, out)| *out = value(track, t));
        }
        Ok(())
    }

    fn mel_matrix(&mut self, out: &mut Array2<f32>) {
        self.mel_frames.write_into(&mut self.block, out);
    }

    /// Transforms a checked signal for these plans.
    fn transform<P: BorrowMut<Plan>>(
        &mut self,
        samples: &[f32],
        keep: bool,
        plans: &mut [P],
    ) -> Result<(), SignalError> {
        let config = self.spectrogram.config();
        let (n_frames, n_bins) = (config.n_frames(samples.len()), config.n_bins());
        if let Some((pyin, track)) = &mut self.pitch {
            pyin.process_into(samples, track)?;
            if let Some(periods) = &self.periods {
                self.quality = periods.measure(samples, track);
            }
        }
        if let Some((formants, found)) = &mut self.formants {
            *found = formants.process_frames(samples, n_frames)?;
        }
        self.keeps_magnitudes = keep && self.has_chroma;
        self.magnitudes.clear(n_bins);
        self.mel_frames.clear(self.mel_row.len());
        self.mel_frames.reserve(n_frames);
        for plan in plans.iter_mut() {
            BorrowMut::<Plan>::borrow_mut(plan).begin(samples.len());
        }
        for t in 0..n_frames {
            let spectrum = self.spectrogram.spectrum(samples, t);
            if let Some(mel) = &self.mel {
                Spectrum::Power.fill(&mut self.row, spectrum);
                mel.apply(&self.row, &mut self.mel_row);
                self.mel_frames.push(&self.mel_row);
            }
            if self.needs_magnitudes {
                Spectrum::Magnitude.fill(&mut self.row, spectrum);
            }
            if self.keeps_magnitudes {
                self.magnitudes.push(&self.row);
            }
            for plan in plans.iter_mut() {
                BorrowMut::<Plan>::borrow_mut(plan).push(spectrum, &self.row);
            }
        }
        Ok(())
    }
}

impl FeatureExtractor {
    /// Checks the configuration and plans every configured feature.
    ///
    /// # Errors
    /// When no feature is configured or one twice, `n_fft` is odd with tonnetz, and whatever a feature's own plan refuses: see [`Mfcc::new`](crate::Mfcc::new),
    /// [`Chroma::new`](crate::Chroma::new), [`MelSpectrogram::new`](crate::MelSpectrogram::new),
    /// [`SpectralContrast::new`](crate::SpectralContrast::new), [`Tonnetz::new`], [`Pyin::new`], [`SpectralBalance::new`] and
    /// [`Formants::new`].
    pub fn new(config: FeatureConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let plans =
            config.features.iter().map(|&feature| Plan::new(feature, &config)).collect::<Result<_, _>>()?;
        Ok(Self { shared: Shared::new(&config)?, plans, config })
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Features of one channel at the configured sample rate. A signal shorter than a frame has the frames that librosa gives it.
    ///
    /// # Errors
    /// When `samples` is empty or holds a value that is NaN, infinite or beyond ±1e12, and with tonnetz also where [`Cqt::process`](crate::Cqt::process)
    /// refuses the signal, and with the deltas of the MFCC when there are fewer than nine frames.
    pub fn extract(&mut self, samples: &[f32]) -> Result<Features, SignalError> {
        let mut features = Features::new(Vec::new());
        self.extract_into(samples, &mut features)?;
        Ok(features)
    }

    /// As [`extract`](Self::extract), into the matrices of an earlier signal, which are reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`extract`](Self::extract); what `features` holds is then unspecified.
    pub fn extract_into(&mut self, samples: &[f32], features: &mut Features) -> Result<(), SignalError> {
        let config = self.shared.spectrogram.config();
        config.check_signal(samples)?;
        let long = config.n_frames(samples.len()).saturating_mul(config.n_bins()) > KEPT_BINS;
        let parts = features.parts_mut(&self.config.features);
        if long {
            return self.extract_long(samples, parts);
        }
        self.shared.transform(samples, true, &mut self.plans)?;
        for ((_, out), plan) in parts.iter_mut().zip(&mut self.plans) {
            plan.finish_into(&mut self.shared, samples, out)?;
        }
        Ok(())
    }

    fn extract_long(
        &mut self,
        samples: &[f32],
        parts: &mut [(Feature, Array2<f32>)],
    ) -> Result<(), SignalError> {
        let (mut harmonic, mut plans, mut outs) = (None, Vec::new(), Vec::new());
        for ((_, out), plan) in parts.iter_mut().zip(&mut self.plans) {
            match plan {
                Plan::Tonnetz(tonnetz) => harmonic = Some((tonnetz, out)),
                plan => {
                    plans.push(plan);
                    outs.push(out);
                }
            }
        }
        let shared = &mut self.shared;
        let others = move || {
            shared.transform(samples, false, &mut plans)?;
            plans.into_iter().zip(outs).try_for_each(|(plan, out)| plan.finish_into(shared, samples, out))
        };
        let Some((tonnetz, out)) = harmonic else { return others() };
        let part = tonnetz.separation.harmonic_of_long(samples)?;
        let (first, second) = both(|| tonnetz.tonnetz.process_last(part, out), others);
        first.and(second)
    }
}
