//! Mel filter bank and mel spectrogram.
//!
//! Triangles are kept as the stretches of bins that they cover: on x86-64 with AVX-512 the 128 bands of three seconds take 8 µs on top
//! of the power spectrogram's 200 µs, where ndarray's product with the whole matrix takes 335 µs.

use ndarray::{Array2, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::matrix::fill_columns;
use crate::pad::PadMode;
use crate::spectrogram::{Frames, Spectrogram, Spectrum};
use crate::stft::{Precision, StftConfig};
use crate::vector::vectorized;

/// How frequencies become mels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum MelScale {
    /// Slaney's Auditory Toolbox (1998), librosa's default: linear below 1,000 Hz, 3 mels each 200 Hz; above, 27 mels for each factor
    /// of 6.4.
    #[default]
    Slaney,
    /// The Hidden Markov Model Toolkit: `2595 · log10(1 + f / 700)`.
    Htk,
}

impl MelScale {
    /// A frequency in Hz on this scale, in mels.
    pub fn to_mel(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Slaney if hz < 1000.0 => hz * 3.0 / 200.0,
            Self::Slaney => 15.0 + (hz / 1000.0).ln() * 27.0 / 6.4_f64.ln(),
        }
    }

    /// The frequency in Hz of a value on this scale.
    pub fn to_hz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < 15.0 => mel * 200.0 / 3.0,
            Self::Slaney => 1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp(),
        }
    }
}

/// Height of the mel filters' triangles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum MelNorm {
    /// Each triangle's area is 1 (`2 / width in Hz` high), so that noise is flat. librosa's default.
    #[default]
    Slaney,
    /// Each triangle is 1 high.
    None,
}

/// How a mel spectrogram is computed. The default is librosa's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct MelConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// The transform underneath.
    pub stft: StftConfig,
    /// Whether filters are applied to powers or to magnitudes.
    pub spectrum: Spectrum,
    /// Number of bands, at least 1, at most 268,435,456 divided by the bins. With more bands than bins to fill them the lowest bands stay empty.
    pub n_mels: usize,
    /// Lower edge of the first band in Hz, at least 0.
    pub fmin: f64,
    /// Upper edge of the last band in Hz, above `fmin`, at most half of the sample rate, which `None` means.
    pub fmax: Option<f64>,
    /// Spacing of the bands.
    pub scale: MelScale,
    /// Height of the filters.
    pub norm: MelNorm,
}

impl Default for MelConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            spectrum: Spectrum::Power,
            n_mels: 128,
            fmin: 0.0,
            fmax: None,
            scale: MelScale::Slaney,
            norm: MelNorm::Slaney,
        }
    }
}

impl MelConfig {
    /// `n_mels` bands at a sample rate in Hz, of transforms of `n_fft` samples every `hop_length`, and librosa's defaults for the rest.
    ///
    /// ```
    /// use ser_features::{MelConfig, MelSpectrogram};
    ///
    /// let mut mel = MelSpectrogram::new(MelConfig::new(16_000, 80, 400, 160))?;
    /// assert_eq!(mel.process(&[0.1; 16_000])?.dim(), (80, 101));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sample_rate: u32, n_mels: usize, n_fft: usize, hop_length: usize) -> Self {
        Self { sample_rate, n_mels, stft: StftConfig::new(n_fft, hop_length), ..Default::default() }
    }

    /// The defaults of torchaudio's `MelSpectrogram`: 16 kHz, transforms of 400 samples every 200, reflected ends, and 128 bands of
    /// height 1 on HTK's scale. It calculates with [`Precision::Double`](crate::Precision::Double), which is within 0.0011 dB of torchaudio in `f64`;
    /// with [`Precision::Single`](crate::Precision::Single) bands 80 dB below the loudest are up to 0.003 dB off.
    pub fn torchaudio() -> Self {
        let (n_fft, hop_length, pad_mode) = (400, 200, PadMode::Reflect);
        let precision = Precision::Double;
        let stft = StftConfig { n_fft, hop_length, pad_mode, precision, ..Default::default() };
        Self { sample_rate: 16_000, stft, scale: MelScale::Htk, norm: MelNorm::None, ..Default::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.stft.check()?;
        ConfigError::refuse_zero("sample_rate", self.sample_rate as usize)?;
        ConfigError::refuse_zero("n_mels", self.n_mels)?;
        ConfigError::bound_table("n_mels", self.n_mels, self.stft.n_bins())?;
        let nyquist = f64::from(self.sample_rate) / 2.0;
        let (fmin, fmax) = (self.fmin, self.fmax.unwrap_or(nyquist));
        ConfigError::require(fmin >= 0.0, "fmin", "at least 0", fmin)?;
        if fmax > nyquist {
            return Err(ConfigError::AboveNyquist { parameter: "fmax", frequency: fmax, nyquist });
        }
        // The comparison's negation also refuses NaN.
        if fmin < fmax { Ok(()) } else { Err(ConfigError::EmptyRange { fmin, fmax }) }
    }
}

