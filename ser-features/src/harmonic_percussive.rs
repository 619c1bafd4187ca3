//! The harmonic and the percussive part of a signal.

use num_complex::Complex32;

use crate::error::{ConfigError, SignalError};
use crate::hpss::{Hpss, HpssConfig, Part};
use crate::istft::Istft;
use crate::stft::{Stft, StftConfig};

/// Frames of a segment that is separated by itself.
#[cfg(feature = "parallel")]
const SEGMENT: usize = 1024;

/// Plan that splits the samples of a signal into a harmonic and a percussive part, as librosa's `effects.harmonic` and
/// `effects.percussive`.
///
/// ```
/// use ser_features::{HarmonicPercussive, HpssConfig, StftConfig};
///
/// let mut tone: Vec<f32> = (0..22_050).map(|n| 0.1 * (0.1 * n as f32).sin()).collect();
/// tone[10_000] += 1.0; // a click
/// let mut separation = HarmonicPercussive::new(StftConfig::default(), HpssConfig::default())?;
/// assert!(separation.harmonic(&tone)?[10_000] < 0.3);
/// assert!(separation.percussive(&tone)?[10_000] > 0.7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct HarmonicPercussive {
    hpss: Hpss,
    stft: Stft,
    istft: Istft,
    /// Frames that wait for those behind them.
    frames: Vec<Complex32>,
    /// Frames that are in the signal.
    done: usize,
}

