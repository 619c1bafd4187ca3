//! Chroma from the constant-Q transform.

use ndarray::Array2;

use crate::cqt::{CqtConfig, Plan, Workspace, check};
use crate::error::{ConfigError, SignalError};
use crate::matrix::reshape;
use crate::tuning::{Tuning, TuningConfig};

/// The tunings that an estimate can give, in bins.
const TUNINGS: std::ops::RangeInclusive<f64> = -0.5..=0.5;

/// Settings of chroma from a constant-Q transform. `Default` is librosa's: twelve pitch classes from seven octaves above C1,
/// with three bins to a semitone.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct ChromaCqtConfig {
    /// Sample rate of the signal in Hz, at least 1. The highest filter must end at or below half of it.
    pub sample_rate: u32,
    /// Samples from one frame to the next, at least 1; see [`CqtConfig::hop_length`].
    pub hop_length: usize,
    /// Frequency of the lowest bin in Hz, before tuning; above 0 and finite. All filters together have at most 67,108,864 samples.
    pub fmin: f64,
    /// Octaves above `fmin`, at least 1.
    pub n_octaves: usize,
    /// Bins of an octave, at most 1,200, a multiple of `n_chroma`.
    pub bins_per_octave: usize,
    /// Pitch classes, at least 1. The first is C.
    pub n_chroma: usize,
    /// Offset of all bins in fractions of a bin, finite. `None` estimates it from each signal, from −0.5 to 0.5.
    pub tuning: Option<f64>,
    /// Threshold of the summed magnitudes, at least 0: smaller sums are set to 0.
    #[cfg_attr(feature = "serde", serde(with = "crate::number"))]
    pub threshold: f32,
}

impl Default for ChromaCqtConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            fmin: CqtConfig::C1,
            n_octaves: 7,
            bins_per_octave: 36,
            n_chroma: 12,
            tuning: None,
            threshold: 0.0,
        }
    }
}

impl ChromaCqtConfig {
    fn cqt(&self, tuning: f64) -> CqtConfig {
        CqtConfig {
            sample_rate: self.sample_rate,
            hop_length: self.hop_length,
            fmin: self.fmin,
            n_bins: self.n_octaves.saturating_mul(self.bins_per_octave),
            bins_per_octave: self.bins_per_octave,
            tuning,
            ..CqtConfig::default()
        }
    }

    /// The pitch class of each bin of an octave. A class takes the bins around its frequency.
    fn classes(&self) -> Vec<usize> {
        let width = self.bins_per_octave / self.n_chroma;
        // By way of the MIDI number, as in librosa, so that halves are rounded in the same way.
        let midi = 12.0 * (self.fmin.log2() - 440_f64.log2()) + 69.0;
        let semitones_above_c = midi.rem_euclid(12.0);
        let first = (semitones_above_c * self.n_chroma as f64 / 12.0).round_ties_even() as usize;
        (0..self.bins_per_octave).map(|bin| ((bin + width / 2) / width + first) % self.n_chroma).collect()
    }
}

/// Chroma of a signal from its constant-Q transform: the magnitudes of all bins of a pitch class are summed, then each frame is
/// divided by its largest value. It computes what librosa 0.11 computes with `chroma_cqt(y=…)`. [`Cqt`](crate::Cqt) cites the sources of the
/// transform.
///
/// The plan builds filters for each tuning that occurs and keeps them. An estimated tuning has one of a hundred values, so memory grows up
/// to a hundred sets of filters.
///
/// ```
/// use ser_features::{ChromaCqt, ChromaCqtConfig};
///
/// // One second of A3.
/// let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 220.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let chroma = ChromaCqt::new(ChromaCqtConfig::default())?.process(&tone)?;
/// assert_eq!(chroma.dim(), (12, 44));
/// assert_eq!(chroma[[9, 20]], 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChromaCqt {
    config: ChromaCqtConfig,
    tuning: Tuning,
    classes: Vec<usize>,
    plans: Vec<(f64, Plan)>,
    workspace: Workspace,
    magnitude: Array2<f32>,
}

