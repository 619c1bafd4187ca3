//! Band-pass filter.

use std::ops::Range;

use num_complex::Complex;
use rustfft::FftPlanner;

use crate::check::check_finite;
use crate::error::SignalError;
use crate::fourier::{Forward, Inverse};

/// Ideal band-pass filter without delay: it sets all bins of the whole signal's Fourier transform outside the band to zero.
///
/// The signal is treated as periodic: what the filter smears beyond its end appears at its start.
///
/// ```
/// use ser_features::BandPass;
///
/// let tone = |hertz| (0..8_000).map(move |n| (std::f64::consts::TAU * f64::from(n * hertz) / 8_000.0).sin() as f32);
/// let both: Vec<f32> = tone(100).zip(tone(1_000)).map(|(low, high)| low + high).collect();
/// // What a telephone passes.
/// let heard = BandPass::new(8_000).process(&both, 300.0..3_400.0)?;
/// assert!(heard.iter().zip(tone(1_000)).all(|(heard, high)| (heard - high).abs() < 1e-4));
/// # Ok::<(), ser_features::SignalError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BandPass {
    sample_rate: u32,
    /// For the length of the last signal: to plan transforms costs more than to use them.
    plans: Option<(Forward<f32>, Inverse<f32>)>,
    spectrum: Vec<Complex<f32>>,
}

impl BandPass {
    /// Makes a filter for signals of this sample rate in Hz, which must be at least 1. It is not checked.
    pub fn new(sample_rate: u32) -> Self {
        Self { sample_rate, plans: None, spectrum: Vec::new() }
    }

    /// Filters a signal to the band `hertz`. The result is as long as the signal.
    ///
    /// The range begins with the lowest frequency that is kept and ends with the first one that is not, in Hz. An empty range gives
    /// silence. A range from 0 to more than half of the sample rate leaves the signal unchanged, except for rounding.
    ///
    /// # Errors
    /// When `samples` is empty or holds a NaN or infinite value. A signal is not refused when the sum of its absolute samples exceeds the
    /// range of `f32`, 3.4e38. The result then holds NaN.
    pub fn process(&mut self, samples: &[f32], hertz: Range<f64>) -> Result<Vec<f32>, SignalError> {
        check_finite(samples)?;
        let length = samples.len();
        let plan = || {
            let planner = &mut FftPlanner::new();
            (Forward::new(length, planner), Inverse::new(length, planner))
        };
        self.plans = self.plans.take().filter(|(forward, _)| forward.length() == length);
        let (forward, inverse) = self.plans.get_or_insert_with(plan);
        self.spectrum.resize(forward.n_bins(), Complex::default());
        forward.process(samples, &mut self.spectrum);
        let (scale, bin_width) = (1.0 / length as f32, f64::from(self.sample_rate) / length as f64);
        for (bin, value) in self.spectrum.iter_mut().enumerate() {
            *value *= if hertz.contains(&(bin as f64 * bin_width)) { scale } else { 0.0 };
        }
        let mut out = vec![0.0; length];
        inverse.process(&self.spectrum, &mut out);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_signal_add_up_to_it() {
        let mut filter = BandPass::new(16_000);
        for length in [1, 2, 17, 1_000, 1_000, 4_001] {
            let signal: Vec<f32> = (0..length).map(|n| ((n * n) as f32 * 0.37).sin()).collect();
            let mut part = |hertz| filter.process(&signal, hertz).unwrap();
            let (low, high) = (part(0.0..1_234.5), part(1_234.5..8_001.0));
            for ((low, high), x) in low.iter().zip(&high).zip(&signal) {
                assert!((low + high - x).abs() < 1e-5, "{length}");
            }
        }
    }

    #[test]
    fn the_lower_edge_stays_and_the_upper_one_goes() {
        // A wave of 1,000 Hz is bin 125 of 1,000.
        let wave: Vec<f32> =
            (0..1_000).map(|n| (0.25 * std::f64::consts::PI * f64::from(n)).cos() as f32).collect();
        let mut filter = BandPass::new(8_000);
        let mut power = |hertz| filter.process(&wave, hertz).unwrap().iter().map(|x| x * x).sum::<f32>();
        assert!((power(1_000.0..2_000.0) - 500.0).abs() < 0.1);
        for away in [0.0..1_000.0, 2_000.0..1_000.0, f64::NAN..4_000.0] {
            assert!(power(away) < 1e-4);
        }
    }

    #[test]
    fn nothing_and_no_numbers_are_refused() {
        let mut filter = BandPass::new(8_000);
        assert_eq!(filter.process(&[], 0.0..1.0), Err(SignalError::Empty));
        let broken = filter.process(&[0.0, f32::NAN], 0.0..1.0);
        assert!(matches!(broken, Err(SignalError::NotFinite { index: 1, .. })));
    }
}