/// The filter bank as a dense matrix `[n_mels, n_fft / 2 + 1]`, as `librosa.filters.mel`: triangles between neighbouring mels.
///
/// # Errors
/// When `n_mels`, `sample_rate` or a length of the transform is zero, or the frequency range is empty or exceeds half of the sample
/// rate.
pub fn mel_filter_bank(config: &MelConfig) -> Result<Array2<f32>, ConfigError> {
    let bank = MelFilterBank::new(config)?;
    let mut dense = Array2::zeros((config.n_mels, config.stft.n_bins()));
    for (mut row, filter) in dense.rows_mut().into_iter().zip(&bank.filters) {
        for (i, &weight) in bank.weights[filter.weights.clone()].iter().enumerate() {
            row[filter.first_bin + i] = weight;
        }
    }
    Ok(dense)
}

/// The filter bank, with only the bins that each filter touches.
///
/// Narrow filters are summed eight at a time, one in each lane, over the bins that any of them touches; wide ones alone, with
/// neighbouring bins in the lanes. Against one filter after the other, that saves 0.08 of the time of the Fourier transforms below
/// (x86-64 with AVX-512).
#[derive(Debug, Clone)]
pub(crate) struct MelFilterBank {
    filters: Vec<Filter>,
    weights: Vec<f32>,
    /// The first filters, eight to a group.
    groups: Vec<Group>,
    /// One array for each bin of a group.
    group_weights: Vec<[f32; LANES]>,
}

/// Filters that are summed side by side.
const LANES: usize = 8;

/// Bins of a filter that are summed side by side.
const WIDE_LANES: usize = 16;

/// What summing up the lanes of a wide filter costs, measured in bins of a group.
const WIDE_COST: usize = 9;

#[derive(Debug, Clone)]
struct Filter {
    first_bin: usize,
    weights: std::ops::Range<usize>,
}

impl Filter {
    fn end_bin(&self) -> usize {
        self.first_bin + self.weights.len()
    }
}

#[derive(Debug, Clone)]
struct Group {
    first_bin: usize,
    weights: std::ops::Range<usize>,
}

impl MelFilterBank {
    pub(crate) fn new(config: &MelConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let MelConfig { n_mels, scale, .. } = *config;
        let sample_rate = f64::from(config.sample_rate);
        let lowest = scale.to_mel(config.fmin);
        let step = (scale.to_mel(config.fmax.unwrap_or(sample_rate / 2.0)) - lowest) / (n_mels + 1) as f64;
        let edge = |i: usize| scale.to_hz(lowest + step * i as f64);

        let (mut filters, mut weights) = (Vec::with_capacity(n_mels), Vec::new());
        for band in 0..n_mels {
            let (low, centre, high) = (edge(band), edge(band + 1), edge(band + 2));
            let height = match config.norm {
                MelNorm::Slaney => 2.0 / (high - low),
                MelNorm::None => 1.0,
            };
            let weight = |bin: usize| {
                let hz = bin as f64 * sample_rate / config.stft.n_fft as f64;
                let triangle = ((hz - low) / (centre - low)).min((high - hz) / (high - centre));
                (triangle.max(0.0) * height) as f32
            };
            let start = weights.len();
            let touched = |&bin: &usize| weight(bin) > 0.0;
            let first_bin = (0..config.stft.n_bins()).find(touched).unwrap_or(0);
            weights.extend((first_bin..config.stft.n_bins()).take_while(touched).map(weight));
            filters.push(Filter { first_bin, weights: start..weights.len() });
        }
        Ok(Self::grouped(filters, weights))
    }

