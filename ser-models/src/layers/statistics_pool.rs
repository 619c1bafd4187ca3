//! Mean and standard deviation over time.

use super::recurrent::check_sequences;
use crate::kernels::Real;
use crate::layer::{Forward, Layer, LayerError, Mode, Padded, elements, for_element_type, tensor};

/// What is added to a variance before its root is taken, so that the root has a gradient.
pub(super) const EPS: f64 = 1e-5;

/// Mean and standard deviation of each feature over the valid frames (statistics pooling; Snyder et al. 2018): the means and then
/// the deviations, `√(variance + 10⁻⁵)`, the variance divided by the number of frames.
///
/// Input [batch, time, features], output [batch, 2 · features].
#[derive(Debug, Clone, Copy)]
pub struct StatisticsPool;

fn pool<T: Real>(x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
    let (batch, time, features) = x.values().dims3()?;
    let lengths = x.lengths().map_or_else(|| vec![time; batch], <[usize]>::to_vec);
    let x = x.values().contiguous()?;
    let mut statistics = vec![T::ZERO; batch * 2 * features];
    {
        let x = elements(&x)?;
        let clips = x.slice::<T>()?.chunks_exact(time * features).zip(&lengths);
        for (statistics, (x, length)) in statistics.chunks_exact_mut(2 * features).zip(clips) {
            let (mean, deviation) = statistics.split_at_mut(features);
            let count = T::from_f64(*length as f64);
            for x in x.chunks_exact(features).take(*length) {
                mean.iter_mut().zip(x).for_each(|(mean, x)| *mean += *x / count);
            }
            for x in x.chunks_exact(features).take(*length) {
                for ((deviation, x), mean) in deviation.iter_mut().zip(x).zip(&*mean) {
                    *deviation += (*x - *mean) * (*x - *mean) / count;
                }
            }
            deviation.iter_mut().for_each(|x| *x = T::from_f64((x.to_f64() + EPS).sqrt()));
        }
    }
    if !mode.is_training() {
        return Ok(Forward::inference(tensor(statistics, (batch, 2 * features))?));
    }
    let y = tensor(statistics.clone(), (batch, 2 * features))?;
    Ok(Forward::training(y, move |dy, input_wanted, _| {
        if !input_wanted {
            return Ok(None);
        }
        let dy = dy.contiguous()?;
        let (x, dy) = (elements(&x)?, elements(&dy)?);
        let mut dx = vec![T::ZERO; batch * time * features];
        let clips = dx.chunks_exact_mut(time * features).zip(x.slice::<T>()?.chunks_exact(time * features));
        let given = dy.slice::<T>()?.chunks_exact(2 * features).zip(statistics.chunks_exact(2 * features));
        for (((dx, x), (dy, statistics)), length) in clips.zip(given).zip(&lengths) {
            let ((dmean, ddeviation), (mean, deviation)) =
                (dy.split_at(features), statistics.split_at(features));
            let count = T::from_f64(*length as f64);
            for (dx, x) in dx.chunks_exact_mut(features).zip(x.chunks_exact(features)).take(*length) {
                for i in 0..features {
                    dx[i] = (dmean[i] + ddeviation[i] * (x[i] - mean[i]) / deviation[i]) / count;
                }
            }
        }
        Ok(Some(tensor(dx, (batch, time, features))?))
    }))
}

impl Layer for StatisticsPool {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let features = x.dims().last().copied().unwrap_or(0);
        check_sequences("StatisticsPool", x, features)?;
        for_element_type!(x.values(), pool(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match *input {
            [time, features] if time > 0 && features > 0 => Ok(vec![2 * features]),
            _ => Err(LayerError::InputShape {
                layer: "StatisticsPool",
                expected: "[time, features]".to_owned(),
                given: input.to_vec(),
            }),
        }
    }

    fn kind(&self) -> &'static str {
        "StatisticsPool"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{answer, check_layer, difference, input, padded, variable};
    use candle_core::Tensor;

    #[test]
    fn gradients_are_correct_with_and_without_padding() {
        let x = variable(&[3, 5, 4], 4);
        for lengths in [None, Some(&[5, 2, 1][..])] {
            check_layer("statistics", &StatisticsPool, &x, lengths);
        }
    }

    #[test]
    fn they_are_those_of_the_valid_frames() {
        let x = input(&[2, 6, 4], 4);
        let pooled = answer(&StatisticsPool, padded(&x, Some(&[3, 6])));
        for (clip, length) in [3, 6].into_iter().enumerate() {
            let valid = x.get(clip).unwrap().narrow(0, 0, length).unwrap();
            let mean = valid.mean_keepdim(0).unwrap();
            let variance = valid.broadcast_sub(&mean).unwrap().sqr().unwrap().mean_keepdim(0).unwrap();
            let deviation = (variance + EPS).unwrap().sqrt().unwrap();
            let expected = Tensor::cat(&[mean, deviation], 1).unwrap().squeeze(0).unwrap();
            assert!(difference(&pooled.get(clip).unwrap(), &expected) < 1e-14);
        }
        assert_eq!(StatisticsPool.output_shape(&[6, 4]).unwrap(), [8]);
        assert!(StatisticsPool.output_shape(&[4]).is_err() && StatisticsPool.output_shape(&[0, 4]).is_err());
    }
}
