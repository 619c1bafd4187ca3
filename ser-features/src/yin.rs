//! Fundamental frequency.

use ndarray::Array1;
use num_complex::Complex;
use rustfft::FftPlanner;

use crate::error::{ConfigError, SignalError};
use crate::fourier::{Forward, Inverse};
use crate::framing::Framing;
use crate::matrix::resize;

/// Settings of YIN. The default is librosa's; `fmin` and `fmax`, which librosa wants to be given, are those
/// that its documentation recommends, C2 and C7.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct YinConfig {
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
    /// Threshold of the cumulative mean normalised difference, at least 0. Its first minimum below the threshold gives the period; if there
    /// is none, the lowest value does.
    #[cfg_attr(feature = "serde", serde(with = "crate::number"))]
    pub trough_threshold: f64,
    /// Whether frames are centred on their time, with zeros around the signal.
    pub center: bool,
}

impl Default for YinConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            fmin: 65.406_391_325_149_66,
            fmax: 2_093.004_522_404_789,
            frame_length: 2048,
            hop_length: 512,
            trough_threshold: 0.1,
            center: true,
        }
    }
}

impl YinConfig {
    /// Fundamentals from `fmin` to `fmax` at a sample rate, all in Hz, and the default for the rest.
    ///
    /// ```
    /// use ser_features::{Yin, YinConfig};
    ///
    /// let tone: Vec<f32> = (0..16_000).map(|n| (n as f32 * 200.0 / 16_000.0 * std::f32::consts::TAU).sin()).collect();
    /// let f0 = Yin::new(YinConfig::new(16_000, 80.0, 400.0))?.process(&tone)?;
    /// assert!((f0[10] - 200.0).abs() < 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sample_rate: u32, fmin: f64, fmax: f64) -> Self {
        Self { sample_rate, fmin, fmax, ..Default::default() }
    }
}

/// Plan of the fundamental frequency by the YIN algorithm (de Cheveigné and Kawahara, *YIN, a fundamental frequency estimator for
/// speech and music*, 2002), as `librosa.yin`: the period is where the frame, shifted, differs least from itself.
///
/// Every frame gets a frequency, whether it is voiced or not; a silent one gets the highest. librosa sums in `f32`, this plan in `f64`.
/// If two minima are nearly equal, or one is nearly equal to the threshold, rounding may lead to another result than in librosa.
///
/// ```
/// use ser_features::{Yin, YinConfig};
///
/// let a3: Vec<f32> = (0..22_050).map(|n| (n as f32 * 220.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let mut yin = Yin::new(YinConfig { fmin: 80.0, fmax: 500.0, ..Default::default() })?;
/// let f0 = yin.process(&a3)?;
/// assert_eq!(f0.len(), 44);
/// assert!((f0[20] - 220.0).abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Yin {
    differences: Differences,
    trough_threshold: f64,
}

/// Result of [`Yin::analyze`], one value a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct YinFrames {
    /// Frequencies in Hz, as of [`Yin::process`].
    pub f0: Array1<f32>,
    /// Cumulative mean normalised difference at the period that was found: the difference of the frame from itself, shifted by the period,
    /// divided by the mean difference over the shifts up to it. Small for a periodic frame, about 1 for an aperiodic one. At least 0; 1 for
    /// silence. As in librosa, the last samples of the frame, which have no shifted counterpart, count in full. So a pure tone has about
    /// half of the period divided by the frame's length.
    pub aperiodicity: Array1<f32>,
}

/// The result of [`StreamingYin`](crate::StreamingYin) for one frame: one entry of each array of [`YinFrames`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct YinFrame {
    /// Frequency in Hz.
    pub f0: f32,
    /// Cumulative mean normalised difference at the period that was found, as in [`YinFrames::aperiodicity`].
    pub aperiodicity: f32,
}

/// Where frames differ least from themselves: what YIN and pYIN share.
#[derive(Debug, Clone)]
pub(crate) struct Differences {
    pub(crate) framing: Framing,
    pub(crate) sample_rate: f64,
    /// Shortest period looked at.
    pub(crate) min_period: usize,
    correlation: Autocorrelation,
    /// Of the periods from `min_period` to `max_period`.
    pub(crate) values: Vec<f64>,
}