    /// From a dense matrix `[bands, n_bins]`.
    pub(crate) fn from_dense(dense: ArrayView2<'_, f32>, n_bins: usize) -> Result<Self, ConfigError> {
        let (n_bands, columns) = dense.dim();
        ConfigError::refuse_zero("the number of filters", n_bands)?;
        let rule = "n_fft / 2 + 1";
        ConfigError::require(columns == n_bins, "the number of columns of filters", rule, columns as f64)?;
        if let Some(&weight) = dense.iter().find(|weight| weight.is_nan() || weight.abs() > 1e6) {
            ConfigError::require(false, "every weight of filters", "within ±1e6", weight.into())?;
        }
        let (mut filters, mut weights) = (Vec::with_capacity(n_bands), Vec::new());
        for row in dense.rows() {
            let first_bin = row.iter().position(|&weight| weight != 0.0).unwrap_or(0);
            let end = row.iter().rposition(|&weight| weight != 0.0).map_or(first_bin, |last| last + 1);
            let start = weights.len();
            weights.extend(row.iter().take(end).skip(first_bin));
            filters.push(Filter { first_bin, weights: start..weights.len() });
        }
        Ok(Self::grouped(filters, weights))
    }

    fn grouped(filters: Vec<Filter>, weights: Vec<f32>) -> Self {
        let mut bank = Self { filters, weights, groups: Vec::new(), group_weights: Vec::new() };
        bank.group();
        bank
    }

    pub(crate) fn n_bands(&self) -> usize {
        self.filters.len()
    }

    /// Groups the narrow filters, which are the lowest.
    fn group(&mut self) {
        for filters in self.filters.as_chunks::<LANES>().0 {
            let first_bin = filters.iter().map(|filter| filter.first_bin).min().unwrap_or(0);
            let bins = first_bin..filters.iter().map(Filter::end_bin).max().unwrap_or(0).max(first_bin);
            let alone = |filter: &Filter| filter.weights.len().div_ceil(WIDE_LANES) + WIDE_COST;
            if bins.len() > filters.iter().map(alone).sum() {
                break;
            }
            let start = self.group_weights.len();
            self.group_weights.extend(bins.map(|bin| {
                filters.each_ref().map(|filter| {
                    let inside = (filter.first_bin..filter.end_bin()).contains(&bin);
                    if inside { self.weights[filter.weights.start + bin - filter.first_bin] } else { 0.0 }
                })
            }));
            self.groups.push(Group { first_bin, weights: start..self.group_weights.len() });
        }
    }

    /// Bands of one frame's spectrum.
    pub(crate) fn apply(&self, spectrum: &[f32], out: &mut [f32]) {
        bands(self, spectrum, out);
    }
}

vectorized! {
    fn bands(bank: &MelFilterBank, spectrum: &[f32], out: &mut [f32]) {
        let (grouped, alone) = out.split_at_mut(bank.groups.len() * LANES);
        for (group, out) in bank.groups.iter().zip(grouped.as_chunks_mut::<LANES>().0) {
            let weights = &bank.group_weights[group.weights.clone()];
            *out = sum_group(&spectrum[group.first_bin..][..weights.len()], weights);
        }
        for (filter, out) in bank.filters[grouped.len()..].iter().zip(alone) {
            let weights = &bank.weights[filter.weights.clone()];
            *out = dot(&spectrum[filter.first_bin..][..weights.len()], weights);
        }
    }
}

