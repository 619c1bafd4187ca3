//! Several features of one signal.
//!
//! The five features of Issa et al. of three seconds take 2.6 ms from one transform, and 3.7 ms from five extractors; with new
//! plans each time they take 4.5 ms (x86-64 with AVX-512).

mod plan;
mod refusal;
mod shared;

use std::borrow::BorrowMut;

use ndarray::{Array2, Axis, Slice};

pub(crate) use plan::Plan;
use shared::Shared;
pub(crate) use shared::mel_config;

use crate::error::{ConfigError, SignalError};
use crate::features::{Feature, FeatureConfig, Features};
use crate::spectrogram::Spectrum;

/// Largest number of bins, over all frames, whose magnitudes are kept: those of a minute and a half at 22,050 Hz. A longer signal is
/// transformed again where magnitudes are needed a second time, and its harmonic part has a transform of its own, so that memory stays in
/// proportion to the signal. All cores process segments of the harmonic part. Then its tonal centroids and all other features, which are
/// about as much work, are computed in parallel.
const KEPT_BINS: usize = 1 << 22;

/// Plan that computes a set of features. All features of a spectrum share one short-time Fourier transform; signals of more than about a
/// minute and a half at 22,050 Hz are transformed more than once, which saves memory. Make one plan for each thread and use it for many
/// signals.
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

/// Runs both, on two cores where rayon has them.
#[cfg(feature = "parallel")]
fn both<A: Send, B: Send>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(first, second)
}

#[cfg(not(feature = "parallel"))]
fn both<A, B>(first: impl FnOnce() -> A, second: impl FnOnce() -> B) -> (A, B) {
    (first(), second())
}

/// Transforms a checked signal for these plans.
fn transform<P: BorrowMut<Plan>>(
    shared: &mut Shared,
    samples: &[f32],
    keep: bool,
    plans: &mut [P],
) -> Result<(), SignalError> {
    let config = shared.spectrogram.config();
    let (n_frames, n_bins) = (config.n_frames(samples.len()), config.n_bins());
    if let Some((pyin, track)) = &mut shared.pitch {
        pyin.process_into(samples, track)?;
        if let Some(periods) = &shared.periods {
            shared.quality = periods.measure(samples, track);
        }
    }
    if let Some((formants, found)) = &mut shared.formants {
        *found = formants.process_frames(samples, n_frames)?;
    }
    shared.keeps_magnitudes = keep && shared.has_chroma;
    shared.magnitudes.clear(n_bins);
    shared.mel_frames.clear(shared.mel_row.len());
    shared.mel_frames.reserve(n_frames);
    for plan in plans.iter_mut() {
        BorrowMut::<Plan>::borrow_mut(plan).begin(samples.len());
    }
    for t in 0..n_frames {
        let spectrum = shared.spectrogram.spectrum(samples, t);
        if let Some(mel) = &shared.mel {
            Spectrum::Power.fill(&mut shared.row, spectrum);
            mel.apply(&shared.row, &mut shared.mel_row);
            shared.mel_frames.push(&shared.mel_row);
        }
        if shared.needs_magnitudes {
            Spectrum::Magnitude.fill(&mut shared.row, spectrum);
        }
        if shared.keeps_magnitudes {
            shared.magnitudes.push(&shared.row);
        }
        for plan in plans.iter_mut() {
            BorrowMut::<Plan>::borrow_mut(plan).push(spectrum, &shared.row);
        }
    }
    Ok(())
}

impl FeatureExtractor {
    /// Checks the configuration and plans every configured feature.
    ///
    /// # Errors
    /// When no feature is configured, a feature is configured twice, `n_fft` is odd with tonnetz, or the sample rate is below 1,000 Hz with
    /// formants. Also the errors of [`Stft::new`](crate::Stft::new) and of the plans of the configured features:
    /// [`Mfcc::new`](crate::Mfcc::new), [`Chroma::new`](crate::Chroma::new), [`MelSpectrogram::new`](crate::MelSpectrogram::new),
    /// [`SpectralContrast::new`](crate::SpectralContrast::new), [`Tonnetz::new`](crate::Tonnetz::new), [`Pyin::new`](crate::Pyin::new),
    /// [`SpectralBalance::new`](crate::SpectralBalance::new) and [`Formants::new`](crate::Formants::new).
    pub fn new(config: FeatureConfig) -> Result<Self, ConfigError> {
        config.check()?;
        config.stft().check()?;
        let plans =
            config.features.iter().map(|&feature| Plan::new(feature, &config)).collect::<Result<_, _>>()?;
        Ok(Self { shared: Shared::new(&config)?, plans, config })
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Computes the features of one channel at the configured sample rate. Frames are centred, with zeros beyond both ends, so that a
    /// signal shorter than a frame has frames too: [`FeatureConfig::n_frames`] counts them. Tonnetz is cut to as many, if it has one more
    /// (only above 33,000 Hz).
    ///
    /// # Errors
    /// When `samples` is empty or holds a value that is NaN, infinite or beyond ±1e12. With tonnetz above 33,000 Hz, also when there are
    /// only a few samples, fewer than 2 at 48,000 Hz: see [`Cqt::process`](crate::Cqt::process). With the deltas of the MFCC, also when
    /// there are fewer than nine frames.
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
        let n_frames = config.n_frames(samples.len());
        let long = n_frames.saturating_mul(config.n_bins()) > KEPT_BINS;
        let parts = features.parts_mut(&self.config.features);
        if long {
            self.extract_long(samples, parts)?;
        } else {
            transform(&mut self.shared, samples, true, &mut self.plans)?;
            for ((_, out), plan) in parts.iter_mut().zip(&mut self.plans) {
                plan.finish_into(&mut self.shared, samples, out)?;
            }
        }
        // At high sample rates, the constant-Q transform under tonnetz halves the signal and rounds its length up.
        for (_, out) in parts.iter_mut().filter(|(_, out)| out.ncols() > n_frames) {
            *out = out.slice_axis(Axis(1), Slice::from(..n_frames)).to_owned();
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
            transform(shared, samples, false, &mut plans)?;
            plans.into_iter().zip(outs).try_for_each(|(plan, out)| plan.finish_into(shared, samples, out))
        };
        let Some((tonnetz, out)) = harmonic else { return others() };
        let part = tonnetz.separation.harmonic_of_long(samples)?;
        let (first, second) = both(|| tonnetz.tonnetz.process_last(part, out), others);
        first.and(second)
    }
}