impl Differences {
    pub(crate) fn new(
        sample_rate: u32,
        (fmin, fmax): (f64, f64),
        frame_length: usize,
        hop_length: usize,
        center: bool,
    ) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("sample_rate", sample_rate as usize)?;
        let framing = Framing::new(frame_length, hop_length, center)?;
        let rate = f64::from(sample_rate);
        ConfigError::require(fmin > 0.0, "fmin", "above 0", fmin)?;
        if fmax > rate / 2.0 {
            let nyquist = rate / 2.0;
            return Err(ConfigError::AboveNyquist { parameter: "fmax", frequency: fmax, nyquist });
        }
        if fmin.partial_cmp(&fmax) != Some(std::cmp::Ordering::Less) {
            return Err(ConfigError::EmptyRange { fmin, fmax });
        }
        let fits = rate / fmin < frame_length as f64 - 1.0;
        ConfigError::require(fits, "fmin", "so high that a frame is longer than its period", fmin)?;
        let max_period = ((rate / fmin).ceil() as usize).min(frame_length - 1);
        Ok(Self {
            framing,
            sample_rate: rate,
            min_period: (rate / fmax).floor() as usize,
            correlation: Autocorrelation::new(frame_length, max_period),
            values: Vec::new(),
        })
    }

    /// Cumulative mean normalised differences of a frame from itself, shifted by each period. `lead` samples of the frame come before the
    /// signal's first.
    pub(crate) fn of_frame(&mut self, lead: usize, frame: &[f32]) {
        let correlation = self.correlation.of(lead, frame);
        let energy = correlation[0];
        let (mut head, mut sum) = (square(lead, frame, 0), 0.0);
        self.values.clear();
        for (period, correlation) in correlation.iter().enumerate().skip(1) {
            // The first `period` samples have no earlier counterpart. Their energy is subtracted, except for a period of 1, as in librosa.
            let mut difference = 2.0 * (energy - correlation);
            if period > 1 {
                head += square(lead, frame, period - 1);
                difference -= head;
            }
            sum += difference;
            if period >= self.min_period {
                // For a constant frame, rounding can make the sum negative.
                let mean = f64::max(sum, 0.0) / period as f64;
                self.values.push(difference / (mean + f64::from(f32::MIN_POSITIVE)));
            }
        }
    }

    /// Whether a value is a local minimum, as librosa's `localmin` defines it.
    pub(crate) fn is_trough(&self, i: usize) -> bool {
        let d = &self.values;
        let falls = i == 0 || d[i] < d[i - 1];
        let rises = d.get(i + 1).is_none_or(|&next| if i == 0 { d[i] < next } else { d[i] <= next });
        falls && rises
    }

    /// The period in samples at place `at` of the values, refined by a parabola through the value and its two neighbours.
    pub(crate) fn refined_period(&self, at: usize) -> f64 {
        let d = &self.values;
        let shift = if at == 0 || at + 1 == d.len() {
            0.0
        } else {
            let curvature = d[at + 1] + d[at - 1] - 2.0 * d[at];
            let slope = (d[at + 1] - d[at - 1]) / 2.0;
            if slope.abs() >= curvature.abs() { 0.0 } else { -slope / curvature }
        };
        (self.min_period + at) as f64 + shift
    }
}

impl Yin {
    /// Plans the transforms.
    ///
    /// # Errors
    /// When a count is zero, `frame_length` exceeds its limit, `fmin` is not above 0 or not below `fmax`, `fmax` exceeds half of the sample
    /// rate, no period of `fmin` fits into a frame, or the threshold is negative or NaN.
    pub fn new(config: YinConfig) -> Result<Self, ConfigError> {
        let YinConfig { sample_rate, fmin, fmax, frame_length, hop_length, trough_threshold, center } =
            config;
        let differences = Differences::new(sample_rate, (fmin, fmax), frame_length, hop_length, center)?;
        let rule = "0 or more";
        ConfigError::require(trough_threshold >= 0.0, "trough_threshold", rule, trough_threshold)?;
        Ok(Self { differences, trough_threshold })
    }

