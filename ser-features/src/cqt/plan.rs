//! Which wavelets, transforms and signals each octave of a constant-Q transform uses.

use super::CqtConfig;
use super::kernel::{Kernel, transform_length};
use crate::error::ConfigError;

/// Equivalent noise bandwidth of the Hann window in bins: librosa's figure, which decides what counts as above Nyquist.
const HANN_BANDWIDTH: f64 = 1.500_183_105_468_75;

/// The most samples that all filters may have together, padded to their transforms' lengths.
const MOST_SAMPLES: f64 = (1 << 26) as f64;

/// One octave of the transform.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Octave {
    /// Rate of this octave's signal in Hz.
    rate: f64,
    /// Step between frames, in samples of this octave's signal.
    pub(super) hop_length: usize,
    /// Whether the signal is halved for the octave below.
    pub(super) halve: bool,
    /// The octave's lowest bin among all bins.
    pub(super) first_row: usize,
    /// Number of the octave's bins.
    pub(super) n_rows: usize,
}

impl Octave {
    /// The parameters that determine the wavelets of this octave, which is `index` octaves below the highest. Wavelets one octave lower,
    /// at half of the rate, have the same samples.
    fn filters(&self, index: usize) -> (f64, usize) {
        (self.rate * (index as f64).exp2(), self.n_rows)
    }
}

/// All that depends on the configuration alone. Octaves run from the highest to the lowest.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Each octave and the position of its kernel.
    pub(super) octaves: Vec<(Octave, usize)>,
    pub(super) kernels: Vec<Kernel>,
    /// How often the signal is halved before the first octave.
    pub(super) early_halvings: usize,
    /// Bins of all octaves.
    pub(super) n_bins: usize,
}

impl Plan {
    /// Builds the filters of a configuration that [`check`] has passed.
    pub(crate) fn new(config: &CqtConfig) -> Self {
        let frequencies = config.frequencies().collect::<Vec<_>>();
        let early = early_halvings(config);
        let start_rate = start_rate(config);
        let mut kernels = Vec::new();
        let mut last = None;
        let mut octaves = Vec::new();
        for (index, octave) in layout(config).into_iter().enumerate() {
            let own = Some(octave.filters(index));
            // The gains are the same too, with `scale`.
            if last != own || !config.scale {
                let frequencies = &frequencies[octave.first_row..octave.first_row + octave.n_rows];
                let lengths: Vec<f64> =
                    frequencies.iter().map(|f| config.quality() * octave.rate / f).collect();
                let gain = |length: &f64| {
                    if config.scale {
                        length.sqrt().recip()
                    } else {
                        (start_rate / octave.rate * (early as f64).exp2()).sqrt()
                    }
                };
                let gains: Vec<f64> = lengths.iter().map(gain).collect();
                kernels.push(Kernel::new(frequencies, &lengths, octave.rate, config.sparsity, &gains));
                last = own;
            }
            octaves.push((octave, kernels.len() - 1));
        }
        Self { octaves, kernels, early_halvings: early, n_bins: config.n_bins }
    }

    /// Frames of a signal of `length` samples.
    pub(super) fn frames(&self, length: usize) -> usize {
        let mut length = length.div_ceil(self.shortest_signal());
        let mut frames = usize::MAX;
        for (octave, _) in &self.octaves {
            frames = frames.min(1 + length / octave.hop_length);
            if octave.halve {
                length = length.div_ceil(2);
            }
        }
        frames
    }

    /// The fewest samples that survive the early downsampling.
    pub(super) fn shortest_signal(&self) -> usize {
        1 << self.early_halvings
    }
}

/// Checks a configuration: its fields, the Nyquist frequency, and that its filters have a size that can be handled.
pub(crate) fn check(config: &CqtConfig) -> Result<(), ConfigError> {
    for (parameter, value) in [
        ("sample_rate", config.sample_rate as usize),
        ("hop_length", config.hop_length),
        ("n_bins", config.n_bins),
        ("bins_per_octave", config.bins_per_octave),
    ] {
        ConfigError::refuse_zero(parameter, value)?;
    }
    let positive = |x: f64| x > 0.0 && x.is_finite();
    ConfigError::require(positive(config.fmin), "fmin", "positive and finite", config.fmin)?;
    ConfigError::require(
        positive(config.filter_scale),
        "filter_scale",
        "positive and finite",
        config.filter_scale,
    )?;
    ConfigError::require(
        (0.0..1.0).contains(&config.sparsity),
        "sparsity",
        "0 or more and below 1",
        config.sparsity,
    )?;
    ConfigError::require(
        config.bins_per_octave <= 1200,
        "bins_per_octave",
        "at most 1200, one cent each",
        config.bins_per_octave as f64,
    )?;
    ConfigError::require(
        config.tuning.is_finite() && positive(config.frequency(0)),
        "tuning",
        "such that fmin stays positive and finite",
        config.tuning,
    )?;
    let nyquist = f64::from(config.sample_rate) / 2.0;
    let frequency = upper_edge(config);
    if frequency > nyquist {
        return Err(ConfigError::AboveNyquist {
            parameter: "the upper edge of the highest filter",
            frequency,
            nyquist,
        });
    }
    let (mut samples, mut last) = (0.0, None);
    for (index, octave) in layout(config).into_iter().enumerate() {
        let own = Some(octave.filters(index));
        if last != own {
            let longest = config.quality() * octave.rate / config.frequency(octave.first_row);
            samples += transform_length(&[longest]) * octave.n_rows as f64;
            last = own;
        }
    }
    ConfigError::require(
        samples <= MOST_SAMPLES,
        "fmin",
        "so high that the filters have at most 67108864 samples together",
        config.fmin,
    )?;
    Ok(())
}

