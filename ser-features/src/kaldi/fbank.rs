//! Kaldi's mel bands.

use ndarray::Array2;

use super::analysis::{Analysis, FLOOR};
use super::config::KaldiFbankConfig;
use crate::decibel::LogScale;
use crate::error::{ConfigError, SignalError};
use crate::mel::MelFilterBank;
use crate::spectrogram::{Frames, Spectrum};

/// Plan of Kaldi's mel bands, as `compute-fbank-feats` and `kaldi-native-fbank` without dither.
///
/// ```
/// use ser_features::{KaldiFbank, KaldiFbankConfig, KaldiMelConfig};
///
/// let mel = KaldiMelConfig { num_bins: 80, ..Default::default() };
/// let mut fbank = KaldiFbank::new(KaldiFbankConfig { mel, ..Default::default() })?;
/// let second = vec![0.1_f32; 16_000];
/// assert_eq!(fbank.process(&second)?.dim(), (80, 98));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KaldiFbank {
    pub(super) analysis: Analysis,
    pub(super) bank: MelFilterBank,
    use_energy: bool,
    use_log: bool,
    pub(super) spectrum: Spectrum,
    pub(super) row: Vec<f32>,
    frames: Frames,
    block: Vec<f32>,
}

impl KaldiFbank {
    /// Plans transform and filters.
    ///
    /// # Errors
    /// When a field lies outside of its range, or [`Window::Custom`](crate::Window::Custom) does not hold one value within ±1e6 for each
    /// sample of a frame.
    pub fn new(config: KaldiFbankConfig) -> Result<Self, ConfigError> {
        let analysis = Analysis::new(config.frames, config.raw_energy, config.energy_floor)?;
        let bank = analysis.bank(&config.mel)?;
        Ok(Self {
            row: vec![0.0; config.mel.num_bins + usize::from(config.use_energy)],
            analysis,
            bank,
            use_energy: config.use_energy,
            use_log: config.use_log_fbank,
            spectrum: if config.use_power { Spectrum::Power } else { Spectrum::Magnitude },
            frames: Frames::default(),
            block: Vec::new(),
        })
    }

    /// Computes a matrix `[num_bins, frames]`. With `use_energy`, it has one more row, the first. Kaldi has the frames in rows.
    /// [`KaldiFrameConfig::snip_edges`](crate::KaldiFrameConfig::snip_edges) gives the number of frames.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or is too short: shorter than a frame with
    /// `snip_edges`, and than half of a shift without.
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
        let n_frames = self.analysis.check(samples)?;
        self.frames.clear(self.row.len());
        for t in 0..n_frames {
            let (spectrum, energy) = self.analysis.frame(samples, t, self.spectrum);
            let bands = match self.row.split_first_mut() {
                Some((first, rest)) if self.use_energy => {
                    *first = energy;
                    rest
                }
                _ => self.row.as_mut_slice(),
            };
            self.bank.apply(spectrum, bands);
            if self.use_log {
                LogScale::Ln { floor: FLOOR }.apply(bands);
            }
            self.frames.push(&self.row);
        }
        self.frames.write_into(&mut self.block, out);
        Ok(())
    }
}
