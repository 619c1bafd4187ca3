//! Masks, and the spectrogram values that they scale.

use num_complex::Complex32;

use crate::spectrogram::Spectrum;
use crate::vector::vectorized;

vectorized! {
    /// A part's shares with a power of 2.
    pub(super) fn squared_shares(own: &[f32], other: &[f32], margin: f32, of_nothing: f32, out: &mut [f32]) {
        for ((out, &own), &other) in out.iter_mut().zip(own).zip(other) {
            *out = share(own, other * margin, of_nothing, |x| x * x);
        }
    }
}

/// A part's share of a bin by its median and the other part's, or `of_nothing` where both vanish.
#[inline(always)]
pub(super) fn share(own: f32, other: f32, of_nothing: f32, raise: impl Fn(f32) -> f32) -> f32 {
    let (smaller, larger) = if own < other { (own, other) } else { (other, own) };
    let nothing = larger < f32::MIN_POSITIVE;
    // Relative to the larger one, no power can overflow.
    let power = raise(smaller / if nothing { 1.0 } else { larger });
    let own = if own < other { power } else { 1.0 };
    if nothing { of_nothing } else { own / (1.0 + power) }
}

/// A spectrogram's element: a magnitude or a complex value.
pub trait Bin: Copy + private::Sealed {
    /// The absolute value.
    #[doc(hidden)]
    fn magnitude(self) -> f32;
    /// The absolute values of bins, written to a slice of their number.
    #[doc(hidden)]
    fn magnitudes(bins: &[Self], out: &mut [f32]);
    /// Multiplies each bin with its own gain.
    #[doc(hidden)]
    fn scale(bins: &mut [Self], gains: &[f32]);
}

impl Bin for f32 {
    fn magnitude(self) -> f32 {
        self.abs()
    }

    fn magnitudes(bins: &[Self], out: &mut [f32]) {
        out.iter_mut().zip(bins).for_each(|(out, x)| *out = x.abs());
    }

    fn scale(bins: &mut [Self], gains: &[f32]) {
        bins.iter_mut().zip(gains).for_each(|(bin, gain)| *bin *= gain);
    }
}

impl Bin for Complex32 {
    fn magnitude(self) -> f32 {
        self.norm_sqr().sqrt()
    }

    fn magnitudes(bins: &[Self], out: &mut [f32]) {
        Spectrum::Magnitude.fill(out, bins);
    }

    fn scale(bins: &mut [Self], gains: &[f32]) {
        scale(bins, gains);
    }
}

vectorized! {
    fn scale(bins: &mut [Complex32], gains: &[f32]) {
        for (bin, &gain) in bins.iter_mut().zip(gains) {
            *bin = Complex32::new(bin.re * gain, bin.im * gain);
        }
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for num_complex::Complex32 {}
}