impl ChromaCqt {
    /// Checks the configuration.
    ///
    /// # Errors
    /// When `n_chroma`, `n_octaves` or `bins_per_octave` is zero, `bins_per_octave` is no multiple of `n_chroma`, or `threshold` is
    /// negative or NaN. Also for what [`Cqt::new`](crate::Cqt::new) refuses: at 8,000 Hz, for example, seven octaves above C1 reach above
    /// the Nyquist frequency. When the tuning is estimated, the configuration must work for every tuning from −0.5 to 0.5 bins.
    pub fn new(config: ChromaCqtConfig) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("n_chroma", config.n_chroma)?;
        ConfigError::refuse_zero("n_octaves", config.n_octaves)?;
        ConfigError::refuse_zero("bins_per_octave", config.bins_per_octave)?;
        ConfigError::require(
            config.bins_per_octave.is_multiple_of(config.n_chroma),
            "bins_per_octave",
            "a multiple of n_chroma",
            config.bins_per_octave as f64,
        )?;
        ConfigError::require(config.threshold >= 0.0, "threshold", "0 or more", f64::from(config.threshold))?;
        match config.tuning {
            Some(tuning) => check(&config.cqt(tuning))?,
            None => {
                check(&config.cqt(*TUNINGS.start()))?;
                check(&config.cqt(*TUNINGS.end()))?;
            }
        }
        let tuning = TuningConfig {
            sample_rate: config.sample_rate,
            bins_per_octave: config.bins_per_octave,
            ..TuningConfig::default()
        };
        Ok(Self {
            tuning: Tuning::new(tuning)?,
            classes: config.classes(),
            plans: Vec::new(),
            workspace: Workspace::new(),
            magnitude: Array2::default((0, 0)),
            config,
        })
    }

    /// Computes chroma `[n_chroma, frames]` with values 0..=1. It has as many frames as [`Cqt::process`](crate::Cqt::process) gives. A
    /// frame of silence is 0.
    ///
    /// # Errors
    /// Those of [`Cqt::process`](crate::Cqt::process).
    pub fn process(&mut self, samples: &[f32]) -> Result<Array2<f32>, SignalError> {
        let mut out = Array2::default((0, 0));
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a matrix that is reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&mut self, samples: &[f32], out: &mut Array2<f32>) -> Result<(), SignalError> {
        let index = self.plan_of(samples)?;
        self.workspace.transform(&self.plans[index].1, samples, &mut self.magnitude)?;
        let frames = self.magnitude.ncols();
        let rows = self.magnitude.as_slice().unwrap_or_default().chunks_exact(frames);
        self.fold_into(rows, frames, out);
        Ok(())
    }

    /// As [`process_into`](Self::process_into), but consumes the signal. It keeps no memory in proportion to the signal's length.
    pub(crate) fn process_last(
        &mut self,
        samples: Vec<f32>,
        out: &mut Array2<f32>,
    ) -> Result<(), SignalError> {
        let index = self.plan_of(&samples)?;
        self.tuning.release();
        let (octaves, frames) = self.workspace.transform_last(&self.plans[index].1, samples)?;
        let rows = octaves.iter().rev().flat_map(|octave| octave.chunks_exact(frames));
        self.fold_into(rows, frames, out);
        Ok(())
    }

    /// The place of the plan with the signal's tuning.
    fn plan_of(&mut self, samples: &[f32]) -> Result<usize, SignalError> {
        let tuning = match self.config.tuning {
            Some(tuning) => tuning,
            None => self.tuning.estimate(samples)?,
        };
        let known = self.plans.iter().position(|(of, _)| *of == tuning);
        Ok(known.unwrap_or_else(|| {
            let plan = Plan::new(&self.config.cqt(tuning));
            self.plans.push((tuning, plan));
            self.plans.len() - 1
        }))
    }

    /// Sums the magnitudes of each pitch class and divides each frame by its largest sum. The rows come from the lowest bin on.
    fn fold_into<'a>(&self, rows: impl Iterator<Item = &'a [f32]>, frames: usize, out: &mut Array2<f32>) {
        reshape(out, self.config.n_chroma, frames);
        out.fill(0.0);
        for (row, &class) in rows.zip(self.classes.iter().cycle()) {
            out.row_mut(class).iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        for mut frame in out.columns_mut() {
            frame.mapv_inplace(|x| if x < self.config.threshold { 0.0 } else { x });
            let largest = frame.iter().copied().fold(0.0, f32::max);
            if largest >= f32::MIN_POSITIVE {
                frame.mapv_inplace(|x| x / largest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| ChromaCqt::new(config).err().unwrap();
        let base = ChromaCqtConfig::default();
        let zero = |parameter| ConfigError::Zero { parameter };
        assert_eq!(refusal(ChromaCqtConfig { n_chroma: 0, ..base.clone() }), zero("n_chroma"));
        assert_eq!(refusal(ChromaCqtConfig { n_octaves: 0, ..base.clone() }), zero("n_octaves"));
        assert_eq!(refusal(ChromaCqtConfig { bins_per_octave: 0, ..base.clone() }), zero("bins_per_octave"));
        assert_eq!(refusal(ChromaCqtConfig { hop_length: 0, ..base.clone() }), zero("hop_length"));
        assert_eq!(
            refusal(ChromaCqtConfig { bins_per_octave: 40, ..base.clone() }).to_string(),
            "config: bins_per_octave must be a multiple of n_chroma, got 40"
        );
        for threshold in [-0.1, f32::NAN] {
            let error = refusal(ChromaCqtConfig { threshold, ..base.clone() }).to_string();
            assert!(error.starts_with("config: threshold must be 0 or more"), "{error}");
        }
        let error = refusal(ChromaCqtConfig { sample_rate: 8_000, ..base.clone() });
        assert!(matches!(error, ConfigError::AboveNyquist { .. }));
        let error = refusal(ChromaCqtConfig { n_octaves: usize::MAX, ..base });
        assert!(matches!(error, ConfigError::AboveNyquist { .. }));
    }

    #[test]
    fn a_class_takes_the_bins_around_its_frequency() {
        let base = ChromaCqtConfig::default();
        assert_eq!(base.classes()[..8], [0, 0, 1, 1, 1, 2, 2, 2]);
        assert_eq!(base.classes()[35], 0);
        // From A1 on, A is the lowest bin.
        let from_a = ChromaCqtConfig { fmin: 55.0, bins_per_octave: 12, ..base };
        assert_eq!(from_a.classes(), [9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        // librosa 0.11.0: filters.cq_to_chroma(12, bins_per_octave=12, n_chroma=6, fmin=55).argmax(axis=0)
        let six = ChromaCqtConfig { n_chroma: 6, ..from_a };
        assert_eq!(six.classes(), [4, 5, 5, 0, 0, 1, 1, 2, 2, 3, 3, 4]);
    }

    #[test]
    fn sums_below_the_threshold_are_zero() {
        let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 0.0627).sin()).collect();
        let chroma = |threshold| {
            let config = ChromaCqtConfig { tuning: Some(0.0), threshold, ..Default::default() };
            ChromaCqt::new(config).unwrap().process(&tone).unwrap()
        };
        let zeros = |chroma: Array2<f32>| chroma.column(20).iter().filter(|&&x| x == 0.0).count();
        assert_eq!(zeros(chroma(0.0)), 0);
        assert!((6..12).contains(&zeros(chroma(2.0))));
        assert_eq!(zeros(chroma(1e9)), 12);
    }
}
