//! The constant-Q transform, librosa's recursive way.

mod decimate;
mod kernel;
mod plan;
mod transform;

pub(crate) use plan::{Plan, check};
pub use transform::Cqt;
pub(crate) use transform::Workspace;

/// Settings of a constant-Q transform. `Default` is librosa's: 84 bins of a semitone from C1 on.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct CqtConfig {
    /// Sample rate of the signal in Hz, at least 1. The upper edge of the highest filter, `f · (1 + 0.75 / Q)` with its centre frequency
    /// `f` and the `Q` of [`Cqt`], must be at or below half of it.
    pub sample_rate: u32,
    /// Samples from one frame to the next, at least 1. Each factor of two in it lets one octave run at half of the rate of the octave above.
    pub hop_length: usize,
    /// Frequency of the lowest bin in Hz, before tuning; above 0 and finite. All filters together have at most 67,108,864 samples. For this
    /// sum, each filter is as long as the power of two that holds the longest filter of its octave, and octaves with the same filters count
    /// once.
    pub fmin: f64,
    /// Number of bins, from the lowest to the highest, at least 1.
    pub n_bins: usize,
    /// Bins of an octave, 1..=1,200.
    pub bins_per_octave: usize,
    /// Offset of all bins, in fractions of a bin; finite. The tuned lowest frequency, `fmin · 2^(tuning / bins_per_octave)`, must be above
    /// 0 and finite.
    pub tuning: f64,
    /// Factor of the filters' lengths, above 0 and finite. Below 1, filters are shorter: they resolve time better and frequency worse.
    pub filter_scale: f64,
    /// Fraction of the sum of magnitudes of a filter's spectrum, at least 0 and below 1. Bins of the spectrum are set to zero, from the
    /// smallest magnitude on, as long as they hold less than this fraction together. 0 keeps all bins.
    pub sparsity: f64,
    /// Whether each bin is divided by the square root of its filter's length, the counterpart of an orthonormal transform.
    pub scale: bool,
}

impl CqtConfig {
    /// Frequency of the note C1 in Hz, in equal temperament with A4 at 440 Hz.
    pub const C1: f64 = 32.703_195_662_574_83;

    /// Returns the centre frequency of each bin `k` in Hz, counted from 0: `fmin · 2^((k + tuning) / bins_per_octave)`.
    pub fn frequencies(&self) -> impl ExactSizeIterator<Item = f64> {
        (0..self.n_bins).map(|bin| self.frequency(bin))
    }

    fn frequency(&self, bin: usize) -> f64 {
        let bins_per_octave = self.bins_per_octave.max(1);
        let bins = bins_per_octave as f64;
        let octave = (bin / bins_per_octave) as f64;
        let step = (bin % bins_per_octave) as f64;
        // In librosa's order, so that both round in the same way.
        octave.exp2() * (step / bins).exp2() * (self.fmin * (self.tuning / bins).exp2())
    }

    /// Q: a filter's length in periods of its frequency.
    fn quality(&self) -> f64 {
        let ratio = (2.0 / self.bins_per_octave as f64).exp2();
        self.filter_scale * (ratio + 1.0) / (ratio - 1.0)
    }
}

impl Default for CqtConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            fmin: Self::C1,
            n_bins: 84,
            bins_per_octave: 12,
            tuning: 0.0,
            filter_scale: 1.0,
            sparsity: 0.01,
            scale: true,
        }
    }
}
