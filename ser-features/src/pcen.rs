//! Per-channel energy normalisation.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::exponential::{exp, exp_m1, ln, ln_1p, near_exp, near_ln};
use crate::vector::vectorized;

/// Settings of per-channel energy normalisation. The default is librosa's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PcenConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
    /// Exponent of the smoothed energy in the divisor, 0..=1,000.
    pub gain: f64,
    /// Offset that is added before the compression, 0..=1e6.
    pub bias: f64,
    /// Exponent of the compression, 0..=100; 0 gives `ln(1 + S / (eps + M)^gain)`, without `bias`.
    pub power: f64,
    /// Time constant of the smoothing in seconds, above 0 and at most 1e6.
    pub time_constant: f64,
    /// Constant that is added to the smoothed energy, above 0 and at most 1e6: it prevents a division by zero.
    pub eps: f64,
    /// Coefficient of the smoothing, 0..=1. `None` derives it from the time constant `T` in frames: `(√(1 + 4T²) − 1) / (2T²)`.
    pub b: Option<f64>,
    /// Width in bands of the maximum filter before the smoothing, at least 1; 1 filters nothing.
    pub max_size: usize,
}

impl Default for PcenConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            gain: 0.98,
            bias: 2.0,
            power: 0.5,
            time_constant: 0.4,
            eps: 1e-6,
            b: None,
            max_size: 1,
        }
    }
}

/// Per-channel energy normalisation (Wang et al., *Trainable frontend for robust and far-field keyword spotting*, 2017), as `librosa.pcen`:
/// each band is divided by its own smoothed energy, then compressed, so that steady noise becomes weaker and onsets stand out.
///
/// `(S / (eps + M)^gain + bias)^power − bias^power`, where `M[t] = (1 − b) · M[t − 1] + b · S[t]` starts from 1. librosa suggests to scale
/// magnitudes by 2³¹, as of 32-bit samples.
///
/// ```
/// use ndarray::Array2;
/// use ser_features::{Pcen, PcenConfig};
///
/// let mut noise = Array2::from_elem((3, 200), 1_000.0_f32);
/// noise[[1, 150]] = 9_000.0; // something begins
/// let normalised = Pcen::new(PcenConfig::default())?.process(noise.view())?;
/// assert!((normalised[[1, 149]] - normalised[[0, 130]]).abs() < 0.01);
/// assert!(normalised[[1, 150]] > 2.0 * normalised[[1, 149]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pcen {
    config: PcenConfig,
    b: f64,
}

