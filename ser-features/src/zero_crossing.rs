//! Zero-crossing rate.

use ndarray::Array1;

use crate::error::{ConfigError, SignalError};
use crate::framing::Framing;
use crate::matrix::resize;

/// Settings of the zero-crossing rate. The default is librosa's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct ZeroCrossingConfig {
    /// Samples of a frame, 1..=1,048,576.
    pub frame_length: usize,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
    /// Whether frames are centred on their time; the signal's first and last sample are then repeated around it.
    pub center: bool,
    /// Samples with at most this absolute value count as zero, at least 0.
    pub threshold: f64,
    /// Whether zero counts as positive. Otherwise it is a sign of its own, so that both coming to zero and leaving it are crossings.
    pub zero_pos: bool,
}

impl Default for ZeroCrossingConfig {
    fn default() -> Self {
        Self { frame_length: 2048, hop_length: 512, center: true, threshold: 1e-10, zero_pos: true }
    }
}

/// Plan of the zero crossing rate, as `librosa.feature.zero_crossing_rate`: the part of a frame's samples whose sign differs from
/// that of the sample before. High for hiss and fricatives, low for voiced speech.
///
/// ```
/// use ser_features::{ZeroCrossingConfig, ZeroCrossingRate};
///
/// // 1,000 Hz: 2,000 crossings a second.
/// let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 1_000.0 / 22_050.0 * std::f32::consts::TAU).cos()).collect();
/// let rate = ZeroCrossingRate::new(ZeroCrossingConfig::default())?.process(&tone)?;
/// assert_eq!(rate.len(), 44);
/// assert!((rate[20] * 22_050.0 - 2_000.0).abs() < 15.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ZeroCrossingRate {
    config: ZeroCrossingConfig,
    framing: Framing,
    /// For each sample, how many crossings there are up to it.
    crossings: Vec<u32>,
}

impl ZeroCrossingRate {
    /// Checks a configuration.
    ///
    /// # Errors
    /// When `frame_length` or `hop_length` is zero, the frame is longer than its limit, or `threshold` is negative or not finite.
    pub fn new(config: ZeroCrossingConfig) -> Result<Self, ConfigError> {
        let ZeroCrossingConfig { frame_length, hop_length, center, threshold, .. } = config;
        let framing = Framing::new(frame_length, hop_length, center)?;
        let rule = "finite and 0 or more";
        ConfigError::require(threshold >= 0.0 && threshold.is_finite(), "threshold", rule, threshold)?;
        Ok(Self { config, framing, crossings: Vec::new() })
    }

    /// One value a frame, 0..=1.
    ///
    /// `n` samples give `1 + n / hop_length` frames with `center` and an even `frame_length`, `1 + (n − 1) / hop_length` with `center` and an
    /// odd one, and `1 + (n − frame_length) / hop_length` without `center`.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or (only without `center`) is shorter than a frame.
    pub fn process(&mut self, samples: &[f32]) -> Result<Array1<f32>, SignalError> {
        let mut out = Array1::default(0);
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into an array that is resized as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&mut self, samples: &[f32], out: &mut Array1<f32>) -> Result<(), SignalError> {
        let n_frames = self.framing.check(samples)?;
        self.count(samples);
        resize(out, n_frames);
        let frame_length = self.framing.frame_length as f64;
        for (t, out) in out.iter_mut().enumerate() {
            let frame = self.framing.range(samples.len(), t);
            // A frame's own first sample is no crossing, whatever comes before it.
            let count = match frame.clone().next_back() {
                Some(last) => self.crossings[last] - self.crossings[frame.start],
                None => 0,
            };
            *out = (f64::from(count) / frame_length) as f32;
        }
        Ok(())
    }

    pub(crate) fn framing(&self) -> &Framing {
        &self.framing
    }

    /// The rate of one frame. `frame` holds only the part that the signal covers.
    pub(crate) fn of_frame(&self, _lead: usize, frame: &[f32]) -> f32 {
        let sign = self.sign();
        let count = frame.windows(2).filter(|pair| sign(pair[0]) != sign(pair[1])).count();
        (count as f64 / self.framing.frame_length as f64) as f32
    }

    /// The sign of a sample, by the configuration.
    fn sign(&self) -> impl Fn(f32) -> i8 + use<> {
        let ZeroCrossingConfig { threshold, zero_pos, .. } = self.config;
        move |x| match f64::from(x) {
            x if x.abs() <= threshold => i8::from(zero_pos),
            x if x > 0.0 => 1,
            _ => -1,
        }
    }

    /// Adds up the crossings of a signal.
    fn count(&mut self, samples: &[f32]) {
        let sign = self.sign();
        let mut before = samples.first().map_or(0, |&x| sign(x));
        let mut count = 0;
        self.crossings.clear();
        self.crossings.extend(samples.iter().map(|&x| {
            let sign = sign(x);
            count += u32::from(sign != before);
            before = sign;
            count
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(samples: &[f32], config: ZeroCrossingConfig) -> Vec<f32> {
        let config = ZeroCrossingConfig { frame_length: 8, hop_length: 4, ..config };
        ZeroCrossingRate::new(config).unwrap().process(samples).unwrap().to_vec()
    }

    #[test]
    fn a_sign_that_alternates_crosses_at_every_sample_but_the_first() {
        let config = ZeroCrossingConfig { center: false, ..Default::default() };
        assert_eq!(rate(&[1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0], config.clone()), [7.0 / 8.0]);
        assert_eq!(rate(&[0.3; 12], config), [0.0, 0.0]);
    }

    #[test]
    fn zero_is_positive_unless_it_is_a_sign_of_its_own() {
        let touching = [1.0, 1e-11, -0.0, 1.0, -1.0, 0.0, -1.0, -1.0];
        let config = ZeroCrossingConfig { center: false, ..Default::default() };
        assert_eq!(rate(&touching, config.clone()), [3.0 / 8.0]);
        assert_eq!(rate(&touching, ZeroCrossingConfig { zero_pos: false, ..config }), [5.0 / 8.0]);
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| ZeroCrossingRate::new(config).err().unwrap().to_string();
        let base = ZeroCrossingConfig::default();
        assert_eq!(
            refusal(ZeroCrossingConfig { frame_length: 0, ..base.clone() }),
            "config: frame_length must be 1 or more, got 0"
        );
        assert_eq!(
            refusal(ZeroCrossingConfig { hop_length: 0, ..base.clone() }),
            "config: hop_length must be 1 or more, got 0"
        );
        for threshold in [-1.0, f64::NAN] {
            let error = refusal(ZeroCrossingConfig { threshold, ..base.clone() });
            assert!(error.starts_with("config: threshold must be finite and 0 or more"), "{error}");
        }
    }
}