    /// One frequency a frame in Hz, about `fmin` to `fmax`.
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
        let n_frames = self.differences.framing.check(samples)?;
        resize(out, n_frames);
        for (t, out) in out.iter_mut().enumerate() {
            let framing = &self.differences.framing;
            let (lead, range) = (framing.lead(t), framing.range(samples.len(), t));
            *out = self.of_frame(lead, &samples[range]).f0;
        }
        Ok(())
    }

    /// As [`process`](Self::process), with the aperiodicity of every frame.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn analyze(&mut self, samples: &[f32]) -> Result<YinFrames, SignalError> {
        let n_frames = self.differences.framing.check(samples)?;
        let (mut f0, mut aperiodicity) = (Array1::zeros(n_frames), Array1::zeros(n_frames));
        for (t, (f0, aperiodicity)) in f0.iter_mut().zip(&mut aperiodicity).enumerate() {
            let framing = &self.differences.framing;
            let (lead, range) = (framing.lead(t), framing.range(samples.len(), t));
            YinFrame { f0: *f0, aperiodicity: *aperiodicity } = self.of_frame(lead, &samples[range]);
        }
        Ok(YinFrames { f0, aperiodicity })
    }

    pub(crate) fn framing(&self) -> &Framing {
        &self.differences.framing
    }

    /// Frequency and aperiodicity of one frame. `lead` samples of the frame come before the signal's first.
    pub(crate) fn of_frame(&mut self, lead: usize, frame: &[f32]) -> YinFrame {
        let at = self.find(lead, frame);
        let silent = frame.iter().all(|&x| x == 0.0);
        let aperiodicity = if silent { 1.0 } else { self.differences.values[at].max(0.0) as f32 };
        let f0 = (self.differences.sample_rate / self.differences.refined_period(at)) as f32;
        YinFrame { f0, aperiodicity }
    }

    /// Where among the differences the period of a frame lies.
    fn find(&mut self, lead: usize, frame: &[f32]) -> usize {
        let differences = &mut self.differences;
        differences.of_frame(lead, frame);
        let d = &differences.values;
        let first = (0..d.len()).find(|&i| d[i] < self.trough_threshold && differences.is_trough(i));
        first.unwrap_or_else(|| (1..d.len()).fold(0, |lowest, i| if d[i] < d[lowest] { i } else { lowest }))
    }
}

/// A sample squared, by its place in the frame, of which the signal covers only what comes after `lead`.
fn square(lead: usize, frame: &[f32], at: usize) -> f64 {
    let x = at.checked_sub(lead).and_then(|at| frame.get(at)).copied().unwrap_or(0.0);
    f64::from(x) * f64::from(x)
}

/// Autocorrelation by way of the power spectrum.
#[derive(Debug, Clone)]
pub(crate) struct Autocorrelation {
    forward: Forward<f64>,
    inverse: Inverse<f64>,
    spectrum: Vec<Complex<f64>>,
    shifts: usize,
}

impl Autocorrelation {
    pub(crate) fn new(frame_length: usize, max_shift: usize) -> Self {
        // As many zeros as the largest shift prevent the frame's end from wrapping round to its start.
        let length = fast_length(frame_length + max_shift);
        let mut planner = FftPlanner::new();
        let forward = Forward::new(length, &mut planner);
        Self {
            inverse: Inverse::new(length, &mut planner),
            spectrum: vec![Complex::default(); forward.n_bins()],
            forward,
            shifts: max_shift + 1,
        }
    }

    /// The correlation for each shift from 0 on.
    fn of(&mut self, lead: usize, samples: &[f32]) -> &[f64] {
        let zeros = std::iter::repeat_n(0.0, lead);
        self.of_values(zeros.chain(samples.iter().map(|&x| f64::from(x))))
    }

