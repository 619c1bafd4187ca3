//! Settings by Kaldi's names.

use crate::window::Window;

/// Settings of Kaldi's frames. The defaults are Kaldi's, without dither. The names are Kaldi's too, except `sample_rate` (`samp_freq`),
/// `window` (`window_type`) and `scale`, which Kaldi does not have.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiFrameConfig {
    /// Sample rate of the signal in Hz, at least 1; Kaldi's `samp_freq`.
    pub sample_rate: u32,
    /// Length of a frame in milliseconds. Rounded down to whole samples, it is at least two samples and at most 1,048,576 samples.
    pub frame_length_ms: f64,
    /// Time from one frame to the next in milliseconds. Rounded down to whole samples, it is at least one sample and at most 1,048,576
    /// samples.
    pub frame_shift_ms: f64,
    /// Pre-emphasis coefficient, 0..=1. From each sample of a frame, the previous sample times this is subtracted; from the first sample,
    /// this times itself.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub preemph_coeff: f32,
    /// Whether each frame's mean is subtracted first.
    pub remove_dc_offset: bool,
    /// Shape of the window, which is always symmetric here.
    pub window: Window,
    /// Whether zeros fill a frame up to the next power of two.
    pub round_to_power_of_two: bool,
    /// `true`: frame `t` starts at sample `t · shift`, and only whole frames count: `1 + (n − length) / shift` for `n` samples, rounded
    /// down. `false`: frame `t` is centred on sample `(t + ½) · shift`, there are `n / shift` frames, rounded to the nearest, and the
    /// signal is mirrored at its ends, where the first and last sample count twice.
    pub snip_edges: bool,
    /// Factor of the samples, 0..=1e6. Kaldi's recipes use 16-bit integers. With the default, 32,768, the full scale of the samples is ±1.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub scale: f32,
}

impl Default for KaldiFrameConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            frame_length_ms: 25.0,
            frame_shift_ms: 10.0,
            preemph_coeff: 0.97,
            remove_dc_offset: true,
            window: Window::Povey,
            round_to_power_of_two: true,
            snip_edges: true,
            scale: 32_768.0,
        }
    }
}

/// Settings of the mel bands of Kaldi's features. The names and defaults are Kaldi's. Bands are triangles of height 1 that are straight in
/// mels, `1127 · ln(1 + f / 700)`. The bin at half of the sample rate belongs to no band.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiMelConfig {
    /// Number of bands, at least 1, at most 33,554,432 divided by the bins of the transform.
    pub num_bins: usize,
    /// Lower edge of the first band in Hz, at least 0.
    pub low_freq: f64,
    /// Upper edge of the last band in Hz. A value of 0 or less is added to half of the sample rate: −400 means 400 Hz below it. The edge
    /// must be above `low_freq` and at most half of the sample rate.
    pub high_freq: f64,
}

impl Default for KaldiMelConfig {
    fn default() -> Self {
        Self { num_bins: 23, low_freq: 20.0, high_freq: 0.0 }
    }
}

/// Settings of Kaldi's `compute-fbank-feats`. The names and defaults are Kaldi's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiFbankConfig {
    /// Settings of the frames.
    pub frames: KaldiFrameConfig,
    /// Settings of the mel bands.
    pub mel: KaldiMelConfig,
    /// Whether a first row holds the natural logarithm of each frame's energy, the sum of its squared samples.
    pub use_energy: bool,
    /// Whether the energy of `use_energy` is that before pre-emphasis and window, after the mean is subtracted. Otherwise it is that of the
    /// windowed frame.
    pub raw_energy: bool,
    /// Smallest energy, 0..=1e30, in the square of the scaled samples' unit. Smaller energies are raised to it, and in any case to
    /// 1.19e-7 (`f32::EPSILON`), before the logarithm is taken.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub energy_floor: f32,
    /// Whether bands are natural logarithms. Values below 1.19e-7 (`f32::EPSILON`) are raised to it first.
    pub use_log_fbank: bool,
    /// Whether filters are applied to powers; else to magnitudes.
    pub use_power: bool,
}

impl KaldiFbankConfig {
    /// Configures a sample rate in Hz and `num_bins` bands, with Kaldi's defaults for the rest.
    pub fn new(sample_rate: u32, num_bins: usize) -> Self {
        let frames = KaldiFrameConfig { sample_rate, ..Default::default() };
        Self { frames, mel: KaldiMelConfig { num_bins, ..Default::default() }, ..Default::default() }
    }
}

impl Default for KaldiFbankConfig {
    fn default() -> Self {
        Self {
            frames: KaldiFrameConfig::default(),
            mel: KaldiMelConfig::default(),
            use_energy: false,
            raw_energy: true,
            energy_floor: 0.0,
            use_log_fbank: true,
            use_power: true,
        }
    }
}

/// Settings of Kaldi's `compute-mfcc-feats`. The names and defaults are Kaldi's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiMfccConfig {
    /// Settings of the frames.
    pub frames: KaldiFrameConfig,
    /// Settings of the mel bands.
    pub mel: KaldiMelConfig,
    /// Coefficients to keep, 1..=`num_bins`; the product of both is at most 4,194,304.
    pub num_ceps: usize,
    /// Liftering `L`, finite and 0 or more: coefficient `n` (from 0) is multiplied with `1 + L / 2 · sin(π · n / L)`; 0 leaves the
    /// coefficients unchanged. A value so small that `π · num_ceps / L` is infinite is refused.
    pub cepstral_lifter: f64,
    /// Whether the first row is the natural logarithm of each frame's energy, the sum of its squared samples, instead of coefficient 0.
    pub use_energy: bool,
    /// Whether the energy of `use_energy` is that before pre-emphasis and window, after the mean is subtracted. Otherwise it is that of the
    /// windowed frame.
    pub raw_energy: bool,
    /// Smallest energy, 0..=1e30, in the square of the scaled samples' unit. Smaller energies are raised to it, and in any case to
    /// 1.19e-7 (`f32::EPSILON`), before the logarithm is taken.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub energy_floor: f32,
}

impl Default for KaldiMfccConfig {
    fn default() -> Self {
        Self {
            frames: KaldiFrameConfig::default(),
            mel: KaldiMelConfig::default(),
            num_ceps: 13,
            cepstral_lifter: 22.0,
            use_energy: true,
            raw_energy: true,
            energy_floor: 0.0,
        }
    }
}
