//! Linear prediction.

use crate::check::check_samples;
use crate::error::SignalError;
use crate::vector::vectorized;

/// Coefficients of linear prediction, `order + 1` of them, the first 1, by Burg's method (Marple, *A new autoregressive spectrum analysis
/// algorithm*, 1980), as `librosa.lpc`: the filter `Σ a[i] · x[t − i]` leaves the least error, forwards and backwards.
///
/// librosa calculates in the samples' `f32`, this in `f64`.
///
/// ```
/// use ser_features::lpc;
///
/// // A tone follows from its last two samples: x[t] = 2 cos(0.3) · x[t − 1] − x[t − 2].
/// let tone: Vec<f32> = (0..200).map(|n| (0.3 * n as f32).cos()).collect();
/// let a = lpc(&tone, 2)?;
/// assert!((a[1] + 2.0 * 0.3_f64.cos()).abs() < 1e-2 && (a[2] - 1.0).abs() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or has no more than `order` samples.
pub fn lpc(samples: &[f32], order: usize) -> Result<Vec<f64>, SignalError> {
    check_samples(samples)?;
    if samples.len() <= order {
        return Err(SignalError::TooShort { minimum: order.saturating_add(1), given: samples.len() });
    }
    let samples: Vec<f64> = samples.iter().map(|&x| f64::from(x)).collect();
    Ok(burg(&samples, order))
}

/// The same of more samples than the order.
pub(crate) fn burg(samples: &[f64], order: usize) -> Vec<f64> {
    let (mut forward, mut backward) = (samples[1..].to_vec(), samples[..samples.len() - 1].to_vec());
    let mut energy: f64 = forward.iter().zip(&backward).map(|(f, b)| f * f + b * b).sum();
    let mut product = correlate(&forward, &backward);
    let mut coefficients = vec![1.0];
    for done in 0..order {
        // Each order has one error less, at the start of one direction and at the end of the other.
        let (forward, backward) = (&mut forward[done..], &mut backward[..samples.len() - 1 - done]);
        let reflection = -2.0 * product / (energy + f64::from(f32::MIN_POSITIVE));
        coefficients.push(0.0);
        let mirrored: Vec<f64> = coefficients.iter().rev().map(|a| reflection * a).collect();
        coefficients.iter_mut().zip(mirrored).for_each(|(a, b)| *a += b);
        product = 0.0;
        // A block stays in the processor's cache until its products are summed.
        for start in (0..forward.len()).step_by(BLOCK) {
            let end = (start + BLOCK).min(forward.len());
            reflect(&mut forward[start..end], &mut backward[start..end], reflection);
            let first = start.max(1);
            product += correlate(&forward[first..end], &backward[first - 1..end - 1]);
        }
        let (first, last) = (forward.first().copied(), backward.last().copied());
        let (first, last) = (first.unwrap_or(0.0), last.unwrap_or(0.0));
        energy = (1.0 - reflection * reflection) * energy - last * last - first * first;
    }
    coefficients
}

/// Errors of prediction that are worked on at once.
const BLOCK: usize = 1024;

/// Products that are summed side by side.
const LANES: usize = 16;

vectorized! {
    fn reflect(forward: &mut [f64], backward: &mut [f64], reflection: f64) {
        for (f, b) in forward.iter_mut().zip(backward) {
            (*f, *b) = (*f + reflection * *b, *b + reflection * *f);
        }
    }
}

vectorized! {
    fn correlate(forward: &[f64], backward: &[f64]) -> f64 {
        let mut lanes = [0.0; LANES];
        let ((forward, forward_rest), (backward, backward_rest)) = (forward.as_chunks::<LANES>(), backward.as_chunks::<LANES>());
        for (f, b) in forward.iter().zip(backward) {
            for ((sum, f), b) in lanes.iter_mut().zip(f).zip(b) {
                *sum += f * b;
            }
        }
        for ((sum, f), b) in lanes.iter_mut().zip(forward_rest).zip(backward_rest) {
            *sum += f * b;
        }
        lanes.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_change_nothing() {
        let samples: Vec<f64> = (0..2 * BLOCK + 77).map(|n| (0.3 * (n * n % 1_009) as f64).sin()).collect();
        let (mut forward, mut backward) = (samples[1..].to_vec(), samples[..samples.len() - 1].to_vec());
        let mut want = vec![1.0];
        for _ in 0..20 {
            let energy: f64 = forward.iter().chain(&backward).map(|x| x * x).sum();
            let product: f64 = forward.iter().zip(&backward).map(|(f, b)| f * b).sum();
            let reflection = -2.0 * product / energy;
            want.push(0.0);
            let mirrored: Vec<f64> = want.iter().rev().map(|a| reflection * a).collect();
            want.iter_mut().zip(mirrored).for_each(|(a, b)| *a += b);
            for (f, b) in forward.iter_mut().zip(&mut backward) {
                (*f, *b) = (*f + reflection * *b, *b + reflection * *f);
            }
            forward.remove(0);
            backward.pop();
        }
        let got = burg(&samples, 20);
        assert!(got.iter().zip(&want).all(|(got, want)| (got - want).abs() < 1e-10), "{got:?} {want:?}");
    }

    #[test]
    fn signals_that_are_too_short_are_refused() {
        assert_eq!(lpc(&[0.1; 4], 4).err(), Some(SignalError::TooShort { minimum: 5, given: 4 }));
        assert_eq!(lpc(&[0.0; 5], 4).unwrap(), [1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(lpc(&[0.7], 0).unwrap(), [1.0]);
    }
}
