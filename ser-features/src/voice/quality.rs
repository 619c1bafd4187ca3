//! Jitter, shimmer and the harmonics-to-noise ratio.

use std::f64::consts::PI;

use ndarray::Array1;

use crate::error::{ConfigError, SignalError};
use crate::pyin::{PitchTrack, Pyin, PyinConfig};

/// Consecutive periods that differ by more than this factor are not compared, as in Praat.
const MAX_PERIOD_FACTOR: f64 = 1.3;

/// Consecutive periods whose peaks differ by more than this factor are not compared, as in Praat.
const MAX_AMPLITUDE_FACTOR: f64 = 1.6;

/// Smallest peak of a period, relative to the peak in the middle of its voiced stretch. Fainter periods are the remains of a voice
/// that ended.
const LEAST_PEAK: f64 = 0.05;

/// Least correlation of two periods that follow each other, as in Praat.
const LEAST_CORRELATION: f64 = 0.3;

/// Periods under the window of the harmonics-to-noise ratio, as in Praat.
const PERIODS: f64 = 4.5;

/// Result of [`VoiceQuality::process`]. The arrays have one value a frame, which is 0 where the frame is not voiced. Consecutive periods
/// that differ by a factor above 1.3, or whose peaks differ by a factor above 1.6, are not compared; jitter and shimmer are 0 where no pair
/// is left.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceQualityFrames {
    /// Fundamental frequency and voicing.
    pub pitch: PitchTrack,
    /// Jitter of the periods that begin in the frame's hop: the mean absolute difference of consecutive periods, in parts of their mean.
    pub jitter: Array1<f32>,
    /// Shimmer of the periods that begin in the frame's hop: the mean absolute difference of consecutive periods' peak amplitudes, in dB.
    pub shimmer_db: Array1<f32>,
    /// Harmonics-to-noise ratio in dB, −60..=60.
    pub hnr: Array1<f32>,
    /// Praat's *jitter (local)* of the whole signal: 0.01 is 1 %. 0 where there are not two periods to compare.
    pub jitter_local: f32,
    /// Praat's *shimmer (local)* of the whole signal, of peak amplitudes: 0.1 is 10 %.
    pub shimmer_local: f32,
    /// Praat's *shimmer (local, dB)* of the whole signal, of peak amplitudes.
    pub shimmer_local_db: f32,
}

/// Plan of jitter, shimmer and harmonics-to-noise ratio of voiced speech.
///
/// Periods are found as in Praat's manual under *Sound & Pitch: To PointProcess (cc)*. The search starts at the loudest place in the
/// middle of each voiced stretch. The next period lies 0.8 to 1.25 periods away, where the signal is most similar to that around the
/// last period.
/// The harmonics-to-noise ratio is that of Boersma, *Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
/// ratio of a sampled sound* (1993): `10 · log10(r / (1 − r))`, where `r` is the autocorrelation at the period, corrected for the window.
///
/// ```
/// use ser_features::{PyinConfig, VoiceQuality};
///
/// // A steady buzz of 150 Hz.
/// let buzz: Vec<f32> = (0..22_050)
///     .map(|n| (1..20).map(|k| (n as f32 * 150.0 * k as f32 / 22_050.0 * std::f32::consts::TAU).sin() / k as f32).sum())
///     .collect();
/// let voice = VoiceQuality::new(PyinConfig { fmin: 80.0, fmax: 500.0, ..Default::default() })?.process(&buzz)?;
/// assert!(voice.jitter_local < 0.002 && voice.shimmer_local_db < 0.1 && voice.hnr[20] > 25.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct VoiceQuality {
    pyin: Pyin,
    periods: Periods,
}

/// What finds the periods of voiced frames.
#[derive(Debug, Clone)]
pub(crate) struct Periods {
    sample_rate: f64,
    hop_length: usize,
    /// Samples from a frame's start to its time.
    centre: usize,
}

