//! Mean and standard deviation over time.

use crate::kernels::{Real, STATISTICS_EPS, sum, sum_pairs};
use crate::layer::{
    Forward, Layer, LayerError, Mode, Padded, checked_shape, elements, for_element_type, tensor,
};
use rayon::prelude::*;

/// The mean and the standard deviation √(variance + 10⁻⁵) over the valid frames of each feature, as
/// [`WhisperEncoder::statistics`](crate::encoder::WhisperEncoder::statistics) computes them from an encoder's outputs.
///
/// Input [batch, layers · width, time], output [batch, layers · 2 · width]: for each of the layers the means, then the deviations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatisticsPool {
    width: usize,
}

impl StatisticsPool {
    /// Makes a layer for outputs of `width` features each, 1 or more.
    pub(crate) fn new(width: usize) -> Self {
        Self { width }
    }

    fn pool<T: Real>(self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        let (batch, rows, time) = x.values().dims3()?;
        x.check("StatisticsPool", time)?;
        let lengths = x.lengths_of(time);
        let values = x.values().contiguous()?;
        let width = self.width;
        let y = {
            let x = elements(&values)?;
            let clips = x.slice::<T>()?.par_chunks_exact(rows * time).zip(&lengths).map(|(clip, &length)| {
                let mut y = vec![T::ZERO; 2 * rows];
                for (y, layer) in y.chunks_exact_mut(2 * width).zip(clip.chunks_exact(width * time)) {
                    let (means, deviations) = y.split_at_mut(width);
                    for ((mean, deviation), row) in
                        means.iter_mut().zip(deviations).zip(layer.chunks_exact(time))
                    {
                        (*mean, *deviation) = moments(&row[..length]);
                    }
                }
                y
            });
            clips.collect::<Vec<_>>().concat()
        };
        let y = tensor(y, (batch, 2 * rows))?;
        let pooled = y.clone();
        Ok(Forward::of(mode.is_training(), y, move |dy, _, _| {
            let dy = dy.contiguous()?;
            let mut dx = vec![T::ZERO; batch * rows * time];
            {
                let (x, y, dy) = (elements(&values)?, elements(&pooled)?, elements(&dy)?);
                let of_clips = x.slice::<T>()?.par_chunks_exact(rows * time).zip(&lengths);
                let of_layers = y
                    .slice::<T>()?
                    .par_chunks_exact(2 * rows)
                    .zip(dy.slice::<T>()?.par_chunks_exact(2 * rows));
                dx.par_chunks_exact_mut(rows * time).zip(of_clips).zip(of_layers).for_each(
                    |((dx, (x, &length)), (y, dy))| {
                        for (row, (dx, x)) in dx.chunks_exact_mut(time).zip(x.chunks_exact(time)).enumerate()
                        {
                            let at = row / width * 2 * width + row % width;
                            let share = T::from_f64(1.0 / length as f64);
                            let (mean, slope) = (y[at], dy[at + width] / y[at + width] * share);
                            let offset = dy[at] * share;
                            for (dx, x) in dx[..length].iter_mut().zip(x) {
                                *dx = offset + slope * (*x - mean);
                            }
                        }
                    },
                );
            }
            Ok(Some(tensor(dx, (batch, rows, time))?))
        }))
    }
}

/// Returns mean and √(variance + 10⁻⁵).
fn moments<T: Real>(row: &[T]) -> (T, T) {
    let share = 1.0 / row.len() as f64;
    let mean = T::from_f64(sum(row).to_f64() * share);
    let variance = sum_pairs(row, row, |x, _| (x - mean) * (x - mean)).to_f64() * share;
    (mean, T::from_f64((variance + STATISTICS_EPS).sqrt()))
}

impl Layer for StatisticsPool {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        for_element_type!(x.values(), self.pool(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match *input {
            [rows, time] if rows > 0 && rows % self.width == 0 && time > 0 => Ok(vec![2 * rows]),
            _ => {
                let expected = format!("[layers · {}, time]", self.width);
                Err(LayerError::input_shape("StatisticsPool", expected, input))
            }
        }
    }

    fn kind(&self) -> &'static str {
        "StatisticsPool"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{answer, check_layer, input, padded, values, variable};

    #[test]
    fn means_and_deviations_of_valid_frames_and_their_gradients_are_correct() {
        let pool = StatisticsPool::new(3);
        let x = variable(&[2, 6, 5], 4);
        for lengths in [None, Some(&[5, 2][..])] {
            check_layer("statistics", &pool, &x, lengths);
        }
        let x = input(&[2, 6, 5], 4);
        let (given, of) = (values(&answer(&pool, padded(&x, Some(&[5, 2])))), values(&x));
        for (clip, length) in [5, 2].into_iter().enumerate() {
            for row in 0..6 {
                let frames = &of[(clip * 6 + row) * 5..][..length];
                let mean = frames.iter().sum::<f64>() / length as f64;
                let variance = frames.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / length as f64;
                let at = clip * 12 + row / 3 * 6 + row % 3;
                assert!((given[at] - mean).abs() < 1e-14);
                assert!((given[at + 3] - (variance + 1e-5).sqrt()).abs() < 1e-14);
            }
        }
        assert!(pool.output_shape(&[4, 5]).is_err() && pool.output_shape(&[6, 0]).is_err());
    }
}