/// The highest frequency that the highest filter passes, in Hz.
fn upper_edge(config: &CqtConfig) -> f64 {
    config.frequency(config.n_bins - 1) * (1.0 + 0.5 * HANN_BANDWIDTH / config.quality())
}

/// The octaves from the highest to the lowest, which may have fewer bins.
fn layout(config: &CqtConfig) -> Vec<Octave> {
    let mut rate = start_rate(config);
    let mut hop_length = config.hop_length >> early_halvings(config);
    let mut end = config.n_bins;
    let mut octaves = Vec::new();
    while end > 0 {
        let n_rows = end.min(config.bins_per_octave);
        let halve = hop_length.is_multiple_of(2);
        end -= n_rows;
        octaves.push(Octave { rate, hop_length, halve, first_row: end, n_rows });
        if halve {
            rate /= 2.0;
            hop_length /= 2;
        }
    }
    octaves
}

/// The signal's rate after the early downsampling, in Hz.
fn start_rate(config: &CqtConfig) -> f64 {
    f64::from(config.sample_rate) / (early_halvings(config) as f64).exp2()
}

/// How often the signal can be halved before the first octave without touching its highest filter, as librosa counts it.
fn early_halvings(config: &CqtConfig) -> usize {
    let nyquist = f64::from(config.sample_rate) / 2.0;
    let n_octaves = config.n_bins.div_ceil(config.bins_per_octave);
    let by_frequency = ((nyquist / upper_edge(config)).log2().ceil() - 2.0).max(0.0) as usize;
    let by_hop = (config.hop_length.trailing_zeros() as usize + 1).saturating_sub(n_octaves);
    by_frequency.min(by_hop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: CqtConfig) -> ConfigError {
        check(&config).unwrap_err()
    }

    #[test]
    fn seven_octaves_are_refused_at_8000_hz() {
        let config = CqtConfig { sample_rate: 8_000, ..Default::default() };
        assert!(matches!(refusal(config), ConfigError::AboveNyquist { nyquist: 4000.0, .. }));
    }

    #[test]
    fn counts_of_zero_are_refused() {
        let base = CqtConfig::default();
        let zero = |parameter| ConfigError::Zero { parameter };
        assert_eq!(refusal(CqtConfig { sample_rate: 0, ..base.clone() }), zero("sample_rate"));
        assert_eq!(refusal(CqtConfig { hop_length: 0, ..base.clone() }), zero("hop_length"));
        assert_eq!(refusal(CqtConfig { n_bins: 0, ..base.clone() }), zero("n_bins"));
        assert_eq!(refusal(CqtConfig { bins_per_octave: 0, ..base }), zero("bins_per_octave"));
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let base = CqtConfig::default();
        let refused = [
            ("fmin", CqtConfig { fmin: 0.0, ..base.clone() }),
            ("fmin", CqtConfig { fmin: f64::NAN, ..base.clone() }),
            ("fmin", CqtConfig { fmin: 1e-9, n_bins: 1, ..base.clone() }),
            // The lowest octave's 52 million would be allowed, were it alone.
            (
                "fmin",
                CqtConfig {
                    sample_rate: 96_000,
                    hop_length: 1,
                    fmin: 40.0,
                    bins_per_octave: 100,
                    n_bins: 800,
                    ..base.clone()
                },
            ),
            ("filter_scale", CqtConfig { filter_scale: -1.0, ..base.clone() }),
            ("sparsity", CqtConfig { sparsity: 1.0, ..base.clone() }),
            ("tuning", CqtConfig { tuning: f64::INFINITY, ..base.clone() }),
            ("tuning", CqtConfig { tuning: -1e9, ..base.clone() }),
            ("bins_per_octave", CqtConfig { bins_per_octave: 1201, ..base.clone() }),
        ];
        for (name, config) in refused {
            let error = refusal(config);
            assert!(
                matches!(error, ConfigError::OutOfRange { parameter, .. } if parameter == name),
                "{error}"
            );
        }
        let error = refusal(CqtConfig { n_bins: usize::MAX, ..base });
        assert!(matches!(error, ConfigError::AboveNyquist { .. }));
    }

    #[test]
    fn octaves_of_an_even_hop_share_their_filters() {
        let plan = |config: CqtConfig| Plan::new(&config);
        assert_eq!(plan(CqtConfig::default()).kernels.len(), 1);
        // The lowest octave has fewer bins.
        assert_eq!(plan(CqtConfig { n_bins: 80, ..Default::default() }).kernels.len(), 2);
        // After three halvings the hop is odd: the rate stays, the filters get longer.
        let hops = |config: CqtConfig| plan(config).octaves.iter().map(|(o, _)| o.hop_length).collect();
        let odd = CqtConfig { hop_length: 8 * 55, ..Default::default() };
        assert_eq!(plan(odd.clone()).kernels.len(), 4);
        let hops: Vec<usize> = hops(odd);
        assert_eq!(hops, [440, 220, 110, 55, 55, 55, 55]);
    }

    #[test]
    fn unused_octaves_are_left_out_early() {
        let plan = |config: CqtConfig| Plan::new(&config).early_halvings;
        let low = CqtConfig { n_bins: 12, ..Default::default() };
        assert_eq!(plan(low.clone()), 6);
        assert_eq!(plan(CqtConfig { hop_length: 64, ..low.clone() }), 6);
        assert_eq!(plan(CqtConfig { hop_length: 48, ..low.clone() }), 4);
        assert_eq!(plan(CqtConfig { hop_length: 1 << 20, fmin: 1.0, ..low }), 11);
    }
}