/// Jitter, shimmer and harmonics-to-noise ratio of every frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quality {
    pub(crate) jitter: Vec<f32>,
    pub(crate) shimmer_db: Vec<f32>,
    pub(crate) hnr: Vec<f32>,
    /// Of the whole signal.
    total: Differences,
}

/// One period: where it begins, how long it is in samples, and its largest amplitude.
#[derive(Clone, Copy)]
struct Pulse {
    at: f64,
    peak: f64,
}

impl VoiceQuality {
    /// Plans the fundamental frequency.
    ///
    /// # Errors
    /// As [`Pyin::new`].
    pub fn new(pitch: PyinConfig) -> Result<Self, ConfigError> {
        Ok(Self { periods: Periods::new(&pitch), pyin: Pyin::new(pitch)? })
    }

    /// Jitter, shimmer and harmonics-to-noise ratio.
    ///
    /// # Errors
    /// As [`Pyin::process`].
    pub fn process(&mut self, samples: &[f32]) -> Result<VoiceQualityFrames, SignalError> {
        let pitch = self.pyin.process(samples)?;
        let Quality { jitter, shimmer_db, hnr, total } = self.periods.measure(samples, &pitch);
        Ok(VoiceQualityFrames {
            jitter: jitter.into(),
            shimmer_db: shimmer_db.into(),
            hnr: hnr.into(),
            jitter_local: total.jitter(),
            shimmer_local: total.shimmer(),
            shimmer_local_db: total.shimmer_db(),
            pitch,
        })
    }
}

impl Periods {
    /// For the frames of a pitch track with this configuration.
    pub(crate) fn new(pitch: &PyinConfig) -> Self {
        Self {
            sample_rate: pitch.sample_rate.into(),
            hop_length: pitch.hop_length,
            centre: if pitch.center { 0 } else { pitch.frame_length / 2 },
        }
    }

    /// The quality of the voiced frames of a checked signal; 0 in all others.
    pub(crate) fn measure(&self, samples: &[f32], pitch: &PitchTrack) -> Quality {
        let samples: Vec<f64> = samples.iter().map(|&x| f64::from(x)).collect();
        let n_frames = pitch.f0.len();
        let nothing = vec![0.0; n_frames];
        let (jitter, shimmer_db) = (nothing.clone(), nothing.clone());
        let mut out = Quality { jitter, shimmer_db, hnr: nothing, total: Differences::default() };
        let mut frames = vec![Differences::default(); n_frames];
        let mut start = 0;
        while start < n_frames {
            let voiced = pitch.voiced.iter().skip(start).take_while(|voiced| **voiced).count();
            let pulses = self.pulses(&samples, pitch, start, start + voiced);
            for window in pulses.windows(3) {
                let [a, b, c] = [window[0], window[1], window[2]];
                let (first, second) = (b.at - a.at, c.at - b.at);
                let (loudest, faintest) = (a.peak.max(b.peak).max(c.peak), a.peak.min(b.peak).min(c.peak));
                if first.max(second) > MAX_PERIOD_FACTOR * first.min(second)
                    || loudest > MAX_AMPLITUDE_FACTOR * faintest
                {
                    continue;
                }
                let frame = ((b.at - self.centre as f64) / self.hop_length as f64).round().max(0.0) as usize;
                out.total.add(first, second, a.peak, b.peak);
                frames[frame.min(n_frames - 1)].add(first, second, a.peak, b.peak);
            }
            start += voiced + 1;
        }
        for (t, differences) in frames.iter().enumerate().filter(|(t, _)| pitch.voiced[*t]) {
            out.jitter[t] = differences.jitter();
            out.shimmer_db[t] = differences.shimmer_db();
            out.hnr[t] = self.hnr(&samples, self.time(t), self.sample_rate / f64::from(pitch.f0[t]));
        }
        out
    }

    /// The sample that frame `t` is centred on.
    fn time(&self, t: usize) -> usize {
        t * self.hop_length + self.centre
    }