impl HarmonicPercussive {
    /// Plans the transforms.
    ///
    /// # Errors
    /// Those of [`Stft::new`] and [`Hpss::new`].
    pub fn new(stft: StftConfig, hpss: HpssConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            hpss: Hpss::new(hpss)?,
            istft: Istft::of_given_length(stft.clone())?,
            stft: Stft::new(stft)?,
            frames: Vec::new(),
            done: 0,
        })
    }

    /// The harmonic part, as long as the signal.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or (only without `center`) is shorter than a frame.
    pub fn harmonic(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.harmonic_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`harmonic`](Self::harmonic), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`harmonic`](Self::harmonic); `out` is then left as it was.
    pub fn harmonic_into(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        self.part_into(samples, Part::Harmonic, out)
    }

    /// The harmonic part of a long, checked signal. Its segments are separated in parallel, on all of rayon's threads. Each segment is
    /// extended on both sides by the samples that it depends on, so that the result is the same, bit for bit.
    #[cfg(feature = "parallel")]
    pub(crate) fn harmonic_of_long(&self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        use rayon::prelude::*;

        if rayon::current_num_threads() == 1 {
            return self.clone().harmonic(samples);
        }
        let (length, margin) = self.segment();
        let mut out = vec![0.0; samples.len()];
        let separate = |(plan, part): &mut (Self, Vec<f32>), (index, out): (usize, &mut [f32])| {
            let first = index * length;
            let (start, end) = (first.saturating_sub(margin), (first + out.len()).saturating_add(margin));
            plan.harmonic_into(&samples[start..end.min(samples.len())], part)?;
            out.copy_from_slice(&part[first - start..][..out.len()]);
            Ok(())
        };
        out.par_chunks_mut(length).enumerate().try_for_each_init(|| (self.clone(), Vec::new()), separate)?;
        Ok(out)
    }

    /// The same on one thread.
    #[cfg(not(feature = "parallel"))]
    pub(crate) fn harmonic_of_long(&self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        self.clone().harmonic(samples)
    }

    /// How long segments are best, and how many samples on each side they depend on: those of the frames that cover them, of these frames'
    /// neighbours under the median, and of the frames that would reach into the silence around the signal. Both are whole hops.
    #[cfg(feature = "parallel")]
    fn segment(&self) -> (usize, usize) {
        let (hop_length, n_fft) = (self.stft.config().hop_length, self.stft.config().n_fft);
        let hops = 2 * n_fft.div_ceil(hop_length) + self.hpss.stretch().1 + 1;
        let margin = hop_length.saturating_mul(hops);
        // Both margins together are at most a sixteenth of a segment. Only they are computed twice.
        (hop_length.saturating_mul(SEGMENT).max(margin.saturating_mul(32)), margin)
    }

    /// The percussive part, as long as the signal.
    ///
    /// # Errors
    /// As [`harmonic`](Self::harmonic).
    pub fn percussive(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.percussive_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`percussive`](Self::percussive), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`harmonic`](Self::harmonic).
    pub fn percussive_into(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        self.part_into(samples, Part::Percussive, out)
    }

    /// The harmonic and the percussive part, each as long as the signal, of one transform: librosa's `effects.hpss`.
    ///
    /// # Errors
    /// As [`harmonic`](Self::harmonic).
    pub fn both(&mut self, samples: &[f32]) -> Result<(Vec<f32>, Vec<f32>), SignalError> {
        self.stft.config().check_signal(samples)?;
        self.stft.frames_into(samples, &mut self.frames);
        let mut copy = self.frames.clone();
        self.hpss.split(&mut self.frames, &mut copy, self.stft.config().n_bins());
        let (mut harmonic, mut percussive) = (Vec::new(), Vec::new());
        self.istft.frames_into(&self.frames, Some(samples.len()), &mut harmonic);
        self.istft.frames_into(&copy, Some(samples.len()), &mut percussive);
        Ok((harmonic, percussive))
    }

    fn part_into(&mut self, samples: &[f32], part: Part, out: &mut Vec<f32>) -> Result<(), SignalError> {
        self.stft.config().check_signal(samples)?;
        let n_frames = self.stft.config().n_frames(samples.len());
        self.begin(samples.len(), out);
        for t in 0..n_frames {
            self.frames.extend_from_slice(self.stft.frame(samples, t));
            self.advance(part, out);
        }
        self.end(part, out);
        Ok(())
    }

    /// Makes room for a part of this many samples, whose frames come one by one.
    pub(crate) fn begin(&mut self, length: usize, out: &mut Vec<f32>) {
        self.hpss.begin();
        self.frames.clear();
        self.done = 0;
        self.istft.begin(0, Some(length), out);
    }

    /// Takes the next frame.
    pub(crate) fn push(&mut self, part: Part, frame: &[Complex32], out: &mut [f32]) {
        self.frames.extend_from_slice(frame);
        self.advance(part, out);
    }

    /// Ends the part.
    pub(crate) fn end(&mut self, part: Part, out: &mut [f32]) {
        let n_bins = self.stft.config().n_bins();
        while !self.frames.is_empty() {
            self.add_first(part, self.hpss.stretch().0.min(self.frames.len() / n_bins), out);
        }
        self.istft.end(out);
    }

    /// Masks frames and adds them, once those behind them are there.
    fn advance(&mut self, part: Part, out: &mut [f32]) {
        let (count, behind) = self.hpss.stretch();
        if self.frames.len() == (count + behind) * self.stft.config().n_bins() {
            self.add_first(part, count, out);
        }
    }

    fn add_first(&mut self, part: Part, count: usize, out: &mut [f32]) {
        let n_bins = self.stft.config().n_bins();
        self.hpss.keep_first(part, count, &mut self.frames, None, n_bins);
        for frame in self.frames[..count * n_bins].chunks_exact(n_bins) {
            self.istft.add_frame(self.done, frame, out);
            self.done += 1;
        }
        self.frames.drain(..count * n_bins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "parallel")]
    #[test]
    fn segments_give_the_bits_of_the_whole() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let signal = [0.5; 1000];
        let config = StftConfig { hop_length: usize::MAX, ..StftConfig::new(64, 1) };
        let mut plan = HarmonicPercussive::new(config, HpssConfig::default()).unwrap();
        let segments = pool.install(|| plan.harmonic_of_long(&signal));
        assert_eq!(segments, plan.harmonic(&signal), "the only frame is the first");
        for (n_fft, hop_length, win_length) in
            [(256, 64, None), (256, 100, Some(130)), (64, 80, None), (30, 7, None)]
        {
            let config = StftConfig { n_fft, hop_length, win_length, ..Default::default() };
            let mut plan = HarmonicPercussive::new(config, HpssConfig::default()).unwrap();
            let (length, margin) = plan.segment();
            for rest in [0, 1, margin - 1, margin, length - 1] {
                let mut state = 1_u32;
                let mut noise = |_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state as f32 / u32::MAX as f32 - 0.5
                };
                let signal: Vec<f32> = (0..2 * length + rest).map(&mut noise).collect();
                let segments = pool.install(|| plan.harmonic_of_long(&signal)).unwrap();
                assert_eq!(segments, plan.harmonic(&signal).unwrap(), "{n_fft}, {hop_length}, {rest}");
            }
        }
    }

    #[test]
    fn both_parts_of_a_signal_add_up_to_it() {
        let signal: Vec<f32> = (0..9_000).map(|n| ((n * n) as f32 * 1e-4).sin()).collect();
        let mut separation = HarmonicPercussive::new(StftConfig::default(), HpssConfig::default()).unwrap();
        let harmonic = separation.harmonic(&signal).unwrap();
        let percussive = separation.percussive(&signal).unwrap();
        assert_eq!(separation.both(&signal).unwrap(), (harmonic.clone(), percussive.clone()));
        for ((x, h), p) in signal.iter().zip(&harmonic).zip(&percussive) {
            assert!((x - h - p).abs() < 1e-5);
        }
    }
}
