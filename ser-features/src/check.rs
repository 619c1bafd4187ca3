//! Checks of samples and magnitudes.

use ndarray::ArrayView2;

use crate::error::SignalError;
use crate::vector::vectorized;

/// Loudest sample that features are taken of: the power spectrum of any transform that fits into memory stays finite.
const LOUDEST: f32 = 1e12;

/// Refuses an empty signal, one that holds NaN or infinity, and one with samples beyond [`LOUDEST`].
pub(crate) fn check_samples(samples: &[f32]) -> Result<(), SignalError> {
    check_within(samples, LOUDEST)
}

/// Refuses an empty signal and one that holds NaN or infinity.
pub(crate) fn check_finite(samples: &[f32]) -> Result<(), SignalError> {
    check_within(samples, f32::MAX)
}

fn check_within(samples: &[f32], limit: f32) -> Result<(), SignalError> {
    if samples.is_empty() {
        return Err(SignalError::Empty);
    }
    if all_within(samples, limit) {
        return Ok(());
    }
    refuse_not_finite(samples)?;
    match samples.iter().enumerate().find(|(_, x)| x.abs() > limit) {
        Some((index, &value)) => Err(SignalError::TooLoud { index, value }),
        None => Ok(()),
    }
}

/// Refuses magnitudes with another number of rows, without a frame, or with a value that no magnitude can have.
pub(crate) fn check_magnitudes(magnitude: ArrayView2<'_, f32>, rows: usize) -> Result<(), SignalError> {
    if magnitude.nrows() != rows {
        return Err(SignalError::Rows { expected: rows, given: magnitude.nrows() });
    }
    if magnitude.ncols() == 0 {
        return Err(SignalError::TooFewFrames { minimum: 1, given: 0 });
    }
    if magnitude.as_slice_memory_order().is_some_and(all_magnitudes) {
        return Ok(());
    }
    match magnitude.iter().enumerate().find(|(_, x)| !x.is_finite() || **x < 0.0) {
        Some((index, &value)) if value.is_finite() => Err(SignalError::Negative { index, value }),
        Some((index, &value)) => Err(SignalError::NotFinite { index, value }),
        None => Ok(()),
    }
}

/// Refuses a matrix with another number of rows, without a frame, or with a value that is NaN or infinite.
pub(crate) fn check_finite_matrix(matrix: ArrayView2<'_, f32>, rows: usize) -> Result<(), SignalError> {
    if matrix.nrows() != rows {
        return Err(SignalError::Rows { expected: rows, given: matrix.nrows() });
    }
    if matrix.ncols() == 0 {
        return Err(SignalError::TooFewFrames { minimum: 1, given: 0 });
    }
    if matrix.as_slice_memory_order().is_some_and(|values| all_within(values, f32::MAX)) {
        return Ok(());
    }
    refuse_not_finite(matrix)
}

/// Refuses NaN and infinity, by the position of the first.
pub(crate) fn refuse_not_finite<'a>(values: impl IntoIterator<Item = &'a f32>) -> Result<(), SignalError> {
    match values.into_iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((index, &value)) => Err(SignalError::NotFinite { index, value }),
        None => Ok(()),
    }
}

vectorized! {
    /// In one pass without branches. NaN is within no limit.
    fn all_within(samples: &[f32], limit: f32) -> bool {
        samples.iter().fold(true, |within, x| within & (x.abs() <= limit))
    }
}

vectorized! {
    /// Whether all values are finite and at least 0, in one pass without branches.
    fn all_magnitudes(values: &[f32]) -> bool {
        values.iter().fold(true, |hold, x| hold & (0.0..=f32::MAX).contains(x))
    }
}