/// Sums of products, one a lane. Four sums in turn spare each addition the wait for the one before.
#[inline(always)]
fn sum_group(bins: &[f32], weights: &[[f32; LANES]]) -> [f32; LANES] {
    let mut sums = [[0.0_f32; LANES]; 4];
    let ((bins, bins_rest), (weights, weights_rest)) = (bins.as_chunks::<4>(), weights.as_chunks::<4>());
    for (bins, weights) in bins.iter().zip(weights) {
        for turn in 0..4 {
            add(&mut sums[turn], bins[turn], &weights[turn]);
        }
    }
    for (&bin, weights) in bins_rest.iter().zip(weights_rest) {
        add(&mut sums[0], bin, weights);
    }
    std::array::from_fn(|i| (sums[0][i] + sums[1][i]) + (sums[2][i] + sums[3][i]))
}

#[inline(always)]
fn add(sums: &mut [f32; LANES], bin: f32, weights: &[f32; LANES]) {
    for i in 0..LANES {
        sums[i] += bin * weights[i];
    }
}

/// The sum of products, with neighbours in lanes.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<WIDE_LANES>(), b.as_chunks::<WIDE_LANES>());
    let mut lanes = [0.0_f32; WIDE_LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..WIDE_LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += a * b;
    }
    let mut width = WIDE_LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Plan of a mel spectrogram, as `librosa.feature.melspectrogram`.
///
/// ```
/// use ser_features::{MelConfig, MelSpectrogram};
///
/// let mut mel = MelSpectrogram::new(MelConfig { n_mels: 64, ..Default::default() })?;
/// assert_eq!(mel.process(&[0.1; 22_050])?.dim(), (64, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MelSpectrogram {
    spectrogram: Spectrogram,
    bank: MelFilterBank,
    row: Vec<f32>,
    block: Vec<f32>,
}

impl MelSpectrogram {
    /// Plans transform and filters.
    ///
    /// # Errors
    /// As [`mel_filter_bank`], and when the window is longer than the transform.
    pub fn new(config: MelConfig) -> Result<Self, ConfigError> {
        let bank = MelFilterBank::new(&config)?;
        Self::with_bank(config, bank)
    }

    /// Plans the transform, with filters of your own, `[bands, n_fft / 2 + 1]`, instead of those that the configuration describes: of it,
    /// only `stft` and `spectrum` are read.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when there is no filter, a filter has another length, or a weight is not within ±1e6.
    pub fn with_filters(config: MelConfig, filters: ArrayView2<'_, f32>) -> Result<Self, ConfigError> {
        config.stft.check()?;
        let bank = MelFilterBank::from_dense(filters, config.stft.n_bins())?;
        Self::with_bank(config, bank)
    }

    fn with_bank(config: MelConfig, bank: MelFilterBank) -> Result<Self, ConfigError> {
        let spectrogram = Spectrogram::new(config.stft, config.spectrum)?;
        Ok(Self { spectrogram, row: vec![0.0; bank.n_bands()], bank, block: Vec::new() })
    }

