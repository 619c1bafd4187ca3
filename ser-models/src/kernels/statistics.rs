//! Mean and standard deviation of rows.

use super::vectorized;

/// The summand of a variance before its root is taken, so that the root has a gradient.
pub(crate) const STATISTICS_EPS: f64 = 1e-5;

/// Writes to `mean` the mean of each column of `count` rows, and to `deviation` √(variance + 10⁻⁵), the variance divided by the number
/// of rows. Both must be zero on entry.
pub(crate) fn statistics<'a>(
    rows: impl Iterator<Item = &'a [f32]> + Clone,
    count: usize,
    mean: &mut [f32],
    deviation: &mut [f32],
) {
    let count = count as f32;
    vectorized(
        #[inline(always)]
        || {
            for row in rows.clone() {
                mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count);
            }
            for row in rows {
                for ((deviation, x), mean) in deviation.iter_mut().zip(row).zip(&*mean) {
                    *deviation += (x - mean) * (x - mean) / count;
                }
            }
            deviation.iter_mut().for_each(|x| *x = (*x + STATISTICS_EPS as f32).sqrt());
        },
    );
}