    /// The beginnings of the periods of a stretch of voiced frames, in their order.
    fn pulses(&self, samples: &[f64], pitch: &PitchTrack, start: usize, end: usize) -> Vec<Pulse> {
        if start >= end {
            return Vec::new();
        }
        let half_hop = self.hop_length / 2;
        let first = self.time(start).saturating_sub(half_hop);
        let last = (self.time(end - 1) + half_hop).min(samples.len());
        let period = |at: f64| {
            let place =
                ((at - self.centre as f64) / self.hop_length as f64).clamp(start as f64, (end - 1) as f64);
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            let (f, g) = (f64::from(pitch.f0[below]), f64::from(pitch.f0[above]));
            self.sample_rate / (f + (g - f) * place.fract())
        };
        let centre = first.midpoint(last);
        let half = (period(centre as f64) / 2.0) as usize;
        let around = centre.saturating_sub(half)..(centre + half).min(samples.len());
        let Some(loudest) = around.max_by(|&a, &b| samples[a].abs().total_cmp(&samples[b].abs())) else {
            return Vec::new();
        };
        let pulse = |at: f64| Pulse { at, peak: peak(samples, at, period(at)) };
        let middle = pulse(loudest as f64);
        let walk = |direction: f64| {
            let (mut last_pulse, mut found) = (middle, Vec::new());
            while let Some(next) =
                next_pulse(samples, last_pulse.at, period(last_pulse.at), direction).map(&pulse)
            {
                let inside = next.at >= first as f64 && next.at < last as f64;
                if !inside || next.peak < LEAST_PEAK * middle.peak {
                    break;
                }
                found.push(next);
                last_pulse = next;
            }
            found
        };
        let mut pulses = walk(-1.0);
        pulses.reverse();
        pulses.push(middle);
        pulses.extend(walk(1.0));
        pulses
    }

    fn hnr(&self, samples: &[f64], time: usize, period: f64) -> f32 {
        let length = (PERIODS * period).round() as usize;
        let start = time.saturating_sub(length / 2).min(samples.len().saturating_sub(length));
        let segment = &samples[start..(start + length).min(samples.len())];
        let mean = segment.iter().sum::<f64>() / segment.len().max(1) as f64;
        let step = 2.0 * PI / segment.len().max(1) as f64;
        let window = |n: usize| 0.5 - 0.5 * (step * (n as f64 + 0.5)).cos();
        let windowed: Vec<f64> = segment.iter().enumerate().map(|(n, x)| (x - mean) * window(n)).collect();
        let energy: f64 = windowed.iter().map(|x| x * x).sum();
        if energy <= 0.0 {
            return 0.0;
        }
        // The fundamental is known within a pitch bin.
        let (low, high) = (0.985 * period - 1.0, 1.015 * period + 1.0);
        let (reach, base) = (24_isize, (low - 24.0).floor().max(0.0) as usize);
        let lags = base..=(high + 24.0).ceil() as usize;
        let correlations: Vec<f64> = lags
            .map(|lag| windowed.iter().zip(windowed.get(lag..).unwrap_or_default()).map(|(a, b)| a * b).sum())
            .collect();
        // The autocorrelation of the Hann window, relative to lag 0.
        let of_window = |lag: f64| {
            let part = (lag / segment.len() as f64).min(1.0);
            (1.0 - part) * (2.0 / 3.0 + (2.0 * PI * part).cos() / 3.0) + (2.0 * PI * part).sin() / (2.0 * PI)
        };
        let at = |lag: f64| {
            let nearest = lag.round() as isize - base as isize;
            let near = (nearest - reach).max(0)..=(nearest + reach).min(correlations.len() as isize - 1);
            let value: f64 = near
                .map(|i| correlations[i as usize] * sinc(lag - (base as isize + i) as f64, reach as f64))
                .sum();
            value / energy / of_window(lag)
        };
        let steps = ((high - low) / 0.05).ceil() as usize;
        let r = (0..=steps).map(|i| at(low + 0.05 * i as f64)).fold(0.0, f64::max);
        // A correlation above 1 is an error of interpolation.
        let r = r.clamp(1e-6, 1.0 - 1e-6);
        (10.0 * (r / (1.0 - r)).log10()) as f32
    }
}