impl Pcen {
    /// Checks the configuration.
    ///
    /// # Errors
    /// When a field lies outside of its range.
    pub fn new(config: PcenConfig) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("sample_rate", config.sample_rate as usize)?;
        ConfigError::refuse_zero("hop_length", config.hop_length)?;
        ConfigError::refuse_zero("max_size", config.max_size)?;
        for (parameter, value, most, rule) in [
            ("gain", config.gain, 1e3, "0 to 1000"),
            ("bias", config.bias, 1e6, "0 to 1e6"),
            ("power", config.power, 100.0, "0 to 100"),
            ("b", config.b.unwrap_or(0.0), 1.0, "0 to 1"),
        ] {
            ConfigError::require((0.0..=most).contains(&value), parameter, rule, value)?;
        }
        let (time_constant, eps) = (config.time_constant, config.eps);
        ConfigError::require(eps > 0.0 && eps <= 1e6, "eps", "above 0 and at most 1e6", eps)?;
        let fits = time_constant > 0.0 && time_constant <= 1e6;
        ConfigError::require(fits, "time_constant", "above 0 and at most 1e6", time_constant)?;
        // The width at half height of the squared response is the time constant's.
        let frames = time_constant * f64::from(config.sample_rate) / config.hop_length as f64;
        let square = 2.0 * frames * frames;
        let derived = if square < 1e-12 { 1.0 } else { ((1.0 + 2.0 * square).sqrt() - 1.0) / square };
        Ok(Self { b: config.b.unwrap_or(derived), config })
    }

    /// The normalised energies of a spectrogram `[bands, frames]`, of the same shape.
    ///
    /// # Errors
    /// When the matrix has no row or no frame, or a value is negative, NaN or infinite.
    pub fn process(&self, spectrogram: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        self.process_from(spectrogram, &mut vec![1.0 - self.b; spectrogram.nrows()])
    }

    /// What each band's smoothing starts with.
    pub(crate) fn start(&self) -> f64 {
        1.0 - self.b
    }

    /// As [`process`](Self::process), with the initial state of each band's smoothing in `rest`. Afterwards `rest` holds the state for
    /// the next frames.
    pub(crate) fn process_from(
        &self,
        spectrogram: ArrayView2<'_, f32>,
        rest: &mut [f64],
    ) -> Result<Array2<f32>, SignalError> {
        let (n_bands, n_frames) = spectrogram.dim();
        check_magnitudes(spectrogram, n_bands.max(1))?;
        let spectrogram = spectrogram.as_standard_layout();
        let (mut out, mut smooth) = (Array2::zeros((n_bands, n_frames)), vec![0.0; LANES * n_frames]);
        let energies = spectrogram.as_slice().unwrap_or_default();
        let smoothed = self.smoothed(energies, n_frames);
        let blocks = energies.chunks(LANES * n_frames).zip(smoothed.chunks(LANES * n_frames));
        let out_blocks = out.as_slice_mut().unwrap_or_default().chunks_mut(LANES * n_frames);
        for (((energies, smoothed), out), rest) in blocks.zip(out_blocks).zip(rest.chunks_mut(LANES)) {
            let smooth = &mut smooth[..energies.len()];
            smooth_bands(smoothed, n_frames, self.b, rest, smooth);
            divide(energies, smooth, self.config.gain, self.config.eps);
            compress(smooth, self.config.bias, self.config.power, out);
        }
        Ok(out)
    }

    /// What is smoothed in place of each energy: the largest of `max_size` bands around it, which are mirrored at both ends.
    fn smoothed<'a>(&self, energies: &'a [f32], n_frames: usize) -> Cow<'a, [f32]> {
        let size = self.config.max_size;
        if size == 1 {
            return energies.into();
        }
        let mut largest = vec![0.0; energies.len()];
        for (band, out) in largest.chunks_exact_mut(n_frames).enumerate() {
            for near in places_around(energies.len() / n_frames, band, size) {
                let row = &energies[near * n_frames..][..n_frames];
                out.iter_mut().zip(row).for_each(|(out, &x)| *out = if x > *out { x } else { *out });
            }
        }
        largest.into()
    }
}

/// Bands that are smoothed side by side: one alone waits for each of its sums.
const LANES: usize = 8;

/// Smooths at most as many bands as there are lanes, one after the other in both slices.
fn smooth_bands(bands: &[f32], n_frames: usize, b: f64, starts: &mut [f64], out: &mut [f64]) {
    let last = bands.len() / n_frames - 1;
    let rows: [&[f32]; LANES] = std::array::from_fn(|lane| &bands[lane.min(last) * n_frames..][..n_frames]);
    let mut rest = [0.0; LANES];
    rest[..starts.len()].copy_from_slice(starts);
    for t in 0..n_frames {
        for (lane, rest) in rest.iter_mut().enumerate().take(last + 1) {
            let smooth = b * f64::from(rows[lane][t]) + *rest;
            *rest = (1.0 - b) * smooth;
            out[lane * n_frames + t] = smooth;
        }
    }
    starts.copy_from_slice(&rest[..starts.len()]);
}

vectorized! {
    /// Replaces smoothed energies by the energies divided by them.
    fn divide(energies: &[f32], smooth: &mut [f64], gain: f64, eps: f64) {
        for (smooth, &energy) in smooth.iter_mut().zip(energies) {
            *smooth = f64::from(energy) * near_exp(-gain * near_ln(eps + *smooth));
        }
    }
}

vectorized! {
    /// `(energy + bias)^power − bias^power`, or `ln(1 + energy)` where the power is 0. Roots, librosa's default, take half of the time of
    /// other powers.
    fn compress(energies: &[f64], bias: f64, power: f64, out: &mut [f32]) {
        let (inverse, scale) = (1.0 / bias, bias.powf(power));
        if power == 0.0 {
            for (out, &energy) in out.iter_mut().zip(energies) {
                *out = ln_1p(energy) as f32;
            }
        } else if power == 0.5 {
            // The difference of two roots, without its cancellation.
            let root = bias.sqrt();
            for (out, &energy) in out.iter_mut().zip(energies) {
                let sum = (energy + bias).sqrt() + root;
                *out = if sum > 0.0 { energy / sum } else { 0.0 } as f32;
            }
        } else if bias == 0.0 {
            for (out, &energy) in out.iter_mut().zip(energies) {
                *out = if energy > 0.0 { exp(power * ln(energy)) } else { 0.0 } as f32;
            }
        } else {
            for (out, &energy) in out.iter_mut().zip(energies) {
                *out = (scale * exp_m1(power * ln_1p(energy * inverse))) as f32;
            }
        }
    }
}