    /// As [`of`](Self::of), of no more values than the frame has.
    pub(crate) fn of_values(&mut self, values: impl Iterator<Item = f64>) -> &[f64] {
        let frame = self.forward.signal();
        frame.fill(0.0);
        frame.iter_mut().zip(values).for_each(|(to, x)| *to = x);
        self.forward.run(&mut self.spectrum);
        let scale = 1.0 / self.forward.length() as f64;
        self.spectrum.iter_mut().for_each(|x| *x = Complex::new(x.norm_sqr() * scale, 0.0));
        &self.inverse.run(&self.spectrum)[..self.shifts]
    }
}

/// The smallest even length from `at_least` on that has no other factors than 2 and 3: such transforms are fast.
fn fast_length(at_least: usize) -> usize {
    let power = |three: usize| three * at_least.div_ceil(three).next_power_of_two().max(2);
    [1, 3, 9].into_iter().map(power).min().unwrap_or(at_least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_is_the_sum_of_products() {
        let samples = [1.0, -2.0, 3.0, 0.5];
        // Two samples of the frame lie before the signal.
        let mut correlation = Autocorrelation::new(6, 3);
        let want = [14.25, -6.5, 2.0, 0.5];
        let got = correlation.of(2, &samples);
        assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12), "{got:?}");
    }

    #[test]
    fn fast_lengths_are_long_enough() {
        for at_least in 1..3_000 {
            let length = fast_length(at_least);
            assert!(length >= at_least && length.is_multiple_of(2) && length < 2 * at_least + 2);
        }
        assert_eq!(fast_length(2_386), 3 * 1024);
        assert_eq!(fast_length(2_200), 9 * 256);
    }

    #[test]
    fn only_what_repeats_has_no_aperiodicity() {
        let mut yin = Yin::new(YinConfig::default()).unwrap();
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        let samples: Vec<f32> = (0..20_000)
            .map(|n| if n < 10_000 { (n as f32 * 0.05).sin() } else { noise() })
            .chain([0.0; 8_000])
            .collect();
        let frames = yin.analyze(&samples).unwrap();
        assert_eq!(frames.f0, yin.process(&samples).unwrap());
        assert!(frames.aperiodicity[8] < 0.05, "{}", frames.aperiodicity);
        assert!(frames.aperiodicity[30] > 0.5, "{}", frames.aperiodicity);
        assert_eq!(frames.aperiodicity[50], 1.0);
    }

    #[test]
    fn silence_has_the_highest_frequency() {
        let f0 = Yin::new(YinConfig::default()).unwrap().process(&[0.0; 4_000]).unwrap();
        assert!(f0.iter().all(|&f| f == 2_205.0), "{f0}");
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Yin::new(config).err().unwrap().to_string();
        let base = YinConfig::default();
        for (config, rule) in [
            (YinConfig { sample_rate: 0, ..base.clone() }, "config: sample_rate must be 1 or more, got 0"),
            (YinConfig { frame_length: 0, ..base.clone() }, "config: frame_length must be 1 or more, got 0"),
            (YinConfig { hop_length: 0, ..base.clone() }, "config: hop_length must be 1 or more, got 0"),
            (YinConfig { fmin: 0.0, ..base.clone() }, "config: fmin must be above 0, got 0"),
            (YinConfig { fmin: 3_000.0, ..base.clone() }, "config: fmin must be below fmax"),
            (YinConfig { fmin: f64::NAN, ..base.clone() }, "config: fmin must be above 0, got NaN"),
            (YinConfig { fmax: f64::NAN, ..base.clone() }, "config: fmin must be below fmax"),
            (
                YinConfig { fmax: 12_000.0, ..base.clone() },
                "config: fmax must be at most half of the sample rate",
            ),
            (YinConfig { fmin: 10.0, ..base.clone() }, "config: fmin must be so high that a frame is longer"),
            (
                YinConfig { trough_threshold: -1.0, ..base.clone() },
                "config: trough_threshold must be 0 or more",
            ),
        ] {
            let error = refusal(config);
            assert!(error.starts_with(rule), "{error}");
        }
    }
}