    /// A matrix `[n_mels, frames]`, every value at least 0.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
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
        let shape = (self.row.len(), self.spectrogram.check(samples)?);
        let Self { spectrogram, bank, block, .. } = self;
        fill_columns(out, shape, block, |t, frame| bank.apply(spectrogram.frame(samples, t), frame));
        Ok(())
    }

    /// As [`process`](Self::process), of a given spectrogram `[n_fft / 2 + 1, frames]`: powers, magnitudes or whatever else the filters
    /// are to sum up.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
    pub fn process_spectrogram(
        &mut self,
        spectrogram: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>, SignalError> {
        check_magnitudes(spectrogram, self.spectrogram.config().n_bins())?;
        let (mut out, mut column) = (Array2::default((0, 0)), Vec::new());
        let Self { bank, block, row, .. } = self;
        fill_columns(&mut out, (row.len(), spectrogram.ncols()), block, |t, frame| {
            column.clear();
            column.extend(spectrogram.column(t));
            bank.apply(&column, frame);
        });
        Ok(out)
    }

    pub(crate) fn n_mels(&self) -> usize {
        self.row.len()
    }

    /// All frames of a checked signal.
    pub(crate) fn frames_into(&mut self, samples: &[f32], n_frames: usize, out: &mut Frames) {
        out.clear(self.n_mels());
        for t in 0..n_frames {
            out.push(self.frame(samples, t));
        }
    }

    pub(crate) fn check(&self, samples: &[f32]) -> Result<usize, SignalError> {
        self.spectrogram.check(samples)
    }

    /// Bands of one frame of a checked signal.
    pub(crate) fn frame(&mut self, samples: &[f32], t: usize) -> &[f32] {
        self.bank.apply(self.spectrogram.frame(samples, t), &mut self.row);
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: MelConfig) -> String {
        MelSpectrogram::new(config).err().unwrap().to_string()
    }

    #[test]
    fn scales_meet_their_definitions() {
        assert_eq!(MelScale::Slaney.to_mel(1000.0), 15.0);
        assert!((MelScale::Slaney.to_mel(6400.0) - 42.0).abs() < 1e-9);
        assert!((MelScale::Htk.to_mel(700.0) - 2595.0 * 2.0_f64.log10()).abs() < 1e-9);
        for scale in [MelScale::Slaney, MelScale::Htk] {
            for hz in [0.0, 55.0, 999.0, 1001.0, 8000.0] {
                assert!((scale.to_hz(scale.to_mel(hz)) - hz).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn own_filters_give_what_the_same_filters_give() {
        let config = MelConfig { n_mels: 30, ..Default::default() };
        let samples: Vec<f32> = (0..5_000).map(|n| (n as f32 * 0.1 + (n * n) as f32 * 1e-4).sin()).collect();
        let want = MelSpectrogram::new(config.clone()).unwrap().process(&samples).unwrap();
        let filters = mel_filter_bank(&config).unwrap();
        let mut own = MelSpectrogram::with_filters(config.clone(), filters.view()).unwrap();
        assert_eq!(own.process(&samples).unwrap(), want);
        let power = Spectrogram::new(config.stft, Spectrum::Power).unwrap().process(&samples).unwrap();
        assert_eq!(own.process_spectrogram(power.view()).unwrap(), want);
        let wrong = Array2::zeros((1024, 1));
        assert_eq!(
            own.process_spectrogram(wrong.view()).err(),
            Some(SignalError::Rows { expected: 1025, given: 1024 })
        );
    }

    #[test]
    fn filters_that_cannot_work_are_refused() {
        let refusal = |filters: Array2<f32>| {
            MelSpectrogram::with_filters(MelConfig::default(), filters.view()).err().unwrap().to_string()
        };
        assert_eq!(refusal(Array2::zeros((0, 1025))), "the number of filters must be at least 1");
        let rule = "the number of columns of filters must be n_fft / 2 + 1, but is 1024";
        assert_eq!(refusal(Array2::zeros((3, 1024))), rule);
        let rule = "every weight of filters must be within ±1e6, but is NaN";
        assert_eq!(refusal(Array2::from_elem((3, 1025), f32::NAN)), rule);
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let base = MelConfig::default();
        assert_eq!(refusal(MelConfig { n_mels: 0, ..base.clone() }), "n_mels must be at least 1");
        for n_mels in [1 << 20, usize::MAX] {
            let error = refusal(MelConfig { n_mels, ..base.clone() });
            assert!(error.starts_with("n_mels must be so small that"), "{error}");
        }
        assert_eq!(refusal(MelConfig { sample_rate: 0, ..base.clone() }), "sample_rate must be at least 1");
        assert_eq!(
            refusal(MelConfig { fmax: Some(12_000.0), ..base.clone() }),
            "fmax must not exceed half of the sample rate, but 12000 Hz > 11025 Hz"
        );
        assert_eq!(
            refusal(MelConfig { fmin: 500.0, fmax: Some(500.0), ..base.clone() }),
            "fmin must lie below fmax, but fmin is 500 Hz and fmax is 500 Hz"
        );
        assert_eq!(refusal(MelConfig { fmin: -1.0, ..base.clone() }), "fmin must be at least 0, but is -1");
        assert!(MelSpectrogram::new(MelConfig { fmin: f64::NAN, ..base.clone() }).is_err());
        assert!(MelSpectrogram::new(MelConfig { fmax: Some(f64::NAN), ..base }).is_err());
    }
}