/// The largest of `size` values around a place, as SciPy's `maximum_filter1d`; mirrored at both ends.
pub(crate) fn largest_around(values: ndarray::ArrayView1<'_, f32>, at: usize, size: usize) -> f32 {
    if size == 1 {
        return values[at];
    }
    places_around(values.len(), at, size).fold(f32::NEG_INFINITY, |largest, place| largest.max(values[place]))
}

/// `size` places around one of `length`; mirrored at both ends.
fn places_around(length: usize, at: usize, size: usize) -> impl Iterator<Item = usize> {
    // Wider than all places and their mirror images, a window holds them all.
    let size = size.min(2 * length + 1) as isize;
    let first = at as isize - size / 2;
    (first..first + size).map(move |place| {
        let place = place.rem_euclid(2 * length as isize) as usize;
        place.min(2 * length - 1 - place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Pcen::new(config).err().unwrap().to_string();
        let base = PcenConfig::default();
        assert_eq!(
            refusal(PcenConfig { max_size: 0, ..base.clone() }),
            "config: max_size must be 1 or more, got 0"
        );
        assert_eq!(
            refusal(PcenConfig { gain: -1.0, ..base.clone() }),
            "config: gain must be 0 to 1000, got -1"
        );
        assert_eq!(refusal(PcenConfig { b: Some(1.5), ..base.clone() }), "config: b must be 0 to 1, got 1.5");
        assert!(refusal(PcenConfig { eps: 0.0, ..base.clone() }).starts_with("config: eps must be above 0"));
        assert!(
            refusal(PcenConfig { time_constant: f64::NAN, ..base })
                .starts_with("config: time_constant must be")
        );
    }

    #[test]
    fn every_value_is_that_of_the_definition() {
        let (n_bands, n_frames) = (11, 40);
        let mut state = 1_u32;
        // From 1e-20 to 1e20, and nothing.
        let spectrogram = Array2::from_shape_fn((n_bands, n_frames), |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state < 1 << 28 { 0.0 } else { 10.0_f32.powf(state as f32 / u32::MAX as f32 * 40.0 - 20.0) }
        });
        let base = PcenConfig::default();
        for config in [
            PcenConfig { max_size: 4, ..base.clone() },
            PcenConfig { power: 0.0, gain: 0.5, ..base.clone() },
            PcenConfig { power: 0.25, ..base.clone() },
            PcenConfig { bias: 0.0, ..base.clone() },
            PcenConfig { bias: 0.0, power: 0.3, eps: 1e-3, ..base.clone() },
            PcenConfig { gain: 0.0, power: 1.7, b: Some(0.0), ..base.clone() },
            PcenConfig { bias: 1e-3, power: 0.1, b: Some(1.0), ..base },
        ] {
            let PcenConfig { gain, bias, power, eps, max_size, .. } = config;
            let plan = Pcen::new(config).unwrap();
            let got = plan.process(spectrogram.view()).unwrap();
            // The layout of what is given does not matter.
            let turned = spectrogram.t().as_standard_layout().into_owned();
            assert_eq!(plan.process(turned.t()).unwrap(), got);
            for band in 0..n_bands {
                let mut rest = 1.0 - plan.b;
                for t in 0..n_frames {
                    let column = spectrogram.column(t);
                    let smooth = plan.b * f64::from(largest_around(column, band, max_size)) + rest;
                    rest = (1.0 - plan.b) * smooth;
                    let energy = f64::from(column[band]) * (eps + smooth).powf(-gain);
                    let want = match (power, bias) {
                        (0.0, _) => energy.ln_1p(),
                        (_, 0.0) => energy.powf(power),
                        _ => bias.powf(power) * (power * (energy / bias).ln_1p()).exp_m1(),
                    };
                    let error = (f64::from(got[[band, t]]) - want).abs();
                    assert!(
                        error <= 1e-7 * want + f64::from(f32::MIN_POSITIVE),
                        "{:?}: {} for {want}",
                        plan.config,
                        got[[band, t]]
                    );
                }
            }
        }
    }

    #[test]
    fn windows_are_mirrored() {
        let values = ndarray::array![3.0, 1.0, 2.0];
        let of = |at, size| largest_around(values.view(), at, size);
        assert_eq!((of(1, 1), of(2, 2), of(2, 3), of(2, 4), of(2, 99)), (1.0, 2.0, 2.0, 3.0, 3.0));
    }
}
