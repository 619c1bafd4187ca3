//! Samples of other types than `f32`.

mod sealed {
    pub trait Sealed {}
}

/// A type of samples that [`to_samples`] takes.
///
/// Integers are divided by their full scale: `i16` by 32,768, `i32` by 2³¹. `u8` is that of WAV files: 128 is subtracted, then it is
/// divided by 128. Floating-point samples have a full scale of ±1 and are rounded to `f32`.
pub trait Sample: sealed::Sealed + Copy {
    /// The sample, full scale ±1.
    fn to_f32(self) -> f32;
}

macro_rules! samples {
    ($($kind:ty: $sample:ident => $value:expr;)*) => {$(
        impl sealed::Sealed for $kind {}
        impl Sample for $kind {
            fn to_f32(self) -> f32 {
                let $sample = self;
                $value
            }
        }
    )*};
}

samples! {
    f32: x => x;
    f64: x => x as f32;
    i16: x => f32::from(x) / 32_768.0;
    i32: x => x as f32 / 2_147_483_648.0;
    u8: x => (f32::from(x) - 128.0) / 128.0;
}

impl<T: Sample> sealed::Sealed for &T {}
impl<T: Sample> Sample for &T {
    fn to_f32(self) -> f32 {
        (*self).to_f32()
    }
}

/// Converts samples to the form that every plan takes: a sequence of `f32` with a full scale of ±1.
///
/// Plans take `&[f32]`. Arrays, vectors and any `AsRef<[f32]>` give it without a copy. Use this function for other data: samples of a
/// sound card or a WAV file, and every `n`th value of interleaved channels or of a matrix.
///
/// ```
/// use ser_features::{ndarray::array, to_samples};
///
/// assert_eq!(to_samples([16_384_i16, -32_768]), [0.5, -1.0]);
/// let stereo = array![[0.25_f64, 0.5], [-0.25, -0.5]]; // [frames, channels]
/// assert_eq!(to_samples(stereo.column(1)), [0.5, -0.5]);
/// ```
pub fn to_samples<T: Sample>(samples: impl IntoIterator<Item = T>) -> Vec<f32> {
    samples.into_iter().map(Sample::to_f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_one() {
        assert_eq!(to_samples([i16::MIN, 0, i16::MAX]), [-1.0, 0.0, 32_767.0 / 32_768.0]);
        assert_eq!(to_samples([i32::MIN, 0, 1 << 30]), [-1.0, 0.0, 0.5]);
        assert_eq!(to_samples([0_u8, 128, 192]), [-1.0, 0.0, 0.5]);
        assert_eq!(to_samples([0.1_f64, -1.0]), [0.1, -1.0]);
        assert_eq!(to_samples(vec![0.1_f32]), [0.1]);
    }
}
