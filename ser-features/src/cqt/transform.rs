//! Runs a planned constant-Q transform over a signal.

use ndarray::Array2;
use num_complex::Complex32;
use rustfft::FftPlanner;

use super::CqtConfig;
use super::decimate::{Decimator, stretch};
use super::kernel::Kernel;
use super::plan::{self, Octave, Plan};
use crate::check::check_samples;
use crate::error::{ConfigError, SignalError};
use crate::fourier::Forward;
use crate::matrix::reshape;
use crate::vector::vectorized;

/// Frames that are handled at once, side by side.
const LANES: usize = 16;

type Lanes = [f32; LANES];

/// The constant-Q transform of a whole signal; see [`CqtConfig`].
///
/// The filters are applied in the frequency domain (Brown and Puckette, *An efficient algorithm for the calculation of a constant Q
/// transform*, 1992), octave by octave (Schörkhuber and Klapuri, *Constant-Q transform toolbox for music processing*, 2010).
///
/// It computes the same as `cqt(y, …)` of librosa 0.11. Frames are centred, with zeros beyond both ends of the signal. Filters are
/// Hann-windowed complex tones of `Q = filter_scale · (r² + 1) / (r² − 1)` periods, with `r = 2^(1 / bins_per_octave)`. Each octave uses
/// the signal at half of the rate of the octave above, as long as the hop length can be halved: see [`CqtConfig::hop_length`].
///
/// ```
/// use ser_features::{Cqt, CqtConfig};
///
/// let mut cqt = Cqt::new(CqtConfig::default())?;
/// // One second of A3.
/// let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 220.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let magnitude = cqt.process(&tone)?;
/// assert_eq!(magnitude.dim(), (84, 44));
/// // A3 lies 33 semitones above C1.
/// let loudest = (0..84).max_by(|&a, &b| magnitude[[a, 20]].total_cmp(&magnitude[[b, 20]]));
/// assert_eq!(loudest, Some(33));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cqt {
    plan: Plan,
    workspace: Workspace,
}

impl Cqt {
    /// Checks the configuration and builds the filters.
    ///
    /// # Errors
    /// [`ConfigError`] if the highest filter reaches above half of the sample rate, if a count is zero, or if another field is
    /// outside of its documented range.
    pub fn new(config: CqtConfig) -> Result<Self, ConfigError> {
        plan::check(&config)?;
        Ok(Self { plan: Plan::new(&config), workspace: Workspace::new() })
    }

