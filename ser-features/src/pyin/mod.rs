//! Fundamental frequency with voicing.

mod path;

use ndarray::Array1;

use crate::error::{ConfigError, SignalError};
use crate::matrix::resize;
use crate::yin::Differences;
use path::{Path, Transitions};

/// Settings of pYIN. The default is librosa's; `fmin` and `fmax`, which librosa wants to be given, are those
/// that its documentation recommends, C2 and C7.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PyinConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// Lowest fundamental in Hz, above 0. One of its periods must fit into a frame, and two should.
    pub fmin: f64,
    /// Highest fundamental in Hz, above `fmin`, at most half of the sample rate.
    pub fmax: f64,
    /// Samples of a frame, 1..=1,048,576.
    pub frame_length: usize,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
    /// Number of thresholds that the minima of the difference function are compared with, 1..=10,000.
    pub n_thresholds: usize,
    /// Parameters α and β of the thresholds' prior, a beta distribution; each 1..=100.
    pub beta_parameters: (u32, u32),
    /// Parameter of the Boltzmann distribution over the minima below a threshold, above 0 and at most 100. The larger it is, the more
    /// likely are minima at short periods.
    pub boltzmann_parameter: f64,
    /// Width of a pitch bin in semitones, 0.01..=1; made smaller where needed, so that a semitone has a whole number of bins.
    pub resolution: f64,
    /// Width of the transition window in octaves a second, at least 0, as in librosa: from one frame to the next, the pitch rises or falls
    /// by at most half of this. The width in one hop must be smaller than the range from `fmin` to `fmax`.
    pub max_transition_rate: f64,
    /// Probability that voicing begins or ends from one frame to the next, above 0 and below 1.
    pub switch_prob: f64,
    /// Probability of the lowest minimum if none lies below a threshold, 0..=1.
    pub no_trough_prob: f64,
    /// Whether frames are centred on their time, with zeros around the signal.
    pub center: bool,
}

impl Default for PyinConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            fmin: 65.406_391_325_149_66,
            fmax: 2_093.004_522_404_789,
            frame_length: 2048,
            hop_length: 512,
            n_thresholds: 100,
            beta_parameters: (2, 18),
            boltzmann_parameter: 2.0,
            resolution: 0.1,
            max_transition_rate: 35.92,
            switch_prob: 0.01,
            no_trough_prob: 0.01,
            center: true,
        }
    }
}

impl PyinConfig {
    /// Fundamentals from `fmin` to `fmax` at a sample rate, all in Hz, and the default for the rest.
    ///
    /// ```
    /// use ser_features::{Pyin, PyinConfig};
    ///
    /// let track = Pyin::new(PyinConfig::new(16_000, 80.0, 400.0))?.process(&[0.0; 16_000])?;
    /// assert!(track.voiced.iter().all(|voiced| !voiced));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sample_rate: u32, fmin: f64, fmax: f64) -> Self {
        Self { sample_rate, fmin, fmax, ..Default::default() }
    }
}

/// Result of [`Pyin::process`], one value a frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PitchTrack {
    /// Fundamental frequency in Hz, always that of a pitch bin ([`PyinConfig::resolution`]); NaN where the frame is not voiced.
    pub f0: Array1<f32>,
    /// Whether the frame is voiced, on the most likely path through all frames.
    pub voiced: Array1<bool>,
    /// Probability that the frame is voiced, 0..=1, from its own samples alone.
    pub voiced_probability: Array1<f32>,
}

/// Plan of the fundamental frequency by pYIN (Mauch and Dixon, *pYIN: a fundamental frequency estimator using probabilistic threshold
/// distributions*, 2014), as `librosa.pyin`. The minima that YIN finds with many thresholds become candidates with probabilities. The Viterbi
/// algorithm finds the likeliest path through the candidates of all frames.
///
/// ```
/// use ser_features::{Pyin, PyinConfig};
///
/// let mut sound: Vec<f32> = (0..22_050).map(|n| (n as f32 * 220.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// sound.extend([0.0; 11_025]); // half a second of silence
/// let track = Pyin::new(PyinConfig { fmin: 80.0, fmax: 500.0, ..Default::default() })?.process(&sound)?;
/// assert!(track.voiced[20] && (track.f0[20] - 220.0).abs() < 1.0);
/// assert!(!track.voiced[60] && track.f0[60].is_nan());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pyin {
    differences: Differences,
    /// Upper ends of the thresholds, and the probability of each.
    thresholds: Vec<f64>,
    threshold_probs: Vec<f64>,
    boltzmann: f64,
    no_trough_prob: f64,
    fmin: f64,
    bins_per_octave: f64,
    n_bins: usize,
    transitions: Transitions,
    path: Path,
    observation: Vec<f64>,
    /// Where the troughs of a frame are, and the probability of each.
    troughs: Vec<(usize, f64)>,
}

