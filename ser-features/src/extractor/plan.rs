//! Plans of single features on the shared transform.

use ndarray::{Array1, Array2, Axis};
use num_complex::Complex;

use super::refusal;
use super::shared::{Shared, mel_config};
use crate::chroma::{ChromaConfig, ChromaProjection};
use crate::chroma_cqt::ChromaCqtConfig;
use crate::contrast::{ContrastBands, ContrastConfig};
use crate::decibel::{DecibelConfig, to_decibels};
use crate::delta::{Delta, DeltaConfig};
use crate::error::{ConfigError, SignalError};
use crate::features::{Feature, FeatureConfig};
use crate::harmonic_percussive::HarmonicPercussive;
use crate::hpss::{HpssConfig, Part};
use crate::matrix::reshape;
use crate::mfcc::{Cepstrum, MfccConfig};
use crate::rms::{Rms, RmsConfig};
use crate::spectral_shape::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, Measure, RolloffConfig, SpectralBandwidth,
    SpectralCentroid, SpectralFlatness, SpectralRolloff,
};
use crate::spectrogram::Spectrum;
use crate::tonnetz::Tonnetz;
use crate::voice::{Balance, SpectralBalance, SpectralBalanceConfig};
use crate::zero_crossing::{ZeroCrossingConfig, ZeroCrossingRate};

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

/// Tonal centroids of the harmonic part: librosa's `tonnetz(y=effects.harmonic(y))`.
#[derive(Debug, Clone)]
pub(crate) struct HarmonicTonnetz {
    pub(super) separation: HarmonicPercussive,
    pub(super) tonnetz: Tonnetz,
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
                // With an odd `n_fft`, a centred transform has one frame less if the signal's length is a multiple of the hop length.
                let even = config.n_fft.is_multiple_of(2);
                ConfigError::require(even, "n_fft", "even, with tonnetz", config.n_fft as f64)?;
                let chroma =
                    ChromaCqtConfig { sample_rate, hop_length: config.hop_length, ..Default::default() };
                Self::Tonnetz(Box::new(HarmonicTonnetz {
                    separation: HarmonicPercussive::new(stft, HpssConfig::default())?,
                    tonnetz: Tonnetz::new(chroma).map_err(|error| refusal::of_tonnetz(error, config))?,
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
    pub(super) fn begin(&mut self, n_samples: usize) {
        match self {
            Self::Chroma(chroma) => chroma.begin(),
            Self::Contrast(contrast) => contrast.begin(),
            Self::Tonnetz(tonnetz) => tonnetz.separation.begin(n_samples, &mut tonnetz.harmonic),
            Self::Measure(_, values) => values.clear(),
            _ => {}
        }
    }

    /// Takes what it needs of the next frame.
    pub(super) fn push(&mut self, spectrum: &[Complex<f32>], magnitudes: &[f32]) {
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

    /// Computes the feature for one frame of a stream and appends it to `values`. `samples` are the frame's samples within the signal; `lead`
    /// samples of the frame come before the signal's first. Plans of features that don't [stream](Feature::streams) append nothing.
    pub(crate) fn stream(
        &mut self,
        lead: usize,
        samples: &[f32],
        magnitudes: &[f32],
        mel: &[f32],
        values: &mut Vec<f32>,
    ) {
        match self {
            Self::Mfcc(cepstrum) => values.extend_from_slice(cepstrum.frame(mel)),
            Self::Mel => values.extend_from_slice(mel),
            Self::LogMel(decibel) => {
                let start = values.len();
                values.extend_from_slice(mel);
                to_decibels(&mut values[start..], decibel);
            }
            Self::Chroma(chroma) => values.extend_from_slice(chroma.frame(magnitudes)),
            Self::Contrast(contrast) => values.extend_from_slice(contrast.frame(magnitudes)),
            Self::Measure(measure, _) => values.push(measure.of(magnitudes)),
            Self::ZeroCrossingRate(rate) => values.push(rate.of_frame(lead, samples)),
            Self::Rms(rms) => values.push(rms.of_frame(lead, samples)),
            _ => {}
        }
    }

    /// The feature of the frames since the beginning.
    pub(super) fn finish_into(
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