/// `sin(πx) / πx` under a raised cosine of `reach` on each side.
fn sinc(x: f64, reach: f64) -> f64 {
    let taper = if x.abs() < reach { 0.5 + 0.5 * (PI * x / reach).cos() } else { 0.0 };
    if x.abs() < 1e-9 { 1.0 } else { taper * (PI * x).sin() / (PI * x) }
}

/// Where the period before or after the one at `at` begins; `None` where nothing resembles it.
fn next_pulse(samples: &[f64], at: f64, period: f64, direction: f64) -> Option<f64> {
    let centre = at.round() as isize;
    let half = (period / 2.0).round() as isize;
    let window = |centre: isize| {
        let start = usize::try_from(centre - half).ok()?;
        samples.get(start..start + (2 * half) as usize)
    };
    let own = window(centre)?;
    let energy = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let own_energy = energy(own);
    let correlation = |lag: isize| {
        let other = window(centre + direction as isize * lag)?;
        let product: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
        Some(product / (own_energy * energy(other)).sqrt().max(f64::MIN_POSITIVE))
    };
    let (least, most) = ((0.8 * period).floor() as isize, (1.25 * period).ceil() as isize);
    let values: Vec<f64> = (least - 1..=most + 1).map_while(correlation).collect();
    let inner = 1..values.len().checked_sub(1)?;
    let best = inner.max_by(|&a, &b| values[a].total_cmp(&values[b]))?;
    if values[best] < LEAST_CORRELATION {
        return None;
    }
    let (before, after) = (values[best - 1], values[best + 1]);
    let curvature = before + after - 2.0 * values[best];
    let shift = if curvature < 0.0 { ((before - after) / (2.0 * curvature)).clamp(-0.5, 0.5) } else { 0.0 };
    Some(at + direction * ((least - 1) as f64 + best as f64 + shift))
}

/// The largest amplitude within half a period, between samples too.
fn peak(samples: &[f64], at: f64, period: f64) -> f64 {
    let (first, last) =
        ((at - period / 2.0).max(0.0) as usize, ((at + period / 2.0) as usize).min(samples.len()));
    let largest = (first..last).max_by(|&a, &b| samples[a].abs().total_cmp(&samples[b].abs()));
    let Some(place) = largest else { return 0.0 };
    let size = |place: usize| samples.get(place).map_or(0.0, |x| x.abs());
    let (before, centre, after) = (place.checked_sub(1).map_or(0.0, size), size(place), size(place + 1));
    let curvature = before + after - 2.0 * centre;
    if curvature < 0.0 { centre - (before - after).powi(2) / (8.0 * curvature) } else { centre }
}

/// Sums over pairs of consecutive periods.
#[derive(Debug, Clone, Copy, Default)]
struct Differences {
    count: f64,
    period: f64,
    period_difference: f64,
    peak: f64,
    peak_difference: f64,
    decibels: f64,
}

impl Differences {
    fn add(&mut self, first: f64, second: f64, peak: f64, next_peak: f64) {
        self.count += 1.0;
        self.period += (first + second) / 2.0;
        self.period_difference += (second - first).abs();
        self.peak += (peak + next_peak) / 2.0;
        self.peak_difference += (next_peak - peak).abs();
        if peak > 0.0 && next_peak > 0.0 {
            self.decibels += (20.0 * (next_peak / peak).log10()).abs();
        }
    }

    fn jitter(&self) -> f32 {
        (self.period_difference / self.period.max(f64::MIN_POSITIVE)) as f32
    }

    fn shimmer(&self) -> f32 {
        (self.peak_difference / self.peak.max(f64::MIN_POSITIVE)) as f32
    }

    fn shimmer_db(&self) -> f32 {
        (self.decibels / self.count.max(1.0)) as f32
    }
}