impl Pyin {
    /// Plans the transforms and the transitions.
    ///
    /// # Errors
    /// When a field lies outside of its range, no period of `fmin` fits into a frame, or the transitions would take more than 33,554,432
    /// values: four for each pitch bin and each bin of the transition window.
    pub fn new(config: PyinConfig) -> Result<Self, ConfigError> {
        let PyinConfig { sample_rate, fmin, fmax, frame_length, hop_length, center, .. } = config;
        let differences = Differences::new(sample_rate, (fmin, fmax), frame_length, hop_length, center)?;
        let (a, b) = config.beta_parameters;
        for (holds, parameter, rule, value) in [
            (
                (1..=10_000).contains(&config.n_thresholds),
                "n_thresholds",
                "1 to 10000",
                config.n_thresholds as f64,
            ),
            ((1..=100).contains(&a), "beta_parameters", "1 to 100", a.into()),
            ((1..=100).contains(&b), "beta_parameters", "1 to 100", b.into()),
            (
                config.boltzmann_parameter > 0.0 && config.boltzmann_parameter <= 100.0,
                "boltzmann_parameter",
                "above 0 and at most 100",
                config.boltzmann_parameter,
            ),
            ((0.01..=1.0).contains(&config.resolution), "resolution", "0.01 to 1", config.resolution),
            (
                config.max_transition_rate >= 0.0,
                "max_transition_rate",
                "0 or more",
                config.max_transition_rate,
            ),
            (
                config.switch_prob > 0.0 && config.switch_prob < 1.0,
                "switch_prob",
                "above 0 and below 1",
                config.switch_prob,
            ),
            ((0.0..=1.0).contains(&config.no_trough_prob), "no_trough_prob", "0 to 1", config.no_trough_prob),
        ] {
            ConfigError::require(holds, parameter, rule, value)?;
        }
        let bins_per_semitone = (1.0 / config.resolution).ceil();
        let n_bins = (12.0 * bins_per_semitone * (fmax / fmin).log2()).floor() as usize + 1;
        let hop = hop_length as f64;
        let semitones = (config.max_transition_rate * 12.0 * hop / f64::from(sample_rate)).round_ties_even();
        let width = ((semitones * bins_per_semitone) as usize).saturating_add(1);
        let rule = "so low that the pitch can't cross the whole range in a frame";
        ConfigError::require(width < n_bins, "max_transition_rate", rule, config.max_transition_rate)?;
        // Four tables of 8 bytes a value.
        ConfigError::bound_table("fmax", n_bins, 4 * width)?;

        let ends: Vec<f64> = {
            // As numpy's linspace rounds them.
            let step = 1.0 / config.n_thresholds as f64;
            (1..=config.n_thresholds).map(|i| (i as f64 * step).min(1.0)).collect()
        };
        let mut below = 0.0;
        let threshold_probs = ends.iter().map(|&end| {
            let up_to = beta_cdf(end, a, b);
            up_to - std::mem::replace(&mut below, up_to)
        });
        Ok(Self {
            threshold_probs: threshold_probs.collect(),
            thresholds: ends,
            boltzmann: config.boltzmann_parameter,
            no_trough_prob: config.no_trough_prob,
            fmin,
            bins_per_octave: 12.0 * bins_per_semitone,
            n_bins,
            transitions: Transitions::new(n_bins, width, config.switch_prob),
            path: Path::new(n_bins),
            observation: vec![0.0; n_bins],
            troughs: Vec::new(),
            differences,
        })
    }

    /// Frequency and voicing of every frame.
    ///
    /// `n` samples give `1 + n / hop_length` frames with `center` and an even `frame_length`, `1 + (n − 1) / hop_length` with `center` and an
    /// odd one, and `1 + (n − frame_length) / hop_length` without `center`.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or (only without `center`) is shorter than a frame.
    pub fn process(&mut self, samples: &[f32]) -> Result<PitchTrack, SignalError> {
        let mut out = PitchTrack::default();
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into arrays that are resized as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&mut self, samples: &[f32], out: &mut PitchTrack) -> Result<(), SignalError> {
        let n_frames = self.differences.framing.check(samples)?;
        resize(&mut out.f0, n_frames);
        resize(&mut out.voiced, n_frames);
        resize(&mut out.voiced_probability, n_frames);
        self.path.start();
        for (t, probability) in out.voiced_probability.iter_mut().enumerate() {
            let framing = &self.differences.framing;
            let (lead, range) = (framing.lead(t), framing.range(samples.len(), t));
            self.differences.of_frame(lead, &samples[range]);
            self.observe();
            let voiced = self.observation.iter().sum::<f64>().clamp(0.0, 1.0);
            *probability = voiced as f32;
            self.path.step(&self.transitions, &self.observation, (1.0 - voiced) / self.n_bins as f64);
        }
        let (fmin, bins_per_octave, n_bins) = (self.fmin, self.bins_per_octave, self.n_bins);
        self.path.trace(n_frames, |t, state| {
            out.voiced[t] = state < n_bins;
            out.f0[t] = if state < n_bins {
                (fmin * 2.0_f64.powf(state as f64 / bins_per_octave)) as f32
            } else {
                f32::NAN
            };
        });
        Ok(())
    }