    /// Computes magnitudes `[n_bins, frames]`, with `1 + samples.len() / hop_length` frames. When `fmin` and `n_bins` leave the highest
    /// octaves unused, the signal is downsampled before the first octave. Its length is then rounded up, which may add one frame.
    ///
    /// # Errors
    /// When `samples` is empty, or holds a value that is NaN, infinite or beyond ±1e12. When the signal is halved `h` times before the
    /// first octave (only where `fmin` and `n_bins` leave the upper octaves unused), also when it has fewer than `2^h` samples.
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
        self.workspace.transform(&self.plan, samples, out)
    }

    /// Computes the complex transform `[n_bins, frames]`, with as many frames as [`process`](Self::process).
    ///
    /// # Errors
    /// Those of [`process`](Self::process).
    pub fn process_complex(&mut self, samples: &[f32]) -> Result<Array2<Complex32>, SignalError> {
        let mut out = Array2::default((0, 0));
        self.process_complex_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process_complex`](Self::process_complex), into a matrix that is reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_complex_into(
        &mut self,
        samples: &[f32],
        out: &mut Array2<Complex32>,
    ) -> Result<(), SignalError> {
        self.workspace.transform(&self.plan, samples, out)
    }
}

/// Refuses what can't be transformed.
fn check(plan: &Plan, samples: &[f32]) -> Result<(), SignalError> {
    check_samples(samples)?;
    let minimum = plan.shortest_signal();
    if samples.len() < minimum {
        return Err(SignalError::TooShort { minimum, given: samples.len() });
    }
    Ok(())
}

/// What a bin of the result is made of.
pub(crate) trait Value: Copy + Default {
    fn new(re: f32, im: f32) -> Self;
}

impl Value for f32 {
    fn new(re: f32, im: f32) -> Self {
        (re * re + im * im).sqrt()
    }
}

impl Value for Complex32 {
    fn new(re: f32, im: f32) -> Self {
        Self::new(re, im)
    }
}

/// rustfft's planner. It is only a cache, so a clone starts empty.
struct Planner(FftPlanner<f32>);

impl Default for Planner {
    fn default() -> Self {
        Self(FftPlanner::new())
    }
}

impl Clone for Planner {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Planner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FftPlanner")
    }
}

/// The buffers of a transform, which any number of plans can share.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    planner: Planner,
    transforms: Vec<Forward<f32>>,
    decimators: Vec<(usize, Decimator)>,
    signal: Vec<f32>,
    next: Vec<f32>,
    padded: Vec<f32>,
    spectrum: Vec<Complex32>,
    re: Vec<Lanes>,
    im: Vec<Lanes>,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Self {
            planner: Planner::default(),
            transforms: Vec::new(),
            decimators: Vec::new(),
            signal: Vec::new(),
            next: Vec::new(),
            padded: Vec::new(),
            spectrum: Vec::new(),
            re: Vec::new(),
            im: Vec::new(),
        }
    }

    pub(crate) fn transform<T: Value>(
        &mut self,
        plan: &Plan,
        samples: &[f32],
        out: &mut Array2<T>,
    ) -> Result<(), SignalError> {
        check(plan, samples)?;
        self.signal.clear();
        self.signal.extend_from_slice(samples);
        self.transform_signal(plan, out);
        Ok(())
    }

    /// The magnitudes of a signal, which is consumed, and the number of frames. The rows of each octave are consecutive, the highest octave
    /// first. Memory in proportion to the signal's length is allocated when needed and not kept.
    pub(crate) fn transform_last(
        &mut self,
        plan: &Plan,
        samples: Vec<f32>,
    ) -> Result<(Vec<Vec<f32>>, usize), SignalError> {
        check(plan, &samples)?;
        let frames = plan.frames(samples.len());
        (self.signal, self.next) = (samples, Vec::new());
        if plan.early_halvings > 0 {
            self.decimate(plan.early_halvings);
        }
        let mut magnitudes = Vec::new();
        for (index, (octave, kernel)) in plan.octaves.iter().enumerate() {
            self.next = Vec::new();
            let mut rows = vec![0.0; octave.n_rows * frames];
            self.octave(octave, &plan.kernels[*kernel], &mut rows, frames);
            magnitudes.push(rows);
            if octave.halve && index + 1 < plan.octaves.len() {
                self.decimate(1);
            }
        }
        self.signal = Vec::new();
        Ok((magnitudes, frames))
    }

    fn transform_signal<T: Value>(&mut self, plan: &Plan, out: &mut Array2<T>) {
        let frames = plan.frames(self.signal.len());
        reshape(out, plan.n_bins, frames);
        let Some(values) = out.as_slice_mut() else { return };
        if plan.early_halvings > 0 {
            self.decimate(plan.early_halvings);
        }
        for (index, (octave, kernel)) in plan.octaves.iter().enumerate() {
            let rows = octave.first_row..octave.first_row + octave.n_rows;
            let values = &mut values[rows.start * frames..rows.end * frames];
            self.octave(octave, &plan.kernels[*kernel], values, frames);
            if octave.halve && index + 1 < plan.octaves.len() {
                self.decimate(1);
            }
        }
    }

    fn decimate(&mut self, halvings: usize) {
        let position = self.decimators.iter().position(|(of, _)| *of == halvings);
        let position = position.unwrap_or_else(|| {
            self.decimators.push((halvings, Decimator::new(halvings, &mut self.planner.0)));
            self.decimators.len() - 1
        });
        self.decimators[position].1.process(&self.signal, &mut self.next);
        std::mem::swap(&mut self.signal, &mut self.next);
    }

    /// Fills the octave's rows, `frames` values each.
    fn octave<T: Value>(&mut self, octave: &Octave, kernel: &Kernel, rows: &mut [T], frames: usize) {
        self.re.resize(kernel.n_bins, [0.0; LANES]);
        self.im.resize(kernel.n_bins, [0.0; LANES]);
        let fft = self.transform_of(kernel.n_fft);
        for first_frame in (0..frames).step_by(LANES) {
            let count = LANES.min(frames - first_frame);
            for lane in 0..count {
                self.spectrum_lane(octave, kernel, fft, first_frame + lane, lane);
            }
            project(kernel, &self.re, &self.im, |index, re, im| {
                let row = &mut rows[index * frames + first_frame..][..count];
                for (value, (&re, &im)) in row.iter_mut().zip(re.iter().zip(im)) {
                    *value = T::new(re, im);
                }
            });
        }
    }

    /// Position of the transform of this length.
    fn transform_of(&mut self, n_fft: usize) -> usize {
        let position = self.transforms.iter().position(|fft| fft.length() == n_fft);
        position.unwrap_or_else(|| {
            self.transforms.push(Forward::new(n_fft, &mut self.planner.0));
            self.transforms.len() - 1
        })
    }

    /// Transforms one frame and keeps the bins that the kernel touches, in one lane.
    fn spectrum_lane(&mut self, octave: &Octave, kernel: &Kernel, fft: usize, frame: usize, lane: usize) {
        let fft = &mut self.transforms[fft];
        self.spectrum.resize(fft.n_bins(), Complex32::ZERO);
        let start = (frame * octave.hop_length) as isize - (fft.length() / 2) as isize;
        let frame = stretch(&self.signal, start, fft.length(), &mut self.padded);
        let touched = kernel.first_bin..kernel.first_bin + kernel.n_bins;
        fft.bins_of(frame, touched.clone(), &mut self.spectrum);
        let bins = &self.spectrum[touched];
        for (bin, (re, im)) in bins.iter().zip(self.re.iter_mut().zip(&mut self.im)) {
            re[lane] = bin.re;
            im[lane] = bin.im;
        }
    }
}

vectorized! {
    /// Calls `found` with each row of the kernel and the sums of its weights times the bins, for all lanes.
    fn project(kernel: &Kernel, bins_re: &[Lanes], bins_im: &[Lanes], found: impl FnMut(usize, &Lanes, &Lanes)) {
        let mut found = found;
        for (index, (offset, weights)) in kernel.rows().enumerate() {
            let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
            let bins = bins_re[offset..].iter().zip(&bins_im[offset..]);
            for (weight, (bin_re, bin_im)) in weights.iter().zip(bins) {
                for lane in 0..LANES {
                    re[lane] += weight.re * bin_re[lane] - weight.im * bin_im[lane];
                    im[lane] += weight.re * bin_im[lane] + weight.im * bin_re[lane];
                }
            }
            found(index, &re, &im);
        }
    }
}
