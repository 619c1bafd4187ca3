//! From channels to frames.

use super::kernels::{Gradients, Operation, Real, apply1};
use super::{Layer, LayerError, Mode, checked_shape};
use candle_core::{Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

/// Puts time before features, for recurrent layers after convolutions: [batch, channels, …, time] becomes [batch, time,
/// channels · …], every frame's features flattened in row-major order (Keras's `TimeDistributed(Flatten())`).
#[derive(Debug, Clone, Copy)]
pub struct TimeSteps;

impl Layer for TimeSteps {
    fn forward(&self, x: &Tensor, _mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        checked_shape(self, x)?;
        let x = x.flatten(1, x.rank() - 2)?;
        if !x.device().is_cpu() {
            return Ok(composed(&x)?);
        }
        let (batch, rows, columns) = x.dims3()?;
        Ok(apply1(&x, Turn { batch, rows, columns })?)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match input {
            [features @ .., time] if !features.is_empty() => {
                let features = features.iter().fold(1, |product: usize, size| product.saturating_mul(*size));
                Ok(vec![*time, features])
            }
            _ => Err(LayerError::InputShape {
                layer: "TimeSteps",
                expected: "[channels, …, time]".to_owned(),
                given: input.to_vec(),
            }),
        }
    }

    fn kind(&self) -> &'static str {
        "TimeSteps"
    }
}

/// The same from Candle's own operations.
fn composed(x: &Tensor) -> CandleResult<Tensor> {
    x.transpose(1, 2)?.contiguous()
}

/// Transposes each example's matrix, in squares that fit the cache.
fn turn<T: Real>(x: &[T], rows: usize, columns: usize) -> Vec<T> {
    const SQUARE: usize = 16;
    let mut y = vec![T::ZERO; x.len()];
    let size = (rows * columns).max(1);
    y.par_chunks_mut(size).zip(x.par_chunks(size)).with_min_len((1 << 15) / size + 1).for_each(|(y, x)| {
        for top in (0..rows).step_by(SQUARE) {
            for left in (0..columns).step_by(SQUARE) {
                for column in left..(left + SQUARE).min(columns) {
                    let to = &mut y[column * rows + top..column * rows + (top + SQUARE).min(rows)];
                    for (to, from) in to.iter_mut().zip(x[top * columns + column..].iter().step_by(columns)) {
                        *to = *from;
                    }
                }
            }
        }
    });
    y
}

/// The operation on the CPU.
#[derive(Debug)]
struct Turn {
    batch: usize,
    rows: usize,
    columns: usize,
}

impl Operation<1> for Turn {
    const NAME: &'static str = "ser-models-time-steps";

    fn output_shape(&self) -> Shape {
        (self.batch, self.columns, self.rows).into()
    }

    fn forward<T: Real>(&self, [x]: [&[T]; 1]) -> CandleResult<Vec<T>> {
        Ok(turn(x, self.rows, self.columns))
    }

    fn backward<T: Real>(
        &self,
        _inputs: [&[T]; 1],
        _y: &[T],
        dy: &[T],
        _wanted: [bool; 1],
    ) -> CandleResult<Gradients<T, 1>> {
        Ok([Some(turn(dy, self.columns, self.rows))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use candle_core::Var;

    #[test]
    fn frames_keep_their_order_and_gradients_are_right() {
        for shape in [&[2, 3, 5][..], &[3, 2, 3, 7], &[1, 19, 33]] {
            let x = Var::from_tensor(&input(shape, 4)).unwrap();
            let y = TimeSteps.forward(&x, &mut Mode::Inference).unwrap();
            let composition = || composed(&x.flatten(1, shape.len() - 2).unwrap()).unwrap();
            let expected = composition();
            assert_eq!(y.to_vec3::<f64>().unwrap(), expected.to_vec3::<f64>().unwrap());
            assert_eq!(y.dims()[1..], TimeSteps.output_shape(&shape[1..]).unwrap());
            if x.elem_count() < 100 {
                check("time steps", &[&x], || TimeSteps.forward(&x, &mut Mode::Inference).unwrap());
                check("time steps, composed", &[&x], composition);
            }
        }
        assert!(TimeSteps.output_shape(&[5]).is_err());
    }
}