    /// The probability of each pitch, of the differences of one frame.
    fn observe(&mut self) {
        let Self { differences, troughs, observation, .. } = self;
        let d = &differences.values;
        troughs.clear();
        troughs.extend((0..d.len()).filter(|&i| differences.is_trough(i)).map(|i| (i, 0.0)));
        // The deepest trough, the first of equals.
        let deepest =
            (1..troughs.len()).fold(0, |best, i| if d[troughs[i].0] < d[troughs[best].0] { i } else { best });
        let decay = (-self.boltzmann).exp();
        for (&threshold, &weight) in self.thresholds.iter().zip(&self.threshold_probs) {
            let n_below = troughs.iter().filter(|(trough, _)| d[*trough] < threshold).count();
            if n_below == 0 {
                if let Some((_, prob)) = troughs.get_mut(deepest) {
                    *prob += self.no_trough_prob * weight;
                }
                continue;
            }
            // A Boltzmann distribution over the troughs in their order.
            let scale = (1.0 - decay) / (1.0 - (-self.boltzmann * n_below as f64).exp());
            let mut prior = scale * weight;
            for (_, prob) in troughs.iter_mut().filter(|(trough, _)| d[*trough] < threshold) {
                *prob += prior;
                prior *= decay;
            }
        }
        observation.fill(0.0);
        for &(trough, prob) in troughs.iter().filter(|(_, prob)| *prob > 0.0) {
            let f0 = differences.sample_rate / differences.refined_period(trough);
            let bin = (self.bins_per_octave * (f0 / self.fmin).log2()).round_ties_even().max(0.0) as usize;
            // A pitch above the highest bin is discarded. If two periods fall into one bin, the longer one is used.
            if let Some(observation) = observation.get_mut(bin) {
                *observation = prob;
            }
        }
    }
}

/// Cumulative distribution function of the beta distribution with whole parameters: the probability of `a` or more successes in
/// `a + b − 1` trials. It is computed as 1 minus the probability of fewer successes, so that it rounds to 1 near the end. Otherwise
/// rounding noise would give the last thresholds a weight, and candidates that only these thresholds find would be used.
fn beta_cdf(x: f64, a: u32, b: u32) -> f64 {
    let n = a + b - 1;
    let (mut choose, mut fewer) = (1.0, 0.0);
    for j in 0..a {
        fewer += choose * x.powi(j as i32) * (1.0 - x).powi((n - j) as i32);
        choose *= f64::from(n - j) / f64::from(j + 1);
    }
    1.0 - fewer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prior_is_the_beta_distribution() {
        // scipy.stats.beta.cdf
        for (x, a, b, want) in
            [(0.1, 2, 18, 0.5797350211684026), (0.5, 3, 4, 0.65625), (1.0, 2, 18, 1.0), (0.3, 1, 1, 0.3)]
        {
            assert!((beta_cdf(x, a, b) - want).abs() < 1e-9, "{x} {a} {b}: {}", beta_cdf(x, a, b));
        }
        assert_eq!((beta_cdf(0.95, 2, 18), beta_cdf(0.0, 2, 18)), (1.0, 0.0));
    }

    #[test]
    fn silence_is_not_voiced() {
        let track = Pyin::new(PyinConfig::default()).unwrap().process(&[0.0; 4_000]).unwrap();
        assert!(track.voiced.iter().all(|voiced| !voiced));
        assert!(track.voiced_probability.iter().all(|&p| p == 0.0));
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Pyin::new(config).err().unwrap().to_string();
        let base = PyinConfig::default();
        for (config, rule) in [
            (PyinConfig { n_thresholds: 0, ..base.clone() }, "config: n_thresholds must be 1 to 10000"),
            (PyinConfig { beta_parameters: (0, 3), ..base.clone() }, "config: beta_parameters must be"),
            (
                PyinConfig { boltzmann_parameter: f64::NAN, ..base.clone() },
                "config: boltzmann_parameter must be",
            ),
            (PyinConfig { resolution: 0.0, ..base.clone() }, "config: resolution must be"),
            (PyinConfig { switch_prob: 1.0, ..base.clone() }, "config: switch_prob must be"),
            (PyinConfig { no_trough_prob: -0.1, ..base.clone() }, "config: no_trough_prob must be"),
            (
                PyinConfig { max_transition_rate: 1e6, ..base.clone() },
                "config: max_transition_rate must be so low",
            ),
            (PyinConfig { fmin: 3_000.0, ..base }, "config: fmin must be below fmax"),
        ] {
            let error = refusal(config);
            assert!(error.starts_with(rule), "{error}");
        }
    }
}
